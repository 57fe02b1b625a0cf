//! The reference's cores under the checker.
mod intern;
pub mod quorum;
