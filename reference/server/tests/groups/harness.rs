//! What these tests share: a cluster, a member of a group, offsets.

use bytes::Bytes;
use highwater_core::NodeId;
use highwater_core::group::partition_of;
use highwater_server::Server;
use highwater_wire::messages::create_topics::request::CreatableTopic;
use highwater_wire::messages::join_group::request::JoinGroupRequestProtocol;
use highwater_wire::messages::offset_commit::request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use highwater_wire::messages::offset_fetch::request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use highwater_wire::messages::sync_group::request::SyncGroupRequestAssignment;
use highwater_wire::messages::*;
use highwater_wire::{ErrorCode, Str, Uuid};

use crate::support::{Connection, Place, address, found, newest, places, run, until};

/// One partition of offsets would hide that groups are spread.
pub(crate) const PARTITIONS: i32 = 3;

/// Elections and rebalances are quick.
pub(crate) const SOON: [(&str, &str); 6] = [
    ("controller.quorum.election.timeout.ms", "100"),
    ("controller.quorum.fetch.timeout.ms", "400"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("offsets.topic.num.partitions", "3"),
    ("broker.session.timeout.ms", "1000"),
    ("broker.heartbeat.interval.ms", "100"),
];

/// Runs a test with a connection to one node that serves and has the topic `t` of two partitions.
pub(crate) fn with_node<F: Future<Output = ()>>(test: impl FnOnce(Server, Connection) -> F) {
    run(async {
        let (_place, server, connection) = one().await;
        test(server, connection).await;
    });
}

/// One node that serves, has the topic `t` and coordinates the group `g`; where it is at home, and a connection to it.
pub(crate) async fn one() -> (Place, Server, Connection) {
    let further = [&SOON[..], &[("offsets.topic.replication.factor", "1")]].concat();
    let place = places(1, &further).remove(0);
    let server = place.start().await;
    server.serves().await.expect("it serves");
    let mut connection = Connection::open(address(&server, "PLAINTEXT")).await;
    create(&mut connection, "t", 1).await;
    find(&mut connection, "g").await;
    loaded(&mut connection, "g").await;
    (place, server, connection)
}

/// Creates a topic of two partitions. Its id.
pub(crate) async fn create(connection: &mut Connection, name: &'static str, replicas: i16) -> Uuid {
    let topic = CreatableTopic {
        name: Str::from_static(name),
        num_partitions: 2,
        replication_factor: replicas,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    let response = connection.ask(&request, newest::<CreateTopicsRequest>()).await;
    assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0]);
    response.topics[0].topic_id
}

/// Errors on which clients ask again.
pub(crate) fn is_passing(error: i16) -> bool {
    let passing = [
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::NOT_COORDINATOR,
    ];
    passing.contains(&ErrorCode(error))
}

/// Finds the coordinator of a group, and waits until there is one. It may still load.
pub(crate) async fn find(connection: &mut Connection, group: &str) -> NodeId {
    found("the group has a coordinator", async || {
        let keys = vec![group.into()];
        let request = FindCoordinatorRequest { coordinator_keys: keys, ..Default::default() };
        let response = connection.ask(&request, newest::<FindCoordinatorRequest>()).await;
        let found = &response.coordinators[0];
        assert!(found.error_code == 0 || is_passing(found.error_code), "{found:?}");
        (found.error_code == 0).then_some(NodeId(found.node_id))
    })
    .await
}

/// Waits until the only server has loaded the partition of a group.
pub(crate) async fn loaded(connection: &mut Connection, group: &str) {
    until("the group is loaded", async || serves(connection, group).await).await;
}

/// Whether the server at the other end has loaded the partition of a group.
async fn serves(connection: &mut Connection, group: &str) -> bool {
    let (error, _) = fetched(connection, group, 0).await;
    assert!(error == 0 || is_passing(error), "{error}");
    error == 0
}

/// The server that leads the partition of a group, once it serves it.
pub(crate) async fn coordinator<'a>(servers: &'a [Server], group: &str) -> &'a Server {
    found("somebody coordinates the group", async || {
        for server in servers {
            let mut connection = Connection::open(address(server, "PLAINTEXT")).await;
            if serves(&mut connection, group).await {
                return Some(server);
            }
        }
        None
    })
    .await
}

