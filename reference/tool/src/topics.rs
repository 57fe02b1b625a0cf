//! `topics`: after Kafka's `TopicCommand`.
//!
//! | action | prints |
//! |---|---|
//! | `--create` | `Created topic NAME.` |
//! | `--delete`, `--alter` | nothing |
//! | `--list` | a name a line |
//! | `--describe` | a line a topic, a line a partition, as Kafka's |
//!
//! `--topic` is a regular expression but for `--create`. What a broker refuses is exit code 1, after the words of Kafka's tool:
//! `Error while executing topic command : …`.
//!
//! # Where it differs from Kafka
//! - `--topic-id` is not there. An error of usage is exit code 2.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use highwater_client::admin::{Admin, ConfigResource};
use highwater_log::files::uuid;
use highwater_wire::messages::create_partitions::request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use highwater_wire::messages::create_topics::request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use highwater_wire::messages::describe_configs::response::DescribeConfigsResult;
use highwater_wire::messages::describe_topic_partitions::response::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use highwater_wire::{ErrorCode, Str, Uuid};

use crate::online::{self, Place, block_on, pair};
use crate::{ExitKind, ToolError};

/// The arguments of `topics`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("action").required(true).multiple(false).args(["create", "delete", "alter", "describe", "list"])))]
pub struct TopicsArgs {
    #[command(flatten)]
    place: Place,
    /// Create a topic
    #[arg(long, requires = "topic")]
    create: bool,
    /// Delete topics
    #[arg(long, requires = "topic")]
    delete: bool,
    /// Give topics more partitions
    #[arg(long, requires = "topic", requires = "partitions")]
    alter: bool,
    /// Describe topics
    #[arg(long)]
    describe: bool,
    /// List topics
    #[arg(long)]
    list: bool,
    /// The topic; with all but --create a regular expression
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// How many partitions
    #[arg(long, value_name = "N")]
    partitions: Option<i32>,
    /// How many replicas of each partition
    #[arg(long, value_name = "N")]
    replication_factor: Option<i16>,
    /// Replicas of each partition, as 1:2:3,2:3:1
    #[arg(long, value_name = "LIST", conflicts_with = "replication_factor")]
    replica_assignment: Option<String>,
    /// Configuration of the new topic; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, requires = "create")]
    config: Vec<(String, String)>,
    /// No error if the topic is not there
    #[arg(long)]
    if_exists: bool,
    /// No error if the topic is there already
    #[arg(long, requires = "create")]
    if_not_exists: bool,
    /// Leave out the broker's own topics
    #[arg(long)]
    exclude_internal: bool,
    /// Only partitions whose ISR is not all of their replicas
    #[arg(long, requires = "describe")]
    under_replicated_partitions: bool,
    /// Only partitions without a leader
    #[arg(long, requires = "describe")]
    unavailable_partitions: bool,
    /// Only partitions whose ISR is less than min.insync.replicas
    #[arg(long, requires = "describe")]
    under_min_isr_partitions: bool,
    /// Only partitions whose ISR is min.insync.replicas
    #[arg(long, requires = "describe")]
    at_min_isr_partitions: bool,
    /// Only topics with configuration of their own
    #[arg(long, requires = "describe")]
    topics_with_overrides: bool,
}

/// Does what the arguments say.
///
/// # Errors
/// If it cannot.
pub fn run(args: &TopicsArgs, out: &mut dyn Write, _err: &mut dyn Write) -> Result<ExitKind, ToolError> {
    let done = block_on(async {
        let admin = Admin::new(args.place.cluster().await?);
        match () {
            () if args.create => create(args, &admin, out).await,
            () if args.delete => delete(args, &admin).await,
            () if args.alter => alter(args, &admin).await,
            () if args.describe => describe(args, &admin, out).await,
            () => {
                for name in found(args, &admin, false).await? {
                    writeln!(out, "{name}")?;
                }
                Ok(())
            }
        }
    });
    match done {
        Ok(()) => Ok(ExitKind::Success),
        Err(ToolError::Refused(why)) => {
            Err(ToolError::Refused(format!("Error while executing topic command : {why}")))
        }
        Err(error) => Err(error),
    }
}

/// The broker's words, or the name of its error.
pub(crate) fn refusal(code: i16, message: Option<&Str>, about: &str) -> ToolError {
    let message = message.filter(|message| !message.is_empty());
    ToolError::Refused(match message {
        Some(message) => message.to_string(),
        None => format!("{about}: {}", ErrorCode(code)),
    })
}

fn replicas(text: &str) -> Result<Vec<Vec<i32>>, ToolError> {
    let mut all: Vec<Vec<i32>> = Vec::new();
    for (partition, list) in text.split(',').enumerate() {
        let brokers = online::numbers(&list.replace(':', ","))?;
        if brokers.iter().enumerate().any(|(at, broker)| brokers[..at].contains(broker)) {
            return Err(ToolError::Usage(format!(
                "--replica-assignment: partition {partition} names a broker twice ({list}); name each once"
            )));
        }
        if all.first().is_some_and(|first| first.len() != brokers.len()) {
            return Err(ToolError::Usage(format!(
                "--replica-assignment: partition {partition} has {} replicas, expected {} as partition 0 has",
                brokers.len(),
                all[0].len()
            )));
        }
        all.push(brokers);
    }
    Ok(all)
}

