//! Taking back what was applied: an active controller applies its decisions before they are committed, and loses them with its
//! leadership.

use alloc::string::String;
use alloc::vec::Vec;

use super::{BrokerRegistration, ConfigKey, ControllerRegistration, Image, PartitionRegistration, Topic};
use crate::controller::record::MetadataRecord;
use crate::{NodeId, Uuid};

/// What a place of an image held before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::controller) enum Undo {
    Topic(Uuid, Option<Topic>),
    Partition(Uuid, i32, Option<PartitionRegistration>),
    Broker(NodeId, Option<BrokerRegistration>),
    Controller(NodeId, Option<ControllerRegistration>),
    Config(ConfigKey, String, Option<String>),
    Feature(String, Option<i16>),
    NextProducerId(i64),
    Transaction(Option<Vec<MetadataRecord>>),
    /// The transaction was shorter by its last record.
    Buffered,
}

/// Where the image notes what its places held before, if anybody wants to know.
pub(super) type Journal<'a> = Option<&'a mut Vec<Undo>>;

/// Notes what a place held.
fn note(journal: &mut Journal<'_>, undo: impl FnOnce() -> Undo) {
    if let Some(journal) = journal {
        journal.push(undo());
    }
}

impl Image {
    /// Takes back what `journal` noted, the newest first.
    pub(in crate::controller) fn undo(&mut self, journal: Vec<Undo>) {
        for undo in journal.into_iter().rev() {
            match undo {
                Undo::Topic(topic, old) => self.put_topic(topic, old, &mut None),
                Undo::Partition(topic, partition, old) => {
                    self.put_partition(topic, partition, old, &mut None)
                }
                Undo::Broker(broker, old) => self.put_broker(broker, old, &mut None),
                Undo::Controller(controller, old) => self.put_controller(controller, old, &mut None),
                Undo::Config(resource, key, old) => self.put_config(resource, key, old, &mut None),
                Undo::Feature(name, old) => self.put_feature(name, old, &mut None),
                Undo::NextProducerId(old) => self.put_next_producer_id(old, &mut None),
                Undo::Transaction(old) => self.put_transaction(old, &mut None),
                Undo::Buffered => {
                    self.transaction.as_mut().and_then(Vec::pop);
                }
            }
        }
    }

    pub(super) fn put_topic(&mut self, id: Uuid, topic: Option<Topic>, journal: &mut Journal<'_>) {
        let new_name = topic.as_ref().map(|topic| topic.name.clone());
        let old = match topic {
            Some(topic) => self.topics.insert(id, topic),
            None => self.topics.remove(&id),
        };
        if let Some(old) = &old {
            self.names.remove(&old.name);
            for (&index, partition) in &old.partitions {
                self.forget(id, index, partition);
            }
        }
        if let Some(name) = new_name {
            self.names.insert(name, id);
            let added = self.topics.remove(&id);
            for (&index, partition) in added.iter().flat_map(|topic| &topic.partitions) {
                self.index(id, index, partition);
            }
            added.and_then(|topic| self.topics.insert(id, topic));
        }
        note(journal, || Undo::Topic(id, old));
    }

    /// The topic must be there.
    pub(super) fn put_partition(
        &mut self,
        topic: Uuid,
        index: i32,
        partition: Option<PartitionRegistration>,
        journal: &mut Journal<'_>,
    ) {
        if let Some(partition) = &partition {
            self.index(topic, index, partition);
        }
        let Some(partitions) = self.topics.get_mut(&topic).map(|topic| &mut topic.partitions) else { return };
        let new = partition.as_ref().map(|new| (new.state.replicas.clone(), new.state.leader));
        let old = match partition {
            Some(partition) => partitions.insert(index, partition),
            None => partitions.remove(&index),
        };
        if let Some(old) = &old {
            let (replicas, leader) = new.unwrap_or_default();
            for replica in old.state.replicas.iter().filter(|replica| !replicas.contains(replica)) {
                self.unhost(*replica, topic, index);
            }
            if replicas.is_empty() || leader.is_some() {
                self.leaderless.remove(&(topic, index));
            }
        }
        note(journal, || Undo::Partition(topic, index, old));
    }

    fn index(&mut self, topic: Uuid, index: i32, partition: &PartitionRegistration) {
        for replica in &partition.state.replicas {
            self.hosted.entry(*replica).or_default().insert((topic, index));
        }
        if partition.state.leader.is_none() {
            self.leaderless.insert((topic, index));
        }
    }

    fn forget(&mut self, topic: Uuid, index: i32, partition: &PartitionRegistration) {
        for replica in &partition.state.replicas {
            self.unhost(*replica, topic, index);
        }
        self.leaderless.remove(&(topic, index));
    }

    fn unhost(&mut self, replica: NodeId, topic: Uuid, index: i32) {
        if let Some(hosted) = self.hosted.get_mut(&replica) {
            hosted.remove(&(topic, index));
            if hosted.is_empty() {
                self.hosted.remove(&replica);
            }
        }
    }

    pub(super) fn put_broker(
        &mut self,
        id: NodeId,
        broker: Option<BrokerRegistration>,
        journal: &mut Journal<'_>,
    ) {
        let old = match broker {
            Some(broker) => self.brokers.insert(id, broker),
            None => self.brokers.remove(&id),
        };
        note(journal, || Undo::Broker(id, old));
    }

    pub(super) fn put_controller(
        &mut self,
        id: NodeId,
        controller: Option<ControllerRegistration>,
        journal: &mut Journal<'_>,
    ) {
        let old = match controller {
            Some(controller) => self.controllers.insert(id, controller),
            None => self.controllers.remove(&id),
        };
        note(journal, || Undo::Controller(id, old));
    }

    pub(super) fn put_config(
        &mut self,
        resource: ConfigKey,
        key: String,
        value: Option<String>,
        journal: &mut Journal<'_>,
    ) {
        let values = self.configs.entry(resource.clone()).or_default();
        let old = match value {
            Some(value) => values.insert(key.clone(), value),
            None => values.remove(&key),
        };
        if values.is_empty() {
            self.configs.remove(&resource);
        }
        note(journal, || Undo::Config(resource, key, old));
    }

    pub(super) fn put_feature(&mut self, name: String, level: Option<i16>, journal: &mut Journal<'_>) {
        let old = match level {
            Some(level) => self.features.insert(name.clone(), level),
            None => self.features.remove(&name),
        };
        note(journal, || Undo::Feature(name, old));
    }

    pub(super) fn put_next_producer_id(&mut self, next: i64, journal: &mut Journal<'_>) {
        let old = core::mem::replace(&mut self.next_producer_id, next);
        note(journal, || Undo::NextProducerId(old));
    }

    pub(super) fn put_transaction(
        &mut self,
        transaction: Option<Vec<MetadataRecord>>,
        journal: &mut Journal<'_>,
    ) {
        let old = core::mem::replace(&mut self.transaction, transaction);
        note(journal, || Undo::Transaction(old));
    }

    pub(super) fn buffer(&mut self, record: MetadataRecord, journal: &mut Journal<'_>) {
        if let Some(transaction) = &mut self.transaction {
            transaction.push(record);
            note(journal, || Undo::Buffered);
        }
    }
}
