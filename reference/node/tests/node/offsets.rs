//! Offsets: where logs begin and end and for whom, by time, and where leader epochs end; records deleted from the front.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use highwater_core::batch::BatchBuilder;
use highwater_core::controller::ConfigResource;
use highwater_core::partition::{Acks, PartitionError};
use highwater_core::{EpochEnd, NO_EPOCH, NodeId, Offset};
use highwater_node::message::{
    ClientRequest, ClientResponse, DeleteRecords, EpochQuery, ListOffsets, ListedOffset, OffsetAt,
    OffsetQuery, OffsetReader, PeerRequest, Produce, TopicPartition,
};

use crate::cluster::{Cluster, listed, offset_request, produce_request, settled, settled_with};

/// A batch of records with these timestamps.
fn timed(timestamps: &[i64]) -> Bytes {
    let mut batch = BatchBuilder::new(0, NO_EPOCH);
    for timestamp in timestamps {
        batch.record(*timestamp, None, Some(b"x"));
    }
    batch.build().into()
}

fn list(
    cluster: &mut Cluster,
    id: i32,
    partition: TopicPartition,
    reader: OffsetReader,
    at: OffsetAt,
    leader_epoch: i32,
) -> Result<Option<ListedOffset>, PartitionError> {
    let partitions = vec![OffsetQuery { partition, leader_epoch, at }];
    listed(cluster.ask(id, ClientRequest::ListOffsets(ListOffsets { reader, partitions })))
}

#[test]
fn offsets_are_found_by_time() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    for timestamps in [&[100, 300, 200][..], &[400], &[250]] {
        let partitions = vec![(partition, timed(timestamps))];
        cluster.ask(1, ClientRequest::Produce(Produce { acks: Acks::All, timeout_ms: 1_000, partitions }));
    }
    let mut at = |at| list(&mut cluster, 1, partition, OffsetReader::Client, at, NO_EPOCH);
    let found = |timestamp, offset| Ok(Some(ListedOffset { timestamp, offset, leader_epoch: 0 }));
    assert_eq!(at(OffsetAt::Timestamp(0)), found(100, 0));
    assert_eq!(at(OffsetAt::Timestamp(101)), found(300, 1));
    assert_eq!(at(OffsetAt::Timestamp(301)), found(400, 3));
    assert_eq!(at(OffsetAt::Timestamp(401)), Ok(None));
    assert_eq!(at(OffsetAt::MaxTimestamp), found(400, 3));
    assert_eq!(at(OffsetAt::Latest), found(-1, 5));
    assert_eq!(at(OffsetAt::Earliest), found(-1, 0));
}

#[test]
fn empty_log_has_no_record_of_the_largest_timestamp() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let answer = listed(cluster.ask(1, offset_request(partition, OffsetAt::MaxTimestamp)));
    assert_eq!(answer, Ok(None));
}

#[test]
fn end_is_the_high_watermark_for_clients_and_the_logs_end_for_replicas_and_debuggers() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.produce(1, partition, Acks::All, "a").expect("acknowledged");
    cluster.run_for(Duration::from_secs(1));
    // From here on followers hear nothing.
    cluster.tamper = Some(Box::new(|from, _, _| from != NodeId(1)));
    cluster.send(1, produce_request(partition, Acks::Leader, &["b"]));
    let mut end = |id, reader| {
        let answer = list(&mut cluster, id, partition, reader, OffsetAt::Latest, NO_EPOCH);
        answer.map(|found| found.map(|found| found.offset))
    };
    assert_eq!(end(1, OffsetReader::Client), Ok(Some(1)));
    assert_eq!(end(1, OffsetReader::Replica), Ok(Some(2)));
    assert_eq!(end(1, OffsetReader::Debug), Ok(Some(2)));
    assert_eq!(end(2, OffsetReader::Client), Err(PartitionError::NotLeaderOrFollower));
    assert_eq!(end(2, OffsetReader::Replica), Err(PartitionError::NotLeaderOrFollower));
    assert_eq!(end(2, OffsetReader::Debug), Ok(Some(1)));
}

#[test]
fn record_that_is_not_committed_is_not_found_by_clients() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.tamper = Some(Box::new(|from, _, _| from != NodeId(1)));
    let partitions = vec![(partition, timed(&[100]))];
    cluster.send(1, ClientRequest::Produce(Produce { acks: Acks::Leader, timeout_ms: 1_000, partitions }));
    let mut at = |reader, at| list(&mut cluster, 1, partition, reader, at, NO_EPOCH);
    assert_eq!(at(OffsetReader::Client, OffsetAt::Timestamp(0)), Ok(None));
    assert_eq!(at(OffsetReader::Client, OffsetAt::MaxTimestamp), Ok(None));
    assert!(matches!(at(OffsetReader::Replica, OffsetAt::Timestamp(0)), Ok(Some(_))));
}

