//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use core::time::Duration;

use super::desk::{Desk, Replaced, Then, Write};
use super::message::{
    Blob, GroupError, GroupResponse, Heartbeat, JoinGroup, JoinGroupResponse, LeaveGroup, LeaveGroupResponse,
    LeavingMember, LeftMember, SyncGroup, SyncGroupResponse,
};
use super::state::{Completing, Group, Initial, Member, Preparing, Stable, State, millis};
use crate::{Instant, Token};

/// How long the first join of a member waits at most: it has no member id that it could send heartbeats with, so that nobody
/// notices if it is gone (KAFKA-7610). As long as in Kafka.
const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(300);

impl Group {
    /// JoinGroup.
    pub(super) fn join(&mut self, desk: &mut Desk, now: Instant, token: Token, request: JoinGroup) {
        let refused =
            |error, member_id: &str| GroupResponse::Join(JoinGroupResponse::refused(error, member_id));
        let member_id = request.member_id.clone();
        if let State::Dead { write } = self.state {
            desk.delete_again(now, &self.id, write);
            return desk.reply(token, refused(GroupError::CoordinatorNotAvailable, &member_id));
        }
        let instance = request.group_instance_id.as_deref();
        let place =
            instance.filter(|_| member_id.is_empty()).and_then(|instance| self.static_member(instance));
        if !self.has_room(desk, place.unwrap_or(&member_id)) {
            self.remove(desk, &member_id);
            desk.reply(token, refused(GroupError::GroupMaxSizeReached, ""));
            self.complete_if_joined(desk, now);
            return;
        }
        if !self.supports(&request.protocol_type, &request.protocols) {
            return desk.reply(token, refused(GroupError::InconsistentGroupProtocol, &member_id));
        }
        if member_id.is_empty() {
            return self.join_first(desk, now, token, request);
        }
        if self.pending.contains_key(&member_id) && request.group_instance_id.is_none() {
            return self.join_as(desk, now, token, member_id, request);
        }
        if let Err(error) = self.check_member(&member_id, request.group_instance_id.as_deref()) {
            return desk.reply(token, refused(error, &member_id));
        }
        let is_same =
            self.members.get(&member_id).is_some_and(|member| member.protocols == request.protocols);
        match self.state {
            // Its answer was lost: it is told again what came of the join.
            State::CompletingRebalance(_) if is_same => {
                desk.reply(token, GroupResponse::Join(self.joined(&member_id)));
            }
            // Whether a follower lost its answer, or joins for no reason: it may get its assignment again. The leader may join because it
            // wants to assign anew.
            State::Stable(_) if is_same && !self.is_leader(&member_id) => {
                desk.reply(token, GroupResponse::Join(self.joined(&member_id)));
            }
            State::PreparingRebalance(_) | State::CompletingRebalance(_) | State::Stable(_) => {
                let timeouts = (request.rebalance_timeout_ms, request.session_timeout_ms);
                self.update(desk, &member_id, request.protocols, timeouts, Some(token));
                self.rebalance(desk, now);
            }
            State::Empty | State::Dead { .. } => {
                desk.reply(token, refused(GroupError::UnknownMemberId, &member_id));
            }
        }
    }

    /// Whether one more may join, or this one join again (`group.max.size`).
    fn has_room(&self, desk: &Desk, member_id: &str) -> bool {
        let limit = desk.config.group_max_size;
        match self.state {
            State::Empty | State::Dead { .. } => true,
            State::PreparingRebalance(_) => {
                // Counted are those who came, and static members, who need not come to stay: so, where there are too many, the last ones
                // do not get in.
                let stays = |member: &Member| member.joining.is_some() || member.instance_id.is_some();
                let others =
                    self.members.iter().filter(|(id, member)| *id != member_id && stays(member)).count();
                self.members.get(member_id).is_some_and(|member| member.joining.is_some()) || others < limit
            }
            State::CompletingRebalance(_) | State::Stable(_) => {
                self.members.contains_key(member_id) || self.members.len() < limit
            }
        }
    }

    /// Somebody without member id joins.
    fn join_first(&mut self, desk: &mut Desk, now: Instant, token: Token, request: JoinGroup) {
        let name = request.group_instance_id.as_ref().unwrap_or(&request.client_id);
        let new = desk.member_id(name);
        let instance = request.group_instance_id.as_deref();
        if let Some(old) = instance.and_then(|instance| self.static_member(instance)) {
            let old = String::from(old);
            self.join_in_place_of(desk, now, token, &old, new, request);
        } else if instance.is_none() && request.requires_known_member_id {
            self.pending.insert(new.clone(), now + millis(request.session_timeout_ms));
            let response = JoinGroupResponse::refused(GroupError::MemberIdRequired, &new);
            desk.reply(token, GroupResponse::Join(response));
        } else {
            self.join_as(desk, now, token, new, request);
        }
    }

