//! What nodes ask of each other, over TCP: the client's side ([`TcpPeers`]) and the server's ([`serve`]).
//!
//! What a node wants sent goes in Kafka's own APIs, one connection for each peer and lane. A lane is a kind of request that must not wait
//! behind another: a vote behind a long fetch, a heartbeat behind the creation of ten thousand partitions.
//!
//! # Invariants
//! - Requests of a lane leave in the order in which the node sent them.
//! - What was sent on a connection that breaks is failed, each once; so is what waited for one that did not come about. What was
//!   not sent yet when a connection broke goes out on the next.
//! - The node never waits for a lane.
//! - A connection on which a request stays unanswered for longer than the node waits for it is closed: the next may find another way.
//!
//! # Addresses
//! Controllers are where `controller.quorum.voters` says; brokers are where the image says that they registered, which is looked up at each
//! connecting. A lane connects when there is something to send, and holds on to the connection. How soon it is tried again is the node's matter:
//! it has its own backoffs.
//!
//! # Where it differs from Kafka
//! - There is no ApiVersions among nodes: each speaks the newest versions, and all nodes of a cluster are of one make.
//! - What clients ask of the controller is passed on as the node's own request, not in an Envelope: there are no principals.

mod lane;
pub(crate) mod serve;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use highwater_core::NodeId;
use highwater_core::controller::ControllerRequest;
use highwater_core::quorum;
use highwater_node::NodeConfig;
use highwater_node::message::PeerRequest;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::runtime::{NodeHandle, Peers};
use crate::translate::Speaker;

/// What must not wait behind another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lane {
    /// Votes, and who leads.
    Quorum,
    /// Fetches of the metadata log and of snapshots.
    QuorumFetch,
    /// Fetches of followers.
    ReplicaFetch,
    /// What a broker asks for itself: to be registered, to live, other ISRs.
    Broker,
    /// What clients asked for.
    Forward,
}

impl Lane {
    fn of(request: &PeerRequest) -> Self {
        match request {
            PeerRequest::Quorum(quorum::Request::Fetch(_) | quorum::Request::FetchSnapshot(_)) => {
                Self::QuorumFetch
            }
            PeerRequest::Quorum(_) => Self::Quorum,
            PeerRequest::Fetch(_) => Self::ReplicaFetch,
            PeerRequest::Controller(
                ControllerRequest::RegisterBroker(_)
                | ControllerRequest::Heartbeat(_)
                | ControllerRequest::AlterPartitions(_),
            ) => Self::Broker,
            PeerRequest::Controller(_) => Self::Forward,
        }
    }
}

/// How long a request may go unanswered before its connection is given up.
#[derive(Debug, Clone, Copy)]
struct Patience {
    quorum: Duration,
    replica: Duration,
    controller: Duration,
}

impl Patience {
    /// As long as the node itself waits, at least.
    fn with(self, request: &PeerRequest) -> Duration {
        match request {
            PeerRequest::Quorum(quorum::Request::Fetch(fetch)) => {
                self.quorum + Duration::from_millis(fetch.max_wait_ms.into())
            }
            PeerRequest::Quorum(_) => self.quorum,
            PeerRequest::Fetch(fetch) => self.replica + Duration::from_millis(fetch.max_wait_ms.into()),
            PeerRequest::Controller(_) => self.controller,
        }
    }
}

/// What all lanes share.
#[derive(Debug)]
struct Shared {
    node: NodeHandle,
    speaker: Speaker,
    voters: BTreeMap<NodeId, (String, u16)>,
    /// The listener at which brokers reach each other.
    inter_broker: Option<String>,
    connection_setup_timeout: Duration,
    patience: Patience,
}

/// A request on its way to a lane.
#[derive(Debug)]
struct Sending {
    correlation: u64,
    request: PeerRequest,
}

/// The other nodes, over TCP.
#[derive(Debug)]
pub(crate) struct TcpPeers {
    shared: Arc<Shared>,
    runtime: Handle,
    /// Held by each lane as long as it runs.
    running: mpsc::Sender<()>,
    lanes: HashMap<(NodeId, Lane), mpsc::UnboundedSender<Sending>>,
}

impl TcpPeers {
    /// Those of this node. Their lanes run on the runtime that this is called on; each holds `running` until it ends.
    pub(crate) fn new(
        node: NodeHandle,
        speaker: Speaker,
        config: &NodeConfig,
        voters: BTreeMap<NodeId, (String, u16)>,
        inter_broker: Option<String>,
        connection_setup_timeout: Duration,
        running: mpsc::Sender<()>,
    ) -> Self {
        let patience = Patience {
            quorum: config.quorum_request_timeout,
            replica: config.replica_socket_timeout,
            controller: config.controller_request_timeout,
        };
        let shared = Shared { node, speaker, voters, inter_broker, connection_setup_timeout, patience };
        Self { shared: Arc::new(shared), runtime: Handle::current(), running, lanes: HashMap::new() }
    }
}

impl Peers for TcpPeers {
    /// How much may wait for a lane is bounded by how much the node leaves outstanding.
    fn send(&mut self, to: NodeId, correlation: u64, request: PeerRequest) {
        let lane = Lane::of(&request);
        let sender = self.lanes.entry((to, lane)).or_insert_with(|| {
            let (sender, requests) = mpsc::unbounded_channel();
            let (shared, running) = (self.shared.clone(), self.running.clone());
            self.runtime.spawn(async move {
                lane::run(shared, to, lane, requests).await;
                drop(running);
            });
            sender
        });
        // A lane ends with the node only.
        let _ = sender.send(Sending { correlation, request });
    }
}
