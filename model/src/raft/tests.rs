//! What the model is held to: exact counts under two searches, symmetry, every flaw, liveness, Figure 8.

use stateright::{Checker, Model};

use super::*;
use crate::check::{ClaimVerdict, Options, Outcome, Stop, Verdict, liveness, search};
use crate::trace::{Event, Mark, Storyboard};

fn small() -> Bounds {
    Bounds { records: 0, ..Raft::bounds_at(Scale::Test) }
}

fn exhaust(model: &Raft, symmetry: bool) -> Outcome<Raft> {
    let options = Options { threads: 2, symmetry, stop: Stop::Exhausted, ..Options::default() };
    if model.bounds.stabilises == 1 { liveness(model, &options) } else { search(model, &options) }
}

fn steps(outcome: &Outcome<Raft>, claim: &str) -> Option<usize> {
    let found = outcome.claims.iter().find(|found| found.name == claim)?;
    assert_eq!(found.verdict, ClaimVerdict::Violated, "{claim}");
    found.walk.as_ref().map(|walk| walk.steps.len())
}

fn verdict(outcome: &Outcome<Raft>, claim: &str) -> ClaimVerdict {
    outcome
        .claims
        .iter()
        .find(|found| found.name == claim)
        .map_or(ClaimVerdict::Unknown, |found| found.verdict)
}

fn broken(rule: &str, bounds: Bounds) -> Raft {
    let mut rules = Rules::default();
    let rule = Raft::rules().iter().find(|known| known.name == rule).expect("a rule of that name");
    (rule.off)(&mut rules);
    Raft::with(bounds, rules)
}

fn figure_8a(gate: bool) -> Raft {
    let bounds =
        Bounds { nodes: 5, terms: 5, records: 0, messages: 1, restarts: 0, stabilises: 0, atomic: true };
    let json = include_str!("../../../specs/starts/raft-figure-8a.json");
    let model = Raft::with(bounds, Rules { commit_gate: gate, ..Rules::default() });
    let state = model.state_from(&serde_json::from_str(json).expect("a state")).expect("a possible state");
    model.starting_from(state)
}

#[test]
fn test_scale_holds_with_the_counts_of_stateright() {
    let model = Raft::with(small(), Rules::default());
    let ours = exhaust(&model, false);
    let theirs = model.checker().spawn_bfs().join();
    assert_eq!(ours.verdict, Verdict::Holds);
    assert_eq!(theirs.unique_state_count() as u64, ours.unique);
    assert_eq!((ours.unique, ours.generated, ours.depth), (41_561, 198_295, 28));
}

#[test]
fn test_scale_holds_under_symmetry() {
    let model = Raft::with(Raft::bounds_at(Scale::Test), Rules::default());
    let outcome = exhaust(&model, true);
    assert_eq!(outcome.verdict, Verdict::Holds);
    assert_eq!((outcome.unique, outcome.depth), (39_432, 35));
}

#[test]
fn symmetry_finds_the_same_in_fewer_states() {
    let bounds = Bounds { terms: 1, records: 2, ..small() };
    for rules in [Rules::default(), Rules { one_vote: false, ..Rules::default() }] {
        let model = Raft::with(bounds, rules);
        let (full, reduced) = (exhaust(&model, false), exhaust(&model, true));
        assert!(reduced.unique < full.unique);
        // Three servers and two records have at most 3! · 2! names.
        assert!(reduced.unique * 12 >= full.unique);
        for (one, other) in full.claims.iter().zip(&reduced.claims) {
            assert_eq!((one.name, one.verdict), (other.name, other.verdict));
            let length = |outcome: &crate::check::ClaimOutcome<Raft>| {
                outcome.walk.as_ref().map(|walk| walk.steps.len())
            };
            assert_eq!(length(one), length(other), "{}", one.name);
        }
    }
}

#[test]
fn every_flaw_breaks_what_it_says() {
    for flaw in Raft::flaws() {
        let live = flaw
            .breaks
            .iter()
            .any(|broken| ["leader-elected", "log-committed", "logs-converge"].contains(&broken.claim));
        let mut bounds = Raft::bounds_at(if live { Scale::Liveness } else { Scale::Flaw });
        (flaw.bounds)(&mut bounds);
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        let goals: Vec<&'static str> = flaw.breaks.iter().map(|broken| broken.claim).collect();
        let stop = if flaw.keeps.is_empty() { Stop::Decided(&goals) } else { Stop::Exhausted };
        let options = Options { threads: 2, stop, ..Options::default() };
        let model = Raft::with(bounds, rules);
        let outcome = if live { liveness(&model, &options) } else { search(&model, &options) };
        for broken in flaw.breaks {
            assert_eq!(steps(&outcome, broken.claim), Some(broken.steps), "{} {}", flaw.id, broken.claim);
        }
        for kept in flaw.keeps {
            assert_eq!(verdict(&outcome, kept), ClaimVerdict::Holds, "{} {kept}", flaw.id);
        }
    }
}

