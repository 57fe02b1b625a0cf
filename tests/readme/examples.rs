//! The examples of the README: how they are read, and how they are run.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A command of the README, and what it is said to do.
pub(crate) struct Example {
    pub(crate) line_number: usize,
    pub(crate) command: String,
    pub(crate) exit: i32,
    pub(crate) shown: Vec<String>,
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The README.
pub(crate) fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md")
}

/// Its examples.
pub(crate) fn examples(text: &str) -> Vec<Example> {
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

/// The main job, which exhausts every model: a minute and more, so that it has a test of its own.
pub(crate) fn is_main_job(example: &Example) -> bool {
    example.command == "cargo run --release -- check"
}

/// Runs an example in `directory`, and holds its output against what the README shows. False where another step of CI runs it.
pub(crate) fn run(example: &Example, directory: &Path) -> bool {
    let Some(words) = own_words(&example.command) else {
        let elsewhere = ["cargo test", "cargo bench", "bash .ci/run"];
        let known = elsewhere.iter().any(|command| example.command.starts_with(command));
        assert!(known, "README.md line {}: nothing runs {:?}", example.line_number, example.command);
        return false;
    };
    let output = Command::new(env!("CARGO_BIN_EXE_highwater"))
        .args(&words)
        .current_dir(directory)
        .output()
        .expect("the command runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(example.exit), "README.md line {}:\n{text}", example.line_number);
    shows(example, &text);
    true
}
