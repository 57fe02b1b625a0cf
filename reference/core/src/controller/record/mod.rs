//! Kafka's metadata records, in Kafka's own bytes.
//!
//! The value of a record of `__cluster_metadata` is a frame: the frame's version (always 1), the record's type (`apiKey`) and the
//! version of its schema, each a variable-length unsigned number, then the fields. All schemas are flexible (KIP-482): compact strings and
//! arrays, and tagged fields at the end of each structure, which are written only where they differ from their default.
//!
//! The schemas are those of Kafka 4.3 (`metadata/src/main/resources/common/metadata`), all versions that Kafka ever had of them.
//! Which version is written follows `metadata.version` ([`MetadataVersion`]).
//!
//! # Invariants
//! - [`MetadataRecord::decode`] takes any bytes: it neither panics nor hangs, and what it allocates is bounded by a constant times their
//!   number, since a count is compared with the bytes that are left before anything is allocated.
//! - What is encoded at the version that a record's `metadata.version` stands for decodes to an equal record.
//! - A record of unknown type or version is an error that names both. A tagged field that is not known is passed over, as KIP-482 wants it.
//!
//! # Not implemented
//! Access control (types 18 and 19), quotas (14), SCRAM credentials (11 and 22), delegation tokens (10 and 26) and the migration from
//! ZooKeeper (21): a log that holds such records is refused.

mod codec;
mod schema;
mod version;

use alloc::vec::Vec;

pub use codec::DecodeError;
use codec::{Reader, put_varint};
pub use schema::*;
pub use version::MetadataVersion;

/// In a [`PartitionChangeRecord`]: the leader stays, and so does the leader epoch.
pub const NO_LEADER_CHANGE: i32 = -2;

/// In a partition's records: nobody leads.
pub const NO_LEADER: i32 = -1;

/// In a [`PartitionChangeRecord`]: the recovery state stays.
pub const NO_RECOVERY_CHANGE: i8 = -1;

const FRAME_VERSION: u32 = 1;

impl MetadataRecord {
    /// Appends the record in its frame, at this version of its schema. Fields that the version does not have are left out.
    pub fn encode(&self, version: u16, out: &mut Vec<u8>) {
        put_varint(FRAME_VERSION, out);
        put_varint(self.api_key().into(), out);
        put_varint(version.into(), out);
        self.put(version, out);
    }

    /// The record in this frame, which must end where the bytes do.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let frame = reader.varint()?;
        if frame != FRAME_VERSION {
            return Err(DecodeError::FrameVersion { found: frame });
        }
        let (api_key, version) = (reader.varint()?, reader.varint()?);
        let record = Self::take(api_key, version, &mut reader)?;
        match reader.left() {
            0 => Ok(record),
            bytes => Err(DecodeError::Trailing { bytes }),
        }
    }
}
