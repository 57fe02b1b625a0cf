//! The map from the cores to the model [`isr`]: what they look like in it, and which steps of it theirs are.
//!
//! **The picture.** [`PartitionCores::picture`] says what a state looks like in the model: of each replica its log, high watermark, epoch, role
//! and whether it runs, of a leader also committed and proposed ISR, partition epoch, epoch start, and what it knows of its followers; of the
//! controller all that the model's register holds; and the history. Messages are not in it: one comes in when it arrives, and had to be one
//! of the model's when it was sent. Both are compared whole, nothing is left out.
//!
//! Kafka's controller begins a leader epoch when a partition loses its leader, the model's only when it gets one. So the model counts those in
//! which somebody leads.
//!
//! **The walk.** For each step of the cores, [`PartitionCores::refines`] takes steps of the model, by its own `next_state`, from the picture
//! before, and has to arrive at the picture after. The model is the literal one, without its reductions on loss and learning. Which steps:
//!
//! | the cores | the model |
//! |---|---|
//! | a producer's record | produce |
//! | a fetch leaves | fetch, whose message must be the same; nothing has happened but that |
//! | a fetch arrives and is served | handle-fetch, whose answer must be the same; then expand, if the leader proposes |
//! | an answer arrives and changes its receiver | handle-response |
//! | a member has been behind for too long | shrink |
//! | AlterPartition arrives | handle-alter if the controller takes it, and if it finds a member that is not eligible, which uses up a partition epoch in both |
//! | its answer arrives: the new state; a member is not eligible | learn; handle-refusal |
//! | metadata are learned | learn |
//! | a session ends | fence, with whom the controller elects; unfence and elect, if the broker is heard of in the same step |
//! | a heartbeat | unfence; elect, if nobody leads and it may |
//! | the preferred replica is to lead | elect |
//! | a broker stops, starts | shut-down, crash; restart, and elect as above |
//! | anything else, and what changes nothing | none |
//!
//! **Where the relation is wider than the model.** So it is this that is shown, and no more:
//! - A broker may learn that nobody leads. In the model it learns nothing then, and leads or follows on; here it is one that has learned
//!   nothing since its start.
//! - The answer to AlterPartition may be older than the newest metadata. In the model a broker learns the newest; here learn is taken
//!   with the controller as the answer has it.
//! - A leader may propose what the controller would refuse since the partition has changed; the model leaves that out. Here it proposes as if
//!   its metadata were the newest. A proposal may be lost, and made again: the model's waits.
//! - An answer that says why there are no records, and refusals of AlterPartition other than for eligibility, say nothing in the model.
//! - A fetch may leave that teaches nobody anything, and messages may be any number: the walk begins with what it needs.

use highwater_core::Epoch;
use highwater_core::partition::{
    AlterPartition, Partition, PartitionError, PartitionFetch, PartitionFetched, PartitionState, Role,
};
use highwater_model::family::Family;
use highwater_model::isr::state::{
    ALTER, Controller, DIVERGING, FETCH, Follower, LEADS, Message as ModelMessage, NOBODY, Node, RECORDS,
    REFUSED, UNCLEAN, UP, epoch_of,
};
use highwater_model::isr::{self, Action as ModelAction, Isr, Rules};
use stateright::Model;

use super::controller::{Register, Request};
use super::message::{Body, CONTROLLER, Message};
use super::replica::{Event, Log, Replica, index_of, small};
use super::state::{LED_BY_NOBODY, LED_BY_SOMEBODY, State};
use super::step::{Action, Course};
use super::{Bounds, PartitionCores};

/// The model, with bounds that are never the reason for a refusal.
pub(super) fn isr(bounds: &Bounds) -> Isr {
    let bounds = isr::Bounds {
        nodes: bounds.replicas,
        epochs: isr::state::EPOCHS_MAX,
        records: isr::state::RECORDS_MAX as u8,
        messages: isr::state::MESSAGES_MAX as u8 - 1,
        changes: 15,
        crashes: u8::MAX,
        min_isr: bounds.min_isr,
        unfence: 1,
        atomic_fetch: 0,
        stabilise: 0,
    };
    Isr::new(bounds, Rules::default()).literally()
}

