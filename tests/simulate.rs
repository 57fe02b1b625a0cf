//! `highwater simulate` as its users meet it: the same bytes, exit codes, refusals.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use highwater_simulation::{Scenario, Wishes};

fn simulate(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.arg("simulate").args(arguments).output().expect("the command runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn seeds_that_hold_end_with_0_and_tell_what_there_was() {
    let output = simulate(&["--seeds", "5", "--steps", "500"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    for part in ["elections", "acknowledged", "faults", "5 seeds hold, 0 to 4"] {
        assert!(text(&output).contains(part), "{part:?} is not in:\n{}", text(&output));
    }
}

#[test]
fn output_is_the_same_at_any_number_of_threads() {
    let one = simulate(&["--seeds", "6", "--steps", "500", "--threads", "1"]);
    let three = simulate(&["--seeds", "6", "--steps", "500", "--threads", "3"]);
    assert_eq!(text(&one), text(&three));
    let json =
        |threads: &str| text(&simulate(&["--seeds", "6", "--steps", "500", "--json", "--threads", threads]));
    assert_eq!(json("1"), json("2"));
}

#[test]
fn traces_of_a_seed_are_the_same_bytes() {
    let one = simulate(&["--seed", "7", "--steps", "300", "--trace"]);
    assert_eq!(text(&one), text(&simulate(&["--seed", "7", "--steps", "300", "--trace"])));
    assert!(text(&one).lines().count() > 100, "{}", text(&one));
}

#[test]
fn virtual_time_ends_the_faults() {
    let output = simulate(&["--seed", "3", "--for", "1s"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn scenario_in_a_file_runs() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("simulate_scenario");
    fs::create_dir_all(&directory).expect("a scratch directory");
    let path = directory.join("seed.json");
    let wishes = Wishes { steps: Some(200), ..Wishes::default() };
    fs::write(&path, Scenario::from_seed(4, &wishes).to_json()).expect("a file");
    let output = simulate(&["--scenario", path.to_str().expect("a path")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    fs::write(&path, "{}").expect("a file");
    assert_eq!(simulate(&["--scenario", path.to_str().expect("a path")]).status.code(), Some(2));
    assert_eq!(simulate(&["--scenario", "/nowhere/at/all.json"]).status.code(), Some(2));
}

#[test]
fn nonsense_is_refused_with_2() {
    for arguments in [
        &["--seed", "1", "--seeds", "2"][..],
        &["--nodes", "0"],
        &["--profile", "sideways"],
        &["--seeds", "0"],
    ] {
        assert_eq!(simulate(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[cfg(not(feature = "flaws"))]
#[test]
fn flaw_without_flaws_is_refused_with_the_command_that_builds_them() {
    let output = simulate(&["--flaw", "A01", "--seed", "1"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cargo build --release --features flaws"), "{said}");
}
