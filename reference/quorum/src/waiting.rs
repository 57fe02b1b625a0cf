//! Who waits for a record to be applied, and what was sent and not answered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use highwater_core::quorum::Request;
use highwater_core::{Epoch, Instant, NodeId, Offset, Token};

/// Who waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// For its own record.
    Proposal(Token),
    /// For one that was appended after it was asked.
    Read(Token),
}

/// Those that wait for records that this member appended while it leads, in the order of offsets.
///
/// - All are of the epoch that it leads: when it leads no more, nobody waits.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    line: VecDeque<(Offset, Epoch, Waiter)>,
}

impl Waiting {
    pub(crate) fn count(&self) -> usize {
        self.line.len()
    }

    /// Offsets never fall.
    pub(crate) fn push(&mut self, offset: Offset, epoch: Epoch, waiter: Waiter) {
        self.line.push_back((offset, epoch, waiter));
    }

    /// The next that waits for this record, which is applied now. Who waits for an earlier one, or for one of another epoch, waits for a record that
    /// is not there.
    pub(crate) fn next(&mut self, offset: Offset, epoch: Epoch) -> Option<(Waiter, bool)> {
        let &(waited, of, waiter) = self.line.front().filter(|(waited, ..)| *waited <= offset)?;
        self.line.pop_front();
        Some((waiter, (waited, of) == (offset, epoch)))
    }

    /// Nobody waits any more.
    pub(crate) fn give_up(&mut self) -> impl Iterator<Item = Waiter> {
        std::mem::take(&mut self.line).into_iter().map(|(_, _, waiter)| waiter)
    }
}

/// Requests that were sent. Each is answered, failed, or given up at its deadline.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    sent: BTreeMap<u64, (NodeId, Request, Instant)>,
    deadlines: BTreeSet<(Instant, u64)>,
    last: u64,
}

impl Outstanding {
    /// Numbers go on from `start`: what comes late for an earlier start of the member matches nothing.
    pub(crate) fn from(start: u64) -> Self {
        Self { last: start, ..Self::default() }
    }

    /// The number of a request that goes out.
    pub(crate) fn send(&mut self, to: NodeId, request: Request, deadline: Instant) -> u64 {
        self.last += 1;
        self.sent.insert(self.last, (to, request, deadline));
        self.deadlines.insert((deadline, self.last));
        self.last
    }

    /// What was asked under this number, which thereby is settled.
    pub(crate) fn settle(&mut self, correlation: u64) -> Option<(NodeId, Request)> {
        let (to, request, deadline) = self.sent.remove(&correlation)?;
        self.deadlines.remove(&(deadline, correlation));
        Some((to, request))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// One that is due, which thereby is settled.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(NodeId, Request)> {
        let &(deadline, correlation) = self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.settle(correlation)
    }
}
