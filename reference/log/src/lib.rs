//! Kafka's log on a disk: record batches as they came, in segments, with their indexes and checkpoints.

mod config;
mod directory;
pub mod disk;
mod error;
pub mod files;
mod index;
mod log;
mod scan;
mod segment;
pub mod shared;
mod sync;

pub use config::{FlushPolicy, LogConfig, Recorded, Retention};
pub use directory::{DataDirectory, METADATA, PartitionDirectory, directory_name};
pub use error::{Damage, LogError};
pub use log::{Cut, Log, Recovery, TimestampOffset};
