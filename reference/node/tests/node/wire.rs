//! Answers that are not what they should be: dropped, reported, and asked for again.

use std::time::Duration;

use bytes::Bytes;
use highwater_core::NodeId;
use highwater_core::controller::{ControllerRequest, ControllerResponse};
use highwater_core::partition::Acks;
use highwater_core::quorum::Response;
use highwater_node::Roles;
use highwater_node::message::{LogId, PeerResponse};

use crate::cluster::{Cluster, combined};

/// Flips a bit in the midst of these bytes.
fn flip(bytes: &mut Bytes) {
    let mut flipped = bytes.to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    *bytes = flipped.into();
}

fn reported(cluster: &Cluster, by: i32) -> bool {
    cluster.reports.iter().any(|(id, what)| *id == NodeId(by) && what.starts_with("dropped"))
}

#[test]
fn fetched_records_with_a_wrong_checksum_are_dropped_and_fetched_again() {
    let mut cluster = combined(3);
    cluster.settle();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    // Not so often that it leaves the ISR, without which the record is committed too.
    let mut left = 2;
    cluster.tamper = Some(Box::new(move |_, to, response| {
        if let PeerResponse::Fetch(answers) = response
            && to == NodeId(2)
            && left > 0
        {
            for (_, _, bytes) in answers.iter_mut().filter(|(_, _, bytes)| !bytes.is_empty()) {
                flip(bytes);
                left -= 1;
            }
        }
        true
    }));
    assert_eq!(cluster.produce(1, partition, Acks::All, "a"), Ok(0));
    assert!(reported(&cluster, 2));
    let (of_leader, of_follower) =
        (cluster.bytes_of(1, LogId::Partition(partition)), cluster.bytes_of(2, LogId::Partition(partition)));
    assert_eq!(of_leader, of_follower);
}

#[test]
fn fetched_metadata_with_a_wrong_checksum_is_dropped_and_fetched_again() {
    let mut cluster = combined(3);
    cluster.settle();
    let active = cluster.active().expect("a controller");
    let victim = (1..=3).find(|&id| id != active).expect("another");
    let mut left = 3;
    cluster.tamper = Some(Box::new(move |_, to, response| {
        if let PeerResponse::Quorum(Response::Fetch(_), bytes) = response
            && to == NodeId(victim)
            && !bytes.is_empty()
            && left > 0
        {
            flip(bytes);
            left -= 1;
        }
        true
    }));
    let partition = cluster.create_topic(active, "orders", &[active]);
    cluster.run_until("the victim knows", Duration::from_secs(30), |cluster| {
        cluster.node(victim).image().topic(partition.topic).is_some()
    });
    assert!(reported(&cluster, victim));
    assert!(!cluster.node(victim).stopped());
}

#[test]
fn answer_of_another_kind_is_dropped() {
    let mut cluster = combined(3);
    cluster.settle();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let mut left = 3;
    cluster.tamper = Some(Box::new(move |_, _, response| {
        if matches!(response, PeerResponse::Quorum(..)) && left > 0 {
            *response = PeerResponse::Fetch(Vec::new());
            left -= 1;
        }
        true
    }));
    cluster.run_for(Duration::from_secs(5));
    assert!(cluster.nodes.values().all(|node| !node.stopped()));
    assert!(!cluster.reports.is_empty());
    let leader = cluster.leader(partition).expect("a leader");
    cluster.produce(leader, partition, Acks::All, "a").expect("acknowledged");
}

#[test]
fn answer_about_a_partition_that_was_not_asked_for_is_dropped() {
    let mut cluster = combined(3);
    cluster.settle();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let mut left = 3;
    cluster.tamper = Some(Box::new(move |_, to, response| {
        if let PeerResponse::Fetch(answers) = response
            && to == NodeId(2)
            && left > 0
        {
            for (id, _, _) in answers {
                id.partition += 1;
            }
            left -= 1;
        }
        true
    }));
    assert_eq!(cluster.produce(1, partition, Acks::All, "a"), Ok(0));
    assert!(reported(&cluster, 2));
}

#[test]
fn fetch_that_nobody_answers_is_given_up_and_sent_again() {
    let mut cluster = Cluster::start((1..=3).map(|id| (id, Roles::COMBINED)), |config| {
        config.replica_socket_timeout = Duration::from_secs(1);
    });
    cluster.settle();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let mut left = 1;
    cluster.tamper = Some(Box::new(move |_, to, response| {
        let loses = matches!(response, PeerResponse::Fetch(_)) && to == NodeId(2) && left > 0;
        left -= i32::from(loses);
        !loses
    }));
    let asked = cluster.now;
    assert_eq!(cluster.produce(1, partition, Acks::All, "a"), Ok(0));
    // A second until it counts as lost, another until the leader is asked again.
    let took = cluster.now.since(asked);
    assert!((Duration::from_secs(1)..Duration::from_secs(3)).contains(&took), "{took:?}");
}

