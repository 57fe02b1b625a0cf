//! ListGroups (KIP-518, KIP-848): the groups that this broker coordinates.

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::group::{self, GroupError, GroupRequest, GroupResponse, ListGroups};
use highwater_wire::Str;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::list_groups::response::ListedGroup;
use highwater_wire::messages::{ListGroupsRequest, ListGroupsResponse};

use super::groups::{code, other};
use super::{Begun, Context, Later, answered, decode};

/// The type of all groups here.
const CLASSIC: &str = "classic";

/// Asks all coordinators of this broker.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: ListGroupsRequest = decode(header, body)?;
    let strings = |filter: &[Str]| filter.iter().map(ToString::to_string).collect::<Vec<_>>();
    let list = ListGroups {
        states_filter: strings(&request.states_filter),
        types_filter: strings(&request.types_filter),
    };
    let coordinators = &context.state.coordinators;
    let mut replies = Vec::new();
    for partition in coordinators.led() {
        replies.push(coordinators.submit(Some(partition), GroupRequest::List(list.clone())).await);
    }
    let header = header.clone();
    let later: Later = Box::pin(async move {
        let mut response = ListGroupsResponse::default();
        for reply in replies {
            match reply.get().await {
                // It has just become another's.
                Ok(GroupResponse::List(listed)) if listed.error == Some(GroupError::NotCoordinator) => {}
                Ok(GroupResponse::List(listed)) => {
                    if listed.error.is_some() {
                        response.error_code = code(listed.error);
                        response.groups.clear();
                        break;
                    }
                    response.groups.extend(listed.groups.into_iter().map(present));
                }
                Ok(_) => return other(),
                Err(stopped) => return stopped.into(),
            }
        }
        answered::<ListGroupsRequest>(&header, &response)
    });
    Ok(Begun::Later(later))
}

fn present(group: group::ListedGroup) -> ListedGroup {
    ListedGroup {
        group_id: group.group_id.into(),
        protocol_type: group.protocol_type.into(),
        group_state: Str::from_static(group.group_state),
        group_type: Str::from_static(CLASSIC),
    }
}
