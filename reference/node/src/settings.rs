//! The configuration of topics as it holds on this node: who says what, and what that means for a replica.
//!
//! A value comes from the first of these that has one, in Kafka's order: the topic's own configuration, this broker's, that of all brokers (all three
//! in the metadata), the node's file, Kafka's default. Brokers say it under names of their own
//! ([`TopicConfigKey::synonyms`]).
//!
//! # Without effect
//! Kept, described, and nothing done about them:
//! - `cleanup.policy=compact` and what belongs to it: a compacted log keeps everything (retention leaves it alone, too).
//! - `file.delete.delay.ms`: files are removed at once; who reads one still can.
//! - `preallocate`, `segment.jitter.ms`, and the throttling of replicas.
//! - `compression.type` must be `producer`, which controllers see to; its levels say nothing then.

use std::ops::RangeInclusive;
use std::time::Duration;

use highwater_core::batch::TimestampType;
use highwater_core::controller::{
    ConfigKey, ConfigKind, ConfigResource, Image, MIN_ISR, TOPIC_CONFIG, TopicConfigKey, UNCLEAN_ELECTION,
    topic_config_key,
};
use highwater_log::{FlushPolicy, LogConfig, Retention};

use crate::config::NodeConfig;

/// Who says what a value is. The numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ConfigSource {
    /// `DYNAMIC_TOPIC_CONFIG`: the topic's own configuration.
    Topic = 1,
    /// `DYNAMIC_BROKER_CONFIG`: that of one broker.
    Broker = 2,
    /// `DYNAMIC_DEFAULT_BROKER_CONFIG`: that of all brokers.
    AllBrokers = 3,
    /// `STATIC_BROKER_CONFIG`: the file of the node.
    File = 4,
    /// `DEFAULT_CONFIG`: Kafka's default.
    Default = 5,
}

/// What somebody says about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue {
    /// Who.
    pub source: ConfigSource,
    /// Under which name: the topic's, or that of brokers.
    pub name: &'static str,
    /// The value, as it was said.
    pub value: String,
}

/// A key of a topic's configuration, and what holds.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfigEntry {
    /// Its name, kind and default.
    pub key: &'static TopicConfigKey,
    /// What holds.
    pub value: String,
    /// Everybody who says something, whoever counts first: Kafka's synonyms. Never empty; the last is the default.
    pub said: Vec<ConfigValue>,
}

impl TopicConfigEntry {
    /// Who says what holds.
    pub fn source(&self) -> ConfigSource {
        self.said.first().map_or(ConfigSource::Default, |said| said.source)
    }
}

/// The whole configuration of a topic on this node, by key.
pub(crate) fn topic_config(config: &NodeConfig, image: &Image, topic: &str) -> Vec<TopicConfigEntry> {
    TOPIC_CONFIG.iter().map(|key| resolve(config, image, &ConfigKey::topic(topic), key)).collect()
}

fn resolve(
    config: &NodeConfig,
    image: &Image,
    topic: &ConfigKey,
    key: &'static TopicConfigKey,
) -> TopicConfigEntry {
    let mut said = Vec::new();
    let mut holds = None;
    let mut say = |source, name, value: &str, converted: String| {
        said.push(ConfigValue { source, name, value: value.to_owned() });
        holds.get_or_insert(converted);
    };
    if let Some(value) = image.config(topic, key.name) {
        say(ConfigSource::Topic, key.name, value, value.to_owned());
    }
    let mine = ConfigKey::from(&ConfigResource::Broker(Some(config.node_id)));
    let dynamic = [(ConfigSource::Broker, mine), (ConfigSource::AllBrokers, ConfigKey::brokers())];
    for (source, resource) in &dynamic {
        for synonym in key.synonyms {
            if let Some(value) = image.config(resource, synonym.name) {
                say(*source, synonym.name, value, synonym.convert(value));
            }
        }
    }
    let mut is_in_file = false;
    for synonym in key.synonyms {
        if let Some(value) = config.topic_defaults.get(synonym.name) {
            is_in_file = true;
            say(ConfigSource::File, synonym.name, value, synonym.convert(value));
        }
    }
    let name = key.synonyms.first().map_or(key.name, |synonym| synonym.name);
    if !is_in_file
        && let Some(value) = of_file(config, key.name)
        && value != key.default
    {
        say(ConfigSource::File, name, &value, value.clone());
    }
    say(ConfigSource::Default, name, key.default, key.default.to_owned());
    TopicConfigEntry { key, value: holds.unwrap_or_default(), said }
}

