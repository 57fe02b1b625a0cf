//! What a model owes the checker, and what it claims.

use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Expectation, Model, Property};

/// What a model owes the checker beyond [`stateright::Model`].
///
/// Keep `State` small, `Copy` and without padding (derive [`bytemuck::Pod`] over bytes), and write its
/// `Hash` over whole `u64` words: the search hashes every generated state.
pub trait Spec:
    Model<State: Copy + Eq + Hash + Debug + Send + Sync, Action: Copy + Eq + Debug + Send + Sync>
    + Send
    + Sync
    + 'static
{
    /// The kinds of action, in the order in which coverage reports them.
    fn action_kinds(&self) -> &'static [&'static str];

    /// The index into [`Spec::action_kinds`] of an action.
    fn kind_of(&self, action: &Self::Action) -> usize;

    /// Everything that this model claims, safety, witnesses and liveness.
    fn claims(&self) -> Vec<Claim<Self>>;

    /// The representative of the states that differ from `state` only by the names of nodes.
    ///
    /// Must be the same for every member of an orbit, and every claim must not tell members apart.
    /// The identity (no symmetry) by default.
    fn canonical(&self, state: &Self::State) -> Self::State {
        *state
    }

    /// Whether a state without successors is a legal end (bounds used up) rather than a deadlock.
    fn may_end(&self, _state: &Self::State) -> bool {
        false
    }

    /// The weak-fairness class of an action, below 64, or `None` where nobody owes it (faults).
    ///
    /// A class that is enabled (by an action that changes the state) for ever is eventually taken.
    fn fairness(&self, _action: &Self::Action) -> Option<u8> {
        None
    }
}

/// One thing that a model claims about its behaviours.
pub struct Claim<M: Model> {
    /// The name that reports carry, such as `leader-completeness`.
    pub name: &'static str,
    /// The clause in `specs/` that demands it, such as `kraft/safety/4`.
    pub clause: &'static str,
    /// One sentence that says what holds.
    pub summary: &'static str,
    /// What is claimed.
    pub kind: ClaimKind<M>,
}

/// A predicate on the states of a model.
pub type Predicate<M> = fn(&M, &<M as Model>::State) -> bool;

/// The shape of a [`Claim`].
pub enum ClaimKind<M: Model> {
    /// Holds in every reachable state.
    Always(Predicate<M>),
    /// Holds in at least one reachable state: the witness that the model is not vacuous.
    Sometimes(Predicate<M>),
    /// On every fair behaviour, a state of `from` is followed by a state of `to`.
    LeadsTo {
        /// The states that owe something.
        from: Predicate<M>,
        /// What they owe.
        to: Predicate<M>,
    },
}

impl<M: Model> ClaimKind<M> {
    /// The kind as reports spell it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Always(_) => "always",
            Self::Sometimes(_) => "sometimes",
            Self::LeadsTo { .. } => "leads-to",
        }
    }

    /// Whether [`liveness`](super::liveness()) decides it, and not [`search`](super::search()).
    pub fn is_live(&self) -> bool {
        matches!(self, Self::LeadsTo { .. })
    }
}

impl<M: Model> Clone for Claim<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Model> Copy for Claim<M> {}

impl<M: Model> Clone for ClaimKind<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Model> Copy for ClaimKind<M> {}

impl<M: Model> Claim<M> {
    /// A claim that `holds` is true in every reachable state.
    pub const fn always(
        name: &'static str,
        clause: &'static str,
        summary: &'static str,
        holds: Predicate<M>,
    ) -> Self {
        Self { name, clause, summary, kind: ClaimKind::Always(holds) }
    }

    /// A claim that `seen` is true in some reachable state.
    pub const fn sometimes(
        name: &'static str,
        clause: &'static str,
        summary: &'static str,
        seen: Predicate<M>,
    ) -> Self {
        Self { name, clause, summary, kind: ClaimKind::Sometimes(seen) }
    }

    /// A claim that every fair behaviour from a state of `from` reaches a state of `to`.
    pub const fn leads_to(
        name: &'static str,
        clause: &'static str,
        summary: &'static str,
        from: Predicate<M>,
        to: Predicate<M>,
    ) -> Self {
        Self { name, clause, summary, kind: ClaimKind::LeadsTo { from, to } }
    }
}

/// The claims of a model as Stateright knows them: what a model returns from its own `properties`.
///
/// Liveness is left out on purpose: Stateright's `eventually` is wrong on cycles and joined paths.
pub fn stateright_properties<M: Spec>(model: &M) -> Vec<Property<M>> {
    let property = |claim: Claim<M>| match claim.kind {
        ClaimKind::Always(condition) => {
            Some(Property { expectation: Expectation::Always, name: claim.name, condition })
        }
        ClaimKind::Sometimes(condition) => {
            Some(Property { expectation: Expectation::Sometimes, name: claim.name, condition })
        }
        ClaimKind::LeadsTo { .. } => None,
    };
    model.claims().into_iter().filter_map(property).collect()
}
