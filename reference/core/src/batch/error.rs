//! Why bytes are no batch, or a batch no record.

use core::fmt;

use super::Codec;
use crate::{Epoch, Offset};

/// Why bytes were refused as a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BatchError {
    /// The bytes end before the batch does; no other fault was found in what is there.
    Truncated {
        /// How many bytes the batch takes, as far as can be told.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// The length field is less than a batch takes without records.
    Length {
        /// The length field, which counts from byte 12 on.
        found: i32,
    },
    /// Magic 0 or 1: a message set of Kafka before 0.11.
    OldMagic {
        /// The magic.
        found: u8,
    },
    /// A magic that is not known.
    UnknownMagic {
        /// The magic.
        found: u8,
    },
    /// The checksum does not fit the bytes.
    Checksum {
        /// What the batch says.
        found: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// A codec that is not known.
    UnknownCodec {
        /// Its number.
        found: u8,
    },
    /// The base offset is negative, or the batch's end is no offset any more.
    OffsetRange {
        /// The base offset.
        base: Offset,
        /// The last offset delta.
        last_offset_delta: i32,
    },
    /// The leader epoch is below -1, or below 0 where it must have been assigned.
    EpochRange {
        /// The leader epoch.
        found: Epoch,
    },
    /// The count of records does not fit the last offset delta, or the bytes that there are for records.
    Count {
        /// How many records the batch says it has.
        count: i32,
        /// The last offset delta.
        last_offset_delta: i32,
        /// How many bytes follow the header.
        record_bytes: usize,
    },
    /// The batch has fewer records than offsets, or none: only compaction may leave that behind.
    Sparse {
        /// How many records it has.
        count: i32,
        /// The last offset delta.
        last_offset_delta: i32,
    },
    /// A control batch from a client, which must not write such.
    Control,
    /// The records are compressed, and cannot be iterated.
    Compressed {
        /// By which codec.
        codec: Codec,
    },
    /// A record is not sound.
    Record {
        /// Which, counted from 0.
        index: u32,
        /// Why.
        error: RecordError,
    },
    /// The batch does not begin where the one before ended.
    Gap {
        /// Where it should begin.
        expected: Offset,
        /// Where it begins.
        found: Offset,
    },
    /// The leader epoch is below that of the batch before.
    EpochFell {
        /// That of the batch before.
        before: Epoch,
        /// Its own.
        found: Epoch,
    },
    /// No bytes at all, where at least a batch must be.
    Empty,
}

/// Why bytes were refused as a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordError {
    /// The bytes end before the record does.
    Truncated,
    /// The record's length is not that of its fields.
    Length,
    /// The offset delta does not follow from the record before, or is beyond the last offset delta.
    OffsetDelta {
        /// The delta.
        found: i32,
    },
    /// The header count is negative or more than can be there, or a header has no key, or one that is not UTF-8.
    Headers,
    /// After the last record there still are bytes.
    Leftover {
        /// How many.
        bytes: usize,
    },
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { needed, found } => {
                write!(f, "the batch is truncated: {found} of {needed} bytes are there")
            }
            Self::Length { found } => {
                write!(f, "the batch length is {found}, expected at least {}", super::header::LENGTH_MIN)
            }
            Self::OldMagic { found } => {
                write!(f, "message format {found} (Kafka before 0.11), expected record batch format 2")
            }
            Self::UnknownMagic { found } => write!(f, "magic is {found}, expected 2"),
            Self::Checksum { found, computed } => {
                write!(f, "the checksum is {found:#010x}, but the bytes give {computed:#010x}")
            }
            Self::UnknownCodec { found } => write!(f, "codec is {found}, expected 0 to 4"),
            Self::OffsetRange { base, last_offset_delta } => {
                write!(f, "base offset {base} with last offset delta {last_offset_delta} is out of range")
            }
            Self::EpochRange { found } => write!(f, "leader epoch {found} is out of range"),
            Self::Count { count, last_offset_delta, record_bytes } => write!(
                f,
                "{count} records do not fit last offset delta {last_offset_delta} and {record_bytes} bytes of records"
            ),
            Self::Sparse { count, last_offset_delta } => {
                write!(
                    f,
                    "{count} records with last offset delta {last_offset_delta}, expected one for each offset"
                )
            }
            Self::Control => write!(f, "a control batch, which clients must not write"),
            Self::Compressed { codec } => write!(f, "the records are compressed ({codec:?})"),
            Self::Record { index, error } => write!(f, "record {index}: {error}"),
            Self::Gap { expected, found } => {
                write!(f, "the batch begins at offset {found}, expected {expected}")
            }
            Self::EpochFell { before, found } => {
                write!(f, "the batch is of leader epoch {found}, expected at least {before}")
            }
            Self::Empty => write!(f, "no batch at all"),
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "the bytes end before the record does"),
            Self::Length => write!(f, "its length is not that of its fields"),
            Self::OffsetDelta { found } => write!(f, "its offset delta {found} is out of order"),
            Self::Headers => write!(f, "its headers are malformed"),
            Self::Leftover { bytes } => write!(f, "{bytes} bytes are left after the last record"),
        }
    }
}

impl core::error::Error for BatchError {}
impl core::error::Error for RecordError {}
