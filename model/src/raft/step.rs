//! The transitions: which steps are enabled, and what each does.

use crate::voting::{Ballot, NOBODY};

use super::Raft;
use super::action::Action;
use super::rules::{Acknowledgement, CommitBound, Truncation, WalkBack};
use super::state::{Entry, Kind, Log, Message, Parts, Progress, Role, STABILISED, State, stain};

impl Raft {
    /// Pushes the steps that are enabled.
    pub(crate) fn enabled(&self, state: &State, actions: &mut Vec<Action>) {
        let bounds = &self.bounds;
        let nodes = usize::from(bounds.nodes);
        let in_flight = state.in_flight().count();
        let room = in_flight < usize::from(bounds.messages);
        let stable = state.is_stable();
        for message in state.in_flight() {
            actions.push(Action::Deliver(message));
            if !stable {
                actions.push(Action::Duplicate(message));
                // A message that never arrives is as good as lost: losing it matters where its slot is
                // needed, and where from then on everything arrives.
                if !room || bounds.stabilises == 1 {
                    actions.push(Action::Lose(message));
                }
            }
        }
        if bounds.stabilises == 1 && !stable {
            actions.push(Action::Stabilise);
        }
        let may_time_out = !stable || self.quiet(state);
        for server in 0..nodes {
            let me = server as u8;
            let role = state.role(server);
            if role != Role::Leader && may_time_out && state.term(server) < self.last_term(stable) {
                actions.push(Action::Timeout(me));
            }
            if role != Role::Follower && (room || bounds.atomic) {
                for peer in (0..nodes).filter(|&peer| peer != server) {
                    let to = peer as u8;
                    match role {
                        Role::Candidate if self.may_ask(state, server, peer) => actions
                            .push(if bounds.atomic { Action::ExchangeVote(me, to) } else { Action::AskVote(me, to) }),
                        Role::Leader if self.may_send(state, server, peer) => actions.push(if bounds.atomic {
                            Action::ExchangeAppend(me, to)
                        } else {
                            Action::SendAppend(me, to)
                        }),
                        _ => {}
                    }
                }
            }
            if role == Role::Leader && !stable && state.produced < bounds.records {
                actions.push(Action::Append(me));
            }
            if bounds.restarts == 1 && !stable {
                actions.push(Action::Restart(me));
                if state.unflushed(server) > 0 {
                    actions.push(Action::PowerLoss(me));
                }
            }
            if state.unflushed(server) > 0 {
                actions.push(Action::Flush(me));
            }
        }
    }

    /// The state after a step, or `None` where it changes nothing.
    pub(crate) fn after(&self, before: &State, action: Action) -> Option<State> {
        let mut state = *before;
        let slots = self.bounds.messages;
        match action {
            Action::Timeout(server) => self.time_out(&mut state, server.into()),
            Action::AskVote(candidate, peer) => {
                let request = self.vote_request(&mut state, candidate.into(), peer.into());
                state.post(request, slots);
            }
            Action::SendAppend(leader, peer) => {
                state.post(self.append_request(&state, leader.into(), peer.into()), slots);
            }
            Action::Append(leader) => {
                state.produced += 1;
                let entry = Entry::new(state.term(leader.into()), state.produced);
                self.append_own(&mut state, leader.into(), entry);
            }
            Action::Deliver(message) => {
                state.withdraw(message);
                if let Some(reply) = self.receive(&mut state, message) {
                    state.post(reply, slots);
                }
            }
            Action::Duplicate(message) => {
                // Where the answer finds no room the message has to be delivered for good, or another lost.
                if let Some(reply) = self.receive(&mut state, message)
                    && (!self.forgets || self.matters(&state, reply))
                    && !state.post(reply, slots)
                {
                    return None;
                }
            }
            Action::Lose(message) => state.withdraw(message),
            Action::Restart(server) => self.restart(&mut state, server.into()),
            Action::PowerLoss(server) => {
                let server = usize::from(server);
                let flushed = state.flushed(server);
                state.logs[server] = state.logs[server].prefix(flushed);
                state.set_unflushed(server, 0);
                self.restart(&mut state, server);
            }
            Action::Flush(server) => state.set_unflushed(server.into(), 0),
            Action::ExchangeVote(candidate, peer) => {
                let request = self.vote_request(&mut state, candidate.into(), peer.into());
                if let Some(reply) = self.receive(&mut state, request) {
                    self.receive(&mut state, reply);
                }
            }
            Action::ExchangeAppend(leader, peer) => {
                let request = self.append_request(&state, leader.into(), peer.into());
                if let Some(reply) = self.receive(&mut state, request) {
                    self.receive(&mut state, reply);
                }
            }
            Action::Stabilise => state.calm |= STABILISED,
        }
        if self.forgets {
            state.retain(|state, message| self.matters(state, message));
        }
        (state != *before).then_some(state)
    }

