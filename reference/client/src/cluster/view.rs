//! What Metadata answers said.

use std::collections::BTreeMap;
use std::time::Instant;

use highwater_wire::messages::MetadataResponse;
use highwater_wire::{ErrorCode, Str, Uuid};

use super::{Leader, TopicPartition};

/// The cluster as it was said to be.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Its id.
    pub cluster_id: Option<Str>,
    /// The broker that clients send administration to; -1 for none. Not the leader of the metadata quorum.
    pub controller: i32,
    /// The brokers that live.
    pub brokers: BTreeMap<i32, Broker>,
    /// Those topics that were asked for.
    pub topics: BTreeMap<Str, Topic>,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// Where clients reach it.
    pub host: Str,
    /// At which port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<Str>,
}

impl Broker {
    pub(crate) fn new(id: i32, host: Str, port: i32) -> Self {
        Self { id, host, port, rack: None }
    }

    /// As `host:port`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// A topic.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Its id; zero where brokers are too old to say.
    pub id: Uuid,
    /// Whether it is one of the broker's own.
    pub is_internal: bool,
    /// Its partitions by number.
    pub partitions: BTreeMap<i32, Partition>,
    /// When this was asked for.
    pub asked: Instant,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Who leads it; -1 for nobody.
    pub leader: i32,
    /// In which epoch; -1 if that is not known.
    pub leader_epoch: i32,
    /// Who keeps it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Who is in sync.
    pub isr: Vec<i32>,
}

impl View {
    /// Who leads a partition, as far as that is known.
    pub fn leader(&self, of: &TopicPartition) -> Option<Leader> {
        let partition = self.topics.get(&of.topic)?.partitions.get(&of.partition)?;
        (partition.leader >= 0).then_some(Leader { broker: partition.leader, epoch: partition.leader_epoch })
    }

    /// The view after this answer. `all` if all topics were asked for.
    pub(super) fn with(&self, answer: &MetadataResponse, all: bool) -> Self {
        let brokers = answer.brokers.iter().map(|broker| {
            let place = Broker::new(broker.node_id, broker.host.clone(), broker.port);
            (broker.node_id, Broker { rack: broker.rack.clone(), ..place })
        });
        let mut topics = if all { BTreeMap::new() } else { self.topics.clone() };
        for topic in &answer.topics {
            let Some(name) = &topic.name else { continue };
            match ErrorCode(topic.error_code) {
                ErrorCode::NONE | ErrorCode::LEADER_NOT_AVAILABLE => {}
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
                    topics.remove(name);
                    continue;
                }
                _ => continue,
            }
            let known = self.topics.get(name).filter(|known| known.id == topic.topic_id);
            let partitions = topic.partitions.iter().map(|partition| {
                let said = Partition {
                    leader: partition.leader_id,
                    leader_epoch: partition.leader_epoch,
                    replicas: partition.replica_nodes.clone(),
                    isr: partition.isr_nodes.clone(),
                };
                let index = partition.partition_index;
                let newer = known
                    .and_then(|known| known.partitions.get(&index))
                    .filter(|known| known.leader_epoch > said.leader_epoch && said.leader_epoch >= 0);
                (index, newer.cloned().unwrap_or(said))
            });
            let topic = Topic {
                id: topic.topic_id,
                is_internal: topic.is_internal,
                partitions: partitions.collect(),
                asked: Instant::now(),
            };
            topics.insert(name.clone(), topic);
        }
        Self {
            cluster_id: answer.cluster_id.clone(),
            controller: answer.controller_id,
            brokers: brokers.collect(),
            topics,
        }
    }
}
