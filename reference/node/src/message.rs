//! What goes into a node and what comes out of it.

use bytes::Bytes;
use highwater_core::controller::{ControllerRequest, ControllerResponse};
use highwater_core::partition::{Acks, PartitionError, PartitionFetch, PartitionFetched};
use highwater_core::{NodeId, Offset, Token, Uuid, quorum};

/// A partition by the id of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Uuid,
    /// Its index in the topic.
    pub partition: i32,
}

/// A log of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogId {
    /// `__cluster_metadata`.
    Metadata,
    /// A replica of a partition.
    Partition(TopicPartition),
}

/// What a driver tells a node.
#[derive(Debug, Clone)]
pub enum Input {
    /// Another node asks.
    Request {
        /// Names the request, among all that wait for an answer of this node.
        token: Token,
        /// Who asks.
        from: NodeId,
        /// What.
        request: PeerRequest,
    },
    /// Another node answers what [`Output::Send`] asked under this number.
    Response {
        /// The number.
        correlation: u64,
        /// What it says.
        response: PeerResponse,
    },
    /// Nobody will answer what [`Output::Send`] asked under this number: the connection broke.
    Failed {
        /// The number.
        correlation: u64,
    },
    /// A client asks.
    Client {
        /// Names the request, among all that wait for an answer of this node.
        token: Token,
        /// What.
        request: ClientRequest,
    },
    /// The client that sent this is gone; nobody waits for the answer.
    Forget {
        /// Names the request.
        token: Token,
    },
    /// Do the flush that [`Output::Flush`] asked for.
    Flush(LogId),
    /// Stop in good order: move leaderships, resign, flush, note that the stop was clean.
    ShutDown,
}

/// What a node tells its driver.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send a request. Messages to one node keep their order where the network does.
    Send {
        /// To whom.
        to: NodeId,
        /// The number under which [`Input::Response`] or [`Input::Failed`] comes back, or neither.
        correlation: u64,
        /// What.
        request: PeerRequest,
    },
    /// Answer a request of another node.
    Reply {
        /// Which.
        token: Token,
        /// What.
        response: PeerResponse,
    },
    /// Answer a client.
    Answer {
        /// Which.
        token: Token,
        /// What.
        response: ClientResponse,
    },
    /// Say [`Input::Flush`] soon: this log wants to be flushed.
    Flush(LogId),
    /// Something for the operator's log; nothing needs to be done: a peer's malformed answer that was dropped, a torn tail that was cut.
    Report(String),
    /// The node has stopped and does nothing more: it was told to, or a disk failed it. In the latter case, why.
    Stopped(Option<String>),
}

/// A request among nodes.
#[derive(Debug, Clone)]
pub enum PeerRequest {
    /// Of the quorum.
    Quorum(quorum::Request),
    /// A follower's fetch from the leader of these partitions.
    Fetch(ReplicaFetch),
    /// Of a broker to the active controller.
    Controller(ControllerRequest),
}

/// A fetch of a follower, for all partitions whose leader is the receiver.
#[derive(Debug, Clone)]
pub struct ReplicaFetch {
    /// Its broker epoch.
    pub broker_epoch: i64,
    /// What it wants.
    pub partitions: Vec<(TopicPartition, PartitionFetch)>,
    /// How long the leader may wait for something to say, in milliseconds.
    pub max_wait_ms: u32,
    /// How many bytes at most, though never less than a batch.
    pub max_bytes: u32,
}

/// The answer to a [`PeerRequest`].
#[derive(Debug, Clone)]
pub enum PeerResponse {
    /// Of the quorum, with the bytes of its records or of a snapshot.
    Quorum(quorum::Response, Bytes),
    /// To [`PeerRequest::Fetch`].
    Fetch(Vec<(TopicPartition, PartitionFetched, Bytes)>),
    /// To [`PeerRequest::Controller`].
    Controller(ControllerResponse),
}

/// A request of a client.
#[derive(Debug, Clone)]
pub enum ClientRequest {
    /// Append these batches.
    Produce {
        /// Where.
        partition: TopicPartition,
        /// Who must have them.
        acks: Acks,
        /// How long to wait for that, in milliseconds.
        timeout_ms: u32,
        /// Record batches as on the wire, offsets from 0.
        records: Bytes,
    },
    /// Read up to the high watermark.
    Fetch {
        /// Where.
        partition: TopicPartition,
        /// From which position, under which leader epoch.
        fetch: PartitionFetch,
        /// How long to wait for something to say, in milliseconds.
        max_wait_ms: u32,
        /// How many bytes at most, though never less than a batch.
        max_bytes: u32,
    },
    /// What the node knows of the cluster.
    Metadata,
    /// Where a log begins or ends for consumers.
    ListOffsets {
        /// Which.
        partition: TopicPartition,
        /// The first offset whose record is at least this old, in milliseconds since 1970; -1 for the end, -2 for the start.
        timestamp: i64,
    },
    /// Passed on to the active controller.
    Controller(ControllerRequest),
}

/// The answer to a [`ClientRequest`].
#[derive(Debug, Clone)]
pub enum ClientResponse {
    /// The offset of the first record.
    Produce(Result<Offset, PartitionError>),
    /// The answer, and its bytes.
    Fetch(PartitionFetched, Bytes),
    /// The cluster as this node knows it.
    Metadata(ClusterView),
    /// The offset.
    ListOffsets(Result<Offset, PartitionError>),
    /// The controller's answer; none if the controller could not be reached.
    Controller(Option<ControllerResponse>),
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