#[test]
fn controls_stay_green() {
    for control in Raft::controls() {
        let (mut bounds, mut rules) = (Raft::bounds_at(Scale::Flaw), Rules::default());
        (control.bounds)(&mut bounds);
        (control.change)(&mut rules);
        let outcome = exhaust(&Raft::with(bounds, rules), true);
        let claims = outcome.claims.iter().filter(|claim| claim.kind != "sometimes");
        for claim in claims {
            assert_eq!(claim.verdict, ClaimVerdict::Holds, "{} {}", control.name, claim.name);
        }
    }
}

#[test]
fn a_stable_network_elects_and_commits() {
    let outcome = exhaust(&Raft::with(Raft::bounds_at(Scale::Liveness), Rules::default()), false);
    assert_eq!(outcome.verdict, Verdict::Holds);
    assert_eq!(outcome.unique, 166_070);
}

#[test]
fn figure_8_from_nothing_passes_a_to_d() {
    let bounds = Bounds { terms: 4, ..Raft::bounds_at(Scale::Flaw) };
    let model = broken("commit-gate", bounds);
    let outcome = search(&model, &Options { threads: 2, ..Options::default() });
    let claim = outcome.claims.iter().find(|claim| claim.name == "leader-completeness").expect("claimed");
    let walk = claim.walk.as_ref().expect("a walk");
    let names: Vec<String> = model.landmarks(walk).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["Figure 8 (a)", "Figure 8 (b)", "Figure 8 (c)", "Figure 8 (d)"]);
    let mut before = walk.start;
    let mut elections = 0;
    for (action, after) in &walk.steps {
        let elected = |event: &Event| matches!(event, Event::Note { mark: Mark::Elected, .. });
        elections += model.narrate(&before, action, after).iter().filter(|event| elected(event)).count();
        before = *after;
    }
    assert_eq!(elections, 4);
}

#[test]
fn figure_8_from_its_state_a_is_found() {
    let model = figure_8a(false);
    let outcome = search(&model, &Options { threads: 2, ..Options::default() });
    let claim = outcome.claims.iter().find(|claim| claim.name == "leader-completeness").expect("claimed");
    let walk = claim.walk.as_ref().expect("a walk");
    let landmarks = model.landmarks(walk);
    let names: Vec<&str> = landmarks.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["Figure 8 (a)", "Figure 8 (b)", "Figure 8 (c)", "Figure 8 (d)"]);
    assert_eq!((landmarks[0].0, walk.steps.len()), (0, 14));
}

#[test]
fn every_state_reads_back() {
    let bounds = Bounds { terms: 1, records: 1, messages: 1, ..small() };
    for model in [
        Raft::with(bounds, Rules::default()),
        Raft::with(bounds, Rules { flush: false, one_vote: false, ..Rules::default() }),
        Raft::with(Bounds { nodes: 2, terms: 3, stabilises: 1, ..bounds }, Rules::default()),
    ] {
        let mut seen = std::collections::HashSet::from([model.start]);
        let mut queue = vec![model.start];
        while let Some(state) = queue.pop() {
            let json = serde_json::to_string(&model.readable(&state)).expect("JSON");
            assert_eq!(model.state_from(&serde_json::from_str(&json).expect("a state")), Ok(state));
            assert_eq!(model.view(&state).len(), model.lanes().len());
            queue.extend(model.next_states(&state).into_iter().filter(|next| seen.insert(*next)));
        }
    }
}

#[test]
fn bounds_that_do_not_fit_are_refused() {
    let rules = Rules::default();
    let default = Raft::bounds_at(Scale::Default);
    assert_eq!(Raft::admit(&default, &rules), Ok(()));
    let full = Raft::admit(&Bounds { records: 3, ..default }, &rules).expect_err("too many");
    assert!(full.contains("--records 2"), "{full}");
    let late = Raft::admit(&Bounds { terms: 3, stabilises: 1, ..default }, &rules).expect_err("too few");
    assert!(late.contains("--epochs 4"), "{late}");
}
