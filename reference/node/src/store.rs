//! The disk of a node: whose it is, the logs that are on it, and what is noted beside them.

use std::sync::Arc;

use highwater_core::batch::Record;
use highwater_core::controller::{Image, MetadataRecord, MetadataVersion};
use highwater_core::quorum::{ElectionState, SnapshotId};
use highwater_core::{NodeId, Offset, Uuid};
use highwater_log::disk::{Disk, join};
use highwater_log::files::clean_shutdown::{self, CleanShutdown};
use highwater_log::files::meta_properties::{self, MetaProperties};
use highwater_log::files::snapshot::{self, SnapshotReader};
use highwater_log::files::{partition_metadata, quorum_state, uuid};
use highwater_log::{
    DataDirectory, Log, LogConfig, LogError, METADATA, PartitionDirectory, Recorded, Recovery, directory_name,
};

use crate::config::NodeConfig;
use crate::message::TopicPartition;
use crate::node::OpenError;
use crate::ports::{Fatal, Ports};
use crate::settings::TopicSettings;

/// A replica as it was found on disk.
pub(crate) struct FoundReplica<D: Disk> {
    pub(crate) id: TopicPartition,
    pub(crate) topic: String,
    pub(crate) log: Log<D>,
    pub(crate) high_watermark: Offset,
    pub(crate) settings: Arc<TopicSettings>,
}

/// What is noted on a disk beside logs.
pub(crate) struct Opened<D: Disk> {
    pub(crate) directory: DataDirectory<D>,
    /// The broker epoch of the last stop, if that was clean and the broker had one; else -1.
    pub(crate) previous_broker_epoch: i64,
    pub(crate) election: ElectionState,
    pub(crate) latest_snapshot: Option<SnapshotId>,
}

impl From<LogError> for Fatal {
    fn from(error: LogError) -> Self {
        Fatal(error.to_string())
    }
}

impl From<highwater_quorum::Fatal> for Fatal {
    fn from(highwater_quorum::Fatal(why): highwater_quorum::Fatal) -> Self {
        Fatal(why)
    }
}

impl From<LogError> for OpenError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Damaged(damage) => {
                let position = damage.position.map_or_else(String::new, |at| format!("at byte {at} "));
                let (found, expected, cure) = (&damage.found, &damage.expected, &damage.cure);
                let message = format!("{position}found {found}, expected {expected}. {cure}");
                OpenError { place: damage.file, message }
            }
            LogError::Io { file, doing, error } => {
                let message = format!("could not {doing}: {error}. {}", highwater_log::cure(&error));
                OpenError { place: file, message }
            }
            error => OpenError { place: "the data directory".to_owned(), message: error.to_string() },
        }
    }
}

// ---- whose disk it is ----

/// See [`Node::format`](crate::Node::format).
pub(crate) fn format<D: Disk>(config: &NodeConfig, disk: &D) -> Result<(), OpenError> {
    let properties = MetaProperties {
        cluster_id: config.cluster_id.clone(),
        node_id: config.node_id,
        directory_id: Some(config.directory_id),
    };
    check_directory_id(config, disk)?;
    Ok(DataDirectory::format(disk, &properties)?)
}

/// Opens the node's own disk. Whatever is refused is refused before anything is changed.
pub(crate) fn open<D: Disk>(config: &NodeConfig, disk: &D) -> Result<Opened<D>, OpenError> {
    check_directory_id(config, disk)?;
    let election = quorum_state::load(disk, METADATA)?.unwrap_or_default();
    let latest_snapshot = snapshot::list(disk, METADATA)?.into_iter().max();
    let directory = DataDirectory::open(disk, &config.cluster_id, config.node_id)?;
    let previous_broker_epoch = directory.clean_shutdown().and_then(|clean| clean.broker_epoch).unwrap_or(-1);
    Ok(Opened { directory, previous_broker_epoch, election, latest_snapshot })
}

/// Refuses a directory of another id, if it is this node's otherwise.
fn check_directory_id<D: Disk>(config: &NodeConfig, disk: &D) -> Result<(), OpenError> {
    let found = meta_properties::load(disk)?.filter(|found| found.node_id == config.node_id);
    match found.and_then(|found| found.directory_id) {
        Some(found) if found != config.directory_id => {
            let (found, expected) = (uuid::format(found), uuid::format(config.directory_id));
            let message = format!(
                "found directory.id={found}, expected directory.id={expected}. This is another disk than \
                 controller.quorum.voters knows this node by: mount the right one, or correct the configuration."
            );
            Err(OpenError { place: meta_properties::NAME.to_owned(), message })
        }
        _ => Ok(()),
    }
}

// ---- notes ----

/// Notes a clean stop under this broker epoch.
pub(crate) fn note_clean_stop<D: Disk>(disk: &D, broker_epoch: Option<i64>) -> Result<(), Fatal> {
    Ok(clean_shutdown::note(disk, CleanShutdown { broker_epoch })?)
}

// ---- logs ----

/// Opens the metadata log.
pub(crate) fn open_metadata_log<D: Disk>(
    directory: &DataDirectory<D>,
    config: &NodeConfig,
    latest: Option<SnapshotId>,
    ports: &mut Ports,
) -> Result<Log<D>, OpenError> {
    let mut recorded = directory.recorded(METADATA);
    recorded.base = latest.map(|snapshot| (snapshot.end, snapshot.epoch));
    // What of the metadata log may go, snapshots say.
    let settings = LogConfig {
        segment_bytes: config.log_segment_bytes,
        index_interval_bytes: config.log_index_interval_bytes,
        ..LogConfig::default()
    };
    let (log, recovery) = Log::open(directory.disk(), METADATA, settings, recorded)?;
    report(METADATA, &recovery, ports);
    Ok(log)
}

