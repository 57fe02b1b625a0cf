//! A snapshot: the records that make an equal image.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Image, PartitionRegistration};
use crate::controller::record::{
    ConfigRecord, FeatureLevelRecord, MetadataRecord, MetadataVersion, NO_LEADER, PartitionRecord,
    ProducerIdsRecord, RegisterBrokerRecord, RegisterControllerRecord, SupportedFeature, TopicRecord,
};
use crate::{NodeId, Uuid};

impl Image {
    /// The records of a snapshot, in an order that depends on nothing but the image: features with `metadata.version` first, brokers,
    /// controllers, topics each with its partitions, configuration, producer ids.
    ///
    /// What an open transaction has so far is not in it: see [`Image::is_in_transaction`].
    pub fn records(&self) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        self.write_features(&mut records);
        self.write_nodes(&mut records);
        self.write_topics(&mut records);
        self.write_configs(&mut records);
        if self.next_producer_id != 0 {
            let next = self.next_producer_id;
            records.push(ProducerIdsRecord { broker: NodeId(-1), broker_epoch: -1, next }.into());
        }
        records
    }

    fn write_features(&self, records: &mut Vec<MetadataRecord>) {
        let first = self.features.get_key_value(MetadataVersion::FEATURE);
        let others = self.features.iter().filter(|(name, _)| *name != MetadataVersion::FEATURE);
        for (name, &level) in first.into_iter().chain(others) {
            records.push(FeatureLevelRecord { name: name.clone(), level }.into());
        }
    }

    fn write_nodes(&self, records: &mut Vec<MetadataRecord>) {
        for (&id, broker) in &self.brokers {
            let record = RegisterBrokerRecord {
                broker: id,
                is_migrating: broker.is_migrating,
                incarnation: broker.incarnation,
                broker_epoch: broker.epoch,
                endpoints: broker.endpoints.clone(),
                features: supported(&broker.features),
                rack: broker.rack.clone(),
                fenced: broker.fenced,
                in_controlled_shutdown: broker.in_controlled_shutdown,
                directories: broker.directories.clone(),
                cordoned_directories: broker.cordoned_directories.clone(),
            };
            records.push(record.into());
        }
        for (&id, controller) in &self.controllers {
            let record = RegisterControllerRecord {
                controller: id,
                incarnation: controller.incarnation,
                is_ready_to_migrate: controller.is_ready_to_migrate,
                endpoints: controller.endpoints.clone(),
                features: supported(&controller.features),
            };
            records.push(record.into());
        }
    }

    fn write_topics(&self, records: &mut Vec<MetadataRecord>) {
        for (&id, topic) in &self.topics {
            records.push(TopicRecord { name: topic.name.clone(), topic: id }.into());
            for (&index, partition) in &topic.partitions {
                records.push(partition.record(id, index).into());
            }
        }
    }

    fn write_configs(&self, records: &mut Vec<MetadataRecord>) {
        for (resource, values) in &self.configs {
            for (key, value) in values {
                let record = ConfigRecord {
                    resource_type: resource.kind,
                    resource_name: resource.name.clone(),
                    key: key.clone(),
                    value: Some(value.clone()),
                };
                records.push(record.into());
            }
        }
    }
}

impl PartitionRegistration {
    /// The record that creates this partition as it is.
    pub(in crate::controller) fn record(&self, topic: Uuid, partition: i32) -> PartitionRecord {
        let state = &self.state;
        let listed = |list: &Vec<NodeId>| (!list.is_empty()).then(|| list.clone());
        PartitionRecord {
            partition,
            topic,
            replicas: state.replicas.clone(),
            isr: state.isr.clone(),
            removing: self.removing.clone(),
            adding: self.adding.clone(),
            leader: state.leader.map_or(NO_LEADER, |leader| leader.0),
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            directories: self.directories.clone(),
            recovery: state.recovery as i8,
            elr: listed(&state.elr),
            last_known_elr: listed(&state.last_known_elr),
        }
    }
}

fn supported(features: &BTreeMap<String, (i16, i16)>) -> Vec<SupportedFeature> {
    let feature = |(name, &(lowest, highest)): (&String, &(i16, i16))| SupportedFeature {
        name: name.clone(),
        lowest,
        highest,
    };
    features.iter().map(feature).collect()
}
