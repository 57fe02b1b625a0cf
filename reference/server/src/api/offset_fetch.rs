//! OffsetFetch (KIP-447, KIP-709, KIP-848): what groups have committed.
//!
//! Before version 8 a request is about one group; here it is one of a list all the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::group::{
    self, GroupError, GroupRequest, GroupResponse, NO_OFFSET, OffsetFetch, OffsetFetchTopic,
};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::offset_fetch::request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use highwater_wire::messages::offset_fetch::response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use highwater_wire::messages::{OffsetFetchRequest, OffsetFetchResponse};
use highwater_wire::{ErrorCode, Str, Uuid};

use super::groups::{self, NamedTopic, ask, code, other};
use super::{Answer, Begun, Context, Later, answered, decode};
use crate::group::Reply;
use crate::runtime::Stopped;

/// From here on an error is about the whole group.
const GROUP_ERROR_SINCE: i16 = 2;
/// From here on a request names several groups (KIP-709).
const SEVERAL_SINCE: i16 = 8;
/// From here on topics are named by ids.
const IDS_SINCE: i16 = 10;

/// A group of which the coordinator was asked.
struct Open {
    asked: OffsetFetchRequestGroup,
    /// Of topics that are named by ids, whether there is one.
    is_known: Vec<bool>,
    reply: Reply,
}

/// Asks the coordinators of all these groups.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: OffsetFetchRequest = decode(header, body)?;
    let version = header.version;
    let require_stable = request.require_stable;
    let mut open = Vec::new();
    for asked in groups_of(request, version) {
        open.push(begin_group(context, version, require_stable, asked).await?);
    }
    let (context, header) = (context.clone(), header.clone());
    let later: Later = Box::pin(async move {
        let mut groups = Vec::with_capacity(open.len());
        for open in open {
            let found = match open.reply.get().await {
                Ok(GroupResponse::OffsetFetch(found)) => found,
                Ok(_) => return other(),
                Err(stopped) => return stopped.into(),
            };
            match present(&context, version, &open.asked, &open.is_known, found).await {
                Ok(group) => groups.push(group),
                Err(stopped) => return stopped.into(),
            }
        }
        respond(&header, groups)
    });
    Ok(Begun::Later(later))
}

/// The groups that a request is about.
fn groups_of(request: OffsetFetchRequest, version: i16) -> Vec<OffsetFetchRequestGroup> {
    if version >= SEVERAL_SINCE {
        return request.groups;
    }
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name,
            topic_id: Uuid::ZERO,
            partition_indexes: topic.partition_indexes,
        });
        topics.collect()
    });
    vec![OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() }]
}

async fn begin_group(
    context: &Context,
    version: i16,
    require_stable: bool,
    asked: OffsetFetchRequestGroup,
) -> Result<Open, Begun> {
    let (mut topics, mut is_known) = (None, Vec::new());
    if let Some(wanted) = &asked.topics {
        let names: Vec<Option<Str>> = if version >= IDS_SINCE {
            let named = wanted.iter().map(|topic| NamedTopic { id: topic.topic_id, ..NamedTopic::default() });
            let found = groups::find_topics(context, true, named.collect()).await?;
            found.into_iter().map(|found| found.map(|found| found.name.into())).collect()
        } else {
            wanted.iter().map(|topic| Some(topic.name.clone())).collect()
        };
        is_known = names.iter().map(Option::is_some).collect();
        let known = wanted.iter().zip(&names).filter_map(|(topic, name)| {
            Some(OffsetFetchTopic {
                name: name.as_ref()?.to_string(),
                topic_id: topic.topic_id,
                partition_indexes: topic.partition_indexes.clone(),
            })
        });
        topics = Some(known.collect());
    }
    let fetch = OffsetFetch { group_id: asked.group_id.to_string(), topics, require_stable };
    let reply = ask(context, &asked.group_id, GroupRequest::OffsetFetch(fetch)).await;
    Ok(Open { asked, is_known, reply })
}

