//! The voters, what is on its way between them, and the history that claims need, in a few words.

use std::hash::{Hash, Hasher};

use bytemuck::{Pod, Zeroable};
use highwater_model::kraft::state::{Leaders, Log};
use highwater_model::slots;

/// The most voters that a [`State`] has room for.
pub(super) const VOTERS_MAX: usize = 4;
/// The most messages that can be in flight.
pub(super) const MESSAGES_MAX: usize = 4;

/// The whole quorum at one moment. Voters and messages are names: hashes of what they are.
///
/// - `messages` is sorted, so that the order of sending makes no difference.
/// - History is of the same kind as the model's, and kept by the search itself: no core knows it.
#[derive(Debug, Clone, Copy, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct State {
    /// The voters. Those beyond the bound are 0.
    pub voters: [u64; VOTERS_MAX],
    /// Messages in flight, largest name first, then empty slots.
    pub messages: [u64; MESSAGES_MAX],
    /// The set of requests that last.
    pub lasting: u64,
    /// History: the longest log that any leader's high watermark ever passed.
    pub committed: Log,
    /// History: who was elected first in each epoch.
    pub leaders: Leaders,
    /// One bit for each claim that does not hold here, none of which is history.
    pub broken: u16,
    /// History: the largest epoch whose leader made `committed` grow.
    pub committed_in: u8,
    /// History: what went wrong in a step, as the model marks it.
    pub stain: u8,
    /// Client records so far.
    pub produced: u8,
    /// Restarts so far.
    pub restarts: u8,
    /// Messages duplicated so far.
    pub duplicates: u8,
    /// Leaders resigned so far.
    pub resignations: u8,
    /// One bit for each voter whose disk was lost.
    pub wiped: u8,
    /// Always 0.
    pub padding: [u8; 7],
}

impl State {
    /// The state as whole words, which are faster to hash and to compare.
    pub fn words(&self) -> [u64; size_of::<Self>() / 8] {
        bytemuck::cast(*self)
    }

    /// Restarts, resignations and duplicates so far.
    pub const fn faults(&self) -> u8 {
        self.restarts + self.resignations + self.duplicates
    }

    /// The messages in flight, without empty slots.
    pub fn in_flight(&self) -> impl Iterator<Item = u64> {
        slots::filled(self.messages)
    }

    /// Puts `message` in flight; one that is in flight already is there once. There must be room.
    pub(crate) fn send(&mut self, message: u64) {
        slots::put(&mut self.messages, message);
    }

    /// Takes `message` out of flight.
    pub(crate) fn take(&mut self, message: u64) {
        slots::take(&mut self.messages, message);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.words() == other.words()
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for word in self.words() {
            state.write_u64(word);
        }
    }
}
