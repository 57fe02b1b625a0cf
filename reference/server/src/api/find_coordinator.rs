//! FindCoordinator: who coordinates a group (KIP-699).
//!
//! A group's offsets are in one partition of [`OFFSETS_TOPIC`], and who leads that coordinates the group. The topic is created when the first group is
//! looked for.
//!
//! There are no transactions. Who looks for the coordinator of a transactional id is refused as if it were not authorised to use it, with a
//! sentence that says why: of all errors the one on which Java's, librdkafka's and kafka-python's producers give up at once; on others, one or the
//! other asks again until its time is up.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::controller::Image;
use highwater_core::group::partition_of;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::find_coordinator::response::Coordinator;
use highwater_wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use highwater_wire::{ErrorCode, Str};

use super::{Begun, Client, Context, cluster, creation, decode, ready};
use crate::runtime::OFFSETS_TOPIC;

/// What is said to whoever wants a transaction.
pub(super) const NO_TRANSACTIONS: &str =
    "transactions are not supported by this broker: leave transactional.id out";

/// From here on a request has several keys.
const SEVERAL_SINCE: i16 = 4;

/// What keys are.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// Answers.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: FindCoordinatorRequest = decode(header, body)?;
    let keys =
        if header.version >= SEVERAL_SINCE { request.coordinator_keys } else { vec![request.key.clone()] };
    let coordinators = match request.key_type {
        GROUP => of_groups(context, client, keys).await?,
        TRANSACTION => {
            let error = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
            keys.into_iter().map(|key| refused(key, error, NO_TRANSACTIONS.into())).collect()
        }
        kind => {
            let refused = |key| {
                let message = format!("no coordinator has the type {kind}: 0 is that of groups");
                refused(key, ErrorCode::INVALID_REQUEST, message)
            };
            keys.into_iter().map(refused).collect::<Vec<_>>()
        }
    };
    ready::<FindCoordinatorRequest>(header, &response(header.version, coordinators))
}

fn response(version: i16, mut coordinators: Vec<Coordinator>) -> FindCoordinatorResponse {
    if version >= SEVERAL_SINCE {
        return FindCoordinatorResponse { coordinators, ..Default::default() };
    }
    let one = coordinators.pop().unwrap_or_default();
    FindCoordinatorResponse {
        error_code: one.error_code,
        error_message: one.error_message,
        node_id: one.node_id,
        host: one.host,
        port: one.port,
        ..Default::default()
    }
}

fn refused(key: Str, error: ErrorCode, message: String) -> Coordinator {
    let (error_code, error_message) = (error.0, Some(message.into()));
    Coordinator { key, node_id: -1, port: -1, error_code, error_message, ..Default::default() }
}

async fn of_groups(
    context: &Arc<Context>,
    client: &Client,
    keys: Vec<Str>,
) -> Result<Vec<Coordinator>, Begun> {
    let is_there = context.node.look(|node| node.image().topic_id(OFFSETS_TOPIC).is_some());
    if !is_there.await? {
        let topics = BTreeSet::from([Str::from_static(OFFSETS_TOPIC)]);
        // If it cannot be created yet, nobody coordinates yet: who asks, asks again.
        creation::create_missing(context, client, &topics).await?;
    }
    let listener = client.listener.clone();
    let found = context.node.look(move |node| {
        keys.into_iter().map(|key| of_group(node.image(), &listener, key)).collect::<Vec<_>>()
    });
    Ok(found.await?)
}

fn of_group(image: &Image, listener: &str, key: Str) -> Coordinator {
    let topic = image.topic_id(OFFSETS_TOPIC).and_then(|id| image.topic(id));
    let leader = topic.and_then(|topic| {
        let partitions = i32::try_from(topic.partitions.len()).ok().filter(|count| *count > 0)?;
        let partition = topic.partitions.get(&partition_of(&key, partitions))?;
        partition.state.leader
    });
    match leader.and_then(|leader| cluster::address(image, leader, listener)) {
        Some(cluster::Address { id, host, port, .. }) => {
            Coordinator { key, node_id: id, host, port, error_message: None, ..Default::default() }
        }
        None => {
            let message = format!("the partition of {OFFSETS_TOPIC} that has the group has no leader now");
            refused(key, ErrorCode::COORDINATOR_NOT_AVAILABLE, message)
        }
    }
}
