//! The quorum core: who leads the controllers, and what of their log is committed.

mod message;

pub use message::*;
