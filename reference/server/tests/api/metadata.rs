//! Metadata, and topics that are created because somebody asks for them.

use highwater_wire::messages::MetadataRequest;
use highwater_wire::messages::metadata::request::MetadataRequestTopic;
use highwater_wire::{ErrorCode, Str, Uuid};

use crate::harness::{create, error, with_node};
use crate::support::newest;

fn named(name: &'static str, may_create: bool) -> MetadataRequest {
    let topic = MetadataRequestTopic { name: Some(Str::from_static(name)), ..Default::default() };
    MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: may_create, ..Default::default() }
}

#[test]
fn unknown_topic_is_created_where_that_is_allowed() {
    with_node(&[("num.partitions", "3")], async |_server, mut connection| {
        let refused = connection.ask(&named("new", false), 13).await;
        assert_eq!(error(refused.topics[0].error_code), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let created = connection.ask(&named("new", true), 13).await;
        let topic = &created.topics[0];
        assert_eq!((error(topic.error_code), topic.partitions.len()), (ErrorCode::NONE, 3));
        assert_ne!(topic.topic_id, Uuid::ZERO);
        assert!(
            topic.partitions.iter().all(|partition| partition.leader_id == 1 && partition.error_code == 0)
        );
    });
}

#[test]
fn unknown_topic_is_not_created_where_the_file_forbids() {
    with_node(&[("auto.create.topics.enable", "false")], async |_server, mut connection| {
        let response = connection.ask(&named("new", true), 13).await;
        assert_eq!(error(response.topics[0].error_code), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    });
}

#[test]
fn topic_that_cannot_be_created_says_why() {
    with_node(&[("default.replication.factor", "3")], async |_server, mut connection| {
        let wrong = connection.ask(&named("not a name", true), 13).await;
        assert_eq!(error(wrong.topics[0].error_code), ErrorCode::INVALID_TOPIC_EXCEPTION);
        let too_many = connection.ask(&named("three", true), 13).await;
        assert_eq!(error(too_many.topics[0].error_code), ErrorCode::INVALID_REPLICATION_FACTOR);
    });
}

#[test]
fn topics_are_found_by_id() {
    with_node(&[], async |_server, mut connection| {
        let id = create(&mut connection, "there", 2, 1).await;
        let by_id = |topic_id| MetadataRequestTopic { topic_id, name: None };
        let request =
            MetadataRequest { topics: Some(vec![by_id(id), by_id(Uuid(77))]), ..Default::default() };
        let response = connection.ask(&request, 12).await;
        let find = |id| response.topics.iter().find(|topic| topic.topic_id == id).expect("an answer");
        assert_eq!(find(id).name.as_deref(), Some("there"));
        assert_eq!(find(id).partitions.len(), 2);
        assert_eq!(error(find(Uuid(77)).error_code), ErrorCode::UNKNOWN_TOPIC_ID);
        assert_eq!(find(Uuid(77)).name, None);
        let older = connection.ask(&named("there", false), 10).await;
        assert_eq!(older.topics[0].topic_id, id);
    });
}

#[test]
fn all_topics_are_none_named_in_version_0_and_null_later() {
    with_node(&[], async |_server, mut connection| {
        create(&mut connection, "a", 1, 1).await;
        create(&mut connection, "b", 1, 1).await;
        let none = MetadataRequest::default();
        let null = MetadataRequest { topics: None, ..Default::default() };
        assert_eq!(connection.ask(&none, 0).await.topics.len(), 2);
        assert_eq!(connection.ask(&none, 1).await.topics.len(), 0);
        let all = connection.ask(&null, newest::<MetadataRequest>()).await;
        assert_eq!(all.topics.len(), 2);
        assert_eq!((all.controller_id, all.brokers.len(), all.brokers[0].node_id), (1, 1, 1));
        assert_eq!(all.topics[0].topic_authorized_operations, i32::MIN);
        let asked = MetadataRequest { include_topic_authorized_operations: true, ..null };
        let all = connection.ask(&asked, newest::<MetadataRequest>()).await;
        // What Kafka answers without an authorizer.
        assert_eq!(all.topics[0].topic_authorized_operations, 3576);
    });
}
