//! Fair cycles, on graphs whose answer is plain to see.

use stateright::{Checker, Model};

use super::models::Drawing;
use super::{verdict, walk_of};
use crate::check::{ClaimVerdict, Options, Outcome, Verdict, liveness};

/// A graph that starts and owes in node 0 and pays in node 9. All edges are of class 0 unless told.
fn drawing(edges: &[(u32, u32)]) -> Drawing {
    Drawing {
        initial: vec![0],
        edges: edges.iter().map(|(from, to)| (*from, *to, Some(0))).collect(),
        owes: vec![0],
        pays: vec![9],
        ..Drawing::default()
    }
}

fn drawing_of_classes(edges: &[(u32, u32, Option<u8>)]) -> Drawing {
    Drawing { edges: edges.to_vec(), ..drawing(&[]) }
}

fn check(drawing: &Drawing) -> Outcome<Drawing> {
    liveness(drawing, &Options::default())
}

/// The nodes of the counterexample and the index to which it loops.
fn refutation(drawing: &Drawing) -> (Vec<u32>, usize) {
    let outcome = check(drawing);
    assert_eq!(outcome.verdict, Verdict::Violated);
    let walk = walk_of(drawing, &outcome, "pays");
    let mut nodes = vec![walk.start];
    nodes.extend(walk.steps.iter().map(|step| step.1));
    (nodes, walk.loop_to.unwrap())
}

fn assert_holds(drawing: &Drawing) {
    let outcome = check(drawing);
    assert_eq!(verdict(&outcome, "pays"), ClaimVerdict::Holds);
    assert_eq!(outcome.verdict, Verdict::Holds);
}

#[test]
fn lasso_that_avoids_the_goal_violates() {
    assert_eq!(refutation(&drawing(&[(0, 1), (1, 2), (2, 1), (2, 9)])), (vec![0, 1, 2, 1], 1));
}

#[test]
fn cycle_with_fair_exit_holds() {
    assert_holds(&drawing_of_classes(&[(0, 1, Some(0)), (1, 0, Some(0)), (0, 9, Some(1)), (1, 9, Some(1))]));
}

#[test]
fn cycle_with_exit_that_nobody_owes_violates() {
    let drawing = drawing_of_classes(&[(0, 1, Some(0)), (1, 0, Some(0)), (0, 9, None), (1, 9, None)]);
    assert_eq!(refutation(&drawing), (vec![0, 1, 0], 0));
}

#[test]
fn exit_that_is_now_and_then_disabled_violates() {
    // Weak fairness owes only what is enabled for ever.
    let drawing = drawing_of_classes(&[(0, 1, Some(0)), (1, 0, Some(0)), (1, 9, Some(1))]);
    assert_eq!(refutation(&drawing), (vec![0, 1, 0], 0));
}

#[test]
fn two_classes_each_disabled_somewhere_violate() {
    // The exit of class 1 is open in node 0, that of class 2 in node 1: neither is open for ever.
    let edges = [(0, 1, Some(0)), (1, 0, Some(0)), (0, 9, Some(1)), (1, 9, Some(2))];
    assert_eq!(refutation(&drawing_of_classes(&edges)), (vec![0, 1, 0], 0));
}

#[test]
fn cycle_goes_out_of_its_way_to_where_a_class_is_disabled() {
    // 0 and 1 alone owe class 1; only node 3, two steps off, has it disabled.
    let edges = [
        (0, 1, Some(0)),
        (1, 0, Some(0)),
        (1, 2, Some(0)),
        (2, 3, Some(0)),
        (3, 0, Some(0)),
        (0, 9, Some(1)),
        (1, 9, Some(1)),
        (2, 9, Some(1)),
    ];
    assert_eq!(refutation(&drawing_of_classes(&edges)), (vec![0, 1, 2, 3, 0], 0));
}

#[test]
fn cycle_takes_an_edge_of_each_class_that_is_always_enabled() {
    let edges = [
        (0, 1, Some(0)),
        (1, 0, Some(0)),
        (0, 2, Some(1)),
        (1, 2, Some(1)),
        (2, 0, Some(0)),
        (2, 3, Some(1)),
        (3, 2, Some(1)),
        (3, 0, Some(0)),
    ];
    let (nodes, loop_to) = refutation(&drawing_of_classes(&edges));
    assert_eq!((nodes, loop_to), (vec![0, 1, 2, 0], 0));
}

#[test]
fn terminal_state_without_goal_violates() {
    assert_eq!(refutation(&drawing(&[(0, 1), (0, 9)])), (vec![0, 1], 1));
}

#[test]
fn state_that_only_faults_leave_violates() {
    // Nobody owes a fault, so that the behaviour may stay in node 1 for ever.
    let drawing = drawing_of_classes(&[(0, 1, Some(0)), (1, 9, None)]);
    assert_eq!(refutation(&drawing), (vec![0, 1], 1));
}

#[test]
fn step_to_the_same_state_is_no_step() {
    // The self-loop of class 0 neither satisfies class 0 nor keeps the state from being terminal.
    assert_holds(&drawing(&[(0, 0), (0, 9)]));
    assert_eq!(refutation(&drawing(&[(0, 0)])), (vec![0], 0));
}

