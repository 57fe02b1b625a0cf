//! Command line tools after Kafka's own, for what is on disk and for clusters that run: its options, its words, its exit codes.
//!
//! Each tool is a structure of arguments for clap and a function `run`, which writes to what it is given and says how it went; the
//! command `highwater` does no more than call it. All of them read the files of Kafka as well as our own.
//!
//! | tool | after | does |
//! |---|---|---|
//! | [`storage`] | `kafka-storage.sh` | formats a data directory, says what is in one, makes ids |
//! | [`metadata`] | `kafka-metadata-shell.sh` | a shell over the image that a metadata log or snapshot makes |
//! | [`dump_log`] | `kafka-dump-log.sh` | prints batches, records, indexes, snapshots, and says what does not fit |
//! | [`topics`] | `kafka-topics.sh` | creates, changes, deletes, describes and lists topics |
//! | [`produce`] | `kafka-console-producer.sh` | writes lines as records |
//! | [`consume`] | `kafka-console-consumer.sh` | prints records |
//! | [`groups`] | `kafka-consumer-groups.sh` | lists, describes, resets and deletes groups |
//! | [`quorum`] | `kafka-metadata-quorum.sh` | describes the metadata quorum |
//! | [`elect`] | `kafka-leader-election.sh` | elects preferred or unclean leaders |
//! | [`configs`] | `kafka-configs.sh` | describes and changes configuration |
//!
//! # Invariants
//! - Nothing here panics, hangs or allocates by an unchecked count, whatever the files hold; what is decompressed is bounded
//!   (`highwater-codec`).
//! - No file is changed but by `storage format`, and that refuses what is another's.
//! - What a script would read in Kafka's output is in ours, word by word; what differs is said in the essay of the tool.

pub mod configs;
pub mod consume;
pub mod dump_log;
pub mod elect;
mod error;
pub mod groups;
pub mod json;
pub mod metadata;
mod offsets;
pub mod online;
pub mod produce;
pub mod quorum;
pub mod storage;
pub mod topics;

pub use error::{ExitKind, ToolError};
