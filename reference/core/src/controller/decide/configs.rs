//! Configuration of topics and brokers (KIP-339), as far as controllers check it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Decision;
use crate::controller::image::ConfigKey;
use crate::controller::message::{ConfigChange, ConfigOperation, ConfigResource, ControllerError};
use crate::controller::record::{ClearElrRecord, ConfigRecord};

/// How many replicas must be in the ISR for `acks=all`.
pub(super) const MIN_ISR: &str = "min.insync.replicas";

/// Whether a replica that may lack records is elected where nobody else is there.
pub(super) const UNCLEAN_ELECTION: &str = "unclean.leader.election.enable";

/// The longest value, in bytes.
const VALUE_MAX: usize = i16::MAX as usize;

/// What a value has to look like.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A whole number in these bounds.
    Integer(i64, i64),
    /// A number in these bounds.
    Fraction(f64, f64),
    Boolean,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Some of these; anything, if none is named.
    List(&'static [&'static str]),
}

const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;
const CODECS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];

/// The configuration of a topic in Kafka 4, without that of tiered storage.
const TOPIC_KEYS: &[(&str, Kind)] = &[
    ("cleanup.policy", Kind::List(&["compact", "delete"])),
    ("compression.gzip.level", Kind::Integer(-1, 9)),
    ("compression.lz4.level", Kind::Integer(1, 17)),
    ("compression.type", Kind::Choice(CODECS)),
    ("compression.zstd.level", Kind::Integer(-131_072, 22)),
    ("delete.retention.ms", Kind::Integer(0, LONG)),
    ("file.delete.delay.ms", Kind::Integer(0, LONG)),
    ("flush.messages", Kind::Integer(1, LONG)),
    ("flush.ms", Kind::Integer(0, LONG)),
    ("follower.replication.throttled.replicas", Kind::List(&[])),
    ("index.interval.bytes", Kind::Integer(0, INT)),
    ("leader.replication.throttled.replicas", Kind::List(&[])),
    ("max.compaction.lag.ms", Kind::Integer(1, LONG)),
    ("max.message.bytes", Kind::Integer(0, INT)),
    ("message.timestamp.after.max.ms", Kind::Integer(0, LONG)),
    ("message.timestamp.before.max.ms", Kind::Integer(0, LONG)),
    ("message.timestamp.type", Kind::Choice(&["CreateTime", "LogAppendTime"])),
    ("min.cleanable.dirty.ratio", Kind::Fraction(0.0, 1.0)),
    ("min.compaction.lag.ms", Kind::Integer(0, LONG)),
    (MIN_ISR, Kind::Integer(1, INT)),
    ("preallocate", Kind::Boolean),
    ("retention.bytes", Kind::Integer(i64::MIN, LONG)),
    ("retention.ms", Kind::Integer(-1, LONG)),
    ("segment.bytes", Kind::Integer(14, INT)),
    ("segment.index.bytes", Kind::Integer(4, INT)),
    ("segment.jitter.ms", Kind::Integer(0, LONG)),
    ("segment.ms", Kind::Integer(1, LONG)),
    (UNCLEAN_ELECTION, Kind::Boolean),
];

impl Kind {
    fn check(self, value: &str) -> Result<(), String> {
        let is_right = match self {
            Self::Integer(lowest, highest) => {
                value.trim().parse::<i64>().is_ok_and(|number| (lowest..=highest).contains(&number))
            }
            Self::Fraction(lowest, highest) => {
                value.trim().parse::<f64>().is_ok_and(|number| (lowest..=highest).contains(&number))
            }
            Self::Boolean => ["true", "false"].iter().any(|word| word.eq_ignore_ascii_case(value.trim())),
            Self::Choice(words) => words.contains(&value),
            Self::List(words) => words.is_empty() || items(value).all(|item| words.contains(&item)),
        };
        if is_right { Ok(()) } else { Err(self.expected()) }
    }

