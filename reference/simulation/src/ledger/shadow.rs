//! What a log holds, batch by batch, without the bytes: so that two prefixes compare in one step.

use highwater_core::{Epoch, Offset};

/// A batch of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The offset of its first record.
    pub(crate) base: Offset,
    /// The offset after its last.
    pub(crate) end: Offset,
    /// Its leader epoch.
    pub(crate) epoch: Epoch,
    /// Stands for its content.
    pub(crate) digest: u64,
}

/// A batch in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// The batch.
    pub(crate) batch: Batch,
    /// Stands for it and for all before it.
    pub(crate) chain: u64,
}

/// A log, as far as comparing goes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shadow {
    start: Offset,
    /// The chain of all before `start`.
    base: u64,
    held: Vec<Held>,
}

impl Held {
    /// This batch after all that `before` stands for.
    pub(crate) fn after(before: u64, batch: Batch) -> Self {
        let mut chain = before;
        for part in [batch.base as u64, u64::from(batch.epoch.unsigned_abs()), batch.digest] {
            chain = (chain.rotate_left(23) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chain ^= chain >> 29;
        }
        Self { batch, chain }
    }
}

impl Shadow {
    /// An empty log that goes on at `start`, after all that `base` stands for.
    pub(crate) fn empty_from(start: Offset, base: u64) -> Self {
        Self { start, base, held: Vec::new() }
    }

    pub(crate) fn start(&self) -> Offset {
        self.start
    }

    pub(crate) fn end(&self) -> Offset {
        self.held.last().map_or(self.start, |held| held.batch.end)
    }

    pub(crate) fn last(&self) -> Option<&Held> {
        self.held.last()
    }

    pub(crate) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Appends a batch.
    pub(crate) fn push(&mut self, batch: Batch) -> Held {
        let held = Held::after(self.held.last().map_or(self.base, |held| held.chain), batch);
        self.held.push(held);
        held
    }

    /// Cuts what is at and after `end`, whole batches.
    pub(crate) fn truncate_to(&mut self, end: Offset) {
        let kept = self.held.partition_point(|held| held.batch.end <= end);
        self.held.truncate(kept);
    }

    /// Forgets whole batches before `start`.
    pub(crate) fn forget_before(&mut self, start: Offset) {
        let gone = self.held.partition_point(|held| held.batch.end <= start);
        if let Some(last) = gone.checked_sub(1) {
            self.base = self.held[last].chain;
            self.start = self.held[last].batch.end;
            self.held.drain(..gone);
        }
    }

    /// The epoch of the record before `offset`, if it is there.
    pub(crate) fn epoch_before(&self, offset: Offset) -> Option<Epoch> {
        let index = self.held.partition_point(|held| held.batch.end < offset);
        self.held.get(index).filter(|held| held.batch.base < offset).map(|held| held.batch.epoch)
    }

    /// The batch that begins at `base`.
    pub(crate) fn batch_at(&self, base: Offset) -> Option<&Held> {
        let index = self.held.partition_point(|held| held.batch.base < base);
        self.held.get(index).filter(|held| held.batch.base == base)
    }

    /// What all records below `offset` come to; `None` if they are not all there, or if the log starts after `offset`.
    pub(crate) fn mark(&self, offset: Offset) -> Option<u64> {
        if offset < self.start || offset > self.end() {
            return None;
        }
        if offset == self.start {
            return Some(self.base);
        }
        let index = self.held.partition_point(|held| held.batch.end < offset);
        let held = &self.held[index];
        Some(if held.batch.end == offset {
            held.chain
        } else {
            // In the middle of a batch: the batch as a whole, and how far.
            held.chain ^ (offset as u64).wrapping_mul(0xff51_afd7_ed55_8ccd)
        })
    }

    /// Whether this log has the records below `offset` that `other` has. What a log has forgotten it had.
    pub(crate) fn agrees(&self, other: &Shadow, offset: Offset) -> bool {
        if offset <= self.start || offset <= other.start {
            return self.end() >= offset;
        }
        matches!((self.mark(offset), other.mark(offset)), (Some(mine), Some(its)) if mine == its)
    }

    /// The first batch in which two logs differ below `offset`, for people.
    pub(crate) fn difference(&self, other: &Shadow, offset: Offset) -> String {
        let from = self.start.max(other.start);
        let mut mine = self.held.iter().filter(|held| held.batch.base >= from).map(|held| held.batch);
        let mut its = other.held.iter().filter(|held| held.batch.base >= from).map(|held| held.batch);
        loop {
            match (mine.next(), its.next()) {
                (Some(mine), Some(its)) if mine == its && mine.end < offset => {}
                (mine, its) => return format!("{} against {}", told(mine), told(its)),
            }
        }
    }
}

/// A batch for people.
pub(crate) fn told(batch: Option<Batch>) -> String {
    match batch {
        None => "nothing more".to_owned(),
        Some(Batch { base, end, epoch, digest }) => {
            format!("offsets {base} to {} of epoch {epoch} (content {:08x})", end - 1, digest as u32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(base: Offset, end: Offset, epoch: Epoch, digest: u64) -> Batch {
        Batch { base, end, epoch, digest }
    }

    #[test]
    fn logs_that_differ_in_an_early_batch_disagree_ever_after() {
        let (mut a, mut b) = (Shadow::default(), Shadow::default());
        a.push(batch(0, 2, 1, 7));
        b.push(batch(0, 2, 1, 8));
        for log in [&mut a, &mut b] {
            log.push(batch(2, 3, 2, 9));
        }
        assert!(a.agrees(&b, 0));
        assert!(!a.agrees(&b, 2));
        assert!(!a.agrees(&b, 3));
        assert!(a.difference(&b, 3).contains("offsets 0 to 1"));
    }

    #[test]
    fn log_that_forgot_its_beginning_agrees_on_what_is_left() {
        let mut a = Shadow::default();
        for base in 0..5 {
            a.push(batch(base, base + 1, 1, base as u64));
        }
        let whole = a.clone();
        a.forget_before(3);
        assert_eq!((a.start(), a.end()), (3, 5));
        assert!(a.agrees(&whole, 5) && a.agrees(&whole, 2));
        a.truncate_to(4);
        assert!(!a.agrees(&whole, 5));
        a.push(batch(4, 5, 2, 4));
        assert!(!a.agrees(&whole, 5), "another epoch is another record");
    }
}
