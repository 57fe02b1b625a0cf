//! The log: append, read, truncate, forget, recover.

#[path = "../support/mod.rs"]
mod support;

mod files;
mod flushes;
mod model;
mod operations;
mod producers;
mod properties;
mod recorded;
mod recovery;
