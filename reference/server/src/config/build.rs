//! Values, each checked by itself, into a configuration whose parts fit each other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use highwater_core::controller::topic_config_of_broker;
use highwater_core::quorum::ReplicaKey;
use highwater_core::{NodeId, Uuid};
use highwater_node::{NodeConfig, Roles};

use super::listener::{Listeners, host_and_port};
use super::values::{Values, shown};
use super::{ConfigError, Groups, Limits, Place, ServerConfig, Topics, VoterAddress};

const ROLES: &str = "process.roles";
const NODE_ID: &str = "node.id";
const VOTERS: &str = "controller.quorum.voters";

/// So many voters a quorum may have.
const VOTERS_MAX: usize = 64;

pub(super) fn build(mut values: Values) -> Result<ServerConfig, ConfigError> {
    let file = values.file().to_owned();
    let Some(roles) = roles(&mut values) else { return Err(error(file, values)) };
    let node_id = node_id(&mut values);
    let voters = voters(&mut values);
    check_voters(&mut values, node_id, roles, &voters);
    let listeners = Listeners::read(&mut values, roles);
    let log_directory = log_directory(&mut values);
    let mut node = node(&mut values, node_id, roles, &voters);
    let limits = limits(&mut values);
    let topics = topics(&mut values);
    let groups = groups(&mut values);
    node.producer_id_expiration = values.milliseconds("producer.id.expiration.ms", 1);
    let controlled_shutdown = values.is_on("controlled.shutdown.enable");
    if !values.faults.is_empty() {
        return Err(error(file, values));
    }
    let mut warnings = std::mem::take(&mut values.warnings);
    warnings.sort_by_key(|warning| warning.place);
    Ok(ServerConfig {
        node_id,
        roles,
        voters,
        log_directory,
        listeners: listeners.bound,
        advertised_listeners: listeners.advertised,
        controller_listener_names: listeners.controller_names,
        inter_broker_listener: listeners.inter_broker,
        metrics_listener: listeners.metrics,
        limits,
        topics,
        groups,
        controlled_shutdown,
        warnings,
        node,
        settings: values.into_set(),
    })
}

fn error(file: String, values: Values) -> ConfigError {
    let mut faults = values.faults;
    faults.sort_by(|one, other| (one.place, &one.key).cmp(&(other.place, &other.key)));
    ConfigError { file, faults }
}

/// `process.roles`. Without it nothing else can be judged.
fn roles(values: &mut Values) -> Option<Roles> {
    if !values.is_tried(ROLES) {
        let cure = "Clusters on ZooKeeper are not supported for now. Set process.roles=broker,controller, node.id and \
                    controller.quorum.voters.";
        let expected = "broker, controller or both";
        values.refuse(ROLES, "nothing, which stands for a broker on ZooKeeper", expected, cure);
        return None;
    }
    let list = values.list(ROLES);
    let has = |role: &str| list.iter().any(|found| found.eq_ignore_ascii_case(role));
    let roles = Roles { broker: has("broker"), controller: has("controller") };
    if list.len() != usize::from(roles.broker) + usize::from(roles.controller) {
        values.refuse(ROLES, list.join(","), "each role once", "Take out what is there twice.");
    }
    if values.given(ROLES).is_some() && list.is_empty() {
        let cure = "Set process.roles=broker,controller, or one of them.";
        values.refuse(ROLES, "nothing", "broker, controller or both", cure);
    }
    (list.is_empty() || roles.broker || roles.controller).then_some(roles).filter(|_| !list.is_empty())
}

/// `node.id`, or `broker.id`, its old name.
fn node_id(values: &mut Values) -> NodeId {
    let old = values.some_number("broker.id").filter(|id| *id != -1);
    let id = match (values.some_number(NODE_ID), old) {
        (Some(id), Some(old)) if id != old => {
            let cure = "Take broker.id out: it is the old name of node.id.";
            values.refuse("broker.id", old.to_string(), format!("{id}, as node.id has it"), cure);
            id
        }
        (Some(id), _) => id,
        (None, Some(old)) if old >= 0 => old,
        (None, Some(old)) => {
            values.refuse("broker.id", old.to_string(), "0 or more", "Set node.id instead.");
            0
        }
        (None, None) => {
            if !values.is_tried(NODE_ID) {
                let cure = "Set node.id to a number that no other node has.";
                values.refuse(NODE_ID, "nothing", "a whole number, 0 or more", cure);
            }
            0
        }
    };
    NodeId(i32::try_from(id).unwrap_or_default())
}

