//! Requests to the controller, and its answers: as the cores have them, and as they stand on the wire.
//!
//! A broker sends its clients' requests on to the active controller ([`request`], [`response`]); the controller takes them as it would take
//! them of clients (`api`). So each request goes both ways, and what the one side writes the other reads. Kafka's brokers send an Envelope
//! instead, which has their client's request inside as it came; but there the controller needs to know the client for its
//! access control, and here there is none.
//!
//! # Invariants
//! - An answer is paired with what was asked for by name, not by position. What was not answered counts as failed.
//! - A refusal of a request as a whole, where the wire has no place for it, stands with each of its parts.

pub mod configs;
pub mod elections;
pub mod features;
pub mod producers;
#[cfg(test)]
mod tests;
pub mod topics;

use highwater_core::NodeId;
use highwater_core::controller::ControllerError;
use highwater_wire::Str;

/// Ids as the wire has them.
pub(crate) fn ids(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}

/// Ids as the cores have them.
pub(crate) fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

/// The result that an error code and its message stand for.
pub(crate) fn outcome(code: i16, message: Option<Str>) -> Result<(), ControllerError> {
    match code {
        0 => Ok(()),
        code => Err(ControllerError { code, message: message.map(String::from).unwrap_or_default() }),
    }
}

/// The error code and message of a result.
pub(crate) fn codes<T>(result: Result<T, ControllerError>) -> (i16, Option<Str>) {
    match result {
        Ok(_) => (0, None),
        Err(error) => (error.code, Some(error.message.into())),
    }
}

/// What stands for an answer that is missing.
pub(crate) fn unanswered() -> ControllerError {
    let message = "the controller did not answer this part of the request".to_owned();
    ControllerError { code: ControllerError::UNKNOWN_SERVER_ERROR, message }
}

fn invalid_assignment(message: String) -> ControllerError {
    ControllerError { code: ControllerError::INVALID_REPLICA_ASSIGNMENT, message }
}
