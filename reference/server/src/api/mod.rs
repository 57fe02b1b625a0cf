//! What is answered to whom: one module an API.
//!
//! A connection calls [`begin`] for each request in the order in which they came, and sends the answers in that order. Most APIs are
//! answered within the call; those that may wait long (Produce, Fetch, those of groups) hand their request to the node in it and leave the answer for
//! [later](Begun::Later), so that the connection goes on reading.
//!
//! What only the controller decides is sent on to it through the node, and waited for as long as the request says. What a request wants to know
//! of the cluster is looked up between two steps of the node.
//!
//! # Invariants
//! - What a connection asks reaches the node in the order in which it was asked.
//! - A request that cannot be read closes its connection, and no other; so does one that the listener does not serve.
//! - ApiVersions in a version that is not known is answered, in version 0 with UNSUPPORTED_VERSION (KIP-511); nothing else unknown is.
//! - Which APIs ApiVersions names is which are served: one table, [`is_served`], for both.
//! - An answer is bounded: by what a fetch may bring, by what there is, or by what was asked, never by a number in the request alone.
//!
//! # Where it differs from Kafka
//! - A broker that created or deleted topics for a client answers once it knows of it itself, if that takes less than half a second. So who asks
//!   next is not told that there is no such topic.
//! - A topic that Metadata creates is waited for in the same way, up to a second.
//! - Controllers are told to clients as Kafka does it, by the id of a broker that lives: here that of the active controller, if it is a broker too.
//! - AlterConfigs replaces what this broker knows to be set; Kafka's controller replaces what is set.
//! - Configuration of brokers can change while they run only where it stands for that of topics.
//! - The results of UpdateFeatures for single features, before version 2, all say the same.
//!
//! # What is not implemented
//! - Transactions: FindCoordinator and InitProducerId refuse transactional ids with TRANSACTIONAL_ID_AUTHORIZATION_FAILED, the error on which
//!   producers give up at once; the other APIs are not advertised.
//! - Reassignment of replicas, access control, quotas (no answer is ever throttled), delegation tokens, SCRAM, client metrics, share groups, the
//!   consumer groups of KIP-848.
//! - Documentation strings in DescribeConfigs; loggers as resources.

mod alter_configs;
mod api_versions;
mod cluster;
mod controller;
mod create_partitions;
mod create_topics;
mod creation;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod elect_leaders;
mod fetch;
mod find_coordinator;
mod forward;
mod groups;
mod heartbeat;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sync_group;
mod topics;
mod unregister_broker;
mod update_features;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use highwater_wire::frame::Frame;
use highwater_wire::header::{HeaderError, RequestHeader};
use highwater_wire::messages::FetchRequest;
use highwater_wire::{Api, Request, Str};

use crate::config::ServerConfig;
use crate::group::Coordinators;
use crate::metrics::Metrics;
use crate::peer::serve;
use crate::runtime::{NodeHandle, Stopped};
use crate::translate;
use fetch::Sessions;
use init_producer_id::ProducerIds;
use topics::Topics;

/// What all connections of a server share.
#[derive(Debug)]
pub struct Context {
    /// The node.
    pub node: NodeHandle,
    /// What the server was told at its start.
    pub config: Arc<ServerConfig>,
    /// `cluster.id`, as the data directory has it.
    pub cluster_id: Str,
    /// What the APIs keep between requests.
    pub(crate) state: State,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
}

/// What the APIs keep between requests.
#[derive(Debug)]
pub(crate) struct State {
    /// The ids of topics by name.
    pub(crate) topics: Topics,
    /// What consumers fetch.
    pub(crate) sessions: Sessions,
    /// The ids that idempotent producers get.
    pub(crate) producer_ids: ProducerIds,
    /// Who coordinates groups.
    pub(crate) coordinators: Coordinators,
}

