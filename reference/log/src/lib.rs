//! Kafka's log on a disk: record batches as they came, in segments, with their indexes and checkpoints.
//!
//! ```text
//! data directory                      one [`DataDirectory`]
//!   meta.properties                   whose it is
//!   recovery-point-offset-checkpoint  and two more: offsets by log
//!   .kafka_cleanshutdown              the last stop was in good order
//!   topic-0/                          one [`Log`]
//!     00000000000000000000.log        batches, as they came
//!     00000000000000000000.index      offset to position, now and then
//!     00000000000000000000.timeindex  timestamp to offset, now and then
//!     leader-epoch-checkpoint         where leader epochs begin
//!     00000000000000000000.snapshot   the idempotent producers of what is below
//!   __cluster_metadata-0/             the same, and
//!     quorum-state                    the vote
//!     OFFSET-EPOCH.checkpoint         snapshots
//! ```
//! All formats are Kafka's own: its tools read what this writes, and this opens what Kafka wrote (`.ci/kafka-log`).
//!
//! # What is durable when
//! | after | a crash of the machine loses |
//! |---|---|
//! | [`Log::create`] | perhaps the log: it is as durable as the records in it |
//! | [`Log::append`] | perhaps what was appended since the last flush: the end of it, or all, or any sectors of it |
//! | [`Log::flush`], [`Log::truncate`], [`Log::restart`], [`Log::forget_before`] | nothing of what they say |
//! | a segment's end | nothing of that segment, its indexes and its leader epochs |
//! | any of [`files`] | nothing: they are replaced as a whole |
//!
//! So only the last segment can be torn, and opening a log looks through that one alone. It cuts the tail at the first batch
//! that is not sound and says so ([`Recovery`]). What no crash explains (damage in an earlier segment, or among records that are known
//! to have been flushed) is refused: file, position, what was found, what was expected, what to do ([`Damage`]), and nothing is changed.
//!
//! # Invariants
//! - Nothing enters a log whose checksum, offsets and leader epochs were not checked.
//! - After a write or a sync failed, the log does nothing any more: what reached the disk is not known (and to sync again
//!   would not tell).
//! - The real disk and the simulated one ([`disk`]) behave alike while nothing fails.
//!
//! # Sources
//! Kafka's record batch format 2 (KIP-98), leader epochs (KIP-101, KIP-279), snapshots (KIP-630), `quorum-state` (KIP-595, KIP-853),
//! directory ids (KIP-858), clean shutdown with the broker epoch (KIP-966). Formats were taken from Kafka's sources and are held against
//! Kafka 4.3.1.
//!
//! # Not implemented
//! - Compaction, and transactions' indexes (`.txnindex`): Kafka's are left alone, and not written. Logs that compaction thinned out have
//!   gaps, and are refused when they are looked through.
//! - The leader epoch of a batch is outside of its checksum. Below the recovery point it is held against the checkpoint; above it a
//!   flipped bit that makes it larger is not seen.
//! - In the last segment above the recovery point, decay cannot be told from a torn write: it is cut, with a note that sound
//!   batches follow ([`Cut::sound_behind`]). What was lost so must come back from other replicas.
//! - More than one data directory, remote storage, memory maps, preallocation.
//! - A segment is flushed in the append that ends it: who appends waits for that, as long as the disk takes.

mod config;
mod directory;
pub mod disk;
mod error;
pub mod files;
mod index;
mod log;
mod producers;
pub mod records;
mod scan;
mod segment;
pub mod shared;
mod sync;

pub use config::{FlushPolicy, LogConfig, Recorded, Retention};
pub use directory::{DataDirectory, METADATA, PartitionDirectory, directory_name};
pub use error::{Damage, LogError, cure};
pub use log::{Cut, Flushed, Flusher, Log, Recovery, TimestampOffset};
pub use producers::LogProducers;
