//! What each action does.

use super::Kraft;
use super::action::Action;
use super::rules::{
    BeginQuorum, CommitGate, FetchCorrelation, FetchCount, FollowerHighWatermark, Identity, LeaderFlush,
    LeaderHighWatermark, RepeatedVote, RestartRole, VoteMemory, grain,
};
use super::state::{
    Fields, Log, Message, NODES_MAX, Node, STABLE, State, kind, record, record_epoch, role, stain,
};
use crate::voting::{Ballot, NOBODY, majority};

impl Kraft {
    /// The state after `action`, or `None` where that changes nothing.
    pub(super) fn step(&self, before: &State, action: Action) -> Option<State> {
        let mut state = *before;
        match action {
            Action::FetchTimeout { node }
            | Action::ElectionTimeout { node }
            | Action::EndQuorumEpoch { node } => self.time_out(&mut state, node.into()),
            Action::RequestVote { voter, candidate } => {
                self.request_vote(&mut state, voter.into(), candidate.into());
            }
            Action::BeginQuorumEpoch { voter, epoch } => self.begin_quorum(&mut state, voter.into(), epoch),
            Action::Fetch { node } => self.fetch(&mut state, node.into()),
            Action::Deliver { message } => {
                state.take(message);
                self.deliver(&mut state, message);
            }
            Action::Duplicate { message } => {
                self.deliver(&mut state, message);
                if state == *before || self.is_dead(&state, message) {
                    return None;
                }
                state.duplicates += 1;
            }
            Action::Lose { message } => state.take(message),
            Action::Append { node } => {
                state.produced += 1;
                let leader = &mut state.nodes[usize::from(node)];
                leader.log = leader.log.with(record(leader.ballot.epoch, state.produced));
            }
            Action::Resign { node } => {
                state.resignations += 1;
                state.nodes[usize::from(node)].become_role(role::RESIGNED, node + 1);
            }
            Action::Restart { node, lost } => {
                self.restart(&mut state, node.into(), lost);
                if !lost && is_same_but_high_watermark(&state, before, node.into()) {
                    return None;
                }
                state.restarts += 1;
                self.disconnect(&mut state, node.into());
            }
            Action::Wipe { node } => {
                self.wipe(&mut state, node);
                self.disconnect(&mut state, node.into());
            }
            Action::Stabilise { stopped } => {
                state.calm = STABLE;
                if stopped != NOBODY {
                    state.nodes[usize::from(stopped - 1)].become_role(role::GONE, NOBODY);
                }
            }
        }
        self.note_history(before, action, &mut state);
        self.tidy(&mut state);
        (state != *before).then_some(state)
    }

    /// Takes note of a later epoch.
    fn hear(&self, node: &mut Node, epoch: u8) {
        if node.ballot.hear(epoch) && (self.rules.step_down || !node.leads()) {
            node.become_role(role::UNATTACHED, NOBODY);
        }
    }

    fn time_out(&self, state: &mut State, node: usize) {
        if state.is_stable() {
            let again = state.calm >> node & 1 == 1;
            state.calm = if again { STABLE | 1 << node } else { state.calm | 1 << node };
        }
        let candidate = &mut state.nodes[node];
        let end = candidate.end();
        if self.rules.candidate_flush {
            candidate.flushed = end.offset;
        }
        candidate.ballot = Ballot { epoch: candidate.ballot.epoch + 1, voted: node as u8 + 1 };
        candidate.become_role(role::CANDIDATE, NOBODY);
        (candidate.asked, candidate.asked_last, candidate.asked_end) =
            (candidate.ballot.epoch, end.epoch, end.offset);
        self.count_vote(state, node, node);
    }

