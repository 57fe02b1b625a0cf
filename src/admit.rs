//! `highwater admit`: whether what was seen is a behaviour of the model.

use std::path::Path;
use std::{fs, io};

use highwater_conformance::admission::{Admission, Trace, admit};
use highwater_model::kraft::Rules;

use crate::arguments::AdmitArguments;
use crate::output::{self, Exit, Failure};

pub(crate) fn run(arguments: &AdmitArguments) -> Result<Exit, Failure> {
    let trace = read(&arguments.trace)?;
    let [json] = output::open_all([("--json", &arguments.json)])?;
    let said = admit(&trace, Rules::default());
    if let Some(sink) = &json {
        let text = serde_json::to_string_pretty(&said).expect("a verdict is JSON");
        sink.write(&format!("{text}\n"))?;
    }
    if !json.is_some_and(|sink| sink.is_stdout()) {
        let count = trace.events.len();
        output::print(&format!(
            "{count} events, model {}: {}\n",
            arguments.model,
            said.to_string().trim_end()
        ))?;
    }
    Ok(match said {
        Admission::Admitted { .. } => Exit::Holds,
        Admission::Refused { .. } => Exit::Violated,
        Admission::Incomplete { .. } => Exit::Incomplete,
    })
}

fn read(path: &Path) -> Result<Trace, Failure> {
    let text = match path.to_str() {
        Some("-") => io::read_to_string(io::stdin().lock()),
        _ => fs::read_to_string(path),
    };
    let refused = |error: &dyn std::fmt::Display| {
        Failure::usage(format!(
            "{}: cannot be read: {error}; give a trace as specs/trace.schema.json has it, such as `highwater replay SCENARIO --target reference --events FILE` writes",
            path.display()
        ))
    };
    let text = text.map_err(|error| refused(&error))?;
    serde_json::from_str(&text).map_err(|error| refused(&error))
}
