//! The fixed part of a batch.

use super::BatchError;
use super::record::RECORD_SIZE_MIN;
use crate::{Epoch, Offset};

/// How many bytes a batch takes before its records.
pub const HEADER_SIZE: usize = 61;

/// After these bytes a batch's size is known: base offset and length.
pub const SIZE_FIELD_END: usize = 12;

/// The least that the length field can be.
pub(super) const LENGTH_MIN: usize = HEADER_SIZE - SIZE_FIELD_END;

pub(super) const EPOCH_AT: usize = 12;
pub(super) const MAGIC_AT: usize = 16;
pub(super) const CRC_AT: usize = 17;
pub(super) const CRC_FROM: usize = 21;
pub(super) const MAX_TIMESTAMP_AT: usize = 35;
pub(super) const MAGIC: u8 = 2;

const CODEC_MASK: i16 = 0x07;
pub(super) const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
pub(super) const CONTROL: i16 = 0x20;

/// How records are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// They are not.
    None = 0,
    /// Gzip.
    Gzip = 1,
    /// Snappy.
    Snappy = 2,
    /// LZ4.
    Lz4 = 3,
    /// Zstandard.
    Zstd = 4,
}

/// What timestamps mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// When the producer made the record.
    CreateTime,
    /// When the broker appended the batch; all records have the batch's max timestamp.
    LogAppendTime,
}

/// The fixed part of a batch, checked in itself; not its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchHeader {
    /// The offset of the first record (before compaction).
    pub base_offset: Offset,
    /// How many bytes the whole batch takes, at least [`HEADER_SIZE`].
    pub size: usize,
    /// The leader epoch in which it was appended; -1 before that.
    pub leader_epoch: Epoch,
    /// The checksum that the batch carries.
    pub checksum: u32,
    /// Attribute bits as they are: codec, timestamp type, transactional, control, delete horizon.
    pub attributes: i16,
    /// The last offset less the base offset. Never negative.
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas add to, in milliseconds since 1970.
    pub base_timestamp: i64,
    /// The largest timestamp, in milliseconds since 1970.
    pub max_timestamp: i64,
    /// The idempotent producer; -1 for none.
    pub producer_id: i64,
    /// Its epoch; -1 for none.
    pub producer_epoch: i16,
    /// The sequence number of the first record; -1 for none.
    pub base_sequence: i32,
    /// How many records, never negative, at most the last offset delta and one.
    pub count: i32,
}

impl BatchHeader {
    /// Checks and reads the header at the front of `bytes`. The records need not be there.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let truncated = |needed| BatchError::Truncated { needed, found: bytes.len() };
        let length = i32::from_be_bytes(field(bytes, 8).ok_or(truncated(HEADER_SIZE))?);
        // Nothing that short has a magic: a file's zeros, not an old format.
        let length_bytes = usize::try_from(length).map_err(|_| BatchError::Length { found: length })?;
        if length_bytes <= MAGIC_AT - SIZE_FIELD_END {
            return Err(BatchError::Length { found: length });
        }
        match bytes.get(MAGIC_AT) {
            None => return Err(truncated(SIZE_FIELD_END.saturating_add(length_bytes))),
            Some(&MAGIC) => {}
            Some(&found @ (0 | 1)) => return Err(BatchError::OldMagic { found }),
            Some(&found) => return Err(BatchError::UnknownMagic { found }),
        }
        if length_bytes < LENGTH_MIN {
            return Err(BatchError::Length { found: length });
        }
        let size = SIZE_FIELD_END.saturating_add(length_bytes);
        let Some(fixed) = bytes.first_chunk::<HEADER_SIZE>() else {
            return Err(truncated(size));
        };
        let header = Self {
            base_offset: i64_at(fixed, 0),
            size,
            leader_epoch: i32_at(fixed, EPOCH_AT),
            checksum: i32_at(fixed, CRC_AT).cast_unsigned(),
            attributes: i16_at(fixed, CRC_FROM),
            last_offset_delta: i32_at(fixed, 23),
            base_timestamp: i64_at(fixed, 27),
            max_timestamp: i64_at(fixed, MAX_TIMESTAMP_AT),
            producer_id: i64_at(fixed, 43),
            producer_epoch: i16_at(fixed, 51),
            base_sequence: i32_at(fixed, 53),
            count: i32_at(fixed, 57),
        };
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Result<(), BatchError> {
        let codec = (self.attributes & CODEC_MASK) as u8;
        if codec > Codec::Zstd as u8 {
            return Err(BatchError::UnknownCodec { found: codec });
        }
        let end = self.base_offset.checked_add(i64::from(self.last_offset_delta) + 1);
        if self.base_offset < 0 || self.last_offset_delta < 0 || end.is_none() {
            let (base, last_offset_delta) = (self.base_offset, self.last_offset_delta);
            return Err(BatchError::OffsetRange { base, last_offset_delta });
        }
        if self.leader_epoch < -1 {
            return Err(BatchError::EpochRange { found: self.leader_epoch });
        }
        let record_bytes = self.size - HEADER_SIZE;
        let fits = match usize::try_from(self.count) {
            Err(_) => false,
            Ok(_) if i64::from(self.count) > i64::from(self.last_offset_delta) + 1 => false,
            // What a codec leaves of records has no lower bound worth a name.
            Ok(count) if codec != 0 => count == 0 || record_bytes > 0,
            Ok(count) => count <= record_bytes / RECORD_SIZE_MIN && (count > 0 || record_bytes == 0),
        };
        if fits {
            return Ok(());
        }
        let (count, last_offset_delta) = (self.count, self.last_offset_delta);
        Err(BatchError::Count { count, last_offset_delta, record_bytes })
    }

    /// The offset of the last record (before compaction).
    pub fn last_offset(&self) -> Offset {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// The offset after the last record.
    pub fn end_offset(&self) -> Offset {
        self.last_offset() + 1
    }

    /// How the records are compressed.
    pub fn codec(&self) -> Codec {
        match self.attributes & CODEC_MASK {
            0 => Codec::None,
            1 => Codec::Gzip,
            2 => Codec::Snappy,
            3 => Codec::Lz4,
            _ => Codec::Zstd,
        }
    }

    /// What the timestamps mean.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the records are control records, which are not for clients.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether there is a record for each offset.
    pub fn is_dense(&self) -> bool {
        i64::from(self.count) == i64::from(self.last_offset_delta) + 1
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

fn at<const N: usize>(fixed: &[u8; HEADER_SIZE], at: usize) -> [u8; N] {
    field(fixed, at).unwrap_or([0; N])
}

fn i16_at(fixed: &[u8; HEADER_SIZE], position: usize) -> i16 {
    i16::from_be_bytes(at(fixed, position))
}

fn i32_at(fixed: &[u8; HEADER_SIZE], position: usize) -> i32 {
    i32::from_be_bytes(at(fixed, position))
}

fn i64_at(fixed: &[u8; HEADER_SIZE], position: usize) -> i64 {
    i64::from_be_bytes(at(fixed, position))
}
