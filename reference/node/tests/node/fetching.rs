//! Fetches of clients: of many partitions, until there is enough, by whom.

use std::time::Duration;

use highwater_core::NO_EPOCH;
use highwater_core::partition::{Acks, PartitionError, PartitionFetch};
use highwater_node::message::{
    ClientRequest, ClientResponse, Fetch, FetchPartition, FetchReader, FetchedPartition, TopicPartition,
};

use crate::cluster::{Cluster, produce_request, records, settled};

/// A fetch from the start of these partitions.
fn fetch(partitions: &[TopicPartition], max_wait_ms: u32, min_bytes: u32, max_bytes: u32) -> ClientRequest {
    let part = |partition: &TopicPartition| FetchPartition {
        partition: *partition,
        fetch: PartitionFetch { leader_epoch: NO_EPOCH, offset: 0, last_epoch: NO_EPOCH },
        max_bytes: 1 << 20,
    };
    let partitions = partitions.iter().map(part).collect();
    let reader = FetchReader::ConsumerOfLeader;
    ClientRequest::Fetch(Fetch { reader, max_wait_ms, min_bytes, max_bytes, partitions })
}

fn by(reader: FetchReader, request: ClientRequest) -> ClientRequest {
    match request {
        ClientRequest::Fetch(fetch) => ClientRequest::Fetch(Fetch { reader, ..fetch }),
        other => other,
    }
}

fn parts(response: ClientResponse) -> Vec<FetchedPartition> {
    match response {
        ClientResponse::Fetch(parts) => parts,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_partition_of_a_fetch_is_answered_with_its_own() {
    let mut cluster = settled();
    let partitions = cluster.create_topic_with(1, "orders", &[&[1, 2, 3], &[1, 3, 2], &[2, 1, 3]], &[]);
    cluster.produce(1, partitions[1], Acks::All, "a").expect("acknowledged");
    let answers = parts(cluster.ask(1, fetch(&partitions, 0, 1, 1 << 20)));
    let seen: Vec<_> = answers
        .iter()
        .map(|part| (part.partition, part.answer.error, part.answer.high_watermark, part.records.is_empty()))
        .collect();
    let elsewhere = Some(PartitionError::NotLeaderOrFollower);
    assert_eq!(seen[..2], [(partitions[0], None, 0, true), (partitions[1], None, 1, false)]);
    assert_eq!((seen[2].0, seen[2].1, seen[2].3), (partitions[2], elsewhere, true));
    assert_eq!(answers[2].leader.map(|leader| leader.0), Some(2), "an error comes with the leader");
}

#[test]
fn fetch_waits_until_there_are_as_many_bytes_as_it_wants() {
    let mut cluster = settled();
    let partitions = cluster.create_topic_with(1, "orders", &[&[1, 2, 3], &[1, 3, 2]], &[]);
    let size = records(&["a"]).len() as u32;
    cluster.produce(1, partitions[0], Acks::All, "a").expect("acknowledged");
    let token = cluster.send(1, fetch(&partitions, 30_000, 3 * size, 1 << 20));
    cluster.run_for(Duration::from_secs(1));
    cluster.produce(1, partitions[1], Acks::All, "b").expect("acknowledged");
    cluster.run_for(Duration::from_secs(1));
    assert!(cluster.answer(token).is_none(), "answered with two of three batches");
    cluster.produce(1, partitions[1], Acks::All, "c").expect("acknowledged");
    cluster.run_for(Duration::from_millis(10));
    let answers = parts(cluster.answer(token).expect("an answer once there are three"));
    let sizes: Vec<_> = answers.iter().map(|part| part.records.len() as u32).collect();
    assert_eq!(sizes, [size, 2 * size]);
}

#[test]
fn fetch_that_waits_for_more_is_answered_at_its_deadline_with_what_there_is() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let token = cluster.send(1, fetch(&[partition], 2_000, 1_000, 1 << 20));
    cluster.produce(1, partition, Acks::All, "a").expect("acknowledged");
    cluster.run_for(Duration::from_millis(1_900));
    assert!(cluster.answer(token).is_none());
    cluster.run_for(Duration::from_millis(200));
    let answers = parts(cluster.answer(token).expect("an answer"));
    assert!(!answers[0].records.is_empty());
}

#[test]
fn fetch_that_waits_for_more_is_answered_when_a_partition_is_led_elsewhere() {
    let mut cluster = settled();
    let partitions = cluster.create_topic_with(1, "orders", &[&[1, 2, 3], &[1, 3, 2]], &[]);
    cluster.produce(1, partitions[0], Acks::All, "a").expect("acknowledged");
    let token = cluster.send(1, fetch(&partitions, 300_000, 1_000_000, 1 << 20));
    cluster.run_for(Duration::from_secs(1));
    cluster.deliver_shut_down(1);
    cluster.run_for(Duration::from_secs(5));
    let answers = parts(cluster.answer(token).expect("an answer"));
    let errors: Vec<_> = answers.iter().filter_map(|part| part.answer.error).collect();
    assert!(errors.contains(&PartitionError::NotLeaderOrFollower), "{errors:?}");
}

#[test]
fn fetch_without_a_minimum_is_answered_at_once() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let token = cluster.send(1, fetch(&[partition], 30_000, 0, 1 << 20));
    assert!(cluster.answer(token).is_some());
}

