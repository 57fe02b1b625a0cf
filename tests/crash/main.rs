//! Crash proof: three real processes, each a broker and a controller, and what is done to them. No record that was acknowledged is lost,
//! none is there twice, each writer's are in order.
//!
//! A story does something to the nodes while writers write, heals all, and then holds what writers were told against what consumers are
//! given and against the files of each replica (`check`). It fails as well if too little happened, and it has a fixed bound in time.
//!
//! | variable | |
//! |---|---|
//! | `HIGHWATER_EFFORT=20` | stories take 20 times as long |
//! | `HIGHWATER_SEED=1` | the same dice; what the processes make of them is up to the machine |
//!
//! With the cargo feature `root-tests` there are those that need root and network namespaces of their own; `.ci/crash` runs them.
//!
//! # Not covered
//! - Crashes of the machine: what a process wrote survives its end, flushed or not. The simulation has disks that forget.
//! - Nodes that come back with an empty disk.

#![expect(clippy::print_stdout, reason = "what a test prints is shown if it fails")]

mod check;
mod cluster;
mod disks;
mod ending;
mod killed;
mod load;
#[cfg(feature = "root-tests")]
mod root;
mod story;
mod zombies;
