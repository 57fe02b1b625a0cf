//! The APIs of clients, over real sockets: what is asked byte for byte, and what is answered.

mod admin;
mod configs;
mod forwarding;
mod harness;
mod metadata;
mod offsets;
mod produce;
mod reading;
#[path = "../server/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the server")]
mod support;
mod versions;
