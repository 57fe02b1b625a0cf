//! What consumers and their leader tell each other through the coordinator: `ConsumerProtocolSubscription` and
//! `ConsumerProtocolAssignment`, and what Kafka's sticky assignor puts into the former.

use alloc::string::String;
use alloc::vec::Vec;

use super::Partition;
use crate::group::message::Blob;
use crate::group::record::{DecodeError, Reader, Writer};

/// The highest version of both.
const HIGHEST: i16 = 3;

/// Partitions of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TopicPartitions {
    /// The topic's name.
    pub topic: String,
    /// The partitions' indexes.
    pub partitions: Vec<i32>,
}

/// What a member wants, and had.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// The topics.
    pub topics: Vec<String>,
    /// Whatever the assignor wants to know.
    pub user_data: Option<Blob>,
    /// What the member reads now; from version 1 on (KIP-429).
    pub owned_partitions: Vec<TopicPartitions>,
    /// The generation in which it was told so, or -1; from version 2 on (KIP-792).
    pub generation_id: i32,
    /// `client.rack`; from version 3 on (KIP-881).
    pub rack_id: Option<String>,
}

impl Default for Subscription {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            user_data: None,
            owned_partitions: Vec::new(),
            generation_id: -1,
            rack_id: None,
        }
    }
}

/// What a member is to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Assignment {
    /// The partitions.
    pub assigned_partitions: Vec<TopicPartitions>,
    /// Whatever the assignor wants to say.
    pub user_data: Option<Blob>,
}

impl Subscription {
    /// The bytes, at a version from 0 to 3.
    ///
    /// # Panics
    /// If a topic's name is longer than 32,767 bytes.
    pub fn encode(&self, version: i16) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.i16(version);
        writer.count(self.topics.len());
        self.topics.iter().for_each(|topic| writer.string(topic));
        writer.nullable_blob(self.user_data.as_deref());
        if version >= 1 {
            put_partitions(&self.owned_partitions, &mut writer);
        }
        if version >= 2 {
            writer.i32(self.generation_id);
        }
        if version >= 3 {
            writer.nullable_string(self.rack_id.as_deref());
        }
        writer.into_bytes()
    }

    /// Reads one, of any version: what versions past 3 add comes last, and is passed over.
    ///
    /// # Errors
    /// If the bytes end too early, or are no such thing.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16("a subscription's version")?;
        let count = reader.count(2, "a subscription's topics")?;
        let topics = (0..count).map(|_| reader.string("a topic's name")).collect::<Result<_, _>>()?;
        let mut subscription =
            Self { topics, user_data: reader.nullable_blob("a subscription's data")?, ..Self::default() };
        if version >= 1 {
            subscription.owned_partitions = read_partitions(&mut reader)?;
        }
        if version >= 2 {
            subscription.generation_id = reader.i32("a generation")?;
        }
        if version >= 3 {
            subscription.rack_id = reader.nullable_string("a rack")?;
        }
        if version <= HIGHEST {
            reader.end("a subscription")?;
        }
        Ok(subscription)
    }
}

impl Assignment {
    /// The bytes, at a version from 0 to 3, which all are the same but for their number.
    ///
    /// # Panics
    /// If a topic's name is longer than 32,767 bytes.
    pub fn encode(&self, version: i16) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.i16(version);
        put_partitions(&self.assigned_partitions, &mut writer);
        writer.nullable_blob(self.user_data.as_deref());
        writer.into_bytes()
    }

    /// Reads one, of any version. No bytes at all are an assignment of nothing: who the leader left out gets those.
    ///
    /// # Errors
    /// If the bytes end too early, or are no such thing.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut reader = Reader::new(bytes);
        let version = reader.i16("an assignment's version")?;
        let assigned_partitions = read_partitions(&mut reader)?;
        let assignment =
            Self { assigned_partitions, user_data: reader.nullable_blob("an assignment's data")? };
        if version <= HIGHEST {
            reader.end("an assignment")?;
        }
        Ok(assignment)
    }
}

/// What Kafka's sticky assignor has in a subscription's `user_data`: what the member had, and in which generation, -1 if it does not say
/// (clients before KIP-341).
///
/// # Errors
/// If the bytes end too early, or are no such thing.
pub fn decode_sticky(bytes: &[u8]) -> Result<(Vec<TopicPartitions>, i32), DecodeError> {
    let mut reader = Reader::new(bytes);
    let owned = read_partitions(&mut reader)?;
    let generation = if reader.left() == 0 { -1 } else { reader.i32("a generation")? };
    reader.end("a sticky assignor's data")?;
    Ok((owned, generation))
}

/// The bytes that [`decode_sticky`] reads.
pub fn encode_sticky(owned: &[TopicPartitions], generation: i32) -> Vec<u8> {
    let mut writer = Writer::default();
    put_partitions(owned, &mut writer);
    writer.i32(generation);
    writer.into_bytes()
}

/// Partitions by topic, each topic once, in order.
pub fn by_topic(partitions: &[Partition]) -> Vec<TopicPartitions> {
    let mut sorted: Vec<&Partition> = partitions.iter().collect();
    sorted.sort();
    let mut topics: Vec<TopicPartitions> = Vec::new();
    for (topic, partition) in sorted {
        match topics.last_mut().filter(|last| last.topic == *topic) {
            Some(last) => last.partitions.push(*partition),
            None => {
                topics.push(TopicPartitions { topic: topic.clone(), partitions: Vec::from([*partition]) })
            }
        }
    }
    topics
}

fn put_partitions(topics: &[TopicPartitions], writer: &mut Writer) {
    writer.count(topics.len());
    for topic in topics {
        writer.string(&topic.topic);
        writer.count(topic.partitions.len());
        topic.partitions.iter().for_each(|partition| writer.i32(*partition));
    }
}

fn read_partitions(reader: &mut Reader<'_>) -> Result<Vec<TopicPartitions>, DecodeError> {
    let count = reader.count(6, "topics with partitions")?;
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let topic = reader.string("a topic's name")?;
        let count = reader.count(4, "a topic's partitions")?;
        let partitions = (0..count).map(|_| reader.i32("a partition")).collect::<Result<_, _>>()?;
        topics.push(TopicPartitions { topic, partitions });
    }
    Ok(topics)
}
