//! Random schedules: what nobody thought of, on any target, judged by the invariants alone.
//!
//! A schedule is drawn as a list of acts ([`draw`]), by proptest and from a seed. It is played on a fresh system, and while it is played it is resolved: each
//! draw becomes a step of the [language](crate::scenario) that makes sense in that state, or nothing. What was taken is a plain scenario. All invariants
//! of the suite are asked after each act ([`play::invariant`](crate::play::invariant); of clusters those of
//! [`history`](crate::play::cluster::history), and that all that was acknowledged is read in the end).
//!
//! # A failure
//! The first schedule that fails, by number and whatever the number of threads, is made short in two stages (`shrink`): proptest's shrinking takes draws
//! away, each time played anew; then steps are taken out of the plain scenario while it still breaks the same invariant. What is left is
//! written with `judge: invariants`, so that it can be played on other systems as well, and it is played once more as it is written.
//!
//! # What passes
//! A run that could not do what it is about proves nothing: it is incomplete unless there were leaders and records ([`Counts`]).
//!
//! # What is not here
//! Liveness of quorums: that a leader is elected in the end is not asked, only that nothing wrong happens. Expectations. More than five voters. Learning
//! from coverage: schedules do not depend on what earlier ones reached.

pub mod cluster;
pub mod draw;
mod report;
mod shrink;
#[cfg(test)]
mod tests;

pub use report::report;

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::play::{Act, Improvised, Played, Situation, Verdict, improvise, panic_message, play};
use crate::scenario::{self, Judge, Line, Member, Role, Scenario, Step};
use crate::suite::Target;
use crate::target::{Builder, Capability};

/// What schedules are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Quorums of three and five voters.
    Quorums,
    /// Clusters of three brokers.
    Clusters,
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What schedules are of.
    pub of: Of,
    /// How many.
    pub schedules: u32,
    /// For all chance: the draws, and the systems.
    pub seed: u64,
    /// How many are played at once, if the target can.
    pub threads: usize,
    /// How many plays shrinking may take.
    pub shrink_max: u32,
}

/// What there was of what, in all schedules together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Schedules that were played.
    pub schedules: u64,
    /// Steps that were taken.
    pub steps: u64,
    /// Steps that could not be.
    pub passed_over: u64,
    /// Epochs that had a leader; of clusters, records that were sent.
    pub leaders: u64,
    /// Clients' records that were committed, or acknowledged.
    pub records: u64,
    /// Nodes that ended.
    pub stops: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schedules, steps, passed_over, leaders, records, stops } = self;
        write!(
            f,
            "{schedules} schedules, {steps} steps, {passed_over} more that could not be taken; {leaders} leaders, {records} records committed, {stops} nodes stopped"
        )
    }
}

/// A schedule that fails.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its number, from 1.
    pub number: u32,
    /// How many steps it had at first.
    pub steps: usize,
    /// How many plays shrinking took.
    pub plays: u32,
    /// What is left.
    pub scenario: Scenario,
    /// What came of it, played as it is written.
    pub played: Played,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What there was.
    pub counts: Counts,
    /// The first that fails.
    pub found: Option<Found>,
    /// Why not all could be told.
    pub incomplete: Option<String>,
}

/// Plays schedules until one fails, or `goes_on` says no.
///
/// # Errors
/// If the target cannot be reached, or offers nothing that could be played.
pub fn run(target: &Target, plan: &Plan, goes_on: &(dyn Fn() -> bool + Sync)) -> Result<Outcome, String> {
    let first = target.builder()?;
    let can = first.capabilities();
    let needed: &[Capability] = match plan.of {
        Of::Quorums => &[Capability::Quorum, Capability::Timers, Capability::Messages],
        Of::Clusters => &[Capability::Cluster, Capability::Processes, Capability::Links],
    };
    if let Some(missing) = needed.iter().find(|one| !can.contains(one)) {
        return Err(format!("{} has no {missing}, which random schedules need", target.name));
    }
    let shared =
        Shared { target, plan, can, next: AtomicU32::new(1), least: AtomicU32::new(u32::MAX), goes_on };
    let results = Results::default();
    let threads = plan.threads.min(target.at_once).max(1);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| shared.work(None, &results));
        }
        shared.work(Some(first), &results);
    });
    let Tally { counts, failed, mut incomplete } =
        results.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !goes_on() {
        incomplete.get_or_insert_with(|| "interrupted".to_owned());
    }
    let found = match failed {
        Some((number, failed)) => Some(shared.shrunk(number, failed)?),
        None => None,
    };
    if found.is_none() && (counts.leaders == 0 || counts.records == 0) {
        incomplete.get_or_insert_with(|| format!("nothing happened in them: {counts}"));
    }
    Ok(Outcome { counts, found, incomplete })
}

