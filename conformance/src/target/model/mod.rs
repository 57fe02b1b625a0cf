//! The models as targets: what the suite demands of others is possible here, and a case that the model cannot play is a wrong case.
//!
//! A model decides nothing by itself: a step of a scenario chooses among the actions that are enabled. What is not enabled is refused, or
//! is beyond the room that the model's state has, which is said.

mod kraft;

pub use kraft::KraftModel;
