//! Servers over real sockets, on ports that the system gives.

mod cluster;
mod hostile;
mod serving;
#[allow(dead_code, reason = "shared with the tests of APIs and of groups")]
mod support;
