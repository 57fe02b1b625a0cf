//! The reference as a target: what ships, in simulated time, over simulated disks.

mod quorum;

pub use quorum::ReferenceQuorum;
