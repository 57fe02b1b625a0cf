//! How a group comes from one generation to the next, and what time does to it.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::desk::{Desk, Write};
use super::message::{Blob, GroupError, GroupResponse, SyncGroupResponse};
use super::state::{Completing, Group, Initial, Preparing, Stable, State};
use crate::Instant;

impl Group {
    /// Somebody came, changed or went: a rebalance begins, or ends if this was the last that it waited for. The write of
    /// the group's record, if it is empty now.
    pub(super) fn rebalance(&mut self, desk: &mut Desk, now: Instant) -> Option<u64> {
        match self.state {
            State::Empty | State::CompletingRebalance(_) | State::Stable(_) => self.prepare(desk, now),
            State::PreparingRebalance(_) => self.complete_if_joined(desk, now),
            State::Dead { .. } => None,
        }
    }

    /// Begins a rebalance.
    pub(super) fn prepare(&mut self, desk: &mut Desk, now: Instant) -> Option<u64> {
        if let State::CompletingRebalance(_) = self.state {
            self.take_assignments_back(desk, now, GroupError::RebalanceInProgress);
        }
        let is_initial = matches!(self.state, State::Empty);
        let timeout = self.rebalance_timeout();
        let delay = if is_initial { desk.config.initial_rebalance_delay } else { timeout };
        let initial = is_initial.then(|| Initial {
            delay,
            remaining: timeout.saturating_sub(delay),
            member_added: false,
        });
        self.enter(State::PreparingRebalance(Preparing { deadline: now + delay, initial }), desk.wall(now));
        self.complete_if_joined(desk, now)
    }

    /// Ends the wait for members if nobody is missing, unless it is the first, which ends with its time.
    pub(super) fn complete_if_joined(&mut self, desk: &mut Desk, now: Instant) -> Option<u64> {
        match &self.state {
            State::PreparingRebalance(Preparing { initial: None, .. }) if self.all_joined() => {
                self.complete_join(desk, now)
            }
            _ => None,
        }
    }

    /// Ends the wait for members: those who came are the next generation. Static members need not have come.
    pub(super) fn complete_join(&mut self, desk: &mut Desk, now: Instant) -> Option<u64> {
        let is_absent =
            |member: &super::state::Member| member.joining.is_none() && member.instance_id.is_none();
        let absent: Vec<String> =
            self.members.iter().filter(|(_, member)| is_absent(member)).map(|(id, _)| id.clone()).collect();
        for id in absent {
            self.remove(desk, &id);
        }
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Only static members are left, none of whom came. Their sessions end, or they come.
            let deadline = now + self.rebalance_timeout().max(LEADERLESS_WAIT_MIN);
            self.state = State::PreparingRebalance(Preparing { deadline, initial: None });
            return None;
        }
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.protocol = self.select_protocol();
        self.note_subscriptions();
        if self.members.is_empty() {
            self.enter(State::Empty, desk.wall(now));
            self.logged = true;
            let record = self.record(|_, _| Blob::from([]));
            return Some(desk.append(now, vec![record], Write::default()));
        }
        let completing = Completing {
            unsynced: self.members.keys().cloned().collect(),
            deadline: Some(now + self.rebalance_timeout()),
            storing: None,
        };
        self.enter(State::CompletingRebalance(completing), desk.wall(now));
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let response = self.joined(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            if let Some(token) = member.joining.take() {
                desk.reply(token, GroupResponse::Join(response));
            }
            member.heard(now);
            member.is_new = false;
        }
        None
    }

    /// Sees to it that the leader is one who joined; whether there is one.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |id: &String| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if self.leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        let joined = self.members.iter().find(|(_, member)| member.joining.is_some());
        let joined = joined.map(|(id, _)| id.clone());
        if joined.is_some() {
            self.leader = joined;
            return true;
        }
        false
    }

    /// Nobody has an assignment any more, and who waits for one is told why.
    pub(super) fn take_assignments_back(&mut self, desk: &mut Desk, now: Instant, error: GroupError) {
        for member in self.members.values_mut() {
            member.assignment = Blob::from([]);
            if let Some(token) = member.syncing.take() {
                desk.reply(token, GroupResponse::Sync(SyncGroupResponse::refused(error)));
                member.heard(now);
            }
        }
    }

    /// Does what is due.
    pub(super) fn elapse(&mut self, desk: &mut Desk, now: Instant) {
        let due = |deadline: &Instant| *deadline <= now;
        let pending = self.pending.len();
        self.pending.retain(|_, deadline| !due(deadline));
        if self.pending.len() < pending {
            self.complete_if_joined(desk, now);
        }
        let silent: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| member.expires.as_ref().is_some_and(due))
            .map(|(id, _)| id.clone())
            .collect();
        for id in silent {
            self.expire(desk, now, &id);
        }
        match &mut self.state {
            State::PreparingRebalance(preparing) if due(&preparing.deadline) => {
                match &mut preparing.initial {
                    Some(initial) if initial.member_added && !initial.remaining.is_zero() => {
                        let last = initial.delay;
                        initial.delay = desk.config.initial_rebalance_delay.min(initial.remaining);
                        initial.remaining = initial.remaining.saturating_sub(last);
                        initial.member_added = false;
                        preparing.deadline = now + initial.delay;
                    }
                    _ => {
                        self.complete_join(desk, now);
                    }
                }
            }
            State::CompletingRebalance(Completing { unsynced, deadline, .. })
            | State::Stable(Stable { unsynced, deadline })
                if deadline.as_ref().is_some_and(due) =>
            {
                *deadline = None;
                let late = core::mem::take(unsynced);
                if !late.is_empty() {
                    late.iter().for_each(|id| self.remove(desk, id));
                    self.prepare(desk, now);
                }
            }
            _ => {}
        }
    }

    /// A member's session may be over.
    fn expire(&mut self, desk: &mut Desk, now: Instant, id: &str) {
        let Some(member) = self.members.get_mut(id) else { return };
        let expires = member.expires.filter(|expires| *expires <= now);
        if expires.is_none() {
            // Something that was due before began a new session.
            return;
        }
        if !member.is_new && (member.joining.is_some() || member.syncing.is_some()) {
            // The coordinator owes it an answer. Its session goes on with that.
            member.expires = None;
            return;
        }
        self.remove(desk, id);
        self.rebalance(desk, now);
    }
}

/// How long a rebalance is put off at least if only static members that have not come are left: a timeout of zero must not
/// become a loop without end.
const LEADERLESS_WAIT_MIN: Duration = Duration::from_secs(1);
