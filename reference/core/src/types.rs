//! Names that every core shares.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

/// A leader epoch, counted from 0. Kafka's width and sign.
pub type Epoch = i32;

/// No epoch: of an empty log, of a client that does not say.
pub const NO_EPOCH: Epoch = -1;

/// The position of a record in a log, counted from 0.
pub type Offset = i64;

/// Names a request that waits for an answer; chosen by the driver, meaningless to a core.
pub type Token = u64;

/// A broker or controller: Kafka's `node.id`, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub i32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// A moment, in microseconds since one that only the driver knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// How much later this moment is than `earlier`; zero if it is not.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(micros))
    }
}

/// A 128-bit identity as Kafka has them: of a topic, a directory, an incarnation. Zero stands for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub u128);

impl Uuid {
    /// No identity.
    pub const ZERO: Uuid = Uuid(0);
    /// The topic id of the metadata log itself.
    pub const METADATA: Uuid = Uuid(1);
}

/// An injected source of randomness, for the jitter of election timeouts: SplitMix64 over a seed of the driver's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Always the same sequence for the same seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.roll()) * u128::from(bound)) >> 64) as u64
    }
}
