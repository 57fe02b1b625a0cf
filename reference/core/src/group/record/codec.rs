//! The primitive types of Kafka's schemas, in their plain and their flexible form.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::group::Blob;

/// Why the bytes are no record of `__consumer_offsets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecodeError {
    /// The bytes end too early, or a length or a count is more than there can be.
    Truncated {
        /// What should have been there.
        what: &'static str,
    },
    /// There are bytes behind.
    Trailing {
        /// Behind what.
        what: &'static str,
        /// How many.
        bytes: usize,
    },
    /// What must not be null is.
    Null {
        /// What.
        what: &'static str,
    },
    /// A string is not UTF-8.
    Utf8 {
        /// Which.
        what: &'static str,
    },
    /// The value is of a version that is not known here.
    UnknownVersion {
        /// Of what type.
        what: &'static str,
        /// Which.
        version: i16,
        /// The highest that is known.
        highest: i16,
    },
    /// The record has no key.
    NoKey,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { what } => write!(f, "the bytes end inside {what}"),
            Self::Trailing { what, bytes } => write!(f, "{bytes} bytes follow {what}"),
            Self::Null { what } => write!(f, "{what} is null"),
            Self::Utf8 { what } => write!(f, "{what} is not UTF-8"),
            Self::UnknownVersion { what, version, highest } => {
                write!(f, "{what} version {version} is not known here, only 0 to {highest}")
            }
            Self::NoKey => write!(f, "the record has no key"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Reads from the front of bytes. Nothing is allocated by a count or a length that was not checked.
#[derive(Debug, Clone, Copy)]
pub(in crate::group) struct Reader<'a> {
    bytes: &'a [u8],
    /// Lengths are variable-length numbers, one more than they are, and structures end in tagged fields.
    flexible: bool,
}

impl<'a> Reader<'a> {
    pub(in crate::group) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, flexible: false }
    }

    pub(in crate::group) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    pub(in crate::group) fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(in crate::group) fn take(
        &mut self,
        count: usize,
        what: &'static str,
    ) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(DecodeError::Truncated { what })?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or(DecodeError::Truncated { what })?;
        self.bytes = rest;
        Ok(*taken)
    }

    pub(in crate::group) fn i16(&mut self, what: &'static str) -> Result<i16, DecodeError> {
        self.array(what).map(i16::from_be_bytes)
    }

    pub(in crate::group) fn i32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        self.array(what).map(i32::from_be_bytes)
    }

    pub(in crate::group) fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        self.array(what).map(i64::from_be_bytes)
    }

    pub(in crate::group) fn u128(&mut self, what: &'static str) -> Result<u128, DecodeError> {
        self.array(what).map(u128::from_be_bytes)
    }

    fn varint(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        let mut value: u64 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array(what)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| DecodeError::Truncated { what });
            }
        }
        Err(DecodeError::Truncated { what })
    }

    /// A length of something each of whose elements takes at least `smallest` bytes; `None` for null.
    fn length(
        &mut self,
        wide: bool,
        smallest: usize,
        what: &'static str,
    ) -> Result<Option<usize>, DecodeError> {
        let length = if self.flexible {
            i64::from(self.varint(what)?) - 1
        } else if wide {
            self.i32(what)?.into()
        } else {
            self.i16(what)?.into()
        };
        let Ok(length) = usize::try_from(length) else {
            return if length == -1 { Ok(None) } else { Err(DecodeError::Truncated { what }) };
        };
        let fits = length.checked_mul(smallest).is_some_and(|needed| needed <= self.left());
        if fits { Ok(Some(length)) } else { Err(DecodeError::Truncated { what }) }
    }

    pub(in crate::group) fn nullable_string(
        &mut self,
        what: &'static str,
    ) -> Result<Option<String>, DecodeError> {
        let Some(length) = self.length(false, 1, what)? else { return Ok(None) };
        let text = core::str::from_utf8(self.take(length, what)?).map_err(|_| DecodeError::Utf8 { what })?;
        Ok(Some(text.into()))
    }

    pub(in crate::group) fn string(&mut self, what: &'static str) -> Result<String, DecodeError> {
        self.nullable_string(what)?.ok_or(DecodeError::Null { what })
    }

    pub(in crate::group) fn nullable_blob(
        &mut self,
        what: &'static str,
    ) -> Result<Option<Blob>, DecodeError> {
        let Some(length) = self.length(true, 1, what)? else { return Ok(None) };
        self.take(length, what).map(|bytes| Some(bytes.into()))
    }

    pub(in crate::group) fn blob(&mut self, what: &'static str) -> Result<Blob, DecodeError> {
        self.nullable_blob(what)?.ok_or(DecodeError::Null { what })
    }

    /// The count of an array whose elements take at least `smallest` bytes.
    pub(in crate::group) fn count(
        &mut self,
        smallest: usize,
        what: &'static str,
    ) -> Result<usize, DecodeError> {
        self.length(true, smallest, what)?.ok_or(DecodeError::Null { what })
    }

    /// Tagged fields, if there are any in this version. `known` is given each; what it does not know it leaves alone (KIP-482).
    pub(in crate::group) fn tagged(
        &mut self,
        mut known: impl FnMut(u32, &mut Reader<'a>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if self.flexible {
            let count = self.varint("tagged fields")?;
            for _ in 0..count {
                let tag = self.varint("tagged fields")?;
                let length = self.varint("tagged fields")? as usize;
                let bytes = self.take(length, "tagged fields")?;
                known(tag, &mut Reader { bytes, flexible: true })?;
            }
        }
        Ok(())
    }

    pub(in crate::group) fn end(self, what: &'static str) -> Result<(), DecodeError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Trailing { what, bytes: self.bytes.len() })
        }
    }
}

/// Writes what [`Reader`] reads.
#[derive(Debug, Default)]
pub(in crate::group) struct Writer {
    bytes: Vec<u8>,
    flexible: bool,
}

impl Writer {
    pub(in crate::group) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    pub(in crate::group) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(in crate::group) fn i16(&mut self, value: i16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(in crate::group) fn i32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(in crate::group) fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn length(&mut self, wide: bool, length: Option<usize>) {
        if self.flexible {
            let length = length.map_or(0, |length| length + 1);
            self.varint(u32::try_from(length).expect("nothing here is longer than 4 GiB"));
        } else if wide {
            let length = length.map_or(-1, |length| i32::try_from(length).expect("shorter than 2 GiB"));
            self.i32(length);
        } else {
            let length = length.map_or(-1, |length| {
                i16::try_from(length).expect("strings longer than 32,767 bytes are refused in requests")
            });
            self.i16(length);
        }
    }

    pub(in crate::group) fn nullable_string(&mut self, value: Option<&str>) {
        self.length(false, value.map(str::len));
        self.bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
    }

    pub(in crate::group) fn string(&mut self, value: &str) {
        self.nullable_string(Some(value));
    }

    pub(in crate::group) fn nullable_blob(&mut self, value: Option<&[u8]>) {
        self.length(true, value.map(<[u8]>::len));
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }

    pub(in crate::group) fn blob(&mut self, value: &[u8]) {
        self.nullable_blob(Some(value));
    }

    pub(in crate::group) fn count(&mut self, count: usize) {
        self.length(true, Some(count));
    }

    /// Tagged fields, ascending, if there are any in this version.
    pub(in crate::group) fn tagged(&mut self, fields: &[(u32, &[u8])]) {
        if self.flexible {
            self.varint(fields.len() as u32);
            for (tag, value) in fields {
                self.varint(*tag);
                self.varint(value.len() as u32);
                self.bytes.extend_from_slice(value);
            }
        }
    }
}
