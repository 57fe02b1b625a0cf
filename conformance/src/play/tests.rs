//! The cases on the models and on the reference.

use super::*;
use crate::case::cases;
use crate::target::model::KraftModel;
use crate::target::reference::ReferenceQuorum;

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
fn reference_passes_every_case() {
    all_pass(&mut ReferenceQuorum::default());
}

#[test]
fn case_fails_the_model_with_each_flaw_that_it_names() {
    for case in cases().expect("cases that can be read") {
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
            let Ok(mut reference) = ReferenceQuorum::with_flaw(flaw) else { continue };
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
