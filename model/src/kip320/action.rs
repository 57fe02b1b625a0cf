//! The steps: which are enabled, and what each does.

use super::Kip320;
use super::state::{NONE, State, name};

/// One step of one part. Replicas are indices, epochs count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The controller makes a member of the ISR the leader (`kip320/controller/1`).
    ElectLeader {
        /// Who will lead.
        leader: u8,
    },
    /// The controller takes a replica that failed out of the ISR (`kip320/controller/2`).
    ControllerShrinkIsr {
        /// Who failed.
        replica: u8,
    },
    /// The leader of a request takes it (`kip320/role/1`).
    BecomeLeader {
        /// Of the request.
        epoch: u8,
    },
    /// Another replica takes a request and truncates its log (`kip320/role/2`, `kip320/follower/1`).
    BecomeFollower {
        /// Who takes it.
        replica: u8,
        /// Of the request.
        epoch: u8,
    },
    /// A presumed leader appends a producer's record (`kip320/leader/1`).
    Write {
        /// Who leads.
        leader: u8,
    },
    /// A leader's high watermark moves on by one (`kip320/leader/2`).
    AdvanceHighWatermark {
        /// Who leads.
        leader: u8,
    },
    /// The true leader drops a follower from the ISR (`kip320/leader/3`).
    ShrinkIsr {
        /// Who leads.
        leader: u8,
        /// Who is dropped.
        follower: u8,
        /// Why: two reasons for one step are two successors, as TLC counts.
        reason: Reason,
    },
    /// The true leader takes a follower back into the ISR (`kip320/leader/4`).
    ExpandIsr {
        /// Who leads.
        leader: u8,
        /// Who is in sync again.
        follower: u8,
    },
    /// A follower fetches one record, and with it the high watermark (`kip320/follower/2`).
    Fetch {
        /// Who fetches, from the leader that it presumes.
        follower: u8,
    },
}

/// Why a leader drops a follower from the ISR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The follower does not follow the leader in its epoch.
    Epoch,
    /// The follower's log is shorter.
    Lag,
}

impl Action {
    pub(super) const KINDS: [&'static str; 9] = [
        "elect-leader",
        "controller-shrink-isr",
        "become-leader",
        "become-follower",
        "write",
        "advance-high-watermark",
        "shrink-isr",
        "expand-isr",
        "fetch",
    ];

    pub(super) const fn kind(self) -> usize {
        match self {
            Self::ElectLeader { .. } => 0,
            Self::ControllerShrinkIsr { .. } => 1,
            Self::BecomeLeader { .. } => 2,
            Self::BecomeFollower { .. } => 3,
            Self::Write { .. } => 4,
            Self::AdvanceHighWatermark { .. } => 5,
            Self::ShrinkIsr { .. } => 6,
            Self::ExpandIsr { .. } => 7,
            Self::Fetch { .. } => 8,
        }
    }
}

impl Kip320 {
    /// Every step that is enabled; each changes the state.
    pub(super) fn enabled(&self, state: &State, actions: &mut Vec<Action>) {
        self.controller_steps(state, actions);
        self.role_steps(state, actions);
        for replica in 0..self.bounds.replicas {
            if state.replicas[usize::from(replica)].leader == name(replica) {
                self.leader_steps(state, replica, actions);
            } else if self.can_fetch(state, usize::from(replica)) {
                actions.push(Action::Fetch { follower: replica });
            }
        }
    }

    fn controller_steps(&self, state: &State, actions: &mut Vec<Action>) {
        let quorum = &state.quorum;
        if quorum.epochs_issued() > self.bounds.leader_epoch_max {
            return;
        }
        for replica in 0..self.bounds.replicas {
            let in_isr = quorum.isr & 1 << replica != 0;
            let leads = quorum.leader == name(replica);
            if in_isr && !leads {
                actions.push(Action::ElectLeader { leader: replica });
            }
            if in_isr || leads {
                actions.push(Action::ControllerShrinkIsr { replica });
            }
        }
    }

    fn role_steps(&self, state: &State, actions: &mut Vec<Action>) {
        for epoch in 0..state.quorum.epochs_issued() {
            // A request without a leader is taken by nobody: the specification has it so.
            let (leader, _) = state.quorum.request(epoch);
            if leader == NONE {
                continue;
            }
            let leader = leader - 1;
            // Epochs of replicas count from 1, so that "newer than" reads "at most".
            if state.replicas[usize::from(leader)].epoch <= epoch {
                actions.push(Action::BecomeLeader { epoch });
            }
            if self.answers_truncation(state, usize::from(leader), epoch) {
                for replica in (0..self.bounds.replicas).filter(|&replica| replica != leader) {
                    if state.replicas[usize::from(replica)].epoch <= epoch {
                        actions.push(Action::BecomeFollower { replica, epoch });
                    }
                }
            }
        }
    }

    /// Whether a follower of `epoch` may ask `leader` where to truncate.
    fn answers_truncation(&self, state: &State, leader: usize, epoch: u8) -> bool {
        let replica = &state.replicas[leader];
        !self.rules.truncation_fenced || replica.leader == name(leader as u8) && replica.epoch == epoch + 1
    }

    fn can_fetch(&self, state: &State, follower: usize) -> bool {
        let replica = &state.replicas[follower];
        if replica.leader == NONE {
            return false;
        }
        let leader = usize::from(replica.leader - 1);
        self.follows(state, leader, follower, self.rules.fetch_fenced)
            && replica.end() < state.replicas[leader].end()
    }