impl Context {
    /// Of a server that starts, on the runtime that it is to run on.
    pub fn new(node: NodeHandle, config: Arc<ServerConfig>, cluster_id: Str) -> Self {
        let sessions = Sessions::new(config.topics.fetch_sessions_max);
        let coordinators = Coordinators::start(&node, &config);
        let state =
            State { topics: Topics::default(), sessions, producer_ids: ProducerIds::default(), coordinators };
        Self { node, config, cluster_id, state, metrics: Metrics::new() }
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListenerKind {
    /// Clients and brokers.
    Broker,
    /// Controllers, brokers as observers of the quorum, and admin clients.
    Controller,
}

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Client {
    /// From where.
    pub address: SocketAddr,
    /// The listener's kind.
    pub kind: ListenerKind,
    /// The listener's name, in upper case.
    pub listener: Arc<str>,
    /// What the client said in ApiVersions of its software: name and version (KIP-511).
    pub software: Option<(Str, Str)>,
}

/// An answer that takes its time.
pub type Later = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What comes of a request that took its time.
#[derive(Debug)]
pub enum Answer {
    /// This goes out.
    Frame(Frame),
    /// Nothing does: a producer that wants no acknowledgement.
    Silent,
    /// The connection is closed, for this reason: so a producer that wants no acknowledgement hears of an error.
    Close(String),
    /// The connection is closed, since the node has stopped.
    Stopped,
}

impl From<Stopped> for Answer {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// How a request is answered.
pub enum Begun {
    /// With this.
    Ready(Frame),
    /// With what comes of this, in the order of requests. It is dropped if the connection ends first.
    Later(Later),
    /// Not at all: a producer that wants no acknowledgement.
    Silent,
    /// By closing the connection, for this reason.
    Close(String),
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(frame) => f.debug_tuple("Ready").field(frame).finish(),
            Self::Later(_) => f.write_str("Later"),
            Self::Silent => f.write_str("Silent"),
            Self::Close(reason) => f.debug_tuple("Close").field(reason).finish(),
        }
    }
}

impl From<Stopped> for Begun {
    fn from(stopped: Stopped) -> Self {
        Self::Close(stopped.to_string())
    }
}

impl Client {
    /// Nothing is known of it yet but from where it came, and to which listener.
    pub fn new(address: SocketAddr, kind: ListenerKind, listener: Arc<str>) -> Self {
        Self { address, kind, listener, software: None }
    }
}

/// Begins to answer the request that a frame (without its length) holds.
pub async fn answer(context: &Arc<Context>, client: &mut Client, frame: Bytes) -> Begun {
    match RequestHeader::decode(frame) {
        Ok((header, body)) => begin(context, client, header, body).await,
        Err(HeaderError::UnknownVersion { api: Api::ApiVersions, correlation, .. }) => {
            api_versions::unsupported(client.kind, correlation)
        }
        Err(error) => Begun::Close(error.to_string()),
    }
}

/// Begins to answer a request.
pub async fn begin(context: &Arc<Context>, client: &mut Client, header: RequestHeader, body: Bytes) -> Begun {
    if !is_served(client.kind, header.api) {
        return Begun::Close(format!(
            "{} is not served at the listener {}",
            header.api.name(),
            client.listener
        ));
    }
    let begun = match header.api {
        Api::ApiVersions => api_versions::begin(context, client, &header, body).await,
        Api::Produce => produce::begin(context, client, &header, body).await,
        Api::Fetch => fetch(context, client, &header, body).await,
        Api::Metadata => metadata::begin(context, client, &header, body).await,
        Api::ListOffsets => list_offsets::begin(context, &header, body).await,
        Api::OffsetForLeaderEpoch => offset_for_leader_epoch::begin(context, &header, body).await,
        Api::CreateTopics => create_topics::begin(context, client, &header, body).await,
        Api::CreatePartitions => create_partitions::begin(context, client, &header, body).await,
        Api::DeleteTopics => delete_topics::begin(context, client, &header, body).await,
        Api::DeleteRecords => delete_records::begin(context, &header, body).await,
        Api::InitProducerId => init_producer_id::begin(context, client, &header, body).await,
        Api::FindCoordinator => find_coordinator::begin(context, client, &header, body).await,
        Api::JoinGroup => join_group::begin(context, client, &header, body).await,
        Api::SyncGroup => sync_group::begin(context, &header, body).await,
        Api::Heartbeat => heartbeat::begin(context, &header, body).await,
        Api::LeaveGroup => leave_group::begin(context, &header, body).await,
        Api::OffsetCommit => offset_commit::begin(context, &header, body).await,
        Api::OffsetFetch => offset_fetch::begin(context, &header, body).await,
        Api::OffsetDelete => offset_delete::begin(context, &header, body).await,
        Api::DescribeGroups => describe_groups::begin(context, &header, body).await,
        Api::ListGroups => list_groups::begin(context, &header, body).await,
        Api::DeleteGroups => delete_groups::begin(context, &header, body).await,
        Api::DescribeConfigs => describe_configs::begin(context, &header, body).await,
        Api::IncrementalAlterConfigs => alter_configs::begin(context, client, &header, body).await,
        Api::AlterConfigs => alter_configs::begin_older(context, client, &header, body).await,
        Api::DescribeCluster => describe_cluster::begin(context, client, &header, body).await,
        Api::DescribeTopicPartitions => {
            describe_topic_partitions::begin(context, client, &header, body).await
        }
        Api::DescribeQuorum => describe_quorum::begin(context, client, &header, body).await,
        Api::DescribeProducers => describe_producers::begin(context, &header, body).await,
        Api::DescribeLogDirs => describe_log_dirs::begin(context, &header, body).await,
        Api::ElectLeaders => elect_leaders::begin(context, client, &header, body).await,
        Api::ListPartitionReassignments => list_partition_reassignments::begin(context, &header, body).await,
        Api::UpdateFeatures => update_features::begin(context, client, &header, body).await,
        Api::UnregisterBroker => unregister_broker::begin(context, client, &header, body).await,
        Api::Vote | Api::BeginQuorumEpoch | Api::EndQuorumEpoch | Api::FetchSnapshot => {
            serve::quorum(context, &header, body).await
        }
        Api::BrokerRegistration => serve::broker_registration(context, &header, body).await,
        Api::BrokerHeartbeat => serve::broker_heartbeat(context, &header, body).await,
        Api::AlterPartition => serve::alter_partition(context, &header, body).await,
        Api::AllocateProducerIds => serve::allocate_producer_ids(context, &header, body).await,
    };
    begun.unwrap_or_else(|refused| refused)
}

/// Fetch, which asks for different things at different listeners.
async fn fetch(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    if client.kind == ListenerKind::Controller {
        return serve::quorum(context, header, body).await;
    }
    let request: FetchRequest = decode(header, body)?;
    if translate::fetch::fetcher(&request).is_some() {
        return serve::fetch_as_leader(context, header, request).await;
    }
    fetch::begin(context, client, header, request).await
}

/// Whether a listener of this kind serves an API.
pub fn is_served(kind: ListenerKind, api: Api) -> bool {
    use ListenerKind::{Broker, Controller};
    match api {
        Api::ApiVersions
        | Api::Fetch
        | Api::CreateTopics
        | Api::CreatePartitions
        | Api::DeleteTopics
        | Api::DescribeConfigs
        | Api::IncrementalAlterConfigs
        | Api::AlterConfigs
        | Api::DescribeCluster
        | Api::DescribeQuorum
        | Api::ElectLeaders
        | Api::ListPartitionReassignments
        | Api::UpdateFeatures
        | Api::UnregisterBroker => matches!(kind, Broker | Controller),
        Api::Produce
        | Api::Metadata
        | Api::ListOffsets
        | Api::OffsetForLeaderEpoch
        | Api::DeleteRecords
        | Api::InitProducerId
        | Api::FindCoordinator
        | Api::JoinGroup
        | Api::SyncGroup
        | Api::Heartbeat
        | Api::LeaveGroup
        | Api::OffsetCommit
        | Api::OffsetFetch
        | Api::OffsetDelete
        | Api::DescribeGroups
        | Api::ListGroups
        | Api::DeleteGroups
        | Api::DescribeLogDirs
        | Api::DescribeProducers
        | Api::DescribeTopicPartitions => kind == Broker,
        Api::Vote
        | Api::BeginQuorumEpoch
        | Api::EndQuorumEpoch
        | Api::FetchSnapshot
        | Api::BrokerRegistration
        | Api::BrokerHeartbeat
        | Api::AlterPartition
        | Api::AllocateProducerIds => kind == Controller,
    }
}

/// Reads a request, or closes its connection.
pub(crate) fn decode<R: Request>(header: &RequestHeader, body: Bytes) -> Result<R, Begun> {
    R::decode(header.version, body)
        .map_err(|error| Begun::Close(format!("{} v{} {error}", header.api.name(), header.version)))
}

/// The frame of a response to a request.
pub(crate) fn frame<R: Request>(header: &RequestHeader, response: &R::Response) -> Result<Frame, Begun> {
    Frame::response::<R>(response, header.version, header.correlation).map_err(|error| {
        Begun::Close(format!("the answer to {} v{} has {error}", header.api.name(), header.version))
    })
}

/// Answers a request.
pub(crate) fn ready<R: Request>(header: &RequestHeader, response: &R::Response) -> Result<Begun, Begun> {
    frame::<R>(header, response).map(Begun::Ready)
}

/// The answer to a request that took its time.
pub(crate) fn answered<R: Request>(header: &RequestHeader, response: &R::Response) -> Answer {
    match Frame::response::<R>(response, header.version, header.correlation) {
        Ok(frame) => Answer::Frame(frame),
        Err(error) => {
            Answer::Close(format!("the answer to {} v{} has {error}", header.api.name(), header.version))
        }
    }
}
