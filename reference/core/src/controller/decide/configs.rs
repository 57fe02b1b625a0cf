//! Configuration of topics and brokers (KIP-339), as far as controllers check it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Decision;
use crate::controller::image::ConfigKey;
use crate::controller::message::{ConfigChange, ConfigOperation, ConfigResource, ControllerError};
use crate::controller::record::{ClearElrRecord, ConfigRecord};
use crate::controller::topic_config::{ConfigKind, items, topic_config_key, topic_config_of_broker};
pub(super) use crate::controller::topic_config::{MIN_ISR, UNCLEAN_ELECTION};

/// The longest value, in bytes.
const VALUE_MAX: usize = i16::MAX as usize;

fn invalid(message: String) -> ControllerError {
    ControllerError::new(ControllerError::INVALID_CONFIG, message)
}

/// What is wrong with a value, if anything. Of brokers only what topics fall back to is known here: the rest is theirs to check.
fn check_value(resource: &ConfigKey, name: &str, value: &str) -> Result<(), ControllerError> {
    if value.len() > VALUE_MAX {
        return Err(invalid(format!(
            "the value of {name} has {} bytes, at most {VALUE_MAX} may be",
            value.len()
        )));
    }
    let of_topics = resource.kind == ConfigKey::TOPIC;
    let checked = match (topic_config_key(name), topic_config_of_broker(name)) {
        (Some(key), _) if of_topics => key.check(value),
        (None, _) if of_topics => return Err(invalid(format!("a topic has no configuration {name}"))),
        (_, Some((key, synonym))) => synonym.check(key, value),
        (_, None) => Ok(()),
    };
    checked.map_err(|expected| invalid(format!("{name} is {value:?}, which is not {expected}")))
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

    /// What min.insync.replicas means for a topic decides who is eligible (KAFKA-16540): with it the eligible leader
    /// replicas are forgotten.
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
    let key = topic_config_key(&change.key);
    let key = key.or_else(|| topic_config_of_broker(&change.key).map(|(key, _)| key));
    let is_list = key.is_some_and(|key| matches!(key.kind, ConfigKind::List(_)));
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
