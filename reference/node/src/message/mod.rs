//! What goes into a node and what comes out of it.

mod client;
mod replica;

use bytes::Bytes;
pub use client::*;
use highwater_core::controller::{ControllerRequest, ControllerResponse};
use highwater_core::{NodeId, Token, Uuid, quorum};
use highwater_log::Flushed;
pub use replica::*;

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
    /// Do the flush that [`Output::Flush`] asked for, in this step.
    Flush(LogId),
    /// The flush that [`Output::Flush`] asked for was done outside of the node, by the [`Flusher`](crate::Flusher) that
    /// [`Node::flusher`](crate::Node::flusher) gave.
    Flushed {
        /// Of which log.
        log: LogId,
        /// What came of it.
        flushed: Flushed,
    },
    /// Stop in good order: move leaderships, resign, flush, note that the stop was clean. Said again: without moving leaderships any
    /// further, as when there is no controller who could.
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
    /// This log wants to be flushed, soon: say [`Input::Flush`]; or take [`Node::flusher`](crate::Node::flusher) and, if there is one, flush by
    /// that on another thread, and say [`Input::Flushed`]. One of a log is asked for at a time.
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
    /// A follower's fetch from the leader of partitions.
    Fetch(ReplicaFetch),
    /// Of a broker to the active controller.
    Controller(ControllerRequest),
}

/// The answer to a [`PeerRequest`].
#[derive(Debug, Clone)]
pub enum PeerResponse {
    /// Of the quorum, with the bytes of its records or of a snapshot.
    Quorum(quorum::Response, Bytes),
    /// To [`PeerRequest::Fetch`]; an error if there is no such session: nothing of the request was taken.
    Fetch(Result<ReplicaFetched, FetchSessionError>),
    /// To [`PeerRequest::Controller`].
    Controller(ControllerResponse),
}
