//! OffsetForLeaderEpoch: where leader epochs end, so that clients see whether what they read is there still (KIP-101, KIP-279, KIP-320).

use std::sync::Arc;

use bytes::Bytes;
use highwater_node::message::{ClientRequest, ClientResponse, EpochQuery, TopicPartition};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::offset_for_leader_epoch::response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use highwater_wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use highwater_wire::{ErrorCode, Str, Uuid};

use super::{Begun, Context, decode, ready};

/// Answers.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: OffsetForLeaderEpochRequest = decode(header, body)?;
    let names: Vec<&Str> = request.topics.iter().map(|topic| &topic.topic).collect();
    let ids = context.state.topics.ids(&context.node, &names).await?;
    let known = request.topics.iter().zip(&ids).filter(|(_, id)| **id != Uuid::ZERO);
    let queries = known.flat_map(|(topic, id)| {
        topic.partitions.iter().map(|partition| EpochQuery {
            partition: TopicPartition { topic: *id, partition: partition.partition },
            current_leader_epoch: partition.current_leader_epoch,
            epoch: partition.leader_epoch,
        })
    });
    let asked = ClientRequest::OffsetsForLeaderEpoch(queries.collect());
    let ClientResponse::OffsetsForLeaderEpoch(ends) = context.node.ask(asked).await? else {
        return Err(Begun::Close("the node gave another kind of answer".to_owned()));
    };
    let mut ends = ends.into_iter().map(|(_, end)| end);
    let topics = request.topics.iter().zip(ids).map(|(topic, id)| {
        let partitions = topic.partitions.iter().map(|partition| {
            let end = if id == Uuid::ZERO { None } else { ends.next() };
            let mut answer = EpochEndOffset { partition: partition.partition, ..Default::default() };
            match end {
                Some(Ok(Some(end))) => {
                    answer.leader_epoch = end.epoch;
                    answer.end_offset = end.end;
                }
                Some(Ok(None)) => {}
                Some(Err(error)) => answer.error_code = context.state.topics.error(&topic.topic, error).0,
                None => answer.error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0,
            }
            answer
        });
        OffsetForLeaderTopicResult { topic: topic.topic.clone(), partitions: partitions.collect() }
    });
    let response = OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() };
    ready::<OffsetForLeaderEpochRequest>(header, &response)
}
