//! What the metadata log says, as of one offset: what controllers decide on and brokers act on.

mod apply;
mod error;
mod records;
mod undo;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use apply::Change;
pub use error::ApplyError;
pub(super) use undo::Undo;

use super::message::{ConfigResource, Endpoint};
use super::record::{MetadataRecord, MetadataVersion};
use crate::partition::PartitionState;
use crate::{NodeId, Uuid};

/// The state that metadata records add up to.
///
/// - Two images to which the same records were applied are equal, and so are an image and one made of its [`Image::records`].
/// - What stands between BeginTransaction and EndTransaction shows only at the end.
/// - `hosted` and `leaderless` say of the partitions of `topics` no more and no less than these do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Image {
    topics: BTreeMap<Uuid, Topic>,
    names: BTreeMap<String, Uuid>,
    brokers: BTreeMap<NodeId, BrokerRegistration>,
    controllers: BTreeMap<NodeId, ControllerRegistration>,
    configs: BTreeMap<ConfigKey, BTreeMap<String, String>>,
    features: BTreeMap<String, i16>,
    next_producer_id: i64,
    hosted: BTreeMap<NodeId, BTreeSet<(Uuid, i32)>>,
    leaderless: BTreeSet<(Uuid, i32)>,
    transaction: Option<Vec<MetadataRecord>>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its partitions by index.
    pub partitions: BTreeMap<i32, PartitionRegistration>,
}

/// A partition as the metadata log has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PartitionRegistration {
    /// Replicas, leader, ISR and epochs.
    pub state: PartitionState,
    /// The directory of each replica, in the order of the replicas; empty where the log does not say (KIP-858).
    pub directories: Vec<Uuid>,
    /// Replicas on their way in (KIP-455).
    pub adding: Vec<NodeId>,
    /// Replicas on their way out (KIP-455).
    pub removing: Vec<NodeId>,
}

/// A broker as it registered, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BrokerRegistration {
    /// Grows with each registration.
    pub epoch: i64,
    /// The identity of its process.
    pub incarnation: Uuid,
    /// Where to reach it.
    pub endpoints: Vec<Endpoint>,
    /// The feature levels that it supports, lowest and highest.
    pub features: BTreeMap<String, (i16, i16)>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// It must not lead nor join an ISR.
    pub fenced: bool,
    /// It is about to stop: it must not become leader nor join an ISR (KIP-841).
    pub in_controlled_shutdown: bool,
    /// Its log directories.
    pub directories: Vec<Uuid>,
    /// Those that get no new replicas (KIP-1066), if it said.
    pub cordoned_directories: Option<Vec<Uuid>>,
    /// It still runs with ZooKeeper. Only logs of Kafka before 4.0 say so.
    pub is_migrating: bool,
}

/// A controller as it registered (KIP-919).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ControllerRegistration {
    /// The identity of its process.
    pub incarnation: Uuid,
    /// Where to reach it.
    pub endpoints: Vec<Endpoint>,
    /// The feature levels that it supports, lowest and highest.
    pub features: BTreeMap<String, (i16, i16)>,
    /// Whether it is ready to migrate from ZooKeeper.
    pub is_ready_to_migrate: bool,
}

/// What configuration belongs to, as records name it: Kafka's number of the kind of resource, and a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigKey {
    /// 2 for a topic, 4 for a broker; others are kept and mean nothing here.
    pub kind: i8,
    /// The topic's name, or the broker's id; empty for all brokers.
    pub name: String,
}

impl BrokerRegistration {
    /// Whether it may become leader or join an ISR.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }
}

impl ConfigKey {
    /// The kind of topics.
    pub const TOPIC: i8 = 2;
    /// The kind of brokers.
    pub const BROKER: i8 = 4;

    /// Of a topic.
    pub fn topic(name: &str) -> Self {
        Self { kind: Self::TOPIC, name: name.into() }
    }

    /// Of all brokers.
    pub fn brokers() -> Self {
        Self { kind: Self::BROKER, name: String::new() }
    }
}

impl From<&ConfigResource> for ConfigKey {
    fn from(resource: &ConfigResource) -> Self {
        match resource {
            ConfigResource::Topic(name) => Self::topic(name),
            ConfigResource::Broker(None) => Self::brokers(),
            ConfigResource::Broker(Some(id)) => Self { kind: Self::BROKER, name: id.0.to_string() },
        }
    }
}

impl Image {
    /// Topics by id.
    pub fn topics(&self) -> &BTreeMap<Uuid, Topic> {
        &self.topics
    }

    /// A topic by id.
    pub fn topic(&self, topic: Uuid) -> Option<&Topic> {
        self.topics.get(&topic)
    }

    /// The id of the topic of this name.
    pub fn topic_id(&self, name: &str) -> Option<Uuid> {
        self.names.get(name).copied()
    }

    /// Topic ids by name.
    pub fn topic_names(&self) -> &BTreeMap<String, Uuid> {
        &self.names
    }

    /// A partition with its directories and reassignment.
    pub fn registration(&self, topic: Uuid, partition: i32) -> Option<&PartitionRegistration> {
        self.topics.get(&topic)?.partitions.get(&partition)
    }

    /// A partition.
    pub fn partition(&self, topic: Uuid, partition: i32) -> Option<&PartitionState> {
        self.registration(topic, partition).map(|registration| &registration.state)
    }

    /// The partitions of which a broker is a replica, in the order of topic ids. Costs nothing for the others.
    pub fn hosted_by(&self, broker: NodeId) -> impl Iterator<Item = (Uuid, i32)> + '_ {
        self.hosted.get(&broker).into_iter().flatten().copied()
    }

    /// The partitions without a leader, in the order of topic ids.
    pub fn leaderless(&self) -> impl Iterator<Item = (Uuid, i32)> + '_ {
        self.leaderless.iter().copied()
    }

    /// Registered brokers.
    pub fn brokers(&self) -> &BTreeMap<NodeId, BrokerRegistration> {
        &self.brokers
    }

    /// A registered broker.
    pub fn broker(&self, id: NodeId) -> Option<&BrokerRegistration> {
        self.brokers.get(&id)
    }

    /// Registered controllers.
    pub fn controllers(&self) -> &BTreeMap<NodeId, ControllerRegistration> {
        &self.controllers
    }

    /// All configuration that was set.
    pub fn configs(&self) -> &BTreeMap<ConfigKey, BTreeMap<String, String>> {
        &self.configs
    }

    /// A value that was set on exactly this resource.
    pub fn config(&self, resource: &ConfigKey, key: &str) -> Option<&str> {
        self.configs.get(resource)?.get(key).map(String::as_str)
    }

    /// A value that holds for a topic: its own, or that of all brokers. What a broker has in its own file does not stand here.
    pub fn topic_config(&self, topic: &str, key: &str) -> Option<&str> {
        self.config(&ConfigKey::topic(topic), key).or_else(|| self.config(&ConfigKey::brokers(), key))
    }

    /// Feature levels; none is 0.
    pub fn features(&self) -> &BTreeMap<String, i16> {
        &self.features
    }

    /// The level of `metadata.version`; `None` before the first records of a cluster.
    pub fn metadata_version(&self) -> Option<MetadataVersion> {
        self.features.get(MetadataVersion::FEATURE).map(|&level| MetadataVersion(level))
    }

    /// The first producer id that is still free.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// Whether a transaction is open. No snapshot can be taken then.
    pub fn is_in_transaction(&self) -> bool {
        self.transaction.is_some()
    }
}
