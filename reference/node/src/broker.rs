//! The broker half of a node: its replicas, and what it asks of others for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use highwater_core::controller::{
    Change, ConfigKey, ControllerRequest, ControllerResponse, MetadataVersion, RegisterBroker,
};
use highwater_core::partition::AlterPartition;
use highwater_core::{Offset, Token, Uuid};
use highwater_log::disk::Disk;

use crate::config::NodeConfig;
use crate::deletes::Deletes;
use crate::fetcher::Fetchers;
use crate::lifecycle::{Call, Lifecycle};
use crate::message::TopicPartition;
use crate::ports::{Caller, Fatal, Ports};
use crate::produce::Produces;
use crate::replica::{Emitted, Replica};
use crate::sessions::Sessions;
use crate::waiting::WaitingFetches;

/// The feature of eligible leader replicas (KIP-966).
pub(crate) const ELR_FEATURE: &str = "eligible.leader.replicas.version";

/// A broker.
///
/// - No replica has a role before the broker has applied its own registration: `published` is the broker epoch of that.
/// - At most one batch of AlterPartition is open.
#[derive(Debug)]
pub(crate) struct Broker<D: Disk> {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) replicas: BTreeMap<TopicPartition, Replica<D>>,
    pub(crate) fetchers: Fetchers,
    pub(crate) sessions: Sessions,
    pub(crate) waiting: WaitingFetches,
    pub(crate) produces: Produces,
    pub(crate) deletes: Deletes,
    /// Fetches that wait, and partitions that have something for them.
    pub(crate) woken: VecDeque<(Token, TopicPartition)>,
    /// Fetches that wait and are to be answered, whatever there is.
    pub(crate) overdue: Vec<Token>,
    pub(crate) dirty: Dirty,
    pub(crate) published: Option<i64>,
    alterations: Alterations,
}

/// What changed in the metadata since the broker last acted upon it.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    /// All of it: a snapshot was loaded, or nothing was acted upon yet.
    pub(crate) all: bool,
    pub(crate) partitions: BTreeSet<TopicPartition>,
    pub(crate) removed: BTreeSet<Uuid>,
    pub(crate) brokers: bool,
    pub(crate) configs: BTreeSet<ConfigKey>,
}

/// Changes of ISR on their way to the controller.
#[derive(Debug, Default)]
struct Alterations {
    /// Asked for and not sent yet, the newest of each partition.
    pending: BTreeMap<TopicPartition, AlterPartition>,
    /// Sent and not answered.
    open: Option<(u64, Vec<(TopicPartition, AlterPartition)>)>,
    number: u64,
}

impl Dirty {
    /// Notes what a record changed.
    pub(crate) fn note(&mut self, change: Change) {
        match change {
            Change::Partition(topic, partition) => {
                self.partitions.insert(TopicPartition { topic, partition });
            }
            Change::TopicRemoved(topic, _) => {
                self.removed.insert(topic);
            }
            Change::Broker(_) => self.brokers = true,
            Change::Config(key) => {
                self.configs.insert(key);
            }
            Change::Several(changes) => changes.into_iter().for_each(|change| self.note(change)),
            Change::Nothing
            | Change::TopicCreated(_)
            | Change::Controller(_)
            | Change::Feature(_)
            | Change::ProducerIds => {}
        }
    }

    /// Whether there is anything.
    pub(crate) fn any(&self) -> bool {
        self.all
            || self.brokers
            || !self.partitions.is_empty()
            || !self.removed.is_empty()
            || !self.configs.is_empty()
    }
}

impl<D: Disk> Broker<D> {
    pub(crate) fn new(lifecycle: Lifecycle, replicas: BTreeMap<TopicPartition, Replica<D>>) -> Self {
        Self {
            lifecycle,
            replicas,
            fetchers: Fetchers::default(),
            sessions: Sessions::default(),
            waiting: WaitingFetches::default(),
            produces: Produces::default(),
            deletes: Deletes::default(),
            woken: VecDeque::new(),
            overdue: Vec::new(),
            dirty: Dirty { all: true, ..Dirty::default() },
            published: None,
            alterations: Alterations::default(),
        }
    }

