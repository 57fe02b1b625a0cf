//! Kafka's primitive types over a slice: big-endian integers, varints (zigzag and unsigned), compact arrays and strings.

use alloc::vec::Vec;

/// Reads from the front of bytes; `None` once they do not suffice, and no more allocated than is there.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|bytes| bytes[0])
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_be_bytes)
    }

    /// An unsigned varint of at most 32 bits.
    pub(crate) fn unsigned_varint(&mut self) -> Option<u32> {
        u32::try_from(self.unsigned(5)?).ok()
    }

    /// A zigzag varint of at most 32 bits.
    pub(crate) fn varint(&mut self) -> Option<i32> {
        let raw = self.unsigned_varint()?;
        Some(((raw >> 1) as i32) ^ -((raw & 1) as i32))
    }

    /// A zigzag varint of at most 64 bits.
    pub(crate) fn varlong(&mut self) -> Option<i64> {
        let raw = self.unsigned(10)?;
        Some(((raw >> 1) as i64) ^ -((raw & 1) as i64))
    }

    fn unsigned(&mut self, bytes_max: usize) -> Option<u64> {
        let mut value = 0_u64;
        for index in 0..bytes_max {
            let byte = *self.rest.get(index)?;
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                return None;
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return Some(value);
            }
        }
        None
    }

    /// The length of a compact array that is not null, every element of which takes at least `element_size_min` bytes.
    pub(crate) fn compact_length(&mut self, element_size_min: usize) -> Option<usize> {
        let length = usize::try_from(self.unsigned_varint()?.checked_sub(1)?).ok()?;
        (length.checked_mul(element_size_min)? <= self.remaining()).then_some(length)
    }

    pub(crate) fn compact_string(&mut self) -> Option<&'a str> {
        let length = self.compact_length(1)?;
        core::str::from_utf8(self.take(length)?).ok()
    }

    /// Tagged fields, which are skipped: a newer version may add some.
    pub(crate) fn skip_tagged_fields(&mut self) -> Option<()> {
        let count = self.unsigned_varint()?;
        for _ in 0..count {
            self.unsigned_varint()?;
            let size = usize::try_from(self.unsigned_varint()?).ok()?;
            self.take(size)?;
        }
        Some(())
    }
}

pub(crate) fn put_unsigned_varint(bytes: &mut Vec<u8>, value: u32) {
    put_unsigned(bytes, u64::from(value));
}

pub(crate) fn put_varint(bytes: &mut Vec<u8>, value: i32) {
    put_unsigned_varint(bytes, ((value << 1) ^ (value >> 31)) as u32);
}

pub(crate) fn put_varlong(bytes: &mut Vec<u8>, value: i64) {
    put_unsigned(bytes, ((value << 1) ^ (value >> 63)) as u64);
}

fn put_unsigned(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value as u8) | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// How many bytes a zigzag varint of this value takes.
pub(crate) fn varlong_size(value: i64) -> usize {
    let raw = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (raw | 1).leading_zeros() as usize).div_ceil(7)
}

pub(crate) fn put_compact_length(bytes: &mut Vec<u8>, length: usize) {
    put_unsigned_varint(bytes, u32::try_from(length).map_or(u32::MAX, |length| length.saturating_add(1)));
}

pub(crate) fn put_compact_string(bytes: &mut Vec<u8>, string: &str) {
    put_compact_length(bytes, string.len());
    bytes.extend_from_slice(string.as_bytes());
}
