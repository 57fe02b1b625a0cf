//! The shape of a world: who is there, how fast everything is, how often what breaks.

use serde::{Deserialize, Serialize};

/// A world, without what happens in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// The kind of world, for people.
    pub profile: String,
    /// The nodes.
    pub nodes: Vec<NodeSetup>,
    /// The timeouts of all nodes.
    pub timing: Timing,
    /// What topics are like.
    pub topics: Topics,
    /// The network when nothing is wrong with it.
    pub network: Network,
    /// The disks when nothing is wrong with them.
    pub disk: Disk,
    /// How long all takes.
    pub limits: Limits,
    /// Whether more replicas may lose their tails than replication can stand: what they lose is not a violation then.
    pub loss_is_legal: bool,
    /// How often what breaks, where that is drawn.
    pub rates: Rates,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSetup {
    /// `node.id`.
    pub id: i32,
    /// It is a broker.
    pub broker: bool,
    /// It is a controller.
    pub controller: bool,
    /// Its clock is ahead by so many microseconds at the start.
    pub clock_offset_us: u64,
    /// Its clock gains so many microseconds a second, or loses them.
    pub clock_drift_ppm: i32,
}

/// Timeouts, in milliseconds; see the configuration of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the field of the node's configuration of the same name")]
pub struct Timing {
    pub quorum_election_timeout: u64,
    pub quorum_fetch_timeout: u64,
    pub quorum_election_backoff_max: u64,
    pub quorum_request_timeout: u64,
    pub quorum_retry_backoff: u64,
    pub quorum_fetch_wait_max: u64,
    pub quorum_pre_vote: bool,
    pub broker_session_timeout: u64,
    pub broker_heartbeat_interval: u64,
    pub controller_request_timeout: u64,
    pub controlled_shutdown_timeout: u64,
    pub replica_lag_time_max: u64,
    pub replica_fetch_wait_max: u64,
    pub replica_fetch_backoff: u64,
    pub replica_socket_timeout: u64,
    pub high_watermark_checkpoint_interval: u64,
    pub client_timeout: u64,
    pub metadata_snapshot_bytes: u64,
    /// The most bytes of the metadata log in one answer; one batch is there in any case. Not in milliseconds.
    #[serde(default = "plenty")]
    pub quorum_fetch_max_bytes: u32,
}

/// More than a whole metadata log here has: what scenarios mean that do not say how much is fetched at once.
pub(super) const fn plenty() -> u32 {
    8 << 20
}

/// What topics are like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topics {
    /// Topics at the start.
    pub count: u32,
    /// Partitions of each.
    pub partitions: u32,
    /// Replicas of each partition.
    pub replication_factor: i16,
    /// `min.insync.replicas`.
    pub min_insync_replicas: usize,
    /// `unclean.leader.election.enable`.
    pub unclean: bool,
    /// Whether there are eligible leader replicas (KIP-966).
    pub eligible_leader_replicas: bool,
    /// `log.flush.interval.messages`: how many records are flushed at once; none leaves it to the system.
    pub flush_every: Option<u64>,
}

/// The network when nothing is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// A message takes at least so many microseconds,
    pub delay_us_min: u64,
    /// and at most so many. Messages overtake one another.
    pub delay_us_max: u64,
}

/// A disk when nothing is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// A flush takes at least so many microseconds,
    pub flush_us_min: u64,
    /// and at most so many.
    pub flush_us_max: u64,
}

/// How long a run takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Steps under faults.
    pub steps: u64,
    /// Virtual time under faults, in microseconds, if that is to end them earlier (or to be reached, whatever the steps).
    pub time_us: Option<u64>,
    /// Virtual time that the healed cluster has to converge and serve, in microseconds.
    pub settle_us: u64,
}

/// How often what breaks. An interval is the mean time between two, in milliseconds; 0 is never. A rate is a thousandth of messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is a kind of fault or of operation under its own name")]
pub struct Rates {
    pub lost_permille: u32,
    pub broken_permille: u32,
    pub twice_permille: u32,
    pub late_permille: u32,
    pub late_ms_max: u64,
    #[serde(default)]
    pub late_fetch_permille: u32,
    #[serde(default)]
    pub late_fetch_ms_max: u64,
    #[serde(default)]
    pub late_alter_permille: u32,
    #[serde(default)]
    pub late_alter_ms_max: u64,
    pub cut_every_ms: u64,
    pub one_way_cut_every_ms: u64,
    pub cut_ms_max: u64,
    pub crash_every_ms: u64,
    pub power_loss_every_ms: u64,
    pub shut_down_every_ms: u64,
    pub down_ms_max: u64,
    pub pause_every_ms: u64,
    pub pause_ms_max: u64,
    pub jump_every_ms: u64,
    pub jump_ms_max: u64,
    pub disk_full_every_ms: u64,
    pub flush_fails_every_ms: u64,
    pub read_fails_every_ms: u64,
    pub wipe_every_ms: u64,
    pub clients: u32,
    #[serde(default)]
    pub idempotent_clients: u32,
    #[serde(default)]
    pub copies_permille: u32,
    #[serde(default)]
    pub copies_ms_max: u64,
    pub produce_every_ms: u64,
    pub weak_acks_permille: u32,
    pub consume_every_ms: u64,
    pub create_topic_every_ms: u64,
    pub delete_topic_every_ms: u64,
    pub grow_topic_every_ms: u64,
    pub elect_every_ms: u64,
    pub unclean_every_ms: u64,
    pub configure_every_ms: u64,
}

impl Shape {
    /// Refuses a world that cannot be.
    pub(crate) fn admit(&self) -> Result<(), String> {
        let mut ids: Vec<i32> = self.nodes.iter().map(|node| node.id).collect();
        ids.sort_unstable();
        let doubled = ids.windows(2).any(|pair| pair[0] == pair[1]);
        if doubled || ids.first().is_some_and(|&id| id < 0) {
            return Err("nodes: each needs an id of its own, not below 0".to_owned());
        }
        if self.nodes.len() > 16 {
            return Err(format!("nodes: {} are too many, 16 are the most", self.nodes.len()));
        }
        if !self.nodes.iter().any(|node| node.controller) {
            return Err("nodes: one of them at least has to be a controller".to_owned());
        }
        if let Some(idle) = self.nodes.iter().find(|node| !node.controller && !node.broker) {
            return Err(format!("node {}: it is neither broker nor controller", idle.id));
        }
        if self.network.delay_us_min > self.network.delay_us_max {
            return Err("network: delay_us_min is above delay_us_max".to_owned());
        }
        if self.disk.flush_us_min > self.disk.flush_us_max {
            return Err("disk: flush_us_min is above flush_us_max".to_owned());
        }
        Ok(())
    }

    /// The brokers' ids.
    pub(crate) fn brokers(&self) -> impl Iterator<Item = i32> + '_ {
        self.nodes.iter().filter(|node| node.broker).map(|node| node.id)
    }
}
