//! Disks that are not the node's own, or fail it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use highwater_core::controller::{ControllerRequest, ControllerResponse, NewTopic};
use highwater_core::partition::Acks;
use highwater_core::quorum::{ReplicaKey, Response};
use highwater_core::{Instant, NodeId, Uuid};
use highwater_log::METADATA;
use highwater_log::disk::{Disk, File, Loss, SimulatedDisk};
use highwater_log::files::quorum_state;
use highwater_node::message::{ClientRequest, ClientResponse, Input, Output, PeerResponse};
use highwater_node::{Node, NodeConfig, Role, Roles, Rules};

use crate::cluster::{Cluster, combined, produce_request, settled};

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
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let now = cluster.now;
    let node = cluster.nodes.get_mut(&NodeId(1)).expect("a node");
    let request = produce_request(partition, Acks::Leader, &["a"]);
    // Answered, but nobody has taken the answer yet.
    node.handle(now, Input::Client { token: 1, request: request.clone() });
    cluster.disks[&NodeId(1)].set_capacity(0);
    node.handle(now, Input::Client { token: 2, request });
    let outputs: Vec<Output> = std::iter::from_fn(|| node.poll()).collect();
    assert!(matches!(&outputs[..], [Output::Stopped(Some(_))]), "{outputs:?}");
    assert!(node.stopped());
    node.handle(now, Input::ShutDown);
    assert!(node.poll().is_none());
    assert_eq!(node.deadline(), None);
}

#[test]
fn cluster_goes_on_when_a_full_disk_stops_the_leader() {
    let mut cluster = settled();
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

/// A controller and broker that is alone.
fn alone() -> Cluster {
    Cluster::start([(1, Roles::COMBINED)], |config| {
        config.default_replication_factor = 1;
        config.min_insync_replicas = 1;
        config.metadata_snapshot_bytes = 700;
        // What is acknowledged is on disk, since nobody else has it.
        config.log_flush_interval_messages = Some(1);
        config.high_watermark_checkpoint_interval = Duration::from_millis(100);
    })
}

/// Creates topics, as long as the node runs; the names of those that it said it had.
fn create_topics(cluster: &mut Cluster) -> Vec<String> {
    let mut created = Vec::new();
    while cluster.active().is_none() || cluster.node(1).fenced() {
        if cluster.node(1).stopped() {
            return created;
        }
        cluster.step();
    }
    for index in 0..8 {
        let name = format!("topic-{index}");
        let topic = NewTopic {
            name: name.clone(),
            partitions: 1,
            replication_factor: 1,
            assignments: Vec::new(),
            configs: Vec::new(),
        };
        let request = ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false };
        match cluster.ask_while_running(1, ClientRequest::Controller(request)) {
            Some(ClientResponse::Controller(Some(ControllerResponse::CreateTopics(Ok(_))))) => {
                created.push(name)
            }
            Some(other) => panic!("{other:?}"),
            None => break,
        }
    }
    created
}

