//! A node: the cores of a broker, of a controller or of both, over logs on a disk, without a network and without a clock.
//!
//! The node carries out what its cores want ([`highwater_core`]), in order. What it cannot do itself comes out of [`message::Output`]:
//! messages to others, answers to clients, and flushes, which its driver may do later. The broker drives it with sockets and
//! clocks; the simulation with neither.

mod config;
pub mod message;
mod node;
mod view;

pub use config::{NodeConfig, Roles};
pub use node::{Node, OpenError, Rules};
pub use view::{ReplicaView, Role};