    fn expected(self) -> String {
        match self {
            Self::Integer(lowest, highest) => format!("a whole number from {lowest} to {highest}"),
            Self::Fraction(lowest, highest) => format!("a number from {lowest} to {highest}"),
            Self::Boolean => "true or false".to_string(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::List(words) => format!("a list of some of {}", words.join(", ")),
        }
    }
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn topic_kind(key: &str) -> Option<Kind> {
    TOPIC_KEYS.iter().find(|(name, _)| *name == key).map(|&(_, kind)| kind)
}

fn invalid(message: String) -> ControllerError {
    ControllerError::new(ControllerError::INVALID_CONFIG, message)
}

/// What is wrong with a value, if anything. Of brokers only what also topics have is known here: the rest is theirs to check.
fn check_value(resource: &ConfigKey, key: &str, value: &str) -> Result<(), ControllerError> {
    if value.len() > VALUE_MAX {
        return Err(invalid(format!(
            "the value of {key} has {} bytes, at most {VALUE_MAX} may be",
            value.len()
        )));
    }
    match topic_kind(key) {
        Some(kind) => kind
            .check(value)
            .map_err(|expected| invalid(format!("{key} is {value:?}, which is not {expected}"))),
        None if resource.kind == ConfigKey::TOPIC => {
            Err(invalid(format!("a topic has no configuration {key}")))
        }
        None => Ok(()),
    }
}

impl Decision<'_> {
    /// The changes of each resource, each on its own: all of them or none.
    pub(in crate::controller) fn alter_configs(
        &mut self,
        changes: &[(ConfigResource, Vec<ConfigChange>)],
    ) -> Vec<Result<(), ControllerError>> {
        let mut results = Vec::with_capacity(changes.len());
        let mut unclean_changed = false;
        for (at, (resource, changed)) in changes.iter().enumerate() {
            if changes[..at].iter().any(|(other, _)| other == resource) {
                let message = "each resource may be named once";
                results.push(Err(ControllerError::new(ControllerError::INVALID_REQUEST, message)));
                continue;
            }
            let records = self.check_configs(resource, changed);
            results.push(records.map(|records| {
                unclean_changed |= records.iter().any(|record| record.key == UNCLEAN_ELECTION);
                self.set_configs(records);
            }));
        }
        if unclean_changed {
            self.elect_leaderless();
        }
        results
    }

    fn check_configs(
        &self,
        resource: &ConfigResource,
        changes: &[ConfigChange],
    ) -> Result<Vec<ConfigRecord>, ControllerError> {
        match resource {
            ConfigResource::Topic(name) if self.image.topic_id(name).is_none() => {
                return Err(ControllerError::unknown_topic(name));
            }
            ConfigResource::Broker(Some(broker)) if self.image.broker(*broker).is_none() => {
                return Err(ControllerError::not_registered(*broker));
            }
            _ => {}
        }
        let resource = ConfigKey::from(resource);
        let mut records = Vec::with_capacity(changes.len());
        for (at, change) in changes.iter().enumerate() {
            if changes[..at].iter().any(|other| other.key == change.key) {
                let message = format!("{} is named twice", change.key);
                return Err(ControllerError::new(ControllerError::INVALID_REQUEST, message));
            }
            let old = self.image.config(&resource, &change.key);
            let new = changed_value(old, change)?;
            if let Some(value) = &new {
                check_value(&resource, &change.key, value)?;
            }
            self.check_min_isr(&resource, &change.key, new.as_deref())?;
            if old != new.as_deref() {
                records.push(setting(&resource, &change.key, new));
            }
        }
        Ok(records)
    }

    /// With eligible leader replicas everybody has to mean the same by min.insync.replicas.
    fn check_min_isr(
        &self,
        resource: &ConfigKey,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), ControllerError> {
        if key != MIN_ISR || resource.kind != ConfigKey::BROKER || !self.has_elr() {
            return Ok(());
        }
        if !resource.name.is_empty() {
            return Err(invalid(format!(
                "with eligible leader replicas no single broker has its own {MIN_ISR}"
            )));
        }
        if value.is_none() {
            return Err(invalid(format!(
                "with eligible leader replicas {MIN_ISR} of all brokers must be set"
            )));
        }
        Ok(())
    }

    /// What min.insync.replicas means for a topic decides who is eligible (KAFKA-16540): with it the eligible leader replicas
    /// are forgotten.
    fn set_configs(&mut self, records: Vec<ConfigRecord>) {
        for record in records {
            let clears = record.key == MIN_ISR && self.has_elr();
            let of_topic = record.resource_type == ConfigKey::TOPIC;
            let topic = if of_topic { record.resource_name.clone() } else { String::new() };
            self.record(record);
            if clears {
                self.record(ClearElrRecord { topic });
            }
        }
    }

    /// The configuration that a topic is created with, if it may have it.
    pub(super) fn check_creation_configs(
        &self,
        name: &str,
        configs: &[(String, String)],
    ) -> Result<Vec<ConfigRecord>, ControllerError> {
        let resource = ConfigKey::topic(name);
        let mut records = Vec::with_capacity(configs.len());
        for (at, (key, value)) in configs.iter().enumerate() {
            if configs[..at].iter().any(|(other, _)| other == key) {
                let message = format!("{key} is named twice");
                return Err(ControllerError::new(ControllerError::INVALID_REQUEST, message));
            }
            check_value(&resource, key, value)?;
            records.push(setting(&resource, key, Some(value.clone())));
        }
        Ok(records)
    }
}

fn setting(resource: &ConfigKey, key: &str, value: Option<String>) -> ConfigRecord {
    ConfigRecord {
        resource_type: resource.kind,
        resource_name: resource.name.clone(),
        key: key.to_string(),
        value,
    }
}

fn changed_value(old: Option<&str>, change: &ConfigChange) -> Result<Option<String>, ControllerError> {
    let is_list = matches!(topic_kind(&change.key), Some(Kind::List(_)));
    let of_list = |value: &str, keep_new: bool| {
        if !is_list {
            return Err(invalid(format!("{} is no list: nothing can be appended or removed", change.key)));
        }
        let mut list: Vec<&str> = items(old.unwrap_or_default()).collect();
        list.retain(|item| keep_new || !items(value).any(|removed| removed == *item));
        if keep_new {
            for item in items(value) {
                if !list.contains(&item) {
                    list.push(item);
                }
            }
        }
        Ok(Some(list.join(",")))
    };
    match &change.operation {
        ConfigOperation::Set(value) => Ok(Some(value.clone())),
        ConfigOperation::Delete => Ok(None),
        ConfigOperation::Append(value) => of_list(value, true),
        ConfigOperation::Subtract(value) => of_list(value, false),
    }
}
