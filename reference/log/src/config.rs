//! How a log is kept. The names in Kafka's configuration stand beside.

use highwater_core::{Epoch, Offset};

/// How a log is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogConfig {
    /// A segment holds at most so many bytes, or one batch (`segment.bytes`). At most 2^31 - 1.
    pub segment_bytes: u32,
    /// A segment spans at most so much time by its records' timestamps, in milliseconds (`segment.ms`).
    pub segment_ms: Option<u64>,
    /// After so many bytes there is an entry in the indexes (`index.interval.bytes`).
    pub index_interval_bytes: u32,
    /// An index of a segment holds at most so many bytes; a segment whose index is full ends (`segment.index.bytes`).
    pub index_bytes_max: u32,
    /// When a flush is due.
    pub flush: FlushPolicy,
    /// What [`Log::retain`](crate::Log::retain) forgets.
    pub retention: Retention,
}

/// When a flush is due: at the earlier of both, or never by itself. Segments are flushed before the next one begins in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FlushPolicy {
    /// When so many records are not flushed (`flush.messages`); 1 for every append.
    pub records: Option<u64>,
    /// When a record is not flushed for so long, in milliseconds (`flush.ms`).
    pub interval_ms: Option<u64>,
}

/// How much of a log is kept. Segments are forgotten whole, oldest first, never the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Retention {
    /// At least so many bytes are kept (`retention.bytes`).
    pub bytes: Option<u64>,
    /// A segment is kept until its newest record is so old, in milliseconds (`retention.ms`).
    pub ms: Option<u64>,
}

/// What the data directory recorded about a log, outside of the log's own directory. By default nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Recorded {
    /// Whether the process stopped in good order: then nothing needs to be scanned (`.kafka_cleanshutdown`).
    pub clean: bool,
    /// Records below were flushed (`recovery-point-offset-checkpoint`): damage among them is no torn write.
    pub recovery_point: Offset,
    /// Records below were forgotten (`log-start-offset-checkpoint`).
    pub start: Offset,
    /// What a process that died left in the page cache stays as it is, and counts as not flushed. By default it is flushed as the log is
    /// opened.
    pub leaves_unflushed: bool,
    /// The record before this offset was of this epoch (of a snapshot that ends there).
    pub base: Option<(Offset, Epoch)>,
}

impl FlushPolicy {
    /// After every append.
    pub const EVERY_APPEND: Self = Self { records: Some(1), interval_ms: None };
    /// Never by itself: the page cache and the other replicas suffice. Kafka's default for topics.
    pub const NEVER: Self = Self { records: None, interval_ms: None };
}

impl Default for LogConfig {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: Some(7 * 24 * 3600 * 1000),
            index_interval_bytes: 4096,
            index_bytes_max: 10 << 20,
            flush: FlushPolicy::NEVER,
            retention: Retention::default(),
        }
    }
}
