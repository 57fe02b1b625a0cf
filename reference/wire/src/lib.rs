//! Kafka's wire protocol: messages in all their versions, headers, frames, error codes.
//!
//! A message is declared once, in the notation of Kafka's schemas ([`schema`](crate::message!)), and stands in bytes at each of its versions.
//! A [`frame`] is a length and so many bytes: a header and a message. Record batches are byte strings here; what is in them is
//! `highwater_core::batch`'s.
//!
//! # Why not a library
//! `kafka-protocol` reserves memory by counts as they come: a request of twenty bytes can ask for hundreds of gigabytes, which ends the process. So
//! it serves in the tests, as an oracle: what is written here, in every version of every message, reads and writes there to
//! the same bytes.
//!
//! # Invariants
//! - A decoder takes any bytes: no panic, no loop beyond their number. What it reserves is bounded by their number and by
//!   [`codec::STRUCTURE_MAX`].
//! - Strings and byte strings are not copied out of the frame that they came in, and long ones not into the frame that they go out in.
//! - A null where a version must have a value, an overlong string, an unknown version: errors, in writing as in reading.
//!
//! # Where it differs from Kafka
//! - A field that a version does not have is left out without complaint, whatever its value. (Kafka complains where its schema does not say
//!   `ignorable`.)
//! - Tagged fields that are not known are passed over and not kept.
//! - The same tag twice is not refused: the last counts.

pub mod api;
pub mod codec;
mod error_code;
pub mod frame;
pub mod header;
mod message;
pub mod messages;
mod schema;
#[cfg(test)]
mod tests;

pub use api::{Api, Request};
pub use bytestring::ByteString as Str;
pub use codec::{DecodeError, EncodeError};
pub use error_code::ErrorCode;
pub use highwater_core::Uuid;
pub use message::Message;

/// What declared messages need to see.
mod prelude {
    pub(crate) use super::codec::{DecodeError, Form, Input, Output, Wire};
    pub(crate) use super::message::Message;
    #[cfg(test)]
    pub(crate) use super::tests::Sample;
    pub(crate) use super::{Str, Uuid};
    pub(crate) use bytes::Bytes;
    #[cfg(test)]
    pub(crate) use highwater_core::Dice;
}
