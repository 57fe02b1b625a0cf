//! Holds implementations to the models: the reference's cores under the checker, each step one of the abstract model or none.
pub mod cores;