/// What the members of an ISR look like in the model.
fn mask(members: impl IntoIterator<Item = highwater_core::NodeId>) -> u8 {
    members.into_iter().fold(0, |mask, member| mask | 1 << index_of(member))
}

/// A broker epoch that somebody states, or does not.
fn stated(epoch: i64) -> u8 {
    u8::try_from(epoch).unwrap_or(0)
}

/// Why a step is none of the model's.
pub(super) type Refusal = &'static str;

impl State {
    /// A record with its epoch as the model counts it.
    fn record(&self, record: u8) -> u8 {
        if record == 0 { 0 } else { self.epoch(epoch_of(record).into()) << 4 | record & 0xf }
    }

    fn log(&self, log: &Log) -> Log {
        log.map(|record| self.record(record))
    }

    /// What a replica looks like in the model.
    fn node(&self, replica: &Replica) -> Node {
        let mut node: Node = bytemuck::Zeroable::zeroed();
        node.log = self.log(&replica.log);
        node.high_watermark = replica.high_watermark();
        node.status = if self.unclean & 1 << replica.index == 0 { 0 } else { UNCLEAN };
        let Some(core) = &replica.core else { return node };
        node.status |= UP;
        match core.role() {
            // Of a partition that nobody leads a broker knows nothing in the model.
            Role::Unassigned | Role::Leaderless => {}
            Role::Follower { .. } => node.epoch = self.epoch(core.leader_epoch()),
            Role::Leader => self.leading(core, &mut node),
        }
        node
    }

    fn leading(&self, core: &Partition, node: &mut Node) {
        node.epoch = self.epoch(core.leader_epoch());
        node.status |= LEADS;
        let proposed = core.proposal().map_or(0, |asked| mask(asked.isr.iter().map(|(member, _)| *member)));
        node.isr_pending = mask(core.isr().iter().copied()) | proposed << 4;
        node.partition_epoch = small(core.state().partition_epoch.into());
        node.start = small(core.epoch_start().expect("it leads"));
        for &id in &core.state().replicas {
            if let Some((end, broker_epoch)) = core.follower(id) {
                let known = Follower { leo: small(end), broker_epoch: stated(broker_epoch) };
                node.followers[usize::from(index_of(id))] = known.pack();
            }
        }
    }

    /// What a partition looks like in the model's register of the controller, the rest of which is `known`.
    fn partition(&self, known: Controller, partition: &PartitionState) -> Controller {
        Controller {
            epoch: self.epoch(partition.leader_epoch),
            leader: partition.leader.map_or(NOBODY, index_of),
            isr: mask(partition.isr.iter().copied()),
            elr: mask(partition.elr.iter().copied()),
            partition_epoch: small(partition.partition_epoch.into()),
            ..known
        }
    }

    /// What a register looks like in the model; `nodes` tell which epochs somebody remembers.
    fn controller(&self, register: &Register, nodes: &[Node]) -> Controller {
        let mut known: Controller = bytemuck::Zeroable::zeroed();
        for (index, broker) in register.brokers.iter().enumerate() {
            known.broker_epochs[index] = broker.epoch;
            known.fenced |= u8::from(broker.fenced) << index;
        }
        let mut controller = self.partition(known, &register.partition);
        let current = usize::try_from(register.partition.leader_epoch).expect("epochs are counted from 0");
        let led = self.leaders[..=current].iter().filter(|leader| **leader != LED_BY_NOBODY);
        for (epoch, leader) in (1..).zip(led) {
            let forgotten = *leader == LED_BY_SOMEBODY
                || epoch < controller.epoch && nodes.iter().all(|node| node.epoch != epoch);
            let leader = if forgotten { NOBODY } else { leader - 1 };
            controller.leaders |= leader << (2 * (epoch - 1));
        }
        controller
    }

