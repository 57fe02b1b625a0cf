//! The reference's cores under the checker: what ships is what is checked.
//!
//! | cores | model |
//! |---|---|
//! | [`quorum`] | [`kraft`](highwater_model::kraft) |
//! | [`partition`], with the controller | [`isr`](highwater_model::isr) |
//!
//! The models know nothing of the reference, and the reference nothing of them: only this crate knows both.

pub mod bounds;
mod claims;
mod intern;
pub mod partition;
pub mod quorum;
#[cfg(test)]
mod testing;
