//! `partition.metadata`: the topic whose log a directory holds.

use highwater_core::Uuid;

use super::{SIZE_MAX, uuid};
use crate::disk::{Disk, join, read_whole, replace};
use crate::{Damage, LogError};

/// The file's name, in the directory of the log.
pub const NAME: &str = "partition.metadata";

/// Reads the bytes of the file; what was found instead, if they are none.
pub fn decode(bytes: &[u8]) -> Result<Uuid, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "bytes that are no UTF-8".to_owned())?;
    let mut lines = text.lines();
    let mut field = |name: &str| {
        let line = lines.next().unwrap_or_default();
        let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
        value.map(|value| value.trim().to_owned()).ok_or_else(|| format!("the line {line:?}"))
    };
    let version = field("version")?;
    if version != "0" {
        return Err(format!("version {version:?}"));
    }
    let topic = field("topic_id")?;
    uuid::parse(&topic).filter(|id| *id != Uuid::ZERO).ok_or_else(|| format!("topic_id {topic:?}"))
}

/// The bytes of the file.
pub fn encode(topic: Uuid) -> Vec<u8> {
    format!("version: 0\ntopic_id: {}", uuid::format(topic)).into_bytes()
}

/// Reads it; `None` if it is not there.
pub fn load<D: Disk>(disk: &D, directory: &str) -> Result<Option<Uuid>, LogError> {
    let path = join(directory, NAME);
    let bytes = read_whole(disk, &path, SIZE_MAX).map_err(LogError::io(&path, "read it"))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let decoded = decode(&bytes).map_err(|found| {
        let cure = "Restore the file, or remove the directory and let the replica be replicated anew.";
        Damage::new(&path, found, "version: 0 and the topic_id", cure)
    })?;
    Ok(Some(decoded))
}

/// Writes it.
pub fn save<D: Disk>(disk: &D, directory: &str, topic: Uuid) -> Result<(), LogError> {
    let path = join(directory, NAME);
    replace(disk, &path, &encode(topic)).map_err(LogError::io(&path, "replace it"))
}
