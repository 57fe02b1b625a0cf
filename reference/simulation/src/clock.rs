//! A node's clock: ahead of the world's, and faster or slower.

use highwater_core::Instant;

/// Turns the world's time into a node's and back. A node's time never goes back.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// The node's time at `since`.
    then: u64,
    since: u64,
    drift_ppm: i64,
}

impl Clock {
    /// A clock that is ahead by `offset_us` at the world's time 0, and gains `drift_ppm` microseconds a second.
    pub(crate) fn new(offset_us: u64, drift_ppm: i32) -> Self {
        Self { then: offset_us, since: 0, drift_ppm: i64::from(drift_ppm).clamp(-900_000, 900_000) }
    }

    /// The node's time at the world's.
    pub(crate) fn at(&self, now_us: u64) -> Instant {
        let passed = now_us.saturating_sub(self.since) as i64;
        Instant(self.then + (passed + passed * self.drift_ppm / 1_000_000) as u64)
    }

    /// The first moment of the world at which the node's clock shows at least `time`; `now_us` if it does already.
    pub(crate) fn when(&self, time: Instant, now_us: u64) -> u64 {
        if self.at(now_us) >= time {
            return now_us;
        }
        let missing = (time.0 - self.then) as i128;
        let passed = missing * 1_000_000 / (1_000_000 + i128::from(self.drift_ppm));
        let mut moment = self.since.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX));
        // Rounding may have left it a little early.
        while self.at(moment) < time && moment < u64::MAX / 2 {
            moment += 1;
        }
        moment.max(now_us)
    }

    /// Jumps ahead.
    pub(crate) fn jump(&mut self, now_us: u64, by_us: u64) {
        self.then = self.at(now_us).0 + by_us;
        self.since = now_us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moment_of_a_time_shows_that_time() {
        for drift in [-50_000, -7, 0, 3, 50_000] {
            let mut clock = Clock::new(12_345, drift);
            clock.jump(1_000, 77);
            for time in [20_000, 20_001, 999_999, 123_456_789] {
                let moment = clock.when(Instant(time), 1_000);
                assert!(clock.at(moment) >= Instant(time), "drift {drift}, time {time}");
                assert!(
                    moment <= 1_000 || clock.at(moment - 1) < Instant(time),
                    "drift {drift}, time {time}"
                );
            }
        }
    }
}