    fn fetch(&self, from: u8, to: u8, broker_epoch: u8, fetch: &PartitionFetch) -> ModelMessage {
        let epoch = self.epoch(fetch.leader_epoch);
        let mut message = ModelMessage::new(FETCH, from, to, epoch, broker_epoch, small(fetch.offset));
        message.body = self.epoch(fetch.last_epoch);
        message
    }

    fn fetched(
        &self,
        message: &Message,
        broker_epoch: u8,
        asked: &PartitionFetch,
        answer: &PartitionFetched,
        record: u8,
    ) -> ModelMessage {
        let kind = if answer.diverging.is_some() { DIVERGING } else { RECORDS };
        let epoch = self.epoch(asked.leader_epoch);
        let mut fetched =
            ModelMessage::new(kind, message.from, message.to, epoch, broker_epoch, small(asked.offset));
        fetched.body = match answer.diverging {
            Some(end) => self.epoch(end.epoch) << 4 | small(end.end),
            None => self.record(record),
        };
        fetched.tail = small(answer.high_watermark);
        fetched
    }

    fn alter(&self, kind: u8, asked: &AlterPartition) -> ModelMessage {
        let leader = index_of(asked.leader);
        let epoch = self.epoch(asked.leader_epoch);
        let (from, to) = if kind == ALTER { (leader, NOBODY) } else { (NOBODY, leader) };
        let mut message = ModelMessage::new(kind, from, to, epoch, 0, 0);
        message.body =
            small(asked.partition_epoch.into()) << 4 | mask(asked.isr.iter().map(|(member, _)| *member));
        if kind == ALTER {
            for &(member, broker_epoch) in &asked.isr {
                message.tail |= stated(broker_epoch) << (2 * index_of(member));
            }
        }
        message
    }

    /// A leader epoch as the model counts it, where the model has it.
    fn is_led(&self, epoch: Epoch) -> bool {
        usize::try_from(epoch).is_ok_and(|epoch| self.leaders[epoch] != LED_BY_NOBODY)
    }
}

impl PartitionCores {
    /// What a state looks like in the model: no messages, which come in as they are needed.
    pub(super) fn picture(&self, state: &State) -> isr::State {
        let mut picture: isr::State = bytemuck::Zeroable::zeroed();
        for replica in self.all(state) {
            picture.nodes[usize::from(replica.index)] = state.node(replica);
        }
        picture.controller = state.controller(self.register(state), &picture.nodes);
        picture.ghost.produced = state.produced;
        picture.ghost.acknowledged = state.acknowledged;
        picture.ghost.exposed = state.exposed;
        picture.ghost.stain = state.stain;
        picture.ghost.crashes = state.crashes;
        picture
    }

    /// Whether a step of the cores is one of the model's, a short fixed row of them, or none.
    pub(super) fn refines(
        &self,
        before: &State,
        action: Action,
        course: &Course<'_>,
        state: &State,
        after: &isr::State,
    ) -> Result<(), Refusal> {
        let mut walk = Walk { isr: &self.isr, state, at: self.picture(before), answer: None, proposed: None };
        let node = |index: u8| &after.nodes[usize::from(index)];
        match action {
            Action::At { replica, event } => walk.happen(replica, event, node(replica))?,
            Action::Learn { replica } => {
                walk.learn(replica, &self.register(before).partition, node(replica))?;
            }
            Action::Arrive { message } => {
                let message = self.messages.value(message);
                if message.to != CONTROLLER {
                    self.arrives(&mut walk, message, course, node(message.to))?;
                }
            }
            Action::Fence { .. } | Action::Unfence { .. } | Action::Prefer | Action::Lose { .. } => {}
        }
        for (request, register) in &course.decisions {
            let after = state.controller(self.registers.value(*register), &after.nodes);
            match (*request, action) {
                (Request::Alter(asked), Action::Arrive { message }) => {
                    let answer = &self.decide(before.controller, *request, message).altered;
                    walk.altered(asked, answer.as_ref().and_then(|answer| answer.as_ref().err()), after)?;
                }
                _ => walk.decide(*request, after)?,
            }
        }
        if let Some((actor, reaction)) = course.reaction {
            for name in &reaction.said {
                walk.say(actor, self.messages.value(*name), node(actor))?;
            }
        }
        for &follower in &course.followed {
            walk.learn(follower, &self.register(state).partition, node(follower))?;
        }
        walk.reached(after)
    }

