//! What is asked of nodes over the wire: what they say of partitions, replicas and the controller.
//!
//! | seen | asked |
//! |---|---|
//! | leader, epoch, ISR, ELR of a partition, as a node knows it | DescribeTopicPartitions; Metadata, without ELR, of brokers older than it |
//! | end of a replica's log | ListOffsets as the tool that looks at any replica (replica id -2) |
//! | high watermark of a replica | Fetch as a consumer that may read of followers (KIP-392) |
//! | active controller as a node knows it | a Fetch of the metadata log, whose answer names leader and epoch, whatever else it says |
//! | the same, where only brokers can be reached, or that is refused | DescribeQuorum, which a broker hands on; a controller that does not lead may name who does |
//!
//! A node that does not answer soon has said nothing: who asks asks again.

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_client::{ClientError, Connection, ConnectionConfig};
use highwater_conformance::scenario::Member;
use highwater_conformance::target::Fault;
use highwater_conformance::target::cluster::{PartitionView, ReplicaView};
use highwater_core::Uuid;
use highwater_wire::messages::describe_quorum::request::{PartitionData, TopicData};
use highwater_wire::messages::describe_topic_partitions::request::TopicRequest;
use highwater_wire::messages::fetch::request::{FetchPartition, FetchTopic};
use highwater_wire::messages::fetch::response::PartitionData as Fetched;
use highwater_wire::messages::list_offsets::request::{ListOffsetsPartition, ListOffsetsTopic};
use highwater_wire::messages::list_offsets::response::ListOffsetsPartitionResponse;
use highwater_wire::messages::metadata::request::MetadataRequestTopic;
use highwater_wire::messages::{
    DescribeQuorumRequest, DescribeTopicPartitionsRequest, FetchRequest, ListOffsetsRequest, MetadataRequest,
    MetadataResponse,
};
use highwater_wire::{Request, Str};

use crate::Place;

/// How long a node that has answered before may take to answer.
const PATIENCE: Duration = Duration::from_millis(2_000);

/// How long one may take that has not: it starts, or it is a port at which nobody answers yet.
const IMPATIENCE: Duration = Duration::from_millis(400);

/// The newest version of Fetch that names topics by name.
const FETCH_BY_NAME: i16 = 12;

/// A topic's id, in Fetch of the metadata log.
pub(crate) const METADATA_TOPIC: Uuid = Uuid(1);

/// Who asks in ListOffsets: a consumer, and a tool that looks at any replica.
pub(crate) const CONSUMER: i32 = -1;
pub(crate) const ANY_REPLICA: i32 = -2;

/// What ListOffsets is asked for.
pub(crate) const LATEST: i64 = -1;
pub(crate) const EARLIEST: i64 = -2;

/// Behind which of a node's doors something is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Broker,
    Controller,
}

/// A node as it is reached.
#[derive(Debug)]
struct Seat {
    id: i32,
    place: Place,
    broker: Option<Connection>,
    controller: Option<Connection>,
    /// Whether its broker has answered since it came up.
    has_answered: bool,
}

/// All nodes as they are reached.
#[derive(Debug)]
pub(crate) struct Wire {
    seats: BTreeMap<Member, Seat>,
}

/// How a connection is made that waits so long.
pub(crate) fn connection_config(wait: Duration) -> ConnectionConfig {
    ConnectionConfig { connect_timeout: wait, request_timeout: wait, ..ConnectionConfig::default() }
}

/// Asks what the quorum is like.
pub(crate) fn describe_quorum() -> DescribeQuorumRequest {
    let partitions = vec![PartitionData { partition_index: 0 }];
    let topic_name = Str::from_static("__cluster_metadata");
    DescribeQuorumRequest { topics: vec![TopicData { topic_name, partitions }] }
}

impl Wire {
    /// Nodes by the order of their ids: n1 is the lowest.
    pub(crate) fn new(places: &BTreeMap<i32, Place>) -> Self {
        let seat = |(&id, place): (&i32, &Place)| Seat {
            id,
            place: place.clone(),
            broker: None,
            controller: None,
            has_answered: false,
        };
        let members = (1..=9).map(Member);
        Self { seats: members.zip(places.iter().map(seat)).collect() }
    }

