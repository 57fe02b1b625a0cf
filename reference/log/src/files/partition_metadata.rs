//! `partition.metadata`: the topic whose log a directory holds.

use highwater_core::Uuid;

use super::{SIZE_MAX, uuid};
use crate::disk::{Disk, File, join, read_whole};
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

/// What the file begins with.
const FRONT: &str = "version: 0\ntopic_id: ";
/// How many characters an id has.
const ID_LENGTH: usize = 22;

/// Whether a crash may have left this of a file that was being written: a part of its front, and zeros where bytes never came.
fn is_torn(bytes: &[u8]) -> bool {
    let written = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    match bytes[..written].strip_prefix(FRONT.as_bytes()) {
        None => FRONT.as_bytes().starts_with(&bytes[..written]),
        Some(id) => {
            let is_of_an_id = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            id.len() < ID_LENGTH && id.iter().all(is_of_an_id)
        }
    }
}

/// Reads it; `None` if it is not there, or was being written when the machine crashed: it is durable before anything else of the log is.
pub fn load<D: Disk>(disk: &D, directory: &str) -> Result<Option<Uuid>, LogError> {
    let path = join(directory, NAME);
    let bytes = read_whole(disk, &path, SIZE_MAX).map_err(LogError::io(&path, "read it"))?;
    let Some(bytes) = bytes.filter(|bytes| !is_torn(bytes)) else { return Ok(None) };
    let decoded = decode(&bytes).map_err(|found| {
        let cure = "Restore the file, or remove the directory and let the replica be replicated anew.";
        Damage::new(&path, found, "version: 0 and the topic_id", cure)
    })?;
    Ok(Some(decoded))
}

/// Writes it, of a directory that has none. It is durable with the first flush of the log.
pub fn save<D: Disk>(disk: &D, directory: &str, topic: Uuid) -> Result<(), LogError> {
    let path = join(directory, NAME);
    let file = disk.create(&path).map_err(LogError::io(&path, "create it"))?;
    file.write_at(0, &encode(topic)).map_err(LogError::io(&path, "write it"))
}

/// Makes it durable soon, if it is there; not its name.
pub(crate) fn sync_soon<D: Disk>(disk: &D, directory: &str) -> Result<(), LogError> {
    let path = join(directory, NAME);
    match disk.open(&path) {
        Ok(file) => file.sync_soon().map_err(LogError::io(&path, "sync it")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LogError::io(&path, "open it")(error)),
    }
}
