//! Kafka's record batch, version 2: checked views over bytes, a builder, and the control records of KRaft.
//!
//! A log, a produce request, a fetch response and a snapshot all are the same bytes: batches, one after the other. They are
//! looked at in place and never taken apart, so that what a producer sent is what a consumer gets.
//!
//! ```text
//!  0 base offset i64 | 8 length i32 | 12 leader epoch i32 | 16 magic i8 | 17 CRC-32C u32 | 21 attributes i16
//! 23 last offset delta i32 | 27 base timestamp i64 | 35 max timestamp i64 | 43 producer id i64
//! 51 producer epoch i16 | 53 base sequence i32 | 57 count i32 | 61 records
//! ```
//! All big-endian. The length counts from the leader epoch on, the checksum from the attributes on: so whoever appends can assign
//! base offset and leader epoch in place ([`assign`]) and never computes a checksum.
//!
//! # What is checked, and when
//! | by | checks |
//! |---|---|
//! | [`BatchHeader::parse`] | magic, length, offsets, codec, count against last offset delta and against the length |
//! | [`RecordBatch::parse`] | the header, that the whole batch is there, the checksum |
//! | [`RecordBatch::records`] | each record: lengths, offset deltas that grow, counts of headers; nothing is left over |
//! | [`produced`] | of a produce request: batches are whole, dense, no control batches; records, where not compressed |
//! | [`extents`] | of fetched bytes and of a log: whole batches, offsets without gap, leader epochs that never fall |
//!
//! Nothing is allocated by a count or a length that was read. Where a buffer ends in the midst of a batch (a fetch cut by its byte
//! limit, the torn tail of a file) the last item of [`Batches`] is [`BatchError::Truncated`], which no other fault gives;
//! [`whole`] is the part before.
//!
//! # Invariants
//! - A `RecordBatch` was checked: every accessor is total.
//! - Magic 0 and 1 (message sets from before Kafka 0.11) are refused by name.
//! - A batch's end never overflows an offset.
//!
//! # Sources
//! KIP-98 (format v2), KIP-595 (LeaderChange), KIP-630 (snapshot header and footer), KIP-853 (KRaft version and voters).
//!
//! # Not implemented
//! Decompression: compressed batches are carried, and their checksum is checked, but their records cannot be iterated. Rewriting for
//! log append time. Compaction (and with it the delete horizon); batches that it thinned out are read, though.

mod builder;
mod control;
mod crc;
mod error;
mod header;
mod record;
#[cfg(test)]
mod tests;
mod view;
pub(crate) mod wire;

pub use builder::BatchBuilder;
pub use control::{ControlRecord, ControlRecordError, Voter, VoterEndpoint, control_batch};
pub use crc::crc32c;
pub use error::{BatchError, RecordError};
pub use header::{BatchHeader, Codec, HEADER_SIZE, SIZE_FIELD_END, TimestampType};
pub use record::{Header, Headers, Record, Records};
pub use view::{Batches, RecordBatch, assign, batches, extents, produced, seal, stamp, whole};
