//! `highwater`: the command. One file a subcommand; no protocol logic here.
//!
//! Exit codes: 0 all holds, or was done; 1 something is violated, or failed; 2 the command line makes no sense; 3 incomplete.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

mod adapter;
mod admit;
mod arguments;
mod broker;
mod check;
mod cluster;
mod conformance;
mod documentation;
mod explore;
mod flaws;
mod models;
mod output;
mod progress;
mod replay;
mod searching;
mod simulate;
mod targets;
mod tool;

use arguments::{Arguments, Subcommand};
use highwater_tool::{configs, consume, dump_log, elect, groups, metadata, produce, quorum, storage, topics};
use output::Exit;

fn main() -> ExitCode {
    let arguments = match Arguments::command()
        .try_get_matches()
        .and_then(|mut m| Arguments::from_arg_matches_mut(&mut m))
    {
        Ok(arguments) => arguments,
        Err(refusal) => {
            // Help and version come this way too, with exit code 0. A closed pipe is no error.
            let _ = refusal.print();
            return if refusal.use_stderr() { Exit::Usage.into() } else { Exit::Holds.into() };
        }
    };
    let result = match &arguments.subcommand {
        Subcommand::Check(arguments) => check::run(arguments),
        Subcommand::Flaws(arguments) => flaws::run(arguments),
        Subcommand::Models { model } => models::run(model.as_deref()),
        Subcommand::Explore(arguments) => explore::run(arguments),
        Subcommand::Simulate(arguments) => simulate::run_command(arguments),
        Subcommand::Conformance(arguments) => conformance::run(arguments),
        Subcommand::Replay(arguments) => replay::run(arguments),
        Subcommand::Admit(arguments) => admit::run(arguments),
        Subcommand::Adapter { subcommand } => adapter::run(subcommand),
        Subcommand::Broker(arguments) => broker::run(arguments),
        Subcommand::Cluster(arguments) => cluster::run(arguments),
        Subcommand::Storage(arguments) => tool::run(|out, err| storage::run(arguments, out, err)),
        Subcommand::Topics(arguments) => tool::run(|out, err| topics::run(arguments, out, err)),
        Subcommand::Produce(arguments) => {
            tool::run(|out, err| produce::run(arguments, &mut std::io::stdin().lock(), out, err))
        }
        Subcommand::Consume(arguments) => tool::run(|out, err| consume::run(arguments, out, err)),
        Subcommand::Groups(arguments) => tool::run(|out, err| groups::run(arguments, out, err)),
        Subcommand::Quorum(arguments) => tool::run(|out, err| quorum::run(arguments, out, err)),
        Subcommand::Elect(arguments) => tool::run(|out, err| elect::run(arguments, out, err)),
        Subcommand::Configs(arguments) => tool::run(|out, err| configs::run(arguments, out, err)),
        Subcommand::DumpLog(arguments) => tool::run(|out, err| dump_log::run(arguments, out, err)),
        Subcommand::Metadata(arguments) => tool::talk(|out, err| metadata::run(arguments, out, err)),
        Subcommand::Completions { shell } => documentation::completions(*shell),
        Subcommand::Man { directory } => documentation::man(directory),
        Subcommand::Schema { which } => documentation::schema(*which),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::complain(&failure.message);
            failure.exit.into()
        }
    }
}
