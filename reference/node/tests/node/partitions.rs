//! Partitions: what is produced is replicated, committed, read, and survives its leader.

use std::time::Duration;

use highwater_core::controller::{
    ConfigChange, ConfigOperation, ConfigResource, ControllerRequest, TopicReference,
};
use highwater_core::partition::{Acks, PartitionError};
use highwater_node::Role;
use highwater_node::message::{ClientRequest, ListedOffset, LogId, OffsetAt, PeerResponse, Produce};

use crate::cluster::{
    Cluster, fetch_request, fetched, listed, offset_request, produce_request, produced, records, settled,
    settled_with,
};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn record_acknowledged_by_all_is_read_by_consumers() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[2, 1, 3]);
    assert_eq!(cluster.produce(2, partition, Acks::All, "a"), Ok(0));
    assert_eq!(cluster.produce(2, partition, Acks::All, "b"), Ok(1));
    assert_eq!(cluster.consume(2, partition), (vec!["a".to_owned(), "b".to_owned()], 2));
}

#[test]
fn record_acknowledged_by_all_is_in_every_log_of_the_isr() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[2, 1, 3]);
    cluster.produce(2, partition, Acks::All, "a").expect("acknowledged");
    let of_leader = cluster.bytes_of(2, LogId::Partition(partition));
    assert!(!of_leader.is_empty());
    for follower in [1, 3] {
        assert_eq!(cluster.bytes_of(follower, LogId::Partition(partition)), of_leader, "node {follower}");
    }
}

#[test]
fn produce_to_a_follower_is_refused() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[2, 1, 3]);
    assert_eq!(cluster.produce(1, partition, Acks::All, "a"), Err(PartitionError::NotLeaderOrFollower));
}

#[test]
fn produce_of_bytes_that_are_no_batch_is_refused() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let mut bytes = records(&["a"]).to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let partitions = vec![(partition, bytes.into())];
    let request = ClientRequest::Produce(Produce { acks: Acks::All, timeout_ms: 1_000, partitions });
    let answer = produced(cluster.ask(1, request));
    assert_eq!(answer, Err(PartitionError::CorruptMessage));
    assert_eq!(cluster.node(1).replica(partition).expect("a replica").log.end(), 0);
}

#[test]
fn consumer_that_waits_is_answered_when_a_record_is_committed() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let asked = cluster.now;
    let waiting = cluster.send(1, fetch_request(partition, 0, 20_000));
    cluster.run_for(Duration::from_secs(2));
    assert!(cluster.answer(waiting).is_none(), "answered before there was anything to say");
    cluster.produce(1, partition, Acks::All, "a").expect("acknowledged");
    cluster.run_for(Duration::from_millis(10));
    let Some(answer) = cluster.answer(waiting) else {
        panic!("no answer {:?} after the fetch", cluster.now.since(asked));
    };
    let (fetched, bytes) = fetched(answer);
    assert_eq!((fetched.error, fetched.high_watermark), (None, 1));
    assert!(!bytes.is_empty());
}

#[test]
fn consumer_that_waits_in_vain_is_answered_at_its_deadline() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let asked = cluster.now;
    let (fetched, bytes) = cluster.fetch(1, partition, 0, 700);
    assert_eq!((fetched.error, bytes.len()), (None, 0));
    assert_eq!(cluster.now.since(asked), Duration::from_millis(700));
}

#[test]
fn leader_that_crashes_is_replaced_without_loss() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[2, 1, 3]);
    cluster.produce(2, partition, Acks::All, "a").expect("acknowledged");
    cluster.crash(2);
    cluster.run_until("another leader", SOON, |cluster| cluster.leader(partition).is_some_and(|id| id != 2));
    let leader = cluster.leader(partition).expect("a leader");
    cluster.run_until_isr(partition, &[1, 3]);
    assert_eq!(cluster.produce(leader, partition, Acks::All, "b"), Ok(1));
    assert_eq!(cluster.consume(leader, partition).0, ["a", "b"]);
}

#[test]
fn leader_that_crashed_comes_back_as_a_follower_with_the_same_log() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[2, 1, 3]);
    cluster.produce(2, partition, Acks::All, "a").expect("acknowledged");
    cluster.crash(2);
    cluster.run_until_isr(partition, &[1, 3]);
    let leader = cluster.leader(partition).expect("a leader");
    cluster.produce(leader, partition, Acks::All, "b").expect("acknowledged");
    cluster.restart(2).expect("the disk is sound");
    cluster.run_until_isr(partition, &[1, 2, 3]);
    assert_eq!(cluster.node(2).replica(partition).expect("a replica").role, Role::Follower);
    cluster.assert_same_log(partition, leader, 2);
}