/// What a schedule begins with.
fn head(plan: &Plan, can: &BTreeSet<Capability>, number: u32) -> Scenario {
    let mut scenario = Scenario {
        title: format!("Random schedule {number} of the seed {}", plan.seed),
        judge: Judge::Invariants,
        ..Scenario::default()
    };
    match plan.of {
        Of::Quorums => {
            // One in four has five voters, of each mix.
            let voters = if number % 16 < 4 { 5 } else { 3 };
            scenario.quorum = (1..=voters).map(Member).collect();
            let chooses = can.contains(&Capability::PreVote) && can.contains(&Capability::NoPreVote);
            scenario.pre_vote = chooses.then_some(number.is_multiple_of(3));
        }
        Of::Clusters => cluster::head(&mut scenario),
    }
    scenario
}

/// A schedule that fails.
struct Failed {
    head: Scenario,
    improvised: Improvised,
}

/// The draws of a schedule.
#[derive(Debug, Clone)]
enum Drawn {
    Quorum(Vec<draw::Draw>),
    Cluster(Vec<cluster::Draw>),
}

impl Drawn {
    fn play(&self, head: &Scenario, builder: &mut dyn Builder, seed: u64) -> Improvised {
        match self {
            Self::Quorum(draws) => {
                let mut resolver = draw::Resolver::new(draws);
                improvised(head, builder, seed, &mut |at| resolver.next(at))
            }
            Self::Cluster(draws) => {
                let mut resolver = cluster::Resolver::new(draws);
                improvised(head, builder, seed, &mut |at| resolver.next(at))
            }
        }
    }
}

/// Plays, and takes a panic outside of steps for a failure of the target.
fn improvised(
    head: &Scenario,
    builder: &mut dyn Builder,
    seed: u64,
    next: &mut dyn FnMut(&Situation) -> Option<Step>,
) -> Improvised {
    let played = catch_unwind(AssertUnwindSafe(|| improvise(head, builder, seed, next)));
    played.unwrap_or_else(|panic| {
        let because = format!("a panic outside of any step: {}", panic_message(panic.as_ref()));
        let verdict = Verdict::Inconclusive { because };
        Improvised { played: Played { verdict, scenes: Vec::new(), events: Vec::new() }, taken: Vec::new() }
    })
}

struct Shared<'a> {
    target: &'a Target,
    plan: &'a Plan,
    can: BTreeSet<Capability>,
    next: AtomicU32,
    /// The least number of a schedule that failed.
    least: AtomicU32,
    goes_on: &'a (dyn Fn() -> bool + Sync),
}

/// What all threads together have come to.
#[derive(Default)]
struct Tally {
    counts: Counts,
    /// The failure with the least number.
    failed: Option<(u32, Failed)>,
    incomplete: Option<String>,
}

type Results = Mutex<Tally>;

