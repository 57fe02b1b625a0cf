//! Vote, BeginQuorumEpoch and EndQuorumEpoch (KIP-595, KIP-853, KIP-996).
//!
//! Each names the metadata log, and nothing else: one topic, one partition. What concerns the request as a whole (its cluster) is an
//! error of the response; what the quorum core says is one of its partition.

use highwater_core::quorum::{
    BeginQuorumEpochRequest, EndQuorumEpochRequest, EpochResponse, QuorumError, ReplicaKey, VoteRequest,
    VoteResponse,
};
use highwater_core::{Epoch, NodeId, Uuid};
use highwater_wire::messages::{begin_quorum_epoch, end_quorum_epoch, vote};
use highwater_wire::{ErrorCode, Str};

use super::{Speaker, Untranslatable, untranslatable};

/// The topic of the metadata log.
pub const METADATA_TOPIC: Str = Str::from_static("__cluster_metadata");

/// All that a quorum may say.
pub const QUORUM_ERRORS: &[QuorumError] = {
    use QuorumError::*;
    &[
        NotLeaderOrFollower,
        RequestTimedOut,
        InvalidRequest,
        FencedLeaderEpoch,
        UnknownLeaderEpoch,
        InconsistentVoterSet,
        SnapshotNotFound,
        PositionOutOfRange,
        InvalidVoterKey,
    ]
};

/// The error of a quorum that this code is; none for 0.
pub fn quorum_error(code: i16) -> Result<Option<QuorumError>, Untranslatable> {
    if code == 0 {
        return Ok(None);
    }
    match QUORUM_ERRORS.iter().find(|error| **error as i16 == code) {
        Some(error) => Ok(Some(*error)),
        None => untranslatable(format!("{}, which no quorum says", ErrorCode(code))),
    }
}

/// The code of an error.
pub fn code(error: Option<QuorumError>) -> i16 {
    error.map_or(0, |error| error as i16)
}

/// A leader as messages have it.
pub fn leader_id(leader: Option<NodeId>) -> i32 {
    leader.map_or(-1, |leader| leader.0)
}

/// A leader as messages have it.
pub fn leader(id: i32) -> Option<NodeId> {
    (id >= 0).then_some(NodeId(id))
}

/// The last epoch of a log as messages have it: 0 of an empty one, for Kafka takes what is below 0 for nonsense.
pub fn last_epoch(epoch: Epoch) -> Epoch {
    epoch.max(0)
}

/// The errors of a whole response end the matter.
pub fn whole(name: &str, code: i16) -> Result<(), Untranslatable> {
    match ErrorCode(code).check() {
        Ok(()) => Ok(()),
        Err(code) => untranslatable(format!("{name} was refused: {code}")),
    }
}

/// What a message about the metadata log says of it: that alone is in it.
macro_rules! only_partition {
    ($topics:expr, $name:ident, $index:ident) => {{
        let mut topics = $topics.into_iter();
        match (topics.next(), topics.next()) {
            (Some(topic), None) if topic.$name == METADATA_TOPIC => {
                let mut partitions = topic.partitions.into_iter();
                match (partitions.next(), partitions.next()) {
                    (Some(partition), None) if partition.$index == 0 => Some(partition),
                    _ => None,
                }
            }
            _ => None,
        }
    }};
}
pub(super) use only_partition;

/// That a message is about something else than the metadata log.
pub fn elsewhere(name: &str) -> Untranslatable {
    Untranslatable(format!("{name} is not about partition 0 of {METADATA_TOPIC} alone"))
}

// ---- Vote ----

/// Asks.
pub fn vote(asked: &VoteRequest, speaker: &Speaker) -> vote::VoteRequest {
    let partition = vote::request::PartitionData {
        partition_index: 0,
        replica_epoch: asked.epoch,
        replica_id: asked.candidate.id.0,
        replica_directory_id: asked.candidate.directory,
        voter_directory_id: asked.voter.directory,
        last_offset_epoch: last_epoch(asked.last_epoch),
        last_offset: asked.last_offset,
        pre_vote: asked.pre_vote,
    };
    vote::VoteRequest {
        cluster_id: Some(speaker.cluster.clone()),
        voter_id: asked.voter.id.0,
        topics: vec![vote::request::TopicData { topic_name: METADATA_TOPIC, partitions: vec![partition] }],
    }
}

/// Is asked.
pub fn vote_asked(request: vote::VoteRequest) -> Result<VoteRequest, Untranslatable> {
    let voter = NodeId(request.voter_id);
    let partition = only_partition!(request.topics, topic_name, partition_index);
    let partition = partition.ok_or_else(|| elsewhere("Vote"))?;
    Ok(VoteRequest {
        epoch: partition.replica_epoch,
        candidate: ReplicaKey { id: NodeId(partition.replica_id), directory: partition.replica_directory_id },
        voter: ReplicaKey { id: voter, directory: partition.voter_directory_id },
        last_epoch: partition.last_offset_epoch,
        last_offset: partition.last_offset,
        pre_vote: partition.pre_vote,
    })
}

/// Answers.
pub fn vote_answer(answer: &VoteResponse) -> vote::VoteResponse {
    let partition = vote::response::PartitionData {
        partition_index: 0,
        error_code: code(answer.error),
        leader_id: leader_id(answer.leader),
        leader_epoch: answer.epoch,
        vote_granted: answer.granted,
    };
    let topics = vec![vote::response::TopicData { topic_name: METADATA_TOPIC, partitions: vec![partition] }];
    vote::VoteResponse { topics, ..Default::default() }
}

