//! Runs on targets that behave in every way.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::report::Outcome;
use crate::scenario::{Member, Value, parse};
use crate::target::{Capability, Fault, NodeView, Quorum, Setup, System};

/// A target that appends to a log, and does what a record's value says.
struct Odd;

impl Builder for Odd {
    fn name(&self) -> String {
        "odd".to_owned()
    }

    fn capabilities(&self) -> BTreeSet<Capability> {
        [Capability::Quorum].into()
    }

    fn build(&mut self, setup: &Setup) -> Result<Box<dyn System>, Fault> {
        assert!(setup.quorum.len() < 5, "no room for five");
        Ok(Box::new(Log))
    }
}

struct Log;

impl System for Log {
    fn quorum(&mut self) -> Option<&mut dyn Quorum> {
        Some(self)
    }
}

impl Quorum for Log {
    fn append(&mut self, _node: Member, value: &Value) -> Result<(), Fault> {
        match value.as_str() {
            "panic" => panic!("an assertion"),
            "broken" => Err(Fault::Broken("it hangs".to_owned())),
            "refuse" => Err(Fault::Refused("no".to_owned())),
            _ => Ok(()),
        }
    }

    fn resign(&mut self, _node: Member) -> Result<(), Fault> {
        Ok(())
    }

    fn view(&mut self, _node: Member) -> Result<Option<NodeView>, Fault> {
        let role = crate::scenario::Role::Follower;
        let (leader, voted, log) = (None, None, Vec::new());
        Ok(Some(NodeView { role, epoch: 1, leader, voted, log_start: 0, log, committed: 0 }))
    }
}

fn item(id: &str, demand: &str, steps: &str) -> Item {
    let text = format!("title: t\nclauses: kraft/commit/1\ndemand: {demand}\nquorum: n1\n{steps}\n");
    Item { id: id.to_owned(), scenario: parse(&text).expect("a scenario"), text }
}

fn target() -> Target {
    Target::new("odd", 4, || Ok(Box::new(Odd)))
}

fn verdicts(report: &Report) -> Vec<(&str, Verdict, bool)> {
    report.cases.iter().map(|case| (case.id.as_str(), case.verdict, case.violates)).collect()
}

fn played(items: &[Item], options: &Options) -> Report {
    run(&target(), items, options, &Silent).expect("a run")
}

#[test]
fn case_that_panics_fails_and_the_others_go_on() {
    let five = "title: t\nquorum: n1 n2 n3 n4 n5\nappend n1 x\n";
    let five = Item { id: "T-04".into(), scenario: parse(five).expect("a scenario"), text: five.into() };
    let items = [
        item("T-01", "must", "append n1 x"),
        item("T-02", "must", "append n1 panic"),
        item("T-03", "must", "append n1 x"),
        five,
        item("T-05", "must", "append n1 x"),
    ];
    let report = played(&items, &Options { threads: 1, ..Options::default() });
    let verdict = |place: usize| report.cases[place].verdict;
    assert_eq!(
        [0, 1, 2, 3, 4].map(verdict),
        [Verdict::Pass, Verdict::Fail, Verdict::Pass, Verdict::Fail, Verdict::Pass]
    );
    let failure = report.cases[1].failure.as_ref().expect("a failure");
    assert_eq!((failure.line, failure.found.as_str()), (5, "a panic: an assertion"));
    let failure = report.cases[3].failure.as_ref().expect("a failure");
    assert_eq!(failure.found, "a panic: no room for five");
    assert_eq!(report.outcome, Outcome::Violated);
}

#[test]
fn what_fails_violates_as_much_as_is_at_stake() {
    let items = [
        item("T-01", "should", "append n1 refuse"),
        item("T-02", "varies", "append n1 refuse"),
        item("T-03", "must", "append n1 x"),
    ];
    let report = played(&items, &Options::default());
    assert_eq!(report.outcome, Outcome::Holds);
    assert_eq!((report.totals.fail, report.totals.tolerated), (2, 2));
    let report = played(&items, &Options { strict: true, ..Options::default() });
    assert_eq!(report.outcome, Outcome::Violated);
    assert_eq!(
        verdicts(&report),
        [("T-01", Verdict::Fail, true), ("T-02", Verdict::Fail, false), ("T-03", Verdict::Pass, false)]
    );
}

