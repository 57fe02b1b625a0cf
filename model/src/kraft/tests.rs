use stateright::{Checker, Model};

use super::state::{Log, Message, record};
use super::*;
use crate::check::{ClaimVerdict, Options, Outcome, Stop, Verdict, liveness, search};
use crate::family::testing;
use crate::trace::Storyboard;

const THREADS: usize = 2;

fn options(symmetry: bool) -> Options<'static> {
    Options { threads: THREADS, symmetry, stop: Stop::Exhausted, ..Options::default() }
}

fn correct(bounds: Bounds) -> Kraft {
    Kraft::new(bounds, Rules::default())
}

fn violated(outcome: &Outcome<Kraft>) -> Vec<(&'static str, usize)> {
    outcome
        .claims
        .iter()
        .filter(|claim| claim.verdict == ClaimVerdict::Violated && claim.kind != "sometimes")
        .map(|claim| (claim.name, claim.walk.as_ref().map_or(0, |walk| walk.steps.len())))
        .collect()
}

/// The safety claims that a change of the rules breaks, with the liveness claims where the bounds decide those.
fn broken(bounds: Bounds, rules: Rules) -> Vec<(&'static str, usize)> {
    if bounds.stable_after == 0 {
        return violated(&search(&Kraft::new(bounds, rules), &options(true)));
    }
    let safety = Bounds { stable_after: 0, epochs: 2, ..bounds };
    let mut all = violated(&search(&Kraft::new(safety, rules), &options(true)));
    all.extend(violated(&liveness(&Kraft::new(bounds, rules), &options(false))));
    all
}

fn flaw_bounds(change: fn(&mut Bounds)) -> Bounds {
    let mut bounds = Kraft::bounds_at(Scale::Flaw);
    change(&mut bounds);
    bounds
}

#[test]
fn test_bounds_hold_with_pinned_counts() {
    let model = correct(Kraft::bounds_at(Scale::Test));
    let full = search(&model, &options(false));
    assert_eq!(full.verdict, Verdict::Holds, "{:?}", violated(&full));
    assert_eq!((full.unique, full.depth), (803_190, 42));
    let stateright = model.checker().threads(THREADS).spawn_bfs().join();
    assert_eq!(stateright.unique_state_count() as u64, full.unique);

    let reduced = search(&model, &options(true));
    assert_eq!(reduced.verdict, Verdict::Holds);
    assert_eq!((reduced.unique, reduced.depth), (134_879, 42));
    assert!(reduced.unique * 6 >= full.unique);
}

#[test]
fn symmetry_keeps_verdicts_and_lengths_of_flaws() {
    for id in ["A01", "A06", "A08", "A14", "A23", "E09"] {
        let flaw = Kraft::flaws().iter().find(|flaw| flaw.id == id).expect("a flaw of the catalogue");
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        let model = Kraft::new(flaw_bounds(flaw.bounds), rules);
        let (full, reduced) = (search(&model, &options(false)), search(&model, &options(true)));
        assert_eq!(violated(&full), violated(&reduced), "{id}");
        assert!(reduced.unique * 6 >= full.unique, "{id}");
    }
}

#[test]
fn representative_is_the_same_for_every_renaming() {
    let bounds = Bounds { epochs: 2, wipes: 1, ..Kraft::bounds_at(Scale::Flaw) };
    let model = correct(bounds);
    for state in testing::reachable(&model, 3000) {
        let representative = model.canonical(&state);
        assert_eq!(model.canonical(&representative), representative);
        for renamed in symmetry::renamings(&state, 3) {
            assert_eq!(model.canonical(&renamed), representative, "{state:?}");
        }
    }
}

#[test]
fn every_flaw_breaks_what_it_says_and_nothing_that_it_keeps() {
    for flaw in Kraft::flaws() {
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        assert_ne!(rules, Rules::default(), "{}", flaw.id);
        let broken = broken(flaw_bounds(flaw.bounds), rules);
        let mut said: Vec<_> = flaw.breaks.iter().map(|claim| (claim.claim, claim.steps)).collect();
        let mut found = broken.clone();
        said.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, said, "{}", flaw.id);
        for kept in flaw.keeps {
            assert!(broken.iter().all(|(name, _)| name != kept), "{}: {kept}", flaw.id);
        }
    }
}

