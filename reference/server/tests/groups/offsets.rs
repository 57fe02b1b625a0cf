//! Committed offsets: in every version, by names and ids, of what there is and what there is not.

use highwater_wire::messages::offset_delete::request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use highwater_wire::messages::offset_fetch::request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use highwater_wire::messages::*;
use highwater_wire::{ErrorCode, Uuid};

use crate::harness::{Member, committed, create, elsewhere, fetched, with_node};
use crate::support::{Connection, newest, until};

#[test]
fn offset_is_committed_and_fetched_in_every_version() {
    with_node(async |_server, mut connection| {
        let c = &mut connection;
        let outsider = Member::of("g");
        for version in 2..=9 {
            let response = c.ask(&outsider.commit(version.into()), version).await;
            assert_eq!(committed(&response), ErrorCode::NONE, "v{version}");
            assert_eq!(fetched(c, "g", 0).await, (0, version.into()));
        }
        for version in 1..=7 {
            let topic = OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0, 1] };
            let request =
                OffsetFetchRequest { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() };
            let response = c.ask(&request, version).await;
            let partitions = &response.topics[0].partitions;
            let offsets: Vec<_> = partitions.iter().map(|partition| partition.committed_offset).collect();
            assert_eq!((response.error_code, offsets), (0, vec![9, -1]), "v{version}");
            assert_eq!(partitions[0].metadata.as_deref(), Some("note"));
        }
    });
}

#[test]
fn offsets_are_committed_and_fetched_by_topic_ids() {
    with_node(async |_server, mut connection| {
        let c = &mut connection;
        let id = create(c, "by-id", 1).await;
        let mut commit = Member::of("g").commit(7);
        commit.topics[0].topic_id = id;
        assert_eq!(committed(&c.ask(&commit, 10).await), ErrorCode::NONE);
        let mut unknown = Member::of("g").commit(7);
        unknown.topics[0].topic_id = Uuid(99);
        assert_eq!(committed(&c.ask(&unknown, 10).await), ErrorCode::UNKNOWN_TOPIC_ID);
        let topic = |topic_id| OffsetFetchRequestTopics {
            topic_id,
            partition_indexes: vec![0],
            ..Default::default()
        };
        let group = |topics| OffsetFetchRequestGroup { group_id: "g".into(), topics, ..Default::default() };
        let groups = vec![group(Some(vec![topic(Uuid(99)), topic(id)])), group(None)];
        let response = c.ask(&OffsetFetchRequest { groups, ..Default::default() }, 10).await;
        let found = |group: usize, topic: usize| {
            let topic = &response.groups[group].topics[topic];
            let partition = &topic.partitions[0];
            (topic.topic_id, ErrorCode(partition.error_code), partition.committed_offset)
        };
        assert_eq!(found(0, 0), (Uuid(99), ErrorCode::UNKNOWN_TOPIC_ID, -1));
        assert_eq!(found(0, 1), (id, ErrorCode::NONE, 7));
        assert_eq!(found(1, 0), (id, ErrorCode::NONE, 7), "all offsets, by id too");
    });
}

#[test]
fn several_groups_are_fetched_at_once() {
    with_node(async |_server, mut connection| {
        let c = &mut connection;
        let other = elsewhere("g");
        assert_eq!(committed(&c.ask(&Member::of("g").commit(1), 9).await), ErrorCode::NONE);
        assert_eq!(committed(&c.ask(&Member::of(&other).commit(2), 9).await), ErrorCode::NONE);
        let group =
            |id: &str| OffsetFetchRequestGroup { group_id: id.into(), topics: None, ..Default::default() };
        let groups = vec![group(&other), group("g")];
        let response = c.ask(&OffsetFetchRequest { groups, ..Default::default() }, 9).await;
        let offsets: Vec<_> = response
            .groups
            .iter()
            .map(|group| (group.group_id.to_string(), group.topics[0].partitions[0].committed_offset))
            .collect();
        assert_eq!(offsets, [(other, 2), ("g".to_owned(), 1)]);
    });
}

#[test]
fn offsets_of_topics_and_partitions_that_there_are_not_are_refused() {
    with_node(async |_server, mut connection| {
        let c = &mut connection;
        let mut commit = Member::of("g").commit(3);
        let mut absent = commit.topics[0].clone();
        absent.name = "none".into();
        commit.topics.insert(0, absent);
        let mut beyond = commit.topics[1].partitions[0].clone();
        beyond.partition_index = 9;
        commit.topics[1].partitions.insert(0, beyond);
        let response = c.ask(&commit, 9).await;
        let errors: Vec<_> = response
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|partition| ErrorCode(partition.error_code)))
            .collect();
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        assert_eq!(errors, [unknown, unknown, ErrorCode::NONE]);
        assert_eq!(fetched(c, "g", 0).await, (0, 3));
    });
}

#[test]
fn offsets_are_deleted() {
    with_node(async |_server, mut connection| {
        let c = &mut connection;
        assert_eq!(committed(&c.ask(&Member::of("g").commit(3), 9).await), ErrorCode::NONE);
        let partitions = [0, 9].map(|partition_index| OffsetDeleteRequestPartition { partition_index });
        let topic = OffsetDeleteRequestTopic { name: "t".into(), partitions: partitions.into() };
        let request = OffsetDeleteRequest { group_id: "g".into(), topics: vec![topic] };
        let response = c.ask(&request, newest::<OffsetDeleteRequest>()).await;
        let errors: Vec<_> = response.topics[0].partitions.iter().map(|found| found.error_code).collect();
        assert_eq!(errors, [0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0]);
        assert_eq!(fetched(c, "g", 0).await, (0, -1));
    });
}

#[test]
fn offsets_of_a_deleted_topic_are_forgotten() {
    with_node(async |server, mut connection| {
        let c = &mut connection;
        assert_eq!(committed(&c.ask(&Member::of("g").commit(3), 9).await), ErrorCode::NONE);
        delete(c).await;
        create(c, "t", 1).await;
        until("they are forgotten", async || {
            let mut other = Connection::open(crate::support::address(&server, "PLAINTEXT")).await;
            fetched(&mut other, "g", 0).await == (0, -1)
        })
        .await;
    });
}

async fn delete(connection: &mut Connection) {
    let request =
        DeleteTopicsRequest { topic_names: vec!["t".into()], timeout_ms: 5_000, ..Default::default() };
    assert_eq!(connection.ask(&request, 5).await.responses[0].error_code, 0);
}
