//! Raft as in the paper, beside KRaft.

use stateright::{Model, Property};

use crate::check::{Claim, Spec, stateright_properties};
use crate::family::{Bound, Control, Family, Flaw, Grain, Rule, Scale};
use crate::voting::LogCheck;

mod action;
mod claims;
mod flaws;
mod readable;
mod rules;
mod state;
mod step;
mod story;
mod symmetry;
#[cfg(test)]
mod tests;

pub use action::Action;
pub use readable::ReadableState;
pub use rules::{Acknowledgement, Bounds, CommitBound, Rules, Truncation};
pub use state::{Message, State};

/// The model.
#[derive(Debug, Clone)]
pub struct Raft {
    bounds: Bounds,
    rules: Rules,
    start: State,
    /// Whether messages that can change nothing any more are forgotten. That is sound only under the rules
    /// that make them so, whence a broken rule among these keeps them all.
    forgets: bool,
}

impl Raft {
    /// The model with these parameters, started from nothing.
    fn with(bounds: Bounds, rules: Rules) -> Self {
        let forgets = rules.one_vote
            && rules.ballot_durable
            && rules.vote_of_term
            && rules.step_down
            && rules.stale_append
            && rules.reply_of_term
            && rules.truncation == Truncation::OnConflict
            && rules.consistency
            && rules.commit_grows
            && rules.flush
            && rules.log_check == LogCheck::EpochThenOffset;
        Self { bounds, rules, start: bytemuck::Zeroable::zeroed(), forgets }
    }
}

impl Model for Raft {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.enabled(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.after(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        stateright_properties(self)
    }
}

impl Spec for Raft {
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
        self.representative(state)
    }

    fn may_end(&self, state: &State) -> bool {
        // Out of terms: a server that is not leading can do no more than answer. In a stable network
        // nothing more is owed once all is told; what should have happened by then, liveness says.
        (0..usize::from(self.bounds.nodes)).all(|server| state.term(server) == self.bounds.terms)
            || state.is_stable()
    }

    fn fairness(&self, action: &Action) -> Option<u8> {
        action.fairness()
    }
}

impl Family for Raft {
    const NAME: &'static str = "raft";
    const SUMMARY: &'static str = "Raft as in the paper: pushed AppendEntries, votes, commit by majority and current term";
    type Bounds = Bounds;
    type Rules = Rules;
    type Readable = ReadableState;

    fn new(bounds: Bounds, rules: Rules) -> Self {
        Self::with(bounds, rules)
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn starting_from(self, start: State) -> Self {
        Self { start, ..self }
    }

    fn admit(bounds: &Bounds, rules: &Rules) -> Result<(), String> {
        rules::admit(bounds, rules)
    }

    fn bound_table() -> &'static [Bound<Bounds>] {
        rules::BOUNDS
    }

    fn bounds_at(scale: Scale) -> Bounds {
        rules::bounds_at(scale)
    }

    fn rules() -> &'static [Rule<Rules>] {
        rules::RULES
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

    fn readable(&self, state: &State) -> ReadableState {
        self.to_readable(state)
    }

    fn state_from(&self, readable: &ReadableState) -> Result<State, String> {
        self.from_readable(readable)
    }
}
