//! DescribeGroups (KIP-430, KIP-1043).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::group::{self, GroupError, GroupRequest, GroupResponse};
use highwater_wire::Str;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::describe_groups::response::{DescribedGroup, DescribedGroupMember};
use highwater_wire::messages::{DescribeGroupsRequest, DescribeGroupsResponse};

use super::groups::{bytes, code, other, text};
use super::{Begun, Context, Later, answered, cluster, decode};

/// From here on it is an error that a group is not there (KIP-1043).
const MISSING_IS_ERROR_SINCE: i16 = 6;

/// Asks the coordinators of all these groups.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: DescribeGroupsRequest = decode(header, body)?;
    let coordinators = &context.state.coordinators;
    let mut replies = Vec::new();
    for (partition, groups) in by_partition(context, &request.groups) {
        replies.push(coordinators.submit(partition, GroupRequest::Describe(groups)).await);
    }
    let header = header.clone();
    let later: Later = Box::pin(async move {
        let mut described = BTreeMap::new();
        for reply in replies {
            match reply.get().await {
                Ok(GroupResponse::Describe(groups)) => {
                    described.extend(groups.into_iter().map(|group| (group.group_id.clone(), group)));
                }
                Ok(_) => return other(),
                Err(stopped) => return stopped.into(),
            }
        }
        let operations = request.include_authorized_operations;
        let groups = request.groups.iter().filter_map(|id| described.get(&**id));
        let groups = groups.map(|group| present(group, header.version, operations)).collect();
        answered::<DescribeGroupsRequest>(&header, &DescribeGroupsResponse { groups, ..Default::default() })
    });
    Ok(Begun::Later(later))
}

/// Groups by the partition that they are in, each once.
pub(super) fn by_partition(context: &Context, groups: &[Str]) -> BTreeMap<Option<i32>, Vec<String>> {
    let coordinators = &context.state.coordinators;
    let mut found: BTreeMap<Option<i32>, Vec<String>> = BTreeMap::new();
    let mut sorted: Vec<&Str> = groups.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    for group in sorted {
        found.entry(coordinators.partition(group)).or_default().push(group.to_string());
    }
    found
}

fn present(group: &group::DescribedGroup, version: i16, operations: bool) -> DescribedGroup {
    let is_missing = group.error == Some(GroupError::GroupIdNotFound);
    let error = group.error.filter(|_| !is_missing || version >= MISSING_IS_ERROR_SINCE);
    let message = || format!("Group {} not found.", group.group_id).into();
    let member = |member: &group::DescribedMember| DescribedGroupMember {
        member_id: member.member_id.as_str().into(),
        group_instance_id: text(member.group_instance_id.clone()),
        client_id: member.client_id.as_str().into(),
        client_host: member.client_host.as_str().into(),
        member_metadata: bytes(member.member_metadata.clone()),
        member_assignment: bytes(member.member_assignment.clone()),
    };
    let mut described = DescribedGroup {
        error_code: code(error),
        error_message: (is_missing && error.is_some()).then(message),
        group_id: group.group_id.as_str().into(),
        group_state: Str::from_static(group.group_state),
        protocol_type: group.protocol_type.as_str().into(),
        protocol_data: group.protocol_data.as_str().into(),
        members: group.members.iter().map(member).collect(),
        ..Default::default()
    };
    if operations && error.is_none() {
        described.authorized_operations = cluster::GROUP_OPERATIONS;
    }
    described
}
