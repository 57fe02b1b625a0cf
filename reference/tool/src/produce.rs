//! `produce`: after Kafka's `ConsoleProducer`. A line of standard input is a record.
//!
//! | property | does | default |
//! |---|---|---|
//! | `parse.key` | a line has a key before its value | false |
//! | `key.separator` | what is between them | tab |
//! | `parse.headers` | a line begins with headers, as `a:1,b:2` | false |
//! | `headers.delimiter`, `headers.separator`, `headers.key.separator` | behind them, between them, in them | tab, `,`, `:` |
//! | `null.marker` | what stands for no key, value or header | none |
//! | `ignore.error` | a line without a key is a value | false |
//!
//! A record that could not be written is told on standard error; the tool goes on, and its exit code is 1 at the end.
//!
//! # Where it differs from Kafka
//! Kafka's exit code is 0 whatever was written.

use std::collections::VecDeque;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use highwater_client::producer::{Acks, Delivery, Record, Spread};
use highwater_client::{ClientError, Cluster, Producer, ProducerConfig};
use highwater_wire::Str;

use crate::online::{Settings, block_on, pair};
use crate::{ExitKind, ToolError};

/// So many records are on their way at most without having been looked at.
const DELIVERIES_MAX: usize = 10_000;

/// The arguments of `produce`.
#[derive(Debug, Clone, Args)]
pub struct ProduceArgs {
    /// Brokers to ask first, as HOST:PORT with commas between them
    #[arg(long, value_name = "HOST:PORT,…")]
    bootstrap_server: String,
    /// The topic
    #[arg(long, value_name = "NAME")]
    topic: String,
    /// How lines are read, as parse.key=true; may be repeated
    #[arg(long = "reader-property", visible_alias = "property", value_name = "KEY=VALUE", value_parser = pair)]
    reader_property: Vec<(String, String)>,
    /// A property file of how lines are read
    #[arg(long, value_name = "FILE")]
    reader_config: Option<PathBuf>,
    /// A setting of the producer, as linger.ms=10; may be repeated
    #[arg(long = "command-property", visible_alias = "producer-property", value_name = "KEY=VALUE", value_parser = pair)]
    command_property: Vec<(String, String)>,
    /// A property file with settings of the producer
    #[arg(long = "command-config", visible_alias = "producer.config", value_name = "FILE")]
    command_config: Option<PathBuf>,
    /// none, gzip, snappy, lz4 or zstd; gzip if nothing follows
    #[arg(long, value_name = "CODEC", num_args = 0..=1, default_missing_value = "gzip")]
    compression_codec: Option<String>,
    /// When a record counts as written: 0, 1, -1 or all
    #[arg(
        long = "request-required-acks",
        visible_alias = "acks",
        value_name = "ACKS",
        allow_hyphen_values = true
    )]
    acks: Option<String>,
    /// Each line is sent once the one before is written
    #[arg(long)]
    sync: bool,
    /// How many bytes a batch may take
    #[arg(long, visible_alias = "max-partition-memory-bytes", value_name = "BYTES")]
    batch_size: Option<usize>,
    /// How long a batch waits to become full, in ms
    #[arg(long, visible_alias = "linger-ms", value_name = "MS")]
    timeout: Option<u64>,
    /// How long an answer may take, in ms
    #[arg(long, value_name = "MS")]
    request_timeout_ms: Option<u64>,
    /// How long a record waits for room and for its topic, in ms
    #[arg(long, value_name = "MS")]
    max_block_ms: Option<u64>,
    /// How many bytes may be on their way
    #[arg(long, value_name = "BYTES")]
    max_memory_bytes: Option<usize>,
    /// How often a batch is sent again
    #[arg(long, value_name = "N")]
    message_send_max_retries: Option<u32>,
    /// How long before a batch is sent again, in ms
    #[arg(long, value_name = "MS")]
    retry_backoff_ms: Option<u64>,
}

