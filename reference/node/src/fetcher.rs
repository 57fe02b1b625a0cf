//! Who fetches what of whom: one fetch at a time to each leader, for all partitions followed from it, in a session (KIP-227).
//!
//! A session begins with a fetch that names every partition. What the leader was told stands in `told`; each later fetch names only
//! those that it would tell otherwise: because the log grew or was cut, because the leader epoch is another, because the partition came or went,
//! or is left alone for a while after an error. They are noted when it happens (`changed`), so that a fetch costs as much as changed.
//!
//! What was answered with more than a high watermark is named again in any case: should the answer have been of no use, the leader is asked anew.
//!
//! A fetch that is not answered may have been taken or not. So the next one begins another session, as after any answer that does not fit.

use std::collections::{BTreeMap, BTreeSet};

use highwater_core::partition::PartitionFetch;
use highwater_core::{Instant, NodeId, Offset};

use crate::message::{FetchSession, FetchSessionError, TopicPartition};
use crate::ports::Ports;
use crate::timers::Timer;

/// A partition's place among those followed from one leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Of whom it is fetched.
    pub(crate) leader: NodeId,
    number: u64,
}

/// What a leader was told of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    /// From where on it is fetched.
    pub(crate) fetch: PartitionFetch,
    /// Where the log starts.
    pub(crate) log_start: Offset,
}

/// What is fetched of one leader.
///
/// - `turns` holds every partition followed from it, the one to serve first first: in this order a full fetch names them.
/// - While `resume` is set nothing is asked.
/// - While the session lasts, each partition of which the leader would be told something else than stands in `told` is in `changed`, or in
///   `paused` and not told at all.
#[derive(Debug)]
struct Fetcher {
    turns: BTreeMap<u64, TopicPartition>,
    outstanding: Option<u64>,
    resume: Option<Instant>,
    /// Of the next fetch; of the one that is outstanding, while one is.
    session: FetchSession,
    /// In which the session began.
    broker_epoch: i64,
    told: BTreeMap<TopicPartition, Told>,
    /// Of these the leader has to be told anew, if anything.
    changed: BTreeSet<TopicPartition>,
    /// These are not asked for before then.
    paused: BTreeSet<(Instant, TopicPartition)>,
}

/// The fetches of a broker as a follower.
#[derive(Debug, Default)]
pub(crate) struct Fetchers {
    by_leader: BTreeMap<NodeId, Fetcher>,
    /// Leaders of whom something may have to be fetched now.
    ready: Vec<NodeId>,
    number: u64,
}

/// What a fetch may have to name: all, or what changed.
#[derive(Debug)]
pub(crate) struct Scope {
    /// Which fetch of which session it is.
    pub(crate) session: FetchSession,
    /// Of these it is to be looked at what the leader has to be told.
    pub(crate) partitions: Vec<TopicPartition>,
}

impl Default for Fetcher {
    fn default() -> Self {
        Self {
            turns: BTreeMap::new(),
            outstanding: None,
            resume: None,
            session: FetchSession::NEW,
            broker_epoch: -1,
            told: BTreeMap::new(),
            changed: BTreeSet::new(),
            paused: BTreeSet::new(),
        }
    }
}

impl Fetcher {
    fn is_idle(&self) -> bool {
        self.turns.is_empty() && self.outstanding.is_none()
    }
}

impl Fetchers {
    /// Follows a partition from a leader, as the last of those followed from it.
    pub(crate) fn follow(&mut self, partition: TopicPartition, leader: NodeId) -> Turn {
        self.number += 1;
        let number = self.number;
        let fetcher = self.by_leader.entry(leader).or_default();
        fetcher.turns.insert(number, partition);
        fetcher.changed.insert(partition);
        self.ready(leader);
        Turn { leader, number }
    }

