//! Sends records: batches by partition, many requests under way, repeated until each record is written once or was given up.
//!
//! ```text
//! send ──► partition ──► open batch ──► full, or lingered ──► a request to the leader ──► answer ──► Delivery
//!              ▲                            │ up to 5 requests a broker                    │
//!              └── waits while buffers are full                     repeated, in order ◄───┘
//! ```
//!
//! With idempotence (KIP-98, on unless acks is not `all`) each batch carries a producer id, epoch and sequence. A batch that goes out
//! again keeps them, so that the broker knows it if it has it already; one that went wrong for good leaves a gap, which the partition
//! leaves behind in a new epoch of the producer (KIP-360).
//!
//! # Invariants
//! - Records of one partition are written in the order in which [`Producer::send`] returned: a batch is sent again only as the oldest
//!   that is under way.
//! - An idempotent producer writes no record twice: a batch gets other sequence numbers only after the broker said that the old ones
//!   were not written.
//! - What is buffered is bounded by [`ProducerConfig::buffer_memory`]; who sends beyond that waits.
//! - Each record ends: written, refused, or given up after [`ProducerConfig::delivery_timeout`]. If it is not known which, the error says so
//!   ([`ClientError::is_in_doubt`]).
//!
//! # Not implemented
//! - Transactions.
//! - Splitting batches that a broker finds too large. They are refused with MESSAGE_TOO_LARGE.
//! - Without idempotence and with more than one request under way, a repetition may overtake: as in Kafka.

mod accumulator;
mod partitioner;
mod sender;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use highwater_core::batch::Codec;
use highwater_wire::{ErrorCode, Str};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::timeout;

use crate::cluster::{Cluster, Topic, TopicPartition};
use crate::error::ClientError;
use accumulator::{Accumulator, Outcome};
pub use partitioner::{Spread, murmur2, partition_of};

/// When a record counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// When it was sent.
    None,
    /// When its leader has it.
    Leader,
    /// When all of the ISR have it.
    All,
}

/// How a producer behaves. The defaults are Kafka's.
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    /// `acks`.
    pub acks: Acks,
    /// `enable.idempotence`: needs acks=all.
    pub idempotence: bool,
    /// `compression.type`.
    pub compression: Codec,
    /// `batch.size`: a batch is closed before it takes more bytes than this.
    pub batch_bytes: usize,
    /// `linger.ms`: how long a batch waits to become full.
    pub linger: Duration,
    /// `max.request.size`: no record, and no request, is larger.
    pub request_bytes_max: usize,
    /// `buffer.memory`: how much may be on its way in all, in bytes.
    pub buffer_memory: usize,
    /// `max.block.ms`: how long [`Producer::send`] waits for room and for the topic's partitions.
    pub max_block: Duration,
    /// `max.in.flight.requests.per.connection`: requests under way to one broker; at most 5 with idempotence.
    pub in_flight_max: usize,
    /// `delivery.timeout.ms`: after that a record is given up.
    pub delivery_timeout: Duration,
    /// `retries`: so often a batch is sent again at most.
    pub retries: u32,
    /// How records without a key are spread.
    pub spread: Spread,
    /// Whether brokers may create topics that are sent to.
    pub create_topics: bool,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            idempotence: true,
            compression: Codec::None,
            batch_bytes: 16 << 10,
            linger: Duration::from_millis(5),
            request_bytes_max: 1 << 20,
            buffer_memory: 32 << 20,
            max_block: Duration::from_secs(60),
            in_flight_max: 5,
            delivery_timeout: Duration::from_secs(120),
            retries: u32::MAX,
            spread: Spread::Sticky,
            create_topics: true,
        }
    }
}

/// A record to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// To which topic.
    pub topic: Str,
    /// To which partition; if none is said, its key decides.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; none marks a deletion.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<(Str, Option<Bytes>)>,
    /// When it was made, in milliseconds since 1970; now, if nothing is said.
    pub timestamp: Option<i64>,
}

impl Record {
    /// A record with this value.
    pub fn new(topic: impl Into<Str>, value: impl Into<Bytes>) -> Self {
        Self { topic: topic.into(), value: Some(value.into()), ..Self::default() }
    }

    /// With this key.
    pub fn key(self, key: impl Into<Bytes>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// To this partition.
    pub fn partition(self, partition: i32) -> Self {
        Self { partition: Some(partition), ..self }
    }

    /// With one more header.
    pub fn header(mut self, name: impl Into<Str>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// More than it takes in a batch.
    fn size(&self) -> usize {
        let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + bytes(value) + 10).sum();
        bytes(&self.key) + bytes(&self.value) + headers + 40
    }
}

/// Where a record was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// In which partition.
    pub partition: TopicPartition,
    /// At which offset; -1 if that is not known (acks=0, or the broker had it already and does not say).
    pub offset: i64,
    /// Its timestamp, in milliseconds since 1970.
    pub timestamp: i64,
}

/// What becomes of a record.
#[derive(Debug)]
pub struct Delivery {
    partition: TopicPartition,
    index: u32,
    timestamp: i64,
    outcome: watch::Receiver<Outcome>,
}

impl Delivery {
    /// Waits until it is known.
    ///
    /// # Errors
    /// If it was not written, or that is not known.
    pub async fn wait(mut self) -> Result<Written, ClientError> {
        let outcome = self.outcome.wait_for(Option::is_some).await;
        let outcome = outcome.map_err(|_| ClientError::Closed)?.clone();
        let (base, appended) = outcome.unwrap_or(Err(ClientError::Closed))?;
        let offset = if base < 0 { -1 } else { base + i64::from(self.index) };
        let timestamp = if appended >= 0 { appended } else { self.timestamp };
        Ok(Written { partition: self.partition, offset, timestamp })
    }
}

