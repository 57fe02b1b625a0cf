//! Control records: what a leader writes into a log for the replicas, not for clients.
//!
//! The key says which ([`ControlRecord::key`]); the value has a schema of its own (`clients/src/main/resources/common/message`).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::wire::{Reader, put_compact_length, put_compact_string, put_unsigned_varint};
use super::{BatchBuilder, Record};
use crate::quorum::ReplicaKey;
use crate::{Epoch, NodeId, Offset, Uuid};

const ABORT: i16 = 0;
const COMMIT: i16 = 1;
const LEADER_CHANGE: i16 = 2;
const SNAPSHOT_HEADER: i16 = 3;
const SNAPSHOT_FOOTER: i16 = 4;
const KRAFT_VERSION: i16 = 5;
const VOTERS: i16 = 6;

/// The newest version of LeaderChange, which has the voters' directories (KIP-853).
const LEADER_CHANGE_VERSION_MAX: i16 = 1;

/// A control record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ControlRecord {
    /// A transaction was aborted (KIP-98).
    Abort {
        /// The epoch of the transaction coordinator.
        coordinator_epoch: Epoch,
    },
    /// A transaction was committed (KIP-98).
    Commit {
        /// The epoch of the transaction coordinator.
        coordinator_epoch: Epoch,
    },
    /// The first record of a leader of the quorum (KIP-595).
    LeaderChange {
        /// Its version: 0 without the voters' directories, 1 with. Write 0: Kafka (4.3.1) reads any version as if it were that.
        version: i16,
        /// Who leads.
        leader: NodeId,
        /// The voters.
        voters: Vec<ReplicaKey>,
        /// Those who elected it.
        granting: Vec<ReplicaKey>,
    },
    /// The first record of a snapshot (KIP-630).
    SnapshotHeader {
        /// The append time of the last record in it, in milliseconds since 1970.
        last_contained_timestamp: i64,
    },
    /// The last record of a snapshot (KIP-630).
    SnapshotFooter,
    /// The version of the quorum's protocol: 1 if voters can change (KIP-853).
    KRaftVersion {
        /// The version.
        version: i16,
    },
    /// The voters (KIP-853).
    Voters(Vec<Voter>),
}

/// A voter with all that others need to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Voter {
    /// Who.
    pub key: ReplicaKey,
    /// Where.
    pub endpoints: Vec<VoterEndpoint>,
    /// The least version of the quorum's protocol that it supports.
    pub kraft_version_min: i16,
    /// The highest.
    pub kraft_version_max: i16,
}

/// An address of a voter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VoterEndpoint {
    /// The listener's name.
    pub name: String,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Why a record is no control record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ControlRecordError {
    /// The key is not of 4 bytes at least, or of a negative version.
    Key,
    /// A kind that is not known; who does not know it may skip it.
    UnknownKind {
        /// Its number.
        kind: i16,
    },
    /// A version of the value that is not known.
    UnknownVersion {
        /// The kind.
        kind: i16,
        /// Its version.
        version: i16,
    },
    /// The value is missing, or does not follow its schema.
    Value {
        /// The kind.
        kind: i16,
    },
}

impl ControlRecord {
    /// The number in the key.
    pub fn kind(&self) -> i16 {
        match self {
            Self::Abort { .. } => ABORT,
            Self::Commit { .. } => COMMIT,
            Self::LeaderChange { .. } => LEADER_CHANGE,
            Self::SnapshotHeader { .. } => SNAPSHOT_HEADER,
            Self::SnapshotFooter => SNAPSHOT_FOOTER,
            Self::KRaftVersion { .. } => KRAFT_VERSION,
            Self::Voters(_) => VOTERS,
        }
    }

    /// The record's key: version 0 and the kind.
    pub fn key(&self) -> [u8; 4] {
        let [high, low] = self.kind().to_be_bytes();
        [0, 0, high, low]
    }

