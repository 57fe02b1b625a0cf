//! Batches in a buffer.

use alloc::vec::Vec;

use super::crc::crc32c;
use super::header::{
    BatchHeader, CRC_AT, CRC_FROM, Codec, EPOCH_AT, HEADER_SIZE, LOG_APPEND_TIME, MAX_TIMESTAMP_AT,
};
use super::record::Records;
use super::{BatchError, RecordError};
use crate::{Epoch, Extent, Offset};

/// A whole batch with a sound header and a right checksum. Its records are checked as they are iterated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordBatch<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

/// The batches of a buffer, each checked as it is come to. Ends after the first that is not sound.
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    rest: &'a [u8],
    position: usize,
}

impl<'a> RecordBatch<'a> {
    /// Checks the batch at the front of `bytes`, which may go on after it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let Some(bytes) = bytes.get(..header.size) else {
            return Err(BatchError::Truncated { needed: header.size, found: bytes.len() });
        };
        let computed = crc32c(&bytes[CRC_FROM..]);
        if computed != header.checksum {
            return Err(BatchError::Checksum { found: header.checksum, computed });
        }
        Ok(Self { header, bytes })
    }

    /// The fixed part.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All of it.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What follows the header, perhaps compressed.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[HEADER_SIZE..]
    }

    /// The records, each checked as it is come to; refused if they are compressed.
    pub fn records(&self) -> Result<Records<'a>, BatchError> {
        match self.header.codec() {
            Codec::None => Ok(Records::new(&self.header, self.payload())),
            codec => Err(BatchError::Compressed { codec }),
        }
    }

    /// Checks all records, if they are not compressed.
    pub fn check_records(&self) -> Result<(), BatchError> {
        if self.header.codec() != Codec::None {
            return Ok(());
        }
        for (index, record) in (0..).zip(self.records()?) {
            record.map_err(|error: RecordError| BatchError::Record { index, error })?;
        }
        Ok(())
    }
}

impl Batches<'_> {
    /// How many bytes the batches that came so far take.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<RecordBatch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let parsed = RecordBatch::parse(self.rest);
        match &parsed {
            Ok(batch) => {
                self.position += batch.header.size;
                self.rest = &self.rest[batch.header.size..];
            }
            Err(_) => self.rest = &[],
        }
        Some(parsed)
    }
}

/// The batches of `bytes`.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { rest: bytes, position: 0 }
}

/// The front of `bytes` that is whole batches, where all that follows is a batch that was cut off. Any other fault is an error.
pub fn whole(bytes: &[u8]) -> Result<&[u8], BatchError> {
    let mut batches = batches(bytes);
    loop {
        match batches.next() {
            Some(Ok(_)) => {}
            Some(Err(BatchError::Truncated { .. })) | None => return Ok(&bytes[..batches.position()]),
            Some(Err(error)) => return Err(error),
        }
    }
}

/// Checks what a client wants appended: whole, dense batches of data, at least one. How many records there are in all.
pub fn produced(bytes: &[u8]) -> Result<u32, BatchError> {
    let mut count = 0_u32;
    for batch in batches(bytes) {
        let batch = batch?;
        let header = batch.header();
        let (of_batch, last_offset_delta) = (header.count, header.last_offset_delta);
        if header.is_control() {
            return Err(BatchError::Control);
        }
        if !header.is_dense() {
            return Err(BatchError::Sparse { count: of_batch, last_offset_delta });
        }
        batch.check_records()?;
        let too_many = BatchError::Count { count: of_batch, last_offset_delta, record_bytes: bytes.len() };
        count = count.checked_add(of_batch.cast_unsigned()).ok_or(too_many)?;
    }
    if count == 0 { Err(BatchError::Empty) } else { Ok(count) }
}

/// Checks a run of a log: whole batches (none is fine) whose offsets follow one another without gap, and whose leader epochs are assigned
/// and never fall. The extents, one for each epoch.
pub fn extents(bytes: &[u8]) -> Result<Vec<Extent>, BatchError> {
    let mut extents: Vec<Extent> = Vec::new();
    for batch in batches(bytes) {
        let batch = batch?;
        let header = batch.header();
        let (base, end, epoch) = (header.base_offset, header.end_offset(), header.leader_epoch);
        if epoch < 0 {
            return Err(BatchError::EpochRange { found: epoch });
        }
        match extents.last_mut() {
            Some(last) if last.end != base => {
                return Err(BatchError::Gap { expected: last.end, found: base });
            }
            Some(last) if last.epoch > epoch => {
                return Err(BatchError::EpochFell { before: last.epoch, found: epoch });
            }
            Some(last) if last.epoch == epoch => last.end = end,
            _ => extents.push(Extent { epoch, base, end }),
        }
    }
    Ok(extents)
}

/// Gives the batches of a buffer that was checked (by [`produced`]) consecutive offsets from `base` on, and the leader epoch, in place.
///
/// On an error the buffer is unchanged.
pub fn assign(bytes: &mut [u8], base: Offset, epoch: Epoch) -> Result<Extent, BatchError> {
    let mut end = base;
    let mut position = 0;
    while position < bytes.len() {
        let header = whole_header(&bytes[position..])?;
        let (from, last_offset_delta) = (end, header.last_offset_delta);
        let out_of_range = BatchError::OffsetRange { base: from, last_offset_delta };
        end = from.checked_add(i64::from(last_offset_delta) + 1).filter(|_| base >= 0).ok_or(out_of_range)?;
        position += header.size;
    }
    if position == 0 {
        return Err(BatchError::Empty);
    }
    if epoch < 0 {
        return Err(BatchError::EpochRange { found: epoch });
    }
    let (mut next, mut position) = (base, 0);
    while position < bytes.len() {
        let header = whole_header(&bytes[position..])?;
        bytes[position..position + 8].copy_from_slice(&next.to_be_bytes());
        bytes[position + EPOCH_AT..position + EPOCH_AT + 4].copy_from_slice(&epoch.to_be_bytes());
        next += i64::from(header.last_offset_delta) + 1;
        position += header.size;
    }
    Ok(Extent { epoch, base, end })
}

/// Gives all records of checked batches one timestamp, in milliseconds since 1970: that at which they are appended. Their bytes stay as they are;
/// attributes, largest timestamp and checksum of the batches change, in place.
pub fn stamp(bytes: &mut [u8], timestamp: i64) {
    let mut position = 0;
    while let Ok(header) = whole_header(&bytes[position..]) {
        let batch = &mut bytes[position..position + header.size];
        let attributes = header.attributes | LOG_APPEND_TIME;
        batch[CRC_FROM..CRC_FROM + 2].copy_from_slice(&attributes.to_be_bytes());
        batch[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&timestamp.to_be_bytes());
        seal(batch);
        position += header.size;
    }
}

fn whole_header(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(bytes)?;
    if header.size > bytes.len() {
        return Err(BatchError::Truncated { needed: header.size, found: bytes.len() });
    }
    Ok(header)
}

/// Writes the checksum that fits into the one batch that `bytes` are; for whoever made or changed a batch. Too few bytes are left alone.
pub fn seal(bytes: &mut [u8]) {
    if bytes.len() >= HEADER_SIZE {
        let checksum = crc32c(&bytes[CRC_FROM..]);
        bytes[CRC_AT..CRC_FROM].copy_from_slice(&checksum.to_be_bytes());
    }
}
