//! Snapshots of the metadata log (KIP-630): `OFFSET-EPOCH.checkpoint`, batches between a header and a footer.
//!
//! Whether it is taken here or comes from the leader piece by piece, a snapshot grows under another name (`.part`), and gets its own
//! when it is whole, checked and durable. So one that has the name can be used.

use highwater_core::batch::{self, BatchBuilder, BatchError, ControlRecord, HEADER_SIZE, control_batch};
use highwater_core::quorum::SnapshotId;
use highwater_core::{Offset, batch::Record};

use crate::disk::{Disk, File, join};
use crate::{Damage, LogError};

const SUFFIX: &str = ".checkpoint";
const PART: &str = ".checkpoint.part";
/// A batch of a snapshot takes about so many bytes.
const BATCH_SIZE: usize = 1 << 16;

const CURE: &str = "Remove it: an older snapshot and the log, or the leader, have what is needed.";

/// The name of a snapshot's file.
pub fn name(id: SnapshotId) -> String {
    format!("{:020}-{:010}{SUFFIX}", id.end, id.epoch)
}

/// The snapshot that a file's name says it is.
pub fn parse_name(name: &str) -> Option<SnapshotId> {
    let (end, rest) = name.split_at_checked(20)?;
    let epoch = rest.strip_prefix('-')?.strip_suffix(SUFFIX)?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if epoch.len() != 10 || !is_number(end) || !is_number(epoch) {
        return None;
    }
    Some(SnapshotId { end: end.parse().ok()?, epoch: epoch.parse().ok()? })
}

/// The bytes of a snapshot that holds these records (their values, in order). Timestamps are in milliseconds since 1970; the last
/// contained is that of the log's last record in it.
pub fn encode<V: AsRef<[u8]>>(
    id: SnapshotId,
    now: i64,
    last_contained_timestamp: i64,
    values: impl IntoIterator<Item = V>,
) -> Vec<u8> {
    let header = ControlRecord::SnapshotHeader { last_contained_timestamp };
    let mut bytes = control_batch(0, id.epoch, now, &[header]);
    let mut end: Offset = 1;
    let mut records = BatchBuilder::new(end, id.epoch);
    for value in values {
        records.record(now, None, Some(value.as_ref()));
        if records.size() >= BATCH_SIZE {
            end += i64::from(records.count());
            let full = std::mem::replace(&mut records, BatchBuilder::new(end, id.epoch));
            bytes.extend_from_slice(&full.build());
        }
    }
    if records.count() > 0 {
        end += i64::from(records.count());
        bytes.extend_from_slice(&records.build());
    }
    bytes.extend_from_slice(&control_batch(end, id.epoch, now, &[ControlRecord::SnapshotFooter]));
    bytes
}

