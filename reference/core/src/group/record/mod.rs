//! The records of `__consumer_offsets`, in Kafka's own schemas.
//!
//! A key starts with the number of its type, which is its version, too; a value with its version. A record without value is a
//! tombstone: what its key names is gone. The partition is compacted, so what stands last for a key is all that need be there.
//!
//! | key | names | value | written at |
//! |---|---|---|---|
//! | 0, 1 | group, topic, partition | `OffsetCommitValue` 0 to 4 | 4; 1 if the client said how long to keep it |
//! | 2 | group | `GroupMetadataValue` 0 to 4 | 3 |
//! | 3 and higher | what of consumer, share and streams groups | not known here | never |
//!
//! These are the versions that Kafka 4.3 writes.

mod codec;

use alloc::string::String;
use alloc::vec::Vec;

pub use codec::DecodeError;
pub(in crate::group) use codec::{Reader, Writer};

use super::STRING_MAX;
use super::message::Blob;
use crate::{Offset, Uuid};

/// The highest key of an offset.
const OFFSET_COMMIT_KEY: i16 = 1;

/// The key of a group.
const GROUP_METADATA_KEY: i16 = 2;

/// The highest version of both values.
const VALUE_HIGHEST: i16 = 4;

/// The version of both values from which on they are flexible.
const VALUE_FLEXIBLE: i16 = 4;

/// A record of `__consumer_offsets`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GroupRecord {
    /// An offset was committed, or deleted.
    OffsetCommit {
        /// Whose.
        key: OffsetCommitKey,
        /// The offset; `None` if it is deleted.
        value: Option<OffsetCommitValue>,
    },
    /// A group got a generation, or was deleted.
    GroupMetadata {
        /// Which.
        group: String,
        /// The group; `None` if it is deleted.
        value: Option<GroupMetadataValue>,
    },
}

/// Where an offset belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffsetCommitKey {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OffsetCommitValue {
    /// The next record to be read.
    pub offset: Offset,
    /// The leader epoch of the last record read, or -1; from version 3 on.
    pub leader_epoch: i32,
    /// What the consumer wrote beside it.
    pub metadata: String,
    /// When it was committed, in milliseconds since 1970.
    pub commit_timestamp: i64,
    /// Until when to keep it, in milliseconds since 1970, or -1; in version 1 only.
    pub expire_timestamp: i64,
    /// The topic's id, or zero; from version 4 on.
    pub topic_id: Uuid,
}

/// A group: a generation with its assignments, or the end of the last.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupMetadataValue {
    /// `consumer` and the like; empty for none.
    pub protocol_type: String,
    /// The generation.
    pub generation: i32,
    /// The protocol that was chosen.
    pub protocol: Option<String>,
    /// Who leads.
    pub leader: Option<String>,
    /// Since when the group is in its state, in milliseconds since 1970, or -1; from version 2 on.
    pub current_state_timestamp: i64,
    /// The members; nobody if the group is empty.
    pub members: Vec<MemberMetadata>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MemberMetadata {
    /// Its id.
    pub member_id: String,
    /// `group.instance.id`; from version 3 on.
    pub group_instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Its address.
    pub client_host: String,
    /// In milliseconds, or -1; from version 1 on.
    pub rebalance_timeout: i32,
    /// In milliseconds.
    pub session_timeout: i32,
    /// What it said for the protocol that was chosen.
    pub subscription: Blob,
    /// What it was assigned.
    pub assignment: Blob,
}

/// A record with the versions that it was written at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Decoded {
    /// One that is known.
    Known {
        /// The number of its type.
        key_version: i16,
        /// The version of its value, unless it is a tombstone.
        value_version: Option<i16>,
        /// The record.
        record: GroupRecord,
    },
    /// One of a type that is not known here.
    Unknown {
        /// The number of its type.
        key_version: i16,
    },
}

