//! What brokers and clients ask a controller, and what it answers.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::partition::{AlterPartition, AlterPartitionResult};
use crate::{NodeId, Offset, Uuid};

/// A request to the active controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ControllerRequest {
    /// A broker starts (`BrokerRegistration`).
    RegisterBroker(RegisterBroker),
    /// A broker lives (`BrokerHeartbeat`).
    Heartbeat(Heartbeat),
    /// A broker is to be forgotten (`UnregisterBroker`).
    UnregisterBroker(NodeId),
    /// Leaders want other ISRs (`AlterPartition`); each is answered by itself.
    AlterPartitions(Vec<(Uuid, i32, AlterPartition)>),
    /// `CreateTopics`; each is answered by itself.
    CreateTopics {
        /// What to create.
        topics: Vec<NewTopic>,
        /// Only say whether it could be.
        validate_only: bool,
    },
    /// `DeleteTopics`; each is answered by itself.
    DeleteTopics(Vec<TopicReference>),
    /// `CreatePartitions`; each is answered by itself.
    CreatePartitions {
        /// What to add.
        topics: Vec<MorePartitions>,
        /// Only say whether they could be.
        validate_only: bool,
    },
    /// `ElectLeaders`: of these partitions, or of all where there is none named.
    ElectLeaders {
        /// How.
        kind: ElectionKind,
        /// Which, by topic name and index.
        partitions: Option<Vec<(String, i32)>>,
    },
    /// `IncrementalAlterConfigs`; each resource is answered by itself.
    AlterConfigs {
        /// The changes by resource.
        changes: Vec<(ConfigResource, Vec<ConfigChange>)>,
        /// Only say whether they could be made.
        validate_only: bool,
    },
    /// `AllocateProducerIds`: a block for this broker.
    AllocateProducerIds {
        /// Which broker.
        broker: NodeId,
        /// Its broker epoch.
        broker_epoch: i64,
    },
    /// `UpdateFeatures`: name and level.
    UpdateFeatures {
        /// The levels wanted.
        updates: Vec<(String, i16)>,
        /// Only say whether they could be set.
        validate_only: bool,
    },
}

/// The answer to the [`ControllerRequest`] of the same name.
///
/// What changes anything is answered once it is committed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ControllerResponse {
    /// The new broker epoch.
    RegisterBroker(Result<i64, ControllerError>),
    /// How the broker stands.
    Heartbeat(Result<BrokerStanding, ControllerError>),
    /// To [`ControllerRequest::UnregisterBroker`].
    UnregisterBroker(Result<(), ControllerError>),
    /// One each, in the order asked.
    AlterPartitions(Result<Vec<(Uuid, i32, AlterPartitionResult)>, ControllerError>),
    /// The id each, in the order asked.
    CreateTopics(Result<Vec<Result<Uuid, ControllerError>>, ControllerError>),
    /// One each, in the order asked.
    DeleteTopics(Result<Vec<Result<(), ControllerError>>, ControllerError>),
    /// One each, in the order asked.
    CreatePartitions(Result<Vec<Result<(), ControllerError>>, ControllerError>),
    /// By topic name and index.
    ElectLeaders(Result<Vec<ElectionAnswer>, ControllerError>),
    /// One each, in the order asked.
    AlterConfigs(Result<Vec<Result<(), ControllerError>>, ControllerError>),
    /// The first id of the block and their number.
    AllocateProducerIds(Result<(i64, i32), ControllerError>),
    /// To [`ControllerRequest::UpdateFeatures`].
    UpdateFeatures(Result<(), ControllerError>),
}

/// What came of the election of one partition, by topic name and index.
pub type ElectionAnswer = (String, i32, Result<(), ControllerError>);

/// `BrokerRegistration`, version 4.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegisterBroker {
    /// `node.id`.
    pub id: NodeId,
    /// The cluster that the broker belongs to, as its `meta.properties` says.
    pub cluster: String,
    /// A new identity for each start of the process.
    pub incarnation: Uuid,
    /// The broker epoch under which it last shut down cleanly, or -1 (KIP-966): any other says that it may have lost
    /// records.
    pub previous_broker_epoch: i64,
    /// Where to reach it.
    pub listeners: Vec<Endpoint>,
    /// The feature levels that it supports, lowest and highest.
    pub features: BTreeMap<String, (i16, i16)>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Its log directories.
    pub directories: Vec<Uuid>,
}

/// A listener of a broker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The listener's name.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The security protocol's number: 0 for PLAINTEXT.
    pub security_protocol: i16,
}

/// `BrokerHeartbeat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    /// `node.id`.
    pub id: NodeId,
    /// Its broker epoch.
    pub broker_epoch: i64,
    /// It has applied every record of the metadata log below this offset. (On the wire Kafka says that of the last
    /// record, one less.)
    pub metadata_offset: Offset,
    /// It wants to be (or stay) fenced.
    pub want_fence: bool,
    /// It wants to shut down: move its leaderships first.
    pub want_shut_down: bool,
}

/// How a broker stands with the controller, as a heartbeat learns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BrokerStanding {
    /// It has applied the metadata up to its own registration.
    pub caught_up: bool,
    /// It is fenced.
    pub fenced: bool,
    /// It may shut down now.
    pub should_shut_down: bool,
}

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Its number of partitions; -1 for the default.
    pub partitions: i32,
    /// Its number of replicas; -1 for the default.
    pub replication_factor: i16,
    /// Replicas by partition, instead of the two numbers.
    pub assignments: Vec<Vec<NodeId>>,
    /// Its configuration.
    pub configs: Vec<(String, String)>,
}

/// A topic by name or by id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TopicReference {
    /// By name.
    Name(String),
    /// By id.
    Id(Uuid),
}

/// A topic that gets more partitions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MorePartitions {
    /// Its name.
    pub name: String,
    /// How many there shall be.
    pub count: i32,
    /// Replicas of the new ones; empty to let the controller choose.
    pub assignments: Vec<Vec<NodeId>>,
}

/// How a leader is to be elected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElectionKind {
    /// The preferred replica, if it is in the ISR.
    Preferred,
    /// Any live replica, where there is no leader.
    Unclean,
}

/// What a configuration belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigResource {
    /// A topic by name.
    Topic(String),
    /// A broker, or with `None` all of them.
    Broker(Option<NodeId>),
}

/// A change of one configuration value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConfigChange {
    /// Its key.
    pub key: String,
    /// What happens to it.
    pub operation: ConfigOperation,
}

/// KIP-339.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ConfigOperation {
    /// Set it.
    Set(String),
    /// Back to the default.
    Delete,
    /// Append to a list.
    Append(String),
    /// Remove from a list.
    Subtract(String),
}

/// Why a controller refuses, with a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ControllerError {
    /// The protocol's error code.
    pub code: i16,
    /// What was found, what was expected.
    pub message: String,
}