    /// The last term that a timer may begin: before the network is stable, one a server is kept in reserve.
    fn last_term(&self, stable: bool) -> u8 {
        let reserve = if self.bounds.stabilises == 1 && !stable { self.bounds.nodes } else { 0 };
        self.bounds.terms - reserve
    }

    /// Whether no message is in flight, no server leads and no candidate has yet to ask: only then does a
    /// timer run out in a stable network.
    fn quiet(&self, state: &State) -> bool {
        let nodes = usize::from(self.bounds.nodes);
        state.messages[0].0 == 0
            && (0..nodes).all(|server| match state.role(server) {
                Role::Follower => true,
                Role::Leader => false,
                Role::Candidate => {
                    (0..nodes).all(|peer| peer == server || !self.may_ask(state, server, peer))
                }
            })
    }

    /// Whether a candidate has something to ask of a peer.
    fn may_ask(&self, state: &State, candidate: usize, peer: usize) -> bool {
        let progress = state.progress[candidate];
        progress.votes() >> peer & 1 == 0 && !(state.is_stable() && progress.asked(peer))
    }

    /// Whether a leader sends to a peer. It always may; in a stable network a heartbeat that the peer
    /// would learn nothing from is left out, since it changes nothing.
    fn may_send(&self, state: &State, leader: usize, peer: usize) -> bool {
        !state.is_stable()
            || state.progress[leader].matched(peer) < state.logs[leader].len()
            || state.term(peer) != state.term(leader)
            || state.commit(peer) < state.commit(leader)
    }

    // Servers act.

    fn time_out(&self, state: &mut State, server: usize) {
        let term = state.term(server) + 1;
        state.ballots[server] = Ballot { epoch: term, voted: server as u8 + 1 };
        state.set_role(server, Role::Candidate);
        state.progress[server] = Progress(0);
        state.progress[server].add_vote(server);
        if state.is_stable() {
            let all = (1 << self.bounds.nodes) - 1;
            let fired = state.calm & !STABILISED | 1 << server;
            state.calm = STABILISED | if fired == all { 0 } else { fired };
        }
        self.count_votes(state, server);
    }

    fn vote_request(&self, state: &mut State, candidate: usize, peer: usize) -> Message {
        if state.is_stable() {
            state.progress[candidate].set_asked(peer);
        }
        let end = state.logs[candidate].end();
        Parts {
            index: end.offset,
            log_term: end.epoch,
            ..Parts::new(Kind::VoteRequest, candidate, peer, state.term(candidate))
        }
        .pack()
    }

    fn append_request(&self, state: &State, leader: usize, peer: usize) -> Message {
        let log = state.logs[leader];
        let previous = state.progress[leader].next(peer).saturating_sub(1);
        Parts {
            index: previous,
            log_term: log.term_at(previous),
            entry: log.get(previous + 1),
            commit: state.commit(leader),
            ..Parts::new(Kind::Append, leader, peer, state.term(leader))
        }
        .pack()
    }

    fn append_own(&self, state: &mut State, leader: usize, entry: Entry) {
        let flushed = state.flushed(leader);
        state.logs[leader] = state.logs[leader].with(entry);
        self.written(state, leader, flushed);
        self.advance_commit(state, leader);
    }

    fn restart(&self, state: &mut State, server: usize) {
        if !self.rules.ballot_durable {
            state.ballots[server] = Ballot::default();
        }
        state.set_role(server, Role::Follower);
        state.set_commit(server, 0);
        state.progress[server] = Progress(0);
    }

    // Messages arrive.

    /// What the receiver of a message does, and its answer.
    pub(crate) fn receive(&self, state: &mut State, message: Message) -> Option<Message> {
        let parts = message.parts();
        let me = parts.to;
        if parts.term > state.term(me) {
            state.ballots[me] = Ballot { epoch: parts.term, voted: NOBODY };
            if self.rules.step_down || state.role(me) != Role::Leader {
                state.set_role(me, Role::Follower);
                state.progress[me] = Progress(0);
            }
        }
        match parts.kind {
            Kind::VoteRequest => self.on_vote_request(state, &parts),
            Kind::VoteReply => self.on_vote_reply(state, &parts),
            Kind::Append => self.on_append(state, &parts),
            Kind::AppendReply => self.on_append_reply(state, &parts),
        }
    }

