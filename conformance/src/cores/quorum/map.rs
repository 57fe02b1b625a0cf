//! The map from the cores to the model [`kraft`]: what they look like in it, and which steps of it theirs are.
//!
//! **The picture.** [`picture`] says what a voter looks like in the model: its log, epoch, vote, role, leader, high watermark, flush point, and
//! what a leader or candidate has counted. A state's picture is that of its voters and the history, without messages: a message comes in when
//! it arrives, and had to be one of the model's when it was sent.
//!
//! **The walk.** For each step of the cores, [`QuorumCores::refines`] takes steps of the model, by its own `next_state`, from the picture before,
//! and has to arrive at the picture after. Which ones:
//!
//! | the cores | the model |
//! |---|---|
//! | a timer, or a flush that a campaign waited for, begins an epoch | fetch timeout or election timeout |
//! | a timer makes a leader resign; it is told to | resign |
//! | a client's record | append |
//! | a stop and a start | restart, with or without the loss of the tail; wipe |
//! | a vote request arrives | vote request |
//! | BeginQuorumEpoch, or any answer that names the leader, arrives | begin-quorum-epoch |
//! | a fetch leaves | fetch |
//! | a fetch, an answer with records or a divergence, a vote arrives | deliver |
//! | a leader's flush is done | the delivery, once more, of a fetch that was counted before |
//! | anything else, and what changes nothing at its receiver | none |
//!
//! **What must be sent.** A vote only as the model gives it; a fetch only from the end of a log that is flushed; an answer to a fetch only as the
//! model's leader gives it at that moment, if its receiver would take it; requests that last only by who is what they say; and every answer
//! carries its sender's epoch and a leader that was elected.
//!
//! **Where the relation is wider than the model.** So it is this that is shown, and no more:
//! - A disk may be flushed at any time; the model flushes when it must. Of flush points only "at least" is shown. A leader counts itself for
//!   what is on disk ([`LeaderFlush::InItsOwnTime`]), where the model's flushes as it counts.
//! - A voter may hear of an epoch from any message that carries it, and then has not voted in it. In the model all news of epochs come with vote
//!   requests, announcements and rejections.
//! - Vote requests of any campaign may arrive, in the model those of each candidate's last.
//! - Answers without news are sent; messages may be any number, and arrive any number of times: the walk begins with as many of
//!   them in flight as it needs.
//! - With pre-votes: whoever asks for promises is what it was before, and a candidate that gives up for it is one that gets no more votes.
//! - With pre-votes or searches: a follower may ask for records once more that it has by then.
//!
//! A voter whose disk was lost takes no part any more, whatever it does: nothing is shown of it but that.

use highwater_core::quorum::{FetchRequest, FetchResponse, Request, Response, RoleName, VoteResponse};
use highwater_core::{Epoch, NodeId};
use highwater_model::family::Family;
use highwater_model::kraft::rules::LeaderFlush;
use highwater_model::kraft::state::{Fields, Log, Message as ModelMessage, Node, kind, role};
use highwater_model::kraft::{self, Action as ModelAction, Bounds, Kraft, Rules};
use highwater_model::voting::NOBODY;
use stateright::Model;

use super::QuorumCores;
use super::message::{Body, Message};
use super::state::State;
use super::step::{Action, Reaction};
use super::voter::{Event, Voter, id_of, index_of, small, small_epoch};

/// The model, with bounds that are never the reason for a refusal.
pub(super) fn kraft(voters: u8) -> Kraft {
    let bounds = Bounds::widest(voters);
    Kraft::new(bounds, Rules { leader_flush: LeaderFlush::InItsOwnTime, ..Rules::default() })
}