#[test]
fn node_that_loses_power_at_any_operation_starts_again_with_all_that_was_committed() {
    let mut cuts = 0;
    loop {
        let mut cluster = alone();
        let disk = cluster.disks[&NodeId(1)].clone();
        disk.cut_power_after(cuts);
        let created = create_topics(&mut cluster);
        let finished = !cluster.node(1).stopped();
        cluster.nodes.clear();
        disk.crash(Loss::Any);
        cluster.restart(1).unwrap_or_else(|refused| panic!("after {cuts} operations: {refused}"));
        cluster.settle();
        let image = cluster.node(1).image();
        for name in &created {
            assert!(image.topic_id(name).is_some(), "after {cuts} operations {name} is gone");
        }
        // The replicas are there again, too.
        let hosted = image.hosted_by(NodeId(1)).count();
        cluster.run_until("all replicas", Duration::from_secs(30), |cluster| {
            cluster.node(1).replicas().filter(|replica| replica.role == Role::Leader).count() == hosted
        });
        if finished {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 100, "only {cuts} operations");
}

#[test]
fn node_that_loses_power_while_it_starts_starts_again() {
    let mut cluster = alone();
    create_topics(&mut cluster);
    let before = cluster.disks[&NodeId(1)].snapshot();
    for cuts in 0.. {
        let disk = before.snapshot();
        cluster.nodes.clear();
        cluster.disks.insert(NodeId(1), disk.clone());
        disk.crash(Loss::Any);
        disk.cut_power_after(cuts);
        let opened = cluster.restart(1).is_ok();
        cluster.nodes.clear();
        disk.crash(Loss::Any);
        cluster.restart(1).unwrap_or_else(|refused| panic!("after {cuts} operations: {refused}"));
        if opened {
            assert!(cuts > 10, "only {cuts} operations");
            return;
        }
    }
}

#[test]
fn torn_end_of_a_log_is_cut_and_reported() {
    let mut cluster = alone();
    create_topics(&mut cluster);
    let disk = cluster.disks[&NodeId(1)].clone();
    let name = "__cluster_metadata-0/00000000000000000000.log";
    let size = disk.files().get(name).map(Vec::len);
    cluster.kill(1);
    let file = disk.open(name).expect("the segment");
    file.write_at(file.size().expect("a size"), &[0; 100]).expect("room");
    cluster.restart(1).expect("a torn end is no reason to refuse");
    assert_eq!(disk.files().get(name).map(Vec::len), size);
    cluster.settle();
    assert!(cluster.reports.iter().any(|(_, what)| what.contains("cut 100 bytes")), "{:?}", cluster.reports);
}

#[test]
fn damaged_snapshot_is_refused_and_nothing_is_changed() {
    let mut cluster = alone();
    create_topics(&mut cluster);
    let disk = cluster.disks[&NodeId(1)].clone();
    cluster.kill(1);
    let name = disk.files().into_keys().find(|name| name.ends_with(".checkpoint")).expect("a snapshot");
    disk.flip_bit(&name, 70, 3);
    let before = disk.files();
    let refused = cluster.restart(1).expect_err("a damaged snapshot");
    assert!(refused.to_string().contains(".checkpoint"), "{refused}");
    assert_eq!(disk.files(), before);
}

#[test]
fn vote_is_on_disk_before_it_is_answered() {
    let granted = Rc::new(Cell::new(0));
    let mut cluster = combined(|_| {});
    let (disks, seen) = (cluster.disks.clone(), Rc::clone(&granted));
    cluster.tamper = Some(Box::new(move |voter, candidate, response| {
        if let PeerResponse::Quorum(Response::Vote(vote), _) = response
            && vote.granted
        {
            // What is there once the voter has lost its power.
            let disk = disks[&voter].snapshot();
            disk.crash(Loss::Everything);
            let saved = quorum_state::load(&disk, METADATA).expect("a sound file");
            // A pre-vote binds nobody, and so leaves the epoch as it was.
            if saved.is_some_and(|saved| saved.epoch == vote.epoch && saved.epoch > 0) {
                assert_eq!(saved.and_then(|saved| saved.voted).map(|voted| voted.id), Some(candidate));
                seen.set(seen.get() + 1);
            } else {
                assert_eq!(vote.epoch, 0, "{voter} voted, and forgot it");
            }
        }
        true
    }));
    cluster.settle();
    assert!(granted.get() > 0);
}

/// The rules reach the cores.
#[cfg(feature = "flaws")]
#[test]
fn vote_of_a_node_that_forgets_votes_is_on_no_disk() {
    let disk = SimulatedDisk::new(1);
    Node::format(&config(), &disk).expect("an empty disk can be formatted");
    let mut rules = Rules::default();
    rules.quorum.durable_vote = false;
    let mut node = Node::open(config(), rules, disk.clone(), 1, Instant(0)).expect("its own disk");
    for _ in 0..100 {
        while let Some(output) = node.poll() {
            if let Output::Flush(log) = output {
                node.handle(node.deadline().unwrap_or_default(), Input::Flush(log));
            }
        }
        node.elapse(node.deadline().expect("a node that runs has something to do"));
    }
    assert_eq!(node.metadata().role, Role::Leader);
    assert_eq!(quorum_state::load(&disk, METADATA).expect("a sound file"), None);
}