/// What is said of a group.
async fn present(
    context: &Context,
    version: i16,
    asked: &OffsetFetchRequestGroup,
    is_known: &[bool],
    found: group::OffsetFetchResponse,
) -> Result<OffsetFetchResponseGroup, Stopped> {
    let mut answer = OffsetFetchResponseGroup { group_id: asked.group_id.clone(), ..Default::default() };
    if let Some(error) = found.error {
        answer.error_code = error.code();
        answer.topics = refused(version, asked, error);
        return Ok(answer);
    }
    let Some(wanted) = &asked.topics else {
        let mut topics: Vec<OffsetFetchResponseTopics> = found.topics.into_iter().map(offsets).collect();
        if version >= IDS_SINCE {
            name_by_ids(context, &mut topics).await?;
        }
        answer.topics = topics;
        return Ok(answer);
    };
    let mut found = found.topics.into_iter();
    for (topic, is_known) in wanted.iter().zip(is_known) {
        let unknown = || OffsetFetchResponseTopics {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: no_offsets(&topic.partition_indexes, ErrorCode::UNKNOWN_TOPIC_ID),
        };
        let known = if *is_known { found.next().map(offsets) } else { None };
        answer.topics.push(known.unwrap_or_else(unknown));
    }
    Ok(answer)
}

/// Before there was a place for an error of a group, each partition says it.
fn refused(
    version: i16,
    asked: &OffsetFetchRequestGroup,
    error: GroupError,
) -> Vec<OffsetFetchResponseTopics> {
    if version >= GROUP_ERROR_SINCE {
        return Vec::new();
    }
    let topic = |topic: &OffsetFetchRequestTopics| OffsetFetchResponseTopics {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: no_offsets(&topic.partition_indexes, ErrorCode(error.code())),
    };
    asked.topics.iter().flatten().map(topic).collect()
}

fn no_offsets(partitions: &[i32], error: ErrorCode) -> Vec<OffsetFetchResponsePartitions> {
    let partition = |index: &i32| OffsetFetchResponsePartitions {
        partition_index: *index,
        committed_offset: NO_OFFSET,
        error_code: error.0,
        ..Default::default()
    };
    partitions.iter().map(partition).collect()
}

fn offsets(topic: group::OffsetFetchResponseTopic) -> OffsetFetchResponseTopics {
    let partition = |partition: group::OffsetFetchResponsePartition| OffsetFetchResponsePartitions {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: Some(partition.metadata.into()),
        error_code: code(None),
    };
    OffsetFetchResponseTopics {
        name: topic.name.into(),
        topic_id: topic.topic_id,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    }
}

/// Says by its id which topic has offsets. Those that are there no more have no name that the client could read.
async fn name_by_ids(context: &Context, topics: &mut Vec<OffsetFetchResponseTopics>) -> Result<(), Stopped> {
    let named = topics.iter().map(|topic| NamedTopic { name: topic.name.clone(), ..NamedTopic::default() });
    let found = groups::find_topics(context, false, named.collect()).await?;
    let ids: BTreeMap<String, Uuid> =
        found.into_iter().flatten().map(|topic| (topic.name, topic.id)).collect();
    topics.retain_mut(|topic| match ids.get(&*topic.name) {
        Some(id) if topic.topic_id == Uuid::ZERO || topic.topic_id == *id => {
            topic.topic_id = *id;
            true
        }
        _ => false,
    });
    Ok(())
}

fn respond(header: &RequestHeader, mut groups: Vec<OffsetFetchResponseGroup>) -> Answer {
    if header.version >= SEVERAL_SINCE {
        let response = OffsetFetchResponse { groups, ..Default::default() };
        return answered::<OffsetFetchRequest>(header, &response);
    }
    let group = groups.pop().unwrap_or_default();
    let partition = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    };
    let topic = |topic: OffsetFetchResponseTopics| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    };
    let response = OffsetFetchResponse {
        topics: group.topics.into_iter().map(topic).collect(),
        error_code: group.error_code,
        ..Default::default()
    };
    answered::<OffsetFetchRequest>(header, &response)
}
