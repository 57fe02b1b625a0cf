//! A group: its members, its state, and what changes them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::desk::Desk;
use super::message::{
    Blob, GroupError, GroupResponse, JoinGroup, JoinGroupResponse, JoinGroupResponseMember, SyncGroupResponse,
};
use super::offsets::Offsets;
use super::record::{GroupMetadataValue, GroupRecord, MemberMetadata};
use super::subscription;
use crate::{Instant, Token};

/// The protocol type of consumers, whose subscriptions the coordinator can read.
pub(super) const CONSUMER: &str = "consumer";

/// What a group is at. The table of transitions is in the essay of [`crate::group`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// It has no members, perhaps offsets.
    Empty,
    /// Members are to join (again).
    PreparingRebalance(Preparing),
    /// All have joined; the leader is to bring the assignments.
    CompletingRebalance(Completing),
    /// Everybody can have its assignment.
    Stable(Stable),
    /// It is being deleted: its tombstone is on its way.
    Dead {
        /// The write of the tombstone.
        write: u64,
    },
}

/// A rebalance that waits for members.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Preparing {
    /// Until when.
    pub(super) deadline: Instant,
    /// That of a group that was empty, which ends with its time and not when all have joined: more may come (KIP-134).
    pub(super) initial: Option<Initial>,
}

/// The first rebalance of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Initial {
    /// How long the present delay is.
    pub(super) delay: Duration,
    /// By how much it may still be prolonged.
    pub(super) remaining: Duration,
    /// Somebody joined during the present delay, so that it is prolonged.
    pub(super) member_added: bool,
}

/// A rebalance that waits for assignments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Completing {
    /// Who has not asked for its assignment yet.
    pub(super) unsynced: BTreeSet<String>,
    /// When those are dropped.
    pub(super) deadline: Option<Instant>,
    /// The leader has brought the assignments: the write of them.
    pub(super) storing: Option<u64>,
}

/// A generation at work.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Stable {
    /// Who has not asked for its assignment yet.
    pub(super) unsynced: BTreeSet<String>,
    /// When those are dropped.
    pub(super) deadline: Option<Instant>,
}

/// A group.
///
/// - `members` is empty in the states Empty and Dead, and in no other but PreparingRebalance.
/// - `leader` is a member if there are any.
/// - A member id is either in `members` or in `pending`, never in both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub(super) id: Arc<str>,
    pub(super) state: State,
    /// Since when it is in that state, in milliseconds since 1970.
    pub(super) since: Option<i64>,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member>,
    /// Member ids of static members by `group.instance.id`.
    statics: BTreeMap<String, String>,
    /// How many members know each protocol.
    supported: BTreeMap<String, usize>,
    /// Who was given a member id and has not joined with it yet (KIP-394), each with when that ends.
    pub(super) pending: BTreeMap<String, Instant>,
    /// What the consumers of the generation read, as far as that can be told.
    pub(super) subscribed: Option<BTreeSet<String>>,
    pub(super) offsets: Offsets,
    /// The log has, or will have, a record of the group itself.
    pub(super) logged: bool,
    /// When the group wants to be looked at; never later than the first of its deadlines.
    pub(super) wake: Option<Instant>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Member {
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    pub(super) protocols: Vec<(String, Blob)>,
    pub(super) assignment: Blob,
    /// It has not got an answer to its first join yet, and so cannot send heartbeats.
    pub(super) is_new: bool,
    /// The join that waits for the rebalance.
    pub(super) joining: Option<Token>,
    /// The sync that waits for the leader.
    pub(super) syncing: Option<Token>,
    /// When its session ends; `None` while it waits for an answer, and the session with it.
    pub(super) expires: Option<Instant>,
}

/// A timeout as clients state it; none below zero.
pub(super) fn millis(timeout_ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0))
}

impl Member {
    pub(super) fn new(request: JoinGroup) -> Self {
        Self {
            instance_id: request.group_instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: request.protocols,
            assignment: Blob::from([]),
            is_new: true,
            joining: None,
            syncing: None,
            expires: None,
        }
    }

    /// What it said for a protocol.
    pub(super) fn metadata(&self, protocol: &str) -> Blob {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map_or_else(|| Blob::from([]), |(_, metadata)| metadata.clone())
    }

    /// A session begins anew.
    pub(super) fn heard(&mut self, now: Instant) {
        self.expires = Some(now + millis(self.session_timeout_ms));
    }
}

