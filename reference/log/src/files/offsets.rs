//! The offset checkpoints of a data directory: an offset for each log, by the name of its directory.

use std::collections::BTreeMap;

use highwater_core::Offset;

use super::checkpoint;
use crate::disk::{Disk, read_whole, replace};
use crate::{Damage, LogError};

/// Up to where each log is flushed.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// Where each log starts, if not with its first segment.
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// The high watermark of each log.
pub const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";

/// Offsets by the log's directory, such as `topic-0`.
pub type OffsetMap = BTreeMap<String, Offset>;

/// Reads the bytes of such a file; what was found instead, if they are none.
pub fn decode(bytes: &[u8]) -> Result<OffsetMap, String> {
    let mut offsets = OffsetMap::new();
    for line in checkpoint::parse(bytes)? {
        let mut fields = line.split_whitespace();
        let entry = (|| {
            let topic = fields.next()?;
            let partition: u32 = fields.next()?.parse().ok()?;
            let offset: Offset = fields.next()?.parse().ok().filter(|offset| *offset >= 0)?;
            fields.next().is_none().then(|| (format!("{topic}-{partition}"), offset))
        })();
        let (name, offset) = entry.ok_or_else(|| format!("the line {line:?}"))?;
        if offsets.insert(name, offset).is_some() {
            return Err(format!("a second entry in the line {line:?}"));
        }
    }
    Ok(offsets)
}

/// The bytes of such a file. Names that are no topic and partition are left out.
pub fn encode(offsets: &OffsetMap) -> Vec<u8> {
    let line = |(name, offset): (&String, &Offset)| {
        let (topic, partition) = name.rsplit_once('-')?;
        Some(format!("{topic} {partition} {offset}"))
    };
    let lines: Vec<String> = offsets.iter().filter_map(line).collect();
    checkpoint::format(lines.into_iter())
}

/// Reads one of these files; empty if it is not there.
pub fn load<D: Disk>(disk: &D, name: &str) -> Result<OffsetMap, LogError> {
    let bytes = read_whole(disk, name, checkpoint::SIZE_MAX).map_err(LogError::io(name, "read it"))?;
    decode(&bytes.unwrap_or_default()).map_err(|found| {
        let cure = "Remove it: logs are then looked through from their last segment on, and high watermarks are found anew.";
        Damage::new(name, found, checkpoint::EXPECTED, cure).into()
    })
}

/// Replaces one of these files.
pub fn save<D: Disk>(disk: &D, name: &str, offsets: &OffsetMap) -> Result<(), LogError> {
    replace(disk, name, &encode(offsets)).map_err(LogError::io(name, "replace it"))
}

/// Lowers the offset of one log, if it is above `offset`.
pub(crate) fn lower<D: Disk>(disk: &D, name: &str, log: &str, offset: Offset) -> Result<(), LogError> {
    let mut offsets = load(disk, name)?;
    match offsets.get_mut(log) {
        Some(recorded) if *recorded > offset => {
            *recorded = offset;
            save(disk, name, &offsets)
        }
        _ => Ok(()),
    }
}
