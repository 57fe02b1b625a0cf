//! What the suite asks of a cluster of brokers: what its clients can do, and what can be seen of its partitions.
//!
//! Nodes have both roles, controller and broker. Time moves by itself (real processes), or when the suite lets it
//! pass (simulated): either way the suite asks again and again until a deadline, and never sleeps for a fixed time.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Fault;
use crate::scenario::{Member, Post, Value};

/// A topic of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Who has it, the preferred leader first.
    pub replicas: Vec<Member>,
    /// `min.insync.replicas`.
    pub min_isr: u8,
    /// `unclean.leader.election.enable`; as the cluster has it, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unclean: Option<bool>,
}

/// What a producer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Acks {
    /// Nothing: acks=0.
    None,
    /// That the leader has it: acks=1.
    Leader,
    /// That the in-sync replicas have it: acks=all.
    #[default]
    All,
}

/// How a leader is elected on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Election {
    /// The first replica, if it is in the ISR.
    Preferred,
    /// Any replica that lives, if there is no leader.
    Unclean,
}

/// What a node says of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PartitionView {
    /// The leader.
    #[serde(default)]
    pub leader: Option<Member>,
    /// Its epoch.
    pub leader_epoch: u64,
    /// The in-sync replicas, in the order of their names.
    pub isr: Vec<Member>,
    /// The eligible leader replicas (KIP-966), where the cluster has them.
    #[serde(default)]
    pub elr: Vec<Member>,
}

/// Topics and their partitions.
pub trait Partitions {
    /// Creates a topic, and returns once the controller has it.
    ///
    /// # Errors
    /// See [`Fault`].
    fn create(&mut self, topic: &Topic) -> Result<(), Fault>;

    /// Deletes a topic, and returns once the controller has done it. [`Fault::Refused`] with Kafka's name of the error, such as
    /// `UNKNOWN_TOPIC_OR_PARTITION`.
    ///
    /// # Errors
    /// See [`Fault`].
    fn delete(&mut self, topic: &str) -> Result<(), Fault>;

    /// What a node says of partition 0 of a topic; nothing if it does not answer or does not know the topic.
    ///
    /// # Errors
    /// See [`Fault`].
    fn partition(&mut self, node: Member, topic: &str) -> Result<Option<PartitionView>, Fault>;

    /// The end of the log and the high watermark of a node's own replica of partition 0, as far as the node tells.
    ///
    /// # Errors
    /// See [`Fault`].
    fn replica(&mut self, node: Member, topic: &str) -> Result<Option<ReplicaView>, Fault>;

    /// Why acknowledged records of a topic may be lost by right, if the target can tell: more replicas lost what they had not flushed than the protocol can bear.
    fn lost_by_right(&mut self, _topic: &str) -> Option<String> {
        None
    }

    /// Asks for an election. [`Fault::Refused`] with Kafka's name of the error, such as `ELECTION_NOT_NEEDED`.
    ///
    /// # Errors
    /// See [`Fault`].
    fn elect(&mut self, topic: &str, election: Election) -> Result<(), Fault>;

    /// Sets a configuration of a topic. [`Fault::Refused`] with Kafka's name of the error.
    ///
    /// # Errors
    /// See [`Fault`].
    fn configure(&mut self, topic: &str, key: &str, value: &str) -> Result<(), Fault>;

    /// The active controller as a node knows it.
    ///
    /// # Errors
    /// See [`Fault`].
    fn controller(&mut self, node: Member) -> Result<Option<Member>, Fault>;
}

/// What a node says of its own replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReplicaView {
    /// The end of its log (LEO).
    #[serde(default)]
    pub log_end: Option<u64>,
    /// Its high watermark.
    #[serde(default)]
    pub high_watermark: Option<u64>,
}

