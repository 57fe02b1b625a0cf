//! Flushes: by the log's owner, or by another thread while the owner goes on.

use std::sync::Arc;

use highwater_core::Offset;

use super::Log;
use crate::LogError;
use crate::disk::{Disk, File};
use crate::segment::SegmentFile;

/// Makes durable what a log held when this was made, on whatever thread, while the log goes on.
///
/// - It holds the file that was active then: all segments before were flushed as they ended.
#[derive(Debug)]
pub struct Flusher<D: Disk> {
    segment: Arc<SegmentFile<D>>,
    through: Offset,
    truncations: u64,
}

/// What came of a [`Flusher`]'s work, for [`Log::flushed`].
#[derive(Debug, Clone)]
pub struct Flushed {
    through: Offset,
    truncations: u64,
    failed: Option<LogError>,
}

impl<D: Disk> Flusher<D> {
    /// Up to where it flushes.
    pub fn through(&self) -> Offset {
        self.through
    }

    /// Does it: takes as long as the disk takes.
    pub fn flush(self) -> Flushed {
        let Self { segment, through, truncations } = self;
        let failed = segment.file.sync().map_err(LogError::io(&segment.path, "sync it")).err();
        Flushed { through, truncations, failed }
    }
}

impl Flushed {
    /// Up to where it was flushed, as long as nothing was truncated since; or why it was not.
    pub fn through(&self) -> Result<Offset, &LogError> {
        self.failed.as_ref().map_or(Ok(self.through), Err)
    }
}

impl<D: Disk> Log<D> {
    /// What makes durable all that was appended so far; `None` if it is already. That there is this log, and leader epochs that are
    /// not saved yet, this call makes durable itself: that is once in an epoch.
    pub fn flusher(&mut self) -> Result<Option<Flusher<D>>, LogError> {
        self.sound()?;
        if self.view.flushed() >= self.view.end() {
            return Ok(None);
        }
        self.poisoning(|log| {
            log.settle()?;
            log.save_epochs()
        })?;
        let (through, truncations) = (self.view.end(), self.truncations);
        Ok(Some(Flusher { segment: self.active().log.clone(), through, truncations }))
    }

    /// Takes what a flusher of this log did, and says up to where the log is flushed. What was truncated meanwhile is not claimed: it has been
    /// flushed as far as it was left, and what was appended since has not.
    ///
    /// # Errors
    /// If the flush failed: what the log holds is not known any more, and it is of no more use.
    pub fn flushed(&mut self, flushed: Flushed) -> Result<Offset, LogError> {
        self.sound()?;
        if let Some(error) = flushed.failed {
            return self.poisoning(|_| Err(error));
        }
        if flushed.truncations == self.truncations {
            self.view.flush_to(flushed.through);
            if self.view.flushed() == self.view.end() {
                self.dirty_since_ms = None;
            }
        }
        Ok(self.view.flushed())
    }

    /// Makes all that was appended durable (in a deferral at its end), and says up to where that is.
    pub fn flush(&mut self) -> Result<Offset, LogError> {
        self.sound()?;
        if self.view.flushed() < self.view.end() || self.epochs_changed {
            self.poisoning(|log| {
                log.active().sync_soon()?;
                log.settle()?;
                log.save_epochs()
            })?;
        }
        self.view.flush_to(self.view.end());
        self.dirty_since_ms = None;
        Ok(self.view.flushed())
    }
}
