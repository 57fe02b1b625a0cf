//! What a node is told when it starts, in Kafka's names and with Kafka's defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_core::controller::{Endpoint, MetadataVersion};
use highwater_core::quorum::ReplicaKey;
use highwater_core::{Instant, NodeId, Uuid};

/// `process.roles`: what a node is. It is one of the two at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// It holds partitions and serves clients.
    pub broker: bool,
    /// It is a voter of the metadata quorum, and may decide.
    pub controller: bool,
}

impl Roles {
    /// Only a broker: an observer of the metadata quorum.
    pub const BROKER: Roles = Roles { broker: true, controller: false };
    /// Only a controller.
    pub const CONTROLLER: Roles = Roles { broker: false, controller: true };
    /// Both in one process.
    pub const COMBINED: Roles = Roles { broker: true, controller: true };
}

/// The configuration of a node. Each field is documented with Kafka's name of it, where it has one.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// `node.id`.
    pub node_id: NodeId,
    /// `process.roles`.
    pub roles: Roles,
    /// The cluster that this node belongs to: `cluster.id` of `meta.properties`.
    pub cluster_id: String,
    /// The identity of this node's one log directory: `directory.id` of `meta.properties`.
    pub directory_id: Uuid,
    /// `controller.quorum.voters`. A node is a controller if and only if it is one of them.
    pub voters: Vec<ReplicaKey>,
    /// `advertised.listeners`.
    pub listeners: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,

    /// `controller.quorum.election.timeout.ms`: how long a candidate waits for votes; 1 s.
    pub quorum_election_timeout: Duration,
    /// How long a voter waits at most that starts and knows of no leader; with pre-vote only. `None`, Kafka's way, stands for the election timeout.
    pub quorum_first_election_timeout_max: Option<Duration>,
    /// `controller.quorum.fetch.timeout.ms`: without a leader's word for so long a voter campaigns; 2 s.
    pub quorum_fetch_timeout: Duration,
    /// `controller.quorum.election.backoff.max.ms`: how long a candidate that lost waits at most; 1 s.
    pub quorum_election_backoff_max: Duration,
    /// `controller.quorum.request.timeout.ms`: when a request among controllers counts as lost; 2 s.
    pub quorum_request_timeout: Duration,
    /// `controller.quorum.retry.backoff.ms`: how long after a failed request the next is sent; 20 ms.
    pub quorum_retry_backoff: Duration,
    /// How long the quorum's leader may hold a fetch that it has nothing to answer to; 500 ms.
    pub quorum_fetch_wait_max: Duration,
    /// Whether voters ask for promises before they ask for votes (KIP-996); they do.
    pub quorum_pre_vote: bool,
    /// How many bytes of records an answer among controllers carries at most, though never less than a batch; 8 MiB.
    pub quorum_fetch_max_bytes: u32,
    /// How many bytes of a snapshot an answer carries at most; 8 MiB.
    pub quorum_snapshot_chunk_bytes: u32,
    /// `metadata.log.max.record.bytes.between.snapshots`: so many bytes of log bring the next snapshot; 20 MiB.
    pub metadata_snapshot_bytes: u64,

    /// `broker.session.timeout.ms`: a broker that is silent for so long is fenced; 9 s.
    pub broker_session_timeout: Duration,
    /// `broker.heartbeat.interval.ms`; 2 s.
    pub broker_heartbeat_interval: Duration,
    /// `initial.broker.registration.timeout.ms` has no counterpart: a broker registers until it is registered. This is how
    /// long it waits between two attempts; 100 ms.
    pub broker_registration_backoff: Duration,
    /// How long a request to the active controller may take: `controller.socket.timeout.ms`; 30 s.
    pub controller_request_timeout: Duration,
    /// How long a broker that stops waits for its leaderships to move; 5 min.
    pub controlled_shutdown_timeout: Duration,

    /// `replica.lag.time.max.ms`: a follower that has not caught up for so long leaves the ISR; 30 s.
    pub replica_lag_time_max: Duration,
    /// `replica.fetch.wait.max.ms`: how long a leader may hold a follower's fetch; 500 ms.
    pub replica_fetch_wait_max: Duration,
    /// `replica.fetch.backoff.ms`: how long a follower waits after a fetch that failed; 1 s.
    pub replica_fetch_backoff: Duration,
    /// `replica.fetch.min.bytes`: how many bytes a follower waits for, as long as it waits; 1.
    pub replica_fetch_min_bytes: u32,
    /// `replica.fetch.max.bytes`: how much of one partition a follower asks for at most; 1 MiB.
    pub replica_fetch_max_bytes: u32,
    /// `replica.fetch.response.max.bytes`: how much a follower asks for at most; 10 MiB.
    pub replica_fetch_response_max_bytes: u32,
    /// `replica.socket.timeout.ms`: when a follower's fetch counts as lost, beyond what the leader may hold it for; 30 s.
    pub replica_socket_timeout: Duration,
    /// How long after an AlterPartition that nobody answered it is asked again; 50 ms, as in Kafka.
    pub alter_partition_retry: Duration,
    /// `replica.high.watermark.checkpoint.interval.ms`; 5 s.
    pub high_watermark_checkpoint_interval: Duration,

    /// `min.insync.replicas`, where a topic does not say otherwise; 1.
    pub min_insync_replicas: usize,
    /// `unclean.leader.election.enable`, where a topic does not say otherwise; false.
    pub unclean_leader_election_enable: bool,
    /// `default.replication.factor`; 1.
    pub default_replication_factor: i16,
    /// `num.partitions`; 1.
    pub num_partitions: i32,
    /// `leader.imbalance.check.interval.seconds`: how often leaderships go back to preferred replicas by themselves; 5 min. Never with
    /// `None` (`auto.leader.rebalance.enable=false`).
    pub leader_rebalance_interval: Option<Duration>,
    /// How many metadata records a batch has at most; 10,000.
    pub metadata_records_per_batch_max: usize,
    /// Whether a partition whose ISR and ELR are both empty gets its last leader back as soon as that is there, though it may have lost what was
    /// committed (KIP-966, balanced recovery); as in Kafka, it does.
    pub last_known_leader_election: bool,
    /// Whether the controller keeps eligible leader replicas (KIP-966); it does.
    pub eligible_leader_replicas: bool,
    /// The level of `metadata.version` that a new cluster begins with.
    pub metadata_version: MetadataVersion,

    /// `message.max.bytes`: the largest batch that a producer may send; 1 MiB and 12 bytes.
    pub message_max_bytes: usize,
    /// `log.segment.bytes`; 1 GiB.
    pub log_segment_bytes: u32,
    /// `log.index.interval.bytes`; 4 KiB.
    pub log_index_interval_bytes: u32,
    /// `log.retention.bytes`: whole segments are deleted as long as so many bytes are left; never with `None`, Kafka's default.
    pub log_retention_bytes: Option<u64>,
    /// `log.retention.ms`: a segment is deleted when its newest record is so old; 7 days.
    pub log_retention: Option<Duration>,
    /// `log.retention.check.interval.ms`; 5 min.
    pub log_retention_check_interval: Duration,
    /// `log.flush.interval.messages`: after so many records a partition's log is flushed. None (Kafka's default) leaves it to the
    /// operating system: what is acknowledged is then in the page caches of the ISR.
    pub log_flush_interval_messages: Option<u64>,
    /// `producer.id.expiration.ms`: an idempotent producer that was silent for so long is forgotten; 1 day. Looked at as often as retention.
    pub producer_id_expiration: Duration,
    /// What the node's file says of keys that topics fall back to, by the names that they have there (`log.segment.bytes`, `log.retention.hours`), and
    /// as it stands there. For a key that is not here, the field above of the same name counts, if there is one; so whoever reads a file can do
    /// with this alone.
    pub topic_defaults: BTreeMap<String, String>,
    /// How many requests may wait for something to happen on this node (fetches, produces, forwarded requests), of all clients and
    /// peers together; 10,000. What comes beyond is answered at once.
    pub waiting_requests_max: usize,
    /// What time it is at [`Instant`]`(0)`, in milliseconds since 1970: for the timestamps of metadata records.
    pub clock_origin_ms: i64,
}

