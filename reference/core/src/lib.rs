//! The deterministic cores of the reference: what decides, apart from all that carries out.
//!
//! A core is a value. **Inputs and the time go in; effects come out.** It never reads a clock, a file, a socket or a
//! random number: the crate is `no_std`, so that it cannot. Who drives it (the broker's runtime, a
//! simulated world, the checker) decides when messages arrive and timers run out, and carries the effects out in the order
//! in which they came.
//!
//! | core | decides | source |
//! |---|---|---|
//! | [`quorum`] | who leads the controllers, what of their log is committed | KIP-595, 630, 853, 996 |
//! | [`partition`] | one replica of a partition: leader or follower, high watermark, ISR | KIP-101, 279, 320, 497, 903, 966 |
//! | [`producer`] | which of the batches of an idempotent producer are new | KIP-98, 360 |
//! | [`controller`] | brokers, topics, leaders and ISRs, from committed metadata records | KIP-500, 631, 704, 841 |
//!
//! # The contract
//! 1. **Time is an argument** ([`Instant`]), never goes back, and means nothing but its differences.
//! 2. **Effects are carried out in order**, and each before the next: what must be durable before a message goes out
//!    stands before it. Only a flush is answered later, by an input of its own.
//! 3. **No core holds records.** A core knows of a log what [`LogView`] says: where it starts, ends, how far it is flushed,
//!    and which leader epoch begins where. Bytes stay with the driver, which appends, truncates and reads as told. So a core is
//!    small, is cheap to copy and to compare, and the very same code runs over files, over a simulated disk, and under the
//!    checker.
//! 4. **A core never fails.** What an input cannot do is an answer with Kafka's own error. What can never happen is an
//!    assertion.
//!
//! # Flaws
//! With the feature `flaws` each core's `Rules` can be changed, to break one rule at a time as some real system once did. Without
//! it they are constants, cost nothing, and cannot be changed.
#![no_std]

extern crate alloc;

pub mod batch;
pub mod controller;
mod log_view;
pub mod partition;
pub mod producer;
pub mod quorum;
mod rules;
mod types;

pub use log_view::{EpochCache, EpochEnd, EpochStart, Extent, LogView, OutOfOrder};
#[cfg(feature = "flaws")]
pub use rules::Flaw;
pub use types::{Dice, Epoch, Instant, NO_EPOCH, NodeId, Offset, Token, Uuid};
