//! The files of a node, apart from segments: whose disk it is, elections, snapshots, checkpoints, the note of a clean stop.

use std::fmt::Display;

use bytes::Bytes;
use highwater_core::quorum::{ElectionState, ReplicaKey, SnapshotId};
use highwater_core::{LogView, NodeId, Offset, Uuid};
use highwater_log::disk::{self, Disk, File};
use highwater_log::files::offsets::{self, OffsetMap};
use highwater_log::{FlushPolicy, Log, LogConfig, Recorded, Recovery};

use crate::config::NodeConfig;
use crate::message::TopicPartition;
use crate::node::OpenError;
use crate::ports::{Fatal, Ports};

/// The directory of the metadata log.
pub(crate) const METADATA_DIRECTORY: &str = "__cluster_metadata-0";

const META_PROPERTIES: &str = "meta.properties";
const QUORUM_STATE: &str = "__cluster_metadata-0/quorum-state";
const CLEAN_STOP: &str = ".kafka_cleanshutdown";
const PARTITION_METADATA: &str = "partition.metadata";
const SMALL_FILE_MAX: u64 = 1 << 20;
const SNAPSHOT_MAX: u64 = 1 << 40;

/// A replica as it was found on disk.
pub(crate) struct FoundReplica<D: Disk> {
    pub(crate) id: TopicPartition,
    pub(crate) topic: String,
    pub(crate) log: Log<D>,
    pub(crate) high_watermark: Offset,
}

/// Offsets of all logs, as the checkpoints have them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Checkpoints {
    pub(crate) high_watermarks: OffsetMap,
    pub(crate) recovery_points: OffsetMap,
    pub(crate) log_starts: OffsetMap,
}

fn at<E: Display>(place: &str) -> impl Fn(E) -> OpenError {
    move |error| OpenError { place: place.to_owned(), message: error.to_string() }
}

fn fatal<E: Display>(place: &str) -> impl Fn(E) -> Fatal {
    move |error| Fatal::new(place, error)
}

// ---- whose disk it is ----

fn properties(config: &NodeConfig) -> Vec<(&'static str, String)> {
    vec![
        ("version", "1".to_owned()),
        ("cluster.id", config.cluster_id.clone()),
        ("node.id", config.node_id.0.to_string()),
        ("directory.id", format!("{:032x}", config.directory_id.0)),
    ]
}

/// See [`Node::format`](crate::Node::format).
pub(crate) fn format<D: Disk>(config: &NodeConfig, disk: &D) -> Result<(), OpenError> {
    let found = disk::read_whole(disk, META_PROPERTIES, SMALL_FILE_MAX).map_err(at(META_PROPERTIES))?;
    if found.is_some() {
        let message =
            "found the file, expected none: the disk is formatted already; use it as it is, or another";
        return Err(at(META_PROPERTIES)(message));
    }
    let lines: Vec<String> =
        properties(config).iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    disk::replace(disk, META_PROPERTIES, lines.concat().as_bytes()).map_err(at(META_PROPERTIES))
}

/// Refuses a disk that is not this node's.
pub(crate) fn check_meta_properties<D: Disk>(config: &NodeConfig, disk: &D) -> Result<(), OpenError> {
    let found = disk::read_whole(disk, META_PROPERTIES, SMALL_FILE_MAX).map_err(at(META_PROPERTIES))?;
    let Some(found) = found else {
        return Err(at(META_PROPERTIES)("found no such file: format the disk first"));
    };
    let text = String::from_utf8_lossy(&found);
    for (key, expected) in properties(config) {
        let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        if found != Some(expected.as_str()) {
            let found = found.unwrap_or("nothing");
            return Err(at(META_PROPERTIES)(format!("found {key} {found}, expected {expected}")));
        }
    }
    Ok(())
}

// ---- clean stops ----

/// The broker epoch of the last stop, if that was clean.
pub(crate) fn read_clean_stop<D: Disk>(disk: &D) -> Result<Option<i64>, OpenError> {
    let found = disk::read_whole(disk, CLEAN_STOP, SMALL_FILE_MAX).map_err(at(CLEAN_STOP))?;
    Ok(found.and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok()))
}

