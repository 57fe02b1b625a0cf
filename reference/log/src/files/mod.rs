//! The small files beside segments, in Kafka's own formats. Each is replaced as a whole: after a crash it is the old one or the new.
//!
//! | file | says | if it is damaged |
//! |---|---|---|
//! | `meta.properties` | whose data directory this is | refused |
//! | `quorum-state` | epoch, leader, vote of the quorum | refused |
//! | `leader-epoch-checkpoint` | where leader epochs begin in a log | made anew from the batches |
//! | `recovery-point-offset-checkpoint`, `log-start-offset-checkpoint`, `replication-offset-checkpoint` | an offset for each log | refused |
//! | `partition.metadata` | the topic's id | refused |
//! | `.kafka_cleanshutdown` | that the last stop was in good order | taken for absent |
//! | `OFFSET-EPOCH.checkpoint` | a snapshot | refused |

mod checkpoint;
pub mod epochs;
pub mod offsets;
