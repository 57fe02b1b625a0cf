//! How a search goes, on standard error: one moving line on a terminal, plain lines elsewhere.

use std::cell::Cell;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use bytesize::ByteSize;
use highwater_model::check::{Observer, Progress};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::output;

/// Between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Shows the progress of one search.
pub(crate) struct Shown {
    label: String,
    bar: Option<ProgressBar>,
    said: Mutex<Cell<Duration>>,
}

impl Shown {
    /// Begins to show a search.
    pub(crate) fn new(label: String) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{spinner} {wide_msg}").expect("the template is constant");
            ProgressBar::new_spinner().with_style(style)
        });
        Self { label, bar, said: Mutex::new(Cell::new(Duration::ZERO)) }
    }

    /// Takes the moving line away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, progress: &Progress) -> String {
        let seconds = progress.elapsed.as_secs_f64();
        let rate = progress.unique as f64 / seconds.max(1e-3);
        format!(
            "{}  {} states  {}/s  depth {}  queue {}  {}  {seconds:.0}s{}",
            self.label,
            HumanCount(progress.unique),
            HumanCount(rate as u64),
            progress.depth,
            HumanCount(progress.queue + progress.next),
            ByteSize(progress.memory_bytes),
            left(progress, rate),
        )
    }
}

/// The least time left, once the levels shrink: what is queued has still to be expanded.
fn left(progress: &Progress, rate: f64) -> String {
    let shrinking = progress.next < progress.queue;
    let seconds = (progress.queue + progress.next) as f64 / rate.max(1.0);
    if shrinking && seconds >= 1.0 { format!("  at least {seconds:.0}s left") } else { String::new() }
}

impl Observer for Shown {
    fn progress(&self, progress: &Progress) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(self.line(progress));
                bar.tick();
            }
            None => {
                let Ok(said) = self.said.lock() else { return };
                if progress.elapsed.saturating_sub(said.get()) >= PLAIN_INTERVAL {
                    said.set(progress.elapsed);
                    output::say(&self.line(progress));
                }
            }
        }
    }
}