    fn request_vote(&self, state: &mut State, voter: usize, candidate: usize) {
        let asking = state.nodes[candidate];
        let at = &mut state.nodes[voter];
        if asking.asked < at.ballot.epoch {
            // The rejection carries the later epoch. It counts as arrived at once: a late one is a late request.
            let epoch = at.ballot.epoch;
            if asking.role == role::CANDIDATE && asking.ballot.epoch == asking.asked {
                self.hear(&mut state.nodes[candidate], epoch);
            }
            return;
        }
        self.hear(at, asking.asked);
        if !self.grants(at, &asking, candidate as u8) {
            return;
        }
        at.ballot.voted = candidate as u8 + 1;
        let reply = Message::new(Fields {
            kind: kind::VOTE_GRANTED,
            from: voter,
            to: candidate,
            epoch: asking.asked,
            ..Fields::default()
        });
        if self.bounds.grain & grain::ATOMIC_VOTE != 0 {
            self.deliver(state, reply);
        } else if !self.is_dead(state, reply) {
            state.send(reply);
        }
    }

    /// Counts a vote at a candidate, which may win by it.
    fn count_vote(&self, state: &mut State, candidate: usize, voter: usize) {
        let voters = self.bounds.nodes;
        let quorum = if self.rules.election_majority { majority(voters) } else { voters / 2 };
        let node = &mut state.nodes[candidate];
        node.progress.set(voter, 1);
        if node.progress.votes() < quorum {
            return;
        }
        let epoch = node.ballot.epoch;
        node.become_role(role::LEADER, candidate as u8 + 1);
        if self.rules.leader_high_watermark == LeaderHighWatermark::Unknown {
            node.high_watermark = 0;
        }
        if self.rules.leader_change && !node.log.is_full() {
            node.log = node.log.with(record(epoch, 0));
        }
        match state.leaders.get(epoch) {
            NOBODY => state.leaders.set(epoch, candidate as u8 + 1),
            winner if winner == candidate as u8 + 1 => {}
            _ => state.stain |= stain::SECOND_LEADER,
        }
    }

    fn begin_quorum(&self, state: &mut State, voter: usize, epoch: u8) {
        let leader = state.leaders.get(epoch);
        let node = &mut state.nodes[voter];
        self.hear(node, epoch);
        match node.role {
            role::UNATTACHED | role::CANDIDATE => {
                node.become_role(role::FOLLOWER, leader);
                if self.rules.vote_memory == VoteMemory::UntilFollowing {
                    node.ballot.voted = NOBODY;
                }
            }
            role::FOLLOWER if self.rules.begin_quorum == BeginQuorum::Resent => self.fetch(state, voter),
            _ => {}
        }
    }

    fn fetch(&self, state: &mut State, node: usize) {
        let follower = &mut state.nodes[node];
        if self.rules.follower_flush {
            follower.flushed = follower.log.len();
        }
        let end = follower.end();
        let request = Message::new(Fields {
            kind: kind::FETCH,
            from: node,
            to: usize::from(follower.leader - 1),
            epoch: follower.ballot.epoch,
            offset: end.offset,
            last: end.epoch,
            ..Fields::default()
        });
        if self.bounds.grain & grain::ATOMIC_FETCH == 0 {
            state.send(request);
        } else if let Some(answer) = self.serve(state, request.fields()) {
            self.take_answer(state, answer.fields());
        }
    }

    fn deliver(&self, state: &mut State, message: Message) {
        let fields = message.fields();
        match fields.kind {
            kind::VOTE_GRANTED => {
                let candidate = &state.nodes[fields.to];
                let current = candidate.ballot.epoch == fields.epoch || !self.rules.vote_epoch_check;
                if candidate.role == role::CANDIDATE && current {
                    self.count_vote(state, fields.to, fields.from);
                }
            }
            kind::FETCH => {
                if let Some(answer) = self.serve(state, fields)
                    && self.is_news(state, answer)
                {
                    state.send(answer);
                }
            }
            _ => self.take_answer(state, fields),
        }
    }