/// Goes through the bytes of a snapshot: sound batches, the header first, the footer last. `take` gets the records between, but no
/// control records. The last contained timestamp, or what was found instead, and at which byte.
pub fn decode(bytes: &[u8], mut take: impl FnMut(&Record<'_>)) -> Result<i64, (u64, String)> {
    let mut batches = batch::batches(bytes);
    let mut last_contained = None;
    let mut footer = false;
    loop {
        let position = batches.position() as u64;
        let fault = |found: &dyn std::fmt::Display| (position, found.to_string());
        let Some(batch) = batches.next() else { break };
        let batch = batch.map_err(|error| fault(&error))?;
        if footer {
            return Err(fault(&"a batch behind the footer"));
        }
        let is_control = batch.header().is_control();
        if last_contained.is_none() && !is_control {
            return Err(fault(&"a batch before the header"));
        }
        for (index, record) in (0..).zip(batch.records().map_err(|error| fault(&error))?) {
            let record = record.map_err(|error| fault(&BatchError::Record { index, error }))?;
            if footer {
                return Err(fault(&"a record behind the footer"));
            }
            if !is_control {
                take(&record);
                continue;
            }
            match ControlRecord::decode(&record).map_err(|error| fault(&error))? {
                ControlRecord::SnapshotHeader { last_contained_timestamp } if last_contained.is_none() => {
                    last_contained = Some(last_contained_timestamp);
                }
                ControlRecord::SnapshotHeader { .. } => return Err(fault(&"a second header")),
                _ if last_contained.is_none() => return Err(fault(&"another record before the header")),
                ControlRecord::SnapshotFooter => footer = true,
                // Voters and their protocol's version (KIP-853): static here, so of no use.
                _ => {}
            }
        }
    }
    match last_contained {
        Some(timestamp) if footer => Ok(timestamp),
        Some(_) => Err((bytes.len() as u64, "no footer".to_owned())),
        None => Err((0, "no header".to_owned())),
    }
}

/// The snapshots of a log, oldest first.
pub fn list<D: Disk>(disk: &D, directory: &str) -> Result<Vec<SnapshotId>, LogError> {
    match disk.list(directory) {
        Ok(names) => Ok(names.iter().filter_map(|name| parse_name(name)).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(LogError::io(directory, "list it")(error)),
    }
}

/// Removes what is left of snapshots that never became whole.
pub fn remove_parts<D: Disk>(disk: &D, directory: &str) -> Result<(), LogError> {
    for name in disk.list(directory).map_err(LogError::io(directory, "list it"))? {
        if name.ends_with(PART) {
            let path = join(directory, &name);
            disk.remove(&path).map_err(LogError::io(&path, "remove it"))?;
        }
    }
    Ok(())
}

/// Removes a snapshot.
pub fn remove<D: Disk>(disk: &D, directory: &str, id: SnapshotId) -> Result<(), LogError> {
    let path = join(directory, &name(id));
    disk.remove(&path).map_err(LogError::io(&path, "remove it"))?;
    disk.sync_directory(directory).map_err(LogError::io(directory, "sync the directory"))
}

/// A snapshot that can be read.
#[derive(Debug)]
pub struct SnapshotReader<D: Disk> {
    path: String,
    file: D::File,
    size: u64,
}

/// A snapshot that is being written.
#[derive(Debug)]
pub struct SnapshotWriter<D: Disk> {
    disk: D,
    directory: String,
    id: SnapshotId,
    path: String,
    file: D::File,
    size: u64,
}

impl<D: Disk> SnapshotReader<D> {
    /// Opens one that is there; `None` if it is not.
    pub fn open(disk: &D, directory: &str, id: SnapshotId) -> Result<Option<Self>, LogError> {
        let path = join(directory, &name(id));
        let file = match disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LogError::io(&path, "open it")(error)),
        };
        let size = file.size().map_err(LogError::io(&path, "read its size"))?;
        Ok(Some(Self { path, file, size }))
    }

    /// How many bytes it holds.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// At most `bytes_max` bytes from `position` on, for a follower that asks for them.
    pub fn read_at(&self, position: u64, bytes_max: usize) -> Result<Vec<u8>, LogError> {
        let left = usize::try_from(self.size.saturating_sub(position)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; bytes_max.min(left)];
        let read = self.file.read_at(position, &mut bytes).map_err(LogError::io(&self.path, "read it"))?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// All of it, checked: `take` gets the records. The last contained timestamp.
    pub fn load(&self, take: impl FnMut(&Record<'_>)) -> Result<i64, LogError> {
        let bytes = self.read_at(0, usize::MAX)?;
        check(&self.path, &bytes, take)
    }
}

impl<D: Disk> SnapshotWriter<D> {
    /// Begins one.
    pub fn create(disk: &D, directory: &str, id: SnapshotId) -> Result<Self, LogError> {
        let path = format!("{}.part", join(directory, &name(id)));
        let file = disk.create(&path).map_err(LogError::io(&path, "create it"))?;
        Ok(Self { disk: disk.clone(), directory: directory.to_owned(), id, path, file, size: 0 })
    }

    /// Which.
    pub fn id(&self) -> SnapshotId {
        self.id
    }

    /// How many bytes it has so far: where the next ones go.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes at its end.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        self.file.write_at(self.size, bytes).map_err(LogError::io(&self.path, "write it"))?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Checks it, makes it durable and gives it its name. If it is not sound it does not get it.
    pub fn finish(self) -> Result<(), LogError> {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let mut bytes = vec![0; size];
        let read = self.file.read_at(0, &mut bytes).map_err(LogError::io(&self.path, "read it"))?;
        check(&self.path, &bytes[..read], |_| {})?;
        self.file.sync().map_err(LogError::io(&self.path, "sync it"))?;
        let path = join(&self.directory, &name(self.id));
        self.disk.rename(&self.path, &path).map_err(LogError::io(&self.path, "rename it"))?;
        self.disk.sync_directory(&self.directory).map_err(LogError::io(&self.directory, "sync the directory"))
    }
}

fn check(path: &str, bytes: &[u8], take: impl FnMut(&Record<'_>)) -> Result<i64, LogError> {
    decode(bytes, take).map_err(|(position, found)| {
        let expected =
            if bytes.len() < HEADER_SIZE { "batches" } else { "sound batches from a header to a footer" };
        Damage::new(path, found, expected, CURE).at(position).into()
    })
}
