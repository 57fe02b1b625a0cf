//! `server.properties`: a broker's configuration in Kafka's names, with Kafka's defaults.
//!
//! [`ServerConfig::load`] reads the file as Kafka does (the format is that of [`properties`]), puts `--override KEY=VALUE` over it, and
//! holds every value against the [`table`] of all keys that Kafka 4.3 knows: type, range, and what becomes of the key here. Then
//! what belongs together is checked together: roles, voters, listeners, times.
//!
//! Sources: Kafka's documentation of broker configuration (4.3), KIP-595 and KIP-631 (roles, voters, controller listeners), KIP-103
//! (several listeners), KIP-226 (dynamic configuration).
//!
//! # Invariants
//! - All faults are told at once, sorted by line, each with what was found, what was expected, and what to do.
//! - Nothing that is set is passed over in silence: a key is obeyed, or warned of, or refused.
//! - A default is Kafka's, with one exception: a listener without a host is bound to loopback.
//! - No address is listened at that the file does not name, but loopback.
//! - Reading is a function of the bytes and overrides: no file but the one named is looked at, and no name is resolved.
//!
//! # Where it differs from Kafka
//! - `listeners=PLAINTEXT://:9092`, Kafka's default, is every address there and loopback here; it advertises 127.0.0.1.
//! - `highwater.metrics.listener` is a key of our own: `HOST:PORT`, or `PORT` on loopback, for metrics in the format of Prometheus; not
//!   set, there are none.
//! - A key that is set twice is warned of, by both its lines. Kafka takes the last, too, but says nothing.
//! - Kafka tells the first fault only, without its line.
//! - `log.dirs` has one directory. Voters are static: `controller.quorum.bootstrap.servers` is refused.
//!
//! # Not implemented
//! - Clusters on ZooKeeper: a file without `process.roles` is refused.
//! - SASL and TLS. Settings of single listeners (`listener.name.NAME.KEY`). Configuration providers (`${file:…}`).

mod bootstrap;
mod build;
mod error;
mod listener;
pub mod properties;
pub mod table;
mod values;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use bootstrap::Bootstrap;
pub use error::{ConfigError, Fault, Place, Warning};
use highwater_core::NodeId;
use highwater_core::controller::Endpoint;
use highwater_log::files::meta_properties::MetaProperties;
use highwater_node::NodeConfig;
pub use highwater_node::Roles;
pub use listener::{LOOPBACK, Listener};
use values::Values;
pub use write::NodeFile;

/// No property file is larger.
const FILE_SIZE_MAX: u64 = 1 << 20;

/// The configuration of a server, checked.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// `node.id`.
    pub node_id: NodeId,
    /// `process.roles`.
    pub roles: Roles,
    /// `controller.quorum.voters`, in the order of ids. A node with the role of a controller is one of them, no other is.
    pub voters: Vec<VoterAddress>,
    /// `log.dirs`, or `log.dir`: the one data directory.
    pub log_directory: PathBuf,
    /// `listeners`: where to listen, controllers' listeners included. A port of 0 is any that is free.
    pub listeners: Vec<Listener>,
    /// `advertised.listeners`: what a broker tells clients and other brokers. Not controllers' listeners; empty on a controller. A port
    /// of 0 stands for that which the listener of this name got.
    pub advertised_listeners: Vec<Listener>,
    /// `controller.listener.names`, in upper case. Brokers reach controllers by the first.
    pub controller_listener_names: Vec<String>,
    /// `inter.broker.listener.name`, in upper case; `None` on a controller.
    pub inter_broker_listener: Option<String>,
    /// `highwater.metrics.listener`: host and port where metrics are read; none without.
    pub metrics_listener: Option<(String, u16)>,
    /// Connections and requests.
    pub limits: Limits,
    /// What clients may do with topics, and what they get.
    pub topics: Topics,
    /// Classic groups and their offsets.
    pub groups: Groups,
    /// `controlled.shutdown.enable`: whether a broker that stops moves its leaderships first.
    pub controlled_shutdown: bool,
    /// What to know, though nothing is wrong: keys without effect, unknown ones, those that are set twice. Sorted by line.
    pub warnings: Vec<Warning>,
    /// The node's part, without what only its data directory knows.
    node: NodeConfig,
    settings: BTreeMap<&'static str, (String, Place)>,
}

/// A voter as `controller.quorum.voters` names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VoterAddress {
    /// Which.
    pub id: NodeId,
    /// Where: host name or address.
    pub host: String,
    /// At which port.
    pub port: u16,
}

