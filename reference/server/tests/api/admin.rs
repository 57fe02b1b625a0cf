//! Topics, elections, features, producers' ids, the cluster.

use std::collections::BTreeSet;

use highwater_wire::messages::create_partitions::request::CreatePartitionsTopic;
use highwater_wire::messages::create_topics::request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use highwater_wire::messages::delete_topics::request::DeleteTopicState;
use highwater_wire::messages::describe_topic_partitions::request::{Cursor, TopicRequest};
use highwater_wire::messages::elect_leaders::request::TopicPartitions;
use highwater_wire::messages::update_features::request::FeatureUpdateKey;
use highwater_wire::messages::*;
use highwater_wire::{ErrorCode, Str, Uuid};

use crate::harness::{batch, create, error, produce, produced, with_node};
use crate::support::{Connection, newest};

fn topic(name: &'static str, num_partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic { name: Str::from_static(name), num_partitions, replication_factor, ..Default::default() }
}

fn of(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest { topics, timeout_ms: 5_000, ..Default::default() }
}

#[test]
fn created_topic_is_described_in_the_answer() {
    with_node(&[("num.partitions", "4")], async |_server, mut connection| {
        let config = CreatableTopicConfig { name: "retention.ms".into(), value: Some("7".into()) };
        let request = of(vec![CreatableTopic { configs: vec![config], ..topic("t", -1, -1) }]);
        let response = connection.ask(&request, 7).await;
        let created = &response.topics[0];
        assert_eq!((created.error_code, created.num_partitions, created.replication_factor), (0, 4, 1));
        assert_ne!(created.topic_id, Uuid::ZERO);
        let configs = created.configs.as_ref().expect("configs");
        let retention = configs.iter().find(|config| config.name == "retention.ms").expect("retention.ms");
        assert_eq!((retention.value.as_deref(), retention.config_source), (Some("7"), 1));
        let older = connection.ask(&of(vec![topic("older", 1, 1)]), 4).await;
        assert_eq!(older.topics[0].error_code, 0);
    });
}

