//! Fetch of the quorum's log, and FetchSnapshot (KIP-595, KIP-630).

use bytes::Bytes;
use highwater_core::quorum::{
    FetchRequest, FetchResponse, FetchSnapshotRequest, FetchSnapshotResponse, ReplicaKey, SnapshotId,
};
use highwater_core::{EpochEnd, NodeId, Uuid};
use highwater_wire::messages::fetch::request::{FetchPartition, FetchTopic, ReplicaState};
use highwater_wire::messages::fetch::response::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData,
};
use highwater_wire::messages::{fetch, fetch_snapshot};

use super::election::{
    METADATA_TOPIC, code, elsewhere, last_epoch, leader, leader_id, only_partition, quorum_error, whole,
};
use super::{Speaker, Untranslatable};

/// A fetch without a session (KIP-227).
pub const NO_SESSION: i32 = -1;

/// Who fetches, and under which broker epoch; none if it is a consumer. Before version 15 it stands elsewhere, without an epoch.
pub fn fetcher(request: &fetch::FetchRequest) -> Option<(NodeId, i64)> {
    let ReplicaState { replica_id, replica_epoch } = request.replica_state;
    if replica_id >= 0 {
        Some((NodeId(replica_id), replica_epoch))
    } else {
        (request.replica_id >= 0).then_some((NodeId(request.replica_id), -1))
    }
}

/// Whether a fetch is about the metadata log.
pub fn is_of_metadata(request: &fetch::FetchRequest) -> bool {
    let is = |topic: &FetchTopic| topic.topic_id == Uuid::METADATA || topic.topic == METADATA_TOPIC;
    request.topics.first().is_some_and(is)
}

/// A time as the wire has it, in milliseconds.
pub fn milliseconds(wait: u32) -> i32 {
    i32::try_from(wait).unwrap_or(i32::MAX)
}

