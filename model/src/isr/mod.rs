//! To come: the essay.

mod action;
mod claims;
mod rules;
pub mod state;
mod step;
mod symmetry;

pub use action::Action;
pub use rules::*;
pub use state::{Controller, Follower, Ghost, Message, Node, State};

use stateright::{Model, Property};

use crate::check::{Claim, Spec, stateright_properties};

/// The model: replication of one partition.
#[derive(Debug, Clone, Copy)]
pub struct Isr {
    bounds: Bounds,
    rules: Rules,
    start: Option<State>,
}

impl Isr {
    /// The model at some bounds, with some rules.
    pub fn with(bounds: Bounds, rules: Rules) -> Self {
        Self { bounds, rules, start: None }
    }

    /// Replica n1 leads epoch 1, everybody knows and is in the ISR, all logs are empty.
    fn first_state(&self) -> State {
        let mut state: State = bytemuck::Zeroable::zeroed();
        let all = (1 << self.bounds.nodes) - 1;
        for node in &mut state.nodes[..self.bounds.nodes as usize] {
            node.epoch = 1;
            node.status = state::UP;
        }
        let leader = &mut state.nodes[0];
        leader.status |= state::LEADS;
        leader.isr_pending = all;
        let controller = &mut state.controller;
        controller.epoch = 1;
        controller.isr = all;
        for epoch in &mut controller.broker_epochs[..self.bounds.nodes as usize] {
            *epoch = 1;
        }
        state
    }
}

impl Model for Isr {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start.unwrap_or_else(|| self.first_state())]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.enabled(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let after = self.step(state, action);
        (after != *state).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        stateright_properties(self)
    }
}

impl Spec for Isr {
    fn action_kinds(&self) -> &'static [&'static str] {
        action::KINDS
    }

    fn kind_of(&self, action: &Action) -> usize {
        action.kind()
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        claims::claims()
    }

    fn canonical(&self, state: &State) -> State {
        symmetry::canonical(state, self.bounds.nodes)
    }

    /// Nothing goes on where a leader is gone and cannot be replaced because a bound is used up: that on
    /// leader epochs or that on changes by the controller.
    fn may_end(&self, state: &State) -> bool {
        state.controller.epoch == self.bounds.epochs || state.controller.partition_epoch == self.bounds.changes
    }
}
