//! One node.

use highwater_core::NodeId;
use highwater_wire::Api;
use highwater_wire::messages::fetch::request::{FetchPartition, FetchTopic, ReplicaState};
use highwater_wire::messages::{ApiVersionsRequest, FetchRequest, VoteRequest};
use highwater_wire::{ErrorCode, Uuid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{CLUSTER, Connection, address, api_versions, places, run, until};

#[test]
fn combined_node_serves_api_versions_and_elects_itself() {
    run(async {
        let place = &places(1, &[])[0];
        let server = place.start().await;
        server.serves().await.expect("it serves");
        let leader = server.node().look(|node| node.quorum().leader()).await;
        assert_eq!(leader, Ok(Some(NodeId(1))));
        let mut connection = Connection::open(address(&server, "PLAINTEXT")).await;
        let response = connection.ask(&api_versions(), 3).await;
        assert_eq!(response.error_code, 0);
        assert!(response.api_keys.iter().any(|api| api.api_key == Api::ApiVersions.key()));
        server.abandon().await;
    });
}

#[test]
fn stop_in_good_order_leaves_its_note_and_the_next_start_has_the_same_broker() {
    run(async {
        let place = &places(1, &[])[0];
        let note = place.directory().join(".kafka_cleanshutdown");
        let server = place.start().await;
        server.serves().await.expect("it serves");
        assert!(!note.exists());
        server.stop().await.expect("a stop in good order");
        assert!(note.exists());
        let server = place.start().await;
        server.serves().await.expect("it serves again");
        assert!(!note.exists());
        server.abandon().await;
        assert!(!note.exists());
    });
}

#[test]
fn stop_closes_connections_and_listeners() {
    run(async {
        let place = &mut places(1, &[])[0];
        place.sockets.clear();
        let server = place.start().await;
        server.serves().await.expect("it serves");
        let address = address(&server, "PLAINTEXT");
        let mut connection = Connection::open(address).await;
        connection.ask(&ApiVersionsRequest::default(), 0).await;
        server.stop().await.expect("a stop in good order");
        assert_eq!(connection.frame().await, None);
        assert!(TcpStream::connect(address).await.is_err());
    });
}

#[test]
fn request_of_another_cluster_is_refused() {
    run(async {
        let place = &places(1, &[])[0];
        let server = place.start().await;
        let mut connection = Connection::open(address(&server, "CONTROLLER")).await;
        let request = VoteRequest { cluster_id: Some("another".into()), ..Default::default() };
        let response = connection.ask(&request, 2).await;
        assert_eq!(response.error_code, ErrorCode::INCONSISTENT_CLUSTER_ID.0);
        let request = VoteRequest { cluster_id: Some(CLUSTER.into()), ..Default::default() };
        assert_eq!(connection.ask(&request, 2).await.error_code, ErrorCode::INVALID_REQUEST.0);
        server.abandon().await;
    });
}

#[test]
fn observer_fetches_the_metadata_log() {
    run(async {
        let place = &places(1, &[])[0];
        let server = place.start().await;
        server.serves().await.expect("it serves");
        let epoch = server.node().look(|node| node.quorum().epoch()).await.expect("it runs");
        let mut connection = Connection::open(address(&server, "CONTROLLER")).await;
        let partition = FetchPartition {
            current_leader_epoch: epoch,
            last_fetched_epoch: 0,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let topic =
            FetchTopic { topic_id: Uuid::METADATA, partitions: vec![partition], ..Default::default() };
        let request = FetchRequest {
            topics: vec![topic],
            replica_state: ReplicaState { replica_id: 9, replica_epoch: -1 },
            cluster_id: Some(CLUSTER.into()),
            ..Default::default()
        };
        let response = connection.ask(&request, 17).await;
        let partition = &response.responses[0].partitions[0];
        assert_eq!((partition.error_code, partition.current_leader.leader_id), (0, 1));
        assert!(partition.records.as_ref().is_some_and(|records| !records.is_empty()));
        server.abandon().await;
    });
}

#[test]
fn many_idle_connections_take_little_memory() {
    /// As many as two ends in one process leave files for.
    const CONNECTIONS: usize = 400;
    run(async {
        let place = &places(1, &[])[0];
        let server = place.start().await;
        server.serves().await.expect("it serves");
        let address = address(&server, "PLAINTEXT");
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = Connection::open(address).await;
            connection.ask(&ApiVersionsRequest::default(), 0).await;
            connections.push(connection);
        }
        until("all are in", async || server.connections() == CONNECTIONS).await;
        assert_eq!(connections[0].ask(&ApiVersionsRequest::default(), 0).await.error_code, 0);
        drop(connections);
        until("all are out", async || server.connections() == 0).await;
        server.abandon().await;
    });
}

#[test]
fn metrics_are_read_by_http() {
    run(async {
        let place = &places(1, &[("highwater.metrics.listener", "0")])[0];
        let server = place.start().await;
        server.serves().await.expect("it serves");
        let mut connection = Connection::open(address(&server, "PLAINTEXT")).await;
        connection.ask(&api_versions(), 3).await;
        let at = server.metrics_address().expect("a listener");
        assert!(at.ip().is_loopback());
        let read = async |path: &str| {
            let mut reader = TcpStream::connect(at).await.expect("a connection");
            let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
            reader.write_all(request.as_bytes()).await.expect("written");
            let mut page = String::new();
            reader.read_to_string(&mut page).await.expect("a page");
            page
        };
        let page = read("/metrics").await;
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        for line in [
            "kafka_controller_kafkacontroller_activecontrollercount 1",
            "kafka_controller_kafkacontroller_activebrokercount 1",
            "kafka_server_raftmetrics_current_leader 1",
            "kafka_server_socketservermetrics_connection_count 1",
            "kafka_network_requestmetrics_requests_total{request=\"ApiVersions\"} 1",
            "kafka_server_brokertopicmetrics_messagesin_total 0",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in {page}");
        }
        assert!(read("/").await.starts_with("HTTP/1.1 404 "));
        server.abandon().await;
    });
}
