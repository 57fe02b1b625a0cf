//! The shell on a terminal: lines with an editor, a history, and completion of commands and paths.

use std::borrow::Cow;
use std::io::Write;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};

use super::command::{Outcome, Shell};
use crate::{ExitKind, ToolError};

/// What the editor asks while a line is written.
struct Assistant(Shell);

impl Completer for Assistant {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.0.complete(line.get(..position).unwrap_or(line)))
    }
}

impl Hinter for Assistant {
    type Hint = String;
}

impl Highlighter for Assistant {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Borrowed(hint)
    }
}

impl Validator for Assistant {}

impl Helper for Assistant {}

/// Reads lines from the terminal until its end, or `exit`.
pub(super) fn run(shell: Shell, out: &mut dyn Write) -> Result<ExitKind, ToolError> {
    let broken = |error: ReadlineError| {
        ToolError::Refused(format!(
            "the terminal: {error}. Give commands by the standard input, or behind the options."
        ))
    };
    let mut editor: Editor<Assistant, DefaultHistory> = Editor::new().map_err(broken)?;
    editor.set_helper(Some(Assistant(shell)));
    writeln!(out, "[ Highwater Metadata Shell ]")?;
    loop {
        out.flush()?;
        let line = match editor.readline(">> ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(ExitKind::Success),
            Err(error) => return Err(broken(error)),
        };
        // A line that cannot be kept is run all the same.
        let _ = editor.add_history_entry(line.as_str());
        let Some(Assistant(shell)) = editor.helper_mut() else { return Ok(ExitKind::Success) };
        shell.width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        if shell.run_line(&line, out)? == Outcome::Exit {
            return Ok(ExitKind::Success);
        }
    }
}
