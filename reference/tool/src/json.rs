//! Metadata records as Kafka writes them in JSON.
//!
//! Fields stand in the order of Kafka's schemas; those that a version does not have are left out, and so are tagged ones at their
//! default.

use std::fmt;

use highwater_core::controller::{
    DecodeError, Endpoint, MetadataRecord, NO_LEADER_CHANGE, NO_RECOVERY_CHANGE, SupportedFeature,
};
use highwater_core::{NodeId, Uuid};
use highwater_log::files::uuid;
use serde_json::{Map, Value, json};

/// Why a record cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError(DecodeError);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for JsonError {}

/// The value of a record of the metadata log: `{"type":…,"version":…,"data":{…}}`.
pub fn metadata_record(bytes: &[u8]) -> Result<String, JsonError> {
    let record = MetadataRecord::decode(bytes).map_err(JsonError)?;
    // Frame, type and version: it is sound, so that they are there.
    let version = varints(bytes).nth(2).unwrap_or_default();
    let data = Value::Object(data(&record, version));
    Ok(json!({"type": type_name(record.name()), "version": version, "data": data}).to_string())
}

/// Variable-length numbers as long as they are ones.
fn varints(mut bytes: &[u8]) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let length = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)? + 1;
        let (number, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        Some(number.iter().rev().fold(0, |sum, byte| sum << 7 | u32::from(byte & 0x7f)))
    })
}

/// `PartitionRecord` as `PARTITION_RECORD`.
fn type_name(name: &str) -> String {
    let mut upper = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !upper.is_empty() {
            upper.push('_');
        }
        upper.push(character.to_ascii_uppercase());
    }
    upper
}

fn id(id: Uuid) -> Value {
    uuid::format(id).into()
}

fn ids(list: &[Uuid]) -> Value {
    list.iter().map(|each| id(*each)).collect()
}

fn nodes(list: &[NodeId]) -> Value {
    list.iter().map(|node| Value::from(node.0)).collect()
}

fn endpoints(list: &[Endpoint]) -> Value {
    let endpoint = |each: &Endpoint| {
        json!({
            "name": each.name, "host": each.host, "port": each.port, "securityProtocol": each.security_protocol
        })
    };
    list.iter().map(endpoint).collect()
}

fn features(list: &[SupportedFeature]) -> Value {
    let feature = |each: &SupportedFeature| {
        json!({
            "name": each.name, "minSupportedVersion": each.lowest, "maxSupportedVersion": each.highest
        })
    };
    list.iter().map(feature).collect()
}