async fn create(args: &TopicsArgs, admin: &Admin, out: &mut dyn Write) -> Result<(), ToolError> {
    let name = args.topic.clone().unwrap_or_default();
    if name.contains(['.', '_']) {
        writeln!(
            out,
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could \
             collide. To avoid issues it is best to use either, but not both."
        )?;
    }
    if args.partitions.is_some_and(|count| count < 1)
        || args.replication_factor.is_some_and(|count| count < 1)
    {
        return Err(ToolError::Usage("--partitions and --replication-factor must be at least 1".to_owned()));
    }
    let assignments = args.replica_assignment.as_deref().map(replicas).transpose()?.unwrap_or_default();
    let by_hand = !assignments.is_empty();
    let config = |(name, value): &(String, String)| CreatableTopicConfig {
        name: name.trim().into(),
        value: Some(value.trim().into()),
    };
    let topic = CreatableTopic {
        name: name.as_str().into(),
        num_partitions: if by_hand { -1 } else { args.partitions.unwrap_or(-1) },
        replication_factor: if by_hand { -1 } else { args.replication_factor.unwrap_or(-1) },
        assignments: (0..)
            .zip(assignments)
            .map(|(partition_index, broker_ids)| CreatableReplicaAssignment { partition_index, broker_ids })
            .collect(),
        configs: args.config.iter().map(config).collect(),
    };
    let results = admin.create_topics(vec![topic], false).await?;
    for result in results {
        match ErrorCode(result.error_code) {
            ErrorCode::NONE => writeln!(out, "Created topic {name}.")?,
            ErrorCode::TOPIC_ALREADY_EXISTS if args.if_not_exists => {}
            code => return Err(refusal(code.0, result.error_message.as_ref(), &name)),
        }
    }
    Ok(())
}

/// The topics that `--topic` means, sorted. Where one is `needed`, none is an error.
async fn found(args: &TopicsArgs, admin: &Admin, needed: bool) -> Result<Vec<Str>, ToolError> {
    let pattern = args.topic.as_deref().map(online::names).transpose()?;
    let topics = admin.topics(None).await?.topics;
    let wanted = topics.into_iter().filter(|topic| !(topic.is_internal && args.exclude_internal));
    let mut names: Vec<Str> = wanted
        .filter_map(|topic| topic.name)
        .filter(|name| pattern.as_ref().is_none_or(|pattern| pattern.is_match(name)))
        .collect();
    names.sort();
    if names.is_empty() && needed && !args.if_exists {
        let topic = args.topic.clone().unwrap_or_default();
        return Err(ToolError::Refused(format!("Topic '{topic}' does not exist as expected")));
    }
    Ok(names)
}

async fn delete(args: &TopicsArgs, admin: &Admin) -> Result<(), ToolError> {
    let names = found(args, admin, true).await?;
    if names.is_empty() {
        return Ok(());
    }
    for result in admin.delete_topics(&names).await? {
        if result.error_code != 0 {
            let name = result.name.unwrap_or_default();
            return Err(refusal(result.error_code, result.error_message.as_ref(), &name));
        }
    }
    Ok(())
}

async fn alter(args: &TopicsArgs, admin: &Admin) -> Result<(), ToolError> {
    let names = found(args, admin, true).await?;
    let lists = args.replica_assignment.as_deref().map(replicas).transpose()?;
    let known = admin.topics(Some(&names)).await?.topics;
    let count = |name: &Str| {
        let topic = known.iter().find(|topic| topic.name.as_ref() == Some(name));
        topic.map_or(0, |topic| topic.partitions.len())
    };
    let topic = |name: &Str| CreatePartitionsTopic {
        name: name.clone(),
        count: args.partitions.unwrap_or(-1),
        // The list names all partitions; brokers want the new ones.
        assignments: lists.as_ref().map(|lists| {
            let new = lists.iter().skip(count(name));
            new.map(|broker_ids| CreatePartitionsAssignment { broker_ids: broker_ids.clone() }).collect()
        }),
    };
    for result in admin.create_partitions(names.iter().map(topic).collect(), false).await? {
        if result.error_code != 0 {
            return Err(refusal(result.error_code, result.error_message.as_ref(), &result.name));
        }
    }
    Ok(())
}