/// `controller.quorum.voters`: `ID@HOST:PORT`, with commas between.
fn voters(values: &mut Values) -> Vec<VoterAddress> {
    let mut voters: Vec<VoterAddress> = Vec::new();
    let list = values.list(VOTERS);
    for element in &list {
        let parsed = element.split_once('@').and_then(|(id, address)| {
            let id: i32 = id.trim().parse().ok().filter(|id| *id >= 0)?;
            let (host, port) = host_and_port(address)?;
            let is_address = !host.is_empty() && port > 0;
            is_address.then(|| VoterAddress { id: NodeId(id), host: host.to_owned(), port })
        });
        let Some(voter) = parsed else {
            let expected = "ID@HOST:PORT, with commas between";
            values.refuse(VOTERS, shown(element), expected, "Write for example 1@127.0.0.1:9093.");
            continue;
        };
        if voter.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_unspecified()) {
            let expected = "an address that other nodes can connect to";
            values.refuse(VOTERS, shown(element), expected, "Name the controller's host.");
            continue;
        }
        if let Some(other) = voters.iter().find(|other| other.id == voter.id) {
            let found = format!(
                "voter {} twice, at {}:{} and {}:{}",
                voter.id.0, other.host, other.port, voter.host, voter.port
            );
            values.refuse(VOTERS, found, "each voter once", "Take one of them out.");
            continue;
        }
        voters.push(voter);
    }
    if voters.len() > VOTERS_MAX {
        let found = format!("{} voters", voters.len());
        values.refuse(
            VOTERS,
            found,
            format!("at most {VOTERS_MAX}"),
            "Take some out; three or five are enough.",
        );
    }
    if list.is_empty() && !(values.is_tried(VOTERS) && values.given(VOTERS).is_none()) {
        let cure = format!("Set {VOTERS}=ID@HOST:PORT, with every controller of the cluster.");
        values.refuse(VOTERS, "nothing", "the controllers of the cluster", cure);
    }
    voters.sort();
    voters
}

/// Whether roles and voters say the same of this node.
fn check_voters(values: &mut Values, id: NodeId, roles: Roles, voters: &[VoterAddress]) {
    if values.some_number(NODE_ID).is_none() || voters.is_empty() {
        return;
    }
    let votes = voters.iter().any(|voter| voter.id == id);
    let ids: Vec<String> = voters.iter().map(|voter| voter.id.0.to_string()).collect();
    let found = format!("voters {}", ids.join(", "));
    if roles.controller && !votes {
        let cure = format!("Add {}@HOST:PORT, or take controller out of {ROLES}.", id.0);
        values.refuse(
            VOTERS,
            found,
            format!("this node, {}, among them, since it is a controller", id.0),
            cure,
        );
    } else if !roles.controller && votes {
        let cure = format!("Take {} out, or add controller to {ROLES}.", id.0);
        values.refuse(
            VOTERS,
            found,
            format!("that this node, {}, is none, since it is no controller", id.0),
            cure,
        );
    }
}

/// The one data directory.
fn log_directory(values: &mut Values) -> PathBuf {
    let key = if values.some_text("log.dirs").is_some() { "log.dirs" } else { "log.dir" };
    let directories = values.list(key);
    let directory = directories.first().cloned().unwrap_or_default();
    if directories.len() != 1 {
        let found = if directories.is_empty() { "nothing".to_owned() } else { directories.join(", ") };
        let cure = "Name one; to use several disks, join them below the file system.";
        values.refuse(key, found, "one directory", cure);
    }
    if let Some(metadata) = values.some_text("metadata.log.dir").map(str::to_owned)
        && metadata != directory
    {
        let cure = "Take metadata.log.dir out: there is one directory for all logs.";
        values.refuse("metadata.log.dir", shown(&metadata), format!("{directory}, as {key} has it"), cure);
    }
    PathBuf::from(directory)
}

