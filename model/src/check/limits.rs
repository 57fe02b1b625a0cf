//! What ends a search early, and how often anybody hears of it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::options::{Observer, Options, Progress};
use super::outcome::Cut;

/// Time between two reports to the observer within a level.
const REPORT_INTERVAL: Duration = Duration::from_millis(200);

/// The clock and the limits of one search, for all of its threads.
#[derive(Clone, Copy)]
pub(crate) struct Limits<'a> {
    options: &'a Options<'a>,
    began: Instant,
}

impl<'a> Limits<'a> {
    pub(crate) fn start(options: &'a Options<'a>) -> Self {
        Self { options, began: Instant::now() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether the search was told to end or ran out of time.
    #[inline]
    pub(crate) fn out_of_time(&self) -> Option<Cut> {
        if self.options.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            Some(Cut::Interrupted)
        } else if self.options.time_max.is_some_and(|time_max| self.elapsed() >= time_max) {
            Some(Cut::Time)
        } else {
            None
        }
    }

    /// Whether `bytes` are more than the search may take.
    pub(crate) fn out_of_memory(&self, bytes: u64) -> Option<Cut> {
        self.options.memory_bytes_max.is_some_and(|max| bytes > max).then_some(Cut::Memory)
    }

    /// What the calling thread reports with.
    pub(crate) fn reporter(&self) -> Reporter<'a> {
        Reporter { observer: self.options.observer, began: self.began, reported: self.began }
    }
}

/// Tells the observer how the search goes, and not too often.
pub(crate) struct Reporter<'a> {
    observer: Option<&'a dyn Observer>,
    began: Instant,
    reported: Instant,
}

impl Reporter<'_> {
    /// Tells nobody.
    pub(crate) fn silent() -> Self {
        Self { observer: None, began: Instant::now(), reported: Instant::now() }
    }

    /// Tells the observer, if there is one and if it is time again; `due` says that it is in any case.
    pub(crate) fn report(&mut self, due: bool, progress: impl FnOnce(Duration) -> Progress) {
        let Some(observer) = self.observer else { return };
        if due || self.reported.elapsed() >= REPORT_INTERVAL {
            observer.progress(&progress(self.began.elapsed()));
            self.reported = Instant::now();
        }
    }
}
