//! Every example in the README is run, and what the README shows of its output is in its output.
//!
//! A `console` block holds commands after `$ `, each with the lines of its output that are worth showing, in
//! order; `…` stands for what may differ. `# exit N` behind a command names an exit code that is not 0; one
//! `# until Ctrl-C` goes on while the others run, and is interrupted in the end. Other blocks are not allowed, but for the step for GitHub.
//!
//! Examples run in bash, one after the other in one directory. Two things are not as in the README: `/tmp/` is a directory of the test, and
//! ports 909x and 919x are others, which are free ([`examples::Scene::new`]).
//!
//! | example | is run by |
//! |---|---|
//! | any | this test |
//! | the main job, with the step for GitHub | `main_job.rs`, which `.ci/run` calls |
//! | with `--features flaws` | this test with that feature, which `.ci/run` calls |
//! | with kcat or Kafka's tools | this test with the feature `real-clients`, which `.ci/clients` calls |
//! | `cargo test`, `cargo bench`, `.ci/run` itself | `.ci/run` |

mod examples;

use std::fs;
use std::process::Command;

use examples::{Scene, examples, readme, root};

#[test]
fn examples_run_and_print_what_the_readme_shows() {
    let examples = examples(&readme());
    let here: Vec<_> = examples.iter().filter(|example| example.is_run_here()).collect();
    assert!(here.len() >= 30, "the README has {} examples that run; the test reads it wrong", here.len());
    let mut scene = Scene::new();
    here.into_iter().for_each(|example| scene.run(example));
    assert!(scene.directory().join("highwater-cluster.1").exists(), "the man pages were written");
    scene.end();
}

#[test]
fn examples_that_need_more_are_run_by_continuous_integration() {
    for (file, step) in [
        (".ci/run", "--test main_job"),
        (".ci/run", "--features flaws --test readme"),
        (".ci/clients", "--features real-clients --test readme"),
    ] {
        let text = fs::read_to_string(root().join(file)).expect(file);
        assert!(text.contains(step), "{file} does not call the test with {step}");
    }
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
