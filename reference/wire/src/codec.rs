//! How values stand in bytes: what is read ([`Input`]), what is written ([`Output`]), and by which rules ([`Form`]).

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use highwater_core::Uuid;

/// How much memory the structures of one message may take besides the bytes that they share with their frame; 64 MiB.
///
/// Counts are compared with the bytes that are left before anything is reserved. But an entry may take one byte in a frame and hundreds
/// in memory, so that a frame of 100 MB could still ask for gigabytes.
pub const STRUCTURE_MAX: usize = 64 << 20;

/// A byte string from here on is not copied into the message but goes out as it is.
const SHARED_MIN: usize = 4 << 10;

/// By which rules a value is written at one place of one version of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// The version of the message.
    pub version: i16,
    /// Compact lengths and tagged fields (KIP-482).
    pub flexible: bool,
    /// Whether the value may be null here.
    pub nullable: bool,
}

/// Why bytes are not the message that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// They end within a value.
    Truncated {
        /// How many bytes the value wants.
        wanted: usize,
        /// How many there are.
        left: usize,
    },
    /// A count or length that is negative and does not stand for null, or null where there must be a value.
    Count {
        /// It.
        found: i64,
    },
    /// A variable-length number that does not end, or is too large.
    Varint,
    /// A string that is not UTF-8.
    NotUtf8,
    /// The structures take more memory than [`STRUCTURE_MAX`].
    TooMuch,
    /// Something comes after the end.
    Trailing {
        /// How many bytes.
        bytes: usize,
    },
    /// The message has no such version.
    Version {
        /// The version.
        found: i16,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { wanted, left } => {
                write!(f, "ends within a value: {wanted} bytes wanted, {left} left")
            }
            Self::Count { found } => write!(f, "a count or length of {found}"),
            Self::Varint => write!(f, "a variable-length number that does not end, or is too large"),
            Self::NotUtf8 => write!(f, "a string that is not UTF-8"),
            Self::TooMuch => write!(f, "its structures take more than {STRUCTURE_MAX} bytes"),
            Self::Trailing { bytes } => write!(f, "{bytes} bytes after its end"),
            Self::Version { found } => write!(f, "no such version: {found}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Why a message cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// A null, where this version has to have a value.
    Null,
    /// A string, byte string or array that is longer than its length field can say, or a message beyond 2 GiB.
    TooLong {
        /// How long it is.
        length: usize,
    },
    /// The message has no such version.
    Version {
        /// The version.
        asked: i16,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => write!(f, "a null that this version of the message cannot say"),
            Self::TooLong { length } => write!(f, "a length of {length}, which its field cannot say"),
            Self::Version { asked } => write!(f, "no such version: {asked}"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// Bytes that are read. Strings and byte strings share them.
#[derive(Debug)]
pub struct Input {
    bytes: Bytes,
    structure: usize,
}

impl Input {
    /// Reads these.
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes, structure: 0 }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// All that is left.
    pub fn rest(self) -> Bytes {
        self.bytes
    }

    fn want(&self, wanted: usize) -> Result<(), DecodeError> {
        let left = self.bytes.len();
        if wanted <= left { Ok(()) } else { Err(DecodeError::Truncated { wanted, left }) }
    }

    /// The next so many bytes.
    pub fn take(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        self.want(length)?;
        Ok(self.bytes.split_to(length))
    }

    /// An unsigned variable-length number of at most 32 bits.
    pub fn varint(&mut self) -> Result<u32, DecodeError> {
        let mut value: u32 = 0;
        for shift in [0, 7, 14, 21, 28] {
            self.want(1)?;
            let byte = self.bytes.get_u8();
            if shift == 28 && byte > 0x0f {
                return Err(DecodeError::Varint);
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Varint)
    }

    /// A length, `short` being how strings have it where the form is not flexible; `None` for null.
    fn length(&mut self, form: Form, short: bool) -> Result<Option<usize>, DecodeError> {
        let found = if form.flexible {
            i64::from(self.varint()?) - 1
        } else if short {
            i64::from(i16::take(form, self)?)
        } else {
            i64::from(i32::take(form, self)?)
        };
        match usize::try_from(found) {
            Ok(length) => Ok(Some(length)),
            Err(_) if found == -1 => Ok(None),
            Err(_) => Err(DecodeError::Count { found }),
        }
    }

    fn elements<T: Wire>(&mut self, form: Form, count: usize) -> Result<Vec<T>, DecodeError> {
        // No element is shorter than a byte.
        self.want(count)?;
        self.structure = self.structure.saturating_add(count.saturating_mul(size_of::<T>()));
        if self.structure > STRUCTURE_MAX {
            return Err(DecodeError::TooMuch);
        }
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(T::take(form, self)?);
        }
        Ok(elements)
    }

    /// The tagged fields at the end of a structure. `known` reads one, or says that it does not know it, whereupon it is passed over.
    pub fn tagged(
        &mut self,
        mut known: impl FnMut(u32, &mut Input) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.varint()?;
        for _ in 0..count {
            let tag = self.varint()?;
            let length = self.varint()? as usize;
            let mut value = Input { bytes: self.take(length)?, structure: self.structure };
            if known(tag, &mut value)? && value.left() > 0 {
                return Err(DecodeError::Trailing { bytes: value.left() });
            }
            self.structure = value.structure;
        }
        Ok(())
    }

    /// A structure that may be null.
    pub fn take_structure<T: Wire>(&mut self, form: Form) -> Result<Option<T>, DecodeError> {
        match i8::take(form, self)? {
            1 => T::take(form, self).map(Some),
            -1 if form.nullable => Ok(None),
            found => Err(DecodeError::Count { found: found.into() }),
        }
    }

    /// Nothing may be left.
    pub fn end(&self) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            bytes => Err(DecodeError::Trailing { bytes }),
        }
    }
}

/// Bytes that are written, in pieces: long byte strings are not copied.
#[derive(Debug, Default)]
pub struct Output {
    /// The first piece, as long as there are others: a frame's length is written into it at the end.
    head: Option<BytesMut>,
    pieces: Vec<Bytes>,
    written: usize,
    open: BytesMut,
    failed: Option<EncodeError>,
}

/// How many bytes the length before a frame takes.
const PREFIX: usize = 4;

impl Output {
    /// Begins a frame: room for its length comes first.
    pub fn frame() -> Self {
        let mut out = Self::default();
        out.put(&[0; PREFIX]);
        out
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.written + self.open.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Notes that the message cannot be written. The first reason stays.
    pub fn fail(&mut self, error: EncodeError) {
        self.failed.get_or_insert(error);
    }

    /// These bytes, as they are.
    pub fn put(&mut self, bytes: &[u8]) {
        self.open.put_slice(bytes);
    }

    /// These bytes, not copied if they are many.
    pub fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_MIN {
            return self.put(bytes);
        }
        let before = self.open.split();
        self.written += before.len() + bytes.len();
        match &self.head {
            None => self.head = Some(before),
            Some(_) if before.is_empty() => {}
            Some(_) => self.pieces.push(before.freeze()),
        }
        self.pieces.push(bytes.clone());
    }

    /// An unsigned variable-length number.
    pub fn put_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.open.put_u8((value as u8) | 0x80);
            value >>= 7;
        }
        self.open.put_u8(value as u8);
    }

    fn put_length(&mut self, form: Form, short: bool, length: Option<usize>) {
        if length.is_none() && !form.nullable {
            self.fail(EncodeError::Null);
        }
        let max = match (form.flexible, short) {
            (true, _) => u32::MAX as usize - 1,
            (false, true) => i16::MAX as usize,
            (false, false) => i32::MAX as usize,
        };
        if let Some(length) = length
            && length > max
        {
            self.fail(EncodeError::TooLong { length });
        }
        match (form.flexible, short) {
            (true, _) => self.put_varint(length.map_or(0, |length| length as u32 + 1)),
            (false, true) => self.open.put_i16(length.map_or(-1, |length| length as i16)),
            (false, false) => self.open.put_i32(length.map_or(-1, |length| length as i32)),
        }
    }

    fn put_elements<T: Wire>(&mut self, form: Form, elements: &[T]) {
        for element in elements {
            element.put(form, self);
        }
    }

    /// A structure that may be null.
    pub fn put_structure<T: Wire>(&mut self, form: Form, value: Option<&T>) {
        match value {
            Some(value) => {
                self.open.put_i8(1);
                value.put(form, self);
            }
            None => {
                if !form.nullable {
                    self.fail(EncodeError::Null);
                }
                self.open.put_i8(-1);
            }
        }
    }

    /// A tagged field.
    pub fn put_tagged<T: Wire>(&mut self, tag: u32, form: Form, value: &T) {
        let mut inner = Output::default();
        value.put(form, &mut inner);
        self.put_varint(tag);
        self.put_varint(u32::try_from(inner.len()).unwrap_or(u32::MAX));
        self.append(inner);
    }

    fn append(&mut self, inner: Output) {
        if let Some(error) = inner.failed {
            self.fail(error);
        }
        if let Some(head) = &inner.head {
            self.put(head);
        }
        for piece in &inner.pieces {
            self.put_shared(piece);
        }
        self.put(&inner.open);
    }

    /// The pieces of what was begun with [`Output::frame`], in order.
    ///
    /// # Errors
    /// If the message cannot be written.
    pub fn finish_frame(mut self) -> Result<Vec<Bytes>, EncodeError> {
        let length = self.len().saturating_sub(PREFIX);
        let prefix = i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?.to_be_bytes();
        if let Some(room) = self.head.as_mut().unwrap_or(&mut self.open).get_mut(..PREFIX) {
            room.copy_from_slice(&prefix);
        }
        self.finish()
    }

    /// The pieces, in order.
    ///
    /// # Errors
    /// If the message cannot be written.
    pub fn finish(self) -> Result<Vec<Bytes>, EncodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut pieces = Vec::with_capacity(self.pieces.len() + 2);
        pieces.extend(self.head.map(BytesMut::freeze));
        pieces.extend(self.pieces);
        if !self.open.is_empty() {
            pieces.push(self.open.freeze());
        }
        Ok(pieces)
    }
}

