//! `highwater conformance` and `highwater replay` as their users meet them: exit codes, refusals, reports.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.args(arguments);
    command
}

/// Both streams, standard output first.
fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs the command, which must end with `code`, and returns what it printed on both streams.
fn ends(code: i32, arguments: &[&str]) -> String {
    let output = command(arguments).output().expect("the command runs");
    assert_eq!(output.status.code(), Some(code), "highwater {arguments:?}\n{}", text(&output));
    text(&output)
}

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

/// A directory of this test's own.
fn scratch(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("conformance-{name}"));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a scratch directory");
    directory
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The heart of Figure 8, as the suite has it.
fn figure_8() -> String {
    utf8(&Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/cases/KH-01.scenario")).to_owned()
}

#[test]
fn model_and_reference_hold() {
    for target in ["model", "reference"] {
        let told = ends(0, &["conformance", "--target", target]);
        contains(
            &told,
            &[
                "KH  commits and high watermarks",
                "pass",
                "KH-01",
                &format!("target {target}, seed 1"),
                ": holds",
            ],
        );
    }
}

#[test]
fn flawed_model_is_violated_and_the_failure_names_the_command_that_repeats_it() {
    let told = ends(1, &["conformance", "--target", "model", "--flaw", "A01", "--seed", "5", "KH-01"]);
    contains(
        &told,
        &[
            "FAIL  KH-01",
            "step      line ",
            "found     n1 with",
            "expected  that",
            "1 case: 1 fail: violated",
        ],
    );
    let repeat = told.lines().find_map(|line| line.trim().strip_prefix("repeat")).expect("a command").trim();
    assert_eq!(repeat, "highwater conformance --target model --flaw A01 --seed 5 KH-01");
    let words: Vec<&str> = repeat.split(' ').skip(1).collect();
    assert_eq!(ends(1, &words), told);
}

#[test]
fn random_schedules_hold_and_one_that_fails_is_written_for_replay() {
    let told = ends(0, &["conformance", "--random", "200", "--target", "model"]);
    contains(&told, &["pass", "random-quorums", "200 schedules", "holds"]);
    let file = scratch("random").join("found.scenario");
    let told = ends(
        1,
        &["conformance", "--random", "200", "--target", "model", "--flaw", "A06", "--scenario", utf8(&file)],
    );
    contains(
        &told,
        &["FAIL", "kraft/safety/5", "highwater conformance --random 200 --target model --flaw A06 --seed 1"],
    );
    contains(
        &std::fs::read_to_string(&file).expect("a scenario"),
        &["judge: invariants", "clauses: kraft/safety/5"],
    );
    contains(&ends(1, &["replay", utf8(&file), "--target", "model", "--flaw", "A06"]), &["kraft/safety/5"]);
    ends(0, &["replay", utf8(&file), "--target", "model"]);
    let told = ends(0, &["conformance", "--random", "20", "--of", "clusters", "--target", "reference"]);
    contains(&told, &["random-clusters", "20 schedules"]);
    contains(
        &ends(2, &["conformance", "--random", "20", "--of", "clusters", "--target", "model"]),
        &["model has no cluster, which random schedules need"],
    );
    ends(2, &["conformance", "--random", "20"]);
}

#[test]
fn counterexample_is_written_as_a_scenario_that_fails_on_the_model_with_the_flaw_alone() {
    let file = scratch("counterexample").join("figure-8.scenario");
    ends(1, &["check", "kraft", "--flaw", "A01", "--scenario", utf8(&file)]);
    contains(&ends(1, &["replay", utf8(&file), "--target", "model", "--flaw", "A01"]), &["kraft/safety/5"]);
    for target in ["model", "reference"] {
        contains(&ends(0, &["replay", utf8(&file), "--target", target]), &["1 pass: holds"]);
    }
    let told = ends(1, &["check", "kraft", "--flaw", "E09", "--scenario", utf8(&file)]);
    contains(&told, &["cannot be said in steps of scenarios"]);
    contains(
        &ends(2, &["check", "raft", "--flaw", "A01", "--scenario", utf8(&file)]),
        &["no steps for what the model raft does"],
    );
}

#[test]
fn list_names_every_case_with_what_it_needs_and_kills() {
    let told = ends(0, &["conformance", "--list"]);
    contains(&told, &["KH-01", "MUST", "kraft/commit/1", "messages", "A01"]);
    assert_eq!(
        ends(0, &["conformance", "--list", "KH-01"]).lines().filter(|line| line.contains(" MUST ")).count(),
        1
    );
}

#[test]
fn trace_of_a_replay_is_admitted_unless_the_target_has_a_flaw() {
    let directory = scratch("admit");
    let trace = directory.join("trace.json");
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/cases/KH-01.scenario");
    let replay = |code: i32, more: &[&str]| {
        let mut arguments = vec!["replay", scenario, "--target", "model", "--events", utf8(&trace)];
        arguments.extend(more);
        ends(code, &arguments)
    };
    replay(0, &[]);
    contains(&ends(0, &["admit", utf8(&trace)]), &["events, model kraft: admitted"]);
    replay(1, &["--flaw", "A01"]);
    contains(&ends(1, &["admit", utf8(&trace)]), &["refused: event", "found    n1 leader", "possible"]);
    contains(&ends(2, &["admit", scenario]), &["cannot be read", "specs/trace.schema.json"]);
}

#[test]
fn nonsense_is_refused_with_what_there_is() {
    contains(&ends(2, &["conformance"]), &["no target to play on", "--target model"]);
    contains(
        &ends(2, &["conformance", "--target", "kafak"]),
        &[
            "--target kafak",
            "there are model, reference, exec:COMMAND, reference-tcp, kafka-real:LIB, kafka:HOST:PORT",
        ],
    );
    contains(
        &ends(2, &["conformance", "--target", "model", "KH-99"]),
        &["KH-99: no case", "the nearest is K"],
    );
    contains(&ends(2, &["conformance", "--target", "model", "--flaw", "Q1"]), &["no flaw Q1"]);
    contains(&ends(2, &["conformance", "--target", "model:x"]), &["behind the colon"]);
    contains(
        &ends(2, &["conformance", "--target", "exec:"]),
        &["expected the command that starts the adapter"],
    );
    contains(&ends(2, &["conformance", "--target", "kafka:127.0.0.1:1"]), &["127.0.0.1:1"]);
    contains(&ends(2, &["conformance", "--target", "kafka-real:/nonexistent"]), &["/nonexistent"]);
    contains(
        &ends(2, &["conformance", "--target", "model", "--json", "-", "--html", "-"]),
        &["both write to -"],
    );
    contains(
        &ends(2, &["conformance", "--target", "model", "--json", "/nonexistent/x"]),
        &["cannot be written"],
    );
}

#[test]
fn expected_failures_hold_and_an_unexpected_pass_is_a_violation() {
    let file = scratch("expected").join("expected.txt");
    let with = |content: &str, code: i32, flaw: &[&str]| {
        fs::write(&file, content).expect("a file");
        let mut arguments =
            vec!["conformance", "--target", "model", "KH-01", "--expected-failures", utf8(&file)];
        arguments.extend(flaw);
        ends(code, &arguments)
    };
    contains(&with("KH-01 a bug of ours\n", 0, &["--flaw", "A01"]), &["1 xfail: holds"]);
    contains(
        &with("KH-01 a bug of ours\n", 1, &[]),
        &["XPASS  KH-01", "a bug of ours", "take it off the list", "1 xpass: violated"],
    );
    contains(&with("KH-77 what\n", 2, &[]), &["expected.txt: line 1: there is no case KH-77"]);
    contains(&with("# why\nKH-01\n", 2, &[]), &["line 2", "without a reason"]);
}

#[test]
fn reports_are_written_and_several_targets_make_one_page() {
    let directory = scratch("reports");
    let file = |name: &str| utf8(&directory.join(name)).to_owned();
    let (json, junit, page) = (file("model.json"), file("model.xml"), file("matrix.html"));
    let flawed =
        ["conformance", "--target", "model", "--flaw", "A01", "KH-01", "--json", &json, "--junit", &junit];
    ends(1, &flawed);
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&json).expect("the report")).expect("JSON");
    assert_eq!((&report["outcome"], &report["flaw"]), (&"violated".into(), &"A01".into()));
    assert_eq!(report["cases"][0]["failure"]["step"], "expect n1 committed lacks x");
    assert_eq!(report["cases"][0]["story"]["claim"], "KH-01");
    contains(&fs::read_to_string(&junit).expect("the XML"), &["<testsuite name=\"KH\"", "<failure", "KH-01"]);

    ends(0, &["conformance", "--target", "reference", "KH-01", "--html", &page, "--with", &json]);
    let matrix = fs::read_to_string(&page).expect("the page");
    contains(&matrix, &["<html", "model with A01", "reference", "<svg", "leads epoch 3", "campaign n1"]);
    assert!(!matrix.contains("src=") && !matrix.contains("<link"), "the page is self-contained");

    let told = ends(1, &["conformance", "--html", &page, "--with", &json]);
    contains(&told, &["target model with A01, seed 1"]);
    contains(&ends(2, &["conformance", "--html", &page, "--with", &junit]), &["is no report of the suite"]);
}

