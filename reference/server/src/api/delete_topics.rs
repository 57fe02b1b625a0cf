//! DeleteTopics, by name or id (KIP-4, KIP-516).

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::Uuid;
use highwater_core::controller::{ControllerError, ControllerRequest, ControllerResponse, TopicReference};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::delete_topics::request::DeleteTopicState;
use highwater_wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use highwater_wire::{ErrorCode, Str};

use super::{Begun, Client, Context, controller, decode, ready};
use crate::translate::{self, topics};

/// A topic as it was asked for, with what is known of it: name and id.
struct Asked {
    reference: Result<TopicReference, ControllerError>,
    name: Option<Str>,
    id: Uuid,
}

/// Answers once the controller has decided.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: DeleteTopicsRequest = decode(header, body)?;
    let deadline = controller::deadline(request.timeout_ms);
    let may_delete = context.config.topics.may_delete;
    let mut asked = asked(context, request).await?;
    refuse_repeated(&mut asked);
    if let Err(error) = controller::check_parts(asked.len()) {
        asked.iter_mut().for_each(|asked| asked.reference = Err(error.clone()));
    }
    let references: Vec<TopicReference> = asked.iter().flat_map(|asked| asked.reference.clone()).collect();
    let results = if !may_delete {
        // Since version 3 clients know what that is; before, that it cannot be.
        let code =
            if header.version >= 3 { ErrorCode::TOPIC_DELETION_DISABLED } else { ErrorCode::INVALID_REQUEST };
        let message = "delete.topic.enable=false in the file of this broker".to_owned();
        vec![Err(ControllerError { code: code.0, message }); references.len()]
    } else if references.is_empty() {
        Vec::new()
    } else {
        let count = references.len();
        let request = ControllerRequest::DeleteTopics(references);
        match controller::ask(context, client, request, deadline).await? {
            ControllerResponse::DeleteTopics(Ok(results)) => results,
            ControllerResponse::DeleteTopics(Err(error)) => vec![Err(error); count],
            _ => Vec::new(),
        }
    };
    let mut results = results.into_iter();
    let (mut responses, mut gone) = (Vec::with_capacity(asked.len()), Vec::new());
    for asked in asked {
        let result = match asked.reference {
            Ok(_) => results.next().unwrap_or_else(|| Err(translate::unanswered())),
            Err(error) => Err(error),
        };
        if result.is_ok() && asked.id != Uuid::ZERO {
            gone.push(asked.id);
        }
        responses.push(topics::deleted(asked.name.as_deref(), asked.id, result));
    }
    // Who deleted a topic looks whether it is gone, and most often here.
    let known = move |node: &highwater_node::Node<_>| gone.iter().all(|id| node.image().topic(*id).is_none());
    controller::until(context, deadline.min(controller::soon()), known).await?;
    let response = DeleteTopicsResponse { responses, ..Default::default() };
    ready::<DeleteTopicsRequest>(header, &response)
}

/// What is asked for, in the order of the request.
async fn asked(context: &Context, request: DeleteTopicsRequest) -> Result<Vec<Asked>, Begun> {
    let named = |name: Str| DeleteTopicState { name: Some(name), topic_id: Uuid::ZERO };
    let states: Vec<_> =
        request.topics.into_iter().chain(request.topic_names.into_iter().map(named)).collect();
    let known = context.node.look(move |node| {
        let image = node.image();
        let known = states.into_iter().map(|state| {
            let reference = topics::topic_reference(&state);
            let (name, id) = match &reference {
                Ok(TopicReference::Name(name)) => (state.name, image.topic_id(name).unwrap_or(Uuid::ZERO)),
                Ok(TopicReference::Id(id)) => (image.topic(*id).map(|topic| topic.name.as_str().into()), *id),
                Err(_) => (state.name, state.topic_id),
            };
            Asked { reference, name, id }
        });
        known.collect()
    });
    Ok(known.await?)
}

/// A topic that is asked for twice is refused, all but the first time.
fn refuse_repeated(asked: &mut [Asked]) {
    let mut seen = HashSet::new();
    for asked in asked.iter_mut().filter(|asked| asked.id != Uuid::ZERO) {
        if !seen.insert(asked.id) {
            let message = "the topic stands in the request twice".to_owned();
            asked.reference = Err(ControllerError { code: ErrorCode::INVALID_REQUEST.0, message });
        }
    }
}
