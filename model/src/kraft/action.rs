//! What can happen next, and when.

use super::Kraft;
use super::rules::{BeginQuorum, RepeatedVote, VoteMemory, grain};
use super::state::{Message, Node, State, kind, role};
use crate::voting::{NOBODY, VoteRequest};

/// One atomic step of one voter, of the network, or of fate. Voters are indices, 0 and up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are voters by index and what the variants say")]
pub enum Action {
    /// A follower has not heard of its leader for too long, and campaigns.
    FetchTimeout { node: u8 },
    /// A voter without a leader has waited long enough, and campaigns.
    ElectionTimeout { node: u8 },
    /// A follower hears that its leader resigned, and campaigns at once.
    EndQuorumEpoch { node: u8 },
    /// The vote request of a candidate's last campaign arrives at a voter.
    RequestVote { voter: u8, candidate: u8 },
    /// The announcement of the leader of an epoch arrives at a voter.
    BeginQuorumEpoch { voter: u8, epoch: u8 },
    /// A follower sends a fetch.
    Fetch { node: u8 },
    /// A message arrives and is handled.
    Deliver { message: Message },
    /// A message arrives and is handled; a copy of it stays in flight.
    Duplicate { message: Message },
    /// A message is lost.
    Lose { message: Message },
    /// A client's record is appended to a leader's log.
    Append { node: u8 },
    /// A leader gives up: it is shut down, or it has not been fetched from by a majority for too long.
    Resign { node: u8 },
    /// A voter stops and starts again; with `lost`, without what it had not flushed.
    Restart { node: u8, lost: bool },
    /// A voter comes back with a blank disk.
    Wipe { node: u8 },
    /// From now on the network is stable and nothing fails, except that `stopped` (an id) has stopped for good.
    Stabilise { stopped: u8 },
}

/// The names of the kinds of action.
pub(super) const KINDS: &[&str] = &[
    "fetch-timeout",
    "election-timeout",
    "end-quorum-epoch",
    "vote-request",
    "vote-reply",
    "begin-quorum-epoch",
    "fetch",
    "fetch-request",
    "fetch-response",
    "diverging-response",
    "duplicate",
    "lose",
    "append",
    "resign",
    "restart",
    "restart-losing-tail",
    "wipe",
    "stabilise",
];

impl Action {
    /// The index of its kind in [`KINDS`].
    pub(super) fn kind(self) -> usize {
        match self {
            Self::FetchTimeout { .. } => 0,
            Self::ElectionTimeout { .. } => 1,
            Self::EndQuorumEpoch { .. } => 2,
            Self::RequestVote { .. } => 3,
            Self::Deliver { message } => match message.fields().kind {
                kind::VOTE_GRANTED => 4,
                kind::FETCH => 7,
                kind::RECORDS => 8,
                _ => 9,
            },
            Self::BeginQuorumEpoch { .. } => 5,
            Self::Fetch { .. } => 6,
            Self::Duplicate { .. } => 10,
            Self::Lose { .. } => 11,
            Self::Append { .. } => 12,
            Self::Resign { .. } => 13,
            Self::Restart { lost: false, .. } => 14,
            Self::Restart { lost: true, .. } => 15,
            Self::Wipe { .. } => 16,
            Self::Stabilise { .. } => 17,
        }
    }

    /// The class of weak fairness: one for each thing that a live voter, or a stable network, does in the end.
    ///
    /// Liveness bounds have at most three voters, which keeps every class below 64.
    pub(super) fn fairness(self) -> Option<u8> {
        let pair = |to: u8, from: u8| to * 3 + from;
        match self {
            Self::FetchTimeout { node } | Self::ElectionTimeout { node } | Self::EndQuorumEpoch { node } => {
                Some(node)
            }
            Self::Fetch { node } => Some(3 + node),
            Self::BeginQuorumEpoch { voter, .. } => Some(6 + voter),
            Self::RequestVote { voter, candidate } => Some(9 + pair(voter, candidate)),
            Self::Deliver { message } => {
                let fields = message.fields();
                let exchange = match fields.kind {
                    kind::VOTE_GRANTED => 0,
                    kind::FETCH => 1,
                    _ => 2,
                };
                Some(18 + 9 * exchange + pair(fields.to as u8, fields.from as u8))
            }
            Self::Duplicate { .. }
            | Self::Lose { .. }
            | Self::Append { .. }
            | Self::Resign { .. }
            | Self::Restart { .. }
            | Self::Wipe { .. }
            | Self::Stabilise { .. } => None,
        }
    }
}

