//! Decisions that hang on a seed and a name, and on nothing that happened before.
//!
//! A sequence of random numbers makes a run fall apart when one fault is taken out of it: all numbers after that mean something
//! else. So whatever is decided about a message is decided by the message's own number on its link.

use highwater_core::Dice;

/// A purpose that random numbers are drawn for. Streams of different purposes have nothing to do with one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Purpose {
    /// The shape of the world: nodes, timing, which faults.
    Shape = 1,
    /// When which fault strikes.
    Faults = 2,
    /// What clients do.
    Clients = 3,
    /// What happens to a message.
    Message = 4,
    /// A node's own dice, by start.
    Node = 5,
    /// How long a disk takes.
    Disk = 6,
}

/// Dice for a purpose.
pub(crate) fn dice(seed: u64, purpose: Purpose) -> Dice {
    keyed(seed, purpose, 0, 0)
}

/// Dice for a purpose and what it is about.
pub(crate) fn keyed(seed: u64, purpose: Purpose, which: u64, number: u64) -> Dice {
    let mut state = Dice::new(seed).roll();
    for part in [purpose as u64, which, number] {
        state = Dice::new(state ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93)).roll();
    }
    Dice::new(state)
}

/// Shorthands for drawing.
pub(crate) trait Draw {
    /// A number from `low` to `high`, both inclusive.
    fn between(&mut self, low: u64, high: u64) -> u64;
    /// True in so many of a thousand cases.
    fn permille(&mut self, rate: u32) -> bool;
    /// One of these, which must not be empty.
    fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T;
}

impl Draw for Dice {
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    fn permille(&mut self, rate: u32) -> bool {
        rate > 0 && self.below(1000) < u64::from(rate)
    }

    fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}