/// How much of the machine clients may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `max.connections`.
    pub connections_max: usize,
    /// `max.connections.per.ip`.
    pub connections_per_ip_max: usize,
    /// `max.connections.per.ip.overrides`: by host name or address.
    pub connections_per_ip_overrides: BTreeMap<String, usize>,
    /// `connections.max.idle.ms`: a connection that is silent for so long is closed; never with `None`.
    pub connections_idle_max: Option<Duration>,
    /// `socket.request.max.bytes`: larger requests close their connection.
    pub request_bytes_max: usize,
    /// `queued.max.requests`: how many requests may wait for the node.
    pub queued_requests_max: usize,
    /// `num.network.threads`.
    pub network_threads: usize,
    /// `socket.send.buffer.bytes`; the system's own with `None`.
    pub send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes`; the system's own with `None`.
    pub receive_buffer_bytes: Option<usize>,
    /// `socket.listen.backlog.size`.
    pub listen_backlog: u32,
    /// `socket.connection.setup.timeout.ms`: how long a connection to another node may take.
    pub connection_setup_timeout: Duration,
    /// `request.timeout.ms`: how long an answer of another node may take, where nothing else says.
    pub request_timeout: Duration,
}

/// What clients may do with topics, and what they get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// `auto.create.topics.enable`.
    pub auto_create: bool,
    /// `delete.topic.enable`.
    pub may_delete: bool,
    /// `fetch.max.bytes`: the most that a fetch may ask for.
    pub fetch_bytes_max: usize,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_sessions_max: usize,
    /// `max.request.partition.size.limit`: how many partitions an answer to DescribeTopicPartitions has at most.
    pub partitions_per_answer_max: usize,
}

/// Classic groups and their offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// `group.min.session.timeout.ms`.
    pub session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_max: Duration,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members.
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`.
    pub size_max: usize,
    /// `offset.metadata.max.bytes`.
    pub metadata_bytes_max: usize,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval: Duration,
    /// `offsets.commit.timeout.ms`.
    pub commit_timeout: Duration,
    /// `offsets.topic.num.partitions`.
    pub topic_partitions: i32,
    /// `offsets.topic.replication.factor`.
    pub topic_replication_factor: i16,
    /// `offsets.topic.segment.bytes`.
    pub topic_segment_bytes: u32,
}

/// A key with what holds for it, for DescribeConfigs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting<'a> {
    /// The key.
    pub key: &'static table::Key,
    /// Its value; `None` where it has none. Secrets are not hidden.
    pub value: Option<&'a str>,
    /// Where it is set: [`Place::Unset`] where the default holds.
    pub place: Place,
}

/// Key and value of an `--override KEY=VALUE`.
///
/// # Errors
/// A sentence, if it is none.
pub fn parse_override(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err(format!("found {text:?}, expected KEY=VALUE, for example num.partitions=3")),
    }
}

impl ServerConfig {
    /// Reads a file, with `--override` pairs over it.
    pub fn load(path: &Path, overrides: &[(String, String)]) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let unreadable = |found: String, cure: &str| ConfigError {
            file: file.clone(),
            faults: vec![Fault {
                place: Place::Unset,
                key: String::new(),
                found,
                expected: "a property file of at most 1 MiB".to_owned(),
                cure: cure.to_owned(),
            }],
        };
        let metadata = std::fs::metadata(path);
        let size =
            metadata.map_err(|error| unreadable(error.to_string(), "Name the file that there is."))?.len();
        if size > FILE_SIZE_MAX {
            return Err(unreadable(format!("{size} bytes"), "Name the right file."));
        }
        let bytes = std::fs::read(path);
        let bytes = bytes.map_err(|error| unreadable(error.to_string(), "Name a file that can be read."))?;
        Self::read(&file, &bytes, overrides)
    }

    /// Reads the bytes of the file that messages call `file`.
    pub fn read(file: &str, bytes: &[u8], overrides: &[(String, String)]) -> Result<Self, ConfigError> {
        build::build(Values::read(file, bytes, overrides))
    }

    /// The node's configuration, with the identity that its data directory gives it, and what that was formatted with. `ports` says
    /// which port each listener got; it is asked for where the file says 0.
    ///
    /// [`NodeConfig::clock_origin_ms`] is left to who starts the node.
    ///
    /// # Errors
    /// A sentence, if the data directory is not this node's, or was formatted by a Kafka before 3.7 and has no id.
    pub fn node_config(
        &self,
        directory: &MetaProperties,
        bootstrap: Bootstrap,
        ports: impl Fn(&str) -> Option<u16>,
    ) -> Result<NodeConfig, String> {
        let (found, expected) = (directory.node_id.0, self.node_id.0);
        let place = self.log_directory.display();
        if found != expected {
            return Err(format!(
                "{place}/meta.properties: found node.id {found}, expected {expected}, which the property file says. Name \
                 this node's directory in log.dirs, or correct node.id."
            ));
        }
        let Some(directory_id) = directory.directory_id else {
            return Err(format!(
                "{place}/meta.properties: found no directory.id, expected one. Format the directory anew with \
                 `highwater storage format`, or add the line directory.id= and what `highwater storage random-uuid` says."
            ));
        };
        let endpoint = |listener: &Listener| Endpoint {
            name: listener.name.clone(),
            host: listener.host.clone(),
            port: if listener.port == 0 { ports(&listener.name).unwrap_or(0) } else { listener.port },
            security_protocol: 0,
        };
        Ok(NodeConfig {
            cluster_id: directory.cluster_id.clone(),
            directory_id,
            listeners: self.advertised_listeners.iter().map(endpoint).collect(),
            metadata_version: bootstrap.metadata_version,
            eligible_leader_replicas: bootstrap.eligible_leader_replicas,
            ..self.node.clone()
        })
    }

    /// What holds for a key: as set, or Kafka's default.
    pub fn setting(&self, key: &'static table::Key) -> Setting<'_> {
        match self.settings.get(key.name) {
            Some((value, place)) => Setting { key, value: Some(value), place: *place },
            None => Setting { key, value: key.default, place: Place::Unset },
        }
    }

    /// What holds for every key, in the order of names.
    pub fn settings(&self) -> impl Iterator<Item = Setting<'_>> {
        table::keys().iter().map(|key| self.setting(key))
    }

    /// Whether a listener of this name is for controllers.
    pub fn is_controller_listener(&self, name: &str) -> bool {
        self.controller_listener_names.iter().any(|controller| controller == name)
    }
}