/// What the wire has with a sign; below 0 counts as 0.
pub fn unsigned(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// Where a follower has to truncate, as the wire has it.
pub fn diverging(end: Option<EpochEnd>) -> EpochEndOffset {
    end.map_or_else(Default::default, |end| EpochEndOffset { epoch: end.epoch, end_offset: end.end })
}

/// Where the wire says that a follower has to truncate, if it does.
pub fn diverged(end: &EpochEndOffset) -> Option<EpochEnd> {
    (end.end_offset >= 0).then_some(EpochEnd { epoch: end.epoch, end: end.end_offset })
}

// ---- of the metadata log ----

/// Asks.
pub fn quorum(asked: &FetchRequest, speaker: &Speaker) -> fetch::FetchRequest {
    let partition = FetchPartition {
        partition: 0,
        current_leader_epoch: asked.epoch,
        fetch_offset: asked.offset,
        last_fetched_epoch: last_epoch(asked.last_epoch),
        log_start_offset: 0,
        partition_max_bytes: i32::MAX,
        replica_directory_id: asked.replica.directory,
        high_watermark: asked.high_watermark.unwrap_or(-1),
    };
    fetch::FetchRequest {
        max_wait_ms: milliseconds(asked.max_wait_ms),
        session_epoch: NO_SESSION,
        topics: vec![FetchTopic {
            topic_id: Uuid::METADATA,
            partitions: vec![partition],
            ..Default::default()
        }],
        cluster_id: Some(speaker.cluster.clone()),
        replica_state: ReplicaState { replica_id: asked.replica.id.0, replica_epoch: -1 },
        ..Default::default()
    }
}

/// Is asked.
pub fn quorum_asked(request: fetch::FetchRequest) -> Result<FetchRequest, Untranslatable> {
    let of = || elsewhere("Fetch");
    let (id, _) =
        fetcher(&request).ok_or_else(|| Untranslatable("Fetch does not say who fetches".to_owned()))?;
    let max_wait_ms = unsigned(request.max_wait_ms);
    let is_metadata = is_of_metadata(&request);
    let mut topics = request.topics.into_iter();
    let (Some(topic), None) = (topics.next(), topics.next()) else { return Err(of()) };
    let mut partitions = topic.partitions.into_iter();
    let (Some(partition), None) = (partitions.next(), partitions.next()) else { return Err(of()) };
    if !is_metadata || partition.partition != 0 {
        return Err(of());
    }
    Ok(FetchRequest {
        replica: ReplicaKey { id, directory: partition.replica_directory_id },
        epoch: partition.current_leader_epoch,
        offset: partition.fetch_offset,
        last_epoch: partition.last_fetched_epoch,
        // Who does not say has the largest number there is: it is never behind.
        high_watermark: (partition.high_watermark >= 0).then_some(partition.high_watermark),
        max_wait_ms,
    })
}

/// Answers, with the bytes of the records.
pub fn quorum_answer(answer: &FetchResponse, records: Bytes) -> fetch::FetchResponse {
    let snapshot = answer.snapshot.map_or_else(Default::default, |snapshot| fetch::response::SnapshotId {
        end_offset: snapshot.end,
        epoch: snapshot.epoch,
    });
    let partition = PartitionData {
        partition_index: 0,
        error_code: code(answer.error),
        high_watermark: answer.high_watermark.unwrap_or(-1),
        last_stable_offset: -1,
        log_start_offset: answer.log_start,
        records: Some(records),
        diverging_epoch: diverging(answer.diverging),
        current_leader: LeaderIdAndEpoch { leader_id: leader_id(answer.leader), leader_epoch: answer.epoch },
        snapshot_id: snapshot,
        ..Default::default()
    };
    let topic = FetchableTopicResponse {
        topic: METADATA_TOPIC,
        topic_id: Uuid::METADATA,
        partitions: vec![partition],
    };
    fetch::FetchResponse { responses: vec![topic], ..Default::default() }
}

/// Is answered, with the bytes of the records. Which records they are, the node finds out.
pub fn quorum_answered(response: fetch::FetchResponse) -> Result<(FetchResponse, Bytes), Untranslatable> {
    let of = || elsewhere("the answer to Fetch");
    whole("Fetch", response.error_code)?;
    let mut topics = response.responses.into_iter();
    let (Some(topic), None) = (topics.next(), topics.next()) else { return Err(of()) };
    let mut partitions = topic.partitions.into_iter();
    let (Some(partition), None) = (partitions.next(), partitions.next()) else { return Err(of()) };
    if topic.topic_id != Uuid::METADATA || partition.partition_index != 0 {
        return Err(of());
    }
    let snapshot = &partition.snapshot_id;
    let answer = FetchResponse {
        error: quorum_error(partition.error_code)?,
        epoch: partition.current_leader.leader_epoch,
        leader: leader(partition.current_leader.leader_id),
        high_watermark: (partition.high_watermark >= 0).then_some(partition.high_watermark),
        log_start: partition.log_start_offset,
        diverging: diverged(&partition.diverging_epoch),
        snapshot: (snapshot.end_offset >= 0)
            .then_some(SnapshotId { end: snapshot.end_offset, epoch: snapshot.epoch }),
        records: Vec::new(),
    };
    Ok((answer, partition.records.unwrap_or_default()))
}

// ---- of a snapshot ----

/// Asks.
pub fn snapshot(asked: &FetchSnapshotRequest, speaker: &Speaker) -> fetch_snapshot::FetchSnapshotRequest {
    use fetch_snapshot::request::{FetchSnapshotRequest, PartitionSnapshot, SnapshotId, TopicSnapshot};
    let partition = PartitionSnapshot {
        partition: 0,
        current_leader_epoch: asked.epoch,
        snapshot_id: SnapshotId { end_offset: asked.snapshot.end, epoch: asked.snapshot.epoch },
        position: i64::try_from(asked.position).unwrap_or(i64::MAX),
        replica_directory_id: asked.replica.directory,
    };
    FetchSnapshotRequest {
        replica_id: asked.replica.id.0,
        max_bytes: speaker.snapshot_bytes_max,
        topics: vec![TopicSnapshot { name: METADATA_TOPIC, partitions: vec![partition] }],
        cluster_id: Some(speaker.cluster.clone()),
    }
}

/// Is asked.
pub fn snapshot_asked(
    request: fetch_snapshot::FetchSnapshotRequest,
) -> Result<FetchSnapshotRequest, Untranslatable> {
    let id = NodeId(request.replica_id);
    let partition = only_partition!(request.topics, name, partition);
    let partition = partition.ok_or_else(|| elsewhere("FetchSnapshot"))?;
    let position = u64::try_from(partition.position).map_err(|_| {
        Untranslatable(format!("FetchSnapshot from position {}, expected 0 or more", partition.position))
    })?;
    Ok(FetchSnapshotRequest {
        replica: ReplicaKey { id, directory: partition.replica_directory_id },
        epoch: partition.current_leader_epoch,
        snapshot: SnapshotId { end: partition.snapshot_id.end_offset, epoch: partition.snapshot_id.epoch },
        position,
    })
}

/// Answers, with the bytes.
pub fn snapshot_answer(
    answer: &FetchSnapshotResponse,
    bytes: Bytes,
) -> fetch_snapshot::FetchSnapshotResponse {
    use fetch_snapshot::response::{
        FetchSnapshotResponse, LeaderIdAndEpoch, PartitionSnapshot, SnapshotId, TopicSnapshot,
    };
    let partition = PartitionSnapshot {
        index: 0,
        error_code: code(answer.error),
        snapshot_id: SnapshotId { end_offset: answer.snapshot.end, epoch: answer.snapshot.epoch },
        size: i64::try_from(answer.size).unwrap_or(i64::MAX),
        position: i64::try_from(answer.position).unwrap_or(i64::MAX),
        unaligned_records: bytes,
        current_leader: LeaderIdAndEpoch { leader_id: leader_id(answer.leader), leader_epoch: answer.epoch },
    };
    let topics = vec![TopicSnapshot { name: METADATA_TOPIC, partitions: vec![partition] }];
    FetchSnapshotResponse { topics, ..Default::default() }
}

/// Is answered, with the bytes.
pub fn snapshot_answered(
    response: fetch_snapshot::FetchSnapshotResponse,
) -> Result<(FetchSnapshotResponse, Bytes), Untranslatable> {
    whole("FetchSnapshot", response.error_code)?;
    let partition = only_partition!(response.topics, name, index);
    let partition = partition.ok_or_else(|| elsewhere("the answer to FetchSnapshot"))?;
    let size = |number: i64| {
        let found =
            || Untranslatable(format!("the answer to FetchSnapshot has a size or position of {number}"));
        u64::try_from(number).map_err(|_| found())
    };
    let answer = FetchSnapshotResponse {
        error: quorum_error(partition.error_code)?,
        epoch: partition.current_leader.leader_epoch,
        leader: leader(partition.current_leader.leader_id),
        snapshot: SnapshotId { end: partition.snapshot_id.end_offset, epoch: partition.snapshot_id.epoch },
        size: size(partition.size)?,
        position: size(partition.position)?,
        length: partition.unaligned_records.len() as u64,
    };
    Ok((answer, partition.unaligned_records))
}
