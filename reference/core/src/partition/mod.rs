//! The partition core: one replica of one partition, as leader or follower.

mod follower;
mod leader;
mod message;
mod pace;
mod proposal;
mod replica;
mod rules;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

pub use message::*;
pub use rules::*;

use crate::{Epoch, Extent, Instant, LogView, NodeId, Offset, Token};

use follower::Follower;
use leader::Leader;
use pace::Pace;
use replica::{Broker, Replica, WaitingFetch};

/// What a replica is told once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Config {
    /// This broker.
    pub me: NodeId,
    /// Its broker epoch: that of its registration.
    pub broker_epoch: i64,
    /// `min.insync.replicas` of the topic.
    pub min_isr: usize,
    /// `replica.lag.time.max.ms`.
    pub replica_lag_max: Duration,
    /// How long after an AlterPartition of unknown outcome it is asked again.
    pub alter_retry: Duration,
    /// Whether the high watermark also waits for a follower that is about to join the ISR: eligible, and caught up no longer ago
    /// than `replica_lag_max`. Kafka does; without it a follower hardly ever reaches the high watermark of a leader that is
    /// alone and never idle. Not part of the abstract protocol, and by the time: off under the checker.
    pub wait_for_joining: bool,
}

/// One replica of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Partition {
    replica: Replica,
    role: Current,
}

/// The role, with what is known in it only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Current {
    Unassigned,
    Leaderless,
    Follower(Follower),
    Leader(Leader),
}

/// What a replica is by its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// No replica, or not told yet.
    Unassigned,
    /// A replica of a partition that nobody leads.
    Leaderless,
    /// Follows.
    Follower {
        /// Whom.
        leader: NodeId,
    },
    /// Leads.
    Leader,
}

/// What may run out by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// A producer has waited long enough.
    Produce(Token),
    /// A member of the ISR has been behind for too long.
    Lag(NodeId),
    /// An AlterPartition of unknown outcome is asked again.
    AlterPartition,
}

impl Partition {
    /// A replica over a recovered log; `high_watermark` is the checkpoint, which may be older than what is true, or missing (0).
    pub fn open(config: Config, rules: Rules, log: LogView, high_watermark: Offset, _now: Instant) -> Self {
        let high_watermark = high_watermark.clamp(log.start(), log.end());
        let state = PartitionState {
            replicas: Vec::new(),
            isr: Vec::new(),
            elr: Vec::new(),
            last_known_elr: Vec::new(),
            leader: None,
            leader_epoch: crate::NO_EPOCH,
            partition_epoch: -1,
            recovery: LeaderRecovery::Recovered,
        };
        let replica = Replica {
            config,
            rules,
            log,
            high_watermark,
            state,
            brokers: Vec::new(),
            waiting: Vec::new(),
            former: Vec::new(),
            effects: VecDeque::new(),
        };
        Self { replica, role: Current::Unassigned }
    }

    /// Takes metadata. What is not newer than what is known, by partition epoch, changes nothing.
    pub fn assign(&mut self, now: Instant, state: &PartitionState) {
        if state.partition_epoch > self.replica.state.partition_epoch {
            self.adopt(now, state.clone());
        }
    }

    /// Takes the partition as the controller has it now.
    fn adopt(&mut self, now: Instant, state: PartitionState) {
        let before = core::mem::replace(&mut self.replica.state, state);
        let me = self.replica.config.me;
        let state = &self.replica.state;
        let same_epoch = state.leader_epoch == before.leader_epoch;
        let assigned = state.replicas.contains(&me);
        let leader = state.leader;
        let role = core::mem::replace(&mut self.role, Current::Unassigned);
        self.role = match (role, leader) {
            (role, _) if !assigned => {
                self.leave(role);
                Current::Unassigned
            }
            (Current::Leader(mut reign), Some(leader)) if leader == me => {
                if same_epoch {
                    reign.adopt(&mut self.replica, now);
                    Current::Leader(reign)
                } else {
                    let produces = core::mem::take(&mut reign.produces);
                    self.leave(Current::Leader(reign));
                    Current::Leader(Leader::new(&mut self.replica, now, produces))
                }
            }
            (Current::Follower(follower), Some(leader)) if same_epoch && follower.leader == leader => {
                Current::Follower(follower)
            }
            (role, Some(leader)) => {
                self.leave(role);
                if leader == me {
                    Current::Leader(Leader::new(&mut self.replica, now, VecDeque::new()))
                } else {
                    Current::Follower(Follower::new(&mut self.replica, leader, before.leader))
                }
            }
            (role, None) => {
                self.leave(role);
                Current::Leaderless
            }
        };
    }

