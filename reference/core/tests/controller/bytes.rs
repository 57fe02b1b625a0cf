//! The bytes of records.

use highwater_core::controller::{DecodeError, MetadataRecord, MetadataVersion};
use proptest::prelude::*;

use crate::samples::samples;

/// A line for each sample: its bytes, and what Kafka's own dump reads in them. `.ci/kafka-metadata` holds the latter against Kafka.
const SAMPLES: &str = include_str!("samples.txt");

fn encoded(record: &MetadataRecord, version: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(version, &mut bytes);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn samples_are_the_bytes_that_kafka_has_read() {
    let samples = samples();
    assert_eq!(samples.len(), SAMPLES.lines().count());
    for ((record, version), line) in samples.iter().zip(SAMPLES.lines()) {
        let expected = line.split(' ').next().unwrap_or_default();
        assert_eq!(hex(&encoded(record, *version)), expected, "{} version {version}", record.name());
    }
}

#[test]
fn samples_have_every_type_at_its_highest_version() {
    let samples = samples();
    let highest = |record: &MetadataRecord| {
        let same = samples.iter().filter(|(other, _)| other.api_key() == record.api_key());
        same.map(|&(_, version)| version).max()
    };
    for (record, _) in &samples {
        assert_eq!(highest(record), Some(record.highest_version()), "{}", record.name());
    }
    let mut types: Vec<u16> = samples.iter().map(|(record, _)| record.api_key()).collect();
    types.sort_unstable();
    types.dedup();
    assert_eq!(types, [0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 17, 20, 23, 24, 25, 27, 28]);
}

#[test]
fn record_at_its_highest_version_comes_back_equal() {
    for (record, version) in
        samples().into_iter().filter(|(record, version)| *version == record.highest_version())
    {
        assert_eq!(MetadataRecord::decode(&encoded(&record, version)), Ok(record));
    }
}

#[test]
fn record_at_any_version_comes_back_as_the_same_bytes() {
    for (record, version) in samples() {
        let bytes = encoded(&record, version);
        let read = MetadataRecord::decode(&bytes).unwrap_or_else(|error| panic!("{record:?}: {error}"));
        assert_eq!(encoded(&read, version), bytes);
    }
}

#[test]
fn record_cut_anywhere_is_refused() {
    for (record, version) in samples() {
        let bytes = encoded(&record, version);
        for end in 0..bytes.len() {
            assert!(MetadataRecord::decode(&bytes[..end]).is_err(), "{record:?} cut at {end}");
        }
    }
}

#[test]
fn record_followed_by_bytes_is_refused() {
    for (record, version) in samples() {
        let mut bytes = encoded(&record, version);
        bytes.extend([0, 0]);
        assert_eq!(MetadataRecord::decode(&bytes), Err(DecodeError::Trailing { bytes: 2 }));
    }
}

#[test]
fn record_of_unknown_type_is_named() {
    for api_key in [6, 10, 11, 14, 18, 19, 21, 22, 26, 29, 90] {
        let refused = MetadataRecord::decode(&[1, api_key, 0, 0]);
        assert_eq!(refused, Err(DecodeError::UnknownRecord { api_key: api_key.into(), version: 0 }));
    }
}

#[test]
fn record_of_unknown_version_is_named() {
    for (record, _) in samples() {
        let version = record.highest_version() + 1;
        let error = MetadataRecord::decode(&encoded(&record, version));
        let highest = record.highest_version();
        let unknown = DecodeError::UnknownVersion { record: record.name(), version: version.into(), highest };
        assert_eq!(error, Err(unknown));
    }
}

#[test]
fn frame_of_another_version_is_refused() {
    assert_eq!(MetadataRecord::decode(&[0, 20, 0, 0]), Err(DecodeError::FrameVersion { found: 0 }));
    assert_eq!(MetadataRecord::decode(&[2, 20, 0, 0]), Err(DecodeError::FrameVersion { found: 2 }));
}

#[test]
fn number_of_more_than_32_bits_is_refused() {
    assert_eq!(MetadataRecord::decode(&[0xff, 0xff, 0xff, 0xff, 0x1f]), Err(DecodeError::Varint));
    assert_eq!(MetadataRecord::decode(&[0x80; 9]), Err(DecodeError::Varint));
}

#[test]
fn count_beyond_the_end_is_refused_before_anything_is_allocated() {
    // A partition change whose ISR claims 2^32 - 2 members.
    let mut bytes = vec![1, 5, 0, 0, 0, 0, 0];
    bytes.extend([0; 16]);
    bytes.extend([1, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    let refused = MetadataRecord::decode(&bytes);
    assert_eq!(refused, Err(DecodeError::Truncated { what: "an array", needed: 4 * 0xffff_fffe, left: 0 }));
}

#[test]
fn tagged_field_that_is_not_known_is_passed_over() {
    assert_eq!(MetadataRecord::decode(&[1, 20, 0, 1, 99, 3, 7, 7, 7]).map(|record| record.api_key()), Ok(20));
}

#[test]
fn tagged_field_longer_than_its_value_is_refused() {
    // An abort whose reason, a null string, comes with one byte too many.
    assert_eq!(MetadataRecord::decode(&[1, 25, 0, 1, 0, 2, 0, 0]), Err(DecodeError::TagLength { tag: 0 }));
}

#[test]
fn tagged_fields_out_of_order_are_refused() {
    let twice = MetadataRecord::decode(&[1, 20, 0, 2, 99, 0, 99, 0]);
    assert_eq!(twice, Err(DecodeError::TagOrder { tag: 99 }));
}

#[test]
fn string_that_is_null_or_no_text_is_refused() {
    let mut bytes = vec![1, 2, 0, 0];
    bytes.extend([0; 17]);
    assert_eq!(MetadataRecord::decode(&bytes), Err(DecodeError::Null { what: "a string" }));
    let mut bytes = vec![1, 2, 0, 2, 0xff];
    bytes.extend([0; 17]);
    assert_eq!(MetadataRecord::decode(&bytes), Err(DecodeError::Utf8));
}

#[test]
fn versions_follow_metadata_version() {
    // What Kafka 4.3.1 says of each level: registration, partition and its changes.
    let expected = [
        (7, 1, 0),
        (8, 2, 0),
        (16, 2, 0),
        (17, 3, 1),
        (22, 3, 1),
        (23, 3, 2),
        (25, 3, 2),
        (29, 3, 2),
        (30, 4, 2),
    ];
    for (level, registration, partition) in expected {
        let version_of = |name| {
            let record = samples().into_iter().find(|(record, _)| record.name() == name);
            record.map(|(record, _)| MetadataVersion(level).of(&record))
        };
        assert_eq!(version_of("RegisterBrokerRecord"), Some(registration), "level {level}");
        assert_eq!(version_of("PartitionRecord"), Some(partition), "level {level}");
        assert_eq!(version_of("PartitionChangeRecord"), Some(partition), "level {level}");
    }
}

#[test]
fn registration_change_is_written_at_the_lowest_version_that_has_its_fields() {
    let changes =
        samples().into_iter().filter(|(record, _)| record.name() == "BrokerRegistrationChangeRecord");
    let read = changes
        .map(|(record, version)| MetadataRecord::decode(&encoded(&record, version)).expect("a sample"));
    let versions: Vec<u16> = read.map(|record| MetadataVersion::HIGHEST.of(&record)).collect();
    assert_eq!(versions, [0, 1, 2, 3, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), key in 0..30u8, version in 0..5u8) {
        let _ = MetadataRecord::decode(&bytes);
        let framed: Vec<u8> = [&[1, key, version], &bytes[..]].concat();
        let _ = MetadataRecord::decode(&framed);
    }

    #[test]
    fn any_damage_is_read_or_refused(sample in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), to: u8) {
        let samples = samples();
        let (record, version) = &samples[sample.index(samples.len())];
        let mut bytes = encoded(record, *version);
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(read) = MetadataRecord::decode(&bytes) {
            // Whatever it is now, it is written and read again.
            let highest = read.highest_version();
            prop_assert_eq!(MetadataRecord::decode(&encoded(&read, highest)), Ok(read));
        }
    }
}
