//! How a tool ends.

use std::fmt;
use std::io;

use highwater_client::ClientError;
use highwater_server::config::ConfigError;

/// How a tool that ran to its end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitKind {
    /// All is well: exit code 0.
    Success,
    /// It found something wrong, and said so: exit code 1.
    Problems,
}

/// Why a tool did not run to its end.
#[derive(Debug)]
pub enum ToolError {
    /// The property file is wrong: exit code 2.
    Config(ConfigError),
    /// Arguments that do not go together: exit code 2.
    Usage(String),
    /// What was asked for cannot be done: exit code 1. The sentence says what was found, and what to do.
    Refused(String),
    /// What was to be printed cannot be. A pipe that was closed is no fault.
    Output(io::Error),
}

impl ToolError {
    /// The exit code, as the tools of Kafka have it; 2 is ours, for what has to be corrected before the tool is of use.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) => 2,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Refused(_) | Self::Output(_) => 1,
        }
    }
}

impl ExitKind {
    /// The exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Problems => 1,
        }
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => write!(f, "{error}"),
            Self::Usage(message) | Self::Refused(message) => write!(f, "{message}"),
            Self::Output(error) => write!(f, "could not print: {error}"),
        }
    }
}

impl std::error::Error for ToolError {}

impl From<io::Error> for ToolError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<ConfigError> for ToolError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<ClientError> for ToolError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Invalid(sentence) => Self::Usage(sentence),
            other => Self::Refused(other.to_string()),
        }
    }
}
