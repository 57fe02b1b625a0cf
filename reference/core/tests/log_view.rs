//! The log view against a log that is a plain list of epochs, one a record.

use highwater_core::{Epoch, EpochCache, EpochEnd, EpochStart, Extent, LogView, NO_EPOCH, Offset};
use proptest::prelude::*;

/// A log as naive as can be.
#[derive(Debug, Clone)]
struct Naive {
    start: Offset,
    base_epoch: Epoch,
    /// The epoch of each record.
    epochs: Vec<Epoch>,
    flushed: Offset,
}

#[derive(Debug, Clone)]
enum Step {
    /// So many records of an epoch so much above the last.
    Append {
        above: Epoch,
        count: Offset,
    },
    /// Records that fit nowhere: so far from the end, of an epoch so far from the last, of this length.
    Misfit {
        gap: Offset,
        above: Epoch,
        count: Offset,
    },
    /// To so much after the start, or before it.
    Truncate {
        end: Offset,
    },
    Forget {
        start: Offset,
    },
    Flush {
        through: Offset,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3, 1..4i64).prop_map(|(above, count)| Step::Append { above, count }),
        1 => (-2..3i64, -2..3, -1..3i64).prop_map(|(gap, above, count)| Step::Misfit { gap, above, count }),
        2 => (-2..12i64).prop_map(|end| Step::Truncate { end }),
        1 => (-2..12i64).prop_map(|start| Step::Forget { start }),
        1 => (-2..12i64).prop_map(|through| Step::Flush { through }),
    ]
}

impl Naive {
    fn end(&self) -> Offset {
        self.start + self.epochs.len() as Offset
    }

    fn last_epoch(&self) -> Epoch {
        self.epochs.last().copied().unwrap_or(self.base_epoch)
    }

    fn epoch_at(&self, offset: Offset) -> Option<Epoch> {
        self.epochs.get(usize::try_from(offset - self.start).ok()?).copied()
    }

    /// Whether the records fit, in which case they are appended.
    fn append(&mut self, extent: Extent) -> bool {
        let fits = extent.base == self.end()
            && extent.base < extent.end
            && extent.epoch >= 0
            && extent.epoch >= self.last_epoch();
        if fits {
            self.epochs.extend((extent.base..extent.end).map(|_| extent.epoch));
        }
        fits
    }

    fn truncate_to(&mut self, end: Offset) {
        self.epochs.truncate((end - self.start).max(0) as usize);
        self.flushed = self.flushed.min(self.end());
    }

    fn forget_before(&mut self, start: Offset) {
        while self.start < start && !self.epochs.is_empty() {
            self.base_epoch = self.epochs.remove(0);
            self.start += 1;
        }
        self.flushed = self.flushed.max(self.start);
    }

    fn end_of(&self, epoch: Epoch) -> EpochEnd {
        let below = self.epochs.iter().take_while(|&&of| of <= epoch).count();
        let end = self.start + below as Offset;
        let known = match below.checked_sub(1) {
            Some(last) => self.epochs[last],
            None if self.base_epoch <= epoch => self.base_epoch,
            None => NO_EPOCH,
        };
        EpochEnd { epoch: known, end }
    }

    fn holds(&self, offset: Offset, last_epoch: Epoch) -> bool {
        if offset == self.start {
            return offset == 0 || self.base_epoch == NO_EPOCH || self.base_epoch == last_epoch;
        }
        self.start < offset && offset <= self.end() && self.epoch_at(offset - 1) == Some(last_epoch)
    }

    fn starts(&self) -> Vec<EpochStart> {
        let mut starts: Vec<EpochStart> = Vec::new();
        for (&epoch, start) in self.epochs.iter().zip(self.start..) {
            if starts.last().is_none_or(|last| last.epoch != epoch) {
                starts.push(EpochStart { epoch, start });
            }
        }
        starts
    }
}

fn apply(step: &Step, view: &mut LogView, naive: &mut Naive) {
    let (end, last) = (naive.end(), naive.last_epoch().max(0));
    match *step {
        Step::Append { above, count } => {
            let extent = Extent { epoch: last + above, base: end, end: end + count };
            assert!(naive.append(extent));
            assert_eq!(view.append(extent), Ok(()));
        }
        Step::Misfit { gap, above, count } => {
            let extent = Extent { epoch: last + above, base: end + gap, end: end + gap + count };
            assert_eq!(view.append(extent).is_ok(), naive.append(extent), "{extent:?}");
        }
        Step::Truncate { end } => {
            let end = naive.start + end;
            naive.truncate_to(end);
            view.truncate_to(end);
        }
        Step::Forget { start } => {
            let start = naive.start + start;
            naive.forget_before(start);
            view.forget_before(start);
        }
        Step::Flush { through } => {
            let through = naive.start + through;
            naive.flushed = naive.flushed.max(through.min(naive.end()));
            view.flush_to(through);
        }
    }
}

