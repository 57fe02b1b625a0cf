//! The replicas, their controller, what is on its way between them, and the history that claims need, in a few words.

use std::hash::{Hash, Hasher};

use bytemuck::{Pod, Zeroable};
use highwater_model::isr::state::NODES_MAX;
use highwater_model::slots;

/// The most fetches and answers that can be in flight.
pub(super) const FETCHES_MAX: usize = 3;
/// The most messages: a fetch each, and a replica has one proposal at a time.
const MESSAGES_MAX: usize = FETCHES_MAX + NODES_MAX;
/// The most leader epochs, with those in which nobody leads.
const EPOCHS_MAX: usize = 8;

/// [`State::leaders`]: nobody led.
pub(super) const LED_BY_NOBODY: u8 = 4;
/// [`State::leaders`]: somebody led, and nobody who would remember is left.
pub(super) const LED_BY_SOMEBODY: u8 = 5;

/// The whole partition at one moment. Replicas, controller and messages are names: hashes of what they are.
///
/// - `messages` is sorted, so that the order of sending makes no difference.
/// - History is of the same kind as the model's, and kept by the search itself: no core knows it.
#[derive(Debug, Clone, Copy, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct State {
    /// The replicas. Those beyond the bound are 0.
    pub replicas: [u64; NODES_MAX],
    /// What the controller has decided.
    pub controller: u64,
    /// Messages in flight, largest name first, then empty slots.
    pub messages: [u64; MESSAGES_MAX],
    /// History: who led each leader epoch, one more than the index of the replica; 4: nobody; 5: forgotten; 0: not yet.
    pub leaders: [u8; EPOCHS_MAX],
    /// One bit for each claim that does not hold here, none of which is history.
    pub broken: u16,
    /// Values produced so far; the next value.
    pub produced: u8,
    /// History: values that are safe, since a leader with enough of an ISR has committed them; a mask.
    pub acknowledged: u8,
    /// History: values that a consumer may have read, a mask.
    pub exposed: u8,
    /// History: what went wrong in a step and what was seen in one, as the model marks it.
    pub stain: u8,
    /// History: replicas that crashed uncleanly and have not been back in the ISR since, a mask.
    pub unclean: u8,
    /// Brokers stopped so far.
    pub crashes: u8,
    /// AlterPartition requests and answers lost so far.
    pub losses: u8,
    /// Always 0.
    pub padding: [u8; 7],
}

impl State {
    /// The state as whole words, which are faster to hash and to compare.
    pub fn words(&self) -> [u64; size_of::<Self>() / 8] {
        bytemuck::cast(*self)
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

    /// The leader epoch as the model counts it: only those in which somebody leads, from 1; none is 0.
    pub(super) fn epoch(&self, epoch: i32) -> u8 {
        let begun = usize::try_from(epoch + 1).unwrap_or(0);
        self.leaders.iter().take(begun).filter(|leader| **leader != LED_BY_NOBODY).count() as u8
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
