//! DeleteRecords: moves the start of logs (KIP-107).

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::Offset;
use highwater_node::message::{ClientRequest, ClientResponse, DeleteRecords, TopicPartition};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::delete_records::response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use highwater_wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use highwater_wire::{ErrorCode, Str, Uuid};

use super::{Begun, Context, decode, ready};

/// What is asked for: the high watermark.
const HIGH_WATERMARK: Offset = -1;

/// Answers once all live replicas have done it, or the time is up.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: DeleteRecordsRequest = decode(header, body)?;
    let names: Vec<&Str> = request.topics.iter().map(|topic| &topic.name).collect();
    let ids = context.state.topics.ids(&context.node, &names).await?;
    let refusal = |id: Uuid, offset: Offset| match (id, offset) {
        (Uuid::ZERO, _) => Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (_, ..HIGH_WATERMARK) => Some(ErrorCode::OFFSET_OUT_OF_RANGE),
        _ => None,
    };
    let mut asked = Vec::new();
    for (topic, id) in request.topics.iter().zip(&ids) {
        for partition in &topic.partitions {
            if refusal(*id, partition.offset).is_none() {
                let offset = Some(partition.offset).filter(|offset| *offset != HIGH_WATERMARK);
                asked.push((TopicPartition { topic: *id, partition: partition.partition_index }, offset));
            }
        }
    }
    let timeout_ms = request.timeout_ms.max(0).unsigned_abs();
    let asked = ClientRequest::DeleteRecords(DeleteRecords { timeout_ms, partitions: asked });
    let ClientResponse::DeleteRecords(results) = context.node.ask(asked).await? else {
        return Err(Begun::Close("the node gave another kind of answer".to_owned()));
    };
    let mut results = results.into_iter().map(|(_, result)| result);
    let topics = request.topics.iter().zip(ids).map(|(topic, id)| {
        let partitions = topic.partitions.iter().map(|partition| {
            let result = match refusal(id, partition.offset) {
                Some(error) => Err(error),
                None => match results.next() {
                    Some(result) => result.map_err(|error| context.state.topics.error(&topic.name, error)),
                    None => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
                },
            };
            DeleteRecordsPartitionResult {
                partition_index: partition.partition_index,
                low_watermark: result.unwrap_or(-1),
                error_code: result.err().unwrap_or_default().0,
            }
        });
        DeleteRecordsTopicResult { name: topic.name.clone(), partitions: partitions.collect() }
    });
    let response = DeleteRecordsResponse { topics: topics.collect(), ..Default::default() };
    ready::<DeleteRecordsRequest>(header, &response)
}
