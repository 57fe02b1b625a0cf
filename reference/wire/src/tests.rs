//! All messages, in all versions, against an independent implementation of the protocol.

use bytes::Bytes;
use highwater_core::Dice;
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::api::{Api, for_each_api};
use crate::codec::{DecodeError, EncodeError, Form, Input, Output, STRUCTURE_MAX, Wire};
use crate::frame::Frame;
use crate::header::{HeaderError, RequestHeader, correlation_of, decode_response};
use crate::messages::*;
use crate::{ErrorCode, Message, Str, Uuid};

/// A value drawn at random that its form can say.
pub(crate) trait Sample: Sized {
    fn sample(form: Form, dice: &mut Dice) -> Self;
}

macro_rules! sample_numbers {
    ($($kind:ty)*) => {
        $(impl Sample for $kind {
            fn sample(_: Form, dice: &mut Dice) -> Self {
                // Small ones, large ones and negative ones, each often.
                match dice.below(3) {
                    0 => dice.below(100) as $kind,
                    1 => <$kind>::MIN,
                    _ => dice.roll() as $kind,
                }
            }
        })*
    };
}

sample_numbers!(i8 i16 u16 i32 u32 i64);

impl Sample for bool {
    fn sample(_: Form, dice: &mut Dice) -> Self {
        dice.below(2) == 1
    }
}

impl Sample for Uuid {
    fn sample(_: Form, dice: &mut Dice) -> Self {
        Uuid(u128::from(dice.roll()) << 64 | u128::from(dice.below(2)))
    }
}

impl Sample for Str {
    fn sample(_: Form, dice: &mut Dice) -> Self {
        let length = if dice.below(8) == 0 { 200 } else { dice.below(6) };
        (0..length)
            .map(|_| char::from_u32(dice.below(0x500) as u32).unwrap_or('x'))
            .collect::<String>()
            .into()
    }
}

