//! The bytes of snapshots: Kafka's, and damaged ones.

use highwater_core::batch::crc32c;
use highwater_core::producer::{Snapshot, SnapshotError};

use crate::world::{Batch, World};

/// Two producers, one of them in a transaction.
fn world() -> World {
    let mut world = World::default();
    let batch = Batch {
        producer: 7,
        epoch: 3,
        sequence: 0,
        count: 2,
        timestamp: 1_700_000_000_000,
        transactional: false,
    };
    world.append(batch.bytes(0));
    let other =
        Batch { producer: 4_000_000_001, epoch: 0, sequence: 5, count: 1, transactional: true, ..batch };
    world.append(other.bytes(2));
    world
}

/// Field by field as `ProducerSnapshot.json` of Kafka says, version 1: not flexible, big-endian.
#[test]
fn snapshot_is_laid_out_as_in_kafka() {
    let mut entries = Vec::new();
    entries.extend(2_i32.to_be_bytes());
    for (id, epoch, sequence, offset, delta, start) in
        [(7_i64, 3_i16, 1_i32, 1_i64, 1_i32, -1_i64), (4_000_000_001, 0, 5, 2, 0, 2)]
    {
        entries.extend(id.to_be_bytes());
        entries.extend(epoch.to_be_bytes());
        entries.extend(sequence.to_be_bytes());
        entries.extend(offset.to_be_bytes());
        entries.extend(delta.to_be_bytes());
        entries.extend(1_700_000_000_000_i64.to_be_bytes());
        entries.extend((-1_i32).to_be_bytes());
        entries.extend(start.to_be_bytes());
    }
    let expected = [&1_i16.to_be_bytes()[..], &crc32c(&entries).to_be_bytes(), &entries].concat();
    assert_eq!(world().state.snapshot().encode(), expected);
}

#[test]
fn snapshot_of_nobody_is_ten_bytes() {
    let bytes = World::default().state.snapshot().encode();
    assert_eq!(bytes.len(), 10);
    assert!(Snapshot::decode(&bytes).expect("sound").is_empty());
}

#[test]
fn snapshot_with_any_bit_flipped_is_refused() {
    let bytes = world().state.snapshot().encode();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(Snapshot::decode(&damaged).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn snapshot_cut_anywhere_is_refused() {
    let bytes = world().state.snapshot().encode();
    for size in 0..bytes.len() {
        assert!(Snapshot::decode(&bytes[..size]).is_err(), "{size} bytes");
    }
    assert!(Snapshot::decode(&[&bytes[..], &[0]].concat()).is_err(), "a byte too many");
}

/// With the checksum that fits.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = crc32c(&bytes[6..]);
    bytes[2..6].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

#[test]
fn snapshot_whose_count_lies_is_refused_before_anything_is_allocated() {
    let mut bytes = world().state.snapshot().encode();
    for count in [i32::MAX, i32::MIN, -1, 1, 3] {
        bytes[6..10].copy_from_slice(&count.to_be_bytes());
        let refused = Snapshot::decode(&sealed(bytes.clone()));
        assert_eq!(refused, Err(SnapshotError::Count { found: count, bytes: 92 }));
    }
}

#[test]
fn snapshot_with_a_producer_twice_is_refused() {
    let mut bytes = world().state.snapshot().encode();
    bytes.copy_within(10..56, 56);
    let refused = Snapshot::decode(&sealed(bytes));
    assert_eq!(refused, Err(SnapshotError::Producer { index: 1, producer_id: 7 }));
}

#[test]
fn snapshot_with_impossible_numbers_is_refused() {
    let bytes = world().state.snapshot().encode();
    // Id, last sequence, last offset, offset delta.
    for (at, field) in [
        (10, &(-1_i64).to_be_bytes()[..]),
        (20, &(-2_i32).to_be_bytes()),
        (24, &i64::MAX.to_be_bytes()),
        (32, &2_i32.to_be_bytes()),
        (32, &(-1_i32).to_be_bytes()),
    ] {
        let mut damaged = bytes.clone();
        damaged[at..at + field.len()].copy_from_slice(field);
        let refused = Snapshot::decode(&sealed(damaged));
        assert!(matches!(refused, Err(SnapshotError::Producer { index: 0, .. })), "byte {at}: {refused:?}");
    }
}

#[test]
fn snapshot_of_another_version_is_refused() {
    let mut bytes = world().state.snapshot().encode();
    bytes[1] = 2;
    assert_eq!(Snapshot::decode(&bytes), Err(SnapshotError::Version { found: 2 }));
}
