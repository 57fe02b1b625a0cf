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

mod fingerprint;
mod frontier;
mod graph;
mod lasso;
mod limits;
mod liveness;
mod options;
mod outcome;
mod rebuild;
mod search;
mod spec;
mod sweep;
mod table;

#[cfg(test)]
mod tests;

pub use liveness::liveness;
pub use options::{Observer, Options, Progress, Stop};
pub use outcome::{ClaimOutcome, ClaimVerdict, Cut, Fired, Outcome, Verdict, Walk};
pub(crate) use search::DEADLOCK;
pub use search::search;
pub use spec::{Claim, ClaimKind, Predicate, Spec, stateright_properties};
