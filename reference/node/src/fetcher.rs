//! Who fetches what of whom: one fetch at a time to each leader, for all partitions followed from it.

use std::collections::BTreeMap;

use highwater_core::partition::PartitionFetch;
use highwater_core::{Instant, NodeId};

use crate::message::TopicPartition;
use crate::ports::Ports;
use crate::timers::Timer;

/// A partition's place among those followed from one leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Of whom it is fetched.
    pub(crate) leader: NodeId,
    number: u64,
}

/// What is fetched of one leader.
///
/// - `turns` holds every partition followed from it, the one to serve first first.
/// - While `resume` is set nothing is asked.
#[derive(Debug, Default)]
struct Fetcher {
    turns: BTreeMap<u64, TopicPartition>,
    outstanding: Option<u64>,
    resume: Option<Instant>,
}

/// The fetches of a broker as a follower.
#[derive(Debug, Default)]
pub(crate) struct Fetchers {
    by_leader: BTreeMap<NodeId, Fetcher>,
    /// Leaders of whom something may have to be fetched now.
    ready: Vec<NodeId>,
    number: u64,
}

impl Fetchers {
    /// Follows a partition from a leader, as the last of those followed from it.
    pub(crate) fn follow(&mut self, partition: TopicPartition, leader: NodeId) -> Turn {
        self.number += 1;
        let number = self.number;
        self.by_leader.entry(leader).or_default().turns.insert(number, partition);
        self.ready(leader);
        Turn { leader, number }
    }

    /// Follows a partition no more.
    pub(crate) fn unfollow(&mut self, turn: Turn, ports: &mut Ports) {
        let Some(fetcher) = self.by_leader.get_mut(&turn.leader) else { return };
        fetcher.turns.remove(&turn.number);
        if fetcher.turns.is_empty() && fetcher.outstanding.is_none() {
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

    /// The partitions to ask of this leader in their turn, unless it is being asked, or left alone for a while.
    pub(crate) fn turns(&self, leader: NodeId) -> Option<impl Iterator<Item = TopicPartition>> {
        let fetcher = self.by_leader.get(&leader)?;
        (fetcher.outstanding.is_none() && fetcher.resume.is_none()).then(|| fetcher.turns.values().copied())
    }

    /// This leader is being asked under this number.
    pub(crate) fn asked(&mut self, leader: NodeId, correlation: u64) {
        self.by_leader.entry(leader).or_default().outstanding = Some(correlation);
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

    /// Leaves a leader alone until then.
    pub(crate) fn pause(&mut self, leader: NodeId, until: Instant, ports: &mut Ports) {
        if let Some(fetcher) = self.by_leader.get_mut(&leader)
            && fetcher.resume.is_none_or(|resume| resume > until)
        {
            ports.timers.arm(Timer::Fetcher(leader), &mut fetcher.resume, Some(until));
        }
    }

    /// Ends the pause of a leader: what was wrong may be right now.
    pub(crate) fn hurry(&mut self, leader: NodeId, ports: &mut Ports) {
        if let Some(fetcher) = self.by_leader.get_mut(&leader) {
            ports.timers.arm(Timer::Fetcher(leader), &mut fetcher.resume, None);
            self.ready(leader);
        }
    }

    /// The pause of a leader is over.
    pub(crate) fn resume(&mut self, leader: NodeId) {
        if let Some(fetcher) = self.by_leader.get_mut(&leader) {
            fetcher.resume = None;
            if fetcher.turns.is_empty() && fetcher.outstanding.is_none() {
                self.by_leader.remove(&leader);
            }
            self.ready(leader);
        }
    }
}

/// Pairs what was asked with what was answered, both in the order of the request. An answer about anything else ends the pairs with an
/// `Err` that names it.
pub(crate) fn pair<A>(
    asked: &[(TopicPartition, PartitionFetch)],
    answers: Vec<A>,
    about: impl Fn(&A) -> TopicPartition,
) -> Vec<Result<(PartitionFetch, A), TopicPartition>> {
    let mut left = asked.iter();
    let mut pairs = Vec::with_capacity(answers.len());
    for answer in answers {
        let partition = about(&answer);
        match left.find(|(of, _)| *of == partition) {
            Some((_, fetch)) => pairs.push(Ok((*fetch, answer))),
            None => {
                pairs.push(Err(partition));
                break;
            }
        }
    }
    pairs
}
