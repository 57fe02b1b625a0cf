//! One run, and many.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::report::{Counts, Outcome};
use crate::rules::{UnknownFlaw, rules};
use crate::scenario::{Scenario, Wishes};
use crate::world::World;
use crate::{Invariant, Violation};

/// Runs a scenario to its end, or to the first violation.
///
/// # Errors
/// If its flaw cannot be switched on.
pub fn run(scenario: &Scenario, trace: bool) -> Result<Outcome, UnknownFlaw> {
    let rules = rules(scenario.flaw.as_deref())?;
    let mut world = World::new(scenario.clone(), rules, trace);
    let result = catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        Err(Violation::new(
            Invariant::Panic,
            format!("a panic: {}", message(&*panic)),
            "assertions that hold",
        ))
    });
    Ok(world.outcome(result))
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}

/// What many seeds came to.
#[derive(Debug, Clone, Default)]
pub struct Sweep {
    /// How many seeds were run, in order from the first, without a gap.
    pub seeds: u64,
    /// What there was of what, in those.
    pub counts: Counts,
    /// The first seed that failed, and what it came to.
    pub failed: Option<(u64, Outcome)>,
    /// It was stopped before all seeds had run, and not by a violation.
    pub stopped: bool,
}

/// Runs the seeds from `from` on, `count` of them, on so many threads, and stops at the first that fails. Which that is does not depend on
/// the threads: a later seed that fails earlier waits for those before it.
///
/// `go_on` is asked before each seed.
///
/// # Errors
/// If the flaw that is wished for cannot be switched on.
pub fn sweep(
    from: u64,
    count: u64,
    threads: usize,
    wishes: &Wishes,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Result<Sweep, UnknownFlaw> {
    rules(wishes.flaw.as_deref())?;
    let next = AtomicU64::new(0);
    let first_failed = AtomicU64::new(u64::MAX);
    let stopped = AtomicBool::new(false);
    let done: Mutex<Vec<(u64, Done)>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count || index > first_failed.load(Ordering::Relaxed) {
                        return;
                    }
                    if !go_on() {
                        stopped.store(true, Ordering::Relaxed);
                        return;
                    }
                    let scenario = Scenario::from_seed(from.wrapping_add(index), wishes);
                    let Ok(outcome) = run(&scenario, false) else { return };
                    let failed = outcome.violation.is_some();
                    if failed {
                        first_failed.fetch_min(index, Ordering::Relaxed);
                    }
                    let entry = Done { counts: outcome.counts.clone(), failed: failed.then_some(outcome) };
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, entry));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    let mut sweep = Sweep { stopped: stopped.into_inner(), ..Sweep::default() };
    for (expected, (index, entry)) in (0..).zip(done) {
        if index != expected {
            break;
        }
        sweep.seeds += 1;
        sweep.counts.add(&entry.counts);
        if let Some(outcome) = entry.failed {
            sweep.failed = Some((from.wrapping_add(index), outcome));
            sweep.stopped = false;
            break;
        }
    }
    Ok(sweep)
}

struct Done {
    counts: Counts,
    failed: Option<Outcome>,
}
