//! Servers over real sockets, on ports that the system gives.

mod cluster;
mod hostile;
mod serving;
mod support;
