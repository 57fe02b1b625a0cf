//! Fetch of followers, in sessions (KIP-227, KIP-903). That of the metadata log, and FetchSnapshot, are the quorum's.

use highwater_core::partition::{PartitionFetch, PartitionFetched};
use highwater_core::{Epoch, NodeId, Offset};
use highwater_node::message::{
    FetchSession, FetchSessionError, ReplicaFetch, ReplicaFetchPartition, ReplicaFetched, TopicPartition,
};
pub(crate) use highwater_quorum::kafka::fetch::fetcher;
use highwater_quorum::kafka::fetch::{diverged, diverging, milliseconds, unsigned};
use highwater_wire::messages::fetch;
use highwater_wire::messages::fetch::request::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState};
use highwater_wire::messages::fetch::response::{FetchableTopicResponse, LeaderIdAndEpoch, PartitionData};

use super::quorum::whole;
use super::{Speaker, Untranslatable, partition_error};

fn bytes_max(bytes: u32) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// Asks. Partitions stay in their order: those of a topic that stand together are one entry.
pub(crate) fn replica(asked: &ReplicaFetch, me: NodeId, speaker: &Speaker) -> fetch::FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for ReplicaFetchPartition { partition: id, fetch, log_start, max_bytes } in &asked.partitions {
        let partition = FetchPartition {
            partition: id.partition,
            current_leader_epoch: fetch.leader_epoch,
            fetch_offset: fetch.offset,
            last_fetched_epoch: fetch.last_epoch,
            log_start_offset: *log_start,
            partition_max_bytes: bytes_max(*max_bytes),
            ..Default::default()
        };
        match topics.last_mut() {
            Some(topic) if topic.topic_id == id.topic => topic.partitions.push(partition),
            _ => topics.push(FetchTopic {
                topic_id: id.topic,
                partitions: vec![partition],
                ..Default::default()
            }),
        }
    }
    fetch::FetchRequest {
        max_wait_ms: milliseconds(asked.max_wait_ms),
        min_bytes: bytes_max(asked.min_bytes),
        max_bytes: bytes_max(asked.max_bytes),
        session_id: asked.session.id,
        session_epoch: asked.session.epoch,
        topics,
        forgotten_topics_data: forgotten(&asked.forgotten),
        cluster_id: Some(speaker.quorum.cluster.clone()),
        replica_state: ReplicaState { replica_id: me.0, replica_epoch: asked.broker_epoch },
        ..Default::default()
    }
}

/// What is wanted no more, by topic: those of a topic that stand together are one entry.
fn forgotten(partitions: &[TopicPartition]) -> Vec<ForgottenTopic> {
    let mut topics: Vec<ForgottenTopic> = Vec::new();
    for id in partitions {
        match topics.last_mut() {
            Some(topic) if topic.topic_id == id.topic => topic.partitions.push(id.partition),
            _ => topics.push(ForgottenTopic {
                topic_id: id.topic,
                partitions: vec![id.partition],
                ..Default::default()
            }),
        }
    }
    topics
}

/// Is asked, by whom.
pub(crate) fn replica_asked(request: fetch::FetchRequest) -> Result<(NodeId, ReplicaFetch), Untranslatable> {
    let (from, broker_epoch) =
        fetcher(&request).ok_or_else(|| Untranslatable("Fetch does not say who fetches".to_owned()))?;
    let mut partitions = Vec::with_capacity(request.topics.iter().map(|topic| topic.partitions.len()).sum());
    for topic in request.topics {
        for asked in topic.partitions {
            let id = TopicPartition { topic: topic.topic_id, partition: asked.partition };
            let fetch = PartitionFetch {
                leader_epoch: asked.current_leader_epoch,
                offset: asked.fetch_offset,
                last_epoch: asked.last_fetched_epoch,
            };
            partitions.push(ReplicaFetchPartition {
                partition: id,
                fetch,
                log_start: asked.log_start_offset,
                max_bytes: unsigned(asked.partition_max_bytes),
            });
        }
    }
    let forgotten = request.forgotten_topics_data.into_iter().flat_map(|topic| {
        let id = topic.topic_id;
        topic.partitions.into_iter().map(move |partition| TopicPartition { topic: id, partition })
    });
    let fetch = ReplicaFetch {
        broker_epoch,
        session: FetchSession { id: request.session_id, epoch: request.session_epoch },
        partitions,
        forgotten: forgotten.collect(),
        max_wait_ms: unsigned(request.max_wait_ms),
        min_bytes: unsigned(request.min_bytes),
        max_bytes: unsigned(request.max_bytes),
    };
    Ok((from, fetch))
}

/// Answers.
pub(crate) fn replica_answer(fetched: Result<ReplicaFetched, FetchSessionError>) -> fetch::FetchResponse {
    let ReplicaFetched { session, answers } = match fetched {
        Ok(fetched) => fetched,
        Err(error) => return fetch::FetchResponse { error_code: error as i16, ..Default::default() },
    };
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    for (id, fetched, records) in answers {
        let partition = PartitionData {
            partition_index: id.partition,
            error_code: fetched.error.map_or(0, |error| error as i16),
            high_watermark: fetched.high_watermark,
            log_start_offset: fetched.log_start,
            records: Some(records),
            diverging_epoch: diverging(fetched.diverging),
            current_leader: LeaderIdAndEpoch { leader_id: -1, leader_epoch: fetched.leader_epoch },
            ..Default::default()
        };
        match responses.last_mut() {
            Some(topic) if topic.topic_id == id.topic => topic.partitions.push(partition),
            _ => responses.push(FetchableTopicResponse {
                topic_id: id.topic,
                partitions: vec![partition],
                ..Default::default()
            }),
        }
    }
    fetch::FetchResponse { session_id: session, responses, ..Default::default() }
}

/// Is answered. Which records the bytes are, the node finds out.
pub(crate) fn replica_answered(
    response: fetch::FetchResponse,
) -> Result<Result<ReplicaFetched, FetchSessionError>, Untranslatable> {
    let errors = [FetchSessionError::NotFound, FetchSessionError::InvalidEpoch];
    if let Some(error) = errors.into_iter().find(|error| *error as i16 == response.error_code) {
        return Ok(Err(error));
    }
    whole("Fetch", response.error_code)?;
    let mut answers = Vec::with_capacity(response.responses.iter().map(|topic| topic.partitions.len()).sum());
    for topic in response.responses {
        for partition in topic.partitions {
            let id = TopicPartition { topic: topic.topic_id, partition: partition.partition_index };
            let leader_epoch: Epoch = partition.current_leader.leader_epoch;
            let high_watermark: Offset = partition.high_watermark;
            let fetched = PartitionFetched {
                error: partition_error(partition.error_code)?,
                leader_epoch,
                high_watermark,
                log_start: partition.log_start_offset,
                diverging: diverged(&partition.diverging_epoch),
                records: Vec::new(),
            };
            answers.push((id, fetched, partition.records.unwrap_or_default()));
        }
    }
    Ok(Ok(ReplicaFetched { session: response.session_id, answers }))
}
