//! Why a cluster is not started, or does not do what it is told.

use std::fmt;
use std::io;
use std::path::Path;

/// What was found, what was expected, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterError {
    /// The command line makes no sense, or what it names cannot be had.
    Refused(String),
    /// It began, and went wrong.
    Failed(String),
}

impl ClusterError {
    pub(crate) fn file(path: &Path, what: &str, error: &io::Error) -> Self {
        Self::Refused(format!(
            "{}: {what}: {error}. Name a directory with --dir that can be written.",
            path.display()
        ))
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ClusterError {}