    /// Follows a partition no more.
    pub(crate) fn unfollow(&mut self, turn: Turn, ports: &mut Ports) {
        let Some(fetcher) = self.by_leader.get_mut(&turn.leader) else { return };
        if let Some(partition) = fetcher.turns.remove(&turn.number) {
            fetcher.changed.insert(partition);
        }
        if fetcher.is_idle() {
            ports.timers.arm(Timer::Fetcher(turn.leader), &mut fetcher.resume, None);
            self.by_leader.remove(&turn.leader);
        }
    }

    /// Puts a partition behind all others of its leader: it has just got records.
    pub(crate) fn rotate(&mut self, turn: &mut Turn) {
        let Some(fetcher) = self.by_leader.get_mut(&turn.leader) else { return };
        if let Some(partition) = fetcher.turns.remove(&turn.number) {
            self.number += 1;
            turn.number = self.number;
            fetcher.turns.insert(self.number, partition);
        }
    }

    /// Notes how a partition stands that is followed from this leader.
    pub(crate) fn note(&mut self, leader: NodeId, partition: TopicPartition, stands: &Told) {
        if let Some(fetcher) = self.by_leader.get_mut(&leader)
            && fetcher.told.get(&partition) != Some(stands)
        {
            fetcher.changed.insert(partition);
        }
    }

    /// Has this leader told of a partition again, whatever it was told before.
    pub(crate) fn tell_again(&mut self, leader: NodeId, partition: TopicPartition) {
        if let Some(fetcher) = self.by_leader.get_mut(&leader) {
            if let Some(told) = fetcher.told.get_mut(&partition) {
                // Nobody fetches from there, so that it differs from all that there is to tell.
                told.fetch.offset = -1;
            }
            fetcher.changed.insert(partition);
        }
    }

    /// Does not ask this leader for a partition before then.
    pub(crate) fn pause_partition(&mut self, leader: NodeId, partition: TopicPartition, until: Instant) {
        if let Some(fetcher) = self.by_leader.get_mut(&leader) {
            fetcher.paused.insert((until, partition));
            fetcher.changed.insert(partition);
        }
    }

    /// Notes that something may have to be fetched of a leader.
    pub(crate) fn ready(&mut self, leader: NodeId) {
        if !self.ready.contains(&leader) {
            self.ready.push(leader);
        }
    }

    /// A leader of whom something may have to be fetched, if there is one.
    pub(crate) fn next_ready(&mut self) -> Option<NodeId> {
        self.ready.pop()
    }

    /// What the next fetch of this leader has to look at, unless it is being asked, or left alone for a while.
    pub(crate) fn next_scope(&mut self, leader: NodeId, broker_epoch: i64, now: Instant) -> Option<Scope> {
        let fetcher = self.by_leader.get_mut(&leader)?;
        if fetcher.outstanding.is_some() || fetcher.resume.is_some() {
            return None;
        }
        if fetcher.broker_epoch != broker_epoch {
            fetcher.session = fetcher.session.anew();
            fetcher.broker_epoch = broker_epoch;
        }
        while let Some((until, partition)) = fetcher.paused.first().copied()
            && until <= now
        {
            fetcher.paused.pop_first();
            fetcher.changed.insert(partition);
        }
        let changed = std::mem::take(&mut fetcher.changed);
        let partitions = if fetcher.session.is_full() {
            fetcher.told.clear();
            fetcher.turns.values().copied().collect()
        } else {
            changed.into_iter().collect()
        };
        Some(Scope { session: fetcher.session, partitions })
    }

    /// The leader is to be told this of a partition; nothing, if the partition is not to be fetched. Whether that is news to it.
    pub(crate) fn tell(&mut self, leader: NodeId, partition: TopicPartition, stands: Option<Told>) -> bool {
        let Some(fetcher) = self.by_leader.get_mut(&leader) else { return false };
        match stands {
            Some(stands) => fetcher.told.insert(partition, stands) != Some(stands),
            None => fetcher.told.remove(&partition).is_some(),
        }
    }

    /// What the leader was told last of a partition.
    pub(crate) fn told(&self, leader: NodeId, partition: TopicPartition) -> Option<Told> {
        self.by_leader.get(&leader)?.told.get(&partition).copied()
    }

