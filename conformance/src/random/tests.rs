//! Random schedules on the models and on the reference.

use super::*;
use crate::scenario::parse;
use crate::suite::Registry;
use crate::target::model::KraftModel;

fn plan(of: Of, schedules: u32) -> Plan {
    Plan { of, schedules, seed: 1, threads: 2, shrink_max: 2_000 }
}

fn on(target: &str, flaw: Option<&str>, plan: &Plan) -> Outcome {
    let target = Registry::default().open(target, flaw).expect("a target");
    run(&target, plan, &|| true).expect("a run")
}

fn holds(target: &str, plan: &Plan) {
    let outcome = on(target, None, plan);
    assert!(outcome.found.is_none(), "{target}: {:?}", outcome.found);
    assert_eq!(outcome.incomplete, None, "{target}");
    assert_eq!(outcome.counts.schedules, u64::from(plan.schedules));
}

#[test]
fn model_and_reference_hold() {
    holds("model", &plan(Of::Quorums, 300));
    holds("reference", &plan(Of::Quorums, 300));
    holds("reference", &plan(Of::Clusters, 100));
}

#[test]
fn flaw_of_the_model_is_found_and_its_scenario_fails_again_as_it_is_written() {
    for (flaw, schedules) in [("A03", 400), ("A06", 100), ("A08", 100), ("E07", 100), ("E40", 50)] {
        let found = on("model", Some(flaw), &plan(Of::Quorums, schedules)).found;
        let found = found.unwrap_or_else(|| panic!("{flaw} survives {schedules} schedules"));
        let text = found.scenario.to_string();
        let again =
            play(&parse(&text).expect("a scenario"), &mut KraftModel::with_flaw(flaw).expect("a flaw"), 1);
        assert_eq!(again.verdict, found.played.verdict, "{flaw}\n{text}");
        let Verdict::Fail(failure) = &again.verdict else { panic!("{flaw}: {:?}", again.verdict) };
        assert_eq!(found.scenario.clauses, failure.invariant.clone().into_iter().collect::<Vec<_>>());
        let sound = play(&found.scenario, &mut KraftModel::default(), 1).verdict;
        assert!(!matches!(sound, Verdict::Fail(_)), "{flaw}: {sound:?} without it");
    }
}

/// How many schedules each flaw of the reference's quorum core takes at most, of the seed 1. The others are in `specs/conformance.md`.
#[cfg(feature = "flaws")]
#[test]
fn flaws_of_the_reference_are_found_within_so_many_schedules() {
    let table = [
        ("A01", 400),
        ("A03", 400),
        ("A06", 50),
        ("A07", 100),
        ("A08", 50),
        ("A14", 100),
        ("A17", 50),
        ("A30", 100),
        ("E04", 50),
        ("E07", 50),
        ("E40", 50),
        ("E41", 50),
    ];
    for (flaw, schedules) in table {
        let outcome = on("reference", Some(flaw), &Plan { shrink_max: 0, ..plan(Of::Quorums, schedules) });
        assert!(outcome.found.is_some(), "{flaw} survives {schedules} schedules: {}", outcome.counts);
    }
}

#[test]
fn same_seed_finds_the_same_whatever_the_number_of_threads() {
    let with = |threads| on("model", Some("A06"), &Plan { threads, ..plan(Of::Quorums, 100) }).found;
    let (one, four) = (with(1).expect("a failure"), with(4).expect("a failure"));
    assert_eq!((one.number, one.scenario), (four.number, four.scenario));
    let other = on("model", Some("A06"), &Plan { seed: 2, ..plan(Of::Quorums, 100) }).found;
    assert_ne!(other.expect("a failure").number, 0);
}

#[test]
fn schedule_is_short_so_that_no_step_can_be_left_out() {
    let found = on("model", Some("E07"), &plan(Of::Quorums, 100)).found.expect("a failure");
    assert!(found.scenario.steps.len() < found.steps, "{}", found.scenario);
    for place in 0..found.scenario.steps.len() {
        let mut fewer = found.scenario.clone();
        fewer.steps.remove(place);
        let verdict = play(&fewer, &mut KraftModel::with_flaw("E07").expect("a flaw"), 1).verdict;
        assert!(!matches!(verdict, Verdict::Fail(_)), "step {place} of\n{}is not needed", found.scenario);
    }
}

#[test]
fn run_that_is_stopped_or_in_which_nothing_happens_is_no_pass() {
    let model = Registry::default().open("model", None).expect("the model");
    let stopped = run(&model, &plan(Of::Quorums, 10), &|| false).expect("a run");
    assert_eq!(stopped.incomplete.as_deref(), Some("interrupted"));
    let refused = run(&model, &plan(Of::Clusters, 10), &|| true).expect_err("no clusters");
    assert_eq!(refused, "model has no cluster, which random schedules need");
    let report = report(&model, &plan(Of::Quorums, 10), &stopped, 0.0);
    assert_eq!(report.outcome, crate::report::Outcome::Incomplete);
}

#[test]
fn step_that_cannot_be_taken_is_passed_over_where_only_invariants_judge() {
    let text = "title: t\nquorum: n1 n2 n3\njudge: invariants\n\ndeliver vote n1 -> n2\ncampaign n1\n";
    let scenario = parse(text).expect("a scenario");
    let played = play(&scenario, &mut KraftModel::default(), 1);
    assert_eq!(played.verdict, Verdict::Pass);
    assert!(
        matches!(&played.scenes[0].acts[..], [Act::PassedOver(because)] if because.contains("nothing under way"))
    );
    let strict = Scenario { judge: Judge::Steps, ..scenario.clone() };
    assert!(matches!(play(&strict, &mut KraftModel::default(), 1).verdict, Verdict::Fail(_)));
    let nothing = Scenario { steps: scenario.steps[..1].to_vec(), ..scenario };
    let verdict = play(&nothing, &mut KraftModel::default(), 1).verdict;
    assert!(matches!(verdict, Verdict::Inconclusive { .. }), "{verdict:?}");
}

#[test]
fn expectation_judges_even_where_only_invariants_do() {
    let text = "title: t\nquorum: n1 n2 n3\njudge: invariants\n\ncampaign n1\nexpect n1 follower\n";
    let verdict = play(&parse(text).expect("a scenario"), &mut KraftModel::default(), 1).verdict;
    assert!(matches!(&verdict, Verdict::Fail(failure) if failure.line == 6), "{verdict:?}");
}