    /// Ends a role: whoever waits in it looks again.
    fn leave(&mut self, role: Current) {
        if let Current::Leader(leader) = role {
            leader.resign(&mut self.replica);
        }
        self.replica.wake(|_| true);
    }

    /// Takes what metadata says of brokers: id, broker epoch, and whether it may join an ISR (registered, neither fenced nor
    /// shutting down). Replaces what was known.
    pub fn set_brokers(&mut self, brokers: &[(NodeId, i64, bool)]) {
        let known = &mut self.replica.brokers;
        known.clear();
        known.extend(brokers.iter().map(|&(id, epoch, may_join)| Broker { id, epoch, may_join }));
        known.sort_unstable_by_key(|broker| broker.id);
    }

    /// Takes a new `min.insync.replicas`.
    pub fn set_min_isr(&mut self, now: Instant, min_isr: usize) {
        self.replica.config.min_isr = min_isr;
        if let Current::Leader(leader) = &mut self.role {
            leader.advance_high_watermark(&mut self.replica, now);
        }
    }

    /// Appends `count` records of a producer. The driver appends them at the extent, then takes effects.
    ///
    /// # Errors
    /// Nothing is appended: `NotLeaderOrFollower`; `NotEnoughReplicas` for [`Acks::All`] with too small an ISR;
    /// `InvalidRequest` without records.
    pub fn produce(
        &mut self,
        now: Instant,
        token: Token,
        acks: Acks,
        count: u32,
        deadline: Instant,
    ) -> Result<Extent, PartitionError> {
        match &mut self.role {
            Current::Leader(leader) => leader.produce(&mut self.replica, now, token, acks, count, deadline),
            _ => Err(PartitionError::NotLeaderOrFollower),
        }
    }

    /// Answers a fetch with what there is now.
    pub fn fetch(&mut self, now: Instant, reader: Reader, fetch: &PartitionFetch) -> PartitionFetched {
        let replica = &mut self.replica;
        match (&mut self.role, reader) {
            (Current::Leader(leader), Reader::Replica { id, broker_epoch }) => {
                leader.fetch(replica, now, id, broker_epoch, fetch)
            }
            (Current::Leader(leader), Reader::Consumer) => leader.read(replica, fetch),
            (Current::Follower(_) | Current::Leaderless, Reader::Consumer) => {
                replica.serve(fetch, replica.high_watermark)
            }
            (Current::Unassigned, _) => replica.answer(Some(PartitionError::UnknownTopicOrPartition)),
            (Current::Follower(_) | Current::Leaderless, Reader::Replica { .. }) => {
                let error = replica.check_epoch(fetch.leader_epoch);
                replica.answer(error.or(Some(PartitionError::NotLeaderOrFollower)))
            }
        }
    }

    /// Keeps a fetch to which [`Partition::fetch`] had nothing to say: [`Effect::Wake`] tells once it has, and forgets it.
    pub fn wait(&mut self, token: Token, reader: Reader, fetch: &PartitionFetch) {
        self.replica.waiting.push(WaitingFetch { token, reader, fetch: *fetch });
    }

    /// Nobody waits for this fetch any more.
    pub fn forget(&mut self, token: Token) {
        self.replica.waiting.retain(|waiting| waiting.token != token);
    }

    /// What a follower asks next, of whom.
    pub fn position(&self) -> Option<(NodeId, PartitionFetch)> {
        match &self.role {
            Current::Follower(follower) => Some((follower.leader, follower.position(&self.replica))),
            _ => None,
        }
    }

