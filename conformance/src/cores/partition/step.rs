//! What can happen, and what it does.

use highwater_core::partition::{AlterPartitionResult, PartitionError, Role, Timer};
use highwater_model::isr::state::{
    RECORDS_MAX, STAIN_LEADER_TRUNCATED, STAIN_RECOVERED, STAIN_TRUNCATED,
    STAIN_TRUNCATED_BELOW_HIGH_WATERMARK,
};

use super::PartitionCores;
use super::claims::{self, Wrongs};
use super::controller::{Register, Request, Standing};
use super::message::{Body, CONTROLLER, Message};
use super::replica::{Event, Outcome, Replica, id_of, index_of, len, values_below};
use super::state::{LED_BY_NOBODY, LED_BY_SOMEBODY, State};

/// One step of one replica, of the controller or of fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Something happens at a replica.
    At {
        /// The replica's index.
        replica: u8,
        /// What.
        event: Event,
    },
    /// A broker learns what the controller has decided.
    Learn {
        /// The replica's index.
        replica: u8,
    },
    /// The session of a broker ends.
    Fence {
        /// The replica's index.
        broker: u8,
    },
    /// A fenced broker is heard of.
    Unfence {
        /// The replica's index.
        broker: u8,
    },
    /// The controller is asked to let the preferred replica lead.
    Prefer,
    /// A message arrives.
    Arrive {
        /// Its name.
        message: u64,
    },
    /// A message is lost.
    Lose {
        /// Its name.
        message: u64,
    },
}

/// What a step did to one replica: its new name, the names of the messages that it sent, and whom it promised that a value is safe.
#[derive(Debug)]
pub(crate) struct Reaction {
    pub(crate) replica: u64,
    pub(crate) said: Vec<u64>,
    pub(crate) promised: u8,
}

/// What the controller decided.
#[derive(Debug)]
pub(crate) struct Decision {
    /// The register after it.
    pub(crate) register: u64,
    pub(crate) altered: Option<AlterPartitionResult>,
    pub(crate) accepted: bool,
}

