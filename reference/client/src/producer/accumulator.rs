//! Batches by partition: open, closed, under way. No I/O, no clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use highwater_core::batch::{self, BatchBuilder, Codec};
use tokio::sync::watch;

use super::partitioner::Partitioner;
use super::{ProducerConfig, Record};
use crate::cluster::{Topic, TopicPartition};
use crate::codec;
use crate::error::ClientError;

/// So many of a producer's batches a broker knows again in a partition.
const BATCHES_KNOWN: usize = 5;

/// Base offset and append time of a batch, or why it was not written. None until that is known.
pub(super) type Outcome = Option<Result<(i64, i64), ClientError>>;

/// The producer's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

/// A batch that takes records.
struct Open {
    builder: BatchBuilder,
    /// What its records took of the room.
    room: usize,
    began: Instant,
    outcome: watch::Sender<Outcome>,
}

/// A batch that takes no more records.
pub(super) struct Closed {
    /// In the order in which batches were closed.
    number: u64,
    pub(super) partition: TopicPartition,
    bytes: Bytes,
    pub(super) count: i32,
    pub(super) room: usize,
    /// When its first record was taken.
    began: Instant,
    /// Its place among those of the producer, once it has one.
    pub(super) sequence: Option<(Identity, i32)>,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// Whether an attempt may have been written.
    pub(super) in_doubt: Option<ClientError>,
    /// How the last attempt ended.
    pub(super) last: Option<ClientError>,
    /// Not before.
    not_before: Option<Instant>,
    outcome: watch::Sender<Outcome>,
}

impl Closed {
    pub(super) fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Gives it this place among the producer's batches.
    fn place(&mut self, identity: Identity, sequence: i32) {
        let mut bytes = Vec::from(std::mem::take(&mut self.bytes));
        bytes[43..51].copy_from_slice(&identity.id.to_be_bytes());
        bytes[51..53].copy_from_slice(&identity.epoch.to_be_bytes());
        bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
        batch::seal(&mut bytes);
        self.bytes = Bytes::from(bytes);
        self.sequence = Some((identity, sequence));
    }
}

/// One partition's batches, the oldest first.
#[derive(Default)]
struct Lane {
    open: Option<Open>,
    ready: VecDeque<Closed>,
    /// Numbers of batches under way.
    under_way: Vec<u64>,
    /// The epoch in which the next sequence counts.
    epoch: Option<Identity>,
    next_sequence: i32,
}

/// All partitions' batches.
pub(super) struct Accumulator {
    batch_bytes: usize,
    compression: Codec,
    linger: Duration,
    delivery_timeout: Duration,
    idempotence: bool,
    partitioner: Partitioner,
    lanes: BTreeMap<TopicPartition, Lane>,
    flushing: bool,
    closed: bool,
    /// How many batches were closed so far.
    numbers: u64,
    /// Batches that have not ended.
    left: usize,
    pub(super) identity: Option<Identity>,
}

impl Accumulator {
    pub(super) fn new(config: &ProducerConfig) -> Self {
        Self {
            batch_bytes: config.batch_bytes,
            compression: config.compression,
            linger: config.linger,
            delivery_timeout: config.delivery_timeout,
            idempotence: config.idempotence,
            partitioner: Partitioner::new(config.spread),
            lanes: BTreeMap::new(),
            flushing: false,
            closed: false,
            numbers: 0,
            left: 0,
            identity: None,
        }
    }

