//! The lines: requests as they come, answers as they go.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A request. Which fields there are depends on the act.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Request {
    pub id: u64,
    #[serde(rename = "do")]
    pub act: String,
    #[serde(default)]
    pub node: String,
    #[serde(default)]
    pub message: u64,
    #[serde(default)]
    pub value: String,
    #[serde(default)]
    pub quorum: Vec<String>,
    #[serde(default)]
    pub pre_vote: bool,
}

/// Why an act was not done.
#[derive(Serialize)]
pub struct Failure {
    kind: &'static str,
    message: String,
}

/// The system has no such thing.
pub fn unsupported(message: impl Into<String>) -> Failure {
    Failure { kind: "unsupported", message: message.into() }
}

/// Nothing happened.
pub fn refused(message: impl Into<String>) -> Failure {
    Failure { kind: "refused", message: message.into() }
}

/// The library failed.
pub fn broken(error: raft::Error) -> Failure {
    Failure { kind: "broken", message: error.to_string() }
}

/// An answer.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Answer {
    Done { id: u64, ok: Json },
    Failed { id: u64, error: Failure },
}

impl Answer {
    pub fn new(id: u64, result: Result<Json, Failure>) -> Self {
        match result {
            Ok(ok) => Self::Done { id, ok },
            Err(error) => Self::Failed { id, error },
        }
    }
}