#[test]
fn terminal_goal_holds() {
    assert_holds(&drawing(&[(0, 1), (1, 9)]));
}

#[test]
fn debt_before_a_payment_is_the_only_one_that_counts() {
    // The cycle of 2 and 3 owes nothing: node 0 was paid before.
    assert_holds(&drawing(&[(0, 9), (9, 2), (2, 3), (3, 2)]));
}

#[test]
fn debt_after_a_payment_counts() {
    let drawing = Drawing { owes: vec![2], ..drawing(&[(0, 9), (9, 2), (2, 3), (3, 2)]) };
    assert_eq!(refutation(&drawing), (vec![0, 9, 2, 3, 2], 2));
}

#[test]
fn state_that_owes_and_pays_at_once_owes_nothing() {
    let drawing = Drawing { pays: vec![0], ..drawing(&[(0, 1)]) };
    assert_holds(&drawing);
}

#[test]
fn unreachable_debt_holds() {
    let drawing = Drawing { owes: vec![5], ..drawing(&[(0, 1), (5, 6)]) };
    assert_holds(&drawing);
}

#[test]
fn component_inside_an_unfair_one_does_not_violate() {
    // Two cycles joined in node 1; class 1 leads out of every state, so that no part may go on for ever.
    let mut edges = vec![(0, 1, Some(0)), (1, 0, Some(0)), (1, 2, Some(0)), (2, 1, Some(0))];
    edges.extend((0..3).map(|node| (node, 9, Some(1))));
    assert_holds(&drawing_of_classes(&edges));
}

#[test]
fn nearest_of_several_components_is_shown() {
    let drawing = drawing(&[(0, 1), (1, 2), (2, 3), (3, 2), (1, 4), (4, 5), (0, 6), (6, 7), (7, 6)]);
    assert_eq!(refutation(&drawing), (vec![0, 6, 7, 6], 1));
}

#[test]
fn debt_incurred_late_may_be_nearer() {
    // From 0 to the cycle of 3 through the debt of node 2; the debt of node 1 has a longer way.
    let drawing =
        Drawing { owes: vec![1, 2], ..drawing(&[(0, 1), (1, 4), (4, 5), (5, 9), (0, 2), (2, 3), (5, 3)]) };
    assert_eq!(refutation(&drawing), (vec![0, 2, 3], 2));
}

#[test]
fn joined_paths_stateright_is_wrong_and_we_are_right() {
    // Both ways meet in node 3. The one by 9 pays before; Stateright visits the meeting point once, and if that
    // is on the paying way, it forgets that the other did not.
    let drawing = Drawing { owes: vec![0], ..drawing(&[(0, 9), (0, 1), (9, 3), (1, 3)]) };
    let theirs = drawing.clone().checker().spawn_bfs().join();
    assert!(theirs.discovery("stateright-eventually").is_none(), "Stateright has learned better");
    assert_eq!(refutation(&drawing), (vec![0, 1, 3], 2));
}

#[test]
fn cycle_stateright_is_wrong_and_we_are_right() {
    let drawing = drawing(&[(0, 1), (1, 0)]);
    let theirs = drawing.clone().checker().spawn_bfs().join();
    assert!(theirs.discovery("stateright-eventually").is_none(), "Stateright has learned better");
    assert_eq!(refutation(&drawing), (vec![0, 1, 0], 0));
}

#[test]
fn step_beyond_the_boundary_is_owed_all_the_same() {
    // The exit leads out of the boundary: the behaviour may not stay, and nobody knows what it does outside.
    let inside = Drawing { boundary: Some(2), ..drawing(&[(0, 1), (1, 5)]) };
    assert_holds(&inside);
}

#[test]
fn counts_are_those_of_the_search() {
    let drawing = drawing(&[(0, 1), (0, 0), (0, 2), (1, 3), (2, 3), (3, 9)]);
    let outcome = check(&drawing);
    let safety = crate::check::search(
        &drawing,
        &Options { stop: crate::check::Stop::Exhausted, ..Options::default() },
    );
    assert_eq!(
        (outcome.generated, outcome.unique, outcome.depth, outcome.terminal, &outcome.actions),
        (safety.generated, safety.unique, safety.depth, safety.terminal, &safety.actions)
    );
    assert_eq!((outcome.generated, outcome.unique, outcome.depth, outcome.terminal), (7, 5, 4, 1));
}

#[test]
fn limits_make_it_incomplete() {
    let drawing = drawing(&[(0, 1), (1, 9)]);
    let outcome = liveness(&drawing, &Options { memory_bytes_max: Some(1), ..Options::default() });
    assert_eq!(outcome.verdict, Verdict::Incomplete);
    assert_eq!(verdict(&outcome, "pays"), ClaimVerdict::Unknown);
    let outcome =
        liveness(&drawing, &Options { time_max: Some(std::time::Duration::ZERO), ..Options::default() });
    assert_eq!(outcome.verdict, Verdict::Incomplete);
}
