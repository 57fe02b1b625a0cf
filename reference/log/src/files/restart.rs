//! `restart-offset`: that all records of a log are being dropped, and where it goes on. There only while that lasts: who finds it when it
//! opens the log does what was begun.

use highwater_core::Offset;

use super::SIZE_MAX;
use crate::disk::{Disk, join, read_whole, replace};
use crate::{Damage, LogError};

/// The file's name, in the directory of the log.
const NAME: &str = "restart-offset";

/// Says what is about to be done.
pub(crate) fn intend<D: Disk>(disk: &D, directory: &str, start: Offset) -> Result<(), LogError> {
    let path = join(directory, NAME);
    replace(disk, &path, format!("{start}\n").as_bytes()).map_err(LogError::io(&path, "replace it"))
}

/// Says that it is done.
pub(crate) fn done<D: Disk>(disk: &D, directory: &str) -> Result<(), LogError> {
    let path = join(directory, NAME);
    disk.remove(&path).map_err(LogError::io(&path, "remove it"))?;
    disk.sync_directory(directory).map_err(LogError::io(directory, "sync the directory"))
}

/// Where the log was to go on; `None` if nothing was begun.
pub(crate) fn begun<D: Disk>(disk: &D, directory: &str) -> Result<Option<Offset>, LogError> {
    let path = join(directory, NAME);
    let bytes = read_whole(disk, &path, SIZE_MAX).map_err(LogError::io(&path, "read it"))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    match text.trim_end().parse() {
        Ok(start) if start >= 0 => Ok(Some(start)),
        _ => {
            let cure = "Remove the log's directory, and let the replica be replicated anew.";
            Err(Damage::new(&path, format!("{text:?}"), "an offset", cure).into())
        }
    }
}