    /// All of them.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.seats.keys().copied().collect()
    }

    fn seat(&mut self, node: Member) -> Result<&mut Seat, Fault> {
        let known = self.seats.len();
        self.seats
            .get_mut(&node)
            .ok_or_else(|| Fault::Unsupported(format!("{node}: there are {known} nodes")))
    }

    /// The id of a node.
    pub(crate) fn id(&self, node: Member) -> Result<i32, Fault> {
        let seat = self.seats.get(&node);
        let known = self.seats.len();
        seat.map(|seat| seat.id).ok_or_else(|| Fault::Unsupported(format!("{node}: there are {known} nodes")))
    }

    /// Who has an id; nobody if it is none, as -1.
    pub(crate) fn member(&self, id: i32) -> Result<Option<Member>, Fault> {
        if id < 0 {
            return Ok(None);
        }
        let found = self.seats.iter().find(|(_, seat)| seat.id == id);
        let (member, _) =
            found.ok_or_else(|| Fault::Broken(format!("found node {id}, expected one of the cluster's")))?;
        Ok(Some(*member))
    }

    fn members_of(&self, ids: &[i32]) -> Result<Vec<Member>, Fault> {
        let members: Result<Vec<Option<Member>>, Fault> = ids.iter().map(|id| self.member(*id)).collect();
        let mut members: Vec<Member> = members?.into_iter().flatten().collect();
        members.sort();
        Ok(members)
    }

    /// Where clients reach a node.
    pub(crate) fn address(&self, node: Member) -> Result<String, Fault> {
        self.id(node)?;
        Ok(self.seats.get(&node).map(|seat| seat.place.broker_address()).unwrap_or_default())
    }

    /// A node went down, or stands still: its connections are worth nothing.
    pub(crate) fn forget(&mut self, node: Member) {
        if let Some(seat) = self.seats.get_mut(&node) {
            (seat.broker, seat.controller, seat.has_answered) = (None, None, false);
        }
    }

    /// What a node's broker answers.
    pub(crate) async fn ask<R: Request>(
        &mut self,
        node: Member,
        request: &R,
    ) -> Result<R::Response, Silence> {
        self.ask_in(node, request, i16::MAX, None).await
    }

    /// The same, in a version not above `highest`, and as patient as said.
    pub(crate) async fn ask_in<R: Request>(
        &mut self,
        node: Member,
        request: &R,
        highest: i16,
        wait: Option<Duration>,
    ) -> Result<R::Response, Silence> {
        self.knock(node, Door::Broker, request, highest, wait).await
    }

    pub(crate) async fn knock<R: Request>(
        &mut self,
        node: Member,
        door: Door,
        request: &R,
        highest: i16,
        wait: Option<Duration>,
    ) -> Result<R::Response, Silence> {
        let seat = self.seat(node)?;
        let patience = if seat.has_answered { PATIENCE } else { IMPATIENCE };
        let (held, place) = match door {
            Door::Broker => (&mut seat.broker, Some(seat.place.broker_address())),
            Door::Controller => (&mut seat.controller, seat.place.controller_address()),
        };
        let place =
            place.ok_or_else(|| Fault::Unsupported(format!("{node} has no place of a controller")))?;
        let connection = match held.take().filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => Connection::open(&place, &connection_config(patience)).await?,
        };
        let answer = connection.ask_for(request, highest, wait.unwrap_or(patience)).await;
        // One that did not answer in time has ended.
        if answer.is_ok() || matches!(answer, Err(ClientError::Unsupported { .. })) {
            *held = Some(connection);
            seat.has_answered |= door == Door::Broker;
        }
        Ok(answer?)
    }

    /// What a node says of partition 0 of a topic.
    pub(crate) async fn partition(
        &mut self,
        node: Member,
        topic: &str,
    ) -> Result<Option<PartitionView>, Fault> {
        let request = DescribeTopicPartitionsRequest {
            topics: vec![TopicRequest { name: topic.into() }],
            ..Default::default()
        };
        let answer = match self.ask(node, &request).await {
            Ok(answer) => answer,
            Err(Silence::Asking(ClientError::Unsupported { .. })) => {
                return self.partition_of_old(node, topic).await;
            }
            Err(silence) => return silence.nothing(),
        };
        let partitions = answer.topics.into_iter().flat_map(|topic| topic.partitions);
        let Some(found) = partitions.into_iter().find(|found| found.partition_index == 0) else {
            return Ok(None);
        };
        let elr = self.members_of(&found.eligible_leader_replicas.unwrap_or_default())?;
        self.view(found.leader_id, found.leader_epoch, &found.isr_nodes, elr)
    }

    /// The same, of a broker that knows no ELR.
    async fn partition_of_old(&mut self, node: Member, topic: &str) -> Result<Option<PartitionView>, Fault> {
        let answer = match self.metadata(node, Some(topic)).await {
            Ok(answer) => answer,
            Err(silence) => return silence.nothing(),
        };
        let partitions = answer.topics.into_iter().flat_map(|topic| topic.partitions);
        let found = partitions.into_iter().find(|found| found.partition_index == 0);
        found.map_or(Ok(None), |found| {
            self.view(found.leader_id, found.leader_epoch, &found.isr_nodes, Vec::new())
        })
    }

    fn view(
        &self,
        leader: i32,
        epoch: i32,
        isr: &[i32],
        elr: Vec<Member>,
    ) -> Result<Option<PartitionView>, Fault> {
        // An epoch below 0 is none yet.
        let Ok(leader_epoch) = u64::try_from(epoch) else { return Ok(None) };
        let (leader, isr) = (self.member(leader)?, self.members_of(isr)?);
        Ok(Some(PartitionView { leader, leader_epoch, isr, elr }))
    }

    /// Brokers, and what a node says of a topic.
    pub(crate) async fn metadata(
        &mut self,
        node: Member,
        topic: Option<&str>,
    ) -> Result<MetadataResponse, Silence> {
        let name = |topic: &str| MetadataRequestTopic { name: Some(topic.into()), ..Default::default() };
        let topics = Some(topic.map(name).into_iter().collect());
        let request = MetadataRequest { topics, allow_auto_topic_creation: false, ..Default::default() };
        self.ask(node, &request).await
    }

    /// End and high watermark of a node's own replica.
    pub(crate) async fn replica(&mut self, node: Member, topic: &str) -> Result<Option<ReplicaView>, Fault> {
        // The end last: it is never behind a high watermark of before.
        let fetched = match self.fetch(node, topic, 0, 1, "suite").await {
            Ok(fetched) => fetched,
            Err(silence) => return silence.nothing(),
        };
        let end = match self.list_offsets(node, topic, ANY_REPLICA, LATEST, -1).await {
            Ok(end) => end,
            Err(silence) => return silence.nothing(),
        };
        let known = |code: i16, offset: i64| (code == 0).then(|| u64::try_from(offset).ok()).flatten();
        Ok(Some(ReplicaView {
            log_end: end.and_then(|end| known(end.error_code, end.offset)),
            high_watermark: fetched.and_then(|fetched| known(fetched.error_code, fetched.high_watermark)),
        }))
    }

    /// What a node says of an offset of partition 0.
    pub(crate) async fn list_offsets(
        &mut self,
        node: Member,
        topic: &str,
        replica_id: i32,
        timestamp: i64,
        current_leader_epoch: i32,
    ) -> Result<Option<ListOffsetsPartitionResponse>, Silence> {
        let partitions = vec![ListOffsetsPartition { partition_index: 0, current_leader_epoch, timestamp }];
        let request = ListOffsetsRequest {
            replica_id,
            topics: vec![ListOffsetsTopic { name: topic.into(), partitions }],
            ..Default::default()
        };
        let answer = self.ask(node, &request).await?;
        Ok(answer.topics.into_iter().flat_map(|topic| topic.partitions).next())
    }

    /// Records of partition 0 as a consumer reads them, without waiting. Who names a rack may read of followers.
    pub(crate) async fn fetch(
        &mut self,
        node: Member,
        topic: &str,
        fetch_offset: i64,
        bytes: i32,
        rack: &str,
    ) -> Result<Option<Fetched>, Silence> {
        let partition = FetchPartition { fetch_offset, partition_max_bytes: bytes, ..Default::default() };
        let request = FetchRequest {
            max_bytes: bytes,
            rack_id: rack.into(),
            topics: vec![FetchTopic {
                topic: topic.into(),
                partitions: vec![partition],
                ..Default::default()
            }],
            ..Default::default()
        };
        let answer = self.ask_in(node, &request, FETCH_BY_NAME, None).await?;
        Ok(answer.responses.into_iter().flat_map(|topic| topic.partitions).next())
    }

    /// The active controller as a node knows it, and its epoch.
    pub(crate) async fn controller(&mut self, node: Member) -> Result<Option<(Member, i32)>, Fault> {
        if self.seat(node)?.place.controller.is_none() {
            return self.controller_by_quorum(node, Door::Broker).await;
        }
        let partition = FetchPartition {
            current_leader_epoch: 1,
            last_fetched_epoch: 0,
            partition_max_bytes: 1,
            ..Default::default()
        };
        let topic =
            FetchTopic { topic_id: METADATA_TOPIC, partitions: vec![partition], ..Default::default() };
        let request = FetchRequest { max_bytes: 1, topics: vec![topic], ..Default::default() };
        let answer = match self.knock(node, Door::Controller, &request, i16::MAX, None).await {
            Ok(answer) => answer,
            Err(silence) => return silence.nothing(),
        };
        let partition = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
        let Some(partition) = partition else {
            // A controller that hears no fetch of a stranger.
            return self.controller_by_quorum(node, Door::Controller).await;
        };
        let known = partition.current_leader;
        Ok(self.member(known.leader_id)?.map(|leader| (leader, known.leader_epoch)))
    }

    /// Of a broker, which hands on; or of a controller, which may name the leader although it refuses to speak for it.
    async fn controller_by_quorum(
        &mut self,
        node: Member,
        door: Door,
    ) -> Result<Option<(Member, i32)>, Fault> {
        let answer = match self.knock(node, door, &describe_quorum(), i16::MAX, None).await {
            Ok(answer) => answer,
            Err(Silence::Asking(ClientError::Unsupported { .. })) => {
                return Err(Fault::Unsupported(format!("{node} has no DescribeQuorum")));
            }
            Err(silence) => return silence.nothing(),
        };
        let partition = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
        // No quorum has an epoch 0 with a leader: who refuses and says that says nothing.
        let Some(found) = partition.filter(|found| found.leader_epoch > 0) else {
            return Ok(None);
        };
        // A controller that is no broker has no name here.
        let leader = self.seats.iter().find(|(_, seat)| seat.id == found.leader_id);
        Ok(leader.map(|(member, _)| (*member, found.leader_epoch)))
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Silence {
    /// The node was asked, or was to be.
    Asking(ClientError),
    /// It could not even be tried.
    Fault(Fault),
}

impl From<ClientError> for Silence {
    fn from(error: ClientError) -> Self {
        Self::Asking(error)
    }
}

impl From<Fault> for Silence {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Silence {
    /// Nothing was said, which is no fault: the node may be about to start, or to end.
    fn nothing<T>(self) -> Result<Option<T>, Fault> {
        match self {
            Self::Asking(ClientError::Unsupported { place, api }) => {
                Err(Fault::Unsupported(format!("{place} has no version of {api} that is known here")))
            }
            Self::Asking(_) => Ok(None),
            Self::Fault(fault) => Err(fault),
        }
    }
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Asking(error) => write!(f, "{error}"),
            Self::Fault(fault) => write!(f, "{fault}"),
        }
    }
}