    /// Grants, tells a late candidate the term, or says nothing: a refusal in the candidate's own term
    /// would change nothing there.
    fn on_vote_request(&self, state: &mut State, request: &Parts) -> Option<Message> {
        let (me, candidate) = (request.to, request.from as u8 + 1);
        let term = state.term(me);
        let reply = Parts::new(Kind::VoteReply, me, request.from, term);
        if request.term < term {
            return Some(reply.pack());
        }
        let theirs = crate::voting::LogEnd { epoch: request.log_term, offset: request.index };
        let voted = state.ballots[me].voted;
        let free = voted == NOBODY || voted == candidate || !self.rules.one_vote;
        if state.role(me) != Role::Follower || !free || !self.rules.log_check.admits(theirs, state.logs[me].end()) {
            return None;
        }
        state.ballots[me].voted = candidate;
        Some(Parts { yes: true, ..reply }.pack())
    }

    fn on_vote_reply(&self, state: &mut State, reply: &Parts) -> Option<Message> {
        let me = reply.to;
        let of_term = reply.term == state.term(me) || !self.rules.vote_of_term;
        if reply.yes && of_term && state.role(me) == Role::Candidate {
            state.progress[me].add_vote(reply.from);
            self.count_votes(state, me);
        }
        None
    }

    fn on_append(&self, state: &mut State, request: &Parts) -> Option<Message> {
        let me = request.to;
        let reply = Parts::new(Kind::AppendReply, me, request.from, state.term(me));
        if request.term < state.term(me) && self.rules.stale_append {
            return Some(reply.pack());
        }
        if state.role(me) == Role::Candidate && request.term == state.term(me) {
            state.set_role(me, Role::Follower);
            state.progress[me] = Progress(0);
        }
        let log = state.logs[me];
        let holds_previous = request.index <= log.len() && log.term_at(request.index) == request.log_term;
        if self.rules.consistency && !holds_previous {
            return Some(Parts { index: request.index, ..reply }.pack());
        }
        let flushed = state.flushed(me);
        let merged = self.merge(log, request);
        if state.role(me) == Role::Leader && merged.prefix(log.len()) != log {
            state.stain |= stain::LEADER_REWROTE;
        }
        state.logs[me] = merged;
        // What was cut off and written again is no longer on disk.
        let kept = if merged.prefix(log.len()) == log { log.len() } else { request.index };
        self.written(state, me, flushed.min(kept));

        let verified = request.index + u8::from(request.entry.is_some());
        let bound = match self.rules.commit_bound {
            CommitBound::Verified => verified,
            CommitBound::OwnEnd => merged.len(),
        };
        self.follow_commit(state, me, request.commit.min(bound));
        let matched = match self.rules.acknowledgement {
            Acknowledgement::Verified => verified,
            Acknowledgement::OwnEnd => merged.len(),
        };
        Some(Parts { yes: true, index: matched, ..reply }.pack())
    }

    /// A follower's log after AppendEntries that passed the consistency check.
    fn merge(&self, log: Log, request: &Parts) -> Log {
        // Where the check is skipped there may be a gap; the entry then goes to the end of the log.
        let place = request.index.min(log.len());
        let there = log.get(place + 1);
        match self.rules.truncation {
            Truncation::Always if request.entry.is_some() => log.prefix(place).with(request.entry),
            Truncation::Always => log.prefix(place),
            _ if !request.entry.is_some() => log,
            Truncation::Never if there.is_some() => log,
            _ if there.term() == request.entry.term() => log,
            _ => log.prefix(place).with(request.entry),
        }
    }

    fn follow_commit(&self, state: &mut State, server: usize, index: u8) {
        let old = state.commit(server);
        if index > old {
            self.set_commit(state, server, index);
        } else if index < old && !self.rules.commit_grows {
            state.set_commit(server, index);
            state.stain |= stain::COMMIT_WENT_BACK;
        }
    }

