//! Tests of the group core: transcripts, one behaviour each; the records' bytes against Kafka's; random runs against what
//! always holds.

mod assign;
mod bytes;
mod partition;
mod random;
mod script;
mod tell;
mod world;
