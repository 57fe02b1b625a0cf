//! The configuration of topics: every key with its type, its bounds, its default, and the keys of brokers that it falls back to.
//!
//! One table for who decides (controllers refuse values by it), who keeps logs (brokers find by it what holds), and who describes. It is that
//! of Kafka 4 without tiered storage.

use alloc::format;
use alloc::string::{String, ToString};

/// What a value has to look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ConfigKind {
    /// A whole number of 32 bits in these bounds.
    Int(i64, i64),
    /// A whole number of 64 bits in these bounds.
    Long(i64, i64),
    /// A number in these bounds.
    Double(f64, f64),
    /// `true` or `false`.
    Boolean,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Some of these; anything, if none is named.
    List(&'static [&'static str]),
}

/// A key of brokers that stands for one of topics where the topic does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// Its name.
    pub name: &'static str,
    /// What its value is multiplied by to be one of the topic's key: hours and minutes are milliseconds there.
    pub unit: i64,
}

/// A key that topics can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopicConfigKey {
    /// Its name.
    pub name: &'static str,
    /// What its values look like.
    pub kind: ConfigKind,
    /// What holds where nobody says anything.
    pub default: &'static str,
    /// Which keys of brokers say it where the topic does not, the first that is set before the others.
    pub synonyms: &'static [ConfigSynonym],
    /// What this implementation can do of it, if not all: what it asks for, in words.
    supported: Option<(&'static str, &'static str)>,
}

/// How many replicas must be in the ISR for `acks=all`.
pub const MIN_ISR: &str = "min.insync.replicas";

/// Whether a replica that may lack records is elected where nobody else is there.
pub const UNCLEAN_ELECTION: &str = "unclean.leader.election.enable";

const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;
const LONGEST: &str = "9223372036854775807";
const CODECS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
const HOURS: i64 = 3_600_000;
const MINUTES: i64 = 60_000;

/// A key with one synonym, or several.
macro_rules! key {
    ($name:expr, $kind:expr, $default:expr, [$($synonym:expr $(, $unit:expr)?);*]) => {
        TopicConfigKey {
            name: $name,
            kind: $kind,
            default: $default,
            synonyms: &[$(ConfigSynonym { name: $synonym, unit: 1 $(* $unit)? }),*],
            supported: None,
        }
    };
}

use ConfigKind::{Boolean, Choice, Double, Int, List, Long};

/// All keys, by name.
pub const TOPIC_CONFIG: &[TopicConfigKey] = &[
    key!("cleanup.policy", List(&["compact", "delete"]), "delete", ["log.cleanup.policy"]),
    key!("compression.gzip.level", Int(-1, 9), "-1", ["compression.gzip.level"]),
    key!("compression.lz4.level", Int(1, 17), "9", ["compression.lz4.level"]),
    TopicConfigKey {
        supported: Some((
            "producer",
            "batches are kept as their producers compressed them, and never compressed anew",
        )),
        ..key!("compression.type", Choice(CODECS), "producer", ["compression.type"])
    },
    key!("compression.zstd.level", Int(-131_072, 22), "3", ["compression.zstd.level"]),
    key!("delete.retention.ms", Long(0, LONG), "86400000", ["log.cleaner.delete.retention.ms"]),
    key!("file.delete.delay.ms", Long(0, LONG), "60000", ["log.segment.delete.delay.ms"]),
    key!("flush.messages", Long(1, LONG), LONGEST, ["log.flush.interval.messages"]),
    key!("flush.ms", Long(0, LONG), LONGEST, ["log.flush.interval.ms"; "log.flush.scheduler.interval.ms"]),
    key!("follower.replication.throttled.replicas", List(&[]), "", []),
    key!("index.interval.bytes", Int(0, INT), "4096", ["log.index.interval.bytes"]),
    key!("leader.replication.throttled.replicas", List(&[]), "", []),
    key!("max.compaction.lag.ms", Long(1, LONG), LONGEST, ["log.cleaner.max.compaction.lag.ms"]),
    key!("max.message.bytes", Int(0, INT), "1048588", ["message.max.bytes"]),
    key!("message.timestamp.after.max.ms", Long(0, LONG), "3600000", ["log.message.timestamp.after.max.ms"]),
    key!("message.timestamp.before.max.ms", Long(0, LONG), LONGEST, ["log.message.timestamp.before.max.ms"]),
    key!(
        "message.timestamp.type",
        Choice(&["CreateTime", "LogAppendTime"]),
        "CreateTime",
        ["log.message.timestamp.type"]
    ),
    key!("min.cleanable.dirty.ratio", Double(0.0, 1.0), "0.5", ["log.cleaner.min.cleanable.ratio"]),
    key!("min.compaction.lag.ms", Long(0, LONG), "0", ["log.cleaner.min.compaction.lag.ms"]),
    key!(MIN_ISR, Int(1, INT), "1", [MIN_ISR]),
    key!("preallocate", Boolean, "false", ["log.preallocate"]),
    key!("retention.bytes", Long(i64::MIN, LONG), "-1", ["log.retention.bytes"]),
    key!(
        "retention.ms",
        Long(-1, LONG),
        "604800000",
        ["log.retention.ms"; "log.retention.minutes", MINUTES; "log.retention.hours", HOURS]
    ),
    key!("segment.bytes", Int(14, INT), "1073741824", ["log.segment.bytes"]),
    key!("segment.index.bytes", Int(4, INT), "10485760", ["log.index.size.max.bytes"]),
    key!("segment.jitter.ms", Long(0, LONG), "0", ["log.roll.jitter.ms"; "log.roll.jitter.hours", HOURS]),
    key!("segment.ms", Long(1, LONG), "604800000", ["log.roll.ms"; "log.roll.hours", HOURS]),
    key!(UNCLEAN_ELECTION, Boolean, "false", [UNCLEAN_ELECTION]),
];

