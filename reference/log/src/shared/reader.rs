//! Reads a log beside its owner.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use highwater_core::Offset;

use super::published::{Bounds, Published};
use crate::LogError;
use crate::disk::Disk;
use crate::index::{Frozen, OffsetEntry};
use crate::segment::{Segment, SegmentFile};
use crate::sync::{RwLock, moment};

/// Reads a log that another thread owns. Clones read the same log.
#[derive(Debug)]
pub struct LogReader<D: Disk> {
    shared: Arc<Shared<D>>,
}

/// What the owner of a log shows to readers.
#[derive(Debug)]
pub(crate) struct Shared<D: Disk> {
    table: RwLock<Table<D>>,
}

#[derive(Debug)]
struct Table<D: Disk> {
    /// As the log's, oldest first.
    segments: Vec<Shown<D>>,
    start: Offset,
    published: Arc<Published>,
    /// Counts beginnings and ends of truncations: odd while bytes change. What was found at another count may be other bytes now.
    truncations: u64,
    /// The log failed, or its owner is gone.
    is_closed: bool,
}

/// A segment as readers see it.
#[derive(Debug)]
struct Shown<D: Disk> {
    log: Arc<SegmentFile<D>>,
    size: u64,
    index: ShownIndex<D>,
}

/// Where the batches of a segment are, roughly.
#[derive(Debug)]
enum ShownIndex<D: Disk> {
    /// Of the segment that grows.
    Growing(Vec<OffsetEntry>),
    /// Of one that does not: in its file.
    Frozen(Frozen<OffsetEntry, D>),
}

/// Where a read begins, and what must be so still when it ends.
struct Found<D: Disk> {
    log: Arc<SegmentFile<D>>,
    near: u64,
    size: u64,
    end: Offset,
    truncations: u64,
}

impl<D: Disk> Clone for LogReader<D> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<D: Disk> LogReader<D> {
    pub(crate) fn new(shared: Arc<Shared<D>>) -> Self {
        Self { shared }
    }

    /// How far the log goes.
    pub fn bounds(&self) -> Bounds {
        loop {
            let published = self.shared.read(|table| table.published.clone());
            // Retired bounds have been replaced before they were retired.
            if let Some(bounds) = published.bounds() {
                return bounds;
            }
        }
    }

    /// As [`Log::read`](crate::Log::read); [`LogError::Truncated`] if the owner truncated meanwhile, and nobody knows what the bytes were.
    pub fn read(&self, from: Offset, limit: Offset, bytes_max: usize) -> Result<Bytes, LogError> {
        let Some(found) = self.shared.read(|table| table.find(from))? else { return Ok(Bytes::new()) };
        let bytes = found.read(from, limit, bytes_max);
        let is_same = self.shared.read(|table| table.truncations == found.truncations && !table.is_closed);
        if is_same { bytes } else { Err(LogError::Truncated) }
    }
}

impl<D: Disk> Found<D> {
    fn read(&self, from: Offset, limit: Offset, bytes_max: usize) -> Result<Bytes, LogError> {
        let limit = limit.min(self.end);
        moment();
        let located = self.log.locate(self.near, self.size, from)?;
        moment();
        match located {
            Some((position, header)) if header.end_offset() <= limit => {
                Ok(self.log.read(position, &header, self.size, limit, bytes_max)?.into())
            }
            _ => Ok(Bytes::new()),
        }
    }
}

impl<D: Disk> Table<D> {
    fn find(&self, from: Offset) -> Result<Option<Found<D>>, LogError> {
        let Bounds { end, .. } = self.published.bounds().unwrap_or(Bounds { high_watermark: 0, end: 0 });
        if self.is_closed || !self.truncations.is_multiple_of(2) {
            return Err(LogError::Truncated);
        }
        if from < self.start || from > end {
            return Err(LogError::OutOfRange { offset: from, start: self.start, end });
        }
        if from == end {
            return Ok(None);
        }
        let after = self.segments.partition_point(|segment| segment.log.base <= from);
        let Some(segment) = self.segments.get(after.saturating_sub(1)) else { return Ok(None) };
        let relative = u32::try_from(from - segment.log.base).unwrap_or(u32::MAX);
        let near = match &segment.index {
            ShownIndex::Growing(entries) => {
                let after = entries.partition_point(|entry| entry.relative <= relative);
                after.checked_sub(1).map(|index| entries[index])
            }
            ShownIndex::Frozen(index) => index.last_before(|entry| entry.relative > relative)?,
        };
        let near = near.map_or(0, |entry| u64::from(entry.position));
        let (log, truncations) = (segment.log.clone(), self.truncations);
        Ok(Some(Found { log, near, size: segment.size, end, truncations }))
    }
}

impl<D: Disk> Shared<D> {
    /// Of a log with these segments.
    pub(crate) fn new(segments: &[Segment<D>], start: Offset, end: Offset) -> Self {
        let published = Arc::new(Published::new(Bounds { high_watermark: start.min(end), end }));
        let segments = shown(segments);
        Self { table: RwLock::new(Table { segments, start, published, truncations: 0, is_closed: false }) }
    }

    fn read<T>(&self, look: impl FnOnce(&Table<D>) -> T) -> T {
        look(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Table<D>) -> T) -> T {
        change(&mut self.table.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The active segment, still the same one, has grown; the log now ends at `end`.
    pub(crate) fn grown(&self, active: &Segment<D>, end: Offset) {
        self.write(|table| {
            if let Some(last) = table.segments.last_mut() {
                last.size = active.size;
                if let ShownIndex::Growing(entries) = &mut last.index {
                    entries.extend(active.offsets.entries_from(entries.len()));
                }
            }
            table.published.set_end(end);
        });
    }

    /// Segments were added, or removed from the front.
    pub(crate) fn rearranged(&self, segments: &[Segment<D>], start: Offset, end: Offset) {
        self.write(|table| {
            table.segments = shown(segments);
            table.start = start;
            table.published.set_end(end);
        });
    }

    /// Before bytes of the log change: whoever reads them has read in vain.
    pub(crate) fn truncating(&self) {
        self.write(|table| table.truncations += 1);
    }

    /// The log was truncated, or restarted.
    pub(crate) fn truncated(&self, segments: &[Segment<D>], start: Offset, end: Offset) {
        self.write(|table| {
            table.segments = shown(segments);
            table.start = start;
            table.truncations += 1;
            let high_watermark = table.published.bounds().map_or(start, |bounds| bounds.high_watermark);
            if end < high_watermark {
                let retired = std::mem::replace(
                    &mut table.published,
                    Arc::new(Published::new(Bounds { high_watermark: end, end })),
                );
                retired.retire();
            } else {
                table.published.set_end(end);
            }
        });
    }

    pub(crate) fn raise_high_watermark(&self, high_watermark: Offset) {
        self.read(|table| table.published.raise_high_watermark(high_watermark));
    }

    /// The log failed: nobody knows what its files hold.
    pub(crate) fn close(&self) {
        self.write(|table| table.is_closed = true);
    }
}

fn shown<D: Disk>(segments: &[Segment<D>]) -> Vec<Shown<D>> {
    let show = |segment: &Segment<D>| {
        let index = match segment.offsets.frozen() {
            Some(Ok(frozen)) => ShownIndex::Frozen(frozen),
            // Without an index it is looked for from the segment's front on: slower, and found.
            Some(Err(_)) => ShownIndex::Growing(Vec::new()),
            None => ShownIndex::Growing(segment.offsets.entries_from(0).collect()),
        };
        Shown { log: segment.log.clone(), size: segment.size, index }
    };
    segments.iter().map(show).collect()
}
