//! A log of batches, and the state that is the sum of it.

use highwater_core::Offset;
use highwater_core::batch::{self, BatchBuilder, BatchHeader, ControlRecord, control_batch};
use highwater_core::producer::{ProducerError, Producers, Snapshot, Verdict};

/// What a producer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Batch {
    pub(crate) producer: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
    pub(crate) count: i32,
    pub(crate) timestamp: i64,
    pub(crate) transactional: bool,
}

/// A replica.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) start: Offset,
    pub(crate) log: Vec<Vec<u8>>,
    pub(crate) state: Producers,
    /// Offset and bytes, oldest first.
    pub(crate) snapshots: Vec<(Offset, Vec<u8>)>,
}

impl Batch {
    pub(crate) fn bytes(&self, base: Offset) -> Vec<u8> {
        let mut batch = BatchBuilder::new(base, 1).producer(self.producer, self.epoch, self.sequence);
        for _ in 0..self.count {
            batch.record(self.timestamp, None, Some(b"x"));
        }
        let mut bytes = batch.build();
        if self.transactional {
            bytes[22] |= 0x10;
            batch::seal(&mut bytes);
        }
        bytes
    }
}

/// The marker at the end of a transaction.
pub(crate) fn marker(
    base: Offset,
    producer: i64,
    epoch: i16,
    timestamp: i64,
    record: &ControlRecord,
) -> Vec<u8> {
    let mut bytes = control_batch(base, 1, timestamp, std::slice::from_ref(record));
    bytes[22] |= 0x10;
    bytes[43..51].copy_from_slice(&producer.to_be_bytes());
    bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
    batch::seal(&mut bytes);
    bytes
}

pub(crate) fn header(bytes: &[u8]) -> BatchHeader {
    BatchHeader::parse(bytes).expect("a sound batch")
}

impl World {
    pub(crate) fn end(&self) -> Offset {
        self.log.last().map_or(self.start, |bytes| header(bytes).end_offset())
    }

    /// A leader takes what was sent, if it does.
    pub(crate) fn send(&mut self, batches: &[Batch]) -> Result<Verdict, ProducerError> {
        let sent = batches.iter().map(|batch| header(&batch.bytes(0)));
        let verdict = self.state.check(sent)?;
        if verdict == Verdict::Append {
            for batch in batches {
                self.append(batch.bytes(self.end()));
            }
        }
        Ok(verdict)
    }

    /// Appends without a question.
    pub(crate) fn append(&mut self, bytes: Vec<u8>) {
        self.state.append(&bytes);
        self.log.push(bytes);
        assert_eq!(self.state.end(), self.end());
    }

    pub(crate) fn take_snapshot(&mut self) {
        self.snapshots.push((self.end(), self.state.snapshot().encode()));
    }

    /// Cuts the log at the front of the batch that holds `end`, and makes the state anew.
    pub(crate) fn truncate(&mut self, end: Offset) {
        self.log.retain(|bytes| header(bytes).end_offset() <= end);
        let end = self.end();
        self.snapshots.retain(|(offset, _)| *offset <= end);
        self.rebuild();
    }

    /// Deletes batches that are wholly below.
    pub(crate) fn forget_before(&mut self, start: Offset) {
        self.log.retain(|bytes| header(bytes).end_offset() > start);
        self.start = start;
        self.snapshots.retain(|(offset, _)| *offset >= start);
    }

    /// Makes the state from the newest snapshot and the log behind it.
    pub(crate) fn rebuild(&mut self) {
        self.state = match self.snapshots.last() {
            Some((offset, bytes)) => {
                Producers::load(Snapshot::decode(bytes).expect("a snapshot of its own"), *offset)
            }
            None => Producers::new(self.start),
        };
        self.state.append(&self.log.concat());
        self.state.advance(self.end());
    }
}
