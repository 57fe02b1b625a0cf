//! Quorum cores under the checker: several of them, their disks and the network between them, as one model.
//!
//! What runs here is the core as it ships. A driver of a few lines (`voter.rs`) carries out what it wants, keeps its log and
//! its election state, and may lose what was not flushed. The search decides when messages arrive, timers run out, flushes
//! end, voters stop. Every step is held to the model [`kraft`](highwater_model::kraft): it has to be a step of it, a short
//! fixed row of steps, or none (`map.rs`); and what the model claims of itself is asked of the cores directly, so that
//! their safety does not hang on the map.
//!
//! # How cores become states
//! - A core with its disk is kept once, under the hash of what it is, and so is a message. A state is a handful of such hashes. What an
//!   event does to a core is worked out once and remembered: the cores run some ten thousand times while millions of
//!   states are visited.
//! - Time stands still, and timers run out when the search says so ([`Config::timeless`](highwater_core::quorum::Config::timeless)):
//!   neither deadlines nor dice get into a state.
//! - Voters that differ only by name are one state, as long as nothing prefers the smaller id (`symmetry.rs`).
//!
//! # What can happen
//! - **Messages**: fetches and all answers are in flight, a few at a time, arrive in any order, late or never, and a bounded
//!   number twice. Votes, announcements and resignations last: once sent, they may arrive at any time, again and again.
//! - **Disk**: a flush is an event of its own. A crash keeps any number of records from the flush point on.
//! - **Timers** of every kind; those that make a leader resign count as resignations, which are bounded.
//! - **Answers** bring one record each.
//!
//! # Thrift
//! What [`Bounds::thrift`] leaves out, others stand for. As with the model's own reductions this is argued, and tested only as far as small
//! bounds go without it.
//! - Answers that say no more than requests that last do (who leads, that a vote was not given, that an announcement was heard) are lost;
//!   those that say that there is a later epoch arrive at once.
//! - A follower's fetch waits with its sender until its arrival would change something, and is asked anew at once when it or its answer is
//!   gone. A leader holds no fetch: it answers at once, and an answer that changes nothing is lost.
//! - A leader repeats its announcement at once to whoever was silent, which only adds what lasts anyway.
//! - A flush whose end changes nothing but the flush point does not end: a crash may leave what it wrote. Once nothing can be
//!   lost any more, a flush is done at once.
//! - A restart that loses nothing but the high watermark is left out: to learn it late is the same.
//! - What can never matter again is dropped, by the model's own rules.
//!
//! # Figures
//! The default bounds (3 voters, 3 epochs, 2 records, 2 messages in flight, a restart with or without loss): 28,977,380 orbits of
//! 131,484,725 states generated, depth 75; the model has 11,593,630 states there, of which some 2 million are orbits. About 115 CPU
//! seconds; 236 s on two cores that had seven other things to do.
//!
//! # What it found
//! - No step of the correct core that the model does not have, within the bounds that `.ci/run` exhausts.
//! - Each flaw of the model that the core has breaks the map, and a claim of the model, in as many steps as there, but for A15 (17 for 20) and A20
//!   (10 for 9).
//! - A voter that finds its leader by an answer with records (to a search, or coming back from a pre-vote) asks that leader for the same
//!   records before it takes them: one fetch too many, and harmless.
//! - A campaign that waits for a flush keeps waiting when a later epoch is heard of, and begins in that one at once.
//!
//! # What is not modelled
//! Snapshots; observers, other than a voter whose disk was lost; changes of the voter set; answers of several records; time, and so
//! that a leader resigns only for want of fetches; torn writes; liveness.

mod bounds;
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

use crate::cores::claims::Held;
use crate::cores::intern::{Interner, Memo};
use message::Message;
use step::Reaction;
use symmetry::Origin;
use voter::{Group, Voter};

pub use bounds::Bounds;

/// Several quorum cores, their disks and the network between them.
pub struct QuorumCores {
    bounds: Bounds,
    group: Group,
    kraft: Kraft,
    model_claims: Vec<Held<Kraft>>,
    voters: Interner<Kept>,
    messages: Interner<Message>,
    sets: Interner<Vec<u64>>,
    /// Of voters whose flushes take time, and of those whose flushes are done at once.
    reactions: [Memo<Box<Reaction>>; 2],
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
    /// The cores of these rules, within bounds that [`NamedBounds::admit`](super::bounds::NamedBounds::admit) admits.
    pub fn new(bounds: Bounds, rules: Rules) -> Self {
        let kraft = map::kraft(bounds.voters);
        Self {
            bounds,
            group: Group {
                voters: bounds.voters,
                pre_vote: bounds.pre_vote > 0,
                thrift: bounds.is_thrifty(),
                flushes_at_once: false,
                rules,
            },
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
        (0..self.bounds.voters)
            .any(|voter| self.voter(state, voter).core.epoch() >= i32::from(self.bounds.epochs))
    }
}
