//! What members of a group say to each other through the coordinator: Kafka's `consumer` protocol, versions 0 to 3.
//!
//! A version of two bytes comes first. Newer versions only add fields at the end, so that what is newer than version 3 is read as version 3.
//! The assignor `sticky` puts more into the user data: what the member had, and in which generation.
//!
//! # Invariants
//! - Bytes of other members are checked: no panic, and nothing is allocated by a count that was not backed by bytes.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use highwater_wire::Str;

use crate::admin::by_topic;
use crate::cluster::TopicPartition;

/// The version that is written.
const VERSION: i16 = 3;

/// What a member wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The topics, sorted.
    pub topics: Vec<Str>,
    /// What the assignor puts in.
    pub user_data: Option<Bytes>,
    /// What the member has and keeps while it asks. Nothing with an assignor whose rebalances are eager.
    pub owned: Vec<TopicPartition>,
    /// The generation in which it got that; -1 for none.
    pub generation: i32,
    /// The member's rack.
    pub rack: Option<Str>,
}

/// Bytes that are not what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the bytes are not of Kafka's consumer protocol")
    }
}

impl std::error::Error for Malformed {}

impl Subscription {
    /// A subscription to these topics, of a member that has nothing.
    pub fn new(mut topics: Vec<Str>, user_data: Option<Bytes>) -> Self {
        topics.sort();
        Self { topics, user_data, owned: Vec::new(), generation: -1, rack: None }
    }

    /// In bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(VERSION);
        put_count(&mut out, self.topics.len());
        for topic in &self.topics {
            put_string(&mut out, topic);
        }
        put_bytes(&mut out, self.user_data.as_ref());
        put_partitions(&mut out, &self.owned);
        out.put_i32(self.generation);
        match &self.rack {
            None => out.put_i16(-1),
            Some(rack) => put_string(&mut out, rack),
        }
        out.freeze()
    }

    /// From bytes.
    ///
    /// # Errors
    /// If they are none.
    pub fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut input = Input { bytes, at: 0 };
        let version = input.version()?;
        let topics = input.many(Input::string)?;
        let mut read = Self { user_data: input.nullable_bytes()?, ..Self::new(topics, None) };
        if version >= 1 {
            read.owned = input.partitions()?;
        }
        if version >= 2 {
            read.generation = input.i32()?;
        }
        if version >= 3 {
            read.rack = input.nullable_string()?;
        }
        Ok(read)
    }
}

/// An assignment in bytes.
pub fn encode_assignment(partitions: &[TopicPartition]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(VERSION);
    put_partitions(&mut out, partitions);
    put_bytes(&mut out, None);
    out.freeze()
}

/// An assignment from bytes; no bytes at all are none.
///
/// # Errors
/// If they are something else.
pub fn decode_assignment(bytes: &Bytes) -> Result<Vec<TopicPartition>, Malformed> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut input = Input { bytes, at: 0 };
    input.version()?;
    let partitions = input.partitions()?;
    input.nullable_bytes()?;
    Ok(partitions)
}

/// The user data of `sticky`: what a member had, and in which generation.
pub fn encode_previous(partitions: &[TopicPartition], generation: i32) -> Bytes {
    let mut out = BytesMut::new();
    put_partitions(&mut out, partitions);
    out.put_i32(generation);
    out.freeze()
}

/// What a member had, from the user data of `sticky`; the older form has no generation. What cannot be read is nothing: stickiness is a
/// wish.
pub fn decode_previous(bytes: &Bytes) -> (Vec<TopicPartition>, i32) {
    let mut input = Input { bytes, at: 0 };
    match input.partitions() {
        Ok(partitions) => (partitions, input.i32().unwrap_or(-1)),
        Err(Malformed) => (Vec::new(), -1),
    }
}

fn put_count(out: &mut BytesMut, count: usize) {
    out.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
}

fn put_string(out: &mut BytesMut, text: &str) {
    out.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
    out.put_slice(text.as_bytes());
}

fn put_bytes(out: &mut BytesMut, bytes: Option<&Bytes>) {
    match bytes {
        None => out.put_i32(-1),
        Some(bytes) => {
            put_count(out, bytes.len());
            out.put_slice(bytes);
        }
    }
}

