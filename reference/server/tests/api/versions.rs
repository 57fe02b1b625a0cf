//! Every API in every version that is advertised.

use std::collections::BTreeSet;

use highwater_wire::messages::*;
use highwater_wire::{Api, ErrorCode};

use crate::harness::{create, with_node};
use crate::support::{Connection, api_versions, every_version, newest};

#[test]
fn every_api_answers_in_every_version() {
    with_node(&[], async |_server, mut connection| {
        let c = &mut connection;
        create(c, "there", 1, 1).await;
        let advertised = c.ask(&api_versions(), newest::<ApiVersionsRequest>()).await.api_keys;
        every_version(c, api_versions()).await;
        every_version(c, ProduceRequest { acks: -1, ..Default::default() }).await;
        every_version(c, FetchRequest::default()).await;
        every_version(c, MetadataRequest::default()).await;
        every_version(c, ListOffsetsRequest { replica_id: -1, ..Default::default() }).await;
        every_version(c, OffsetForLeaderEpochRequest::default()).await;
        every_version(c, CreateTopicsRequest::default()).await;
        every_version(c, CreatePartitionsRequest::default()).await;
        every_version(c, DeleteTopicsRequest::default()).await;
        every_version(c, DeleteRecordsRequest::default()).await;
        every_version(c, DescribeConfigsRequest::default()).await;
        every_version(c, IncrementalAlterConfigsRequest::default()).await;
        every_version(c, AlterConfigsRequest::default()).await;
        every_version(c, DescribeClusterRequest::default()).await;
        every_version(c, DescribeTopicPartitionsRequest::default()).await;
        every_version(c, ElectLeadersRequest { topic_partitions: None, ..Default::default() }).await;
        every_version(c, DescribeQuorumRequest::default()).await;
        every_version(c, InitProducerIdRequest { transactional_id: None, ..Default::default() }).await;
        every_version(c, DescribeProducersRequest::default()).await;
        every_version(c, DescribeLogDirsRequest { topics: None }).await;
        every_version(c, UpdateFeaturesRequest::default()).await;
        every_version(c, UnregisterBrokerRequest { broker_id: 9 }).await;
        every_version(c, ListPartitionReassignmentsRequest::default()).await;
        let key = "g".into();
        let group = FindCoordinatorRequest { key, coordinator_keys: vec!["g".into()], ..Default::default() };
        every_version(c, group).await;
        // What is advertised, and nothing else.
        let advertised: BTreeSet<i16> = advertised.iter().map(|api| api.api_key).collect();
        for api in [Api::Vote, Api::AlterPartition, Api::BrokerRegistration, Api::AllocateProducerIds] {
            assert!(!advertised.contains(&api.key()), "{api:?} is for nodes");
        }
    });
}

#[test]
fn controller_listener_serves_administrators() {
    with_node(&[], async |server, _| {
        let mut controller = Connection::open(crate::support::address(&server, "CONTROLLER")).await;
        let c = &mut controller;
        create(c, "by-controller", 1, 1).await;
        every_version(c, DescribeConfigsRequest::default()).await;
        every_version(c, DescribeClusterRequest { endpoint_type: 2, ..Default::default() }).await;
        every_version(c, DescribeQuorumRequest::default()).await;
        let cluster = c.ask(&DescribeClusterRequest { endpoint_type: 2, ..Default::default() }, 1).await;
        assert_eq!((cluster.error_code, cluster.controller_id, cluster.brokers.len()), (0, 1, 1));
        c.send(&ProduceRequest::default(), 9).await;
        assert_eq!(c.frame().await, None, "a controller takes no records");
    });
}

#[test]
fn unknown_version_of_api_versions_is_answered_in_version_0() {
    with_node(&[], async |_server, mut connection| {
        // ApiVersions, version 99, correlation 7, no client id.
        connection.write(&[0, 0, 0, 10, 0, 18, 0, 99, 0, 0, 0, 7, 255, 255]).await;
        let response = connection.receive::<ApiVersionsRequest>(0).await;
        assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION.0);
        let api = &response.api_keys[0];
        assert_eq!((response.api_keys.len(), api.api_key, api.min_version, api.max_version), (1, 18, 0, 4));
    });
}

#[test]
fn software_without_a_name_is_refused() {
    with_node(&[], async |_server, mut connection| {
        for (name, version) in [("", "1"), ("-x", "1"), ("x", "1."), ("a b", "1")] {
            let request = ApiVersionsRequest {
                client_software_name: name.into(),
                client_software_version: version.into(),
            };
            let response = connection.ask(&request, 3).await;
            assert_eq!(response.error_code, ErrorCode::INVALID_REQUEST.0, "{name:?} {version:?}");
        }
    });
}

#[test]
fn api_of_nodes_closes_a_clients_connection() {
    with_node(&[], async |_server, mut connection| {
        connection.send(&VoteRequest::default(), 2).await;
        assert_eq!(connection.frame().await, None);
    });
}

#[test]
fn features_are_told_with_their_levels() {
    with_node(&[], async |_server, mut connection| {
        let request =
            ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() };
        let older = connection.ask(&request, 3).await;
        let newer = connection.ask(&request, 4).await;
        let supported = |response: &ApiVersionsResponse| {
            response.supported_features.iter().map(|feature| feature.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(supported(&older), ["metadata.version"], "a level of 0 breaks older clients");
        assert_eq!(supported(&newer), ["metadata.version", "eligible.leader.replicas.version"]);
        assert!(newer.finalized_features_epoch >= 0);
        let finalized = newer.finalized_features.iter().find(|feature| feature.name == "metadata.version");
        assert!(finalized.is_some_and(|feature| feature.max_version_level > 0));
    });
}
