//! DescribeTopicPartitions: partitions with their eligible leaders, a piece at a time (KIP-966).

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::NodeId;
use highwater_core::controller::{Image, PartitionRegistration};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::describe_topic_partitions::request::Cursor;
use highwater_wire::messages::describe_topic_partitions::response::{
    Cursor as NextCursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use highwater_wire::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use highwater_wire::{ErrorCode, Str, Uuid};

use super::{Begun, Client, Context, cluster, decode, ready};

/// Answers.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: DescribeTopicPartitionsRequest = decode(header, body)?;
    let names: BTreeSet<Str> = request.topics.into_iter().map(|topic| topic.name).collect();
    let is_sound = |cursor: &Cursor| {
        cursor.partition_index >= 0 && (names.is_empty() || names.contains(&cursor.topic_name))
    };
    if request.cursor.as_ref().is_some_and(|cursor| !is_sound(cursor)) {
        return ready::<DescribeTopicPartitionsRequest>(header, &refusal(names));
    }
    let most = i32::try_from(context.config.topics.partitions_per_answer_max).unwrap_or(i32::MAX);
    let limit = request.response_partition_limit.min(most).max(1).unsigned_abs() as usize;
    let (listener, cursor) = (client.listener.clone(), request.cursor);
    let response = context.node.look(move |node| respond(node.image(), &listener, &names, cursor, limit));
    ready::<DescribeTopicPartitionsRequest>(header, &response.await?)
}

/// To a cursor that is none.
fn refusal(names: BTreeSet<Str>) -> DescribeTopicPartitionsResponse {
    let topic = |name| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::INVALID_REQUEST.0,
        name: Some(name),
        ..Default::default()
    };
    DescribeTopicPartitionsResponse { topics: names.into_iter().map(topic).collect(), ..Default::default() }
}

fn respond(
    image: &Image,
    listener: &str,
    names: &BTreeSet<Str>,
    cursor: Option<Cursor>,
    limit: usize,
) -> DescribeTopicPartitionsResponse {
    let (from, first) = cursor.map_or((Str::new(), 0), |cursor| (cursor.topic_name, cursor.partition_index));
    let topics: Box<dyn Iterator<Item = &str>> = if names.is_empty() {
        Box::new(image.topic_names().range(from.to_string()..).map(|(name, _)| name.as_str()))
    } else {
        Box::new(names.range(from.clone()..).map(|name| &**name))
    };
    let (mut response, mut left) = (DescribeTopicPartitionsResponse::default(), limit);
    for name in topics {
        let first = if *name == *from { first } else { 0 };
        if left == 0 {
            response.next_cursor = Some(NextCursor { topic_name: name.into(), partition_index: first });
            break;
        }
        let (topic, next) = describe(image, listener, name, first, left);
        left -= topic.partitions.len();
        response.topics.push(topic);
        if let Some(next) = next {
            response.next_cursor = Some(NextCursor { topic_name: name.into(), partition_index: next });
            break;
        }
    }
    response
}

/// Some of a topic's partitions, and the next, if there are more.
fn describe(
    image: &Image,
    listener: &str,
    name: &str,
    first: i32,
    limit: usize,
) -> (DescribeTopicPartitionsResponseTopic, Option<i32>) {
    let mut answer = DescribeTopicPartitionsResponseTopic {
        name: Some(name.into()),
        is_internal: cluster::is_internal(name),
        topic_authorized_operations: cluster::TOPIC_OPERATIONS,
        ..Default::default()
    };
    let id = image.topic_id(name).unwrap_or(Uuid::ZERO);
    let Some(topic) = image.topic(id) else {
        answer.error_code = cluster::absent(name).0;
        return (answer, None);
    };
    answer.topic_id = id;
    let mut partitions = topic.partitions.range(first..);
    let shown = partitions.by_ref().take(limit);
    answer.partitions =
        shown.map(|(index, partition)| describe_partition(image, listener, *index, partition)).collect();
    (answer, partitions.next().map(|(index, _)| *index))
}

fn describe_partition(
    image: &Image,
    listener: &str,
    index: i32,
    partition: &PartitionRegistration,
) -> DescribeTopicPartitionsResponsePartition {
    let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect::<Vec<_>>();
    let state = &partition.state;
    DescribeTopicPartitionsResponsePartition {
        error_code: 0,
        partition_index: index,
        leader_id: cluster::leader(image, state, listener, 0).0,
        leader_epoch: state.leader_epoch,
        replica_nodes: ids(&state.replicas),
        isr_nodes: ids(&state.isr),
        eligible_leader_replicas: Some(ids(&state.elr)),
        last_known_elr: Some(ids(&state.last_known_elr)),
        offline_replicas: cluster::offline_replicas(image, partition, listener),
    }
}
