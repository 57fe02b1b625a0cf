//! When what is due: one ordered set for everything that has no deadline of its own core.

use std::collections::BTreeSet;

use highwater_core::{Instant, NodeId};

use crate::message::TopicPartition;

/// What runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A request that nobody answered, by its correlation number.
    Request(u64),
    /// The earliest deadline of a partition core.
    Partition(TopicPartition),
    /// Records of a partition have been unflushed for long enough.
    Flush(TopicPartition),
    /// A fetch that waits for something to say, by its token.
    WaitingFetch(u64),
    /// A DeleteRecords that waits for followers, by its token.
    Delete(u64),
    /// The next fetch from this leader, after one that failed.
    Fetcher(NodeId),
    /// The next registration or heartbeat.
    Lifecycle,
    /// The end of patience for a controlled shutdown.
    ShutDown,
    /// The next checkpoint of the high watermarks.
    Checkpoint,
    /// The next deletion of what is too old, or too much.
    Retention,
}

/// The armed timers, each at most once.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    /// Moves a timer whose holder keeps in `armed` when it is set for.
    pub(crate) fn arm(&mut self, timer: Timer, armed: &mut Option<Instant>, deadline: Option<Instant>) {
        if *armed == deadline {
            return;
        }
        if let Some(earlier) = armed.take() {
            self.due.remove(&(earlier, timer));
        }
        if let Some(deadline) = deadline {
            self.due.insert((deadline, timer));
        }
        *armed = deadline;
    }

    /// When the next runs out.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(deadline, _)| *deadline)
    }

    /// The earliest that is due, which is not armed any more; its holder must note that.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let (deadline, timer) = *self.due.first()?;
        (deadline <= now).then(|| {
            self.due.pop_first();
            timer
        })
    }
}
