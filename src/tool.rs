//! The tools after Kafka's: what `highwater-tool` does, with this process's streams.

use std::io::{self, BufWriter, Write};

use highwater_tool::{ExitKind, ToolError};

use crate::output::{Exit, Failure};

/// Runs a tool, and turns how it ended into an exit code.
pub(crate) fn run(
    tool: impl FnOnce(&mut dyn Write, &mut dyn Write) -> Result<ExitKind, ToolError>,
) -> Result<Exit, Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let result = tool(&mut out, &mut io::stderr());
    let flushed = out.flush();
    ended(result.and_then(|exit| Ok(flushed.map(|()| exit)?)))
}

/// Runs a tool that talks with a person: each line is seen at once.
pub(crate) fn talk(
    tool: impl FnOnce(&mut dyn Write, &mut dyn Write) -> Result<ExitKind, ToolError>,
) -> Result<Exit, Failure> {
    ended(tool(&mut io::stdout(), &mut io::stderr()))
}

fn ended(result: Result<ExitKind, ToolError>) -> Result<Exit, Failure> {
    match result {
        Ok(ExitKind::Success) => Ok(Exit::Holds),
        Ok(ExitKind::Problems) => Ok(Exit::Violated),
        Err(error) => {
            let exit = match error.exit_code() {
                // The output's reader has seen enough.
                0 => return Ok(Exit::Holds),
                1 => Exit::Violated,
                _ => Exit::Usage,
            };
            Err(Failure { message: error.to_string(), exit })
        }
    }
}