impl Shared<'_> {
    /// Plays what is next until nothing is, or one with a lesser number has failed.
    fn work(&self, first: Option<Box<dyn Builder>>, results: &Results) {
        let mut first = first;
        let Some(mut builder) = first.take().or_else(|| self.target.builder().ok()) else {
            self.keep(results, |results| {
                results.incomplete = Some("the target cannot be reached any more".to_owned())
            });
            return;
        };
        while (self.goes_on)() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number > self.plan.schedules || number > self.least.load(Ordering::Relaxed) {
                return;
            }
            let tree = self.draw(number);
            let mut head = head(self.plan, &self.can, number);
            let mut improvised = tree.current().play(&head, builder.as_mut(), self.plan.seed);
            if matches!(improvised.played.verdict, Verdict::Skip { .. }) && head.quorum.len() > 3 {
                // There is no room for five.
                head.quorum.truncate(3);
                improvised = tree.current().play(&head, builder.as_mut(), self.plan.seed);
            }
            self.keep(results, |Tally { counts, failed, incomplete }| {
                counts.add(&improvised);
                match &improvised.played.verdict {
                    Verdict::Pass => {}
                    Verdict::Fail(_) => {
                        self.least.fetch_min(number, Ordering::Relaxed);
                        if failed.as_ref().is_none_or(|(other, _)| number < *other) {
                            *failed = Some((number, Failed { head, improvised }));
                        }
                    }
                    Verdict::Skip { because } | Verdict::Inconclusive { because } => {
                        incomplete.get_or_insert_with(|| format!("schedule {number}: {because}"));
                    }
                }
            });
        }
    }

    fn keep(&self, results: &Results, change: impl FnOnce(&mut Tally)) {
        change(&mut results.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The draws of a schedule: they depend on the seed and the number alone.
    fn draw(&self, number: u32) -> Box<dyn ValueTree<Value = Drawn>> {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.plan.seed.to_le_bytes());
        seed[8..12].copy_from_slice(&number.to_le_bytes());
        let config = Config { failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let drawn = match self.plan.of {
            Of::Quorums => draw::draws(&self.can, draw::Mix::of(number)).prop_map(Drawn::Quorum).boxed(),
            Of::Clusters => cluster::draws(&self.can).prop_map(Drawn::Cluster).boxed(),
        };
        drawn.new_tree(&mut runner).expect("nothing is filtered out, so that there always is one")
    }

    /// A schedule that fails, made short, and played once more as it is written.
    fn shrunk(&self, number: u32, failed: Failed) -> Result<Found, String> {
        let Failed { head, improvised } = failed;
        let steps = improvised.taken.len();
        let clause = match &improvised.played.verdict {
            Verdict::Fail(failure) => failure.invariant.clone(),
            _ => None,
        };
        let mut shrinker = shrink::Shrinker {
            target: self.target,
            builder: self.target.builder()?,
            seed: self.plan.seed,
            left: self.plan.shrink_max,
            goes_on: self.goes_on,
        };
        let (head, taken) = shrinker.shrink(head, self.draw(number), improvised)?;
        let plays = self.plan.shrink_max - shrinker.left;
        let lines = taken.into_iter().map(|step| Line { line: 0, step });
        let mut scenario = Scenario { steps: lines.collect(), ..head };
        if let Some(clause) = clause {
            scenario.clauses.push(clause);
        }
        // As whoever reads the text will have it.
        let scenario = scenario::parse(&scenario.to_string())
            .map_err(|error| format!("the schedule cannot be written down: {error}"))?;
        let mut builder = self.target.builder()?;
        let played = play(&scenario, builder.as_mut(), self.plan.seed);
        Ok(Found { number, steps, plays, scenario, played })
    }
}

impl Counts {
    fn add(&mut self, improvised: &Improvised) {
        let mut leaders: BTreeSet<u64> = BTreeSet::new();
        let mut records: BTreeSet<&str> = BTreeSet::new();
        self.schedules += 1;
        self.steps += improvised.taken.len() as u64;
        for scene in &improvised.played.scenes {
            for view in scene.views.values().flatten() {
                if view.role == Role::Leader {
                    leaders.insert(view.epoch);
                }
                let committed = usize::try_from(view.committed.saturating_sub(view.log_start)).unwrap_or(0);
                records.extend(view.log.iter().take(committed).filter_map(|entry| entry.value.as_deref()));
            }
            for act in &scene.acts {
                match act {
                    Act::PassedOver(_) => self.passed_over += 1,
                    Act::Produced(produced) => {
                        leaders.insert(leaders.len() as u64);
                        if matches!(produced.outcome, crate::play::cluster::Outcome::Acknowledged { .. }) {
                            records.insert(&produced.value);
                        }
                    }
                    _ => {}
                }
            }
        }
        let stops = |step: &&Step| matches!(step, Step::Kill { .. } | Step::Crash { .. } | Step::Stop { .. });
        self.stops += improvised.taken.iter().filter(stops).count() as u64;
        self.leaders += leaders.len() as u64;
        self.records += records.len() as u64;
    }
}
