//! Three nodes: what only the controller decides, asked of others; leaders elsewhere.

use std::collections::BTreeSet;

use highwater_server::Server;
use highwater_wire::messages::metadata::request::MetadataRequestTopic;
use highwater_wire::messages::*;
use highwater_wire::{ErrorCode, Str};

use crate::harness::{SOON, batch, create, error, fetch, produce, produced};
use crate::support::{Connection, Place, address, newest, places, run};

/// Three nodes that serve, a connection to each, and which of them is the controller.
async fn cluster(places: &[Place]) -> (Vec<Server>, Vec<Connection>, usize) {
    let mut servers = Vec::new();
    for place in places {
        servers.push(place.start().await);
    }
    let mut connections = Vec::new();
    for server in &servers {
        server.serves().await.expect("it serves");
        connections.push(Connection::open(address(server, "PLAINTEXT")).await);
    }
    let leader = servers[0].node().look(|node| node.quorum().leader()).await.expect("it runs");
    (servers, connections, leader.expect("a leader").0 as usize - 1)
}

#[test]
fn broker_sends_on_what_the_controller_decides() {
    run(async {
        let places = places(3, &SOON);
        let (_servers, mut connections, controller) = cluster(&places).await;
        let other = (controller + 1) % 3;
        let connection = &mut connections[other];
        let id = create(connection, "t", 3, 3).await;
        // Who created it finds it here.
        let topic = MetadataRequestTopic { name: Some("t".into()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
        let metadata = connection.ask(&request, 12).await;
        assert_eq!(metadata.topics[0].topic_id, id);
        assert_eq!(metadata.brokers.len(), 3);
        assert_eq!(metadata.controller_id, controller as i32 + 1, "the active controller is a broker, too");
        // A refusal comes back with its sentence.
        let again = create_topics::request::CreatableTopic {
            name: Str::from_static("t"),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        let again = CreateTopicsRequest { topics: vec![again], timeout_ms: 5_000, ..Default::default() };
        let refused = connection.ask(&again, 7).await;
        assert_eq!(error(refused.topics[0].error_code), ErrorCode::TOPIC_ALREADY_EXISTS);
        assert!(refused.topics[0].error_message.as_deref().is_some_and(|message| message.contains('t')));
        let delete =
            DeleteTopicsRequest { topic_names: vec!["t".into()], timeout_ms: 5_000, ..Default::default() };
        assert_eq!(connection.ask(&delete, 5).await.responses[0].error_code, 0);
    });
}

#[test]
fn quorum_is_described_by_every_broker_as_its_leader_sees_it() {
    run(async {
        let places = places(3, &SOON);
        let (_servers, mut connections, controller) = cluster(&places).await;
        for connection in &mut connections {
            let response = connection.ask(&DescribeQuorumRequest::default(), 2).await;
            assert_eq!((response.error_code, response.nodes.len()), (0, 3));
            let partition = &response.topics[0].partitions[0];
            assert_eq!((partition.error_code, partition.leader_id), (0, controller as i32 + 1));
            assert_eq!((partition.current_voters.len(), partition.observers.len()), (3, 0));
            assert!(
                partition.current_voters.iter().all(|voter| voter.last_fetch_timestamp > 1_600_000_000_000)
            );
            assert!(partition.high_watermark > 0);
        }
    });
}

#[test]
fn who_does_not_lead_names_the_leader() {
    run(async {
        let places = places(3, &SOON);
        let (_servers, mut connections, _) = cluster(&places).await;
        let id = create(&mut connections[0], "t", 1, 1).await;
        let mut led = BTreeSet::new();
        for connection in &mut connections {
            let response = connection.ask(&produce("t", id, -1, Some(batch(&["x"]))), 13).await;
            let (error, _) = produced(&response);
            let partition = &response.responses[0].partition_responses[0];
            let read = connection.ask(&fetch("t", id, 0), newest::<FetchRequest>()).await;
            let read_partition = &read.responses[0].partitions[0];
            if error == ErrorCode::NONE {
                assert!(response.node_endpoints.is_empty());
                continue;
            }
            // A broker that has not heard of the topic yet says so.
            if error == ErrorCode::UNKNOWN_TOPIC_ID {
                continue;
            }
            assert_eq!(error, ErrorCode::NOT_LEADER_OR_FOLLOWER);
            assert_eq!(read_partition.error_code, error.0);
            led.insert((partition.current_leader.leader_id, partition.current_leader.leader_epoch));
            led.insert((read_partition.current_leader.leader_id, read_partition.current_leader.leader_epoch));
            assert_eq!(response.node_endpoints[0].node_id, partition.current_leader.leader_id);
            assert_eq!(read.node_endpoints[0].port, response.node_endpoints[0].port);
        }
        assert!(led.len() <= 1, "all name the same leader: {led:?}");
    });
}

#[test]
fn producers_of_all_brokers_get_ids_of_their_own() {
    run(async {
        let places = places(3, &SOON);
        let (_servers, mut connections, _) = cluster(&places).await;
        let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        let mut ids = BTreeSet::new();
        for connection in &mut connections {
            let response = connection.ask(&request, 5).await;
            assert_eq!(error(response.error_code), ErrorCode::NONE);
            ids.insert(response.producer_id);
        }
        assert_eq!(ids.len(), 3);
    });
}
