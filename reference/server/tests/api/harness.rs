//! What these tests share: a node of one, topics, records.

use std::future::Future;

use bytes::Bytes;
use highwater_core::batch::{BatchBuilder, Codec};
use highwater_server::Server;
use highwater_wire::messages::create_topics::request::CreatableTopic;
use highwater_wire::messages::fetch::request::{FetchPartition, FetchTopic};
use highwater_wire::messages::produce::request::{PartitionProduceData, TopicProduceData};
use highwater_wire::messages::{
    CreateTopicsRequest, FetchRequest, FetchResponse, ProduceRequest, ProduceResponse,
};
use highwater_wire::{ErrorCode, Str, Uuid};

use crate::support::{Connection, address, newest, places, run};

/// A node elects itself soon: nothing here is about elections.
pub(crate) const SOON: [(&str, &str); 1] = [("controller.quorum.election.timeout.ms", "20")];

/// Runs a test with a connection to one node that serves.
pub(crate) fn with_node<F: Future<Output = ()>>(
    further: &[(&str, &str)],
    test: impl FnOnce(Server, Connection) -> F,
) {
    run(async {
        let place = &places(1, &[&SOON, further].concat())[0];
        let server = place.start().await;
        server.serves().await.expect("it serves");
        let connection = Connection::open(address(&server, "PLAINTEXT")).await;
        test(server, connection).await;
    });
}

/// Creates a topic with so many partitions and replicas. Its id.
pub(crate) async fn create(
    connection: &mut Connection,
    name: &'static str,
    partitions: i32,
    replicas: i16,
) -> Uuid {
    let topic = CreatableTopic {
        name: Str::from_static(name),
        num_partitions: partitions,
        replication_factor: replicas,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    let response = connection.ask(&request, newest::<CreateTopicsRequest>()).await;
    assert_eq!(error(response.topics[0].error_code), ErrorCode::NONE, "{:?}", response.topics[0]);
    response.topics[0].topic_id
}

pub(crate) fn error(code: i16) -> ErrorCode {
    ErrorCode(code)
}

/// A batch of records with these values.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    let mut batch = BatchBuilder::new(0, -1);
    for value in values {
        batch.record(now_ms(), None, Some(value.as_bytes()));
    }
    batch.build().into()
}

pub(crate) fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    now.as_millis() as i64
}

/// The same, as if it were compressed by this codec: what is in it is not looked at.
pub(crate) fn compressed(values: &[&str], codec: Codec) -> Bytes {
    let mut bytes = batch(values).to_vec();
    bytes[22] |= codec as u8;
    let crc = highwater_core::batch::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

/// A request to append to partition 0 of a topic, by its name or id.
pub(crate) fn produce(name: &'static str, id: Uuid, acks: i16, records: Option<Bytes>) -> ProduceRequest {
    let partition = PartitionProduceData { index: 0, records };
    let topic =
        TopicProduceData { name: Str::from_static(name), topic_id: id, partition_data: vec![partition] };
    ProduceRequest { acks, timeout_ms: 5_000, topic_data: vec![topic], ..Default::default() }
}

/// Error and offset of the one partition.
pub(crate) fn produced(response: &ProduceResponse) -> (ErrorCode, i64) {
    let partition = &response.responses[0].partition_responses[0];
    (error(partition.error_code), partition.base_offset)
}

/// A request to read partition 0 of a topic, by its name or id, without a session.
pub(crate) fn fetch(name: &'static str, id: Uuid, offset: i64) -> FetchRequest {
    let partition = FetchPartition {
        partition: 0,
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = FetchTopic { topic: Str::from_static(name), topic_id: id, partitions: vec![partition] };
    FetchRequest { max_wait_ms: 100, min_bytes: 1, topics: vec![topic], ..Default::default() }
}

/// Error, high watermark and records of the one partition.
pub(crate) fn fetched(response: &FetchResponse) -> (ErrorCode, i64, Bytes) {
    let partition = &response.responses[0].partitions[0];
    let records = partition.records.clone().unwrap_or_default();
    (error(partition.error_code), partition.high_watermark, records)
}
