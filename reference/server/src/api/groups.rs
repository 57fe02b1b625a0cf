//! What the APIs of groups share.

use highwater_core::group::{Blob, GroupError, GroupRequest, GroupResponse};
use highwater_log::disk::RealDisk;
use highwater_node::Node;
use highwater_wire::header::RequestHeader;
use highwater_wire::{ErrorCode, Request, Str, Uuid};

use super::{Answer, Begun, Context, Later, answered};
use crate::group::Reply;
use crate::runtime::Stopped;

/// The coordinator gave another kind of answer than it was asked for.
const OTHER: &str = "the coordinator gave another kind of answer";

/// Hands a request to the coordinator of a group.
pub(super) async fn ask(context: &Context, group: &str, request: GroupRequest) -> Reply {
    let coordinators = &context.state.coordinators;
    coordinators.submit(coordinators.partition(group), request).await
}

/// Answers with what comes of a request.
pub(super) fn later<R>(
    header: &RequestHeader,
    reply: Reply,
    respond: impl FnOnce(GroupResponse) -> Option<R::Response> + Send + 'static,
) -> Begun
where
    R: Request + 'static,
{
    let header = header.clone();
    let later: Later = Box::pin(async move {
        match reply.get().await.map(respond) {
            Ok(Some(response)) => answered::<R>(&header, &response),
            Ok(None) => other(),
            Err(stopped) => stopped.into(),
        }
    });
    Begun::Later(later)
}

/// The coordinator gave another kind of answer than it was asked for.
pub(super) fn other() -> Answer {
    Answer::Close(OTHER.to_owned())
}

/// The protocol's number for an error, or for none.
pub(super) fn code(error: Option<GroupError>) -> i16 {
    error.map_or(0, GroupError::code)
}

/// A string that the coordinator keeps.
pub(super) fn owned(text: &Option<Str>) -> Option<String> {
    text.as_ref().map(ToString::to_string)
}

/// A string that the coordinator kept.
pub(super) fn text(text: Option<String>) -> Option<Str> {
    text.map(Str::from)
}

/// Bytes that the coordinator kept.
pub(super) fn bytes(blob: Blob) -> bytes::Bytes {
    bytes::Bytes::from_owner(blob)
}

/// A topic of a request, by its name or its id.
#[derive(Debug, Default)]
pub(super) struct NamedTopic {
    pub(super) name: Str,
    pub(super) id: Uuid,
    pub(super) partitions: Vec<i32>,
}

/// A topic that there is.
#[derive(Debug)]
pub(super) struct FoundTopic {
    pub(super) name: String,
    pub(super) id: Uuid,
    /// Of each partition that was asked for, whether there is one.
    pub(super) partitions: Vec<bool>,
}

/// Looks topics up, in the order in which they are named.
pub(super) async fn find_topics(
    context: &Context,
    by_ids: bool,
    named: Vec<NamedTopic>,
) -> Result<Vec<Option<FoundTopic>>, Stopped> {
    let find = move |node: &Node<RealDisk>| {
        let image = node.image();
        let find = |named: NamedTopic| {
            let id = if by_ids { named.id } else { image.topic_id(&named.name)? };
            let topic = image.topic(id)?;
            let is_there = |partition: &i32| topic.partitions.contains_key(partition);
            let partitions = named.partitions.iter().map(is_there).collect();
            Some(FoundTopic { name: topic.name.clone(), id, partitions })
        };
        named.into_iter().map(find).collect::<Vec<_>>()
    };
    context.node.look(find).await
}

/// What is said of a partition that there is not.
pub(super) fn unknown(by_ids: bool, topic: &Option<FoundTopic>) -> ErrorCode {
    if by_ids && topic.is_none() {
        ErrorCode::UNKNOWN_TOPIC_ID
    } else {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    }
}
