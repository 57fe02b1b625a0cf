//! Worlds from seeds hold, repeat themselves, and find what is planted.

use highwater_simulation::scenario::{Fault, Operation, What};
use highwater_simulation::{Profile, Scenario, UnknownFlaw, Wishes, run, sweep};

fn wishes() -> Wishes {
    Wishes::default()
}

#[test]
fn seeds_of_every_profile_hold_and_settle() {
    for profile in Profile::ALL {
        let wishes = Wishes { profile: Some(profile), ..wishes() };
        let sweep = sweep(0, 12, 2, &wishes, &|| true).expect("no flaw");
        let failed = sweep.failed.map(|(seed, outcome)| (seed, outcome.place, outcome.violation));
        assert_eq!(failed, None, "{}", profile.name());
        assert_eq!((sweep.seeds, sweep.counts.settled), (12, 12), "{}", profile.name());
    }
}

#[test]
fn worlds_are_not_vacuous() {
    let counts = sweep(100, 40, 2, &wishes(), &|| true).expect("no flaw").counts;
    assert!(counts.steps >= 40 * 2_000, "{counts:?}");
    for (what, count, least) in [
        ("elections of the quorum", counts.quorum_elections, 80),
        ("elections of partitions", counts.partition_elections, 100),
        ("metadata", counts.metadata_batches, 400),
        ("truncations", counts.truncations, 20),
        ("restarts", counts.restarts, 80),
        ("restarts with loss", counts.lossy_restarts, 5),
        ("acknowledged", counts.acknowledged, 1_000),
        ("read", counts.read, 1_000),
    ] {
        assert!(count >= least, "{what}: {count}, expected {least} at least; {counts:?}");
    }
    for kind in ["cut", "one-way cut", "crash", "power loss", "pause", "lost message", "late message"] {
        assert!(counts.faults.get(kind).is_some_and(|&count| count > 0), "no {kind}: {:?}", counts.faults);
    }
}

#[test]
fn idempotent_producers_send_again_what_is_not_acknowledged() {
    let wishes = Wishes { profile: Some(Profile::Retries), ..wishes() };
    let counts = sweep(100, 40, 2, &wishes, &|| true).expect("no flaw").counts;
    assert!(counts.repeated >= 40, "{counts:?}");
    assert!(counts.truncations >= 20 && counts.restarts >= 80, "{counts:?}");
}

#[test]
fn same_seed_is_the_same_run() {
    for seed in [3, 17, 40] {
        let scenario = Scenario::from_seed(seed, &wishes());
        let (one, other) = (run(&scenario, true).expect("runs"), run(&scenario, true).expect("runs"));
        assert_eq!(one.trace, other.trace, "seed {seed}");
        assert_eq!(one.counts, other.counts, "seed {seed}");
        assert!(one.trace.is_some_and(|trace| trace.lines().count() > 1_000), "seed {seed}");
    }
}

#[test]
fn threads_change_nothing() {
    let one = sweep(0, 16, 1, &wishes(), &|| true).expect("no flaw");
    let three = sweep(0, 16, 3, &wishes(), &|| true).expect("no flaw");
    assert_eq!(one.counts, three.counts);
    assert_eq!(one.seeds, three.seeds);
}

#[test]
fn written_scenario_runs_as_the_drawn_one() {
    for seed in [5, 23, 31] {
        let drawn = run(&Scenario::from_seed(seed, &wishes()), false).expect("runs");
        let written = Scenario { script: Some(drawn.script.clone()), ..drawn.scenario.clone() };
        let read = Scenario::from_json(&written.to_json()).expect("what was written can be read");
        assert_eq!(read, written);
        let again = run(&read, false).expect("runs");
        assert_eq!((again.place, again.counts), (drawn.place, drawn.counts), "seed {seed}");
    }
}

#[test]
fn scenario_of_another_version_is_refused() {
    let scenario = Scenario::from_seed(1, &wishes());
    let text = scenario.to_json().replacen("\"version\": 1", "\"version\": 9", 1);
    let refused = Scenario::from_json(&text).expect_err("another version");
    assert!(refused.contains("version 9") && refused.contains("version 1"), "{refused}");
    assert!(Scenario::from_json("{}").is_err());
    let text = scenario.to_json().replacen("\"seed\"", "\"sead\"", 1);
    assert!(Scenario::from_json(&text).expect_err("an unknown field").contains("sead"));
}

