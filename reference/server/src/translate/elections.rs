//! `ElectLeaders` (KIP-460).

use std::collections::BTreeMap;

use highwater_core::controller::{ControllerError, ControllerResponse, ElectionAnswer, ElectionKind};
use highwater_wire::messages::elect_leaders::{request, response};
use highwater_wire::messages::{ElectLeadersRequest, ElectLeadersResponse};

use super::{codes, outcome};

/// The request for these elections.
pub(crate) fn elect_leaders(
    kind: ElectionKind,
    partitions: Option<&[(String, i32)]>,
    timeout_ms: i32,
) -> ElectLeadersRequest {
    let by_topic = |partitions: &[(String, i32)]| {
        let mut topics: Vec<request::TopicPartitions> = Vec::new();
        for (topic, index) in partitions {
            match topics.last_mut() {
                Some(last) if last.topic == topic.as_str() => last.partitions.push(*index),
                _ => topics.push(request::TopicPartitions {
                    topic: topic.as_str().into(),
                    partitions: vec![*index],
                }),
            }
        }
        topics
    };
    ElectLeadersRequest {
        election_type: match kind {
            ElectionKind::Preferred => 0,
            ElectionKind::Unclean => 1,
        },
        topic_partitions: partitions.map(by_topic),
        timeout_ms,
    }
}

/// The kind of election of this number.
///
/// # Errors
/// If there is none.
pub(crate) fn election_kind(number: i8) -> Result<ElectionKind, ControllerError> {
    match number {
        0 => Ok(ElectionKind::Preferred),
        1 => Ok(ElectionKind::Unclean),
        number => Err(ControllerError {
            code: ControllerError::INVALID_REQUEST,
            message: format!("no election has the type {number}: 0 is preferred, 1 unclean"),
        }),
    }
}

/// The partitions that a request names; `None` for all.
pub(crate) fn partitions(request: &ElectLeadersRequest) -> Option<Vec<(String, i32)>> {
    let topics = request.topic_partitions.as_ref()?.iter();
    let named =
        topics.flat_map(|topic| topic.partitions.iter().map(|&index| (topic.topic.to_string(), index)));
    Some(named.collect())
}

/// What was answered.
pub(crate) fn leaders_elected(response: ElectLeadersResponse) -> ControllerResponse {
    if let Err(error) = outcome(response.error_code, None) {
        return ControllerResponse::ElectLeaders(Err(error));
    }
    let topics = response.replica_election_results.into_iter();
    let answers = topics.flat_map(|topic| {
        let name = topic.topic;
        topic.partition_result.into_iter().map(move |partition| {
            let result = outcome(partition.error_code, partition.error_message);
            (name.to_string(), partition.partition_id, result)
        })
    });
    ControllerResponse::ElectLeaders(Ok(answers.collect()))
}

/// The answer, topics in the order of names.
pub(crate) fn elected(result: Result<Vec<ElectionAnswer>, ControllerError>) -> ElectLeadersResponse {
    let answers = match result {
        Ok(answers) => answers,
        Err(error) => {
            return ElectLeadersResponse { error_code: error.code, ..Default::default() };
        }
    };
    let mut topics: BTreeMap<String, Vec<response::PartitionResult>> = BTreeMap::new();
    for (topic, partition_id, result) in answers {
        let (error_code, error_message) = codes(result);
        let answer = response::PartitionResult { partition_id, error_code, error_message };
        topics.entry(topic).or_default().push(answer);
    }
    let results = topics.into_iter().map(|(topic, partition_result)| response::ReplicaElectionResult {
        topic: topic.into(),
        partition_result,
    });
    ElectLeadersResponse { replica_election_results: results.collect(), ..Default::default() }
}
