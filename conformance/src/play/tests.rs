//! The cases on the models and on the reference.

use super::*;
use crate::case::cases;
use crate::target::model::KraftModel;
use crate::target::reference::Reference;

/// Cases that a target fails, or cannot play, are told in full.
fn all_pass(builder: &mut dyn Builder) {
    for case in cases().expect("cases that can be read") {
        let played = play(&case.scenario, builder, 1);
        let may_skip = matches!(&played.verdict, Verdict::Skip { because } if because.contains("has no"));
        assert!(
            played.verdict == Verdict::Pass || may_skip,
            "{} on {}: {:?}",
            case.id,
            builder.name(),
            played.verdict
        );
    }
}

#[test]
fn model_passes_every_case() {
    all_pass(&mut KraftModel::default());
}

#[test]
fn reference_passes_every_case_whatever_the_seed() {
    for case in cases().expect("cases that can be read") {
        for seed in 1..=3 {
            let played = play(&case.scenario, &mut Reference::default(), seed);
            assert_eq!(played.verdict, Verdict::Pass, "{} with the seed {seed}", case.id);
        }
    }
}

#[test]
fn case_fails_the_model_with_each_flaw_that_it_names() {
    let of_quorums = |case: &crate::case::Case| !case.scenario.is_of_cluster();
    for case in cases().expect("cases that can be read").into_iter().filter(of_quorums) {
        for flaw in &case.scenario.kills {
            let Ok(mut model) = KraftModel::with_flaw(flaw) else { continue };
            let played = play(&case.scenario, &mut model, 1);
            assert!(
                matches!(played.verdict, Verdict::Fail(_)),
                "{} with {flaw}: {:?}",
                case.id,
                played.verdict
            );
        }
    }
}

#[cfg(feature = "flaws")]
#[test]
fn case_fails_the_reference_with_each_flaw_that_it_names() {
    for case in cases().expect("cases that can be read") {
        for flaw in &case.scenario.kills {
            let mut reference =
                Reference::with_flaw(flaw).unwrap_or_else(|error| panic!("{}: {error}", case.id));
            let played = play(&case.scenario, &mut reference, 1);
            assert!(
                matches!(played.verdict, Verdict::Fail(_)),
                "{} with {flaw}: {:?}",
                case.id,
                played.verdict
            );
        }
    }
}
