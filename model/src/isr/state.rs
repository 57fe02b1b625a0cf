//! The state: replicas, the controller's register, what is in flight, and the ghosts that claims read.
//!
//! Everything is a byte, so that the state has no padding and hashes as nine words.

use std::hash::{Hash, Hasher};

use bytemuck::{Pod, Zeroable};

/// The most replicas that a state has room for.
pub const NODES_MAX: usize = 3;
/// The most records, which is also the longest log: each record is appended by one leader once.
pub const RECORDS_MAX: usize = 4;
/// The most messages in flight.
pub const MESSAGES_MAX: usize = 4;
/// The most leader epochs: the controller remembers who led each in two bits.
pub const EPOCHS_MAX: u8 = 4;

/// No replica: [`Controller::leader`] while nobody leads, and the successor of a fencing that has none.
pub const NOBODY: u8 = 3;

/// [`Node::status`]: the process runs.
pub const UP: u8 = 1;
/// [`Node::status`]: it presumes to lead [`Node::epoch`].
pub const LEADS: u8 = 2;
/// [`Node::status`]: it crashed uncleanly and has not been back in the ISR since. A ghost while it runs
/// (the crash budget reads it); while it is down, the missing clean-shutdown marker.
pub const UNCLEAN: u8 = 4;
/// [`Node::status`]: its fetches skip the divergence check. Never set under the correct rules.
pub const TRUSTING: u8 = 8;

/// [`Ghost::stain`]: a follower cut records below its own high watermark.
pub const STAIN_TRUNCATED_BELOW_HIGH_WATERMARK: u8 = 1;
/// [`Ghost::stain`]: a presumed leader cut its own log.
pub const STAIN_LEADER_TRUNCATED: u8 = 2;
/// [`Ghost::stain`]: some follower has cut records (a witness, not a fault).
pub const STAIN_TRUNCATED: u8 = 4;
/// [`Ghost::stain`]: a replica that crashed uncleanly came back into the ISR (a witness).
pub const STAIN_RECOVERED: u8 = 8;

/// [`Message::kind`]: an empty slot.
pub const EMPTY: u8 = 0;
/// [`Message::kind`]: a fetch request.
pub const FETCH: u8 = 1;
/// [`Message::kind`]: a fetch response with at most one record.
pub const RECORDS: u8 = 2;
/// [`Message::kind`]: a fetch response with a diverging epoch and its end offset.
pub const DIVERGING: u8 = 3;
/// [`Message::kind`]: an AlterPartition request.
pub const ALTER: u8 = 4;
/// [`Message::kind`]: the controller's answer that a proposed member is not eligible.
pub const REFUSED: u8 = 5;

/// A replica and what it believes.
///
/// - A replica that is down or has learned nothing since its start has `epoch` 0.
/// - Whoever does not lead keeps `isr`, `pending`, `partition_epoch`, `start` and `followers` at 0.
/// - `high_watermark <= leo()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Node {
    /// The records from offset 0 as [`record`]s; 0 past the end.
    pub log: [u8; RECORDS_MAX],
    /// Offsets below it are committed as far as this replica knows.
    pub high_watermark: u8,
    /// The leader epoch of the newest metadata it has learned.
    pub epoch: u8,
    /// [`UP`], [`LEADS`], [`UNCLEAN`], [`TRUSTING`].
    pub status: u8,
    /// A leader's committed ISR in the low four bits, the proposed one (0: none) in the high ones.
    pub isr_pending: u8,
    /// A leader's partition epoch: the version of its committed ISR.
    pub partition_epoch: u8,
    /// A leader's log end offset when its epoch began.
    pub start: u8,
    /// What a leader knows of each follower by its fetches in this epoch; see [`Follower`].
    pub followers: [u8; NODES_MAX],
}

/// What a leader knows of a follower: 0 before its first fetch in this epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Follower {
    /// The offset of its last fetch: it holds everything below.
    pub leo: u8,
    /// The broker epoch that it fetched under.
    pub broker_epoch: u8,
}

impl Follower {
    /// Packs it.
    pub fn pack(self) -> u8 {
        0x80 | self.broker_epoch << 4 | self.leo
    }

    /// Reads it back.
    pub fn unpack(byte: u8) -> Option<Self> {
        (byte != 0).then_some(Self { leo: byte & 0xf, broker_epoch: byte >> 4 & 0x7 })
    }
}

