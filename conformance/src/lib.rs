//! Holds implementations to the models.
//!
//! | part | is |
//! |---|---|
//! | [`scenario`] | what is done to a system and what must be seen: the suite's language |
//! | [`target`] | the traits by which a system is tested, and the systems at hand: models, the reference, adapters |
//! | [`play`] | plays a scenario on a target, checks invariants after each step, and gives a verdict |
//! | [`case`] | the cases |
//! | [`admission`] | whether what was seen is a behaviour of the model |
//! | [`suite`] | many cases on one target: which of them, on how many threads, what they come to |
//! | [`random`] | schedules that nobody thought of |
//! | [`counterexample`] | what a model found, as a scenario |
//! | [`report`] | what a run came to, for people and for programs |
//! | [`witness`] | of the cases about partitions, that the model can go where they go |
//! | [`cores`] | the reference's cores under the checker |

pub mod admission;
pub mod case;
pub mod cores;
pub mod counterexample;
pub mod play;
pub mod random;
pub mod report;
pub mod scenario;
pub mod suite;
pub mod target;
pub mod witness;
