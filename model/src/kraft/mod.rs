//! To come.

mod action;
mod claims;
pub mod rules;
pub mod state;
mod step;
mod symmetry;

pub use action::Action;
pub use rules::{Bounds, Rules};
pub use state::State;

use stateright::{Model, Property};

use crate::check::{Claim, Spec, stateright_properties};
use state::role;

/// The quorum of KRaft controllers as a model.
#[derive(Debug, Clone, Copy)]
pub struct Kraft {
    bounds: Bounds,
    rules: Rules,
    start: State,
}

impl Kraft {
    /// The model at `bounds` under `rules`, from a blank start.
    pub fn with(bounds: Bounds, rules: Rules) -> Self {
        Self { bounds, rules, start: bytemuck::Zeroable::zeroed() }
    }
}

impl Model for Kraft {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start]
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

impl Spec for Kraft {
    fn action_kinds(&self) -> &'static [&'static str] {
        action::KINDS
    }

    fn kind_of(&self, action: &Action) -> usize {
        action.kind()
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        claims::claims(self.bounds.stable_after > 0)
    }

    fn canonical(&self, state: &State) -> State {
        self.representative(state)
    }

    fn may_end(&self, state: &State) -> bool {
        // Elections go on for ever in the protocol; here they end with the last epoch.
        state.nodes.iter().any(|node| node.role != role::GONE && node.ballot.epoch >= self.bounds.epochs)
    }

    fn fairness(&self, action: &Action) -> Option<u8> {
        action.fairness()
    }
}
