//! Requests, as far as their groups do not matter.

use alloc::vec::Vec;

use super::message::*;
use super::state::millis;
use super::{Groups, Role, STRING_MAX, admin, entry, offsets};
use crate::{Instant, Token};

/// What a member id has behind its name: a dash and a UUID.
const MEMBER_ID_SUFFIX: usize = 37;

impl Groups {
    /// A request came. The answer will carry the token, perhaps much later.
    pub fn handle(&mut self, now: Instant, token: Token, request: GroupRequest) {
        let error = match (&self.role, &request) {
            (Role::Leading { .. }, _) => self.check(&request).err(),
            // A member whose coordinator is new should not take it for a reason to join again.
            (Role::Loading, GroupRequest::Heartbeat(_)) => {
                return self.desk.reply(token, GroupResponse::Heartbeat(None));
            }
            (Role::Loading, _) => Some(GroupError::CoordinatorLoadInProgress),
            (Role::Standby, _) => Some(GroupError::NotCoordinator),
        };
        match error {
            Some(error) => self.desk.reply(token, request.refused(error)),
            None => self.serve(now, token, request),
        }
    }

    /// What of a request can be checked without knowing its group.
    fn check(&self, request: &GroupRequest) -> Result<(), GroupError> {
        let is_long = |name: &str| name.len() > STRING_MAX;
        let (group, must_be_named) = match request {
            GroupRequest::Join(request) => (&request.group_id, true),
            GroupRequest::Sync(request) => (&request.group_id, true),
            GroupRequest::Heartbeat(request) => (&request.group_id, true),
            GroupRequest::Leave(request) => (&request.group_id, true),
            // Consumers may commit without a group's name (KIP-289 only advises against it).
            GroupRequest::OffsetCommit(request) => (&request.group_id, false),
            GroupRequest::OffsetDelete(request) => (&request.group_id, true),
            GroupRequest::OffsetFetch(_)
            | GroupRequest::Describe(_)
            | GroupRequest::List(_)
            | GroupRequest::Delete(_) => return Ok(()),
        };
        if is_long(group) || must_be_named && group.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        if let GroupRequest::Join(request) = request {
            let config = &self.desk.config;
            let session = millis(request.session_timeout_ms);
            if session < config.session_timeout_min || session > config.session_timeout_max {
                return Err(GroupError::InvalidSessionTimeout);
            }
            let name = request.group_instance_id.as_ref().unwrap_or(&request.client_id);
            let mut others = [&request.protocol_type, &request.client_host, &request.client_id].into_iter();
            if name.len() > STRING_MAX - MEMBER_ID_SUFFIX
                || others.any(|name| is_long(name))
                || request.protocols.iter().any(|(name, _)| is_long(name))
            {
                return Err(GroupError::InvalidRequest);
            }
        }
        Ok(())
    }

    fn serve(&mut self, now: Instant, token: Token, request: GroupRequest) {
        let Self { desk, groups, .. } = self;
        let unknown = GroupError::UnknownMemberId;
        match request {
            GroupRequest::Join(request) => {
                let id = request.group_id.clone();
                let group = match groups.get_mut(id.as_str()) {
                    Some(group) => group,
                    None if request.member_id.is_empty() => entry(groups, &id),
                    None => {
                        let response = JoinGroupResponse::refused(unknown, &request.member_id);
                        return desk.reply(token, GroupResponse::Join(response));
                    }
                };
                group.join(desk, now, token, request);
                self.settle(&id);
            }
            GroupRequest::Sync(request) => {
                let Some(group) = groups.get_mut(request.group_id.as_str()) else {
                    return desk.reply(token, GroupResponse::Sync(SyncGroupResponse::refused(unknown)));
                };
                let id = request.group_id.clone();
                group.sync(desk, now, token, request);
                self.settle(&id);
            }
            GroupRequest::Heartbeat(request) => {
                let Some(group) = groups.get_mut(request.group_id.as_str()) else {
                    return desk.reply(token, GroupResponse::Heartbeat(Some(unknown)));
                };
                let error = group.heartbeat(now, &request);
                let expires = group.members.get(&request.member_id).and_then(|member| member.expires);
                desk.reply(token, GroupResponse::Heartbeat(error));
                self.arm(&request.group_id, expires);
            }
            GroupRequest::Leave(request) => {
                let Some(group) = groups.get_mut(request.group_id.as_str()) else {
                    let left = |member: LeavingMember| LeftMember {
                        member_id: member.member_id,
                        group_instance_id: member.group_instance_id,
                        error: Some(unknown),
                    };
                    let members = request.members.into_iter().map(left).collect();
                    let response = LeaveGroupResponse { error: None, members };
                    return desk.reply(token, GroupResponse::Leave(response));
                };
                let id = request.group_id.clone();
                group.leave(desk, now, token, request);
                self.settle(&id);
            }
            GroupRequest::OffsetCommit(request) => {
                let id = request.group_id.clone();
                let group = match groups.get_mut(id.as_str()) {
                    Some(group) => group,
                    None => match offsets::may_create(&request) {
                        Ok(()) => entry(groups, &id),
                        Err(error) => {
                            let response = request.answered(Some(error));
                            return desk.reply(token, GroupResponse::OffsetCommit(response));
                        }
                    },
                };
                let member = request.member_id.clone();
                group.commit(desk, now, token, request);
                let expires = group.members.get(&member).and_then(|member| member.expires);
                let is_forgettable = group.is_forgettable();
                self.arm(&id, expires);
                if is_forgettable {
                    self.settle(&id);
                }
            }
            GroupRequest::OffsetFetch(request) => self.fetch(token, request),
            GroupRequest::Describe(ids) => {
                let response = admin::describe(groups, &ids);
                desk.reply(token, response);
            }
            GroupRequest::List(request) => {
                let response = admin::list(groups, &request);
                desk.reply(token, response);
            }
            GroupRequest::Delete(ids) => admin::delete(groups, desk, now, token, ids),
            GroupRequest::OffsetDelete(request) => {
                let Some(group) = groups.get_mut(request.group_id.as_str()) else {
                    let error = Some(GroupError::GroupIdNotFound);
                    let response = OffsetDeleteResponse { error, topics: Vec::new() };
                    return desk.reply(token, GroupResponse::OffsetDelete(response));
                };
                group.delete_offsets(desk, now, token, request);
            }
        }
    }

    /// OffsetFetch: what is committed; if it is to be stable, once nothing that may change it is under way.
    fn fetch(&mut self, token: Token, request: OffsetFetch) {
        let group = self.groups.get(request.group_id.as_str());
        let last = group.filter(|_| request.require_stable).and_then(|group| group.offsets.last_write());
        let oldest = self.desk.writes.keys().next().copied().unwrap_or(u64::MAX);
        match last {
            Some(last) if oldest <= last => self.fetches.push_back((last, token, request)),
            _ => {
                let response = offsets::fetch(group, &request);
                self.desk.reply(token, response);
            }
        }
    }
}
