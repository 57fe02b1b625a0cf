//! How a topic's logs are kept and what may be appended to them.

use std::ops::RangeInclusive;
use std::time::Duration;

use highwater_core::batch::TimestampType;
use highwater_core::controller::{ConfigKey, ConfigResource, Image};
use highwater_log::{FlushPolicy, LogConfig, Retention};

use crate::config::NodeConfig;

/// What a topic's configuration means for its replicas here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicSettings {
    /// `min.insync.replicas`.
    pub(crate) min_isr: usize,
    /// `max.message.bytes`.
    pub(crate) max_message_bytes: usize,
    /// `message.timestamp.type`.
    pub(crate) timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub(crate) timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub(crate) timestamp_after_max_ms: i64,
    /// Whether `cleanup.policy` says that old records may be deleted.
    pub(crate) deletes: bool,
    /// Segments, indexes, retention and flushes.
    pub(crate) log: LogConfig,
}

impl TopicSettings {
    /// Those of a topic.
    pub(crate) fn of(config: &NodeConfig, image: &Image, topic: &str) -> Self {
        let retained = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let mine = ConfigKey::from(&ConfigResource::Broker(Some(config.node_id)));
        let set = [ConfigKey::topic(topic), mine, ConfigKey::brokers()];
        let min_isr = set.iter().find_map(|key| image.config(key, "min.insync.replicas"));
        let min_isr =
            min_isr.and_then(|value| value.trim().parse().ok()).unwrap_or(config.min_insync_replicas);
        Self {
            min_isr,
            max_message_bytes: config.message_max_bytes,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            deletes: true,
            log: LogConfig {
                retention: Retention {
                    bytes: config.log_retention_bytes,
                    ms: config.log_retention.map(retained),
                },
                segment_bytes: config.log_segment_bytes,
                index_interval_bytes: config.log_index_interval_bytes,
                flush: FlushPolicy { records: config.log_flush_interval_messages, interval_ms: None },
                ..LogConfig::default()
            },
        }
    }

    /// The timestamps that records may have at this time.
    pub(crate) fn timestamps_around(&self, now_ms: i64) -> RangeInclusive<i64> {
        let earliest = now_ms.saturating_sub(self.timestamp_before_max_ms);
        earliest..=now_ms.saturating_add(self.timestamp_after_max_ms)
    }
}
