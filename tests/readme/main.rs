//! Every example in the README is run, and what the README shows of its output is in its output.
//!
//! A `console` block holds commands after `$ `, each with the lines of its output that are worth showing, in
//! order; `…` stands for what may differ. `# exit N` behind a command names an exit code that is not 0.
//! The main job has a test of its own, `main_job.rs`, which `.ci/run` calls.

mod examples;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use examples::{examples, is_main_job, readme, root, run};

#[test]
fn examples_run_and_print_what_the_readme_shows() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("readme");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a scratch directory");
    // Examples name files of the repository.
    #[cfg(unix)]
    std::os::unix::fs::symlink(root().join("specs"), directory.join("specs")).expect("a link");
    let ran = examples(&readme())
        .iter()
        .filter(|example| !is_main_job(example))
        .filter(|example| run(example, &directory))
        .count();
    assert!(ran >= 5, "the README has {ran} examples that run; the test reads it wrong");
}

#[test]
fn main_job_is_run_by_continuous_integration() {
    let ci = fs::read_to_string(root().join(".ci/run")).expect(".ci/run");
    assert!(ci.contains("--test main_job"), ".ci/run does not call the test of the README's main job");
}

#[test]
fn figure_8_of_the_readme_is_what_the_command_draws() {
    let output = Command::new(env!("CARGO_BIN_EXE_highwater"))
        .args(["check", "kraft", "--flaw", "A01", "--svg", "-"])
        .output()
        .expect("the command runs");
    let drawn = String::from_utf8(output.stdout).expect("UTF-8");
    let kept = fs::read_to_string(root().join("specs/figure-8.svg")).expect("specs/figure-8.svg");
    assert!(
        drawn == kept,
        "specs/figure-8.svg is stale; draw it anew with: highwater check kraft --flaw A01 --svg specs/figure-8.svg"
    );
    assert!(readme().contains("specs/figure-8.svg"), "README.md shows the picture");
}
