//! The group core: the coordinator of classic consumer groups, for one partition of `__consumer_offsets`.
//!
//! Consumers that share a **group** share out the partitions that they read. Who coordinates a group is the leader of the partition of
//! `__consumer_offsets` that its id falls in ([`partition_of`]). A **rebalance** makes a new **generation** of the group: all members
//! join (JoinGroup), the coordinator chooses a protocol that all know and one member as **leader**, the leader
//! assigns, and everybody gets its assignment from the coordinator (SyncGroup). Members that are silent for longer than their
//! session, that leave, come or change their mind begin the next. What a group has read, its members commit (OffsetCommit) and find
//! again (OffsetFetch).
//!
//! The core is **event-sourced**: what must outlive it are records, in Kafka's own schemas ([`GroupRecord`]). It asks for them to be
//! appended ([`Effect::Append`]) and is told what came of it ([`Groups::written`]). A core that takes over loads what the last one
//! appended.
//!
//! # Roles
//! | role | on | becomes | and |
//! |---|---|---|---|
//! | standby | [`begin_load`](Groups::begin_load) | loading | |
//! | standby | [`handle`](Groups::handle) | the same | answers NotCoordinator |
//! | standby, loading | [`load`](Groups::load) | the same | applies what the log says |
//! | loading | [`handle`](Groups::handle) | the same | answers CoordinatorLoadInProgress; heartbeats: well |
//! | standby, loading | [`lead`](Groups::lead) | leading | every member's session begins anew |
//! | any | [`unlead`](Groups::unlead) | standby | who waits is answered NotCoordinator; everything is forgotten |
//!
//! # A group's states
//! | state | on | becomes |
//! |---|---|---|
//! | Empty | a member joins | PreparingRebalance, for `group.initial.rebalance.delay.ms`, prolonged while others come (KIP-134) |
//! | Empty | it is deleted, or nobody used its offsets for too long | Dead |
//! | PreparingRebalance | all members have joined (not if it was empty before), or time is up | CompletingRebalance; members that have not joined are dropped, static ones are not |
//! | PreparingRebalance | the same, and nobody is left | Empty, with a new generation |
//! | PreparingRebalance | the same, and only static members are left that have not joined | PreparingRebalance, for another timeout |
//! | CompletingRebalance | the leader's assignments are in the log | Stable |
//! | CompletingRebalance | the leader's assignments could not be written | PreparingRebalance |
//! | CompletingRebalance, Stable | a member joins for the first time, or with other metadata; a session ends; a member leaves | PreparingRebalance |
//! | CompletingRebalance, Stable | a member has not asked for its assignment within the rebalance timeout | PreparingRebalance, without it |
//! | CompletingRebalance | a static member's new process joins | PreparingRebalance |
//! | Stable | the leader joins again | PreparingRebalance |
//! | Stable | a static member's new process joins, and the protocol stays | Stable; it has the old one's assignment (KIP-345) |
//! | Stable | that a static member's new process has its place could not be written | PreparingRebalance |
//! | Dead | the tombstone is in the log | is gone |
//! | Dead | the tombstone could not be written | Empty |
//! | Dead | the tombstone timed out | Dead; it is written again with the next check for old offsets |
//!
//! # Durability
//! - An assignment is given out only when it is in the log. An offset is acknowledged, and can be read, only when it is.
//! - That a group is empty, and that it has a member of a new id in a static member's place, is answered only when it is in the log.
//! - Everything else (who has joined, sessions, generations without assignments) is not in the log. After a take-over the group is in its
//!   last generation that had assignments, or is empty; members of a later one are told so (IllegalGeneration,
//!   UnknownMemberId), and join again.
//! - Of a write that is in the log, but not known to be committed (it timed out), who waits is told to try again. Its offsets and deletions
//!   are done when a later write is; till then, offsets are read as they were, and its groups stay Dead. Of a write that is not in the log,
//!   nothing is left.
//!
//! # Invariants
//! - A generation has one leader, and everybody in it gets the assignments of that leader or none.
//! - Every request is answered exactly once.
//! - What the groups' offsets and generations are after loading all appended records is what they were.
//! - Work is in proportion to what changes: heartbeats and commits do not look at other members.
//!
//! # Time
//! Sessions, rebalances and retention follow the driver's time. What is written in records is the time of the day
//! ([`Groups::set_clock`]), in milliseconds since 1970; retention compares those.
//!
//! # Sources
//! KIP-62 (rebalance timeout), 134 (initial delay), 345 (static members), 394 (a member id first), 211 (retention of
//! offsets), 229 (DeleteGroups), 496 (OffsetDelete), 518 (states filter), 447 (stable offsets), 800 (reasons), 814 (skipped
//! assignments), 1043 (a group that is not there); Kafka's group coordinator, version 4, as published.
//!
//! # Where it differs from Kafka 4.3
//! - A group of which nothing is in the log yet is forgotten when its last pending member is. Kafka writes a record for every group id
//!   that somebody asks to join with.
//! - A request that its sender repeats before it is answered is answered RebalanceInProgress when the repetition takes its place, and who
//!   leaves while it waits for its assignment, UnknownMemberId. Kafka answers neither.
//! - A leader that brings assignments twice in a generation is heard the first time.
//! - A pending member that leaves does not begin a rebalance; one whose time is up does not end the initial delay.
//! - Members, and what ties between protocols and leaders come down to, are in the order of ids; in Kafka, of a hash table.
//! - Where a static member's new process cannot be written into the log, a rebalance begins. Kafka gives the old process its place back,
//!   which is not what the log says if another such write is under way.
//! - `group.max.size` counts static members that have not joined yet, too, and never keeps a static member's new process from its place.
//! - While a group is being deleted it is Dead, and not as it was.
//! - Names longer than a record's strings can be (32,767 bytes) are refused as invalid; in Kafka they are an unknown error.
//!
//! # Not implemented
//! - The consumer protocol of KIP-848, share groups (KIP-932), streams groups (KIP-1071): their records are passed over, and counted, when a
//!   log is loaded. Groups are not converted.
//! - Transactions: TxnOffsetCommit, and offsets of a transaction in a log, which count at once.
//! - Group configuration (KIP-848) and quotas. Names that mean nothing (empty group ids) can commit and fetch offsets, as in Kafka.
//! - Topics and their ids are taken as they come: whether they exist is the server's to check.

