//! The cases on the models and on the reference.

use super::*;
use highwater_model::family::Family;
use highwater_model::kraft::Kraft;

use crate::case::{Case, cases};
use crate::target::model::KraftModel;
use crate::target::reference::Reference;

/// Cases that a target fails, or cannot play, are told in full.
fn all_pass(builder: &mut dyn Builder, seed: u64) {
    for case in cases().expect("cases that can be read") {
        let played = play(&case.scenario, builder, seed);
        let lacks = ["has no", "has room for", "metadata.log"];
        let may_skip = matches!(&played.verdict, Verdict::Skip { because } if lacks.iter().any(|what| because.contains(what)));
        assert!(
            played.verdict == Verdict::Pass || may_skip,
            "{} on {} with the seed {seed}: {:?}",
            case.id,
            builder.name(),
            played.verdict
        );
    }
}

#[test]
fn model_passes_every_case() {
    all_pass(&mut KraftModel::default(), 1);
}

#[test]
fn reference_passes_every_case_whatever_the_seed() {
    (1..=3).for_each(|seed| all_pass(&mut Reference::default(), seed));
}

#[test]
fn reference_plays_every_case_of_clusters() {
    for case in cases().expect("cases that can be read").iter().filter(|case| case.scenario.is_of_cluster()) {
        assert_eq!(play(&case.scenario, &mut Reference::default(), 1).verdict, Verdict::Pass, "{}", case.id);
    }
}

/// Whether a case fails on a target with this flaw: on the model, on the reference. None where the target has no such flaw.
fn fails(case: &Case, flaw: &str) -> [Option<bool>; 2] {
    let fails =
        |builder: &mut dyn Builder| matches!(play(&case.scenario, builder, 1).verdict, Verdict::Fail(_));
    let model = KraftModel::with_flaw(flaw).ok().map(|mut model| fails(&mut model));
    #[cfg(feature = "flaws")]
    let reference = Reference::with_flaw(flaw).ok().map(|mut reference| fails(&mut reference));
    #[cfg(not(feature = "flaws"))]
    let reference = None;
    [model, reference]
}

/// Every flaw of the model fails a case, but those of which no case can tell.
#[test]
fn no_flaw_of_the_model_survives_the_cases() {
    let cases = cases().expect("cases that can be read");
    let survives = |flaw: &&str| !cases.iter().any(|case| fails(case, flaw)[0].expect("the model has it"));
    let survivors: Vec<&str> = Kraft::flaws().iter().map(|flaw| flaw.id).filter(survives).collect();
    // E09 needs a vote that arrives although the machine of the candidate has failed: here its connections break with it.
    assert_eq!(survivors, ["E09"]);
}

#[cfg(feature = "flaws")]
#[test]
fn case_fails_with_each_flaw_that_it_names() {
    let mut passed = Vec::new();
    for case in cases().expect("cases that can be read") {
        let passes = |flaw: &&String| !fails(&case, flaw).contains(&Some(true));
        let kills = case.scenario.kills.iter().filter(passes);
        passed.extend(kills.map(|flaw| format!("{} with {flaw}", case.id)));
    }
    assert!(passed.is_empty(), "{passed:?} pass");
}

#[cfg(feature = "flaws")]
#[test]
fn no_flaw_of_the_reference_survives_the_cases() {
    let cases = cases().expect("cases that can be read");
    let survives = |flaw: &&str| !cases.iter().any(|case| fails(case, flaw)[1] == Some(true));
    let survivors: Vec<&str> = highwater_simulation::flaws().map(|(id, _)| id).filter(survives).collect();
    assert_eq!(survivors, [""; 0]);
}
