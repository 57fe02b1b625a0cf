use std::collections::BTreeMap;

use super::*;
use crate::case::cases;
use crate::scenario::parse;

fn of(steps: &str) -> Result<Witness, String> {
    let head = "title: t\nclauses: isr/commit/1\ncluster: n1 n2 n3\ntopic: t on n1 n2 n3 min-isr 2\n\n";
    of_partition(&parse(&format!("{head}{steps}\n")).expect("a scenario"))
}

/// The reason of each that has none.
fn unwitnessed() -> BTreeMap<&'static str, &'static str> {
    let lines = UNWITNESSED.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once(' ').expect("an id and a reason")).collect()
}

#[test]
fn case_of_a_cluster_has_a_witness_or_a_reason() {
    let mut reasons = unwitnessed();
    let mut wrong = Vec::new();
    for case in cases().expect("cases that can be read") {
        if !case.scenario.is_of_cluster() {
            continue;
        }
        match (of_partition(&case.scenario), reasons.remove(case.id)) {
            (Ok(_), None) | (Err(_), Some(_)) => {}
            (Ok(_), Some(reason)) => {
                wrong.push(format!("{} has a witness, but a reason, too: {reason}", case.id))
            }
            (Err(why), None) => wrong.push(format!("{} {why}", case.id)),
        }
    }
    wrong.extend(reasons.keys().map(|id| format!("{id} is no case about a cluster")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_cannot_happen_has_no_witness() {
    // Nobody but a member of the ISR leads.
    assert!(
        of("stop n2\nexpect t isr n1 n3\nproduce t a\nstop n1\nstop n3\nstart n2\nexpect t leader n2")
            .is_err()
    );
    // A record that is acknowledged stays.
    assert!(of("produce t a\nkill n1\nexpect t leader n2\nexpect t log-end 0 at n2").is_err());
    // Nothing happens that the case does not do.
    assert!(of("expect t isr n1 n2").is_err());
    assert!(of("expect t leader n2").is_err());
    assert!(of("expect t log-end 1").is_err());
}

#[test]
fn walk_goes_where_the_case_goes() {
    let witness = of("produce t a\nkill n1\nexpect t leader n2\nproduce t b\nexpect t reads is a b\nstart n1\nexpect t isr n1 n2 n3")
        .unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(witness.moments, 7);
    let last = witness.walk.steps.last().expect("it has steps").1;
    assert_eq!((last.controller.leader, last.controller.isr, last.ghost.acknowledged), (1, 0b111, 0b11));
}