#[test]
fn every_rule_is_needed() {
    for rule in RULES {
        let mut rules = Rules::default();
        (rule.off)(&mut rules);
        let flaws = Kraft::flaws().iter().filter(|flaw| flaw.rule == rule.name);
        let mut at: Vec<Bounds> = flaws.map(|flaw| flaw_bounds(flaw.bounds)).collect();
        at.push(flaw_bounds(|bounds| bounds.records = 1));
        assert!(at.iter().any(|bounds| !broken(*bounds, rules).is_empty()), "{}", rule.name);
    }
}

#[test]
fn every_claim_is_broken_by_some_flaw() {
    for claim in correct(Kraft::bounds_at(Scale::Liveness)).claims() {
        if matches!(claim.kind, crate::check::ClaimKind::Sometimes(_)) {
            continue;
        }
        let breaks = Kraft::flaws().iter().flat_map(|flaw| flaw.breaks);
        assert!(breaks.into_iter().any(|broken| broken.claim == claim.name), "{}", claim.name);
    }
}

#[test]
fn controls_stay_green() {
    for control in Kraft::controls() {
        let mut rules = Rules::default();
        (control.change)(&mut rules);
        assert_ne!(rules, Rules::default(), "{}", control.name);
        let outcome = search(&Kraft::new(flaw_bounds(control.bounds), rules), &options(true));
        assert_eq!(outcome.verdict, Verdict::Holds, "{}: {:?}", control.name, violated(&outcome));
    }
}

#[test]
fn small_bounds_of_every_shape_hold() {
    for nodes in 2..=4 {
        for epochs in 1..=2 {
            for messages in 1..=2 {
                let small = Bounds { nodes, epochs, messages, ..Kraft::bounds_at(Scale::Flaw) };
                for bounds in [
                    small,
                    Bounds { restarts: 1, ..small },
                    Bounds { resignations: 1, ..small },
                    Bounds { duplicates: 1, ..small },
                ] {
                    let too_large = nodes == 4 && epochs == 2;
                    if too_large && bounds != small {
                        continue;
                    }
                    let outcome = search(&correct(bounds), &options(true));
                    let unseen: Vec<_> = outcome
                        .claims
                        .iter()
                        .filter(|claim| claim.verdict != ClaimVerdict::Holds)
                        .map(|claim| claim.name)
                        .collect();
                    assert_eq!(outcome.verdict, Verdict::Holds, "{bounds:?}: {unseen:?}");
                }
            }
        }
    }
}

#[test]
fn liveness_holds() {
    let bounds = Bounds { epochs: 4, stable_after: 1, ..Kraft::bounds_at(Scale::Liveness) };
    let outcome = liveness(&correct(bounds), &options(false));
    assert_eq!(outcome.verdict, Verdict::Holds, "{:?}", violated(&outcome));
}

#[test]
fn atomic_fetch_hides_figure_8() {
    let figure_8 = Kraft::flaws().iter().find(|flaw| flaw.id == "A01").expect("a flaw of the catalogue");
    let mut rules = Rules::default();
    (figure_8.change)(&mut rules);
    let mut bounds = flaw_bounds(figure_8.bounds);
    bounds.grain = rules::grain::ATOMIC_FETCH;
    assert_eq!(broken(bounds, rules), []);
}

#[test]
fn every_grain_holds() {
    for grain in Kraft::grains() {
        let mut bounds = Bounds { epochs: 2, records: 1, restarts: 1, ..Kraft::bounds_at(Scale::Flaw) };
        (grain.apply)(&mut bounds);
        let outcome = search(&correct(bounds), &options(true));
        assert_eq!(outcome.verdict, Verdict::Holds, "{}: {:?}", grain.name, violated(&outcome));
        assert!(Kraft::admit(&(grain.bounds)(), &Rules::default()).is_ok());
    }
}

#[test]
fn figure_8_is_named_in_its_counterexample() {
    let figure_8 = Kraft::flaws().iter().find(|flaw| flaw.id == "A01").expect("a flaw of the catalogue");
    let mut rules = Rules::default();
    (figure_8.change)(&mut rules);
    let model = Kraft::new(flaw_bounds(figure_8.bounds), rules);
    let outcome = search(&model, &options(true));
    let claim = outcome.claims.iter().find(|claim| claim.name == "leader-completeness").expect("a claim");
    let walk = claim.walk.as_ref().expect("a counterexample");
    let landmarks = model.landmarks(walk);
    let letters: Vec<&str> = landmarks.iter().map(|(_, name)| &name[..12]).collect();
    assert_eq!(letters, ["Figure 8 (a)", "Figure 8 (b)", "Figure 8 (c)", "Figure 8 (d)"]);
    assert!(landmarks.is_sorted_by_key(|(at, _)| *at));
    let mut before = walk.start;
    for (action, after) in &walk.steps {
        assert!(!model.narrate(&before, action, after).is_empty(), "{action:?}");
        before = *after;
    }
}

