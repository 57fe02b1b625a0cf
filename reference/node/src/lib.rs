//! A node: the cores of a broker, of a controller or of both, over logs on a disk, without a network and without a clock.
//!
//! The node carries out what its cores want ([`highwater_core`]), in order. What it cannot do itself comes out of [`message::Output`]:
//! messages to others, answers to clients, and flushes, which its driver may do later. The broker drives it with sockets and
//! clocks; the simulation with neither.
//!
//! # Parts
//! | part | holds | does |
//! |---|---|---|
//! | metadata | the quorum with its log (`highwater-quorum`), image | routes what the quorum leaves over; applies what is committed |
//! | snapshot | | says when a snapshot of the image is taken, and loads it (KIP-630) |
//! | control | controller core | routes requests to the active controller, wherever it is; encodes and appends what it decides |
//! | lifecycle | | registers the broker, keeps it alive, lets it go (KIP-631) |
//! | publish | | makes of changed metadata: replicas created, assigned, deleted |
//! | replica | partition core, log | carries out the partition's effects |
//! | producers | | tells what of an idempotent producer's batches is new, and keeps that in step with the log |
//! | produce | requests that wait for acknowledgements | checks and appends what producers send |
//! | fetching, waiting | fetches that wait | answers consumers and who debugs, once there is enough |
//! | lead, sessions | followers' fetch sessions (KIP-227) | answers followers about what changed |
//! | follow, fetcher | what each leader was told | fetches of leaders, one at a time of each; names what changed |
//! | offsets | | ListOffsets, OffsetsForLeaderEpoch |
//! | deletes | deletions that wait for followers | DeleteRecords (KIP-107) |
//! | settings | | what topics are configured to, by whom, and what that means |
//! | followers | when who fetched | what the quorum's leader knows of its followers |
//! | serve | | what the node knows of the cluster; refusals of who is no broker |
//! | ports | time, outputs, timers, what is outstanding | what all of these share |
//!
//! # A step
//! [`Node::handle`] and [`Node::elapse`] take one input, or what is due, and then do all that follows from it: committed metadata are applied,
//! the controller's decisions appended, replicas told, waiting fetches answered. What then comes out of [`Node::poll`] is in
//! the order in which it has to happen.
//!
//! # Invariants
//! - What must be durable before a message is on the disk before the message comes out: the election state, and truncations.
//! - A disk error stops the node: [`message::Output::Stopped`] is its last word, and what it had not said yet is not said.
//! - No core hears of bytes that were not checked: checksum, offsets, epochs. What is not sound is dropped and reported, and counts as no
//!   answer.
//! - No replica has a role before its broker has applied its own registration (isr/broker/1): what it was in an earlier start is no
//!   reason to lead.
//! - Every request that was sent is answered, given up at its deadline, or given up by the driver: the table of what is outstanding is
//!   bounded by the number of peers and by `waiting_requests_max`.
//! - A request of a client is answered once, all its partitions together, in the order in which they were asked for.
//! - A flush that was done beside the node claims no more than there was when it began, and nothing after a truncation.
//! - A step costs as much as it changes: timers are in one ordered set, changed partitions in a list of their own, and fetches of
//!   followers look at what moved. Only full fetches, changes of
//!   brokers, snapshots and checkpoints go over all replicas.
//! - The same seed, disk and inputs give the same outputs: no clock, no other randomness, no order but that of keys.
//!
//! # Where it differs from Kafka
//! - A follower fetches from a leader all partitions at once, on one connection. What its fetch session saves beyond Kafka's is told in `sessions`.
//! - A heartbeat or a registration counts as lost after half the session timeout, so that the next still comes in time.
//! - Replicas that metadata do not know are deleted at once, not after a while; so are segments (`file.delete.delay.ms`).
//! - A new replica is durable with its first flush, as its records are (Kafka writes `partition.metadata` through).
//! - A batch of a codec that is not known is refused with `UNSUPPORTED_COMPRESSION_TYPE` (Kafka: `UNKNOWN_SERVER_ERROR`). Compressed records are not
//!   opened, so their timestamps and keys are not checked; a search by time finds the front of such a batch.
//! - Of timestamps the largest of a batch is checked, as the batch says it. Records without a key enter compacted topics.
//! - The followers of a log whose start is moved by DeleteRecords hear of it at once, not with their next records.
//!
//! # What is not implemented
//! - Authentication, quotas, fetch sessions of clients (KIP-227): they come with the server. Transactions: their batches are refused.
//! - Several log directories (KIP-113, 858); tiered storage (KIP-405); compaction (a compacted log keeps everything).
//! - What of a topic's configuration has no effect is said in `settings`.
//! - A bound on producers that wait for the ISR of one partition; each waits for its own time at most.
//! - Reads beside the step: [`Node::reader`] gives what it takes; fetches themselves read in the step, which is what the figures in
//!   `benches/node.rs` say is fast enough. A fetch of what is not in the page cache holds the node up.

mod broker;
mod config;
mod control;
mod deletes;
mod fetcher;
mod fetching;
mod follow;
mod followers;
mod lead;
mod lifecycle;
pub mod message;
mod metadata;
mod node;
mod offsets;
mod open;
mod ports;
mod produce;
mod producers;
mod publish;
mod replica;
mod serve;
mod sessions;
mod settings;
mod snapshot;
mod store;
mod timers;
mod view;
mod waiting;

pub use config::{NodeConfig, Roles};
pub use followers::QuorumReplica;
pub use highwater_log::shared::LogReader;
pub use highwater_log::{Flushed, Flusher};
pub use node::{Node, OpenError, Rules};
pub use settings::{ConfigSource, ConfigValue, TopicConfigEntry, config_type};
pub use view::{ReplicaView, Role};
