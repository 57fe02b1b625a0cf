//! What a core knows of a log: its bounds and where its leader epochs begin.

use alloc::vec::Vec;

use crate::{Epoch, NO_EPOCH, Offset};

/// A run of records of one leader epoch, `base` to `end`, which is exclusive. Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    /// The leader epoch in which they were appended.
    pub epoch: Epoch,
    /// The offset of the first.
    pub base: Offset,
    /// The offset after the last.
    pub end: Offset,
}

/// Where a leader epoch begins in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: Epoch,
    /// The offset of its first record.
    pub start: Offset,
}

/// The end of a leader epoch in a log: what a leader answers to who diverged from it (KIP-279, KIP-595).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochEnd {
    /// The largest epoch of the log that is not above the one asked for; [`NO_EPOCH`] if there is none.
    pub epoch: Epoch,
    /// The offset after its last record.
    pub end: Offset,
}

/// The leader epochs of a log and where each begins.
///
/// - Epochs and offsets both grow strictly from entry to entry.
/// - Every record of the log from the first entry on belongs to the last entry at or before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct EpochCache {
    starts: Vec<EpochStart>,
}

/// Records that do not fit the end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfOrder {
    /// What was to be appended.
    pub extent: Extent,
    /// The end of the log.
    pub end: Offset,
    /// The last epoch of the log.
    pub last_epoch: Epoch,
}

/// The shape of a log, without its records.
///
/// - `start <= flushed <= end`.
/// - `epochs` begins at `start` and has no entry at or above `end`; it is empty if and only if the log is.
/// - `base_epoch` is that of the record before `start`: [`NO_EPOCH`] where that is not known, or there never was one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogView {
    start: Offset,
    end: Offset,
    flushed: Offset,
    base_epoch: Epoch,
    epochs: EpochCache,
}

impl Default for LogView {
    fn default() -> Self {
        Self::empty_from(0, NO_EPOCH)
    }
}

impl EpochCache {
    /// The cache of these entries, which must grow strictly in both; `None` if they do not.
    pub fn from_starts(starts: Vec<EpochStart>) -> Option<Self> {
        let grows = |pair: &[EpochStart]| pair[0].epoch < pair[1].epoch && pair[0].start < pair[1].start;
        starts.windows(2).all(grows).then_some(Self { starts })
    }

    /// The entries, oldest first.
    pub fn starts(&self) -> &[EpochStart] {
        &self.starts
    }

    /// The newest epoch, or [`NO_EPOCH`].
    pub fn last_epoch(&self) -> Epoch {
        self.starts.last().map_or(NO_EPOCH, |last| last.epoch)
    }

    /// The epoch of the record at `offset`, if the cache reaches back that far. Says nothing about the end of the log.
    pub fn epoch_at(&self, offset: Offset) -> Option<Epoch> {
        let after = self.starts.partition_point(|entry| entry.start <= offset);
        after.checked_sub(1).map(|index| self.starts[index].epoch)
    }

    /// The largest epoch at or below `epoch`, and its end in a log that ends at `log_end`.
    ///
    /// [`NO_EPOCH`] with the start of the first known epoch (or the log's end, if none is known) where all epochs are above.
    pub fn end_of(&self, epoch: Epoch, log_end: Offset) -> EpochEnd {
        let after = self.starts.partition_point(|entry| entry.epoch <= epoch);
        let end = self.starts.get(after).map_or(log_end, |next| next.start);
        let known = after.checked_sub(1).map_or(NO_EPOCH, |index| self.starts[index].epoch);
        EpochEnd { epoch: known, end }
    }

    fn assign(&mut self, epoch: Epoch, start: Offset) {
        if epoch > self.last_epoch() {
            self.starts.push(EpochStart { epoch, start });
        }
    }

    fn truncate_to(&mut self, end: Offset) {
        let kept = self.starts.partition_point(|entry| entry.start < end);
        self.starts.truncate(kept);
    }

    /// Forgets epochs that ended at or before `start`; the one that holds `start` begins there from now on.
    fn forget_before(&mut self, start: Offset) {
        let after = self.starts.partition_point(|entry| entry.start <= start);
        if let Some(holding) = after.checked_sub(1) {
            self.starts.drain(..holding);
            self.starts[0].start = start;
        }
    }
}

impl LogView {
    /// The view of an empty log that goes on at `start`, after a record of `base_epoch` (a snapshot's last).
    pub fn empty_from(start: Offset, base_epoch: Epoch) -> Self {
        Self { start, end: start, flushed: start, base_epoch, epochs: EpochCache::default() }
    }

