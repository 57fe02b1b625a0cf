//! What clients saw: which records they sent, which were acknowledged, which were read where.
//!
//! | acks | may be lost | may be doubled | may be out of order |
//! |---|---|---|---|
//! | all | never, unless replication lost it by right (the partition is tainted) | no: clients do not retry | no |
//! | all, idempotent | the same | no, though its client sends it until it is acknowledged | no: not behind what the client sent later |
//! | 1 | once the leader that took it is gone | no | no |
//! | 0 | always | no | no |
//!
//! A record that was refused by name (no leader, too few replicas, ...) is nowhere. A record whose producer got no answer, or one that leaves
//! it open, may be there or not. Only idempotent producers send again what may be there already.

use std::collections::BTreeMap;

use highwater_core::partition::PartitionError;
use highwater_core::{Epoch, NO_EPOCH, Offset};
use rustc_hash::FxHashMap;

use crate::ledger::LogIndex;
use crate::{Invariant, Violation};

/// A batch that a client sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) log: LogIndex,
    /// 0, 1, or -1 for all.
    pub(crate) acks: i8,
    pub(crate) records: u32,
    pub(crate) outcome: Outcome,
    /// The epoch of the leader that acknowledged it.
    pub(crate) epoch: Epoch,
    /// Where it was read: the offset of its first record.
    pub(crate) read_at: Option<Offset>,
    /// The client whose batches are in the order of their numbers, if it promises that.
    pub(crate) in_order_of: Option<u32>,
}

/// What a client knows of a batch that it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No answer, or one that leaves it open.
    Open,
    /// It is at this offset, says the leader of this epoch.
    Acknowledged {
        /// The offset of the first record.
        at: Offset,
    },
    /// It is not there.
    Refused,
}

/// What all clients saw.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// By the number that its records carry.
    sent: Vec<Sent>,
    /// By log: what was read at an offset, batch and index in it.
    read: FxHashMap<(LogIndex, Offset), (u64, u32)>,
    /// By client and log of idempotent producers: where their batches were read.
    orders: FxHashMap<(u32, LogIndex), BTreeMap<Offset, u64>>,
    /// By client and log: the last offset that was acknowledged.
    last: FxHashMap<(u32, LogIndex), Offset>,
    pub(crate) acknowledged: u64,
    pub(crate) records_read: u64,
}

impl History {
    /// Notes a batch that is being sent; returns its number.
    pub(crate) fn send(&mut self, log: LogIndex, acks: i8, records: u32) -> u64 {
        let outcome = Outcome::Open;
        self.sent.push(Sent {
            log,
            acks,
            records,
            outcome,
            epoch: NO_EPOCH,
            read_at: None,
            in_order_of: None,
        });
        self.sent.len() as u64 - 1
    }

    /// Notes that the batches of this client are in order in each log, and this is the next of them.
    pub(crate) fn in_order_of(&mut self, number: u64, client: u32) {
        self.sent[number as usize].in_order_of = Some(client);
    }

    /// Notes the epoch of the leader that acknowledges a batch.
    pub(crate) fn answered_by(&mut self, number: u64, epoch: Epoch) {
        self.sent[number as usize].epoch = epoch;
    }

    /// Notes that a batch was acknowledged to its client.
    pub(crate) fn acknowledge(
        &mut self,
        client: u32,
        number: u64,
        at: Offset,
        tainted: bool,
    ) -> Result<(), Violation> {
        let sent = &mut self.sent[number as usize];
        sent.outcome = Outcome::Acknowledged { at };
        let (log, acks, records) = (sent.log, sent.acks, sent.records);
        self.acknowledged += u64::from(records);
        if acks != -1 {
            return Ok(());
        }
        let last = self.last.insert((client, log), at);
        match last {
            Some(last) if last >= at && !tainted => Err(Violation::new(
                Invariant::History,
                format!("client {client} has batch {number} acknowledged at offset {at}"),
                format!("an offset beyond {last}, where the one it sent before was acknowledged"),
            )),
            _ => Ok(()),
        }
    }

    /// Notes that a batch was refused. An error that leaves it open whether the records were appended is no refusal.
    pub(crate) fn refuse(&mut self, number: u64, error: PartitionError) {
        let open = matches!(
            error,
            PartitionError::RequestTimedOut
                | PartitionError::NotEnoughReplicasAfterAppend
                | PartitionError::NotLeaderOrFollower
                | PartitionError::StorageError
                | PartitionError::UnknownTopicOrPartition
        );
        if !open {
            self.sent[number as usize].outcome = Outcome::Refused;
        }
    }

