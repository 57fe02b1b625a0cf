//! DescribeGroups, ListGroups, DeleteGroups.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::desk::{Desk, Then, Write};
use super::message::{
    Blob, DescribedGroup, DescribedMember, GroupError, GroupResponse, ListGroups, ListGroupsResponse,
    ListedGroup,
};
use super::state::{Group, Member, State};
use crate::{Instant, Token};

/// DescribeGroups.
pub(super) fn describe(groups: &BTreeMap<Arc<str>, Group>, ids: &[String]) -> GroupResponse {
    let describe = |id: &String| match groups.get(id.as_str()) {
        Some(group) if !matches!(group.state, State::Dead { .. }) => group.described(),
        _ => DescribedGroup::refused(GroupError::GroupIdNotFound, id),
    };
    GroupResponse::Describe(ids.iter().map(describe).collect())
}

/// ListGroups.
pub(super) fn list(groups: &BTreeMap<Arc<str>, Group>, request: &ListGroups) -> GroupResponse {
    let has = |filter: &[String], name: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    let listed = |group: &Group| ListedGroup {
        group_id: (*group.id).into(),
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        group_state: group.state_name(),
    };
    let groups = groups
        .values()
        .filter(|_| has(&request.types_filter, "classic"))
        .filter(|group| has(&request.states_filter, group.state_name()))
        .map(listed)
        .collect();
    GroupResponse::List(ListGroupsResponse { error: None, groups })
}

/// DeleteGroups: those that can be are, in one write.
pub(super) fn delete(
    groups: &mut BTreeMap<Arc<str>, Group>,
    desk: &mut Desk,
    now: Instant,
    token: Token,
    ids: Vec<String>,
) {
    let number = desk.next_write();
    let (mut records, mut offsets, mut deletes, mut results) = (vec![], vec![], vec![], vec![]);
    for id in ids {
        let error = match groups.get_mut(id.as_str()) {
            None => Some(GroupError::GroupIdNotFound),
            Some(group) => match group.state {
                State::Dead { .. } => Some(GroupError::GroupIdNotFound),
                State::Empty => {
                    let (of_group, keys) = group.bury_all(number);
                    records.extend(of_group);
                    offsets.extend(keys);
                    deletes.push(id.clone());
                    None
                }
                _ => Some(GroupError::NonEmptyGroup),
            },
        };
        results.push((id, error));
    }
    let response = GroupResponse::Delete(results);
    if records.is_empty() {
        desk.reply(token, response);
    } else {
        desk.append(now, records, Write { offsets, deletes, then: Then::Reply { token, response } });
    }
}

impl Group {
    fn described(&self) -> DescribedGroup {
        let stable = matches!(self.state, State::Stable(_)).then(|| self.protocol.clone()).flatten();
        let describe = |(id, member): (&String, &Member)| DescribedMember {
            member_id: id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            member_metadata: stable
                .as_ref()
                .map_or_else(|| Blob::from([]), |protocol| member.metadata(protocol)),
            member_assignment: if stable.is_some() { member.assignment.clone() } else { Blob::from([]) },
        };
        DescribedGroup {
            error: None,
            group_id: (*self.id).into(),
            group_state: self.state_name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: self.members.iter().map(describe).collect(),
            protocol_data: stable.unwrap_or_default(),
        }
    }
}
