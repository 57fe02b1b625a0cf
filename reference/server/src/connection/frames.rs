//! Frames as they come from a socket, and pieces as they go to one.

use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// How many bytes a frame's length takes.
const PREFIX: usize = 4;

/// How much room is made for reading at a time: a producer's batch of usual size with all around it, in one piece. What a frame's length claims is
/// not believed until its bytes come.
const READ_MIN: usize = 32 << 10;

/// The most room that is made at a time, for a frame of which much has come.
const READ_MAX: usize = 1 << 20;

/// Cuts a stream of bytes into frames.
///
/// - It holds no memory between frames.
#[derive(Debug)]
pub(crate) struct Incoming {
    bytes: BytesMut,
    max: usize,
}

/// A length that no frame may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadLength {
    found: i32,
    max: usize,
}

impl fmt::Display for BadLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a request of {} bytes, expected 0 to {} (socket.request.max.bytes)", self.found, self.max)
    }
}

impl Incoming {
    /// Takes frames of at most `max` bytes, without their length.
    pub(crate) fn new(max: usize) -> Self {
        Self { bytes: BytesMut::new(), max }
    }

    /// The next frame without its length, if it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, BadLength> {
        let Some(length) = self.length()? else { return Ok(None) };
        if self.bytes.len() < PREFIX + length {
            return Ok(None);
        }
        self.bytes.advance(PREFIX);
        let frame = self.bytes.split_to(length).freeze();
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
        Ok(Some(frame))
    }

    /// The length of the frame that has begun to come.
    fn length(&self) -> Result<Option<usize>, BadLength> {
        let Some(prefix) = self.bytes.first_chunk::<PREFIX>() else { return Ok(None) };
        let found = i32::from_be_bytes(*prefix);
        match usize::try_from(found) {
            Ok(length) if length <= self.max => Ok(Some(length)),
            _ => Err(BadLength { found, max: self.max }),
        }
    }

    /// Whether a frame has begun to come, and not ended.
    pub(crate) fn has_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Where the next bytes go. There is room for some.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        let wanted = match self.length() {
            // As much again as has come, so that a large frame is not moved about often, and a claimed one costs little.
            Ok(Some(length)) => {
                let left = (PREFIX + length).saturating_sub(self.bytes.len());
                left.min(self.bytes.len().clamp(READ_MIN, READ_MAX)).max(1)
            }
            _ => READ_MIN,
        };
        self.bytes.reserve(wanted);
        &mut self.bytes
    }

    /// Lets go of room that nothing came into.
    pub(crate) fn let_go(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }
}

/// Pieces that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Bytes>,
    length: usize,
}

impl Outgoing {
    /// Puts pieces behind all others.
    pub(crate) fn push(&mut self, pieces: Vec<Bytes>) {
        self.length += pieces.iter().map(Bytes::len).sum::<usize>();
        self.pieces.extend(pieces);
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut count: usize) {
        self.length -= count;
        while count > 0 {
            let Some(piece) = self.pieces.front_mut() else { return };
            if piece.len() > count {
                piece.advance(count);
                return;
            }
            count -= piece.len();
            self.pieces.pop_front();
        }
        if self.pieces.is_empty() {
            self.pieces = VecDeque::new();
        }
    }
}