    fn on_append_reply(&self, state: &mut State, reply: &Parts) -> Option<Message> {
        let (me, peer) = (reply.to, reply.from);
        if state.role(me) != Role::Leader || reply.term < state.term(me) && self.rules.reply_of_term {
            return None;
        }
        let progress = &mut state.progress[me];
        let (next, matched) = (progress.next(peer), progress.matched(peer));
        if reply.yes {
            // A broken follower may acknowledge more than the leader has.
            let acknowledged = reply.index.min(state.logs[me].len());
            if acknowledged >= matched {
                progress.set(peer, acknowledged + 1, acknowledged);
            }
            self.advance_commit(state, me);
        } else if reply.index > 0 {
            match self.rules.walk_back {
                WalkBack::AboveMatch if reply.index + 1 == next && reply.index > matched => {
                    progress.set(peer, next - 1, matched);
                }
                WalkBack::Blind if reply.index < next => progress.set(peer, reply.index, matched),
                _ => {}
            }
        }
        None
    }

    // What follows from it.

    fn count_votes(&self, state: &mut State, candidate: usize) {
        if state.progress[candidate].votes().count_ones() < u32::from(self.bounds.nodes / 2 + 1) {
            return;
        }
        let term = state.term(candidate);
        if state.won >> term & 1 != 0 {
            state.stain |= stain::TERM_WON_TWICE;
        }
        state.won |= 1 << term;
        state.set_role(candidate, Role::Leader);
        let next = state.logs[candidate].len() + 1;
        state.progress[candidate] = Progress(0);
        for peer in (0..usize::from(self.bounds.nodes)).filter(|&peer| peer != candidate) {
            state.progress[candidate].set(peer, next, 0);
        }
        if self.rules.no_op {
            self.append_own(state, candidate, Entry::new(term, 0));
        }
    }

    /// Entries beyond `flushed` were written: they are on disk at once, or some day.
    fn written(&self, state: &mut State, server: usize, flushed: u8) {
        let tail = if self.rules.flush { 0 } else { state.logs[server].len() - flushed };
        state.set_unflushed(server, tail);
    }

    /// Moves a leader's commitIndex as far as its matchIndex values and the gate let it.
    fn advance_commit(&self, state: &mut State, leader: usize) {
        let (nodes, log, progress) = (self.bounds.nodes, state.logs[leader], state.progress[leader]);
        let needed = if self.rules.majority { nodes / 2 + 1 } else { nodes / 2 };
        for index in (state.commit(leader) + 1..=log.len()).rev() {
            let peers = (0..usize::from(nodes)).filter(|&peer| peer != leader);
            let holders = 1 + peers.filter(|&peer| progress.matched(peer) >= index).count() as u8;
            let own = log.term_at(index) == state.term(leader);
            if holders >= needed && (own || !self.rules.commit_gate) {
                self.set_commit(state, leader, index);
                return;
            }
        }
    }

    /// Moves a server's commitIndex on, and tells the ghost what is committed for the first time.
    fn set_commit(&self, state: &mut State, server: usize, index: u8) {
        let term = state.term(server);
        for known in state.committed.len() + 1..=index {
            state.committed = state.committed.with(state.logs[server].get(known));
            state.committed_in |= u32::from(term) << (3 * (known - 1));
        }
        state.set_commit(server, index);
    }

    /// Whether a message can still change anything, now or later, under the rules that
    /// [`Raft::forgets`] asks for: a term never goes back, nor does a leader's matchIndex.
    fn matters(&self, state: &State, message: Message) -> bool {
        let parts = message.parts();
        let (from, to) = (parts.from, parts.to);
        let (theirs, mine) = (state.term(from), state.term(to));
        if parts.term > mine {
            return true;
        }
        let current = parts.term == mine;
        match parts.kind {
            // A late request is answered with the receiver's term, which matters while it is news.
            Kind::VoteRequest | Kind::Append if !current => mine > theirs,
            Kind::VoteRequest => {
                let voted = state.ballots[to].voted;
                let waits = theirs == parts.term && state.role(from) == Role::Candidate;
                state.role(to) == Role::Follower
                    && (voted == NOBODY || usize::from(voted) == from + 1 && waits)
            }
            Kind::Append => true,
            Kind::VoteReply => {
                parts.yes
                    && current
                    && state.role(to) == Role::Candidate
                    && state.progress[to].votes() >> from & 1 == 0
            }
            Kind::AppendReply => {
                let progress = state.progress[to];
                current
                    && state.role(to) == Role::Leader
                    && parts.index > progress.matched(from)
                    && (parts.yes || parts.index + 1 == progress.next(from))
            }
        }
    }
}
