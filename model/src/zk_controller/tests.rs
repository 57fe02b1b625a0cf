//! The controller model's counts are pinned, its claims hold, and each of its flaws breaks what it must, in as
//! many steps as its page says.

use super::*;
use crate::check::Verdict;
use crate::coordination::Ephemeral;
use crate::family::testing::{self, correct, exhausted, liveness, reachable, safety};

/// Stateright's own search counts what ours counts.
#[test]
fn counts_are_pinned_and_stateright_agrees() {
    testing::assert_counts::<ZkController>(126_602, 29);
}

/// A batch: the controller elects the leaders of two partitions, and every claim holds of both.
#[test]
fn two_partitions_hold() {
    let bounds = Bounds {
        partitions: 2,
        leader_epochs: 1,
        shrinks: 0,
        faults: 1,
        ..ZkController::bounds_at(Scale::Test)
    };
    let outcome = check::search(&ZkController::new(bounds, Rules::default()), &exhausted(true));
    assert_eq!(outcome.verdict, Verdict::Holds);
    assert_eq!(outcome.unique, 15_293);
}

/// Renaming brokers reduces the states and changes no verdict.
#[test]
fn symmetry_agrees() {
    let small = Bounds { faults: 1, epochs: 1, shrinks: 0, ..ZkController::bounds_at(Scale::Test) };
    let wide = Bounds { brokers: 3, leader_epochs: 1, ..small };
    let broken = Rules { electorate: Electorate::Anyone, ..Rules::default() };
    for (bounds, rules, orbit) in
        [(small, Rules::default(), 2), (small, broken, 2), (wide, Rules::default(), 6)]
    {
        testing::assert_symmetry::<ZkController>(bounds, rules, orbit);
    }
}

/// A representative is the same for every renaming, and is its own representative.
#[test]
fn canonical_is_the_same_for_every_renaming() {
    let bounds = Bounds { brokers: 3, partitions: 2, messages: 2, ..ZkController::bounds_at(Scale::Test) };
    let model = ZkController::new(bounds, Rules::default());
    for state in reachable(&model, 20_000) {
        let canonical = model.canonical(&state);
        assert_eq!(canonical, model.canonical(&canonical));
        for renamed in state.every_renaming() {
            assert_eq!(canonical, model.canonical(&renamed));
        }
    }
}

#[test]
fn liveness_holds() {
    let outcome = liveness::<ZkController>(Rules::default());
    assert_eq!(outcome.verdict, Verdict::Holds);
    let claims: Vec<&str> = outcome.claims.iter().map(|claim| claim.name).collect();
    assert_eq!(claims, ["controller-eventually", "partition-led-eventually"]);
}

/// Each flaw breaks what its entry says, in as many steps, and keeps what it says.
#[test]
fn flaws_break_what_they_must() {
    testing::assert_flaws::<ZkController>();
}

/// The matrix, the other way round: every rule has a flaw, and every claim that must hold is broken by some flaw.
#[test]
fn every_rule_and_claim_is_broken_by_a_flaw() {
    testing::assert_matrix::<ZkController>();
}

#[test]
fn controls_break_nothing() {
    for control in ZkController::controls() {
        let rules = testing::changed::<ZkController>(control.change);
        assert_eq!(safety::<ZkController>(rules, control.bounds).verdict, Verdict::Holds, "{}", control.name);
    }
}

/// What is written for a reader can be read back without loss.
#[test]
fn readable_is_lossless() {
    let wide = Bounds { brokers: 3, partitions: 2, messages: 2, ..ZkController::bounds_at(Scale::Test) };
    for bounds in [wide, ZkController::bounds_at(Scale::Test), ZkController::bounds_at(Scale::Liveness)] {
        testing::assert_lossless(&ZkController::new(bounds, Rules::default()), 10_000);
    }
}

#[test]
fn impossible_states_are_refused() {
    let model: ZkController = correct(Scale::Test);
    let good = model.readable(&model.start);
    let refused = |spoil: fn(&mut ReadableState)| {
        let mut bad = good.clone();
        spoil(&mut bad);
        model.state_from(&bad).expect_err("an impossible state")
    };
    assert!(refused(|state| state.brokers.truncate(1)).contains("--brokers 1"));
    assert!(refused(|state| state.brokers[0].phase = "king".to_owned()).contains("standby"));
    assert!(refused(|state| state.partitions[0].leader = 3).contains("beyond 2"));
    assert!(refused(|state| state.controller_epoch = 9).contains("go to 7"));
    assert!(refused(|state| state.stains = vec!["ink".to_owned()]).contains("deposed-acted"));
}

/// Every step of many states has something to tell, by lanes that exist.
#[test]
fn every_step_is_told() {
    testing::assert_told(&correct::<ZkController>(Scale::Test), 10_000, |_, _| true);
}

/// A node of a former session is nobody's: its broker neither registers by it nor governs by it.
#[test]
fn former_nodes_are_not_taken() {
    let model: ZkController = correct(Scale::Test);
    for state in reachable(&model, 20_000) {
        for (broker, node) in state.brokers.iter().zip(state.ids) {
            let former = node.exists() && node.tie() == crate::coordination::Tie::Former;
            assert!(!(former && broker.is(REGISTERED) && !broker.is(UNAWARE)));
        }
        assert!(state.controller == Ephemeral::ABSENT || state.epoch > 0);
    }
}