fn put_partitions(out: &mut BytesMut, partitions: &[TopicPartition]) {
    let topics = by_topic(partitions);
    put_count(out, topics.len());
    for (topic, partitions) in topics {
        put_string(out, &topic);
        put_count(out, partitions.len());
        for partition in partitions {
            out.put_i32(partition);
        }
    }
}

struct Input<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Input<'_> {
    fn take(&mut self, length: usize) -> Result<Bytes, Malformed> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len()).ok_or(Malformed)?;
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        Ok(taken)
    }

    fn i16(&mut self) -> Result<i16, Malformed> {
        let bytes = self.take(2)?;
        bytes.first_chunk().map(|bytes| i16::from_be_bytes(*bytes)).ok_or(Malformed)
    }

    fn i32(&mut self) -> Result<i32, Malformed> {
        let bytes = self.take(4)?;
        bytes.first_chunk().map(|bytes| i32::from_be_bytes(*bytes)).ok_or(Malformed)
    }

    fn version(&mut self) -> Result<i16, Malformed> {
        self.i16().and_then(|version| if version < 0 { Err(Malformed) } else { Ok(version) })
    }

    fn many<T>(&mut self, read: impl Fn(&mut Self) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
        let count = usize::try_from(self.i32()?).map_err(|_| Malformed)?;
        // An item takes two bytes at least.
        if count > (self.bytes.len() - self.at) / 2 {
            return Err(Malformed);
        }
        (0..count).map(|_| read(self)).collect()
    }

    fn nullable_string(&mut self) -> Result<Option<Str>, Malformed> {
        let Ok(length) = usize::try_from(self.i16()?) else { return Ok(None) };
        Str::try_from(self.take(length)?).map(Some).map_err(|_| Malformed)
    }

    fn string(&mut self) -> Result<Str, Malformed> {
        self.nullable_string()?.ok_or(Malformed)
    }

    fn nullable_bytes(&mut self) -> Result<Option<Bytes>, Malformed> {
        match usize::try_from(self.i32()?) {
            Err(_) => Ok(None),
            Ok(length) => self.take(length).map(Some),
        }
    }

    fn partitions(&mut self) -> Result<Vec<TopicPartition>, Malformed> {
        let topics = self.many(|input| Ok((input.string()?, input.many(Self::i32)?)))?;
        let partitions = topics.into_iter().flat_map(|(topic, partitions)| {
            partitions.into_iter().map(move |partition| TopicPartition::new(topic.clone(), partition))
        });
        Ok(partitions.collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn subscription_one_topic_has_kafkas_bytes() {
        let subscription = Subscription {
            owned: vec![TopicPartition::new("t", 5)],
            generation: 7,
            rack: Some("r".into()),
            ..Subscription::new(vec!["t".into()], Some(Bytes::from_static(b"ud")))
        };
        let expected =
            b"\0\x03\0\0\0\x01\0\x01t\0\0\0\x02ud\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x05\0\0\0\x07\0\x01r";
        assert_eq!(subscription.encode(), Bytes::from_static(expected));
        assert_eq!(Subscription::decode(&subscription.encode()), Ok(subscription));
    }

    #[test]
    fn subscription_version_0_reads_without_what_came_later() {
        let bytes = Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff");
        assert_eq!(Subscription::decode(&bytes), Ok(Subscription::new(vec!["t".into()], None)));
    }

    #[test]
    fn assignment_two_partitions_has_kafkas_bytes() {
        let partitions = vec![TopicPartition::new("t", 0), TopicPartition::new("t", 2)];
        let expected = b"\0\x03\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x02\xff\xff\xff\xff";
        assert_eq!(encode_assignment(&partitions), Bytes::from_static(expected));
        assert_eq!(decode_assignment(&Bytes::from_static(expected)), Ok(partitions));
    }

    #[test]
    fn previous_without_generation_reads_as_none() {
        let bytes = Bytes::from_static(b"\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x03");
        assert_eq!(decode_previous(&bytes), (vec![TopicPartition::new("t", 3)], -1));
    }

    proptest! {
        #[test]
        fn decoders_any_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let bytes = Bytes::from(bytes);
            let _ = Subscription::decode(&bytes);
            let _ = decode_assignment(&bytes);
            decode_previous(&bytes);
        }
    }
}
