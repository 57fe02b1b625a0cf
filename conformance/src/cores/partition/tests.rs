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

#[cfg(feature = "flaws")]
mod flaws {
    use highwater_core::partition::FLAWS;
    use highwater_model::check::Stop;

    use super::*;

    /// The least bounds at which something happens.
    const LEAST: Bounds = Bounds { records: 1, messages: 1, crashes: 0, losses: 0, ..Bounds::DEFAULT };

    /// Holds a flaw to what it must break: in how many steps a step is none of the model's, and a claim of the model's breaks.
    fn assert_breaks(id: &str, bounds: Bounds, refines: usize, claim: &str, steps: usize) {
        let flaw = FLAWS.iter().find(|flaw| flaw.id == id).expect("a flaw of the core");
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        let model = PartitionCores::new(bounds, rules, ControllerRules::default());
        assert_eq!(found(&model, claim), (Some(refines), Some(steps)), "{id} {} {claim}", flaw.name);
    }

    fn found(model: &PartitionCores, claim: &str) -> (Option<usize>, Option<usize>) {
        let claims = ["refines-isr", claim];
        let options = Options { threads: 2, stop: Stop::Decided(&claims), ..Options::default() };
        let outcome = search(model, &options);
        let steps_to = |name: &str| {
            let found = outcome.claims.iter().find(|found| found.name == name).expect("a claim");
            found.walk.as_ref().map(|walk| walk.steps.len())
        };
        (steps_to("refines-isr"), steps_to(claim))
    }

    #[test]
    fn b01_truncate_to_high_watermark() {
        assert_breaks("B01", Bounds { changes: 2, epochs: 3, ..LEAST }, 0, "strong-isr", 0);
    }
    #[test]
    fn b11_committed_isr_only() {
        assert_breaks("B11", Bounds { changes: 2, ..LEAST }, 0, "strong-isr", 0);
    }
    #[test]
    fn b14_diverging_fetch_counted() {
        assert_breaks("B14", Bounds { records: 2, changes: 2, ..LEAST }, 0, "strong-isr", 0);
    }
    #[test]
    fn b17_stale_broker_epoch() {
        assert_breaks("B17", Bounds { crashes: 1, ..LEAST }, 0, "strong-isr", 0);
    }
}
