//! Controllers and the brokers' lives with them: elections, registration, fencing, shutdown.

use std::time::Duration;

use highwater_core::NodeId;
use highwater_core::controller::{ControllerRequest, ControllerResponse, RegisterBroker};
use highwater_core::partition::Acks;
use highwater_node::message::{ClientRequest, ClientResponse, PeerRequest, PeerResponse};
use highwater_node::{Role, Roles};

use crate::cluster::{Cluster, settled};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn cluster_that_starts_elects_a_controller_and_unfences_all_brokers() {
    let mut cluster = settled();
    cluster.run_for(Duration::from_secs(1));
    let leading = cluster.nodes.values().filter(|node| node.metadata().role == Role::Leader).count();
    assert_eq!(leading, 1);
    let ClientResponse::Metadata(view) = cluster.ask(1, ClientRequest::Metadata) else { panic!() };
    assert_eq!(view.controller.map(|id| id.0), cluster.active());
    assert_eq!(view.brokers, [1, 2, 3].map(NodeId));
}

#[test]
fn brokers_apart_from_their_controllers_are_registered() {
    let controllers = (101..=103).map(|id| (id, Roles::CONTROLLER));
    let brokers = (1..=3).map(|id| (id, Roles::BROKER));
    let mut cluster = Cluster::start(controllers.chain(brokers), |_| {});
    cluster.settle();
    assert_eq!(cluster.node(1).metadata().role, Role::Observer);
    let partition = cluster.create_topic(2, "orders", &[3, 1, 2]);
    assert_eq!(cluster.produce(3, partition, Acks::All, "a"), Ok(0));
}

#[test]
fn topic_created_by_way_of_any_node_is_known_to_all() {
    let mut cluster = settled();
    let (_, other) = cluster.active_and_another();
    let partition = cluster.create_topic(other, "orders", &[1, 2, 3]);
    cluster.run_for(Duration::from_secs(1));
    for id in 1..=3 {
        let ClientResponse::Metadata(view) = cluster.ask(id, ClientRequest::Metadata) else { panic!() };
        let topics: Vec<_> = view.topics.iter().map(|(name, id, _)| (name.as_str(), *id)).collect();
        assert_eq!(topics, [("orders", partition.topic)], "node {id}");
    }
}

#[test]
fn standby_controller_takes_over_with_all_that_was_committed() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let active = cluster.active().expect("a controller");
    cluster.crash(active);
    cluster.run_until("another controller", SOON, |cluster| cluster.active().is_some_and(|id| id != active));
    let successor = cluster.active().expect("a controller");
    let image = cluster.node(successor).controller().expect("a controller").image();
    assert_eq!(image.topic_id("orders"), Some(partition.topic));
    let other = cluster.create_topic(successor, "payments", &[successor]);
    assert_ne!(other.topic, partition.topic);
}

#[test]
fn broker_that_is_silent_is_fenced_and_comes_back() {
    let mut cluster = settled();
    let (active, silent) = cluster.active_and_another();
    let before = cluster.node(silent).broker_epoch().expect("a broker epoch");
    cluster.crash(silent);
    cluster.run_until("it is fenced", SOON, |cluster| {
        cluster.node(active).image().broker(NodeId(silent)).is_some_and(|broker| broker.fenced)
    });
    cluster.restart(silent).expect("the disk is sound");
    cluster.settle();
    assert!(cluster.node(silent).broker_epoch().expect("a broker epoch") > before);
}

#[test]
fn broker_told_to_stop_leads_nothing_before_it_does() {
    let mut cluster = settled();
    let (_, leaving) = cluster.active_and_another();
    let others: Vec<i32> = (1..=3).filter(|&id| id != leaving).collect();
    let partition = cluster.create_topic(1, "orders", &[leaving, others[0], others[1]]);
    cluster.produce(leaving, partition, Acks::All, "a").expect("acknowledged");
    let now = cluster.now;
    cluster.shut_down(leaving, SOON);
    assert_eq!(cluster.stopped[&NodeId(leaving)], None);
    assert_ne!(cluster.node(leaving).replica(partition).expect("a replica").role, Role::Leader);
    // The others go on at once: nobody had to wait for a session to end.
    let leader = cluster.leader(partition).expect("another leader");
    assert_eq!(cluster.produce(leader, partition, Acks::All, "b"), Ok(1));
    assert!(cluster.now.since(now) < Duration::from_secs(5), "{:?}", cluster.now.since(now));
}