impl Sample for Bytes {
    fn sample(_: Form, dice: &mut Dice) -> Self {
        let length = if dice.below(8) == 0 { 5_000 } else { dice.below(20) };
        (0..length).map(|_| dice.roll() as u8).collect()
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(form: Form, dice: &mut Dice) -> Self {
        (0..dice.below(4)).map(|_| T::sample(form, dice)).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(form: Form, dice: &mut Dice) -> Self {
        if form.nullable && dice.below(4) == 0 { None } else { Some(T::sample(form, dice)) }
    }
}

fn bytes_of<M: Message>(message: &M, version: i16) -> Bytes {
    let mut out = Output::default();
    message.encode(version, &mut out);
    out.finish().expect("it was drawn to be sayable").concat().into()
}

fn sampled<M: Message + Sample>(version: i16, dice: &mut Dice) -> M {
    M::sample(Form { version, flexible: M::is_flexible(version), nullable: false }, dice)
}

/// What is written here reads there, and is written there as here; and reads here as it was.
fn agrees<M: Message + Sample + PartialEq + std::fmt::Debug, Theirs: Decodable + Encodable>(
    theirs_has: std::ops::RangeInclusive<i16>,
) {
    for version in M::VERSIONS {
        for seed in 0..40 {
            let ours: M = sampled(version, &mut Dice::new(seed));
            let bytes = bytes_of(&ours, version);
            assert_eq!(M::decode(version, bytes.clone()).as_ref(), Ok(&ours), "{} v{version}", M::NAME);
            if !theirs_has.contains(&version) {
                continue;
            }
            let mut rest = bytes.clone();
            let theirs = Theirs::decode(&mut rest, version)
                .unwrap_or_else(|error| panic!("{} v{version} seed {seed}: {error}", M::NAME));
            assert!(rest.is_empty(), "{} v{version}: {} bytes left", M::NAME, rest.len());
            let mut again = bytes::BytesMut::new();
            theirs.encode(&mut again, version).expect("it was decoded");
            assert_eq!(again.freeze(), bytes, "{} v{version} seed {seed}: {ours:?}", M::NAME);
        }
    }
}

#[test]
fn every_message_in_every_version_reads_and_writes_as_kafka_protocol_has_it() {
    use kafka_protocol::protocol::Message as _;
    macro_rules! check {
        ($api:ident, $request:ident, $response:ident) => {{
            use kafka_protocol::messages as theirs;
            let range = theirs::$request::VERSIONS;
            agrees::<$request, theirs::$request>(range.min..=range.max);
            let range = theirs::$response::VERSIONS;
            agrees::<$response, theirs::$response>(range.min..=range.max);
        }};
    }
    for_each_api!(check);
}

#[test]
fn only_named_versions_are_not_checked_against_kafka_protocol() {
    use kafka_protocol::protocol::Message as _;
    let mut newer = Vec::new();
    macro_rules! check {
        ($api:ident, $request:ident, $response:ident) => {
            let theirs = kafka_protocol::messages::$request::VERSIONS;
            assert!(theirs.min <= *Api::$api.versions().start(), "{}", Api::$api.name());
            newer.extend((theirs.max + 1..=*Api::$api.versions().end()).map(|version| (Api::$api, version)));
        };
    }
    for_each_api!(check);
    use Api::{BrokerHeartbeat, DescribeLogDirs, InitProducerId, ListOffsets, OffsetCommit, OffsetFetch};
    let expected = [
        (ListOffsets, 11),
        (OffsetCommit, 10),
        (OffsetFetch, 10),
        (InitProducerId, 6),
        (DescribeLogDirs, 5),
        (BrokerHeartbeat, 2),
    ];
    assert_eq!(newer, expected);
}

#[test]
fn headers_and_frames_round_trip_in_every_version() {
    macro_rules! check {
        ($api:ident, $request:ident, $response:ident) => {
            for version in Api::$api.versions() {
                let mut dice = Dice::new(7);
                let (request, response): ($request, $response) =
                    (sampled(version, &mut dice), sampled(version, &mut dice));
                let frame =
                    Frame::request(&request, version, 42, Some("me".into())).expect("sayable").to_bytes();
                let (length, rest) = frame.split_at(4);
                assert_eq!(length, (rest.len() as u32).to_be_bytes());
                let (header, body) = RequestHeader::decode(Bytes::copy_from_slice(rest)).expect("a header");
                assert_eq!(
                    header,
                    RequestHeader { api: Api::$api, version, correlation: 42, client: Some("me".into()) }
                );
                assert_eq!($request::decode(version, body), Ok(request));

                let frame = Bytes::from(
                    Frame::response::<$request>(&response, version, 43).expect("sayable").to_bytes(),
                );
                assert_eq!(frame[..4], (frame.len() as u32 - 4).to_be_bytes());
                assert_eq!(correlation_of(&frame.slice(4..)), Ok(43));
                assert_eq!(decode_response::<$request>(version, frame.slice(4..)), Ok(response));
            }
        };
    }
    for_each_api!(check);
}

#[test]
fn every_prefix_of_a_message_is_refused_and_none_panics() {
    macro_rules! check {
        ($api:ident, $request:ident, $response:ident) => {
            for version in Api::$api.versions() {
                let bytes = bytes_of(&sampled::<$request>(version, &mut Dice::new(3)), version);
                for end in 0..bytes.len() {
                    assert!(
                        $request::decode(version, bytes.slice(..end)).is_err(),
                        "{} v{version} at {end}",
                        $request::NAME
                    );
                }
                let mut longer = bytes.to_vec();
                longer.push(0);
                assert_eq!($request::decode(version, longer.into()), Err(DecodeError::Trailing { bytes: 1 }));
            }
        };
    }
    for_each_api!(check);
}

#[test]
fn bytes_at_random_never_panic() {
    let mut dice = Dice::new(11);
    for _ in 0..300 {
        let bytes: Bytes = (0..dice.below(200)).map(|_| (dice.roll() >> dice.below(64)) as u8).collect();
        macro_rules! check {
            ($api:ident, $request:ident, $response:ident) => {
                for version in Api::$api.versions() {
                    let _ = $request::decode(version, bytes.clone());
                    let _ = $response::decode(version, bytes.clone());
                }
            };
        }
        for_each_api!(check);
        let _ = RequestHeader::decode(bytes);
    }
}

#[test]
fn count_beyond_what_is_left_is_refused_before_anything_is_reserved() {
    // Metadata v1: an array of 2^31 - 1 topics, and no more bytes.
    let lying = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff]);
    let wanted = i32::MAX as usize;
    assert_eq!(MetadataRequest::decode(1, lying), Err(DecodeError::Truncated { wanted, left: 0 }));
}

