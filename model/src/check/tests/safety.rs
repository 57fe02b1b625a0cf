//! Counts, verdicts and walks of the safety search.

use std::collections::HashSet;

use stateright::{Checker, Model};

use super::models::{Commit, Counters, Drawing, Puzzle};
use super::{assert_agrees_with_stateright, claim, transcript, verdict, walk_of};
use crate::check::{ClaimVerdict, Options, Spec, Stop, Verdict, search};

const FULL: Options<'_> = Options {
    threads: 1,
    symmetry: false,
    stop: Stop::Exhausted,
    witness: None,
    memory_bytes_max: None,
    time_max: None,
    cancel: None,
    observer: None,
};

#[test]
fn counters_agree_with_arithmetic_and_stateright() {
    let outcome = assert_agrees_with_stateright(|| Counters { counters: 5, top: 5, forbidden_sum: Some(7) });
    assert_eq!(outcome.unique, 6u64.pow(5));
    assert_eq!(outcome.depth, 26);
    assert_eq!(outcome.generated, 1 + 5 * 5 * 6u64.pow(4));
    assert_eq!(outcome.terminal, 1);
    let fired: Vec<u64> = outcome.actions.iter().map(|fired| fired.fired).collect();
    assert_eq!(fired, [3 * 5 * 6u64.pow(4), 2 * 5 * 6u64.pow(4)]);
}

#[test]
fn two_phase_commit_agrees_with_the_literature_and_stateright() {
    assert_eq!(assert_agrees_with_stateright(|| Commit { managers: 3 }).unique, 288);
    assert_eq!(assert_agrees_with_stateright(|| Commit { managers: 5 }).unique, 8_832);
}

#[test]
fn puzzle_agrees_with_the_literature_and_stateright() {
    // Not Stateright's depth-first search: its jobs carry their paths, here of up to 100,000 moves.
    let outcome = search(&Puzzle, &FULL);
    assert_eq!((outcome.unique, outcome.depth), (181_440, 32));
    let theirs = Puzzle.checker().spawn_bfs().join();
    assert_eq!(theirs.unique_state_count(), 181_440);
    assert_eq!(theirs.state_count() as u64, outcome.generated);
}

#[test]
fn outcome_is_the_same_at_any_number_of_threads() {
    fn assert_same<M: Spec>(model: &M, options: Options<'_>) {
        let one = transcript(&search(model, &options));
        for threads in 2..=4 {
            assert_eq!(transcript(&search(model, &Options { threads, ..options })), one);
        }
    }
    let counters = Counters { counters: 6, top: 6, forbidden_sum: Some(17) };
    for symmetry in [false, true] {
        for stop in [Stop::Exhausted, Stop::FirstViolation] {
            let options = Options { symmetry, stop, witness: Some("half"), ..FULL };
            assert_same(&counters, options);
            assert_same(&Commit { managers: 6 }, options);
        }
    }
    assert_same(&Puzzle, FULL);
}

#[test]
fn each_violated_claim_has_its_own_shortest_walk() {
    let outcome = search(&Puzzle, &Options { threads: 2, ..FULL });
    assert_eq!(walk_of(&Puzzle, &outcome, "not-farthest").steps.len(), 31);
    // An independent answer: Stateright on one thread, which is breadth-first in earnest.
    let theirs = Puzzle.checker().spawn_bfs().join();
    let path = theirs.discovery("not-reversed").map(|path| path.into_states().len() - 1);
    let ours = claim(&outcome, "not-reversed").walk.as_ref().map(|walk| walk.steps.len());
    assert!(ours.is_some());
    assert_eq!(ours, path);
}

#[test]
fn shortest_walk_is_found_where_early_branches_are_longer() {
    // The first edge of node 0 leads to a long way round, by which a search that runs ahead meets node 50 first.
    let mut edges: Vec<_> = (0..50).map(|node| (node, node + 1, None)).collect();
    edges.extend([(0, 60, None), (60, 61, None), (61, 50, None)]);
    edges.extend((100..5_000).map(|node| (0, node, None)));
    let drawing =
        Drawing { initial: vec![0], edges, bad: vec![50], ends: (0..5_000).collect(), ..Drawing::default() };
    for threads in 1..=4 {
        let outcome = search(&drawing, &Options { threads, ..FULL });
        let nodes: Vec<u32> = walk_of(&drawing, &outcome, "good").steps.iter().map(|step| step.1).collect();
        assert_eq!(nodes, [60, 61, 50]);
    }
}

