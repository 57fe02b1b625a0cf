//! Listeners and the connections that come in at them.
//!
//! A connection is one task. It reads requests as long as there is room for their answers, hands each to [`api`](crate::api), and
//! writes the answers in the order of the requests, as many at a time as there are.
//!
//! # Invariants
//! - A frame's length is judged before any of it is read, and memory is taken as its bytes come.
//! - At most [`PIPELINE_MAX`] requests of a connection are under way, and at most [`UNWRITTEN_MAX`] bytes (and one answer) wait to be written:
//!   who does not read is not read from.
//! - A connection that waits for its client holds no buffers.
//! - A connection ends when its client closes it, says something that is no request, takes nothing for [`WRITE_TIMEOUT`], or says nothing for
//!   `connections.max.idle.ms` while nothing is under way. The reason is logged, at most [`LOGGED_MAX`] of them a minute.
//! - What waits in the node for a connection that ended is forgotten.
//!
//! # Where it differs from Kafka
//! - Kafka reads the next request of a connection when the last was answered; here some are under way at once, and still
//!   reach the node, and are answered, in order.
//! - `max.connections.per.ip.overrides` go by address; names in it are not resolved.
//! - Over `max.connections` Kafka closes the connection that was idle for longest, or lets new ones wait; here the new one is closed.

mod exchange;
pub(crate) mod frames;
mod listener;
mod reasons;

use std::time::Duration;

pub(crate) use listener::{Doors, bind, listen};

/// How far a server is in stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It is not.
    Serving,
    /// Nothing more is read; what was asked is answered.
    Draining,
    /// Connections end as they are.
    Cut,
}

/// How many requests of a connection may be under way.
pub(crate) const PIPELINE_MAX: usize = 32;

/// How many bytes may wait to be written to a connection before the next request is taken.
pub(crate) const UNWRITTEN_MAX: usize = 1 << 20;

/// How long a client may take nothing of what is written to it.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How many reasons for which connections were closed are logged in a minute. The others are counted.
pub(crate) const LOGGED_MAX: u32 = 30;
