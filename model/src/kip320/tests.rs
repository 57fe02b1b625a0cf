//! Counts against TLC's and Stateright's; each rule is needed; nothing ends that should not.

use stateright::{Checker, Model};

use super::{Bounds, Kip320, Rules};
use crate::check::{self, ClaimVerdict, Options, Outcome, Stop, Verdict};

const fn three_replicas(records: u8, leader_epoch_max: u8) -> Bounds {
    Bounds { replicas: 3, log_size: records, records_max: records, leader_epoch_max }
}

fn exhaust(model: Kip320) -> Outcome<Kip320> {
    check::search(&model, &Options { stop: Stop::Exhausted, ..Options::default() })
}

/// The `always` claims that fall, each with the length of its shortest counterexample.
fn fallen(bounds: Bounds, rules: Rules) -> Vec<(&'static str, usize)> {
    let claims = exhaust(Kip320::with_rules(bounds, rules)).claims.into_iter();
    claims
        .filter(|claim| claim.verdict == ClaimVerdict::Violated)
        .filter_map(|claim| Some((claim.name, claim.walk?.steps.len())))
        .collect()
}

/// What TLC reports of the specification at these constants.
#[test]
fn comparison_bounds_have_the_counts_of_tlc() {
    let outcome = exhaust(Kip320::new(Bounds::COMPARISON));
    assert_eq!(outcome.verdict, Verdict::Holds);
    assert_eq!(outcome.unique, 737_794);
    assert_eq!(outcome.generated, 1_967_560);
    assert_eq!(outcome.depth, 26);
    assert_eq!(outcome.terminal, 15_123);
    assert!(outcome.actions.iter().all(|action| action.fired > 0));
}

#[test]
fn comparison_bounds_have_the_counts_of_stateright() {
    let checker = Kip320::new(Bounds::COMPARISON).checker().spawn_bfs().join();
    assert_eq!(checker.unique_state_count(), 737_794);
    assert_eq!(checker.state_count(), 1_967_560);
    assert_eq!(checker.max_depth(), 26);
    checker.assert_properties();
}

/// Depth-first search meets the states in another order: the count must not depend on it.
#[test]
fn small_bounds_have_the_counts_of_stateright_depth_first() {
    let bounds = three_replicas(2, 1);
    let outcome = exhaust(Kip320::new(bounds));
    let checker = Kip320::new(bounds).checker().spawn_dfs().join();
    assert_eq!((outcome.unique, outcome.generated), (39_619, 104_488));
    assert_eq!(checker.unique_state_count(), 39_619);
}

/// An ISR that the controller emptied has nobody to elect: an end of the specification, not a deadlock.
#[test]
fn two_replicas_end_without_deadlock() {
    let bounds = Bounds { replicas: 2, log_size: 2, records_max: 2, leader_epoch_max: 2 };
    let outcome = exhaust(Kip320::new(bounds));
    assert_eq!((outcome.unique, outcome.generated, outcome.depth), (5_973, 11_839, 18));
    assert_eq!(outcome.verdict, Verdict::Holds);
}

#[test]
fn unfenced_fetch_breaks_weak_isr() {
    let rules = Rules { fetch_fenced: false, ..Rules::default() };
    assert_eq!(fallen(three_replicas(1, 2), rules), [("weak-isr", 12)]);
}

#[test]
fn unfenced_truncation_breaks_both() {
    let rules = Rules { truncation_fenced: false, ..Rules::default() };
    assert_eq!(fallen(three_replicas(1, 2), rules), []);
    assert_eq!(fallen(three_replicas(2, 2), rules), [("strong-isr", 13), ("weak-isr", 13)]);
}

#[test]
fn unfenced_high_watermark_breaks_both() {
    let rules = Rules { high_watermark_fenced: false, ..Rules::default() };
    assert_eq!(fallen(three_replicas(1, 2), rules), [("strong-isr", 12), ("weak-isr", 12)]);
}

#[test]
fn hasty_expansion_breaks_strong_isr_first() {
    let rules = Rules { expansion_awaits_epoch: false, ..Rules::default() };
    assert_eq!(fallen(three_replicas(1, 1), rules), [("strong-isr", 11)]);
    assert_eq!(fallen(three_replicas(1, 2), rules), [("strong-isr", 11), ("weak-isr", 13)]);
}

#[test]
fn a_failed_leader_in_office_breaks_leader_in_isr() {
    let rules = Rules { failed_leader_steps_down: false, ..Rules::default() };
    assert_eq!(fallen(three_replicas(1, 1), rules), [("leader-in-isr", 2)]);
}

#[test]
#[should_panic(expected = "replicas: 1 to 3")]
fn bounds_beyond_the_packing_are_refused() {
    let _ = Kip320::new(Bounds { replicas: 4, ..Bounds::COMPARISON });
}
