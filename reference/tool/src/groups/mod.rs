//! `groups`: after Kafka's `ConsumerGroupCommand`, for classic groups.
//!
//! | action | prints |
//! |---|---|
//! | `--list` | a group a line; with `--state` or `--type` a table |
//! | `--describe` | a row a partition: committed offset, end, lag, owner; `--members`, `--state` |
//! | `--delete`, `--delete-offsets` | what was deleted, and what was not |
//! | `--reset-offsets` | the new offsets; `--execute` commits them, `--dry-run` does not, `--export` prints them as CSV |
//!
//! # Where it differs from Kafka
//! - Exit code 1 where a group is not there, or could not be deleted. Kafka's is 0.
//! - `--reset-offsets` without `--execute` or `--dry-run` is a dry run without a warning that this may change.

mod describe;
mod reset;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use highwater_client::TopicPartition;
use highwater_client::admin::Admin;
use highwater_wire::{ErrorCode, Str};

use crate::online::{Place, block_on, numbers};
use crate::{ExitKind, ToolError};

/// The arguments of `groups`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("action").required(true).multiple(false).args(["list", "describe", "delete", "delete_offsets", "reset_offsets"])))]
pub struct GroupsArgs {
    #[command(flatten)]
    place: Place,
    /// List groups
    #[arg(long)]
    list: bool,
    /// Describe groups
    #[arg(long)]
    describe: bool,
    /// Delete groups without members
    #[arg(long)]
    delete: bool,
    /// Forget committed offsets of a topic
    #[arg(long, requires = "group", requires = "topic")]
    delete_offsets: bool,
    /// Set committed offsets
    #[arg(long)]
    reset_offsets: bool,
    /// The group; may be repeated
    #[arg(long, value_name = "ID")]
    group: Vec<String>,
    /// All groups
    #[arg(long, conflicts_with = "group")]
    all_groups: bool,
    /// With --describe: offsets, which is what it does anyway
    #[arg(long, requires = "describe", conflicts_with_all = ["members", "state"])]
    offsets: bool,
    /// With --describe: members
    #[arg(long, requires = "describe", conflicts_with = "state")]
    members: bool,
    /// With --members: what each has
    #[arg(long)]
    verbose: bool,
    /// With --describe: the group's state; with --list: only groups in these, or all with theirs
    #[arg(long, value_name = "STATE,…", num_args = 0..=1, default_missing_value = "")]
    state: Option<String>,
    /// With --list: only groups of these types, or all with theirs
    #[arg(long = "type", value_name = "TYPE,…", num_args = 0..=1, default_missing_value = "", requires = "list")]
    kind: Option<String>,
    /// The topic, or some of its partitions as NAME:0,1; may be repeated
    #[arg(long, value_name = "NAME")]
    topic: Vec<String>,
    /// All topics that the group committed something for
    #[arg(long, conflicts_with = "topic")]
    all_topics: bool,
    #[command(flatten)]
    reset: reset::ResetArgs,
    /// How long the group may take to answer, in ms
    #[arg(long, value_name = "MS")]
    timeout: Option<u64>,
    /// With --reset-offsets: commit
    #[arg(long, requires = "reset_offsets", conflicts_with_all = ["dry_run", "export"])]
    execute: bool,
    /// With --reset-offsets: only say what would be committed
    #[arg(long, requires = "reset_offsets", conflicts_with = "export")]
    dry_run: bool,
    /// With --reset-offsets: print as CSV what would be committed, for --from-file
    #[arg(long, requires = "reset_offsets")]
    export: bool,
    /// With --reset-offsets: offsets as --export printed them
    #[arg(long, value_name = "FILE", requires = "reset_offsets")]
    from_file: Option<PathBuf>,
}