    /// The view of a recovered log, all of it flushed; `None` where the parts contradict one another.
    ///
    /// `base_epoch` as in [`LogView::base_epoch`]. Entries of epochs that ended before the start are dropped, as by
    /// [`LogView::forget_before`]; the one that holds the record before the start says `base_epoch` better.
    pub fn recovered(start: Offset, end: Offset, base_epoch: Epoch, epochs: EpochCache) -> Option<Self> {
        let mut epochs = epochs;
        let base_epoch = epochs.epoch_at(start.saturating_sub(1)).unwrap_or(base_epoch);
        let is_inside = epochs.starts.last().is_none_or(|last| last.start < end);
        epochs.forget_before(start);
        epochs.truncate_to(end);
        let begins = match epochs.starts.first() {
            Some(first) => first.start == start && base_epoch <= first.epoch,
            None => start == end,
        };
        let view = Self { start, end, flushed: end, base_epoch, epochs };
        (0 <= start && start <= end && is_inside && begins).then_some(view)
    }

    /// The offset of the first record.
    pub fn start(&self) -> Offset {
        self.start
    }

    /// The log end offset (LEO): that of the next record.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// Records below survive a crash of the machine.
    pub fn flushed(&self) -> Offset {
        self.flushed
    }

    /// The leader epochs.
    pub fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    /// The epoch of the record before [`LogView::start`], or [`NO_EPOCH`].
    pub fn base_epoch(&self) -> Epoch {
        self.base_epoch
    }

    /// The epoch of the last record, also where only a snapshot is left of it, or [`NO_EPOCH`].
    pub fn last_epoch(&self) -> Epoch {
        self.epochs.last_epoch().max(self.base_epoch)
    }

    /// See [`EpochCache::end_of`]; the epoch before the start counts as one that ends there.
    pub fn end_of(&self, epoch: Epoch) -> EpochEnd {
        let known = self.epochs.end_of(epoch, self.end);
        if known.epoch == NO_EPOCH && self.base_epoch != NO_EPOCH && self.base_epoch <= epoch {
            return EpochEnd { epoch: self.base_epoch, end: self.start };
        }
        known
    }

    /// Whether a log whose last record before `offset` is of `last_epoch` has the same records below `offset` as this one.
    pub fn holds(&self, offset: Offset, last_epoch: Epoch) -> bool {
        if offset < self.start || offset > self.end {
            return false;
        }
        if offset == self.start {
            return offset == 0 || self.base_epoch == NO_EPOCH || self.base_epoch == last_epoch;
        }
        self.epochs.epoch_at(offset - 1) == Some(last_epoch)
    }

    /// The records from `from` to `to`, as far as the log has them, an extent for each epoch.
    pub fn extents(&self, from: Offset, to: Offset) -> Vec<Extent> {
        let starts = &self.epochs.starts;
        let (mut base, to) = (from.max(self.start), to.min(self.end));
        let mut next = starts.partition_point(|entry| entry.start <= base);
        let mut extents = Vec::new();
        while base < to {
            let end = starts.get(next).map_or(to, |entry| entry.start.min(to));
            extents.push(Extent { epoch: starts[next - 1].epoch, base, end });
            base = end;
            next += 1;
        }
        extents
    }

    /// Appends records, whose epoch must not be below the last and whose base must be the end.
    pub fn append(&mut self, extent: Extent) -> Result<(), OutOfOrder> {
        let last_epoch = self.last_epoch();
        if extent.base != self.end || extent.end <= extent.base || extent.epoch < last_epoch.max(0) {
            return Err(OutOfOrder { extent, end: self.end, last_epoch });
        }
        self.epochs.assign(extent.epoch, extent.base);
        self.end = extent.end;
        Ok(())
    }

    /// Cuts what is at and after `end`; nothing if the log is no longer than that.
    pub fn truncate_to(&mut self, end: Offset) {
        if end < self.end {
            self.end = end.max(self.start);
            self.flushed = self.flushed.min(self.end);
            self.epochs.truncate_to(self.end);
        }
    }

    /// Forgets what is before `start` (retention, snapshots), which must not be beyond the end.
    pub fn forget_before(&mut self, start: Offset) {
        if start > self.start {
            self.start = start.min(self.end);
            self.base_epoch = self.epochs.epoch_at(self.start - 1).unwrap_or(self.base_epoch);
            self.flushed = self.flushed.max(self.start);
            self.epochs.forget_before(self.start);
            self.epochs.truncate_to(self.end);
        }
    }

    /// Of a log that was just recovered: notes that what is behind `through` may not be flushed.
    pub fn flushed_only_to(&mut self, through: Offset) {
        self.flushed = self.flushed.min(through.max(self.start));
    }

    /// Notes that everything below `through` is flushed.
    pub fn flush_to(&mut self, through: Offset) {
        self.flushed = self.flushed.max(through.min(self.end));
    }
}
