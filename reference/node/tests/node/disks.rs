//! Disks that are not the node's own, or fail it.

use std::time::Duration;

use highwater_core::partition::Acks;
use highwater_core::quorum::ReplicaKey;
use highwater_core::{Instant, NodeId, Uuid};
use highwater_log::disk::SimulatedDisk;
use highwater_node::message::{Input, Output};
use highwater_node::{Node, NodeConfig, Roles, Rules};

use crate::cluster::{combined, produce_request};

fn config() -> NodeConfig {
    let voter = ReplicaKey { id: NodeId(1), directory: Uuid(1) };
    NodeConfig::new(NodeId(1), Roles::COMBINED, "a-cluster", Uuid(1), vec![voter])
}

/// Why the node of this configuration does not start on the disk of another.
fn refusal(adapt: impl Fn(&mut NodeConfig)) -> String {
    let disk = SimulatedDisk::new(1);
    Node::format(&config(), &disk).expect("an empty disk can be formatted");
    let mut other = config();
    adapt(&mut other);
    let before = disk.files();
    let refused =
        Node::open(other, Rules::default(), disk.clone(), 1, Instant(0)).expect_err("a foreign disk");
    assert_eq!(disk.files(), before, "something was written");
    refused.to_string()
}

#[test]
fn disk_of_another_node_is_refused_with_what_was_found_and_expected() {
    let refused = refusal(|config| {
        config.node_id = NodeId(2);
        config.voters = vec![ReplicaKey { id: NodeId(2), directory: Uuid(1) }];
    });
    assert!(refused.contains("meta.properties") && refused.contains("node.id"), "{refused}");
}

#[test]
fn disk_of_another_cluster_is_refused_with_what_was_found_and_expected() {
    let refused = refusal(|config| config.cluster_id = "b-cluster".to_owned());
    assert!(refused.contains("a-cluster") && refused.contains("b-cluster"), "{refused}");
}

#[test]
fn disk_with_another_directory_id_is_refused() {
    let refused = refusal(|config| {
        config.directory_id = Uuid(9);
        config.voters = vec![ReplicaKey { id: NodeId(1), directory: Uuid(9) }];
    });
    assert!(refused.contains("directory.id"), "{refused}");
}

#[test]
fn disk_that_is_not_formatted_is_refused() {
    let refused = Node::open(config(), Rules::default(), SimulatedDisk::new(1), 1, Instant(0));
    let refused = refused.expect_err("a blank disk").to_string();
    assert!(refused.contains("meta.properties"), "{refused}");
}

#[test]
fn disk_of_another_node_is_not_formatted() {
    let disk = SimulatedDisk::new(1);
    Node::format(&config(), &disk).expect("an empty disk can be formatted");
    let before = disk.files();
    let mut other = config();
    other.cluster_id = "b-cluster".to_owned();
    assert!(Node::format(&other, &disk).is_err());
    assert_eq!(disk.files(), before);
}

#[test]
fn node_whose_role_contradicts_the_voters_is_refused() {
    let disk = SimulatedDisk::new(1);
    let mut config = config();
    config.roles = Roles::BROKER;
    Node::format(&config, &disk).expect("an empty disk can be formatted");
    let refused = Node::open(config, Rules::default(), disk, 1, Instant(0)).expect_err("a broker that votes");
    assert!(refused.to_string().contains("process.roles"), "{refused}");
}

#[test]
fn full_disk_stops_the_node_and_nothing_else_is_said() {
    let mut cluster = combined(3);
    cluster.settle();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.disks[&NodeId(1)].set_capacity(0);
    let now = cluster.now;
    let node = cluster.nodes.get_mut(&NodeId(1)).expect("a node");
    let request = produce_request(partition, Acks::All, &["a"]);
    node.handle(now, Input::Client { token: 1, request });
    let outputs: Vec<Output> = std::iter::from_fn(|| node.poll()).collect();
    assert!(matches!(&outputs[..], [Output::Stopped(Some(_))]), "{outputs:?}");
    assert!(node.stopped());
    node.handle(now, Input::ShutDown);
    assert!(node.poll().is_none());
    assert_eq!(node.deadline(), None);
}

#[test]
fn cluster_goes_on_when_a_full_disk_stops_the_leader() {
    let mut cluster = combined(3);
    cluster.settle();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.produce(1, partition, Acks::All, "a").expect("acknowledged");
    cluster.disks[&NodeId(1)].set_capacity(0);
    cluster.send(1, produce_request(partition, Acks::All, &["b"]));
    cluster.run_until("another leader", Duration::from_secs(60), |cluster| {
        cluster.leader(partition).is_some_and(|id| id != 1)
    });
    let leader = cluster.leader(partition).expect("a leader");
    cluster.run_until_isr(partition, &[2, 3]);
    cluster.produce(leader, partition, Acks::All, "c").expect("acknowledged");
    assert_eq!(cluster.consume(leader, partition).0, ["a", "c"]);
}