#[test]
fn first_batch_is_sent_however_large_and_no_other_beyond_the_limit() {
    let mut cluster = settled();
    let partitions = cluster.create_topic_with(1, "orders", &[&[1, 2, 3], &[1, 3, 2], &[1, 2, 3]], &[]);
    for partition in &partitions {
        cluster.produce(1, *partition, Acks::Leader, "a").expect("acknowledged");
        cluster.produce(1, *partition, Acks::Leader, "b").expect("acknowledged");
    }
    cluster.run_for(Duration::from_secs(1));
    let size = records(&["a"]).len();
    let sizes = |cluster: &mut Cluster, max_bytes: u32| -> Vec<usize> {
        let answers = parts(cluster.ask(1, fetch(&partitions, 0, 1, max_bytes)));
        answers.iter().map(|part| part.records.len() / size).collect()
    };
    assert_eq!(sizes(&mut cluster, 1), [1, 0, 0]);
    assert_eq!(sizes(&mut cluster, 0), [1, 0, 0]);
    assert_eq!(sizes(&mut cluster, 3 * size as u32), [2, 1, 0]);
    assert_eq!(sizes(&mut cluster, 1 << 20), [2, 2, 2]);
}

#[test]
fn limit_of_a_partition_holds_for_it_alone() {
    let mut cluster = settled();
    let partitions = cluster.create_topic_with(1, "orders", &[&[1, 2, 3], &[1, 3, 2]], &[]);
    for partition in &partitions {
        cluster.produce(1, *partition, Acks::All, "a").expect("acknowledged");
        cluster.produce(1, *partition, Acks::All, "b").expect("acknowledged");
    }
    let size = records(&["a"]).len();
    let ClientRequest::Fetch(mut request) = fetch(&partitions, 0, 1, 1 << 20) else { panic!() };
    request.partitions[0].max_bytes = size as u32;
    let answers = parts(cluster.ask(1, ClientRequest::Fetch(request)));
    let sizes: Vec<_> = answers.iter().map(|part| part.records.len() / size).collect();
    assert_eq!(sizes, [1, 2]);
}

#[test]
fn consumer_of_leaders_is_refused_by_a_follower_and_any_other_is_served() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.produce(1, partition, Acks::All, "a").expect("acknowledged");
    cluster.run_for(Duration::from_secs(1));
    let of_leader = parts(cluster.ask(2, fetch(&[partition], 0, 1, 1 << 20)));
    assert_eq!(of_leader[0].answer.error, Some(PartitionError::NotLeaderOrFollower));
    let any = parts(cluster.ask(2, by(FetchReader::Consumer, fetch(&[partition], 0, 1, 1 << 20))));
    assert_eq!((any[0].answer.error, any[0].records.is_empty()), (None, false));
}

#[test]
fn debugging_reader_sees_what_is_not_committed_of_any_replica() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    // Nothing is committed: no fetch of a follower comes back, and 2 and 3 stay in the ISR for a while.
    cluster.tamper = Some(Box::new(|from, _, response| {
        from.0 != 1 || !matches!(response, highwater_node::message::PeerResponse::Fetch(_))
    }));
    cluster.send(1, produce_request(partition, Acks::Leader, &["a"]));
    let consumer = parts(cluster.ask(1, fetch(&[partition], 0, 1, 1 << 20)));
    assert!(consumer[0].records.is_empty(), "a consumer reads what is not committed");
    let debug = parts(cluster.ask(1, by(FetchReader::Debug, fetch(&[partition], 0, 1, 1 << 20))));
    assert!(!debug[0].records.is_empty());
    // One that waits at a follower is woken by what that appends.
    let waiting = cluster.send(2, by(FetchReader::Debug, fetch(&[partition], 60_000, 1, 1 << 20)));
    assert!(cluster.answer(waiting).is_none());
    cluster.tamper = None;
    cluster.run_for(Duration::from_secs(40));
    assert!(!parts(cluster.answer(waiting).expect("an answer"))[0].records.is_empty());
}