/// Notes a clean stop under this broker epoch.
pub(crate) fn note_clean_stop<D: Disk>(disk: &D, broker_epoch: i64) -> Result<(), Fatal> {
    disk::replace(disk, CLEAN_STOP, broker_epoch.to_string().as_bytes()).map_err(fatal(CLEAN_STOP))
}

/// Forgets the last clean stop.
pub(crate) fn forget_clean_stop<D: Disk>(disk: &D) -> Result<(), OpenError> {
    match disk.remove(CLEAN_STOP) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at(CLEAN_STOP)(error)),
        Ok(()) => disk.sync_directory("").map_err(at(CLEAN_STOP)),
    }
}

// ---- elections ----

pub(crate) fn read_election<D: Disk>(disk: &D) -> Result<ElectionState, OpenError> {
    let found = disk::read_whole(disk, QUORUM_STATE, SMALL_FILE_MAX).map_err(at(QUORUM_STATE))?;
    let Some(found) = found else { return Ok(ElectionState::default()) };
    let text = String::from_utf8_lossy(&found).into_owned();
    let mut fields = text.split_whitespace();
    let mut field = || fields.next().ok_or_else(|| at(QUORUM_STATE)("found too little"));
    let number = |text: &str| text.parse::<i32>().map_err(at(QUORUM_STATE));
    let (epoch, leader, voted) = (number(field()?)?, number(field()?)?, number(field()?)?);
    let directory = field()?.parse::<u128>().map_err(at(QUORUM_STATE))?;
    Ok(ElectionState {
        epoch,
        leader: (leader >= 0).then_some(NodeId(leader)),
        voted: (voted >= 0).then_some(ReplicaKey { id: NodeId(voted), directory: Uuid(directory) }),
    })
}

pub(crate) fn write_election<D: Disk>(disk: &D, state: &ElectionState) -> Result<(), Fatal> {
    let leader = state.leader.map_or(-1, |leader| leader.0);
    let (voted, directory) = state.voted.map_or((-1, 0), |voted| (voted.id.0, voted.directory.0));
    let text = format!("{} {leader} {voted} {directory}", state.epoch);
    disk::replace(disk, QUORUM_STATE, text.as_bytes()).map_err(fatal(QUORUM_STATE))
}

// ---- logs ----

fn log_config(config: &NodeConfig) -> LogConfig {
    LogConfig {
        segment_bytes: config.log_segment_bytes,
        index_interval_bytes: config.log_index_interval_bytes,
        flush: FlushPolicy::NEVER,
        ..LogConfig::default()
    }
}

/// Opens the metadata log, which begins where its latest snapshot ends if there is nothing else.
pub(crate) fn open_metadata_log<D: Disk>(
    disk: &D,
    config: &NodeConfig,
    latest: Option<SnapshotId>,
    clean: bool,
    ports: &mut Ports,
) -> Result<Log<D>, OpenError> {
    let recorded = Recorded {
        clean,
        recovery_point: recorded(disk, offsets::RECOVERY_POINTS)?
            .get(METADATA_DIRECTORY)
            .copied()
            .unwrap_or(0),
        start: recorded(disk, offsets::LOG_STARTS)?.get(METADATA_DIRECTORY).copied().unwrap_or(0),
        base: latest.map(|snapshot| (snapshot.end, snapshot.epoch)),
    };
    let opened = Log::open(disk, METADATA_DIRECTORY, log_config(config), recorded);
    let (log, recovery) = opened.map_err(at(METADATA_DIRECTORY))?;
    report(METADATA_DIRECTORY, &recovery, ports);
    Ok(log)
}

fn recorded<D: Disk>(disk: &D, name: &str) -> Result<OffsetMap, OpenError> {
    offsets::load(disk, name).map_err(at(name))
}

fn report(directory: &str, recovery: &Recovery, ports: &mut Ports) {
    if let Some(cut) = &recovery.cut {
        let (bytes, position, found) = (cut.bytes, cut.position, cut.found);
        ports.report(format!("{directory}: cut {bytes} bytes off {} from {position} on: {found}", cut.file));
    }
}

