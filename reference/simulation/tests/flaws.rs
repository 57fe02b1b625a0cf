//! What only a build with flaws can show: a planted violation is found, told, shrunk, and replays.
#![cfg(feature = "flaws")]

use highwater_simulation::kill::{TARGETS, kill};
use highwater_simulation::{Profile, Scenario, Wishes, run, shrink, sweep};

/// A vote that is forgotten: two leaders in one epoch within a few seeds.
fn planted() -> highwater_simulation::report::Outcome {
    let wishes =
        Wishes { flaw: Some("A06".to_owned()), profile: Some(Profile::Elections), ..Wishes::default() };
    let sweep = sweep(0, 200, 2, &wishes, &|| true).expect("a flaw");
    sweep.failed.expect("some seed fails").1
}

#[test]
fn planted_violation_shrinks_and_replays() {
    let outcome = planted();
    let shrunk = shrink(&outcome, 400).expect("it failed");
    let (before, after) = (&outcome.script, &shrunk.outcome.script);
    assert!(
        after.happenings.len() + after.mischief.len()
            < (before.happenings.len() + before.mischief.len()).max(1),
        "nothing was left out"
    );
    let of = |outcome: &highwater_simulation::report::Outcome| {
        outcome.violation.as_ref().map(|violation| violation.invariant)
    };
    assert_eq!(of(&shrunk.outcome), of(&outcome));
    let read = Scenario::from_json(&shrunk.written().to_json()).expect("a scenario");
    let again = run(&read, false).expect("runs");
    assert_eq!(again.violation, shrunk.outcome.violation);
    assert_eq!(again.place, shrunk.outcome.place);
}

#[test]
fn first_failing_seed_does_not_depend_on_threads() {
    let wishes =
        Wishes { flaw: Some("A06".to_owned()), profile: Some(Profile::Elections), ..Wishes::default() };
    let failed = |threads: usize| {
        let sweep = sweep(0, 200, threads, &wishes, &|| true).expect("a flaw");
        (sweep.seeds, sweep.counts.clone(), sweep.failed.map(|(seed, outcome)| (seed, outcome.violation)))
    };
    assert_eq!(failed(1), failed(3));
}

#[test]
fn every_flaw_falls_within_its_budget() {
    for target in TARGETS {
        let row = kill(*target, 2).expect("a flaw");
        assert!(row.killed.is_some(), "{} survives {} seeds", target.id, target.seeds);
    }
}
