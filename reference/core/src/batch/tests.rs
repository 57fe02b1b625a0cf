//! Batches that Kafka wrote, and batches that nobody should.

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::quorum::ReplicaKey;
use crate::{Extent, NO_EPOCH, NodeId, Uuid};

/// The first batch of a metadata log of Kafka 4.3.1: LeaderChange.
const LEADER_CHANGE: &str = "00000000000000000000004f00000001029a3115d1002000000000000001a2071dac88000001a2071dac88\
                             ffffffffffffffffffffffffffff000000013a000000080000000226000000000001020000000100020000\
                             0001000000";

/// The first batch of a snapshot of Kafka 4.3.1: SnapshotHeader.
const SNAPSHOT_HEADER: &str = "000000000000000000000047000000010258a9f75f002000000000000001a2071dc11e000001a2071dc11e\
                               ffffffffffffffffffffffffffff000000012a0000000800000003160000000001a2071dc0fc0000";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.bytes().filter_map(|digit| char::from(digit).to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn control(hex: &str) -> ControlRecord {
    let bytes = bytes(hex);
    let batch = RecordBatch::parse(&bytes).expect("sound");
    assert!(batch.header().is_control() && batch.bytes().len() == bytes.len());
    let record = batch.records().expect("not compressed").next().expect("one").expect("sound");
    ControlRecord::decode(&record).expect("known")
}

fn sample(values: &[&[u8]]) -> Vec<u8> {
    let mut batch = BatchBuilder::default();
    for (index, value) in (0..).zip(values) {
        batch.record(100 + index, None, Some(value));
    }
    batch.build()
}

/// A sound batch with these bytes at this position, and the checksum that fits.
fn changed(at: usize, to: &[u8]) -> Vec<u8> {
    let mut bytes = sample(&[b"one", b"two"]);
    bytes[at..at + to.len()].copy_from_slice(to);
    seal(&mut bytes);
    bytes
}

#[test]
fn checksum_is_castagnolis() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}

#[test]
fn leader_change_of_kafka_is_read_and_written_to_the_byte() {
    let key = ReplicaKey { id: NodeId(1), directory: Uuid::ZERO };
    let expected =
        ControlRecord::LeaderChange { version: 0, leader: NodeId(1), voters: vec![key], granting: vec![key] };
    assert_eq!(control(LEADER_CHANGE), expected);
    assert_eq!(control_batch(0, 1, 0x1a2_071d_ac88, &[expected]), bytes(LEADER_CHANGE));
}

#[test]
fn snapshot_header_of_kafka_is_read_and_written_to_the_byte() {
    let expected = ControlRecord::SnapshotHeader { last_contained_timestamp: 0x1a2_071d_c0fc };
    assert_eq!(control(SNAPSHOT_HEADER), expected);
    assert_eq!(control_batch(0, 1, 0x1a2_071d_c11e, &[expected]), bytes(SNAPSHOT_HEADER));
}

#[test]
fn records_come_out_as_they_went_in() {
    let mut batch = BatchBuilder::new(7, 3).producer(9, 1, 5);
    let headers = [("a", Some(&b"1"[..])), ("", None)];
    batch.record_with_headers(1000, Some(b"key"), None, &headers).record(-5, None, Some(&[9; 300]));
    let bytes = batch.build();
    let batch = RecordBatch::parse(&bytes).expect("sound");
    let header = batch.header();
    assert_eq!((header.base_offset, header.end_offset(), header.leader_epoch), (7, 9, 3));
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (9, 1, 5));
    assert_eq!((header.base_timestamp, header.max_timestamp), (1000, 1000));
    let records: Vec<_> =
        batch.records().expect("not compressed").map(|record| record.expect("sound")).collect();
    assert_eq!(
        (records[0].offset, records[0].timestamp, records[0].key, records[0].value),
        (7, 1000, Some(&b"key"[..]), None)
    );
    assert_eq!((records[1].offset, records[1].timestamp, records[1].value), (8, -5, Some(&[9; 300][..])));
    let read: Vec<_> = records[0].headers.iter().map(|header| (header.key, header.value)).collect();
    assert_eq!(read, headers);
}

#[test]
fn truncated_batch_says_how_much_it_needs() {
    let bytes = sample(&[b"one"]);
    for found in 1..bytes.len() {
        match RecordBatch::parse(&bytes[..found]) {
            Err(BatchError::Truncated { needed, found: said }) => assert!(needed > found && said == found),
            other => panic!("{other:?} of {found} bytes"),
        }
    }
    assert_eq!(whole(&[&bytes[..], &bytes[..40]].concat()), Ok(&bytes[..]));
}

#[test]
fn old_and_unknown_formats_are_refused_by_name() {
    assert_eq!(RecordBatch::parse(&changed(16, &[0])), Err(BatchError::OldMagic { found: 0 }));
    assert_eq!(RecordBatch::parse(&changed(16, &[1])), Err(BatchError::OldMagic { found: 1 }));
    assert_eq!(RecordBatch::parse(&changed(16, &[3])), Err(BatchError::UnknownMagic { found: 3 }));
    assert_eq!(RecordBatch::parse(&[0; 100]), Err(BatchError::Length { found: 0 }));
}

