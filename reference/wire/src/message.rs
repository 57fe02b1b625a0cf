//! A message and its two ways of standing in bytes.

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::codec::{DecodeError, EncodeError, Form, Input, Output, Wire};

/// A request or a response.
pub trait Message: Wire + Default {
    /// Its name in Kafka's schemas.
    const NAME: &'static str;
    /// The number of its API.
    const KEY: i16;
    /// The versions of it that Kafka 4.3 has.
    const VERSIONS: RangeInclusive<i16>;
    /// The first version with compact lengths and tagged fields (KIP-482); [`i16::MAX`] if none has.
    const FLEXIBLE_SINCE: i16;

    /// Whether this version has compact lengths and tagged fields.
    fn is_flexible(version: i16) -> bool {
        version >= Self::FLEXIBLE_SINCE
    }

    /// Writes it after what `out` has already. Whether it can be written shows in [`Output::finish`].
    fn encode(&self, version: i16, out: &mut Output) {
        if !Self::VERSIONS.contains(&version) {
            out.fail(EncodeError::Version { asked: version });
        }
        self.put(form::<Self>(version), out);
    }

    /// The message that these bytes are, to the last.
    ///
    /// # Errors
    /// If they are not.
    fn decode(version: i16, bytes: Bytes) -> Result<Self, DecodeError> {
        if !Self::VERSIONS.contains(&version) {
            return Err(DecodeError::Version { found: version });
        }
        let mut input = Input::new(bytes);
        let message = Self::take(form::<Self>(version), &mut input)?;
        input.end()?;
        Ok(message)
    }
}

/// The form of a message at this version.
pub(crate) fn form<M: Message>(version: i16) -> Form {
    Form { version, flexible: M::is_flexible(version), nullable: false }
}
