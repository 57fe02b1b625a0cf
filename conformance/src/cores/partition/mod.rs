//! Partition cores under the checker: the replicas of one partition, their logs, their controller and the network, as one model.
//!
//! What runs here are the partition core and the controller as they ship. A driver of a few lines carries out what a partition core wants
//! (`replica.rs`) and keeps its log. The search decides when messages arrive, metadata are learned, sessions end, brokers stop. Every step is
//! held to the model [`isr`](highwater_model::isr): it has to be a step of it, a short fixed row of steps, or none (`map.rs`); and
//! what the model claims of itself is asked of the cores' picture in it, whether or not the steps were the model's.
//!
//! # The controller
//! It is the real one, one decision at a time (`controller.rs`). Its state would never repeat: broker epochs are offsets of
//! its log, sessions end by time. So between decisions there is only what its image says of this partition and its brokers, with broker epochs
//! counted from 1. For each decision a controller is opened with such an image, elected, told one thing (a session ended, a registration, a
//! heartbeat, AlterPartition, ElectLeaders), and its records are committed at once. This shows its decisions. It does **not** show
//! what a controller adds to them: records that are decided and not yet committed, what is taken back when it loses its leadership, answers that
//! wait, sessions by time, several partitions, controlled shutdown, unclean elections.
//!
//! # How cores become states
//! - A replica is kept once, under the hash of what it is, and so are messages and what the controller has decided. A state is a handful of such
//!   hashes. What something does to a replica or to the controller is worked out once and remembered.
//! - Time stands still: `now` is 0, the wait for a replica that is about to join is off, lag and retries happen when the search says so.
//! - Replicas are not interchangeable, since the controller prefers those that stand first: there is no symmetry.
//!
//! # What can happen
//! - **Messages**: fetches and answers are in flight, a few at a time, arrive in any order, late or never. A follower asks once at a time in
//!   each leader epoch and incarnation; so what arrives late is of an older one. AlterPartition and what came of it are in flight as
//!   well; their loss, which the leader is told of, is bounded. A copy of an AlterPartition that was refused for a member may come
//!   late, as long as it is not refused for ever. Answers bring one record each.
//! - **Metadata**: a broker learns what is newest, when it likes; a leader also what an answer to AlterPartition says, newest or not.
//! - **Brokers** shut down cleanly, or crash and keep any prefix of their log (with fewer than `min.insync.replicas` such at a time); they
//!   come back by registering, once they were fenced. The controller fences anybody at any time, and is asked to let the preferred replica
//!   lead. A producer with `acks=all` that is refused for a small ISR is followed by one with `acks=1`.
//! - **Flushes** are done at once: nothing rests on them.
//!
//! # Thrift
//! What [`Bounds::thrift`] leaves out, others stand for. As with the model's own reductions this is argued, and tested only as far as small
//! bounds go without it.
//! - A fetch is sent only if its arrival or the answer would change something at that moment.
//! - A proposal that the controller refuses because the partition has changed is dropped: its leader waits for metadata either way.
//! - Who follows is told no ISR, which it does not look at, and of a leader epoch only once.
//! - A leader is told of brokers together with its partition, and else only if one of them may join now: to hear late that one must not is as
//!   good as not to hear it.
//! - A follower whose leader leads no more learns at once whom to follow, as in the model.
//! - A broker that is fenced while it runs is heard of in the same step (`unfence=0`).
//!
//! Without thrift, messages that can never make a difference again are still dropped, by the model's rules.
//!
//! # How far it goes
//! [`Bounds::DEFAULT`] are 7,354,167 states, 45 deep; with a third leader epoch and a lost proposal, without crashes
//! (`epochs=3 crashes=0 losses=1`), 2,363,886, 41 deep. Both hold. Smaller ones are in `tests.rs`.
//!
//! # What it found
//! - No step of the correct cores that the model does not have, but for those that `map.rs` lists.
//! - Flaws of the partition core and of the controller's decisions break the map, and the same claims as in the model (`tests.rs`).
//!   Some take a longer way than there: the controller chooses the first replica that may lead, the model any.
//!
//! # What is not modelled
//! Unclean elections and recovery (KIP-704); metadata between what a broker knows and the newest; reassignment; retention and log starts;
//! fetches that wait; consumers that fetch (what they may read is the high watermark); answers of several records; liveness.

