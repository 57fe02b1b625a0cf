//! Kafka's flexible encoding (KIP-482): the types of which metadata records are made.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::controller::Endpoint;
use crate::{NodeId, Uuid};

/// Why bytes are not a metadata record that is known here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DecodeError {
    /// They end in the middle of something.
    Truncated {
        /// In the middle of what.
        what: &'static str,
        /// How many bytes that needs, at least.
        needed: u64,
        /// How many there are.
        left: usize,
    },
    /// There are bytes after the record.
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A variable-length number does not fit 32 bits.
    Varint,
    /// The frame is of another version than 1.
    FrameVersion {
        /// Which.
        found: u32,
    },
    /// The record is of a type that is not known here.
    UnknownRecord {
        /// Its number in Kafka's schemas.
        api_key: u32,
        /// Its version.
        version: u32,
    },
    /// The record is of a version that is not known here.
    UnknownVersion {
        /// Its type's name.
        record: &'static str,
        /// Its version.
        version: u32,
        /// The highest that is known.
        highest: u16,
    },
    /// What must not be null is.
    Null {
        /// What.
        what: &'static str,
    },
    /// A string is not UTF-8.
    Utf8,
    /// Tagged fields are not in strictly ascending order.
    TagOrder {
        /// The tag that is out of order.
        tag: u32,
    },
    /// A tagged field is not as long as it says.
    TagLength {
        /// Its tag.
        tag: u32,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { what, needed, left } => {
                write!(f, "the record ends inside {what}: it needs {needed} bytes, {left} are left")
            }
            Self::Trailing { bytes } => write!(f, "{bytes} bytes follow the record"),
            Self::Varint => write!(f, "a variable-length number does not fit 32 bits"),
            Self::FrameVersion { found } => write!(f, "metadata frame version {found}, expected 1"),
            Self::UnknownRecord { api_key, version } => {
                write!(f, "metadata record type {api_key} (version {version}) is not known here")
            }
            Self::UnknownVersion { record, version, highest } => {
                write!(f, "{record} version {version} is not known here, only 0 to {highest}")
            }
            Self::Null { what } => write!(f, "{what} is null"),
            Self::Utf8 => write!(f, "a string is not UTF-8"),
            Self::TagOrder { tag } => write!(f, "tagged field {tag} is out of order"),
            Self::TagLength { tag } => write!(f, "tagged field {tag} is not as long as it says"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Bytes that are read from the front, and never beyond their end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let Some((head, tail)) = self.bytes.split_at_checked(count) else {
            return Err(DecodeError::Truncated { what, needed: count as u64, left: self.left() });
        };
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N, what)?);
        Ok(array)
    }

    pub(super) fn varint(&mut self) -> Result<u32, DecodeError> {
        let mut value: u64 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array("a variable-length number")?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| DecodeError::Varint);
            }
        }
        Err(DecodeError::Varint)
    }

    /// A compact length: `None` for null.
    fn length(&mut self, smallest: usize, what: &'static str) -> Result<Option<usize>, DecodeError> {
        let Some(count) = self.varint()?.checked_sub(1) else { return Ok(None) };
        let needed = u64::from(count) * smallest as u64;
        if needed > self.left() as u64 {
            return Err(DecodeError::Truncated { what, needed, left: self.left() });
        }
        Ok(Some(count as usize))
    }
}

pub(super) fn put_varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A compact length, one more than it is.
fn put_length(length: usize, out: &mut Vec<u8>) {
    put_varint(u32::try_from(length).unwrap_or(u32::MAX - 1).saturating_add(1), out);
}

/// A type of Kafka's schemas.
pub(super) trait Wire: Sized {
    /// The number of bytes that the shortest value takes: what bounds the count of an array before anything is allocated.
    const SHORTEST: usize;

    /// What stands for a field in versions that do not have it; nothing, for types of fields that all versions have.
    const ABSENT: Option<Self> = None;

    fn put(&self, out: &mut Vec<u8>);
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Reads the field if it is there.
    fn read_if(present: bool, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match Self::ABSENT {
            Some(absent) if !present => Ok(absent),
            _ => Self::read(reader),
        }
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Wire for $integer {
            const SHORTEST: usize = size_of::<$integer>();

            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self::from_be_bytes(reader.array("an integer")?))
            }
        }
    )*};
}

integers!(i8, i16, u16, i32, i64, u128);

impl Wire for bool {
    const SHORTEST: usize = 1;
    const ABSENT: Option<Self> = Some(false);

    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(reader.array::<1>("a boolean")? != [0])
    }
}

impl Wire for NodeId {
    const SHORTEST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        i32::read(reader).map(NodeId)
    }
}

impl Wire for Uuid {
    const SHORTEST: usize = 16;

    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        u128::read(reader).map(Uuid)
    }
}

impl Wire for String {
    const SHORTEST: usize = 1;

    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Option::read(reader)?.ok_or(DecodeError::Null { what: "a string" })
    }
}

impl Wire for Option<String> {
    const SHORTEST: usize = 1;

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Some(text) => text.put(out),
            None => put_varint(0, out),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let Some(length) = reader.length(1, "a string")? else { return Ok(None) };
        let text = core::str::from_utf8(reader.bytes(length, "a string")?).map_err(|_| DecodeError::Utf8)?;
        Ok(Some(text.into()))
    }
}

impl<T: Wire> Wire for Vec<T> {
    const SHORTEST: usize = 1;
    const ABSENT: Option<Self> = Some(Vec::new());

    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        self.iter().for_each(|item| item.put(out));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Option::read(reader)?.ok_or(DecodeError::Null { what: "an array" })
    }
}

impl<T: Wire> Wire for Option<Vec<T>> {
    const SHORTEST: usize = 1;

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Some(items) => items.put(out),
            None => put_varint(0, out),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let Some(count) = reader.length(T::SHORTEST, "an array")? else { return Ok(None) };
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(T::read(reader)?);
        }
        Ok(Some(items))
    }
}

impl Wire for Endpoint {
    const SHORTEST: usize = 7;

    fn put(&self, out: &mut Vec<u8>) {
        self.name.put(out);
        self.host.put(out);
        self.port.put(out);
        self.security_protocol.put(out);
        put_varint(0, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let endpoint = Self {
            name: String::read(reader)?,
            host: String::read(reader)?,
            port: u16::read(reader)?,
            security_protocol: i16::read(reader)?,
        };
        tagged(reader, |_, _| Ok(false))?;
        Ok(endpoint)
    }
}

/// Reads tagged fields. `known` takes the value of a tag, or says that it does not know it; unknown ones are passed over, as
/// KIP-482 wants it.
pub(super) fn tagged(
    reader: &mut Reader<'_>,
    mut known: impl FnMut(u32, &mut Reader<'_>) -> Result<bool, DecodeError>,
) -> Result<(), DecodeError> {
    let count = reader.varint()?;
    let mut last = None;
    for _ in 0..count {
        let tag = reader.varint()?;
        if last.is_some_and(|last| last >= tag) {
            return Err(DecodeError::TagOrder { tag });
        }
        last = Some(tag);
        let length = reader.varint()? as usize;
        let mut value = Reader::new(reader.bytes(length, "a tagged field")?);
        if known(tag, &mut value)? && value.left() > 0 {
            return Err(DecodeError::TagLength { tag });
        }
    }
    Ok(())
}