impl NodeConfig {
    /// The configuration of a node with Kafka's defaults.
    pub fn new(
        node_id: NodeId,
        roles: Roles,
        cluster_id: impl Into<String>,
        directory_id: Uuid,
        voters: Vec<ReplicaKey>,
    ) -> Self {
        Self {
            node_id,
            roles,
            cluster_id: cluster_id.into(),
            directory_id,
            voters,
            listeners: Vec::new(),
            rack: None,
            quorum_election_timeout: Duration::from_millis(1_000),
            quorum_first_election_timeout_max: None,
            quorum_fetch_timeout: Duration::from_millis(2_000),
            quorum_election_backoff_max: Duration::from_millis(1_000),
            quorum_request_timeout: Duration::from_millis(2_000),
            quorum_retry_backoff: Duration::from_millis(20),
            quorum_fetch_wait_max: Duration::from_millis(500),
            quorum_pre_vote: true,
            quorum_fetch_max_bytes: 8 << 20,
            quorum_snapshot_chunk_bytes: 8 << 20,
            metadata_snapshot_bytes: 20 << 20,
            broker_session_timeout: Duration::from_millis(9_000),
            broker_heartbeat_interval: Duration::from_millis(2_000),
            broker_registration_backoff: Duration::from_millis(100),
            controller_request_timeout: Duration::from_millis(30_000),
            controlled_shutdown_timeout: Duration::from_secs(300),
            replica_lag_time_max: Duration::from_millis(30_000),
            replica_fetch_wait_max: Duration::from_millis(500),
            replica_fetch_backoff: Duration::from_millis(1_000),
            replica_fetch_min_bytes: 1,
            replica_fetch_max_bytes: 1 << 20,
            replica_fetch_response_max_bytes: 10 << 20,
            replica_socket_timeout: Duration::from_millis(30_000),
            alter_partition_retry: Duration::from_millis(50),
            high_watermark_checkpoint_interval: Duration::from_millis(5_000),
            min_insync_replicas: 1,
            unclean_leader_election_enable: false,
            default_replication_factor: 1,
            num_partitions: 1,
            leader_rebalance_interval: Some(Duration::from_secs(300)),
            metadata_records_per_batch_max: 10_000,
            last_known_leader_election: true,
            eligible_leader_replicas: true,
            metadata_version: MetadataVersion::DEFAULT,
            message_max_bytes: (1 << 20) + 12,
            log_segment_bytes: 1 << 30,
            log_index_interval_bytes: 4 << 10,
            log_retention_bytes: None,
            log_retention: Some(Duration::from_secs(7 * 24 * 3600)),
            log_retention_check_interval: Duration::from_secs(300),
            log_flush_interval_messages: None,
            producer_id_expiration: Duration::from_secs(24 * 3600),
            topic_defaults: BTreeMap::new(),
            waiting_requests_max: 10_000,
            clock_origin_ms: 0,
        }
    }

    /// A moment as a timestamp of records, in milliseconds since 1970.
    pub fn timestamp_ms(&self, moment: Instant) -> i64 {
        self.clock_origin_ms.saturating_add(i64::try_from(moment.0 / 1_000).unwrap_or(i64::MAX))
    }

    /// This node as a replica of the metadata log.
    pub fn replica_key(&self) -> ReplicaKey {
        ReplicaKey { id: self.node_id, directory: self.directory_id }
    }
}
