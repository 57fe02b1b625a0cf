//! The suite's cases of clusters on a target.

use std::time::{Duration, Instant};

use highwater_conformance::case::cases;
use highwater_conformance::play::{Verdict, play};
use highwater_conformance::scenario::Demand;
use highwater_conformance::suite;
use highwater_conformance::target::Builder;

/// Plays all cases of clusters, or those that `HIGHWATER_CASES` names. Fails if a MUST does not hold that is not expected to fail, or one holds that is,
/// or a case could not be judged, or all takes longer than it may.
pub(crate) fn hold(builder: &mut dyn Builder, expected_failures: &str, within: Duration) {
    let only = std::env::var("HIGHWATER_CASES").unwrap_or_default();
    let only: Vec<&str> = only.split(',').filter(|id| !id.is_empty()).collect();
    let items = suite::all().unwrap_or_else(|error| panic!("{error}"));
    let expected = suite::expected_failures(expected_failures, &items);
    let expected = expected.unwrap_or_else(|error| panic!("the expected failures: {error}"));
    let began = Instant::now();
    let (mut passed, mut skipped, mut failed) = (0, 0, Vec::new());
    for case in cases().unwrap_or_else(|(id, error)| panic!("{id}: {error}")) {
        if !case.scenario.is_of_cluster() || !(only.is_empty() || only.contains(&case.id)) {
            continue;
        }
        let start = Instant::now();
        let played = play(&case.scenario, builder, 1);
        let took = start.elapsed().as_secs_f64();
        match played.verdict {
            Verdict::Pass if expected.contains_key(case.id) => {
                println!("{} PASSED, {took:.1} s", case.id);
                failed.push(format!("{}: it passes, though it is expected to fail; take it out", case.id));
            }
            Verdict::Pass => {
                passed += 1;
                println!("{} passed, {took:.1} s", case.id);
            }
            Verdict::Skip { because } => {
                skipped += 1;
                println!("{} SKIPPED: {because}", case.id);
            }
            Verdict::Fail(failure) if case.scenario.demand != Demand::Must => {
                println!("{} differs, {took:.1} s: {failure}", case.id);
            }
            Verdict::Fail(failure) if expected.contains_key(case.id) => {
                passed += 1;
                println!("{} fails as expected, {took:.1} s: {failure}", case.id);
            }
            Verdict::Fail(failure) => {
                println!("{} FAILED, {took:.1} s: {failure}", case.id);
                for scene in &played.scenes {
                    println!("  {}: {:?}", scene.step, scene.acts);
                }
                failed.push(format!("{}: {failure}", case.id));
            }
            Verdict::Inconclusive { because } => {
                println!("{} INCONCLUSIVE, {took:.1} s: {because}", case.id);
                failed.push(format!("{}: {because}", case.id));
            }
        }
    }
    let took = began.elapsed();
    println!(
        "{}: {passed} passed, {skipped} skipped, {} failed, in {} s",
        builder.name(),
        failed.len(),
        took.as_secs()
    );
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), builder.name(), failed.join("\n"));
    assert!(only.len() == passed + skipped || only.is_empty(), "expected the cases {only:?}, found others");
    assert!(passed > 0, "no case of clusters was played");
    assert!(took < within, "found {took:?}, expected at most {within:?}");
}