#[test]
fn json_on_standard_output_stands_alone() {
    let output =
        command(&["conformance", "--target", "model", "--json", "-"]).output().expect("the command runs");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    assert_eq!(report["outcome"], "holds");
}

#[test]
fn replay_passes_fails_and_draws() {
    let directory = scratch("replay");
    let figure = figure_8();
    contains(&ends(0, &["replay", &figure, "--target", "reference"]), &["1 case: 1 pass: holds"]);
    let (svg, html) = (directory.join("f.svg"), directory.join("f.html"));
    let arguments =
        ["replay", &figure, "--target", "model", "--flaw", "A01", "--svg", utf8(&svg), "--html", utf8(&html)];
    let told = ends(1, &arguments);
    contains(
        &told,
        &[
            "★ n1 leads epoch 3",
            "FAIL  KH-01",
            "repeat    highwater replay ",
            "--target model --flaw A01 --seed 1",
        ],
    );
    contains(&fs::read_to_string(&svg).expect("the picture"), &["<svg", "leads epoch 3"]);
    contains(&fs::read_to_string(&html).expect("the page"), &["<html", "leads epoch 3"]);
}

#[test]
fn replay_reads_json_and_standard_input() {
    let mut child = command(&["replay", "-", "--target", "model"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let scenario = r#"{"title": "An election", "quorum": ["n1", "n2", "n3"], "steps": [
        {"do": "campaign", "node": "n1"}, {"do": "expect", "see": "role", "node": "n1", "role": "leader"}]}"#;
    child.stdin.take().expect("a pipe").write_all(scenario.as_bytes()).expect("a scenario");
    let output = child.wait_with_output().expect("an exit");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn scenario_that_makes_no_sense_is_refused_with_line_and_cure() {
    let file = scratch("nonsense").join("bad.scenario");
    let refused = |content: &str, parts: &[&str]| {
        fs::write(&file, content).expect("a file");
        contains(&ends(2, &["replay", utf8(&file), "--target", "model"]), parts);
    };
    refused(
        "title: t\nquorum: n1\n\ncampain n1\n",
        &["bad.scenario: line 4: found \"campain\", expected a step"],
    );
    refused("{\n\"title\": 3}", &["bad.scenario: line 2: column", "specs/scenario.schema.json"]);
    refused(
        r#"{"title": "t", "quorum": ["n1"], "steps": [{"do": "kill", "node": "n4"}]}"#,
        &["found n4, expected one of n1"],
    );
    contains(&ends(2, &["replay", "/nonexistent", "--target", "model"]), &["/nonexistent: cannot be read"]);
}

#[cfg(not(feature = "flaws"))]
#[test]
fn kill_matrix_without_flaws_is_refused_with_the_command_that_builds_them() {
    contains(&ends(2, &["conformance", "--kill-matrix"]), &["cargo build --release --features flaws"]);
    contains(
        &ends(2, &["conformance", "--target", "reference", "--flaw", "A01"]),
        &["cargo build --release --features flaws"],
    );
}

#[cfg(feature = "flaws")]
#[test]
fn kill_matrix_is_as_the_specification_has_it() {
    let specification = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/conformance.md");
    contains(
        &ends(0, &["conformance", "--kill-matrix", "--check", utf8(&specification)]),
        &["| A01 commit-old-epoch"],
    );
}