/// A value of the protocol.
pub trait Wire: Sized {
    /// Writes it.
    fn put(&self, form: Form, out: &mut Output);
    /// Reads it.
    fn take(form: Form, input: &mut Input) -> Result<Self, DecodeError>;
}

macro_rules! number {
    ($($kind:ty: $put:ident, $get:ident;)*) => {
        $(impl Wire for $kind {
            fn put(&self, _: Form, out: &mut Output) {
                out.open.$put(*self);
            }

            fn take(_: Form, input: &mut Input) -> Result<Self, DecodeError> {
                input.want(size_of::<$kind>())?;
                Ok(input.bytes.$get())
            }
        })*
    };
}

number! {
    i8: put_i8, get_i8;
    i16: put_i16, get_i16;
    u16: put_u16, get_u16;
    i32: put_i32, get_i32;
    u32: put_u32, get_u32;
    i64: put_i64, get_i64;
    f64: put_f64, get_f64;
}

impl Wire for bool {
    fn put(&self, form: Form, out: &mut Output) {
        i8::from(*self).put(form, out);
    }

    fn take(form: Form, input: &mut Input) -> Result<Self, DecodeError> {
        Ok(i8::take(form, input)? != 0)
    }
}

impl Wire for Uuid {
    fn put(&self, _: Form, out: &mut Output) {
        out.open.put_u128(self.0);
    }

