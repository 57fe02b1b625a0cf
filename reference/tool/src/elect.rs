//! `elect`: after Kafka's `LeaderElectionCommand`.
//!
//! Prints which partitions were elected, which had the leader already, and which could not be; exit code 1 if there are such.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use highwater_client::TopicPartition;
use highwater_client::admin::{Admin, ElectionType};
use highwater_wire::ErrorCode;
use serde_json::Value;

use crate::online::{Place, block_on};
use crate::{ExitKind, ToolError};

/// The arguments of `elect`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(false).args(["topic", "all_topic_partitions", "path_to_json_file"])))]
pub struct ElectArgs {
    #[command(flatten)]
    place: Place,
    /// Which leader: the preferred one, or any that lives (acknowledged records may be lost)
    #[arg(long, value_enum, ignore_case = true)]
    election_type: Election,
    /// Of this topic
    #[arg(long, value_name = "NAME", requires = "partition")]
    topic: Option<String>,
    /// This partition of the topic
    #[arg(long, value_name = "N", requires = "topic")]
    partition: Option<i32>,
    /// Of all partitions
    #[arg(long)]
    all_topic_partitions: bool,
    /// Of the partitions in this file: {"partitions": [{"topic": "t", "partition": 0}]}
    #[arg(long, value_name = "FILE")]
    path_to_json_file: Option<PathBuf>,
}

/// Which leader is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Election {
    /// The first replica
    Preferred,
    /// Any replica
    Unclean,
}

impl Election {
    fn shown(self) -> &'static str {
        match self {
            Self::Preferred => "PREFERRED",
            Self::Unclean => "UNCLEAN",
        }
    }
}

/// Does what the arguments say.
///
/// # Errors
/// If it cannot.
pub fn run(args: &ElectArgs, out: &mut dyn Write, _err: &mut dyn Write) -> Result<ExitKind, ToolError> {
    let partitions = match (&args.topic, args.partition, &args.path_to_json_file) {
        (Some(topic), Some(partition), _) => Some(vec![TopicPartition::new(topic.as_str(), partition)]),
        (_, _, Some(path)) => Some(listed(path)?),
        _ => None,
    };
    let kind = match args.election_type {
        Election::Preferred => ElectionType::Preferred,
        Election::Unclean => ElectionType::Unclean,
    };
    let results = block_on(async {
        let admin = Admin::new(args.place.cluster().await?);
        Ok(admin.elect_leaders(kind, partitions.as_deref()).await?)
    })?;
    let (mut done, mut needless, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for topic in results {
        for partition in topic.partition_result {
            let of = format!("{}-{}", topic.topic, partition.partition_id);
            match ErrorCode(partition.error_code) {
                ErrorCode::NONE => done.push(of),
                ErrorCode::ELECTION_NOT_NEEDED => needless.push(of),
                code => {
                    let message = partition.error_message.map(|message| message.to_string());
                    failed.push((of, message.unwrap_or_else(|| code.to_string())));
                }
            }
        }
    }
    let kind = args.election_type.shown();
    if !done.is_empty() {
        let done = done.join(", ");
        writeln!(out, "Successfully completed leader election ({kind}) for partitions {done}")?;
    }
    if !needless.is_empty() {
        writeln!(out, "Valid replica already elected for partitions {}", needless.join(", "))?;
    }
    for (of, why) in &failed {
        writeln!(out, "Error completing leader election ({kind}) for partition: {of}: {why}")?;
    }
    match failed.len() {
        0 => Ok(ExitKind::Success),
        count => Err(ToolError::Refused(format!("{count} replica(s) could not be elected"))),
    }
}

/// The partitions of a JSON file.
fn listed(path: &PathBuf) -> Result<Vec<TopicPartition>, ToolError> {
    let place = path.display();
    let wrong = |found: &str| {
        ToolError::Usage(format!(
            "{place}: {found}, expected {{\"partitions\": [{{\"topic\": \"t\", \"partition\": 0}}]}}"
        ))
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&format!("cannot be read ({error})")))?;
    let json: Value = serde_json::from_str(&text).map_err(|error| wrong(&format!("no JSON ({error})")))?;
    let list = json["partitions"].as_array().ok_or_else(|| wrong("no list \"partitions\""))?;
    let mut partitions = Vec::new();
    for item in list {
        let partition = item["partition"].as_i64().and_then(|partition| i32::try_from(partition).ok());
        let (Some(topic), Some(partition)) = (item["topic"].as_str(), partition) else {
            return Err(wrong(&format!("found {item}")));
        };
        let partition = TopicPartition::new(topic, partition);
        if partitions.contains(&partition) {
            return Err(wrong(&format!("{partition} stands there twice")));
        }
        partitions.push(partition);
    }
    Ok(partitions)
}
