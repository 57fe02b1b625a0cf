//! A data directory: whose it is, which logs it holds, and what it records about them.

use highwater_core::{NodeId, Offset, Uuid};

use crate::disk::Disk;
use crate::files::clean_shutdown::{self, CleanShutdown};
use crate::files::meta_properties::{self, MetaProperties};
use crate::files::offsets::{self, HIGH_WATERMARKS, LOG_STARTS, OffsetMap, RECOVERY_POINTS};
use crate::files::partition_metadata;
use crate::{Damage, Log, LogError, Recorded};

/// The directory of the metadata log.
pub const METADATA: &str = "__cluster_metadata-0";

/// A directory that is being removed ends in this.
const DELETED: &str = "-delete";

/// A data directory that is this node's, opened.
///
/// - While it is open there is no `.kafka_cleanshutdown`.
/// - An offset is recorded only of a log whose directory is there, and none is above an end that the log was cut to since.
#[derive(Debug)]
pub struct DataDirectory<D: Disk> {
    disk: D,
    properties: MetaProperties,
    clean: Option<CleanShutdown>,
    // As last read or written here. Logs lower their own offsets on disk by themselves, so none of these may be written back unread.
    recovery_points: OffsetMap,
    log_starts: OffsetMap,
    high_watermarks: OffsetMap,
}

/// The directory of a partition's log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionDirectory {
    /// The topic's name.
    pub topic: String,
    /// The partition's index.
    pub partition: i32,
    /// The topic's id, if it was written; of the metadata log it is known.
    pub topic_id: Option<Uuid>,
}

impl PartitionDirectory {
    /// The directory's name, relative to the data directory.
    pub fn name(&self) -> String {
        directory_name(&self.topic, self.partition)
    }
}

/// The name of the directory of a partition's log.
pub fn directory_name(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition}")
}

impl<D: Disk> DataDirectory<D> {
    /// Makes an empty directory this node's. Nothing happens if it already is.
    ///
    /// Refused if it is another's.
    pub fn format(disk: &D, properties: &MetaProperties) -> Result<(), LogError> {
        match meta_properties::load(disk)? {
            None => meta_properties::save(disk, properties),
            Some(found) => check(&found, &properties.cluster_id, properties.node_id),
        }
    }

    /// Opens the directory of this node.
    ///
    /// Refused if it was not formatted, or if it is another cluster's or node's; then nothing is changed. The marker of a clean stop is
    /// taken away: if a log is refused afterwards, [`DataDirectory::close`] puts it back, and the next try finds all as it was.
    pub fn open(disk: &D, cluster_id: &str, node_id: NodeId) -> Result<Self, LogError> {
        let Some(properties) = meta_properties::load(disk)? else {
            let cure = "Format the directory first, or mount the right one: a node that starts on an empty disk may have \
                        forgotten its votes.";
            return Err(Damage::new(meta_properties::NAME, "no such file", "that of this node", cure).into());
        };
        check(&properties, cluster_id, node_id)?;
        let recovery_points = offsets::load(disk, RECOVERY_POINTS)?;
        let log_starts = offsets::load(disk, LOG_STARTS)?;
        let high_watermarks = offsets::load(disk, HIGH_WATERMARKS)?;
        let directory = Self {
            disk: disk.clone(),
            properties,
            clean: None,
            recovery_points,
            log_starts,
            high_watermarks,
        };
        directory.partitions()?;
        let clean = clean_shutdown::take(disk)?;
        Ok(Self { clean, ..directory })
    }

    /// The disk.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// Whose it is.
    pub fn properties(&self) -> &MetaProperties {
        &self.properties
    }

    /// How the process before stopped, if it was in good order.
    pub fn clean_shutdown(&self) -> Option<CleanShutdown> {
        self.clean
    }

    /// What was recorded about the log in the directory `name` when this was opened or last wrote it, for [`Log::open`].
    pub fn recorded(&self, name: &str) -> Recorded {
        let offset = |map: &OffsetMap| map.get(name).copied().unwrap_or(0);
        Recorded {
            clean: self.clean.is_some(),
            recovery_point: offset(&self.recovery_points),
            start: offset(&self.log_starts),
            leaves_unflushed: false,
            base: None,
        }
    }

    /// The high watermark that was recorded of the log in the directory `name`; 0 if none was.
    pub fn high_watermark(&self, name: &str) -> Offset {
        self.high_watermarks.get(name).copied().unwrap_or(0)
    }

    /// The logs of partitions that it holds, by name. The metadata log is not among them.
    ///
    /// Refused if there is a directory that is no log's.
    pub fn partitions(&self) -> Result<Vec<PartitionDirectory>, LogError> {
        let mut found = Vec::new();
        for name in self.disk.list("").map_err(LogError::io("", "list the data directory"))? {
            let is_file = match self.disk.list(&name) {
                Ok(_) => false,
                Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => true,
                Err(error) => return Err(LogError::io(&name, "list it")(error)),
            };
            if is_file || name == METADATA || name.ends_with(DELETED) || name == "lost+found" {
                continue;
            }
            let parsed = name.rsplit_once('-').and_then(|(topic, partition)| {
                let partition = partition.parse().ok().filter(|index| *index >= 0)?;
                (!topic.is_empty() && directory_name(topic, partition) == name).then_some((topic, partition))
            });
            let Some((topic, partition)) = parsed else {
                let cure = "Move it out of the data directory, which holds logs only.";
                return Err(
                    Damage::new(&name, "a directory that is no log's", "TOPIC-PARTITION", cure).into()
                );
            };
            let topic_id = partition_metadata::load(&self.disk, &name)?;
            found.push(PartitionDirectory { topic: topic.to_owned(), partition, topic_id });
        }
        found.sort();
        Ok(found)
    }