/// The key of this name.
pub fn topic_config_key(name: &str) -> Option<&'static TopicConfigKey> {
    TOPIC_CONFIG.iter().find(|key| key.name == name)
}

/// The key of topics that a key of brokers stands for, and the synonym.
pub fn topic_config_of_broker(name: &str) -> Option<(&'static TopicConfigKey, ConfigSynonym)> {
    let found = |key: &'static TopicConfigKey| {
        let synonym = key.synonyms.iter().find(|synonym| synonym.name == name)?;
        Some((key, *synonym))
    };
    TOPIC_CONFIG.iter().find_map(found)
}

impl TopicConfigKey {
    /// Checks a value.
    ///
    /// # Errors
    /// What is expected instead, in words that follow "is not".
    pub fn check(&self, value: &str) -> Result<(), String> {
        self.kind.check(value)?;
        match self.supported {
            Some((only, why)) if value != only => Err(format!("{only} ({why})")),
            _ => Ok(()),
        }
    }
}

impl ConfigSynonym {
    /// Checks a value of the broker's key.
    ///
    /// # Errors
    /// As of [`TopicConfigKey::check`].
    pub fn check(&self, key: &TopicConfigKey, value: &str) -> Result<(), String> {
        if self.unit == 1 { key.check(value) } else { Int(-1, INT).check(value) }
    }

    /// A value of the broker's key as one of the topic's.
    pub fn convert(&self, value: &str) -> String {
        match value.trim().parse::<i64>() {
            Ok(number) if self.unit != 1 && number >= 0 => number.saturating_mul(self.unit).to_string(),
            _ => value.to_string(),
        }
    }
}

impl ConfigKind {
    fn check(self, value: &str) -> Result<(), String> {
        let is_right = match self {
            Int(lowest, highest) | Long(lowest, highest) => {
                value.trim().parse::<i64>().is_ok_and(|number| (lowest..=highest).contains(&number))
            }
            Double(lowest, highest) => {
                value.trim().parse::<f64>().is_ok_and(|number| (lowest..=highest).contains(&number))
            }
            Boolean => ["true", "false"].iter().any(|word| word.eq_ignore_ascii_case(value.trim())),
            Choice(words) => words.contains(&value),
            List(words) => words.is_empty() || items(value).all(|item| words.contains(&item)),
        };
        if is_right { Ok(()) } else { Err(self.expected()) }
    }

    fn expected(self) -> String {
        match self {
            Int(lowest, highest) | Long(lowest, highest) => {
                format!("a whole number from {lowest} to {highest}")
            }
            Double(lowest, highest) => format!("a number from {lowest} to {highest}"),
            Boolean => "true or false".to_string(),
            Choice(words) => format!("one of {}", words.join(", ")),
            List(words) => format!("a list of some of {}", words.join(", ")),
        }
    }
}

/// The items of a list.
pub(super) fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}