impl Kraft {
    /// Every action that is enabled.
    pub(super) fn enabled(&self, state: &State, actions: &mut Vec<Action>) {
        let bounds = &self.bounds;
        let stable = state.is_stable();
        let may_fail = !stable && state.faults() < bounds.faults;
        let room = state.messages_len() < bounds.messages;
        let nodes = &state.nodes[..usize::from(bounds.nodes)];
        for (node, voter) in (0..).zip(nodes) {
            if voter.role == role::GONE {
                continue;
            }
            self.enabled_timer(state, node, voter, actions);
            self.enabled_requests(state, node, voter, room, |action| actions.push(action));
            if voter.role == role::FOLLOWER && self.may_fetch(state, node, voter, room) {
                actions.push(Action::Fetch { node });
            }
            if voter.leads() && state.produced < bounds.records && !voter.log.is_full() {
                actions.push(Action::Append { node });
            }
            if may_fail && voter.leads() && state.resignations < bounds.resignations {
                actions.push(Action::Resign { node });
            }
            if may_fail && state.restarts < bounds.restarts {
                actions.push(Action::Restart { node, lost: false });
                if voter.flushed < voter.log.len() {
                    actions.push(Action::Restart { node, lost: true });
                }
            }
            if !stable && state.wiped.count_ones() < u32::from(bounds.wipes) {
                actions.push(Action::Wipe { node });
            }
        }
        for message in state.in_flight() {
            actions.push(Action::Deliver { message });
            if !stable {
                // What stays in flight for ever is as good as lost: loss is a step only where it makes room.
                if !room {
                    actions.push(Action::Lose { message });
                }
                // The answer to a duplicated fetch needs a slot beside the copy that stays.
                let fits = room || message.fields().kind != kind::FETCH;
                if may_fail && fits && state.duplicates < bounds.duplicates {
                    actions.push(Action::Duplicate { message });
                }
            }
        }
        if bounds.stable_after > 0 && !stable {
            actions.push(Action::Stabilise { stopped: NOBODY });
            if bounds.nodes > 2 {
                actions.extend((1..=bounds.nodes).map(|stopped| Action::Stabilise { stopped }));
            }
        }
    }

    /// The timer of a voter, which makes it campaign.
    fn enabled_timer(&self, state: &State, node: u8, voter: &Node, actions: &mut Vec<Action>) {
        let faults = self.bounds.stable_after > 0 && !state.is_stable();
        let last = if faults { self.bounds.stable_after } else { self.bounds.epochs };
        if voter.leads()
            || voter.ballot.epoch >= last
            || state.is_stable() && !self.timer_may_fire(state, node, voter)
        {
            return;
        }
        if voter.role != role::FOLLOWER {
            actions.push(Action::ElectionTimeout { node });
            return;
        }
        actions.push(Action::FetchTimeout { node });
        let leader = state.voter(voter.leader);
        if leader.role == role::RESIGNED && leader.ballot.epoch == voter.ballot.epoch {
            actions.push(Action::EndQuorumEpoch { node });
        }
    }

    /// Once the network is stable, timeouts are longer than an election takes, and differ: a timer runs out only
    /// when all votes and announcements have arrived, never under a leader, and once in a round of timers.
    fn timer_may_fire(&self, state: &State, node: u8, voter: &Node) -> bool {
        if !self.awaits_leader(state, voter) {
            return false;
        }
        let nodes = &state.nodes[..usize::from(self.bounds.nodes)];
        let quiet = state.in_flight().all(|message| message.fields().kind != kind::VOTE_GRANTED)
            && (0..).zip(nodes).all(|(other, at)| {
                at.role == role::GONE || {
                    let mut pending = false;
                    self.enabled_requests(state, other, at, true, |_| pending = true);
                    !pending
                }
            });
        let round_over = (0..)
            .zip(nodes)
            .all(|(other, at)| state.calm >> other & 1 == 1 || !self.awaits_leader(state, at));
        quiet && (state.calm >> node & 1 == 0 || round_over)
    }