#[test]
fn cluster_told_to_stop_and_started_again_goes_on() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.produce(1, partition, Acks::All, "a").expect("acknowledged");
    for id in [3, 2, 1] {
        cluster.shut_down(id, Duration::from_secs(400));
        assert_eq!(cluster.stopped[&NodeId(id)], None);
        cluster.kill(id);
    }
    for id in 1..=3 {
        cluster.restart(id).expect("the disk is sound");
    }
    cluster.settle();
    cluster.run_until_isr(partition, &[1, 2, 3]);
    let leader = cluster.leader(partition).expect("a leader");
    cluster.produce(leader, partition, Acks::All, "b").expect("acknowledged");
    assert_eq!(cluster.consume(leader, partition).0, ["a", "b"]);
}

#[test]
fn same_inputs_give_the_same_outputs() {
    let run = || {
        let mut cluster = settled();
        let partition = cluster.create_topic(1, "orders", &[2, 1, 3]);
        cluster.produce(2, partition, Acks::All, "a").expect("acknowledged");
        cluster.crash(2);
        cluster.run_until_isr(partition, &[1, 3]);
        cluster.restart(2).expect("the disk is sound");
        cluster.run_until_isr(partition, &[1, 2, 3]);
        (cluster.now, cluster.events, format!("{:?}", cluster.nodes[&NodeId(2)].metadata()))
    };
    assert_eq!(run(), run());
}

#[test]
fn broker_that_was_forgotten_registers_again() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let (active, forgotten) = cluster.active_and_another();
    let before = cluster.node(forgotten).broker_epoch().expect("a broker epoch");
    let request = ControllerRequest::UnregisterBroker(NodeId(forgotten));
    cluster.controller_request(active, request).expect("an answer");
    cluster.run_until("another broker epoch", SOON, |cluster| {
        cluster.node(forgotten).broker_epoch().is_some_and(|epoch| epoch > before)
    });
    cluster.settle();
    cluster.run_until_isr(partition, &[1, 2, 3]);
    let replica = cluster.node(forgotten).replica(partition).expect("a replica");
    assert_eq!(Some(replica.broker_epoch), cluster.node(forgotten).broker_epoch());
}

#[test]
fn broker_that_stopped_cleanly_says_so_when_it_registers() {
    let mut cluster = settled();
    let (active, leaving) = cluster.active_and_another();
    let epoch = cluster.node(leaving).broker_epoch().expect("a broker epoch");
    cluster.shut_down(leaving, SOON);
    cluster.kill(leaving);
    cluster.restart(leaving).expect("the disk is sound");
    let said = registration_of(&mut cluster, leaving, active);
    assert_eq!(said.previous_broker_epoch, epoch);
}

#[test]
fn broker_told_to_stop_while_it_registers_knows_its_newest_epoch_at_the_next_start() {
    let mut cluster = settled();
    let (active, leaving) = cluster.active_and_another();
    let before = cluster.node(leaving).broker_epoch().expect("a broker epoch");
    cluster.crash(leaving);
    cluster.restart(leaving).expect("the disk is sound");
    // It is registered, but the answer is lost.
    cluster.lose_one(move |to, response| {
        matches!(response, PeerResponse::Controller(ControllerResponse::RegisterBroker(Ok(_))))
            && to == NodeId(leaving)
    });
    let registered = |cluster: &Cluster| {
        cluster
            .node(active)
            .image()
            .broker(NodeId(leaving))
            .map(|broker| broker.epoch)
            .filter(|&epoch| epoch > before)
    };
    cluster.run_until("it is registered", SOON, |cluster| registered(cluster).is_some());
    assert_eq!(cluster.node(leaving).broker_epoch(), None);
    cluster.shut_down(leaving, SOON);
    cluster.kill(leaving);
    cluster.restart(leaving).expect("the disk is sound");
    let said = registration_of(&mut cluster, leaving, active);
    assert_eq!(Some(said.previous_broker_epoch), registered(&cluster));
}

#[test]
fn broker_that_crashed_does_not_say_that_it_stopped_cleanly() {
    let mut cluster = settled();
    let (active, crashing) = cluster.active_and_another();
    cluster.crash(crashing);
    cluster.restart(crashing).expect("the disk is sound");
    let said = registration_of(&mut cluster, crashing, active);
    assert_eq!(said.previous_broker_epoch, -1);
}

/// What a node that was just started says when it registers with the active controller.
fn registration_of(cluster: &mut Cluster, id: i32, active: i32) -> RegisterBroker {
    for _ in 0..10_000 {
        if let Some(said) = cluster.requests.iter().find_map(|(from, to, request)| match request {
            PeerRequest::Controller(ControllerRequest::RegisterBroker(said)) => {
                (*from == NodeId(id) && *to == NodeId(active) && said.id == NodeId(id)).then(|| said.clone())
            }
            _ => None,
        }) {
            return said;
        }
        cluster.step();
    }
    panic!("node {id} has not registered");
}
