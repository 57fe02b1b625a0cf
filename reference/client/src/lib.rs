//! A client of Kafka's protocol, on tokio: of this broker, and of any other that speaks it.
//!
//! | part | does |
//! |---|---|
//! | [`Connection`] | requests and answers over one socket, in the newest version that both sides know |
//! | [`Cluster`] | bootstrap, brokers, leaders, coordinators; connections to all of them; when to ask again |
//! | [`Admin`] | topics, configuration, elections, groups, offsets, records, the quorum |
//! | [`Producer`] | batches by partition, keys to partitions as Kafka does, retries, idempotence |
//! | [`Consumer`] | fetches, positions, commits, groups |
//! | [`assign`] | which member of a group reads which partitions: range, round-robin, sticky |
//! | [`codec`] | compression of records, both ways |
//!
//! # Invariants
//! - An error says whether what was asked for may have been done ([`ClientError::is_in_doubt`]).
//! - Nothing is read, decompressed or kept without a limit, whatever a broker sends.
//! - Members of a group speak Kafka's `consumer` protocol, byte for byte: they share groups with members of other clients.
//!
//! # Not implemented
//! - Transactions; TLS and SASL; the consumer group protocol of KIP-848 (groups are classic ones); share groups.
//! - Fetch sessions: each fetch names all its partitions. Fetching from followers (KIP-392).
//! - Rack awareness of assignors; the cooperative-sticky assignor: rebalances are eager.

pub mod admin;
pub mod assign;
pub mod cluster;
/// How records are compressed.
pub use highwater_codec as codec;
pub mod connection;
pub mod consumer;
mod error;
pub mod producer;

pub use admin::Admin;
pub use cluster::{Cluster, ClusterConfig, TopicPartition};
pub use connection::{Connection, ConnectionConfig};
pub use consumer::{Consumer, ConsumerConfig};
pub use error::ClientError;
pub use producer::{Producer, ProducerConfig};
