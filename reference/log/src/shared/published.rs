//! How far a log goes, for whoever wants to know.

use highwater_core::Offset;

use crate::sync::{AtomicBool, AtomicI64, Ordering};

/// The high watermark and the end of a log, as its owner last told.
///
/// - `high_watermark <= end` in every answer, and from answer to answer the high watermark never falls.
///
/// So the owner raises the end before the high watermark, and a reader looks at the high watermark before the end: by the time
/// it sees the end, that is at least what the high watermark was. Where a high watermark must fall (an unclean election lost what was
/// committed) there is no such order: the owner retires these and publishes others.
#[derive(Debug)]
pub struct Published {
    end: AtomicI64,
    high_watermark: AtomicI64,
    retired: AtomicBool,
}

/// How far a log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Records below are committed.
    pub high_watermark: Offset,
    /// Records below are there. At least the high watermark.
    pub end: Offset,
}

impl Published {
    /// Of a log that goes so far. The high watermark is at most the end.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            end: AtomicI64::new(bounds.end),
            high_watermark: AtomicI64::new(bounds.high_watermark.min(bounds.end)),
            retired: AtomicBool::new(false),
        }
    }

    /// How far it goes; `None` if these bounds do not count any more and others have to be asked for.
    pub fn bounds(&self) -> Option<Bounds> {
        let high_watermark = self.high_watermark.load(Ordering::Acquire);
        let end = self.end.load(Ordering::Acquire);
        (!self.retired.load(Ordering::Acquire)).then_some(Bounds { high_watermark, end })
    }

    /// The owner appended, or truncated (never below the high watermark: then it has to [`Published::retire`] these).
    pub fn set_end(&self, end: Offset) {
        debug_assert!(
            end >= self.high_watermark.load(Ordering::Relaxed),
            "the end stays above the high watermark"
        );
        self.end.store(end, Ordering::Release);
    }

    /// The owner learned a high watermark. One that is lower than before, or above the end, is as good as that.
    pub fn raise_high_watermark(&self, high_watermark: Offset) {
        // Only the owner stores, so what it loads is what it stored last.
        let end = self.end.load(Ordering::Relaxed);
        let before = self.high_watermark.load(Ordering::Relaxed);
        self.high_watermark.store(high_watermark.min(end).max(before), Ordering::Release);
    }

    /// The high watermark will fall: whoever has these has to ask for others.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }
}
