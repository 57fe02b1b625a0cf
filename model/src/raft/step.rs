//! The transitions: which steps are enabled, and what each does.

use crate::voting::{Ballot, NOBODY};

use super::Raft;
use super::action::Action;
use super::rules::{Acknowledgement, CommitBound, Truncation};
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
            if role != Role::Leader
                && may_time_out
                // In a stable network each timer fires once before any fires again.
                && !(stable && state.calm >> server & 1 != 0)
                && state.term(server) < self.last_term(stable)
                && (stable || self.is_heard_of(state, server))
            {
                actions.push(Action::Timeout(me));
            }
            if role != Role::Follower && (room || bounds.atomic) {
                for peer in (0..nodes).filter(|&peer| peer != server) {
                    let to = peer as u8;
                    match role {
                        Role::Candidate if self.may_ask(state, server, peer) => {
                            actions.push(Action::AskVote(me, to));
                        }
                        Role::Leader => {
                            let request = self.append_request(state, server, peer);
                            let heartbeat = self.heartbeat(state, server, peer);
                            if self.is_news(state, request) {
                                actions.push(Action::SendAppend(me, to));
                            }
                            if heartbeat != request && self.is_news(state, heartbeat) {
                                actions.push(Action::Heartbeat(me, to));
                            }
                        }
                        _ => {}
                    }
                }
            }
            if role == Role::Leader && !stable && state.produced < bounds.records {
                actions.push(Action::Append(me));
            }
            if bounds.restarts == 1 && !stable && self.may_restart(state, server) {
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
        match action {
            Action::Timeout(server) => self.time_out(&mut state, server.into()),
            Action::AskVote(candidate, peer) => {
                let request = self.vote_request(&mut state, candidate.into(), peer.into());
                self.send(&mut state, request);
            }
            Action::SendAppend(leader, peer) => {
                let request = self.append_request(&state, leader.into(), peer.into());
                self.send(&mut state, request);
            }
            Action::Heartbeat(leader, peer) => {
                let request = self.heartbeat(&state, leader.into(), peer.into());
                self.send(&mut state, request);
            }
            Action::Append(leader) => {
                state.produced += 1;
                let entry = Entry::new(state.term(leader.into()), state.produced);
                self.append_own(&mut state, leader.into(), entry);
            }
            Action::Deliver(message) => {
                state.withdraw(message);
                self.arrive(&mut state, message);
            }
            // Where the answer finds no room the message has to arrive for good, or another be lost.
            Action::Duplicate(message) => {
                if !self.arrive(&mut state, message) {
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
            Action::Stabilise => state.calm |= STABILISED,
        }
        if self.forgets {
            state.retain(|state, message| self.matters(state, message));
            for server in 0..usize::from(self.bounds.nodes) {
                match state.role(server) {
                    Role::Candidate if self.is_hopeless(&state, server) => {
                        state.set_role(server, Role::Follower);
                        state.progress[server] = Progress(0);
                    }
                    Role::Leader => self.forget_the_gone(&mut state, server),
                    _ => {}
                }
            }
        }
        if let Action::Duplicate(message) = action
            && !state.messages.contains(&message)
        {
            // It arrived and can do no more: that is what delivering it leads to.
            return None;
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

    /// Whether a server's term left a trace elsewhere. Where it did not, a further timeout would only use
    /// up a term: what follows is what would follow without it, one term lower.
    fn is_heard_of(&self, state: &State, server: usize) -> bool {
        let term = state.term(server);
        term == 0
            || state.won >> term & 1 != 0
            || (0..usize::from(self.bounds.nodes)).any(|peer| peer != server && state.term(peer) >= term)
            || state.in_flight().any(|message| message.parts().term == term)
    }

    /// Whether a server may crash and restart. Under the rules that [`Raft::forgets`] asks for, nothing that
    /// matters is volatile but the role: a follower or candidate that restarts does nothing that a silent one
    /// would not, nor does a leader before its timer runs out. So only leaders do, and stand at once.
    fn may_restart(&self, state: &State, server: usize) -> bool {
        !self.forgets || state.role(server) == Role::Leader && state.term(server) < self.last_term(false)
    }

    /// Whether a candidate has something to ask of a peer.
    fn may_ask(&self, state: &State, candidate: usize, peer: usize) -> bool {
        let progress = state.progress[candidate];
        progress.votes() >> peer & 1 == 0
            && !(state.is_stable() && progress.asked(peer))
            && self.is_news(state, self.vote_request(&mut state.clone(), candidate, peer))
    }

    // Servers act.

    fn time_out(&self, state: &mut State, server: usize) {
        let again = state.role(server) == Role::Candidate && !self.rules.new_term;
        let term = state.term(server) + u8::from(!again);
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

    pub(crate) fn vote_request(&self, state: &mut State, candidate: usize, peer: usize) -> Message {
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

    pub(crate) fn append_request(&self, state: &State, leader: usize, peer: usize) -> Message {
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

    /// AppendEntries without an entry, whatever is still to be sent.
    pub(crate) fn heartbeat(&self, state: &State, leader: usize, peer: usize) -> Message {
        let request = self.append_request(state, leader, peer).parts();
        Parts { entry: Entry::NONE, ..request }.pack()
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
        state.progress[server] = Progress(0);
        if self.forgets {
            self.time_out(state, server);
        }
    }

    // Messages travel.

    /// Sends a request. One that its receiver would refuse for its term is answered in the same step: the
    /// refusal promises nothing, and a request that is refused later is as good as one sent later.
    fn send(&self, state: &mut State, request: Message) {
        if self.is_answered_at_once(state, request) {
            if let Some(reply) = self.receive(state, request) {
                self.receive(state, reply);
            }
        } else {
            state.post(request, self.bounds.messages);
        }
    }

    /// Whether a request and its answer are one step.
    pub(crate) fn is_answered_at_once(&self, state: &State, request: Message) -> bool {
        let parts = request.parts();
        let obeyed = parts.kind == Kind::Append && !self.rules.stale_append;
        let heartbeat = parts.kind == Kind::Append && !parts.entry.is_some();
        self.bounds.atomic || heartbeat || parts.term < state.term(parts.to) && !obeyed
    }

    /// A message arrives. A success is sent back; a refusal, which promises nothing, is heard at once.
    /// False where the success finds no room in flight.
    fn arrive(&self, state: &mut State, message: Message) -> bool {
        match self.receive(state, message) {
            Some(reply) if !reply.parts().yes => {
                self.receive(state, reply);
                true
            }
            Some(reply) if !self.forgets || self.matters(state, reply) => {
                state.post(reply, self.bounds.messages)
            }
            _ => true,
        }
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
        if state.role(me) != Role::Follower
            || !free
            || !self.rules.log_check.admits(theirs, state.logs[me].end())
        {
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
        if self.forgets && state.role(me) == Role::Follower {
            state.ballots[me].voted = request.from as u8 + 1;
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
            // A refusal of an earlier probe, or of what matched since, is stale.
            if self.rules.walk_back && reply.index + 1 == next && reply.index > matched {
                progress.set(peer, next - 1, matched);
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
            // A late request would be refused; its sender can hear that by sending another.
            _ if !current => false,
            Kind::VoteRequest => {
                let voted = state.ballots[to].voted;
                let waits = theirs == parts.term && state.role(from) == Role::Candidate;
                state.role(to) == Role::Follower
                    && (voted == NOBODY || usize::from(voted) == from + 1 && waits)
            }
            Kind::Append => !self.absorbed(state, &parts),
            Kind::VoteReply => {
                state.role(to) == Role::Candidate && state.progress[to].votes() >> from & 1 == 0
            }
            Kind::AppendReply => {
                state.role(to) == Role::Leader && parts.index > state.progress[to].matched(from)
            }
        }
    }

    /// Whether too many servers voted otherwise, or are in a later term, for a candidate ever to win.
    fn is_hopeless(&self, state: &State, candidate: usize) -> bool {
        let term = state.term(candidate);
        let may_count = |&peer: &usize| {
            let granted = state.ballots[peer].voted == candidate as u8 + 1;
            state.progress[candidate].votes() >> peer & 1 != 0
                || state.term(peer) < term
                || state.term(peer) == term && (granted || state.ballots[peer].voted == NOBODY)
                || state.in_flight().any(|message| {
                    message.kind() == Kind::VoteReply && message.from() == peer && message.to() == candidate
                })
        };
        (0..usize::from(self.bounds.nodes)).filter(may_count).count() <= usize::from(self.bounds.nodes / 2)
    }

    /// A peer in a later term refuses whatever a leader sends: nextIndex is of no use there, nor is a
    /// matchIndex that commits nothing new.
    fn forget_the_gone(&self, state: &mut State, leader: usize) {
        for peer in 0..usize::from(self.bounds.nodes) {
            let matched = state.progress[leader].matched(peer);
            if state.term(peer) > state.term(leader)
                && (self.bounds.nodes <= 3 || matched <= state.commit(leader))
            {
                state.progress[leader].set(peer, 1, 0);
            }
        }
    }

    /// Whether a follower has all that AppendEntries of its own term say, and their sender knows.
    fn absorbed(&self, state: &State, request: &Parts) -> bool {
        let (from, to) = (request.from, request.to);
        let log = state.logs[to];
        let last = request.index + u8::from(request.entry.is_some());
        let held = last <= log.len()
            && log.term_at(request.index) == request.log_term
            && (!request.entry.is_some() || log.get(last) == request.entry);
        let waits = state.term(from) == request.term
            && state.role(from) == Role::Leader
            && state.progress[from].matched(to) < last;
        held && !waits && request.commit.min(last) <= state.commit(to) && state.role(to) == Role::Follower
    }

    /// Whether a request would change anything if it arrived at once.
    fn is_news(&self, state: &State, request: Message) -> bool {
        let mut after = *state;
        match self.receive(&mut after, request) {
            Some(reply) if reply.parts().yes => {
                !self.forgets || self.matters(&after, reply) || after != *state
            }
            Some(reply) => {
                self.receive(&mut after, reply);
                after != *state
            }
            None => after != *state,
        }
    }
}