    /// Carries out what a replica's core wants.
    pub(crate) fn drain(
        &mut self,
        ports: &mut Ports,
        id: TopicPartition,
        incoming: &Bytes,
    ) -> Result<(), Fatal> {
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(()) };
        let mut emitted = Emitted::default();
        let followed = (&mut self.fetchers, &mut self.sessions);
        replica.drain(id, incoming, followed, ports, &mut emitted)?;
        self.woken.extend(emitted.woken.into_iter().map(|token| (token, id)));
        for (token, result) in emitted.produced {
            if let Some(response) = self.produces.decide(token, id, result) {
                ports.answer(token, response);
            }
        }
        if let Some(ask) = emitted.alteration {
            self.alterations.pending.insert(id, ask);
        }
        Ok(())
    }

    /// What a replica's core has due is done.
    pub(crate) fn elapse(&mut self, ports: &mut Ports, id: TopicPartition) -> Result<(), Fatal> {
        if let Some(replica) = self.replicas.get_mut(&id) {
            replica.armed = None;
            replica.core.elapse(ports.now);
        }
        self.drain(ports, id, &Bytes::new())
    }

    /// What the broker has to ask of its controller now, if anything.
    pub(crate) fn next_call(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        applied: Offset,
    ) -> Option<(Caller, ControllerRequest)> {
        if let Some(call) = self.lifecycle.next_call(ports, config, applied, registration) {
            return Some(match call {
                Call::Register(attempt, register) => {
                    (Caller::Register(attempt), ControllerRequest::RegisterBroker(*register))
                }
                Call::Heartbeat(attempt, heartbeat) => {
                    (Caller::Heartbeat(attempt), ControllerRequest::Heartbeat(heartbeat))
                }
            });
        }
        if self.alterations.open.is_some() || self.alterations.pending.is_empty() {
            return None;
        }
        self.alterations.number += 1;
        let number = self.alterations.number;
        let batch: Vec<_> = std::mem::take(&mut self.alterations.pending).into_iter().collect();
        let asks = batch.iter().map(|(id, ask)| (id.topic, id.partition, ask.clone())).collect();
        self.alterations.open = Some((number, batch));
        Some((Caller::AlterPartitions(number), ControllerRequest::AlterPartitions(asks)))
    }

    /// The controller has answered what [`Broker::next_call`] asked, or will not.
    pub(crate) fn controller_answered(
        &mut self,
        ports: &mut Ports,
        caller: Caller,
        response: Option<ControllerResponse>,
    ) -> Result<(), Fatal> {
        match (caller, response) {
            (Caller::Register(attempt), Some(ControllerResponse::RegisterBroker(answer))) => {
                // The registration may have been applied before it is answered.
                self.dirty.brokers = true;
                self.lifecycle.registered(ports, attempt, answer)
            }
            (Caller::Heartbeat(attempt), Some(ControllerResponse::Heartbeat(answer))) => {
                self.lifecycle.heard(ports, attempt, answer);
                Ok(())
            }
            (Caller::Register(attempt) | Caller::Heartbeat(attempt), _) => {
                self.lifecycle.failed(ports, attempt);
                Ok(())
            }
            (Caller::AlterPartitions(number), response) => self.altered(ports, number, response),
            (Caller::Peer(_) | Caller::Client(_), _) => Ok(()),
        }
    }

    fn altered(
        &mut self,
        ports: &mut Ports,
        number: u64,
        response: Option<ControllerResponse>,
    ) -> Result<(), Fatal> {
        let Some((_, asked)) = self.alterations.open.take_if(|(open, _)| *open == number) else {
            return Ok(());
        };
        let mut results = match response {
            Some(ControllerResponse::AlterPartitions(Ok(results))) => results,
            _ => Vec::new(),
        }
        .into_iter();
        for (id, ask) in asked {
            let result = results
                .next()
                .filter(|(topic, partition, _)| (*topic, *partition) == (id.topic, id.partition))
                .map(|(_, _, result)| result);
            if let Some(replica) = self.replicas.get_mut(&id) {
                replica.core.altered(ports.now, &ask, result);
                self.drain(ports, id, &Bytes::new())?;
            }
        }
        Ok(())
    }
}

/// What a registration says of a broker apart from the identity of this start.
fn registration(config: &NodeConfig) -> RegisterBroker {
    let versions = (MetadataVersion::LOWEST.0, MetadataVersion::HIGHEST.0);
    let features = [(MetadataVersion::FEATURE, versions), (ELR_FEATURE, (0, 1))];
    RegisterBroker {
        id: config.node_id,
        cluster: config.cluster_id.clone(),
        incarnation: Uuid::ZERO,
        previous_broker_epoch: -1,
        listeners: config.listeners.clone(),
        features: features.map(|(name, levels)| (name.to_owned(), levels)).into(),
        rack: config.rack.clone(),
        directories: vec![config.directory_id],
    }
}