    /// What the arrival of a message does to its receiver.
    fn arrives(
        &self,
        walk: &mut Walk<'_>,
        message: &Message,
        course: &Course<'_>,
        after: &Node,
    ) -> Result<(), Refusal> {
        let to = message.to;
        let changes = walk.node(to) != after;
        match &message.body {
            Body::Fetch { broker_epoch, fetch } => {
                let said = course.reaction.map(|(_, reaction)| reaction.said.as_slice()).unwrap_or_default();
                let serves = said.iter().any(|answer| {
                    matches!(&self.messages.value(*answer).body, Body::Fetched { answer, .. } if answer.error.is_none())
                });
                if serves || changes {
                    walk.handle_fetch(walk.state.fetch(message.from, to, *broker_epoch, fetch))?;
                    walk.propose(to, after)?;
                }
                Ok(())
            }
            _ if !changes => Ok(()),
            Body::Fetched { asked, answer, record } => {
                let broker_epoch = walk.at.controller.broker_epochs[usize::from(to)];
                let fetched = walk.state.fetched(message, broker_epoch, asked, answer, *record);
                walk.inject(
                    fetched,
                    |slot| ModelAction::HandleResponse { slot },
                    "an answer is taken that its receiver does not wait for",
                )
            }
            Body::Altered { result: Ok(partition), .. } => walk.learn(to, partition, after),
            Body::Altered { asked, result: Err(PartitionError::IneligibleReplica) } => {
                walk.hear_refusal(to, asked)
            }
            Body::Altered { .. } => Err("a refusal that says nothing of the proposal changes something"),
            Body::Alter(_) => Err("a replica is asked for another ISR"),
        }
    }
}

/// A walk through the model along a step of the cores.
struct Walk<'a> {
    isr: &'a Isr,
    /// The state of the cores after the step, which knows how the model counts epochs.
    state: &'a State,
    at: isr::State,
    /// What the model's leader answered to the fetch that arrived.
    answer: Option<ModelMessage>,
    /// What the model's leader asked the controller for.
    proposed: Option<ModelMessage>,
}

