//! `CreateTopics`, `CreatePartitions`, `DeleteTopics`.

use std::collections::HashMap;

use highwater_core::NodeId;
use highwater_core::Uuid;
use highwater_core::controller::{
    ControllerError, ControllerResponse, MorePartitions, NewTopic, TopicReference,
};
use highwater_wire::messages::create_partitions::{
    request as partitions_request, response as partitions_response,
};
use highwater_wire::messages::create_topics::{request as topics_request, response as topics_response};
use highwater_wire::messages::delete_topics::{request as delete_request, response as delete_response};
use highwater_wire::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse,
};

use super::{ids, nodes, outcome, unanswered};

// ---- CreateTopics ----

/// The request to create these.
pub(crate) fn create_topics(
    topics: &[NewTopic],
    validate_only: bool,
    timeout_ms: i32,
) -> CreateTopicsRequest {
    let assignment = |(index, replicas): (i32, &Vec<NodeId>)| topics_request::CreatableReplicaAssignment {
        partition_index: index,
        broker_ids: ids(replicas),
    };
    let config = |(name, value): &(String, String)| topics_request::CreatableTopicConfig {
        name: name.as_str().into(),
        value: Some(value.as_str().into()),
    };
    let topic = |topic: &NewTopic| topics_request::CreatableTopic {
        name: topic.name.as_str().into(),
        num_partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        assignments: (0..).zip(&topic.assignments).map(assignment).collect(),
        configs: topic.configs.iter().map(config).collect(),
    };
    CreateTopicsRequest { topics: topics.iter().map(topic).collect(), timeout_ms, validate_only }
}

