//! The state, packed in 32 bytes.

use std::fmt;
use std::hash::{Hash, Hasher};

use bytemuck::{Pod, Zeroable};

/// Replicas that a [`State`] has room for.
pub const REPLICAS_MAX: usize = 3;
/// Records that a log has room for.
pub(super) const LOG_MAX: usize = 4;
/// Leader epochs that a [`State`] has room for.
pub(super) const EPOCHS_MAX: usize = 4;

/// Nobody, where a replica is named by its index plus one.
pub(super) const NONE: u8 = 0;

/// What a replica is called where [`NONE`] must be possible.
pub(super) const fn name(replica: u8) -> u8 {
    replica + 1
}

/// Every variable of the specification.
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(8))]
pub struct State {
    /// `replicaLog` and `replicaState`; those beyond the bound stay zero.
    pub replicas: [Replica; REPLICAS_MAX],
    /// `quorumState`, `leaderAndIsrRequests` and both id sequences.
    pub quorum: Quorum,
}

/// A replica: its log and its copy of the quorum's state.
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Replica {
    /// Records: id plus one in the high half, epoch in the low half, 0 beyond the end.
    pub log: [u8; LOG_MAX],
    /// Leader epoch plus one; 0 before the first.
    pub epoch: u8,
    /// The presumed leader's index plus one, or 0.
    pub leader: u8,
    /// The presumed ISR, a bit a replica.
    pub isr: u8,
    /// High watermark: the offset up to which records are known to be committed.
    pub high_watermark: u8,
}

/// What the controller keeps, and every request that it ever sent.
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Quorum {
    /// The LeaderAndIsr request of each epoch: leader (index plus one) in the high half, ISR in the low half.
    pub requests: [u8; EPOCHS_MAX],
    /// Leader epoch plus one; 0 before the first. Also the number of requests sent.
    pub epoch: u8,
    /// The leader's index plus one, or 0.
    pub leader: u8,
    /// The ISR, a bit a replica.
    pub isr: u8,
    /// Records written so far; the id of the next.
    pub records: u8,
}

impl State {
    /// No leader, no epoch, empty logs, every replica in sync.
    pub(super) fn initial(replicas: u8) -> Self {
        let mut state = Self::zeroed();
        state.quorum.isr = (1 << replicas) - 1;
        state
    }

    /// Whether `leader` leads in the eyes of the quorum and its own, in the same epoch.
    pub(super) fn is_true_leader(&self, leader: usize) -> bool {
        let replica = &self.replicas[leader];
        self.quorum.leader == name(leader as u8)
            && replica.leader == name(leader as u8)
            && replica.epoch == self.quorum.epoch
    }

    /// Whether `follower` follows `leader`, who presumes to lead, in the same epoch. A leader follows itself.
    pub(super) fn is_following_in_epoch(&self, leader: usize, follower: usize) -> bool {
        self.is_following(leader, follower) && self.replicas[follower].epoch == self.replicas[leader].epoch
    }

    /// Whether `follower` follows `leader`, who presumes to lead, in whatever epoch.
    pub(super) fn is_following(&self, leader: usize, follower: usize) -> bool {
        self.replicas[leader].leader == name(leader as u8)
            && self.replicas[follower].leader == name(leader as u8)
    }
}

impl Replica {
    /// The offset after the last record.
    pub(super) fn end(&self) -> u8 {
        // Records are never 0 and stand without gaps, so the highest byte that is set is the last record.
        let empty = self.word().leading_zeros() / 8;
        (LOG_MAX as u32 - empty) as u8
    }

    /// The epoch plus one of the record at `offset`, which is below the end.
    pub(super) fn epoch_at(&self, offset: u8) -> u8 {
        self.log[usize::from(offset)] & 0xf
    }

    /// The offset up to which `follower`'s log must go: after the last entry that both hold.
    pub(super) fn end_in_common(&self, follower: &Self) -> u8 {
        let agree = |offset: &u8| {
            let at = usize::from(*offset);
            self.log[at] != 0 && self.log[at] == follower.log[at]
        };
        (0..LOG_MAX as u8).rev().find(agree).map_or(0, |offset| offset + 1)
    }

    /// Drops the records from `end` on.
    pub(super) fn truncate(&mut self, end: u8) {
        self.log = (self.word() & first_records(end)).to_le_bytes();
    }

    /// Whether the first `count` records of both logs are there and the same.
    pub(super) fn agrees_up_to(&self, other: &Self, count: u8) -> bool {
        self.end() >= count && (self.word() ^ other.word()) & first_records(count) == 0
    }

    /// The log in one word, offset 0 lowest, so that the claims, read once a state, need no loop.
    const fn word(&self) -> u32 {
        u32::from_le_bytes(self.log)
    }
}

/// The bits of the first `count` records in a log's word.
const fn first_records(count: u8) -> u32 {
    ((1_u64 << (8 * count)) - 1) as u32
}

impl Quorum {
    /// How many epochs, hence requests, there were; the next epoch.
    pub(super) const fn epochs_issued(&self) -> u8 {
        self.epoch
    }

    /// The leader (index plus one, or 0) and the ISR of the request with an epoch below the next.
    pub(super) fn request(&self, epoch: u8) -> (u8, u8) {
        let request = self.requests[usize::from(epoch)];
        (request >> 4, request & 0xf)
    }

    /// A new leader and ISR under a new epoch, written to the quorum and sent to all.
    pub(super) fn update(&mut self, leader: u8, isr: u8) {
        self.requests[usize::from(self.epoch)] = leader << 4 | isr;
        self.epoch += 1;
        self.leader = leader;
        self.isr = isr;
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for word in bytemuck::cast::<Self, [u64; 4]>(*self) {
            hasher.write_u64(word);
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replicas, quorum } = self;
        for (index, replica) in replicas.iter().enumerate() {
            write!(out, "n{} {replica:?}; ", index + 1)?;
        }
        write!(out, "quorum {quorum:?}")
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = self.log.iter().take_while(|&&record| record != 0);
        let records: Vec<_> =
            records.map(|record| format!("{}@{}", (record >> 4) - 1, (record & 0xf) - 1)).collect();
        write!(
            out,
            "epoch={} leader={} isr={:03b} hw={} [{}]",
            i16::from(self.epoch) - 1,
            Leader(self.leader),
            self.isr,
            self.high_watermark,
            records.join(" ")
        )
    }
}

impl fmt::Debug for Quorum {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, leader, isr, records, .. } = *self;
        write!(out, "epoch={} leader={} isr={isr:03b}", i16::from(epoch) - 1, Leader(leader))?;
        write!(out, " records={records} requests=")?;
        for epoch in 0..epoch {
            let (leader, isr) = self.request(epoch);
            write!(out, "({} {isr:03b})", Leader(leader))?;
        }
        Ok(())
    }
}

/// A leader's name, or `none`.
struct Leader(u8);

impl fmt::Display for Leader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            NONE => out.write_str("none"),
            name => write!(out, "n{name}"),
        }
    }
}
