//! How a node starts: what its disk says is checked, recovered, and put together; then it runs.

use std::collections::BTreeMap;

use highwater_core::controller::{self, Controller, Image, MetadataVersion};
use highwater_core::partition::Partition;
use highwater_core::quorum::{self, ElectionState, Quorum, SnapshotId};
use highwater_core::{Dice, Instant, NO_EPOCH, Uuid};
use highwater_log::disk::Disk;
use highwater_log::{DataDirectory, METADATA};
use highwater_quorum::log::{LogSettings, QuorumLog};

use crate::broker::{Broker, ELR_FEATURE};
use crate::config::NodeConfig;
use crate::control::Control;
use crate::lifecycle::Lifecycle;
use crate::message::TopicPartition;
use crate::metadata::Metadata;
use crate::node::{Node, OpenError, Phase, Rules};
use crate::ports::{Fatal, Ports};
use crate::publish::partition_config;
use crate::replica::Replica;
use crate::store::{self, FoundReplica};

impl From<Fatal> for OpenError {
    fn from(Fatal(message): Fatal) -> Self {
        OpenError { place: "start".to_owned(), message }
    }
}

/// See [`Node::open`].
pub(crate) fn open<D: Disk>(
    config: NodeConfig,
    rules: Rules,
    disk: D,
    seed: u64,
    now: Instant,
) -> Result<Node<D>, OpenError> {
    check(&config)?;
    let store::Opened { mut directory, previous_broker_epoch, election, latest_snapshot } =
        store::open(&config, &disk)?;
    let mut ports = Ports::new(now, Dice::new(seed));
    let metadata = open_metadata(&config, rules.quorum, &directory, election, latest_snapshot, &mut ports)?;
    let control = config.roles.controller.then(|| {
        let (image, applied) = (metadata.image.clone(), metadata.applied);
        let dice = Dice::new(ports.dice.roll());
        let core = Controller::open(controller_config(&config), rules.controller, image, applied, dice, now);
        Control::new(core, config.waiting_requests_max)
    });
    let broker = if config.roles.broker {
        let replicas = open_replicas(&config, rules, &metadata.image, &mut directory, &mut ports)?;
        let incarnation = Uuid(u128::from(ports.dice.roll()) << 64 | u128::from(ports.dice.roll()));
        let lifecycle = Lifecycle::new(&config, incarnation, previous_broker_epoch, &mut ports);
        Some(Broker::new(lifecycle, replicas))
    } else {
        None
    };
    let mut node = Node {
        config,
        rules,
        directory,
        ports,
        metadata,
        control,
        broker,
        phase: Phase::Running,
        checkpoint_armed: None,
        retention_armed: None,
    };
    node.drain_quorum()?;
    node.checkpoint()?;
    node.retain()?;
    Ok(node)
}

/// Refuses what contradicts itself.
fn check(config: &NodeConfig) -> Result<(), OpenError> {
    let refuse = |place: &str, message: String| Err(OpenError { place: place.to_owned(), message });
    let id = config.node_id.0;
    if id < 0 {
        return refuse("node.id", format!("found {id}, expected 0 or more"));
    }
    if !config.roles.broker && !config.roles.controller {
        return refuse("process.roles", "found none, expected broker, controller or both".to_owned());
    }
    let votes = config.voters.iter().any(|voter| voter.id == config.node_id);
    match (config.roles.controller, votes) {
        (true, false) => refuse(
            "process.roles",
            format!(
                "found controller, but node {id} is none of controller.quorum.voters; add it there, or be a broker only"
            ),
        ),
        (false, true) => refuse(
            "process.roles",
            format!(
                "found broker only, but node {id} is one of controller.quorum.voters; take it out there, or be a controller too"
            ),
        ),
        _ => Ok(()),
    }
}

fn open_metadata<D: Disk>(
    config: &NodeConfig,
    rules: quorum::Rules,
    directory: &DataDirectory<D>,
    election: ElectionState,
    latest: Option<SnapshotId>,
    ports: &mut Ports,
) -> Result<Metadata<D>, OpenError> {
    // Before the log is opened, so that a damaged snapshot is refused before anything is mended.
    let loaded = latest.map(|latest| store::load_snapshot(directory.disk(), latest)).transpose()?;
    let log = store::open_metadata_log(directory, config, latest, ports)?;
    let dice = Dice::new(ports.dice.roll());
    let settings = quorum_config(config);
    let core = Quorum::open(settings, rules, election, log.view().clone(), latest, dice, ports.now);
    let core = core.map_err(|error| OpenError { place: METADATA.to_owned(), message: error.to_string() })?;
    let settings = LogSettings {
        fetch_bytes_max: config.quorum_fetch_max_bytes,
        snapshot_part_bytes: config.quorum_snapshot_chunk_bytes,
        snapshot_bytes: config.metadata_snapshot_bytes,
        clock_origin_ms: config.clock_origin_ms,
    };
    let mut metadata = Metadata::new(QuorumLog::new(settings, directory.disk().clone(), core, log));
    if let (Some(latest), Some((image, contained))) = (latest, loaded) {
        metadata.load(image, latest, contained);
    }
    Ok(metadata)
}

fn open_replicas<D: Disk>(
    config: &NodeConfig,
    rules: Rules,
    image: &Image,
    directory: &mut DataDirectory<D>,
    ports: &mut Ports,
) -> Result<BTreeMap<TopicPartition, Replica<D>>, OpenError> {
    let mut replicas = BTreeMap::new();
    for found in store::open_replicas(directory, config, image, ports)? {
        let FoundReplica { id, topic, log, high_watermark, settings } = found;
        let core_config = partition_config(config, settings.min_isr, NO_EPOCH.into());
        let core =
            Partition::open(core_config, rules.partition, log.view().clone(), high_watermark, ports.now);
        let mut replica = Replica::new(topic, log, core, settings);
        replica.open_producers(directory.clean_shutdown().is_some(), ports)?;
        replicas.insert(id, replica);
    }
    Ok(replicas)
}

fn quorum_config(config: &NodeConfig) -> quorum::Config {
    quorum::Config {
        me: config.replica_key(),
        voters: config.voters.clone(),
        election_timeout: config.quorum_election_timeout,
        fetch_timeout: config.quorum_fetch_timeout,
        election_backoff_max: config.quorum_election_backoff_max,
        request_timeout: config.quorum_request_timeout,
        retry_backoff: config.quorum_retry_backoff,
        fetch_max_wait_ms: u32::try_from(config.quorum_fetch_wait_max.as_millis()).unwrap_or(u32::MAX),
        first_election_timeout_max: config.quorum_first_election_timeout_max,
        pre_vote: config.quorum_pre_vote,
    }
}

fn controller_config(config: &NodeConfig) -> controller::Config {
    let mut bootstrap_features =
        BTreeMap::from([(MetadataVersion::FEATURE.to_owned(), config.metadata_version.0)]);
    if config.eligible_leader_replicas {
        bootstrap_features.insert(ELR_FEATURE.to_owned(), 1);
    }
    controller::Config {
        cluster: config.cluster_id.clone(),
        session_timeout: config.broker_session_timeout,
        rebalance_interval: config.leader_rebalance_interval,
        default_partitions: config.num_partitions,
        default_replication_factor: config.default_replication_factor,
        min_isr: config.min_insync_replicas,
        unclean_election: config.unclean_leader_election_enable,
        last_known_leader: config.last_known_leader_election,
        records_per_batch_max: config.metadata_records_per_batch_max,
        bootstrap_features,
    }
}