async fn describe(args: &TopicsArgs, admin: &Admin, out: &mut dyn Write) -> Result<(), ToolError> {
    let names = found(args, admin, args.topic.is_some()).await?;
    if names.is_empty() {
        return Ok(());
    }
    let live: Vec<i32> = admin.cluster().view().brokers.keys().copied().collect();
    let resources: Vec<ConfigResource> = names.iter().cloned().map(ConfigResource::topic).collect();
    let configs: BTreeMap<Str, DescribeConfigsResult> = admin
        .describe_configs(&resources, false)
        .await?
        .into_iter()
        .map(|result| (result.resource_name.clone(), result))
        .collect();
    let only_some = args.under_replicated_partitions
        || args.unavailable_partitions
        || args.under_min_isr_partitions
        || args.at_min_isr_partitions;
    for topic in described(admin, &names).await? {
        let name = topic.name.clone().unwrap_or_default();
        if topic.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0 {
            // It was deleted meanwhile.
            continue;
        }
        if topic.error_code != 0 {
            return Err(refusal(topic.error_code, None, &name));
        }
        let config = configs.get(&name);
        if !only_some && (!args.topics_with_overrides || overridden(config)) {
            head(&topic, &name, config, out)?;
        }
        if args.topics_with_overrides {
            continue;
        }
        let min_isr = value(config, "min.insync.replicas").and_then(|value| value.parse().ok()).unwrap_or(1);
        for partition in &topic.partitions {
            let (isr, replicas) = (partition.isr_nodes.len(), partition.replica_nodes.len());
            let led = partition.leader_id >= 0;
            let wanted = !only_some
                || (args.under_replicated_partitions && isr < replicas)
                || (args.unavailable_partitions && (!led || !live.contains(&partition.leader_id)))
                || (args.under_min_isr_partitions && (!led || isr < min_isr))
                || (args.at_min_isr_partitions && isr == min_isr);
            if wanted {
                row(&name, partition, out)?;
            }
        }
    }
    Ok(())
}

/// Topics with their eligible leaders; from Metadata, without them, where brokers are older.
async fn described(
    admin: &Admin,
    names: &[Str],
) -> Result<Vec<DescribeTopicPartitionsResponseTopic>, ToolError> {
    if let Some(topics) = admin.topic_partitions(names).await? {
        return Ok(topics);
    }
    let topics = admin.topics(Some(names)).await?.topics;
    let partition = |partition: highwater_wire::messages::metadata::response::MetadataResponsePartition| {
        DescribeTopicPartitionsResponsePartition {
            partition_index: partition.partition_index,
            leader_id: partition.leader_id,
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replica_nodes,
            isr_nodes: partition.isr_nodes,
            ..Default::default()
        }
    };
    let topic = |topic: highwater_wire::messages::metadata::response::MetadataResponseTopic| {
        let mut partitions: Vec<_> = topic.partitions.into_iter().map(partition).collect();
        partitions.sort_by_key(|partition| partition.partition_index);
        DescribeTopicPartitionsResponseTopic {
            error_code: topic.error_code,
            name: topic.name,
            topic_id: topic.topic_id,
            partitions,
            ..Default::default()
        }
    };
    Ok(topics.into_iter().map(topic).collect())
}

/// What the source of a value is that nobody set.
const DEFAULT_SOURCE: i8 = 5;
/// That of a value set for the topic.
const TOPIC_SOURCE: i8 = 1;

fn overridden(config: Option<&DescribeConfigsResult>) -> bool {
    config.is_some_and(|config| config.configs.iter().any(|entry| entry.config_source == TOPIC_SOURCE))
}

fn value<'a>(config: Option<&'a DescribeConfigsResult>, name: &str) -> Option<&'a Str> {
    config?.configs.iter().find(|entry| &*entry.name == name)?.value.as_ref()
}

fn head(
    topic: &DescribeTopicPartitionsResponseTopic,
    name: &str,
    config: Option<&DescribeConfigsResult>,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let set = config.iter().flat_map(|config| &config.configs);
    let set = set.filter(|entry| entry.config_source != DEFAULT_SOURCE);
    let set: Vec<String> =
        set.map(|entry| format!("{}={}", entry.name, entry.value.as_deref().unwrap_or("null"))).collect();
    write!(out, "Topic: {name}")?;
    if topic.topic_id != Uuid::ZERO {
        write!(out, "\tTopicId: {}", uuid::format(topic.topic_id))?;
    }
    let replicas = topic.partitions.first().map_or(0, |partition| partition.replica_nodes.len());
    let (count, set) = (topic.partitions.len(), set.join(","));
    writeln!(out, "\tPartitionCount: {count}\tReplicationFactor: {replicas}\tConfigs: {set}")?;
    Ok(())
}

fn row(
    name: &str,
    partition: &DescribeTopicPartitionsResponsePartition,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let list = |nodes: &[i32]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let leader = match partition.leader_id {
        ..0 => "none".to_owned(),
        id => id.to_string(),
    };
    let maybe = |nodes: &Option<Vec<i32>>| nodes.as_deref().map_or("N/A".to_owned(), list);
    writeln!(
        out,
        "\tTopic: {name}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}\tElr: {}\tLastKnownElr: {}",
        partition.partition_index,
        list(&partition.replica_nodes),
        list(&partition.isr_nodes),
        maybe(&partition.eligible_leader_replicas),
        maybe(&partition.last_known_elr),
    )?;
    Ok(())
}
