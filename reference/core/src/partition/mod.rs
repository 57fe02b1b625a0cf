//! The partition core: one replica of one partition, as leader or follower.
//!
//! A partition has a leader, which takes what producers send, and followers, which **fetch**: a fetch says where the follower's
//! log ends, and is thereby the acknowledgement of all below. The in-sync replicas (**ISR**) are those that a record must
//! have reached before it is committed; the **high watermark** says how far that is. The controller chooses the leader among
//! the ISR, and the leader asks the controller (AlterPartition) to change the ISR. Everybody learns from metadata what was decided.
//!
//! # A replica's roles
//! | role | on | becomes |
//! |---|---|---|
//! | unassigned | metadata: it is a replica | leader, follower or leaderless |
//! | leaderless | metadata: somebody leads | leader or follower |
//! | follower | metadata: it leads | leader: its epoch starts at its log's end, followers are unknown |
//! | follower | metadata: a newer leader epoch, of whomever | follower: logs are compared anew |
//! | follower | answer of its epoch to its position: records | follower: appends; high watermark = the lesser of the leader's and its own log end |
//! | follower | answer that its log diverges | follower: truncates, asks again |
//! | follower | answer that its offset is out of range | follower: begins anew where the leader's log starts, or truncates to its end |
//! | leader | fetch of its epoch, from a position of its log | leader: follower noted; may ask for it to join the ISR; may commit |
//! | leader | fetch that diverges, is of another epoch or of an older incarnation | leader: answers so, and counts nothing |
//! | leader | a member of the ISR is behind for too long | leader: asks for an ISR without it |
//! | leader | metadata: a newer partition epoch of its leader epoch | leader: committed ISR replaced, proposal over |
//! | leader | metadata: a newer leader epoch of its own | leader: followers are unknown; who waits, waits on |
//! | leader | metadata: another leads, or nobody | follower or leaderless: who waits is told so |
//! | any | metadata: it is no replica any more | unassigned |
//!
//! # What came of a proposal
//! | answer to AlterPartition | the proposal |
//! |---|---|
//! | the partition as it is now | is over: that is the committed state |
//! | `IneligibleReplica` | is over: the ISR is as it was, and no copy of the proposal is granted any more (isr/isr/7); the next fetch may propose again |
//! | `InvalidUpdateVersion`, `FencedLeaderEpoch`, `NewLeaderElected`, `InvalidRequest`, `UnknownTopicOrPartition`, `UnknownTopicId` | stays until newer metadata comes: it may have been accepted. It is not asked again |
//! | anything else, or none | stays, and is asked again after a while, as it was |
//!
//! As long as a proposal may have been accepted, the high watermark waits for the members of both ISRs, the *maximal* ISR.
//! One proposal is open at a time.
//!
//! # Invariants
//! - `log start <= high watermark <= log end`. A leader's high watermark never falls.
//! - No leader truncates its log. No follower does so but for what its leader said in the leader epoch that it follows in.
//! - What a leader commits, all of the ISR have, as the controller has it now or may have it soon (isr/safety/1).
//! - A record that a producer was told to be committed was below the high watermark of a leader whose ISR had
//!   `min.insync.replicas` members.
//! - A follower's high watermark covers only what it has in common with its leader (isr/read/2).
//! - Whoever waits is answered at the latest when the role ends; a producer also when its time is up.
//!
//! What is acknowledged is in the logs of the ISR, not necessarily on their disks: see `specs/isr.md`.
//!
//! # Time
//! Time decides three things, none of them for safety: when a member that lags is dropped ([`Timer::Lag`]), when
//! a producer has waited long enough ([`Timer::Produce`]), and when a proposal of unknown outcome is asked again
//! ([`Timer::AlterPartition`]). [`Partition::expire`] lets any of them run out whatever the time, and what was noted of times for
//! the first is no part of equality. So a checker can keep the time at 0.
//!
//! # Sources
//! The clauses `isr/...` of `specs/isr.md`; KIP-101, 279, 320, 595 (leader epochs, divergence, fencing), 392 (reads from followers),
//! 497 (AlterPartition), 704 (recovery), 841 and 903 (who may join), 966 (the high watermark below `min.insync.replicas`);
//! Kafka's `Partition` and `Replica` as published, version 4.0 under way. As there, that gate is always on: it is all
//! that eligible leader replicas ask of a leader, the rest is the controller's.
//!
//! # Where it differs from Kafka
//! - A leader elected again knows nothing of its followers (isr/commit/3); Kafka keeps what it knew if it did not
//!   see somebody else lead in between.
//! - Metadata of the partition epoch that is known already, from the answer to AlterPartition, change nothing. Kafka takes them,
//!   and with them drops a proposal that it has made since.
//! - The offset of a follower that is past the leader's end is answered with that end beside `OffsetOutOfRange`, where Kafka's
//!   follower asks for it (ListOffsets).
//! - A leader elected uncleanly says at once that it has recovered, and lets nobody into the ISR before that is committed. Kafka
//!   takes itself for recovered and says so with the next change.
//! - A follower's fetch that states no leader epoch is served, and not counted (isr/fetch/1); Kafka counts it, for followers older
//!   than KIP-320.
//! - An older incarnation of a broker is told by the fetches seen too, not by metadata alone (isr/fetch/3).
//!
//! # What is not implemented
//! - Reassignment as such (adding and removing replicas, KIP-455): the replicas are those of the metadata.
//! - OffsetsForLeaderEpoch as a request of its own: fetches say all that followers need (KIP-595). Who asks for it is answered from the log's view.
//! - The low watermark of DeleteRecords: whoever drives the core keeps where followers' logs start; tiered storage (KIP-405); moves between directories (KIP-113, 858).
//! - Transactions: the last stable offset. Quotas. Share groups. Idempotent producers are known to [`producer`](crate::producer), not here.
//! - Minimum bytes of a fetch: one that waits is woken by the first record, and may wait again from there.

