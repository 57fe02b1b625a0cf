//! What clients ask of a broker, and what they are answered.

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::controller::{ControllerRequest, ControllerResponse};
use highwater_core::partition::{Acks, PartitionError, PartitionFetch, PartitionFetched};
use highwater_core::{Epoch, EpochEnd, NodeId, Offset, Uuid};

use super::TopicPartition;

/// A request of a client. Each is answered once, with the [`ClientResponse`] of its name, unless its token is forgotten first.
#[derive(Debug, Clone)]
pub enum ClientRequest {
    /// Append these batches.
    Produce(Produce),
    /// Read.
    Fetch(Fetch),
    /// What the node knows of the cluster.
    Metadata,
    /// Find offsets by time, or where logs begin and end.
    ListOffsets(ListOffsets),
    /// Where leader epochs end (KIP-101, KIP-320): answered by leaders only.
    OffsetsForLeaderEpoch(Vec<EpochQuery>),
    /// Delete records from the front (KIP-107).
    DeleteRecords(DeleteRecords),
    /// Passed on to the active controller.
    Controller(ControllerRequest),
}

/// The answer to a [`ClientRequest`]. Partitions are answered in the order in which they were asked for.
#[derive(Debug, Clone)]
pub enum ClientResponse {
    /// To [`ClientRequest::Produce`], once all partitions are decided; also with [`Acks::None`], though the producer is told nothing then (Kafka
    /// closes its connection if there is an error).
    Produce(Vec<(TopicPartition, Result<Produced, Refusal>)>),
    /// To [`ClientRequest::Fetch`].
    Fetch(Vec<FetchedPartition>),
    /// The cluster as this node knows it.
    Metadata(ClusterView),
    /// To [`ClientRequest::ListOffsets`]: the record, or none if there is no such.
    ListOffsets(Vec<(TopicPartition, Result<Option<ListedOffset>, PartitionError>)>),
    /// To [`ClientRequest::OffsetsForLeaderEpoch`]: the largest epoch not above the one asked for and where it ends; none if the log knows no such
    /// epoch (Kafka's answer has -1 for both then).
    OffsetsForLeaderEpoch(Vec<(TopicPartition, Result<Option<EpochEnd>, PartitionError>)>),
    /// To [`ClientRequest::DeleteRecords`]: the low watermark, the least start of the logs of all live replicas.
    DeleteRecords(Vec<(TopicPartition, Result<Offset, PartitionError>)>),
    /// The controller's answer; none if the controller could not be reached.
    Controller(Option<ControllerResponse>),
}

/// Batches for partitions.
#[derive(Debug, Clone)]
pub struct Produce {
    /// Who must have them.
    pub acks: Acks,
    /// How long to wait for that, in milliseconds.
    pub timeout_ms: u32,
    /// For each partition, once, a record batch as on the wire, its offset 0.
    pub partitions: Vec<(TopicPartition, Bytes)>,
}

/// Records that were appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Produced {
    /// The offset of the first.
    pub base: Offset,
    /// The timestamp that they were given, in milliseconds since 1970; -1 if they have their producer's (`message.timestamp.type`).
    pub log_append_time: i64,
    /// Where the log starts; -1 if that is not known any more.
    pub log_start: Offset,
}

/// Why records were not appended, or not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The protocol's error.
    pub error: PartitionError,
    /// What was found and what was expected, if that says more.
    pub message: Option<Arc<str>>,
}

impl From<PartitionError> for Refusal {
    fn from(error: PartitionError) -> Self {
        Self { error, message: None }
    }
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FetchReader {
    /// A consumer that reads of leaders only: a fetch before version 11 (KIP-392).
    ConsumerOfLeader,
    /// A consumer, which reads up to the high watermark, of followers too.
    Consumer,
    /// Somebody who wants to see all that a replica has, up to the log's end: replica id -3 of Kafka's fetches.
    Debug,
}

/// A fetch of partitions.
///
/// It waits until there are `min_bytes` to read, any partition has an error, diverges or is not led here any more, or its time is up.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Who reads.
    pub reader: FetchReader,
    /// How long to wait, in milliseconds.
    pub max_wait_ms: u32,
    /// How many bytes are worth an answer before that.
    pub min_bytes: u32,
    /// How many bytes at most of all partitions together, though never less than a batch.
    pub max_bytes: u32,
    /// What of which, each once.
    pub partitions: Vec<FetchPartition>,
}

