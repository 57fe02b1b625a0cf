//! What is remembered, and how it grows with the log.

use alloc::collections::BTreeMap;

use super::Snapshot;
use crate::Offset;
use crate::batch::{BatchHeader, ControlRecord, HEADER_SIZE, Records};

/// How many batches of a producer are remembered: as many as it may have under way (`max.in.flight.requests.per.connection`).
pub const BATCHES_MAX: usize = 5;

/// The sequence of a batch that has none.
pub const NO_SEQUENCE: i32 = -1;

/// The epoch of a producer of which no epoch is known.
pub(super) const NO_PRODUCER_EPOCH: i16 = -1;

/// The coordinator epoch where no transaction was ended yet.
const NO_COORDINATOR_EPOCH: i32 = -1;

/// The producers of one partition, by id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Producers {
    producers: BTreeMap<i64, Producer>,
    end: Offset,
}

/// One producer.
///
/// - All remembered batches are of `epoch`.
/// - They are in the order in which they were appended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Producer {
    epoch: i16,
    coordinator_epoch: i32,
    last_timestamp: i64,
    transaction_start: Option<Offset>,
    /// Oldest first; what is behind `count` means nothing, and is all zero.
    batches: [Appended; BATCHES_MAX],
    count: u8,
}

/// A batch that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Appended {
    /// The sequence of its last record.
    pub last_sequence: i32,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// Last offset less first; and last sequence less first. Never negative.
    pub offset_delta: i32,
    /// Its largest timestamp, in milliseconds since 1970.
    pub timestamp: i64,
}

impl Appended {
    /// What is remembered of this batch.
    pub fn of(header: &BatchHeader) -> Self {
        Self {
            last_sequence: last_sequence(header),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        }
    }

    /// The offset of its first record.
    pub fn base_offset(&self) -> Offset {
        self.last_offset - Offset::from(self.offset_delta)
    }

    /// The offset after its last record.
    pub fn end_offset(&self) -> Offset {
        self.last_offset + 1
    }

    /// The sequence of its first record.
    pub fn base_sequence(&self) -> i32 {
        if self.last_sequence < 0 {
            return NO_SEQUENCE;
        }
        // All sequences are below 2^31, so that the difference taken modulo that is the one before.
        self.last_sequence.wrapping_sub(self.offset_delta) & i32::MAX
    }
}

/// The sequence that is `delta` (0 or more) after another: behind 2^31 - 1 comes 0.
pub fn sequence_after(sequence: i32, delta: i32) -> i32 {
    sequence.wrapping_add(delta) & i32::MAX
}

/// The sequence of a batch's last record.
pub(super) fn last_sequence(header: &BatchHeader) -> i32 {
    if header.base_sequence < 0 {
        NO_SEQUENCE
    } else {
        sequence_after(header.base_sequence, header.last_offset_delta)
    }
}

/// Whether a batch names its producer.
pub(super) fn has_producer(header: &BatchHeader) -> bool {
    header.producer_id >= 0
}

impl Producers {
    /// No producers, at the end of a log that begins or goes on there.
    pub fn new(end: Offset) -> Self {
        Self { producers: BTreeMap::new(), end }
    }

    /// The state that a snapshot at this offset holds.
    pub fn load(snapshot: Snapshot, end: Offset) -> Self {
        Self { producers: snapshot.into_producers(), end }
    }

    /// Takes batches that were appended to the log: whole, checked, with their offsets. What is below [`Producers::end`] is passed over, and
    /// bytes that are no batch end it.
    pub fn append(&mut self, batches: &[u8]) {
        let mut rest = batches;
        while let Ok(header) = BatchHeader::parse(rest) {
            let Some((batch, behind)) = rest.split_at_checked(header.size) else { return };
            self.append_batch(&header, &batch[HEADER_SIZE..]);
            rest = behind;
        }
    }

    /// The same of those that end at or below an offset.
    pub fn append_below(&mut self, batches: &[u8], end: Offset) {
        let mut size = 0;
        while let Ok(header) = BatchHeader::parse(batches.get(size..).unwrap_or_default())
            && header.end_offset() <= end
        {
            size += header.size;
        }
        self.append(batches.get(..size).unwrap_or(batches));
    }

    /// The same of one batch; its payload is looked at only if it is a control batch.
    pub fn append_batch(&mut self, header: &BatchHeader, payload: &[u8]) {
        if header.end_offset() <= self.end {
            return;
        }
        self.end = header.end_offset();
        if !has_producer(header) {
            return;
        }
        if header.is_control() {
            self.end_transaction(header, payload);
        } else {
            self.producers.entry(header.producer_id).or_default().append(header);
        }
    }