/// What a field of the node's own configuration says.
fn of_file(config: &NodeConfig, key: &str) -> Option<String> {
    Some(match key {
        "max.message.bytes" => config.message_max_bytes.to_string(),
        "segment.bytes" => config.log_segment_bytes.to_string(),
        "index.interval.bytes" => config.log_index_interval_bytes.to_string(),
        "retention.bytes" => config.log_retention_bytes.map_or("-1".to_owned(), |bytes| bytes.to_string()),
        "retention.ms" => {
            config.log_retention.map_or("-1".to_owned(), |retention| retention.as_millis().to_string())
        }
        "flush.messages" => config.log_flush_interval_messages.unwrap_or(i64::MAX as u64).to_string(),
        MIN_ISR => config.min_insync_replicas.to_string(),
        UNCLEAN_ELECTION => config.unclean_leader_election_enable.to_string(),
        _ => return None,
    })
}

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
    /// How long records may stay unflushed, `flush.ms`, if that is not for ever.
    pub(crate) flush_after: Option<Duration>,
    /// Segments, indexes, retention and flushes.
    pub(crate) log: LogConfig,
}

impl TopicSettings {
    /// Those of a topic.
    pub(crate) fn of(config: &NodeConfig, image: &Image, topic: &str) -> Self {
        let resource = ConfigKey::topic(topic);
        let text = |name: &str| {
            let key = topic_config_key(name);
            key.map_or_else(String::new, |key| resolve(config, image, &resource, key).value)
        };
        // Controllers and whoever reads the file have checked the values; where one still is none, the default holds.
        let number = |name: &str| {
            let default = topic_config_key(name).map_or("", |key| key.default);
            text(name).trim().parse::<i64>().or_else(|_| default.parse()).unwrap_or(0)
        };
        // Values below 0 mean without end, and so does the largest.
        let bound = |name: &str| u64::try_from(number(name)).ok().filter(|bound| *bound < i64::MAX as u64);
        let size = |name: &str| u32::try_from(number(name)).unwrap_or(u32::MAX);
        let deletes = text("cleanup.policy").split(',').any(|policy| policy.trim() == "delete");
        let retention = if deletes {
            Retention { bytes: bound("retention.bytes"), ms: bound("retention.ms") }
        } else {
            Retention::default()
        };
        let stamps = text("message.timestamp.type").trim() == "LogAppendTime";
        Self {
            min_isr: usize::try_from(number(MIN_ISR)).unwrap_or(1),
            max_message_bytes: usize::try_from(number("max.message.bytes")).unwrap_or(0),
            timestamp_type: if stamps { TimestampType::LogAppendTime } else { TimestampType::CreateTime },
            timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
            deletes,
            flush_after: bound("flush.ms").map(Duration::from_millis),
            log: LogConfig {
                segment_bytes: size("segment.bytes"),
                segment_ms: bound("segment.ms"),
                index_interval_bytes: size("index.interval.bytes"),
                index_bytes_max: size("segment.index.bytes"),
                // When a flush is due by time, the node's own timer knows.
                flush: FlushPolicy { records: bound("flush.messages"), interval_ms: None },
                retention,
            },
        }
    }

    /// The timestamps that records may have at this time.
    pub(crate) fn timestamps_around(&self, now_ms: i64) -> RangeInclusive<i64> {
        let earliest = now_ms.saturating_sub(self.timestamp_before_max_ms);
        earliest..=now_ms.saturating_add(self.timestamp_after_max_ms)
    }
}

/// The protocol's number of a kind of values, as DescribeConfigs says it.
pub fn config_type(kind: ConfigKind) -> i8 {
    match kind {
        ConfigKind::Boolean => 1,
        ConfigKind::Choice(_) => 2,
        ConfigKind::Int(..) => 3,
        ConfigKind::Long(..) => 5,
        ConfigKind::Double(..) => 6,
        ConfigKind::List(_) => 7,
    }
}