/// Opens the logs of all replicas that are on the disk. Nothing of them is synced for that: what was not flushed is not, as before.
pub(crate) fn open_replicas<D: Disk>(
    directory: &mut DataDirectory<D>,
    config: &NodeConfig,
    image: &Image,
    ports: &mut Ports,
) -> Result<Vec<FoundReplica<D>>, OpenError> {
    let partitions = directory.partitions()?;
    // What was being made or removed when the node died: nothing is in it that anybody could miss.
    let leftovers: Vec<String> =
        partitions.iter().filter(|found| found.topic_id.is_none()).map(PartitionDirectory::name).collect();
    directory.remove(&leftovers.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut found: Vec<FoundReplica<D>> = Vec::new();
    for partition in partitions {
        let name = partition.name();
        let Some(topic_id) = partition.topic_id else { continue };
        let recorded = Recorded { leaves_unflushed: true, ..directory.recorded(&name) };
        // The partitions of a topic follow one another.
        let known = found.last().filter(|last| last.topic == partition.topic);
        let settings = known.map_or_else(
            || Arc::new(TopicSettings::of(config, image, &partition.topic)),
            |last| last.settings.clone(),
        );
        let (log, recovery) = Log::open(directory.disk(), &name, settings.log.clone(), recorded)?;
        report(&name, &recovery, ports);
        found.push(FoundReplica {
            id: TopicPartition { topic: topic_id, partition: partition.partition },
            topic: partition.topic,
            log,
            high_watermark: directory.high_watermark(&name),
            settings,
        });
    }
    Ok(found)
}

/// Says what was cut.
fn report(directory: &str, recovery: &Recovery, ports: &mut Ports) {
    if let Some(cut) = &recovery.cut {
        let (file, position, bytes, found) = (&cut.file, cut.position, cut.bytes, cut.found);
        ports.report(format!("{directory}: cut {bytes} bytes off {file} from byte {position} on: {found}"));
    }
}

/// Makes the log of a new replica.
pub(crate) fn create_replica<D: Disk>(
    directory: &mut DataDirectory<D>,
    settings: LogConfig,
    topic: &str,
    id: TopicPartition,
) -> Result<Log<D>, Fatal> {
    let is_new = directory.create(topic, id.partition, id.topic)?;
    let name = directory_name(topic, id.partition);
    if is_new {
        return Ok(Log::create(directory.disk(), &name, settings)?);
    }
    let (log, _) = Log::open(directory.disk(), &name, settings, directory.recorded(&name))?;
    Ok(log)
}

/// Deletes the logs of replicas.
pub(crate) fn delete_replicas<D: Disk>(
    directory: &mut DataDirectory<D>,
    logs: Vec<Log<D>>,
) -> Result<(), Fatal> {
    let names: Vec<String> = logs.iter().map(|log| log.directory().to_owned()).collect();
    drop(logs);
    for name in &names {
        // Without its topic's id it is no log any more, whatever a crash leaves of it.
        let path = join(name, partition_metadata::NAME);
        let removed = directory.disk().remove(&path).and_then(|()| directory.disk().sync_directory(name));
        removed.map_err(|error| Fatal::new(path, error))?;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(directory.remove(&names)?)
}

// ---- snapshots ----

/// The bytes of a snapshot of an image. `contained` is the timestamp of the last record in it, in milliseconds since 1970, like `now`.
pub(crate) fn snapshot_of(id: SnapshotId, image: &Image, now: i64, contained: i64) -> Vec<u8> {
    let version = image.metadata_version().unwrap_or(MetadataVersion::DEFAULT);
    let encode = |record: MetadataRecord| {
        let mut value = Vec::new();
        record.encode(version.of(&record), &mut value);
        value
    };
    snapshot::encode(id, now, contained, image.records().into_iter().map(encode))
}

/// What a snapshot adds up to, and the timestamp of the last record in it.
pub(crate) fn load_snapshot<D: Disk>(disk: &D, id: SnapshotId) -> Result<(Image, i64), Fatal> {
    let name = snapshot::name(id);
    let reader = SnapshotReader::open(disk, METADATA, id)?;
    let reader =
        reader.ok_or_else(|| Fatal::new(&name, "found no such file, expected the latest snapshot"))?;
    let mut image = Image::default();
    let mut failed = None;
    let contained = reader.load(|record: &Record<'_>| {
        if failed.is_none() {
            failed = apply(&mut image, record).err();
        }
    })?;
    match failed {
        None => Ok((image, contained)),
        Some(why) => Err(Fatal::new(&name, why)),
    }
}

fn apply(image: &mut Image, record: &Record<'_>) -> Result<(), String> {
    let decoded = MetadataRecord::decode(record.value.unwrap_or_default());
    let decoded = decoded.map_err(|error| format!("record {}: {error}", record.offset))?;
    image.apply(&decoded).map_err(|error| format!("record {}: {error}", record.offset))?;
    Ok(())
}

/// A node and a topic id as people read them.
pub(crate) fn told(leader: NodeId, topic: Uuid, partition: i32) -> String {
    format!("what {leader} answered on partition {partition} of {}", uuid::format(topic))
}