#[test]
fn structures_that_take_too_much_memory_are_refused() {
    // As many topics of one byte each as a frame of 32 MiB holds.
    let count: i32 = 32 << 20;
    let mut bytes = count.to_be_bytes().to_vec();
    bytes.resize(4 + count as usize, 0);
    assert_eq!(MetadataRequest::decode(1, bytes.into()), Err(DecodeError::TooMuch));
    const { assert!(STRUCTURE_MAX < size_of::<metadata::request::MetadataRequestTopic>() << 25) };
}

#[test]
fn unknown_tagged_field_is_passed_over() {
    // ListGroups v3: no states; two tagged fields that nobody knows.
    let bytes = Bytes::from_static(&[2, 9, 1, 0xaa, 10, 0]);
    assert_eq!(ListGroupsRequest::decode(3, bytes), Ok(ListGroupsRequest::default()));
}

#[test]
fn null_where_there_must_be_a_value_is_refused_both_ways() {
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let mut out = Output::default();
    request.encode(0, &mut out);
    assert_eq!(out.finish().unwrap_err(), EncodeError::Null);
    let null = Bytes::from_static(&[0xff; 4]);
    assert_eq!(MetadataRequest::decode(0, null.clone()), Err(DecodeError::Count { found: -1 }));
    assert_eq!(MetadataRequest::decode(1, null).map(|request| request.topics), Ok(None));
}

#[test]
fn string_too_long_for_its_length_field_cannot_be_written() {
    let name = Str::from("x".repeat(40_000));
    let mut out = Output::default();
    name.put(Form { version: 0, flexible: false, nullable: false }, &mut out);
    assert_eq!(out.finish().unwrap_err(), EncodeError::TooLong { length: 40_000 });
}

#[test]
fn varint_of_more_than_32_bits_is_refused() {
    for bytes in [&[0xff, 0xff, 0xff, 0xff, 0x10][..], &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01]] {
        assert_eq!(Input::new(Bytes::copy_from_slice(bytes)).varint(), Err(DecodeError::Varint));
    }
    assert_eq!(Input::new(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f])).varint(), Ok(u32::MAX));
}

#[test]
fn long_byte_strings_are_shared_with_the_frame_both_ways() {
    let records = Bytes::from(vec![7; 100_000]);
    let partition =
        produce::request::PartitionProduceData { records: Some(records.clone()), ..Default::default() };
    let topic = produce::request::TopicProduceData { partition_data: vec![partition], ..Default::default() };
    let request = ProduceRequest { topic_data: vec![topic], ..Default::default() };
    let frame = Frame::request(&request, 9, 1, None).expect("sayable");
    assert!(frame.pieces.iter().any(|piece| piece.as_ptr() == records.as_ptr()));

    let bytes = Bytes::from(frame.to_bytes());
    let (_, body) = RequestHeader::decode(bytes.slice(4..)).expect("a header");
    let decoded = ProduceRequest::decode(9, body).expect("a request");
    let found = decoded.topic_data[0].partition_data[0].records.as_ref().expect("records");
    assert!(bytes.as_ptr_range().contains(&found.as_ptr()));
}

#[test]
fn header_of_an_unknown_api_or_version_says_which() {
    let head = |key: i16, version: i16| {
        let mut bytes = key.to_be_bytes().to_vec();
        bytes.extend(version.to_be_bytes());
        bytes.extend(5_i32.to_be_bytes());
        RequestHeader::decode(bytes.into()).unwrap_err()
    };
    assert_eq!(head(999, 1), HeaderError::UnknownApi { key: 999, version: 1 });
    let expected = HeaderError::UnknownVersion { api: Api::ApiVersions, version: 77, correlation: 5 };
    assert_eq!(head(18, 77), expected);
    assert_eq!(expected.to_string(), "ApiVersions has no version 77 here, only 0 to 4");
}

#[test]
fn error_codes_have_their_names() {
    assert_eq!(ErrorCode::NOT_LEADER_OR_FOLLOWER.to_string(), "NOT_LEADER_OR_FOLLOWER (6)");
    assert!(ErrorCode::NOT_LEADER_OR_FOLLOWER.is_retriable());
    assert!(!ErrorCode::MESSAGE_TOO_LARGE.is_retriable());
    assert_eq!(ErrorCode(9999).to_string(), "error 9999");
    assert!(ErrorCode::ALL.windows(2).all(|pair| pair[0] < pair[1]));
}
