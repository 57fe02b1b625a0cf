//! A model as its users meet it: a name, bounds, rules, flaws and grains, each by name.
//!
//! A [`Family`] is a model with its parameters; an [`Entry`] is the same with its types erased, which is all
//! that the command sees. [`catalogue`] lists them.
//!
//! - A **bound** is an integer parameter (nodes, epochs, records, …) that makes the state space finite.
//! - A **rule** is one rule of the protocol, correct by default; `off` is how it is broken when nobody says how.
//! - A **flaw** is a historic bug: a name plus a change to the rules, with the claims that it must break and
//!   the length of the shortest way there.
//! - A **control** is a change that looks like a flaw and must break nothing.
//! - A **grain** is a coarser model of the same protocol that affords larger bounds.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::check::Spec;
use crate::trace::Storyboard;

mod catalogue;
mod entry;
mod matrix;
mod report;
mod request;
pub(crate) mod stains;
#[cfg(test)]
pub(crate) mod testing;

pub use catalogue::{catalogue, find};
pub use entry::{BoundCard, Card, ClaimCard, Entry, FlawCard, Planned, RuleCard};
pub use matrix::{Broken, ControlReport, FlawReport, Kept};
pub use report::{PropertyReport, Report, RunReport};
pub use request::{Request, RunScale, Searches, Switch, Usage};

/// A model, its parameters and its flaws.
pub trait Family: Spec + Storyboard {
    /// The name on the command line: `kraft`.
    const NAME: &'static str;
    /// One line for `--help`.
    const SUMMARY: &'static str;
    /// The integer parameters.
    type Bounds: Copy + std::fmt::Debug + PartialEq;
    /// The protocol's rules; `Default` is the correct protocol.
    type Rules: Copy + Default + std::fmt::Debug + PartialEq;
    /// A state as JSON: readable, and enough to start from (`--from`). Lossless.
    type Readable: Serialize + DeserializeOwned;

    /// The model; the bounds were checked against [`Family::bounds`].
    fn new(bounds: Self::Bounds, rules: Self::Rules) -> Self;
    /// The bounds in force.
    fn bounds(&self) -> Self::Bounds;
    /// The same model, started from `state` alone.
    fn starting_from(self, state: Self::State) -> Self;
    /// Checks what the table of bounds cannot: combinations. The message names flag, limit and nearest choice.
    fn admit(_bounds: &Self::Bounds, _rules: &Self::Rules) -> Result<(), String> {
        Ok(())
    }

    /// The table of bounds, in the order of reports.
    fn bound_table() -> &'static [Bound<Self::Bounds>];
    /// The bounds of each scale.
    fn bounds_at(scale: Scale) -> Self::Bounds;
    /// The protocol's rules.
    fn rules() -> &'static [Rule<Self::Rules>];
    /// The historic bugs.
    fn flaws() -> &'static [Flaw<Self::Bounds, Self::Rules>];
    /// What must stay green.
    fn controls() -> &'static [Control<Self::Bounds, Self::Rules>] {
        &[]
    }
    /// The grains beside the default, fine one.
    fn grains() -> &'static [Grain<Self::Bounds>] {
        &[]
    }

    /// A state for reading and for `--from`.
    fn readable(&self, state: &Self::State) -> Self::Readable;
    /// The state that a reader wrote; the message says what is impossible about it.
    fn state_from(&self, readable: &Self::Readable) -> Result<Self::State, String>;
}

/// The sizes at which a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Small: seconds in a test, without symmetry, against Stateright's own search.
    Test,
    /// `highwater check` without arguments.
    Default,
    /// `--deep`.
    Deep,
    /// The bounds of the liveness run: the whole graph is kept, without symmetry.
    Liveness,
    /// What flaws start from before their own change of bounds.
    Flaw,
}

/// One integer parameter.
#[derive(Debug, Clone, Copy)]
pub struct Bound<B> {
    /// The flag without its dashes: `nodes`.
    pub name: &'static str,
    /// What it bounds.
    pub summary: &'static str,
    /// The least value that makes sense.
    pub min: u8,
    /// The most that the packed state has room for.
    pub max: u8,
    /// Reads it.
    pub get: fn(&B) -> u8,
    /// Writes it.
    pub set: fn(&mut B, u8),
}

/// One rule of the protocol.
#[derive(Debug, Clone, Copy)]
pub struct Rule<R> {
    /// `commit-gate`: the name for `--without`.
    pub name: &'static str,
    /// The clause in `specs/`.
    pub clause: &'static str,
    /// What the rule demands, one sentence.
    pub summary: &'static str,
    /// Breaks it.
    pub off: fn(&mut R),
}

/// A historic bug: a change to the rules.
#[derive(Debug, Clone, Copy)]
pub struct Flaw<B, R> {
    /// `A01`, as in `specs/flaws/A01.md`.
    pub id: &'static str,
    /// `commit-old-epoch`.
    pub name: &'static str,
    /// What goes wrong, one sentence.
    pub summary: &'static str,
    /// The name of the rule that it breaks.
    pub rule: &'static str,
    /// The change.
    pub change: fn(&mut R),
    /// The bounds at which it shows, from [`Scale::Flaw`].
    pub bounds: fn(&mut B),
    /// What it must break, each with the steps of its shortest counterexample. The first is the one to show.
    pub breaks: &'static [Break],
    /// Claims that must hold all the same.
    pub keeps: &'static [&'static str],
    /// A choice that an operator may make, and pays for, rather than a bug.
    pub legal: bool,
    /// The name of the grain it is searched at, where the default is not the one.
    pub grain: Option<&'static str>,
    /// Where the bug is told: `KAFKA-12619`.
    pub source: &'static str,
}

/// A claim that a flaw breaks.
#[derive(Debug, Clone, Copy)]
pub struct Break {
    /// The claim's name. A `leads-to` claim is decided at the liveness search.
    pub claim: &'static str,
    /// Steps of the shortest counterexample (of a lasso: stem and loop).
    pub steps: usize,
}

/// A change that must break nothing.
#[derive(Debug, Clone, Copy)]
pub struct Control<B, R> {
    /// `leader-starts-without-high-watermark`.
    pub name: &'static str,
    /// Why one might think that it is a flaw.
    pub summary: &'static str,
    /// The change.
    pub change: fn(&mut R),
    /// The bounds, from [`Scale::Flaw`].
    pub bounds: fn(&mut B),
}

/// A coarser model of the same protocol.
#[derive(Debug, Clone, Copy)]
pub struct Grain<B> {
    /// `atomic-fetch`: the name for `--grain`.
    pub name: &'static str,
    /// What is coarser, and what it can no longer show.
    pub summary: &'static str,
    /// Makes it so. The grain is part of the bounds.
    pub apply: fn(&mut B),
    /// Its own default bounds.
    pub bounds: fn() -> B,
}
