//! What can be wrong with a log, and what to do about it.

use std::fmt;
use std::io;
use std::sync::Arc;

use highwater_core::batch::BatchError;
use highwater_core::{Offset, OutOfOrder};

/// A file that cannot be used as it is. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Which file (or directory), relative to the data directory.
    pub file: String,
    /// Where in it, in bytes, if that can be told.
    pub position: Option<u64>,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
    /// What to do.
    pub cure: String,
}

/// Why a log did not do what it was asked to.
#[derive(Debug, Clone)]
pub enum LogError {
    /// The disk gave an error. If it was a write or a sync, the log is of no more use.
    Io {
        /// Which file.
        file: String,
        /// What was tried.
        doing: &'static str,
        /// What the disk said.
        error: Arc<io::Error>,
    },
    /// A file holds what it should not. Nothing was changed.
    Damaged(Box<Damage>),
    /// A write or a sync failed earlier: what the log holds is not known any more, until it is opened anew.
    Poisoned {
        /// What failed.
        because: Arc<str>,
    },
    /// Batches that are not sound.
    Batch(BatchError),
    /// Batches that do not fit the end of the log.
    OutOfOrder(OutOfOrder),
    /// An offset that the log does not hold.
    OutOfRange {
        /// Which.
        offset: Offset,
        /// Where the log starts.
        start: Offset,
        /// Where it ends.
        end: Offset,
    },
    /// A log was to be truncated in the midst of a batch: it was cut before that.
    NoBoundary {
        /// Where.
        wanted: Offset,
        /// Where it ends now.
        end: Offset,
    },
    /// A reader came too late: what it wanted was truncated while it read.
    Truncated,
}

impl LogError {
    pub(crate) fn io(file: &str, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { file: file.to_owned(), doing, error: Arc::new(error) }
    }
}

/// What a person can do about an error of the disk: a sentence.
pub fn cure(error: &io::Error) -> &'static str {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::FileTooLarge | ErrorKind::QuotaExceeded => {
            "Make room there, or raise the limit, and start again."
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "Give the user that this runs as the right to it, and start again."
        }
        ErrorKind::NotFound => "Look whether it was moved or removed.",
        _ => "Look after the disk, of which the system's own log may say more, and start again.",
    }
}

impl Damage {
    pub(crate) fn new(
        file: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        let (found, expected, cure) = (found.into(), expected.into(), cure.into());
        Self { file: file.to_owned(), position: None, found, expected, cure }
    }

    pub(crate) fn at(mut self, position: u64) -> Self {
        self.position = Some(position);
        self
    }
}

impl From<Damage> for LogError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(Box::new(damage))
    }
}

impl From<BatchError> for LogError {
    fn from(error: BatchError) -> Self {
        Self::Batch(error)
    }
}

impl From<OutOfOrder> for LogError {
    fn from(error: OutOfOrder) -> Self {
        Self::OutOfOrder(error)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(position) = self.position {
            write!(f, ", byte {position}")?;
        }
        write!(f, ": found {}, expected {}. {}", self.found, self.expected, self.cure)
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { file, doing, error } => {
                write!(f, "{file}: could not {doing}: {error}. {}", cure(error))
            }
            Self::Damaged(damage) => write!(f, "{damage}"),
            Self::Poisoned { because } => write!(f, "the log is of no more use: {because}"),
            Self::Batch(error) => write!(f, "{error}"),
            Self::OutOfOrder(OutOfOrder { extent, end, last_epoch }) => write!(
                f,
                "records {} to {} of epoch {} do not fit a log that ends at {end} in epoch {last_epoch}",
                extent.base, extent.end, extent.epoch
            ),
            Self::OutOfRange { offset, start, end } => {
                write!(f, "offset {offset} is not in the log, which holds {start} to {end}")
            }
            Self::NoBoundary { wanted, end } => {
                write!(f, "it was to be truncated to {wanted}, where no batch begins: it ends at {end} now")
            }
            Self::Truncated => write!(f, "what was to be read was truncated meanwhile"),
        }
    }
}

impl std::error::Error for Damage {}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(&**error),
            Self::Damaged(damage) => Some(&**damage),
            Self::Batch(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_of_a_disk_names_file_error_and_cure() {
        let told = |number| {
            LogError::io("orders-0/0.log", "write it")(io::Error::from_raw_os_error(number)).to_string()
        };
        // ENOSPC, EROFS and EIO of Linux.
        let full =
            "No space left on device (os error 28). Make room there, or raise the limit, and start again.";
        assert_eq!(told(28), format!("orders-0/0.log: could not write it: {full}"));
        assert!(told(30).ends_with("Give the user that this runs as the right to it, and start again."));
        assert!(told(5).contains("Look after the disk"));
    }
}
