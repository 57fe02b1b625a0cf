//! The adapters of `conformance/adapters` under the suite. `.ci/adapters` builds them and runs this: it needs Python and Go.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use highwater_conformance::case::cases;
use highwater_conformance::play::{Verdict, play};
use highwater_conformance::target::Builder;
use highwater_conformance::target::exec::{Adapter, Limits, check};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The command of a program that `.ci/adapters` builds.
fn built(path: &str) -> String {
    let path = root().join("target/adapters").join(path);
    assert!(path.exists(), "{}: is not there; .ci/adapters builds it and runs this", path.display());
    format!("exec '{}'", path.display())
}

fn tikv() -> String {
    built("debug/highwater-adapter-tikv-raft")
}

fn etcd() -> String {
    built("etcd-raft")
}

fn toy() -> String {
    format!("exec python3 '{}'", root().join("conformance/adapters/toy/toy.py").display())
}

/// Plays every case twice: each time it passes, or is skipped for want of a capability, and each time the same happens.
fn passes_every_case(command: &str, name: &str) {
    let mut adapter = Adapter::start(command, Limits::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(adapter.name(), name);
    let mut passed = Vec::new();
    for case in cases().expect("cases that can be read") {
        let played = play(&case.scenario, &mut adapter, 1);
        match &played.verdict {
            Verdict::Pass => passed.push(case.id),
            Verdict::Skip { because } => assert!(because.contains(" has no "), "{}: {because}", case.id),
            other => panic!("{} on {name}: {other:?}\n{:#?}", case.id, played.scenes),
        }
        assert_eq!(
            play(&case.scenario, &mut adapter, 1),
            played,
            "{}: another course the second time",
            case.id
        );
    }
    for id in ["DT-04", "DT-06", "KE-02", "KE-05", "KH-01"] {
        assert!(passed.contains(&id), "{name} was not asked {id}; {passed:?}");
    }
}

fn makes_sense(command: &str) {
    let report = check(command, Limits::default());
    let wrong: Vec<String> = report.wrong().map(ToString::to_string).collect();
    assert!(report.is_fine(), "{}\n{:?}", wrong.join("\n"), report.broke);
}

#[test]
fn tikv_raft_passes_every_case() {
    passes_every_case(&tikv(), "tikv-raft");
}

#[test]
fn etcd_raft_passes_every_case() {
    passes_every_case(&etcd(), "etcd-raft");
}

#[test]
fn toy_passes_every_case() {
    passes_every_case(&toy(), "toy");
}

#[test]
fn adapter_of_tikv_raft_makes_sense() {
    makes_sense(&tikv());
}

#[test]
fn adapter_of_etcd_raft_makes_sense() {
    makes_sense(&etcd());
}

#[test]
fn adapter_of_toy_makes_sense() {
    makes_sense(&toy());
}

#[test]
fn exchange_in_the_documentation_is_what_the_toy_answers() {
    let page = std::fs::read_to_string(root().join("specs/adapter.md")).expect("the protocol's page");
    let (_, exchange) = page.split_once("## An exchange\n").expect("the page has an exchange");
    let lines = |mark: &str| -> Vec<String> {
        exchange.lines().filter_map(|line| line.strip_prefix(mark).map(str::to_owned)).collect()
    };
    let (requests, answers) = (lines("> "), lines("< "));
    assert!(requests.len() > 10 && requests.len() == answers.len(), "{} requests", requests.len());
    let mut toy = Command::new("sh")
        .args(["-c", &toy()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the toy is started");
    let mut stdin = toy.stdin.take().expect("a pipe");
    stdin.write_all((requests.join("\n") + "\n").as_bytes()).expect("the toy reads");
    drop(stdin);
    let output = toy.wait_with_output().expect("the toy ends");
    let told = String::from_utf8(output.stdout).expect("text");
    assert_eq!(told.lines().map(str::to_owned).collect::<Vec<_>>(), answers);
}

#[test]
fn toy_is_as_short_as_the_documentation_says() {
    let text =
        std::fs::read_to_string(root().join("conformance/adapters/toy/toy.py")).expect("the toy's adapter");
    assert!(text.lines().count() <= 150, "{} lines, expected 150 at most", text.lines().count());
}