#[test]
fn topics_that_cannot_be_created_are_refused() {
    with_node(&[], async |_server, mut connection| {
        create(&mut connection, "there", 1, 1).await;
        let assigned =
            |index, broker| CreatableReplicaAssignment { partition_index: index, broker_ids: vec![broker] };
        let unset = CreatableTopicConfig { name: "retention.ms".into(), value: None };
        let cases = [
            (topic("there", 1, 1), ErrorCode::TOPIC_ALREADY_EXISTS),
            (topic("a b", 1, 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
            (topic("t", 0, 1), ErrorCode::INVALID_PARTITIONS),
            (topic("t", 1, 3), ErrorCode::INVALID_REPLICATION_FACTOR),
            (topic("t", 1_000_000, 1), ErrorCode::POLICY_VIOLATION),
            (
                CreatableTopic { assignments: vec![assigned(1, 1)], ..topic("t", -1, -1) },
                ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            ),
            (
                CreatableTopic { assignments: vec![assigned(0, 9)], ..topic("t", -1, -1) },
                ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            ),
            (CreatableTopic { configs: vec![unset], ..topic("t", 1, 1) }, ErrorCode::INVALID_CONFIG),
        ];
        for (topic, expected) in cases {
            let response = connection.ask(&of(vec![topic.clone()]), 7).await;
            let created = &response.topics[0];
            assert_eq!(error(created.error_code), expected, "{topic:?}");
            assert!(created.error_message.is_some());
        }
        // The good one of two is created.
        let response = connection.ask(&of(vec![topic("a b", 1, 1), topic("good", 1, 1)]), 7).await;
        let codes: Vec<_> = response.topics.iter().map(|topic| error(topic.error_code)).collect();
        assert_eq!(codes, [ErrorCode::INVALID_TOPIC_EXCEPTION, ErrorCode::NONE]);
    });
}

#[test]
fn validation_alone_changes_nothing() {
    with_node(&[], async |_server, mut connection| {
        let request = CreateTopicsRequest { validate_only: true, ..of(vec![topic("t", 1, 1)]) };
        assert_eq!(connection.ask(&request, 7).await.topics[0].error_code, 0);
        create(&mut connection, "t", 1, 1).await;
        let more = |count, validate_only| {
            let topic = CreatePartitionsTopic { name: "t".into(), count, assignments: None };
            CreatePartitionsRequest { topics: vec![topic], timeout_ms: 5_000, validate_only }
        };
        for (count, validate_only, expected) in [
            (3, true, ErrorCode::NONE),
            (3, false, ErrorCode::NONE),
            (3, false, ErrorCode::INVALID_PARTITIONS),
        ] {
            let response = connection.ask(&more(count, validate_only), 3).await;
            assert_eq!(error(response.results[0].error_code), expected, "{count} {validate_only}");
        }
        let all = MetadataRequest { topics: None, ..Default::default() };
        assert_eq!(connection.ask(&all, 12).await.topics[0].partitions.len(), 3);
    });
}

#[test]
fn topics_are_deleted_by_name_and_id() {
    with_node(&[], async |_server, mut connection| {
        create(&mut connection, "a", 1, 1).await;
        let b = create(&mut connection, "b", 1, 1).await;
        let by = |name: Option<&'static str>, topic_id| DeleteTopicState {
            name: name.map(Str::from_static),
            topic_id,
        };
        let topics = vec![
            by(Some("a"), Uuid::ZERO),
            by(None, b),
            by(Some("none"), Uuid::ZERO),
            by(None, Uuid(9)),
            by(None, Uuid::ZERO),
            by(None, b),
        ];
        let request = DeleteTopicsRequest { topics, timeout_ms: 5_000, ..Default::default() };
        let response = connection.ask(&request, 6).await;
        let answers: Vec<_> = response.responses.iter().map(|topic| error(topic.error_code)).collect();
        assert_eq!(
            answers,
            [
                ErrorCode::NONE,
                ErrorCode::NONE,
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                ErrorCode::UNKNOWN_TOPIC_ID,
                ErrorCode::INVALID_REQUEST,
                ErrorCode::INVALID_REQUEST,
            ]
        );
        assert_eq!(response.responses[1].name.as_deref(), Some("b"));
        let all = MetadataRequest { topics: None, ..Default::default() };
        assert_eq!(connection.ask(&all, 12).await.topics.len(), 0, "the broker that was asked knows it");
    });
}

#[test]
fn deletion_can_be_forbidden() {
    with_node(&[("delete.topic.enable", "false")], async |_server, mut connection| {
        create(&mut connection, "t", 1, 1).await;
        let topic_names = vec!["t".into()];
        let request = DeleteTopicsRequest { topic_names, timeout_ms: 5_000, ..Default::default() };
        let response = connection.ask(&request, 5).await;
        assert_eq!(error(response.responses[0].error_code), ErrorCode::TOPIC_DELETION_DISABLED);
    });
}

#[test]
fn partitions_are_described_a_piece_at_a_time() {
    with_node(&[], async |_server, mut connection| {
        create(&mut connection, "a", 3, 1).await;
        create(&mut connection, "b", 2, 1).await;
        let mut request =
            DescribeTopicPartitionsRequest { response_partition_limit: 2, ..Default::default() };
        let mut pieces = Vec::new();
        loop {
            let response = connection.ask(&request, 0).await;
            for topic in &response.topics {
                let name = topic.name.as_deref().unwrap_or_default();
                pieces.push((name.to_owned(), topic.partitions.len()));
                assert!(topic.partitions.iter().all(|partition| partition.leader_id == 1));
            }
            let Some(next) = response.next_cursor else { break };
            let cursor = Cursor { topic_name: next.topic_name, partition_index: next.partition_index };
            request.cursor = Some(cursor);
        }
        let expected = [("a", 2), ("a", 1), ("b", 1), ("b", 1)];
        assert_eq!(pieces, expected.map(|(name, count)| (name.to_owned(), count)));
        let named = |name: &'static str| TopicRequest { name: Str::from_static(name) };
        let request =
            DescribeTopicPartitionsRequest { topics: vec![named("none"), named("a")], ..Default::default() };
        let response = connection.ask(&request, 0).await;
        assert_eq!(response.topics[0].partitions.len(), 3);
        assert_eq!(error(response.topics[1].error_code), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let cursor = Some(Cursor { topic_name: "b".into(), partition_index: 0 });
        let response = connection.ask(&DescribeTopicPartitionsRequest { cursor, ..request }, 0).await;
        assert_eq!(error(response.topics[0].error_code), ErrorCode::INVALID_REQUEST);
    });
}

#[test]
fn election_that_is_not_needed_is_refused() {
    with_node(&[], async |_server, mut connection| {
        create(&mut connection, "t", 1, 1).await;
        let topics = vec![TopicPartitions { topic: "t".into(), partitions: vec![0, 7] }];
        let request =
            ElectLeadersRequest { election_type: 0, topic_partitions: Some(topics), timeout_ms: 5_000 };
        let response = connection.ask(&request, 2).await;
        let answers = &response.replica_election_results[0].partition_result;
        let codes: Vec<_> = answers.iter().map(|answer| error(answer.error_code)).collect();
        assert_eq!(codes, [ErrorCode::ELECTION_NOT_NEEDED, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
        let all = ElectLeadersRequest { topic_partitions: None, ..request.clone() };
        assert!(connection.ask(&all, 2).await.replica_election_results.is_empty());
        let unknown = ElectLeadersRequest { election_type: 7, ..request };
        assert_eq!(error(connection.ask(&unknown, 2).await.error_code), ErrorCode::INVALID_REQUEST);
    });
}

#[test]
fn features_rise_and_do_not_fall_unasked() {
    with_node(&[], async |_server, mut connection| {
        let update = |max_version_level, upgrade_type| {
            let update = FeatureUpdateKey {
                feature: "metadata.version".into(),
                max_version_level,
                upgrade_type,
                ..Default::default()
            };
            UpdateFeaturesRequest { timeout_ms: 5_000, feature_updates: vec![update], validate_only: false }
        };
        for (level, upgrade_type, expected) in [
            (26, 1, ErrorCode::NONE),
            (25, 1, ErrorCode::INVALID_UPDATE_VERSION),
            (99, 1, ErrorCode::INVALID_UPDATE_VERSION),
            (27, 2, ErrorCode::INVALID_UPDATE_VERSION),
            (27, 8, ErrorCode::INVALID_UPDATE_VERSION),
        ] {
            let response = connection.ask(&update(level, upgrade_type), 2).await;
            assert_eq!(error(response.error_code), expected, "{level} {upgrade_type}");
        }
        let response = connection.ask(&update(99, 1), 1).await;
        assert_eq!(response.error_code, 0);
        assert_eq!(error(response.results[0].error_code), ErrorCode::INVALID_UPDATE_VERSION);
    });
}

#[test]
fn producers_get_ids_of_their_own() {
    with_node(&[], async |_server, mut connection| {
        let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        let mut ids = BTreeSet::new();
        for _ in 0..1_100 {
            let response = connection.ask(&request, 5).await;
            assert_eq!((response.error_code, response.producer_epoch), (0, 0));
            ids.insert(response.producer_id);
        }
        assert_eq!(ids.len(), 1_100, "more than a block has, none twice");
        let half = InitProducerIdRequest { producer_id: 5, ..request };
        assert_eq!(error(connection.ask(&half, 5).await.error_code), ErrorCode::INVALID_REQUEST);
    });
}

#[test]
fn transactions_are_refused_with_the_error_on_which_clients_give_up() {
    with_node(&[], async |_server, mut connection| {
        let refused = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        let request = InitProducerIdRequest { transactional_id: Some("tx".into()), ..Default::default() };
        assert_eq!(error(connection.ask(&request, 5).await.error_code), refused);
        let request = FindCoordinatorRequest { key: "tx".into(), key_type: 1, ..Default::default() };
        let response = connection.ask(&request, 3).await;
        assert_eq!(error(response.error_code), refused);
        assert!(response.error_message.is_some_and(|message| message.contains("transactions")));
        let request = FindCoordinatorRequest {
            key_type: 1,
            coordinator_keys: vec!["a".into(), "b".into()],
            ..Default::default()
        };
        let response = connection.ask(&request, 6).await;
        assert!(response.coordinators.iter().all(|coordinator| error(coordinator.error_code) == refused));
        assert_eq!(response.coordinators.len(), 2);
    });
}

#[test]
fn coordinator_of_a_group_leads_its_partition_of_offsets() {
    let further = [("offsets.topic.num.partitions", "3"), ("offsets.topic.replication.factor", "1")];
    with_node(&further, async |_server, mut connection| {
        let request = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
        let response = connection.ask(&request, 6).await;
        let coordinator = &response.coordinators[0];
        assert_eq!((error(coordinator.error_code), coordinator.node_id), (ErrorCode::NONE, 1));
        let all = MetadataRequest { topics: None, ..Default::default() };
        let topics = connection.ask(&all, 12).await.topics;
        assert_eq!(topics[0].name.as_deref(), Some("__consumer_offsets"));
        assert_eq!((topics[0].is_internal, topics[0].partitions.len()), (true, 3));
    });
}

#[test]
fn cluster_and_directory_are_described() {
    with_node(&[], async |_server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        let records = batch(&["x"]);
        let response = connection.ask(&produce("t", id, -1, Some(records.clone())), 13).await;
        assert_eq!(produced(&response).0, ErrorCode::NONE);
        let cluster =
            connection.ask(&DescribeClusterRequest::default(), newest::<DescribeClusterRequest>()).await;
        assert_eq!((cluster.error_code, cluster.controller_id, cluster.brokers.len()), (0, 1, 1));
        assert_eq!(cluster.cluster_id, crate::support::CLUSTER);
        let controllers = DescribeClusterRequest { endpoint_type: 2, ..Default::default() };
        let refused = connection.ask(&controllers, 2).await;
        assert_eq!(error(refused.error_code), ErrorCode::MISMATCHED_ENDPOINT_TYPE);
        let directories = connection.ask(&DescribeLogDirsRequest { topics: None }, 5).await;
        let directory = &directories.results[0];
        assert_eq!(directory.topics[0].partitions[0].partition_size, records.len() as i64);
        assert!(directory.total_bytes >= directory.usable_bytes && directory.usable_bytes > 0);
    });
}

#[test]
fn broker_that_is_not_there_cannot_be_forgotten() {
    with_node(&[], async |_server, mut connection: Connection| {
        let response = connection.ask(&UnregisterBrokerRequest { broker_id: 9 }, 0).await;
        assert_eq!(error(response.error_code), ErrorCode::BROKER_ID_NOT_REGISTERED);
    });
}