/// How long a voter waits at most that starts and knows of no leader. Kafka waits for an election timeout; but with pre-vote, to ask at once
/// disturbs nobody, and a cluster serves a second earlier.
const FIRST_ELECTION_TIMEOUT_MAX: Duration = Duration::from_millis(100);

/// The node's part. Cluster, directory and listeners come when it starts.
fn node(values: &mut Values, id: NodeId, roles: Roles, voters: &[VoterAddress]) -> NodeConfig {
    let keys = voters.iter().map(|voter| ReplicaKey { id: voter.id, directory: Uuid::ZERO }).collect();
    let mut node = NodeConfig::new(id, roles, String::new(), Uuid::ZERO, keys);
    node.rack = values.some_text("broker.rack").map(str::to_owned);

    node.quorum_election_timeout = values.milliseconds("controller.quorum.election.timeout.ms", 1);
    node.quorum_first_election_timeout_max =
        Some(FIRST_ELECTION_TIMEOUT_MAX.min(node.quorum_election_timeout));
    node.quorum_fetch_timeout = values.milliseconds("controller.quorum.fetch.timeout.ms", 1);
    node.quorum_election_backoff_max = values.milliseconds("controller.quorum.election.backoff.max.ms", 0);
    node.quorum_request_timeout = values.milliseconds("controller.quorum.request.timeout.ms", 1);
    node.quorum_retry_backoff = values.milliseconds("controller.quorum.retry.backoff.ms", 0);
    node.quorum_fetch_max_bytes = values.count("controller.quorum.fetch.max.bytes");
    node.quorum_snapshot_chunk_bytes = values.count("controller.quorum.fetch.snapshot.max.bytes");
    // A leader that holds fetches for longer than followers wait would be left by them.
    node.quorum_fetch_wait_max = node.quorum_fetch_wait_max.min(node.quorum_fetch_timeout / 2);
    node.metadata_snapshot_bytes = values.count("metadata.log.max.record.bytes.between.snapshots");

    node.broker_session_timeout = values.milliseconds("broker.session.timeout.ms", 1);
    node.broker_heartbeat_interval = values.milliseconds("broker.heartbeat.interval.ms", 1);
    node.controller_request_timeout = values.milliseconds("controller.socket.timeout.ms", 1);
    if node.broker_heartbeat_interval >= node.broker_session_timeout {
        let (heartbeat, session) = (node.broker_heartbeat_interval, node.broker_session_timeout);
        let expected = format!("less than broker.session.timeout.ms, {}", session.as_millis());
        let cure = "Set it to a quarter of that, so that one may get lost.";
        values.refuse("broker.heartbeat.interval.ms", heartbeat.as_millis().to_string(), expected, cure);
    }

    node.replica_lag_time_max = values.milliseconds("replica.lag.time.max.ms", 1);
    node.replica_fetch_wait_max = values.milliseconds("replica.fetch.wait.max.ms", 0);
    node.replica_fetch_backoff = values.milliseconds("replica.fetch.backoff.ms", 0);
    node.replica_fetch_min_bytes = values.count("replica.fetch.min.bytes");
    node.replica_fetch_max_bytes = values.count("replica.fetch.max.bytes");
    node.replica_fetch_response_max_bytes = values.count("replica.fetch.response.max.bytes");
    node.replica_socket_timeout = values.milliseconds("replica.socket.timeout.ms", 1);
    node.high_watermark_checkpoint_interval =
        values.milliseconds("replica.high.watermark.checkpoint.interval.ms", 1);
    let bounds = [
        ("replica.socket.timeout.ms", node.replica_socket_timeout, "answers would come after their time"),
        (
            "replica.lag.time.max.ms",
            node.replica_lag_time_max,
            "followers would leave the ISR while they wait",
        ),
    ];
    for (key, bound, reason) in bounds {
        if node.replica_fetch_wait_max > bound {
            let wait = node.replica_fetch_wait_max.as_millis().to_string();
            let expected = format!("at most {key}, {}, since {reason}", bound.as_millis());
            values.refuse("replica.fetch.wait.max.ms", wait, expected, "Lower it, or raise the other.");
        }
    }

    node.min_insync_replicas = values.count("min.insync.replicas");
    node.unclean_leader_election_enable = values.is_on("unclean.leader.election.enable");
    node.default_replication_factor = values.count("default.replication.factor");
    if node.default_replication_factor == 0 {
        let cure = "Correct it, or take it out for the default, 1.";
        values.refuse("default.replication.factor", "0", "1 or more", cure);
    }
    node.num_partitions = values.count("num.partitions");
    let interval = Duration::from_secs(values.count("leader.imbalance.check.interval.seconds"));
    node.leader_rebalance_interval = values.is_on("auto.leader.rebalance.enable").then_some(interval);

    node.message_max_bytes = values.count("message.max.bytes");
    node.log_segment_bytes = values.count("log.segment.bytes");
    node.log_index_interval_bytes = values.count("log.index.interval.bytes");
    node.log_retention_bytes = retention_bytes(values);
    node.log_retention = retention(values);
    node.log_retention_check_interval = values.milliseconds("log.retention.check.interval.ms", 1);
    let every = values.number("log.flush.interval.messages");
    node.log_flush_interval_messages = (every != i64::MAX).then_some(every.unsigned_abs());
    node.topic_defaults = topic_defaults(values);
    node
}

