//! JoinGroup (KIP-62, KIP-345, KIP-394, KIP-800, KIP-814).

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::group::{GroupRequest, GroupResponse, JoinGroup};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::join_group::response::JoinGroupResponseMember;
use highwater_wire::messages::{JoinGroupRequest, JoinGroupResponse};

use super::groups::{ask, bytes, code, later, owned, text};
use super::{Begun, Client, Context, decode};

/// From here on a rebalance has its own time-out.
const REBALANCE_TIMEOUT_SINCE: i16 = 1;
/// From here on a member must have an id to join.
const MEMBER_ID_SINCE: i16 = 4;
/// From here on there may be no protocol.
const NO_PROTOCOL_SINCE: i16 = 7;
/// From here on the leader can be told not to assign.
const SKIPPING_SINCE: i16 = 9;

/// Hands the request to the group's coordinator, which answers when everybody has joined.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: JoinGroupRequest = decode(header, body)?;
    let version = header.version;
    let protocol = |protocol: &highwater_wire::messages::join_group::request::JoinGroupRequestProtocol| {
        (protocol.name.to_string(), protocol.metadata.as_ref().into())
    };
    let join = JoinGroup {
        group_id: request.group_id.to_string(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: match version {
            ..REBALANCE_TIMEOUT_SINCE => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        },
        member_id: request.member_id.to_string(),
        group_instance_id: owned(&request.group_instance_id),
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.iter().map(protocol).collect(),
        reason: owned(&request.reason),
        client_id: owned(&header.client).unwrap_or_default(),
        client_host: format!("/{}", client.address.ip().to_canonical()),
        requires_known_member_id: version >= MEMBER_ID_SINCE,
        supports_skipping_assignment: version >= SKIPPING_SINCE,
    };
    let reply = ask(context, &request.group_id, GroupRequest::Join(join)).await;
    Ok(later::<JoinGroupRequest>(header, reply, move |response| {
        let GroupResponse::Join(response) = response else { return None };
        let member = |member: highwater_core::group::JoinGroupResponseMember| JoinGroupResponseMember {
            member_id: member.member_id.into(),
            group_instance_id: text(member.group_instance_id),
            metadata: bytes(member.metadata),
        };
        let protocol_name = match version {
            ..NO_PROTOCOL_SINCE => Some(response.protocol_name.unwrap_or_default()),
            _ => response.protocol_name,
        };
        Some(JoinGroupResponse {
            error_code: code(response.error),
            generation_id: response.generation_id,
            protocol_type: text(response.protocol_type),
            protocol_name: text(protocol_name),
            leader: response.leader.into(),
            skip_assignment: response.skip_assignment,
            member_id: response.member_id.into(),
            members: response.members.into_iter().map(member).collect(),
            ..Default::default()
        })
    }))
}
