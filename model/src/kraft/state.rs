//! What the quorum is made of: voters, logs, messages, and the history that claims need.

use std::hash::{Hash, Hasher};

use bytemuck::{Pod, Zeroable};

use crate::slots;
use crate::voting::{Ballot, LogEnd, NOBODY};

/// The most voters that a [`State`] has room for.
pub const NODES_MAX: usize = 4;
/// The most records that a [`Log`] has room for.
pub const LOG_MAX: u8 = 6;
/// The most messages that can be in flight.
pub const MESSAGES_MAX: usize = 4;

/// The whole quorum at one moment.
///
/// - `messages` is sorted, so that the order of sending makes no difference.
/// - `committed` only ever grows; it is history, not something that a node knows.
/// - Nodes, messages and history refer to voters by id, 1 and up; arrays by index, 0 and up.
#[derive(Debug, Clone, Copy, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct State {
    /// The voters. Those beyond the bound are all zero.
    pub nodes: [Node; NODES_MAX],
    /// Messages in flight, largest first, then empty slots.
    pub messages: [Message; MESSAGES_MAX],
    /// History: the longest log that any leader's high watermark ever passed.
    pub committed: Log,
    /// History: who was elected first in each epoch, as long as that epoch can still matter.
    pub leaders: Leaders,
    /// History: the largest epoch whose leader made `committed` grow.
    pub committed_in: u8,
    /// History: what went wrong in a step; see [`stain`].
    pub stain: u8,
    /// Client records produced so far.
    pub produced: u8,
    /// Restarts so far.
    pub restarts: u8,
    /// Messages duplicated so far.
    pub duplicates: u8,
    /// Leaders resigned so far.
    pub resignations: u8,
    /// One bit for each voter whose disk was lost.
    pub wiped: u8,
    /// [`STABLE`] once the network is stable and nothing fails any more (liveness bounds only), with one bit for
    /// each voter whose timer ran out in this round of timers.
    pub calm: u8,
}

/// The bit of [`State::calm`] that says that nothing fails any more.
pub const STABLE: u8 = 1 << 7;

/// What a step may have broken: bits of [`State::stain`].
pub mod stain {
    /// A second, different leader was elected in an epoch.
    pub const SECOND_LEADER: u8 = 1;
    /// A leader lost or replaced records of its own log while it led.
    pub const LEADER_LOG_CUT: u8 = 2;
    /// A high watermark went back while its node was up.
    pub const HIGH_WATERMARK_BACK: u8 = 4;
}

/// One voter.
///
/// `ballot`, `leader` (beside the role it decides on restart), `flushed` records of `log` and, as far as it
/// was not lost, the rest of `log` are on disk. All else is memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Node {
    /// Its log.
    pub log: Log,
    /// A leader's view of the others, or a candidate's votes.
    pub progress: Progress,
    /// Epoch and vote.
    pub ballot: Ballot,
    /// One of [`role`].
    pub role: u8,
    /// The leader of `ballot.epoch` as far as it knows (a voter id), or [`NOBODY`].
    pub leader: u8,
    /// The high watermark as far as it knows; 0 also stands for unknown.
    pub high_watermark: u8,
    /// Records below this offset survive anything but the loss of the disk.
    pub flushed: u8,
    /// The epoch of its last campaign whose vote requests may still arrive somewhere; 0 if there is none.
    pub asked: u8,
    /// With `asked`: the epoch of the last record when it campaigned.
    pub asked_last: u8,
    /// With `asked`: the end of the log when it campaigned.
    pub asked_end: u8,
    /// Always 0.
    pub padding: u8,
}

/// Roles, the values of [`Node::role`].
pub mod role {
    /// Knows no leader of its epoch; may or may not have voted in it.
    pub const UNATTACHED: u8 = 0;
    /// Fetches from the leader of its epoch.
    pub const FOLLOWER: u8 = 1;
    /// Wants to lead its epoch.
    pub const CANDIDATE: u8 = 2;
    /// Leads its epoch.
    pub const LEADER: u8 = 3;
    /// Led its epoch, or did before it restarted, and does nothing more in it.
    pub const RESIGNED: u8 = 4;
    /// Takes no part any more: a blank disk under a new directory id, or stopped for good.
    pub const GONE: u8 = 5;
    /// The names, by value.
    pub const NAMES: [&str; 6] = ["unattached", "follower", "candidate", "leader", "resigned", "gone"];
}

impl Node {
    /// The end of its log, as votes compare it.
    pub fn end(&self) -> LogEnd {
        LogEnd { epoch: self.log.last_epoch(), offset: self.log.len() }
    }

