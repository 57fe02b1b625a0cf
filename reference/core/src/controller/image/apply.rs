//! Records into the image.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::undo::{Journal, Undo};
use super::{
    ApplyError, BrokerRegistration, ConfigKey, ControllerRegistration, Image, PartitionRegistration, Topic,
};
use crate::controller::record::{
    BrokerRegistrationChangeRecord, ClearElrRecord, ConfigRecord, MetadataRecord, MetadataVersion, NO_LEADER,
    NO_LEADER_CHANGE, NO_RECOVERY_CHANGE, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord,
    RegisterControllerRecord, SupportedFeature,
};
use crate::partition::{LeaderRecovery, PartitionState};
use crate::{NodeId, Uuid};

/// What a record changed: where a broker has to look.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// Nothing (yet).
    Nothing,
    /// A topic was created, so far without partitions.
    TopicCreated(Uuid),
    /// A topic was deleted, with all its partitions and its configuration.
    TopicRemoved(Uuid, String),
    /// A partition was created or changed.
    Partition(Uuid, i32),
    /// A broker registered, was fenced or unfenced, changed or was forgotten.
    Broker(NodeId),
    /// A controller registered.
    Controller(NodeId),
    /// Configuration of this resource changed.
    Config(ConfigKey),
    /// A feature's level changed.
    Feature(String),
    /// Producer ids were given away.
    ProducerIds,
    /// Several changes, in order: a transaction ended.
    Several(Vec<Change>),
}

impl Image {
    /// Applies the next record of the log and says what it changed. If it fails nothing has changed.
    pub fn apply(&mut self, record: &MetadataRecord) -> Result<Change, ApplyError> {
        self.step(record, &mut None)
    }

    /// As [`Image::apply`], and notes what it takes to take it back.
    pub(in crate::controller) fn apply_noting(
        &mut self,
        record: &MetadataRecord,
        journal: &mut Vec<Undo>,
    ) -> Result<Change, ApplyError> {
        self.step(record, &mut Some(journal))
    }

    /// Transactions stand around all the rest.
    fn step(&mut self, record: &MetadataRecord, journal: &mut Journal<'_>) -> Result<Change, ApplyError> {
        match record {
            MetadataRecord::BeginTransaction(_) if self.transaction.is_some() => {
                return Err(ApplyError::NestedTransaction);
            }
            MetadataRecord::BeginTransaction(_) => self.put_transaction(Some(Vec::new()), journal),
            MetadataRecord::AbortTransaction(_) if self.transaction.is_none() => {
                return Err(ApplyError::NoTransaction);
            }
            MetadataRecord::AbortTransaction(_) => self.put_transaction(None, journal),
            MetadataRecord::EndTransaction(_) => return self.end_transaction(journal),
            _ if self.transaction.is_some() => self.buffer(record.clone(), journal),
            _ => return self.change(record, journal),
        }
        Ok(Change::Nothing)
    }

    fn end_transaction(&mut self, journal: &mut Journal<'_>) -> Result<Change, ApplyError> {
        let records = self.transaction.clone().ok_or(ApplyError::NoTransaction)?;
        let mut undo = Vec::new();
        self.put_transaction(None, &mut Some(&mut undo));
        let mut changes = Vec::with_capacity(records.len());
        for record in &records {
            match self.change(record, &mut Some(&mut undo)) {
                Ok(change) => changes.push(change),
                Err(error) => {
                    self.undo(undo);
                    return Err(error);
                }
            }
        }
        if let Some(journal) = journal {
            journal.append(&mut undo);
        }
        Ok(Change::Several(changes))
    }

