//! What a log's owner shares with other threads: its bounds, its records, and requests that wait for it.
//!
//! A log has one owner, who appends, truncates and rolls. Others may
//! - see how far it goes: [`Published`], two numbers and no lock;
//! - read it: [`LogReader`], which finds a batch under a lock and reads its bytes without;
//! - wait until it goes further: [`Delayed`].
//!
//! # Invariants
//! - A reader never sees a high watermark above the end, nor one that falls.
//! - A reader never gets bytes that were not all in the log at one moment: what was truncated while it read is an error.
//! - A reader's files stay readable while they are removed.
//! - A request that waits is answered once: not never, not twice.
//!
//! `tests/loom.rs` holds these in all orders of threads that loom finds.

mod delayed;
mod published;
mod reader;

pub use delayed::{Delayed, Registered};
pub use published::{Bounds, Published};
pub use reader::LogReader;
pub(crate) use reader::Shared;
