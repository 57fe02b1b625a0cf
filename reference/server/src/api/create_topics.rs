//! CreateTopics (KIP-4, KIP-195, KIP-464, KIP-525).

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::Uuid;
use highwater_core::controller::{ControllerError, ControllerRequest, ControllerResponse, NewTopic};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::create_topics::response::CreatableTopicResult;
use highwater_wire::messages::{CreateTopicsRequest, CreateTopicsResponse};

use super::{Begun, Client, Context, controller, decode, describe_configs, ready};
use crate::translate::topics;

/// From here on the answer says what was created.
const DESCRIBED_SINCE: i16 = 5;

/// Answers once the controller has decided.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: CreateTopicsRequest = decode(header, body)?;
    let deadline = controller::deadline(request.timeout_ms);
    let validate_only = request.validate_only;
    let bound = controller::check_parts(request.topics.len());
    let read = |topic| bound.clone().and_then(|()| topics::new_topic(topic));
    let read: Vec<Result<NewTopic, ControllerError>> = request.topics.iter().map(read).collect();
    let asked: Vec<NewTopic> = read.iter().flatten().cloned().collect();
    let results = if asked.is_empty() {
        Vec::new()
    } else {
        let asked = ControllerRequest::CreateTopics { topics: asked.clone(), validate_only };
        match controller::ask(context, client, asked, deadline).await? {
            ControllerResponse::CreateTopics(Ok(results)) => results,
            ControllerResponse::CreateTopics(Err(error)) => vec![Err(error); read.len()],
            _ => Vec::new(),
        }
    };
    let mut results = results.into_iter();
    let mut answers = Vec::with_capacity(read.len());
    for (topic, read) in request.topics.iter().zip(read) {
        let result = match &read {
            Ok(_) => results.next().unwrap_or_else(|| Err(crate::translate::unanswered())),
            Err(error) => Err(error.clone()),
        };
        let is_created = result.is_ok();
        let mut answer = topics::created(&topic.name, result);
        if is_created
            && header.version >= DESCRIBED_SINCE
            && let Ok(topic) = &read
        {
            describe(context, topic, &mut answer).await?;
        }
        answers.push(answer);
    }
    let created: Vec<Uuid> =
        answers.iter().map(|answer| answer.topic_id).filter(|id| *id != Uuid::ZERO).collect();
    if !validate_only && !created.is_empty() {
        // Who created a topic looks at it next, and most often here.
        let known =
            move |node: &highwater_node::Node<_>| created.iter().all(|id| node.image().topic(*id).is_some());
        controller::until(context, deadline.min(controller::soon()), known).await?;
    }
    let response = CreateTopicsResponse { topics: answers, ..Default::default() };
    ready::<CreateTopicsRequest>(header, &response)
}

/// What is created, or would be.
async fn describe(
    context: &Context,
    topic: &NewTopic,
    answer: &mut CreatableTopicResult,
) -> Result<(), Begun> {
    let (partitions, factor) = match topic.assignments.as_slice() {
        [] => (topic.partitions, topic.replication_factor),
        [first, ..] => (topic.assignments.len() as i32, first.len() as i16),
    };
    let asked = topic.clone();
    let described = context.node.look(move |node| {
        let configs = describe_configs::of_new_topic(node, &asked.name, &asked.configs);
        (node.config().num_partitions, node.config().default_replication_factor, configs)
    });
    let (default_partitions, default_factor, configs) = described.await?;
    answer.num_partitions = if partitions == -1 { default_partitions } else { partitions };
    answer.replication_factor = if factor == -1 { default_factor } else { factor };
    answer.configs = Some(configs);
    Ok(())
}