/// Opens the logs of all replicas that are on the disk.
pub(crate) fn open_replicas<D: Disk>(
    disk: &D,
    config: &NodeConfig,
    clean: bool,
    ports: &mut Ports,
) -> Result<Vec<FoundReplica<D>>, OpenError> {
    let recovery_points = recorded(disk, offsets::RECOVERY_POINTS)?;
    let log_starts = recorded(disk, offsets::LOG_STARTS)?;
    let high_watermarks = recorded(disk, offsets::HIGH_WATERMARKS)?;
    let mut found = Vec::new();
    for directory in disk.list("").map_err(at("the data directory"))? {
        let Some((topic, partition)) = parse_directory(&directory) else { continue };
        let path = disk::join(&directory, PARTITION_METADATA);
        let metadata = disk::read_whole(disk, &path, SMALL_FILE_MAX).map_err(at(&path))?;
        let Some(metadata) = metadata else {
            // It was being made when the node died: nothing can be in it.
            disk.remove_directory(&directory).map_err(at(&directory))?;
            disk.sync_directory("").map_err(at("the data directory"))?;
            continue;
        };
        let id = String::from_utf8(metadata)
            .ok()
            .and_then(|text| u128::from_str_radix(text.trim(), 16).ok())
            .ok_or_else(|| at(&path)("found no topic id"))?;
        let recorded = Recorded {
            clean,
            recovery_point: recovery_points.get(&directory).copied().unwrap_or(0),
            start: log_starts.get(&directory).copied().unwrap_or(0),
            base: None,
        };
        let (log, recovery) =
            Log::open(disk, &directory, log_config(config), recorded).map_err(at(&directory))?;
        report(&directory, &recovery, ports);
        found.push(FoundReplica {
            id: TopicPartition { topic: Uuid(id), partition },
            topic,
            log,
            high_watermark: high_watermarks.get(&directory).copied().unwrap_or(0),
        });
    }
    Ok(found)
}

/// The topic and index of which this is the directory.
fn parse_directory(name: &str) -> Option<(String, i32)> {
    if name == METADATA_DIRECTORY {
        return None;
    }
    let (topic, partition) = name.rsplit_once('-')?;
    Some((topic.to_owned(), partition.parse().ok().filter(|partition| *partition >= 0)?))
}

/// Makes the directory of a new replica: `partition.metadata` is what says that it is one.
pub(crate) fn create_replica<D: Disk>(
    disk: &D,
    config: &NodeConfig,
    topic: &str,
    id: TopicPartition,
) -> Result<(Log<D>, LogView), Fatal> {
    let directory = format!("{topic}-{}", id.partition);
    let opened = Log::open(disk, &directory, log_config(config), Recorded::default());
    let (log, _) = opened.map_err(fatal(&directory))?;
    let path = disk::join(&directory, PARTITION_METADATA);
    disk::replace(disk, &path, format!("{:032x}", id.topic.0).as_bytes()).map_err(fatal(&path))?;
    let view = log.view().clone();
    Ok((log, view))
}

/// Deletes a replica.
pub(crate) fn delete_replica<D: Disk>(disk: &D, log: Log<D>) -> Result<(), Fatal> {
    let directory = log.directory().to_owned();
    drop(log);
    // Without its metadata it is none any more, whatever is left of it after a crash.
    let path = disk::join(&directory, PARTITION_METADATA);
    disk.remove(&path).map_err(fatal(&path))?;
    disk.sync_directory(&directory).map_err(fatal(&directory))?;
    disk.remove_directory(&directory).map_err(fatal(&directory))?;
    disk.sync_directory("").map_err(fatal("the data directory"))
}

impl Checkpoints {
    /// Notes how far a log is.
    pub(crate) fn note<D: Disk>(&mut self, log: &Log<D>) {
        let (directory, view) = (log.directory(), log.view());
        self.recovery_points.insert(directory.to_owned(), view.flushed());
        if view.start() > 0 {
            self.log_starts.insert(directory.to_owned(), view.start());
        }
    }
}