    /// Somebody becomes a member.
    fn join_as(&mut self, desk: &mut Desk, now: Instant, token: Token, id: String, request: JoinGroup) {
        if let State::PreparingRebalance(Preparing { initial: Some(initial), .. }) = &mut self.state {
            let Initial { member_added, .. } = initial;
            *member_added = true;
        }
        let protocol_type = request.protocol_type.clone();
        let mut member = Member::new(request);
        member.joining = Some(token);
        member.expires = Some(now + NEW_MEMBER_JOIN_TIMEOUT);
        self.add(id, &protocol_type, member);
        self.rebalance(desk, now);
    }

    /// A static member's new process joins (KIP-345). In a stable group, where it changes nothing, it takes the old one's place without
    /// a rebalance, as soon as that is in the log.
    fn join_in_place_of(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        token: Token,
        old: &str,
        new: String,
        request: JoinGroup,
    ) {
        let old_leader = self.leader.clone().unwrap_or_default();
        let instance = request.group_instance_id.unwrap_or_default();
        self.replace(desk, &instance, old, new.clone());
        self.keep_session(now, &new);
        let timeouts = (request.rebalance_timeout_ms, request.session_timeout_ms);
        self.update(desk, &new, request.protocols, timeouts, Some(token));
        match self.state {
            State::Stable(_) if self.select_protocol() == self.protocol => {
                let record = self.record(|_, member| member.assignment.clone());
                let replaced = Replaced {
                    group: (*self.id).into(),
                    token,
                    member: new,
                    old_leader,
                    skips: request.supports_skipping_assignment,
                };
                let then = Then::Replaced(replaced);
                desk.append(now, vec![record], Write { then, ..Write::default() });
            }
            // The leader may know the old member id by now, and would assign to that: so everybody joins again.
            State::Stable(_) | State::CompletingRebalance(_) | State::PreparingRebalance(_) => {
                self.rebalance(desk, now);
            }
            State::Empty | State::Dead { .. } => {}
        }
    }

    /// What came of the write of a static member's new process.
    pub(super) fn replaced(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        replaced: Replaced,
        error: Option<GroupError>,
    ) {
        let Replaced { token, member, .. } = replaced;
        let is_stable = matches!(self.state, State::Stable(_));
        let Some(new) = self.members.get_mut(&member).filter(|new| is_stable && new.joining == Some(token))
        else {
            // It was answered otherwise, or a rebalance began meanwhile, and will answer it.
            return;
        };
        if error.is_some() {
            // The log does not say what is so here. It does with the next generation, for which the new process waits.
            self.prepare(desk, now);
            return;
        }
        new.joining = None;
        new.heard(now);
        let mut response = self.joined(&member);
        if replaced.skips {
            response.skip_assignment = self.is_leader(&member);
        } else {
            // It must not take itself for the leader, and assign: nobody would ask for that.
            response.leader = replaced.old_leader;
            response.members.clear();
        }
        desk.reply(token, GroupResponse::Join(response));
    }

    /// SyncGroup.
    pub(super) fn sync(&mut self, desk: &mut Desk, now: Instant, token: Token, request: SyncGroup) {
        if let Err(error) = self.check_sync(&request) {
            return desk.reply(token, GroupResponse::Sync(SyncGroupResponse::refused(error)));
        }
        let is_leader = self.is_leader(&request.member_id);
        let Some(member) = self.members.get_mut(&request.member_id) else { return };
        match &mut self.state {
            State::CompletingRebalance(Completing { unsynced, storing, .. }) => {
                unsynced.remove(&request.member_id);
                if let Some(earlier) = member.syncing.replace(token) {
                    let response = SyncGroupResponse::refused(GroupError::RebalanceInProgress);
                    desk.reply(earlier, GroupResponse::Sync(response));
                }
                // A leader that brings assignments again does so because its first request got lost on the way back: the first ones
                // are under way to the log, and count.
                if is_leader && storing.is_none() {
                    *storing = Some(desk.next_write());
                    self.store(desk, now, request);
                }
            }
            State::Stable(Stable { unsynced, .. }) => {
                unsynced.remove(&request.member_id);
                member.heard(now);
                let response = SyncGroupResponse {
                    error: None,
                    protocol_type: self.protocol_type.clone(),
                    protocol_name: self.protocol.clone(),
                    assignment: member.assignment.clone(),
                };
                desk.reply(token, GroupResponse::Sync(response));
            }
            State::Empty | State::PreparingRebalance(_) | State::Dead { .. } => {}
        }
    }