impl GroupRecord {
    /// Reads a record.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Decoded, DecodeError> {
        let mut reader = Reader::new(key.ok_or(DecodeError::NoKey)?);
        let key_version = reader.i16("a key's version")?;
        let (value_version, record) = match key_version {
            0..=OFFSET_COMMIT_KEY => {
                let key = OffsetCommitKey {
                    group: reader.string("a group id")?,
                    topic: reader.string("a topic's name")?,
                    partition: reader.i32("a partition's index")?,
                };
                reader.end("the key of an offset")?;
                let value = value.map(OffsetCommitValue::decode).transpose()?;
                (
                    value.as_ref().map(|(version, _)| *version),
                    Self::OffsetCommit { key, value: second(value) },
                )
            }
            GROUP_METADATA_KEY => {
                let group = reader.string("a group id")?;
                reader.end("the key of a group")?;
                let value = value.map(GroupMetadataValue::decode).transpose()?;
                (
                    value.as_ref().map(|(version, _)| *version),
                    Self::GroupMetadata { group, value: second(value) },
                )
            }
            _ => return Ok(Decoded::Unknown { key_version }),
        };
        Ok(Decoded::Known { key_version, value_version, record })
    }

    /// The key's bytes.
    pub fn encode_key(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        match self {
            Self::OffsetCommit { key, .. } => {
                writer.i16(OFFSET_COMMIT_KEY);
                writer.string(&key.group);
                writer.string(&key.topic);
                writer.i32(key.partition);
            }
            Self::GroupMetadata { group, .. } => {
                writer.i16(GROUP_METADATA_KEY);
                writer.string(group);
            }
        }
        writer.into_bytes()
    }

    /// The value's bytes, at the version that Kafka 4.3 writes; `None` of a tombstone. Where a string is too long for that version (no
    /// request brings one, but a log may), at the version that can hold it.
    pub fn encode_value(&self) -> Option<Vec<u8>> {
        match self {
            Self::OffsetCommit { value, .. } => {
                let value = value.as_ref()?;
                let is_old = value.expire_timestamp != -1 && value.metadata.len() <= STRING_MAX;
                Some(value.encode(if is_old { 1 } else { 4 }))
            }
            Self::GroupMetadata { value, .. } => {
                let value = value.as_ref()?;
                Some(value.encode(if value.has_long_string() { 4 } else { 3 }))
            }
        }
    }
}

fn second<T>(value: Option<(i16, T)>) -> Option<T> {
    value.map(|(_, value)| value)
}

/// The version that a value starts with.
fn version(reader: &mut Reader<'_>, what: &'static str) -> Result<i16, DecodeError> {
    let version = reader.i16(what)?;
    if !(0..=VALUE_HIGHEST).contains(&version) {
        return Err(DecodeError::UnknownVersion { what, version, highest: VALUE_HIGHEST });
    }
    reader.set_flexible(version >= VALUE_FLEXIBLE);
    Ok(version)
}

impl OffsetCommitValue {
    fn decode(bytes: &[u8]) -> Result<(i16, Self), DecodeError> {
        let mut reader = Reader::new(bytes);
        let version = version(&mut reader, "an offset's value")?;
        let mut value = Self {
            offset: reader.i64("an offset")?,
            leader_epoch: if version >= 3 { reader.i32("a leader epoch")? } else { -1 },
            metadata: reader.string("an offset's metadata")?,
            commit_timestamp: reader.i64("a commit's time")?,
            expire_timestamp: if version == 1 { reader.i64("an expiry time")? } else { -1 },
            topic_id: Uuid::ZERO,
        };
        reader.tagged(|tag, field| {
            if tag == 0 {
                value.topic_id = Uuid(field.u128("a topic id")?);
            }
            Ok(())
        })?;
        reader.end("an offset's value")?;
        Ok((version, value))
    }