    /// Takes a record; gives where it goes, its number in its batch, where its outcome will be, and whether the sender has something to
    /// do. None if the producer is closed.
    pub(super) fn append(
        &mut self,
        record: &Record,
        topic: &Topic,
        timestamp: i64,
        size: usize,
        now: Instant,
    ) -> Option<(TopicPartition, u32, watch::Receiver<Outcome>, bool)> {
        if self.closed {
            return None;
        }
        let chosen = record.partition;
        let by_itself = chosen.is_none() && record.key.is_none();
        let mut index =
            chosen.unwrap_or_else(|| self.partitioner.choose(&record.topic, topic, record.key.as_deref()));
        let mut is_news = false;
        let full = |lane: Option<&Lane>, batch_bytes: usize| {
            let open = lane.and_then(|lane| lane.open.as_ref());
            open.is_some_and(|open| open.builder.size() + size > batch_bytes)
        };
        let mut partition = TopicPartition::new(record.topic.clone(), index);
        if full(self.lanes.get(&partition), self.batch_bytes) {
            self.close_batch(&partition);
            is_news = true;
            if by_itself {
                self.partitioner.closed(&record.topic, topic, index);
                index = self.partitioner.choose(&record.topic, topic, None);
                partition = TopicPartition::new(record.topic.clone(), index);
                if full(self.lanes.get(&partition), self.batch_bytes) {
                    self.close_batch(&partition);
                }
            }
        }
        let lane = self.lanes.entry(partition.clone()).or_default();
        let open = match &mut lane.open {
            Some(open) => open,
            none => {
                self.left += 1;
                is_news = true;
                none.insert(Open {
                    builder: BatchBuilder::default(),
                    room: 0,
                    began: now,
                    outcome: watch::Sender::new(None),
                })
            }
        };
        let number = open.builder.count();
        if record.headers.is_empty() {
            open.builder.record(timestamp, record.key.as_deref(), record.value.as_deref());
        } else {
            let headers: Vec<(&str, Option<&[u8]>)> =
                record.headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
            open.builder.record_with_headers(
                timestamp,
                record.key.as_deref(),
                record.value.as_deref(),
                &headers,
            );
        }
        open.room += size;
        let outcome = open.outcome.subscribe();
        if open.builder.size() >= self.batch_bytes {
            self.close_batch(&partition);
            is_news = true;
            if by_itself {
                self.partitioner.closed(&record.topic, topic, index);
            }
        }
        Some((partition, number, outcome, is_news))
    }

    fn close_batch(&mut self, partition: &TopicPartition) {
        let Some(lane) = self.lanes.get_mut(partition) else { return };
        let Some(open) = lane.open.take() else { return };
        let count = open.builder.count();
        let plain = open.builder.build();
        // The libraries write to memory, which does not fail; if one did, the batch goes as it is.
        let bytes = match self.compression {
            Codec::None => plain,
            codec => codec::compressed(plain.clone(), codec).unwrap_or(plain),
        };
        self.numbers += 1;
        lane.ready.push_back(Closed {
            number: self.numbers,
            partition: partition.clone(),
            bytes: Bytes::from(bytes),
            count: i32::try_from(count).unwrap_or(i32::MAX),
            room: open.room,
            began: open.began,
            sequence: None,
            attempts: 0,
            in_doubt: None,
            last: None,
            not_before: None,
            outcome: open.outcome,
        });
    }

    /// Nothing lingers from now on, until all has ended.
    pub(super) fn flush(&mut self) {
        self.flushing = true;
        let lingering: Vec<TopicPartition> =
            self.lanes.iter().filter(|(_, lane)| lane.open.is_some()).map(|(of, _)| of.clone()).collect();
        for partition in lingering {
            self.close_batch(&partition);
        }
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Closes what lingered long enough.
    pub(super) fn lingered(&mut self, now: Instant) {
        let linger = if self.flushing || self.closed { Duration::ZERO } else { self.linger };
        let due: Vec<TopicPartition> = self
            .lanes
            .iter()
            .filter(|(_, lane)| lane.open.as_ref().is_some_and(|open| now >= open.began + linger))
            .map(|(of, _)| of.clone())
            .collect();
        for partition in due {
            self.close_batch(&partition);
        }
    }

    /// When to look again, if nothing happens before.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        let lanes = self.lanes.values();
        let looks = lanes.flat_map(|lane| {
            let lingers = lane.open.as_ref().map(|open| open.began + self.linger);
            let waits = lane.ready.iter().filter_map(|batch| batch.not_before).filter(|at| *at > now);
            let expires = lane.ready.iter().map(|batch| batch.began + self.delivery_timeout);
            lingers.into_iter().chain(waits).chain(expires)
        });
        looks.min()
    }

    /// Partitions with a batch that may go out now.
    pub(super) fn sendable(&self, now: Instant) -> Vec<TopicPartition> {
        let lanes = self.lanes.iter().filter(|(_, lane)| {
            lane.ready
                .front()
                .is_some_and(|batch| batch.not_before.is_none_or(|at| now >= at) && self.may_go(lane, batch))
        });
        lanes.map(|(of, _)| of.clone()).collect()
    }

    fn may_go(&self, lane: &Lane, batch: &Closed) -> bool {
        match (self.idempotence, batch.sequence) {
            (false, _) => true,
            // A repetition: only as the oldest under way.
            (true, Some(_)) => lane.under_way.iter().all(|other| batch.number < *other),
            // A new epoch begins once nothing of the old one is left.
            (true, None) => {
                lane.under_way.len() < BATCHES_KNOWN
                    && self.identity.is_some()
                    && (lane.epoch == self.identity || lane.under_way.is_empty())
            }
        }
    }

