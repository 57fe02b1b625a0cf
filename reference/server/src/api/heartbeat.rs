//! Heartbeat: a member of a group lives.

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::group::{GroupRequest, GroupResponse, Heartbeat};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::{HeartbeatRequest, HeartbeatResponse};

use super::groups::{ask, code, later, owned};
use super::{Begun, Context, decode};

/// Hands the request to the group's coordinator.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: HeartbeatRequest = decode(header, body)?;
    let heartbeat = Heartbeat {
        group_id: request.group_id.to_string(),
        generation_id: request.generation_id,
        member_id: request.member_id.to_string(),
        group_instance_id: owned(&request.group_instance_id),
    };
    let reply = ask(context, &request.group_id, GroupRequest::Heartbeat(heartbeat)).await;
    Ok(later::<HeartbeatRequest>(header, reply, |response| {
        let GroupResponse::Heartbeat(error) = response else { return None };
        Some(HeartbeatResponse { error_code: code(error), ..Default::default() })
    }))
}