/// Does what the arguments say.
///
/// # Errors
/// If it cannot.
pub fn run(args: &GroupsArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitKind, ToolError> {
    if !args.list && !args.all_groups && args.group.is_empty() {
        return Err(ToolError::Usage("found no group, expected --group ID or --all-groups".to_owned()));
    }
    block_on(async {
        let mut place = args.place.cluster().await?;
        if let Some(timeout) = args.timeout {
            let mut config = place.config().clone();
            config.api_timeout = std::time::Duration::from_millis(timeout);
            place = highwater_client::Cluster::connect(config).await?;
        }
        let admin = Admin::new(place);
        if args.list {
            return list(args, &admin, out).await;
        }
        let groups = args.groups(&admin).await?;
        match () {
            () if args.describe => describe::run(args, &admin, &groups, out, err).await,
            () if args.delete => delete(&admin, &groups, out).await,
            () if args.delete_offsets => delete_offsets(args, &admin, &groups, out).await,
            () => reset::run(args, &admin, &groups, out).await,
        }
    })
}

impl GroupsArgs {
    async fn groups(&self, admin: &Admin) -> Result<Vec<Str>, ToolError> {
        if self.all_groups {
            return Ok(admin.list_groups(&[], &[]).await?.into_iter().map(|group| group.group_id).collect());
        }
        Ok(self.group.iter().map(|group| Str::from(group.as_str())).collect())
    }

    /// The partitions that `--topic` names.
    async fn partitions(&self, admin: &Admin) -> Result<Vec<TopicPartition>, ToolError> {
        let mut partitions = Vec::new();
        for topic in &self.topic {
            if let Some((name, list)) = topic.rsplit_once(':')
                && let Ok(list) = numbers(list)
            {
                partitions.extend(list.into_iter().map(|partition| TopicPartition::new(name, partition)));
                continue;
            }
            let name = Str::from(topic.as_str());
            let known = admin.topics(Some(std::slice::from_ref(&name))).await?.topics;
            for topic in known {
                if topic.error_code != 0 {
                    let code = ErrorCode(topic.error_code);
                    return Err(ToolError::Refused(format!("topic {name}: {code}. Name one that there is.")));
                }
                let numbers = topic.partitions.iter().map(|partition| partition.partition_index);
                partitions.extend(numbers.map(|partition| TopicPartition::new(name.clone(), partition)));
            }
        }
        partitions.sort();
        Ok(partitions)
    }
}

async fn list(args: &GroupsArgs, admin: &Admin, out: &mut dyn Write) -> Result<ExitKind, ToolError> {
    let filter = |list: &Option<String>| -> Vec<Str> {
        let items = list.iter().flat_map(|list| list.split(',')).map(str::trim);
        items.filter(|item| !item.is_empty()).map(Str::from).collect()
    };
    let (states, kinds) = (filter(&args.state), filter(&args.kind));
    let groups = admin.list_groups(&states, &kinds).await?;
    let groups = groups.into_iter().filter(|group| ["", "consumer"].contains(&&*group.protocol_type));
    let groups: Vec<_> = groups.collect();
    if args.state.is_none() && args.kind.is_none() {
        for group in groups {
            writeln!(out, "{}", group.group_id)?;
        }
        return Ok(ExitKind::Success);
    }
    let width = groups.iter().map(|group| group.group_id.len()).max().unwrap_or(0).max(15) + 10;
    let mut row = |group: &str, kind: &str, state: &str| {
        write!(out, "{group:width$}")?;
        if args.kind.is_some() {
            write!(out, " {kind:20}")?;
        }
        if args.state.is_some() {
            write!(out, " {state:20}")?;
        }
        writeln!(out)
    };
    row("GROUP", "TYPE", "STATE")?;
    for group in &groups {
        let kind = match &*group.group_type {
            "classic" => "Classic",
            "consumer" => "Consumer",
            other => other,
        };
        row(&group.group_id, kind, &group.group_state)?;
    }
    Ok(ExitKind::Success)
}

async fn delete(admin: &Admin, groups: &[Str], out: &mut dyn Write) -> Result<ExitKind, ToolError> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for group in groups {
        match admin.delete_group(group).await {
            Ok(()) => done.push(format!("'{group}'")),
            Err(error) => failed.push(format!("* Group '{group}' could not be deleted due to: {error}")),
        }
    }
    if failed.is_empty() {
        writeln!(out, "Deletion of requested consumer groups ({}) was successful.", done.join(", "))?;
        return Ok(ExitKind::Success);
    }
    writeln!(out, "Error: Deletion of some consumer groups failed:\n{}", failed.join("\n"))?;
    if !done.is_empty() {
        writeln!(out, "\nThese consumer groups were deleted successfully: {}", done.join(", "))?;
    }
    Ok(ExitKind::Problems)
}

async fn delete_offsets(
    args: &GroupsArgs,
    admin: &Admin,
    groups: &[Str],
    out: &mut dyn Write,
) -> Result<ExitKind, ToolError> {
    let partitions = args.partitions(admin).await?;
    let mut exit = ExitKind::Success;
    for group in groups {
        let results = admin.delete_group_offsets(group, &partitions).await?;
        let failed = results.values().any(|code| code.is_error());
        match failed {
            false => writeln!(out, "Request succeeded for deleting offsets from group {group}.")?,
            true => writeln!(out, "Encountered some partition-level error, see the follow-up details.")?,
        }
        if failed {
            exit = ExitKind::Problems;
        }
        writeln!(out, "\n{:<30} {:<15} {:<15}", "TOPIC", "PARTITION", "STATUS")?;
        for (of, code) in results {
            let status = if code.is_error() { format!("Error: {code}") } else { "Successful".to_owned() };
            writeln!(out, "{:<30} {:<15} {:<15}", &*of.topic, of.partition, status)?;
        }
    }
    Ok(exit)
}