mod bounds;
mod claims;
mod controller;
mod map;
mod message;
mod replica;
mod state;
mod step;
mod story;
#[cfg(test)]
mod tests;

pub use bounds::Bounds;
pub use replica::Event;
pub use state::State;
pub use step::Action;

use highwater_core::controller::Rules as ControllerRules;
use highwater_core::partition::Rules;
use highwater_model::check::{Claim, Spec, stateright_properties};
use highwater_model::isr::Isr;
use stateright::{Model, Property};

use crate::cores::claims::Held;
use crate::cores::intern::{Interner, Memo};
use controller::{Office, Register};
use message::Message;
use replica::{Group, Replica};
use step::{Decision, Reaction};

/// Several partition cores, their logs, their controller and the network between them.
pub struct PartitionCores {
    bounds: Bounds,
    group: Group,
    office: Office,
    isr: Isr,
    model_claims: Vec<Held<Isr>>,
    replicas: Interner<Replica>,
    registers: Interner<Register>,
    messages: Interner<Message>,
    reactions: Memo<Reaction>,
    decisions: Memo<Decision>,
    /// Whether leaders refuse fetches of another epoch, and whether followers ignore answers of another.
    fences: (bool, bool),
    /// Whether a follower whose leader leads no more learns at once who does.
    follows_at_once: bool,
}

impl PartitionCores {
    /// The cores of these rules, within bounds that [`NamedBounds::admit`](super::bounds::NamedBounds::admit) admits.
    pub fn new(bounds: Bounds, rules: Rules, controller_rules: ControllerRules) -> Self {
        let isr = map::isr(&bounds);
        Self {
            bounds,
            group: Group { min_isr: bounds.min_isr, thrift: bounds.is_thrifty(), rules },
            follows_at_once: bounds.is_thrifty() && rules == Rules::default(),
            office: Office { replicas: bounds.replicas, min_isr: bounds.min_isr, rules: controller_rules },
            model_claims: claims::of_model(&isr),
            isr,
            replicas: Interner::new(),
            registers: Interner::new(),
            messages: Interner::new(),
            reactions: Memo::new(),
            decisions: Memo::new(),
            fences: fences(&rules),
        }
    }

    /// How many different replicas, messages, steps of a core, states of the controller and decisions were met so far.
    pub fn met(&self) -> [usize; 5] {
        [
            self.replicas.len(),
            self.messages.len(),
            self.reactions.len(),
            self.registers.len(),
            self.decisions.len(),
        ]
    }

    /// The replicas.
    fn all<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Replica> {
        (0..self.bounds.replicas).map(|replica| self.replica(state, replica))
    }
}

#[cfg(feature = "flaws")]
fn fences(rules: &Rules) -> (bool, bool) {
    use highwater_core::partition::Fence;
    (rules.fetch_fence == Fence::Checked, rules.response_fence == Fence::Checked)
}

#[cfg(not(feature = "flaws"))]
fn fences(_: &Rules) -> (bool, bool) {
    (true, true)
}

impl Model for PartitionCores {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state: State = bytemuck::Zeroable::zeroed();
        let register = self.office.first();
        for index in 0..self.bounds.replicas {
            state.replicas[usize::from(index)] = self.replicas.name(self.group.first(index, &register));
        }
        state.controller = self.registers.name(register);
        state.leaders[0] = 1;
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.enabled(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.step(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        stateright_properties(self)
    }
}

impl Spec for PartitionCores {
    fn action_kinds(&self) -> &'static [&'static str] {
        step::KINDS
    }

    fn kind_of(&self, action: &Action) -> usize {
        action.kind()
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        claims::claims(&self.model_claims, &self.bounds)
    }

    fn may_end(&self, state: &State) -> bool {
        // Where a leader is gone and the bounds leave no way to replace it.
        let partition = &self.register(state).partition;
        partition.partition_epoch >= i32::from(self.bounds.changes)
            || state.epoch(partition.leader_epoch) >= self.bounds.epochs
    }
}
