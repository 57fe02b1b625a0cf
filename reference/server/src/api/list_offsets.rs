//! ListOffsets: offsets by time, and where logs begin and end (KIP-79, KIP-320, KIP-734, KIP-1005).

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::batch::{Codec, RecordBatch};
use highwater_core::partition::PartitionError;
use highwater_log::disk::RealDisk;
use highwater_node::Node;
use highwater_node::message::{
    ClientRequest, ClientResponse, ListOffsets, ListedOffset, LogId, OffsetAt, OffsetQuery, OffsetReader,
    TopicPartition,
};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::list_offsets::request::ListOffsetsPartition;
use highwater_wire::messages::list_offsets::response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use highwater_wire::messages::{ListOffsetsRequest, ListOffsetsResponse};
use highwater_wire::{ErrorCode, Str, Uuid};

use super::{Begun, Context, decode, ready};
use crate::runtime::Stopped;

/// As much as a batch may take that is opened to find a record: sixteen times what producers may send by default.
const DECOMPRESSED_MAX: usize = 16 << 20;

/// Replica ids: a client's, and that of tools which want to know of any replica.
const CLIENT: i32 = -1;
const DEBUG: i32 = -2;

/// What a timestamp below 0 stands for, and the first version that may say so.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: (i64, i16) = (-3, 7);
const EARLIEST_LOCAL: (i64, i16) = (-4, 8);
const LATEST_TIERED: (i64, i16) = (-5, 9);
const EARLIEST_PENDING_UPLOAD: (i64, i16) = (-6, 11);

/// From here on clients know OFFSET_NOT_AVAILABLE.
const NOT_AVAILABLE_SINCE: i16 = 5;

/// What a partition is asked for.
enum Asked {
    /// The node knows.
    Node(OffsetAt),
    /// There is none: nothing is stored remotely.
    Nothing,
    /// It cannot be.
    Refused(ErrorCode),
}

/// Answers.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: ListOffsetsRequest = decode(header, body)?;
    let names: Vec<&Str> = request.topics.iter().map(|topic| &topic.name).collect();
    let ids = context.state.topics.ids(&context.node, &names).await?;
    let mut seen = HashSet::new();
    let (mut queries, mut ats, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for (topic, id) in request.topics.iter().zip(ids) {
        for partition in &topic.partitions {
            let is_first = seen.insert((&topic.name, partition.partition_index));
            let asked = asked(header.version, partition, id, is_first);
            if let Asked::Node(at) = asked {
                let leader_epoch = partition.current_leader_epoch;
                ats.push(at);
                let partition = TopicPartition { topic: id, partition: partition.partition_index };
                queries.push(OffsetQuery { partition, leader_epoch, at });
            }
            parts.push(asked);
        }
    }
    let reader = match request.replica_id {
        CLIENT => OffsetReader::Client,
        DEBUG => OffsetReader::Debug,
        _ => OffsetReader::Replica,
    };
    let asked = ClientRequest::ListOffsets(ListOffsets { reader, partitions: queries });
    let ClientResponse::ListOffsets(mut found) = context.node.ask(asked).await? else {
        return Err(Begun::Close("the node gave another kind of answer".to_owned()));
    };
    for ((partition, found), at) in found.iter_mut().zip(ats) {
        if let Ok(Some(found)) = found {
            *found = exact(context, *partition, at, *found).await?;
        }
    }
    let (mut found, mut parts) = (found.into_iter().map(|(_, found)| found), parts.into_iter());
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let mut answer = ListOffsetsPartitionResponse {
                partition_index: partition.partition_index,
                ..Default::default()
            };
            match parts.next() {
                Some(Asked::Node(_)) => match found.next() {
                    Some(Ok(Some(found))) => {
                        answer.timestamp = found.timestamp;
                        answer.offset = found.offset;
                        answer.leader_epoch = found.leader_epoch;
                    }
                    Some(Ok(None)) => {}
                    Some(Err(error)) => answer.error_code = error_code(context, header, &topic.name, error).0,
                    None => answer.error_code = ErrorCode::UNKNOWN_SERVER_ERROR.0,
                },
                Some(Asked::Refused(error)) => answer.error_code = error.0,
                Some(Asked::Nothing) | None => {}
            }
            answer
        });
        ListOffsetsTopicResponse { name: topic.name.clone(), partitions: partitions.collect() }
    });
    let response = ListOffsetsResponse { topics: topics.collect(), ..Default::default() };
    ready::<ListOffsetsRequest>(header, &response)
}