#[test]
fn expected_failure_holds_and_unexpected_pass_violates() {
    let items = [item("T-01", "must", "append n1 refuse"), item("T-02", "must", "append n1 x")];
    let expecting = |id: &str| Options {
        expected: Expected::from([(id.to_owned(), "a reason".to_owned())]),
        ..Options::default()
    };
    let report = played(&items, &expecting("T-01"));
    assert_eq!(verdicts(&report), [("T-01", Verdict::Xfail, false), ("T-02", Verdict::Pass, false)]);
    assert_eq!(report.outcome, Outcome::Holds);
    let report = played(&items[1..], &expecting("T-02"));
    assert_eq!(verdicts(&report), [("T-02", Verdict::Xpass, true)]);
    assert_eq!(report.outcome, Outcome::Violated);
}

#[test]
fn target_that_breaks_is_inconclusive_and_what_it_lacks_is_skipped() {
    let items = [item("T-01", "must", "append n1 broken"), item("T-02", "must", "campaign n1")];
    let report = played(&items, &Options::default());
    assert_eq!(verdicts(&report), [("T-01", Verdict::Inconclusive, false), ("T-02", Verdict::Skip, false)]);
    assert_eq!(report.cases[1].because.as_deref(), Some("odd has no timers, messages"));
    assert_eq!(report.outcome, Outcome::Incomplete);
    assert_eq!(played(&items[1..], &Options::default()).outcome, Outcome::Incomplete);
}

#[test]
fn results_are_the_same_on_any_number_of_threads() {
    let items: Vec<Item> = (10..40)
        .map(|number| {
            let step = ["append n1 x", "append n1 refuse", "append n1 panic", "campaign n1"][number % 4];
            item(&format!("T-{number}"), "must", step)
        })
        .collect();
    let at = |threads| {
        let mut report = played(&items, &Options { threads, ..Options::default() });
        report.cases.iter_mut().for_each(|case| case.seconds = 0.0);
        report
    };
    assert_eq!(at(1), at(4));
}

#[test]
fn target_that_cannot_be_reached_is_told_before_anything_is_played() {
    let target = Target::new("kafka:127.0.0.1:1", 1, || Err("127.0.0.1:1: connection refused".to_owned()));
    let refusal = run(&target, &[item("T-01", "must", "append n1 x")], &Options::default(), &Silent);
    assert_eq!(refusal.expect_err("no target"), "127.0.0.1:1: connection refused");
}

#[test]
fn run_that_is_interrupted_is_incomplete() {
    struct Once(AtomicBool);
    impl Observer for Once {
        fn played(&self, _case: &CaseReport, _done: usize, _total: usize) {
            self.0.store(true, Ordering::Relaxed);
        }
        fn goes_on(&self) -> bool {
            !self.0.load(Ordering::Relaxed)
        }
    }
    let items = [item("T-01", "must", "append n1 x"), item("T-02", "must", "append n1 x")];
    let options = Options { threads: 1, ..Options::default() };
    let report = run(&target(), &items, &options, &Once(AtomicBool::new(false))).expect("a run");
    assert_eq!(verdicts(&report), [("T-01", Verdict::Pass, false), ("T-02", Verdict::Inconclusive, false)]);
    assert_eq!(report.outcome, Outcome::Incomplete);
}

#[test]
fn repeating_command_names_target_flaw_seed_and_case() {
    let target = Target::new("exec:./a b", 1, || Ok(Box::new(Odd))).flawed(Some("A01"));
    let report = run(&target, &[item("T-01", "must", "append n1 x")], &Options::default(), &Silent);
    let repeat = &report.expect("a run").cases[0].repeat;
    assert_eq!(repeat, "highwater conformance --target 'exec:./a b' --flaw A01 --seed 1 T-01");
}

#[test]
fn model_conforms() {
    let target = Registry::default().open("model", None).expect("a target");
    conforms(&target).unwrap_or_else(|told| panic!("{told}"));
}
