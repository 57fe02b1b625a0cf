//! Quorum cores under the checker.
mod claims;
mod map;
mod message;
mod state;
mod step;
mod story;
mod symmetry;
#[cfg(test)]
mod tests;
mod voter;

pub use state::State;
pub use step::Action;
pub use voter::Event;

use std::hash::{Hash, Hasher};

use highwater_core::quorum::{RoleName, Rules};
use highwater_model::check::{Claim, Spec, stateright_properties};
use highwater_model::kraft::Kraft;
use highwater_model::kraft::state::Node;
use stateright::{Model, Property};

use crate::cores::intern::{Interner, Memo};
use message::Message;
use step::Reaction;
use symmetry::Origin;
use voter::{Group, Voter};

/// How large the model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Voters, 2 to 4.
    pub voters: u8,
    /// The last epoch that anyone campaigns for.
    pub epochs: u8,
    /// Client records.
    pub records: u8,
    /// Fetches and answers in flight at a time.
    pub messages: u8,
    /// Restarts, with or without the loss of what was not flushed.
    pub restarts: u8,
    /// Leaders told to resign.
    pub resignations: u8,
    /// Messages that arrive and stay in flight.
    pub duplicates: u8,
    /// Restarts, resignations and duplicates together.
    pub faults: u8,
    /// Disks lost.
    pub wipes: u8,
    /// Whether voters ask for the promise of votes before they campaign (KIP-996).
    pub pre_vote: bool,
    /// Whether voters without a leader ask one another who leads.
    pub search: bool,
    /// Whether the driver and the network are thrifty, which leaves out behaviours that others stand for.
    pub thrift: bool,
}

/// Several quorum cores, their disks and the network between them.
pub struct QuorumCores {
    bounds: Bounds,
    group: Group,
    kraft: Kraft,
    model_claims: Vec<claims::Held>,
    voters: Interner<Kept>,
    messages: Interner<Message>,
    sets: Interner<Vec<u64>>,
    /// Of voters whose flushes take time, and of those whose flushes are done at once.
    reactions: [Memo<Reaction>; 2],
    renamed_voters: Memo<u64>,
    renamed_messages: Memo<u64>,
    renamed_sets: Memo<u64>,
}

/// A voter, what follows from it, and where it first came from.
#[derive(Debug)]
struct Kept {
    voter: Voter,
    /// What it looks like in the model.
    picture: Node,
    /// The same without names.
    signature: u64,
    origin: Origin,
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.voter == other.voter
    }
}

impl Eq for Kept {}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.voter.hash(state);
    }
}

impl QuorumCores {
    /// The cores of these rules, within these bounds.
    pub fn new(bounds: Bounds, rules: Rules) -> Self {
        let kraft = map::kraft(bounds.voters);
        Self {
            bounds,
            group: Group { voters: bounds.voters, pre_vote: bounds.pre_vote, thrift: bounds.thrift, flushes_at_once: false, rules },
            model_claims: claims::of_model(&kraft),
            kraft,
            voters: Interner::new(),
            messages: Interner::new(),
            sets: Interner::new(),
            reactions: [Memo::new(), Memo::new()],
            renamed_voters: Memo::new(),
            renamed_messages: Memo::new(),
            renamed_sets: Memo::new(),
        }
    }

    /// How many different voters, messages and reactions of a core were met so far.
    pub fn met(&self) -> (usize, usize, usize) {
        (self.voters.len(), self.messages.len(), self.reactions.iter().map(Memo::len).sum())
    }

    /// The voters.
    fn all<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Voter> {
        (0..self.bounds.voters).map(|voter| self.voter(state, voter))
    }

    /// Those of them that lead.
    fn leaders<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Voter> {
        self.all(state).filter(|voter| voter.core.role() == RoleName::Leader)
    }

    fn keep(&self, voter: Voter, origin: Origin) -> u64 {
        let picture = map::picture(&voter, self.bounds.voters);
        let signature = symmetry::signature(&picture, voter.index);
        self.voters.name(Kept { voter, picture, signature, origin })
    }
}

impl Model for QuorumCores {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state: State = bytemuck::Zeroable::zeroed();
        state.lasting = self.sets.name(Vec::new());
        for index in 0..self.bounds.voters {
            let (voter, said) = self.group.first(index);
            assert!(said.is_empty(), "a voter says nothing as it first starts");
            state.voters[usize::from(index)] = self.keep(voter, Origin::Started);
        }
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

impl Spec for QuorumCores {
    fn action_kinds(&self) -> &'static [&'static str] {
        step::KINDS
    }

    fn kind_of(&self, action: &Action) -> usize {
        action.kind()
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        claims::claims(&self.model_claims, &self.bounds)
    }

    fn canonical(&self, state: &State) -> State {
        self.representative(state)
    }

    fn may_end(&self, state: &State) -> bool {
        // Elections go on for ever in the protocol; here they end with the last epoch.
        (0..self.bounds.voters).any(|voter| self.voter(state, voter).core.epoch() >= i32::from(self.bounds.epochs))
    }
}
