//! A node: the cores of a broker, of a controller or of both, over logs on a disk, without a network and without a clock.
//!
//! The node carries out what its cores want ([`highwater_core`]), in order. What it cannot do itself comes out of [`message::Output`]:
//! messages to others, answers to clients, and flushes, which its driver may do later. The broker drives it with sockets and
//! clocks; the simulation with neither.
//!
//! # Parts
//! | part | holds | does |
//! |---|---|---|
//! | metadata | quorum core, metadata log, image | carries out the quorum's effects; applies what is committed |
//! | snapshot | | takes, sends, fetches and loads snapshots of the image (KIP-630) |
//! | control | controller core | routes requests to the active controller, wherever it is; encodes and appends what it decides |
//! | lifecycle | | registers the broker, keeps it alive, lets it go (KIP-631) |
//! | publish | | makes of changed metadata: replicas created, assigned, deleted |
//! | replica | partition core, log | carries out the partition's effects |
//! | producers | | tells what of an idempotent producer's batches is new, and keeps that in step with the log |
//! | serve | fetches that wait | produce, fetch, offsets; fetches of followers, one at a time to each leader |
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
//! - A step costs as much as it changes: timers are in one ordered set, changed partitions in a list of their own. Only changes of
//!   brokers, snapshots and checkpoints go over all replicas.
//! - The same seed, disk and inputs give the same outputs: no clock, no other randomness, no order but that of keys.
//!
//! # Where it differs from Kafka
//! - A follower fetches from a leader all partitions at once and in full (no fetch sessions, KIP-227), on one connection.
//! - A heartbeat or a registration counts as lost after half the session timeout, so that the next still comes in time.
//! - Replicas that metadata do not know are deleted at once, not after a while.
//!
//! # What is not implemented
//! - Authentication, quotas and transactions: they come with the server.
//! - Several log directories (KIP-113, 858); tiered storage (KIP-405); compaction. Retention and segments are as the node's own file
//!   says, whatever a topic is configured to.
//! - A bound on producers that wait for the ISR of one partition; each waits for its own time at most.
//! - Minimum bytes of a fetch: one byte is enough.

mod broker;
mod config;
mod control;
mod deletes;
mod fetcher;
mod fetching;
mod follow;
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
mod records;
mod replica;
mod serve;
mod settings;
mod snapshot;
mod store;
mod timers;
mod view;
mod waiting;

pub use config::{NodeConfig, Roles};
pub use highwater_log::shared::LogReader;
pub use highwater_log::{Flushed, Flusher};
pub use node::{Node, OpenError, Rules};
pub use settings::{ConfigSource, ConfigValue, TopicConfigEntry, config_type};
pub use view::{ReplicaView, Role};
