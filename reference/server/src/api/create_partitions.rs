//! CreatePartitions: more partitions of topics (KIP-195).

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::controller::{ControllerError, ControllerRequest, ControllerResponse, MorePartitions};
use highwater_wire::ErrorCode;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::{Begun, Client, Context, controller, decode, ready};
use crate::translate::{self, topics};

/// Answers once the controller has decided.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: CreatePartitionsRequest = decode(header, body)?;
    let deadline = controller::deadline(request.timeout_ms);
    let bound = controller::check_parts(request.topics.len());
    let mut seen = HashSet::new();
    let read: Vec<Result<MorePartitions, ControllerError>> = request
        .topics
        .iter()
        .map(|topic| match seen.insert(&topic.name) {
            true => bound.clone().map(|()| topics::more_partitions(topic)),
            false => {
                let message = format!("topic {} stands in the request twice", topic.name);
                Err(ControllerError { code: ErrorCode::INVALID_REQUEST.0, message })
            }
        })
        .collect();
    let asked: Vec<MorePartitions> = read.iter().flatten().cloned().collect();
    let results = if asked.is_empty() {
        Vec::new()
    } else {
        let count = asked.len();
        let asked = ControllerRequest::CreatePartitions {
            topics: asked.clone(),
            validate_only: request.validate_only,
        };
        match controller::ask(context, client, asked, deadline).await? {
            ControllerResponse::CreatePartitions(Ok(results)) => results,
            ControllerResponse::CreatePartitions(Err(error)) => vec![Err(error); count],
            _ => Vec::new(),
        }
    };
    let mut answers = results.into_iter();
    let (mut results, mut added) = (Vec::with_capacity(read.len()), Vec::new());
    for (topic, read) in request.topics.iter().zip(read) {
        let result = match read {
            Ok(_) => answers.next().unwrap_or_else(|| Err(translate::unanswered())),
            Err(error) => Err(error),
        };
        if result.is_ok() && !request.validate_only {
            added.push((topic.name.to_string(), topic.count));
        }
        results.push(topics::added(&topic.name, result));
    }
    let known = move |node: &highwater_node::Node<_>| {
        let image = node.image();
        added.iter().all(|(name, count)| {
            image.topic_id(name).is_none_or(|id| image.partition(id, count - 1).is_some())
        })
    };
    controller::until(context, deadline.min(controller::soon()), known).await?;
    ready::<CreatePartitionsRequest>(header, &CreatePartitionsResponse { results, ..Default::default() })
}
