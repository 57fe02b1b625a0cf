//! Counts, verdicts and walks of the safety search.

use stateright::{Checker, Model};

use super::models::{Commit, Counters, Drawing, Puzzle};
use super::{assert_agrees_with_stateright, transcript, verdict, walk_of};
use crate::check::{ClaimVerdict, Options, Stop, Verdict, search};

#[test]
fn counters_agree_with_arithmetic_and_stateright() {
    let outcome = assert_agrees_with_stateright(|| Counters { counters: 5, top: 5, forbidden_sum: Some(7) });
    assert_eq!(outcome.unique, 6u64.pow(5));
    assert_eq!(outcome.depth, 26);
    assert_eq!(outcome.generated, 1 + 5 * 5 * 6u64.pow(4));
    assert_eq!(outcome.terminal, 1);
}

#[test]
fn two_phase_commit_agrees_with_the_literature_and_stateright() {
    assert_eq!(assert_agrees_with_stateright(|| Commit { managers: 3 }).unique, 288);
    assert_eq!(assert_agrees_with_stateright(|| Commit { managers: 5 }).unique, 8_832);
}

#[test]
fn puzzle_agrees_with_the_literature_and_stateright() {
    // Not Stateright's depth-first search: its jobs carry their paths, here of up to 100,000 moves.
    let outcome = search(&Puzzle, &Options { symmetry: false, stop: Stop::Exhausted, ..Options::default() });
    assert_eq!((outcome.unique, outcome.depth), (181_440, 32));
    let theirs = Puzzle.checker().spawn_bfs().join();
    assert_eq!(theirs.unique_state_count(), 181_440);
}
