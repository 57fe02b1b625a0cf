//! The reference's cores under the checker: what ships is what is checked.
//!
//! | cores | model |
//! |---|---|
//! | [`quorum`] | [`kraft`](highwater_model::kraft) |
//!
//! The models know nothing of the reference, and the reference nothing of them: only this crate knows both. Partition cores and controllers are not
//! there yet.

mod intern;
pub mod quorum;
