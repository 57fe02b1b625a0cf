//! Groups, over real sockets: what members ask of their coordinator, and what outlives it.

mod coordinators;
mod harness;
mod members;
mod offsets;
#[path = "../server/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the server")]
mod support;