    /// This leader is being asked under this number.
    pub(crate) fn asked(&mut self, leader: NodeId, correlation: u64) {
        self.by_leader.entry(leader).or_default().outstanding = Some(correlation);
    }

    /// There is nothing to ask of this leader, unless a partition's pause ends.
    pub(crate) fn rest(&mut self, leader: NodeId, ports: &mut Ports) {
        let Some(fetcher) = self.by_leader.get_mut(&leader) else { return };
        // A session without partitions is none.
        fetcher.session = fetcher.session.anew();
        if let Some((until, _)) = fetcher.paused.first().copied() {
            self.pause(leader, until, ports);
        }
    }

    /// Whether the leader was told of any partition that is fetched.
    pub(crate) fn asks_for_any(&self, leader: NodeId) -> bool {
        self.by_leader.get(&leader).is_some_and(|fetcher| !fetcher.told.is_empty())
    }

    /// This leader is not being asked any more.
    pub(crate) fn settled(&mut self, leader: NodeId, correlation: u64) {
        if let Some(fetcher) = self.by_leader.get_mut(&leader)
            && fetcher.outstanding == Some(correlation)
        {
            fetcher.outstanding = None;
            if fetcher.turns.is_empty() && fetcher.resume.is_none() {
                self.by_leader.remove(&leader);
            }
            self.ready(leader);
        }
    }

    /// The leader has answered in this session, 0 for none: so the next fetch goes on in it.
    pub(crate) fn answered(&mut self, leader: NodeId, id: i32) {
        let Some(fetcher) = self.by_leader.get_mut(&leader) else { return };
        fetcher.session = match fetcher.session {
            asked if asked.is_full() && id != 0 => FetchSession::begun(id),
            asked if !asked.is_full() && id == asked.id => asked.next(),
            _ => FetchSession::NEW,
        };
    }

    /// The session is over, whether the leader knows or not. The next fetch begins another.
    pub(crate) fn begin_anew(&mut self, leader: NodeId) {
        if let Some(fetcher) = self.by_leader.get_mut(&leader) {
            fetcher.session = fetcher.session.anew();
        }
    }

    /// The leader has refused a fetch of the session. The next begins another; whether that can be done at once, since this one had been of use.
    pub(crate) fn refused(&mut self, leader: NodeId, error: FetchSessionError) -> bool {
        let Some(fetcher) = self.by_leader.get_mut(&leader) else { return false };
        let was_of_use = fetcher.session.epoch > 1;
        fetcher.session = match error {
            FetchSessionError::NotFound => FetchSession::NEW,
            FetchSessionError::InvalidEpoch => fetcher.session.anew(),
        };
        was_of_use
    }

    /// Leaves a leader alone until then.
    pub(crate) fn pause(&mut self, leader: NodeId, until: Instant, ports: &mut Ports) {
        if let Some(fetcher) = self.by_leader.get_mut(&leader)
            && fetcher.resume.is_none_or(|resume| resume > until)
        {
            ports.timers.arm(Timer::Fetcher(leader), &mut fetcher.resume, Some(until));
        }
    }

    /// Ends the pause of a leader: what was wrong with this partition may be right now.
    pub(crate) fn hurry(&mut self, leader: NodeId, partition: TopicPartition, ports: &mut Ports) {
        if let Some(fetcher) = self.by_leader.get_mut(&leader) {
            fetcher.changed.insert(partition);
            ports.timers.arm(Timer::Fetcher(leader), &mut fetcher.resume, None);
            self.ready(leader);
        }
    }

    /// The pause of a leader is over.
    pub(crate) fn resume(&mut self, leader: NodeId) {
        if let Some(fetcher) = self.by_leader.get_mut(&leader) {
            fetcher.resume = None;
            if fetcher.is_idle() {
                self.by_leader.remove(&leader);
            }
            self.ready(leader);
        }
    }
}
