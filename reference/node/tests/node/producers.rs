//! Idempotent producers: what is sent again is not appended again, whoever leads.

use std::time::Duration;

use bytes::Bytes;
use highwater_core::batch::{self, BatchBuilder};
use highwater_core::partition::{Acks, PartitionError};
use highwater_core::{NO_EPOCH, NodeId, Offset};
use highwater_node::Roles;
use highwater_node::message::{ClientRequest, Input, LogId, PeerResponse, Produce, TopicPartition};

use crate::cluster::{Cluster, combined, produced};

const SOON: Duration = Duration::from_secs(30);

/// A batch of one record of producer 7, as it is sent.
fn sent(epoch: i16, sequence: i32, value: &str) -> Bytes {
    let mut batch = BatchBuilder::new(0, NO_EPOCH).producer(7, epoch, sequence);
    batch.record(0, None, Some(value.as_bytes()));
    batch.build().into()
}

fn request(partition: TopicPartition, acks: Acks, records: Bytes) -> ClientRequest {
    ClientRequest::Produce(Produce { acks, timeout_ms: 120_000, partitions: vec![(partition, records)] })
}

fn produce(
    cluster: &mut Cluster,
    id: i32,
    partition: TopicPartition,
    records: Bytes,
) -> Result<Offset, PartitionError> {
    produced(cluster.ask(id, request(partition, Acks::All, records)))
}

/// Three brokers, and a partition that node 2 leads.
fn cluster() -> (Cluster, TopicPartition) {
    let mut cluster = combined(3);
    cluster.settle();
    let partition = cluster.create_topic(1, "orders", &[2, 1, 3]);
    (cluster, partition)
}

/// The broker that leads once node 2 does not.
fn next_leader(cluster: &mut Cluster, partition: TopicPartition) -> i32 {
    cluster.run_until("another leader", SOON, |cluster| cluster.leader(partition).is_some_and(|id| id != 2));
    cluster.run_until_isr(partition, &[1, 3]);
    cluster.leader(partition).expect("a leader")
}

fn last_sequence(cluster: &Cluster, id: i32, partition: TopicPartition) -> Option<i32> {
    Some(cluster.node(id).producers(partition)?.get(7)?.last_sequence())
}

#[test]
fn duplicate_is_answered_with_the_offset_of_the_original() {
    let (mut cluster, partition) = cluster();
    assert_eq!(produce(&mut cluster, 2, partition, sent(0, 0, "a")), Ok(0));
    assert_eq!(produce(&mut cluster, 2, partition, sent(0, 1, "b")), Ok(1));
    assert_eq!(produce(&mut cluster, 2, partition, sent(0, 0, "a")), Ok(0));
    assert_eq!(produce(&mut cluster, 2, partition, sent(0, 1, "b")), Ok(1));
    assert_eq!(cluster.consume(2, partition), (vec!["a".to_owned(), "b".to_owned()], 2));
}

#[test]
fn duplicate_is_recognised_by_the_next_leader() {
    let (mut cluster, partition) = cluster();
    produce(&mut cluster, 2, partition, sent(0, 0, "a")).expect("acknowledged");
    produce(&mut cluster, 2, partition, sent(0, 1, "b")).expect("acknowledged");
    cluster.crash(2);
    let leader = next_leader(&mut cluster, partition);
    assert_eq!(produce(&mut cluster, leader, partition, sent(0, 1, "b")), Ok(1));
    assert_eq!(produce(&mut cluster, leader, partition, sent(0, 2, "c")), Ok(2));
    assert_eq!(cluster.consume(leader, partition).0, ["a", "b", "c"]);
}

/// Cuts followers off, so that what is produced is in the leader's log alone.
fn cut_followers(cluster: &mut Cluster) {
    cluster.tamper = Some(Box::new(|_, _, response| !matches!(response, PeerResponse::Fetch(_))));
}

#[test]
fn duplicate_waits_until_the_original_is_committed() {
    let (mut cluster, partition) = cluster();
    produce(&mut cluster, 2, partition, sent(0, 0, "a")).expect("acknowledged");
    cut_followers(&mut cluster);
    let first = cluster.send(2, request(partition, Acks::All, sent(0, 1, "b")));
    cluster.run_for(Duration::from_millis(200));
    let again = cluster.send(2, request(partition, Acks::All, sent(0, 1, "b")));
    let weak = cluster.send(2, request(partition, Acks::Leader, sent(0, 1, "b")));
    cluster.run_for(Duration::from_millis(200));
    assert!(cluster.answer(first).is_none() && cluster.answer(again).is_none(), "nobody else has it");
    assert_eq!(cluster.answer(weak).map(produced), Some(Ok(1)), "acks=1 waits for nobody");
    cluster.tamper = None;
    cluster.run_until("the record is committed", Duration::from_secs(100), |cluster| {
        cluster.node(2).replica(partition).is_some_and(|replica| replica.high_watermark == Some(2))
    });
    for token in [first, again] {
        assert_eq!(cluster.answer(token).map(produced), Some(Ok(1)));
    }
    assert_eq!(cluster.consume(2, partition).0, ["a", "b"]);
}

