//! The election's counts are pinned, its claims hold, and each of its flaws breaks what it must, in as many steps
//! as its page says.

use super::*;
use crate::check::{ClaimVerdict, Verdict};
use crate::family::testing::{self, correct, liveness, reachable, safety, verdicts};

/// Stateright's own search counts what ours counts.
#[test]
fn counts_are_pinned_and_stateright_agrees() {
    testing::assert_counts::<ZkElection>(48_000, 21);
}

/// Renaming candidates reduces the states and changes no verdict.
#[test]
fn symmetry_agrees() {
    let bounds = Bounds { candidates: 3, offers: 2, storms: 1, stabilise: 0 };
    for rules in [Rules::default(), Rules { on_event: OnEvent::Lead, ..Rules::default() }] {
        testing::assert_symmetry::<ZkElection>(bounds, rules, 6);
    }
}

/// A representative is the same for every renaming, and is its own representative.
#[test]
fn canonical_is_the_same_for_every_renaming() {
    let model: ZkElection = correct(Scale::Test);
    for state in reachable(&model, 4_000) {
        let mut swapped = state;
        swapped.clients.swap(0, 1);
        for offer in &mut swapped.offers {
            *offer = offer.renamed(&[1, 0, 2, 3]);
        }
        let canonical = model.canonical(&state);
        assert_eq!(canonical, model.canonical(&swapped));
        assert_eq!(canonical, model.canonical(&canonical));
    }
}

#[test]
fn liveness_holds() {
    let outcome = liveness::<ZkElection>(Rules::default());
    assert_eq!(outcome.verdict, Verdict::Holds);
    assert_eq!(verdicts(&outcome), [("leader-eventually", ClaimVerdict::Holds)]);
}

/// Each flaw breaks what its entry says, in as many steps, and keeps what it says.
#[test]
fn flaws_break_what_they_must() {
    testing::assert_flaws::<ZkElection>();
}

/// The matrix, the other way round: every rule has a flaw, and every claim that must hold is broken by some flaw.
#[test]
fn every_rule_and_claim_is_broken_by_a_flaw() {
    testing::assert_matrix::<ZkElection>();
}

#[test]
fn controls_break_nothing() {
    for control in ZkElection::controls() {
        let rules = testing::changed::<ZkElection>(control.change);
        let (safety, live) = (safety::<ZkElection>(rules, control.bounds), liveness::<ZkElection>(rules));
        assert_eq!((safety.verdict, live.verdict), (Verdict::Holds, Verdict::Holds), "{}", control.name);
    }
}

/// What is written for a reader can be read back without loss.
#[test]
fn readable_is_lossless() {
    for scale in [Scale::Test, Scale::Liveness] {
        testing::assert_lossless(&correct::<ZkElection>(scale), 20_000);
    }
}

#[test]
fn impossible_states_are_refused() {
    let model: ZkElection = correct(Scale::Test);
    let good = model.readable(&model.start);
    let refused = |spoil: fn(&mut ReadableState)| {
        let mut bad = good.clone();
        spoil(&mut bad);
        model.state_from(&bad).expect_err("an impossible state")
    };
    assert!(refused(|state| state.candidates.truncate(1)).contains("--candidates 1"));
    assert!(refused(|state| state.candidates[0].link = "away".to_owned()).contains("expired"));
    assert!(refused(|state| state.candidates[1].own = 1).contains("candidate 2"));
    assert!(refused(|state| state.accepted = 3).contains("never created"));
    assert!(refused(|state| state.stains = vec!["ink".to_owned()]).contains("herd"));
}

/// Every step of many states has something to tell, by lanes that exist; nobody sends to itself.
#[test]
fn every_step_is_told() {
    testing::assert_told(&correct::<ZkElection>(Scale::Test), 4_000, |from, to| from != to);
}