    fn check_sync(&self, request: &SyncGroup) -> Result<(), GroupError> {
        match self.state {
            State::Empty => return Err(GroupError::UnknownMemberId),
            State::Dead { .. } => return Err(GroupError::CoordinatorNotAvailable),
            _ => {}
        }
        self.check_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        let differs = |said: &Option<String>, is: &Option<String>| {
            said.as_ref().zip(is.as_ref()).is_some_and(|(said, is)| said != is)
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol)
        {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        match self.state {
            State::PreparingRebalance(_) => Err(GroupError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Writes the assignments. Nobody learns of them before they are in the log: else a coordinator that takes over could let others
    /// read the same partitions in the same generation.
    fn store(&mut self, desk: &mut Desk, now: Instant, request: SyncGroup) {
        let mut assignments: BTreeMap<String, Blob> = request.assignments.into_iter().collect();
        assignments.retain(|id, _| self.members.contains_key(id));
        let record = self.record(|id, _| assignments.get(id).cloned().unwrap_or_else(|| Blob::from([])));
        self.logged = true;
        let then = Then::Assign { group: (*self.id).into(), generation: self.generation, assignments };
        desk.append(now, vec![record], Write { then, ..Write::default() });
    }

    /// What came of the write of a generation's assignments.
    pub(super) fn assigned(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        write: u64,
        generation: i32,
        mut assignments: BTreeMap<String, Blob>,
        error: Option<GroupError>,
    ) {
        let State::CompletingRebalance(Completing { unsynced, deadline, storing }) = &mut self.state else {
            return;
        };
        if *storing != Some(write) || self.generation != generation {
            return;
        }
        if let Some(error) = error {
            self.take_assignments_back(desk, now, error);
            self.rebalance(desk, now);
            return;
        }
        let stable = Stable { unsynced: core::mem::take(unsynced), deadline: *deadline };
        for (id, member) in &mut self.members {
            member.assignment = assignments.remove(id).unwrap_or_else(|| Blob::from([]));
            if let Some(token) = member.syncing.take() {
                let response = SyncGroupResponse {
                    error: None,
                    protocol_type: self.protocol_type.clone(),
                    protocol_name: self.protocol.clone(),
                    assignment: member.assignment.clone(),
                };
                desk.reply(token, GroupResponse::Sync(response));
                member.heard(now);
            }
        }
        self.enter(State::Stable(stable), desk.wall(now));
    }

    /// Heartbeat: why not.
    pub(super) fn heartbeat(&mut self, now: Instant, request: &Heartbeat) -> Option<GroupError> {
        self.hear(now, request).err()
    }

    fn hear(&mut self, now: Instant, request: &Heartbeat) -> Result<(), GroupError> {
        if let State::Dead { .. } = self.state {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        self.check_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.keep_session(now, &request.member_id);
        match self.state {
            State::PreparingRebalance(_) => Err(GroupError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// A member was heard of.
    pub(super) fn keep_session(&mut self, now: Instant, member_id: &str) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.heard(now);
        }
    }

    /// LeaveGroup.
    pub(super) fn leave(&mut self, desk: &mut Desk, now: Instant, token: Token, request: LeaveGroup) {
        if let State::Dead { .. } = self.state {
            let error = Some(GroupError::CoordinatorNotAvailable);
            let response = LeaveGroupResponse { error, members: vec![] };
            return desk.reply(token, GroupResponse::Leave(response));
        }
        let mut members = vec![];
        let mut is_smaller = false;
        for LeavingMember { member_id, group_instance_id, .. } in request.members {
            let found = self.leaving(&member_id, group_instance_id.as_deref());
            let error = found.as_ref().err().copied();
            if let Ok(id) = found {
                is_smaller |= self.members.contains_key(&id);
                self.remove(desk, &id);
            }
            members.push(LeftMember { member_id, group_instance_id, error });
        }
        let response = GroupResponse::Leave(LeaveGroupResponse { error: None, members });
        let emptied = match self.state {
            State::PreparingRebalance(_) => self.complete_if_joined(desk, now),
            State::Stable(_) | State::CompletingRebalance(_) if is_smaller => self.prepare(desk, now),
            _ => None,
        };
        // Who left last is answered when the log says that the group is empty.
        match emptied.and_then(|write| desk.writes.get_mut(&write)) {
            Some(write) => write.then = Then::Reply { token, response },
            None => desk.reply(token, response),
        }
    }

    /// The member id of who leaves.
    fn leaving(&self, member_id: &str, instance: Option<&str>) -> Result<String, GroupError> {
        if member_id.is_empty() {
            let found = instance.and_then(|instance| self.static_member(instance));
            return found.map(String::from).ok_or(GroupError::UnknownMemberId);
        }
        if !self.pending.contains_key(member_id) {
            self.check_member(member_id, instance)?;
        }
        Ok(member_id.into())
    }
}