    /// Whether an answer changes anything at its receiver as it is now.
    ///
    /// An answer without record or news is not sent: a real leader holds such a fetch until there is something
    /// to say, and if the follower changes meanwhile, it fetches again.
    fn is_news(&self, state: &State, answer: Message) -> bool {
        let fields = answer.fields();
        fields.kind == kind::DIVERGING || fields.record != 0 || {
            let mut after = *state;
            self.take_answer(&mut after, fields);
            after.nodes[fields.to] != state.nodes[fields.to]
        }
    }

    /// A fetch at whom it was sent to, and the answer.
    fn serve(&self, state: &mut State, request: Fields) -> Option<Message> {
        let leader = &mut state.nodes[request.to];
        let fenced = self.rules.fetch_request_fence && request.epoch != leader.ballot.epoch;
        if !leader.leads() || fenced {
            return None;
        }
        let answer = Fields {
            from: request.to,
            to: request.from,
            epoch: leader.ballot.epoch,
            offset: request.offset,
            fetched: request.last,
            ..Fields::default()
        };
        let log = leader.log;
        let valid = !self.rules.divergence_check || holds_position(log, request.offset, request.last);
        if valid || self.rules.fetch_count == FetchCount::BeforeValidation {
            leader.progress.set(request.from, request.offset);
            leader.flushed = match self.rules.leader_flush {
                LeaderFlush::BeforeCounting => leader.flushed.max(request.offset.min(log.len())),
                LeaderFlush::BeforeServing => log.len(),
                LeaderFlush::InItsOwnTime | LeaderFlush::Never => leader.flushed,
            };
            self.advance(state, request.to);
        }
        let high_watermark = state.nodes[request.to].high_watermark;
        if valid {
            let record = log.get(request.offset);
            return Some(Message::new(Fields { kind: kind::RECORDS, record, high_watermark, ..answer }));
        }
        let end = log.end_of_epoch(request.last);
        Some(Message::new(Fields {
            kind: kind::DIVERGING,
            last: end.epoch,
            record: end.offset,
            high_watermark,
            ..answer
        }))
    }

    /// Moves a leader's high watermark as far as its view of the others admits.
    fn advance(&self, state: &mut State, node: usize) {
        let voters = self.bounds.nodes;
        let leader = &mut state.nodes[node];
        let end = leader.log.len();
        let own = if self.rules.leader_flush == LeaderFlush::Never { end } else { leader.flushed };
        let mut reached = [0; NODES_MAX];
        for (voter, offset) in reached[..usize::from(voters)].iter_mut().enumerate() {
            *offset = if voter == node { own } else { leader.progress.get(voter).min(end) };
        }
        reached.sort_unstable_by(|left, right| right.cmp(left));
        let quorum = if self.rules.commit_majority { majority(voters) } else { voters / 2 };
        let offset = reached[usize::from(quorum - 1)];

        let start = leader.epoch_start();
        let admitted = match self.rules.commit_gate {
            CommitGate::OwnEpochExclusive => offset > start,
            CommitGate::OwnEpochInclusive => offset >= start,
            CommitGate::Off => true,
        };
        if !admitted || offset <= leader.high_watermark && self.rules.high_watermark_max {
            return;
        }
        leader.high_watermark = offset;
        let (epoch, passed) = (leader.ballot.epoch, leader.log.prefix(offset));
        if passed.len() > state.committed.len() && passed.starts_with(state.committed) {
            state.committed = passed;
            state.committed_in = state.committed_in.max(epoch);
        }
    }

    /// The answer to a fetch at the follower.
    fn take_answer(&self, state: &mut State, answer: Fields) {
        let follower = &mut state.nodes[answer.to];
        if follower.role != role::FOLLOWER || !self.is_awaited(follower, answer) {
            return;
        }
        if answer.kind == kind::RECORDS {
            if answer.record != 0 && !follower.log.is_full() {
                follower.log = follower.log.with(answer.record);
            }
            learn_high_watermark(follower, answer.high_watermark);
            return;
        }
        if self.rules.follower_high_watermark == FollowerHighWatermark::LogEnd {
            learn_high_watermark(follower, answer.high_watermark);
        }
        let keep = follower.log.end_of_epoch(answer.last).offset.min(answer.record);
        follower.log = follower.log.prefix(keep);
        follower.flushed = follower.flushed.min(follower.log.len());
    }

