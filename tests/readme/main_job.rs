//! The README's main job is run, and what the README shows of its output is in its output.
//!
//! Apart from the other examples, since it exhausts every model: only with the feature `main-job`.

mod examples;

use std::path::Path;

use examples::{examples, is_main_job, readme, run};

#[test]
fn main_job_prints_what_the_readme_shows() {
    let examples = examples(&readme());
    let main_job =
        examples.iter().find(|example| is_main_job(example)).expect("the README shows the main job");
    assert!(!main_job.shown.is_empty(), "the README shows what the main job prints");
    assert!(run(main_job, Path::new(env!("CARGO_TARGET_TMPDIR"))));
}