#[test]
fn cluster_whose_processes_were_all_killed_goes_on_where_it_was() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[2, 1, 3]);
    cluster.produce(2, partition, Acks::All, "a").expect("acknowledged");
    for id in 1..=3 {
        cluster.kill(id);
    }
    for id in 1..=3 {
        cluster.restart(id).expect("the disk is sound");
    }
    cluster.settle();
    cluster.run_until("a leader", SOON, |cluster| cluster.leader(partition).is_some());
    let leader = cluster.leader(partition).expect("a leader");
    cluster.run_until("the record committed", SOON, |cluster| {
        cluster.leader(partition) == Some(leader)
            && cluster.node(leader).replica(partition).and_then(|replica| replica.high_watermark) == Some(1)
    });
    assert_eq!(cluster.consume(leader, partition).0, ["a"]);
}

#[test]
fn partition_is_not_starved_by_others_of_its_leader() {
    // One answer has room for one batch.
    let mut cluster = settled_with(|config| {
        config.replica_fetch_response_max_bytes = 100;
    });
    let partitions: Vec<_> =
        (0..8).map(|index| cluster.create_topic(1, &format!("topic-{index}"), &[1, 2, 3])).collect();
    let value = "x".repeat(200);
    let mut tokens = Vec::new();
    for _ in 0..10 {
        for &partition in &partitions {
            tokens.push(cluster.send(1, produce_request(partition, Acks::All, &[&value])));
        }
    }
    // 80 batches one at a time, two messages of a millisecond each.
    let began = cluster.now;
    let ends = |cluster: &Cluster| -> Vec<i64> {
        partitions
            .iter()
            .map(|id| cluster.node(2).replica(*id).map_or(0, |replica| replica.log.end()))
            .collect()
    };
    cluster.run_until("the first record of each", SOON, |cluster| ends(cluster).iter().all(|&end| end > 0));
    let found = ends(&cluster);
    assert!(found.iter().all(|&end| end <= 2), "{found:?}");
    cluster.run_until("all answers", SOON, |cluster| ends(cluster).iter().all(|&end| end == 10));
    assert!(cluster.now.since(began) < Duration::from_secs(1), "{:?}", cluster.now.since(began));
}

#[test]
fn topic_that_is_deleted_leaves_nothing_on_any_disk() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.produce(1, partition, Acks::All, "a").expect("acknowledged");
    let request = ControllerRequest::DeleteTopics(vec![TopicReference::Name("orders".to_owned())]);
    cluster.controller_request(2, request).expect("an answer");
    cluster.run_until("no replica", SOON, |cluster| {
        (1..=3).all(|id| cluster.node(id).replica(partition).is_none())
    });
    for disk in cluster.disks.values() {
        let names = highwater_log::disk::Disk::list(disk, "").expect("a directory");
        assert!(!names.iter().any(|name| name.starts_with("orders")), "{names:?}");
    }
}

#[test]
fn min_insync_replicas_of_a_topic_is_obeyed_once_set() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let change = ConfigChange {
        key: "min.insync.replicas".to_owned(),
        operation: ConfigOperation::Set("3".to_owned()),
    };
    let changes = vec![(ConfigResource::Topic("orders".to_owned()), vec![change])];
    cluster
        .controller_request(1, ControllerRequest::AlterConfigs { changes, validate_only: false })
        .expect("an answer");
    cluster.run_for(Duration::from_secs(1));
    cluster.crash(3);
    cluster.run_until_isr(partition, &[1, 2]);
    let leader = cluster.leader(partition).expect("a leader");
    assert_eq!(cluster.produce(leader, partition, Acks::All, "a"), Err(PartitionError::NotEnoughReplicas));
}

#[test]
fn offsets_for_consumers_end_at_the_high_watermark() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.produce(1, partition, Acks::All, "a").expect("acknowledged");
    cluster.send(1, produce_request(partition, Acks::Leader, &["b"]));
    let latest = listed(cluster.ask(1, offset_request(partition, OffsetAt::Latest)));
    assert_eq!(latest.map(|latest| latest.map(|latest| latest.offset)), Ok(Some(1)));
    let earliest = listed(cluster.ask(1, offset_request(partition, OffsetAt::Earliest)));
    assert_eq!(earliest.map(|earliest| earliest.map(|earliest| earliest.offset)), Ok(Some(0)));
}

#[test]
fn producer_and_consumer_that_wait_for_a_topic_that_is_deleted_are_told_so() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    // Nobody fetches what is produced.
    cluster.tamper = Some(Box::new(|_, _, response| !matches!(response, PeerResponse::Fetch(_))));
    cluster.run_for(Duration::from_secs(1));
    let producing = cluster.send(1, produce_request(partition, Acks::All, &["a"]));
    let fetching = cluster.send(1, fetch_request(partition, 0, 30_000));
    let request = ControllerRequest::DeleteTopics(vec![TopicReference::Name("orders".to_owned())]);
    cluster.controller_request(2, request).expect("an answer");
    cluster.run_for(Duration::from_secs(1));
    let answer = cluster.answer(producing).expect("an answer");
    assert_eq!(produced(answer), Err(PartitionError::NotLeaderOrFollower));
    let (answer, _) = fetched(cluster.answer(fetching).expect("an answer"));
    assert_eq!(answer.error, Some(PartitionError::UnknownTopicId));
}

