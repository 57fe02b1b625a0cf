//! What is replicated.

use std::io::{self, Read, Write};

use highwater_core::{Epoch, Offset};

/// A state that changes by records alone, one after another, and by nothing else: no clock, no randomness, no order of a hash table. So all
/// that applied the same records are equal.
pub trait StateMachine: Send + Sized + 'static {
    /// What comes of a record, for whoever proposed it.
    type Answer: Send + 'static;

    /// Takes a committed record. Offsets grow, with gaps: the quorum has records of its own between.
    ///
    /// A record that makes no sense is an answer, not a panic: it is in the log, and all members come by it.
    fn apply(&mut self, offset: Offset, epoch: Epoch, record: &[u8]) -> Self::Answer;

    /// Writes the whole state. Records before it are forgotten then.
    ///
    /// # Errors
    /// Those of `out`. The member goes on, and tries again when the log has grown as much again.
    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()>;

    /// The state that was written.
    ///
    /// # Errors
    /// If it is none: the member stops.
    fn restore(from: &mut dyn Read) -> io::Result<Self>;
}