    /// The bytes at a version from 0 to 4. What the version does not have is left out.
    ///
    /// # Panics
    /// Below version 4, if the metadata are longer than 32,767 bytes.
    pub fn encode(&self, version: i16) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.i16(version);
        writer.set_flexible(version >= VALUE_FLEXIBLE);
        writer.i64(self.offset);
        if version >= 3 {
            writer.i32(self.leader_epoch);
        }
        writer.string(&self.metadata);
        writer.i64(self.commit_timestamp);
        if version == 1 {
            writer.i64(self.expire_timestamp);
        }
        let topic_id = self.topic_id.0.to_be_bytes();
        let tagged: [(u32, &[u8]); 1] = [(0, &topic_id)];
        writer.tagged(if self.topic_id == Uuid::ZERO { &[] } else { &tagged });
        writer.into_bytes()
    }
}

impl GroupMetadataValue {
    fn decode(bytes: &[u8]) -> Result<(i16, Self), DecodeError> {
        let mut reader = Reader::new(bytes);
        let version = version(&mut reader, "a group's value")?;
        let mut value = Self {
            protocol_type: reader.string("a protocol type")?,
            generation: reader.i32("a generation")?,
            protocol: reader.nullable_string("a protocol")?,
            leader: reader.nullable_string("a leader's id")?,
            current_state_timestamp: if version >= 2 { reader.i64("a state's time")? } else { -1 },
            members: Vec::new(),
        };
        let count = reader.count(MemberMetadata::SHORTEST, "a group's members")?;
        for _ in 0..count {
            value.members.push(MemberMetadata::decode(&mut reader, version)?);
        }
        reader.tagged(|_, _| Ok(()))?;
        reader.end("a group's value")?;
        Ok((version, value))
    }

    /// Whether a string is too long for the versions before 4.
    fn has_long_string(&self) -> bool {
        let of_members = self.members.iter().flat_map(|member| {
            [Some(&member.member_id), Some(&member.client_id), Some(&member.client_host)]
                .into_iter()
                .chain([member.group_instance_id.as_ref()])
        });
        let of_group = [Some(&self.protocol_type), self.protocol.as_ref(), self.leader.as_ref()];
        of_group.into_iter().chain(of_members).flatten().any(|text| text.len() > STRING_MAX)
    }

    /// The bytes at a version from 0 to 4. What the version does not have is left out.
    ///
    /// # Panics
    /// Below version 4, if a string is longer than 32,767 bytes.
    pub fn encode(&self, version: i16) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.i16(version);
        writer.set_flexible(version >= VALUE_FLEXIBLE);
        writer.string(&self.protocol_type);
        writer.i32(self.generation);
        writer.nullable_string(self.protocol.as_deref());
        writer.nullable_string(self.leader.as_deref());
        if version >= 2 {
            writer.i64(self.current_state_timestamp);
        }
        writer.count(self.members.len());
        for member in &self.members {
            member.encode(&mut writer, version);
        }
        writer.tagged(&[]);
        writer.into_bytes()
    }
}

impl MemberMetadata {
    /// The bytes of the shortest: five lengths of one byte, a timeout, tagged fields. More without flexible lengths.
    const SHORTEST: usize = 10;

    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let member = Self {
            member_id: reader.string("a member's id")?,
            group_instance_id: if version >= 3 {
                reader.nullable_string("a static member's name")?
            } else {
                None
            },
            client_id: reader.string("a client's id")?,
            client_host: reader.string("a client's host")?,
            rebalance_timeout: if version >= 1 { reader.i32("a rebalance timeout")? } else { -1 },
            session_timeout: reader.i32("a session timeout")?,
            subscription: reader.blob("a subscription")?,
            assignment: reader.blob("an assignment")?,
        };
        reader.tagged(|_, _| Ok(()))?;
        Ok(member)
    }

    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.string(&self.member_id);
        if version >= 3 {
            writer.nullable_string(self.group_instance_id.as_deref());
        }
        writer.string(&self.client_id);
        writer.string(&self.client_host);
        if version >= 1 {
            writer.i32(self.rebalance_timeout);
        }
        writer.i32(self.session_timeout);
        writer.blob(&self.subscription);
        writer.blob(&self.assignment);
        writer.tagged(&[]);
    }
}
