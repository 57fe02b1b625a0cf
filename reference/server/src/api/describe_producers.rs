//! DescribeProducers: idempotent producers as the leaders of partitions know them (KIP-664).

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::producer::Producer;
use highwater_log::disk::RealDisk;
use highwater_node::message::TopicPartition;
use highwater_node::{Node, Role};
use highwater_wire::ErrorCode;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::describe_producers::request::TopicRequest;
use highwater_wire::messages::describe_producers::response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use highwater_wire::messages::{DescribeProducersRequest, DescribeProducersResponse};

use super::{Begun, Context, cluster, decode, ready};

/// Answers.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: DescribeProducersRequest = decode(header, body)?;
    let topics = context
        .node
        .look(move |node| request.topics.into_iter().map(|topic| describe(node, topic)).collect::<Vec<_>>());
    let response = DescribeProducersResponse { topics: topics.await?, ..Default::default() };
    ready::<DescribeProducersRequest>(header, &response)
}

fn describe(node: &Node<RealDisk>, mut topic: TopicRequest) -> TopicResponse {
    // Each once: the answer is many times as long as the question.
    topic.partition_indexes.sort_unstable();
    topic.partition_indexes.dedup();
    let id = node.image().topic_id(&topic.name);
    let partitions = topic.partition_indexes.into_iter().map(|index| {
        let producers = match id {
            None => Err(cluster::absent(&topic.name)),
            Some(id) => producers(node, TopicPartition { topic: id, partition: index }),
        };
        PartitionResponse {
            partition_index: index,
            error_code: producers.as_ref().err().copied().unwrap_or_default().0,
            error_message: None,
            active_producers: producers.unwrap_or_default(),
        }
    });
    TopicResponse { partitions: partitions.collect(), name: topic.name }
}

fn producers(node: &Node<RealDisk>, id: TopicPartition) -> Result<Vec<ProducerState>, ErrorCode> {
    if node.image().partition(id.topic, id.partition).is_none() {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let leads = node.replica(id).is_some_and(|replica| replica.role == Role::Leader);
    let producers = node.producers(id).filter(|_| leads).ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
    let state = |(id, producer): (i64, &Producer)| ProducerState {
        producer_id: id,
        producer_epoch: producer.epoch().into(),
        last_sequence: producer.last_sequence(),
        last_timestamp: producer.last_timestamp(),
        coordinator_epoch: producer.coordinator_epoch(),
        current_txn_start_offset: producer.transaction_start().unwrap_or(-1),
    };
    Ok(producers.iter().map(state).collect())
}