/// What happened in a step.
#[derive(Default)]
pub(crate) struct Course<'a> {
    /// Who acted, and what it did.
    pub(crate) reaction: Option<(u8, &'a Reaction)>,
    /// What the controller was told, and the register after each.
    pub(crate) decisions: Vec<(Request<'a>, u64)>,
    /// Who learned at once whom to follow.
    pub(crate) followed: Vec<u8>,
}

/// The names of the kinds of action.
pub(super) const KINDS: &[&str] = &[
    "produce",
    "fetch",
    "lag",
    "retry",
    "shut-down",
    "crash",
    "start",
    "learn",
    "fence",
    "unfence",
    "prefer",
    "arrive",
    "lose",
];

/// What sets a memory of a lost message apart from one of its arrival.
const LOST: u64 = 0x6c6f_7374;

impl Action {
    /// The index of its kind in [`KINDS`].
    pub(super) fn kind(self) -> usize {
        match self {
            Self::At { event, .. } => match event {
                Event::Produce(_) => 0,
                Event::Fetch => 1,
                Event::Lag(_) => 2,
                Event::Retry => 3,
                Event::ShutDown => 4,
                Event::Crash { .. } => 5,
                Event::Start => 6,
            },
            Self::Learn { .. } => 7,
            Self::Fence { .. } => 8,
            Self::Unfence { .. } => 9,
            Self::Prefer => 10,
            Self::Arrive { .. } => 11,
            Self::Lose { .. } => 12,
        }
    }
}

impl PartitionCores {
    /// Every action that is enabled.
    pub(super) fn enabled(&self, state: &State, actions: &mut Vec<Action>) {
        let taken = state.in_flight().filter(|message| self.messages.value(*message).takes_room()).count();
        let free = usize::from(self.bounds.messages) - taken;
        for replica in 0..self.bounds.replicas {
            self.enabled_at(state, replica, free, actions);
        }
        if self.may_prefer(state) {
            actions.push(Action::Prefer);
        }
        for message in state.in_flight() {
            actions.push(Action::Arrive { message });
            let body = &self.messages.value(message).body;
            let may_lose = match body {
                // What stays in flight for ever is as good as lost: loss is a step only where it makes room.
                Body::Fetch { .. } | Body::Fetched { .. } => free == 0,
                // Of this somebody takes note.
                Body::Alter(_) | Body::Altered { .. } => state.losses < self.bounds.losses,
            };
            if may_lose {
                actions.push(Action::Lose { message });
            }
        }
    }

    fn enabled_at(&self, state: &State, index: u8, free: usize, actions: &mut Vec<Action>) {
        let replica = self.replica(state, index);
        let register = self.register(state);
        let standing = register.brokers[usize::from(index)];
        let mut add = |event| actions.push(Action::At { replica: index, event });
        let Some(core) = &replica.core else {
            if standing.fenced {
                add(Event::Start);
            } else {
                actions.push(Action::Fence { broker: index });
            }
            return;
        };
        if replica.leads() {
            if state.produced < self.bounds.records && usize::from(len(&replica.log)) < RECORDS_MAX {
                add(Event::Produce(state.produced));
            }
            for timer in core.timers() {
                match timer {
                    Timer::Lag(follower) => add(Event::Lag(index_of(follower))),
                    Timer::AlterPartition => add(Event::Retry),
                    // What a producer makes of it is the producer's affair.
                    Timer::Produce(_) => {}
                }
            }
        }
        if free > 0 && self.may_fetch(state, replica) {
            add(Event::Fetch);
        }
        if state.crashes < self.bounds.crashes {
            add(Event::ShutDown);
            let unclean = (state.unclean & !(1 << index)).count_ones();
            if unclean + 1 < u32::from(self.bounds.min_isr) {
                (0..=len(&replica.log)).for_each(|kept| add(Event::Crash { kept }));
            }
        }
        if self.may_learn(state, replica) {
            actions.push(Action::Learn { replica: index });
        }
        if standing.fenced {
            actions.push(Action::Unfence { broker: index });
        } else if matters(register, index) || self.bounds.unfence == 1 && self.is_proposed(state, index) {
            actions.push(Action::Fence { broker: index });
        }
    }

    /// Whether the leader waits to hear of an ISR with this replica, which is refused while it is fenced.
    fn is_proposed(&self, state: &State, index: u8) -> bool {
        let leader =
            self.register(state).partition.leader.map(|leader| self.replica(state, index_of(leader)));
        let proposal = leader.and_then(|leader| leader.core.as_ref()).and_then(|core| core.proposal());
        proposal.is_some_and(|asked| asked.isr.iter().any(|(member, _)| *member == id_of(index)))
    }

    /// Whether there is news: of a leader epoch or, for who leads, of its ISR or of brokers.
    fn may_learn(&self, state: &State, replica: &Replica) -> bool {
        let register = self.register(state);
        let partition = &register.partition;
        if partition.leader_epoch > replica.epoch() {
            return true;
        }
        let Some(core) = replica.core.as_ref().filter(|_| replica.leads()) else { return false };
        if !self.bounds.is_thrifty() {
            let name = state.replicas[usize::from(replica.index)];
            return self.learned(name, state.controller).replica != name;
        }
        // To hear late that somebody must not join is as good as not to hear it.
        let joins = |(index, (told, is)): (u8, (&Standing, &Standing))| {
            told != is && !is.fenced && !core.isr().contains(&id_of(index))
        };
        partition.partition_epoch > core.state().partition_epoch
            || (0..).zip(replica.told.iter().zip(&register.brokers)).any(joins)
    }

    /// Whether the leadership can go back to the preferred replica.
    fn may_prefer(&self, state: &State) -> bool {
        let has_leader = self.register(state).partition.leader.is_some();
        has_leader && self.decide(state.controller, Request::Prefer, 0).register != state.controller
    }

    /// A follower asks once at a time, and only if something would come of it.
    fn may_fetch(&self, state: &State, replica: &Replica) -> bool {
        let Some(position) = replica.position() else { return false };
        let own = |message: &Message| match &message.body {
            Body::Fetch { broker_epoch, fetch } => {
                message.from == replica.index
                    && *broker_epoch == replica.broker_epoch
                    && fetch.leader_epoch == position.leader_epoch
            }
            Body::Fetched { asked, .. } => {
                message.to == replica.index && asked.leader_epoch == position.leader_epoch
            }
            Body::Alter(_) | Body::Altered { .. } => false,
        };
        let name = state.replicas[usize::from(replica.index)];
        !state.in_flight().any(|message| own(self.messages.value(message))) && {
            let fetch = self.happen(name, Event::Fetch).said[0];
            let to = self.messages.value(fetch).to;
            let asked = self.replica(state, to);
            asked.core.is_some() && {
                let asked = state.replicas[usize::from(to)];
                let served = self.arrive(asked, fetch);
                let is_news = |answer: &u64| self.answers(state, *answer) && self.is_news(state, *answer);
                served.replica != asked || served.said.iter().any(is_news)
            }
        }
    }

    /// Whether the arrival of an answer would change its receiver.
    fn is_news(&self, state: &State, message: u64) -> bool {
        let to = state.replicas[usize::from(self.messages.value(message).to)];
        self.arrive(to, message).replica != to
    }

    /// Whether the process that waits for an answer is still there. Nobody else would get it.
    fn answers(&self, state: &State, message: u64) -> bool {
        let message = self.messages.value(message);
        matches!(message.body, Body::Fetched { .. }) && self.replica(state, message.to).core.is_some()
    }

    /// The state after `action`, or `None` where that changes nothing or goes beyond the bounds.
    pub(super) fn step(&self, before: &State, action: Action) -> Option<State> {
        let mut state = State { broken: 0, ..*before };
        let course = self.run(&mut state, action);
        let partition = &self.register(&state).partition;
        if partition.partition_epoch > i32::from(self.bounds.changes)
            || state.epoch(partition.leader_epoch) > self.bounds.epochs
        {
            return None;
        }
        let wrongs = self.note(before, action, &course, &mut state);
        let picture = self.picture(&state);
        let refines = self.refines(before, action, &course, &state, &picture);
        let wrongs = Wrongs { strays: refines.is_err(), ..wrongs };
        state.broken = claims::broken(&self.isr, &self.model_claims, &picture, wrongs);
        (state != *before).then_some(state)
    }

    /// Does what `action` says, and what follows from it at once.
    pub(super) fn run(&self, state: &mut State, action: Action) -> Course<'_> {
        let mut course = self.act(state, action);
        self.tidy(state);
        if self.follows_at_once {
            course.followed =
                (0..self.bounds.replicas).filter(|index| self.is_forsaken(state, *index)).collect();
            for &index in &course.followed {
                let reaction = self.learned(state.replicas[usize::from(index)], state.controller);
                self.react(state, index, reaction);
            }
            if !course.followed.is_empty() {
                self.tidy(state);
            }
        }
        course
    }

    /// Whether a follower can do nothing but learn of a newer leader epoch, in which it follows.
    fn is_forsaken(&self, state: &State, index: u8) -> bool {
        let replica = self.replica(state, index);
        let partition = &self.register(state).partition;
        let may_follow = partition.leader.is_some_and(|leader| leader != id_of(index));
        let served = match replica.role() {
            None | Some(Role::Leader) => return false,
            Some(Role::Follower { leader }) => {
                let leader = self.replica(state, index_of(leader));
                leader.leads() && leader.epoch() == replica.epoch()
            }
            Some(Role::Unassigned | Role::Leaderless) => false,
        };
        let is_awaited = |name: u64| {
            let message = self.messages.value(name);
            message.to == index && matches!(message.body, Body::Fetched { .. })
        };
        may_follow
            && partition.leader_epoch > replica.epoch()
            && !served
            && !state.in_flight().any(is_awaited)
    }

    fn act(&self, state: &mut State, action: Action) -> Course<'_> {
        let mut course = Course::default();
        match action {
            Action::At { replica, event } => {
                let clean = self.replica(state, replica).clean;
                let reaction = self.happen(state.replicas[usize::from(replica)], event);
                self.react(state, replica, reaction);
                course.reaction = Some((replica, reaction));
                match event {
                    Event::Produce(_) => state.produced += 1,
                    Event::ShutDown => self.stop(state, replica),
                    Event::Crash { .. } => {
                        state.unclean |= 1 << replica;
                        self.stop(state, replica);
                    }
                    Event::Start => {
                        self.tell(state, &mut course, Request::Register { broker: replica, clean }, 0);
                        self.tell(state, &mut course, Request::Heartbeat(replica), 0);
                    }
                    Event::Fetch | Event::Lag(_) | Event::Retry => {}
                }
            }
            Action::Learn { replica } => {
                let reaction = self.learned(state.replicas[usize::from(replica)], state.controller);
                self.react(state, replica, reaction);
                course.reaction = Some((replica, reaction));
            }
            Action::Fence { broker } => {
                self.tell(state, &mut course, Request::Expire(broker), 0);
                if self.bounds.unfence == 0 && self.replica(state, broker).core.is_some() {
                    self.tell(state, &mut course, Request::Heartbeat(broker), 0);
                }
            }
            Action::Unfence { broker } => {
                self.tell(state, &mut course, Request::Heartbeat(broker), 0);
            }
            Action::Prefer => {
                self.tell(state, &mut course, Request::Prefer, 0);
            }
            Action::Arrive { message } => {
                state.take(message);
                let arrived = self.messages.value(message);
                if let Body::Alter(asked) = &arrived.body {
                    let decision = self.tell(state, &mut course, Request::Alter(asked), message);
                    self.answer(state, arrived, decision);
                    // Who is not answered asks again, so a copy may be under way. One that is refused for ever is dropped.
                    let ineligible = Err(PartitionError::IneligibleReplica);
                    if decision.altered.as_ref() == Some(&ineligible) && state.messages.contains(&0) {
                        state.send(message);
                    }
                } else {
                    let reaction = self.arrive(state.replicas[usize::from(arrived.to)], message);
                    self.react(state, arrived.to, reaction);
                    course.reaction = Some((arrived.to, reaction));
                }
            }
            Action::Lose { message } => {
                state.take(message);
                let lost = self.messages.value(message);
                if !lost.takes_room() {
                    let leader = if lost.to == CONTROLLER { lost.from } else { lost.to };
                    state.losses += 1;
                    if self.awaits(state, leader, lost) {
                        let reaction = self.missed(state.replicas[usize::from(leader)], message);
                        self.react(state, leader, reaction);
                        course.reaction = Some((leader, reaction));
                    }
                }
            }
        }
        course
    }

    /// Tells the controller something.
    fn tell<'a>(
        &'a self,
        state: &mut State,
        course: &mut Course<'a>,
        request: Request<'a>,
        message: u64,
    ) -> &'a Decision {
        let before = self.register(state);
        let decision = self.decide(state.controller, request, message);
        assert!(
            decision.accepted || matches!(request, Request::Alter(_)),
            "a broker is heard that may be: {request:?}"
        );
        state.controller = decision.register;
        course.decisions.push((request, decision.register));
        let (was, is) = (&before.partition, &self.register(state).partition);
        if is.leader_epoch != was.leader_epoch {
            assert_eq!(is.leader_epoch, was.leader_epoch + 1, "leader epochs begin one by one");
            let epoch = usize::try_from(is.leader_epoch).expect("epochs are counted from 0");
            state.leaders[epoch] = is.leader.map_or(LED_BY_NOBODY, |leader| index_of(leader) + 1);
        }
        for member in is.isr.iter().filter(|member| !was.isr.contains(member)) {
            let member = index_of(*member);
            if state.unclean & 1 << member != 0 && self.replica(state, member).core.is_some() {
                state.unclean &= !(1 << member);
                state.stain |= STAIN_RECOVERED;
            }
        }
        decision
    }

    /// The controller's answer to a proposal, if the process that asked is there.
    fn answer(&self, state: &mut State, asked: &Message, decision: &Decision) {
        if let (Body::Alter(asked_for), Some(result)) = (&asked.body, &decision.altered)
            && self.awaits(state, asked.from, asked)
        {
            let body = Body::Altered { asked: asked_for.clone(), result: result.clone() };
            state.send(self.messages.name(Message { from: CONTROLLER, to: asked.from, body }));
        }
    }

    /// Whether a leader still waits for what comes of this proposal.
    fn awaits(&self, state: &State, leader: u8, message: &Message) -> bool {
        let (Body::Alter(asked) | Body::Altered { asked, .. }) = &message.body else { return false };
        let core = &self.replica(state, leader).core;
        core.as_ref().and_then(|core| core.proposal()) == Some(asked)
    }

    fn react(&self, state: &mut State, replica: u8, reaction: &Reaction) {
        state.replicas[usize::from(replica)] = reaction.replica;
        for &message in &reaction.said {
            let is_answer = matches!(self.messages.value(message).body, Body::Fetched { .. });
            if !is_answer || self.answers(state, message) {
                state.send(message);
            }
        }
    }

    /// Ends a process: what was on its way to it is gone.
    fn stop(&self, state: &mut State, index: u8) {
        state.crashes += 1;
        for message in state.messages {
            if message != 0 && self.messages.value(message).to == index {
                state.take(message);
            }
        }
    }

    /// Keeps the history that no core knows; what went wrong that the model has no mark for.
    fn note(&self, before: &State, action: Action, course: &Course<'_>, state: &mut State) -> Wrongs {
        let mut wrongs = Wrongs::default();
        let stopped = matches!(action, Action::At { event: Event::ShutDown | Event::Crash { .. }, .. });
        for (was, is) in before.replicas.into_iter().zip(state.replicas) {
            if was == is || stopped {
                continue;
            }
            let (was, is) = (self.replicas.value(was), self.replicas.value(is));
            let kept =
                was.log.iter().zip(&is.log).take_while(|(was, is)| was == is && **was != 0).count() as u8;
            if kept < len(&was.log) {
                state.stain |= STAIN_TRUNCATED;
                if kept < was.high_watermark() {
                    state.stain |= STAIN_TRUNCATED_BELOW_HIGH_WATERMARK;
                }
                if was.leads() {
                    state.stain |= STAIN_LEADER_TRUNCATED;
                }
            }
            let (old, new) = (was.high_watermark(), is.high_watermark());
            if is.leads() {
                wrongs.high_watermark_back |= was.leads() && new < old;
                let enough = is.core.as_ref().map_or(0, |core| core.maximal_isr().len());
                if new > old && enough >= usize::from(self.bounds.min_isr) {
                    state.acknowledged |= values_below(&is.log, new) & !values_below(&was.log, old);
                }
            }
        }
        let readable =
            self.all(state).filter(|replica| replica.role().is_some_and(|role| role != Role::Unassigned));
        state.exposed |=
            readable.fold(0, |mask, replica| mask | values_below(&replica.log, replica.high_watermark()));
        let promised = course.reaction.map_or(0, |(_, reaction)| reaction.promised);
        wrongs.promised_too_soon = promised & !state.acknowledged != 0;
        wrongs
    }

    /// Drops what can never make a difference again, so that states which behave alike are one.
    fn tidy(&self, state: &mut State) {
        for message in state.messages {
            if message != 0 && self.is_dead(state, message) {
                state.take(message);
            }
        }
        // The model never forgets who led last.
        let is_led = |leader: &u8| (1..LED_BY_NOBODY).contains(leader);
        let newest = state.leaders.iter().rposition(is_led).unwrap_or(0);
        let replicas = state.replicas.iter().take(self.bounds.replicas.into());
        let epochs: Vec<_> = replicas.map(|name| self.replicas.value(*name).epoch()).collect();
        for (epoch, leader) in (0..).zip(&mut state.leaders[..newest]) {
            if is_led(leader) && !epochs.contains(&epoch) {
                *leader = LED_BY_SOMEBODY;
            }
        }
    }

    /// Whether a message can never make a difference again: epochs do not go back.
    fn is_dead(&self, state: &State, name: u64) -> bool {
        let message = self.messages.value(name);
        let (fetches_fenced, answers_fenced) = self.fences;
        let receiver = state.replicas.get(usize::from(message.to)).copied();
        let changes_nothing = |receiver| self.arrive(receiver, name).replica == receiver;
        match (&message.body, receiver) {
            (Body::Fetch { fetch, .. }, Some(receiver)) => {
                let leader = self.replicas.value(receiver);
                leader.core.is_none()
                    || fetches_fenced && leader.epoch() > fetch.leader_epoch
                    || leader.epoch() == fetch.leader_epoch && self.is_refused(receiver, name)
            }
            (Body::Fetched { .. }, Some(receiver)) => answers_fenced && changes_nothing(receiver),
            (Body::Altered { .. }, Some(receiver)) => changes_nothing(receiver),
            (Body::Alter(asked), _) => {
                // It says that there are newer metadata, for which the leader waits anyway.
                let thrifty = self.bounds.is_thrifty() || !self.awaits(state, message.from, message);
                let decision = self.decide(state.controller, Request::Alter(asked), name);
                let refused = matches!(&decision.altered, Some(Err(error)) if *error != PartitionError::IneligibleReplica);
                thrifty && refused
            }
            (_, None) => unreachable!("the controller is only asked for ISRs"),
        }
    }

    fn is_refused(&self, receiver: u64, name: u64) -> bool {
        self.arrive(receiver, name).said.iter().any(|answer| {
            matches!(&self.messages.value(*answer).body, Body::Fetched { answer, .. } if answer.error.is_some())
        })
    }

    /// The replica with this index.
    pub(crate) fn replica(&self, state: &State, replica: u8) -> &Replica {
        self.replicas.value(state.replicas[usize::from(replica)])
    }

    /// What the controller has decided so far.
    pub(crate) fn register(&self, state: &State) -> &Register {
        self.registers.value(state.controller)
    }

    /// What the controller decides with a register. `message` is the name of what brought the request.
    pub(crate) fn decide(&self, register: u64, request: Request<'_>, message: u64) -> &Decision {
        self.decisions.get_or((register, request.number().unwrap_or(message)), || {
            let decided = self.office.decide(self.registers.value(register), request);
            Decision {
                register: self.registers.name(decided.register),
                altered: decided.altered,
                accepted: decided.accepted,
            }
        })
    }

    /// What `event` does to the replica of this name.
    pub(crate) fn happen(&self, replica: u64, event: Event) -> &Reaction {
        self.reactions.get_or((replica, event.number()), || {
            self.reaction(self.group.happen(self.replicas.value(replica), event))
        })
    }

    /// What the register of this name tells a replica.
    pub(crate) fn learned(&self, replica: u64, register: u64) -> &Reaction {
        self.reactions.get_or((replica, register), || {
            self.reaction(self.group.learn(self.replicas.value(replica), self.registers.value(register)))
        })
    }

    /// What the arrival of a message does to its receiver.
    pub(crate) fn arrive(&self, replica: u64, message: u64) -> &Reaction {
        self.reactions.get_or((replica, message), || {
            self.reaction(self.group.hear(self.replicas.value(replica), self.messages.value(message)))
        })
    }

    /// What the loss of a proposal, or of what came of it, does to its leader.
    fn missed(&self, replica: u64, message: u64) -> &Reaction {
        self.reactions.get_or((replica, message ^ LOST), || {
            self.reaction(self.group.miss(self.replicas.value(replica), self.messages.value(message)))
        })
    }

    fn reaction(&self, outcome: Outcome) -> Reaction {
        Reaction {
            replica: self.replicas.name(outcome.replica),
            said: outcome.said.into_iter().map(|message| self.messages.name(message)).collect(),
            promised: outcome.promised,
        }
    }
}

/// Whether it changes the partition that a broker is fenced.
fn matters(register: &Register, index: u8) -> bool {
    let partition = &register.partition;
    let id = id_of(index);
    partition.leader == Some(id) || partition.isr.contains(&id)
}
