//! What can happen, and what it does.

use highwater_core::quorum::{Quorum, Request, RoleName, Timer};
use highwater_model::kraft::state::{LOG_MAX, Node, stain};
use highwater_model::voting::NOBODY;

use super::message::{Body, Message};
use super::state::State;
use super::symmetry::Origin;
use super::voter::{Event, Group, Said, Voter};
use super::{Kept, QuorumCores, claims};

/// One step of one voter, or of fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Something happens at a voter.
    At {
        /// The voter's index.
        voter: u8,
        /// What.
        event: Event,
        /// A bit for each thing it says that takes room: whether there is room for it. The rest is lost.
        kept: u8,
    },
    /// A message arrives.
    Arrive {
        /// Its name.
        message: u64,
        /// Whether a copy of it stays in flight.
        copied: bool,
        /// As above.
        kept: u8,
    },
    /// A message is lost.
    Lose {
        /// Its name.
        message: u64,
    },
}

/// What a step did to one voter: its new name, and the names of the messages that it sent.
#[derive(Debug)]
pub(crate) struct Reaction {
    pub(crate) voter: u64,
    /// Those that last.
    pub(crate) lasting: Vec<u64>,
    /// Those that take room.
    pub(crate) passing: Vec<u64>,
    /// Refusals that say that there is a later epoch, which arrive at once.
    pub(crate) refusals: Vec<u64>,
}

/// The names of the kinds of action.
pub(super) const KINDS: &[&str] = &[
    "election-timer",
    "fetch-timer",
    "retry-timer",
    "check-quorum-timer",
    "beat-timer",
    "hold-timer",
    "flushed",
    "transmit",
    "append",
    "resign",
    "restart",
    "restart-losing-tail",
    "wipe",
    "arrive",
    "arrive-copied",
    "lose",
];

impl Action {
    /// The index of its kind in [`KINDS`].
    pub(super) fn kind(self) -> usize {
        match self {
            Self::At { event, .. } => match event {
                Event::Expire(Timer::Election) => 0,
                Event::Expire(Timer::Fetch) => 1,
                Event::Expire(Timer::Retry) => 2,
                Event::Expire(Timer::CheckQuorum) => 3,
                Event::Expire(Timer::Beat) => 4,
                Event::Expire(Timer::Hold) => 5,
                Event::Flushed => 6,
                Event::Transmit => 7,
                Event::Append(_) => 8,
                Event::Resign => 9,
                Event::Restart { lost: false, .. } => 10,
                Event::Restart { lost: true, .. } => 11,
                Event::Wipe => 12,
            },
            Self::Arrive { copied: false, .. } => 13,
            Self::Arrive { copied: true, .. } => 14,
            Self::Lose { .. } => 15,
        }
    }
}

