//! The controller core: brokers, topics, leaders and ISRs, event-sourced from the metadata log.

mod message;

pub use message::*;
