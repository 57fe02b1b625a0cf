//! Three nodes.

use highwater_core::NodeId;
use highwater_server::Server;

use crate::support::{Place, places, run, until};

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
        let places = places(3, &[]);
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
        let places = places(3, &[]);
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