    fn follows(&self, state: &State, leader: usize, follower: usize, fenced: bool) -> bool {
        if fenced {
            state.is_following_in_epoch(leader, follower)
        } else {
            state.is_following(leader, follower)
        }
    }

    /// What a replica that presumes to lead can do.
    fn leader_steps(&self, state: &State, leader: u8, actions: &mut Vec<Action>) {
        let index = usize::from(leader);
        let replica = &state.replicas[index];
        if state.quorum.records < self.bounds.records_max && replica.end() < self.bounds.log_size {
            actions.push(Action::Write { leader });
        }
        if self.can_advance(state, index) {
            actions.push(Action::AdvanceHighWatermark { leader });
        }
        if !state.is_true_leader(index) {
            return;
        }
        let expands = self.may_expand(state, index);
        for follower in (0..self.bounds.replicas).filter(|&follower| follower != leader) {
            let at = usize::from(follower);
            let in_epoch = state.is_following_in_epoch(index, at);
            let end = state.replicas[at].end();
            if replica.isr & 1 << follower != 0 {
                let mut shrink = |reason| actions.push(Action::ShrinkIsr { leader, follower, reason });
                if !in_epoch {
                    shrink(Reason::Epoch);
                }
                if end < replica.end() {
                    shrink(Reason::Lag);
                }
            } else if expands && in_epoch && end >= replica.high_watermark {
                actions.push(Action::ExpandIsr { leader, follower });
            }
        }
    }

    /// Whether every member of the leader's ISR holds the record at its high watermark.
    fn can_advance(&self, state: &State, leader: usize) -> bool {
        let replica = &state.replicas[leader];
        let acknowledged = |member: usize| {
            replica.isr & 1 << member == 0
                || state.replicas[member].end() > replica.high_watermark
                    && self.follows(state, leader, member, self.rules.high_watermark_fenced)
        };
        replica.end() > replica.high_watermark && self.replicas().all(acknowledged)
    }

    /// Whether the leader's high watermark is in its own epoch, or at its end.
    fn may_expand(&self, state: &State, leader: usize) -> bool {
        let replica = &state.replicas[leader];
        let high_watermark = replica.high_watermark;
        !self.rules.expansion_awaits_epoch
            || high_watermark == replica.end()
            || high_watermark < replica.end() && replica.epoch_at(high_watermark) == replica.epoch
    }

    /// The state after a step that is enabled.
    pub(super) fn after(&self, state: &State, action: Action) -> State {
        let mut next = *state;
        match action {
            Action::ElectLeader { leader } => next.quorum.update(name(leader), state.quorum.isr),
            Action::ControllerShrinkIsr { replica } => {
                self.controller_shrinks(&mut next, replica);
            }
            Action::BecomeLeader { epoch } => {
                let (leader, _) = state.quorum.request(epoch);
                take_request(&mut next, usize::from(leader - 1), epoch);
            }
            Action::BecomeFollower { replica, epoch } => {
                let (leader, _) = state.quorum.request(epoch);
                let leader = state.replicas[usize::from(leader - 1)];
                let follower = &mut next.replicas[usize::from(replica)];
                let end = leader.end_in_common(follower);
                follower.truncate(end);
                follower.high_watermark = follower.high_watermark.min(end);
                take_request(&mut next, usize::from(replica), epoch);
            }
            Action::Write { leader } => {
                let replica = &mut next.replicas[usize::from(leader)];
                next.quorum.records += 1;
                let end = usize::from(replica.end());
                replica.log[end] = next.quorum.records << 4 | replica.epoch;
            }
            Action::AdvanceHighWatermark { leader } => {
                next.replicas[usize::from(leader)].high_watermark += 1;
            }
            Action::ShrinkIsr { leader, follower, .. } => {
                let isr = state.replicas[usize::from(leader)].isr & !(1 << follower);
                leader_sets_isr(&mut next, leader, isr);
            }
            Action::ExpandIsr { leader, follower } => {
                let isr = state.replicas[usize::from(leader)].isr | 1 << follower;
                leader_sets_isr(&mut next, leader, isr);
            }
            Action::Fetch { follower } => fetch(&mut next, usize::from(follower)),
        }
        next
    }

    fn controller_shrinks(&self, next: &mut State, replica: u8) {
        let quorum = &mut next.quorum;
        let leads = quorum.leader == name(replica);
        let rest = quorum.isr & !(1 << replica);
        // kip320/controller/3: the last member stays although it leads no longer: somebody must be electable.
        let isr = if leads && rest == 0 { quorum.isr } else { rest };
        let steps_down = leads && self.rules.failed_leader_steps_down;
        quorum.update(if steps_down { NONE } else { quorum.leader }, isr);
    }
}

fn take_request(next: &mut State, replica: usize, epoch: u8) {
    let (leader, isr) = next.quorum.request(epoch);
    let replica = &mut next.replicas[replica];
    replica.epoch = epoch + 1;
    replica.leader = leader;
    replica.isr = isr;
}

fn leader_sets_isr(next: &mut State, leader: u8, isr: u8) {
    next.quorum.isr = isr;
    next.replicas[usize::from(leader)].isr = isr;
}

fn fetch(next: &mut State, follower: usize) {
    let leader = next.replicas[usize::from(next.replicas[follower].leader - 1)];
    let follower = &mut next.replicas[follower];
    let end = usize::from(follower.end());
    follower.log[end] = leader.log[end];
    // The follower's own high watermark may go back here: the specification has it so.
    follower.high_watermark = leader.high_watermark.min(end as u8 + 1);
}
