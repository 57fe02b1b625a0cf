//! The records of a batch that is not compressed.

use super::RecordError;
use super::header::{BatchHeader, TimestampType};
use super::wire::Reader;
use crate::Offset;

/// The least that a record takes: length, attributes, two deltas, key and value lengths, header count, a byte each.
pub(super) const RECORD_SIZE_MIN: usize = 7;

/// The least that a header takes: two lengths.
const HEADER_SIZE_MIN: usize = 2;

/// A record in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: Offset,
    /// When it was made, or appended, in milliseconds since 1970; -1 for unknown.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; none marks a deletion.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers<'a>,
}

/// A header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name, which need not be the only one of its kind.
    pub key: &'a str,
    /// Its value.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headers<'a> {
    count: usize,
    bytes: &'a [u8],
}

/// The records of a batch, each checked as it is come to. Ends after the first that is not sound.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    reader: Reader<'a>,
    left: i32,
    next_delta: i32,
    dense: bool,
    last_offset_delta: i32,
    base_offset: Offset,
    base_timestamp: i64,
    append_time: Option<i64>,
}

impl<'a> Records<'a> {
    pub(crate) fn new(header: &BatchHeader, payload: &'a [u8]) -> Self {
        let by_log = header.timestamp_type() == TimestampType::LogAppendTime;
        Self {
            reader: Reader::new(payload),
            left: header.count,
            next_delta: 0,
            dense: header.is_dense(),
            last_offset_delta: header.last_offset_delta,
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            append_time: by_log.then_some(header.max_timestamp),
        }
    }

    fn read(&mut self) -> Result<Record<'a>, RecordError> {
        let length = self.reader.varint().ok_or(RecordError::Truncated)?;
        let length = usize::try_from(length).map_err(|_| RecordError::Length)?;
        let mut fields = Reader::new(self.reader.take(length).ok_or(RecordError::Truncated)?);
        fields.u8().ok_or(RecordError::Length)?;
        let timestamp_delta = fields.varlong().ok_or(RecordError::Length)?;
        let delta = fields.varint().ok_or(RecordError::Length)?;
        let in_order = if self.dense { delta == self.next_delta } else { delta >= self.next_delta };
        if !in_order || delta > self.last_offset_delta {
            return Err(RecordError::OffsetDelta { found: delta });
        }
        self.next_delta = delta.saturating_add(1);
        let key = nullable_bytes(&mut fields)?;
        let value = nullable_bytes(&mut fields)?;
        let headers = Headers::parse(&mut fields)?;
        if fields.remaining() > 0 {
            return Err(RecordError::Length);
        }
        Ok(Record {
            offset: self.base_offset + i64::from(delta),
            timestamp: self.append_time.unwrap_or(self.base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            headers,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let bytes = self.reader.remaining();
            self.reader = Reader::new(&[]);
            return (bytes > 0).then_some(Err(RecordError::Leftover { bytes }));
        }
        let record = self.read();
        self.left -= 1;
        if record.is_err() {
            self.left = 0;
            self.reader = Reader::new(&[]);
        }
        Some(record)
    }
}

impl<'a> Headers<'a> {
    fn parse(fields: &mut Reader<'a>) -> Result<Self, RecordError> {
        let count = fields.varint().ok_or(RecordError::Length)?;
        let count = usize::try_from(count).map_err(|_| RecordError::Headers)?;
        if count > fields.remaining() / HEADER_SIZE_MIN {
            return Err(RecordError::Headers);
        }
        let bytes = fields.clone().take(fields.remaining()).unwrap_or_default();
        for _ in 0..count {
            Header::parse(fields)?;
        }
        Ok(Self { count, bytes: &bytes[..bytes.len() - fields.remaining()] })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The headers, in order.
    pub fn iter(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        (0..self.count).map_while(move |_| Header::parse(&mut reader).ok())
    }
}

impl<'a> Header<'a> {
    fn parse(reader: &mut Reader<'a>) -> Result<Self, RecordError> {
        let length = reader.varint().ok_or(RecordError::Headers)?;
        let length = usize::try_from(length).map_err(|_| RecordError::Headers)?;
        let key = reader.take(length).ok_or(RecordError::Headers)?;
        let key = core::str::from_utf8(key).map_err(|_| RecordError::Headers)?;
        Ok(Self { key, value: nullable_bytes(reader)? })
    }
}

/// Bytes with their length before; a negative length is none.
fn nullable_bytes<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, RecordError> {
    let length = reader.varint().ok_or(RecordError::Length)?;
    match usize::try_from(length) {
        Ok(length) => reader.take(length).ok_or(RecordError::Length).map(Some),
        Err(_) => Ok(None),
    }
}