/// A fetch of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPartition {
    /// Which.
    pub partition: TopicPartition,
    /// From which position, under which leader epoch.
    pub fetch: PartitionFetch,
    /// How many bytes at most, though never less than a batch if it is the first that has any.
    pub max_bytes: u32,
}

/// What there is of one partition.
#[derive(Debug, Clone)]
pub struct FetchedPartition {
    /// Which.
    pub partition: TopicPartition,
    /// Error, high watermark, log start, diverging epoch, and the extents of the bytes.
    pub answer: PartitionFetched,
    /// Who leads `answer.leader_epoch`, as far as this node knows: the current leader that an error comes with (KIP-320, KIP-951).
    pub leader: Option<NodeId>,
    /// Whole batches.
    pub records: Bytes,
}

/// Offsets to find.
#[derive(Debug, Clone)]
pub struct ListOffsets {
    /// Who asks.
    pub reader: OffsetReader,
    /// What of which.
    pub partitions: Vec<OffsetQuery>,
}

/// Who asks for offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OffsetReader {
    /// A client, which knows what is below the high watermark: replica id -1.
    Client,
    /// A follower, or another that may know a leader's log end: a replica id of 0 or more.
    Replica,
    /// Somebody who wants to know of any replica where its log ends: replica id -2.
    Debug,
}

/// An offset to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetQuery {
    /// Of which partition.
    pub partition: TopicPartition,
    /// The leader epoch that who asks believes in; [`NO_EPOCH`](highwater_core::NO_EPOCH) if it does not say.
    pub leader_epoch: Epoch,
    /// What to find.
    pub at: OffsetAt,
}

/// What to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OffsetAt {
    /// The end: the high watermark for clients, else the log's end. Timestamp -1.
    Latest,
    /// The start. Timestamp -2 (and -4, as long as nothing is stored remotely).
    Earliest,
    /// The record of the largest timestamp (KIP-734). Timestamp -3.
    MaxTimestamp,
    /// The first record at least this young, in milliseconds since 1970.
    Timestamp(i64),
}

/// An offset that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// The timestamp of its record, in milliseconds since 1970; -1 of the start and of the end.
    pub timestamp: i64,
    /// The offset.
    pub offset: Offset,
    /// The leader epoch of its record, of the end that of the leader; [`NO_EPOCH`](highwater_core::NO_EPOCH) if it is not known.
    pub leader_epoch: Epoch,
}

/// Where an epoch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochQuery {
    /// In which partition.
    pub partition: TopicPartition,
    /// The leader epoch that who asks believes in; [`NO_EPOCH`](highwater_core::NO_EPOCH) if it does not say.
    pub current_leader_epoch: Epoch,
    /// The epoch whose end is asked for.
    pub epoch: Epoch,
}

/// Records to delete from the front.
#[derive(Debug, Clone)]
pub struct DeleteRecords {
    /// How long to wait for all live replicas to have it done, in milliseconds.
    pub timeout_ms: u32,
    /// For each partition, once, the offset of the first record to keep; `None` for the high watermark (-1).
    pub partitions: Vec<(TopicPartition, Option<Offset>)>,
}

/// What a node knows of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterView {
    /// The active controller, if known.
    pub controller: Option<NodeId>,
    /// Unfenced brokers.
    pub brokers: Vec<NodeId>,
    /// Topics by name.
    pub topics: Vec<TopicView>,
}

/// A topic: its name, its id, and for each partition leader and leader epoch.
pub type TopicView = (String, Uuid, Vec<(Option<NodeId>, i32)>);
