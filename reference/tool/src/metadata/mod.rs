//! `metadata`: a shell over what a metadata log or a snapshot says, after Kafka's `MetadataShell`.
//!
//! ```text
//! highwater metadata --snapshot 00000000000000000063-0000000002.checkpoint cat /image/topics/byName/orders/0
//! highwater metadata --directory /var/lib/kafka tree /image/cluster
//! highwater metadata --directory /var/lib/kafka
//! ```
//!
//! The image stands there as a tree of directories and files, under Kafka's names and with Kafka's contents (4.3.1):
//! `/image/{acls,clientQuotas,cluster,configs,delegationToken,features,producerIds,provenance,scram,topics}` and `/local`. A command may
//! stand behind the options; without one, commands are read from the standard input, with a line editor if that is a terminal.
//!
//! # Where it differs from Kafka
//! - `--directory` takes a data directory, or that of the metadata log: its newest snapshot, and the log behind. Kafka 4.3 reads a single
//!   file. A running broker is not disturbed.
//! - Everything that the files hold is shown, also what is not committed yet: the files do not say how far that is.
//! - The image is complete before the first command runs; Kafka's shell may answer before it has read all.
//! - All commands but `exit` and `history` can stand behind the options. What is not found is exit code 1 then, not 0.
//! - `find` with wildcards prints the paths that they matched.
//!
//! # Not implemented
//! Access control, quotas, SCRAM and delegation tokens: their directories are empty, and records of theirs are passed over with a
//! warning.

mod command;
mod edit;
mod load;
mod tree;

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use crate::{ExitKind, ToolError};
use command::{Outcome, Shell};

/// The arguments of `metadata`.
#[derive(Debug, Clone, Args)]
pub struct MetadataArgs {
    /// A snapshot, or a segment of the metadata log that begins at offset 0
    #[arg(short, long, value_name = "FILE", required_unless_present = "directory")]
    pub snapshot: Option<PathBuf>,
    /// A data directory, or the directory of the metadata log in it
    #[arg(short, long, value_name = "DIR", conflicts_with = "snapshot")]
    pub directory: Option<PathBuf>,
    /// The command to run; without one, commands are read from the standard input
    #[arg(trailing_var_arg = true)]
    pub command: Vec<String>,
}

/// Runs the command, or those of the standard input.
pub fn run(args: &MetadataArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitKind, ToolError> {
    let shell = open(args, err)?;
    if !args.command.is_empty() {
        return run_one(shell, &args.command, out);
    }
    if io::stdin().is_terminal() {
        return edit::run(shell, out);
    }
    run_lines(shell, &mut io::stdin().lock(), out)
}

/// As [`run`] where the standard input is no terminal, with `lines` in its place.
pub fn run_with(
    args: &MetadataArgs,
    lines: &mut dyn BufRead,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<ExitKind, ToolError> {
    let shell = open(args, err)?;
    if args.command.is_empty() { run_lines(shell, lines, out) } else { run_one(shell, &args.command, out) }
}

fn open(args: &MetadataArgs, err: &mut dyn Write) -> Result<Shell, ToolError> {
    let loaded = match (&args.snapshot, &args.directory) {
        (Some(file), None) => load::file(file)?,
        (None, Some(directory)) => load::directory(directory)?,
        _ => {
            return Err(ToolError::Usage(
                "found neither or both of --snapshot and --directory, expected one.".to_owned(),
            ));
        }
    };
    for warning in &loaded.warnings {
        writeln!(err, "{warning}")?;
    }
    Ok(Shell::new(tree::Tree { image: loaded.image, provenance: loaded.provenance }))
}

fn run_one(mut shell: Shell, words: &[String], out: &mut dyn Write) -> Result<ExitKind, ToolError> {
    Ok(match shell.run(words, out)? {
        Outcome::Done | Outcome::Exit => ExitKind::Success,
        Outcome::Failed => ExitKind::Problems,
    })
}

fn run_lines(mut shell: Shell, lines: &mut dyn BufRead, out: &mut dyn Write) -> Result<ExitKind, ToolError> {
    let mut kind = ExitKind::Success;
    for line in lines.lines() {
        let line = line.map_err(|error| {
            ToolError::Refused(format!(
                "the standard input: could not read it: {error}. Give commands as UTF-8 text."
            ))
        })?;
        match shell.run_line(&line, out)? {
            Outcome::Done => {}
            Outcome::Failed => kind = ExitKind::Problems,
            Outcome::Exit => break,
        }
    }
    Ok(kind)
}
