//! Answers that are not what they should be: dropped, reported, and asked for again.

use std::time::Duration;

use bytes::Bytes;
use highwater_core::NodeId;
use highwater_core::controller::{ControllerRequest, ControllerResponse};
use highwater_core::partition::Acks;
use highwater_core::quorum::{FetchSnapshotResponse, Response};
use highwater_node::message::{PeerResponse, ReplicaFetched};

use crate::cluster::{Cluster, settled, settled_with, small_snapshots};

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
    produce_tampered_with(flip);
}

#[test]
fn fetched_metadata_with_a_wrong_checksum_is_dropped_and_fetched_again() {
    let mut cluster = settled();
    let (active, victim) = cluster.active_and_another();
    cluster.tamper_with(3, move |to, response| {
        let PeerResponse::Quorum(Response::Fetch(_), bytes) = response else { return false };
        let meant = to == NodeId(victim) && !bytes.is_empty();
        if meant {
            flip(bytes);
        }
        meant
    });
    let partition = cluster.create_topic(active, "orders", &[active]);
    cluster.run_until("the victim knows", Duration::from_secs(30), |cluster| {
        cluster.node(victim).image().topic(partition.topic).is_some()
    });
    assert!(reported(&cluster, victim));
    assert!(!cluster.node(victim).stopped());
}

#[test]
fn answer_of_another_kind_is_dropped() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.tamper_with(3, |_, response| {
        let meant = matches!(response, PeerResponse::Quorum(..));
        if meant {
            let fetched = ReplicaFetched { session: 0, answers: Vec::new() };
            *response = PeerResponse::Fetch(Ok(fetched));
        }
        meant
    });
    cluster.run_for(Duration::from_secs(5));
    assert!(cluster.nodes.values().all(|node| !node.stopped()));
    assert!(!cluster.reports.is_empty());
    let leader = cluster.leader(partition).expect("a leader");
    cluster.produce(leader, partition, Acks::All, "a").expect("acknowledged");
}

#[test]
fn answer_about_a_partition_that_was_not_asked_for_is_dropped() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.tamper_with(3, |to, response| match response {
        PeerResponse::Fetch(Ok(fetched)) if to == NodeId(2) => {
            fetched.answers.iter_mut().for_each(|(id, _, _)| id.partition += 1);
            true
        }
        _ => false,
    });
    assert_eq!(cluster.produce(1, partition, Acks::All, "a"), Ok(0));
    assert!(reported(&cluster, 2));
}

#[test]
fn fetch_that_nobody_answers_is_given_up_and_sent_again() {
    let mut cluster = settled_with(|config| {
        config.replica_socket_timeout = Duration::from_secs(1);
    });
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.lose_one(|to, response| matches!(response, PeerResponse::Fetch(_)) && to == NodeId(2));
    let asked = cluster.now;
    assert_eq!(cluster.produce(1, partition, Acks::All, "a"), Ok(0));
    // A second until it counts as lost, another until the leader is asked again.
    let took = cluster.now.since(asked);
    assert!((Duration::from_secs(1)..Duration::from_secs(3)).contains(&took), "{took:?}");
}

#[test]
fn client_whose_request_the_controller_never_answers_is_told_so() {
    let mut cluster = settled();
    let (_, other) = cluster.active_and_another();
    cluster.tamper = Some(Box::new(move |_, to, response| {
        !(matches!(response, PeerResponse::Controller(ControllerResponse::CreateTopics(_)))
            && to == NodeId(other))
    }));
    let request = ControllerRequest::CreateTopics { topics: Vec::new(), validate_only: false };
    assert_eq!(cluster.controller_request(other, request), None);
}

#[test]
fn fetched_records_that_begin_elsewhere_are_dropped_and_fetched_again() {
    produce_tampered_with(|bytes| change_header(bytes, 0, 7_i64.to_be_bytes()));
}

#[test]
fn fetched_records_of_an_epoch_above_the_leaders_are_dropped_and_fetched_again() {
    produce_tampered_with(|bytes| change_header(bytes, 12, 7_i32.to_be_bytes()));
}

#[test]
fn part_of_a_snapshot_that_was_not_asked_for_is_dropped_and_asked_for_again() {
    catch_up_tampered_with(2, |part, _| part.position += 1);
}

#[test]
fn damaged_part_of_a_snapshot_is_dropped_and_the_snapshot_fetched_again() {
    catch_up_tampered_with(1, |_, bytes| flip(bytes));
}

/// Changes these bytes of a batch's header, which no checksum covers.
fn change_header<const N: usize>(bytes: &mut Bytes, at: usize, to: [u8; N]) {
    let mut changed = bytes.to_vec();
    changed[at..at + N].copy_from_slice(&to);
    *bytes = changed.into();
}

/// Produces a record that node 2 gets tampered with at first, and right in the end.
fn produce_tampered_with(tamper: impl Fn(&mut Bytes) + 'static) {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    // Not so often that it leaves the ISR, without which the record is committed too.
    cluster.tamper_with(2, move |to, response| {
        let PeerResponse::Fetch(Ok(fetched)) = response else { return false };
        let Some((_, _, bytes)) = fetched.answers.iter_mut().find(|(_, _, bytes)| !bytes.is_empty()) else {
            return false;
        };
        let meant = to == NodeId(2);
        if meant {
            tamper(bytes);
        }
        meant
    });
    assert_eq!(cluster.produce(1, partition, Acks::All, "a"), Ok(0));
    assert!(reported(&cluster, 2));
    assert!(!cluster.node(2).stopped());
    cluster.assert_same_log(partition, 1, 2);
}

/// Lets a node that is behind fetch a snapshot, of which it gets so many parts tampered with.
fn catch_up_tampered_with(times: u32, tamper: impl Fn(&mut FetchSnapshotResponse, &mut Bytes) + 'static) {
    let mut cluster = settled_with(small_snapshots);
    let (active, behind) = cluster.active_and_another();
    cluster.crash(behind);
    for index in 0..20 {
        cluster.create_topic(active, &format!("topic-{index}"), &[active]);
    }
    cluster.tamper_with(times, move |_, response| match response {
        PeerResponse::Quorum(Response::FetchSnapshot(part), bytes) => {
            tamper(part, bytes);
            true
        }
        _ => false,
    });
    cluster.restart(behind).expect("the disk is sound");
    cluster.run_until("it caught up", Duration::from_secs(60), |cluster| {
        cluster.node(behind).image().topics().len() == 20
    });
    assert!(reported(&cluster, behind));
}