fn asked(version: i16, partition: &ListOffsetsPartition, topic: Uuid, is_first: bool) -> Asked {
    if !is_first {
        return Asked::Refused(ErrorCode::INVALID_REQUEST);
    }
    if topic == Uuid::ZERO {
        return Asked::Refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let named = [MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING_UPLOAD];
    let timestamp = partition.timestamp;
    if named.iter().any(|&(named, since)| timestamp == named && version < since) {
        return Asked::Refused(ErrorCode::UNSUPPORTED_VERSION);
    }
    match timestamp {
        LATEST => Asked::Node(OffsetAt::Latest),
        EARLIEST => Asked::Node(OffsetAt::Earliest),
        timestamp if timestamp == EARLIEST_LOCAL.0 => Asked::Node(OffsetAt::Earliest),
        timestamp if timestamp == MAX_TIMESTAMP.0 => Asked::Node(OffsetAt::MaxTimestamp),
        timestamp if timestamp == LATEST_TIERED.0 || timestamp == EARLIEST_PENDING_UPLOAD.0 => Asked::Nothing,
        timestamp => Asked::Node(OffsetAt::Timestamp(timestamp)),
    }
}

/// The record itself where the node found the compressed batch that holds it: nodes open no records.
async fn exact(
    context: &Context,
    partition: TopicPartition,
    at: OffsetAt,
    found: ListedOffset,
) -> Result<ListedOffset, Stopped> {
    let since = match at {
        OffsetAt::Timestamp(timestamp) => timestamp,
        OffsetAt::MaxTimestamp => found.timestamp,
        OffsetAt::Earliest | OffsetAt::Latest => return Ok(found),
    };
    let read = move |node: &Node<RealDisk>| node.read(LogId::Partition(partition), found.offset, 1);
    let Some((_, _, bytes)) = context.node.look(read).await?.unwrap_or_default().into_iter().next() else {
        return Ok(found);
    };
    let opened = tokio::task::spawn_blocking(move || first_since(&bytes, found, since)).await;
    // Whose records cannot be read, or are too many, has the front of its batch for an answer: nothing before it is as new.
    Ok(opened.ok().flatten().unwrap_or(found))
}

/// The first record of a compressed batch, from the offset that was found on, that is not older than `since`.
fn first_since(bytes: &[u8], found: ListedOffset, since: i64) -> Option<ListedOffset> {
    let codec = RecordBatch::parse(bytes).ok()?.header().codec();
    if codec == Codec::None {
        return None;
    }
    let batch = highwater_codec::readable(bytes, codec, true, DECOMPRESSED_MAX).ok()?;
    let records = RecordBatch::parse(&batch).ok()?;
    let record = records
        .records()
        .ok()?
        .map_while(Result::ok)
        .find(|record| record.offset >= found.offset && record.timestamp >= since)?;
    Some(ListedOffset { timestamp: record.timestamp, offset: record.offset, ..found })
}

fn error_code(context: &Context, header: &RequestHeader, name: &Str, error: PartitionError) -> ErrorCode {
    match error {
        PartitionError::OffsetNotAvailable if header.version < NOT_AVAILABLE_SINCE => {
            ErrorCode::LEADER_NOT_AVAILABLE
        }
        error => context.state.topics.error(name, error),
    }
}
