//! What the coordinator reads of a consumer's subscription: the topics. All versions begin alike.

use alloc::string::String;
use alloc::vec::Vec;

use super::record::{DecodeError, Reader};

/// The topics of a `ConsumerProtocolSubscription` of any version.
pub(super) fn topics(bytes: &[u8]) -> Result<Vec<String>, DecodeError> {
    let mut reader = Reader::new(bytes);
    reader.i16("a subscription's version")?;
    let count = reader.count(2, "a subscription's topics")?;
    (0..count).map(|_| reader.string("a topic's name")).collect()
}