#[test]
fn early_stop_finishes_the_level_and_leaves_the_rest_open() {
    let model = Counters { counters: 4, top: 9, forbidden_sum: Some(3) };
    let outcome = search(&model, &Options { stop: Stop::FirstViolation, ..FULL });
    assert_eq!((outcome.verdict, outcome.cut, outcome.depth), (Verdict::Violated, None, 4));
    // All with a sum of at most 3: (3 + 4 choose 4).
    assert_eq!(outcome.unique, 35);
    assert_eq!(verdict(&outcome, "sum"), ClaimVerdict::Violated);
    assert_eq!(walk_of(&model, &outcome, "sum").steps.len(), 3);
    assert_eq!(verdict(&outcome, "half"), ClaimVerdict::Unknown);
    assert_eq!(verdict(&outcome, "over"), ClaimVerdict::Unknown);
    assert_eq!(verdict(&outcome, "deadlock"), ClaimVerdict::Unknown);
}

#[test]
fn search_that_has_what_it_was_asked_for_proves_nothing_else() {
    let model = Counters { counters: 4, top: 9, forbidden_sum: None };
    let options = Options { stop: Stop::Decided(&["half"]), witness: Some("half"), ..FULL };
    let outcome = search(&model, &options);
    assert_eq!((outcome.verdict, outcome.cut, outcome.depth), (Verdict::Incomplete, None, 19));
    assert_eq!(verdict(&outcome, "half"), ClaimVerdict::Holds);
    assert_eq!(verdict(&outcome, "sum"), ClaimVerdict::Unknown);
    assert_eq!(walk_of(&model, &outcome, "half").steps.len(), 18);
}

#[test]
fn claims_asked_for_are_searched_for_beyond_the_first_violation() {
    let model = Counters { counters: 2, top: 9, forbidden_sum: Some(3) };
    let options = Options { stop: Stop::Decided(&["half", "deadlock"]), ..FULL };
    let outcome = search(&model, &options);
    assert_eq!(
        (outcome.verdict, outcome.unique),
        (Verdict::Violated, 100),
        "no deadlock: searched to the end"
    );
    let outcome = search(&model, &Options { stop: Stop::Decided(&["half", "sum"]), ..FULL });
    assert_eq!((outcome.verdict, outcome.depth), (Verdict::Violated, 10));
}

#[test]
fn witness_never_met_violates_when_all_was_searched() {
    let model = Counters { counters: 2, top: 3, forbidden_sum: None };
    let outcome = search(&model, &FULL);
    assert_eq!(outcome.verdict, Verdict::Violated);
    assert_eq!(verdict(&outcome, "half"), ClaimVerdict::Holds);
    assert_eq!(verdict(&outcome, "over"), ClaimVerdict::Violated);
    assert!(claim(&outcome, "over").walk.is_none());
}

#[test]
fn witness_is_walked_to_where_asked_for() {
    let model = Counters { counters: 4, top: 3, forbidden_sum: None };
    assert!(claim(&search(&model, &FULL), "half").walk.is_none());
    let outcome = search(&model, &Options { witness: Some("half"), ..FULL });
    assert_eq!(walk_of(&model, &outcome, "half").steps.len(), 6);
}

#[test]
fn violated_initial_state_is_a_walk_without_steps() {
    let model = Counters { counters: 2, top: 3, forbidden_sum: Some(0) };
    let outcome = search(&model, &Options { stop: Stop::FirstViolation, ..FULL });
    assert_eq!((outcome.unique, outcome.depth), (1, 1));
    assert!(walk_of(&model, &outcome, "sum").steps.is_empty());
}

#[test]
fn state_without_successors_is_a_deadlock_unless_it_may_end() {
    let mut drawing = Drawing {
        initial: vec![0],
        edges: vec![(0, 1, None), (0, 2, None), (2, 3, None), (3, 3, None)],
        seen: vec![0],
        ends: vec![1, 3],
        ..Drawing::default()
    };
    let outcome = search(&drawing, &FULL);
    assert_eq!((outcome.verdict, outcome.terminal), (Verdict::Holds, 2));
    assert_eq!(claim(&outcome, "deadlock").clause, "check/deadlock/1");
    drawing.ends = vec![1];
    let outcome = search(&drawing, &Options { stop: Stop::FirstViolation, ..FULL });
    assert_eq!(verdict(&outcome, "deadlock"), ClaimVerdict::Violated);
    let nodes: Vec<u32> = walk_of(&drawing, &outcome, "deadlock").steps.iter().map(|step| step.1).collect();
    assert_eq!(nodes, [2, 3], "a step to the same state is no way on");
}