/// Fields in their order.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    fn when(self, is_there: bool, name: &str, value: impl Into<Value>) -> Self {
        if is_there { self.with(name, value) } else { self }
    }

    fn some(self, name: &str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

fn data(record: &MetadataRecord, version: u32) -> Map<String, Value> {
    let fields = Fields::default();
    let fields = match record {
        MetadataRecord::RegisterBroker(record) => fields
            .with("brokerId", record.broker.0)
            .when(version >= 2, "isMigratingZkBroker", record.is_migrating)
            .with("incarnationId", id(record.incarnation))
            .with("brokerEpoch", record.broker_epoch)
            .with("endPoints", endpoints(&record.endpoints))
            .with("features", features(&record.features))
            .with("rack", record.rack.clone())
            .with("fenced", record.fenced)
            .when(version >= 1, "inControlledShutdown", record.in_controlled_shutdown)
            .when(!record.directories.is_empty(), "logDirs", ids(&record.directories))
            .some("cordonedLogDirs", record.cordoned_directories.as_deref().map(ids)),
        MetadataRecord::UnregisterBroker(record) => {
            fields.with("brokerId", record.broker.0).with("brokerEpoch", record.broker_epoch)
        }
        MetadataRecord::Topic(record) => {
            fields.with("name", record.name.clone()).with("topicId", id(record.topic))
        }
        MetadataRecord::Partition(record) => fields
            .with("partitionId", record.partition)
            .with("topicId", id(record.topic))
            .with("replicas", nodes(&record.replicas))
            .with("isr", nodes(&record.isr))
            .with("removingReplicas", nodes(&record.removing))
            .with("addingReplicas", nodes(&record.adding))
            .with("leader", record.leader)
            .when(record.recovery != 0, "leaderRecoveryState", record.recovery)
            .with("leaderEpoch", record.leader_epoch)
            .with("partitionEpoch", record.partition_epoch)
            .when(version >= 1, "directories", ids(&record.directories))
            .some("eligibleLeaderReplicas", record.elr.as_deref().map(nodes))
            .some("lastKnownElr", record.last_known_elr.as_deref().map(nodes)),
        MetadataRecord::Config(record) => fields
            .with("resourceType", record.resource_type)
            .with("resourceName", record.resource_name.clone())
            .with("name", record.key.clone())
            .with("value", record.value.clone()),
        MetadataRecord::PartitionChange(record) => fields
            .with("partitionId", record.partition)
            .with("topicId", id(record.topic))
            .some("isr", record.isr.as_deref().map(nodes))
            .when(record.leader != NO_LEADER_CHANGE, "leader", record.leader)
            .some("replicas", record.replicas.as_deref().map(nodes))
            .some("removingReplicas", record.removing.as_deref().map(nodes))
            .some("addingReplicas", record.adding.as_deref().map(nodes))
            .when(record.recovery != NO_RECOVERY_CHANGE, "leaderRecoveryState", record.recovery)
            .some("directories", record.directories.as_deref().map(ids))
            .some("eligibleLeaderReplicas", record.elr.as_deref().map(nodes))
            .some("lastKnownElr", record.last_known_elr.as_deref().map(nodes)),
        MetadataRecord::FenceBroker(record) => {
            fields.with("id", record.broker.0).with("epoch", record.broker_epoch)
        }
        MetadataRecord::UnfenceBroker(record) => {
            fields.with("id", record.broker.0).with("epoch", record.broker_epoch)
        }
        MetadataRecord::RemoveTopic(record) => fields.with("topicId", id(record.topic)),
        MetadataRecord::FeatureLevel(record) => {
            fields.with("name", record.name.clone()).with("featureLevel", record.level)
        }
        MetadataRecord::ProducerIds(record) => fields
            .with("brokerId", record.broker.0)
            .with("brokerEpoch", record.broker_epoch)
            .with("nextProducerId", record.next),
        MetadataRecord::BrokerRegistrationChange(record) => fields
            .with("brokerId", record.broker.0)
            .with("brokerEpoch", record.broker_epoch)
            .when(record.fenced != 0, "fenced", record.fenced)
            .when(record.in_controlled_shutdown != 0, "inControlledShutdown", record.in_controlled_shutdown)
            .when(!record.directories.is_empty(), "logDirs", ids(&record.directories))
            .some("cordonedLogDirs", record.cordoned_directories.as_deref().map(ids)),
        MetadataRecord::NoOp(_) | MetadataRecord::EndTransaction(_) => fields,
        MetadataRecord::BeginTransaction(record) => fields.some("name", record.name.clone().map(Value::from)),
        MetadataRecord::AbortTransaction(record) => {
            fields.some("reason", record.reason.clone().map(Value::from))
        }
        MetadataRecord::RegisterController(record) => fields
            .with("controllerId", record.controller.0)
            .with("incarnationId", id(record.incarnation))
            .with("zkMigrationReady", record.is_ready_to_migrate)
            .with("endPoints", endpoints(&record.endpoints))
            .with("features", features(&record.features)),
        MetadataRecord::ClearElr(record) => fields.with("topicName", record.topic.clone()),
    };
    fields.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_all_kinds_are_shown_as_kafka_shows_them() {
        // Each line: bytes in hexadecimal, and what Kafka's DumpLogSegments prints of them.
        let samples = include_str!("../../core/tests/controller/samples.txt");
        let mut count = 0;
        for line in samples.lines() {
            let (bytes, expected) = line.split_once(' ').expect("bytes and JSON");
            let digit = |at: usize| u8::from_str_radix(&bytes[at..at + 2], 16).expect("hexadecimal");
            let bytes: Vec<u8> = (0..bytes.len()).step_by(2).map(digit).collect();
            assert_eq!(metadata_record(&bytes).as_deref(), Ok(expected));
            count += 1;
        }
        assert!(count > 40, "{count}");
    }

    #[test]
    fn bytes_that_are_no_record_are_refused() {
        for bytes in [&[][..], &[1], &[1, 99, 0], &[2, 2, 0], &[0xff; 9]] {
            assert!(metadata_record(bytes).is_err(), "{bytes:?}");
        }
    }
}
