//! To come.

mod action;
mod claims;
mod flaws;
mod readable;
pub mod rules;
pub mod state;
mod step;
mod story;
mod symmetry;
#[cfg(test)]
mod tests;

pub use action::Action;
pub use readable::{ReadableMessage, ReadableState, ReadableVoter};
pub use rules::{Bounds, Rules};
pub use state::State;

use stateright::{Model, Property};

use crate::check::{Claim, Spec, stateright_properties};
use crate::family::{Bound, Control, Family, Flaw, Grain, Rule, Scale};
use rules::{BOUNDS, DEFAULT_BOUNDS, GRAINS, RULES};
use state::{LOG_MAX, role};

/// The quorum of KRaft controllers as a model.
#[derive(Debug, Clone, Copy)]
pub struct Kraft {
    bounds: Bounds,
    rules: Rules,
    start: State,
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
        claims::claims(&self.bounds)
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

impl Family for Kraft {
    const NAME: &'static str = "kraft";
    const SUMMARY: &'static str = "KRaft: Raft by pull among Kafka's controllers (KIP-595)";
    type Bounds = Bounds;
    type Rules = Rules;
    type Readable = ReadableState;

    fn new(bounds: Bounds, rules: Rules) -> Self {
        Self { bounds, rules, start: bytemuck::Zeroable::zeroed() }
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn starting_from(self, state: State) -> Self {
        Self { start: state, ..self }
    }

    fn admit(bounds: &Bounds, rules: &Rules) -> Result<(), String> {
        let Bounds { nodes, epochs, records, messages, wipes, stable_after, .. } = *bounds;
        if epochs + records > LOG_MAX {
            let left = LOG_MAX - epochs;
            return Err(format!(
                "--epochs {epochs} with --records {records}: a log has room for {LOG_MAX} records, one an epoch \
                 among them; the nearest choice is --records {left}"
            ));
        }
        if stable_after > 0 && (nodes > 3 || messages + 1 < nodes || wipes > 0 || epochs < stable_after + 3) {
            return Err(format!(
                "--stable-after {stable_after}: liveness is decided with at most --nodes 3, --messages 2 or more, \
                 --wipes 0 and three epochs in reserve; the nearest choice is --nodes 3 --messages 2 --wipes 0 \
                 --epochs {}",
                stable_after + 3
            ));
        }
        let _ = rules;
        Ok(())
    }

    fn bound_table() -> &'static [Bound<Bounds>] {
        BOUNDS
    }

    fn bounds_at(scale: Scale) -> Bounds {
        match scale {
            Scale::Test => rules::TEST_BOUNDS,
            Scale::Default => DEFAULT_BOUNDS,
            Scale::Deep => rules::DEEP_BOUNDS,
            Scale::Liveness => flaws::LIVENESS_BOUNDS,
            Scale::Flaw => flaws::FLAW_BOUNDS,
        }
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
        GRAINS
    }

    fn readable(&self, state: &State) -> ReadableState {
        self.to_readable(state)
    }

    fn state_from(&self, readable: &ReadableState) -> Result<State, String> {
        self.from_readable(readable)
    }
}