/// A record: the leader epoch it was appended in and which of the client's values it carries.
pub const fn record(epoch: u8, value: u8) -> u8 {
    epoch << 4 | (value + 1)
}

/// The leader epoch of a [`record`].
pub const fn epoch_of(record: u8) -> u8 {
    record >> 4
}

/// The value of a [`record`], from 0.
pub const fn value_of(record: u8) -> u8 {
    (record & 0xf) - 1
}

/// The largest epoch at most `epoch` in a log of `leo` records, and the offset after its last record;
/// (0, 0) where there is none.
pub fn end_of_epoch(log: &[u8; RECORDS_MAX], leo: u8, epoch: u8) -> (u8, u8) {
    (0..leo)
        .rev()
        .find(|&offset| epoch_of(log[offset as usize]) <= epoch)
        .map_or((0, 0), |offset| (epoch_of(log[offset as usize]), offset + 1))
}

impl Node {
    /// Log end offset: the offset of the next record.
    pub fn leo(&self) -> u8 {
        self.log.iter().take_while(|&&record| record != 0).count() as u8
    }

    /// The epoch of the last record, 0 of an empty log.
    pub fn last_epoch(&self) -> u8 {
        self.leo().checked_sub(1).map_or(0, |last| epoch_of(self.log[last as usize]))
    }

    /// Whether the process runs.
    pub fn is_up(&self) -> bool {
        self.status & UP != 0
    }

    /// Whether it runs and presumes to lead its epoch.
    pub fn leads(&self) -> bool {
        self.status & (UP | LEADS) == UP | LEADS
    }

    /// Whether it crashed uncleanly and was not in the ISR since.
    pub fn is_unclean(&self) -> bool {
        self.status & UNCLEAN != 0
    }

    /// The ISR as this leader knows it committed.
    pub fn isr(&self) -> u8 {
        self.isr_pending & 0xf
    }

    /// The ISR that this leader has proposed and got no answer on; 0 where it awaits none.
    pub fn pending(&self) -> u8 {
        self.isr_pending >> 4
    }

    /// Committed and proposed ISR together.
    pub fn maximal_isr(&self) -> u8 {
        self.isr() | self.pending()
    }

    /// Whether a record with this value is in the log.
    pub fn holds(&self, value: u8) -> bool {
        self.log.iter().any(|&record| record != 0 && value_of(record) == value)
    }

    /// The values in the log below an offset, as a mask.
    pub fn values_below(&self, offset: u8) -> u8 {
        self.log[..offset as usize]
            .iter()
            .filter(|&&record| record != 0)
            .fold(0, |mask, &record| mask | 1 << value_of(record))
    }

    /// Cuts the log to `end` records.
    pub fn truncate(&mut self, end: u8) {
        for record in &mut self.log[end as usize..] {
            *record = 0;
        }
        self.high_watermark = self.high_watermark.min(end);
    }

    /// Forgets what only a leader knows.
    pub fn forget_leadership(&mut self) {
        self.status &= !LEADS;
        self.isr_pending = 0;
        self.partition_epoch = 0;
        self.start = 0;
        self.followers = [0; NODES_MAX];
    }
}

/// The controller's register of the partition and of its brokers: always consistent, never down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Controller {
    /// The leader epoch, from 1.
    pub epoch: u8,
    /// The leader, or [`NOBODY`].
    pub leader: u8,
    /// The ISR, a mask.
    pub isr: u8,
    /// The eligible leader replicas outside the ISR (KIP-966), a mask.
    pub elr: u8,
    /// The brokers that are fenced, a mask.
    pub fenced: u8,
    /// Grows with every change of leader, ISR or ELR.
    pub partition_epoch: u8,
    /// The broker epoch under which each broker is registered, from 1.
    pub broker_epochs: [u8; NODES_MAX],
    /// Who led each leader epoch, two bits each, epoch 1 lowest.
    pub leaders: u8,
}

impl Controller {
    /// Who leads, or led, a leader epoch.
    pub fn leader_of(&self, epoch: u8) -> u8 {
        if epoch == 0 { NOBODY } else { self.leaders >> (2 * (epoch - 1)) & 3 }
    }

    /// Makes `leader` the leader of a new epoch.
    pub fn lead(&mut self, leader: u8) {
        self.epoch += 1;
        self.leader = leader;
        self.leaders |= leader << (2 * (self.epoch - 1));
    }
}

