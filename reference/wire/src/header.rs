//! What comes before a message in its frame.

use std::fmt;

use bytes::Bytes;

use crate::api::{Api, Request};
use crate::codec::{DecodeError, Form, Input, Output, Wire};
use crate::{Message, Str};

/// The client's part of a header is never flexible, whatever the rest is.
const PLAIN: Form = Form { version: 0, flexible: false, nullable: true };

/// The header of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which API.
    pub api: Api,
    /// Which version of it.
    pub version: i16,
    /// Comes back with the answer.
    pub correlation: i32,
    /// What the client calls itself.
    pub client: Option<Str>,
}

/// Why bytes do not begin with the header of a request that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// They are no header.
    Malformed(DecodeError),
    /// No such API here. What follows cannot be read.
    UnknownApi {
        /// Its number.
        key: i16,
        /// Its version.
        version: i16,
    },
    /// No such version of the API here. What follows cannot be read.
    UnknownVersion {
        /// The API.
        api: Api,
        /// The version.
        version: i16,
        /// Comes back with the answer: a client may ask for a version of ApiVersions that is too new, and wants to hear so (KIP-511).
        correlation: i32,
    },
}

impl From<DecodeError> for HeaderError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "the header of a request is malformed: it {error}"),
            Self::UnknownApi { key, version } => {
                write!(f, "no API has the number {key} (asked for in version {version})")
            }
            Self::UnknownVersion { api, version, .. } => {
                let known = api.versions();
                write!(
                    f,
                    "{} has no version {version} here, only {} to {}",
                    api.name(),
                    known.start(),
                    known.end()
                )
            }
        }
    }
}

impl std::error::Error for HeaderError {}

impl RequestHeader {
    /// The header that a frame (without its length) begins with, and what follows it.
    ///
    /// # Errors
    /// If there is none, or no message of this number and version is known.
    pub fn decode(frame: Bytes) -> Result<(Self, Bytes), HeaderError> {
        let mut input = Input::new(frame);
        let key = i16::take(PLAIN, &mut input)?;
        let version = i16::take(PLAIN, &mut input)?;
        let correlation = i32::take(PLAIN, &mut input)?;
        let Some(api) = Api::of_key(key) else { return Err(HeaderError::UnknownApi { key, version }) };
        if !api.versions().contains(&version) {
            return Err(HeaderError::UnknownVersion { api, version, correlation });
        }
        let client = Wire::take(PLAIN, &mut input)?;
        if version >= api.flexible_since() {
            input.tagged(|_, _| Ok(false))?;
        }
        Ok((Self { api, version, correlation, client }, input.rest()))
    }

    /// Writes it.
    pub fn encode(&self, out: &mut Output) {
        self.api.key().put(PLAIN, out);
        self.version.put(PLAIN, out);
        self.correlation.put(PLAIN, out);
        self.client.put(PLAIN, out);
        if self.version >= self.api.flexible_since() {
            out.put_varint(0);
        }
    }
}

/// Whether the header of a response has tagged fields. That of ApiVersions never has: who asks may not know yet what the other speaks
/// (KIP-511).
fn is_flexible_response<R: Request>(version: i16) -> bool {
    R::API != Api::ApiVersions && R::is_flexible(version)
}

/// Writes the header of the response to an `R` of this version.
pub fn encode_response_header<R: Request>(version: i16, correlation: i32, out: &mut Output) {
    correlation.put(PLAIN, out);
    if is_flexible_response::<R>(version) {
        out.put_varint(0);
    }
}

/// The correlation that a response's frame (without its length) begins with.
///
/// # Errors
/// If it is too short.
pub fn correlation_of(frame: &Bytes) -> Result<i32, DecodeError> {
    i32::take(PLAIN, &mut Input::new(frame.clone()))
}

/// The response to an `R` of this version that a frame (without its length) holds.
///
/// # Errors
/// If it holds something else.
pub fn decode_response<R: Request>(version: i16, frame: Bytes) -> Result<R::Response, DecodeError> {
    let mut input = Input::new(frame);
    i32::take(PLAIN, &mut input)?;
    if is_flexible_response::<R>(version) {
        input.tagged(|_, _| Ok(false))?;
    }
    R::Response::decode(version, input.rest())
}