    fn end_transaction(&mut self, header: &BatchHeader, payload: &[u8]) {
        // Of a marker that compaction emptied nothing is known but that there was one.
        let Some(Ok(record)) = Records::new(header, payload).next() else { return };
        let coordinator_epoch = match ControlRecord::decode(&record) {
            Ok(ControlRecord::Abort { coordinator_epoch } | ControlRecord::Commit { coordinator_epoch }) => {
                coordinator_epoch
            }
            _ => return,
        };
        let producer = self.producers.entry(header.producer_id).or_default();
        producer.enter(header.producer_epoch);
        producer.coordinator_epoch = coordinator_epoch;
        producer.transaction_start = None;
        producer.last_timestamp = record.timestamp;
    }

    /// Says that the log ends there, though nothing was appended: a log that is empty goes on at another offset.
    ///
    /// A snapshot is taken of the state at the end.
    pub fn advance(&mut self, end: Offset) {
        self.end = self.end.max(end);
    }

    /// Forgets producers whose newest batch is `expiration_ms` old, or older, at `now_ms` (milliseconds since 1970), but for those with an open
    /// transaction.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: u64) {
        self.producers.retain(|_, producer| {
            let silent = i128::from(now_ms) - i128::from(producer.last_timestamp);
            producer.transaction_start.is_some() || silent < i128::from(expiration_ms)
        });
    }

    /// A snapshot of the state: of each producer its newest batch alone, as in Kafka.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.producers)
    }

    /// The end of the log that this was made of.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// What is known of a producer.
    pub fn get(&self, id: i64) -> Option<&Producer> {
        self.producers.get(&id)
    }

    /// All that are known, by id.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.producers.iter().map(|(id, producer)| (*id, producer))
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }
}

impl Default for Producer {
    /// A producer of which nothing is known.
    fn default() -> Self {
        Self {
            epoch: NO_PRODUCER_EPOCH,
            coordinator_epoch: NO_COORDINATOR_EPOCH,
            last_timestamp: -1,
            transaction_start: None,
            batches: [Appended::default(); BATCHES_MAX],
            count: 0,
        }
    }
}

impl Producer {
    /// A producer with its newest batch, if that is known.
    pub(super) fn restored(
        epoch: i16,
        coordinator_epoch: i32,
        last_timestamp: i64,
        transaction_start: Option<Offset>,
        newest: Option<Appended>,
    ) -> Self {
        let mut producer =
            Self { epoch, coordinator_epoch, last_timestamp, transaction_start, ..Self::default() };
        newest.into_iter().for_each(|batch| producer.remember(batch));
        producer
    }

    fn append(&mut self, header: &BatchHeader) {
        self.enter(header.producer_epoch);
        let batch = Appended::of(header);
        self.remember(batch);
        self.last_timestamp = batch.timestamp;
        if header.is_transactional() && self.transaction_start.is_none() {
            self.transaction_start = Some(header.base_offset);
        }
    }

    /// Another epoch counts its sequences anew. It need not be a larger one: what the leader took is taken.
    fn enter(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches = [Appended::default(); BATCHES_MAX];
            self.count = 0;
        }
    }

    fn remember(&mut self, batch: Appended) {
        let count = usize::from(self.count);
        if count < BATCHES_MAX {
            self.batches[count] = batch;
            self.count += 1;
        } else {
            self.batches.rotate_left(1);
            self.batches[BATCHES_MAX - 1] = batch;
        }
    }

    /// Its epoch; -1 if none is known.
    pub fn epoch(&self) -> i16 {
        self.epoch
    }

    /// The epoch of the coordinator that ended its last transaction; -1 if there was none.
    pub fn coordinator_epoch(&self) -> i32 {
        self.coordinator_epoch
    }

    /// The timestamp of what it wrote last, in milliseconds since 1970.
    pub fn last_timestamp(&self) -> i64 {
        self.last_timestamp
    }

    /// Where its open transaction begins, if it has one.
    pub fn transaction_start(&self) -> Option<Offset> {
        self.transaction_start
    }

    /// Its newest batches, oldest first.
    pub fn batches(&self) -> &[Appended] {
        &self.batches[..usize::from(self.count)]
    }

    /// Its newest batch, if one is known of its epoch.
    pub fn newest(&self) -> Option<&Appended> {
        self.batches().last()
    }

    /// The sequence of its last record; -1 if none is known of its epoch.
    pub fn last_sequence(&self) -> i32 {
        self.newest().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }
}
