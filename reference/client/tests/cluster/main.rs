//! The client against servers in this process, over real sockets.

mod failing_over;
mod groups;
mod serving;
mod support;
