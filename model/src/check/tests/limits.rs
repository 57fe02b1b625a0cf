//! Memory, time and interruption end a search as incomplete, whatever else is true.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::models::{Commit, Counters, Drawing, Puzzle};
use super::{claim, transcript, verdict};
use crate::check::{ClaimVerdict, Cut, Observer, Options, Progress, Stop, Verdict, liveness, search};

/// More states than any test has time for.
const ENDLESS: Counters = Counters { counters: 16, top: 15, forbidden_sum: None };

#[test]
fn memory_limit_ends_as_incomplete_at_any_number_of_threads() {
    let full = search(&Puzzle, &Options { stop: Stop::Exhausted, ..Options::default() });
    for threads in 1..=4 {
        for memory_bytes_max in [0, 1, 200_000, 500_000, 1_000_000, 2_000_000] {
            let options = Options {
                threads,
                stop: Stop::Exhausted,
                memory_bytes_max: Some(memory_bytes_max),
                ..Options::default()
            };
            let outcome = search(&Puzzle, &options);
            assert_eq!(outcome.cut, Some(Cut::Memory), "{memory_bytes_max}");
            assert_ne!(outcome.verdict, Verdict::Holds);
            assert!(outcome.unique < full.unique);
            assert_eq!(verdict(&outcome, "not-farthest"), ClaimVerdict::Unknown);
            assert_eq!(verdict(&outcome, "odd"), ClaimVerdict::Unknown);
            assert_eq!(verdict(&outcome, "deadlock"), ClaimVerdict::Unknown);
            // What it takes before it knows is a chunk for each thread at most.
            let slack = threads as u64 * 1024 * 9 + 200_000;
            assert!(outcome.memory_bytes_peak <= memory_bytes_max + slack, "{}", outcome.memory_bytes_peak);
        }
    }
}

#[test]
fn memory_that_just_suffices_changes_nothing() {
    let options = Options { symmetry: false, ..Options::default() };
    let free = search(&Commit { managers: 6 }, &options);
    assert_eq!(free.verdict, Verdict::Holds);
    let bound = Options { memory_bytes_max: Some(free.memory_bytes_peak), ..options };
    assert_eq!(transcript(&search(&Commit { managers: 6 }, &bound)), transcript(&free));
}

#[test]
fn violation_found_before_the_cut_is_reported_as_such() {
    let model = Counters { forbidden_sum: Some(3), ..ENDLESS };
    let options = Options {
        stop: Stop::Exhausted,
        symmetry: false,
        memory_bytes_max: Some(4_000_000),
        ..Options::default()
    };
    let outcome = search(&model, &options);
    assert_eq!((outcome.verdict, outcome.cut), (Verdict::Violated, Some(Cut::Memory)));
    assert_eq!(claim(&outcome, "sum").walk.as_ref().unwrap().steps.len(), 3);
}

#[test]
fn walk_beyond_the_memory_limit_is_missing_and_the_violation_is_not() {
    // The first search ends at the limit; with links, the same limit is met well before level 20.
    let model = Counters { counters: 5, top: 8, forbidden_sum: Some(25) };
    let options = Options { symmetry: false, ..Options::default() };
    let free = search(&model, &options);
    let walked = claim(&free, "sum").walk.is_some();
    let bound = Options { memory_bytes_max: Some(free.memory_bytes_peak * 9 / 10), ..options };
    let outcome = search(&model, &bound);
    assert!(walked);
    assert_eq!((outcome.verdict, outcome.cut), (Verdict::Violated, None));
    assert_eq!(outcome.unique, free.unique);
    assert_eq!(verdict(&outcome, "sum"), ClaimVerdict::Violated);
    assert!(claim(&outcome, "sum").walk.is_none());
}

