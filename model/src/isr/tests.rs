//! Exact counts, flaws at their exact lengths, and what must stay green.

use std::collections::HashSet;

use stateright::{Checker, Model};

use super::*;
use crate::check::{ClaimKind, ClaimVerdict, Options, Outcome, Stop, Verdict, liveness, search};
use crate::trace::Storyboard;

fn correct(bounds: Bounds) -> Isr {
    Isr::new(bounds, Rules::default())
}

fn whole(model: &Isr, symmetry: bool) -> Outcome<Isr> {
    search(model, &Options { symmetry, stop: Stop::Exhausted, ..Options::default() })
}

/// What is refuted besides witnesses: those are for the scales, not for every bound.
fn refuted(outcome: &Outcome<Isr>) -> Vec<&'static str> {
    let refuted = |claim: &&crate::check::ClaimOutcome<Isr>| {
        claim.verdict == ClaimVerdict::Violated && claim.kind != "sometimes"
    };
    outcome.claims.iter().filter(refuted).map(|claim| claim.name).collect()
}

fn three_replicas() -> Bounds {
    Bounds { nodes: 3, changes: 2, messages: 1, ..Isr::bounds_at(Scale::Flaw) }
}

/// All states, by a search that shares nothing with the checker.
fn reachable(model: &Isr) -> HashSet<State> {
    let mut seen: HashSet<State> = model.init_states().into_iter().collect();
    let mut left: Vec<State> = seen.iter().copied().collect();
    let mut actions = Vec::new();
    while let Some(state) = left.pop() {
        actions.clear();
        model.actions(&state, &mut actions);
        left.extend(
            actions.iter().filter_map(|&action| model.next_state(&state, action)).filter(|&s| seen.insert(s)),
        );
    }
    seen
}

#[test]
fn protocol_holds_at_test_scale_with_the_counts_of_stateright() {
    let model = correct(Isr::bounds_at(Scale::Test));
    let outcome = whole(&model, false);
    assert_eq!(outcome.verdict, Verdict::Holds, "{:?}", refuted(&outcome));
    assert_eq!((outcome.unique, outcome.depth), (TEST_UNIQUE, TEST_DEPTH));
    let theirs = model.checker().threads(1).spawn_bfs().join();
    assert_eq!(theirs.unique_state_count() as u64, TEST_UNIQUE);
    theirs.assert_properties();
}

#[test]
fn symmetry_changes_no_verdict() {
    for (bounds, orbit) in [(Isr::bounds_at(Scale::Test), 2), (three_replicas(), 6)] {
        let (full, reduced) = (whole(&correct(bounds), false), whole(&correct(bounds), true));
        let verdicts = |outcome: &Outcome<Isr>| -> Vec<(&str, ClaimVerdict)> {
            outcome.claims.iter().map(|claim| (claim.name, claim.verdict)).collect()
        };
        assert_eq!(verdicts(&full), verdicts(&reduced));
        // n1 leads at first, so the members of an orbit may lie at different depths; it is the nearest that counts.
        assert!(reduced.depth <= full.depth);
        assert!(reduced.unique < full.unique && reduced.unique * orbit >= full.unique);
    }
}

#[test]
fn every_member_of_an_orbit_has_the_same_representative() {
    let model = correct(three_replicas());
    for state in reachable(&model) {
        let representative = model.canonical(&state);
        assert_eq!(model.canonical(&representative), representative);
        for renamed in symmetry::orbit(&state, 3) {
            assert_eq!(model.canonical(&renamed), representative);
        }
    }
}

#[test]
fn renamed_states_go_to_renamed_states() {
    let model = correct(three_replicas());
    let successors = |state: &State| -> HashSet<State> {
        let mut actions = Vec::new();
        model.actions(state, &mut actions);
        actions.iter().map(|&action| model.canonical(&model.step(state, action))).collect()
    };
    for state in reachable(&model) {
        let expected = successors(&state);
        for renamed in symmetry::orbit(&state, 3) {
            assert_eq!(successors(&renamed), expected, "{state:?}");
        }
    }
}

#[test]
fn broken_rules_under_symmetry_break_the_same_claims() {
    for flaw in Isr::flaws().iter().filter(|flaw| matches!(flaw.id, "B11" | "E24" | "B38a")) {
        let mut bounds = Isr::bounds_at(Scale::Flaw);
        (flaw.bounds)(&mut bounds);
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        let model = Isr::new(bounds, rules);
        assert_eq!(refuted(&whole(&model, true)), refuted(&whole(&model, false)), "{}", flaw.id);
    }
}