#[test]
fn who_believes_in_another_leader_epoch_is_told_so() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let epoch = cluster.node(1).replica(partition).expect("a replica").epoch;
    cluster.crash(1);
    cluster.run_until("another leader", Duration::from_secs(60), |cluster| {
        cluster.leader(partition).is_some_and(|leader| leader != 1)
    });
    let leader = cluster.leader(partition).expect("a leader");
    let mut at = |leader_epoch| {
        let answer =
            list(&mut cluster, leader, partition, OffsetReader::Client, OffsetAt::Latest, leader_epoch);
        answer.map(|found| found.map(|found| found.leader_epoch))
    };
    assert_eq!(at(epoch), Err(PartitionError::FencedLeaderEpoch));
    assert_eq!(at(epoch + 1), Ok(Some(epoch + 1)));
    assert_eq!(at(epoch + 2), Err(PartitionError::UnknownLeaderEpoch));
}

#[test]
fn leader_that_does_not_know_yet_what_is_committed_says_no_end() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    // The followers have a record, and none knows that it is committed.
    cluster.send(1, produce_request(partition, Acks::Leader, &["a"]));
    cluster.run_until("a copy", Duration::from_secs(5), |cluster| {
        [2, 3].iter().all(|id| cluster.node(*id).replica(partition).expect("a replica").log.end() == 1)
            && cluster.node(2).replica(partition).expect("a replica").high_watermark == Some(0)
            && cluster.node(3).replica(partition).expect("a replica").high_watermark == Some(0)
    });
    cluster.crash(1);
    // The new leader hears nothing of the other follower.
    cluster.tamper = Some(Box::new(|from, _, response| {
        from == NodeId(1) || !matches!(response, highwater_node::message::PeerResponse::Fetch(_))
    }));
    cluster.run_until("another leader", Duration::from_secs(60), |cluster| {
        cluster.leader(partition) != Some(1) && cluster.leader(partition).is_some()
    });
    let leader = cluster.leader(partition).expect("a leader");
    let replica = cluster.node(leader).replica(partition).expect("a replica");
    if replica.high_watermark == Some(0) {
        for at in [OffsetAt::Latest, OffsetAt::MaxTimestamp, OffsetAt::Timestamp(0)] {
            let answer = list(&mut cluster, leader, partition, OffsetReader::Client, at, NO_EPOCH);
            assert_eq!(answer, Err(PartitionError::OffsetNotAvailable), "{at:?}");
        }
        let answer =
            list(&mut cluster, leader, partition, OffsetReader::Client, OffsetAt::Earliest, NO_EPOCH);
        assert!(matches!(answer, Ok(Some(ListedOffset { offset: 0, .. }))), "{answer:?}");
    } else {
        panic!("the new leader knows already: {replica:?}");
    }
}

#[test]
fn epochs_end_where_the_next_begins() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.produce(1, partition, Acks::All, "a").expect("acknowledged");
    let first = cluster.node(1).replica(partition).expect("a replica").epoch;
    cluster.crash(1);
    cluster.run_until("another leader", Duration::from_secs(60), |cluster| {
        cluster.leader(partition).is_some_and(|leader| leader != 1)
    });
    let leader = cluster.leader(partition).expect("a leader");
    cluster.produce(leader, partition, Acks::Leader, "b").expect("acknowledged");
    let second = cluster.node(leader).replica(partition).expect("a replica").epoch;
    let mut end = |id: i32, epoch, current_leader_epoch| {
        let query = EpochQuery { partition, current_leader_epoch, epoch };
        match cluster.ask(id, ClientRequest::OffsetsForLeaderEpoch(vec![query])) {
            ClientResponse::OffsetsForLeaderEpoch(answers) => answers[0].1,
            other => panic!("{other:?}"),
        }
    };
    let follower = if leader == 2 { 3 } else { 2 };
    assert_eq!(end(leader, first, NO_EPOCH), Ok(Some(EpochEnd { epoch: first, end: 1 })));
    assert_eq!(end(leader, second, second), Ok(Some(EpochEnd { epoch: second, end: 2 })));
    assert_eq!(end(leader, second + 1, second), Ok(None));
    assert_eq!(end(leader, NO_EPOCH, second), Ok(None));
    assert_eq!(end(leader, first, first), Err(PartitionError::FencedLeaderEpoch));
    assert_eq!(end(leader, first, second + 1), Err(PartitionError::UnknownLeaderEpoch));
    assert_eq!(end(follower, first, NO_EPOCH), Err(PartitionError::NotLeaderOrFollower));
}

// ---- deleting ----

fn delete_request(partition: TopicPartition, before: Option<Offset>, timeout_ms: u32) -> ClientRequest {
    ClientRequest::DeleteRecords(DeleteRecords { timeout_ms, partitions: vec![(partition, before)] })
}

fn deleted(response: ClientResponse) -> Result<Offset, PartitionError> {
    match response {
        ClientResponse::DeleteRecords(answers) if answers.len() == 1 => answers[0].1,
        other => panic!("{other:?}"),
    }
}