    fn take(_: Form, input: &mut Input) -> Result<Self, DecodeError> {
        input.want(16)?;
        Ok(Uuid(input.bytes.get_u128()))
    }
}

/// What is preceded by its length, and may therefore be null.
trait Counted: Sized {
    const IS_SHORT: bool;
    fn count(&self) -> usize;
    fn put_content(&self, form: Form, out: &mut Output);
    fn take_content(form: Form, count: usize, input: &mut Input) -> Result<Self, DecodeError>;
}

impl Counted for ByteString {
    const IS_SHORT: bool = true;

    fn count(&self) -> usize {
        self.len()
    }

    fn put_content(&self, _: Form, out: &mut Output) {
        out.put(self.as_bytes());
    }

    fn take_content(_: Form, count: usize, input: &mut Input) -> Result<Self, DecodeError> {
        Self::try_from(input.take(count)?).map_err(|_| DecodeError::NotUtf8)
    }
}

impl Counted for Bytes {
    const IS_SHORT: bool = false;

    fn count(&self) -> usize {
        self.len()
    }

    fn put_content(&self, _: Form, out: &mut Output) {
        out.put_shared(self);
    }

    fn take_content(_: Form, count: usize, input: &mut Input) -> Result<Self, DecodeError> {
        input.take(count)
    }
}

impl<T: Wire> Counted for Vec<T> {
    const IS_SHORT: bool = false;

    fn count(&self) -> usize {
        self.len()
    }

    fn put_content(&self, form: Form, out: &mut Output) {
        out.put_elements(form, self);
    }

    fn take_content(form: Form, count: usize, input: &mut Input) -> Result<Self, DecodeError> {
        input.elements(form, count)
    }
}

/// Both for the value and for the value or null.
macro_rules! counted {
    ($([$($generic:tt)*] $kind:ty;)*) => {
        $(impl<$($generic)*> Wire for $kind {
            fn put(&self, form: Form, out: &mut Output) {
                out.put_length(form, <Self as Counted>::IS_SHORT, Some(self.count()));
                self.put_content(form, out);
            }

            fn take(form: Form, input: &mut Input) -> Result<Self, DecodeError> {
                let count = input.length(form, <Self as Counted>::IS_SHORT)?;
                Self::take_content(form, count.ok_or(DecodeError::Count { found: -1 })?, input)
            }
        }

        impl<$($generic)*> Wire for Option<$kind> {
            fn put(&self, form: Form, out: &mut Output) {
                match self {
                    Some(value) => value.put(form, out),
                    None => out.put_length(form, <$kind as Counted>::IS_SHORT, None),
                }
            }

            fn take(form: Form, input: &mut Input) -> Result<Self, DecodeError> {
                match input.length(form, <$kind as Counted>::IS_SHORT)? {
                    Some(count) => <$kind>::take_content(form, count, input).map(Some),
                    None if form.nullable => Ok(None),
                    None => Err(DecodeError::Count { found: -1 }),
                }
            }
        })*
    };
}

counted! {
    [] ByteString;
    [] Bytes;
    [T: Wire] Vec<T>;
}