mod admin;
pub mod assign;
mod desk;
mod membership;
mod message;
mod offsets;
mod partition;
mod rebalance;
mod record;
mod serve;
mod state;
mod subscription;
mod written;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use desk::{Desk, Then};
pub use message::*;
pub use partition::partition_of;
pub use record::{
    DecodeError, Decoded, GroupMetadataValue, GroupRecord, MemberMetadata, OffsetCommitKey, OffsetCommitValue,
};
use state::{Group, State};

use crate::{Dice, Epoch, Instant, Token};

/// The longest string that a record can hold, in bytes.
const STRING_MAX: usize = i16::MAX as usize;

/// How a coordinator is set up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Config {
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`.
    pub session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_max: Duration,
    /// `group.max.size`: the most members of a group.
    pub group_max_size: usize,
    /// `offset.metadata.max.bytes`, which Kafka counts in UTF-16 units.
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval: Duration,
    /// The most tombstones in one [`Effect::Append`] where they need not be one batch.
    pub records_per_write_max: usize,
}

impl Default for Config {
    /// Kafka's.
    fn default() -> Self {
        Self {
            initial_rebalance_delay: Duration::from_secs(3),
            session_timeout_min: Duration::from_secs(6),
            session_timeout_max: Duration::from_secs(1800),
            group_max_size: i32::MAX as usize,
            offset_metadata_max: 4096,
            offsets_retention: Duration::from_secs(7 * 24 * 60 * 60),
            offsets_retention_check_interval: Duration::from_secs(600),
            records_per_write_max: 1000,
        }
    }
}

/// What the core wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Append these records as one batch, with acks=all, and say [`Groups::written`] when it is known what came of it.
    Append {
        /// Names the write. Numbers only grow.
        write: u64,
        /// The time of day for the records, in milliseconds since 1970.
        timestamp: i64,
        /// The records.
        records: Vec<GroupRecord>,
    },
    /// Answer a request.
    Reply {
        /// Which.
        token: Token,
        /// What.
        response: GroupResponse,
    },
}

/// What was read of a log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Loaded {
    /// How many records were applied.
    pub applied: u64,
    /// How many were passed over because their type is not known here, by the number of that type.
    pub passed_over: BTreeMap<i16, u64>,
}

/// A record of the log is none that a coordinator wrote.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LoadError {
    /// Which of those that were given, counted from 0. Those before it are applied.
    pub index: u64,
    /// What is wrong with it.
    pub error: DecodeError,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} of __consumer_offsets: {}", self.index, self.error)
    }
}

impl core::error::Error for LoadError {}

/// What a coordinator is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    Standby,
    Loading,
    Leading {
        epoch: Epoch,
        /// When offsets are next looked through for old ones.
        retention: Instant,
    },
}

/// The groups of one partition of `__consumer_offsets`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Groups {
    desk: Desk,
    role: Role,
    groups: BTreeMap<Arc<str>, Group>,
    /// When groups want to be looked at: each group's `wake`.
    wakes: BTreeSet<(Instant, Arc<str>)>,
    /// Fetches that wait for offsets under way, each with the last write that it waits for.
    fetches: VecDeque<(u64, Token, OffsetFetch)>,
}

impl Groups {
    /// A coordinator that stands by and knows nothing. The dice make member ids: their seed must be no other coordinator's.
    pub fn open(config: Config, dice: Dice, now: Instant) -> Self {
        Self {
            desk: Desk::new(config, dice, now),
            role: Role::Standby,
            groups: BTreeMap::new(),
            wakes: BTreeSet::new(),
            fetches: VecDeque::new(),
        }
    }

    /// The clock on the wall shows this, in milliseconds since 1970; to be said at first, and again now and then. Between, it is
    /// taken to run as the driver's time does.
    pub fn set_clock(&mut self, now: Instant, millis: i64) {
        self.desk.clock = (now, millis);
    }

    /// The configuration changed. What already waits for a time waits for that.
    pub fn set_config(&mut self, config: Config) {
        self.desk.config = config;
    }

    /// The partition has become this broker's to lead, and its log is being read: clients are told to be patient.
    pub fn begin_load(&mut self, now: Instant) {
        self.unlead(now);
        self.role = Role::Loading;
    }

    /// Applies records of the partition, in order, keys and values: all of them, from the start of the log to its end, in as many calls as
    /// are convenient. Control batches are left out.
    ///
    /// # Errors
    /// If a record is not sound, or of a version that is not known. Nothing is wrong with one of an unknown type: it is counted.
    ///
    /// # Panics
    /// If this coordinator leads: it knows what it wrote.
    pub fn load<'a>(
        &mut self,
        records: impl IntoIterator<Item = (Option<&'a [u8]>, Option<&'a [u8]>)>,
    ) -> Result<Loaded, LoadError> {
        assert!(!self.is_leading(), "who leads is not told what it wrote");
        let mut loaded = Loaded::default();
        for (index, (key, value)) in (0..).zip(records) {
            match GroupRecord::decode(key, value).map_err(|error| LoadError { index, error })? {
                Decoded::Known { record, .. } => {
                    self.replay(record);
                    loaded.applied += 1;
                }
                Decoded::Unknown { key_version } => {
                    *loaded.passed_over.entry(key_version).or_default() += 1;
                }
            }
        }
        Ok(loaded)
    }

    fn replay(&mut self, record: GroupRecord) {
        let (id, group) = match &record {
            GroupRecord::OffsetCommit { key, value } => {
                let group = entry(&mut self.groups, &key.group);
                group.offsets.load(key.topic.clone(), key.partition, value.clone());
                (&key.group, group)
            }
            GroupRecord::GroupMetadata { group: id, value } => {
                let group = entry(&mut self.groups, id);
                match value {
                    Some(value) => group.restore(value.clone()),
                    None => {
                        let offsets = core::mem::take(&mut group.offsets);
                        *group = Group::new(group.id.clone());
                        group.offsets = offsets;
                    }
                }
                (id, group)
            }
        };
        if group.is_forgettable() {
            self.groups.remove(id.as_str());
        }
    }

    /// Everything is loaded, and this broker leads the partition in this epoch: from now on requests are served.
    pub fn lead(&mut self, now: Instant, epoch: Epoch) {
        self.role =
            Role::Leading { epoch, retention: now + self.desk.config.offsets_retention_check_interval };
        let ids: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        for id in ids {
            if let Some(group) = self.groups.get_mut(&id) {
                group.start_sessions(now);
                if group.members.len() > self.desk.config.group_max_size {
                    group.prepare(&mut self.desk, now);
                }
                self.settle(&id);
            }
        }
    }

    /// This broker does not lead the partition any more. Who waits is told so, and everything is forgotten: the log of the next leader
    /// may not be what this one knew.
    pub fn unlead(&mut self, _now: Instant) {
        self.role = Role::Standby;
        self.wakes.clear();
        let desk = &mut self.desk;
        desk.effects.retain(|effect| matches!(effect, Effect::Reply { .. }));
        let error = GroupError::NotCoordinator;
        for (id, member) in core::mem::take(&mut self.groups).into_values().flat_map(|group| group.members) {
            if let Some(token) = member.joining {
                desk.reply(token, GroupResponse::Join(JoinGroupResponse::refused(error, &id)));
            }
            if let Some(token) = member.syncing {
                desk.reply(token, GroupResponse::Sync(SyncGroupResponse::refused(error)));
            }
        }
        desk.doubtful.clear();
        for write in core::mem::take(&mut desk.writes).into_values() {
            // Who waits for the other kinds was a member.
            if let Then::Reply { token, response } = write.then {
                desk.reply(token, response.refused(error));
            }
        }
        for (_, token, request) in core::mem::take(&mut self.fetches) {
            desk.reply(token, GroupRequest::OffsetFetch(request).refused(error));
        }
    }

    /// Whether requests are served.
    pub fn is_leading(&self) -> bool {
        matches!(self.role, Role::Leading { .. })
    }

    /// The epoch in which this broker leads the partition.
    pub fn epoch(&self) -> Option<Epoch> {
        match self.role {
            Role::Leading { epoch, .. } => Some(epoch),
            Role::Standby | Role::Loading => None,
        }
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// A topic was deleted: nobody needs the offsets that were committed for it.
    pub fn forget_topic(&mut self, now: Instant, name: &str) {
        if self.is_leading() {
            for group in self.groups.values_mut().filter(|group| !matches!(group.state, State::Dead { .. })) {
                group.forget_topic(&mut self.desk, now, name);
            }
        }
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Effect> {
        self.desk.effects.pop_front()
    }

    /// When [`Groups::elapse`] wants to be called, at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let Role::Leading { retention, .. } = self.role else { return None };
        let wake = self.wakes.first().map(|(wake, _)| *wake);
        Some(wake.map_or(retention, |wake| wake.min(retention)))
    }

    /// Time has passed.
    pub fn elapse(&mut self, now: Instant) {
        let Role::Leading { retention, .. } = &mut self.role else { return };
        let is_due = *retention <= now;
        if is_due {
            *retention = now + self.desk.config.offsets_retention_check_interval;
            for group in self.groups.values_mut() {
                group.retain(&mut self.desk, now);
            }
            self.delete_doubtful(now);
        }
        // Only what is due now: a group that at once wants to be looked at again has its turn with the next call.
        let due: Vec<Arc<str>> =
            self.wakes.iter().take_while(|(wake, _)| *wake <= now).map(|(_, id)| id.clone()).collect();
        for id in due {
            if let Some(group) = self.groups.get_mut(&id) {
                if let Some(wake) = group.wake.take() {
                    self.wakes.remove(&(wake, id.clone()));
                }
                group.elapse(&mut self.desk, now);
                self.settle(&id);
            }
        }
    }

    /// After a group changed: it is forgotten if it is nothing, or looked at when it wants to be.
    fn settle(&mut self, id: &str) {
        let Some(group) = self.groups.get(id) else { return };
        if group.is_forgettable() {
            self.remove(id);
        } else {
            let deadline = group.deadline();
            self.arm(id, deadline);
        }
    }

    /// The group wants to be looked at by then. That it need not be any earlier is found out when it is.
    fn arm(&mut self, id: &str, deadline: Option<Instant>) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let Some(deadline) = deadline else { return };
        if group.wake.is_none_or(|wake| deadline < wake) {
            if let Some(wake) = group.wake.replace(deadline) {
                self.wakes.remove(&(wake, group.id.clone()));
            }
            self.wakes.insert((deadline, group.id.clone()));
        }
    }

    fn remove(&mut self, id: &str) {
        if let Some(group) = self.groups.remove(id)
            && let Some(wake) = group.wake
        {
            self.wakes.remove(&(wake, group.id));
        }
    }
}

/// The group of this id, made if it is not there.
fn entry<'a>(groups: &'a mut BTreeMap<Arc<str>, Group>, id: &str) -> &'a mut Group {
    let id: Arc<str> = id.into();
    groups.entry(id.clone()).or_insert_with(|| Group::new(id))
}
