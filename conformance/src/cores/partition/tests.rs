use highwater_model::check::{Options, Outcome, search};
use stateright::{Checker, Model};

use super::*;
use crate::cores::testing;

/// A little of everything but faults.
const SMALL: Bounds =
    Bounds { epochs: 1, records: 1, messages: 1, changes: 1, crashes: 0, losses: 0, ..Bounds::DEFAULT };

fn check(bounds: Bounds, threads: usize) -> Outcome<PartitionCores> {
    let model = PartitionCores::new(bounds, Rules::default(), ControllerRules::default());
    search(&model, &Options { threads, ..Options::default() })
}

fn assert_holds(bounds: Bounds, unique: u64, depth: u32) {
    testing::assert_holds(&check(bounds, 2), bounds, unique, depth);
}

#[test]
fn cores_of_one_epoch_hold() {
    assert_holds(SMALL, 1_683, 19);
}

#[test]
fn cores_that_change_leaders_hold() {
    assert_holds(Bounds { epochs: 2, changes: 2, ..SMALL }, 23_025, 25);
}

#[test]
fn cores_whose_preferred_replica_leads_again_hold() {
    let bounds = Bounds { replicas: 2, epochs: 3, records: 2, messages: 2, changes: 5, ..SMALL };
    assert_holds(bounds, 33_524, 29);
}

#[test]
fn cores_that_crash_and_lose_proposals_hold() {
    let bounds = Bounds { epochs: 2, changes: 4, crashes: 1, losses: 1, unfence: 1, ..SMALL };
    assert_holds(Bounds { replicas: 2, ..bounds }, 227_612, 37);
}

#[test]
fn cores_of_whom_one_is_enough_hold() {
    let bounds = Bounds { epochs: 2, changes: 4, crashes: 2, min_isr: 1, ..SMALL };
    assert_holds(Bounds { replicas: 2, ..bounds }, 29_218, 31);
}

#[test]
fn cores_without_thrift_hold() {
    let bounds = Bounds { epochs: 2, changes: 3, crashes: 1, losses: 1, thrift: 0, ..SMALL };
    assert_holds(Bounds { replicas: 2, ..bounds }, 69_848, 29);
    assert_holds(Bounds { thrift: 0, losses: 1, ..SMALL }, 6_097, 22);
}

#[test]
fn counts_any_number_of_threads_the_same() {
    let counts = |threads| testing::counts(&check(SMALL, threads));
    assert_eq!(counts(1), counts(3));
}

#[test]
fn counts_are_those_of_stateright() {
    let model = PartitionCores::new(SMALL, Rules::default(), ControllerRules::default());
    let checker = model.checker().spawn_bfs().join();
    assert_eq!(check(SMALL, 1).unique, checker.unique_state_count() as u64);
}

#[cfg(feature = "flaws")]
mod flaws {
    use highwater_core::{controller, partition};

    use super::*;
    use crate::cores::testing::flaws::{breaks, changed};

    /// The least bounds at which something happens.
    const LEAST: Bounds = Bounds { records: 1, messages: 1, crashes: 0, losses: 0, ..Bounds::DEFAULT };

    /// Holds cores to the steps in which a step is none of the model's, and a claim of the model's breaks.
    fn assert_broken(cores: &PartitionCores, id: &str, refines: usize, claim: &'static str, steps: usize) {
        assert_eq!(breaks(cores, ["refines-isr", claim]), [Some(refines), Some(steps)], "{id} {claim}");
    }

    /// Holds a flaw of the partition core to what it must break.
    fn assert_breaks(id: &str, bounds: Bounds, refines: usize, claim: &'static str, steps: usize) {
        let rules = changed(partition::FLAWS, id);
        let model = PartitionCores::new(bounds, rules, ControllerRules::default());
        assert_broken(&model, id, refines, claim, steps);
    }

    /// Holds a flaw of the controller to what it must break.
    fn assert_controller_breaks(id: &str, bounds: Bounds, refines: usize, claim: &'static str, steps: usize) {
        let rules = changed(controller::FLAWS, id);
        let model = PartitionCores::new(bounds, Rules::default(), rules);
        assert_broken(&model, id, refines, claim, steps);
    }