/// Is answered.
pub fn vote_answered(response: vote::VoteResponse) -> Result<VoteResponse, Untranslatable> {
    whole("Vote", response.error_code)?;
    let partition = only_partition!(response.topics, topic_name, partition_index);
    let partition = partition.ok_or_else(|| elsewhere("the answer to Vote"))?;
    Ok(VoteResponse {
        error: quorum_error(partition.error_code)?,
        epoch: partition.leader_epoch,
        leader: leader(partition.leader_id),
        granted: partition.vote_granted,
    })
}

/// The answers to BeginQuorumEpoch and to EndQuorumEpoch are the same but for their types.
macro_rules! epoch_answers {
    ($module:ident :: $Response:ident, $name:literal, $answer:ident, $answered:ident) => {
        /// Answers.
        pub fn $answer(answer: &EpochResponse) -> $module::$Response {
            use $module::response::{PartitionData, TopicData};
            let partition = PartitionData {
                partition_index: 0,
                error_code: code(answer.error),
                leader_id: leader_id(answer.leader),
                leader_epoch: answer.epoch,
            };
            let topics = vec![TopicData { topic_name: METADATA_TOPIC, partitions: vec![partition] }];
            $module::$Response { topics, ..Default::default() }
        }

        /// Is answered.
        pub fn $answered(response: $module::$Response) -> Result<EpochResponse, Untranslatable> {
            whole($name, response.error_code)?;
            let partition = only_partition!(response.topics, topic_name, partition_index);
            let partition = partition.ok_or_else(|| elsewhere(concat!("the answer to ", $name)))?;
            Ok(EpochResponse {
                error: quorum_error(partition.error_code)?,
                epoch: partition.leader_epoch,
                leader: leader(partition.leader_id),
            })
        }
    };
}

// ---- BeginQuorumEpoch ----

/// Asks.
pub fn begin(
    asked: &BeginQuorumEpochRequest,
    speaker: &Speaker,
) -> begin_quorum_epoch::BeginQuorumEpochRequest {
    use begin_quorum_epoch::request::{BeginQuorumEpochRequest, PartitionData, TopicData};
    let partition = PartitionData {
        partition_index: 0,
        voter_directory_id: asked.voter.directory,
        leader_id: asked.leader.0,
        leader_epoch: asked.epoch,
    };
    BeginQuorumEpochRequest {
        cluster_id: Some(speaker.cluster.clone()),
        voter_id: asked.voter.id.0,
        topics: vec![TopicData { topic_name: METADATA_TOPIC, partitions: vec![partition] }],
        leader_endpoints: Vec::new(),
    }
}

/// Is asked.
pub fn begin_asked(
    request: begin_quorum_epoch::BeginQuorumEpochRequest,
) -> Result<BeginQuorumEpochRequest, Untranslatable> {
    let voter = NodeId(request.voter_id);
    let partition = only_partition!(request.topics, topic_name, partition_index);
    let partition = partition.ok_or_else(|| elsewhere("BeginQuorumEpoch"))?;
    Ok(BeginQuorumEpochRequest {
        epoch: partition.leader_epoch,
        leader: NodeId(partition.leader_id),
        voter: ReplicaKey { id: voter, directory: partition.voter_directory_id },
    })
}

epoch_answers!(
    begin_quorum_epoch::BeginQuorumEpochResponse,
    "BeginQuorumEpoch",
    begin_answer,
    begin_answered
);

// ---- EndQuorumEpoch ----

/// Asks.
pub fn end(asked: &EndQuorumEpochRequest, speaker: &Speaker) -> end_quorum_epoch::EndQuorumEpochRequest {
    use end_quorum_epoch::request::{EndQuorumEpochRequest, PartitionData, ReplicaInfo, TopicData};
    // Voters are static, so that a node's id says enough of it.
    let candidate = |id: &NodeId| ReplicaInfo { candidate_id: id.0, candidate_directory_id: Uuid::ZERO };
    let partition = PartitionData {
        partition_index: 0,
        leader_id: asked.leader.0,
        leader_epoch: asked.epoch,
        preferred_candidates: asked.successors.iter().map(candidate).collect(),
        ..Default::default()
    };
    EndQuorumEpochRequest {
        cluster_id: Some(speaker.cluster.clone()),
        topics: vec![TopicData { topic_name: METADATA_TOPIC, partitions: vec![partition] }],
        leader_endpoints: Vec::new(),
    }
}

/// Is asked.
pub fn end_asked(
    request: end_quorum_epoch::EndQuorumEpochRequest,
) -> Result<EndQuorumEpochRequest, Untranslatable> {
    let partition = only_partition!(request.topics, topic_name, partition_index);
    let partition = partition.ok_or_else(|| elsewhere("EndQuorumEpoch"))?;
    let candidates = partition.preferred_candidates.iter().map(|candidate| candidate.candidate_id);
    let successors = candidates.chain(partition.preferred_successors.iter().copied()).map(NodeId);
    Ok(EndQuorumEpochRequest {
        epoch: partition.leader_epoch,
        leader: NodeId(partition.leader_id),
        successors: successors.collect(),
    })
}

epoch_answers!(end_quorum_epoch::EndQuorumEpochResponse, "EndQuorumEpoch", end_answer, end_answered);