#[test]
fn counts_that_cannot_be_are_refused_before_anything_is_read() {
    for count in [-1, 3, i32::MAX] {
        assert!(matches!(
            RecordBatch::parse(&changed(57, &i32::to_be_bytes(count))),
            Err(BatchError::Count { .. })
        ));
    }
    // As many as offsets, but not as bytes could hold.
    let mut bytes = changed(57, &1000_i32.to_be_bytes());
    bytes[23..27].copy_from_slice(&999_i32.to_be_bytes());
    seal(&mut bytes);
    assert!(matches!(RecordBatch::parse(&bytes), Err(BatchError::Count { count: 1000, .. })));
}

#[test]
fn offsets_that_overflow_are_refused() {
    for base in [-1, i64::MAX, i64::MAX - 1] {
        let refused = RecordBatch::parse(&changed(0, &i64::to_be_bytes(base))).expect_err("out of range");
        assert_eq!(refused, BatchError::OffsetRange { base, last_offset_delta: 1 });
    }
    assert!(RecordBatch::parse(&changed(0, &i64::to_be_bytes(i64::MAX - 2))).is_ok());
}

#[test]
fn flipped_bit_is_seen_by_the_checksum() {
    let mut bytes = sample(&[b"one"]);
    bytes[65] ^= 1;
    assert!(matches!(RecordBatch::parse(&bytes), Err(BatchError::Checksum { .. })));
}

#[test]
fn produced_batches_must_be_dense_data() {
    assert_eq!(produced(&[sample(&[b"a", b"b"]), sample(&[b"c"])].concat()), Ok(3));
    assert_eq!(produced(&[]), Err(BatchError::Empty));
    assert_eq!(produced(&bytes(LEADER_CHANGE)), Err(BatchError::Control));
    let sparse = changed(23, &5_i32.to_be_bytes());
    assert_eq!(produced(&sparse), Err(BatchError::Sparse { count: 2, last_offset_delta: 5 }));
    // The second record says that it is the first.
    let at = sample(&[b"one"]).len() + 3;
    assert!(matches!(
        produced(&changed(at, &[0])),
        Err(BatchError::Record { index: 1, error: RecordError::OffsetDelta { found: 0 } })
    ));
}

#[test]
fn compressed_batch_is_carried_but_not_taken_apart() {
    let mut bytes = sample(&[b"a", b"b"]);
    bytes[22] = Codec::Zstd as u8;
    seal(&mut bytes);
    assert_eq!(produced(&bytes), Ok(2));
    let batch = RecordBatch::parse(&bytes).expect("sound");
    assert_eq!(batch.records().err(), Some(BatchError::Compressed { codec: Codec::Zstd }));
}

#[test]
fn assigned_batches_follow_one_another_and_keep_their_checksums() {
    let mut bytes = [sample(&[b"a", b"b"]), sample(&[b"c"])].concat();
    let extent = assign(&mut bytes, 40, 6).expect("they were checked");
    assert_eq!(extent, Extent { epoch: 6, base: 40, end: 43 });
    assert_eq!(extents(&bytes), Ok(vec![extent]));
}

#[test]
fn assign_that_is_refused_changes_nothing() {
    let before = sample(&[b"a", b"b"]);
    for (base, epoch) in [(i64::MAX - 1, 0), (-1, 0), (0, NO_EPOCH)] {
        let mut bytes = before.clone();
        assert!(assign(&mut bytes, base, epoch).is_err());
        assert_eq!(bytes, before);
    }
}

#[test]
fn extents_are_one_for_each_epoch_and_refuse_gaps() {
    let at = |base, epoch| {
        let mut bytes = sample(&[b"a", b"b"]);
        assign(&mut bytes, base, epoch).expect("it was checked");
        bytes
    };
    let run = extents(&[at(4, 1), at(6, 1), at(8, 3)].concat());
    assert_eq!(run, Ok(vec![Extent { epoch: 1, base: 4, end: 8 }, Extent { epoch: 3, base: 8, end: 10 }]));
    assert_eq!(extents(&[at(4, 1), at(7, 1)].concat()), Err(BatchError::Gap { expected: 6, found: 7 }));
    assert_eq!(extents(&[at(4, 2), at(6, 1)].concat()), Err(BatchError::EpochFell { before: 2, found: 1 }));
    assert_eq!(extents(&sample(&[b"a"])), Err(BatchError::EpochRange { found: NO_EPOCH }));
}

#[test]
fn varints_of_all_widths_come_out_as_they_went_in() {
    for value in [0, 1, -1, 63, 64, -64, -65, 1 << 31, i64::MAX, i64::MIN] {
        let mut bytes = Vec::new();
        wire::put_varlong(&mut bytes, value);
        assert_eq!(
            (wire::Reader::new(&bytes).varlong(), wire::varlong_size(value)),
            (Some(value), bytes.len())
        );
    }
    // Eleven bytes, and ten that say more than 64 bits.
    assert_eq!(wire::Reader::new(&[0x80; 11]).varlong(), None);
    let mut wide = [0xff; 10];
    wide[9] = 0x02;
    assert_eq!(wire::Reader::new(&wide).varlong(), None);
}
