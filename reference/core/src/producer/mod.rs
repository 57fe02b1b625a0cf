//! Producer state: what a replica remembers of the idempotent producers of its partition.
//!
//! A producer that wants no duplicates asks for a **producer id** and an **epoch**, and numbers its records: each batch names id, epoch
//! and the **sequence** of its first record. The leader takes a batch only if its sequence follows the last one. So a batch that is sent
//! again, because its answer was lost, is known by its number and answered as the first time; and one that comes where another is
//! missing is refused. A newer epoch of the same id ends the older one: who still writes with that is fenced.
//!
//! Every replica keeps this state, from the headers of what is appended to its log. So it is there when the leader fails, and a batch that is
//! sent again to the next leader is recognised there.
//!
//! # What a leader says to a batch ([`Producers::check`])
//! | batch | answer |
//! |---|---|
//! | has no producer id | appended |
//! | has one, and no sequence; or is not alone in its request | `InvalidRecord` |
//! | same epoch, and first and last sequence of one of the last five | [`Verdict::Duplicate`]: nothing is appended, the original is the answer |
//! | is part of a transaction, or its producer has one open | `InvalidTxnState` |
//! | epoch below the known one | `InvalidProducerEpoch` |
//! | producer is not known | appended, whatever its sequence |
//! | epoch above the known one | appended if the sequence is 0, else `OutOfOrderSequence` |
//! | same epoch | appended if the sequence follows the last one, else `OutOfOrderSequence` |
//!
//! Sequences are counted for each partition alone, and wrap from 2^31 - 1 to 0 ([`sequence_after`]).
//!
//! That an unknown producer may begin anywhere is Kafka's answer since KIP-360 to retention: where all of a producer's records were
//! deleted, nobody knows its sequence any more, and it must be able to go on. It trusts in order on the way: as long as a producer has a batch
//! under way that nobody has answered, it may send others only over the same connection, behind it.
//!
//! # Where the state comes from
//! It is the sum of a [`Snapshot`] and of the batches behind it: [`Producers::append`] takes the bytes that were appended, on a leader
//! as on a follower, and does not judge them; the leader did. When the log is cut, the state is made anew from the newest snapshot at or
//! below the new end, and the log from there on. When records are deleted at the log's start, the state is kept. A snapshot that
//! is older than the log's start is of no use: batches behind it are gone, and a sequence that is too low would
//! refuse those that follow.
//!
//! # Invariants
//! - As long as its producer is known in its epoch, a batch is appended once, however often and late it comes.
//! - The sequences of a producer's epoch in a log follow one another without a gap from the first that is known on.
//! - [`Producers::end`] is the end of the log that the state was made of.
//! - What a leader accepted, every replica that appends it takes: [`Producers::append`] cannot fail.
//!
//! # Time
//! [`Producers::expire`] forgets who has been silent for long (`producer.id.expiration.ms`, 1 day), by the timestamps of its batches, as
//! in Kafka. Without it the state only grows.
//!
//! # Sources
//! KIP-98 (idempotence, the snapshot), KIP-360 (unknown producers), KIP-447 and 890 where they touch epochs; Kafka's `ProducerStateManager`,
//! `ProducerAppendInfo` and `ProducerStateEntry` as published, version 4.3.
//!
//! # Where it differs from Kafka
//! - A snapshot at the log's start is used; Kafka deletes it when it starts.
//! - A snapshot in which a producer stands twice, or a number is impossible, is refused like one with a wrong checksum; Kafka takes it.
//! - A control batch whose record is no end of a transaction is passed over; Kafka stops.
//! - No answer is `UnknownProducerId` (59): Kafka has given none since version 2.5, but still knows the number.
//!
//! # What is not implemented
//! - Transactions: [`Producers::check`] refuses every batch of one. In logs that Kafka wrote they are followed, so that epochs and sequences
//!   behind them are right: where a transaction is open, which coordinator ended the last. The last stable offset, the index of aborted
//!   transactions and their verification (KIP-890) are not there.
//! - A bound on the number of producers of a partition. Each costs a record in the log, and is forgotten a day later.

mod check;
mod snapshot;
mod state;

pub use check::{ProducerError, Verdict};
pub use snapshot::{SNAPSHOT_VERSION, Snapshot, SnapshotError};
pub use state::{Appended, BATCHES_MAX, NO_SEQUENCE, Producer, Producers, sequence_after};