/// What the file says of keys that topics fall back to, each checked.
fn topic_defaults(values: &mut Values) -> BTreeMap<String, String> {
    // Below 0 these are without end in Kafka's documentation of topics, but not in that of brokers.
    for key in ["log.flush.interval.ms", "log.roll.ms"] {
        let least = if key == "log.roll.ms" { 1 } else { 0 };
        if let Some(found) = values.some_number(key).filter(|number| *number < least) {
            values.refuse(
                key,
                found.to_string(),
                format!("{least} ms or more"),
                "Correct it, or take it out.",
            );
        }
    }
    let policy = values.list("log.cleanup.policy");
    if policy.iter().any(|policy| policy == "compact") {
        let message = "logs are not compacted here: one that is to be keeps every record";
        values.warn(values.place("log.cleanup.policy"), "log.cleanup.policy", message);
    }
    let set = values.set().filter(|(key, _)| topic_config_of_broker(key).is_some());
    set.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn retention_bytes(values: &mut Values) -> Option<u64> {
    let bytes = values.number("log.retention.bytes");
    if bytes < -1 {
        let cure = "Correct it, or take it out for the default, -1.";
        values.refuse("log.retention.bytes", bytes.to_string(), "0 or more, or -1 for no limit", cure);
    }
    u64::try_from(bytes).ok()
}

/// The first that is set of `log.retention.ms`, `.minutes` and `.hours`; never with `None`.
fn retention(values: &mut Values) -> Option<Duration> {
    let keys =
        [("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)];
    let (key, number, unit) =
        keys.into_iter().find_map(|(key, unit)| Some((key, values.some_number(key)?, unit)))?;
    match number {
        -1 => None,
        1.. => Some(Duration::from_millis(number.unsigned_abs().saturating_mul(unit))),
        _ => {
            let cure = "Correct it, or take it out.";
            values.refuse(key, number.to_string(), "1 or more, or -1 for no limit", cure);
            None
        }
    }
}

fn limits(values: &mut Values) -> Limits {
    let overrides = per_ip_overrides(values);
    let per_ip: usize = values.count("max.connections.per.ip");
    if per_ip == 0 && overrides.is_empty() {
        let cure = "Allow some, or name who may connect in max.connections.per.ip.overrides.";
        values.refuse("max.connections.per.ip", "0, which lets nobody connect", "1 or more", cure);
    }
    let idle = values.number("connections.max.idle.ms");
    Limits {
        connections_max: values.count("max.connections"),
        connections_per_ip_max: per_ip,
        connections_per_ip_overrides: overrides,
        connections_idle_max: u64::try_from(idle).ok().map(Duration::from_millis),
        request_bytes_max: values.count("socket.request.max.bytes"),
        queued_requests_max: values.count("queued.max.requests"),
        network_threads: values.count("num.network.threads"),
        send_buffer_bytes: buffer(values, "socket.send.buffer.bytes"),
        receive_buffer_bytes: buffer(values, "socket.receive.buffer.bytes"),
        listen_backlog: values.count("socket.listen.backlog.size"),
        connection_setup_timeout: values.milliseconds("socket.connection.setup.timeout.ms", 1),
        request_timeout: values.milliseconds("request.timeout.ms", 1),
    }
}

fn buffer(values: &mut Values, key: &'static str) -> Option<usize> {
    match values.number(key) {
        -1 => None,
        size @ 1.. => usize::try_from(size).ok(),
        other => {
            let cure = "Correct it, or take it out for the default, 102400.";
            values.refuse(key, other.to_string(), "1 or more, or -1 for the system's own", cure);
            None
        }
    }
}

/// `max.connections.per.ip.overrides`: `HOST:COUNT`, with commas between.
fn per_ip_overrides(values: &mut Values) -> BTreeMap<String, usize> {
    const KEY: &str = "max.connections.per.ip.overrides";
    let mut overrides = BTreeMap::new();
    for element in values.list(KEY) {
        let parsed = element.rsplit_once(':').and_then(|(host, count)| {
            let host = host.trim();
            let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
            Some((bare.to_owned(), count.trim().parse().ok()?)).filter(|(host, _)| !host.is_empty())
        });
        match parsed {
            Some((host, count)) => {
                overrides.insert(host, count);
            }
            None => {
                let cure = "Write for example 127.0.0.1:200.";
                values.refuse(KEY, shown(&element), "HOST:COUNT, with commas between", cure);
            }
        }
    }
    overrides
}

fn topics(values: &mut Values) -> Topics {
    Topics {
        auto_create: values.is_on("auto.create.topics.enable"),
        may_delete: values.is_on("delete.topic.enable"),
        fetch_bytes_max: values.count("fetch.max.bytes"),
        fetch_sessions_max: values.count("max.incremental.fetch.session.cache.slots"),
        partitions_per_answer_max: values.count("max.request.partition.size.limit"),
    }
}

fn groups(values: &mut Values) -> Groups {
    let minutes: u64 = values.count("offsets.retention.minutes");
    let groups = Groups {
        session_timeout_min: values.milliseconds("group.min.session.timeout.ms", 0),
        session_timeout_max: values.milliseconds("group.max.session.timeout.ms", 0),
        initial_rebalance_delay: values.milliseconds("group.initial.rebalance.delay.ms", 0),
        size_max: values.count("group.max.size"),
        metadata_bytes_max: values.count("offset.metadata.max.bytes"),
        offsets_retention: Duration::from_secs(minutes.saturating_mul(60)),
        offsets_retention_check_interval: values.milliseconds("offsets.retention.check.interval.ms", 1),
        commit_timeout: values.milliseconds("offsets.commit.timeout.ms", 1),
        topic_partitions: values.count("offsets.topic.num.partitions"),
        topic_replication_factor: values.count("offsets.topic.replication.factor"),
        topic_segment_bytes: values.count("offsets.topic.segment.bytes"),
    };
    if groups.session_timeout_min > groups.session_timeout_max {
        let key = "group.min.session.timeout.ms";
        let (found, most) = (groups.session_timeout_min.as_millis(), groups.session_timeout_max.as_millis());
        let key = if values.place(key) == Place::Unset { "group.max.session.timeout.ms" } else { key };
        let expected = "that group.min.session.timeout.ms is at most group.max.session.timeout.ms";
        values.refuse(
            key,
            format!("{found} as least and {most} as most"),
            expected,
            "Lower the one or raise the other.",
        );
    }
    groups
}