fn with_records(cluster: &mut Cluster, count: usize) -> TopicPartition {
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    for _ in 0..count {
        cluster.produce(1, partition, Acks::All, "a").expect("acknowledged");
    }
    partition
}

fn start(cluster: &Cluster, id: i32, partition: TopicPartition) -> Offset {
    cluster.node(id).replica(partition).expect("a replica").log.start()
}

#[test]
fn deletion_is_answered_once_all_replicas_start_there() {
    let mut cluster = settled_with(|config| {
        config.replica_fetch_wait_max = Duration::from_secs(20);
    });
    let partition = with_records(&mut cluster, 5);
    cluster.run_for(Duration::from_secs(1));
    let asked = cluster.now;
    let answer = deleted(cluster.ask(1, delete_request(partition, Some(3), 30_000)));
    assert_eq!(answer, Ok(3));
    for id in 1..=3 {
        assert_eq!(start(&cluster, id, partition), 3, "node {id}");
    }
    // Followers are told at once, though their fetches could wait for longer.
    assert!(cluster.now.since(asked) < Duration::from_millis(100), "{:?}", cluster.now.since(asked));
    let earliest = listed(cluster.ask(1, offset_request(partition, OffsetAt::Earliest)));
    assert_eq!(earliest, Ok(Some(ListedOffset { timestamp: -1, offset: 3, leader_epoch: 0 })));
}

#[test]
fn deletion_without_an_offset_goes_to_the_high_watermark() {
    let mut cluster = settled();
    let partition = with_records(&mut cluster, 4);
    assert_eq!(deleted(cluster.ask(1, delete_request(partition, None, 30_000))), Ok(4));
    assert_eq!(start(&cluster, 1, partition), 4);
}

#[test]
fn deletion_beyond_the_high_watermark_or_elsewhere_is_refused() {
    let mut cluster = settled();
    let partition = with_records(&mut cluster, 2);
    let mut delete = |id, before| deleted(cluster.ask(id, delete_request(partition, Some(before), 1_000)));
    assert_eq!(delete(1, 3), Err(PartitionError::OffsetOutOfRange));
    assert_eq!(delete(1, -2), Err(PartitionError::OffsetOutOfRange));
    assert_eq!(delete(2, 1), Err(PartitionError::NotLeaderOrFollower));
    assert_eq!(start(&cluster, 1, partition), 0);
}

#[test]
fn deletion_of_a_topic_that_is_compacted_only_is_refused() {
    let mut cluster = settled();
    let partition = with_records(&mut cluster, 2);
    cluster.configure(ConfigResource::Topic("orders".to_owned()), "cleanup.policy", "compact");
    let answer = deleted(cluster.ask(1, delete_request(partition, Some(1), 1_000)));
    assert_eq!(answer, Err(PartitionError::PolicyViolation));
}

#[test]
fn deletion_that_a_live_follower_does_not_follow_times_out() {
    let mut cluster = settled();
    let partition = with_records(&mut cluster, 3);
    // Node 3 hears no answer to its fetches; its broker lives.
    cluster.tamper = Some(Box::new(|_, to, response| {
        to != NodeId(3) || !matches!(response, highwater_node::message::PeerResponse::Fetch(_))
    }));
    cluster.run_for(Duration::from_secs(1));
    let answer = deleted(cluster.ask(1, delete_request(partition, Some(2), 2_000)));
    assert_eq!(answer, Err(PartitionError::RequestTimedOut));
    assert_eq!((start(&cluster, 1, partition), start(&cluster, 2, partition)), (2, 2));
}

#[test]
fn deletion_does_not_wait_for_a_follower_that_is_fenced() {
    let mut cluster = settled();
    let partition = with_records(&mut cluster, 3);
    cluster.crash(3);
    let token = cluster.send(1, delete_request(partition, Some(2), 60_000));
    cluster.run_for(Duration::from_secs(1));
    assert!(cluster.answer(token).is_none(), "answered while node 3 still counts as alive");
    cluster.run_for(Duration::from_secs(20));
    assert_eq!(deleted(cluster.answer(token).expect("an answer")), Ok(2));
}

#[test]
fn followers_say_where_their_logs_start() {
    let mut cluster = settled();
    let partition = with_records(&mut cluster, 3);
    cluster.requests.clear();
    assert_eq!(deleted(cluster.ask(1, delete_request(partition, Some(2), 30_000))), Ok(2));
    cluster.run_for(Duration::from_secs(2));
    let starts = cluster.requests.iter().filter_map(|(from, to, request)| match request {
        PeerRequest::Fetch(fetch) if *to == NodeId(1) => {
            let part = fetch.partitions.iter().find(|part| part.partition == partition);
            part.map(|part| (*from, part.log_start))
        }
        _ => None,
    });
    // What each said last holds until it says something else.
    let starts: BTreeMap<NodeId, Offset> = starts.collect();
    assert_eq!(starts, BTreeMap::from([(NodeId(2), 2), (NodeId(3), 2)]));
}
