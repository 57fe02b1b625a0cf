use std::collections::HashSet;

use highwater_model::check::{Options, Outcome, search};
use stateright::{Checker, Model};

use super::*;
use crate::cores::testing;

/// A little of everything but faults.
const SMALL: Bounds = Bounds { epochs: 2, records: 1, restarts: 0, faults: 0, ..Bounds::DEFAULT };

fn check(bounds: Bounds, threads: usize, symmetry: bool) -> Outcome<QuorumCores> {
    let model = QuorumCores::new(bounds, Rules::default());
    search(&model, &Options { threads, symmetry, ..Options::default() })
}

/// Every state that is reachable.
fn reachable(model: &QuorumCores) -> Vec<State> {
    let mut found = model.init_states();
    let mut seen: HashSet<State> = found.iter().copied().collect();
    let mut next = 0;
    let mut actions = Vec::new();
    while next < found.len() {
        let state = found[next];
        next += 1;
        actions.clear();
        model.actions(&state, &mut actions);
        let after = actions.iter().filter_map(|action| model.next_state(&state, *action));
        found.extend(after.filter(|after| seen.insert(*after)));
    }
    found
}

fn assert_holds(bounds: Bounds, unique: u64, depth: u32) {
    testing::assert_holds(&check(bounds, 2, true), bounds, unique, depth);
}

#[test]
fn cores_without_faults_hold() {
    assert_holds(SMALL, 27_863, 41);
}

#[test]
fn cores_that_restart_and_lose_their_tails_hold() {
    assert_holds(Bounds { records: 0, restarts: 1, faults: 1, ..SMALL }, 37_748, 40);
}

#[test]
fn cores_that_resign_hold() {
    assert_holds(Bounds { records: 0, resignations: 1, faults: 1, ..SMALL }, 121_788, 35);
}

#[test]
fn cores_that_hear_twice_hold() {
    assert_holds(Bounds { duplicates: 1, faults: 1, ..SMALL }, 134_350, 41);
}

#[test]
fn cores_that_lose_a_disk_hold() {
    assert_holds(Bounds { wipes: 1, ..SMALL }, 118_313, 43);
}

#[test]
fn cores_that_ask_for_promises_hold() {
    assert_holds(Bounds { records: 0, pre_vote: 1, ..SMALL }, 54_177, 40);
}

#[test]
fn cores_that_look_for_a_leader_hold() {
    assert_holds(Bounds { epochs: 1, search: 1, ..SMALL }, 29_610, 28);
}

#[test]
fn cores_without_thrift_hold() {
    let bounds = Bounds {
        voters: 2,
        messages: 1,
        restarts: 1,
        resignations: 1,
        duplicates: 1,
        faults: 1,
        thrift: 0,
        ..SMALL
    };
    assert_holds(bounds, 164_661, 32);
    let three = Bounds { voters: 3, epochs: 1, records: 0, messages: 1, thrift: 0, ..SMALL };
    assert_holds(three, 8_610, 25);
}

#[test]
fn counts_any_number_of_threads_the_same() {
    let counts = |threads, symmetry| testing::counts(&check(SMALL, threads, symmetry));
    assert_eq!(counts(1, true), counts(3, true));
    assert_eq!(counts(1, false), counts(3, false));
}

#[test]
fn counts_are_those_of_stateright() {
    let bounds = Bounds { epochs: 1, ..SMALL };
    let checker = QuorumCores::new(bounds, Rules::default()).checker().spawn_bfs().join();
    let outcome = check(bounds, 1, false);
    assert_eq!(outcome.unique, checker.unique_state_count() as u64);
}

fn assert_symmetric(bounds: Bounds) {
    let model = QuorumCores::new(bounds, Rules::default());
    let all: HashSet<State> = reachable(&model).into_iter().collect();
    for state in &all {
        let representative = model.representative(state);
        for renamed in model.renamings(state) {
            assert!(all.contains(&renamed), "a renamed state is not reachable:\n{:#?}", model.text(&renamed));
            assert!(model.representative(&renamed) == representative, "{:#?}", model.text(state));
        }
    }
    let orbits: HashSet<State> = all.iter().map(|state| model.representative(state)).collect();
    assert_eq!(orbits.len() as u64, check(bounds, 2, true).unique);
}

#[test]
fn symmetry_visits_one_state_of_each_orbit() {
    assert_symmetric(Bounds { records: 0, ..SMALL });
    assert_symmetric(Bounds { epochs: 1, restarts: 1, faults: 1, ..SMALL });
}

