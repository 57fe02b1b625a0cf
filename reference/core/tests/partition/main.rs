//! Tests of the partition core: transcripts, one behaviour each; arithmetic; random runs against the claims of
//! `specs/isr.md`; and, with the feature `flaws`, that each flaw breaks one of them.

mod controller;
mod fetching;
#[cfg(feature = "flaws")]
mod flaws;
mod high_watermark;
mod invariants;
mod random;
mod script;
mod tell;
mod world;
