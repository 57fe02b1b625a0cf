//! A log as a list of batches, and what is done to both it and a real one.

use highwater_core::{Epoch, Offset};
use highwater_log::disk::Disk;
use highwater_log::{Log, LogError};
use proptest::prelude::*;

use crate::support::{all, batch_at, shape};

/// What is done to a log.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Appends so many batches at once, so much later in epochs, each of so many records of so many bytes.
    Append {
        batches: usize,
        epochs: Epoch,
        records: usize,
        size: usize,
    },
    Flush,
    /// Truncates where so many of 100 parts of the log are left.
    Truncate {
        percent: i64,
    },
    /// Forgets so many of 100 parts.
    Forget {
        percent: i64,
    },
    /// Drops all and goes on so much further, or earlier.
    Restart {
        further: i64,
    },
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..4_usize, prop_oneof![4 => Just(0), 1 => 1..3], 1..4_usize, 0..300_usize)
            .prop_map(|(batches, epochs, records, size)| Step::Append { batches, epochs, records, size }),
        3 => Just(Step::Flush),
        2 => (0..=100_i64).prop_map(|percent| Step::Truncate { percent }),
        1 => (0..=100_i64).prop_map(|percent| Step::Forget { percent }),
        1 => (-20..20_i64).prop_map(|further| Step::Restart { further }),
    ]
}

/// A log as a list of batches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    /// All that was not truncated, also what was forgotten: base offset and bytes.
    pub(crate) batches: Vec<(Offset, Vec<u8>)>,
    pub(crate) start: Offset,
    pub(crate) end: Offset,
    pub(crate) flushed: Offset,
    pub(crate) epoch: Epoch,
}

impl Model {
    /// What the log holds from `from` on, of batches that end at or before `to`.
    pub(crate) fn bytes(&self, from: Offset, to: Offset) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, (base, batch)) in self.batches.iter().enumerate() {
            if self.end_of(index) > from && *base < to && self.end_of(index) <= to {
                bytes.extend_from_slice(batch);
            }
        }
        bytes
    }

    fn end_of(&self, index: usize) -> Offset {
        let (base, bytes) = &self.batches[index];
        base + shape(bytes).iter().map(|(.., count)| i64::from(*count)).sum::<i64>()
    }

    /// Does it here, and gives what has to be done to a log.
    pub(crate) fn apply(&mut self, step: Step) -> Action {
        let part = |model: &Self, percent: i64| model.start + (model.end - model.start) * percent / 100;
        match step {
            Step::Append { batches, epochs, records, size } => {
                self.epoch += epochs;
                let mut bytes = Vec::new();
                for _ in 0..batches {
                    // Timestamps go back now and then.
                    let timestamp = 1000 + self.end - (self.end % 7) * 20;
                    let batch = batch_at(self.end, self.epoch, records, size, timestamp);
                    bytes.extend_from_slice(&batch);
                    self.batches.push((self.end, batch));
                    self.end += records as i64;
                }
                Action::Append(bytes)
            }
            Step::Flush => {
                self.flushed = self.end;
                Action::Flush
            }
            Step::Truncate { percent } => {
                let end = part(self, percent);
                if end < self.end {
                    while self.batches.last().is_some_and(|(base, _)| *base >= end)
                        || (!self.batches.is_empty() && self.end_of(self.batches.len() - 1) > end)
                    {
                        self.end = self.batches.pop().map_or(end, |(base, _)| base);
                    }
                    self.end = self.end.clamp(self.start, end);
                    self.flushed = self.end;
                }
                Action::Truncate(end)
            }
            Step::Forget { percent } => {
                self.start = part(self, percent);
                self.flushed = self.flushed.max(self.start);
                Action::Forget(self.start)
            }
            Step::Restart { further } => {
                let start = (self.end + further).max(0);
                *self = Self { start, end: start, flushed: start, epoch: self.epoch, batches: Vec::new() };
                Action::Restart(start, self.epoch)
            }
        }
    }
}

/// What is done to a log, in its own terms.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Append(Vec<u8>),
    Flush,
    Truncate(Offset),
    Forget(Offset),
    Restart(Offset, Epoch),
}

impl Action {
    pub(crate) fn act<D: Disk>(&self, log: &mut Log<D>) -> Result<(), LogError> {
        match self {
            Self::Append(bytes) => log.append(bytes),
            Self::Flush => log.flush().map(|_| ()),
            Self::Truncate(end) => log.truncate(*end).map(|_| ()),
            Self::Forget(start) => log.forget_before(*start),
            Self::Restart(start, epoch) => log.restart(*start, *epoch),
        }
    }
}

/// The log holds what the model does.
pub(crate) fn assert_same<D: Disk>(log: &Log<D>, model: &Model) {
    let view = log.view();
    assert_eq!((view.start(), view.end()), (model.start, model.end));
    assert_eq!(all(log), model.bytes(model.start, model.end));
    assert_epochs(log);
}

/// The log's epochs are those of its batches.
pub(crate) fn assert_epochs<D: Disk>(log: &Log<D>) {
    for (base, epoch, _) in shape(&all(log)) {
        let at = base.max(log.view().start());
        assert_eq!(log.view().epochs().epoch_at(at), Some(epoch), "at {at} of {:?}", log.view());
    }
}
