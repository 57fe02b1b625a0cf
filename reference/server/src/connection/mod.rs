//! Listeners and the connections that come in at them.

pub(crate) mod frames;