#[test]
fn client_whose_request_the_controller_never_answers_is_told_so() {
    let mut cluster = combined(3);
    cluster.settle();
    let active = cluster.active().expect("a controller");
    let other = (1..=3).find(|&id| id != active).expect("another");
    cluster.tamper = Some(Box::new(move |_, to, response| {
        !(matches!(response, PeerResponse::Controller(ControllerResponse::CreateTopics(_)))
            && to == NodeId(other))
    }));
    let request = ControllerRequest::CreateTopics { topics: Vec::new(), validate_only: false };
    assert_eq!(cluster.controller_request(other, request), None);
}

/// Produces a record that node 2 gets a few times with these bytes of the batch's header changed, which no checksum covers.
fn produce_with_header_changed<const N: usize>(at: usize, to: [u8; N]) {
    let mut cluster = combined(3);
    cluster.settle();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let mut left = 2;
    cluster.tamper = Some(Box::new(move |_, receiver, response| {
        if let PeerResponse::Fetch(answers) = response
            && receiver == NodeId(2)
            && left > 0
        {
            for (_, _, bytes) in answers.iter_mut().filter(|(_, _, bytes)| !bytes.is_empty()) {
                let mut changed = bytes.to_vec();
                changed[at..at + N].copy_from_slice(&to);
                *bytes = changed.into();
                left -= 1;
            }
        }
        true
    }));
    assert_eq!(cluster.produce(1, partition, Acks::All, "a"), Ok(0));
    assert!(reported(&cluster, 2));
    assert!(!cluster.node(2).stopped());
    let (of_leader, of_follower) =
        (cluster.bytes_of(1, LogId::Partition(partition)), cluster.bytes_of(2, LogId::Partition(partition)));
    assert_eq!(of_leader, of_follower);
}

#[test]
fn fetched_records_that_begin_elsewhere_are_dropped_and_fetched_again() {
    produce_with_header_changed(0, 7_i64.to_be_bytes());
}

#[test]
fn fetched_records_of_an_epoch_above_the_leaders_are_dropped_and_fetched_again() {
    produce_with_header_changed(12, 7_i32.to_be_bytes());
}

#[test]
fn part_of_a_snapshot_that_was_not_asked_for_is_dropped_and_asked_for_again() {
    let mut cluster = Cluster::start((1..=3).map(|id| (id, Roles::COMBINED)), |config| {
        config.metadata_snapshot_bytes = 1_000;
        config.quorum_snapshot_chunk_bytes = 300;
    });
    cluster.settle();
    let active = cluster.active().expect("a controller");
    let behind = (1..=3).find(|&id| id != active).expect("another");
    cluster.crash(behind);
    for index in 0..20 {
        cluster.create_topic(active, &format!("topic-{index}"), &[active]);
    }
    let mut left = 2;
    cluster.tamper = Some(Box::new(move |_, _, response| {
        if let PeerResponse::Quorum(Response::FetchSnapshot(part), _) = response
            && left > 0
        {
            part.position += 1;
            left -= 1;
        }
        true
    }));
    cluster.restart(behind).expect("the disk is sound");
    cluster.run_until("it caught up", Duration::from_secs(60), |cluster| {
        cluster.node(behind).image().topics().len() == 20
    });
    assert!(reported(&cluster, behind));
}

#[test]
fn damaged_part_of_a_snapshot_is_dropped_and_the_snapshot_fetched_again() {
    let mut cluster = Cluster::start((1..=3).map(|id| (id, Roles::COMBINED)), |config| {
        config.metadata_snapshot_bytes = 1_000;
        config.quorum_snapshot_chunk_bytes = 300;
    });
    cluster.settle();
    let active = cluster.active().expect("a controller");
    let behind = (1..=3).find(|&id| id != active).expect("another");
    cluster.crash(behind);
    for index in 0..20 {
        cluster.create_topic(active, &format!("topic-{index}"), &[active]);
    }
    let mut left = 1;
    cluster.tamper = Some(Box::new(move |_, _, response| {
        if let PeerResponse::Quorum(Response::FetchSnapshot(_), bytes) = response
            && left > 0
        {
            flip(bytes);
            left -= 1;
        }
        true
    }));
    cluster.restart(behind).expect("the disk is sound");
    cluster.run_until("it caught up", Duration::from_secs(60), |cluster| {
        cluster.node(behind).image().topics().len() == 20
    });
    assert!(reported(&cluster, behind));
}