    /// Whether a follower takes an answer for that to its outstanding fetch.
    fn is_awaited(&self, follower: &Node, answer: Fields) -> bool {
        let current =
            follower.ballot.epoch == answer.epoch && usize::from(follower.leader) == answer.from + 1;
        let end = follower.end();
        let position = (end.offset, end.epoch) == (answer.offset, answer.fetched);
        match self.rules.fetch_correlation {
            FetchCorrelation::Exact => current && position,
            FetchCorrelation::Position => position,
            FetchCorrelation::EpochAndOffset => current && end.offset == answer.offset,
            FetchCorrelation::Offset => end.offset == answer.offset,
            FetchCorrelation::Absent => true,
        }
    }

    fn restart(&self, state: &mut State, node: usize, lost: bool) {
        let voter = &mut state.nodes[node];
        if lost {
            voter.log = voter.log.prefix(voter.flushed);
        }
        voter.flushed = voter.log.len();
        voter.high_watermark = 0;
        let (role, leader) = (voter.role, voter.leader);
        voter.become_role(role, leader);
        if !self.rules.durable_vote {
            voter.ballot = Ballot { epoch: voter.log.last_epoch(), voted: NOBODY };
            voter.become_role(role::UNATTACHED, NOBODY);
            return;
        }
        match role {
            role::CANDIDATE => voter.progress.set(node, 1),
            role::LEADER | role::RESIGNED => match self.rules.restart_role {
                RestartRole::Resigned => voter.role = role::RESIGNED,
                RestartRole::Leader => voter.role = role::LEADER,
                RestartRole::Unattached => {
                    // The file named the leader instead of the vote, and the leader is forgotten.
                    voter.ballot.voted = NOBODY;
                    voter.become_role(role::UNATTACHED, NOBODY);
                }
            },
            _ => {}
        }
    }

    fn wipe(&self, state: &mut State, node: u8) {
        let role = match self.rules.identity {
            Identity::DirectoryId => role::GONE,
            Identity::IdOnly => role::UNATTACHED,
        };
        state.nodes[usize::from(node)] = Node { role, ..bytemuck::Zeroable::zeroed() };
        state.wiped |= 1 << node;
    }

    /// What is under way to or from a voter is lost, where a message lives no longer than its connection. Of vote requests it is not known who has
    /// got them already: all are lost.
    fn disconnect(&self, state: &mut State, node: usize) {
        if self.bounds.grain & grain::CONNECTIONS == 0 {
            return;
        }
        for message in state.in_flight().collect::<Vec<_>>() {
            let fields = message.fields();
            if fields.from == node || fields.to == node {
                state.take(message);
            }
        }
        for voter in &mut state.nodes {
            (voter.asked, voter.asked_last, voter.asked_end) = (0, 0, 0);
        }
    }

    /// Notes what the step did to high watermarks and leaders' logs.
    fn note_history(&self, before: &State, action: Action, after: &mut State) {
        if matches!(action, Action::Wipe { .. }) {
            return;
        }
        let restarted = matches!(action, Action::Restart { .. });
        for (was, is) in before.nodes.iter().zip(&after.nodes) {
            if was.leads()
                && is.leads()
                && was.ballot.epoch == is.ballot.epoch
                && !is.log.starts_with(was.log)
            {
                after.stain |= stain::LEADER_LOG_CUT;
            }
            let elected = is.leads() && !was.leads();
            let forgets = elected && self.rules.leader_high_watermark == LeaderHighWatermark::Unknown;
            if is.high_watermark < was.high_watermark && !restarted && !forgets {
                after.stain |= stain::HIGH_WATERMARK_BACK;
            }
        }
    }

