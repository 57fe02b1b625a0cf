//! `consume`: after Kafka's `ConsoleConsumer`. Prints records.
//!
//! | property | prints before the value | default |
//! |---|---|---|
//! | `print.timestamp` | `CreateTime:…` or `LogAppendTime:…` | false |
//! | `print.partition`, `print.offset`, `print.epoch` | `Partition:…`, `Offset:…`, `Epoch:…` | false |
//! | `print.headers` | `a:1,b:2`, or `NO_HEADERS` | false |
//! | `print.key`, `print.value` | the key; the value | false, true |
//! | `key.separator`, `line.separator`, `headers.separator`, `null.literal` | | tab, newline, `,`, `null` |
//!
//! It ends after `--max-messages`, after `--timeout-ms` without a record, and when its output is closed, and says on standard error how many
//! it printed.
//!
//! # Where it differs from Kafka
//! - Without `--group` it is in no group, where Kafka makes one up: it reads all partitions that there are when it starts.
//! - `--isolation-level read_committed` is refused: there are no transactions.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use highwater_client::admin::{Admin, OffsetSpec};
use highwater_client::assign::Assignor;
use highwater_client::consumer::{ConsumedRecord, OffsetReset};
use highwater_client::{Cluster, Consumer, ConsumerConfig, TopicPartition};
use highwater_core::batch::TimestampType;
use highwater_wire::Str;

use crate::online::{self, Settings, block_on, pair};
use crate::{ExitKind, ToolError};

/// The arguments of `consume`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(false).args(["topic", "include"])))]
pub struct ConsumeArgs {
    /// Brokers to ask first, as HOST:PORT with commas between them
    #[arg(long, value_name = "HOST:PORT,…")]
    bootstrap_server: String,
    /// The topic
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// Topics, as a regular expression
    #[arg(long, value_name = "PATTERN")]
    include: Option<String>,
    /// The group to read in
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    /// Only this partition
    #[arg(long, value_name = "N", requires = "topic", conflicts_with = "group")]
    partition: Option<i32>,
    /// Where to begin: an offset, earliest or latest
    #[arg(long, value_name = "OFFSET", requires = "partition", conflicts_with = "from_beginning")]
    offset: Option<String>,
    /// Begin with the first record that there is, where nothing is committed
    #[arg(long)]
    from_beginning: bool,
    /// End after so many records
    #[arg(long, value_name = "N")]
    max_messages: Option<u64>,
    /// End when no record came for so long, in ms
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// What is printed, as print.key=true; may be repeated
    #[arg(long = "formatter-property", visible_alias = "property", value_name = "KEY=VALUE", value_parser = pair)]
    formatter_property: Vec<(String, String)>,
    /// A property file of what is printed
    #[arg(long, value_name = "FILE")]
    formatter_config: Option<PathBuf>,
    /// A setting of the consumer, as fetch.min.bytes=100; may be repeated
    #[arg(long = "command-property", visible_alias = "consumer-property", value_name = "KEY=VALUE", value_parser = pair)]
    command_property: Vec<(String, String)>,
    /// A property file with settings of the consumer
    #[arg(long = "command-config", visible_alias = "consumer.config", value_name = "FILE")]
    command_config: Option<PathBuf>,
    /// read_uncommitted is all there is
    #[arg(long, value_name = "LEVEL", default_value = "read_uncommitted", value_parser = ["read_uncommitted"])]
    isolation_level: String,
}

