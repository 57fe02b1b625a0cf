//! From the metadata to the replicas: what a broker does once records are committed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::controller::{ConfigKey, Image};
use highwater_core::partition::{self, Partition, PartitionState};
use highwater_core::{NodeId, Uuid};
use highwater_log::DataDirectory;
use highwater_log::disk::Disk;

use crate::broker::{Broker, Dirty};
use crate::config::NodeConfig;
use crate::message::TopicPartition;
use crate::ports::{Fatal, Ports};
use crate::replica::Replica;
use crate::settings::TopicSettings;
use crate::store;

/// What publishing needs to know of the node.
pub(crate) struct Publisher<'a, D: Disk> {
    pub(crate) config: &'a NodeConfig,
    pub(crate) rules: partition::Rules,
    pub(crate) directory: &'a mut DataDirectory<D>,
    pub(crate) image: &'a Image,
    /// What topics are configured to, as far as it was asked for.
    pub(crate) settings: BTreeMap<Uuid, Arc<TopicSettings>>,
}

impl<D: Disk> Publisher<'_, D> {
    fn settings_of(&mut self, topic: Uuid, name: &str) -> Arc<TopicSettings> {
        let (config, image) = (self.config, self.image);
        let settings = || Arc::new(TopicSettings::of(config, image, name));
        self.settings.entry(topic).or_insert_with(settings).clone()
    }
}

impl<D: Disk> Broker<D> {
    /// Acts upon what changed in the metadata; whether there was anything to do.
    pub(crate) fn publish(&mut self, ports: &mut Ports, with: &mut Publisher<'_, D>) -> Result<bool, Fatal> {
        if !self.dirty.any() {
            return Ok(false);
        }
        let registered = with.image.broker(with.config.node_id).map(|registration| registration.epoch);
        let caught_up = registered.is_some() && registered == self.lifecycle.broker_epoch();
        if caught_up && self.published != registered {
            self.published = registered;
            self.dirty.all = true;
        }
        self.lifecycle.set_caught_up(ports, caught_up);
        let Some(broker_epoch) = self.published else {
            // What it was before this start says nothing about what it is now.
            self.dirty = Dirty { all: true, ..Dirty::default() };
            return Ok(false);
        };
        let dirty = std::mem::take(&mut self.dirty);
        if dirty.all {
            for replica in self.replicas.values_mut() {
                replica.core.set_broker_epoch(broker_epoch);
            }
        }
        let concerned = self.concerned(&dirty, with);
        self.drop_replicas(ports, &concerned, with)?;
        if dirty.all || dirty.brokers {
            self.tell_brokers(ports, with)?;
        }
        for id in &concerned {
            self.assign(ports, *id, with, broker_epoch)?;
        }
        self.tell_configs(ports, &dirty, with)?;
        Ok(true)
    }

    /// The partitions whose state, or whose being here, may have changed.
    fn concerned(&self, dirty: &Dirty, with: &Publisher<'_, D>) -> BTreeSet<TopicPartition> {
        let mut concerned = dirty.partitions.clone();
        for &topic in &dirty.removed {
            let of_topic =
                TopicPartition { topic, partition: i32::MIN }..=TopicPartition { topic, partition: i32::MAX };
            concerned.extend(self.replicas.range(of_topic).map(|(id, _)| *id));
        }
        if dirty.all {
            concerned.extend(self.replicas.keys());
            let hosted = with.image.hosted_by(with.config.node_id);
            concerned.extend(hosted.map(|(topic, partition)| TopicPartition { topic, partition }));
        }
        concerned
    }

    /// Deletes what is not here any more, before anything new may need its name.
    fn drop_replicas(
        &mut self,
        ports: &mut Ports,
        concerned: &BTreeSet<TopicPartition>,
        with: &mut Publisher<'_, D>,
    ) -> Result<(), Fatal> {
        let mut dropped = Vec::new();
        for id in concerned {
            if hosted(with, *id) || !self.replicas.contains_key(id) {
                continue;
            }
            if let Some(replica) = self.replicas.get_mut(id) {
                // Whoever waits for it is told.
                replica.core.assign(ports.now, &gone(replica.core.state()));
                self.drain(ports, *id, &Bytes::new())?;
            }
            let Some(mut replica) = self.replicas.remove(id) else { continue };
            replica.detach(*id, &mut self.fetchers, ports);
            dropped.push(replica.log);
        }
        store::delete_replicas(with.directory, dropped)
    }

