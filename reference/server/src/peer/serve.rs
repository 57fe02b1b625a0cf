//! What other nodes ask of this one.
//!
//! All of it is left for later, so that a connection of a node is pipelined: a heartbeat counts when it comes, though an answer before
//! it may still be due. To drop an answer forgets the request, as when its connection breaks.

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::NodeId;
use highwater_core::controller::{ControllerRequest, ControllerResponse};
use highwater_core::quorum;
use highwater_node::message::{PeerRequest, PeerResponse};
use highwater_wire::frame::Frame;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::{
    AllocateProducerIdsRequest, AlterPartitionRequest, BeginQuorumEpochRequest, BrokerHeartbeatRequest,
    BrokerRegistrationRequest, EndQuorumEpochRequest, FetchRequest, FetchSnapshotRequest, VoteRequest,
};
use highwater_wire::{ErrorCode, Request, Str};

use crate::api::{Answer, Begun, Context, decode, ready};
use crate::runtime::Pending;
use crate::translate::{brokers, fetch, quorum as translated};

/// Leaves the answer for when the node has given it. `say` is `None` if the node answered something else than was asked, which it does not.
fn later<R: Request>(
    header: &RequestHeader,
    pending: Pending<PeerResponse>,
    say: impl FnOnce(PeerResponse) -> Option<R::Response> + Send + 'static,
) -> Begun {
    let (version, correlation) = (header.version, header.correlation);
    Begun::Later(Box::pin(async move {
        let response = match pending.await.map(say) {
            Ok(Some(response)) => response,
            Ok(None) => return Answer::Close("the node gave another kind of answer".to_owned()),
            Err(stopped) => return stopped.into(),
        };
        match Frame::response::<R>(&response, version, correlation) {
            Ok(frame) => Answer::Frame(frame),
            Err(error) => Answer::Close(format!("the answer to {} v{version} has {error}", R::NAME)),
        }
    }))
}

/// Whether a request is meant for this cluster: it says so, or does not say.
fn is_ours(context: &Context, cluster: Option<&Str>) -> bool {
    cluster.is_none_or(|cluster| *cluster == context.cluster_id)
}

// ---- the quorum ----

async fn ask_quorum<R: Request>(
    context: &Context,
    header: &RequestHeader,
    from: NodeId,
    request: quorum::Request,
    say: impl FnOnce(quorum::Response, Bytes) -> Option<R::Response> + Send + 'static,
) -> Result<Begun, Begun> {
    let pending = context.node.submit_of_peer(from, PeerRequest::Quorum(request)).await?;
    Ok(later::<R>(header, pending, |response| match response {
        PeerResponse::Quorum(response, bytes) => say(response, bytes),
        _ => None,
    }))
}

/// `Vote`.
pub(crate) async fn vote(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: VoteRequest = decode(header, body)?;
    let refuse = |error: ErrorCode| {
        let response = highwater_wire::messages::VoteResponse { error_code: error.0, ..Default::default() };
        ready::<VoteRequest>(header, &response)
    };
    if !is_ours(context, request.cluster_id.as_ref()) {
        return refuse(ErrorCode::INCONSISTENT_CLUSTER_ID);
    }
    let Ok(asked) = translated::vote_asked(request) else { return refuse(ErrorCode::INVALID_REQUEST) };
    let (from, request) = (asked.candidate.id, quorum::Request::Vote(asked));
    ask_quorum::<VoteRequest>(context, header, from, request, |response, _| match response {
        quorum::Response::Vote(answer) => Some(translated::vote_answer(&answer)),
        _ => None,
    })
    .await
}

/// `BeginQuorumEpoch`.
pub(crate) async fn begin_quorum_epoch(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: BeginQuorumEpochRequest = decode(header, body)?;
    let refuse = |error: ErrorCode| {
        let response =
            highwater_wire::messages::BeginQuorumEpochResponse { error_code: error.0, ..Default::default() };
        ready::<BeginQuorumEpochRequest>(header, &response)
    };
    if !is_ours(context, request.cluster_id.as_ref()) {
        return refuse(ErrorCode::INCONSISTENT_CLUSTER_ID);
    }
    let Ok(asked) = translated::begin_asked(request) else { return refuse(ErrorCode::INVALID_REQUEST) };
    let (from, request) = (asked.leader, quorum::Request::BeginQuorumEpoch(asked));
    ask_quorum::<BeginQuorumEpochRequest>(context, header, from, request, |response, _| match response {
        quorum::Response::BeginQuorumEpoch(answer) => Some(translated::begin_answer(&answer)),
        _ => None,
    })
    .await
}

/// `EndQuorumEpoch`.
pub(crate) async fn end_quorum_epoch(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: EndQuorumEpochRequest = decode(header, body)?;
    let refuse = |error: ErrorCode| {
        let response =
            highwater_wire::messages::EndQuorumEpochResponse { error_code: error.0, ..Default::default() };
        ready::<EndQuorumEpochRequest>(header, &response)
    };
    if !is_ours(context, request.cluster_id.as_ref()) {
        return refuse(ErrorCode::INCONSISTENT_CLUSTER_ID);
    }
    let Ok(asked) = translated::end_asked(request) else { return refuse(ErrorCode::INVALID_REQUEST) };
    let (from, request) = (asked.leader, quorum::Request::EndQuorumEpoch(asked));
    ask_quorum::<EndQuorumEpochRequest>(context, header, from, request, |response, _| match response {
        quorum::Response::EndQuorumEpoch(answer) => Some(translated::end_answer(&answer)),
        _ => None,
    })
    .await
}

