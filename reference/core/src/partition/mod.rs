//! The partition core: one replica of one partition, as leader or follower.

mod message;

pub use message::*;