/// Replaces the checkpoints.
pub(crate) fn save_checkpoints<D: Disk>(disk: &D, old: &Checkpoints, new: &Checkpoints) -> Result<(), Fatal> {
    let files = [
        (offsets::HIGH_WATERMARKS, &old.high_watermarks, &new.high_watermarks),
        (offsets::LOG_STARTS, &old.log_starts, &new.log_starts),
        (offsets::RECOVERY_POINTS, &old.recovery_points, &new.recovery_points),
    ];
    for (name, old, new) in files {
        if old != new {
            offsets::save(disk, name, new).map_err(fatal(name))?;
        }
    }
    Ok(())
}

// ---- snapshots ----

/// A snapshot that is being written.
#[derive(Debug)]
pub(crate) struct SnapshotFile<D: Disk> {
    disk: D,
    id: SnapshotId,
    file: D::File,
    size: u64,
}

/// Where a snapshot is.
pub(crate) fn snapshot_path(id: SnapshotId) -> String {
    format!("{METADATA_DIRECTORY}/{:020}-{:010}.checkpoint", id.end, id.epoch)
}

fn parse_snapshot(name: &str) -> Option<SnapshotId> {
    let (end, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
    Some(SnapshotId { end: end.parse().ok()?, epoch: epoch.parse().ok()? })
}

impl<D: Disk> SnapshotFile<D> {
    pub(crate) fn create(disk: &D, id: SnapshotId) -> Result<Self, Fatal> {
        let path = snapshot_path(id) + ".part";
        let file = disk.create(&path).map_err(fatal(&path))?;
        Ok(Self { disk: disk.clone(), id, file, size: 0 })
    }

    pub(crate) fn id(&self) -> SnapshotId {
        self.id
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        self.file.write_at(self.size, bytes).map_err(fatal(&snapshot_path(self.id)))?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<(), Fatal> {
        let path = snapshot_path(self.id);
        self.file.sync().map_err(fatal(&path))?;
        self.disk.rename(&(path.clone() + ".part"), &path).map_err(fatal(&path))?;
        self.disk.sync_directory(METADATA_DIRECTORY).map_err(fatal(&path))
    }
}

fn snapshots<D: Disk>(disk: &D) -> Vec<SnapshotId> {
    let names = disk.list(METADATA_DIRECTORY).unwrap_or_default();
    names.iter().filter_map(|name| parse_snapshot(name)).collect()
}

pub(crate) fn latest_snapshot<D: Disk>(disk: &D) -> Result<Option<SnapshotId>, OpenError> {
    Ok(snapshots(disk).into_iter().max())
}

pub(crate) fn delete_other_snapshots<D: Disk>(disk: &D, kept: SnapshotId) -> Result<(), Fatal> {
    for id in snapshots(disk).into_iter().filter(|id| *id != kept) {
        let path = snapshot_path(id);
        disk.remove(&path).map_err(fatal(&path))?;
    }
    Ok(())
}

pub(crate) fn read_snapshot<D: Disk>(disk: &D, id: SnapshotId) -> Result<Vec<u8>, Fatal> {
    let path = snapshot_path(id);
    let bytes = disk::read_whole(disk, &path, SNAPSHOT_MAX).map_err(fatal(&path))?;
    bytes.ok_or_else(|| fatal(&path)("found no such file"))
}

pub(crate) fn read_snapshot_part<D: Disk>(
    disk: &D,
    id: SnapshotId,
    position: u64,
    length: usize,
) -> Result<Option<(u64, Bytes)>, Fatal> {
    let path = snapshot_path(id);
    let file = match disk.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fatal(&path)(error)),
    };
    let size = file.size().map_err(fatal(&path))?;
    let left = usize::try_from(size.saturating_sub(position)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; left.min(length)];
    let read = file.read_at(position, &mut bytes).map_err(fatal(&path))?;
    bytes.truncate(read);
    Ok(Some((size, bytes.into())))
}