#[test]
fn duplicate_of_what_was_lost_is_appended() {
    let (mut cluster, partition) = cluster();
    produce(&mut cluster, 2, partition, sent(0, 0, "a")).expect("acknowledged");
    cut_followers(&mut cluster);
    cluster.send(2, request(partition, Acks::All, sent(0, 1, "b")));
    cluster.run_for(Duration::from_millis(10));
    assert_eq!(last_sequence(&cluster, 2, partition), Some(1));
    cluster.kill(2);
    cluster.tamper = None;
    let leader = next_leader(&mut cluster, partition);
    assert_eq!(last_sequence(&cluster, leader, partition), Some(0));
    assert_eq!(produce(&mut cluster, leader, partition, sent(0, 1, "b")), Ok(1));
    // The former leader has the record too, of an older epoch: it cuts that, and what it knew of it.
    cluster.restart(2).expect("the disk is sound");
    assert_eq!(last_sequence(&cluster, 2, partition), Some(1));
    cluster.run_until_isr(partition, &[1, 2, 3]);
    assert_eq!(last_sequence(&cluster, 2, partition), Some(1));
    assert_eq!(cluster.consume(leader, partition).0, ["a", "b"]);
    let log = LogId::Partition(partition);
    assert_eq!(cluster.bytes_of(2, log), cluster.bytes_of(leader, log));
}

#[test]
fn batch_behind_one_that_is_missing_is_refused() {
    let (mut cluster, partition) = cluster();
    produce(&mut cluster, 2, partition, sent(0, 0, "a")).expect("acknowledged");
    let refused = produce(&mut cluster, 2, partition, sent(0, 2, "c"));
    assert_eq!(refused, Err(PartitionError::OutOfOrderSequenceNumber));
    assert_eq!(cluster.consume(2, partition).0, ["a"]);
}

#[test]
fn batch_of_an_older_epoch_is_refused() {
    let (mut cluster, partition) = cluster();
    produce(&mut cluster, 2, partition, sent(4, 0, "a")).expect("acknowledged");
    produce(&mut cluster, 2, partition, sent(5, 0, "b")).expect("acknowledged");
    let refused = produce(&mut cluster, 2, partition, sent(4, 1, "c"));
    assert_eq!(refused, Err(PartitionError::InvalidProducerEpoch));
}

#[test]
fn several_batches_of_a_producer_in_one_request_are_refused() {
    let (mut cluster, partition) = cluster();
    let both: Bytes = [sent(0, 0, "a"), sent(0, 1, "b")].concat().into();
    assert_eq!(produce(&mut cluster, 2, partition, both), Err(PartitionError::InvalidRecord));
}

#[test]
fn batch_of_a_transaction_is_refused() {
    let (mut cluster, partition) = cluster();
    let mut bytes = sent(0, 0, "a").to_vec();
    bytes[22] |= 0x10;
    batch::seal(&mut bytes);
    let refused = produce(&mut cluster, 2, partition, bytes.into());
    assert_eq!(refused, Err(PartitionError::InvalidTxnState));
}

#[test]
fn follower_says_that_it_does_not_lead_whatever_the_sequence() {
    let (mut cluster, partition) = cluster();
    produce(&mut cluster, 2, partition, sent(0, 0, "a")).expect("acknowledged");
    for sequence in [0, 9] {
        let refused = produce(&mut cluster, 1, partition, sent(0, sequence, "x"));
        assert_eq!(refused, Err(PartitionError::NotLeaderOrFollower));
    }
}

/// One broker that writes segments of a few records, with two of a producer's batches in its log.
fn lone() -> (Cluster, TopicPartition) {
    let mut cluster = Cluster::start([(1, Roles::COMBINED)], |config| {
        config.default_replication_factor = 1;
        config.min_insync_replicas = 1;
        config.log_segment_bytes = 200;
    });
    cluster.settle();
    let partition = cluster.create_topic(1, "orders", &[1]);
    for (sequence, value) in (0..).zip(["a", "b", "c", "d", "e", "f", "g", "h"]) {
        produce(&mut cluster, 1, partition, sent(0, sequence, value)).expect("acknowledged");
    }
    (cluster, partition)
}

/// Restarts it, and sends a batch again, and the next.
fn go_on(cluster: &mut Cluster, partition: TopicPartition) {
    cluster.restart(1).expect("the disk is sound");
    cluster.settle();
    cluster.run_until("a leader", SOON, |cluster| cluster.leader(partition).is_some());
    assert_eq!(produce(cluster, 1, partition, sent(0, 7, "h")), Ok(7));
    assert_eq!(produce(cluster, 1, partition, sent(0, 8, "i")), Ok(8));
    assert_eq!(cluster.consume(1, partition).0.concat(), "abcdefghi");
}

#[test]
fn duplicate_is_recognised_after_a_kill() {
    let (mut cluster, partition) = lone();
    cluster.kill(1);
    go_on(&mut cluster, partition);
}

#[test]
fn duplicate_is_recognised_after_a_stop_in_good_order() {
    let (mut cluster, partition) = lone();
    let now = cluster.now;
    cluster.nodes.get_mut(&NodeId(1)).expect("a node").handle(now, Input::ShutDown);
    cluster.run_until("a stop", SOON, |cluster| cluster.node(1).stopped());
    cluster.kill(1);
    go_on(&mut cluster, partition);
}

#[test]
fn producer_that_was_silent_for_long_is_forgotten() {
    let (mut cluster, partition) = lone();
    cluster.run_for(Duration::from_secs(23 * 3600));
    assert_eq!(last_sequence(&cluster, 1, partition), Some(7));
    cluster.run_for(Duration::from_secs(2 * 3600));
    assert_eq!(last_sequence(&cluster, 1, partition), None);
}
