//! Exhaustive search behind [`stateright::Model`].
//!
//! A search here is one of two things. [`search`] walks every reachable state of a model, level by level,
//! and decides its `Always` and `Sometimes` claims. [`liveness`] keeps the whole graph and decides its
//! `LeadsTo` claims by looking for fair cycles that avoid the goal.
//!
//! **Promises.**
//! - Counts, depth, verdicts and counterexamples are the same at any number of threads.
//! - A counterexample is a shortest one.
//! - A search that was cut short (memory, time, interrupt) is [`Verdict::Incomplete`] and never a pass;
//!   what it had not decided by then is [`ClaimVerdict::Unknown`].
//! - States are told apart by 64-bit fingerprints; the chance that two were confused is reported.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

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

/// How a search is run; none of it changes what a complete search finds.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Visit one representative per orbit of node names.
    pub symmetry: bool,
    /// When to stop.
    pub stop: Stop,
    /// Bytes that the visited set, the frontier and the graph may take together.
    pub memory_bytes_max: Option<u64>,
    /// Wall time that the search may take.
    pub time_max: Option<Duration>,
    /// Set from outside (Ctrl-C) to end the search as incomplete.
    pub cancel: Option<&'a AtomicBool>,
    /// Told how the search goes, from the thread that called it.
    pub observer: Option<&'a dyn Observer>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            threads: 1,
            symmetry: true,
            stop: Stop::FirstViolation,
            memory_bytes_max: None,
            time_max: None,
            cancel: None,
            observer: None,
        }
    }
}

/// When a search ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// At the end of the first level that violates a claim (every claim violated on that level is reported).
    FirstViolation,
    /// When every state is visited: each violated claim gets its own shortest counterexample.
    Exhausted,
}

/// Hears of the progress of a search.
pub trait Observer: Sync {
    /// Called at least once a level and, on long levels, several times a second at the most.
    fn progress(&self, progress: &Progress);
}

/// How far a search has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Successors generated so far, the initial states included.
    pub generated: u64,
    /// Distinct states (or orbits, under symmetry) so far.
    pub unique: u64,
    /// Levels begun; the initial states are level 1.
    pub depth: u32,
    /// States of this level that are still to be expanded.
    pub queue: u64,
    /// States found for the next level.
    pub next: u64,
    /// Bytes in use now.
    pub memory_bytes: u64,
    /// Since the start.
    pub elapsed: Duration,
}

/// What a search found.
pub struct Outcome<M: Model> {
    /// The sum of it.
    pub verdict: Verdict,
    /// Why an incomplete search ended.
    pub cut: Option<Cut>,
    /// Successors generated, the initial states included.
    pub generated: u64,
    /// Distinct states (orbits, under symmetry).
    pub unique: u64,
    /// Levels, that of the initial states included.
    pub depth: u32,
    /// States without successors.
    pub terminal: u64,
    /// Wall time.
    pub elapsed: Duration,
    /// The most memory that visited set, frontier and graph took.
    pub memory_bytes_peak: u64,
    /// Chance that any two distinct states shared a fingerprint.
    pub collision_probability: f64,
    /// The verdict on each claim that this kind of search decides, `deadlock` last (safety only).
    pub claims: Vec<ClaimOutcome<M>>,
    /// How often each kind of action led to a state, in the order of [`Spec::action_kinds`].
    pub actions: Vec<Fired>,
}

/// The sum of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every reachable state was visited, every claim holds.
    Holds,
    /// Some claim does not hold.
    Violated,
    /// Cut short; nothing that was found until then is wrong, but that proves nothing.
    Incomplete,
}

/// What cut a search short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// [`Options::memory_bytes_max`] was reached.
    Memory,
    /// [`Options::time_max`] was reached.
    Time,
    /// [`Options::cancel`] was set.
    Interrupted,
}

/// What a search says of one claim.
pub struct ClaimOutcome<M: Model> {
    /// [`Claim::name`], or `deadlock`.
    pub name: &'static str,
    /// [`Claim::clause`].
    pub clause: &'static str,
    /// `always`, `sometimes`, `leads-to` or `deadlock`.
    pub kind: &'static str,
    /// What was found.
    pub verdict: ClaimVerdict,
    /// The shortest way to the violation, or, of a `sometimes` that holds, to its witness.
    pub walk: Option<Walk<M>>,
}

/// The verdict on one claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimVerdict {
    /// Proven over all reachable states (or, of a `sometimes`, witnessed).
    Holds,
    /// Refuted: by a walk or, of a `sometimes`, by a complete search that never met it.
    Violated,
    /// The search ended before it could tell.
    Unknown,
}

/// A walk through a model from an initial state; with `loop_to`, for ever.
pub struct Walk<M: Model> {
    /// Where it begins.
    pub start: M::State,
    /// Each action and the state that it led to.
    pub steps: Vec<(M::Action, M::State)>,
    /// After the last step the walk goes on from the state with this index (0 is `start`), for ever.
    pub loop_to: Option<usize>,
}

/// How often a kind of action fired.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Fired {
    /// One of [`Spec::action_kinds`].
    pub name: String,
    /// Times that it led to a state, new or known.
    pub fired: u64,
}

/// Visits every reachable state and decides the `Always` and `Sometimes` claims, and deadlock.
pub fn search<M: Spec>(_model: &M, _options: &Options<'_>) -> Outcome<M> {
    todo!("the checker's author writes this")
}

/// Builds the whole graph (never under symmetry) and decides the `LeadsTo` claims by fair cycles.
pub fn liveness<M: Spec>(_model: &M, _options: &Options<'_>) -> Outcome<M> {
    todo!("the checker's author writes this")
}