    /// Makes the directory of a partition's log, with its topic's id. It is durable with the first flush of the log
    /// ([`Log::create`]). Whether there was none.
    ///
    /// Refused if it is there and another topic's of the same name.
    pub fn create(&mut self, topic: &str, partition: i32, topic_id: Uuid) -> Result<bool, LogError> {
        let name = directory_name(topic, partition);
        match partition_metadata::load(&self.disk, &name)? {
            Some(found) if found == topic_id => return Ok(false),
            Some(found) => {
                let found = format!("topic_id {}", crate::files::uuid::format(found));
                let expected = format!("that of the topic now: {}", crate::files::uuid::format(topic_id));
                let cure = "The topic was deleted and made anew: remove the directory.";
                return Err(Damage::new(&name, found, expected, cure).into());
            }
            // Whoever removed the directory by hand, as an error may tell to, left what was recorded about the log.
            None => self.forget(&[&name])?,
        }
        self.disk.create_directory(&name).map_err(LogError::io(&name, "make the directory"))?;
        partition_metadata::save(&self.disk, &name, topic_id)?;
        Ok(true)
    }

    /// Removes the logs in the directories of these names, and what is recorded about them.
    pub fn remove(&mut self, names: &[&str]) -> Result<(), LogError> {
        if names.is_empty() {
            return Ok(());
        }
        // What is recorded goes first: after a crash it must not be held against another log of this name.
        self.forget(names)?;
        for name in names {
            self.disk.remove_directory(name).map_err(LogError::io(name, "remove the directory"))?;
        }
        self.disk.sync_directory("").map_err(LogError::io("", "sync the data directory"))
    }

    /// Forgets what is recorded about the logs in these directories.
    fn forget(&mut self, names: &[&str]) -> Result<(), LogError> {
        for (file, offsets) in [
            (RECOVERY_POINTS, &mut self.recovery_points),
            (LOG_STARTS, &mut self.log_starts),
            (HIGH_WATERMARKS, &mut self.high_watermarks),
        ] {
            if names.iter().any(|name| offsets.contains_key(*name)) {
                *offsets = offsets::load(&self.disk, file)?;
                names.iter().for_each(|name| {
                    offsets.remove(*name);
                });
                offsets::save(&self.disk, file, offsets)?;
            }
        }
        Ok(())
    }

    /// Records how far these logs are flushed, where they start, and their high watermarks. Others stay as they were.
    pub fn checkpoint<'l>(
        &mut self,
        logs: impl IntoIterator<Item = (&'l Log<D>, Offset)>,
    ) -> Result<(), LogError> {
        let logs: Vec<_> = logs.into_iter().collect();
        // Starts first: a log that starts behind its recovery point is fine, the other way round it is not.
        self.log_starts = record(&self.disk, LOG_STARTS, &logs, |log, _| log.view().start())?;
        self.high_watermarks =
            record(&self.disk, HIGH_WATERMARKS, &logs, |_, high_watermark| high_watermark)?;
        self.recovery_points = record(&self.disk, RECOVERY_POINTS, &logs, |log, _| log.view().flushed())?;
        Ok(())
    }

    /// Says that all logs were closed: the last thing before a stop in good order. What was recorded about logs counts.
    pub fn close(self, broker_epoch: Option<i64>) -> Result<(), LogError> {
        clean_shutdown::note(&self.disk, CleanShutdown { broker_epoch })
    }
}

/// Records an offset of each of these logs in one of the files, which is left alone if it says so already.
fn record<D: Disk>(
    disk: &D,
    file: &str,
    logs: &[(&Log<D>, Offset)],
    of: impl Fn(&Log<D>, Offset) -> Offset,
) -> Result<OffsetMap, LogError> {
    // Logs lower their own offsets in the file: what was written last may not be what it says.
    let mut offsets = offsets::load(disk, file)?;
    let mut changed = false;
    for (log, high_watermark) in logs {
        let offset = of(log, *high_watermark);
        match offsets.get_mut(log.directory()) {
            Some(recorded) => {
                changed |= *recorded != offset;
                *recorded = offset;
            }
            None => {
                changed = true;
                offsets.insert(log.directory().to_owned(), offset);
            }
        }
    }
    if changed {
        offsets::save(disk, file, &offsets)?;
    }
    Ok(offsets)
}

fn check(found: &MetaProperties, cluster_id: &str, node_id: NodeId) -> Result<(), LogError> {
    let differs = |property: &str, found: String, expected: String| {
        let cure = "This is another's data directory: mount the right one, or correct the configuration.";
        let (found, expected) = (format!("{property}={found}"), format!("{property}={expected}"));
        Err(Damage::new(meta_properties::NAME, found, expected, cure).into())
    };
    if found.cluster_id != cluster_id {
        return differs("cluster.id", found.cluster_id.clone(), cluster_id.to_owned());
    }
    if found.node_id != node_id {
        return differs("node.id", found.node_id.0.to_string(), node_id.0.to_string());
    }
    Ok(())
}
