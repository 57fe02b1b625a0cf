//! The node's task, and the handle by which all others reach it.
//!
//! The task takes jobs from one bounded queue, as many at a time as there are, and gives each to the node; then it lets run out what is due,
//! and hands out what the node wants said. Between two jobs it may be asked to look at the node ([`NodeHandle::look`]).
//!
//! It runs on the threads that serve the sockets. Were it a thread of its own, a record with `acks=all` would wait for nine threads to wake, in turn,
//! on three nodes; so most of what is woken runs next on the thread that woke it. With one thread there is nothing else to wake.
//!
//! # Invariants
//! - Jobs that one task submitted one after the other reach the node in that order.
//! - Who submits waits while the queue is full: what waits to be done is bounded, and the sockets push back.
//! - Who waits for an answer hears of the node's end: [`Stopped`].
//! - Of leaderships of `__consumer_offsets` is told before anything else that comes of the step in which they changed.
//! - A flush never holds up the node's task: a thread does it, and tells.
//! - Time never goes back, and starts near zero: its origin is in the node's configuration.

mod flush;
mod handle;
mod leads;
mod task;

pub use handle::{NodeHandle, Pending, Stopped};
pub(crate) use leads::{Leads, OFFSETS_TOPIC, Term};
pub(crate) use task::spawn;
pub use task::{NodeTask, Peers};
