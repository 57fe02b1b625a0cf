//! LeaveGroup (KIP-345, KIP-800).

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::group::{GroupRequest, GroupResponse, LeaveGroup, LeavingMember, LeftMember};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::leave_group::response::MemberResponse;
use highwater_wire::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::groups::{ask, code, later, owned, text};
use super::{Begun, Context, decode};

/// From here on several members may leave at once.
const SEVERAL_SINCE: i16 = 3;

/// Hands the request to the group's coordinator.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: LeaveGroupRequest = decode(header, body)?;
    let version = header.version;
    let members = if version < SEVERAL_SINCE {
        vec![LeavingMember { member_id: request.member_id.to_string(), ..Default::default() }]
    } else {
        let members = request.members.iter().map(|member| LeavingMember {
            member_id: member.member_id.to_string(),
            group_instance_id: owned(&member.group_instance_id),
            reason: owned(&member.reason),
        });
        members.collect()
    };
    let leave = LeaveGroup { group_id: request.group_id.to_string(), members };
    let reply = ask(context, &request.group_id, GroupRequest::Leave(leave)).await;
    Ok(later::<LeaveGroupRequest>(header, reply, move |response| {
        let GroupResponse::Leave(response) = response else { return None };
        if version < SEVERAL_SINCE {
            let of_member = response.members.first().and_then(|member| member.error);
            let error_code = code(response.error.or(of_member));
            return Some(LeaveGroupResponse { error_code, ..Default::default() });
        }
        let member = |member: LeftMember| MemberResponse {
            member_id: member.member_id.into(),
            group_instance_id: text(member.group_instance_id),
            error_code: code(member.error),
        };
        Some(LeaveGroupResponse {
            error_code: code(response.error),
            members: response.members.into_iter().map(member).collect(),
            ..Default::default()
        })
    }))
}
