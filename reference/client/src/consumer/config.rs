//! How a consumer behaves.

use std::time::Duration;

use highwater_wire::Str;

use crate::assign::Assignor;
use crate::codec::DECOMPRESSED_MAX;
use crate::error::ClientError;

/// `auto.offset.reset`: where to begin where nothing is committed, or what is committed is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// With the first record that there is.
    Earliest,
    /// With what comes from now on.
    Latest,
    /// Nowhere: an error.
    None,
}

/// How a consumer behaves. The defaults are Kafka's.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// `group.id`: needed to subscribe and to commit.
    pub group_id: Option<Str>,
    /// `group.instance.id`: makes it a static member, which keeps its partitions over a restart (KIP-345).
    pub group_instance_id: Option<Str>,
    /// `partition.assignment.strategy`, the preferred first.
    pub assignors: Vec<Assignor>,
    /// `session.timeout.ms`: a member that was not heard of for so long is out.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: a member that does not poll for so long leaves. Also how long a rebalance waits for members.
    pub max_poll_interval: Duration,
    /// `auto.offset.reset`.
    pub auto_offset_reset: OffsetReset,
    /// `auto.commit.interval.ms`; none is `enable.auto.commit=false`.
    pub auto_commit: Option<Duration>,
    /// `max.poll.records`: what a poll gives at most.
    pub max_poll_records: usize,
    /// `fetch.min.bytes`.
    pub fetch_bytes_min: i32,
    /// `fetch.max.bytes`.
    pub fetch_bytes_max: i32,
    /// `fetch.max.wait.ms`.
    pub fetch_wait: Duration,
    /// `max.partition.fetch.bytes`.
    pub partition_bytes_max: i32,
    /// What a compressed batch may take without compression, in bytes.
    pub decompressed_bytes_max: usize,
    /// `client.rack`.
    pub rack: Option<Str>,
    /// `allow.auto.create.topics`.
    pub create_topics: bool,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            group_id: None,
            group_instance_id: None,
            assignors: vec![Assignor::Range],
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            auto_offset_reset: OffsetReset::Latest,
            auto_commit: Some(Duration::from_secs(5)),
            max_poll_records: 500,
            fetch_bytes_min: 1,
            fetch_bytes_max: 50 << 20,
            fetch_wait: Duration::from_millis(500),
            partition_bytes_max: 1 << 20,
            decompressed_bytes_max: DECOMPRESSED_MAX,
            rack: None,
            create_topics: true,
        }
    }
}

impl ConsumerConfig {
    /// Kafka's defaults, in this group.
    pub fn group(id: impl Into<Str>) -> Self {
        Self { group_id: Some(id.into()), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), ClientError> {
        let invalid = |sentence: &str| Err(ClientError::Invalid(sentence.to_owned()));
        if self.assignors.is_empty() {
            return invalid(
                "partition.assignment.strategy names no assignor; name one of range, roundrobin, sticky",
            );
        }
        if self.heartbeat_interval >= self.session_timeout {
            return invalid(
                "heartbeat.interval.ms must be less than session.timeout.ms; a third of it is usual",
            );
        }
        if self.max_poll_records == 0 {
            return invalid("max.poll.records must be at least 1");
        }
        Ok(())
    }
}
