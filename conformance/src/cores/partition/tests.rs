use highwater_model::check::{ClaimVerdict, Options, Outcome, Verdict, search};

use super::*;

/// A little of everything but faults.
const SMALL: Bounds =
    Bounds { epochs: 1, records: 1, messages: 1, changes: 1, crashes: 0, losses: 0, ..Bounds::DEFAULT };

fn check(bounds: Bounds, threads: usize) -> Outcome<PartitionCores> {
    let model = PartitionCores::new(bounds, Rules::default(), ControllerRules::default());
    search(&model, &Options { threads, ..Options::default() })
}

fn assert_holds(bounds: Bounds, unique: u64, depth: u32) {
    let outcome = check(bounds, 2);
    let failed: Vec<_> = outcome
        .claims
        .iter()
        .filter(|claim| claim.verdict != ClaimVerdict::Holds)
        .map(|claim| claim.name)
        .collect();
    assert_eq!((outcome.verdict, failed), (Verdict::Holds, vec![]), "{bounds:?}");
    assert_eq!((outcome.unique, outcome.depth), (unique, depth), "{bounds:?}");
}

#[test]
fn cores_of_one_epoch_hold() {
    assert_holds(SMALL, 4_069, 20);
}
