//! The checker against answers that are known: by arithmetic, from the literature, from Stateright.

mod fingerprint;
mod limits;
mod liveness;
mod models;
mod random;
mod safety;
mod table;

use std::fmt::Write;

use stateright::Checker;

use super::{ClaimVerdict, Options, Outcome, Spec, Stop, Walk, search};

/// Everything of an outcome that must not depend on how the search was run.
fn transcript<M: Spec>(outcome: &Outcome<M>) -> String {
    let mut text = format!(
        "{:?} {:?} generated={} unique={} depth={} terminal={} {:?}\n",
        outcome.verdict,
        outcome.cut,
        outcome.generated,
        outcome.unique,
        outcome.depth,
        outcome.terminal,
        outcome.actions
    );
    for claim in &outcome.claims {
        writeln!(text, "{} {} {} {:?}", claim.name, claim.clause, claim.kind, claim.verdict).unwrap();
        if let Some(walk) = &claim.walk {
            writeln!(text, "  {:?} {:?} {:?}", walk.start, walk.steps, walk.loop_to).unwrap();
        }
    }
    text
}

/// The claim of a name.
fn verdict<M: Spec>(outcome: &Outcome<M>, name: &str) -> ClaimVerdict {
    claim(outcome, name).verdict
}

fn claim<'a, M: Spec>(outcome: &'a Outcome<M>, name: &str) -> &'a super::ClaimOutcome<M> {
    outcome.claims.iter().find(|claim| claim.name == name).expect("a claim of that name")
}

/// The walk of a claim, checked step by step against the model.
fn walk_of<'a, M: Spec>(model: &M, outcome: &'a Outcome<M>, name: &str) -> &'a Walk<M> {
    let walk = claim(outcome, name).walk.as_ref().expect("a walk");
    assert!(model.init_states().contains(&walk.start));
    let mut states = vec![walk.start];
    for (action, next) in &walk.steps {
        let state = states.last().unwrap();
        let mut actions = Vec::new();
        model.actions(state, &mut actions);
        assert!(actions.contains(action));
        assert_eq!(model.next_state(state, *action), Some(*next));
        states.push(*next);
    }
    if let Some(index) = walk.loop_to {
        assert_eq!(states[index], *states.last().unwrap());
    }
    walk
}

/// Exhausts a model without symmetry and holds the result against both of Stateright's searches.
fn assert_agrees_with_stateright<M: Spec>(make: impl Fn() -> M) -> Outcome<M> {
    let model = make();
    let options = Options { symmetry: false, stop: Stop::Exhausted, ..Options::default() };
    let ours = search(&model, &options);
    // Stateright stops once every property is decided; one that never is keeps it going.
    let breadth_first =
        make().checker().finish_when(stateright::HasDiscoveries::AllOf(NEVER.into())).spawn_bfs().join();
    let depth_first =
        make().checker().finish_when(stateright::HasDiscoveries::AllOf(NEVER.into())).spawn_dfs().join();
    assert_eq!(ours.unique, breadth_first.unique_state_count() as u64);
    assert_eq!(ours.unique, depth_first.unique_state_count() as u64);
    assert_eq!(ours.generated, breadth_first.state_count() as u64);
    for claim in &ours.claims {
        if claim.kind == "deadlock" {
            continue;
        }
        let found = breadth_first.discovery(claim.name).is_some();
        assert_eq!(found, depth_first.discovery(claim.name).is_some(), "{}", claim.name);
        let expected =
            if found == (claim.kind == "always") { ClaimVerdict::Violated } else { ClaimVerdict::Holds };
        assert_eq!(claim.verdict, expected, "{}", claim.name);
    }
    ours
}

const NEVER: [&str; 1] = ["a name that no property has"];
