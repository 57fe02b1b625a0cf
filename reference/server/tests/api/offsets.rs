//! ListOffsets, OffsetForLeaderEpoch, DeleteRecords.

use highwater_core::batch::{BatchBuilder, Codec};
use highwater_wire::messages::delete_records::request::{DeleteRecordsPartition, DeleteRecordsTopic};
use highwater_wire::messages::list_offsets::request::{ListOffsetsPartition, ListOffsetsTopic};
use highwater_wire::messages::offset_for_leader_epoch::request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use highwater_wire::messages::{DeleteRecordsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest};
use highwater_wire::{ErrorCode, Message, Str, Uuid};

use crate::harness::{batch, create, error, now_ms, produce, produced, with_node};
use crate::support::Connection;

fn list(name: &'static str, timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition { timestamp, ..Default::default() };
    let topic = ListOffsetsTopic { name: Str::from_static(name), partitions: vec![partition] };
    ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() }
}

async fn listed(connection: &mut Connection, request: &ListOffsetsRequest, version: i16) -> (ErrorCode, i64) {
    let response = connection.ask(request, version).await;
    let partition = &response.topics[0].partitions[0];
    (error(partition.error_code), partition.offset)
}

async fn with_records(connection: &mut Connection, count: usize) -> Uuid {
    let id = create(connection, "t", 1, 1).await;
    for _ in 0..count {
        let response = connection.ask(&produce("t", id, -1, Some(batch(&["x"]))), 13).await;
        assert_eq!(produced(&response).0, ErrorCode::NONE);
    }
    id
}

#[test]
fn ends_are_found_in_every_version() {
    with_node(&[], async |_server, mut connection| {
        let before = now_ms();
        with_records(&mut connection, 3).await;
        for version in ListOffsetsRequest::VERSIONS {
            let c = &mut connection;
            assert_eq!(listed(c, &list("t", -1), version).await, (ErrorCode::NONE, 3), "v{version}");
            assert_eq!(listed(c, &list("t", -2), version).await, (ErrorCode::NONE, 0), "v{version}");
            assert_eq!(listed(c, &list("t", before), version).await, (ErrorCode::NONE, 0), "v{version}");
            let later = now_ms() + 1_000_000;
            assert_eq!(listed(c, &list("t", later), version).await, (ErrorCode::NONE, -1), "v{version}");
        }
    });
}

#[test]
fn offset_by_time_of_a_compressed_batch_is_that_of_the_record() {
    with_node(&[], async |_server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let base = listed(&mut connection, &list("t", -1), 7).await.1;
            // Later than what came before, and the newest in the middle.
            let first = now_ms() + base * 100;
            let mut builder = BatchBuilder::new(0, 0);
            for delta in [0, 10, 30, 20] {
                builder.record(first + delta, None, Some(b"x"));
            }
            let records = highwater_codec::compressed(builder.build(), codec).expect("compressed");
            let response = connection.ask(&produce("t", id, -1, Some(records.into())), 13).await;
            assert_eq!(produced(&response).0, ErrorCode::NONE);
            for (since, expected) in [(first, 0), (first + 1, 1), (first + 11, 2), (first + 30, 2)] {
                let found = listed(&mut connection, &list("t", since), 7).await;
                assert_eq!(found, (ErrorCode::NONE, base + expected), "{codec:?} since +{}", since - first);
            }
            assert_eq!(listed(&mut connection, &list("t", -3), 7).await.1, base + 2, "{codec:?}, the newest");
        }
    });
}

#[test]
fn what_an_older_version_cannot_ask_is_refused() {
    with_node(&[], async |_server, mut connection| {
        with_records(&mut connection, 1).await;
        let c = &mut connection;
        for (timestamp, since, offset) in [(-3, 7, 0), (-4, 8, 0), (-5, 9, -1), (-6, 11, -1)] {
            let (error, _) = listed(c, &list("t", timestamp), since - 1).await;
            assert_eq!(error, ErrorCode::UNSUPPORTED_VERSION, "{timestamp}");
            let found = listed(c, &list("t", timestamp), since).await;
            assert_eq!(found, (ErrorCode::NONE, offset), "{timestamp}");
        }
    });
}

#[test]
fn offsets_of_what_is_not_there_are_refused() {
    with_node(&[], async |_server, mut connection| {
        with_records(&mut connection, 1).await;
        let c = &mut connection;
        assert_eq!(listed(c, &list("none", -1), 10).await.0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let mut beyond = list("t", -1);
        beyond.topics[0].partitions[0].partition_index = 5;
        assert_eq!(listed(c, &beyond, 10).await.0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let mut ahead = list("t", -1);
        ahead.topics[0].partitions[0].current_leader_epoch = 4;
        assert_eq!(listed(c, &ahead, 10).await.0, ErrorCode::UNKNOWN_LEADER_EPOCH);
        let mut twice = list("t", -1);
        let again = twice.topics[0].partitions[0].clone();
        twice.topics[0].partitions.push(again);
        let response = c.ask(&twice, 10).await;
        assert_eq!(error(response.topics[0].partitions[1].error_code), ErrorCode::INVALID_REQUEST);
    });
}

#[test]
fn end_of_a_leader_epoch_is_found() {
    with_node(&[], async |_server, mut connection| {
        with_records(&mut connection, 2).await;
        let ask = |name: &'static str, leader_epoch| {
            let partition = OffsetForLeaderPartition { partition: 0, leader_epoch, ..Default::default() };
            let topic = OffsetForLeaderTopic { topic: Str::from_static(name), partitions: vec![partition] };
            OffsetForLeaderEpochRequest { topics: vec![topic], ..Default::default() }
        };
        for version in OffsetForLeaderEpochRequest::VERSIONS {
            let response = connection.ask(&ask("t", 0), version).await;
            let end = &response.topics[0].partitions[0];
            assert_eq!((end.error_code, end.leader_epoch, end.end_offset), (0, 0, 2), "v{version}");
        }
        let response = connection.ask(&ask("t", 5), 4).await;
        let end = &response.topics[0].partitions[0];
        assert_eq!((end.error_code, end.leader_epoch, end.end_offset), (0, -1, -1), "no such epoch");
        let response = connection.ask(&ask("none", 0), 4).await;
        let unknown = error(response.topics[0].partitions[0].error_code);
        assert_eq!(unknown, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    });
}

#[test]
fn records_are_deleted_up_to_an_offset() {
    with_node(&[], async |_server, mut connection| {
        with_records(&mut connection, 3).await;
        let delete = |name: &'static str, offset| {
            let partition = DeleteRecordsPartition { partition_index: 0, offset };
            let topic = DeleteRecordsTopic { name: Str::from_static(name), partitions: vec![partition] };
            DeleteRecordsRequest { topics: vec![topic], timeout_ms: 5_000 }
        };
        let cases = [
            ("t", 2, ErrorCode::NONE, 2),
            ("t", -1, ErrorCode::NONE, 3),
            ("t", 9, ErrorCode::OFFSET_OUT_OF_RANGE, -1),
            ("t", -7, ErrorCode::OFFSET_OUT_OF_RANGE, -1),
            ("none", 0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1),
        ];
        for (name, offset, expected, low_watermark) in cases {
            let response = connection.ask(&delete(name, offset), 2).await;
            let partition = &response.topics[0].partitions[0];
            let found = (error(partition.error_code), partition.low_watermark);
            assert_eq!(found, (expected, low_watermark), "{name} {offset}");
        }
        assert_eq!(listed(&mut connection, &list("t", -2), 10).await, (ErrorCode::NONE, 3));
    });
}
