//! Exhaustive search behind [`stateright::Model`].
//!
//! A search here is one of two things. [`search()`] walks every reachable state of a model, level by level,
//! and decides its `Always` and `Sometimes` claims. [`liveness()`] keeps the whole graph and decides its
//! `LeadsTo` claims by looking for fair cycles that avoid the goal.
//!
//! **Promises**, each a clause of `specs/checker.md`.
//! - Counts, depth, verdicts and counterexamples are the same at any number of threads (`check/search/1`).
//! - A counterexample is a shortest one, and a walk of the model as it is, also under symmetry
//!   (`check/search/2`, `check/symmetry/1`).
//! - Every state is visited, or the search says that it is [`Verdict::Incomplete`], which is never a pass; what it
//!   had not decided by then is [`ClaimVerdict::Unknown`] (`check/search/3`, `check/search/4`).
//! - A witness that is never met is a violation (`check/vacuity/1`); so is a state from which there is no way
//!   on unless it may end (`check/deadlock/1`).
//! - States are told apart by 64-bit fingerprints; the chance that two were confused is reported
//!   (`check/collision/1`). Liveness compares states whole.
//! - Limits of memory and time are kept with any number of threads (`check/limit/1`, `check/limit/2`).
//! - A `LeadsTo` claim fails exactly if a fair behaviour owes for ever (`check/liveness/1` to `check/liveness/4`).
//!
//! # How the search works
//!
//! The *visited set* is a table of fingerprints and nothing else: 8 bytes a slot, about two thirds of the slots
//! in use (`table.rs`). Levels are worked off in rounds by threads that share the table without locks and never
//! see it grow, because it grows between rounds (`sweep.rs`). The *frontier* holds the states of one level and
//! of the next in chunks that are reused as they empty (`frontier.rs`). A state of 64 bytes then costs 12 to
//! 16 bytes at the peak, since only few of all states are in the frontier at once.
//!
//! No state remembers how it was reached. When a walk is wanted, for a violation, the search runs a second
//! time, only as deep as the walk is long, and keeps for each state the least fingerprint that led to it from
//! the level before. The chain of fingerprints then says which successor to take from an initial state on
//! (`rebuild.rs`). The least fingerprint of a level also settles which of several violations is
//! shown. Hence nothing in a report depends on which thread came first.
//!
//! A claim is tested when a state is found, not when it is expanded: the level that violates it is then never
//! expanded, which at typical branching spares most of the work of the whole search.
//!
//! For *liveness* the graph is kept whole (`graph.rs`): every state, and every step that changes it with its
//! fairness class. A claim `from ~> to` is refuted by a reachable, fair, strongly connected component of the
//! states that owe `to`; a state that nobody has to leave counts as one (`lasso.rs`).
//!
//! # Why not Stateright's own search
//!
//! Its [`Model`](stateright::Model) trait, its Explorer and, in tests, its counts are used. Its search is not, as measured with 0.31.0:
//! - `spawn_bfs` on several threads is not breadth-first: threads run ahead with what they have, and
//!   counterexamples are neither shortest nor the same on each run; where a depth is given, counts differ too.
//! - `eventually` is wrong on cycles and on paths that join, in favour of the model; it says so itself. The
//!   tests of this module hold both cases against it.
//! - Its breadth-first search ignores symmetry, one thread ignores the time limit, a run that was cut short passes
//!   `assert_properties`, and there is no limit of memory.
//! - Each waiting state carries the path that led to it, and each visited one the fingerprint of another. On the
//!   737,794 states of Kip320 it took 0.7 CPU seconds and 78 bytes a state where this search takes 0.2 and 17,
//!   and told a depth of 28 on two threads where 26 is right (`benches/search.rs`). Its depth-first search of
//!   a graph with long paths, such as the eight puzzle's, takes time in the square of their length.
//!
//! # What is not done
//!
//! - Liveness under symmetry (a cycle of representatives need not be one of states), strong fairness, and
//!   liveness of a graph that does not fit in memory.
//! - Disk, partial-order reduction, several machines.
//! - The counts of a search that was cut depend on timing; only those of a search that ended by itself do not.
//! - Two states with one fingerprint: a complete search may then miss states, with the reported probability.
//!   A walk is always made of real steps; if confused states broke its chain, the violation is reported without it.

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

pub use fingerprint::fingerprint;
pub use liveness::liveness;
pub use options::{Observer, Options, Progress, Stop};
pub use outcome::{ClaimOutcome, ClaimVerdict, Cut, Fired, Outcome, Verdict, Walk};
pub(crate) use search::DEADLOCK;
pub use search::search;
pub use spec::{Claim, ClaimKind, Predicate, Spec, stateright_properties};