/// `FetchSnapshot`.
pub(crate) async fn fetch_snapshot(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: FetchSnapshotRequest = decode(header, body)?;
    let refuse = |error: ErrorCode| {
        let response =
            highwater_wire::messages::FetchSnapshotResponse { error_code: error.0, ..Default::default() };
        ready::<FetchSnapshotRequest>(header, &response)
    };
    if !is_ours(context, request.cluster_id.as_ref()) {
        return refuse(ErrorCode::INCONSISTENT_CLUSTER_ID);
    }
    let Ok(asked) = fetch::snapshot_asked(request) else { return refuse(ErrorCode::INVALID_REQUEST) };
    let (from, request) = (asked.replica.id, quorum::Request::FetchSnapshot(asked));
    ask_quorum::<FetchSnapshotRequest>(context, header, from, request, |response, bytes| match response {
        quorum::Response::FetchSnapshot(answer) => Some(fetch::snapshot_answer(&answer, bytes)),
        _ => None,
    })
    .await
}

// ---- Fetch ----

fn refuse_fetch(header: &RequestHeader, error: ErrorCode) -> Result<Begun, Begun> {
    let response = highwater_wire::messages::FetchResponse { error_code: error.0, ..Default::default() };
    ready::<FetchRequest>(header, &response)
}

/// `Fetch` of the metadata log.
pub(crate) async fn fetch_metadata(
    context: &Arc<Context>,
    header: &RequestHeader,
    request: FetchRequest,
) -> Result<Begun, Begun> {
    if !is_ours(context, request.cluster_id.as_ref()) {
        return refuse_fetch(header, ErrorCode::INCONSISTENT_CLUSTER_ID);
    }
    let Ok(asked) = fetch::quorum_asked(request) else {
        return refuse_fetch(header, ErrorCode::INVALID_REQUEST);
    };
    let (from, request) = (asked.replica.id, quorum::Request::Fetch(asked));
    ask_quorum::<FetchRequest>(context, header, from, request, |response, bytes| match response {
        quorum::Response::Fetch(answer) => Some(fetch::quorum_answer(&answer, bytes)),
        _ => None,
    })
    .await
}

/// `Fetch` of a follower.
pub(crate) async fn fetch_as_leader(
    context: &Arc<Context>,
    header: &RequestHeader,
    request: FetchRequest,
) -> Result<Begun, Begun> {
    if !is_ours(context, request.cluster_id.as_ref()) {
        return refuse_fetch(header, ErrorCode::INCONSISTENT_CLUSTER_ID);
    }
    let Ok((from, asked)) = fetch::replica_asked(request) else {
        return refuse_fetch(header, ErrorCode::INVALID_REQUEST);
    };
    let pending = context.node.submit_of_peer(from, PeerRequest::Fetch(asked)).await?;
    Ok(later::<FetchRequest>(header, pending, |response| match response {
        PeerResponse::Fetch(answers) => Some(fetch::replica_answer(answers)),
        _ => None,
    }))
}

// ---- the controller ----

async fn ask_controller<R: Request>(
    context: &Context,
    header: &RequestHeader,
    from: NodeId,
    request: ControllerRequest,
    say: impl FnOnce(&ControllerResponse) -> R::Response + Send + 'static,
) -> Result<Begun, Begun> {
    let pending = context.node.submit_of_peer(from, PeerRequest::Controller(request)).await?;
    Ok(later::<R>(header, pending, |response| match response {
        PeerResponse::Controller(response) => Some(say(&response)),
        _ => None,
    }))
}

/// `BrokerRegistration`.
pub(crate) async fn broker_registration(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: BrokerRegistrationRequest = decode(header, body)?;
    let asked = brokers::register_asked(request);
    let (from, asked) = (asked.id, ControllerRequest::RegisterBroker(asked));
    ask_controller::<BrokerRegistrationRequest>(context, header, from, asked, brokers::register_answer).await
}

/// `BrokerHeartbeat`.
pub(crate) async fn broker_heartbeat(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: BrokerHeartbeatRequest = decode(header, body)?;
    let asked = brokers::heartbeat_asked(&request);
    let (from, asked) = (asked.id, ControllerRequest::Heartbeat(asked));
    ask_controller::<BrokerHeartbeatRequest>(context, header, from, asked, brokers::heartbeat_answer).await
}

/// `AlterPartition`.
pub(crate) async fn alter_partition(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: AlterPartitionRequest = decode(header, body)?;
    let from = NodeId(request.broker_id);
    let Ok(asked) = brokers::alter_partitions_asked(request) else {
        let error_code = ErrorCode::INVALID_REQUEST.0;
        let response = highwater_wire::messages::AlterPartitionResponse { error_code, ..Default::default() };
        return ready::<AlterPartitionRequest>(header, &response);
    };
    let asked = ControllerRequest::AlterPartitions(asked);
    ask_controller::<AlterPartitionRequest>(context, header, from, asked, brokers::alter_partitions_answer)
        .await
}

/// `AllocateProducerIds`.
pub(crate) async fn allocate_producer_ids(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: AllocateProducerIdsRequest = decode(header, body)?;
    let (broker, broker_epoch) = (NodeId(request.broker_id), request.broker_epoch);
    let asked = ControllerRequest::AllocateProducerIds { broker, broker_epoch };
    ask_controller::<AllocateProducerIdsRequest>(context, header, broker, asked, brokers::allocate_answer)
        .await
}
