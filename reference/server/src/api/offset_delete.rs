//! OffsetDelete (KIP-496).

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::group::{GroupRequest, GroupResponse, OffsetDelete};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::offset_delete::response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use highwater_wire::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use highwater_wire::{ErrorCode, Uuid};

use super::groups::{self, NamedTopic, ask, code, later};
use super::{Begun, Context, decode};

/// Has the offsets of partitions that there are deleted by the group's coordinator.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: OffsetDeleteRequest = decode(header, body)?;
    let named = request.topics.iter().map(|topic| NamedTopic {
        name: topic.name.clone(),
        id: Uuid::ZERO,
        partitions: topic.partitions.iter().map(|partition| partition.partition_index).collect(),
    });
    let found = groups::find_topics(context, false, named.collect()).await?;
    let (mut asked, mut answers) = (Vec::new(), Vec::new());
    for (topic, found) in request.topics.into_iter().zip(found) {
        let mut known = Vec::new();
        let partitions = topic.partitions.iter().enumerate().map(|(place, partition)| {
            let is_known = found.as_ref().is_some_and(|found| found.partitions[place]);
            if is_known {
                known.push(partition.partition_index);
            }
            (partition.partition_index, is_known)
        });
        answers.push((topic.name.clone(), partitions.collect::<Vec<_>>()));
        if !known.is_empty() {
            asked.push((topic.name.to_string(), known));
        }
    }
    let delete = OffsetDelete { group_id: request.group_id.to_string(), topics: asked };
    let reply = ask(context, &request.group_id, GroupRequest::OffsetDelete(delete)).await;
    Ok(later::<OffsetDeleteRequest>(header, reply, |response| {
        let GroupResponse::OffsetDelete(response) = response else { return None };
        if response.error.is_some() {
            return Some(OffsetDeleteResponse { error_code: code(response.error), ..Default::default() });
        }
        let mut results = response.topics.into_iter().flat_map(|(_, partitions)| partitions);
        let topics = answers.into_iter().map(|(name, partitions)| {
            let partitions = partitions.into_iter().map(|(partition_index, is_known)| {
                let error_code = if is_known {
                    results.next().map_or(ErrorCode::UNKNOWN_SERVER_ERROR.0, |(_, error)| code(error))
                } else {
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0
                };
                OffsetDeleteResponsePartition { partition_index, error_code }
            });
            OffsetDeleteResponseTopic { name, partitions: partitions.collect() }
        });
        Some(OffsetDeleteResponse { topics: topics.collect(), ..Default::default() })
    }))
}