#[cfg(feature = "flaws")]
mod flaws {
    use highwater_core::quorum::{FLAWS, VoteMemory};
    use highwater_model::check::Stop;
    use highwater_model::trace::{Event, Storyboard};

    use super::*;
    use crate::cores::testing::flaws::{breaks, changed};

    /// The least bounds at which something happens.
    const LEAST: Bounds = Bounds { epochs: 2, records: 0, restarts: 0, faults: 1, ..Bounds::DEFAULT };

    /// Holds a flaw to what it must break: in how many steps a step is none of the model's, and a claim of the model's breaks.
    fn assert_breaks(id: &str, bounds: Bounds, refines: usize, claim: &'static str, steps: usize) {
        let model = QuorumCores::new(bounds, changed(FLAWS, id));
        assert_eq!(breaks(&model, ["refines-kraft", claim]), [Some(refines), Some(steps)], "{id} {claim}");
    }

    #[test]
    fn story_of_a_step_that_is_none_of_the_models_says_why() {
        let rules = Rules { vote_memory: VoteMemory::UntilFollowing, ..Rules::default() };
        let model = QuorumCores::new(Bounds { epochs: 1, ..LEAST }, rules);
        let claims = ["refines-kraft"];
        let options = Options { stop: Stop::Decided(&claims), ..Options::default() };
        let outcome = search(&model, &options);
        let walk = outcome.claims.iter().find_map(|claim| claim.walk.as_ref()).expect("it is violated");
        let (action, after) = walk.steps.last().expect("it takes steps");
        let before = walk.steps[walk.steps.len() - 2].1;
        let told = model.narrate(&before, action, after);
        assert!(
            told.iter().any(
                |event| matches!(event, Event::Receive { text, .. } if text.starts_with("Vote epoch=1"))
            )
        );
        let why = "no step of the model: a vote is granted that the model did not see";
        assert!(
            told.iter().any(|event| matches!(event, Event::Note { text, .. } if text == why)),
            "{told:#?}"
        );
    }

    #[test]
    fn a01_commit_old_epoch() {
        assert_breaks("A01", Bounds { epochs: 4, ..LEAST }, 13, "leader-completeness", 20);
    }

    #[test]
    fn a02_commit_gate_inclusive() {
        assert_breaks("A02", Bounds { epochs: 4, ..LEAST }, 13, "leader-completeness", 20);
    }

    #[test]
    fn a03_vote_not_persisted() {
        assert_breaks("A03", Bounds { epochs: 1, restarts: 1, ..LEAST }, 2, "election-safety", 7);
    }

    #[test]
    fn a06_no_log_check() {
        assert_breaks("A06", LEAST, 5, "leader-completeness", 12);
    }

    #[test]
    fn a07_log_check_by_length() {
        assert_breaks("A07", Bounds { epochs: 3, ..LEAST }, 9, "leader-completeness", 16);
    }

    #[test]
    fn a08_vote_forgotten_by_follower() {
        assert_breaks("A08", Bounds { epochs: 1, ..LEAST }, 6, "election-safety", 7);
    }

    #[test]
    fn a11_stale_vote_reply() {
        assert_breaks("A11", LEAST, 4, "election-safety", 7);
    }

    #[test]
    fn a14_diverged_fetch_counted() {
        assert_breaks("A14", Bounds { epochs: 3, ..LEAST }, 9, "committed-durable", 9);
    }

    #[test]
    fn a15_fetch_epoch_ignored() {
        assert_breaks("A15", Bounds { epochs: 3, duplicates: 1, ..LEAST }, 11, "committed-durable", 17);
    }

    #[test]
    fn a17_unverified_high_watermark() {
        assert_breaks("A17", LEAST, 16, "state-machine-safety", 16);
    }

    #[test]
    fn a20_no_flush_before_fetch() {
        assert_breaks("A20", Bounds { restarts: 1, ..LEAST }, 8, "committed-durable", 10);
    }

    #[test]
    fn a23_restart_as_leader() {
        let bounds = Bounds { epochs: 1, records: 2, restarts: 1, ..LEAST };
        assert_breaks("A23", bounds, 4, "unique-record", 9);
    }

    #[test]
    fn a24_restart_without_vote() {
        assert_breaks("A24", Bounds { epochs: 1, restarts: 1, ..LEAST }, 4, "election-safety", 7);
    }

    #[test]
    fn a30_blank_voter() {
        assert_breaks("A30", Bounds { wipes: 1, ..LEAST }, 1, "election-safety", 7);
    }
}