/// What a voter looks like in the model.
pub(super) fn picture(voter: &Voter, voters: u8) -> Node {
    let core = &voter.core;
    let own = voter.index + 1;
    let id = |node: NodeId| index_of(node) + 1;
    let election = core.election();
    let voted = election.voted.map_or(NOBODY, |candidate| id(candidate.id));
    let leader = election.leader.map_or(NOBODY, id);
    let (role, leader, voted) = match core.role() {
        // Who gave up a candidacy by asking for promises is a candidate that gets no more votes.
        RoleName::Voted if voted == own => (role::CANDIDATE, NOBODY, own),
        RoleName::Unattached | RoleName::Voted => (role::UNATTACHED, NOBODY, voted),
        RoleName::Candidate => (role::CANDIDATE, NOBODY, own),
        RoleName::Leader => (role::LEADER, own, own),
        RoleName::Follower => (role::FOLLOWER, leader, NOBODY),
        RoleName::Resigned => (role::RESIGNED, own, own),
        // Asking for promises changes nothing: it is what it was before.
        RoleName::Prospective if leader == own => (role::RESIGNED, own, own),
        RoleName::Prospective if leader != NOBODY => (role::FOLLOWER, leader, NOBODY),
        RoleName::Prospective if voted == own => (role::CANDIDATE, NOBODY, own),
        RoleName::Prospective => (role::UNATTACHED, NOBODY, voted),
        RoleName::Observer => (role::GONE, NOBODY, NOBODY),
    };
    let mut node = Node { role, leader, log: voter.log, ..bytemuck::Zeroable::zeroed() };
    if role == role::GONE {
        return Node { role, ..bytemuck::Zeroable::zeroed() };
    }
    node.ballot.epoch = small_epoch(core.epoch());
    node.ballot.voted = voted;
    node.flushed = voter.flushed;
    node.high_watermark = core.high_watermark().map_or(0, small);
    for other in 0..voters {
        let kept = match core.role() {
            RoleName::Leader if other != voter.index => core.reached(id_of(other)).map_or(0, small),
            RoleName::Candidate => u8::from(core.is_granted_by(id_of(other))),
            _ if role == role::CANDIDATE => u8::from(other == voter.index),
            _ => 0,
        };
        node.progress.set(other.into(), kept);
    }
    node
}

/// What a message looks like in the model, which has no room for those that last or say nothing new.
fn picture_of_message(message: &Message) -> Option<ModelMessage> {
    let ends = Fields { from: message.from.into(), to: message.to.into(), ..Fields::default() };
    let fields = match &message.body {
        Body::Request(Request::Fetch(fetch)) => Fields {
            kind: kind::FETCH,
            epoch: small_epoch(fetch.epoch),
            offset: small(fetch.offset),
            last: small_epoch(fetch.last_epoch),
            ..ends
        },
        Body::Answer { request: Request::Vote(asked), response: Response::Vote(vote), .. } => {
            let VoteResponse { granted: true, .. } = vote else { return None };
            if asked.pre_vote {
                return None;
            }
            Fields { kind: kind::VOTE_GRANTED, epoch: small_epoch(asked.epoch), ..ends }
        }
        Body::Answer { request: Request::Fetch(asked), response: Response::Fetch(fetched), records } => {
            fetched_fields(ends, asked, fetched, *records)?
        }
        _ => return None,
    };
    Some(ModelMessage::new(fields))
}

fn fetched_fields(
    ends: Fields,
    asked: &FetchRequest,
    fetched: &FetchResponse,
    records: Log,
) -> Option<Fields> {
    let answer = Fields {
        epoch: small_epoch(fetched.epoch),
        offset: small(asked.offset),
        fetched: small_epoch(asked.last_epoch),
        high_watermark: fetched.high_watermark.map_or(0, small),
        ..ends
    };
    if fetched.error.is_some() {
        return None;
    }
    Some(match fetched.diverging {
        None => Fields { kind: kind::RECORDS, record: records.get(0), ..answer },
        Some(diverging) => Fields {
            kind: kind::DIVERGING,
            last: small_epoch(diverging.epoch),
            record: small(diverging.end),
            ..answer
        },
    })
}

/// Why a step is none of the model's.
pub(super) type Refusal = &'static str;

impl QuorumCores {
    /// What a state looks like in the model: no messages, which come in as they are needed.
    pub(super) fn picture(&self, state: &State) -> kraft::State {
        let mut picture: kraft::State = bytemuck::Zeroable::zeroed();
        for voter in 0..usize::from(self.bounds.voters) {
            picture.nodes[voter] = self.voters.value(state.voters[voter]).picture;
        }
        picture.committed = state.committed;
        picture.leaders = state.leaders;
        picture.committed_in = state.committed_in;
        picture.stain = state.stain;
        picture.produced = state.produced;
        picture.wiped = state.wiped;
        picture
    }

