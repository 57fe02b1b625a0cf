//! How far behind a follower is in time.

use core::hash::{Hash, Hasher};
use core::time::Duration;

use crate::{Instant, Offset};

/// When a follower last had all that its leader had.
///
/// It decides *when* a leader asks for a smaller ISR (and, where so configured, waits for one that is about to join), never what
/// is safe. So it is left out of equality: two cores that differ in nothing else are the same state of the protocol.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// Nothing where it was not since it became known.
    caught_up: Option<Instant>,
    last_fetch: Option<Instant>,
    /// The leader's log end at that fetch.
    end_then: Offset,
    in_isr: bool,
}

impl Pace {
    /// Notes a fetch from `offset` while the leader's log ended at `end`.
    pub(super) fn fetched(&mut self, offset: Offset, end: Offset, now: Instant) {
        if offset >= end {
            self.caught_up = self.caught_up.max(Some(now));
        } else if offset >= self.end_then {
            // It has by now what there was when it fetched before: then it was behind by no more than that.
            self.caught_up = self.caught_up.max(self.last_fetch);
        }
        self.last_fetch = Some(now);
        self.end_then = end;
    }

    /// Notes that the last fetch, which was from `offset`, would have been the same until `at`.
    pub(super) fn repeated(&mut self, offset: Offset, at: Instant) {
        if offset >= self.end_then {
            self.caught_up = self.caught_up.max(Some(at));
            self.last_fetch = self.last_fetch.max(Some(at));
        }
    }

    /// Who joins the ISR, or is in it when a reign begins, has the full time to show that it follows.
    pub(super) fn joined_isr(&mut self, in_isr: bool, now: Instant) {
        if in_isr && !self.in_isr {
            self.caught_up = self.caught_up.max(Some(now));
        }
        self.in_isr = in_isr;
    }

    /// From when on it counts as out of sync, unless it has reached the log's end.
    pub(super) fn lags_from(&self, lag_max: Duration) -> Instant {
        self.caught_up.map_or(Instant(0), |at| at + lag_max)
    }

    /// Whether it had all not longer ago than this.
    pub(super) fn is_within(&self, lag_max: Duration, now: Instant) -> bool {
        self.caught_up.is_some_and(|at| now.since(at) < lag_max)
    }
}

impl PartialEq for Pace {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Pace {}

impl Hash for Pace {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
