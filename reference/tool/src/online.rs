//! What the tools that ask a cluster share: where it is, with which settings, and how a call is run.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use highwater_client::{Cluster, ClusterConfig};
use highwater_wire::Str;

use crate::ToolError;

/// Where the cluster is.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Brokers to ask first, as HOST:PORT with commas between them
    #[arg(long, value_name = "HOST:PORT,…")]
    pub bootstrap_server: String,
    /// A property file with settings of the client, such as request.timeout.ms
    #[arg(long, value_name = "FILE")]
    pub command_config: Option<PathBuf>,
}

impl Place {
    /// The cluster, once a broker answered.
    pub(crate) async fn cluster(&self) -> Result<Cluster, ToolError> {
        let settings = Settings::load(self.command_config.as_deref(), &[])?;
        let config = settings.cluster(&self.bootstrap_server)?;
        settings.done()?;
        Ok(Cluster::connect(config).await?)
    }
}

/// Runs a call to its end.
pub(crate) fn block_on<T>(call: impl Future<Output = Result<T, ToolError>>) -> Result<T, ToolError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| ToolError::Refused(format!("sockets cannot be had: {error}. Try again.")))?;
    runtime.block_on(call)
}

/// Settings of a client, in Kafka's names, from a file and from arguments. Each is asked for once; what is left at the end is not
/// known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    left: BTreeMap<String, String>,
}

/// Settings of Kafka's clients that mean nothing here and do no harm.
const PASSED_OVER: &[&str] = &[
    "bootstrap.servers",
    "key.serializer",
    "value.serializer",
    "key.deserializer",
    "value.deserializer",
    "metric.reporters",
    "enable.metrics.push",
];

impl Settings {
    /// Of a property file, and pairs that count before it.
    pub(crate) fn load(file: Option<&Path>, pairs: &[(String, String)]) -> Result<Self, ToolError> {
        let mut left = BTreeMap::new();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                ToolError::Usage(format!(
                    "{}: cannot be read: {error}. Name a file that can.",
                    path.display()
                ))
            })?;
            for (number, line) in (1..).zip(text.lines()) {
                let line = line.trim();
                if line.is_empty() || line.starts_with(['#', '!']) {
                    continue;
                }
                let (key, value) = line.split_once('=').ok_or_else(|| {
                    ToolError::Usage(format!(
                        "{}:{number}: found '{line}', expected KEY=VALUE",
                        path.display()
                    ))
                })?;
                left.insert(key.trim().to_owned(), value.trim().to_owned());
            }
        }
        left.extend(pairs.iter().cloned());
        left.retain(|key, _| !PASSED_OVER.contains(&key.as_str()));
        match left.get("security.protocol").map(String::as_str) {
            None | Some("PLAINTEXT") => _ = left.remove("security.protocol"),
            Some(other) => {
                return Err(ToolError::Usage(format!(
                    "security.protocol={other}: found {other}, expected PLAINTEXT. Name a listener without TLS and SASL."
                )));
            }
        }
        Ok(Self { left })
    }

    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        self.left.remove(key)
    }

    /// A value that can be read as `T`.
    pub(crate) fn value<T: std::str::FromStr>(&mut self, key: &str) -> Result<Option<T>, ToolError> {
        let Some(text) = self.left.remove(key) else { return Ok(None) };
        let value = text.parse().map_err(|_| {
            let expected = std::any::type_name::<T>();
            ToolError::Usage(format!("{key}={text}: expected a value of type {expected}"))
        });
        value.map(Some)
    }

    /// A time in milliseconds.
    pub(crate) fn millis(&mut self, key: &str) -> Result<Option<Duration>, ToolError> {
        Ok(self.value::<u64>(key)?.map(Duration::from_millis))
    }

    /// What concerns connections.
    pub(crate) fn cluster(&self, bootstrap: &str) -> Result<ClusterConfig, ToolError> {
        let mut settings = self.clone();
        let mut config = ClusterConfig::new(bootstrap)?;
        if let Some(id) = settings.text("client.id") {
            config.connection.client_id = Str::from(id);
        }
        let set = |to: &mut Duration, value: Option<Duration>| *to = value.unwrap_or(*to);
        set(&mut config.connection.request_timeout, settings.millis("request.timeout.ms")?);
        set(&mut config.connection.connect_timeout, settings.millis("socket.connection.setup.timeout.ms")?);
        set(&mut config.api_timeout, settings.millis("default.api.timeout.ms")?);
        set(&mut config.retry_backoff, settings.millis("retry.backoff.ms")?);
        set(&mut config.retry_backoff_max, settings.millis("retry.backoff.max.ms")?);
        set(&mut config.metadata_max_age, settings.millis("metadata.max.age.ms")?);
        Ok(config)
    }

    /// Whether all were known.
    pub(crate) fn done(mut self) -> Result<(), ToolError> {
        for known in CLUSTER_SETTINGS {
            self.left.remove(*known);
        }
        match self.left.keys().next() {
            None => Ok(()),
            Some(key) => Err(ToolError::Usage(format!(
                "the setting {key} is not known here; leave it out, or correct its name"
            ))),
        }
    }
}

const CLUSTER_SETTINGS: &[&str] = &[
    "client.id",
    "request.timeout.ms",
    "socket.connection.setup.timeout.ms",
    "default.api.timeout.ms",
    "retry.backoff.ms",
    "retry.backoff.max.ms",
    "metadata.max.age.ms",
];

/// `KEY=VALUE` of an argument.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// A number of partitions and the like: `0`, or `0,2`.
pub(crate) fn numbers(text: &str) -> Result<Vec<i32>, ToolError> {
    let number = |text: &str| {
        text.trim().parse::<i32>().ok().filter(|number| *number >= 0).ok_or_else(|| {
            ToolError::Usage(format!("found '{text}', expected a number that is not negative"))
        })
    };
    text.split(',').map(number).collect()
}

/// A regular expression over whole names, as Kafka's tools take topics: commas stand for alternatives.
pub(crate) fn names(pattern: &str) -> Result<regex::Regex, ToolError> {
    let pattern = pattern.trim_matches(['"', '\'']).replace(' ', "").replace(',', "|");
    regex::Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|error| ToolError::Usage(format!("'{pattern}' is no regular expression: {error}")))
}

impl Settings {
    /// All of them.
    pub(crate) fn into_pairs(self) -> BTreeMap<String, String> {
        self.left
    }
}
