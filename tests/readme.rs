//! Every example in the README is run, and what the README shows of its output is in its output.
//!
//! A `console` block holds commands after `$ `, each with the lines of its output that are worth showing, in
//! order; `…` stands for what may differ. `# exit N` behind a command names an exit code that is not 0.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Example {
    line_number: usize,
    command: String,
    exit: i32,
    shown: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md")
}

fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let (mut inside, mut fresh) = (false, true);
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
            fresh = true;
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            let (command, exit) = match command.rsplit_once("# exit ") {
                Some((command, exit)) => (command.trim(), exit.trim().parse().expect("an exit code")),
                None => (command.trim(), 0),
            };
            examples.push(Example {
                line_number: index + 1,
                command: command.to_owned(),
                exit,
                shown: Vec::new(),
            });
            fresh = false;
        } else if inside && !fresh && !line.trim().is_empty() {
            examples.last_mut().expect("a command came first").shown.push(line.to_owned());
        }
    }
    examples
}

/// The command's words without the way to start it, or `None` where another step of CI runs it.
fn own_words(command: &str) -> Option<Vec<String>> {
    let words =
        command.strip_prefix("cargo run --release -- ").or_else(|| command.strip_prefix("highwater "))?;
    Some(words.split_whitespace().map(str::to_owned).collect())
}

/// The lines of `output`, in order, that the README shows.
fn shows(example: &Example, output: &str) {
    let mut lines = output.lines();
    for shown in &example.shown {
        if shown.trim() == "…" {
            continue;
        }
        let pieces: Vec<&str> = shown.split('…').map(str::trim).filter(|piece| !piece.is_empty()).collect();
        let found = lines.any(|line| {
            let mut rest = line;
            pieces.iter().all(|piece| match rest.find(piece) {
                Some(at) => {
                    rest = &rest[at + piece.len()..];
                    true
                }
                None => false,
            })
        });
        assert!(
            found,
            "README.md line {}: {} does not print, in this order:\n{shown}\nbut:\n{output}",
            example.line_number, example.command
        );
    }
}

#[test]
fn examples_run_and_print_what_the_readme_shows() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("readme");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a scratch directory");
    // Examples name files of the repository.
    #[cfg(unix)]
    std::os::unix::fs::symlink(root().join("specs"), directory.join("specs")).expect("a link");
    let mut ran = 0;
    for example in examples(&readme()) {
        let Some(words) = own_words(&example.command) else {
            let elsewhere = ["cargo test", "cargo bench", "bash .ci/run"];
            let known = elsewhere.iter().any(|command| example.command.starts_with(command));
            assert!(known, "README.md line {}: nothing runs {:?}", example.line_number, example.command);
            continue;
        };
        let output = Command::new(env!("CARGO_BIN_EXE_highwater"))
            .args(&words)
            .current_dir(&directory)
            .output()
            .expect("the command runs");
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(
            output.status.code(),
            Some(example.exit),
            "README.md line {}:\n{text}",
            example.line_number
        );
        shows(&example, &text);
        ran += 1;
    }
    assert!(ran >= 5, "the README has {ran} examples that run; the test reads it wrong");
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