/// A message in flight. The meaning of `body` and `tail` depends on the kind:
///
/// | kind | `offset` | `body` | `tail` |
/// |---|---|---|---|
/// | fetch | fetch offset | last fetched epoch | 1: skip the divergence check |
/// | records | the fetch offset it answers | the record, or 0 | the leader's high watermark |
/// | diverging | the fetch offset it answers | epoch in the high, its end in the low four bits | as above |
/// | alter | – | partition epoch in the high, ISR in the low four bits | two bits of broker epoch a member |
/// | refused | – | as in the request | 0 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
pub struct Message {
    /// Kind in the low four bits, sender in the next two, receiver ([`NOBODY`]: the controller) in the highest.
    pub head: u8,
    /// Leader epoch in the low three bits, broker epoch of the follower in the next two, offset in the highest.
    pub terms: u8,
    /// See the table.
    pub body: u8,
    /// See the table.
    pub tail: u8,
}

impl Message {
    /// A message without body.
    pub fn new(kind: u8, from: u8, to: u8, epoch: u8, broker_epoch: u8, offset: u8) -> Self {
        Self {
            head: kind | from << 4 | to << 6,
            terms: epoch | broker_epoch << 3 | offset << 5,
            body: 0,
            tail: 0,
        }
    }

    /// The kind, [`EMPTY`] to [`REFUSED`].
    pub fn kind(&self) -> u8 {
        self.head & 0xf
    }

    /// The sender.
    pub fn from(&self) -> u8 {
        self.head >> 4 & 3
    }

    /// The receiver; [`NOBODY`] is the controller.
    pub fn to(&self) -> u8 {
        self.head >> 6
    }

    /// The leader epoch it was sent in.
    pub fn epoch(&self) -> u8 {
        self.terms & 7
    }

    /// The broker epoch of the follower it is about.
    pub fn broker_epoch(&self) -> u8 {
        self.terms >> 3 & 3
    }

    /// The fetch offset.
    pub fn offset(&self) -> u8 {
        self.terms >> 5
    }

    /// The epoch of a diverging answer, or the partition epoch of an AlterPartition request.
    pub fn high(&self) -> u8 {
        self.body >> 4
    }

    /// The end offset of a diverging answer, or the ISR of an AlterPartition request.
    pub fn low(&self) -> u8 {
        self.body & 0xf
    }

    /// The broker epoch that an AlterPartition request states for a member; 0 where the leader knows none.
    pub fn member_epoch(&self, node: u8) -> u8 {
        self.tail >> (2 * node) & 3
    }

    /// Whether it is a response to a fetch.
    pub fn is_response(&self) -> bool {
        matches!(self.kind(), RECORDS | DIVERGING)
    }
}

/// What only claims and bounds read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Ghost {
    /// Values produced so far; the next value.
    pub produced: u8,
    /// Values whose producer was told that they are safe, a mask.
    pub acknowledged: u8,
    /// Values that a consumer may have read, a mask.
    pub exposed: u8,
    /// Faults and witnesses about steps.
    pub stain: u8,
    /// Processes stopped so far, cleanly or not.
    pub crashes: u8,
    /// 1 once the network and the brokers are good for ever.
    pub stable: u8,
}

/// A state of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(8))]
pub struct State {
    /// The replicas; those beyond the bound stay zero.
    pub nodes: [Node; NODES_MAX],
    /// The controller.
    pub controller: Controller,
    /// In flight, sorted descending, empty slots last.
    pub messages: [Message; MESSAGES_MAX],
    /// Ghosts.
    pub ghost: Ghost,
    /// Always 0.
    pub padding: [u8; 1],
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let words: [u64; 9] = bytemuck::cast(*self);
        for word in words {
            hasher.write_u64(word);
        }
    }
}

impl State {
    /// Restores the order of messages after a change.
    pub fn sort_messages(&mut self) {
        self.messages.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Whether another fetch may be in flight, of `bound` fetches and responses. AlterPartition requests
    /// go another way and do not count.
    pub fn has_room_for_fetch(&self, bound: u8) -> bool {
        let fetches = self.messages.iter().filter(|message| (FETCH..=DIVERGING).contains(&message.kind()));
        fetches.count() < bound as usize && self.has_room()
    }

    /// Whether a slot is empty.
    pub fn has_room(&self) -> bool {
        self.messages.iter().any(|message| message.kind() == EMPTY)
    }
}

/// The members of a mask.
pub fn members(mask: u8) -> impl Iterator<Item = u8> {
    (0..NODES_MAX as u8).filter(move |&node| mask & 1 << node != 0)
}
