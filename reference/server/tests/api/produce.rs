//! Produce: what is appended, and what is refused.

use bytes::Bytes;
use highwater_core::batch::{BatchBuilder, Codec};
use highwater_wire::messages::describe_producers::request::TopicRequest;
use highwater_wire::messages::{DescribeProducersRequest, FetchRequest, ProduceRequest};
use highwater_wire::{ErrorCode, Message, Uuid};

use crate::harness::{
    batch, compressed, create, error, fetch, fetched, now_ms, produce, produced, with_node,
};
use crate::support::newest;

#[test]
fn records_are_appended_in_every_version() {
    with_node(&[], async |_server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        let mut next = 0;
        for version in ProduceRequest::VERSIONS {
            for acks in [-1, 1] {
                let request = produce("t", id, acks, Some(batch(&["one", "two"])));
                let response = connection.ask(&request, version).await;
                assert_eq!(produced(&response), (ErrorCode::NONE, next), "v{version}, acks={acks}");
                next += 2;
            }
        }
        let request = fetch("t", id, next - 2);
        let (error, high_watermark, records) =
            fetched(&connection.ask(&request, newest::<FetchRequest>()).await);
        assert_eq!((error, high_watermark), (ErrorCode::NONE, next));
        assert!(records.windows(3).any(|window| window == b"two"));
    });
}

#[test]
fn what_cannot_be_appended_is_refused() {
    with_node(&[], async |_server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        let mut torn = batch(&["torn"]).to_vec();
        torn[30] ^= 1;
        let old = {
            let mut old = batch(&["old"]).to_vec();
            old[16] = 1;
            old
        };
        let two: Bytes = [batch(&["one"]), batch(&["two"])].concat().into();
        let zstd = compressed(&["x"], Codec::Zstd);
        let cases = [
            (produce("t", id, 5, Some(batch(&["x"]))), 12, ErrorCode::INVALID_REQUIRED_ACKS),
            (produce("none", id, -1, Some(batch(&["x"]))), 12, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            (produce("t", Uuid(5), -1, Some(batch(&["x"]))), 13, ErrorCode::UNKNOWN_TOPIC_ID),
            (produce("t", Uuid::ZERO, -1, Some(batch(&["x"]))), 13, ErrorCode::UNKNOWN_TOPIC_ID),
            (produce("t", id, -1, None), 12, ErrorCode::INVALID_RECORD),
            (produce("t", id, -1, Some(Bytes::new())), 12, ErrorCode::INVALID_RECORD),
            (produce("t", id, -1, Some(torn.into())), 12, ErrorCode::CORRUPT_MESSAGE),
            (produce("t", id, -1, Some(two)), 12, ErrorCode::INVALID_RECORD),
            (produce("t", id, -1, Some(old.into())), 12, ErrorCode::INVALID_RECORD),
            (produce("t", id, -1, Some(zstd)), 6, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE),
        ];
        for (request, version, expected) in cases {
            let response = connection.ask(&request, version).await;
            assert_eq!(produced(&response).0, expected, "{request:?}");
        }
        let transactional = ProduceRequest {
            transactional_id: Some("tx".into()),
            ..produce("t", id, -1, Some(batch(&["x"])))
        };
        let response = connection.ask(&transactional, 12).await;
        assert_eq!(produced(&response).0, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        let after = connection.ask(&fetch("t", id, 0), newest::<FetchRequest>()).await;
        assert_eq!(fetched(&after).1, 0, "nothing of all this was appended");
    });
}

#[test]
fn compressed_records_pass_through() {
    with_node(&[], async |_server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let request = produce("t", id, -1, Some(compressed(&["x"], codec)));
            let response = connection.ask(&request, 13).await;
            assert_eq!(produced(&response).0, ErrorCode::NONE, "{codec:?}");
        }
    });
}

#[test]
fn producer_without_acknowledgements_hears_nothing_or_loses_its_connection() {
    with_node(&[], async |_server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        connection.send(&produce("t", id, 0, Some(batch(&["x"]))), 12).await;
        let response = connection.ask(&fetch("t", id, 0), newest::<FetchRequest>()).await;
        assert_eq!(fetched(&response).1, 1, "the answer to the fetch is the next that comes");
        connection.send(&produce("none", id, 0, Some(batch(&["x"]))), 12).await;
        assert_eq!(connection.frame().await, None);
    });
}

#[test]
fn name_of_a_topic_that_was_deleted_and_created_again_leads_to_the_new_one() {
    with_node(&[], async |_server, mut connection| {
        let old = create(&mut connection, "t", 1, 1).await;
        let request = || produce("t", Uuid::ZERO, -1, Some(batch(&["x"])));
        assert_eq!(produced(&connection.ask(&request(), 12).await), (ErrorCode::NONE, 0));
        let topics = vec!["t".into()];
        let delete = highwater_wire::messages::DeleteTopicsRequest {
            topic_names: topics,
            timeout_ms: 5_000,
            ..Default::default()
        };
        let deleted = connection.ask(&delete, 5).await;
        assert_eq!(error(deleted.responses[0].error_code), ErrorCode::NONE);
        let unknown = produced(&connection.ask(&request(), 12).await).0;
        assert_eq!(unknown, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let new = create(&mut connection, "t", 1, 1).await;
        assert_ne!(old, new);
        assert_eq!(produced(&connection.ask(&request(), 12).await), (ErrorCode::NONE, 0));
    });
}

#[test]
fn idempotent_producer_is_described_and_its_batch_kept_once() {
    with_node(&[], async |_server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        let mut records = BatchBuilder::new(0, -1).producer(77, 3, 0);
        records.record(now_ms(), None, Some(b"x")).record(now_ms(), None, Some(b"y"));
        let records = Bytes::from(records.build());
        for _ in 0..2 {
            let response = connection.ask(&produce("t", id, -1, Some(records.clone())), 13).await;
            assert_eq!(produced(&response), (ErrorCode::NONE, 0), "the second time it is there already");
        }
        let topic = TopicRequest { name: "t".into(), partition_indexes: vec![0, 9] };
        let request = DescribeProducersRequest { topics: vec![topic] };
        let response = connection.ask(&request, 0).await;
        let partitions = &response.topics[0].partitions;
        let producer = &partitions[0].active_producers[0];
        assert_eq!((producer.producer_id, producer.producer_epoch, producer.last_sequence), (77, 3, 1));
        assert_eq!(error(partitions[1].error_code), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    });
}
