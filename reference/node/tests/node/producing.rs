//! What producers are answered: several partitions together, timestamps, sizes, codecs.

use std::time::Duration;

use bytes::Bytes;
use highwater_core::NodeId;
use highwater_core::batch::{self, RecordBatch, TimestampType};
use highwater_core::controller::{ConfigResource, ControllerRequest, ControllerResponse, NewTopic};
use highwater_core::partition::{Acks, PartitionError};
use highwater_node::message::{
    ClientRequest, ClientResponse, LogId, Produce, Produced, Refusal, TopicPartition,
};

use crate::cluster::{Cluster, records, settled};

fn produce(
    cluster: &mut Cluster,
    id: i32,
    acks: Acks,
    partitions: Vec<(TopicPartition, Bytes)>,
) -> Vec<(TopicPartition, Result<Produced, Refusal>)> {
    let request = ClientRequest::Produce(Produce { acks, timeout_ms: 5_000, partitions });
    match cluster.ask(id, request) {
        ClientResponse::Produce(answers) => answers,
        other => panic!("{other:?}"),
    }
}

/// The error of the only partition.
fn error_of(answers: &[(TopicPartition, Result<Produced, Refusal>)]) -> Option<PartitionError> {
    assert_eq!(answers.len(), 1);
    answers[0].1.as_ref().err().map(|refusal| refusal.error)
}

#[test]
fn partitions_of_one_request_are_answered_together_each_with_its_own() {
    let mut cluster = settled();
    let here = cluster.create_topic_with(1, "orders", &[&[1, 2, 3], &[1, 3, 2], &[2, 1, 3]], &[]);
    produce(&mut cluster, 1, Acks::All, vec![(here[1], records(&["a", "b"]))]);
    let asked = vec![
        (here[2], records(&["elsewhere"])),
        (here[1], records(&["c"])),
        (here[0], records(&["d", "e"])),
        (here[1], records(&["twice"])),
    ];
    let answers = produce(&mut cluster, 1, Acks::All, asked);
    let ids: Vec<_> = answers.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [here[2], here[1], here[0], here[1]]);
    let bases: Vec<_> = answers
        .iter()
        .map(|(_, result)| result.as_ref().map(|produced| produced.base).map_err(|refusal| refusal.error))
        .collect();
    let (elsewhere, twice) = (PartitionError::NotLeaderOrFollower, PartitionError::InvalidRequest);
    assert_eq!(bases, [Err(elsewhere), Ok(2), Ok(0), Err(twice)]);
    assert_eq!(cluster.node(1).replica(here[1]).expect("a replica").log.end(), 3);
}

#[test]
fn request_of_all_is_answered_when_its_slowest_partition_is_committed() {
    let mut cluster = settled();
    let partitions = [cluster.create_topic(1, "orders", &[1, 2, 3]), cluster.create_topic(1, "alone", &[1])];
    // Nobody fetches what is produced.
    cluster.tamper = Some(Box::new(|_, to, _| to == NodeId(1)));
    let asked = partitions.iter().map(|id| (*id, records(&["a"]))).collect();
    let request = Produce { acks: Acks::All, timeout_ms: 60_000, partitions: asked };
    let token = cluster.send(1, ClientRequest::Produce(request));
    cluster.run_for(Duration::from_millis(100));
    assert!(cluster.answer(token).is_none(), "answered before all were committed");
    cluster.tamper = None;
    cluster.run_for(Duration::from_secs(40));
    let Some(ClientResponse::Produce(answers)) = cluster.answer(token) else { panic!("no answer") };
    assert!(answers.iter().all(|(_, result)| result.is_ok()), "{answers:?}");
}

#[test]
fn request_without_acks_is_answered_to_the_driver_with_its_errors() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let answers = produce(&mut cluster, 1, Acks::None, vec![(partition, records(&["a"]))]);
    assert_eq!(error_of(&answers), None);
    let answers = produce(&mut cluster, 2, Acks::None, vec![(partition, records(&["a"]))]);
    assert_eq!(error_of(&answers), Some(PartitionError::NotLeaderOrFollower));
}

#[test]
fn topic_that_nobody_knows_is_named_so() {
    let mut cluster = settled();
    let known = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let beyond = TopicPartition { partition: 7, ..known };
    let unknown = TopicPartition { topic: highwater_core::Uuid(99), partition: 0 };
    for (partition, expected) in
        [(beyond, PartitionError::UnknownTopicOrPartition), (unknown, PartitionError::UnknownTopicId)]
    {
        let answers = produce(&mut cluster, 1, Acks::All, vec![(partition, records(&["a"]))]);
        assert_eq!(error_of(&answers), Some(expected));
    }
}