#[test]
fn swarm_turns_different_things_on() {
    let kinds = |seed: u64| {
        let rates = Scenario::from_seed(seed, &wishes()).shape.rates;
        (rates.lost_permille > 0, rates.crash_every_ms > 0, rates.pause_every_ms > 0, rates.cut_every_ms > 0)
    };
    let distinct: std::collections::BTreeSet<_> = (0..200).map(kinds).collect();
    assert_eq!(distinct.len(), 16, "every part of these four kinds comes up alone and together");
}

/// n3 is cut off, n2 loses its tail in a crash, and n1 stops in good order: n2 is all that is left of the ISR.
#[test]
fn last_member_of_the_isr_that_lost_its_tail_lost_it_by_right() {
    let scenario = Scenario::from_json(include_str!("scenarios/last_member_lost_its_tail.json"));
    let outcome = run(&scenario.expect("a scenario"), false).expect("runs");
    assert_eq!(outcome.violation, None);
    assert!(outcome.counts.tainted.contains_key("the last in-sync replica lost its tail"), "{outcome:?}");
}

/// Who led last is elected when nobody is eligible any more; if no disk lost anything, then nothing is lost by right.
#[test]
fn crashes_without_loss_taint_nothing() {
    let wishes = Wishes { profile: Some(Profile::Leaders), ..wishes() };
    let counts = sweep(100, 60, 2, &wishes, &|| true).expect("no flaw").counts;
    assert!(counts.faults["crash"] > 0 && !counts.faults.contains_key("power loss"), "{counts:?}");
    assert!(counts.forsaken > 0 && counts.tainted.is_empty(), "{counts:?}");
}

#[test]
fn happenings_have_every_kind_of_fault() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let outcome = run(&Scenario::from_seed(seed, &wishes()), false).expect("runs");
        for happening in outcome.script.happenings {
            match happening.what {
                What::Fault(fault) => seen.insert(fault_name(&fault)),
                What::Operation { wants, .. } => seen.insert(operation_name(&wants)),
            };
        }
    }
    for expected in
        ["cut", "crash", "shut down", "pause", "produce", "consume", "elect", "create", "configure"]
    {
        assert!(seen.contains(expected), "{expected} never happened: {seen:?}");
    }
}

fn fault_name(fault: &Fault) -> &'static str {
    match fault {
        Fault::Cut { .. } => "cut",
        Fault::Crash { .. } => "crash",
        Fault::ShutDown { .. } => "shut down",
        Fault::Pause { .. } => "pause",
        Fault::Jump { .. } => "jump",
        Fault::DiskFull { .. } => "full",
        Fault::FlushFails { .. } => "flush",
        Fault::ReadFails { .. } => "read",
        Fault::Wipe { .. } => "wipe",
    }
}

fn operation_name(operation: &Operation) -> &'static str {
    match operation {
        Operation::Produce { .. } => "produce",
        Operation::Consume { .. } => "consume",
        Operation::CreateTopic { .. } => "create",
        Operation::DeleteTopic { .. } => "delete",
        Operation::GrowTopic { .. } => "grow",
        Operation::Elect { .. } => "elect",
        Operation::Configure { .. } => "configure",
    }
}

#[cfg(not(feature = "flaws"))]
#[test]
fn flaw_is_refused_where_there_is_none() {
    let wishes = Wishes { flaw: Some("A01".to_owned()), ..wishes() };
    let refused = sweep(0, 1, 1, &wishes, &|| true).expect_err("no flaws in this build");
    assert_eq!(refused, UnknownFlaw::NotBuilt("A01".to_owned()));
    assert!(refused.to_string().contains("--features flaws"), "{refused}");
}

#[cfg(feature = "flaws")]
#[test]
fn unknown_flaw_is_refused_with_those_that_there_are() {
    let wishes = Wishes { flaw: Some("Z99".to_owned()), ..wishes() };
    let refused = sweep(0, 1, 1, &wishes, &|| true).expect_err("no such flaw");
    assert_eq!(refused, UnknownFlaw::Id("Z99".to_owned()));
    assert!(refused.to_string().contains("A01"), "{refused}");
}
