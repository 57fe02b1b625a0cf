//! The election's counts are pinned, its claims hold, and each of its flaws breaks what it must, in as many steps
//! as its page says.

use std::collections::HashSet;

use stateright::{Checker, Model};

use super::*;
use crate::check::{ClaimVerdict, Options, Outcome, Stop, Verdict};
use crate::trace::{Event, Storyboard};

fn model(scale: Scale) -> ZkElection {
    ZkElection::new(ZkElection::bounds_at(scale), Rules::default())
}

fn exhausted(symmetry: bool) -> Options<'static> {
    Options { symmetry, stop: Stop::Exhausted, ..Options::default() }
}

fn verdicts(outcome: &Outcome<ZkElection>) -> Vec<(&'static str, ClaimVerdict)> {
    outcome.claims.iter().map(|claim| (claim.name, claim.verdict)).collect()
}

/// The steps of the shortest counterexample to `claim`, if it is refuted.
fn steps(outcome: &Outcome<ZkElection>, claim: &str) -> Option<usize> {
    let claim = outcome.claims.iter().find(|outcome| outcome.name == claim)?;
    match claim.verdict {
        ClaimVerdict::Violated => claim.walk.as_ref().map(|walk| walk.steps.len()),
        _ => None,
    }
}

/// What both searches say under `rules`: safety at the flaw's bounds, liveness at its own.
fn both(rules: Rules, change: fn(&mut Bounds)) -> (Outcome<ZkElection>, Outcome<ZkElection>) {
    let mut bounds = ZkElection::bounds_at(Scale::Flaw);
    change(&mut bounds);
    let safety = check::search(&ZkElection::new(bounds, rules), &exhausted(true));
    let live = ZkElection::new(ZkElection::bounds_at(Scale::Liveness), rules);
    (safety, check::liveness(&live, &exhausted(false)))
}

/// Stateright's own search counts what ours counts.
#[test]
fn counts_are_pinned_and_stateright_agrees() {
    let model = model(Scale::Test);
    let ours = check::search(&model, &exhausted(false));
    assert_eq!(ours.verdict, Verdict::Holds);
    assert_eq!((ours.unique, ours.depth), (48_000, 21));
    let theirs = model.checker().spawn_bfs().join();
    assert_eq!(theirs.unique_state_count() as u64, ours.unique);
    theirs.assert_properties();
}

/// Renaming candidates reduces the states and changes no verdict.
#[test]
fn symmetry_agrees() {
    let bounds = Bounds { candidates: 3, offers: 2, storms: 1, stabilise: 0 };
    for rules in [Rules::default(), Rules { on_event: OnEvent::Lead, ..Rules::default() }] {
        let model = ZkElection::new(bounds, rules);
        let full = check::search(&model, &exhausted(false));
        let reduced = check::search(&model, &exhausted(true));
        assert_eq!(verdicts(&full), verdicts(&reduced));
        assert!(reduced.unique < full.unique && reduced.unique * 6 >= full.unique);
    }
}

/// A representative is the same for every renaming, and is its own representative.
#[test]
fn canonical_is_the_same_for_every_renaming() {
    let model = model(Scale::Test);
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
    let outcome = check::liveness(&model(Scale::Liveness), &exhausted(false));
    assert_eq!(outcome.verdict, Verdict::Holds);
    assert_eq!(verdicts(&outcome), [("leader-eventually", ClaimVerdict::Holds)]);
}

/// Each flaw breaks what its entry says, in as many steps, and keeps what it says.
#[test]
fn flaws_break_what_they_must() {
    for flaw in ZkElection::flaws() {
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        let (safety, live) = both(rules, flaw.bounds);
        for broken in flaw.breaks {
            let found = steps(&safety, broken.claim).or_else(|| steps(&live, broken.claim));
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
    let flawed: HashSet<&str> = ZkElection::flaws().iter().map(|flaw| flaw.rule).collect();
    let rules: HashSet<&str> = ZkElection::rules().iter().map(|rule| rule.name).collect();
    assert_eq!(flawed, rules);
    let broken: HashSet<&str> =
        ZkElection::flaws().iter().flat_map(|flaw| flaw.breaks).map(|broken| broken.claim).collect();
    let claims = model(Scale::Liveness).claims();
    let must_hold = claims.iter().filter(|claim| !matches!(claim.kind, check::ClaimKind::Sometimes(_)));
    assert_eq!(must_hold.map(|claim| claim.name).collect::<HashSet<_>>(), broken);
}

#[test]
fn controls_break_nothing() {
    for control in ZkElection::controls() {
        let mut rules = Rules::default();
        (control.change)(&mut rules);
        let (safety, live) = both(rules, control.bounds);
        assert_eq!((safety.verdict, live.verdict), (Verdict::Holds, Verdict::Holds), "{}", control.name);
    }
}

/// What is written for a reader can be read back without loss.
#[test]
fn readable_is_lossless() {
    for scale in [Scale::Test, Scale::Liveness] {
        let model = model(scale);
        for state in reachable(&model, 20_000) {
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
    assert!(refused(|state| state.candidates.truncate(1)).contains("--candidates 1"));
    assert!(refused(|state| state.candidates[0].link = "away".to_owned()).contains("expired"));
    assert!(refused(|state| state.candidates[1].own = 1).contains("candidate 2"));
    assert!(refused(|state| state.accepted = 3).contains("never created"));
    assert!(refused(|state| state.stains = vec!["ink".to_owned()]).contains("herd"));
}

/// Every step of every reachable state has something to tell, by lanes that exist, and each message that
/// arrives or is lost later has left before under the same text.
#[test]
fn every_step_is_told() {
    let model = model(Scale::Test);
    let lanes = model.lanes().len();
    for state in reachable(&model, 4_000) {
        assert_eq!(model.view(&state).len(), lanes);
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        for action in actions {
            let after = model.next_state(&state, action).expect("an enabled action changes the state");
            let events = model.narrate(&state, &action, &after);
            assert!(!events.is_empty(), "{action:?}");
            for event in events {
                let (Event::Send { from, to, .. }
                | Event::Receive { from, to, .. }
                | Event::Lose { from, to, .. }) = event
                else {
                    continue;
                };
                assert!(from < lanes && to < lanes && from != to);
            }
        }
    }
}

/// The first `count` states in breadth-first order.
fn reachable(model: &ZkElection, count: usize) -> Vec<State> {
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