/// Does what the arguments say.
///
/// # Errors
/// If it cannot.
pub fn run(args: &ConsumeArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitKind, ToolError> {
    let printer = Printer::new(args)?;
    let mut settings = Settings::load(args.command_config.as_deref(), &args.command_property)?;
    let config = args.consumer(&mut settings)?;
    let cluster = settings.cluster(&args.bootstrap_server)?;
    settings.done()?;
    let mut printed = 0;
    let done = block_on(async {
        let cluster = Cluster::connect(cluster).await?;
        let mut consumer = begin(args, cluster, config).await?;
        let read = read(args, &mut consumer, &printer, out, &mut printed).await;
        let closed = consumer.close().await;
        read?;
        Ok(closed?)
    });
    writeln!(err, "Processed a total of {printed} messages")?;
    done.map(|()| ExitKind::Success)
}

/// A consumer that reads what was asked for.
async fn begin(args: &ConsumeArgs, cluster: Cluster, config: ConsumerConfig) -> Result<Consumer, ToolError> {
    let admin = Admin::new(cluster.clone());
    let topics: Vec<Str> = match (&args.topic, &args.include) {
        (_, Some(pattern)) => {
            let pattern = online::names(pattern)?;
            let topics = admin.topics(None).await?.topics.into_iter().filter(|topic| !topic.is_internal);
            topics.filter_map(|topic| topic.name).filter(|name| pattern.is_match(name)).collect()
        }
        (Some(topic), _) => vec![topic.as_str().into()],
        (None, None) => Vec::new(),
    };
    let in_group = config.group_id.is_some() && args.partition.is_none();
    let reset = config.auto_offset_reset;
    let mut consumer = Consumer::new(cluster.clone(), config)?;
    if in_group {
        consumer.subscribe(topics)?;
        return Ok(consumer);
    }
    let mut partitions = Vec::new();
    for name in topics {
        let topic = cluster.retry("Metadata", true, || cluster.topic(&name)).await?;
        partitions
            .extend(topic.partitions.keys().map(|partition| TopicPartition::new(name.clone(), *partition)));
    }
    if let Some(partition) = args.partition {
        partitions.retain(|of| of.partition == partition);
        if partitions.is_empty() {
            let topic = args.topic.clone().unwrap_or_default();
            return Err(ToolError::Refused(format!("topic {topic} has no partition {partition}")));
        }
    }
    consumer.assign(partitions.clone())?;
    // Positions are found now: what is written from now on is read, however late the first poll is.
    let spec = match args.offset.as_deref() {
        None if reset == OffsetReset::Earliest => OffsetSpec::Earliest,
        Some("earliest") => OffsetSpec::Earliest,
        None | Some("latest") => OffsetSpec::Latest,
        Some(offset) => {
            let offset: i64 = offset.parse().ok().filter(|offset| *offset >= 0).ok_or_else(|| {
                ToolError::Usage(format!(
                    "--offset: found '{offset}', expected an offset, earliest or latest"
                ))
            })?;
            for partition in &partitions {
                consumer.seek(partition, offset)?;
            }
            return Ok(consumer);
        }
    };
    let specs = partitions.into_iter().map(|partition| (partition, spec)).collect();
    for (partition, found) in admin.list_offsets(&specs).await? {
        consumer.seek(&partition, found?.offset)?;
    }
    Ok(consumer)
}

async fn read(
    args: &ConsumeArgs,
    consumer: &mut Consumer,
    printer: &Printer,
    out: &mut dyn Write,
    printed: &mut u64,
) -> Result<(), ToolError> {
    let patience = args.timeout_ms.map(Duration::from_millis);
    let mut last = Instant::now();
    loop {
        if args.max_messages.is_some_and(|max| *printed >= max) {
            return Ok(());
        }
        let wait = match patience {
            None => Duration::from_secs(1),
            Some(patience) if last.elapsed() >= patience => return Ok(()),
            Some(patience) => (patience - last.elapsed()).min(Duration::from_secs(1)),
        };
        let records = consumer.poll(wait).await?;
        for (at, record) in records.iter().enumerate() {
            if args.max_messages.is_some_and(|max| *printed >= max) {
                // What comes behind was not printed, and is not to be committed.
                for record in records[at..].iter().rev() {
                    consumer.seek(&record.partition, record.offset)?;
                }
                break;
            }
            match printer.print(record, out) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(ToolError::Output(error)),
            }
            *printed += 1;
            last = Instant::now();
        }
        match out.flush() {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            flushed => flushed?,
        }
    }
}

