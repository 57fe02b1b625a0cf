//! Which APIs there are.

use std::ops::RangeInclusive;

use crate::message::Message;
use crate::messages::*;

/// Declares the APIs, and calls a macro for each.
macro_rules! apis {
    ($($(#[$meta:meta])* $api:ident($request:ident, $response:ident),)*) => {
        /// An API of Kafka's protocol whose messages are known here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Api {
            $(#[doc = concat!("[`", stringify!($request), "`].")] $api,)*
        }

        impl Api {
            /// All of them, by key.
            pub const ALL: &[Api] = &[$(Api::$api,)*];

            /// Its number.
            pub const fn key(self) -> i16 {
                match self { $(Api::$api => $request::KEY,)* }
            }

            /// Its name in Kafka's protocol guide.
            pub const fn name(self) -> &'static str {
                match self { $(Api::$api => stringify!($api),)* }
            }

            /// The versions that are known here.
            pub const fn versions(self) -> RangeInclusive<i16> {
                match self { $(Api::$api => $request::VERSIONS,)* }
            }

            /// The first version with compact lengths and tagged fields.
            pub const fn flexible_since(self) -> i16 {
                match self { $(Api::$api => $request::FLEXIBLE_SINCE,)* }
            }

            /// The API with this number.
            pub fn of_key(key: i16) -> Option<Api> {
                Self::ALL.iter().copied().find(|api| api.key() == key)
            }
        }

        $(impl Request for $request {
            const API: Api = Api::$api;
            type Response = $response;
        })*

        /// Calls `$with!(Api, Request, Response)` for each API.
        #[cfg(test)]
        macro_rules! for_each_api {
            ($with:ident) => { $($with!($api, $request, $response);)* };
        }
    };
}

/// A message that asks.
pub trait Request: Message {
    /// Its API.
    const API: Api;
    /// What answers it, in the same version.
    type Response: Message;
}

apis! {
    Produce(ProduceRequest, ProduceResponse),
    Fetch(FetchRequest, FetchResponse),
    ListOffsets(ListOffsetsRequest, ListOffsetsResponse),
    Metadata(MetadataRequest, MetadataResponse),
    OffsetCommit(OffsetCommitRequest, OffsetCommitResponse),
    OffsetFetch(OffsetFetchRequest, OffsetFetchResponse),
    FindCoordinator(FindCoordinatorRequest, FindCoordinatorResponse),
    JoinGroup(JoinGroupRequest, JoinGroupResponse),
    Heartbeat(HeartbeatRequest, HeartbeatResponse),
    LeaveGroup(LeaveGroupRequest, LeaveGroupResponse),
    SyncGroup(SyncGroupRequest, SyncGroupResponse),
    DescribeGroups(DescribeGroupsRequest, DescribeGroupsResponse),
    ListGroups(ListGroupsRequest, ListGroupsResponse),
    ApiVersions(ApiVersionsRequest, ApiVersionsResponse),
    CreateTopics(CreateTopicsRequest, CreateTopicsResponse),
    DeleteTopics(DeleteTopicsRequest, DeleteTopicsResponse),
    DeleteRecords(DeleteRecordsRequest, DeleteRecordsResponse),
    InitProducerId(InitProducerIdRequest, InitProducerIdResponse),
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse),
    DescribeConfigs(DescribeConfigsRequest, DescribeConfigsResponse),
    AlterConfigs(AlterConfigsRequest, AlterConfigsResponse),
    DescribeLogDirs(DescribeLogDirsRequest, DescribeLogDirsResponse),
    CreatePartitions(CreatePartitionsRequest, CreatePartitionsResponse),
    DeleteGroups(DeleteGroupsRequest, DeleteGroupsResponse),
    ElectLeaders(ElectLeadersRequest, ElectLeadersResponse),
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse),
    ListPartitionReassignments(ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse),
    OffsetDelete(OffsetDeleteRequest, OffsetDeleteResponse),
    Vote(VoteRequest, VoteResponse),
    BeginQuorumEpoch(BeginQuorumEpochRequest, BeginQuorumEpochResponse),
    EndQuorumEpoch(EndQuorumEpochRequest, EndQuorumEpochResponse),
    DescribeQuorum(DescribeQuorumRequest, DescribeQuorumResponse),
    AlterPartition(AlterPartitionRequest, AlterPartitionResponse),
    UpdateFeatures(UpdateFeaturesRequest, UpdateFeaturesResponse),
    FetchSnapshot(FetchSnapshotRequest, FetchSnapshotResponse),
    DescribeCluster(DescribeClusterRequest, DescribeClusterResponse),
    DescribeProducers(DescribeProducersRequest, DescribeProducersResponse),
    BrokerRegistration(BrokerRegistrationRequest, BrokerRegistrationResponse),
    BrokerHeartbeat(BrokerHeartbeatRequest, BrokerHeartbeatResponse),
    UnregisterBroker(UnregisterBrokerRequest, UnregisterBrokerResponse),
    AllocateProducerIds(AllocateProducerIdsRequest, AllocateProducerIdsResponse),
    DescribeTopicPartitions(DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse),
}

#[cfg(test)]
pub(crate) use for_each_api;
