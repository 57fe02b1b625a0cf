//! What can go wrong, told apart by whether the request may have been done.

use std::fmt;
use std::time::Duration;

use highwater_core::batch::BatchError;
use highwater_wire::{ErrorCode, Str};

use crate::codec::CodecError;

/// Why a request of this client has no answer that says "done".
///
/// The question after an error is whether what was asked for happened all the same: [`ClientError::is_in_doubt`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientError {
    /// No connection came about: nothing was asked.
    Unreachable {
        /// Where to, as `host:port`; several with commas.
        place: String,
        /// What was found.
        because: String,
    },
    /// The request did not leave: it was not done.
    Unsent {
        /// Where to.
        place: String,
        /// Which request.
        api: &'static str,
        /// What was found.
        because: String,
    },
    /// The request left, and no answer came: it may have been done, or may be done still.
    InDoubt {
        /// Where to.
        place: String,
        /// Which request.
        api: &'static str,
        /// What was found.
        because: String,
    },
    /// The other side has no version of the request that is known here.
    Unsupported {
        /// Where.
        place: String,
        /// Which request.
        api: &'static str,
    },
    /// The answer is an error of the protocol.
    Broker {
        /// Which request.
        api: &'static str,
        /// What it was about: a topic, a partition, a group.
        about: String,
        /// The error.
        code: ErrorCode,
        /// What the broker says of it.
        message: Option<String>,
    },
    /// It was tried until there was no time left. Whether it was done is as with the last attempt.
    TimedOut {
        /// What was tried.
        what: String,
        /// For how long.
        after: Duration,
        /// How the last attempt ended, if one did.
        last: Option<Box<ClientError>>,
    },
    /// Bytes that a broker sent are no records.
    Records {
        /// Which partition, as `topic-partition`.
        about: String,
        /// The offset that was read from.
        offset: i64,
        /// What was found.
        because: String,
    },
    /// What the caller asks for makes no sense: nothing was sent.
    Invalid(String),
    /// The producer or consumer was closed: nothing was sent.
    Closed,
}

impl ClientError {
    /// Whether what was asked for may have been done, or may be done still.
    pub fn is_in_doubt(&self) -> bool {
        match self {
            Self::InDoubt { .. } => true,
            Self::TimedOut { last, .. } => last.as_ref().is_some_and(|last| last.is_in_doubt()),
            Self::Broker { api, code, .. } => match *code {
                ErrorCode::REQUEST_TIMED_OUT
                | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
                | ErrorCode::UNKNOWN_SERVER_ERROR => true,
                // Also what a leader says that appended the records and was then deposed, or lost its disk, before they were replicated:
                // the next leader may have them.
                ErrorCode::NOT_LEADER_OR_FOLLOWER
                | ErrorCode::FENCED_LEADER_EPOCH
                | ErrorCode::KAFKA_STORAGE_ERROR => *api == "Produce",
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether the same may succeed later, perhaps elsewhere.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Unsent { .. } | Self::InDoubt { .. } => true,
            Self::Broker { code, .. } => code.is_retriable(),
            _ => false,
        }
    }

    /// The error of the protocol, if it is one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Broker { code, .. } => Some(*code),
            Self::TimedOut { last, .. } => last.as_ref().and_then(|last| last.code()),
            _ => None,
        }
    }

    /// The broker's own words, or ours.
    pub fn plain(&self) -> String {
        match self {
            Self::Broker { code, message, .. } => message.clone().unwrap_or_else(|| code.to_string()),
            other => other.to_string(),
        }
    }

    pub(crate) fn broker(
        api: &'static str,
        about: impl Into<String>,
        code: i16,
        message: Option<Str>,
    ) -> Self {
        let message = message.map(|message| message.to_string()).filter(|message| !message.is_empty());
        Self::Broker { api, about: about.into(), code: ErrorCode(code), message }
    }

    pub(crate) fn records(about: String, offset: i64, because: &dyn fmt::Display) -> Self {
        Self::Records { about, offset, because: because.to_string() }
    }
}

/// Nothing, or the error of the protocol that this code is.
pub(crate) fn check(
    api: &'static str,
    about: impl FnOnce() -> String,
    code: i16,
    message: Option<Str>,
) -> Result<(), ClientError> {
    match code {
        0 => Ok(()),
        _ => Err(ClientError::broker(api, about(), code, message)),
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { place, because } => {
                write!(f, "{place} cannot be reached: {because}. Is a broker listening there?")
            }
            Self::Unsent { place, api, because } => {
                write!(f, "{api} was not sent to {place}: {because}. It was not done.")
            }
            Self::InDoubt { place, api, because } => {
                write!(f, "{api} was sent to {place}, but not answered: {because}. It may have been done.")
            }
            Self::Unsupported { place, api } => {
                write!(f, "{place} has no version of {api} that is known here")
            }
            Self::Broker { api, about, code, message } => {
                write!(f, "{api} of {about}: {code}")?;
                message.as_ref().map_or(Ok(()), |message| write!(f, ": {message}"))
            }
            Self::TimedOut { what, after, last } => {
                write!(f, "{what}: not done within {} ms", after.as_millis())?;
                last.as_ref().map_or(Ok(()), |last| write!(f, "; at last: {last}"))
            }
            Self::Records { about, offset, because } => {
                write!(f, "{about} at offset {offset}: what the broker sent cannot be read: {because}")
            }
            Self::Invalid(sentence) => write!(f, "{sentence}"),
            Self::Closed => write!(f, "closed already: nothing was sent"),
        }
    }
}

impl std::error::Error for ClientError {}

/// Why fetched bytes have no records.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Batch(BatchError),
    Codec(CodecError),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(error) => write!(f, "{error}"),
            Self::Codec(error) => write!(f, "{error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_whose_leader_was_deposed_may_have_been_written() {
        let said = |api, code: ErrorCode| ClientError::broker(api, "a topic", code.0, None);
        let deposed = said("Produce", ErrorCode::NOT_LEADER_OR_FOLLOWER);
        assert!(deposed.is_in_doubt());
        let last = Some(Box::new(deposed));
        assert!(ClientError::TimedOut { what: String::new(), after: Duration::ZERO, last }.is_in_doubt());
        // Nothing is appended without enough replicas; and what others ask of the wrong broker is not done.
        assert!(!said("Produce", ErrorCode::NOT_ENOUGH_REPLICAS).is_in_doubt());
        assert!(!said("DeleteRecords", ErrorCode::NOT_LEADER_OR_FOLLOWER).is_in_doubt());
    }
}
