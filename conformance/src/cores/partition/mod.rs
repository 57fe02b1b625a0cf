//! Partition cores under the checker: the replicas of one partition, their logs, their controller and the network, as one model.

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
    model_claims: Vec<claims::Held>,
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
    /// The cores of these rules, within bounds that [`Bounds::admit`] admits.
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
