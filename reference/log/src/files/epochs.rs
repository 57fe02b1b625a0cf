//! `leader-epoch-checkpoint`: where each leader epoch begins in a log.

use highwater_core::{EpochCache, EpochStart, LogView};

use super::checkpoint;
use crate::LogError;
use crate::disk::{Disk, join, read_whole, replace_soon};

/// The file's name, in the directory of the log.
pub const NAME: &str = "leader-epoch-checkpoint";

/// Reads the bytes of the file; what was found instead, if they are none.
pub fn decode(bytes: &[u8]) -> Result<EpochCache, String> {
    let mut starts = Vec::new();
    for line in checkpoint::parse(bytes)? {
        let mut fields = line.split_whitespace();
        let entry = (|| {
            let epoch = fields.next()?.parse().ok().filter(|epoch| *epoch >= 0)?;
            let start = fields.next()?.parse().ok().filter(|start| *start >= 0)?;
            fields.next().is_none().then_some(EpochStart { epoch, start })
        })();
        starts.push(entry.ok_or_else(|| format!("the line {line:?}"))?);
    }
    EpochCache::from_starts(starts).ok_or_else(|| "epochs or offsets that do not grow".to_owned())
}

/// The bytes of the file.
pub fn encode(epochs: &EpochCache) -> Vec<u8> {
    checkpoint::format(epochs.starts().iter().map(|entry| format!("{} {}", entry.epoch, entry.start)))
}

/// What is saved of a log: its epochs, and before them that of the record before its start, if that is known.
pub(crate) fn of(view: &LogView) -> EpochCache {
    let (base_epoch, before) = (view.base_epoch(), view.start() - 1);
    let mut starts = Vec::new();
    if base_epoch >= 0 && before >= 0 {
        starts.push(EpochStart { epoch: base_epoch, start: before });
    }
    starts.extend(view.epochs().starts().iter().filter(|entry| entry.epoch > base_epoch));
    EpochCache::from_starts(starts).unwrap_or_default()
}

/// Reads it; `None` if it is not there or is damaged, since the batches say the same.
pub(crate) fn load<D: Disk>(disk: &D, directory: &str) -> Result<Option<EpochCache>, LogError> {
    let path = join(directory, NAME);
    let bytes = read_whole(disk, &path, checkpoint::SIZE_MAX).map_err(LogError::io(&path, "read it"))?;
    Ok(bytes.and_then(|bytes| decode(&bytes).ok()))
}

/// Saves it: durable soon, since the batches say the same.
pub(crate) fn save<D: Disk>(disk: &D, directory: &str, epochs: &EpochCache) -> Result<(), LogError> {
    let path = join(directory, NAME);
    replace_soon(disk, &path, &encode(epochs)).map_err(LogError::io(&path, "replace it"))
}
