//! `OFFSET.snapshot`: the producers of a log as of its records below this offset (KIP-98).
//!
//! One is written when a segment ends, and one when the log is closed. Opening a log takes the newest that can be used, and the batches
//! behind it: [`LogProducers`](crate::LogProducers).

use highwater_core::Offset;
use highwater_core::producer::Snapshot;

use crate::disk::{Disk, join, read_whole, replace};
use crate::{Damage, LogError};

const SUFFIX: &str = ".snapshot";

/// No snapshot is larger: 46 bytes for each of a million producers are less.
const SIZE_MAX: u64 = 64 << 20;

const CURE: &str = "Remove it: an older one and the log have what is needed.";

/// The name of the file.
pub fn name(offset: Offset) -> String {
    format!("{offset:020}{SUFFIX}")
}

/// The offset that a file's name says.
pub fn parse_name(name: &str) -> Option<Offset> {
    let digits = name.strip_suffix(SUFFIX)?;
    let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// The snapshots in the directory of a log, oldest first.
pub fn list<D: Disk>(disk: &D, directory: &str) -> Result<Vec<Offset>, LogError> {
    match disk.list(directory) {
        Ok(names) => Ok(names.iter().filter_map(|name| parse_name(name)).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(LogError::io(directory, "list it")(error)),
    }
}

/// Reads one.
///
/// # Errors
/// If it is damaged, or not there.
pub fn load<D: Disk>(disk: &D, directory: &str, offset: Offset) -> Result<Snapshot, LogError> {
    let path = join(directory, &name(offset));
    let damage = |found: String| Damage::new(&path, found, "a producer snapshot of version 1", CURE).into();
    let bytes = match read_whole(disk, &path, SIZE_MAX) {
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            return Err(damage(error.to_string()));
        }
        read => read.map_err(LogError::io(&path, "read it"))?,
    };
    let bytes = bytes.ok_or_else(|| damage("no file".to_owned()))?;
    Snapshot::decode(&bytes).map_err(|error| damage(error.to_string()))
}

/// Writes one, durably.
pub fn save<D: Disk>(disk: &D, directory: &str, offset: Offset, snapshot: &Snapshot) -> Result<(), LogError> {
    let path = join(directory, &name(offset));
    replace(disk, &path, &snapshot.encode()).map_err(LogError::io(&path, "replace it"))
}

/// Removes these, durably.
pub fn remove<D: Disk>(disk: &D, directory: &str, offsets: &[Offset]) -> Result<(), LogError> {
    if offsets.is_empty() {
        return Ok(());
    }
    for offset in offsets {
        let path = join(directory, &name(*offset));
        match disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(LogError::io(&path, "remove it")(error));
            }
            _ => {}
        }
    }
    disk.sync_directory(directory).map_err(LogError::io(directory, "sync the directory"))
}
