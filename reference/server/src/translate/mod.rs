//! Between the node's types and Kafka's messages, both ways.
//!
//! What nodes ask of each other goes in Kafka's own APIs, each in its newest version. [`encode`] makes a frame of what the node wants
//! sent; [`decode`] makes of the frame that answers it what the node expects. The other side has the same in single functions, which
//! its APIs call.
//!
//! # Invariants
//! - Every field that a core needs comes out as it went in: request and response of each kind, as property tests hold.
//! - What the node does not expect (another topic, an error code that it does not know) is an error here, never a guess.
//! - An answer about several topics or resources is paired with what was asked for by name, not by position; what was not answered
//!   counts as failed. A refusal as a whole, where the wire has no place for it, stands with each part.
//!
//! # Where it differs from Kafka
//! - The protocol has no room for a sentence in answers to brokers; who gets one reads the error code's name.
//! - A request of a client goes to the controller as if the broker had it of itself, not in an Envelope: there is no access control for which
//!   the controller would have to know the client.
//! - AlterPartition says one broker epoch for all partitions: entries of an earlier one are not sent, and answered
//!   STALE_BROKER_EPOCH, as the controller would.

pub(crate) mod brokers;
pub(crate) mod configs;
pub(crate) mod elections;
pub(crate) mod features;
pub(crate) mod fetch;
#[cfg(test)]
mod forwarded_tests;
#[cfg(test)]
mod tests;
pub(crate) mod topics;

use bytes::Bytes;
use highwater_core::NodeId;
use highwater_core::controller::{ControllerError, ControllerRequest, ControllerResponse};
use highwater_core::partition::PartitionError;
use highwater_node::message::{PeerRequest, PeerResponse};
use highwater_quorum::kafka;
pub(crate) use highwater_quorum::kafka::{Untranslatable, election as quorum};
use highwater_wire::frame::Frame;
use highwater_wire::header::decode_response;
use highwater_wire::messages as wire;
use highwater_wire::{ErrorCode, Request, Str};

/// What a node says of itself in what it asks of others.
#[derive(Debug, Clone)]
pub(crate) struct Speaker {
    /// To members of the quorum, and in part to all.
    pub(crate) quorum: kafka::Speaker,
    /// `node.id`.
    pub(crate) node: NodeId,
    /// How long the controller may take over what clients asked for, in milliseconds.
    pub(crate) timeout_ms: i32,
}

/// An error with a sentence.
pub(crate) fn untranslatable<T>(what: impl Into<String>) -> Result<T, Untranslatable> {
    Err(Untranslatable(what.into()))
}

/// The frame that asks another node this.
pub(crate) fn encode(
    request: &PeerRequest,
    speaker: &Speaker,
    correlation: i32,
) -> Result<Frame, Untranslatable> {
    let asking = Asking { speaker, correlation };
    match request {
        PeerRequest::Quorum(request) => kafka::encode(request, &speaker.quorum, correlation),
        PeerRequest::Fetch(fetch) => asking.frame(&fetch::replica(fetch, speaker.node, speaker)),
        PeerRequest::Controller(request) => encode_for_controller(request, &asking),
    }
}

/// What another node answered to this.
pub(crate) fn decode(request: &PeerRequest, frame: Bytes) -> Result<PeerResponse, Untranslatable> {
    Ok(match request {
        PeerRequest::Quorum(request) => {
            let (response, bytes) = kafka::decode(request, frame)?;
            PeerResponse::Quorum(response, bytes)
        }
        PeerRequest::Fetch(_) => {
            PeerResponse::Fetch(fetch::replica_answered(answer::<wire::FetchRequest>(frame)?)?)
        }
        PeerRequest::Controller(request) => PeerResponse::Controller(decode_of_controller(request, frame)?),
    })
}

fn encode_for_controller(request: &ControllerRequest, asking: &Asking<'_>) -> Result<Frame, Untranslatable> {
    match request {
        ControllerRequest::RegisterBroker(register) => asking.frame(&brokers::register(register)),
        ControllerRequest::Heartbeat(heartbeat) => asking.frame(&brokers::heartbeat(heartbeat)),
        ControllerRequest::UnregisterBroker(broker) => asking.frame(&brokers::unregister(*broker)),
        ControllerRequest::AlterPartitions(asked) => asking.frame(&brokers::alter_partitions(asked)),
        ControllerRequest::AllocateProducerIds { broker, broker_epoch } => {
            asking.frame(&brokers::allocate_producer_ids(*broker, *broker_epoch))
        }
        ControllerRequest::CreateTopics { topics, validate_only } => {
            asking.frame(&topics::create_topics(topics, *validate_only, asking.speaker.timeout_ms))
        }
        ControllerRequest::CreatePartitions { topics, validate_only } => {
            asking.frame(&topics::create_partitions(topics, *validate_only, asking.speaker.timeout_ms))
        }
        ControllerRequest::DeleteTopics(topics) => {
            asking.frame(&topics::delete_topics(topics, asking.speaker.timeout_ms))
        }
        ControllerRequest::ElectLeaders { kind, partitions } => {
            asking.frame(&elections::elect_leaders(*kind, partitions.as_deref(), asking.speaker.timeout_ms))
        }
        ControllerRequest::AlterConfigs { changes, validate_only } => {
            asking.frame(&configs::alter_configs(changes, *validate_only))
        }
        ControllerRequest::UpdateFeatures { updates, validate_only } => {
            asking.frame(&features::update_features(updates, *validate_only, asking.speaker.timeout_ms))
        }
    }
}