    /// Notes that a record was read: the `index`th of batch `number`, at `offset`.
    pub(crate) fn read(
        &mut self,
        log: LogIndex,
        offset: Offset,
        number: u64,
        index: u32,
        tainted: bool,
    ) -> Result<(), Violation> {
        self.records_read += 1;
        let wrong =
            |found: String, expected: String| Err(Violation::new(Invariant::History, found, expected));
        let Some(sent) =
            self.sent.get_mut(number as usize).filter(|sent| sent.log == log && index < sent.records)
        else {
            return wrong(
                format!("a consumer reads record {index} of batch {number} at offset {offset}"),
                "a record that somebody sent there".to_owned(),
            );
        };
        if tainted {
            return Ok(());
        }
        if sent.outcome == Outcome::Refused {
            return wrong(
                format!("a consumer reads batch {number} at offset {offset}, which was refused"),
                "nothing that was refused".to_owned(),
            );
        }
        let base = offset - Offset::from(index);
        let first = *sent.read_at.get_or_insert(base);
        if first != base {
            return wrong(
                format!("a consumer reads batch {number} at offset {base}, and at {first} before"),
                "each batch once, however often it was sent".to_owned(),
            );
        }
        if let Outcome::Acknowledged { at } = sent.outcome
            && at != base
            && sent.acks == -1
        {
            return wrong(
                format!("a consumer reads batch {number} at offset {base}"),
                format!("offset {at}, where it was acknowledged"),
            );
        }
        if let Some(client) = sent.in_order_of {
            let order = self.orders.entry((client, log)).or_default();
            order.insert(base, number);
            let before = order.range(..base).next_back().filter(|(_, other)| **other > number);
            let behind = order.range(base + 1..).next().filter(|(_, other)| **other < number);
            if let Some((at, other)) = before.or(behind) {
                return wrong(
                    format!(
                        "a consumer reads batch {number} of client {client} at offset {base}, and {other} at {at}"
                    ),
                    "batches of an idempotent producer in the order in which they were sent".to_owned(),
                );
            }
        }
        match self.read.insert((log, offset), (number, index)) {
            Some(other) if other != (number, index) => wrong(
                format!("a consumer reads record {index} of batch {number} at offset {offset}"),
                format!("record {} of batch {}, which was read there before", other.1, other.0),
            ),
            _ => Ok(()),
        }
    }

    /// At the end, with a whole log read: what was acknowledged and is not there. `present` tells whether a batch is, by number;
    /// `gone` whether the leader of an epoch lost what only it had.
    pub(crate) fn missing(
        &self,
        log: LogIndex,
        present: impl Fn(u64) -> bool,
        gone: impl Fn(Epoch) -> bool,
    ) -> Result<(), Violation> {
        for (number, sent) in self.sent.iter().enumerate().filter(|(_, sent)| sent.log == log) {
            let Outcome::Acknowledged { at } = sent.outcome else { continue };
            let must = match sent.acks {
                -1 => true,
                1 => !gone(sent.epoch),
                _ => false,
            };
            if must && !present(number as u64) {
                return Err(Violation::new(
                    Invariant::History,
                    format!("batch {number}, acknowledged at offset {at} with acks={}, is lost", sent.acks),
                    "all that was acknowledged to be there in the end",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> (History, u64) {
        let mut history = History::default();
        let number = history.send(1, -1, 2);
        (history, number)
    }

    #[test]
    fn record_read_at_two_offsets_is_doubled() {
        let (mut history, number) = sent();
        history.read(1, 5, number, 0, false).expect("once");
        history.read(1, 5, number, 0, false).expect("the same again");
        let violation = history.read(1, 7, number, 0, false).expect_err("doubled");
        assert!(violation.found.contains("at offset 7, and at 5 before"), "{violation}");
    }

    #[test]
    fn batches_of_an_idempotent_producer_read_in_another_order_are_out_of_order() {
        let (mut history, first) = sent();
        let second = history.send(1, -1, 1);
        history.in_order_of(first, 7);
        history.in_order_of(second, 7);
        history.read(1, 5, second, 0, false).expect("first");
        let violation = history.read(1, 9, first, 0, false).expect_err("out of order");
        assert!(violation.found.contains("batch 0 of client 7 at offset 9, and 1 at 5"), "{violation}");
    }

    #[test]
    fn record_replaced_after_it_was_read_has_vanished() {
        let (mut history, first) = sent();
        let second = history.send(1, -1, 1);
        history.read(1, 5, first, 0, false).expect("first");
        assert!(history.read(1, 5, second, 0, false).is_err());
    }

    #[test]
    fn record_that_was_refused_is_from_nowhere() {
        let (mut history, number) = sent();
        history.refuse(number, PartitionError::NotEnoughReplicas);
        assert!(history.read(1, 0, number, 0, false).is_err());
        let (mut history, number) = sent();
        history.refuse(number, PartitionError::RequestTimedOut);
        assert!(history.read(1, 0, number, 0, false).is_ok(), "nobody knows whether it was appended");
        assert!(history.read(1, 0, 99, 0, false).is_err(), "nobody sent it");
    }

    #[test]
    fn batches_acknowledged_backwards_are_out_of_order() {
        let (mut history, first) = sent();
        let second = history.send(1, -1, 1);
        history.acknowledge(0, first, 4, false).expect("first");
        assert!(history.acknowledge(0, second, 3, false).is_err());
    }

    #[test]
    fn acknowledged_batch_that_is_not_there_in_the_end_is_lost() {
        let (mut history, number) = sent();
        history.acknowledge(0, number, 4, false).expect("acknowledged");
        assert!(history.missing(1, |_| false, |_| true).is_err());
        assert!(history.missing(1, |_| true, |_| true).is_ok());
        let weak = history.send(1, 1, 1);
        history.answered_by(weak, 3);
        history.acknowledge(0, weak, 9, false).expect("acknowledged");
        assert!(history.missing(1, |at| at == number, |_| true).is_ok(), "its leader is gone");
        assert!(history.missing(1, |at| at == number, |epoch| epoch != 3).is_err(), "its leader still leads");
    }
}
