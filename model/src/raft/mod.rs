//! Raft as in the paper, beside KRaft.

use stateright::{Model, Property};

use crate::check::{Claim, Spec, stateright_properties};
use crate::voting::LogCheck;

mod action;
mod claims;
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