impl QuorumCores {
    /// Every action that is enabled.
    pub(super) fn enabled(&self, state: &State, actions: &mut Vec<Action>) {
        let bounds = &self.bounds;
        let free = usize::from(bounds.messages) - state.in_flight().count();
        let may_fail = state.faults() < bounds.faults;
        if self.flushes_at_once(state, None)
            && let Some(voter) = (0..bounds.voters).find(|voter| self.may_flush(state, *voter))
        {
            // What was being flushed when something could still be lost is done first.
            let passing = self.happen(state, voter, Event::Flushed).passing.len();
            choices(passing, free, |kept| actions.push(Action::At { voter, event: Event::Flushed, kept }));
            return;
        }
        for voter in 0..bounds.voters {
            let at = self.voter(state, voter);
            let mut add = |event| {
                let reaction = self.happen(state, voter, event);
                // A campaign that waited for a flush is one all the same.
                if self.voters.value(reaction.voter).voter.core.epoch() > i32::from(bounds.epochs) {
                    return;
                }
                choices(reaction.passing.len(), free, |kept| actions.push(Action::At { voter, event, kept }));
            };
            for timer in at.core.timers().filter(|timer| self.may_expire(state, voter, *timer)) {
                add(Event::Expire(timer));
            }
            if at.flushing.is_some() && (!bounds.is_thrifty() || self.flush_matters(state, voter)) {
                add(Event::Flushed);
            }
            if at.waiting.is_some() && free > 0 && self.would_matter(state, voter) {
                add(Event::Transmit);
            }
            let leads = at.core.role() == RoleName::Leader;
            if leads && state.produced < bounds.records && at.log.len() < LOG_MAX {
                add(Event::Append(state.produced + 1));
            }
            if !bounds.is_thrifty() && leads && may_fail && state.resignations < bounds.resignations {
                add(Event::Resign);
            }
            if may_fail && state.restarts < bounds.restarts {
                for kept in at.flushed..at.log.len() {
                    add(Event::Restart { kept, lost: true });
                }
                let all = Event::Restart { kept: at.log.len(), lost: false };
                let again = self.voters.value(self.happen(state, voter, all).voter).picture;
                // One that loses nothing but the high watermark is as good as none: to learn it late is the same.
                let blank = |node: &Node| Node { high_watermark: 0, flushed: 0, ..*node };
                if !bounds.is_thrifty() || blank(&self.kept(state, voter).picture) != blank(&again) {
                    add(all);
                }
            }
            if state.wiped.count_ones() < u32::from(bounds.wipes) {
                add(Event::Wipe);
            }
        }
        let may_copy = may_fail && state.duplicates < bounds.duplicates;
        for message in state.in_flight() {
            let passing = self.arrive(state, message).passing.len();
            choices(passing, free + 1, |kept| {
                actions.push(Action::Arrive { message, copied: false, kept });
            });
            if may_copy {
                choices(passing, free, |kept| actions.push(Action::Arrive { message, copied: true, kept }));
            }
            // What stays in flight for ever is as good as lost: loss is a step only where it makes room.
            if free == 0 {
                actions.push(Action::Lose { message });
            }
        }
        for &message in self.sets.value(state.lasting) {
            let passing = self.arrive(state, message).passing.len();
            choices(passing, free, |kept| actions.push(Action::Arrive { message, copied: false, kept }));
        }
    }

    /// Whether the bounds let a timer run out.
    fn may_expire(&self, state: &State, voter: u8, timer: Timer) -> bool {
        let at = self.voter(state, voter);
        let last = at.core.epoch() >= i32::from(self.bounds.epochs);
        match timer {
            Timer::Election | Timer::Fetch => !last,
            // As good as being told to.
            Timer::CheckQuorum => {
                state.faults() < self.bounds.faults && state.resignations < self.bounds.resignations
            }
            Timer::Retry => match at.core.role() {
                RoleName::Unattached | RoleName::Voted | RoleName::Observer => self.bounds.search > 0,
                // What they would ask again lasts, or is asked again at once.
                _ => !self.bounds.is_thrifty(),
            },
            Timer::Hold => !self.bounds.is_thrifty(),
            // Runs out by itself: see the driver.
            Timer::Beat => !self.bounds.is_thrifty(),
        }
    }

    /// Whether a voter's outstanding fetch, or the answer, is on its way.
    fn is_exchanging(&self, state: &State, voter: u8) -> bool {
        let core = &self.voter(state, voter).core;
        state.in_flight().any(|message| {
            self.messages.value(message).fetch().is_some_and(|(fetcher, fetch)| {
                fetcher == voter
                    && fetch.epoch == core.epoch()
                    && (fetch.offset, fetch.last_epoch) == (core.log().end(), core.log().last_epoch())
            })
        })
    }

    /// Whether a flush is under way whose end the bounds let happen.
    fn may_flush(&self, state: &State, voter: u8) -> bool {
        self.voter(state, voter).flushing.is_some() && {
            let after = self.happen(state, voter, Event::Flushed).voter;
            self.voters.value(after).voter.core.epoch() <= i32::from(self.bounds.epochs)
        }
    }