    /// Whether a step of the cores is one of the model's, a short fixed row of them, or none.
    pub(super) fn refines(
        &self,
        before: &State,
        action: Action,
        reaction: Option<&Reaction>,
        after: &kraft::State,
    ) -> Result<(), Refusal> {
        let mut walk = Walk {
            kraft: &self.kraft,
            at: self.picture(before),
            may_repeat: self.bounds.search > 0 || self.bounds.pre_vote > 0,
        };
        let actor = match action {
            Action::At { voter, event, .. } => {
                walk.happen(voter, event, &after.nodes[usize::from(voter)])?;
                walk.settle(voter, &after.nodes[usize::from(voter)])?;
                voter
            }
            Action::Arrive { message, .. } => {
                let message = self.messages.value(message);
                walk.arrive(message, &after.nodes[usize::from(message.to)])?;
                walk.settle(message.to, &after.nodes[usize::from(message.to)])?;
                message.to
            }
            Action::Lose { .. } => return walk.reached(after),
        };
        let reaction = reaction.expect("whoever acts reacts");
        for name in &reaction.passing {
            walk.say(actor, self.messages.value(*name))?;
        }
        for name in &reaction.refusals {
            let refusal = self.messages.value(*name);
            walk.say(actor, refusal)?;
            walk.arrive(refusal, &after.nodes[usize::from(refusal.to)])?;
        }
        walk.reached(after)?;
        for name in &reaction.lasting {
            lasting(&after.nodes[usize::from(actor)], actor, self.messages.value(*name))?;
        }
        Ok(())
    }
}

/// A walk through the model along a step of the cores.
struct Walk<'a> {
    kraft: &'a Kraft,
    at: kraft::State,
    /// Whether voters look for a leader, or come back to one that they doubted.
    may_repeat: bool,
}