    fn tell_brokers(&mut self, ports: &mut Ports, with: &Publisher<'_, D>) -> Result<(), Fatal> {
        self.end_sessions_of_the_gone(ports, with.image);
        let brokers = brokers(with.image);
        let ids: Vec<_> = self.replicas.keys().copied().collect();
        for id in ids {
            if let Some(replica) = self.replicas.get_mut(&id) {
                replica.core.set_brokers(&brokers);
            }
            self.drain(ports, id, &Bytes::new())?;
        }
        Ok(())
    }

    fn assign(
        &mut self,
        ports: &mut Ports,
        id: TopicPartition,
        with: &mut Publisher<'_, D>,
        broker_epoch: i64,
    ) -> Result<(), Fatal> {
        let Some(state) = with.image.partition(id.topic, id.partition) else { return Ok(()) };
        if !state.replicas.contains(&with.config.node_id) {
            return Ok(());
        }
        let Some(topic) = with.image.topic(id.topic) else { return Ok(()) };
        if let Entry::Vacant(place) = self.replicas.entry(id) {
            let settings = with.settings_of(id.topic, &topic.name);
            let log = store::create_replica(with.directory, settings.log.clone(), &topic.name, id)?;
            let config = partition_config(with.config, settings.min_isr, broker_epoch);
            let mut core = Partition::open(config, with.rules, log.view().clone(), 0, ports.now);
            core.set_brokers(&brokers(with.image));
            place.insert(Replica::new(topic.name.clone(), log, core, settings));
        }
        if let Some(replica) = self.replicas.get_mut(&id) {
            replica.core.assign(ports.now, state);
        }
        self.drain(ports, id, &Bytes::new())?;
        // Newer metadata may cure what the last answer complained of.
        if let Some(replica) = self.replicas.get_mut(&id)
            && replica.paused.take().is_some()
            && let Some(turn) = replica.turn
        {
            self.fetchers.hurry(turn.leader, id, ports);
        }
        Ok(())
    }

    fn tell_configs(
        &mut self,
        ports: &mut Ports,
        dirty: &Dirty,
        with: &mut Publisher<'_, D>,
    ) -> Result<(), Fatal> {
        if dirty.configs.is_empty() && !dirty.all {
            return Ok(());
        }
        let of_brokers = dirty.all || dirty.configs.iter().any(|key| key.kind == ConfigKey::BROKER);
        let mut changed = Vec::new();
        for (id, replica) in &mut self.replicas {
            if !of_brokers && !dirty.configs.contains(&ConfigKey::topic(&replica.topic)) {
                continue;
            }
            let Some(topic) = with.image.topic(id.topic) else { continue };
            let settings = with.settings_of(id.topic, &topic.name);
            if replica.configure(ports.now, &settings) {
                changed.push(*id);
            }
        }
        for id in changed {
            self.drain(ports, id, &Bytes::new())?;
        }
        Ok(())
    }
}

/// The configuration of a partition core.
pub(crate) fn partition_config(config: &NodeConfig, min_isr: usize, broker_epoch: i64) -> partition::Config {
    partition::Config {
        me: config.node_id,
        broker_epoch,
        min_isr,
        replica_lag_max: config.replica_lag_time_max,
        alter_retry: config.alter_partition_retry,
        wait_for_joining: true,
    }
}

/// A partition that this node holds no replica of any more.
fn gone(state: &PartitionState) -> PartitionState {
    PartitionState { replicas: Vec::new(), leader: None, partition_epoch: i32::MAX, ..state.clone() }
}

/// Whether this node is a replica of the partition.
fn hosted<D: Disk>(with: &Publisher<'_, D>, id: TopicPartition) -> bool {
    let state = with.image.partition(id.topic, id.partition);
    state.is_some_and(|state| state.replicas.contains(&with.config.node_id))
}

/// Brokers as the cores know them: id, broker epoch, whether it may join an ISR.
fn brokers(image: &Image) -> Vec<(NodeId, i64, bool)> {
    let broker = |(id, broker): (&NodeId, &highwater_core::controller::BrokerRegistration)| {
        (*id, broker.epoch, broker.is_active())
    };
    image.brokers().iter().map(broker).collect()
}
