//! Makes batches.

use alloc::vec::Vec;

use super::header::{CONTROL, HEADER_SIZE, MAGIC, MAGIC_AT, SIZE_FIELD_END};
use super::view::seal;
use super::wire::{put_varint, put_varlong, varlong_size};
use crate::{Epoch, NO_EPOCH, Offset};

/// A batch in the making, not compressed, with timestamps of creation.
///
/// A producer's batch has base offset 0 and no leader epoch: [`BatchBuilder::new`]`(0, NO_EPOCH)`.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    attributes: i16,
    producer: (i64, i16, i32),
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new(0, NO_EPOCH)
    }
}

impl BatchBuilder {
    /// A batch that begins at this offset, of this leader epoch.
    pub fn new(base: Offset, epoch: Epoch) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_SIZE + 64);
        bytes.resize(HEADER_SIZE, 0);
        bytes[..8].copy_from_slice(&base.to_be_bytes());
        bytes[SIZE_FIELD_END..MAGIC_AT].copy_from_slice(&epoch.to_be_bytes());
        bytes[MAGIC_AT] = MAGIC;
        Self { bytes, count: 0, base_timestamp: 0, max_timestamp: -1, attributes: 0, producer: (-1, -1, -1) }
    }

    /// Marks the records as control records.
    pub(super) fn control(mut self) -> Self {
        self.attributes |= CONTROL;
        self
    }

    /// Names the idempotent producer: its id, its epoch, the sequence number of the first record.
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> Self {
        self.producer = (id, epoch, base_sequence);
        self
    }

    /// Adds a record without headers. The timestamp is in milliseconds since 1970.
    pub fn record(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> &mut Self {
        self.record_with_headers(timestamp, key, value, &[])
    }

    /// Adds a record.
    pub fn record_with_headers(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> &mut Self {
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let header_bytes: usize = headers
            .iter()
            .map(|(key, value)| nullable_size(Some(key.as_bytes())) + nullable_size(*value))
            .sum();
        let size = 1
            + varlong_size(timestamp_delta)
            + varlong_size(i64::from(self.count))
            + nullable_size(key)
            + nullable_size(value)
            + varlong_size(headers.len() as i64)
            + header_bytes;
        let bytes = &mut self.bytes;
        put_varlong(bytes, size as i64);
        bytes.push(0);
        put_varlong(bytes, timestamp_delta);
        put_varint(bytes, self.count);
        put_nullable(bytes, key);
        put_nullable(bytes, value);
        put_varlong(bytes, headers.len() as i64);
        for (key, value) in headers {
            put_nullable(bytes, Some(key.as_bytes()));
            put_nullable(bytes, *value);
        }
        self.count += 1;
        self
    }

    /// How many records there are so far.
    pub fn count(&self) -> u32 {
        self.count.cast_unsigned()
    }

    /// How many bytes the batch takes so far.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The batch.
    ///
    /// # Panics
    /// If no record was added, or the batch takes more than 2 GiB, which the format has no room for.
    pub fn build(mut self) -> Vec<u8> {
        assert!(self.count > 0, "a batch has at least one record");
        let length = i32::try_from(self.bytes.len() - SIZE_FIELD_END).expect("a batch takes at most 2 GiB");
        let (producer_id, producer_epoch, base_sequence) = self.producer;
        let mut put = |at: usize, field: &[u8]| self.bytes[at..at + field.len()].copy_from_slice(field);
        put(8, &length.to_be_bytes());
        put(21, &self.attributes.to_be_bytes());
        put(23, &(self.count - 1).to_be_bytes());
        put(27, &self.base_timestamp.to_be_bytes());
        put(35, &self.max_timestamp.to_be_bytes());
        put(43, &producer_id.to_be_bytes());
        put(51, &producer_epoch.to_be_bytes());
        put(53, &base_sequence.to_be_bytes());
        put(57, &self.count.to_be_bytes());
        seal(&mut self.bytes);
        self.bytes
    }
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varlong_size(bytes.len() as i64) + bytes.len())
}

fn put_nullable(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(to, -1),
        Some(bytes) => {
            put_varlong(to, bytes.len() as i64);
            to.extend_from_slice(bytes);
        }
    }
}