impl Group {
    pub(super) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            state: State::Empty,
            since: None,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
            supported: BTreeMap::new(),
            pending: BTreeMap::new(),
            subscribed: None,
            offsets: Offsets::default(),
            logged: false,
            wake: None,
        }
    }

    /// The state in Kafka's spelling.
    pub(super) fn state_name(&self) -> &'static str {
        match self.state {
            State::Empty => "Empty",
            State::PreparingRebalance(_) => "PreparingRebalance",
            State::CompletingRebalance(_) => "CompletingRebalance",
            State::Stable(_) => "Stable",
            State::Dead { .. } => "Dead",
        }
    }

    /// Nothing of it need be remembered.
    pub(super) fn is_forgettable(&self) -> bool {
        matches!(self.state, State::Empty)
            && self.pending.is_empty()
            && !self.logged
            && self.offsets.is_empty()
    }

    pub(super) fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    /// The member id of a static member.
    pub(super) fn static_member(&self, instance: &str) -> Option<&str> {
        self.statics.get(instance).map(String::as_str)
    }

    pub(super) fn is_consumer(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Whether members (may) read the topic. A group of consumers of which that cannot be told may read any.
    pub(super) fn is_subscribed(&self, topic: &str) -> bool {
        self.subscribed.as_ref().map_or_else(|| self.is_consumer(), |topics| topics.contains(topic))
    }

    /// Checks who a request says it is from.
    pub(super) fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), GroupError> {
        if let Some(instance) = instance {
            match self.static_member(instance) {
                None => return Err(GroupError::UnknownMemberId),
                Some(current) if current != member => return Err(GroupError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(GroupError::UnknownMemberId) }
    }

    /// Whether somebody with these protocols may join: of the group's type, and with a protocol that all members know.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[(String, Blob)]) -> bool {
        if matches!(self.state, State::Empty) {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let common = |name: &String| self.supported.get(name).copied().unwrap_or(0) == self.members.len();
        self.protocol_type.as_deref() == Some(protocol_type) && protocols.iter().any(|(name, _)| common(name))
    }

    pub(super) fn add(&mut self, id: String, protocol_type: &str, member: Member) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.into());
        }
        if let Some(instance) = &member.instance_id {
            self.statics.insert(instance.clone(), id.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        self.pending.remove(&id);
        self.count(&member.protocols, true);
        self.members.insert(id, member);
    }

    /// A member is no member any more. What it waits for is answered.
    pub(super) fn remove(&mut self, desk: &mut Desk, id: &str) {
        if let Some(member) = self.members.remove(id) {
            self.count(&member.protocols, false);
            if let Some(instance) = &member.instance_id
                && self.static_member(instance) == Some(id)
            {
                self.statics.remove(instance);
            }
            if let Some(token) = member.joining {
                let response = JoinGroupResponse::refused(GroupError::UnknownMemberId, "");
                desk.reply(token, GroupResponse::Join(response));
            }
            if let Some(token) = member.syncing {
                let response = SyncGroupResponse::refused(GroupError::UnknownMemberId);
                desk.reply(token, GroupResponse::Sync(response));
            }
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending.remove(id);
        if let State::CompletingRebalance(Completing { unsynced, .. })
        | State::Stable(Stable { unsynced, .. }) = &mut self.state
        {
            unsynced.remove(id);
        }
    }

    /// A new process takes the place of a static member, under a new member id (KIP-345). The old one, if it waits, is
    /// told that it is fenced.
    pub(super) fn replace(&mut self, desk: &mut Desk, instance: &str, old: &str, new: String) {
        let Some(mut member) = self.members.remove(old) else { return };
        if let Some(token) = member.joining.take() {
            let response = JoinGroupResponse::refused(GroupError::FencedInstanceId, old);
            desk.reply(token, GroupResponse::Join(response));
        }
        if let Some(token) = member.syncing.take() {
            let response = SyncGroupResponse::refused(GroupError::FencedInstanceId);
            desk.reply(token, GroupResponse::Sync(response));
        }
        if let State::CompletingRebalance(Completing { unsynced, .. })
        | State::Stable(Stable { unsynced, .. }) = &mut self.state
            && unsynced.remove(old)
        {
            unsynced.insert(new.clone());
        }
        member.is_new = false;
        if self.is_leader(old) {
            self.leader = Some(new.clone());
        }
        self.statics.insert(instance.into(), new.clone());
        self.members.insert(new, member);
    }

    /// A member joins again: what it says now counts.
    pub(super) fn update(
        &mut self,
        desk: &mut Desk,
        id: &str,
        protocols: Vec<(String, Blob)>,
        timeouts: (i32, i32),
        joining: Option<Token>,
    ) {
        let Some(member) = self.members.get_mut(id) else { return };
        let old = core::mem::replace(&mut member.protocols, protocols.clone());
        (member.rebalance_timeout_ms, member.session_timeout_ms) = timeouts;
        if let Some(token) = core::mem::replace(&mut member.joining, joining) {
            let response = JoinGroupResponse::refused(GroupError::RebalanceInProgress, id);
            desk.reply(token, GroupResponse::Join(response));
        }
        self.count(&old, false);
        self.count(&protocols, true);
    }

    fn count(&mut self, protocols: &[(String, Blob)], joins: bool) {
        // A name counts once a member, however often it is said.
        let names: BTreeSet<&String> = protocols.iter().map(|(name, _)| name).collect();
        for name in names {
            if joins {
                *self.supported.entry(name.clone()).or_default() += 1;
            } else if let Some(count) = self.supported.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.supported.remove(name);
                }
            }
        }
    }

    /// The protocol that most members prefer among those that all know; of several, the first by name.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let common = |name: &String| self.supported.get(name).copied() == Some(self.members.len());
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| common(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = votes.values().max()?;
        votes.iter().find(|(_, count)| *count == most).map(|(name, _)| String::from(*name))
    }

    /// Whether a rebalance need not wait for anybody.
    pub(super) fn all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some())
    }

    /// How long a rebalance waits: as long as the most patient member wants.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        millis(self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0))
    }

    pub(super) fn enter(&mut self, state: State, wall: i64) {
        self.state = state;
        self.since = Some(wall);
    }

    /// What the members of the generation read.
    pub(super) fn note_subscriptions(&mut self) {
        self.subscribed = None;
        if !self.is_consumer() {
            return;
        }
        if self.members.is_empty() {
            self.subscribed = Some(BTreeSet::new());
        } else if let Some(protocol) = &self.protocol {
            let mut topics = BTreeSet::new();
            for member in self.members.values() {
                match subscription::topics(&member.metadata(protocol)) {
                    Ok(named) => topics.extend(named),
                    // Whatever the leader makes of such a subscription, it is not known here which topics are read.
                    Err(_) => return,
                }
            }
            self.subscribed = Some(topics);
        }
    }

    /// The members, as their leader learns of them.
    pub(super) fn members_for_leader(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let tell = |(id, member): (&String, &Member)| JoinGroupResponseMember {
            member_id: id.clone(),
            group_instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol),
        };
        self.members.iter().map(tell).collect()
    }

    /// What a member is told of the generation.
    pub(super) fn joined(&self, id: &str) -> JoinGroupResponse {
        JoinGroupResponse {
            error: None,
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: id.into(),
            members: if self.is_leader(id) { self.members_for_leader() } else { Vec::new() },
        }
    }

    /// The record of the group as it is, with these assignments.
    pub(super) fn record(&self, assignment: impl Fn(&str, &Member) -> Blob) -> GroupRecord {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let tell = |(id, member): (&String, &Member)| MemberMetadata {
            member_id: id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: assignment(id, member),
        };
        GroupRecord::GroupMetadata {
            group: (*self.id).into(),
            value: Some(GroupMetadataValue {
                protocol_type: self.protocol_type.clone().unwrap_or_default(),
                generation: self.generation,
                protocol: self.protocol.clone(),
                leader: self.leader.clone(),
                current_state_timestamp: self.since.unwrap_or(-1),
                members: self.members.iter().map(tell).collect(),
            }),
        }
    }

    /// What the log says of the group takes the place of what it said before. Sessions begin with [`Group::start_sessions`].
    pub(super) fn restore(&mut self, value: GroupMetadataValue) {
        let protocol = value.protocol.clone().unwrap_or_default();
        let offsets = core::mem::take(&mut self.offsets);
        *self = Self::new(self.id.clone());
        self.offsets = offsets;
        self.logged = true;
        self.generation = value.generation;
        self.since = (value.current_state_timestamp != -1).then_some(value.current_state_timestamp);
        for member in value.members {
            let rebalance_timeout_ms = match member.rebalance_timeout {
                -1 => member.session_timeout,
                timeout => timeout,
            };
            // What no coordinator writes must not break what is built on it: the later of two of a name counts.
            let named = member.group_instance_id.as_deref().and_then(|name| self.static_member(name));
            for old in [named.map(String::from), Some(member.member_id.clone())].into_iter().flatten() {
                if let Some(old) = self.members.remove(&old) {
                    self.count(&old.protocols, false);
                }
            }
            let restored = Member {
                instance_id: member.group_instance_id,
                client_id: member.client_id,
                client_host: member.client_host,
                rebalance_timeout_ms,
                session_timeout_ms: member.session_timeout,
                protocols: Vec::from([(protocol.clone(), member.subscription)]),
                assignment: member.assignment,
                is_new: false,
                joining: None,
                syncing: None,
                expires: None,
            };
            self.add(member.member_id, &value.protocol_type, restored);
        }
        self.protocol_type = Some(value.protocol_type).filter(|name| !name.is_empty());
        self.protocol = value.protocol;
        if !self.members.is_empty() {
            self.protocol.get_or_insert_default();
            self.state = State::Stable(Stable { unsynced: BTreeSet::new(), deadline: None });
        }
        let leader = value.leader.filter(|leader| self.members.contains_key(leader));
        self.leader = leader.or_else(|| self.members.keys().next().cloned());
        self.note_subscriptions();
    }

    /// The coordinator leads from now on: every member has a whole session to be heard.
    pub(super) fn start_sessions(&mut self, now: Instant) {
        self.members.values_mut().for_each(|member| member.heard(now));
    }

    /// The first of the group's deadlines.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let of_state = match &self.state {
            State::PreparingRebalance(preparing) => Some(preparing.deadline),
            State::CompletingRebalance(completing) => completing.deadline,
            State::Stable(stable) => stable.deadline,
            State::Empty | State::Dead { .. } => None,
        };
        let sessions = self.members.values().filter_map(|member| member.expires);
        of_state.into_iter().chain(sessions).chain(self.pending.values().copied()).min()
    }
}
