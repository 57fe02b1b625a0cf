//! `.kafka_cleanshutdown`: that the process stopped in good order, so that nothing needs to be looked through.

use serde::Deserialize;

use super::SIZE_MAX;
use crate::LogError;
use crate::disk::{Disk, read_whole, replace};

/// The file's name, in the data directory.
pub const NAME: &str = ".kafka_cleanshutdown";

/// A stop in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CleanShutdown {
    /// The broker epoch of the process that stopped (KIP-966), if it is known.
    pub broker_epoch: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    broker_epoch: Option<i64>,
}

/// Reads the bytes of the file: whatever they are, the stop was in good order.
pub fn decode(bytes: &[u8]) -> CleanShutdown {
    let content: Option<Content> = serde_json::from_slice(bytes).ok();
    CleanShutdown { broker_epoch: content.and_then(|content| content.broker_epoch) }
}

/// The bytes of the file.
pub fn encode(shutdown: CleanShutdown) -> Vec<u8> {
    let epoch = shutdown.broker_epoch.unwrap_or(-1);
    format!("{{\"version\":0,\"brokerEpoch\":{epoch}}}").into_bytes()
}

/// Says that all logs are closed: the last thing that a process does.
pub fn note<D: Disk>(disk: &D, shutdown: CleanShutdown) -> Result<(), LogError> {
    replace(disk, NAME, &encode(shutdown)).map_err(LogError::io(NAME, "replace it"))
}

/// Reads the file and removes it, durably: what happens from now on is no longer in good order. `None` if there is none.
pub fn take<D: Disk>(disk: &D) -> Result<Option<CleanShutdown>, LogError> {
    let bytes = read_whole(disk, NAME, SIZE_MAX).map_err(LogError::io(NAME, "read it"))?;
    let Some(bytes) = bytes else { return Ok(None) };
    disk.remove(NAME).map_err(LogError::io(NAME, "remove it"))?;
    disk.sync_directory("").map_err(LogError::io("", "sync the data directory"))?;
    Ok(Some(decode(&bytes)))
}