/// Sends records. Clones are the same producer.
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

/// What those who send and the task that sends share.
struct Shared {
    cluster: Cluster,
    config: ProducerConfig,
    state: Mutex<Accumulator>,
    /// Bytes of room.
    room: Semaphore,
    /// There is something to do for the sender.
    wake: Notify,
    /// A batch ended.
    ended: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Accumulator> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Producer {
    /// A producer. Its task ends with [`Producer::close`], or with the last clone.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if settings do not go together.
    pub fn new(cluster: Cluster, config: ProducerConfig) -> Result<Self, ClientError> {
        let invalid = |sentence: &str| Err(ClientError::Invalid(sentence.to_owned()));
        if config.idempotence && config.acks != Acks::All {
            return invalid("enable.idempotence needs acks=all; set acks=all, or enable.idempotence=false");
        }
        if config.idempotence && config.in_flight_max > 5 {
            return invalid(
                "enable.idempotence allows 5 requests under way; set max.in.flight.requests.per.connection to 5 or less",
            );
        }
        if config.in_flight_max == 0 || config.batch_bytes > i32::MAX as usize / 2 {
            return invalid(
                "max.in.flight.requests.per.connection must be at least 1, batch.size below 1 GiB",
            );
        }
        let room = config.buffer_memory.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        if config.request_bytes_max > room {
            return invalid("buffer.memory must be at least max.request.size");
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(Accumulator::new(&config)),
            room: Semaphore::new(room),
            wake: Notify::new(),
            ended: Notify::new(),
            cluster,
            config,
        });
        tokio::spawn(sender::run(Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// Takes a record on its way. Waits while the buffers are full, and for the partitions of a topic that is not known.
    ///
    /// # Errors
    /// If it was not taken: nothing was sent.
    pub async fn send(&self, record: Record) -> Result<Delivery, ClientError> {
        let size = record.size();
        let limit = self.shared.config.request_bytes_max;
        if size > limit {
            return Err(ClientError::Invalid(format!(
                "a record of {size} bytes, expected at most {limit}; raise max.request.size"
            )));
        }
        let topic = self.topic(&record.topic).await?;
        if let Some(partition) = record.partition
            && !topic.partitions.contains_key(&partition)
        {
            let about = format!("partition {}-{partition}", record.topic);
            return Err(ClientError::broker("Produce", about, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0, None));
        }
        let max_block = self.shared.config.max_block;
        // Below 4 GiB: bounded by the size of requests, which is bounded by the room.
        let permits = u32::try_from(size).unwrap_or(u32::MAX);
        match timeout(max_block, self.shared.room.acquire_many(permits)).await {
            Ok(Ok(permit)) => permit.forget(),
            Ok(Err(_)) => return Err(ClientError::Closed),
            Err(_) => {
                let what = "room in the producer's buffers".to_owned();
                return Err(ClientError::TimedOut { what, after: max_block, last: None });
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let timestamp = record.timestamp.unwrap_or(i64::try_from(now).unwrap_or(i64::MAX));
        let appended = self.shared.lock().append(&record, &topic, timestamp, size, Instant::now());
        let Some((partition, index, outcome, is_news)) = appended else {
            self.shared.room.add_permits(size);
            return Err(ClientError::Closed);
        };
        if is_news {
            self.shared.wake.notify_one();
        }
        Ok(Delivery { partition, index, timestamp, outcome })
    }

    async fn topic(&self, name: &Str) -> Result<Topic, ClientError> {
        let known = self.shared.cluster.view();
        let max_age = self.shared.cluster.config().metadata_max_age;
        if let Some(topic) = known.topics.get(name).filter(|topic| topic.asked.elapsed() < max_age) {
            return Ok(topic.clone());
        }
        let max_block = self.shared.config.max_block;
        let began = Instant::now();
        let mut backoff = crate::cluster::Backoff::new(self.shared.cluster.config());
        loop {
            let create = self.shared.config.create_topics;
            let error = match self.shared.cluster.metadata(Some(std::slice::from_ref(name)), create).await {
                Ok(_) => match self.shared.cluster.topic(name).await {
                    Ok(topic) if !topic.partitions.is_empty() => return Ok(topic),
                    Ok(_) => {
                        let code = ErrorCode::LEADER_NOT_AVAILABLE.0;
                        ClientError::broker("Metadata", format!("topic {name}"), code, None)
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            let pause = backoff.next();
            if !error.is_retriable() {
                return Err(error);
            }
            if began.elapsed() + pause >= max_block {
                let what = format!("partitions of topic {name}");
                return Err(ClientError::TimedOut {
                    what,
                    after: began.elapsed(),
                    last: Some(Box::new(error)),
                });
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends a record and waits until it is written.
    ///
    /// # Errors
    /// If it was not, or that is not known.
    pub async fn write(&self, record: Record) -> Result<Written, ClientError> {
        self.send(record).await?.wait().await
    }

    /// Sends what lingers, and waits until all that was taken has ended, one way or the other.
    pub async fn flush(&self) {
        self.shared.lock().flush();
        self.shared.wake.notify_one();
        loop {
            let ended = self.shared.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.shared.lock().is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// Sends what there is, waits for it, and takes nothing more.
    pub async fn close(&self) {
        self.shared.lock().close();
        self.flush().await;
        self.shared.room.close();
        self.shared.wake.notify_one();
    }
}