/// A group of another partition than this one's.
pub(crate) fn elsewhere(group: &str) -> String {
    let here = partition_of(group, PARTITIONS);
    let others = (0..).map(|number| format!("other-{number}"));
    others.into_iter().find(|other| partition_of(other, PARTITIONS) != here).expect("one of them")
}

/// A member as its client knows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Member {
    pub(crate) group: Str,
    pub(crate) id: Str,
    pub(crate) generation: i32,
}

impl Member {
    /// One that has no id yet.
    pub(crate) fn of(group: &str) -> Self {
        Self { group: group.into(), generation: -1, ..Self::default() }
    }

    pub(crate) fn join(&self) -> JoinGroupRequest {
        JoinGroupRequest {
            group_id: self.group.clone(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            member_id: self.id.clone(),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol {
                name: "range".into(),
                metadata: Bytes::from_static(b"subscription"),
            }],
            ..Default::default()
        }
    }

    /// Gets an id, without which nobody joins, once the coordinator has loaded the group.
    pub(crate) async fn introduce(&mut self, connection: &mut Connection) {
        loaded(connection, &self.group.clone()).await;
        let response = connection.ask(&self.join(), 9).await;
        assert_eq!(ErrorCode(response.error_code), ErrorCode::MEMBER_ID_REQUIRED);
        self.id = response.member_id;
    }

    /// Takes the answer to a join.
    pub(crate) fn joined(&mut self, response: &JoinGroupResponse) {
        assert_eq!(response.error_code, 0, "{response:?}");
        assert_eq!(response.member_id, self.id);
        self.generation = response.generation_id;
    }

    pub(crate) fn sync(&self, assignments: &[(&Str, &'static str)]) -> SyncGroupRequest {
        let assignments = assignments.iter().map(|(member, assignment)| SyncGroupRequestAssignment {
            member_id: (*member).clone(),
            assignment: Bytes::from_static(assignment.as_bytes()),
        });
        SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignments: assignments.collect(),
            ..Default::default()
        }
    }

    pub(crate) async fn heartbeat(&self, connection: &mut Connection) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            ..Default::default()
        };
        ErrorCode(connection.ask(&request, 4).await.error_code)
    }

    /// Joins alone and has everything assigned.
    pub(crate) async fn settle(&mut self, connection: &mut Connection) {
        self.introduce(connection).await;
        let response = connection.ask(&self.join(), 9).await;
        self.joined(&response);
        assert_eq!((&response.leader, response.members.len()), (&self.id, 1));
        let synced = connection.ask(&self.sync(&[(&self.id, "everything")]), 5).await;
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"everything"[..]));
    }

    /// A commit of an offset for partition 0 of the topic `t`.
    pub(crate) fn commit(&self, offset: i64) -> OffsetCommitRequest {
        let partition = OffsetCommitRequestPartition {
            partition_index: 0,
            committed_offset: offset,
            committed_metadata: Some("note".into()),
            ..Default::default()
        };
        let topic =
            OffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
        OffsetCommitRequest {
            group_id: self.group.clone(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.id.clone(),
            topics: vec![topic],
            ..Default::default()
        }
    }
}

/// The error of the first partition of a commit.
pub(crate) fn committed(response: &OffsetCommitResponse) -> ErrorCode {
    ErrorCode(response.topics[0].partitions[0].error_code)
}

/// Error and offset of what a group committed for a partition of `t`.
pub(crate) async fn fetched(connection: &mut Connection, group: &str, partition: i32) -> (i16, i64) {
    let topic = OffsetFetchRequestTopics {
        name: "t".into(),
        partition_indexes: vec![partition],
        ..Default::default()
    };
    let group =
        OffsetFetchRequestGroup { group_id: group.into(), topics: Some(vec![topic]), ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    let response = connection.ask(&request, 9).await;
    let group = &response.groups[0];
    let offset = group.topics.first().map_or(-1, |topic| topic.partitions[0].committed_offset);
    (group.error_code, offset)
}
