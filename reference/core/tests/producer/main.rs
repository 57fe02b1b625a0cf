//! Tests of the producer state: transcripts, one behaviour each; random runs against an oracle that forgets nothing; a network that loses,
//! doubles and reorders; the bytes of snapshots.

mod bytes;
mod network;
mod random;
mod script;
mod world;