    #[test]
    fn b01_truncate_to_high_watermark() {
        assert_breaks("B01", Bounds { epochs: 3, changes: 2, ..LEAST }, 3, "strong-isr", 13);
    }

    #[test]
    fn b03_end_offset_without_epoch() {
        assert_breaks(
            "B03",
            Bounds { replicas: 2, epochs: 4, records: 3, changes: 4, min_isr: 1, ..LEAST },
            6,
            "log-matching",
            17,
        );
    }

    #[test]
    fn b06_zombie_fetch() {
        assert_breaks("B06", Bounds { epochs: 4, changes: 4, ..LEAST }, 5, "strong-isr", 17);
    }

    #[test]
    fn b07_no_truncation_under_same_leader() {
        assert_breaks("B07", Bounds { epochs: 3, records: 2, ..LEAST }, 10, "strong-isr", 19);
    }

    #[test]
    fn b08_expansion_below_epoch_start() {
        assert_breaks("B08", LEAST, 10, "strong-isr", 14);
    }

    #[test]
    fn b11_committed_isr_only() {
        assert_breaks("B11", Bounds { changes: 2, ..LEAST }, 10, "strong-isr", 11);
    }

    #[test]
    fn b14_diverging_fetch_counted() {
        assert_breaks("B14", Bounds { records: 2, changes: 2, ..LEAST }, 6, "strong-isr", 10);
    }

    #[test]
    fn b15_stale_response() {
        assert_breaks("B15", Bounds { epochs: 3, ..LEAST }, 6, "leader-append-only", 10);
    }

    #[test]
    fn b17_stale_broker_epoch() {
        assert_breaks("B17", Bounds { crashes: 1, ..LEAST }, 3, "strong-isr", 14);
    }

    #[test]
    fn e20_commit_below_min_isr() {
        assert_breaks("E20", LEAST, 4, "strong-isr", 5);
    }

    #[test]
    fn e28_high_watermark_over_unverified_tail() {
        assert_breaks(
            "E28",
            Bounds { replicas: 2, epochs: 3, records: 2, changes: 4, min_isr: 1, ..LEAST },
            7,
            "read-stability",
            10,
        );
    }

    #[test]
    fn e29_older_incarnation_counted() {
        assert_breaks(
            "E29",
            Bounds { replicas: 2, messages: 2, changes: 4, crashes: 1, ..LEAST },
            8,
            "strong-isr",
            15,
        );
    }

    #[test]
    fn controller_b12_no_partition_epoch_check() {
        assert_controller_breaks("B12", Bounds { changes: 4, min_isr: 1, ..LEAST }, 3, "strong-isr", 6);
    }

    #[test]
    fn controller_b17_stale_broker_epoch() {
        assert_controller_breaks("B17", Bounds { crashes: 1, ..LEAST }, 8, "strong-isr", 14);
    }

    #[test]
    fn controller_b43_refused_copy_granted() {
        assert_controller_breaks(
            "B43",
            Bounds { replicas: 2, unfence: 1, min_isr: 1, ..LEAST },
            7,
            "replication-quorum-superset",
            10,
        );
    }

    #[test]
    fn controller_e21_fenced_member() {
        assert_controller_breaks("E21", Bounds { crashes: 1, ..LEAST }, 7, "isr-unfenced", 7);
    }

    #[test]
    fn controller_b20_last_replica_standing() {
        assert_controller_breaks("B20", Bounds { replicas: 2, crashes: 1, ..LEAST }, 2, "durability", 15);
    }

    #[test]
    fn controller_e24_unclean_registration_stays_eligible() {
        assert_controller_breaks(
            "E24",
            Bounds { replicas: 2, changes: 4, crashes: 1, ..LEAST },
            3,
            "leader-completeness",
            11,
        );
    }

    #[test]
    fn controller_e26_eligible_for_ever() {
        assert_controller_breaks("E26", Bounds { changes: 5, ..LEAST }, 6, "replication-quorum-superset", 7);
    }

    #[test]
    fn controller_b22_anyone_may_lead() {
        assert_controller_breaks(
            "B22",
            Bounds { replicas: 2, crashes: 1, min_isr: 1, ..LEAST },
            2,
            "leader-completeness",
            5,
        );
    }
}