fn decode_of_controller(
    request: &ControllerRequest,
    frame: Bytes,
) -> Result<ControllerResponse, Untranslatable> {
    Ok(match request {
        ControllerRequest::RegisterBroker(_) => {
            brokers::registered(&answer::<wire::BrokerRegistrationRequest>(frame)?)
        }
        ControllerRequest::Heartbeat(_) => brokers::heard(&answer::<wire::BrokerHeartbeatRequest>(frame)?),
        ControllerRequest::UnregisterBroker(_) => {
            brokers::unregistered(&answer::<wire::UnregisterBrokerRequest>(frame)?)
        }
        ControllerRequest::AlterPartitions(asked) => {
            brokers::altered(asked, answer::<wire::AlterPartitionRequest>(frame)?)?
        }
        ControllerRequest::AllocateProducerIds { .. } => {
            brokers::allocated(&answer::<wire::AllocateProducerIdsRequest>(frame)?)
        }
        ControllerRequest::CreateTopics { topics, .. } => {
            topics::topics_created(topics, answer::<wire::CreateTopicsRequest>(frame)?)
        }
        ControllerRequest::CreatePartitions { topics, .. } => {
            topics::partitions_created(topics, answer::<wire::CreatePartitionsRequest>(frame)?)
        }
        ControllerRequest::DeleteTopics(topics) => {
            topics::topics_deleted(topics, &answer::<wire::DeleteTopicsRequest>(frame)?)
        }
        ControllerRequest::ElectLeaders { .. } => {
            elections::leaders_elected(answer::<wire::ElectLeadersRequest>(frame)?)
        }
        ControllerRequest::AlterConfigs { changes, .. } => {
            configs::configs_altered(changes, answer::<wire::IncrementalAlterConfigsRequest>(frame)?)
        }
        ControllerRequest::UpdateFeatures { .. } => {
            features::features_updated(answer::<wire::UpdateFeaturesRequest>(frame)?)
        }
    })
}

/// A request that is being written.
struct Asking<'a> {
    speaker: &'a Speaker,
    correlation: i32,
}

impl Asking<'_> {
    /// In its newest version.
    fn frame<R: Request>(&self, request: &R) -> Result<Frame, Untranslatable> {
        let name = self.speaker.quorum.name.clone();
        Frame::request(request, *R::VERSIONS.end(), self.correlation, Some(name))
            .map_err(|error| Untranslatable(format!("{} has {error}", R::NAME)))
    }
}

/// The answer to an `R` of its newest version.
fn answer<R: Request>(frame: Bytes) -> Result<R::Response, Untranslatable> {
    decode_response::<R>(*R::VERSIONS.end(), frame)
        .map_err(|error| Untranslatable(format!("the answer to {} {error}", R::NAME)))
}

/// The controller's refusal, if this code is one.
pub(crate) fn refusal(code: i16) -> Option<ControllerError> {
    let code = ErrorCode(code);
    code.is_error()
        .then(|| ControllerError { code: code.0, message: format!("the controller answered {code}") })
}

/// The error about a partition that this code is; none for 0.
pub(crate) fn partition_error(code: i16) -> Result<Option<PartitionError>, Untranslatable> {
    if code == 0 {
        return Ok(None);
    }
    match PARTITION_ERRORS.iter().find(|error| **error as i16 == code) {
        Some(error) => Ok(Some(*error)),
        None => untranslatable(format!("{}, which no partition says", ErrorCode(code))),
    }
}

/// All that a partition may say.
const PARTITION_ERRORS: &[PartitionError] = {
    use PartitionError::*;
    &[
        OffsetOutOfRange,
        CorruptMessage,
        UnknownTopicOrPartition,
        LeaderNotAvailable,
        NotLeaderOrFollower,
        RequestTimedOut,
        MessageTooLarge,
        InvalidTopic,
        NotEnoughReplicas,
        NotEnoughReplicasAfterAppend,
        InvalidTimestamp,
        NotController,
        InvalidRequest,
        UnsupportedForMessageFormat,
        PolicyViolation,
        OutOfOrderSequenceNumber,
        DuplicateSequenceNumber,
        InvalidProducerEpoch,
        InvalidTxnState,
        StorageError,
        UnknownProducerId,
        FencedLeaderEpoch,
        UnknownLeaderEpoch,
        UnsupportedCompressionType,
        StaleBrokerEpoch,
        OffsetNotAvailable,
        InvalidRecord,
        InvalidUpdateVersion,
        UnknownTopicId,
        IneligibleReplica,
        NewLeaderElected,
    ]
};

/// Ids as the wire has them.
pub(crate) fn ids(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}

/// Ids as the cores have them.
pub(crate) fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

/// The result that an error code and its message stand for.
pub(crate) fn outcome(code: i16, message: Option<Str>) -> Result<(), ControllerError> {
    match code {
        0 => Ok(()),
        code => Err(ControllerError { code, message: message.map(String::from).unwrap_or_default() }),
    }
}

/// The error code and message of a result.
pub(crate) fn codes<T>(result: Result<T, ControllerError>) -> (i16, Option<Str>) {
    match result {
        Ok(_) => (0, None),
        Err(error) => (error.code, Some(error.message.into())),
    }
}

/// What stands for an answer that is missing.
pub(crate) fn unanswered() -> ControllerError {
    let message = "the controller did not answer this part of the request".to_owned();
    ControllerError { code: ControllerError::UNKNOWN_SERVER_ERROR, message }
}