impl ConsumeArgs {
    fn consumer(&self, settings: &mut Settings) -> Result<ConsumerConfig, ToolError> {
        let mut config = ConsumerConfig::default();
        let group = self.group.clone().or(settings.text("group.id"));
        config.group_id = group.map(Str::from);
        config.group_instance_id = settings.text("group.instance.id").map(Str::from);
        config.rack = settings.text("client.rack").map(Str::from);
        let reset = settings.text("auto.offset.reset");
        config.auto_offset_reset = match reset.as_deref() {
            _ if self.from_beginning => OffsetReset::Earliest,
            None | Some("latest") => OffsetReset::Latest,
            Some("earliest") => OffsetReset::Earliest,
            Some("none") => OffsetReset::None,
            Some(other) => {
                return Err(ToolError::Usage(format!(
                    "auto.offset.reset={other}: expected earliest, latest or none"
                )));
            }
        };
        if let Some(names) = settings.text("partition.assignment.strategy") {
            let assignor = |name: &str| {
                Assignor::named(name.trim()).ok_or_else(|| {
                    ToolError::Usage(format!(
                        "partition.assignment.strategy: found '{name}', expected range, roundrobin or sticky"
                    ))
                })
            };
            config.assignors = names.split(',').map(assignor).collect::<Result<_, _>>()?;
        }
        let set = |to: &mut Duration, value: Option<Duration>| *to = value.unwrap_or(*to);
        set(&mut config.session_timeout, settings.millis("session.timeout.ms")?);
        set(&mut config.heartbeat_interval, settings.millis("heartbeat.interval.ms")?);
        set(&mut config.max_poll_interval, settings.millis("max.poll.interval.ms")?);
        set(&mut config.fetch_wait, settings.millis("fetch.max.wait.ms")?);
        let interval = settings.millis("auto.commit.interval.ms")?.unwrap_or(Duration::from_secs(5));
        let commits = settings.value("enable.auto.commit")?.unwrap_or(true) && config.group_id.is_some();
        config.auto_commit = commits.then_some(interval);
        config.fetch_bytes_min = settings.value("fetch.min.bytes")?.unwrap_or(config.fetch_bytes_min);
        config.fetch_bytes_max = settings.value("fetch.max.bytes")?.unwrap_or(config.fetch_bytes_max);
        config.partition_bytes_max =
            settings.value("max.partition.fetch.bytes")?.unwrap_or(config.partition_bytes_max);
        config.max_poll_records = settings.value("max.poll.records")?.unwrap_or(config.max_poll_records);
        Ok(config)
    }
}

/// How records are printed.
#[derive(Debug)]
struct Printer {
    timestamp: bool,
    partition: bool,
    offset: bool,
    epoch: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: String,
    line_separator: String,
    headers_separator: String,
    null: String,
}

impl Printer {
    fn new(args: &ConsumeArgs) -> Result<Self, ToolError> {
        let mut settings = Settings::load(args.formatter_config.as_deref(), &args.formatter_property)?;
        let mut flag = |key: &str, default: bool| settings.value(key).map(|flag| flag.unwrap_or(default));
        let printer = Self {
            timestamp: flag("print.timestamp", false)?,
            partition: flag("print.partition", false)?,
            offset: flag("print.offset", false)?,
            epoch: flag("print.epoch", false)?,
            headers: flag("print.headers", false)?,
            key: flag("print.key", false)?,
            value: flag("print.value", true)?,
            key_separator: settings.text("key.separator").unwrap_or_else(|| "\t".to_owned()),
            line_separator: settings.text("line.separator").unwrap_or_else(|| "\n".to_owned()),
            headers_separator: settings.text("headers.separator").unwrap_or_else(|| ",".to_owned()),
            null: settings.text("null.literal").unwrap_or_else(|| "null".to_owned()),
        };
        settings.done()?;
        Ok(printer)
    }

    fn print(&self, record: &ConsumedRecord, out: &mut dyn Write) -> std::io::Result<()> {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        if self.timestamp {
            parts.push(match (record.timestamp, record.timestamp_type) {
                (..0, _) => b"NO_TIMESTAMP".to_vec(),
                (at, TimestampType::CreateTime) => format!("CreateTime:{at}").into_bytes(),
                (at, TimestampType::LogAppendTime) => format!("LogAppendTime:{at}").into_bytes(),
            });
        }
        if self.partition {
            parts.push(format!("Partition:{}", record.partition.partition).into_bytes());
        }
        if self.offset {
            parts.push(format!("Offset:{}", record.offset).into_bytes());
        }
        if self.epoch {
            parts.push(format!("Epoch:{}", record.leader_epoch).into_bytes());
        }
        let or_null = |bytes: &Option<Bytes>| bytes.as_deref().unwrap_or(self.null.as_bytes()).to_vec();
        if self.headers && record.headers.is_empty() {
            parts.push(b"NO_HEADERS".to_vec());
        } else if self.headers {
            let header =
                |(name, value): &(Str, Option<Bytes>)| [name[..].as_bytes(), b":", &or_null(value)].concat();
            let headers: Vec<Vec<u8>> = record.headers.iter().map(header).collect();
            parts.push(headers.join(self.headers_separator.as_bytes()));
        }
        if self.key {
            parts.push(or_null(&record.key));
        }
        if self.value {
            parts.push(or_null(&record.value));
        }
        out.write_all(&parts.join(self.key_separator.as_bytes()))?;
        out.write_all(self.line_separator.as_bytes())
    }
}