impl Walk<'_> {
    fn node(&self, voter: u8) -> &Node {
        &self.at.nodes[usize::from(voter)]
    }

    /// One step of the model, which must be enabled.
    fn take(&mut self, action: ModelAction, otherwise: Refusal) -> Result<(), Refusal> {
        let mut enabled = Vec::new();
        self.kraft.actions(&self.at, &mut enabled);
        if !enabled.contains(&action) {
            return Err(otherwise);
        }
        self.force(action);
        Ok(())
    }

    /// One step of the model, of which all that its guard asks is known to hold, or is no more than thrift.
    fn force(&mut self, action: ModelAction) {
        if let Some(next) = self.kraft.next_state(&self.at, action) {
            self.at = next;
        }
    }

    /// Delivers a message of the model that was sent before. What comes of it is in flight then.
    fn deliver(&mut self, message: ModelMessage) {
        self.at.messages = Default::default();
        self.at.send(message);
        self.force(ModelAction::Deliver { message });
    }

    /// Whether a message is in flight.
    fn in_flight(&self, message: ModelMessage) -> bool {
        self.at.in_flight().any(|other| other == message)
    }

    /// What happens at a voter without a message.
    fn happen(&mut self, voter: u8, event: Event, after: &Node) -> Result<(), Refusal> {
        match event {
            Event::Expire(_) if self.node(voter).leads() && after.role == role::RESIGNED => {
                self.take(ModelAction::Resign { node: voter }, "a timer makes only a leader resign")
            }
            Event::Expire(_) | Event::Flushed | Event::Transmit => Ok(()),
            Event::Append(_) => self.take(ModelAction::Append { node: voter }, "only a leader appends"),
            Event::Resign => self.take(ModelAction::Resign { node: voter }, "only a leader resigns"),
            Event::Restart { kept, lost } => {
                if self.node(voter).role != role::GONE {
                    // What a crash takes was not flushed, and what it leaves may have been.
                    let node = &mut self.at.nodes[usize::from(voter)];
                    node.flushed = node.flushed.max(kept);
                    self.force(ModelAction::Restart { node: voter, lost });
                    // One that loses nothing but the high watermark is left out of the model.
                    let node = &mut self.at.nodes[usize::from(voter)];
                    node.high_watermark = 0;
                    node.flushed = node.log.len();
                }
                Ok(())
            }
            Event::Wipe => self.take(ModelAction::Wipe { node: voter }, "a disk may be lost"),
        }
    }

    /// What may follow from anything: a flush is done, and then a leader counts again; a voter campaigns.
    fn settle(&mut self, voter: u8, after: &Node) -> Result<(), Refusal> {
        let node = &mut self.at.nodes[usize::from(voter)];
        if after.flushed > node.flushed && after.log == node.log {
            node.flushed = after.flushed;
            self.recount(voter);
        }
        let before = self.node(voter);
        if after.ballot.epoch != before.ballot.epoch + 1 {
            return Ok(());
        }
        let action = match before.role {
            role::FOLLOWER => ModelAction::FetchTimeout { node: voter },
            _ => ModelAction::ElectionTimeout { node: voter },
        };
        self.take(action, "a leader does not campaign")
    }

    /// A leader whose flush point has moved counts again: some fetch that it has counted arrives once more.
    fn recount(&mut self, voter: u8) {
        let leader = *self.node(voter);
        let furthest = (0..).zip(&self.at.nodes).map(|(other, _)| (leader.progress.get(other), other)).max();
        if let Some((offset, from)) = furthest.filter(|(offset, _)| leader.leads() && *offset > 0) {
            self.deliver(ModelMessage::new(Fields {
                kind: kind::FETCH,
                from,
                to: voter.into(),
                epoch: leader.ballot.epoch,
                offset,
                last: leader.log.prefix(offset).last_epoch(),
                ..Fields::default()
            }));
        }
    }

    /// What the arrival of a message does to its receiver.
    fn arrive(&mut self, message: &Message, after: &Node) -> Result<(), Refusal> {
        let to = message.to;
        if self.node(to) == after {
            // What changes nothing is as good as lost.
            return Ok(());
        }
        match &message.body {
            Body::Request(Request::Vote(vote)) if !vote.pre_vote => {
                let (voter, candidate) = (to, message.from);
                // Requests of any campaign may arrive, not only of the last.
                let asking = &mut self.at.nodes[usize::from(candidate)];
                let asked = (asking.asked, asking.asked_last, asking.asked_end);
                (asking.asked, asking.asked_last, asking.asked_end) =
                    (small_epoch(vote.epoch), small_epoch(vote.last_epoch), small(vote.last_offset));
                if self.node(voter).ballot.epoch <= small_epoch(vote.epoch) {
                    self.force(ModelAction::RequestVote { voter, candidate });
                }
                let asking = &mut self.at.nodes[usize::from(candidate)];
                (asking.asked, asking.asked_last, asking.asked_end) = asked;
                Ok(())
            }
            Body::Request(Request::Vote(vote)) => self.hear(to, vote.epoch, after),
            Body::Request(Request::BeginQuorumEpoch(begin)) => {
                self.learn(to, begin.epoch, Some(begin.leader), after)
            }
            Body::Request(Request::EndQuorumEpoch(end)) => self.learn(to, end.epoch, Some(end.leader), after),
            Body::Request(Request::Fetch(_)) => {
                let fetch = picture_of_message(message).expect("the model has fetches");
                if self.node(to).leads() && fetch.fields().epoch == self.node(to).ballot.epoch {
                    self.deliver(fetch);
                }
                Ok(())
            }
            Body::Request(Request::FetchSnapshot(_)) => Err("there are no snapshots"),
            Body::Answer { response, .. } => {
                let (epoch, leader) = match response {
                    Response::Vote(vote) => (vote.epoch, vote.leader),
                    Response::BeginQuorumEpoch(heard) | Response::EndQuorumEpoch(heard) => {
                        (heard.epoch, heard.leader)
                    }
                    Response::Fetch(fetched) => (fetched.epoch, fetched.leader),
                    Response::FetchSnapshot(fetched) => (fetched.epoch, fetched.leader),
                };
                self.learn(to, epoch, leader, after)?;
                if let Some(answer) = picture_of_message(message) {
                    self.deliver(answer);
                }
                Ok(())
            }
        }
    }

    /// A voter hears of an epoch that a message carries.
    fn hear(&mut self, voter: u8, epoch: Epoch, after: &Node) -> Result<(), Refusal> {
        let epoch = small_epoch(epoch);
        if epoch <= self.node(voter).ballot.epoch || after.ballot.epoch < epoch {
            return Ok(());
        }
        if self.at.nodes.iter().all(|node| node.ballot.epoch < epoch) {
            return Err("nobody was ever in an epoch that a message carries");
        }
        let node = &mut self.at.nodes[usize::from(voter)];
        node.ballot.hear(epoch);
        node.become_role(role::UNATTACHED, NOBODY);
        Ok(())
    }

    /// A voter learns of an epoch and its leader.
    fn learn(
        &mut self,
        voter: u8,
        epoch: Epoch,
        leader: Option<NodeId>,
        after: &Node,
    ) -> Result<(), Refusal> {
        self.hear(voter, epoch, after)?;
        let epoch = small_epoch(epoch);
        let Some(leader) = leader.map(|leader| index_of(leader) + 1) else { return Ok(()) };
        if leader == voter + 1 || after.role != role::FOLLOWER || after.ballot.epoch != epoch {
            return Ok(());
        }
        if self.at.leaders.get(epoch) != leader {
            return Err("a message names a leader that was never elected");
        }
        self.force(ModelAction::BeginQuorumEpoch { voter, epoch });
        Ok(())
    }

    /// What a voter says in a message that passes.
    fn say(&mut self, voter: u8, message: &Message) -> Result<(), Refusal> {
        match &message.body {
            Body::Request(Request::Fetch(_)) => self.say_fetch(voter, message),
            Body::Request(_) => Err("only fetches pass"),
            Body::Answer { request: Request::Vote(asked), response: Response::Vote(vote), .. } => {
                let node = self.node(voter);
                let bound = node.role == role::UNATTACHED
                    && node.ballot.voted == message.to + 1
                    && node.ballot.epoch == small_epoch(asked.epoch);
                if vote.granted && !asked.pre_vote && !bound {
                    return Err("a vote is granted that the model did not see");
                }
                self.told(voter, vote.epoch, vote.leader)
            }
            Body::Answer { request: Request::Fetch(_), response: Response::Fetch(fetched), .. } => {
                self.told(voter, fetched.epoch, fetched.leader)?;
                self.say_records(voter, message)
            }
            Body::Answer { response, .. } => match response {
                Response::BeginQuorumEpoch(heard) | Response::EndQuorumEpoch(heard) => {
                    self.told(voter, heard.epoch, heard.leader)
                }
                _ => Err("an answer is not to its request"),
            },
        }
    }

    /// An answer carries its sender's epoch, and a leader of it only if that was elected.
    fn told(&self, voter: u8, epoch: Epoch, leader: Option<NodeId>) -> Result<(), Refusal> {
        if self.node(voter).role == role::GONE {
            return Ok(());
        }
        if small_epoch(epoch) != self.node(voter).ballot.epoch {
            return Err("an answer does not carry its sender's epoch");
        }
        let named = leader.map(|leader| index_of(leader) + 1);
        if named.is_some_and(|leader| self.at.leaders.get(small_epoch(epoch)) != leader) {
            return Err("an answer names a leader that was never elected");
        }
        Ok(())
    }

    /// A fetch: from the end of the log, all of which is flushed.
    fn say_fetch(&mut self, voter: u8, message: &Message) -> Result<(), Refusal> {
        let node = *self.node(voter);
        let said = picture_of_message(message).expect("the model has fetches").fields();
        let end = node.end();
        if node.role == role::GONE {
            return Ok(());
        }
        // Whoever finds its leader by an answer with records asks that leader for the same ones before it takes them.
        let passed = self.may_repeat
            && said.offset < end.offset
            && node.log.prefix(said.offset).last_epoch() == said.last
            && said.epoch == node.ballot.epoch;
        if passed {
            return Ok(());
        }
        if (said.epoch, said.offset, said.last) != (node.ballot.epoch, end.offset, end.epoch) {
            return Err("a fetch is not from the end of its sender's log, or not of its epoch");
        }
        if node.flushed < end.offset {
            return Err("a voter fetches before it has flushed");
        }
        if node.role == role::FOLLOWER {
            if said.to + 1 != usize::from(node.leader) {
                return Err("a follower fetches from somebody else than its leader");
            }
            self.at.messages = Default::default();
            self.force(ModelAction::Fetch { node: voter });
        }
        Ok(())
    }

    /// An answer to a fetch: what the model's leader would say to it now, or nothing new.
    fn say_records(&mut self, voter: u8, message: &Message) -> Result<(), Refusal> {
        let Some(said) = picture_of_message(message) else { return Ok(()) };
        let Body::Answer { request, .. } = &message.body else { return Ok(()) };
        if !self.node(voter).leads() {
            return Err("somebody answers a fetch who does not lead");
        }
        let asked = Message { from: message.to, to: message.from, body: Body::Request(request.clone()) };
        let fetch = picture_of_message(&asked).expect("the model has fetches");
        let fields = said.fields();
        let mut again = Self { ..*self };
        again.deliver(fetch);
        let nothing_new = fields.kind == kind::RECORDS
            && fields.record == 0
            && fields.high_watermark <= self.node(voter).high_watermark;
        if !again.in_flight(said) && !nothing_new && again.expects(message.to, said) {
            return Err("an answer to a fetch is not the model's");
        }
        Ok(())
    }

    /// Whether a voter would take an answer now: those that it would not, the model does not send.
    fn expects(&self, voter: u8, answer: ModelMessage) -> bool {
        let mut after = Self { ..*self };
        after.deliver(answer);
        after.node(voter) != self.node(voter)
    }

    /// Whether the walk has led to `after`. A disk may always hold more than it must.
    fn reached(&self, after: &kraft::State) -> Result<(), Refusal> {
        for (at, is) in self.at.nodes.iter().zip(&after.nodes) {
            let voted = |node: &Node| if node.role == role::FOLLOWER { NOBODY } else { node.ballot.voted };
            if (at.ballot.epoch, at.role, at.leader) != (is.ballot.epoch, is.role, is.leader) {
                return Err("epoch, role or leader differ");
            }
            if voted(at) != voted(is) {
                return Err("the vote differs");
            }
            if at.log != is.log {
                return Err("the log differs");
            }
            if at.high_watermark != is.high_watermark {
                return Err("the high watermark differs");
            }
            if at.progress != is.progress {
                return Err("what a leader or candidate has counted differs");
            }
            if at.flushed > is.flushed {
                return Err("less is flushed than must be");
            }
        }
        if (self.at.committed, self.at.committed_in) != (after.committed, after.committed_in) {
            return Err("what was ever committed differs");
        }
        if self.at.stain != after.stain {
            return Err("what went wrong differs");
        }
        // The model forgets epochs that all have left.
        let known = |epoch: &u8| self.at.leaders.get(*epoch) != NOBODY;
        if (1..=7).filter(known).any(|epoch| self.at.leaders.get(epoch) != after.leaders.get(epoch)) {
            return Err("who was elected differs");
        }
        Ok(())
    }
}

/// A request that lasts says what its sender is.
fn lasting(node: &Node, voter: u8, message: &Message) -> Result<(), Refusal> {
    let current = small_epoch(message.epoch()) == node.ballot.epoch;
    match &message.body {
        Body::Request(Request::Vote(vote)) => {
            let end = (small_epoch(vote.last_epoch), small(vote.last_offset));
            let honest = current && end == (node.log.last_epoch(), node.log.len());
            let candidate = vote.pre_vote || node.role == role::CANDIDATE && node.flushed == node.log.len();
            if honest && candidate {
                Ok(())
            } else {
                Err("a vote is asked for with another log than the candidate's")
            }
        }
        Body::Request(Request::BeginQuorumEpoch(begin)) => {
            let honest = current && node.leads() && begin.leader == id_of(voter);
            if honest { Ok(()) } else { Err("somebody is announced who does not lead") }
        }
        Body::Request(Request::EndQuorumEpoch(end)) => {
            let honest = current && node.role == role::RESIGNED && end.leader == id_of(voter);
            if honest { Ok(()) } else { Err("somebody resigns who did not lead") }
        }
        _ => Err("only votes, announcements and resignations last"),
    }
}
