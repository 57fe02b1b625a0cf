//! `storage`: data directories, after Kafka's `StorageTool`.
//!
//! | command | does |
//! |---|---|
//! | `random-uuid` | prints an id for a cluster |
//! | `format` | makes the directory of a property file this node's |
//! | `info` | says what is in that directory |
//!
//! `format` writes `bootstrap.checkpoint`, the features that the cluster begins with, then `meta.properties`, whose directory it is.
//! Kafka reads both, and runs on a directory that was formatted here; this broker on one that Kafka formatted.
//!
//! # Invariants
//! - A directory that is another node's or cluster's is refused, and so is one with logs and without `meta.properties`: nothing in it
//!   is changed.
//! - A directory is formatted or it is not: `meta.properties` comes last, durably.
//! - No directory is touched that a running broker holds.
//!
//! # Where it differs from Kafka
//! - The default of `--release-version` is 4.0-IV3, with `eligible.leader.replicas.version` at 1, where that level of
//!   `metadata.version` can have it. Kafka's is the newest, with all features.
//! - A wrong property file is exit code 2, told as the server tells it.
//! - Kafka formats a directory with logs in it that has no `meta.properties`.
//!
//! # Not implemented
//! - Dynamic voters (`--standalone`, `--initial-controllers`, `--no-initial-controllers`) and SCRAM (`--add-scram`): refused by name.
//! - `version-mapping` and `feature-dependencies`.

mod format;
mod info;
mod release;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use highwater_core::Uuid;
use highwater_log::files::uuid;
use highwater_server::config::ServerConfig;

use crate::{ExitKind, ToolError};
pub(crate) use release::release_name;

/// The arguments of `storage`.
#[derive(Debug, Clone, Args)]
pub struct StorageArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: StorageCommand,
}

/// What `storage` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum StorageCommand {
    /// Print a random id, for a new cluster
    RandomUuid,
    /// Make the log directory of a property file this node's
    Format(FormatArgs),
    /// Say what is in the log directory of a property file
    Info(InfoArgs),
}

/// The arguments of `storage format`.
#[derive(Debug, Clone, Args)]
pub struct FormatArgs {
    /// The server's property file
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// The id of the cluster
    #[arg(short = 't', long, value_name = "ID")]
    pub cluster_id: String,
    /// Leave a directory alone that is formatted already, instead of failing
    #[arg(short = 'g', long)]
    pub ignore_formatted: bool,
    /// The release whose features the cluster begins with, 3.3-IV3 to 4.3-IV0 [default: 4.0-IV3]
    #[arg(short, long, value_name = "VERSION")]
    pub release_version: Option<String>,
    /// The level of a feature, as FEATURE=LEVEL; may be repeated
    #[arg(short, long, value_name = "FEATURE=LEVEL")]
    pub feature: Vec<String>,
    /// Refused: voters are static
    #[arg(short, long, hide = true)]
    pub standalone: bool,
    /// Refused: voters are static
    #[arg(short = 'N', long, hide = true)]
    pub no_initial_controllers: bool,
    /// Refused: voters are static
    #[arg(short = 'I', long, hide = true)]
    pub initial_controllers: Option<String>,
    /// Refused: there is no authentication
    #[arg(short = 'S', long, hide = true)]
    pub add_scram: Vec<String>,
}

/// The arguments of `storage info`.
#[derive(Debug, Clone, Args)]
pub struct InfoArgs {
    /// The server's property file
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Does what the arguments say. Warnings about the property file go to `err`.
pub fn run(args: &StorageArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitKind, ToolError> {
    match &args.command {
        StorageCommand::RandomUuid => {
            writeln!(out, "{}", uuid::format(random_uuid()))?;
            Ok(ExitKind::Success)
        }
        StorageCommand::Format(args) => {
            let config = load(&args.config, err)?;
            format::run(args, &config, out)
        }
        StorageCommand::Info(args) => {
            let config = load(&args.config, err)?;
            info::run(&config.log_directory, out)
        }
    }
}

fn load(path: &std::path::Path, err: &mut dyn Write) -> Result<ServerConfig, ToolError> {
    let config = ServerConfig::load(path, &[])?;
    for warning in &config.warnings {
        writeln!(err, "{warning}")?;
    }
    Ok(config)
}

/// A random identity. As in Kafka, none whose text begins with a dash, which a shell would take for an option; version 4 rules out those
/// that Kafka keeps for itself.
pub fn random_uuid() -> Uuid {
    loop {
        let id = Uuid(::uuid::Uuid::new_v4().as_u128());
        if !uuid::format(id).starts_with('-') {
            return id;
        }
    }
}