    /// Takes the answer to a fetch. One that is not to what would be asked now changes nothing.
    pub fn fetched(
        &mut self,
        _now: Instant,
        leader: NodeId,
        asked: &PartitionFetch,
        answer: &PartitionFetched,
    ) {
        if let Current::Follower(follower) = &self.role {
            follower.fetched(&mut self.replica, leader, asked, answer);
        }
    }

    /// Takes what came of an AlterPartition; `None` if nobody knows.
    pub fn altered(&mut self, now: Instant, asked: &AlterPartition, result: Option<AlterPartitionResult>) {
        if let Current::Leader(leader) = &mut self.role
            && let Some(state) = leader.altered(&self.replica, now, asked, result)
            && state.partition_epoch >= self.replica.state.partition_epoch
        {
            self.adopt(now, state);
        }
    }

    /// The log is flushed below `through`.
    pub fn flushed(&mut self, through: Offset) {
        self.replica.log.flush_to(through);
    }

    /// Retention deletes records before `start`, as far as they are below the high watermark.
    pub fn forget_before(&mut self, start: Offset) {
        self.replica.forget_before(start);
    }

    /// The oldest effect not yet taken.
    pub fn poll(&mut self) -> Option<Effect> {
        self.replica.effects.pop_front()
    }

    /// When [`Partition::elapse`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.role {
            Current::Leader(leader) => leader.deadline(&self.replica),
            _ => None,
        }
    }

    /// Does what is due by now.
    pub fn elapse(&mut self, now: Instant) {
        if let Current::Leader(leader) = &mut self.role {
            leader.elapse(&mut self.replica, now);
        }
    }

    /// What could run out, whatever the time.
    pub fn timers(&self) -> impl Iterator<Item = Timer> {
        let timers = match &self.role {
            Current::Leader(leader) => leader.timers(&self.replica),
            _ => Vec::new(),
        };
        timers.into_iter()
    }

    /// Lets a timer run out, whatever the time.
    pub fn expire(&mut self, _now: Instant, timer: Timer) {
        if let Current::Leader(leader) = &mut self.role {
            leader.expire(&mut self.replica, timer);
        }
    }

    // ---- views ----

    /// What it was told once.
    pub fn config(&self) -> &Config {
        &self.replica.config
    }

    /// Its role.
    pub fn role(&self) -> Role {
        match &self.role {
            Current::Unassigned => Role::Unassigned,
            Current::Leaderless => Role::Leaderless,
            Current::Follower(follower) => Role::Follower { leader: follower.leader },
            Current::Leader(_) => Role::Leader,
        }
    }

    /// The newest metadata that it took.
    pub fn state(&self) -> &PartitionState {
        &self.replica.state
    }

    /// Its leader epoch.
    pub fn leader_epoch(&self) -> Epoch {
        self.replica.state.leader_epoch
    }

    /// Its log.
    pub fn log(&self) -> &LogView {
        &self.replica.log
    }

    /// Its high watermark.
    pub fn high_watermark(&self) -> Offset {
        self.replica.high_watermark
    }

    /// The committed ISR as it knows it.
    pub fn isr(&self) -> &[NodeId] {
        &self.replica.state.isr
    }

    /// A leader's committed and proposed ISR together; else the committed one.
    pub fn maximal_isr(&self) -> Vec<NodeId> {
        match &self.role {
            Current::Leader(leader) => leader.maximal_isr(&self.replica),
            _ => self.replica.state.isr.clone(),
        }
    }

    /// A leader's open proposal.
    pub fn proposal(&self) -> Option<&AlterPartition> {
        match &self.role {
            Current::Leader(leader) => leader.proposal.as_ref().map(|proposal| &proposal.request),
            _ => None,
        }
    }

    /// Where a leader's epoch starts.
    pub fn epoch_start(&self) -> Option<Offset> {
        match &self.role {
            Current::Leader(leader) => Some(leader.epoch_start),
            _ => None,
        }
    }

    /// What a leader knows of a follower's log end and broker epoch, from its last fetch that counts.
    pub fn follower(&self, id: NodeId) -> Option<(Offset, i64)> {
        let Current::Leader(leader) = &self.role else { return None };
        let progress = leader.followers.iter().find(|progress| progress.id == id)?;
        progress.fetched.map(|fetched| (fetched.end, fetched.broker_epoch))
    }
}