    /// Takes the next batch of a partition to be sent, if it is no larger than `limit`.
    pub(super) fn take(&mut self, partition: &TopicPartition, limit: usize, now: Instant) -> Option<Closed> {
        let lane = self.lanes.get(partition)?;
        let front = lane.ready.front()?;
        let fits = front.size() <= limit && front.not_before.is_none_or(|at| now >= at);
        if !fits || !self.may_go(lane, front) {
            return None;
        }
        let identity = self.identity;
        let lane = self.lanes.get_mut(partition)?;
        let mut batch = lane.ready.pop_front()?;
        if self.idempotence && batch.sequence.is_none() {
            if lane.epoch != identity {
                lane.epoch = identity;
                lane.next_sequence = 0;
            }
            batch.place(identity?, lane.next_sequence);
            lane.next_sequence = add(lane.next_sequence, batch.count);
        }
        batch.attempts += 1;
        batch.not_before = None;
        lane.under_way.push(batch.number);
        Some(batch)
    }

    /// A batch came back, to be sent again.
    pub(super) fn again(&mut self, mut batch: Closed, not_before: Instant) {
        self.landed(&batch);
        batch.not_before = Some(not_before);
        let Some(lane) = self.lanes.get_mut(&batch.partition) else { return };
        let at = lane.ready.iter().take_while(|other| other.number < batch.number).count();
        lane.ready.insert(at, batch);
    }

    /// A batch ended. Gives the room that it took.
    pub(super) fn end(&mut self, batch: Closed, outcome: Result<(i64, i64), ClientError>) -> usize {
        self.landed(&batch);
        self.finish(batch, outcome)
    }

    fn finish(&mut self, batch: Closed, outcome: Result<(i64, i64), ClientError>) -> usize {
        // Nobody may wait for it.
        batch.outcome.send_replace(Some(outcome));
        self.left -= 1;
        self.flushing &= self.left > 0;
        batch.room
    }

    fn landed(&mut self, batch: &Closed) {
        if let Some(lane) = self.lanes.get_mut(&batch.partition) {
            lane.under_way.retain(|other| *other != batch.number);
        }
    }

    /// Whether this batch, which is under way, is the oldest of its partition that has not ended.
    pub(super) fn is_oldest(&self, batch: &Closed) -> bool {
        let Some(lane) = self.lanes.get(&batch.partition) else { return true };
        let waiting = lane.ready.iter().map(|other| other.number);
        lane.under_way.iter().copied().chain(waiting).all(|other| batch.number <= other)
    }

    /// Sequences of `was` lead nowhere any more in some partition: what gets a place from now on gets it in a new epoch.
    pub(super) fn next_epoch(&mut self, was: Identity) {
        if self.identity == Some(was) {
            // Without an identity, the sender asks for another one.
            self.identity = was.epoch.checked_add(1).map(|epoch| Identity { epoch, ..was });
        }
    }

    /// Gives up what is too old. Gives the room that it took.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        let limit = self.delivery_timeout;
        let mut expired = Vec::new();
        for lane in self.lanes.values_mut() {
            while lane.ready.front().is_some_and(|batch| now >= batch.began + limit) {
                expired.extend(lane.ready.pop_front());
            }
        }
        let mut room = 0;
        let mut gaps = Vec::new();
        for batch in expired {
            if let Some((identity, _)) = batch.sequence {
                gaps.push(identity);
            }
            let what = format!("Produce of {} records to {}", batch.count, batch.partition);
            let last = batch.in_doubt.clone().or_else(|| batch.last.clone()).map(Box::new);
            room += self.finish(batch, Err(ClientError::TimedOut { what, after: limit, last }));
        }
        for identity in gaps {
            self.next_epoch(identity);
        }
        room
    }

    /// Gives up all that waits: the producer cannot go on. Gives the room that it took.
    pub(super) fn give_up(&mut self, why: &ClientError) -> usize {
        self.flush();
        let mut batches = Vec::new();
        for lane in self.lanes.values_mut() {
            batches.extend(lane.ready.drain(..));
        }
        batches.into_iter().map(|batch| self.finish(batch, Err(why.clone()))).sum()
    }

    /// Whether there is something to send, but no producer id yet.
    pub(super) fn wants_identity(&self) -> bool {
        self.idempotence && self.identity.is_none() && self.lanes.values().any(|lane| !lane.ready.is_empty())
    }
}

/// Sequences go on with 0 behind the largest (KIP-98).
fn add(sequence: i32, count: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(count);
    i32::try_from(sum % (i64::from(i32::MAX) + 1)).unwrap_or(0)
}
