//! Frames: a length of four bytes, a header, a message.

use bytes::Bytes;

use crate::api::Request;
use crate::codec::{EncodeError, Output};
use crate::header::{RequestHeader, encode_response_header};
use crate::{Message, Str};

/// A frame to be sent, length and all, in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The pieces in order. None of them is empty.
    pub pieces: Vec<Bytes>,
}

impl Frame {
    /// Of a request.
    ///
    /// # Errors
    /// If it cannot be said in this version.
    pub fn request<R: Request>(
        request: &R,
        version: i16,
        correlation: i32,
        client: Option<Str>,
    ) -> Result<Self, EncodeError> {
        let mut out = Output::frame();
        RequestHeader { api: R::API, version, correlation, client }.encode(&mut out);
        request.encode(version, &mut out);
        Ok(Self { pieces: out.finish_frame()? })
    }

    /// Of the response to an `R`.
    ///
    /// # Errors
    /// If it cannot be said in this version.
    pub fn response<R: Request>(
        response: &R::Response,
        version: i16,
        correlation: i32,
    ) -> Result<Self, EncodeError> {
        let mut out = Output::frame();
        encode_response_header::<R>(version, correlation, &mut out);
        response.encode(version, &mut out);
        Ok(Self { pieces: out.finish_frame()? })
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Whether it has none, which no frame has.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// All of it in one piece.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}