    /// The record's value.
    pub fn value(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Abort { coordinator_epoch } | Self::Commit { coordinator_epoch } => {
                put_version(&mut bytes, 0);
                bytes.extend_from_slice(&coordinator_epoch.to_be_bytes());
                return bytes;
            }
            Self::LeaderChange { version, leader, voters, granting } => {
                put_version(&mut bytes, *version);
                bytes.extend_from_slice(&leader.0.to_be_bytes());
                for keys in [voters, granting] {
                    put_compact_length(&mut bytes, keys.len());
                    for key in keys {
                        put_key(&mut bytes, *key, *version);
                        put_no_tags(&mut bytes);
                    }
                }
            }
            Self::SnapshotHeader { last_contained_timestamp } => {
                put_version(&mut bytes, 0);
                bytes.extend_from_slice(&last_contained_timestamp.to_be_bytes());
            }
            Self::SnapshotFooter => put_version(&mut bytes, 0),
            Self::KRaftVersion { version } => {
                put_version(&mut bytes, 0);
                bytes.extend_from_slice(&version.to_be_bytes());
            }
            Self::Voters(voters) => {
                put_version(&mut bytes, 0);
                put_compact_length(&mut bytes, voters.len());
                for voter in voters {
                    voter.put(&mut bytes);
                }
            }
        }
        put_no_tags(&mut bytes);
        bytes
    }

    /// Reads a record of a control batch.
    pub fn decode(record: &Record<'_>) -> Result<Self, ControlRecordError> {
        let mut key = Reader::new(record.key.unwrap_or_default());
        let version = key.i16().ok_or(ControlRecordError::Key)?;
        let kind = key.i16().ok_or(ControlRecordError::Key)?;
        if version < 0 {
            return Err(ControlRecordError::Key);
        }
        if !(ABORT..=VOTERS).contains(&kind) {
            return Err(ControlRecordError::UnknownKind { kind });
        }
        let malformed = ControlRecordError::Value { kind };
        let mut value = Reader::new(record.value.unwrap_or_default());
        let version = value.i16().ok_or(malformed)?;
        let version_max = if kind == LEADER_CHANGE { LEADER_CHANGE_VERSION_MAX } else { 0 };
        if !(0..=version_max).contains(&version) {
            return Err(ControlRecordError::UnknownVersion { kind, version });
        }
        Self::decode_value(kind, version, &mut value).ok_or(malformed)
    }

    fn decode_value(kind: i16, version: i16, value: &mut Reader<'_>) -> Option<Self> {
        let decoded = match kind {
            ABORT => return Some(Self::Abort { coordinator_epoch: value.i32()? }),
            COMMIT => return Some(Self::Commit { coordinator_epoch: value.i32()? }),
            LEADER_CHANGE => Self::LeaderChange {
                version,
                leader: NodeId(value.i32()?),
                voters: keys(value, version)?,
                granting: keys(value, version)?,
            },
            SNAPSHOT_HEADER => Self::SnapshotHeader { last_contained_timestamp: value.i64()? },
            SNAPSHOT_FOOTER => Self::SnapshotFooter,
            KRAFT_VERSION => Self::KRaftVersion { version: value.i16()? },
            VOTERS => {
                let count = value.compact_length(Voter::SIZE_MIN)?;
                let mut voters = Vec::with_capacity(count);
                for _ in 0..count {
                    voters.push(Voter::read(value)?);
                }
                Self::Voters(voters)
            }
            _ => return None,
        };
        value.skip_tagged_fields()?;
        (value.remaining() == 0).then_some(decoded)
    }
}

impl Voter {
    /// Id, directory, an empty list, two versions, no tagged fields twice.
    const SIZE_MIN: usize = 4 + 16 + 1 + 4 + 2;

    fn put(&self, bytes: &mut Vec<u8>) {
        put_key(bytes, self.key, 1);
        put_compact_length(bytes, self.endpoints.len());
        for endpoint in &self.endpoints {
            put_compact_string(bytes, &endpoint.name);
            put_compact_string(bytes, &endpoint.host);
            bytes.extend_from_slice(&endpoint.port.to_be_bytes());
            put_no_tags(bytes);
        }
        bytes.extend_from_slice(&self.kraft_version_min.to_be_bytes());
        bytes.extend_from_slice(&self.kraft_version_max.to_be_bytes());
        put_no_tags(bytes);
        put_no_tags(bytes);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let key = key(reader, 1)?;
        let count = reader.compact_length(5)?;
        let mut endpoints = Vec::with_capacity(count);
        for _ in 0..count {
            let name = reader.compact_string()?.into();
            let host = reader.compact_string()?.into();
            endpoints.push(VoterEndpoint { name, host, port: reader.u16()? });
            reader.skip_tagged_fields()?;
        }
        let (kraft_version_min, kraft_version_max) = (reader.i16()?, reader.i16()?);
        reader.skip_tagged_fields()?;
        reader.skip_tagged_fields()?;
        Some(Self { key, endpoints, kraft_version_min, kraft_version_max })
    }
}

impl fmt::Display for ControlRecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => write!(f, "the key of a control record is malformed"),
            Self::UnknownKind { kind } => write!(f, "control record of kind {kind}, expected 0 to 6"),
            Self::UnknownVersion { kind, version } => {
                write!(f, "control record of kind {kind} in version {version}, which is not known")
            }
            Self::Value { kind } => write!(f, "the value of a control record of kind {kind} is malformed"),
        }
    }
}

impl core::error::Error for ControlRecordError {}

/// A batch of these control records, all at one time (milliseconds since 1970).
///
/// # Panics
/// If there are none.
pub fn control_batch(base: Offset, epoch: Epoch, timestamp: i64, records: &[ControlRecord]) -> Vec<u8> {
    let mut batch = BatchBuilder::new(base, epoch).control();
    for record in records {
        batch.record(timestamp, Some(&record.key()), Some(&record.value()));
    }
    batch.build()
}

fn put_version(bytes: &mut Vec<u8>, version: i16) {
    bytes.extend_from_slice(&version.to_be_bytes());
}

fn put_no_tags(bytes: &mut Vec<u8>) {
    put_unsigned_varint(bytes, 0);
}

fn put_key(bytes: &mut Vec<u8>, key: ReplicaKey, version: i16) {
    bytes.extend_from_slice(&key.id.0.to_be_bytes());
    if version >= 1 {
        bytes.extend_from_slice(&key.directory.0.to_be_bytes());
    }
}

fn key(reader: &mut Reader<'_>, version: i16) -> Option<ReplicaKey> {
    let id = NodeId(reader.i32()?);
    let directory = if version >= 1 { Uuid(reader.u128()?) } else { Uuid::ZERO };
    Some(ReplicaKey { id, directory })
}

fn keys(reader: &mut Reader<'_>, version: i16) -> Option<Vec<ReplicaKey>> {
    let count = reader.compact_length(if version >= 1 { 21 } else { 5 })?;
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        keys.push(key(reader, version)?);
        reader.skip_tagged_fields()?;
    }
    Some(keys)
}