#[test]
fn step_over_the_boundary_is_neither_counted_nor_missed() {
    let drawing = Drawing {
        initial: vec![0, 9],
        edges: vec![(0, 1, None), (0, 7, None), (1, 8, None), (7, 2, None)],
        seen: vec![1],
        bad: vec![2, 7, 8, 9],
        boundary: Some(5),
        ..Drawing::default()
    };
    let outcome = search(&drawing, &FULL);
    // Node 1 is no deadlock: it has a way on, if not within the boundary.
    assert_eq!(outcome.verdict, Verdict::Holds);
    assert_eq!((outcome.generated, outcome.unique, outcome.depth, outcome.terminal), (2, 2, 2, 0));
    assert_eq!(outcome.actions[1].fired, 1);
}

#[test]
fn model_without_initial_state_has_no_depth() {
    let outcome = search(&Drawing::default(), &FULL);
    assert_eq!((outcome.generated, outcome.unique, outcome.depth), (0, 0, 0));
    assert_eq!(verdict(&outcome, "seen"), ClaimVerdict::Violated);
}

#[test]
fn more_initial_states_than_the_table_holds_at_first() {
    let drawing = Drawing {
        initial: (0..200_000).chain(0..100).collect(),
        edges: vec![(0, 200_000, None)],
        seen: vec![200_000],
        ends: (0..=200_000).collect(),
        ..Drawing::default()
    };
    // Nodes are looked up among all the ends: few of them are tested.
    let quick = Drawing { ends: Vec::new(), ..drawing };
    let outcome = search(&quick, &Options { witness: Some("seen"), ..FULL });
    assert_eq!((outcome.generated, outcome.unique, outcome.depth), (200_101, 200_001, 2));
    assert_eq!(walk_of(&quick, &outcome, "seen").steps.len(), 1);
}

#[test]
fn symmetry_visits_one_state_an_orbit_and_agrees_on_every_claim() {
    fn assert_agrees<M: Spec>(model: &M, names: u64) -> u64 {
        let full = search(model, &FULL);
        let reduced = search(model, &Options { symmetry: true, ..FULL });
        assert!(reduced.unique * (1..=names).product::<u64>() >= full.unique);
        for (full, reduced) in full.claims.iter().zip(&reduced.claims) {
            assert_eq!((full.name, full.verdict), (reduced.name, reduced.verdict));
            let steps =
                |claim: &crate::check::ClaimOutcome<M>| claim.walk.as_ref().map(|walk| walk.steps.len());
            assert_eq!(steps(full), steps(reduced));
        }
        // The orbits of the full space, counted one by one.
        let mut states: HashSet<M::State> = model.init_states().into_iter().collect();
        let mut open: Vec<M::State> = states.iter().copied().collect();
        while let Some(state) = open.pop() {
            open.extend(model.next_states(&state).into_iter().filter(|next| states.insert(*next)));
        }
        let orbits: HashSet<M::State> = states.iter().map(|state| model.canonical(state)).collect();
        assert_eq!(reduced.unique, orbits.len() as u64);
        assert_eq!((full.unique, full.depth), (states.len() as u64, reduced.depth));
        reduced.unique
    }
    assert_agrees(&Commit { managers: 4 }, 4);
    // Sorted sequences of 4 of 7 values: (4 + 6 choose 6).
    assert_eq!(assert_agrees(&Counters { counters: 4, top: 6, forbidden_sum: Some(11) }, 4), 210);
}

#[test]
fn walk_under_symmetry_is_concrete() {
    let model = Counters { counters: 4, top: 6, forbidden_sum: Some(11) };
    let outcome = search(&model, &Options { symmetry: true, witness: Some("half"), ..FULL });
    assert_eq!(walk_of(&model, &outcome, "sum").steps.len(), 11);
    let model = Commit { managers: 4 };
    let outcome = search(&model, &Options { symmetry: true, witness: Some("commits"), ..FULL });
    walk_of(&model, &outcome, "commits");
}

#[test]
fn chance_of_confusion_is_that_of_birthdays() {
    let outcome = search(&Commit { managers: 5 }, &FULL);
    let expected = 8_832.0 * 8_831.0 / 2f64.powi(65);
    assert!((outcome.collision_probability / expected - 1.0).abs() < 1e-9);
}