#[cfg(feature = "flaws")]
mod flaws;
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

#[cfg(feature = "flaws")]
pub use flaws::FLAWS;
pub use message::*;
pub use rules::*;

use crate::{Epoch, Extent, Instant, LogView, NodeId, Offset, Token};

use follower::Follower;
use leader::{Leader, WaitingProduce};
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

    /// Takes metadata. What is not newer than what is known, by partition epoch, or goes back to an older leader epoch, changes
    /// nothing.
    ///
    /// A broker that starts must not be told of metadata from before its registration: it would go on in a leader epoch that it
    /// led before it stopped, with another log (isr/broker/1).
    pub fn assign(&mut self, now: Instant, state: &PartitionState) {
        let known = &self.replica.state;
        if state.partition_epoch > known.partition_epoch && state.leader_epoch >= known.leader_epoch {
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
            (Current::Leaderless, None) => Current::Leaderless,
            (role, None) => {
                self.leave(role);
                Current::Leaderless
            }
        };
    }

    /// The partition is no more (its topic was deleted, or this broker stops): whoever waits is told so.
    pub fn unassign(&mut self) {
        let role = core::mem::replace(&mut self.role, Current::Unassigned);
        self.leave(role);
    }

    /// Ends a role: whoever waits in it looks again.
    fn leave(&mut self, role: Current) {
        if let Current::Leader(leader) = role {
            leader.resign(&mut self.replica);
        }
        self.replica.wake(|_| true);
    }

    /// Takes what metadata says of brokers: id, broker epoch, and whether it may join an ISR (registered, neither fenced nor
    /// shutting down). Replaces what was known; only its replicas matter. Of one batch of metadata this comes before [`Partition::assign`].
    pub fn set_brokers(&mut self, brokers: &[(NodeId, i64, bool)]) {
        let known = &mut self.replica.brokers;
        known.clear();
        known.extend(brokers.iter().map(|&(id, epoch, may_join)| Broker { id, epoch, may_join }));
        known.sort_unstable_by_key(|broker| broker.id);
    }

    /// Takes the broker epoch of a new registration of this very process.
    pub fn set_broker_epoch(&mut self, broker_epoch: i64) {
        self.replica.config.broker_epoch = broker_epoch;
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

    /// Whether producers may append now, with these acks; else why not, as [`Partition::produce`] would say.
    pub fn admit(&self, acks: Acks) -> Result<(), PartitionError> {
        match &self.role {
            Current::Leader(_) => Leader::admit(&self.replica, acks),
            _ => Err(PartitionError::NotLeaderOrFollower),
        }
    }

    /// Answers a producer whose records stand in the log already, from `base` to before `end`, as [`Partition::produce`] does the first time: at
    /// once, or once they are committed. Nothing is appended.
    ///
    /// # Errors
    /// As [`Partition::admit`].
    pub fn repeat(
        &mut self,
        token: Token,
        acks: Acks,
        (base, end): (Offset, Offset),
        deadline: Instant,
    ) -> Result<(), PartitionError> {
        self.admit(acks)?;
        if let Current::Leader(leader) = &mut self.role {
            leader.repeat(&mut self.replica, acks, WaitingProduce { token, base, end, deadline });
        }
        Ok(())
    }

    /// Answers a fetch with what there is now.
    pub fn fetch(&mut self, now: Instant, reader: Reader, fetch: &PartitionFetch) -> PartitionFetched {
        let replica = &mut self.replica;
        match (&mut self.role, reader) {
            (Current::Leader(leader), Reader::Replica { id, broker_epoch }) => {
                leader.fetch(replica, now, id, broker_epoch, fetch)
            }
            (Current::Leader(leader), Reader::Consumer) => leader.read(replica, fetch),
            (Current::Leader(_) | Current::Follower(_) | Current::Leaderless, Reader::Debug) => {
                replica.serve(fetch, replica.log.end())
            }
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

    /// A follower that had all that this leader has, by its last fetch, has gone on fetching until `at` without saying so again (KIP-227): until
    /// then it had all. To be told of a time at which the log was as it was at that fetch, before it is asked what is due.
    pub fn followed_until(&mut self, id: NodeId, at: Instant) {
        if let Current::Leader(leader) = &mut self.role {
            leader.followed_until(id, at);
        }
    }

    /// Keeps a fetch to which [`Partition::fetch`] had nothing to say: [`Effect::Wake`] tells once it has, and forgets it.
    pub fn wait(&mut self, token: Token, reader: Reader, fetch: &PartitionFetch) {
        let leads = matches!(self.role, Current::Leader(_));
        self.replica.wait(WaitingFetch { token, reader, fetch: *fetch }, leads);
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
        match &self.role {
            Current::Follower(follower) => follower.fetched(&mut self.replica, leader, asked, answer),
            _ => self.replica.take_late(asked, answer),
        }
    }

    /// Takes what came of an AlterPartition; `None` if nobody knows. The driver says this of each, in time, also where no
    /// answer comes: until then nothing else is proposed.
    pub fn altered(&mut self, now: Instant, asked: &AlterPartition, result: Option<AlterPartitionResult>) {
        if let Current::Leader(leader) = &mut self.role
            && let Some(state) = leader.altered(&mut self.replica, now, asked, result)
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
