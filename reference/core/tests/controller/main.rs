//! Tests of the controller core: transcripts, one behaviour each; the records' bytes; random runs against what always holds; and, with the
//! feature `flaws`, that each flaw breaks some of it.

mod bytes;
mod failover;
#[cfg(feature = "flaws")]
mod flaws;
mod invariants;
mod random;
mod samples;
mod script;
mod tell;
mod world;