impl Walk<'_> {
    fn node(&self, index: u8) -> &Node {
        &self.at.nodes[usize::from(index)]
    }

    /// One step of the model, which must be enabled.
    fn take(&mut self, action: ModelAction, otherwise: Refusal) -> Result<(), Refusal> {
        let mut enabled = Vec::new();
        self.isr.actions(&self.at, &mut enabled);
        if !enabled.contains(&action) {
            return Err(otherwise);
        }
        self.force(action);
        Ok(())
    }

    /// One step of the model, of which all that its guard asks is known to hold, or is no more than thrift.
    fn force(&mut self, action: ModelAction) {
        if let Some(next) = self.isr.next_state(&self.at, action) {
            self.at = next;
        }
    }

    /// Lets a message of the model arrive that was sent before.
    fn inject(
        &mut self,
        message: ModelMessage,
        action: fn(u8) -> ModelAction,
        otherwise: Refusal,
    ) -> Result<(), Refusal> {
        self.at.messages = bytemuck::Zeroable::zeroed();
        self.at.messages[0] = message;
        self.take(action(0), otherwise)
    }

    /// The one message in flight, which is taken out.
    fn sent(&mut self) -> Option<ModelMessage> {
        let sent = self.at.messages[0];
        self.at.messages = bytemuck::Zeroable::zeroed();
        (sent.kind() != isr::state::EMPTY).then_some(sent)
    }

    /// What happens at a replica without a message.
    fn happen(&mut self, index: u8, event: Event, after: &Node) -> Result<(), Refusal> {
        match event {
            Event::Produce(_) => {
                self.take(ModelAction::Produce { leader: index }, "only a leader takes a record")
            }
            Event::Lag(_) => self.propose(index, after),
            Event::Fetch | Event::Retry => Ok(()),
            Event::ShutDown => self.take(ModelAction::ShutDown { node: index }, "a running broker stops"),
            Event::Crash { kept } => {
                self.take(ModelAction::Crash { node: index, keep: kept }, "so many may not crash at a time")
            }
            Event::Start => {
                self.take(ModelAction::Restart { node: index }, "a broker comes back that was not fenced")
            }
        }
    }

    /// A broker learns what the controller has decided, or had.
    fn learn(&mut self, index: u8, partition: &PartitionState, after: &Node) -> Result<(), Refusal> {
        if self.node(index) == after {
            // It is told of brokers, or of what it knows.
            return Ok(());
        }
        if !self.state.is_led(partition.leader_epoch) {
            let node = &mut self.at.nodes[usize::from(index)];
            node.forget_leadership();
            node.epoch = 0;
            self.forget_leaders();
            return Ok(());
        }
        let newest = self.at.controller;
        self.at.controller = self.state.partition(newest, partition);
        self.take(ModelAction::Learn { node: index }, "old metadata are taken")?;
        self.at.controller = newest;
        self.forget_leaders();
        Ok(())
    }

    /// Who led an epoch that nobody believes in any more is forgotten, as after each step of the model.
    fn forget_leaders(&mut self) {
        for epoch in 1..self.at.controller.epoch {
            if self.at.nodes.iter().all(|node| node.epoch != epoch) {
                self.at.controller.leaders |= NOBODY << (2 * (epoch - 1));
            }
        }
    }

    fn handle_fetch(&mut self, fetch: ModelMessage) -> Result<(), Refusal> {
        self.inject(
            fetch,
            |slot| ModelAction::HandleFetch { slot },
            "a fetch is served that is of another epoch, of an older incarnation, or not for a leader",
        )?;
        self.answer = self.sent();
        Ok(())
    }

    /// A leader may ask for another ISR, by what it knows; the controller may know better.
    fn propose(&mut self, leader: u8, after: &Node) -> Result<(), Refusal> {
        let node = *self.node(leader);
        if after.pending() == node.pending() || after.pending() == 0 {
            return Ok(());
        }
        let changed = after.pending() ^ node.isr();
        if node.pending() != 0 || changed.count_ones() != 1 {
            return Err("a proposal is not one member more or less, or not the only one");
        }
        let follower = changed.trailing_zeros() as u8;
        let action = if node.isr() & changed == 0 {
            ModelAction::Expand { leader, follower }
        } else {
            ModelAction::Shrink { leader, follower }
        };
        let newest = self.at.controller;
        let (epoch, partition_epoch) = (node.epoch, node.partition_epoch);
        self.at.controller = Controller { epoch, leader, partition_epoch, ..newest };
        self.take(action, "a member is proposed that has not caught up, or one dropped that has")?;
        self.at.controller = newest;
        self.proposed = self.sent();
        Ok(())
    }

    /// The controller has decided something, and its register is `after`.
    fn decide(&mut self, request: Request<'_>, after: Controller) -> Result<(), Refusal> {
        match request {
            Request::Expire(node) => {
                let successor = if self.at.controller.leader == node { after.leader } else { NOBODY };
                self.take(
                    ModelAction::Fence { node, successor },
                    "a broker is fenced and somebody else leads than may",
                )?;
            }
            Request::Heartbeat(node) if self.at.controller.fenced & !after.fenced & 1 << node != 0 => {
                self.take(ModelAction::Unfence { node }, "a broker is unfenced that does not run")?;
            }
            // Registration is part of the start.
            Request::Heartbeat(_) | Request::Alter(_) | Request::Register { .. } | Request::Prefer => {}
        }
        if after.epoch > self.at.controller.epoch {
            self.take(ModelAction::Elect { node: after.leader }, "somebody is elected who may not lead")?;
        }
        Ok(())
    }

    /// The controller has decided on a proposal; its register is `after`, and what it answers may be an error.
    fn altered(
        &mut self,
        asked: &AlterPartition,
        error: Option<&PartitionError>,
        after: Controller,
    ) -> Result<(), Refusal> {
        let is_ineligible = error == Some(&PartitionError::IneligibleReplica);
        let before = self.at.controller;
        if before.partition_epoch == after.partition_epoch && !is_ineligible {
            return Ok(());
        }
        let alter = self.state.alter(ALTER, asked);
        if (before.leader, before.epoch, before.partition_epoch)
            != (alter.from(), alter.epoch(), alter.high())
        {
            return Err("the controller takes a proposal that is not of its newest state");
        }
        self.inject(alter, |slot| ModelAction::HandleAlter { slot }, "the controller takes a proposal")?;
        let is_refused = self.at.controller.isr == before.isr;
        self.sent();
        match (is_refused, is_ineligible) {
            (true, false) => Err("the controller takes a member that is fenced or of an older incarnation"),
            (false, true) => Err("the controller refuses a member that is eligible"),
            _ => Ok(()),
        }
    }

    /// A leader hears that a member that it proposed is not eligible.
    fn hear_refusal(&mut self, leader: u8, asked: &AlterPartition) -> Result<(), Refusal> {
        let refusal = self.state.alter(REFUSED, asked);
        let node = self.node(leader);
        if (node.epoch, node.partition_epoch, node.pending())
            != (refusal.epoch(), refusal.high(), refusal.low())
        {
            return Err("a leader takes a refusal that is not of its proposal");
        }
        self.inject(refusal, |slot| ModelAction::HandleRefusal { slot }, "a leader takes a refusal")
    }

    /// What a replica says.
    fn say(&mut self, index: u8, message: &Message, after: &Node) -> Result<(), Refusal> {
        match &message.body {
            Body::Fetch { broker_epoch, fetch } => {
                let said = self.state.fetch(message.from, message.to, *broker_epoch, fetch);
                let mut asking = Self { answer: None, proposed: None, ..*self };
                asking.at.messages = bytemuck::Zeroable::zeroed();
                asking.force(ModelAction::Fetch { follower: index });
                if asking.sent() == Some(said) {
                    Ok(())
                } else {
                    Err("a fetch is not from the end of its sender's log, or not of its epochs")
                }
            }
            Body::Fetched { answer, .. } if answer.error.is_some() => Ok(()),
            Body::Fetched { asked, answer, record } => {
                let Some(expected) = self.answer else { return Ok(()) };
                let said = self.state.fetched(message, expected.broker_epoch(), asked, answer, *record);
                if said == expected { Ok(()) } else { Err("an answer to a fetch is not the model's") }
            }
            Body::Alter(asked) => {
                let said = self.state.alter(ALTER, asked);
                let own = (said.epoch(), said.high(), said.low());
                if self.proposed.is_some_and(|proposed| proposed != said) {
                    return Err("a proposal states other broker epochs than its leader knows by fetches");
                }
                if own == (after.epoch, after.partition_epoch, after.pending()) {
                    Ok(())
                } else {
                    Err("a proposal is asked for that is not open")
                }
            }
            Body::Altered { .. } => Err("a replica answers for the controller"),
        }
    }

    /// Whether the walk has led to `after`.
    fn reached(&self, after: &isr::State) -> Result<(), Refusal> {
        for (at, is) in self.at.nodes.iter().zip(&after.nodes) {
            if (at.status, at.epoch) != (is.status, is.epoch) {
                return Err("role or epoch differ");
            }
            if at.log != is.log {
                return Err("the log differs");
            }
            if at.high_watermark != is.high_watermark {
                return Err("the high watermark differs");
            }
            if (at.isr_pending, at.partition_epoch) != (is.isr_pending, is.partition_epoch) {
                return Err("ISR or proposal differ");
            }
            if (at.start, at.followers) != (is.start, is.followers) {
                return Err("what a leader knows of its followers differs");
            }
        }
        if self.at.controller != after.controller {
            return Err("what the controller has decided differs");
        }
        if self.at.ghost != after.ghost {
            return Err("what was acknowledged, exposed or went wrong differs");
        }
        Ok(())
    }
}
