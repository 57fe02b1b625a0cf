//! Three nodes.

use highwater_core::NodeId;
use highwater_server::Server;

use highwater_wire::messages::CreateTopicsRequest;
use highwater_wire::messages::create_topics::request::CreatableTopic;

use crate::support::{Connection, Place, address, places, run, until};

/// So that elections do not take the time of the test.
const QUICK: &[(&str, &str)] = &[
    ("controller.quorum.fetch.timeout.ms", "400"),
    ("controller.quorum.election.timeout.ms", "200"),
    ("controller.quorum.election.backoff.max.ms", "100"),
];

async fn start(places: &[Place]) -> Vec<Server> {
    let mut servers = Vec::new();
    for place in places {
        servers.push(place.start().await);
    }
    servers
}

/// Whom this node takes for the leader of the quorum.
async fn leader(server: &Server) -> Option<NodeId> {
    server.node().look(|node| node.quorum().leader()).await.expect("it runs")
}

/// How many brokers this node knows to be there and not fenced.
async fn brokers(server: &Server) -> usize {
    let count =
        server.node().look(|node| node.image().brokers().values().filter(|broker| !broker.fenced).count());
    count.await.expect("it runs")
}

#[test]
fn three_nodes_elect_a_leader_and_register_their_brokers() {
    run(async {
        let places = places(3, QUICK);
        let servers = start(&places).await;
        for server in &servers {
            until("all brokers are registered", async || brokers(server).await == 3).await;
        }
        let leaders = [leader(&servers[0]).await, leader(&servers[1]).await, leader(&servers[2]).await];
        assert!(leaders[0].is_some() && leaders.iter().all(|leader| *leader == leaders[0]));
        for server in servers {
            server.abandon().await;
        }
    });
}

#[test]
fn leader_of_three_dies_and_another_leads() {
    run(async {
        let places = places(3, QUICK);
        let mut servers = start(&places).await;
        until("somebody leads", async || leader(&servers[0]).await.is_some()).await;
        let first = leader(&servers[0]).await.expect("a leader");
        let position = servers.iter().position(|server| server.config().node_id == first);
        servers.remove(position.expect("one of them")).abandon().await;
        for server in &servers {
            until("another leads", async || leader(server).await.is_some_and(|leader| leader != first)).await;
        }
    });
}

#[test]
fn nodes_that_stop_one_after_the_other_stop_in_good_order() {
    run(async {
        let places = places(3, QUICK);
        let servers = start(&places).await;
        for server in &servers {
            server.serves().await.expect("it serves");
        }
        for (server, place) in servers.into_iter().zip(&places) {
            server.stop().await.expect("a stop in good order");
            assert!(place.directory().join(".kafka_cleanshutdown").exists());
        }
    });
}

#[test]
fn nodes_that_stop_at_once_do_not_wait_for_each_other_for_long() {
    run(async {
        let places = places(3, QUICK);
        let servers = start(&places).await;
        for server in &servers {
            server.serves().await.expect("it serves");
        }
        let mut stops = tokio::task::JoinSet::new();
        for server in servers {
            stops.spawn(server.stop());
        }
        while let Some(stopped) = stops.join_next().await {
            stopped.expect("no panic").expect("a stop in good order");
        }
    });
}

#[test]
fn last_node_of_a_cluster_stops_without_waiting_for_those_that_are_gone() {
    run(async {
        // An election that took its time would take more than the test has.
        let mut places = places(3, &[("controller.quorum.fetch.timeout.ms", "20000")]);
        let servers = start(&places).await;
        // Nobody but the servers listens, so that nobody does when they have stopped.
        places.iter_mut().for_each(|place| place.sockets.clear());
        for server in &servers {
            server.serves().await.expect("it serves");
        }
        for (server, place) in servers.into_iter().zip(&places) {
            server.stop().await.expect("a stop in good order");
            assert!(place.directory().join(".kafka_cleanshutdown").exists());
        }
    });
}

#[test]
fn node_that_died_comes_back_and_follows() {
    run(async {
        let places = places(3, QUICK);
        let mut servers = start(&places).await;
        for server in &servers {
            until("all brokers are registered", async || brokers(server).await == 3).await;
        }
        let last = servers.pop().expect("three servers");
        let applied = last.node().look(|node| node.metadata_applied()).await.expect("it runs");
        last.abandon().await;
        let again = places[2].start().await;
        until("it has applied what it had, and more", async || {
            again.node().look(|node| node.metadata_applied()).await.is_ok_and(|now| now > applied)
        })
        .await;
        again.abandon().await;
        for server in servers {
            server.abandon().await;
        }
    });
}

#[test]
fn snapshots_of_the_metadata_hold_nobody_up() {
    run(async {
        let often = [QUICK, &[("metadata.log.max.record.bytes.between.snapshots", "500")]].concat();
        let places = places(3, &often);
        let servers = start(&places).await;
        for server in &servers {
            server.serves().await.expect("it serves");
        }
        let mut connection = Connection::open(address(&servers[0], "PLAINTEXT")).await;
        for number in 0..60 {
            let name = format!("topic-{number}");
            let topic = CreatableTopic {
                name: name.as_str().into(),
                num_partitions: 1,
                replication_factor: 1,
                ..Default::default()
            };
            let request =
                CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
            let response = connection.ask(&request, 7).await;
            assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0]);
        }
        for server in &servers {
            until("it has heard of all topics", async || {
                server.node().look(|node| node.image().topics().len()).await.expect("it runs") == 60
            })
            .await;
        }
        for server in servers {
            server.abandon().await;
        }
    });
}