    /// Whether anything but the flush point changes when a flush is done. Where not, a crash that keeps what was flushed says as much.
    fn flush_matters(&self, state: &State, voter: u8) -> bool {
        let reaction = self.happen(state, voter, Event::Flushed);
        let after = self.voters.value(reaction.voter);
        let but_flushed = |node: &Node| Node { flushed: 0, ..*node };
        let before = self.kept(state, voter);
        but_flushed(&before.picture) != but_flushed(&after.picture)
            || before.voter.waiting != after.voter.waiting
            || !reaction.passing.is_empty()
            || !reaction.lasting.is_empty()
    }

    /// Whether the fetch that waits at a voter would change what its receiver looks like, or bring an answer that changes what the
    /// voter does.
    fn would_matter(&self, state: &State, voter: u8) -> bool {
        let sent = self.happen(state, voter, Event::Transmit);
        let fetch = sent.passing[0];
        let to = self.messages.value(fetch).to;
        let served = self.arrive(state, fetch);
        self.looks_other(state.voters[usize::from(to)], served.voter)
            || served.passing.iter().any(|answer| self.is_news(state, *answer))
    }

    /// Whether two voters look different in the model.
    fn looks_other(&self, left: u64, right: u64) -> bool {
        left != right && self.voters.value(left).picture != self.voters.value(right).picture
    }

    /// Whether the arrival of a message would change what its receiver looks like.
    fn is_news(&self, state: &State, message: u64) -> bool {
        let to = self.messages.value(message).to;
        self.looks_other(state.voters[usize::from(to)], self.arrive(state, message).voter)
    }

    /// The state after `action`, or `None` where that changes nothing.
    pub(super) fn step(&self, before: &State, action: Action) -> Option<State> {
        let mut state = State { broken: 0, ..*before };
        let reaction = match action {
            Action::At { voter, event, kept } => {
                let reaction = self.happen(before, voter, event);
                self.react(&mut state, voter, reaction, kept);
                match event {
                    Event::Append(_) => state.produced += 1,
                    Event::Resign | Event::Expire(Timer::CheckQuorum) => state.resignations += 1,
                    Event::Restart { .. } => state.restarts += 1,
                    Event::Wipe => state.wiped |= 1 << voter,
                    Event::Expire(_) | Event::Flushed | Event::Transmit => {}
                }
                Some(reaction)
            }
            Action::Arrive { message, copied, kept } => {
                let reaction = self.arrive(before, message);
                if !copied {
                    state.take(message);
                }
                self.react(&mut state, self.messages.value(message).to, reaction, kept);
                for &refusal in &reaction.refusals {
                    let heard = self.arrive(&state, refusal);
                    let to = self.messages.value(refusal).to;
                    self.react(&mut state, to, heard, 0);
                }
                if copied {
                    self.tidy(before, &mut state);
                    if state == *before || !state.in_flight().any(|other| other == message) {
                        return None;
                    }
                    state.duplicates += 1;
                }
                Some(reaction)
            }
            Action::Lose { message } => {
                state.take(message);
                None
            }
        };
        self.tidy(before, &mut state);
        self.note(before, action, &mut state);
        let picture = self.picture(&state);
        let refines = self.refines(before, action, reaction, &picture);
        state.broken = claims::broken(&self.kraft, &self.model_claims, &picture, refines.is_ok());
        (state != *before).then_some(state)
    }

    /// Keeps the history that no core knows.
    fn note(&self, before: &State, action: Action, state: &mut State) {
        let restarted = matches!(action, Action::At { event: Event::Restart { .. }, .. });
        if matches!(action, Action::At { event: Event::Wipe, .. }) {
            return;
        }
        for (voter, (was, is)) in (0..).zip(before.voters.into_iter().zip(state.voters)) {
            if was == is {
                continue;
            }
            let (was, is) = (&self.voters.value(was).picture, &self.voters.value(is).picture);
            let leads_on = was.leads() && is.leads() && was.ballot.epoch == is.ballot.epoch;
            if leads_on && !is.log.starts_with(was.log) {
                state.stain |= stain::LEADER_LOG_CUT;
            }
            if is.high_watermark < was.high_watermark && !restarted {
                state.stain |= stain::HIGH_WATERMARK_BACK;
            }
            if is.leads() && !leads_on {
                let epoch = is.ballot.epoch;
                match state.leaders.get(epoch) {
                    NOBODY => state.leaders.set(epoch, voter + 1),
                    winner if winner == voter + 1 => {}
                    _ => state.stain |= stain::SECOND_LEADER,
                }
            }
            if is.leads() && is.high_watermark > was.high_watermark {
                let passed = is.log.prefix(is.high_watermark);
                if passed.len() > state.committed.len() && passed.starts_with(state.committed) {
                    state.committed = passed;
                    state.committed_in = state.committed_in.max(is.ballot.epoch);
                }
            }
        }
    }