#[test]
fn log_is_flushed_after_as_many_records_as_configured() {
    let mut cluster = settled_with(|config| {
        config.log_flush_interval_messages = Some(2);
    });
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let flushed = |cluster: &Cluster| {
        [1, 2, 3].map(|id| cluster.node(id).replica(partition).expect("a replica").log.flushed())
    };
    cluster.produce(1, partition, Acks::All, "a").expect("acknowledged");
    cluster.run_for(Duration::from_millis(10));
    assert_eq!(flushed(&cluster), [0, 0, 0]);
    cluster.produce(1, partition, Acks::All, "b").expect("acknowledged");
    cluster.run_for(Duration::from_millis(10));
    assert_eq!(flushed(&cluster), [2, 2, 2]);
}

#[test]
fn batch_that_is_too_large_is_refused() {
    let mut cluster = settled_with(|config| {
        config.message_max_bytes = 200;
    });
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let answer = cluster.produce(1, partition, Acks::All, &"x".repeat(200));
    assert_eq!(answer, Err(PartitionError::MessageTooLarge));
}

#[test]
fn topic_made_anew_under_the_same_name_begins_empty() {
    let mut cluster = settled();
    let before = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.produce(1, before, Acks::All, "a").expect("acknowledged");
    cluster.crash(3);
    let request = ControllerRequest::DeleteTopics(vec![TopicReference::Name("orders".to_owned())]);
    cluster.controller_request(2, request).expect("an answer");
    cluster.settle();
    let after = cluster.create_topic(1, "orders", &[1, 2, 3]);
    assert_ne!(after.topic, before.topic);
    // Its disk has the old one.
    cluster.restart(3).expect("the disk is sound");
    cluster.run_until("the new topic's replica", SOON, |cluster| cluster.node(3).replica(after).is_some());
    cluster.run_until_isr(after, &[1, 2, 3]);
    assert!(cluster.node(3).replica(before).is_none());
    cluster.produce(1, after, Acks::All, "b").expect("acknowledged");
    cluster.assert_same_log(after, 3, 1);
    assert_eq!(cluster.consume(1, after).0, ["b"]);
}

/// A cluster in which each batch has a segment of its own, and old ones go soon.
fn cluster_that_deletes() -> Cluster {
    settled_with(|config| {
        config.log_segment_bytes = 80;
        config.log_retention_bytes = Some(200);
        config.log_retention_check_interval = Duration::from_secs(1);
    })
}

#[test]
fn log_start_moves_when_there_is_too_much() {
    let mut cluster = cluster_that_deletes();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    for index in 0..10 {
        cluster.produce(1, partition, Acks::All, &index.to_string()).expect("acknowledged");
    }
    cluster.run_for(Duration::from_secs(2));
    for id in 1..=3 {
        let log = cluster.node(id).replica(partition).expect("a replica").log.clone();
        assert!((6..10).contains(&log.start()), "node {id}: {log:?}");
    }
    let (fetched, _) = cluster.fetch(1, partition, 0, 0);
    assert_eq!(fetched.error, Some(PartitionError::OffsetOutOfRange));
    let earliest = listed(cluster.ask(1, offset_request(partition, OffsetAt::Earliest)));
    assert!(matches!(earliest, Ok(Some(ListedOffset { offset: 6.., .. }))), "{earliest:?}");
}

#[test]
fn follower_whose_end_its_leader_has_deleted_begins_anew() {
    let mut cluster = cluster_that_deletes();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.produce(1, partition, Acks::All, "first").expect("acknowledged");
    let active = cluster.active().expect("a controller");
    let behind = (2..=3).find(|&id| id != active).expect("another");
    cluster.kill(behind);
    cluster.run_until_isr(partition, if behind == 2 { &[1, 3] } else { &[1, 2] });
    let leader = cluster.leader(partition).expect("a leader");
    for index in 0..10 {
        cluster.produce(leader, partition, Acks::All, &index.to_string()).expect("acknowledged");
    }
    cluster.run_for(Duration::from_secs(2));
    cluster.restart(behind).expect("the disk is sound");
    cluster.run_until_isr(partition, &[1, 2, 3]);
    let log = cluster.node(behind).replica(partition).expect("a replica").log.clone();
    assert!(log.start() >= 6 && log.end() == 11, "{log:?}");
}
