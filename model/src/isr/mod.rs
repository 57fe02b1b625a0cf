//! To come: the essay.

mod action;
mod claims;
mod flaws;
mod readable;
mod rules;
pub mod state;
mod step;
mod story;
mod symmetry;
#[cfg(test)]
mod tests;

pub use action::Action;
pub use readable::{Readable, ReadableController, ReadableHistory, ReadableMessage, ReadableReplica};
pub use rules::*;
pub use state::{Controller, Follower, Ghost, Message, Node, State};

use stateright::{Model, Property};

use crate::check::{Claim, Spec, stateright_properties};
use crate::family::{Bound, Control, Family, Flaw, Grain, Rule, Scale};

/// The model: replication of one partition.
#[derive(Debug, Clone, Copy)]
pub struct Isr {
    bounds: Bounds,
    rules: Rules,
    start: Option<State>,
}

impl Isr {
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

impl Family for Isr {
    const NAME: &'static str = "isr";
    const SUMMARY: &'static str =
        "replication of a partition: in-sync replicas, high watermark, truncation by epoch, clean and unclean election";
    type Bounds = Bounds;
    type Rules = Rules;
    type Readable = Readable;

    fn new(bounds: Bounds, rules: Rules) -> Self {
        Self { bounds, rules, start: None }
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn starting_from(self, state: State) -> Self {
        Self { start: Some(state), ..self }
    }

    fn admit(bounds: &Bounds, _rules: &Rules) -> Result<(), String> {
        rules::admit(bounds)
    }

    fn bound_table() -> &'static [Bound<Bounds>] {
        BOUNDS
    }

    fn bounds_at(scale: Scale) -> Bounds {
        rules::bounds_at(scale)
    }

    fn rules() -> &'static [Rule<Rules>] {
        RULES
    }

    fn flaws() -> &'static [Flaw<Bounds, Rules>] {
        flaws::FLAWS
    }

    fn controls() -> &'static [Control<Bounds, Rules>] {
        flaws::CONTROLS
    }

    fn grains() -> &'static [Grain<Bounds>] {
        rules::GRAINS
    }

    fn readable(&self, state: &State) -> Readable {
        readable::read(self, state)
    }

    fn state_from(&self, readable: &Readable) -> Result<State, String> {
        readable::write(self, readable)
    }
}