    /// Drops what can never make a difference again, so that states which behave alike are one.
    fn tidy(&self, before: &State, state: &mut State) {
        if !self.bounds.is_thrifty() {
            return;
        }
        for message in state.messages {
            if message != 0 && self.is_dead(state, message) {
                state.take(message);
            }
        }
        for voter in 0..self.bounds.voters {
            let at = self.voter(state, voter);
            // Whose exchange has come to nothing asks again at once.
            if at.core.is_fetching() && at.waiting.is_none() && !self.is_exchanging(state, voter) {
                let again = self.happen(state, voter, Event::Expire(Timer::Retry));
                state.voters[usize::from(voter)] = again.voter;
            }
        }
        if state.lasting == before.lasting && state.voters == before.voters {
            return;
        }
        let set = self.sets.value(state.lasting);
        let is_past = |message: u64| self.is_dead(state, message) || self.is_superseded(set, message);
        if set.iter().any(|message| is_past(*message)) {
            let alive = set.iter().copied().filter(|message| !is_past(*message)).collect();
            state.lasting = self.sets.name(alive);
        }
    }

    /// Whether the sender of a vote request has campaigned again since.
    fn is_superseded(&self, set: &[u64], name: u64) -> bool {
        let message = self.messages.value(name);
        let Body::Request(Request::Vote(vote)) = &message.body else { return false };
        set.iter().any(|other| {
            let other = self.messages.value(*other);
            let Body::Request(Request::Vote(later)) = &other.body else { return false };
            (other.from, other.to) == (message.from, message.to)
                && (later.epoch, !later.pre_vote) > (vote.epoch, !vote.pre_vote)
        })
    }

    /// Whether a message can never make a difference again: epochs do not go back.
    fn is_dead(&self, state: &State, name: u64) -> bool {
        let message = self.messages.value(name);
        let epoch = message.epoch();
        let (sender, receiver) = (&self.voter(state, message.from).core, &self.voter(state, message.to).core);
        let changes_nothing = || self.arrive(state, name).voter == state.voters[usize::from(message.to)];
        let past = receiver.epoch() > epoch;
        match &message.body {
            // Who does not campaign any more brings others forward, at most; who does has to hear of later epochs.
            Body::Request(Request::Vote(_)) => {
                let campaigns = sender.epoch() == epoch
                    && matches!(sender.role(), RoleName::Candidate | RoleName::Prospective);
                !campaigns && receiver.epoch() >= epoch
            }
            // The news of a later epoch comes by the requests of who campaigned for it.
            Body::Request(_) => {
                past || receiver.epoch() == epoch && !is_leading(receiver) && changes_nothing()
            }
            // A voter does not ask again for what it was answered once.
            Body::Answer { .. } => receiver.epoch() >= epoch && changes_nothing(),
        }
    }

    fn kept(&self, state: &State, voter: u8) -> &Kept {
        self.voters.value(state.voters[usize::from(voter)])
    }

    /// The voter with this index.
    pub(crate) fn voter(&self, state: &State, voter: u8) -> &Voter {
        &self.voters.value(state.voters[usize::from(voter)]).voter
    }

    /// Whether flushes are done at once: where nothing will be lost any more, nobody can tell how long they take.
    fn flushes_at_once(&self, state: &State, event: Option<Event>) -> bool {
        let restarts = state.restarts + u8::from(matches!(event, Some(Event::Restart { .. })));
        let may_lose = restarts < self.bounds.restarts && state.faults() < self.bounds.faults;
        self.bounds.is_thrifty() && !may_lose
    }