/// Producers and consumers.
pub trait Clients {
    /// Writes records, one after another, each in a request of its own, without repeating any, to whoever the metadata says leads. Their offsets, in order; without any
    /// for acks=0. Ends at the first that is not acknowledged within the time: [`Fault::Refused`] with Kafka's name of the error if it is known not to be written,
    /// [`Fault::InDoubt`] otherwise. Either text begins with Kafka's name of the error, if there was one.
    ///
    /// # Errors
    /// See [`Fault`].
    fn produce(
        &mut self,
        topic: &str,
        acks: Acks,
        values: &[Value],
        within: Duration,
    ) -> Result<Vec<u64>, Fault>;

    /// The same, to one node, whoever leads.
    ///
    /// # Errors
    /// See [`Fault`].
    fn produce_to(
        &mut self,
        node: Member,
        topic: &str,
        acks: Acks,
        values: &[Value],
        within: Duration,
    ) -> Result<Vec<u64>, Fault>;

    /// What a consumer is given that reads partition 0 from its first offset up to the high watermark: offset and value of each record. Nothing of it is kept
    /// if the leader cannot be read within the time: [`Fault::Refused`] or [`Fault::InDoubt`].
    ///
    /// # Errors
    /// See [`Fault`].
    fn consume(&mut self, topic: &str, within: Duration) -> Result<Vec<(u64, Value)>, Fault>;

    /// The same, of one node, whoever leads: up to the high watermark that it knows of (KIP-392).
    ///
    /// # Errors
    /// See [`Fault`].
    fn consume_at(
        &mut self,
        node: Member,
        _topic: &str,
        _within: Duration,
    ) -> Result<Vec<(u64, Value)>, Fault> {
        Err(Fault::Unsupported(format!("reading from {node}, whoever leads")))
    }
}

/// Time of the cluster.
pub trait Clock {
    /// Lets so much time pass: virtual time, or real time.
    ///
    /// # Errors
    /// See [`Fault`].
    fn pass(&mut self, time: Duration) -> Result<(), Fault>;

    /// How much time has passed in the system since it was built, in requests too, where its time is not that of the wall.
    fn elapsed(&mut self) -> Option<Duration> {
        None
    }
}

/// The network between nodes. Clients are not cut off by it.
pub trait Links {
    /// What one says does not reach the other from now on.
    ///
    /// # Errors
    /// See [`Fault`].
    fn cut(&mut self, from: Member, to: Member) -> Result<(), Fault>;

    /// It does again.
    ///
    /// # Errors
    /// See [`Fault`].
    fn heal(&mut self, from: Member, to: Member) -> Result<(), Fault>;
}

/// Processes that stand still: SIGSTOP and SIGCONT.
pub trait Pauses {
    /// The node stands still.
    ///
    /// # Errors
    /// See [`Fault`].
    fn pause(&mut self, node: Member) -> Result<(), Fault>;

    /// It goes on.
    ///
    /// # Errors
    /// See [`Fault`].
    fn resume(&mut self, node: Member) -> Result<(), Fault>;
}

/// Messages between nodes of a cluster, held back one by one. What is held back is on its way, whatever becomes of its sender and of the link; an answer
/// is lost with the process that asked.
pub trait Letters {
    /// The next of these that would arrive is held back, until it is delivered or lost.
    ///
    /// # Errors
    /// See [`Fault`].
    fn hold(&mut self, post: &Post) -> Result<(), Fault>;

    /// The next of these that arrives leaves a copy, which is held back.
    ///
    /// # Errors
    /// See [`Fault`].
    fn copy(&mut self, post: &Post) -> Result<(), Fault>;

    /// How many of these are held back.
    ///
    /// # Errors
    /// See [`Fault`].
    fn held(&mut self, post: &Post) -> Result<usize, Fault>;

    /// The oldest of these that is held back arrives. [`Fault::Refused`] if it cannot: its receiver is down, or has started anew since it asked.
    ///
    /// # Errors
    /// See [`Fault`].
    fn deliver(&mut self, post: &Post) -> Result<(), Fault>;

    /// The oldest of these that is held back is lost.
    ///
    /// # Errors
    /// See [`Fault`].
    fn lose(&mut self, post: &Post) -> Result<(), Fault>;
}
