//! What others may see of a node without changing it: for invariants, tools and metrics.

use highwater_core::partition::{self, Partition};
use highwater_core::quorum::{Quorum, RoleName};
use highwater_core::{Epoch, LogView, NodeId, Offset};

use crate::message::{LogId, TopicPartition};

/// The part that a node plays for one of its logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// No replica by the metadata, or not told yet (partitions only).
    Unassigned,
    /// Knows of no leader.
    Unattached,
    /// Has voted, and knows of no leader (metadata log only).
    Voted,
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

/// The view of the metadata log.
pub(crate) fn of_metadata(core: &Quorum) -> ReplicaView<'_> {
    let role = match core.role() {
        RoleName::Unattached => Role::Unattached,
        RoleName::Voted => Role::Voted,
        RoleName::Prospective => Role::Prospective,
        RoleName::Candidate => Role::Candidate,
        RoleName::Leader => Role::Leader,
        RoleName::Follower => Role::Follower,
        RoleName::Resigned => Role::Resigned,
        RoleName::Observer => Role::Observer,
    };
    let voters: Vec<NodeId> = core.voters().ids().collect();
    ReplicaView {
        id: LogId::Metadata,
        role,
        epoch: core.epoch(),
        leader: core.leader(),
        log: core.log(),
        high_watermark: core.high_watermark(),
        isr: voters.clone(),
        maximal_isr: voters,
        partition_epoch: -1,
        broker_epoch: -1,
    }
}

/// The view of a partition.
pub(crate) fn of_partition(id: TopicPartition, core: &Partition) -> ReplicaView<'_> {
    let role = match core.role() {
        partition::Role::Unassigned => Role::Unassigned,
        partition::Role::Leaderless => Role::Unattached,
        partition::Role::Follower { .. } => Role::Follower,
        partition::Role::Leader => Role::Leader,
    };
    ReplicaView {
        id: LogId::Partition(id),
        role,
        epoch: core.leader_epoch(),
        leader: core.state().leader,
        log: core.log(),
        high_watermark: Some(core.high_watermark()),
        isr: core.isr().to_vec(),
        maximal_isr: core.maximal_isr(),
        partition_epoch: core.state().partition_epoch,
        broker_epoch: core.config().broker_epoch,
    }
}
