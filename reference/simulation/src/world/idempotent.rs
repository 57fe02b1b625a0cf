//! Clients that send what is not acknowledged again: idempotent producers (KIP-98).
//!
//! Such a client has one batch under way, asks for acks=all, and sends the very same bytes again until the batch is acknowledged, to whoever leads
//! by what it knows. Copies of what it sent arrive late, as no connection of its own keeps them in order. Each of its batches must be in the log
//! once, and all in the order in which they were sent ([`History`](crate::history::History)).
//!
//! Now and then it gives a batch up, and goes on in the next epoch of its producer, as Kafka's clients do after `delivery.timeout.ms` (KIP-360).
//! Then the batch may be there or not, but never behind one that was sent after it.

use bytes::Bytes;
use highwater_core::Dice;
use highwater_core::partition::{Acks, PartitionError};
use highwater_node::message::{ClientRequest, Produce, TopicPartition};
use rustc_hash::FxHashMap;

use super::client::{Wants, encode};
use super::event::Event;
use super::{Part, World};
use crate::chance::{Draw, Purpose, keyed};
use crate::ledger::LogIndex;
use crate::{Invariant, Violation};

/// How often an attempt that failed is the last one of its batch.
const GIVES_UP_PERMILLE: u32 = 30;

/// What an idempotent producer knows.
#[derive(Debug)]
pub(super) struct Producer {
    id: i64,
    epoch: i16,
    /// The sequence that comes next, by log.
    next: FxHashMap<LogIndex, i32>,
    open: Option<Unacknowledged>,
}

/// A batch under way.
#[derive(Debug)]
struct Unacknowledged {
    batch: u64,
    log: LogIndex,
    partition: TopicPartition,
    records: Bytes,
    count: u32,
    attempts: u64,
    /// It is sent again when the client does something next.
    rests: bool,
}

impl Producer {
    pub(super) fn new(client: u32) -> Self {
        Self { id: 1_000 + i64::from(client), epoch: 0, next: FxHashMap::default(), open: None }
    }

    /// Whether something is to be sent again now.
    pub(super) fn is_due(&self) -> bool {
        self.open.as_ref().is_some_and(|open| !open.rests)
    }

    /// Whether a batch is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.open.is_some()
    }

    /// What rested is sent again.
    pub(super) fn wake(&mut self) {
        if let Some(open) = &mut self.open {
            open.rests = false;
        }
    }

    /// Goes on in the next epoch, without what is under way.
    fn bump(&mut self) {
        self.epoch += 1;
        self.next.clear();
        self.open = None;
    }
}

impl World {
    fn dice_of(&self, index: usize, purpose: u64) -> Dice {
        let (id, number) = self.clients[index].name();
        keyed(self.scenario.seed, Purpose::Clients, purpose << 32 | u64::from(id), number)
    }

    /// Sends the next batch of an idempotent producer, to whoever leads the partition.
    pub(super) fn produce_idempotently(&mut self, index: usize, partition: u32, records: u32) {
        let Some((partition, log, leader, _)) = self.choose(index, partition) else { return };
        let (client, _) = self.clients[index].name();
        let now_us = self.now_us;
        let Some(producer) = &mut self.clients[index].producer else { return };
        let batch = self.history.send(log, -1, records);
        self.history.in_order_of(batch, client);
        let sequence = producer.next.get(&log).copied().unwrap_or(0);
        let bytes = encode(batch, records, now_us, Some((producer.id, producer.epoch, sequence)));
        let count = records.max(1);
        producer.open =
            Some(Unacknowledged { batch, log, partition, records: bytes, count, attempts: 0, rests: false });
        self.send_open(index, leader);
    }

    /// Sends what is under way once more, if it is known to whom.
    pub(super) fn send_again(&mut self, index: usize) {
        let Some(open) = self.clients[index].producer.as_mut().and_then(|producer| producer.open.as_mut())
        else {
            return;
        };
        let partition = open.partition;
        match self.leader_of(index, partition) {
            Some(leader) => self.send_open(index, leader),
            None => self.rest(index),
        }
    }

    fn send_open(&mut self, index: usize, leader: usize) {
        let timeout_ms = u32::try_from(self.scenario.shape.timing.client_timeout / 2).unwrap_or(u32::MAX);
        let Some(open) = self.clients[index].producer.as_mut().and_then(|producer| producer.open.as_mut())
        else {
            return;
        };
        open.attempts += 1;
        let (batch, log) = (open.batch, open.log);
        let partitions = vec![(open.partition, open.records.clone())];
        let request = ClientRequest::Produce(Produce { acks: Acks::All, timeout_ms, partitions });
        let copy = request.clone();
        self.ask(index, leader, request, Wants::Append { batch, log, acks: -1 });
        let rates = &self.scenario.shape.rates;
        let (permille, late_us) = (rates.copies_permille, rates.copies_ms_max.max(1) * 1_000);
        let mut dice = self.dice_of(index, 2);
        if dice.permille(permille) {
            let at = self.now_us + dice.below(late_us);
            let (client, number) = self.clients[index].name();
            self.queue.push(at, Event::Asked { to: leader, client, number, request: Box::new(copy) });
        }
    }

    /// A batch is acknowledged.
    pub(super) fn open_acknowledged(&mut self, index: usize, batch: u64) {
        let Some(producer) = &mut self.clients[index].producer else { return };
        if let Some(open) = producer.open.take_if(|open| open.batch == batch) {
            let next = producer.next.entry(open.log).or_insert(0);
            *next += open.count.cast_signed();
            self.counts.repeated += u64::from(open.attempts > 1);
        }
    }

    /// A batch was refused: whether it is one of an idempotent producer, which sends it again.
    pub(super) fn open_refused(
        &mut self,
        index: usize,
        batch: u64,
        error: PartitionError,
    ) -> Result<bool, Violation> {
        let Some(producer) = &mut self.clients[index].producer else { return Ok(false) };
        let Some(open) = producer.open.as_ref().filter(|open| open.batch == batch) else { return Ok(false) };
        match error {
            // Nobody but this client has its id, and it never goes back to an older epoch.
            PartitionError::InvalidProducerEpoch
            | PartitionError::InvalidRecord
            | PartitionError::InvalidTxnState => {
                return Err(Violation::new(
                    Invariant::History,
                    format!("producer {} is refused with {error:?}", producer.id),
                    "that it is taken, or refused because of who leads, or of what is missing",
                ));
            }
            // Replication lost by right what this one comes behind.
            PartitionError::OutOfOrderSequenceNumber if self.ledger.logs[open.log].tainted.is_some() => {
                producer.bump();
            }
            _ => self.rest(index),
        }
        Ok(true)
    }

    /// An attempt has failed: the next one comes when the client does something again, or at once where nothing fails any more.
    pub(super) fn rest(&mut self, index: usize) {
        let settling = self.part == Part::Settling;
        let mut dice = self.dice_of(index, 3);
        let Some(producer) = &mut self.clients[index].producer else { return };
        let Some(open) = &mut producer.open else { return };
        open.rests = !settling;
        if !settling && dice.permille(GIVES_UP_PERMILLE) {
            producer.bump();
        }
    }
}
