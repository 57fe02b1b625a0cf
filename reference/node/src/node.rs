//! The node as its driver sees it.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use highwater_core::{Epoch, Instant, NodeId, Offset};

use crate::config::NodeConfig;
use crate::message::{Input, LogId, Output, TopicPartition};
use crate::view::ReplicaView;

/// The rules of all cores of a node: constants, unless the feature `flaws` is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {}

/// Why a node does not start. Nothing was overwritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenError {
    /// Which file, or which setting.
    pub place: String,
    /// What was found, what was expected, what to do.
    pub message: String,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for OpenError {}

/// A broker, a controller, or both.
#[derive(Debug)]
pub struct Node<D> {
    config: NodeConfig,
    disk: D,
    outputs: VecDeque<Output>,
}

impl<D> Node<D> {
    /// Prepares an empty disk for the node of this configuration: writes `meta.properties`.
    ///
    /// # Errors
    /// If the disk is formatted already, or cannot be written.
    pub fn format(config: &NodeConfig, disk: &mut D) -> Result<(), OpenError> {
        let _ = (config, disk);
        Ok(())
    }

    /// Starts the node on its formatted disk. `seed` feeds the jitter of elections and the identity of this start; the same seed, disk and
    /// inputs give the same outputs.
    ///
    /// # Errors
    /// If the disk belongs to another node or cluster, or holds what cannot be.
    pub fn open(
        config: NodeConfig,
        rules: Rules,
        disk: D,
        seed: u64,
        now: Instant,
    ) -> Result<Self, OpenError> {
        let _ = (rules, seed, now);
        Ok(Self { config, disk, outputs: VecDeque::new() })
    }

    /// Takes an input at the time `now`, which never goes back.
    pub fn handle(&mut self, now: Instant, input: Input) {
        let _ = (now, input);
    }

    /// The oldest output that was not taken yet.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Node::elapse`] wants to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Lets run out what is due.
    pub fn elapse(&mut self, now: Instant) {
        let _ = now;
    }

    /// `node.id`.
    pub fn id(&self) -> NodeId {
        self.config.node_id
    }

    /// The disk. The node may be dropped at any time, as by a crash: what is on the disk is all that it leaves.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// Whether the node has stopped; it said so in its last output.
    pub fn stopped(&self) -> bool {
        false
    }

    /// The broker epoch of this start, once registered.
    pub fn broker_epoch(&self) -> Option<i64> {
        None
    }

    /// Up to where the node has applied the metadata log.
    pub fn metadata_applied(&self) -> Offset {
        0
    }

    /// The replica of the metadata log.
    pub fn metadata(&self) -> Option<ReplicaView<'_>> {
        None
    }

    /// The replicas that the node holds, in order.
    pub fn replicas(&self) -> impl Iterator<Item = ReplicaView<'_>> {
        std::iter::empty()
    }

    /// The replica of this partition, if the node holds one.
    pub fn replica(&self, partition: TopicPartition) -> Option<ReplicaView<'_>> {
        let _ = partition;
        None
    }

    /// Whole batches of a log from the one that holds `from` on, at most `max_bytes` but one at least: base offset, leader epoch, bytes.
    ///
    /// # Errors
    /// If there is no such log, or the disk fails; the node goes on.
    pub fn read(
        &self,
        log: LogId,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<(Offset, Epoch, Bytes)>, String> {
        let _ = (log, from, max_bytes);
        Ok(Vec::new())
    }
}
