//! The controller model's counts are pinned, its claims hold, and each of its flaws breaks what it must, in as
//! many steps as its page says.

use std::collections::HashSet;

use stateright::{Checker, Model};

use super::*;
use crate::check::{ClaimVerdict, Options, Outcome, Stop, Verdict};
use crate::coordination::Ephemeral;
use crate::trace::{Event, Storyboard};

fn model(scale: Scale) -> ZkController {
    ZkController::new(ZkController::bounds_at(scale), Rules::default())
}

fn exhausted(symmetry: bool) -> Options<'static> {
    Options { symmetry, stop: Stop::Exhausted, ..Options::default() }
}

fn verdicts(outcome: &Outcome<ZkController>) -> Vec<(&'static str, ClaimVerdict)> {
    outcome.claims.iter().map(|claim| (claim.name, claim.verdict)).collect()
}

/// The steps of the shortest counterexample to `claim`, if it is refuted.
fn steps(outcome: &Outcome<ZkController>, claim: &str) -> Option<usize> {
    let claim = outcome.claims.iter().find(|outcome| outcome.name == claim)?;
    match claim.verdict {
        ClaimVerdict::Violated => claim.walk.as_ref().map(|walk| walk.steps.len()),
        _ => None,
    }
}

/// The search for safety under `rules` at the bounds of flaws.
fn safety(rules: Rules, change: fn(&mut Bounds)) -> Outcome<ZkController> {
    let mut bounds = ZkController::bounds_at(Scale::Flaw);
    change(&mut bounds);
    check::search(&ZkController::new(bounds, rules), &exhausted(true))
}

fn liveness(rules: Rules) -> Outcome<ZkController> {
    check::liveness(&ZkController::new(ZkController::bounds_at(Scale::Liveness), rules), &exhausted(false))
}

/// Stateright's own search counts what ours counts.
#[test]
fn counts_are_pinned_and_stateright_agrees() {
    let model = model(Scale::Test);
    let ours = check::search(&model, &exhausted(false));
    assert_eq!(ours.verdict, Verdict::Holds);
    assert_eq!((ours.unique, ours.depth), (126_602, 29));
    let theirs = model.checker().spawn_bfs().join();
    assert_eq!(theirs.unique_state_count() as u64, ours.unique);
    theirs.assert_properties();
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
        let model = ZkController::new(bounds, rules);
        let full = check::search(&model, &exhausted(false));
        let reduced = check::search(&model, &exhausted(true));
        assert_eq!(verdicts(&full), verdicts(&reduced));
        assert!(reduced.unique < full.unique && reduced.unique * orbit >= full.unique);
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
    let outcome = liveness(Rules::default());
    assert_eq!(outcome.verdict, Verdict::Holds);
    let claims: Vec<&str> = outcome.claims.iter().map(|claim| claim.name).collect();
    assert_eq!(claims, ["controller-eventually", "partition-led-eventually"]);
}

/// Each flaw breaks what its entry says, in as many steps, and keeps what it says.
#[test]
fn flaws_break_what_they_must() {
    let live = ["controller-eventually", "partition-led-eventually"];
    for flaw in ZkController::flaws() {
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        let safety = safety(rules, flaw.bounds);
        let live = flaw.breaks.iter().any(|broken| live.contains(&broken.claim)).then(|| liveness(rules));
        for broken in flaw.breaks {
            let found = steps(&safety, broken.claim)
                .or_else(|| live.as_ref().and_then(|live| steps(live, broken.claim)));
            assert_eq!(found, Some(broken.steps), "{} breaks {}", flaw.id, broken.claim);
        }
        for kept in flaw.keeps {
            let verdict = verdicts(&safety).into_iter().find(|(name, _)| name == kept);
            assert_eq!(verdict, Some((*kept, ClaimVerdict::Holds)), "{} keeps {kept}", flaw.id);
        }
    }
}

/// The matrix, the other way round: every rule has a flaw, and every claim that must hold is broken by some flaw.
#[test]
fn every_rule_and_claim_is_broken_by_a_flaw() {
    let flawed: HashSet<&str> = ZkController::flaws().iter().map(|flaw| flaw.rule).collect();
    let rules: HashSet<&str> = ZkController::rules().iter().map(|rule| rule.name).collect();
    assert_eq!(flawed, rules);
    let broken: HashSet<&str> =
        ZkController::flaws().iter().flat_map(|flaw| flaw.breaks).map(|broken| broken.claim).collect();
    let claims = model(Scale::Liveness).claims();
    let must_hold = claims.iter().filter(|claim| !matches!(claim.kind, check::ClaimKind::Sometimes(_)));
    assert_eq!(must_hold.map(|claim| claim.name).collect::<HashSet<_>>(), broken);
}

#[test]
fn controls_break_nothing() {
    for control in ZkController::controls() {
        let mut rules = Rules::default();
        (control.change)(&mut rules);
        assert_eq!(safety(rules, control.bounds).verdict, Verdict::Holds, "{}", control.name);
    }
}

/// What is written for a reader can be read back without loss.
#[test]
fn readable_is_lossless() {
    let wide = Bounds { brokers: 3, partitions: 2, messages: 2, ..ZkController::bounds_at(Scale::Test) };
    for bounds in [wide, ZkController::bounds_at(Scale::Test), ZkController::bounds_at(Scale::Liveness)] {
        let model = ZkController::new(bounds, Rules::default());
        for state in reachable(&model, 10_000) {
            let json = serde_json::to_string(&model.readable(&state)).expect("a readable state is JSON");
            let readable = serde_json::from_str(&json).expect("what was written can be read");
            assert_eq!(model.state_from(&readable), Ok(state));
        }
    }
}

#[test]
fn impossible_states_are_refused() {
    let model = model(Scale::Test);
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
    let model = model(Scale::Test);
    let lanes = model.lanes().len();
    for state in reachable(&model, 10_000) {
        assert_eq!(model.view(&state).len(), lanes);
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        for action in actions {
            let after = model.next_state(&state, action).expect("an enabled action changes the state");
            let events = model.narrate(&state, &action, &after);
            assert!(!events.is_empty(), "{action:?}");
            for event in events {
                if let Event::Send { from, to, .. }
                | Event::Receive { from, to, .. }
                | Event::Lose { from, to, .. } = event
                {
                    assert!(from < lanes && to < lanes);
                }
            }
        }
    }
}

/// A node of a former session is nobody's: its broker neither registers by it nor governs by it.
#[test]
fn former_nodes_are_not_taken() {
    let model = model(Scale::Test);
    for state in reachable(&model, 20_000) {
        for (broker, node) in state.brokers.iter().zip(state.ids) {
            let former = node.exists() && node.tie() == crate::coordination::Tie::Former;
            assert!(!(former && broker.is(REGISTERED) && !broker.is(UNAWARE)));
        }
        assert!(state.controller == Ephemeral::ABSENT || state.epoch > 0);
    }
}

/// The first `count` states in breadth-first order.
fn reachable(model: &ZkController, count: usize) -> Vec<State> {
    let mut states = model.init_states();
    let mut seen: HashSet<State> = states.iter().copied().collect();
    let mut at = 0;
    while at < states.len() && states.len() < count {
        let mut actions = Vec::new();
        model.actions(&states[at], &mut actions);
        for action in actions {
            if let Some(next) = model.next_state(&states[at], action)
                && seen.insert(next)
            {
                states.push(next);
            }
        }
        at += 1;
    }
    states
}