#[test]
fn time_limit_is_honoured_at_any_number_of_threads() {
    for threads in 1..=3 {
        let began = Instant::now();
        let time_max = Duration::from_millis(60);
        let options = Options { threads, symmetry: false, time_max: Some(time_max), ..Options::default() };
        let outcome = search(&ENDLESS, &options);
        assert!(began.elapsed() >= time_max && began.elapsed() < Duration::from_secs(5));
        assert_eq!((outcome.verdict, outcome.cut), (Verdict::Incomplete, Some(Cut::Time)));
        assert_eq!(verdict(&outcome, "sum"), ClaimVerdict::Unknown);
        assert_eq!(verdict(&outcome, "over"), ClaimVerdict::Unknown);
        assert!(outcome.unique > 1);
    }
    let options = Options { time_max: Some(Duration::from_millis(60)), ..Options::default() };
    let outcome = liveness(&ENDLESS, &options);
    assert_eq!((outcome.verdict, outcome.cut), (Verdict::Incomplete, Some(Cut::Time)));
}

/// Interrupts the search at a number of states.
struct Interrupter {
    at: u64,
    cancel: AtomicBool,
    calls: AtomicU64,
}

impl Observer for Interrupter {
    fn progress(&self, progress: &Progress) {
        self.calls.fetch_add(1, Relaxed);
        if progress.unique >= self.at {
            self.cancel.store(true, Relaxed);
        }
    }
}

#[test]
fn interrupt_ends_as_incomplete() {
    for threads in 1..=3 {
        let interrupter =
            Interrupter { at: 10_000, cancel: AtomicBool::new(false), calls: AtomicU64::new(0) };
        let options = Options {
            threads,
            symmetry: false,
            cancel: Some(&interrupter.cancel),
            observer: Some(&interrupter),
            ..Options::default()
        };
        let outcome = search(&ENDLESS, &options);
        assert_eq!((outcome.verdict, outcome.cut), (Verdict::Incomplete, Some(Cut::Interrupted)));
        assert!(interrupter.calls.load(Relaxed) >= 4, "at least one a level");
        interrupter.cancel.store(false, Relaxed);
        let outcome = liveness(&ENDLESS, &options);
        assert_eq!((outcome.verdict, outcome.cut), (Verdict::Incomplete, Some(Cut::Interrupted)));
    }
}

#[test]
fn cancelled_before_the_start_visits_next_to_nothing() {
    let cancel = AtomicBool::new(true);
    let outcome = search(&ENDLESS, &Options { cancel: Some(&cancel), ..Options::default() });
    assert_eq!((outcome.verdict, outcome.cut), (Verdict::Incomplete, Some(Cut::Interrupted)));
    assert!(outcome.unique <= 1);
}

/// Checks what it hears for sense.
#[derive(Default)]
struct Listener {
    calls: AtomicU64,
    depth: AtomicU64,
    unique: AtomicU64,
}

impl Observer for Listener {
    fn progress(&self, progress: &Progress) {
        self.calls.fetch_add(1, Relaxed);
        assert!(self.depth.swap(progress.depth.into(), Relaxed) <= progress.depth.into());
        assert!(self.unique.swap(progress.unique, Relaxed) <= progress.unique);
        assert!(progress.unique <= progress.generated && progress.queue + progress.next <= progress.unique);
        assert!(progress.memory_bytes > 0);
    }
}

#[test]
fn progress_only_ever_goes_forward() {
    for threads in 1..=3 {
        let listener = Listener::default();
        let options =
            Options { threads, observer: Some(&listener), stop: Stop::Exhausted, ..Options::default() };
        let outcome = search(&Puzzle, &options);
        assert!(listener.calls.load(Relaxed) >= 32);
        assert_eq!(listener.depth.load(Relaxed), u64::from(outcome.depth));
        assert_eq!(listener.unique.load(Relaxed), outcome.unique);
    }
    let listener = Listener::default();
    let drawing = Drawing { initial: vec![0], edges: vec![(0, 1, None), (1, 2, None)], ..Drawing::default() };
    liveness(&drawing, &Options { observer: Some(&listener), ..Options::default() });
    assert!(listener.calls.load(Relaxed) >= 3);
}