    /// Where the records of its own epoch begin in its log (of a leader: its LeaderChange record).
    pub fn epoch_start(&self) -> u8 {
        self.log.end_of_epoch(self.ballot.epoch - 1).offset
    }

    /// Turns to another role; what only the old role knew is forgotten.
    pub fn become_role(&mut self, role: u8, leader: u8) {
        self.role = role;
        self.leader = leader;
        self.progress = Progress::default();
    }

    /// Whether it leads an epoch.
    pub fn leads(&self) -> bool {
        self.role == role::LEADER
    }
}

/// One record: its leader epoch and its value, 0 for a LeaderChange record.
pub type Record = u8;

const RECORD_BITS: u32 = 5;
const RECORD_MASK: u32 = (1 << RECORD_BITS) - 1;
const VALUE_BITS: u8 = 2;

/// The record of `epoch` (1 to 7) and `value` (0 to 3).
pub const fn record(epoch: u8, value: u8) -> Record {
    epoch << VALUE_BITS | value
}

/// The epoch of a record.
pub const fn record_epoch(record: Record) -> u8 {
    record >> VALUE_BITS
}

/// The value of a record.
pub const fn record_value(record: Record) -> u8 {
    record & ((1 << VALUE_BITS) - 1)
}

/// A log of up to [`LOG_MAX`] records, five bits each, offset 0 lowest.
///
/// No record is zero, hence the length is where the set bits end, and two logs are compared in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Log(pub u32);

impl Log {
    /// How many records it has, which is its end offset.
    pub const fn len(self) -> u8 {
        (u32::BITS - self.0.leading_zeros()).div_ceil(RECORD_BITS) as u8
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The record at `offset`, 0 beyond the end.
    pub const fn get(self, offset: u8) -> Record {
        (self.0 >> (RECORD_BITS * offset as u32) & RECORD_MASK) as Record
    }

    /// Whether there is no room for another record.
    pub const fn is_full(self) -> bool {
        self.len() >= LOG_MAX
    }

    /// With `record` at its end; it must not be full.
    #[must_use]
    pub const fn with(self, record: Record) -> Self {
        Self(self.0 | (record as u32) << (RECORD_BITS * self.len() as u32))
    }

    /// Its first `len` records, or all if it has fewer.
    #[must_use]
    pub const fn prefix(self, len: u8) -> Self {
        Self(self.0 & ((1 << (RECORD_BITS * len as u32)) - 1))
    }

    /// The epoch of the last record, 0 if there is none.
    pub const fn last_epoch(self) -> u8 {
        if self.is_empty() { 0 } else { record_epoch(self.get(self.len() - 1)) }
    }

    /// Whether `other` is how it begins.
    pub const fn starts_with(self, other: Self) -> bool {
        self.prefix(other.len()).0 == other.0
    }

    /// The largest epoch in it that is at most `epoch`, and where its records end.
    pub const fn end_of_epoch(self, epoch: u8) -> LogEnd {
        let mut offset = self.len();
        while offset > 0 {
            let found = record_epoch(self.get(offset - 1));
            if found <= epoch {
                return LogEnd { epoch: found, offset };
            }
            offset -= 1;
        }
        LogEnd { epoch: 0, offset: 0 }
    }

    /// The first offset at which the two differ, be it because one of them ends.
    pub const fn first_difference(self, other: Self) -> u8 {
        let difference = self.0 ^ other.0;
        if difference == 0 { self.len() } else { (difference.trailing_zeros() / RECORD_BITS) as u8 }
    }

    /// The records from offset 0.
    pub fn records(self) -> impl Iterator<Item = Record> {
        (0..self.len()).map(move |offset| self.get(offset))
    }
}

/// Four bits for each voter: a leader keeps the offset that each has fetched up to, a candidate a 1 for each
/// vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Progress(pub u16);

impl Progress {
    /// What is kept of the voter with index `node`.
    pub const fn get(self, node: usize) -> u8 {
        (self.0 >> (4 * node) & 15) as u8
    }

    /// Keeps `value` (at most 15) of the voter with index `node`.
    pub const fn set(&mut self, node: usize, value: u8) {
        self.0 = self.0 & !(15 << (4 * node)) | (value as u16) << (4 * node);
    }

    /// How many of a candidate's votes there are.
    pub const fn votes(self) -> u8 {
        self.0.count_ones() as u8
    }
}

/// Four bits for each epoch, 1 to 7: the voter that won it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Leaders(pub u32);

impl Leaders {
    /// The voter that won `epoch`, or [`NOBODY`].
    pub const fn get(self, epoch: u8) -> u8 {
        (self.0 >> (4 * epoch as u32) & 15) as u8
    }

