//! `highwater adapter`: help for whoever writes an adapter for the conformance suite.

use std::io;

use highwater_conformance::target::exec::{self, Limits};
use highwater_conformance::target::{Builder, model::KraftModel, reference::ReferenceQuorum};

use crate::arguments::{AdapterCheckArguments, AdapterSubcommand, ServedTarget};
use crate::output::{self, Exit, Failure, Sink};

pub(crate) fn run(subcommand: &AdapterSubcommand) -> Result<Exit, Failure> {
    match subcommand {
        AdapterSubcommand::Check(arguments) => check(arguments),
        AdapterSubcommand::Serve { target } => serve(*target),
    }
}

fn check(arguments: &AdapterCheckArguments) -> Result<Exit, Failure> {
    let sink = arguments.json.as_deref().map(Sink::open).transpose()?;
    // Whoever interrupts this must not be left with the adapter's processes.
    ctrlc::set_handler(|| {
        exec::end_all();
        std::process::exit(130);
    })
    .map_err(|error| Failure::usage(format!("interrupts cannot be heard: {error}")))?;
    let time = arguments.time_limit;
    let limits = Limits { answer: time, hello: time.max(Limits::default().hello), ..Limits::default() };
    let report = exec::check(&arguments.command, limits);
    if let Some(sink) = &sink {
        let json = serde_json::to_string_pretty(&report).expect("a report is JSON");
        sink.write(&format!("{json}\n"))?;
    }
    if !sink.is_some_and(|sink| sink.is_stdout()) {
        output::print(&format!("{report}\n"))?;
    }
    Ok(if report.is_fine() { Exit::Holds } else { Exit::Violated })
}

fn serve(target: ServedTarget) -> Result<Exit, Failure> {
    let mut builder: Box<dyn Builder> = match target {
        ServedTarget::Model => Box::new(KraftModel::default()),
        ServedTarget::Reference => Box::new(ReferenceQuorum::default()),
    };
    match exec::serve(&mut *builder, io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => Ok(Exit::Holds),
        // The suite has heard enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Holds),
        Err(error) => Err(Failure { message: error.to_string(), exit: Exit::Violated }),
    }
}