    /// Drops what can never make a difference again, so that states which behave alike are one.
    ///
    /// Epochs never go back unless votes or identities get lost; only then, nothing is dropped by epoch.
    fn tidy(&self, state: &mut State) {
        let kept = state.messages;
        for message in kept {
            if !message.is_none() && self.is_dead(state, message) {
                state.take(message);
            }
        }
        // A follower votes for nobody, and comes back as one: for whom it voted no longer matters.
        if self.rules.vote_memory == VoteMemory::WholeEpoch
            && self.rules.repeated_vote == RepeatedVote::WhileUnattached
        {
            for node in &mut state.nodes {
                if node.role == role::FOLLOWER {
                    node.ballot.voted = NOBODY;
                }
            }
        }
        if state.restarts >= self.bounds.restarts || state.faults() >= self.bounds.faults {
            // Nothing will be lost any more: what is not flushed yet might as well be.
            for node in &mut state.nodes {
                node.flushed = node.log.len();
            }
        }
        if !self.rules.durable_vote || self.rules.identity == Identity::IdOnly {
            return;
        }
        // Two least epochs, to know the least among the others of any one voter.
        let (mut least, mut second) = (u8::MAX, u8::MAX);
        for node in &state.nodes[..usize::from(self.bounds.nodes)] {
            if node.role == role::GONE {
                continue;
            }
            let epoch = node.ballot.epoch;
            if epoch < least {
                (least, second) = (epoch, least);
            } else if epoch < second {
                second = epoch;
            }
        }
        if least == u8::MAX {
            return;
        }
        state.leaders.forget_below(least);
        for node in &mut state.nodes {
            if node.asked == 0 || node.role == role::CANDIDATE && node.ballot.epoch == node.asked {
                continue;
            }
            let counted = node.role != role::GONE;
            let others = if counted && node.ballot.epoch == least { second } else { least };
            // Nobody is left whom the request would bring forward: a vote for a past campaign changes nothing.
            if others >= node.asked {
                (node.asked, node.asked_last, node.asked_end) = (0, 0, 0);
            }
        }
    }

    /// Whether handling `message` will never change anything again.
    fn is_dead(&self, state: &State, message: Message) -> bool {
        let fields = message.fields();
        let receiver = &state.nodes[fields.to];
        if receiver.role == role::GONE {
            return true;
        }
        let past = receiver.ballot.epoch > fields.epoch;
        let current = receiver.ballot.epoch == fields.epoch;
        match fields.kind {
            kind::VOTE_GRANTED => {
                let awaited = receiver.role == role::CANDIDATE && receiver.progress.get(fields.from) == 0;
                self.rules.vote_epoch_check && (past || current && !awaited)
            }
            kind::FETCH => self.rules.fetch_request_fence && (past || current && !receiver.leads()),
            _ => {
                let follows =
                    receiver.role == role::FOLLOWER && usize::from(receiver.leader) == fields.from + 1;
                let fenced = past || current && !follows;
                match self.rules.fetch_correlation {
                    // A follower that has moved on from a position never comes back to it under that leader.
                    FetchCorrelation::Exact => fenced || !self.is_awaited(receiver, fields),
                    FetchCorrelation::EpochAndOffset => fenced,
                    _ => false,
                }
            }
        }
    }
}

/// Whether a restart that lost no records took nothing but the high watermark: then it is as good as none, since a
/// voter that learns the high watermark late behaves the same.
fn is_same_but_high_watermark(after: &State, before: &State, node: usize) -> bool {
    let (after, before) = (&after.nodes[node], &before.nodes[node]);
    Node { high_watermark: before.high_watermark, flushed: before.flushed, ..*after } == *before
}

/// Whether a log reaches `offset` and its record before that is of epoch `last`.
fn holds_position(log: Log, offset: u8, last: u8) -> bool {
    offset == 0 || offset <= log.len() && record_epoch(log.get(offset - 1)) == last
}

/// A follower's high watermark is the leader's, as far as its own log goes, and never goes back.
fn learn_high_watermark(follower: &mut Node, leader: u8) {
    follower.high_watermark = follower.high_watermark.max(leader.min(follower.log.len()));
}