    fn change(&mut self, record: &MetadataRecord, journal: &mut Journal<'_>) -> Result<Change, ApplyError> {
        match record {
            MetadataRecord::RegisterBroker(record) => {
                self.put_broker(record.broker, Some(registered(record)), journal);
                Ok(Change::Broker(record.broker))
            }
            MetadataRecord::UnregisterBroker(record) => {
                self.known_broker(record.broker, record.broker_epoch)?;
                self.put_broker(record.broker, None, journal);
                Ok(Change::Broker(record.broker))
            }
            MetadataRecord::FenceBroker(record) => {
                self.change_broker(&standing(record.broker, record.broker_epoch, 1), journal)
            }
            MetadataRecord::UnfenceBroker(record) => {
                self.change_broker(&standing(record.broker, record.broker_epoch, -1), journal)
            }
            MetadataRecord::BrokerRegistrationChange(record) => self.change_broker(record, journal),
            MetadataRecord::RegisterController(record) => {
                self.put_controller(record.controller, Some(registered_controller(record)), journal);
                Ok(Change::Controller(record.controller))
            }
            MetadataRecord::Topic(record) => {
                if self.topics.contains_key(&record.topic) || self.names.contains_key(&record.name) {
                    return Err(ApplyError::TopicExists(record.name.clone(), record.topic));
                }
                let topic = Topic { name: record.name.clone(), partitions: BTreeMap::new() };
                self.put_topic(record.topic, Some(topic), journal);
                Ok(Change::TopicCreated(record.topic))
            }
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record.topic, journal),
            MetadataRecord::Partition(record) => {
                if !self.topics.contains_key(&record.topic) {
                    return Err(ApplyError::UnknownTopic(record.topic));
                }
                let partition = created(record)?;
                self.put_partition(record.topic, record.partition, Some(partition), journal);
                Ok(Change::Partition(record.topic, record.partition))
            }
            MetadataRecord::PartitionChange(record) => {
                let old = self
                    .registration(record.topic, record.partition)
                    .ok_or(ApplyError::UnknownPartition(record.topic, record.partition))?;
                let new = merged(old, record)?;
                self.put_partition(record.topic, record.partition, Some(new), journal);
                Ok(Change::Partition(record.topic, record.partition))
            }
            MetadataRecord::ClearElr(record) => self.clear_elr(record, journal),
            MetadataRecord::Config(record) => Ok(self.change_config(record, journal)),
            MetadataRecord::FeatureLevel(record) => {
                let is_version = record.name == MetadataVersion::FEATURE;
                if is_version && !MetadataVersion(record.level).is_known() {
                    return Err(ApplyError::MetadataVersion(record.level));
                }
                let level = (record.level != 0).then_some(record.level);
                self.put_feature(record.name.clone(), level, journal);
                Ok(Change::Feature(record.name.clone()))
            }
            MetadataRecord::ProducerIds(record) => {
                self.put_next_producer_id(record.next, journal);
                Ok(Change::ProducerIds)
            }
            MetadataRecord::NoOp(_) => Ok(Change::Nothing),
            MetadataRecord::BeginTransaction(_) => Err(ApplyError::NestedTransaction),
            MetadataRecord::EndTransaction(_) | MetadataRecord::AbortTransaction(_) => {
                Err(ApplyError::NoTransaction)
            }
        }
    }

    fn known_broker(&self, id: NodeId, epoch: i64) -> Result<&BrokerRegistration, ApplyError> {
        let broker = self.brokers.get(&id).ok_or(ApplyError::UnknownBroker(id))?;
        if broker.epoch != epoch {
            return Err(ApplyError::BrokerEpoch { broker: id, found: epoch, expected: broker.epoch });
        }
        Ok(broker)
    }

    fn change_broker(
        &mut self,
        record: &BrokerRegistrationChangeRecord,
        journal: &mut Journal<'_>,
    ) -> Result<Change, ApplyError> {
        let old = self.known_broker(record.broker, record.broker_epoch)?;
        let mut new = old.clone();
        new.fenced = match record.fenced {
            1 => true,
            -1 => false,
            0 => old.fenced,
            value => return Err(ApplyError::Meaningless { field: "fenced", value: value.into() }),
        };
        new.in_controlled_shutdown = match record.in_controlled_shutdown {
            1 => true,
            0 => old.in_controlled_shutdown,
            value => {
                let field = "in controlled shutdown";
                return Err(ApplyError::Meaningless { field, value: value.into() });
            }
        };
        if !record.directories.is_empty() {
            new.directories.clone_from(&record.directories);
        }
        if record.cordoned_directories.is_some() {
            new.cordoned_directories.clone_from(&record.cordoned_directories);
        }
        self.put_broker(record.broker, Some(new), journal);
        Ok(Change::Broker(record.broker))
    }

    fn remove_topic(&mut self, topic: Uuid, journal: &mut Journal<'_>) -> Result<Change, ApplyError> {
        let name = self.topics.get(&topic).map(|topic| topic.name.clone());
        let name = name.ok_or(ApplyError::UnknownTopic(topic))?;
        let resource = ConfigKey::topic(&name);
        let keys: Vec<String> =
            self.configs.get(&resource).into_iter().flat_map(BTreeMap::keys).cloned().collect();
        for key in keys {
            self.put_config(resource.clone(), key, None, journal);
        }
        self.put_topic(topic, None, journal);
        Ok(Change::TopicRemoved(topic, name))
    }

    fn change_config(&mut self, record: &ConfigRecord, journal: &mut Journal<'_>) -> Change {
        let resource = ConfigKey { kind: record.resource_type, name: record.resource_name.clone() };
        self.put_config(resource.clone(), record.key.clone(), record.value.clone(), journal);
        Change::Config(resource)
    }

    fn clear_elr(
        &mut self,
        record: &ClearElrRecord,
        journal: &mut Journal<'_>,
    ) -> Result<Change, ApplyError> {
        let topics: Vec<Uuid> = if record.topic.is_empty() {
            self.topics.keys().copied().collect()
        } else {
            let known = self.topic_id(&record.topic);
            Vec::from([known.ok_or_else(|| ApplyError::UnknownTopicName(record.topic.clone()))?])
        };
        let mut cleared = Vec::new();
        for topic in topics {
            for (&index, partition) in &self.topics[&topic].partitions {
                let state = &partition.state;
                if !state.elr.is_empty() || !state.last_known_elr.is_empty() {
                    let mut new = partition.clone();
                    new.state.elr.clear();
                    new.state.last_known_elr.clear();
                    new.state.partition_epoch = next(state.partition_epoch, "the partition epoch")?;
                    cleared.push((topic, index, new));
                }
            }
        }
        let mut changes = Vec::with_capacity(cleared.len());
        for (topic, index, new) in cleared {
            self.put_partition(topic, index, Some(new), journal);
            changes.push(Change::Partition(topic, index));
        }
        Ok(Change::Several(changes))
    }
}