/// The topic that a request wants created.
///
/// # Errors
/// If it is none that a controller could be asked for: partitions that do not count from 0, a configuration without a value.
pub(crate) fn new_topic(topic: &topics_request::CreatableTopic) -> Result<NewTopic, ControllerError> {
    let mut by_index: Vec<_> =
        topic.assignments.iter().map(|each| (each.partition_index, nodes(&each.broker_ids))).collect();
    by_index.sort_by_key(|(index, _)| *index);
    if let Some((wanted, (found, _))) = (0..).zip(&by_index).find(|(wanted, (index, _))| wanted != index) {
        let message = format!(
            "the partitions of an assignment count from 0 without a gap: found {found}, expected {wanted}"
        );
        return Err(ControllerError { code: ControllerError::INVALID_REPLICA_ASSIGNMENT, message });
    }
    let config = |config: &topics_request::CreatableTopicConfig| match &config.value {
        Some(value) => Ok((config.name.to_string(), value.to_string())),
        None => Err(ControllerError {
            code: ControllerError::INVALID_CONFIG,
            message: format!("{} has no value; leave it out to have the default", config.name),
        }),
    };
    Ok(NewTopic {
        name: topic.name.to_string(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: by_index.into_iter().map(|(_, replicas)| replicas).collect(),
        configs: topic.configs.iter().map(config).collect::<Result<_, _>>()?,
    })
}

/// What was answered about these.
pub(crate) fn topics_created(asked: &[NewTopic], response: CreateTopicsResponse) -> ControllerResponse {
    let mut answers: HashMap<_, _> =
        response.topics.into_iter().map(|topic| (topic.name.clone(), topic)).collect();
    let created = asked.iter().map(|topic| match answers.remove(topic.name.as_str()) {
        Some(answer) => outcome(answer.error_code, answer.error_message).map(|()| answer.topic_id),
        None => Err(unanswered()),
    });
    ControllerResponse::CreateTopics(Ok(created.collect()))
}

/// The answer about one topic, by its name.
pub(crate) fn created(
    name: &str,
    result: Result<Uuid, ControllerError>,
) -> topics_response::CreatableTopicResult {
    let mut answer = topics_response::CreatableTopicResult {
        name: name.into(),
        error_message: None,
        configs: None,
        ..Default::default()
    };
    match result {
        Ok(id) => answer.topic_id = id,
        Err(error) => {
            answer.error_code = error.code;
            answer.error_message = Some(error.message.into());
        }
    }
    answer
}

// ---- CreatePartitions ----

/// The request to add these.
pub(crate) fn create_partitions(
    topics: &[MorePartitions],
    validate_only: bool,
    timeout_ms: i32,
) -> CreatePartitionsRequest {
    let assignment =
        |replicas: &Vec<NodeId>| partitions_request::CreatePartitionsAssignment { broker_ids: ids(replicas) };
    let topic = |topic: &MorePartitions| partitions_request::CreatePartitionsTopic {
        name: topic.name.as_str().into(),
        count: topic.count,
        assignments: match topic.assignments.as_slice() {
            [] => None,
            assignments => Some(assignments.iter().map(assignment).collect()),
        },
    };
    CreatePartitionsRequest { topics: topics.iter().map(topic).collect(), timeout_ms, validate_only }
}

/// The partitions that a request wants added.
pub(crate) fn more_partitions(topic: &partitions_request::CreatePartitionsTopic) -> MorePartitions {
    let assignments = topic.assignments.iter().flatten();
    MorePartitions {
        name: topic.name.to_string(),
        count: topic.count,
        assignments: assignments.map(|assignment| nodes(&assignment.broker_ids)).collect(),
    }
}

/// What was answered about these.
pub(crate) fn partitions_created(
    asked: &[MorePartitions],
    response: CreatePartitionsResponse,
) -> ControllerResponse {
    let mut answers: HashMap<_, _> =
        response.results.into_iter().map(|topic| (topic.name.clone(), topic)).collect();
    let created = asked.iter().map(|topic| match answers.remove(topic.name.as_str()) {
        Some(answer) => outcome(answer.error_code, answer.error_message),
        None => Err(unanswered()),
    });
    ControllerResponse::CreatePartitions(Ok(created.collect()))
}

/// The answer about one topic.
pub(crate) fn added(
    name: &str,
    result: Result<(), ControllerError>,
) -> partitions_response::CreatePartitionsTopicResult {
    let (error_code, error_message) = super::codes(result);
    partitions_response::CreatePartitionsTopicResult { name: name.into(), error_code, error_message }
}

// ---- DeleteTopics ----

/// The request to delete these.
pub(crate) fn delete_topics(topics: &[TopicReference], timeout_ms: i32) -> DeleteTopicsRequest {
    let topic = |topic: &TopicReference| match topic {
        TopicReference::Name(name) => {
            delete_request::DeleteTopicState { name: Some(name.as_str().into()), topic_id: Uuid::ZERO }
        }
        TopicReference::Id(id) => delete_request::DeleteTopicState { name: None, topic_id: *id },
    };
    DeleteTopicsRequest { topics: topics.iter().map(topic).collect(), topic_names: Vec::new(), timeout_ms }
}

/// The topic that a request of version 6 wants deleted.
///
/// # Errors
/// If it names none, or one twice over.
pub(crate) fn topic_reference(
    topic: &delete_request::DeleteTopicState,
) -> Result<TopicReference, ControllerError> {
    let refused = |message: &str| {
        Err(ControllerError { code: ControllerError::INVALID_REQUEST, message: message.to_owned() })
    };
    match (&topic.name, topic.topic_id) {
        (Some(name), Uuid::ZERO) => Ok(TopicReference::Name(name.to_string())),
        (None, Uuid::ZERO) => refused("neither a name nor an id of the topic is given"),
        (None, id) => Ok(TopicReference::Id(id)),
        (Some(_), _) => refused("both a name and an id of the topic are given; give one of them"),
    }
}

/// What was answered about these.
pub(crate) fn topics_deleted(
    asked: &[TopicReference],
    response: &DeleteTopicsResponse,
) -> ControllerResponse {
    let key = |name: Option<&str>, id: Uuid| match name {
        Some(name) if id == Uuid::ZERO => TopicReference::Name(name.to_owned()),
        _ => TopicReference::Id(id),
    };
    // An answer may carry the name to an id that was asked for, and the other way round.
    let find = |asked: &TopicReference| {
        response.responses.iter().find(|answer| match asked {
            TopicReference::Name(name) => answer.name.as_deref() == Some(name.as_str()),
            TopicReference::Id(_) => key(None, answer.topic_id) == *asked,
        })
    };
    let deleted = asked.iter().map(|asked| match find(asked) {
        Some(answer) => outcome(answer.error_code, answer.error_message.clone()),
        None => Err(unanswered()),
    });
    ControllerResponse::DeleteTopics(Ok(deleted.collect()))
}

/// The answer about one topic: with its name, its id, or both, as far as they are known.
pub(crate) fn deleted(
    name: Option<&str>,
    id: Uuid,
    result: Result<(), ControllerError>,
) -> delete_response::DeletableTopicResult {
    let (error_code, error_message) = super::codes(result);
    let name = name.map(Into::into);
    delete_response::DeletableTopicResult { name, topic_id: id, error_code, error_message }
}
