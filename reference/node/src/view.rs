//! What others may see of a node without changing it: for invariants, tools and metrics.

use highwater_core::{Epoch, LogView, NodeId, Offset};

use crate::message::LogId;

/// The part that a node plays for one of its logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Knows of no leader (of the metadata log: unattached or voted).
    Unattached,
    /// Asks for promises of votes (metadata log only).
    Prospective,
    /// Asks for votes (metadata log only).
    Candidate,
    /// Leads.
    Leader,
    /// Led the epoch, and does not any more (metadata log only).
    Resigned,
    /// Follows.
    Follower,
    /// Follows without a vote (metadata log only).
    Observer,
}

/// A log of a node and what its core knows of it.
#[derive(Debug, Clone)]
pub struct ReplicaView<'a> {
    /// Which log.
    pub id: LogId,
    /// The part that the node plays for it.
    pub role: Role,
    /// The leader epoch that the node is in.
    pub epoch: Epoch,
    /// Who leads that epoch, if the node knows.
    pub leader: Option<NodeId>,
    /// Start, end, flushed end and epoch cache.
    pub log: &'a LogView,
    /// The high watermark, if the node knows one.
    pub high_watermark: Option<Offset>,
    /// The committed ISR as the node knows it; of the metadata log, the voters.
    pub isr: Vec<NodeId>,
    /// The ISR together with the one that is asked for; of a follower and of the metadata log, as `isr`.
    pub maximal_isr: Vec<NodeId>,
    /// The partition epoch; of the metadata log -1.
    pub partition_epoch: i32,
    /// The broker epoch under which the node replicates it; -1 of the metadata log.
    pub broker_epoch: i64,
}