fn supported(features: &[SupportedFeature]) -> BTreeMap<String, (i16, i16)> {
    features.iter().map(|feature| (feature.name.clone(), (feature.lowest, feature.highest))).collect()
}

fn registered(record: &RegisterBrokerRecord) -> BrokerRegistration {
    BrokerRegistration {
        epoch: record.broker_epoch,
        incarnation: record.incarnation,
        endpoints: record.endpoints.clone(),
        features: supported(&record.features),
        rack: record.rack.clone(),
        fenced: record.fenced,
        in_controlled_shutdown: record.in_controlled_shutdown,
        directories: record.directories.clone(),
        cordoned_directories: record.cordoned_directories.clone(),
        is_migrating: record.is_migrating,
    }
}

fn registered_controller(record: &RegisterControllerRecord) -> ControllerRegistration {
    ControllerRegistration {
        incarnation: record.incarnation,
        endpoints: record.endpoints.clone(),
        features: supported(&record.features),
        is_ready_to_migrate: record.is_ready_to_migrate,
    }
}

/// The older records of fencing in the form of the newer one.
fn standing(broker: NodeId, broker_epoch: i64, fenced: i8) -> BrokerRegistrationChangeRecord {
    BrokerRegistrationChangeRecord {
        broker,
        broker_epoch,
        fenced,
        in_controlled_shutdown: 0,
        directories: Vec::new(),
        cordoned_directories: None,
    }
}

fn leader(value: i32) -> Result<Option<NodeId>, ApplyError> {
    match value {
        NO_LEADER => Ok(None),
        0.. => Ok(Some(NodeId(value))),
        _ => Err(ApplyError::Meaningless { field: "leader", value: value.into() }),
    }
}

fn recovery(value: i8) -> Result<LeaderRecovery, ApplyError> {
    match value {
        0 => Ok(LeaderRecovery::Recovered),
        1 => Ok(LeaderRecovery::Recovering),
        _ => Err(ApplyError::Meaningless { field: "leader recovery state", value: value.into() }),
    }
}

fn next(epoch: i32, field: &'static str) -> Result<i32, ApplyError> {
    epoch.checked_add(1).ok_or(ApplyError::Exhausted { field })
}

fn created(record: &PartitionRecord) -> Result<PartitionRegistration, ApplyError> {
    Ok(PartitionRegistration {
        state: PartitionState {
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            elr: record.elr.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            leader: leader(record.leader)?,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            recovery: recovery(record.recovery)?,
        },
        directories: record.directories.clone(),
        adding: record.adding.clone(),
        removing: record.removing.clone(),
    })
}

/// Every change makes a new partition epoch; one that names a leader, be it the same, a new leader epoch.
fn merged(
    old: &PartitionRegistration,
    record: &PartitionChangeRecord,
) -> Result<PartitionRegistration, ApplyError> {
    let mut new = old.clone();
    let state = &mut new.state;
    state.partition_epoch = next(state.partition_epoch, "the partition epoch")?;
    if record.leader != NO_LEADER_CHANGE {
        state.leader = leader(record.leader)?;
        state.leader_epoch = next(state.leader_epoch, "the leader epoch")?;
    }
    if record.recovery != NO_RECOVERY_CHANGE {
        state.recovery = recovery(record.recovery)?;
    }
    let lists = [
        (&mut state.isr, &record.isr),
        (&mut state.elr, &record.elr),
        (&mut state.last_known_elr, &record.last_known_elr),
        (&mut state.replicas, &record.replicas),
        (&mut new.adding, &record.adding),
        (&mut new.removing, &record.removing),
    ];
    for (list, changed) in lists {
        if let Some(changed) = changed {
            list.clone_from(changed);
        }
    }
    if let Some(directories) = &record.directories {
        new.directories.clone_from(directories);
    }
    Ok(new)
}