    /// What `event` does to a voter.
    pub(crate) fn happen(&self, state: &State, voter: u8, event: Event) -> &Reaction {
        let at_once = self.flushes_at_once(state, Some(event));
        self.happened(state.voters[usize::from(voter)], event, at_once)
    }

    /// What the arrival of `message` does to its receiver.
    pub(crate) fn arrive(&self, state: &State, message: u64) -> &Reaction {
        let to = self.messages.value(message).to;
        let at_once = self.flushes_at_once(state, None);
        self.arrived(state.voters[usize::from(to)], message, at_once)
    }

    /// What `event` does to the voter of this name.
    pub(super) fn happened(&self, voter: u64, event: Event, at_once: bool) -> &Reaction {
        self.reactions[usize::from(at_once)].get_or((voter, event.number()), || {
            let group = Group { flushes_at_once: at_once, ..self.group };
            let (after, said) = group.happen(&self.voters.value(voter).voter, event);
            Box::new(self.reaction(after, said, Origin::Happened { voter, event, at_once }))
        })
    }

    /// What the arrival of `message` does to the voter of this name.
    pub(super) fn arrived(&self, voter: u64, message: u64, at_once: bool) -> &Reaction {
        self.reactions[usize::from(at_once)].get_or((voter, message), || {
            let group = Group { flushes_at_once: at_once, ..self.group };
            let at = &self.voters.value(voter).voter;
            let (after, said) = group.hear(at, message, self.messages.value(message));
            Box::new(self.reaction(after, said, Origin::Arrived { voter, message, at_once }))
        })
    }

    fn reaction(&self, after: Voter, said: Vec<Said>, origin: Origin) -> Reaction {
        let (mut lasting, mut passing, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
        for said in said {
            let message = self.message(after.index, said);
            if self.bounds.is_thrifty() && message.is_idle() {
                continue;
            }
            let (lasts, refuses) = (message.lasts(), self.bounds.is_thrifty() && message.is_refusal());
            let name = self.messages.name(message);
            let list = match (lasts, refuses) {
                (true, _) => &mut lasting,
                (false, true) => &mut refusals,
                (false, false) => &mut passing,
            };
            if !list.contains(&name) {
                list.push(name);
            }
        }
        Reaction { voter: self.keep(after, origin), lasting, passing, refusals }
    }

    /// What a voter said, on its way.
    fn message(&self, from: u8, said: Said) -> Message {
        match said {
            Said::Ask { to, request } => Message { from, to, body: Body::Request(request) },
            Said::Answer { token, response, records } => {
                let asked = self.messages.value(token);
                let Body::Request(request) = asked.body.clone() else {
                    unreachable!("only requests are answered");
                };
                Message { from, to: asked.from, body: Body::Answer { request, response, records } }
            }
        }
    }

    fn react(&self, state: &mut State, voter: u8, reaction: &Reaction, kept: u8) {
        state.voters[usize::from(voter)] = reaction.voter;
        for (index, &message) in reaction.passing.iter().enumerate() {
            let told = self.bounds.is_thrifty() && self.messages.value(message).fetch().is_some();
            if kept >> index & 1 == 1
                && !(told && self.messages.value(message).is_answer() && !self.is_news(state, message))
            {
                state.send(message);
            }
        }
        if !reaction.lasting.is_empty() {
            let mut set = self.sets.value(state.lasting).clone();
            set.extend(&reaction.lasting);
            set.sort_unstable();
            set.dedup();
            state.lasting = self.sets.name(set);
        }
    }
}

fn is_leading(core: &Quorum) -> bool {
    core.role() == RoleName::Leader
}

/// Every choice of what finds room: all of it, or as much as there is room for.
fn choices(passing: usize, free: usize, mut choose: impl FnMut(u8)) {
    let all = (1u8 << passing) - 1;
    if passing <= free {
        choose(all);
        return;
    }
    (0..=all).filter(|kept| kept.count_ones() as usize == free).for_each(choose);
}