fn compare(view: &LogView, naive: &Naive) {
    assert_eq!((view.start(), view.end(), view.flushed()), (naive.start, naive.end(), naive.flushed));
    assert_eq!((view.base_epoch(), view.last_epoch()), (naive.base_epoch, naive.last_epoch()));
    assert_eq!(view.epochs().starts(), naive.starts());
    let offsets = naive.start - 2..=naive.end() + 2;
    for epoch in NO_EPOCH..=naive.last_epoch() + 1 {
        assert_eq!(view.end_of(epoch), naive.end_of(epoch), "end of {epoch}");
        for offset in offsets.clone() {
            assert_eq!(view.holds(offset, epoch), naive.holds(offset, epoch), "{offset} after {epoch}");
        }
    }
    for from in offsets.clone() {
        for to in from..=naive.end() + 2 {
            let mut offset = from.max(naive.start);
            let mut last = None;
            for extent in view.extents(from, to) {
                assert_eq!(extent.base, offset, "{from} to {to}");
                assert!(extent.base < extent.end && last < Some(extent.epoch), "{from} to {to}");
                assert!((extent.base..extent.end).all(|offset| naive.epoch_at(offset) == Some(extent.epoch)));
                (offset, last) = (extent.end, Some(extent.epoch));
            }
            let end = to.min(naive.end());
            assert_eq!(offset, end.max(from.max(naive.start)), "{from} to {to}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn log_view_any_steps_equal_naive(steps in prop::collection::vec(step(), 1..24), start in 0..3i64, base_epoch in NO_EPOCH..3) {
        let base_epoch = if start == 0 { NO_EPOCH } else { base_epoch };
        let mut view = LogView::empty_from(start, base_epoch);
        let mut naive = Naive { start, base_epoch, epochs: Vec::new(), flushed: start };
        for step in &steps {
            apply(step, &mut view, &mut naive);
            compare(&view, &naive);
        }
    }

    #[test]
    fn log_view_recovered_equal_naive(
        runs in prop::collection::vec((0..3, 1..4i64), 0..6),
        forgotten in 0..8i64,
        base_epoch in NO_EPOCH..1,
    ) {
        let mut naive = Naive { start: 0, base_epoch: NO_EPOCH, epochs: Vec::new(), flushed: 0 };
        for (above, count) in runs {
            let (epoch, base) = (naive.last_epoch().max(0) + above, naive.end());
            naive.append(Extent { epoch, base, end: base + count });
        }
        // The checkpoint may still have what the log has forgotten.
        let epochs = EpochCache::from_starts(naive.starts()).expect("it grows");
        naive.forget_before(forgotten);
        if naive.start == 0 {
            naive.base_epoch = NO_EPOCH;
        }
        naive.flushed = naive.end();
        let base_epoch = if naive.start == 0 { NO_EPOCH } else { base_epoch.min(naive.base_epoch) };
        let view = LogView::recovered(naive.start, naive.end(), base_epoch, epochs).expect("it fits");
        compare(&view, &naive);
    }
}

#[test]
fn recovered_contradictions_refused() {
    let cache = |starts: &[(Epoch, Offset)]| {
        EpochCache::from_starts(starts.iter().map(|&(epoch, start)| EpochStart { epoch, start }).collect())
            .unwrap()
    };
    let none = EpochCache::default;
    assert_eq!(LogView::recovered(3, 2, NO_EPOCH, none()), None, "the end is before the start");
    assert_eq!(LogView::recovered(-1, -1, NO_EPOCH, none()), None, "offsets are counted from 0");
    assert_eq!(LogView::recovered(0, 2, NO_EPOCH, none()), None, "records of no epoch");
    assert_eq!(LogView::recovered(0, 2, NO_EPOCH, cache(&[(1, 1)])), None, "the first record is of no epoch");
    assert_eq!(
        LogView::recovered(0, 2, NO_EPOCH, cache(&[(1, 0), (2, 2)])),
        None,
        "an epoch without records"
    );
    assert_eq!(LogView::recovered(2, 4, 3, cache(&[(2, 2)])), None, "epochs never go back");
    assert!(LogView::recovered(2, 4, 1, cache(&[(2, 2)])).is_some());
    assert!(LogView::recovered(2, 2, 1, none()).is_some());
}

#[test]
fn epoch_cache_disorder_refused() {
    let cache = |starts: &[(Epoch, Offset)]| {
        EpochCache::from_starts(starts.iter().map(|&(epoch, start)| EpochStart { epoch, start }).collect())
    };
    assert_eq!(cache(&[(1, 0), (1, 2)]), None);
    assert_eq!(cache(&[(2, 0), (1, 2)]), None);
    assert_eq!(cache(&[(1, 2), (2, 2)]), None);
    assert!(cache(&[(1, 0), (2, 2)]).is_some());
}
