//! The public TLA+ specification `Kip320`, as a benchmark: the same state machine, state for state.
//!
//! `hachikuji/kafka-specification` is the specification by which Kafka's committers found the rules of
//! KIP-320: one partition, its leaders elected by a controller from the in-sync replicas (ISR). TLC has
//! known its state space for years, which makes it the yardstick for the search in [`crate::check`]: with
//! [`Bounds::COMPARISON`] this model has exactly the distinct states, the depth and the generated successors
//! that TLC reports for it.
//!
//! # Who does what
//!
//! | part | does | clauses |
//! |---|---|---|
//! | controller | elects a member of the ISR; takes a replica out of it; each bumps the leader epoch and sends a LeaderAndIsr request | `kip320/controller/1`–`3` |
//! | replica | takes any request of a newer epoch, as its leader or as a follower, in any order | `kip320/role/1`–`2` |
//! | leader | writes, advances its high watermark, shrinks and expands the ISR in the quorum | `kip320/leader/1`–`4` |
//! | follower | truncates when its epoch changes, then fetches a record at a time | `kip320/follower/1`–`2` |
//!
//! Requests are never consumed: a request that is lost is one that nobody takes, one that is late is one
//! that is taken after a newer one was sent, and a duplicate is refused by its epoch. A crash is the
//! controller's shrinking of the ISR; a replica that was shut down and a zombie are not told apart.
//!
//! # How it is packed
//!
//! The specification keeps a *set* of requests. Each request has an epoch of its own, so the set is an array
//! indexed by epoch, a byte each (leader and ISR), and `nextLeaderEpoch` is the length of it. Records are
//! unique by their id, a byte each with their epoch. A [`State`] of three replicas is 32 bytes, and the map
//! from the specification's states to these is one to one.
//!
//! # How successors are counted
//!
//! TLC generates a successor for every *way* to satisfy the next-state relation. Only one action here has two
//! ways to the same successor: a leader drops a follower from the ISR because the follower is not in its
//! epoch **or** because its log is shorter, and where both are so TLC counts two. [`Action::ShrinkIsr`]
//! carries that [`Reason`], so that the generated successors are equal too.
//!
//! # The rules and what breaks without them
//!
//! The rules that KIP-320 found are switches of [`Rules`], and one of the controller's beside them:
//!
//! | without | falls | steps | epochs | records |
//! |---|---|---|---|---|
//! | [`Rules::fetch_fenced`] | `weak-isr` | 12 | 3 | 1 |
//! | [`Rules::truncation_fenced`] | `strong-isr`, `weak-isr` | 13 | 3 | 2 |
//! | [`Rules::high_watermark_fenced`] | `strong-isr`, `weak-isr` | 12 | 3 | 1 |
//! | [`Rules::expansion_awaits_epoch`] | `strong-isr` (`weak-isr` with 3 epochs, 13) | 11 | 2 | 1 |
//! | [`Rules::failed_leader_steps_down`] | `leader-in-isr` | 2 | 2 | 1 |
//!
//! # Sources
//!
//! KIP-101, KIP-279, KIP-320; the modules `Kip320`, `Kip279`, `KafkaReplication`, `FiniteReplicatedLog` and
//! `IdSequence` of the specification, read and put in our own words in `specs/kip320.md`.
//!
//! # What is not modelled
//!
//! What the specification leaves out: ZooKeeper itself (its writes are atomic and seen by all), fetch request
//! and response apart (a fetch is one step on both ends), the loss of an unflushed tail, unclean election,
//! producers and acks. [`crate::isr`] is the model that has these. What this model leaves out of the
//! specification: its fairness (it states no temporal property that would need it), and `TypeOk`, which the
//! types here say. `LeaderInIsr`, which is false in the specification's own initial state (there is no leader
//! yet), is claimed of states that have a leader.

mod action;
mod claims;
mod rules;
mod state;
#[cfg(test)]
mod tests;

use stateright::{Model, Property};

use crate::check::{self, Claim, Spec};

pub use action::{Action, Reason};
pub use rules::{Bounds, Rules};
pub use state::{Quorum, REPLICAS_MAX, Replica, State};

/// The specification `Kip320` at some bounds.
#[derive(Debug, Clone, Copy)]
pub struct Kip320 {
    bounds: Bounds,
    rules: Rules,
}

impl Kip320 {
    /// The protocol as it should be.
    ///
    /// # Panics
    ///
    /// If a bound is beyond what a [`State`] holds.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self::with_rules(bounds, Rules::default())
    }

    /// The protocol with rules of the caller's choice.
    ///
    /// # Panics
    ///
    /// If a bound is beyond what a [`State`] holds.
    #[must_use]
    pub fn with_rules(bounds: Bounds, rules: Rules) -> Self {
        bounds.assert_fits();
        Self { bounds, rules }
    }

    /// The bounds in force.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The replicas, as indices.
    fn replicas(&self) -> std::ops::Range<usize> {
        0..usize::from(self.bounds.replicas)
    }
}

impl Model for Kip320 {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::initial(self.bounds.replicas)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.enabled(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(self.after(state, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        check::stateright_properties(self)
    }
}

impl Spec for Kip320 {
    fn action_kinds(&self) -> &'static [&'static str] {
        &Action::KINDS
    }

    fn kind_of(&self, action: &Action) -> usize {
        action.kind()
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        claims::all()
    }

    /// Where the controller has no epoch left, or nobody left to elect: until then it always has a step.
    fn may_end(&self, state: &State) -> bool {
        let quorum = &state.quorum;
        quorum.epochs_issued() > self.bounds.leader_epoch_max || quorum.isr == 0
    }
}
