//! `storage format`.

use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use highwater_log::disk::{RealDisk, replace};
use highwater_log::files::meta_properties::{self, MetaProperties};
use highwater_log::files::partition_metadata;
use highwater_server::config::{Bootstrap, ServerConfig};

use super::{FormatArgs, random_uuid, release};
use crate::{ExitKind, ToolError};

pub(super) fn run(
    args: &FormatArgs,
    config: &ServerConfig,
    out: &mut dyn Write,
) -> Result<ExitKind, ToolError> {
    refuse_what_is_not_here(args)?;
    let bootstrap = release::bootstrap(args)?;
    let cluster_id = args.cluster_id.as_str();
    if cluster_id.is_empty() || cluster_id.trim() != cluster_id || cluster_id.chars().any(char::is_control) {
        return Err(ToolError::Refused(format!(
            "--cluster-id: found {cluster_id:?}, expected an id, as `highwater storage random-uuid` prints one."
        )));
    }
    let directory = config.log_directory.as_path();
    if is_formatted(directory, cluster_id, config)? {
        if !args.ignore_formatted {
            return Err(ToolError::Refused(format!(
                "Log directory {} is already formatted. Use --ignore-formatted to ignore this directory and format the others.",
                directory.display()
            )));
        }
        writeln!(out, "All of the log directories are already formatted.")?;
        return Ok(ExitKind::Success);
    }
    let unwritable = |error: io::Error| {
        ToolError::Refused(format!(
            "{}: could not format it: {error}. Name a directory in log.dirs that can be written, and that no broker uses.",
            directory.display()
        ))
    };
    let disk = RealDisk::open(directory).map_err(unwritable)?;
    write!(out, "Bootstrap metadata: BootstrapMetadata(records=[")?;
    for (index, record) in bootstrap.records().iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let (name, level) = (&record.name, record.level);
        write!(
            out,
            "{comma}ApiMessageAndVersion(FeatureLevelRecord(name='{name}', featureLevel={level}) at version 0)"
        )?;
    }
    let version = bootstrap.metadata_version;
    writeln!(out, "], metadataVersionLevel={version}, source=format command)")?;
    writeln!(
        out,
        "Formatting metadata directory {} with metadata.version {}.",
        directory.display(),
        release::release_name(version)
    )?;
    replace(&disk, Bootstrap::FILE, &bootstrap.encode(now_ms())).map_err(unwritable)?;
    let properties = MetaProperties {
        cluster_id: cluster_id.to_owned(),
        node_id: config.node_id,
        directory_id: Some(random_uuid()),
    };
    meta_properties::save(&disk, &properties)
        .map_err(|error| unwritable(io::Error::other(error.to_string())))?;
    Ok(ExitKind::Success)
}

fn refuse_what_is_not_here(args: &FormatArgs) -> Result<(), ToolError> {
    let voters = "voters are static here: list them in controller.quorum.voters, and leave it out";
    let flags = [
        (args.standalone, "--standalone", voters),
        (args.no_initial_controllers, "--no-initial-controllers", voters),
        (args.initial_controllers.is_some(), "--initial-controllers", voters),
        (!args.add_scram.is_empty(), "--add-scram", "there is no authentication here: leave it out"),
    ];
    match flags.into_iter().find(|(is_given, ..)| *is_given) {
        Some((_, flag, cure)) => Err(ToolError::Usage(format!("{flag} is not supported; {cure}."))),
        None => Ok(()),
    }
}

/// Whether the directory is this node's already. Refused if it is another's, or nobody's and holds logs.
fn is_formatted(directory: &Path, cluster_id: &str, config: &ServerConfig) -> Result<bool, ToolError> {
    let refuse = |message: String| Err(ToolError::Refused(message));
    let path = directory.join(meta_properties::NAME);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match log_in(directory) {
                Some(log) => refuse(format!(
                    "{}: found the log {log} and no meta.properties, expected an empty directory. Restore meta.properties if the \
                     log is of worth; else name another directory in log.dirs, or empty this one.",
                    directory.display()
                )),
                None => Ok(false),
            };
        }
        Err(error) => {
            let place = path.display();
            return refuse(format!(
                "{place}: could not read it: {error}. Name a directory in log.dirs that can be read."
            ));
        }
    };
    let found = match meta_properties::decode(&bytes) {
        Ok(found) => found,
        Err(found) => {
            return refuse(format!(
                "{}: found {found}, expected version=1, cluster.id and node.id. Restore the file, or name another directory in \
                 log.dirs.",
                path.display()
            ));
        }
    };
    if found.cluster_id != cluster_id {
        return refuse(format!(
            "Invalid cluster.id in: {}. Expected {cluster_id}, but read {}",
            path.display(),
            found.cluster_id
        ));
    }
    if found.node_id != config.node_id {
        return refuse(format!(
            "Stored node id {} doesn't match previous node id {} in {}. If you moved your data, make sure your configured node id \
             matches. If you intend to create a new node, you should remove all data in your data directories.",
            found.node_id.0,
            config.node_id.0,
            path.display()
        ));
    }
    Ok(true)
}

/// A directory in `directory` that holds a log.
fn log_in(directory: &Path) -> Option<String> {
    let entries = std::fs::read_dir(directory).ok()?;
    let mut logs: Vec<String> = entries
        .flatten()
        .filter(|entry| {
            let path = entry.path();
            path.join(partition_metadata::NAME).is_file() || path.join("00000000000000000000.log").is_file()
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    logs.sort_unstable();
    logs.into_iter().next()
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
