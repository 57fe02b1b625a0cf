//! The README's main job is run, and what the README shows of its output is in its output.
//!
//! Apart from the other examples, since it exhausts every model: only with the feature `main-job`.

#[allow(dead_code, reason = "shared with the test of the other examples")]
mod examples;

use examples::{Scene, examples, readme};

#[test]
fn main_job_prints_what_the_readme_shows() {
    let (mut command, mut step) = (None, None);
    for example in examples(&readme()).into_iter().filter(|example| example.is_main_job()) {
        if example.command.ends_with("check") { command = Some(example) } else { step = Some(example) }
    }
    let (command, mut step) = (command.expect("the main job"), step.expect("the step for GitHub"));
    assert!(!command.shown.is_empty(), "the README shows what the main job prints");
    // The step is the main job, and more. `.ci/run` runs the command itself.
    step.shown = command.shown;
    let mut scene = Scene::new();
    scene.run(&step);
    assert!(scene.directory().join("report.json").exists(), "the report was written");
    scene.end();
}
