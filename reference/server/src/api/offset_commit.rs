//! OffsetCommit (KIP-320, KIP-345, KIP-848).

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::group::{
    self, GroupRequest, GroupResponse, OffsetCommit, OffsetCommitPartition, OffsetCommitTopic,
};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::offset_commit::request::OffsetCommitRequestPartition;
use highwater_wire::messages::offset_commit::response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use highwater_wire::messages::{OffsetCommitRequest, OffsetCommitResponse};
use highwater_wire::{ErrorCode, Uuid};

use super::groups::{self, FoundTopic, NamedTopic, ask, code, later, owned};
use super::{Begun, Context, decode, ready};

/// From here on an error says that a group is not there.
const MISSING_IS_ERROR_SINCE: i16 = 9;
/// From here on topics are named by ids.
const IDS_SINCE: i16 = 10;

/// Hands the offsets of partitions that there are to the group's coordinator.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: OffsetCommitRequest = decode(header, body)?;
    let uses_ids = header.version >= IDS_SINCE;
    let named = request.topics.iter().map(|topic| NamedTopic {
        name: topic.name.clone(),
        id: topic.topic_id,
        partitions: topic.partitions.iter().map(|partition| partition.partition_index).collect(),
    });
    let found = groups::find_topics(context, uses_ids, named.collect()).await?;
    let (mut asked, mut answers) = (Vec::new(), Vec::new());
    for (topic, found) in request.topics.iter().zip(found) {
        let refusal = groups::unknown(uses_ids, &found);
        let mut known = Vec::new();
        let partitions = topic.partitions.iter().enumerate().map(|(place, partition)| {
            let is_known = found.as_ref().is_some_and(|found| found.partitions[place]);
            if is_known {
                known.push(to_commit(partition));
            }
            (partition.partition_index, (!is_known).then_some(refusal))
        });
        answers.push((topic.name.clone(), topic.topic_id, partitions.collect::<Vec<_>>()));
        if let Some(FoundTopic { name, .. }) = found
            && !known.is_empty()
        {
            let topic_id = if uses_ids { topic.topic_id } else { Uuid::ZERO };
            asked.push(OffsetCommitTopic { name, topic_id, partitions: known });
        }
    }
    let respond = move |committed: Vec<group::OffsetCommitResponseTopic>| {
        let mut results = committed.into_iter().flat_map(|topic| topic.partitions);
        let topics = answers.into_iter().map(|(name, topic_id, partitions)| {
            let partitions = partitions.into_iter().map(|(partition_index, refusal)| {
                let error_code = match refusal {
                    Some(refusal) => refusal.0,
                    None => match results.next() {
                        Some((_, error)) => code(error),
                        None => ErrorCode::UNKNOWN_SERVER_ERROR.0,
                    },
                };
                OffsetCommitResponsePartition { partition_index, error_code }
            });
            OffsetCommitResponseTopic { name, topic_id, partitions: partitions.collect() }
        });
        OffsetCommitResponse { topics: topics.collect(), ..Default::default() }
    };
    if asked.is_empty() {
        return ready::<OffsetCommitRequest>(header, &respond(Vec::new()));
    }
    let commit = OffsetCommit {
        group_id: request.group_id.to_string(),
        generation_id: request.generation_id_or_member_epoch,
        member_id: request.member_id.to_string(),
        group_instance_id: owned(&request.group_instance_id),
        retention_time_ms: request.retention_time_ms,
        names_missing_group: header.version >= MISSING_IS_ERROR_SINCE,
        topics: asked,
    };
    let reply = ask(context, &request.group_id, GroupRequest::OffsetCommit(commit)).await;
    Ok(later::<OffsetCommitRequest>(header, reply, |response| match response {
        GroupResponse::OffsetCommit(committed) => Some(respond(committed)),
        _ => None,
    }))
}

fn to_commit(partition: &OffsetCommitRequestPartition) -> OffsetCommitPartition {
    OffsetCommitPartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        committed_metadata: owned(&partition.committed_metadata),
    }
}
