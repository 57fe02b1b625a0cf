//! What other nodes ask of this one.
//!
//! All of it is left for later, so that a connection of a node is pipelined: a heartbeat counts when it comes, though an answer before
//! it may still be due. To drop an answer forgets the request, as when its connection breaks.

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::NodeId;
use highwater_core::controller::{ControllerRequest, ControllerResponse};
use highwater_core::quorum::Request;
use highwater_node::message::{PeerRequest, PeerResponse};
use highwater_quorum::kafka::{self, Asked};
use highwater_wire::frame::Frame;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::{
    AllocateProducerIdsRequest, AlterPartitionRequest, BrokerHeartbeatRequest, BrokerRegistrationRequest,
    FetchRequest,
};
use highwater_wire::{ErrorCode, Request as Asks, Str};

use crate::api::{Answer, Begun, Context, decode, ready};
use crate::runtime::Pending;
use crate::translate::{brokers, fetch};

/// Leaves the answer for when the node has given it. `say` is `None` if the node answered something else than was asked, which it does not.
fn later<R: Asks>(
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

/// `Vote`, `BeginQuorumEpoch`, `EndQuorumEpoch`, `FetchSnapshot`, and `Fetch` of the metadata log.
pub(crate) async fn quorum(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let asked = kafka::asked(header, body, &context.cluster_id);
    let request = match asked.map_err(|error| Begun::Close(error.to_string()))? {
        Asked::Request(request) => request,
        Asked::Refused(frame) => return Ok(Begun::Ready(frame)),
    };
    let pending = context.node.submit_of_peer(sender(&request), PeerRequest::Quorum(request)).await?;
    let header = header.clone();
    Ok(Begun::Later(Box::pin(async move {
        match pending.await {
            Ok(PeerResponse::Quorum(response, bytes)) => match kafka::answer(&header, &response, bytes) {
                Ok(frame) => Answer::Frame(frame),
                Err(error) => Answer::Close(error.to_string()),
            },
            Ok(_) => Answer::Close("the node gave another kind of answer".to_owned()),
            Err(stopped) => stopped.into(),
        }
    })))
}

/// Who asks.
fn sender(request: &Request) -> NodeId {
    match request {
        Request::Vote(asked) => asked.candidate.id,
        Request::BeginQuorumEpoch(asked) => asked.leader,
        Request::EndQuorumEpoch(asked) => asked.leader,
        Request::Fetch(asked) => asked.replica.id,
        Request::FetchSnapshot(asked) => asked.replica.id,
    }
}

// ---- Fetch ----

fn refuse_fetch(header: &RequestHeader, error: ErrorCode) -> Result<Begun, Begun> {
    let response = highwater_wire::messages::FetchResponse { error_code: error.0, ..Default::default() };
    ready::<FetchRequest>(header, &response)
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
        PeerResponse::Fetch(fetched) => Some(fetch::replica_answer(fetched)),
        _ => None,
    }))
}

// ---- the controller ----

async fn ask_controller<R: Asks>(
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
