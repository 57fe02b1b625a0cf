//! Metadata: brokers, topics, leaders; topics are created where that is allowed (KIP-4, KIP-516, KIP-599).

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::controller::{Image, Topic};
use highwater_core::{NodeId, Uuid};
use highwater_log::disk::RealDisk;
use highwater_node::Node;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::metadata::request::MetadataRequestTopic;
use highwater_wire::messages::metadata::response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use highwater_wire::messages::{MetadataRequest, MetadataResponse};
use highwater_wire::{ErrorCode, Str};

use super::cluster::{self, Address};
use super::{Begun, Client, Context, creation, decode, ready};

/// From here on unknown topics are named by id, and answered with a null name.
const NULL_NAMES_SINCE: i16 = 12;

/// What a request is about.
enum Wanted {
    All,
    Names(BTreeSet<Str>),
    Ids(BTreeSet<Uuid>),
}

/// By what a request is answered.
struct Query {
    wanted: Wanted,
    version: i16,
    listener: Arc<str>,
    topic_operations: i32,
    /// What came of topics that were to be created.
    refused: Vec<(Str, ErrorCode)>,
}

/// Answers.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: MetadataRequest = decode(header, body)?;
    let version = header.version;
    let Some(wanted) = wanted(&request, version) else {
        return ready::<MetadataRequest>(header, &refusal(request, ErrorCode::INVALID_REQUEST));
    };
    let mut refused = Vec::new();
    let may_create = request.allow_auto_topic_creation && context.config.topics.auto_create;
    if let Wanted::Names(names) = &wanted
        && may_create
    {
        refused = creation::create_missing(context, client, names).await?;
    }
    let operations = |asked: bool, operations: i32| match asked {
        true => operations,
        false => cluster::OPERATIONS_OMITTED,
    };
    let topic_operations = operations(request.include_topic_authorized_operations, cluster::TOPIC_OPERATIONS);
    let query = Query { wanted, version, listener: client.listener.clone(), topic_operations, refused };
    let mut response = context.node.look(move |node| respond(node, query)).await?;
    response.cluster_id = Some(context.cluster_id.clone());
    response.cluster_authorized_operations =
        operations(request.include_cluster_authorized_operations, cluster::CLUSTER_OPERATIONS);
    ready::<MetadataRequest>(header, &response)
}

/// What a request is about; none if it contradicts its version.
fn wanted(request: &MetadataRequest, version: i16) -> Option<Wanted> {
    let Some(topics) = &request.topics else { return Some(Wanted::All) };
    if version == 0 && topics.is_empty() {
        return Some(Wanted::All);
    }
    let is_by_id = |topic: &MetadataRequestTopic| topic.topic_id != Uuid::ZERO || topic.name.is_none();
    if version < NULL_NAMES_SINCE && topics.iter().any(is_by_id) {
        return None;
    }
    let ids: BTreeSet<_> = topics.iter().map(|topic| topic.topic_id).filter(|id| *id != Uuid::ZERO).collect();
    if ids.is_empty() {
        return Some(Wanted::Names(topics.iter().filter_map(|topic| topic.name.clone()).collect()));
    }
    Some(Wanted::Ids(ids))
}

fn refusal(request: MetadataRequest, error: ErrorCode) -> MetadataResponse {
    let topics = request.topics.into_iter().flatten();
    let topic = |topic: MetadataRequestTopic| MetadataResponseTopic {
        error_code: error.0,
        // Nameless where that cannot be said.
        name: Some(topic.name.unwrap_or_default()),
        topic_id: topic.topic_id,
        ..Default::default()
    };
    MetadataResponse { topics: topics.map(topic).collect(), ..Default::default() }
}

/// The answer, as this node knows the cluster.
fn respond(node: &Node<RealDisk>, query: Query) -> MetadataResponse {
    let image = node.image();
    let alive = cluster::alive(image, &query.listener);
    let named = |name: &str| match image.topic_id(name).and_then(|id| Some((id, image.topic(id)?))) {
        Some((id, topic)) => present(image, &query, id, topic),
        None => MetadataResponseTopic {
            error_code: refused(&query, name).0,
            name: Some(name.into()),
            is_internal: cluster::is_internal(name),
            topic_authorized_operations: query.topic_operations,
            ..Default::default()
        },
    };
    let topics = match &query.wanted {
        Wanted::All => image.topic_names().keys().map(|name| named(name)).collect(),
        Wanted::Names(names) => names.iter().map(|name| named(name)).collect(),
        Wanted::Ids(ids) => {
            let topic = |id: &Uuid| match image.topic(*id) {
                Some(topic) => present(image, &query, *id, topic),
                None => MetadataResponseTopic {
                    error_code: ErrorCode::UNKNOWN_TOPIC_ID.0,
                    name: None,
                    topic_id: *id,
                    ..Default::default()
                },
            };
            ids.iter().map(topic).collect()
        }
    };
    let controller_id = cluster::controller_for_clients(node, &alive);
    let broker = |Address { id, host, port, rack }| MetadataResponseBroker { node_id: id, host, port, rack };
    let brokers = alive.into_iter().map(broker).collect();
    MetadataResponse { brokers, controller_id, topics, ..Default::default() }
}

/// The error to a topic that is not there.
fn refused(query: &Query, name: &str) -> ErrorCode {
    let refused = query.refused.iter().find(|(refused, _)| refused == name);
    refused.map_or_else(|| cluster::absent(name), |(_, error)| *error)
}

/// A topic that there is.
fn present(image: &Image, query: &Query, id: Uuid, topic: &Topic) -> MetadataResponseTopic {
    let is_alive = |id: &NodeId| {
        image.broker(*id).is_some_and(|broker| !broker.fenced)
            && cluster::address(image, *id, &query.listener).is_some()
    };
    // In version 0 replicas that are not there are left out, and missed.
    let shown = |ids: &[NodeId]| {
        ids.iter().filter(|id| query.version > 0 || is_alive(id)).map(|id| id.0).collect::<Vec<_>>()
    };
    let partitions = topic.partitions.iter().map(|(index, partition)| {
        let state = &partition.state;
        let (leader_id, error) = cluster::leader(image, state, &query.listener, query.version);
        let (replica_nodes, isr_nodes) = (shown(&state.replicas), shown(&state.isr));
        let misses = replica_nodes.len() < state.replicas.len() || isr_nodes.len() < state.isr.len();
        let error = if misses && error == ErrorCode::NONE { ErrorCode::REPLICA_NOT_AVAILABLE } else { error };
        MetadataResponsePartition {
            error_code: error.0,
            partition_index: *index,
            leader_id,
            leader_epoch: state.leader_epoch,
            replica_nodes,
            isr_nodes,
            offline_replicas: cluster::offline_replicas(image, partition, &query.listener),
        }
    });
    MetadataResponseTopic {
        error_code: 0,
        name: Some(topic.name.as_str().into()),
        topic_id: id,
        is_internal: cluster::is_internal(&topic.name),
        partitions: partitions.collect(),
        topic_authorized_operations: query.topic_operations,
    }
}
