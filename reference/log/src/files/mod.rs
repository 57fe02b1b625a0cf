//! The small files beside segments, in Kafka's own formats. Each is replaced as a whole: after a crash it is the old one or the new.
//!
//! | file | says | if it is damaged |
//! |---|---|---|
//! | `meta.properties` | whose data directory this is | refused |
//! | `quorum-state` | epoch, leader and vote of the quorum | refused |
//! | `leader-epoch-checkpoint` | where leader epochs begin in a log | made anew from the batches |
//! | `recovery-point-offset-checkpoint`, `log-start-offset-checkpoint`, `replication-offset-checkpoint` | an offset for each log | refused |
//! | `partition.metadata` | the topic's id | refused |
//! | `.kafka_cleanshutdown` | that the last stop was in good order | taken for such without a broker epoch |
//! | `OFFSET-EPOCH.checkpoint` | a snapshot | refused |
//! | `OFFSET.snapshot` | the idempotent producers of a log below an offset | removed: an older one is taken, or the log |
//! | `restart-offset` (ours; Kafka leaves it alone) | that the log is being dropped, and where it goes on | refused |
//!
//! Each has a `decode`, which takes any bytes and says in words what it found instead, and an `encode`.

mod checkpoint;
pub mod clean_shutdown;
pub mod epochs;
pub mod meta_properties;
pub mod offsets;
pub mod partition_metadata;
pub mod producers;
pub mod quorum_state;
pub(crate) mod restart;
pub mod snapshot;
pub mod uuid;

/// No small file that is not a checkpoint is larger.
const SIZE_MAX: u64 = 1 << 20;