#[test]
fn flaws_break_what_they_say_in_as_many_steps() {
    let mut wrong = Vec::new();
    for flaw in Isr::flaws() {
        let mut bounds = Isr::bounds_at(Scale::Flaw);
        (flaw.bounds)(&mut bounds);
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        assert_ne!(rules, Rules::default(), "{}", flaw.id);
        let model = Isr::new(bounds, rules);
        let goals: Vec<&'static str> =
            flaw.breaks.iter().map(|broken| broken.claim).filter(|&claim| claim != "converges").collect();
        let stop = if flaw.keeps.is_empty() { Stop::Decided(&goals) } else { Stop::Exhausted };
        let outcome = search(&model, &Options { stop, ..Options::default() });
        let mut live = Isr::bounds_at(Scale::Liveness);
        (flaw.bounds)(&mut live);
        for broken in flaw.breaks {
            let outcome = match broken.claim {
                "converges" => &liveness(&Isr::new(live, rules), &Options::default()),
                _ => &outcome,
            };
            let found = outcome.claims.iter().find(|claim| claim.name == broken.claim).expect(broken.claim);
            assert_eq!(found.verdict, ClaimVerdict::Violated, "{} {}", flaw.id, broken.claim);
            let walk = found.walk.as_ref().expect("a violation has a walk");
            if walk.steps.len() != broken.steps {
                wrong.push(format!("{} {}: {} steps", flaw.id, broken.claim, walk.steps.len()));
            }
            let mut before = walk.start;
            for (action, after) in &walk.steps {
                assert!(!model.narrate(&before, action, after).is_empty(), "{} {action:?}", flaw.id);
                before = *after;
            }
        }
        for kept in flaw.keeps {
            let found = outcome.claims.iter().find(|claim| claim.name == *kept).expect(kept);
            assert_eq!(found.verdict, ClaimVerdict::Holds, "{} {kept}", flaw.id);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn replicas_converge_once_faults_have_ceased() {
    let outcome = liveness(&correct(Isr::bounds_at(Scale::Liveness)), &Options::default());
    assert_eq!(outcome.verdict, Verdict::Holds);
    assert_eq!((outcome.unique, outcome.depth), (132_029, 34));
    for kind in ["restart", "expand", "handle-response", "stabilise"] {
        assert!(outcome.actions.iter().any(|fired| fired.name == kind && fired.fired > 0), "{kind}");
    }
}

#[test]
fn reductions_change_no_verdict() {
    let small = Isr::bounds_at(Scale::Flaw);
    let model = |rules: Rules, bounds: Bounds| Isr::new(bounds, rules);
    let mut models =
        vec![model(Rules::default(), Isr::bounds_at(Scale::Test)), model(Rules::default(), three_replicas())];
    for flaw in Isr::flaws()
        .iter()
        .filter(|flaw| matches!(flaw.id, "B11" | "B14" | "B20" | "B38a" | "B43" | "E24" | "E28"))
    {
        let (mut bounds, mut rules) = (small, Rules::default());
        (flaw.bounds)(&mut bounds);
        (flaw.change)(&mut rules);
        models.push(model(rules, bounds));
    }
    for model in models {
        let (reduced, literal) = (whole(&model, true), whole(&model.literally(), true));
        assert_eq!(refuted(&reduced), refuted(&literal), "{model:?}");
        assert!(reduced.unique < literal.unique);
    }
}

#[test]
fn controls_stay_green() {
    for control in Isr::controls() {
        let mut bounds = Isr::bounds_at(Scale::Flaw);
        (control.bounds)(&mut bounds);
        let mut rules = Rules::default();
        (control.change)(&mut rules);
        let outcome = whole(&Isr::new(bounds, rules), true);
        assert_eq!(refuted(&outcome), Vec::<&str>::new(), "{}", control.name);
    }
}

#[test]
fn every_rule_and_every_claim_has_a_flaw() {
    for rule in Isr::rules() {
        assert!(Isr::flaws().iter().any(|flaw| flaw.rule == rule.name), "{}", rule.name);
        let mut rules = Rules::default();
        (rule.off)(&mut rules);
        assert_ne!(rules, Rules::default(), "{}", rule.name);
    }
    for claim in correct(Isr::bounds_at(Scale::Test)).claims() {
        if !matches!(claim.kind, ClaimKind::Sometimes(_)) {
            let breaks = |flaw: &&Flaw<Bounds, Rules>| flaw.breaks.iter().any(|b| b.claim == claim.name);
            assert!(Isr::flaws().iter().any(|flaw| breaks(&flaw)), "{}", claim.name);
        }
    }
}

#[test]
fn atomic_fetch_holds_too() {
    let bounds = Bounds { atomic_fetch: 1, ..Isr::bounds_at(Scale::Test) };
    assert_eq!(refuted(&whole(&correct(bounds), true)), Vec::<&str>::new());
}

#[test]
fn readable_states_are_lossless() {
    let model = correct(Bounds { crashes: 1, changes: 3, ..Isr::bounds_at(Scale::Flaw) });
    for state in reachable(&model) {
        let json = serde_json::to_string(&model.readable(&state)).expect("a state is JSON");
        let readable = serde_json::from_str(&json).expect("its own JSON");
        assert_eq!(model.state_from(&readable), Ok(state));
    }
}

#[test]
fn impossible_states_are_refused() {
    let model = correct(Isr::bounds_at(Scale::Test));
    let good = model.readable(&model.init_states()[0]);
    let refused = |change: fn(&mut Readable)| {
        let mut readable = good.clone();
        change(&mut readable);
        model.state_from(&readable).expect_err("an impossible state")
    };
    assert!(refused(|state| state.replicas[0].log.push("x@1".to_owned())).contains("not produced"));
    assert!(refused(|state| state.replicas[1].log.push("q@1".to_owned())).contains("x@1"));
    assert!(refused(|state| state.replicas[0].high_watermark = 1).contains("high-watermark"));
    assert!(refused(|state| state.controller.isr.push(9)).contains("replica 9"));
    assert!(refused(|state| drop(state.replicas.pop())).contains("--nodes"));
}

#[test]
fn absurd_bounds_are_refused() {
    let bounds = Bounds { min_isr: 3, ..Isr::bounds_at(Scale::Test) };
    assert!(Isr::admit(&bounds, &Rules::default()).is_err_and(|why| why.contains("--min-isr 2")));
    for scale in [Scale::Test, Scale::Default, Scale::Deep, Scale::Liveness, Scale::Flaw] {
        assert_eq!(Isr::admit(&Isr::bounds_at(scale), &Rules::default()), Ok(()));
        for bound in Isr::bound_table() {
            assert!((bound.min..=bound.max).contains(&(bound.get)(&Isr::bounds_at(scale))), "{}", bound.name);
        }
    }
}

const TEST_UNIQUE: u64 = 229_122;
const TEST_DEPTH: u32 = 33;