#[test]
fn readable_state_reads_back() {
    let bounds = Bounds { records: 1, restarts: 1, duplicates: 1, wipes: 1, ..Kraft::bounds_at(Scale::Flaw) };
    let model = correct(bounds);
    testing::assert_lossless(&model, 20_000);
}

#[test]
fn readable_state_refuses_what_cannot_be() {
    let model = correct(Kraft::bounds_at(Scale::Flaw));
    let start = model.init_states()[0];
    let refused = |change: fn(&mut ReadableState), message: &str| {
        let mut readable = model.readable(&start);
        change(&mut readable);
        let error = model.state_from(&readable).expect_err(message);
        assert!(error.contains(message), "{error}");
    };
    refused(|state| state.voters.truncate(2), "--nodes");
    refused(|state| state.voters[0].epoch = 9, "epoch");
    refused(|state| state.voters[1].role = "king".to_owned(), "no such role: king");
    refused(|state| state.voters[1].role = "follower".to_owned(), "leader is missing");
    refused(|state| state.voters[2].log = vec!["x1".to_owned()], "no such record: x1");
    refused(|state| state.voters[2].flushed = 1, "flushed");
    refused(|state| state.leaders = vec!["n4".to_owned()], "no such voter: n4");
    refused(|state| state.stains = vec!["rust".to_owned()], "no such stain: rust");
}

#[test]
fn bounds_that_do_not_fit_are_refused() {
    let refused = |bounds: Bounds| Kraft::admit(&bounds, &Rules::default()).expect_err("it does not fit");
    let fitting = Kraft::bounds_at(Scale::Default);
    assert!(refused(Bounds { epochs: 5, ..fitting }).contains("--records 1"));
    assert!(refused(Bounds { stable_after: 3, ..fitting }).contains("--epochs 6"));
    for scale in [Scale::Test, Scale::Default, Scale::Deep, Scale::Liveness, Scale::Flaw] {
        assert_eq!(Kraft::admit(&Kraft::bounds_at(scale), &Rules::default()), Ok(()));
    }
}

#[test]
fn log_compares_by_words() {
    let log = [record(1, 0), record(1, 1), record(3, 0)].into_iter().fold(Log::default(), Log::with);
    assert_eq!((log.len(), log.last_epoch()), (3, 3));
    let end = log.end_of_epoch(2);
    assert_eq!((end.epoch, end.offset), (1, 2));
    assert_eq!(log.end_of_epoch(0).offset, 0);
    let other = log.prefix(1).with(record(2, 0));
    assert_eq!(log.first_difference(other), 1);
    assert_eq!(log.first_difference(log.prefix(2)), 2);
    assert!(log.starts_with(log.prefix(2)) && !log.starts_with(other));
}

#[test]
fn messages_stay_sorted_and_unique() {
    let mut state = correct(Kraft::bounds_at(Scale::Flaw)).init_states()[0];
    for message in [5, 9, 7, 9] {
        state.send(Message(message));
    }
    assert_eq!(state.in_flight().map(|message| message.0).collect::<Vec<_>>(), [9, 7, 5]);
    state.take(Message(7));
    assert_eq!(state.in_flight().map(|message| message.0).collect::<Vec<_>>(), [9, 5]);
}

/// What a message in flight may do, it may do with more room beside it: were a reduction to drop what matters, a
/// larger model would miss, or take longer to, what a smaller one reaches.
#[test]
fn shortest_counterexamples_do_not_grow_with_room_in_flight() {
    for flaw in Kraft::flaws().iter().filter(|flaw| flaw_bounds(flaw.bounds).stable_after == 0) {
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        let goal = flaw.breaks[0].claim;
        let mut shortest = usize::MAX;
        for messages in 2..=4 {
            let bounds = Bounds { messages, ..flaw_bounds(flaw.bounds) };
            let goals = [goal];
            let options = Options { stop: Stop::Decided(&goals), ..options(true) };
            let outcome = search(&Kraft::new(bounds, rules), &options);
            let found = violated(&outcome).into_iter().find(|(name, _)| *name == goal);
            let (_, steps) =
                found.unwrap_or_else(|| panic!("{}: {goal} holds, {messages} messages", flaw.id));
            assert!(steps <= shortest, "{}: {steps} steps, {messages} messages", flaw.id);
            shortest = steps;
        }
    }
}
