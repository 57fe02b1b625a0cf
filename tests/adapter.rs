//! `highwater adapter`, and the targets of the suite behind the protocol.

use std::process::{Command, Output};

use highwater_conformance::case::cases;
use highwater_conformance::play::{Verdict, needs, play};
use highwater_conformance::target::Builder;
use highwater_conformance::target::exec::protocol::UNSPOKEN;
use highwater_conformance::target::exec::{Adapter, Limits};
use highwater_conformance::target::model::KraftModel;
use highwater_conformance::target::reference::ReferenceQuorum;

const HIGHWATER: &str = env!("CARGO_BIN_EXE_highwater");

fn serve(target: &str) -> String {
    format!("exec '{HIGHWATER}' adapter serve {target}")
}

fn check(arguments: &[&str]) -> Output {
    Command::new(HIGHWATER).args(["adapter", "check"]).args(arguments).output().expect("it can be run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ends_cases_as_without(target: &str, direct: &mut dyn Builder) {
    let mut adapter = Adapter::start(&serve(target), Limits::default()).expect("it says hello");
    let mut spoken = direct.capabilities();
    spoken.retain(|one| !UNSPOKEN.contains(one));
    assert_eq!(adapter.capabilities(), spoken);
    for case in cases().expect("cases that can be read") {
        if needs(&case.scenario).iter().any(|one| UNSPOKEN.contains(one)) {
            continue;
        }
        let (through, without) = (play(&case.scenario, &mut adapter, 1), play(&case.scenario, direct, 1));
        let settings = &case.scenario.config;
        if let Some((name, _)) = settings.iter().next() {
            // No act of this version says how often a node takes a snapshot.
            assert!(
                matches!(&through.verdict, Verdict::Skip { because } if because.contains(&format!("no settings, and {name}="))),
                "{}: {:?}",
                case.id,
                through.verdict
            );
            continue;
        }
        // The two as a whole are pages long: the verdicts say first whether it is worth looking.
        assert_eq!(through.verdict, without.verdict, "{}", case.id);
        assert!(through == without, "{}: the scenes or the events differ", case.id);
    }
}

#[test]
fn model_behind_the_protocol_plays_every_case_as_it_does_without() {
    ends_cases_as_without("model", &mut KraftModel::default());
}

#[test]
fn reference_behind_the_protocol_plays_every_case_as_it_does_without() {
    ends_cases_as_without("reference", &mut ReferenceQuorum::default());
}

#[test]
fn check_of_a_sound_adapter_finds_sense_in_every_answer() {
    for target in ["model", "reference"] {
        let output = check(&[&serve(target)]);
        let told = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{told}{}", text(&output.stderr));
        assert!(
            told.starts_with(&format!("{target}, protocol version 1\npromises:         processes,")),
            "{told}"
        );
        assert!(told.contains("\nlost-tails: crash\n  ok     {\"id\":"), "{told}");
        assert!(told.ends_with(" make sense, 0 do not\n"), "{told}");
    }
}

#[test]
fn check_says_of_an_answer_without_sense_what_was_sent_what_came_and_what_was_expected() {
    // A view of a node that is down, although it is up.
    let adapter = r#"n=0; while read -r line; do n=$((n+1)); case $line in
        *hello*) ok='{"version":1,"name":"blind","capabilities":["quorum"]}';; *) ok=null;; esac
        echo "{\"id\":$n,\"ok\":$ok}"; done"#;
    let output = check(&[adapter]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let wrong = "  WRONG  {\"id\":3,\"do\":\"view\",\"node\":\"n1\"}\n         {\"id\":3,\"ok\":null}\n         \
        expected a view of n1, which is up (build)\n";
    assert!(told.contains(wrong), "{told}");
    assert!(told.contains("\ndoes not promise: processes,"), "{told}");
}

#[test]
fn check_of_what_is_no_adapter_ends_with_the_cause() {
    let output =
        check(&["--time-limit", "2s", "read -r line; echo 'no such port' >&2; echo 'starting'; exit 3"]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("BROKE OFF: found starting"), "{told}");
    assert!(told.contains("its standard error ends in: no such port, expected"), "{told}");
}

#[test]
fn check_writes_its_report_as_json() {
    let output = check(&["--json", "-", &serve("model")]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(report["name"], "model");
    assert_eq!(report["findings"][0]["judgement"], "sense");
    assert!(report["broke"].is_null());
}
