//! What leaves the command: text, files, exit codes.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use highwater_model::check::Verdict;
use highwater_model::family::Usage;
use highwater_model::trace::text::TextStyle;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: everything asked for holds.
    Holds,
    /// 1: something is violated.
    Violated,
    /// 2: the command line makes no sense, or its files cannot be had.
    Usage,
    /// 3: cut short before it could tell.
    Incomplete,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Holds => 0,
            Exit::Violated => 1,
            Exit::Usage => 2,
            Exit::Incomplete => 3,
        })
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Holds => Self::Holds,
            Verdict::Violated => Self::Violated,
            Verdict::Incomplete => Self::Incomplete,
        }
    }
}

/// Why the command ends early: what was found, what was expected, what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) exit: Exit,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Usage }
    }

    fn output(target: &Path, error: &io::Error) -> Self {
        Self::usage(format!("{}: cannot be written: {error}", target.display()))
    }
}

impl From<Usage> for Failure {
    fn from(usage: Usage) -> Self {
        Self::usage(usage.0)
    }
}

/// Prints to standard output. A closed pipe is no error: who closed it has seen enough.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::usage(format!("standard output: cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// How transcripts are set: as wide as the terminal, in colours, which the stream takes out where nobody sees them.
pub(crate) fn text_style() -> TextStyle {
    let columns = terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0));
    TextStyle { width: columns.clamp(60, 120), colour: true }
}

/// Tells the user something on standard error; nobody is left to tell where that fails.
pub(crate) fn say(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// A complaint on standard error.
pub(crate) fn complain(text: &str) {
    say(&format!("highwater: {text}"));
}

/// Opens where each of several reports goes. Two that go to one place are refused.
pub(crate) fn open_all<const N: usize>(
    targets: [(&str, &Option<PathBuf>); N],
) -> Result<[Option<Sink>; N], Failure> {
    let given: Vec<(&str, &Path)> =
        targets.iter().filter_map(|(flag, path)| path.as_deref().map(|path| (*flag, path))).collect();
    for (index, (flag, path)) in given.iter().enumerate() {
        if let Some((other, _)) = given[..index].iter().find(|(_, earlier)| earlier == path) {
            return Err(Failure::usage(format!(
                "{other} and {flag} both write to {}; give each its own file",
                path.display()
            )));
        }
    }
    let mut sinks = [const { None }; N];
    for (sink, (_, path)) in sinks.iter_mut().zip(targets) {
        *sink = path.as_deref().map(Sink::open).transpose()?;
    }
    Ok(sinks)
}

/// Where a report goes: a file, or standard output for `-`.
#[derive(Debug)]
pub(crate) struct Sink {
    path: Option<PathBuf>,
    created: bool,
}

impl Sink {
    /// Refuses, before the search, what could not be written after it. An existing file keeps its content
    /// until there is something new to say.
    pub(crate) fn open(target: &Path) -> Result<Self, Failure> {
        if target == Path::new("-") {
            return Ok(Self { path: None, created: false });
        }
        let created = !target.exists();
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(target)
            .map_err(|error| Failure::output(target, &error))?;
        Ok(Self { path: Some(target.to_owned()), created })
    }

    /// Whether it is standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        self.path.is_none()
    }

    /// Writes the whole report.
    pub(crate) fn write(&self, content: &str) -> Result<(), Failure> {
        match &self.path {
            None => print(content),
            Some(path) => fs::write(path, content).map_err(|error| Failure::output(path, &error)),
        }
    }

    /// There is nothing to write: says so, and leaves no empty file behind.
    pub(crate) fn leave(&self, reason: &str) -> Result<(), Failure> {
        let Some(path) = &self.path else {
            say(reason);
            return Ok(());
        };
        if self.created {
            fs::remove_file(path).map_err(|error| Failure::output(path, &error))?;
        }
        say(&format!("{}: not written: {reason}", path.display()));
        Ok(())
    }
}
