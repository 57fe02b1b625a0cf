//! How a search is run, and who hears of it.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How a search is run; none of it changes what a complete search finds.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Visit one representative per orbit of node names.
    pub symmetry: bool,
    /// When to stop.
    pub stop: Stop<'a>,
    /// The `Sometimes` claim whose witness is wanted as a walk. Violations always come with theirs.
    pub witness: Option<&'a str>,
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
            witness: None,
            memory_bytes_max: None,
            time_max: None,
            cancel: None,
            observer: None,
        }
    }
}

/// When a search ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop<'a> {
    /// At the end of the first level that violates a claim (every claim violated on that level is reported).
    FirstViolation,
    /// At the end of the level by which each of these claims is violated or, of a `sometimes`, witnessed. A claim
    /// that never is keeps the search going to its end.
    Decided(&'a [&'a str]),
    /// When every state is visited: each violated claim gets its own shortest counterexample.
    Exhausted,
}

impl Stop<'_> {
    /// Whether a search may end at the end of a level, once it found what `found` says of a claim's name.
    pub(crate) fn satisfied(self, violated: bool, found: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::FirstViolation => violated,
            Self::Decided(claims) => claims.iter().all(|claim| found(claim)),
            Self::Exhausted => false,
        }
    }
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
