//! Many cases on one target.
//!
//! ```no_run
//! use highwater_conformance::suite::{self, Target};
//! use highwater_conformance::target::model::KraftModel;
//!
//! // Whoever implements `Builder` for a system of their own holds it to the suite with this, in one test.
//! suite::conforms(&Target::new("mine", 2, || Ok(Box::new(KraftModel::default())))).unwrap();
//! ```
//!
//! # What a run comes to
//! | of a case | when | the run |
//! |---|---|---|
//! | pass | all went as it says | holds |
//! | fail | a MUST does not hold, or a SHOULD under `strict` | is violated |
//! | fail | a SHOULD or a choice that varies | holds: it is reported |
//! | xfail | it fails as expected | holds |
//! | xpass | it passes against expectation: the file of expected failures is out of date | is violated |
//! | skip | the target lacks what it needs | holds, if something else was played |
//! | inconclusive | the target itself failed | is incomplete |
//!
//! A violation counts more than what could not be told. A run in which nothing was played is incomplete, never a pass.
//!
//! Each case gets a fresh system, and results stand in the order of the cases, whatever thread played them. A case that panics fails, and the
//! others go on; a builder that panicked is not used again.
//!
//! # Not here
//! Randomised schedules: see [`random`](crate::random).

#[cfg(feature = "flaws")]
pub mod kill;
pub mod registry;
mod select;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

pub use registry::{Kind, Registry, Target, Wish};
pub use select::{Expected, Item, about, all, expected_failures, group, select};

use crate::play::{self, Act, Failure, Played, panic_message, play};
use crate::report::{CaseReport, Report, Verdict, quoted, story, terminal};
use crate::scenario::{Demand, Scenario};
use crate::target::Builder;

/// How a run goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// For all chance in the systems.
    pub seed: u64,
    /// Whether a SHOULD that does not hold is a violation.
    pub strict: bool,
    /// How many cases are played at once, if the target can.
    pub threads: usize,
    /// Cases that are expected to fail, each with the reason.
    pub expected: Expected,
    /// How a case is repeated, where it is not by `highwater conformance`: without target, flaw and seed, which follow.
    pub command: Option<String>,
    /// Whether a case that passes is told as a story, too.
    pub tell_all: bool,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { seed: 1, strict: false, threads, expected: Expected::new(), command: None, tell_all: false }
    }
}

/// Who watches a run.
pub trait Observer: Sync {
    /// A case was played; `done` of `total` are.
    fn played(&self, _case: &CaseReport, _done: usize, _total: usize) {}

    /// Whether the next case is to begin.
    fn goes_on(&self) -> bool {
        true
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Plays `items` on a target.
///
/// # Errors
/// If the target cannot be reached: its address, and the cause.
pub fn run(
    target: &Target,
    items: &[Item],
    options: &Options,
    observer: &dyn Observer,
) -> Result<Report, String> {
    // Before anything is played: whoever mistyped an address wants to hear of that, and of nothing else.
    let first = target.builder()?;
    let threads = options.threads.min(target.at_once).min(items.len()).max(1);
    let shared =
        Shared { target, items, options, observer, next: AtomicUsize::new(0), done: AtomicUsize::new(0) };
    let results: Mutex<Vec<Option<CaseReport>>> = Mutex::new(vec![None; items.len()]);
    let keep = |place: usize, case: CaseReport| {
        results.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(case);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| shared.work(None, &keep));
        }
        shared.work(Some(first), &keep);
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let cases = results.into_iter().zip(items).map(|(case, item)| {
        case.unwrap_or_else(|| {
            let verdict =
                play::Verdict::Inconclusive { because: "not begun: the run was interrupted".to_owned() };
            shared.told(item, &Played { verdict, scenes: Vec::new(), events: Vec::new() }, 0.0)
        })
    });
    let flaw = target.flaw.as_deref();
    Ok(Report::of(&target.name, flaw, options.seed, options.strict, cases.collect()))
}

/// Holds a target to all cases: for a test.
///
/// # Errors
/// What a terminal would be told, if anything is violated, could not be told, or nothing was played.
pub fn conforms(target: &Target) -> Result<Report, String> {
    let report = run(target, &all()?, &Options::default(), &Silent)?;
    match report.outcome {
        crate::report::Outcome::Holds => Ok(report),
        _ => Err(terminal::render(&report)),
    }
}

struct Shared<'a> {
    target: &'a Target,
    items: &'a [Item],
    options: &'a Options,
    observer: &'a dyn Observer,
    next: AtomicUsize,
    done: AtomicUsize,
}

