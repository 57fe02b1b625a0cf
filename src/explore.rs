//! `highwater explore`: Stateright's Explorer.

use highwater_model::family;

use crate::arguments::ExploreArguments;
use crate::output::{self, Exit, Failure};
use crate::searching;

pub(crate) fn run(arguments: &ExploreArguments) -> Result<Exit, Failure> {
    let entry = family::find(&arguments.model)?;
    let request = searching::request(&arguments.shape)?;
    // Stateright panics where it cannot bind; ask first, so that the message names the flag.
    std::net::TcpListener::bind(arguments.address).map_err(|error| {
        Failure::usage(format!(
            "--address {}: cannot be served: {error}; give another, such as --address 127.0.0.1:3001",
            arguments.address
        ))
    })?;
    // Even where the shell has it ignored, as for what runs in the background of a script.
    ctrlc::set_handler(|| std::process::exit(0))
        .map_err(|error| Failure::usage(format!("cannot listen for interrupts: {error}")))?;
    output::say(&format!("{} at http://{} until Ctrl-C", entry.name(), arguments.address));
    entry.explore(&request, arguments.address)?;
    Ok(Exit::Holds)
}
