//! The controller's refusals, with Kafka's error codes.

use alloc::format;
use alloc::string::String;

use super::message::{ControllerError, ControllerRequest, ControllerResponse};
use crate::NodeId;

impl ControllerRequest {
    /// The answer that refuses this request as a whole.
    pub fn refused(&self, error: ControllerError) -> ControllerResponse {
        match self {
            Self::RegisterBroker(_) => ControllerResponse::RegisterBroker(Err(error)),
            Self::Heartbeat(_) => ControllerResponse::Heartbeat(Err(error)),
            Self::UnregisterBroker(_) => ControllerResponse::UnregisterBroker(Err(error)),
            Self::AlterPartitions(_) => ControllerResponse::AlterPartitions(Err(error)),
            Self::CreateTopics { .. } => ControllerResponse::CreateTopics(Err(error)),
            Self::DeleteTopics(_) => ControllerResponse::DeleteTopics(Err(error)),
            Self::CreatePartitions { .. } => ControllerResponse::CreatePartitions(Err(error)),
            Self::ElectLeaders { .. } => ControllerResponse::ElectLeaders(Err(error)),
            Self::AlterConfigs { .. } => ControllerResponse::AlterConfigs(Err(error)),
            Self::AllocateProducerIds { .. } => ControllerResponse::AllocateProducerIds(Err(error)),
            Self::UpdateFeatures { .. } => ControllerResponse::UpdateFeatures(Err(error)),
        }
    }
}

impl ControllerResponse {
    /// In the place of this answer, one of the same kind that refuses the request as a whole.
    pub(super) fn refused(&self, error: ControllerError) -> Self {
        match self {
            Self::RegisterBroker(_) => Self::RegisterBroker(Err(error)),
            Self::Heartbeat(_) => Self::Heartbeat(Err(error)),
            Self::UnregisterBroker(_) => Self::UnregisterBroker(Err(error)),
            Self::AlterPartitions(_) => Self::AlterPartitions(Err(error)),
            Self::CreateTopics(_) => Self::CreateTopics(Err(error)),
            Self::DeleteTopics(_) => Self::DeleteTopics(Err(error)),
            Self::CreatePartitions(_) => Self::CreatePartitions(Err(error)),
            Self::ElectLeaders(_) => Self::ElectLeaders(Err(error)),
            Self::AlterConfigs(_) => Self::AlterConfigs(Err(error)),
            Self::AllocateProducerIds(_) => Self::AllocateProducerIds(Err(error)),
            Self::UpdateFeatures(_) => Self::UpdateFeatures(Err(error)),
        }
    }
}

/// Names of Kafka's error codes: `(name, code, meaning)`.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// The error codes that a controller answers with. The numbers are the protocol's.
        impl ControllerError {
            $($(#[$doc])* pub const $name: i16 = $code;)*
        }
    };
}

codes! {
    /// Something that should not happen.
    UNKNOWN_SERVER_ERROR = -1;
    /// No such topic or partition.
    UNKNOWN_TOPIC_OR_PARTITION = 3;
    /// A topic name that may not be.
    INVALID_TOPIC = 17;
    /// A feature or version that is not supported.
    UNSUPPORTED_VERSION = 35;
    /// A topic of this name is there.
    TOPIC_ALREADY_EXISTS = 36;
    /// A number of partitions that may not be.
    INVALID_PARTITIONS = 37;
    /// More replicas than brokers, or none.
    INVALID_REPLICATION_FACTOR = 38;
    /// Replicas that may not be.
    INVALID_REPLICA_ASSIGNMENT = 39;
    /// A configuration that may not be.
    INVALID_CONFIG = 40;
    /// The receiver is not the active controller.
    NOT_CONTROLLER = 41;
    /// A field contradicts another.
    INVALID_REQUEST = 42;
    /// More than may be asked for at once.
    POLICY_VIOLATION = 44;
    /// The sender's broker epoch is not its newest.
    STALE_BROKER_EPOCH = 77;
    /// The preferred replica cannot lead now.
    PREFERRED_LEADER_NOT_AVAILABLE = 80;
    /// Nobody who could lead is there.
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83;
    /// The partition has the leader it should have.
    ELECTION_NOT_NEEDED = 84;
    /// A feature level that may not be.
    INVALID_UPDATE_VERSION = 95;
    /// No topic has this id.
    UNKNOWN_TOPIC_ID = 100;
    /// Another process is registered under this id, and lives.
    DUPLICATE_BROKER_REGISTRATION = 101;
    /// No broker of this id is registered.
    BROKER_ID_NOT_REGISTERED = 102;
    /// The sender belongs to another cluster.
    INCONSISTENT_CLUSTER_ID = 104;
    /// A registration that contradicts itself or others.
    INVALID_REGISTRATION = 119;
}

impl ControllerError {
    /// The receiver is not the active controller.
    pub fn not_controller() -> Self {
        Self::new(Self::NOT_CONTROLLER, "this node is not the active controller")
    }

    pub(super) fn new(code: i16, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn unknown_topic(name: &str) -> Self {
        Self::new(Self::UNKNOWN_TOPIC_OR_PARTITION, format!("there is no topic {name}"))
    }

    pub(super) fn not_registered(broker: NodeId) -> Self {
        Self::new(Self::BROKER_ID_NOT_REGISTERED, format!("broker {} is not registered", broker.0))
    }
}
