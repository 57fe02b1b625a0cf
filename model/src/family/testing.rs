//! What the tests of models hold any of them to, and what they look at it with.

use std::collections::HashSet;

use stateright::Checker;

use super::{Family, Scale};
use crate::check::{self, ClaimKind, ClaimVerdict, Options, Outcome, Spec, Stop, Verdict};
use crate::trace::Event;

pub(crate) fn exhausted(symmetry: bool) -> Options<'static> {
    Options { symmetry, stop: Stop::Exhausted, ..Options::default() }
}

/// The model with the correct rules.
pub(crate) fn correct<F: Family>(scale: Scale) -> F {
    F::new(F::bounds_at(scale), F::Rules::default())
}

/// The correct rules after a change.
pub(crate) fn changed<F: Family>(change: fn(&mut F::Rules)) -> F::Rules {
    let mut rules = F::Rules::default();
    change(&mut rules);
    rules
}

/// The search for safety under `rules` at the bounds of flaws, changed.
pub(crate) fn safety<F: Family>(rules: F::Rules, change: fn(&mut F::Bounds)) -> Outcome<F> {
    let mut bounds = F::bounds_at(Scale::Flaw);
    change(&mut bounds);
    check::search(&F::new(bounds, rules), &exhausted(true))
}

/// The search for liveness under `rules`.
pub(crate) fn liveness<F: Family>(rules: F::Rules) -> Outcome<F> {
    check::liveness(&F::new(F::bounds_at(Scale::Liveness), rules), &exhausted(false))
}

pub(crate) fn verdicts<M: Spec>(outcome: &Outcome<M>) -> Vec<(&'static str, ClaimVerdict)> {
    outcome.claims.iter().map(|claim| (claim.name, claim.verdict)).collect()
}

/// The steps of the shortest counterexample to `claim`, if it is refuted.
pub(crate) fn steps<M: Spec>(outcome: &Outcome<M>, claim: &str) -> Option<usize> {
    let claim = outcome.claims.iter().find(|outcome| outcome.name == claim)?;
    match claim.verdict {
        ClaimVerdict::Violated => claim.walk.as_ref().map(|walk| walk.steps.len()),
        _ => None,
    }
}

/// The first `count` states in breadth-first order, found by a walk that shares nothing with the checker.
pub(crate) fn reachable<M: Spec>(model: &M, count: usize) -> Vec<M::State> {
    let mut states = model.init_states();
    let mut seen: HashSet<M::State> = states.iter().copied().collect();
    let mut actions = Vec::new();
    let mut at = 0;
    while at < states.len() && states.len() < count {
        let state = states[at];
        model.actions(&state, &mut actions);
        for action in actions.drain(..) {
            if let Some(next) = model.next_state(&state, action)
                && seen.insert(next)
            {
                states.push(next);
            }
        }
        at += 1;
    }
    states
}

/// Holds the test bounds to their counts, and to Stateright's own search.
pub(crate) fn assert_counts<F: Family<State: 'static>>(unique: u64, depth: u32) {
    let model: F = correct(Scale::Test);
    let ours = check::search(&model, &exhausted(false));
    assert_eq!(ours.verdict, Verdict::Holds);
    assert_eq!((ours.unique, ours.depth), (unique, depth));
    let theirs = model.checker().spawn_bfs().join();
    assert_eq!(theirs.unique_state_count() as u64, ours.unique);
    theirs.assert_properties();
}

/// Renaming reduces the states, by no more than the names that an `orbit` has, and changes no verdict.
pub(crate) fn assert_symmetry<F: Family>(bounds: F::Bounds, rules: F::Rules, orbit: u64) {
    let model = F::new(bounds, rules);
    let full = check::search(&model, &exhausted(false));
    let reduced = check::search(&model, &exhausted(true));
    assert_eq!(verdicts(&full), verdicts(&reduced));
    assert!(reduced.unique < full.unique && reduced.unique * orbit >= full.unique);
}

/// Each flaw breaks what its entry says, in as many steps, and keeps what it says.
pub(crate) fn assert_flaws<F: Family>() {
    let live: HashSet<&str> = claims::<F>(ClaimKind::is_live).collect();
    for flaw in F::flaws() {
        let rules = changed::<F>(flaw.change);
        let safety = safety::<F>(rules, flaw.bounds);
        let live = flaw.breaks.iter().any(|broken| live.contains(broken.claim)).then(|| liveness::<F>(rules));
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
pub(crate) fn assert_matrix<F: Family>() {
    let flawed: HashSet<&str> = F::flaws().iter().map(|flaw| flaw.rule).collect();
    let rules: HashSet<&str> = F::rules().iter().map(|rule| rule.name).collect();
    assert_eq!(flawed, rules);
    let broken: HashSet<&str> =
        F::flaws().iter().flat_map(|flaw| flaw.breaks).map(|broken| broken.claim).collect();
    let must_hold = claims::<F>(|kind| !matches!(kind, ClaimKind::Sometimes(_)));
    assert_eq!(must_hold.collect::<HashSet<_>>(), broken);
}

/// The claims of these kinds, safety and liveness.
fn claims<F: Family>(wanted: fn(&ClaimKind<F>) -> bool) -> impl Iterator<Item = &'static str> {
    let claims = correct::<F>(Scale::Liveness).claims();
    claims.into_iter().filter(move |claim| wanted(&claim.kind)).map(|claim| claim.name)
}

/// What is written of the first `count` states for a reader can be read back without loss.
pub(crate) fn assert_lossless<F: Family>(model: &F, count: usize) {
    for state in reachable(model, count) {
        let json = serde_json::to_string(&model.readable(&state)).expect("a readable state is JSON");
        let readable = serde_json::from_str(&json).expect("what was written can be read");
        assert_eq!(model.state_from(&readable), Ok(state), "{json}");
    }
}

/// Every step of the first `count` states has something to tell, and each message goes between lanes that exist and between
/// which it may.
pub(crate) fn assert_told<F: Family>(model: &F, count: usize, may_go: fn(usize, usize) -> bool) {
    let lanes = model.lanes().len();
    let mut actions = Vec::new();
    for state in reachable(model, count) {
        assert_eq!(model.view(&state).len(), lanes);
        model.actions(&state, &mut actions);
        for action in actions.drain(..) {
            let after = model.next_state(&state, action).expect("an enabled action changes the state");
            let events = model.narrate(&state, &action, &after);
            assert!(!events.is_empty(), "{action:?}");
            for event in events {
                if let Event::Send { from, to, .. }
                | Event::Receive { from, to, .. }
                | Event::Lose { from, to, .. } = event
                {
                    assert!(from < lanes && to < lanes && may_go(from, to), "{action:?}");
                }
            }
        }
    }
}
