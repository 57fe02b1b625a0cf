//! The command as its users meet it: exit codes, refusals, files, pipes.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn highwater(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_highwater")).args(arguments).output().expect("the command runs")
}

/// Runs the command, which must end with `code`, and returns what it printed on both streams.
fn ends(code: i32, arguments: &[&str]) -> String {
    let output = highwater(arguments);
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "highwater {arguments:?}\n{text}");
    text
}

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

/// A directory of this test's own.
fn scratch(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a scratch directory");
    directory
}

#[test]
fn bounds_out_of_range_are_refused_with_limit_and_nearest() {
    contains(&ends(2, &["check", "kraft", "--nodes", "0"]), &["--nodes 0", "nearest is --nodes"]);
    contains(&ends(2, &["check", "kraft", "--nodes", "9"]), &["--nodes 9", "nearest is --nodes"]);
    contains(&ends(2, &["check", "kraft", "--epochs", "0"]), &["--epochs 0", "nearest is --epochs"]);
    contains(&ends(2, &["check", "kraft", "--nodes", "-1"]), &["--nodes -1", "nearest is --nodes"]);
    contains(&ends(2, &["check", "kraft", "--nodes", "99999999999999999999"]), &["--nodes"]);
}

#[test]
fn bound_of_another_model_is_refused_with_own_bounds() {
    contains(&ends(2, &["check", "zk-election", "--records", "2"]), &["zk-election", "--records", "it has"]);
}

#[test]
fn unknown_model_is_refused_with_nearest() {
    contains(&ends(2, &["check", "krafft"]), &["krafft", "kraft"]);
}

#[test]
fn unknown_flaw_is_refused_with_nearest() {
    contains(&ends(2, &["check", "kraft", "--flaw", "A99"]), &["--flaw A99", "the nearest is", "A01"]);
}

#[test]
fn flaw_of_another_model_is_refused_with_its_model() {
    contains(&ends(2, &["check", "kraft", "--flaw", "B01"]), &["--flaw B01", "isr"]);
}

#[test]
fn unknown_rule_and_claim_and_grain_are_refused_with_nearest() {
    contains(
        &ends(2, &["check", "kraft", "--without", "comit-gate"]),
        &["comit-gate", "nearest is commit-gate"],
    );
    contains(
        &ends(2, &["check", "kraft", "--claim", "leader-completness"]),
        &["nearest is leader-completeness"],
    );
    contains(&ends(2, &["check", "kraft", "--grain", "finest"]), &["nearest is fine"]);
}

#[test]
fn contradictory_switches_are_refused() {
    contains(
        &ends(2, &["check", "kraft", "--flaw", "A01", "--without", "commit-gate"]),
        &["--flaw", "--without"],
    );
    contains(
        &ends(2, &["check", "kraft", "--without", "commit-gate", "--without", "commit-gate"]),
        &["commit-gate", "twice"],
    );
    ends(2, &["check", "--flaw", "A01"]);
    ends(2, &["check", "--svg", "x.svg"]);
}

#[test]
fn absurd_resources_are_refused() {
    contains(&ends(2, &["check", "kraft", "--threads", "0"]), &["--threads"]);
    contains(&ends(2, &["check", "kraft", "--memory", "1KB"]), &["--memory", "at least"]);
    contains(&ends(2, &["check", "kraft", "--memory", "much"]), &["--memory"]);
    contains(&ends(2, &["check", "kraft", "--time", "0s"]), &["--time"]);
}

#[test]
fn unwritable_output_is_refused_before_the_search() {
    // The search would take seconds and print its progress; the refusal comes alone.
    let text = ends(2, &["check", "kraft", "--deep", "--json", "/nonexistent/report.json"]);
    contains(&text, &["/nonexistent/report.json", "cannot be written"]);
    contains(&ends(2, &["check", "kraft", "--svg", "-", "--html", "-"]), &["both write to -"]);
}

#[test]
fn unreadable_or_foreign_start_is_refused() {
    contains(&ends(2, &["check", "kraft", "--from", "/nonexistent.json"]), &["--from /nonexistent.json"]);
    let file = scratch("foreign-start").join("state.json");
    fs::write(&file, "{\"no\": \"state\"}").expect("a file");
    contains(
        &ends(2, &["check", "kraft", "--from", file.to_str().expect("UTF-8")]),
        &["not a state of kraft"],
    );
}

#[test]
fn search_out_of_time_is_incomplete_and_never_a_pass() {
    let text = ends(3, &["check", "kraft", "--deep", "--search", "safety", "--time", "1s"]);
    contains(&text, &["INCOMPLETE", "out of time", "? unknown"]);
    assert!(!text.contains("✓ holds"), "{text}");
}

