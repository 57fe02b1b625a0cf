//! SyncGroup (KIP-345, KIP-559).

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::group::{GroupError, GroupRequest, GroupResponse, SyncGroup};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::{SyncGroupRequest, SyncGroupResponse};

use super::groups::{ask, bytes, code, later, owned, text};
use super::{Begun, Context, decode};
use crate::group::Reply;

/// From here on members say which protocol they take for the group's (KIP-559).
const PROTOCOL_SINCE: i16 = 5;

/// Hands the request to the group's coordinator, which answers when the leader has assigned.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: SyncGroupRequest = decode(header, body)?;
    let names_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    let assignments = request.assignments.iter();
    let sync = GroupRequest::Sync(SyncGroup {
        group_id: request.group_id.to_string(),
        generation_id: request.generation_id,
        member_id: request.member_id.to_string(),
        group_instance_id: owned(&request.group_instance_id),
        protocol_type: owned(&request.protocol_type),
        protocol_name: owned(&request.protocol_name),
        assignments: assignments
            .map(|assignment| (assignment.member_id.to_string(), assignment.assignment.as_ref().into()))
            .collect(),
    });
    let reply = if header.version >= PROTOCOL_SINCE && !names_protocol {
        Reply::Known(sync.refused(GroupError::InconsistentGroupProtocol))
    } else {
        ask(context, &request.group_id, sync).await
    };
    Ok(later::<SyncGroupRequest>(header, reply, |response| {
        let GroupResponse::Sync(response) = response else { return None };
        Some(SyncGroupResponse {
            error_code: code(response.error),
            protocol_type: text(response.protocol_type),
            protocol_name: text(response.protocol_name),
            assignment: bytes(response.assignment),
            ..Default::default()
        })
    }))
}