    /// Notes that `voter` won `epoch`, or forgets who did.
    pub const fn set(&mut self, epoch: u8, voter: u8) {
        self.0 = self.0 & !(15 << (4 * epoch as u32)) | (voter as u32) << (4 * epoch as u32);
    }

    /// Forgets the epochs below `epoch`.
    pub const fn forget_below(&mut self, epoch: u8) {
        self.0 = self.0 >> (4 * epoch as u32) << (4 * epoch as u32);
    }
}

/// A message in flight, packed; zero is an empty slot.
///
/// Which fields a kind uses: [`kind::VOTE_GRANTED`] none beyond the epoch; [`kind::FETCH`] `offset` and
/// `last` (last fetched epoch); [`kind::RECORDS`] `offset` and `fetched` of the request, `record` or 0,
/// `high_watermark`; [`kind::DIVERGING`] the same, with the diverging epoch as `last` and its end offset as
/// `record`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Message(pub u32);

/// Kinds of message, the values of the kind of a [`Message`].
pub mod kind {
    /// A vote, from the voter to the candidate.
    pub const VOTE_GRANTED: u8 = 1;
    /// A fetch request, from a follower to its leader.
    pub const FETCH: u8 = 2;
    /// The answer to a fetch whose position is valid.
    pub const RECORDS: u8 = 3;
    /// The answer to a fetch whose log has diverged.
    pub const DIVERGING: u8 = 4;
    /// The names, by value.
    pub const NAMES: [&str; 5] = ["", "vote-granted", "fetch", "records", "diverging"];
}

/// The fields of a [`Message`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields {
    /// One of [`kind`].
    pub kind: u8,
    /// Index of the sender.
    pub from: usize,
    /// Index of the receiver.
    pub to: usize,
    /// The sender's epoch.
    pub epoch: u8,
    /// The fetch offset, of a request and of its answer.
    pub offset: u8,
    /// The last fetched epoch or the diverging epoch.
    pub last: u8,
    /// The record, or the end offset of the diverging epoch.
    pub record: u8,
    /// The leader's high watermark.
    pub high_watermark: u8,
    /// Of an answer: the last fetched epoch of the request.
    pub fetched: u8,
}

impl Message {
    /// Packs.
    pub const fn new(fields: Fields) -> Self {
        Self(
            (fields.kind as u32) << 24
                | (fields.fetched as u32) << 21
                | (fields.from as u32) << 19
                | (fields.to as u32) << 17
                | (fields.epoch as u32) << 14
                | (fields.offset as u32) << 11
                | (fields.last as u32) << 8
                | (fields.record as u32) << 3
                | fields.high_watermark as u32,
        )
    }

    /// Unpacks.
    pub const fn fields(self) -> Fields {
        Fields {
            kind: (self.0 >> 24 & 7) as u8,
            fetched: (self.0 >> 21 & 7) as u8,
            from: (self.0 >> 19 & 3) as usize,
            to: (self.0 >> 17 & 3) as usize,
            epoch: (self.0 >> 14 & 7) as u8,
            offset: (self.0 >> 11 & 7) as u8,
            last: (self.0 >> 8 & 7) as u8,
            record: (self.0 >> 3 & 31) as u8,
            high_watermark: (self.0 & 7) as u8,
        }
    }

    /// Whether the slot is empty.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl State {
    /// The state as whole words, which are faster to hash and to compare.
    pub fn words(&self) -> [u64; size_of::<Self>() / 8] {
        bytemuck::cast(*self)
    }

    /// Whether nothing fails any more.
    pub const fn is_stable(&self) -> bool {
        self.calm & STABLE != 0
    }

    /// The voter with id `id`; it must not be [`NOBODY`].
    pub fn voter(&self, id: u8) -> &Node {
        debug_assert_ne!(id, NOBODY, "nobody is no voter");
        &self.nodes[usize::from(id - 1)]
    }

    /// The messages in flight, without empty slots.
    pub fn in_flight(&self) -> impl Iterator<Item = Message> {
        slots::filled(self.messages)
    }

    /// Restarts, resignations and duplicates so far.
    pub const fn faults(&self) -> u8 {
        self.restarts + self.resignations + self.duplicates
    }

    /// How many messages are in flight.
    pub fn messages_len(&self) -> u8 {
        self.in_flight().count() as u8
    }

    /// Puts `message` in flight; one that is in flight already is there once. There must be room.
    pub fn send(&mut self, message: Message) {
        slots::put(&mut self.messages, message);
    }

    /// Takes `message` out of flight.
    pub fn take(&mut self, message: Message) {
        slots::take(&mut self.messages, message);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.words() == other.words()
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for word in self.words() {
            state.write_u64(word);
        }
    }
}