#[test]
fn topic_of_log_append_time_has_its_batches_stamped() {
    let mut cluster = settled();
    let configs = [("message.timestamp.type", "LogAppendTime")];
    let partition = cluster.create_topic_with(1, "orders", &[&[1, 2, 3]], &configs)[0];
    cluster.run_for(Duration::from_secs(5));
    let now_ms = cluster.now.0 as i64 / 1000;
    let answers = produce(&mut cluster, 1, Acks::All, vec![(partition, records(&["a", "b"]))]);
    let produced = answers[0].1.as_ref().expect("appended");
    assert_eq!(produced.log_append_time, now_ms);
    for id in 1..=3 {
        let bytes = cluster.bytes_of(id, LogId::Partition(partition));
        let batch = RecordBatch::parse(&bytes).expect("a sound batch with the checksum of what it says now");
        let header = batch.header();
        assert_eq!((header.timestamp_type(), header.max_timestamp), (TimestampType::LogAppendTime, now_ms));
    }
}

#[test]
fn topic_of_create_time_keeps_the_timestamps_of_its_producers() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let answers = produce(&mut cluster, 1, Acks::All, vec![(partition, records(&["a"]))]);
    assert_eq!(answers[0].1.as_ref().expect("appended").log_append_time, -1);
    let bytes = cluster.bytes_of(1, LogId::Partition(partition));
    let batch = RecordBatch::parse(&bytes).expect("a sound batch");
    assert_eq!(
        (batch.header().timestamp_type(), batch.header().max_timestamp),
        (TimestampType::CreateTime, 0)
    );
}

/// A sound batch whose attributes are changed so.
fn with_attributes(values: &[&str], attributes: i16) -> Bytes {
    let mut bytes = records(values).to_vec();
    bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
    batch::seal(&mut bytes);
    bytes.into()
}

#[test]
fn batch_of_a_codec_that_nobody_knows_is_refused() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let answers = produce(&mut cluster, 1, Acks::All, vec![(partition, with_attributes(&["a"], 5))]);
    assert_eq!(error_of(&answers), Some(PartitionError::UnsupportedCompressionType));
}

#[test]
fn compressed_bytes_pass_through_unopened() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    for codec in 1..=4 {
        // Not really compressed by it: nobody looks.
        let sent = with_attributes(&["a"], codec);
        let answers = produce(&mut cluster, 1, Acks::All, vec![(partition, sent.clone())]);
        assert_eq!(error_of(&answers), None, "codec {codec}");
        let (_, read) = cluster.fetch(1, partition, i64::from(codec) - 1, 0);
        assert_eq!(read[21..], sent[21..], "codec {codec}");
    }
}

#[test]
fn batches_that_a_producer_must_not_send_are_refused() {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    let two = [records(&["a"]), records(&["b"])].concat();
    let late = {
        let mut bytes = records(&["a"]).to_vec();
        bytes[35..43].copy_from_slice(&i64::MAX.to_be_bytes());
        batch::seal(&mut bytes);
        bytes
    };
    let cases = [
        (Bytes::new(), PartitionError::InvalidRecord),
        (two.into(), PartitionError::InvalidRecord),
        (with_attributes(&["a"], 0x20), PartitionError::InvalidRecord),
        (with_attributes(&["a"], 0x10), PartitionError::InvalidTxnState),
        (with_attributes(&["a"], 0x08), PartitionError::InvalidTimestamp),
        (late.into(), PartitionError::InvalidTimestamp),
    ];
    for (index, (bytes, expected)) in cases.into_iter().enumerate() {
        let answers = produce(&mut cluster, 1, Acks::All, vec![(partition, bytes)]);
        assert_eq!(error_of(&answers), Some(expected), "case {index}");
        let refusal = answers[0].1.as_ref().expect_err("refused");
        assert!(refusal.message.is_some(), "case {index}");
    }
    assert_eq!(cluster.node(1).replica(partition).expect("a replica").log.end(), 0);
}

#[test]
fn largest_batch_of_a_topic_is_as_configured() {
    let mut cluster = settled();
    let partitions = cluster.create_topic_with(1, "small", &[&[1, 2, 3]], &[("max.message.bytes", "100")]);
    let larger = records(&[&"x".repeat(200)]);
    let answers = produce(&mut cluster, 1, Acks::All, vec![(partitions[0], larger.clone())]);
    assert_eq!(error_of(&answers), Some(PartitionError::MessageTooLarge));
    cluster.configure(ConfigResource::Topic("small".to_owned()), "max.message.bytes", "1000");
    let answers = produce(&mut cluster, 1, Acks::All, vec![(partitions[0], larger)]);
    assert_eq!(error_of(&answers), None);
}

#[test]
fn topic_that_is_to_be_compressed_anew_is_refused_by_name() {
    let mut cluster = settled();
    let topic = NewTopic {
        name: "orders".to_owned(),
        partitions: 1,
        replication_factor: 1,
        assignments: Vec::new(),
        configs: vec![("compression.type".to_owned(), "gzip".to_owned())],
    };
    let request = ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false };
    let Some(ControllerResponse::CreateTopics(Ok(results))) = cluster.controller_request(1, request) else {
        panic!("no answer");
    };
    let error = results[0].as_ref().expect_err("refused");
    assert!(error.message.contains("compression.type") && error.message.contains("producer"), "{error:?}");
}