#[test]
fn search_out_of_memory_is_incomplete_and_never_a_pass() {
    let text = ends(3, &["check", "kraft", "--deep", "--search", "safety", "--memory", "32MiB"]);
    contains(&text, &["INCOMPLETE", "out of memory", "? unknown"]);
    assert!(!text.contains("✓ holds"), "{text}");
}

#[cfg(unix)]
#[test]
fn search_interrupted_is_incomplete_and_never_a_pass() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_highwater"))
        .args(["check", "--deep", "--json", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    // The first line of progress says that the search is under way.
    let mut progress = BufReader::new(child.stderr.take().expect("a pipe"));
    progress.read_line(&mut String::new()).expect("a line of progress");
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(signalled.expect("kill runs").success());
    let output = child.wait_with_output().expect("an exit");
    assert_eq!(output.status.code(), Some(3));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let runs = report["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 1, "what was not begun is not reported");
    assert_eq!((&runs[0]["verdict"], &runs[0]["cut"]), (&"incomplete".into(), &"interrupted".into()));
}

#[test]
fn figure_8_is_found_and_drawn() {
    let directory = scratch("figure-8");
    let (svg, html, json) = (directory.join("f.svg"), directory.join("f.html"), directory.join("f.json"));
    let path = |path: &PathBuf| path.to_str().expect("UTF-8").to_owned();
    let text = ends(
        1,
        &[
            "check",
            "kraft",
            "--flaw",
            "A01",
            "--svg",
            &path(&svg),
            "--html",
            &path(&html),
            "--json",
            &path(&json),
        ],
    );
    contains(
        &text,
        &["VIOLATED", "leader-completeness", "Figure 8 (a)", "Figure 8 (b)", "Figure 8 (c)", "Figure 8 (d)"],
    );
    contains(&fs::read_to_string(svg).expect("the picture"), &["<svg", "leader-completeness"]);
    contains(&fs::read_to_string(html).expect("the page"), &["<html", "Figure 8 (d)"]);
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(json).expect("the report")).expect("JSON");
    let run = &report["runs"][0];
    assert_eq!(run["verdict"], "violated");
    assert_eq!(run["counterexample"]["claim"], "leader-completeness");
}

#[test]
fn state_of_a_counterexample_starts_a_search() {
    let directory = scratch("seeded");
    let output = highwater(&["check", "kraft", "--flaw", "A01", "--json", "-"]);
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("JSON alone on standard output");
    let steps = report["runs"][0]["counterexample"]["steps"].as_array().expect("steps").clone();
    let middle = directory.join("middle.json");
    fs::write(&middle, steps[steps.len() / 2]["scene"]["state"].to_string()).expect("a file");
    let output = highwater(&[
        "check",
        "kraft",
        "--flaw",
        "A01",
        "--json",
        "-",
        "--from",
        middle.to_str().expect("UTF-8"),
    ]);
    let seeded: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rest = seeded["runs"][0]["counterexample"]["steps"].as_array().expect("steps").len();
    // What is left of a shortest way is a shortest way.
    assert_eq!(rest, steps.len() - steps.len() / 2 - 1);
}

#[test]
fn nothing_to_draw_leaves_no_file() {
    let file = scratch("nothing").join("none.svg");
    let small = ["check", "zk-election", "--search", "safety", "--svg", file.to_str().expect("UTF-8")];
    contains(&ends(0, &small), &["not written", "holds"]);
    assert!(!file.exists());
}

#[test]
fn closed_pipe_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_highwater"))
        .arg("flaws")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    drop(child.stdout.take());
    let mut complaint = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut complaint).expect("UTF-8");
    assert_eq!(child.wait().expect("an exit").code(), Some(0), "{complaint}");
    assert_eq!(complaint, "");
}

#[test]
fn lists_help_completions_and_man_pages_come() {
    contains(&ends(0, &["--help"]), &["Exit codes", "check", "flaws", "explore"]);
    contains(&ends(0, &["check", "--help"]), &["--epochs", "--without", "--memory", "Examples"]);
    contains(&ends(0, &["flaws"]), &["A01", "B01", "D01"]);
    contains(&ends(0, &["models"]), &["zk-election", "zk-controller", "isr", "kraft", "raft"]);
    contains(&ends(0, &["models", "kraft"]), &["commit-gate", "leader-completeness", "A01"]);
    contains(&ends(0, &["completions", "bash"]), &["highwater"]);
    let directory = scratch("man");
    ends(0, &["man", directory.to_str().expect("UTF-8")]);
    assert!(directory.join("highwater-check.1").exists());
    ends(2, &["man", "/nonexistent"]);
}