    /// Whether a voter's timer runs: it neither leads nor follows somebody who does.
    pub(super) fn awaits_leader(&self, state: &State, voter: &Node) -> bool {
        match voter.role {
            role::GONE | role::LEADER => false,
            role::FOLLOWER => {
                let leader = state.voter(voter.leader);
                !(leader.leads() && leader.ballot.epoch == voter.ballot.epoch)
            }
            _ => true,
        }
    }

    /// Vote requests and announcements that would change something at (or, by a rejection, because of) a voter.
    fn enabled_requests(
        &self,
        state: &State,
        node: u8,
        voter: &Node,
        room: bool,
        mut enabled: impl FnMut(Action),
    ) {
        for candidate in 0..self.bounds.nodes {
            if candidate != node && self.request_matters(state, voter, candidate, room) {
                enabled(Action::RequestVote { voter: node, candidate });
            }
        }
        if self.rules.begin_quorum == BeginQuorum::Never {
            return;
        }
        for epoch in voter.ballot.epoch.max(1)..=self.bounds.epochs {
            let leader = state.leaders.get(epoch);
            if leader == NOBODY || leader == node + 1 {
                continue;
            }
            let news = epoch > voter.ballot.epoch
                || voter.role == role::UNATTACHED
                || voter.role == role::CANDIDATE
                || self.rules.begin_quorum == BeginQuorum::Resent
                    && voter.role == role::FOLLOWER
                    && !state.is_stable()
                    && room;
            if news {
                enabled(Action::BeginQuorumEpoch { voter: node, epoch });
            }
        }
    }

    /// Whether the request of `candidate` would change anything.
    fn request_matters(&self, state: &State, voter: &Node, candidate: u8, room: bool) -> bool {
        let asking = &state.nodes[usize::from(candidate)];
        if asking.asked == 0 {
            return false;
        }
        if asking.asked < voter.ballot.epoch {
            return asking.role == role::CANDIDATE && asking.ballot.epoch == asking.asked;
        }
        let mut heard = *voter;
        let later = heard.ballot.hear(asking.asked);
        if later && (self.rules.step_down || !heard.leads()) {
            heard.become_role(role::UNATTACHED, NOBODY);
        }
        if self.grants(&heard, asking, candidate) {
            room || self.bounds.grain & grain::ATOMIC_VOTE != 0
        } else {
            later
        }
    }

    /// Whether a voter that is in the candidate's epoch by now votes for it.
    pub(super) fn grants(&self, voter: &Node, asking: &Node, candidate: u8) -> bool {
        let rules = &self.rules;
        let candidate = candidate + 1;
        let votes_at_all = match voter.role {
            role::UNATTACHED => true,
            role::FOLLOWER => {
                rules.vote_memory == VoteMemory::UntilFollowing
                    || rules.repeated_vote == RepeatedVote::Always
                        && voter.ballot.voted == candidate
                        && voter.leader == candidate
            }
            _ => false,
        };
        let end = crate::voting::LogEnd { epoch: asking.asked_last, offset: asking.asked_end };
        let request = VoteRequest { epoch: asking.asked, candidate, end };
        votes_at_all && rules.vote.grants(voter.ballot, request, voter.end())
    }

    /// Whether a follower may fetch: no exchange about the same position is under way.
    fn may_fetch(&self, state: &State, node: u8, voter: &Node, room: bool) -> bool {
        let leader = state.voter(voter.leader);
        // A leader holds a fetch for as long as it has nothing to say: as if it had not been sent yet.
        let idle = leader.leads()
            && leader.ballot.epoch == voter.ballot.epoch
            && leader.progress.get(usize::from(node)) == voter.log.len()
            && leader.log.len() <= voter.log.len()
            && leader.high_watermark.min(voter.log.len()) <= voter.high_watermark
            && voter.flushed == voter.log.len();
        if idle {
            return false;
        }
        if self.bounds.grain & grain::ATOMIC_FETCH != 0 {
            return true;
        }
        room && !state.in_flight().any(|message| {
            let fields = message.fields();
            let mine = if fields.kind == kind::FETCH { fields.from } else { fields.to };
            fields.kind != kind::VOTE_GRANTED
                && mine == usize::from(node)
                && fields.epoch == voter.ballot.epoch
                && fields.offset == voter.log.len()
        })
    }
}
