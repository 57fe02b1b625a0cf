//! The records' bytes: `samples.txt` was written by the classes of Kafka 4.3.1, a line a record: key, value or `-`.
//! Offsets of versions 0 to 4, one without anything optional, a tombstone; groups likewise; a group of the newer protocol.

use highwater_core::Uuid;
use highwater_core::group::{Decoded, GroupMetadataValue, GroupRecord, OffsetCommitValue};

fn bytes(digits: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Keys and values.
pub(crate) fn samples() -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let sample = |line: &str| {
        let (key, value) = line.split_once(' ').expect("key and value");
        (bytes(key), (value != "-").then(|| bytes(value)))
    };
    include_str!("samples.txt").lines().map(sample).collect()
}

fn decoded(index: usize) -> Decoded {
    let (key, value) = &samples()[index];
    GroupRecord::decode(Some(key), value.as_deref()).expect("sound")
}

fn offset(index: usize) -> OffsetCommitValue {
    match decoded(index) {
        Decoded::Known { record: GroupRecord::OffsetCommit { value: Some(value), .. }, .. } => value,
        other => panic!("an offset, not {other:?}"),
    }
}

fn group(index: usize) -> GroupMetadataValue {
    match decoded(index) {
        Decoded::Known { record: GroupRecord::GroupMetadata { value: Some(value), .. }, .. } => value,
        other => panic!("a group, not {other:?}"),
    }
}

#[test]
fn offset_of_each_version_says_what_it_has() {
    for (version, index) in (0_i16..).zip(0..5) {
        let value = offset(index);
        assert_eq!((value.offset, value.metadata.as_str()), (42, "m\u{e9}"));
        assert_eq!(value.commit_timestamp, 1_700_000_000_123);
        assert_eq!(value.leader_epoch, if version >= 3 { 5 } else { -1 });
        assert_eq!(value.expire_timestamp, if version == 1 { 1_700_000_009_999 } else { -1 });
        let topic = Uuid(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
        assert_eq!(value.topic_id, if version >= 4 { topic } else { Uuid::ZERO });
    }
}

#[test]
fn group_of_each_version_says_what_it_has() {
    for (version, index) in (0_i16..).zip(7..12) {
        let value = group(index);
        assert_eq!((value.protocol_type.as_str(), value.generation), ("consumer", 3));
        assert_eq!((value.protocol.as_deref(), value.leader.as_deref()), (Some("range"), Some("c-0")));
        assert_eq!(value.current_state_timestamp, if version >= 2 { 1_700_000_000_123 } else { -1 });
        let last = &value.members[1];
        assert_eq!((last.member_id.as_str(), last.client_host.as_str()), ("c-1", "/127.0.0.1"));
        assert_eq!(last.group_instance_id.as_deref(), (version >= 3).then_some("inst"));
        assert_eq!(
            (last.rebalance_timeout, last.session_timeout),
            (if version >= 1 { 60_000 } else { -1 }, 10_001)
        );
        assert_eq!((&*last.subscription, &*last.assignment), (&[1, 2, 1][..], &[0][..]));
    }
}

#[test]
fn record_encoded_at_the_version_it_came_in_is_the_same() {
    let mut known = 0;
    for (key, value) in samples() {
        let Decoded::Known { key_version, value_version, record } =
            GroupRecord::decode(Some(&key), value.as_deref()).expect("sound")
        else {
            continue;
        };
        known += 1;
        // Offsets have keys of two versions, which differ in nothing else.
        let written = record.encode_key();
        assert_eq!(written[2..], key[2..]);
        assert!(key_version == 0 || written == key);
        let again = value_version.map(|version| match &record {
            GroupRecord::OffsetCommit { value, .. } => value.as_ref().expect("no tombstone").encode(version),
            GroupRecord::GroupMetadata { value, .. } => value.as_ref().expect("no tombstone").encode(version),
        });
        assert_eq!(again, value);
    }
    assert_eq!(known, 14);
}

#[test]
fn record_is_written_at_the_version_of_kafka() {
    let version = |index: usize| {
        let Decoded::Known { record, .. } = decoded(index) else { panic!("unknown") };
        record.encode_value().map(|value| value[1])
    };
    assert_eq!(version(0), Some(4));
    assert_eq!(version(1), Some(1), "an offset that says until when to keep it");
    assert_eq!(version(6), None);
    assert_eq!(version(11), Some(3));
    assert_eq!(version(13), None);
}

#[test]
fn record_with_a_string_too_long_for_the_version_is_written_at_the_next() {
    let long = "x".repeat(40_000);
    let mut value = group(11);
    value.members[0].client_id = long.clone();
    let record = GroupRecord::GroupMetadata { group: "g".into(), value: Some(value) };
    let Decoded::Known { key_version: 1, record: GroupRecord::OffsetCommit { key, .. }, .. } = decoded(1)
    else {
        panic!("an offset")
    };
    let value = OffsetCommitValue { metadata: long, ..offset(1) };
    for record in [record, GroupRecord::OffsetCommit { key, value: Some(value) }] {
        let bytes = record.encode_value().expect("no tombstone");
        assert_eq!(bytes[1], 4);
        assert!(GroupRecord::decode(Some(&record.encode_key()), Some(&bytes)).is_ok());
    }
}

#[test]
fn record_of_unknown_type_is_named() {
    assert_eq!(decoded(14), Decoded::Unknown { key_version: 3 });
}

#[test]
fn record_cut_short_or_lengthened_is_refused() {
    for (key, value) in samples().into_iter().take(14) {
        for length in 0..key.len() {
            assert!(GroupRecord::decode(Some(&key[..length]), value.as_deref()).is_err());
        }
        assert!(GroupRecord::decode(None, value.as_deref()).is_err());
        let Some(value) = value else { continue };
        for length in 0..value.len() {
            assert!(GroupRecord::decode(Some(&key), Some(&value[..length])).is_err());
        }
        let longer = [&value[..], &[0]].concat();
        assert!(GroupRecord::decode(Some(&key), Some(&longer)).is_err());
    }
}

#[test]
fn count_that_cannot_be_is_refused_before_anything_is_allocated() {
    let key = samples()[7].0.clone();
    // A group without strings whose members are said to be two thousand million.
    let value = [&[0, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][..], &i32::MAX.to_be_bytes()].concat();
    assert!(GroupRecord::decode(Some(&key), Some(&value)).is_err());
}
