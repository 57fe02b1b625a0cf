//! Completions, man pages, schemas: what documents the command and is made from it.

use std::path::Path;

use clap::CommandFactory;
use highwater_model::family::Report;
use highwater_model::trace::Story;

use crate::arguments::{Arguments, SchemaOf};
use crate::output::{self, Exit, Failure};

pub(crate) fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "highwater", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Holds)
}

pub(crate) fn man(directory: &Path) -> Result<Exit, Failure> {
    clap_mangen::generate_to(Arguments::command(), directory).map_err(|error| {
        Failure::usage(format!("{}: the man pages cannot be written there: {error}", directory.display()))
    })?;
    Ok(Exit::Holds)
}

pub(crate) fn schema(which: SchemaOf) -> Result<Exit, Failure> {
    let schema = match which {
        SchemaOf::Report => schemars::schema_for!(Report),
        SchemaOf::Story => schemars::schema_for!(Story),
        SchemaOf::Conformance => schemars::schema_for!(highwater_conformance::report::Report),
        SchemaOf::Scenario => schemars::schema_for!(highwater_conformance::scenario::Scenario),
        SchemaOf::Adapter => schemars::schema_for!(highwater_conformance::target::exec::protocol::Message),
        SchemaOf::Trace => schemars::schema_for!(highwater_conformance::admission::Trace),
    };
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    output::print(&format!("{text}\n"))?;
    Ok(Exit::Holds)
}