/// Does what the arguments say, with lines from `input`.
///
/// # Errors
/// If it cannot.
pub fn run(
    args: &ProduceArgs,
    input: &mut dyn BufRead,
    _out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<ExitKind, ToolError> {
    let reader = LineReader::new(args)?;
    let mut settings = Settings::load(args.command_config.as_deref(), &args.command_property)?;
    let config = args.producer(&mut settings)?;
    let mut cluster = settings.cluster(&args.bootstrap_server)?;
    settings.done()?;
    if let Some(timeout) = args.request_timeout_ms {
        cluster.connection.request_timeout = Duration::from_millis(timeout);
    }
    if let Some(backoff) = args.retry_backoff_ms {
        cluster.retry_backoff = Duration::from_millis(backoff);
    }
    block_on(async {
        let cluster = Cluster::connect(cluster).await?;
        let producer = Producer::new(cluster, config)?;
        let mut deliveries: VecDeque<Delivery> = VecDeque::new();
        let mut exit = ExitKind::Success;
        let mut line = Vec::new();
        let mut number = 0_u64;
        loop {
            line.clear();
            number += 1;
            let read = input.read_until(b'\n', &mut line);
            let read = read.map_err(|error| {
                ToolError::Refused(format!("line {number}: standard input cannot be read: {error}"))
            })?;
            if read == 0 {
                break;
            }
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let record = match reader.record(text) {
                Ok(record) => record,
                Err(why) => {
                    producer.close().await;
                    return Err(ToolError::Refused(format!("line {number}: {why}")));
                }
            };
            match producer.send(record).await {
                Ok(delivery) => deliveries.push_back(delivery),
                Err(error) => {
                    told(&error, &mut exit, err)?;
                    if matches!(error, ClientError::TimedOut { .. }) || !error.is_retriable() {
                        continue;
                    }
                }
            }
            let left = if args.sync { 0 } else { DELIVERIES_MAX };
            while deliveries.len() > left {
                let Some(delivery) = deliveries.pop_front() else { break };
                if let Err(error) = delivery.wait().await {
                    told(&error, &mut exit, err)?;
                }
            }
        }
        producer.close().await;
        for delivery in deliveries {
            if let Err(error) = delivery.wait().await {
                told(&error, &mut exit, err)?;
            }
        }
        Ok(exit)
    })
}

fn told(error: &ClientError, exit: &mut ExitKind, err: &mut dyn Write) -> Result<(), ToolError> {
    *exit = ExitKind::Problems;
    writeln!(err, "a record was not written: {error}")?;
    Ok(())
}

impl ProduceArgs {
    fn producer(&self, settings: &mut Settings) -> Result<ProducerConfig, ToolError> {
        let mut config = ProducerConfig::default();
        let acks = self.acks.clone().or(settings.text("acks"));
        config.acks = match acks.as_deref() {
            None | Some("all" | "-1") => Acks::All,
            Some("1") => Acks::Leader,
            Some("0") => Acks::None,
            Some(other) => {
                return Err(ToolError::Usage(format!("acks: found '{other}', expected 0, 1, -1 or all")));
            }
        };
        config.idempotence =
            settings.value("enable.idempotence")?.unwrap_or(config.acks == Acks::All && config.idempotence);
        let codec = self.compression_codec.clone().or(settings.text("compression.type"));
        if let Some(name) = codec {
            config.compression = highwater_client::codec::named(&name).ok_or_else(|| {
                ToolError::Usage(format!(
                    "found the codec '{name}', expected none, gzip, snappy, lz4 or zstd"
                ))
            })?;
        }
        let millis = |value: Option<u64>| value.map(Duration::from_millis);
        let set = |to: &mut Duration, value: Option<Duration>| *to = value.unwrap_or(*to);
        set(&mut config.linger, settings.millis("linger.ms")?);
        set(&mut config.linger, millis(self.timeout));
        set(&mut config.max_block, settings.millis("max.block.ms")?);
        set(&mut config.max_block, millis(self.max_block_ms));
        set(&mut config.delivery_timeout, settings.millis("delivery.timeout.ms")?);
        let set = |to: &mut usize, value: Option<usize>| *to = value.unwrap_or(*to);
        set(&mut config.batch_bytes, settings.value("batch.size")?);
        set(&mut config.batch_bytes, self.batch_size);
        set(&mut config.request_bytes_max, settings.value("max.request.size")?);
        set(&mut config.buffer_memory, settings.value("buffer.memory")?);
        set(&mut config.buffer_memory, self.max_memory_bytes);
        set(&mut config.in_flight_max, settings.value("max.in.flight.requests.per.connection")?);
        config.retries =
            self.message_send_max_retries.or(settings.value("retries")?).unwrap_or(config.retries);
        match settings.text("partitioner.class").as_deref() {
            None => {}
            Some("org.apache.kafka.clients.producer.RoundRobinPartitioner" | "roundrobin") => {
                config.spread = Spread::RoundRobin;
            }
            Some(other) => {
                return Err(ToolError::Usage(format!(
                    "partitioner.class={other}: expected org.apache.kafka.clients.producer.RoundRobinPartitioner, or nothing"
                )));
            }
        }
        if settings.text("transactional.id").is_some() {
            return Err(ToolError::Usage(
                "transactional.id: there are no transactions here; leave it out".into(),
            ));
        }
        Ok(config)
    }
}

/// How lines become records.
#[derive(Debug)]
struct LineReader {
    topic: Str,
    parse_key: bool,
    key_separator: String,
    parse_headers: bool,
    headers_delimiter: String,
    headers_separator: String,
    headers_key_separator: String,
    null_marker: Option<String>,
    ignore_error: bool,
}

impl LineReader {
    fn new(args: &ProduceArgs) -> Result<Self, ToolError> {
        let mut settings = Settings::load(args.reader_config.as_deref(), &args.reader_property)?;
        let reader = Self {
            topic: args.topic.as_str().into(),
            parse_key: settings.value("parse.key")?.unwrap_or(false),
            key_separator: settings.text("key.separator").unwrap_or_else(|| "\t".to_owned()),
            parse_headers: settings.value("parse.headers")?.unwrap_or(false),
            headers_delimiter: settings.text("headers.delimiter").unwrap_or_else(|| "\t".to_owned()),
            headers_separator: settings.text("headers.separator").unwrap_or_else(|| ",".to_owned()),
            headers_key_separator: settings.text("headers.key.separator").unwrap_or_else(|| ":".to_owned()),
            null_marker: settings.text("null.marker"),
            ignore_error: settings.value("ignore.error")?.unwrap_or(false),
        };
        settings.done()?;
        Ok(reader)
    }

    fn part(&self, bytes: &[u8]) -> Option<Bytes> {
        let null = self.null_marker.as_ref().is_some_and(|marker| marker.as_bytes() == bytes);
        (!null).then(|| Bytes::copy_from_slice(bytes))
    }

    fn record(&self, line: &[u8]) -> Result<Record, String> {
        let mut record = Record { topic: self.topic.clone(), ..Record::default() };
        let mut rest = line;
        if self.parse_headers {
            match cut(rest, &self.headers_delimiter) {
                Some((headers, behind)) => {
                    record.headers = self.headers(headers)?;
                    rest = behind;
                }
                None if self.ignore_error => {}
                None => {
                    return Err(format!("no header delimiter found, expected '{}'", self.headers_delimiter));
                }
            }
        }
        if self.parse_key {
            match cut(rest, &self.key_separator) {
                Some((key, behind)) => {
                    record.key = self.part(key);
                    rest = behind;
                }
                None if self.ignore_error => {}
                None => return Err(format!("no key separator found, expected '{}'", self.key_separator)),
            }
        }
        record.value = self.part(rest);
        Ok(record)
    }

    fn headers(&self, text: &[u8]) -> Result<Vec<(Str, Option<Bytes>)>, String> {
        let mut headers = Vec::new();
        let mut rest = Some(text).filter(|text| !text.is_empty());
        while let Some(text) = rest {
            let (item, behind) = match cut(text, &self.headers_separator) {
                Some((item, behind)) => (item, Some(behind)),
                None => (text, None),
            };
            rest = behind;
            let (key, value) = match cut(item, &self.headers_key_separator) {
                Some((key, value)) => (key, self.part(value)),
                None if self.ignore_error => (item, None),
                None => {
                    return Err(format!(
                        "no header key separator found, expected '{}'",
                        self.headers_key_separator
                    ));
                }
            };
            let key = std::str::from_utf8(key).map_err(|_| "the name of a header is not UTF-8".to_owned())?;
            headers.push((Str::from(key), value));
        }
        Ok(headers)
    }
}

/// What is before and behind the first `separator`.
fn cut<'a>(bytes: &'a [u8], separator: &str) -> Option<(&'a [u8], &'a [u8])> {
    let separator = separator.as_bytes();
    if separator.is_empty() {
        return None;
    }
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> LineReader {
        LineReader {
            topic: "t".into(),
            parse_key: true,
            key_separator: ":".to_owned(),
            parse_headers: true,
            headers_delimiter: "\t".to_owned(),
            headers_separator: ",".to_owned(),
            headers_key_separator: "=".to_owned(),
            null_marker: Some("NULL".to_owned()),
            ignore_error: false,
        }
    }

    #[test]
    fn line_with_headers_key_and_value_is_taken_apart() {
        let record = reader().record(b"a=1,b=NULL\tkey:value:more").expect("a record");
        assert_eq!(record.headers, [("a".into(), Some(Bytes::from_static(b"1"))), ("b".into(), None)]);
        assert_eq!(record.key, Some(Bytes::from_static(b"key")));
        assert_eq!(record.value, Some(Bytes::from_static(b"value:more")));
    }

    #[test]
    fn line_without_key_is_refused_with_the_separator() {
        let refused = reader().record(b"a=1\tvalue").expect_err("no key");
        assert_eq!(refused, "no key separator found, expected ':'");
    }
}