impl Shared<'_> {
    /// Plays what is next until nothing is.
    fn work(&self, first: Option<Box<dyn Builder>>, keep: &dyn Fn(usize, CaseReport)) {
        let mut builder = first.map(Ok);
        while self.observer.goes_on() {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = self.items.get(place) else { return };
            let began = Instant::now();
            let played = match builder.take().unwrap_or_else(|| self.target.builder()) {
                Ok(usable) => {
                    let (played, kept) = play_caught(&item.scenario, usable, self.options.seed);
                    builder = kept.map(Ok);
                    played
                }
                Err(because) => Played {
                    verdict: play::Verdict::Inconclusive { because },
                    scenes: Vec::new(),
                    events: Vec::new(),
                },
            };
            let case = self.told(item, &played, began.elapsed().as_secs_f64());
            let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
            self.observer.played(&case, done, self.items.len());
            keep(place, case);
        }
    }

    fn told(&self, item: &Item, played: &Played, seconds: f64) -> CaseReport {
        let Item { id, scenario, text } = item;
        let reason = self.options.expected.get(id);
        let (verdict, because) = match (&played.verdict, reason) {
            (play::Verdict::Pass, None) => (Verdict::Pass, passed_over(played)),
            (play::Verdict::Pass, Some(reason)) => (
                Verdict::Xpass,
                Some(format!("expected to fail ({reason}); take it off the list of expected failures")),
            ),
            (play::Verdict::Fail(_), None) => (Verdict::Fail, None),
            (play::Verdict::Fail(_), Some(reason)) => (Verdict::Xfail, Some(reason.clone())),
            (play::Verdict::Skip { because }, _) => (Verdict::Skip, Some(because.clone())),
            (play::Verdict::Inconclusive { because }, _) => (Verdict::Inconclusive, Some(because.clone())),
        };
        let at_stake = match scenario.demand {
            Demand::Must => true,
            Demand::Should => self.options.strict,
            Demand::Varies => false,
        };
        let repeat = self.repeat(id);
        let failure = match &played.verdict {
            play::Verdict::Fail(failure) => Some(failure.clone()),
            _ => None,
        };
        let is_told = failure.is_some() || self.options.tell_all && !played.scenes.is_empty();
        let subject = story::Subject { id, scenario, target: self.target, repeat: &repeat };
        CaseReport {
            id: id.clone(),
            title: scenario.title.clone(),
            clauses: scenario.clauses.clone(),
            source: scenario.source.clone(),
            demand: scenario.demand,
            verdict,
            violates: verdict == Verdict::Xpass || verdict == Verdict::Fail && at_stake,
            because,
            story: is_told.then(|| story::tell(&subject, played)),
            events: if self.options.tell_all { played.events.clone() } else { Vec::new() },
            failure,
            repeat,
            seconds,
            scenario: text.clone(),
        }
    }

    /// The command that plays a case again.
    fn repeat(&self, id: &str) -> String {
        let Target { name, flaw, .. } = self.target;
        let seed = self.options.seed;
        let flaw = flaw.as_ref().map_or_else(String::new, |flaw| format!(" --flaw {}", quoted(flaw)));
        let rest = format!("--target {}{flaw} --seed {seed}", quoted(name));
        match &self.options.command {
            Some(command) => format!("{command} {rest}"),
            None => format!("highwater conformance {rest} {}", quoted(id)),
        }
    }
}

/// What could not be taken of a scenario that only invariants judge. A pass says less then.
fn passed_over(played: &Played) -> Option<String> {
    let mut steps = Vec::new();
    for scene in &played.scenes {
        for act in &scene.acts {
            if let Act::PassedOver(because) = act {
                steps.push(format!("{}: {because}", scene.step));
            }
        }
    }
    let (count, all) = (steps.len(), played.scenes.len());
    let first = steps.first()?;
    Some(format!("{count} of {all} steps could not be taken here, and were passed over; first {first}"))
}

/// Plays a scenario. A panic of whatever is not a step of it (the player sees to those) fails it too, and costs the builder.
pub fn play_caught(
    scenario: &Scenario,
    mut builder: Box<dyn Builder>,
    seed: u64,
) -> (Played, Option<Box<dyn Builder>>) {
    let played = catch_unwind(AssertUnwindSafe(|| play(scenario, builder.as_mut(), seed)));
    match played {
        Ok(played) => (played, Some(builder)),
        Err(panic) => {
            let failure = Failure {
                line: 0,
                step: "before the first step".to_owned(),
                found: format!("a panic: {}", panic_message(panic.as_ref())),
                expected: "none".to_owned(),
                invariant: None,
            };
            (Played { verdict: play::Verdict::Fail(failure), scenes: Vec::new(), events: Vec::new() }, None)
        }
    }
}

#[cfg(test)]
mod tests;
