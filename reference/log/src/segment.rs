//! A segment: a file of batches and its two indexes, all named by the offset at which it begins.

use std::sync::Arc;

use highwater_core::Offset;
use highwater_core::batch::BatchHeader;

use crate::disk::{Disk, File, join};
use crate::index::{Entry, Index, OffsetEntry, TimeEntry};
use crate::scan::{Scan, ScanError};
use crate::{Damage, LogError};

pub(crate) const LOG: &str = ".log";
pub(crate) const OFFSET_INDEX: &str = ".index";
pub(crate) const TIME_INDEX: &str = ".timeindex";

/// Positions and relative offsets are Kafka's signed 32 bits.
pub(crate) const SIZE_MAX: u64 = i32::MAX as u64;

/// How much is read at a time where a batch is looked for.
const LOCATE_CHUNK: usize = 4096;
/// How much is read at a time where a whole segment is gone through.
pub(crate) const SCAN_CHUNK: usize = 1 << 20;

/// The file of a segment's batches; shared with readers.
#[derive(Debug)]
pub(crate) struct SegmentFile<D: Disk> {
    pub(crate) base: Offset,
    pub(crate) path: String,
    pub(crate) file: D::File,
}

/// A segment.
///
/// - Its batches are whole, and take `size` bytes: what is behind is no part of it.
/// - All offsets are at least `base` and below `end`.
#[derive(Debug)]
pub(crate) struct Segment<D: Disk> {
    pub(crate) log: Arc<SegmentFile<D>>,
    pub(crate) size: u64,
    pub(crate) end: Offset,
    pub(crate) offsets: Index<OffsetEntry, D>,
    pub(crate) times: Index<TimeEntry, D>,
    pub(crate) notes: Notes,
    /// The base offset and the position of the batch that was appended last: most reads are of that.
    last: Option<(Offset, u64)>,
}

/// What is noted of a segment's batches as they come, from the first on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Notes {
    /// The latest timestamp of the first batch.
    pub(crate) first_timestamp: Option<i64>,
    /// The latest timestamp, and the last offset of the batch that has it.
    pub(crate) latest: Option<TimeEntry>,
    /// Bytes since the last index entry.
    since_entry: u64,
}

impl Notes {
    /// Notes a batch that stands at `position`; whether the indexes shall have entries, and which.
    pub(crate) fn note(
        &mut self,
        base: Offset,
        batch: &BatchHeader,
        position: u64,
        interval: u32,
    ) -> Option<(OffsetEntry, Option<TimeEntry>)> {
        let relative = u32::try_from(batch.last_offset().saturating_sub(base)).unwrap_or(u32::MAX);
        let timestamp = batch.max_timestamp;
        self.first_timestamp.get_or_insert(timestamp);
        if timestamp > self.latest.map_or(-1, |latest| latest.timestamp) {
            self.latest = Some(TimeEntry { timestamp, relative });
        }
        let due = self.since_entry > u64::from(interval);
        if due {
            self.since_entry = 0;
        }
        self.since_entry += batch.size as u64;
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        due.then_some((OffsetEntry { relative, position }, self.latest))
    }
}

/// The name that files of a segment begin with.
pub(crate) fn stem(base: Offset) -> String {
    format!("{base:020}")
}

/// The base offset and the suffix of a file of a segment, if it is named as one.
pub(crate) fn parse_name(name: &str) -> Option<(Offset, &str)> {
    let (digits, suffix) = name.split_at_checked(20)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, suffix))
}

impl<D: Disk> Segment<D> {
    /// A new, empty one. Its names are not durable yet.
    pub(crate) fn create(disk: &D, directory: &str, base: Offset) -> Result<Self, LogError> {
        let path = |suffix: &str| join(directory, &format!("{}{suffix}", stem(base)));
        let log_path = path(LOG);
        let offsets = Index::create(disk, path(OFFSET_INDEX))?;
        let times = Index::create(disk, path(TIME_INDEX))?;
        // The log comes last: an index without a log is removed, a log without an index gets one.
        let file = disk.create(&log_path).map_err(LogError::io(&log_path, "create it"))?;
        let log = Arc::new(SegmentFile { base, path: log_path, file });
        Ok(Self { log, size: 0, end: base, offsets, times, notes: Notes::default(), last: None })
    }

    /// One that is there, and was looked at.
    pub(crate) fn found(
        log: Arc<SegmentFile<D>>,
        size: u64,
        end: Offset,
        indexes: (Index<OffsetEntry, D>, Index<TimeEntry, D>),
        notes: Notes,
    ) -> Self {
        let (offsets, times) = indexes;
        Self { log, size, end, offsets, times, notes, last: None }
    }

    pub(crate) fn base(&self) -> Offset {
        self.log.base
    }

    /// Whether a batch must go to the next segment, after `pending` bytes that are to be written to this one.
    pub(crate) fn is_full_for(
        &self,
        batch: &BatchHeader,
        pending: u64,
        bytes_max: u32,
        ms_max: Option<u64>,
    ) -> bool {
        let size = self.size + pending;
        if size == 0 {
            return false;
        }
        let too_long = match (ms_max, self.notes.first_timestamp) {
            (Some(ms_max), Some(first)) => {
                batch.max_timestamp > first && batch.max_timestamp.abs_diff(first) > ms_max
            }
            _ => false,
        };
        size + batch.size as u64 > u64::from(bytes_max).min(SIZE_MAX)
            || batch.last_offset() - self.base() > i64::from(i32::MAX)
            || too_long
    }

    /// Whether one of its indexes has no room for another entry, and the one that ends it.
    pub(crate) fn indexes_are_full(&self, bytes_max: u32) -> bool {
        // One that has none yet takes one in any case: else no segment would ever hold anything.
        let is_full = |count: usize, size: usize| count > 0 && (count + 2) * size > bytes_max as usize;
        is_full(self.offsets.count(), OffsetEntry::SIZE) || is_full(self.times.count(), TimeEntry::SIZE)
    }

    /// Notes a batch that is about to be written at `position`.
    pub(crate) fn note(&mut self, batch: &BatchHeader, position: u64, interval: u32) {
        if let Some((offset, time)) = self.notes.note(self.log.base, batch, position, interval) {
            self.offsets.push(offset);
            if let Some(time) = time {
                self.times.push(time);
            }
        }
        self.end = batch.end_offset();
        self.last = Some((batch.base_offset, position));
    }

    /// Ends it: indexes are complete and all is durable.
    pub(crate) fn seal(&mut self) -> Result<(), LogError> {
        self.sync()?;
        if let Some(latest) = self.notes.latest {
            self.times.push(latest);
        }
        self.offsets.freeze()?;
        self.times.freeze()
    }

    pub(crate) fn sync(&self) -> Result<(), LogError> {
        self.log.file.sync().map_err(LogError::io(&self.log.path, "sync it"))
    }

    pub(crate) fn sync_soon(&self) -> Result<(), LogError> {
        self.log.file.sync_soon().map_err(LogError::io(&self.log.path, "sync it"))
    }

    /// The first batch that ends behind `offset`, and its position.
    pub(crate) fn locate(&self, offset: Offset) -> Result<Option<(u64, BatchHeader)>, LogError> {
        if let Some((base, position)) = self.last
            && offset >= base
        {
            return self.log.locate(position, self.size, offset);
        }
        let relative = u32::try_from(offset.saturating_sub(self.base())).unwrap_or(u32::MAX);
        let near = self.offsets.last_before(|entry| entry.relative > relative)?;
        let position = near.map_or(0, |entry| u64::from(entry.position));
        self.log.locate(position, self.size, offset)
    }

    /// Forgets what is at and behind `position`, where `offset` is now the end; the indexes grow again.
    pub(crate) fn truncate(&mut self, position: u64, offset: Offset) -> Result<(), LogError> {
        let file = &self.log.file;
        file.truncate(position).map_err(LogError::io(&self.log.path, "truncate it"))?;
        file.sync().map_err(LogError::io(&self.log.path, "sync it"))?;
        self.offsets.thaw()?;
        self.times.thaw()?;
        let from = u32::try_from(offset - self.base()).unwrap_or(u32::MAX);
        self.offsets.truncate(|entry| entry.relative >= from)?;
        self.times.truncate(|entry| entry.relative >= from)?;
        self.size = position;
        self.end = offset;
        self.last = None;
        // From the last entry on the notes are taken anew.
        let near = self.offsets.last()?.map_or(0, |entry| u64::from(entry.position));
        let mut notes = Notes { latest: self.times.last()?, ..Notes::default() };
        let mut scan = Scan::new(&self.log.file, 0, position, LOCATE_CHUNK);
        if let Some(first) = scan.header().map_err(|error| self.log.fault(error, 0))? {
            notes.first_timestamp = Some(first.max_timestamp);
        }
        let mut scan = Scan::new(&self.log.file, near, position, LOCATE_CHUNK);
        while let Some(batch) = scan.header().map_err(|error| self.log.fault(error, near))? {
            notes.note(self.log.base, &batch, scan.position(), u32::MAX);
            scan.pass(batch.size);
        }
        self.notes = notes;
        Ok(())
    }
}

impl<D: Disk> SegmentFile<D> {
    /// The first batch that ends behind `offset`, and its position; looked for from `near` on, which is the position of some batch.
    pub(crate) fn locate(
        &self,
        near: u64,
        size: u64,
        offset: Offset,
    ) -> Result<Option<(u64, BatchHeader)>, LogError> {
        let mut scan = Scan::new(&self.file, near, size, LOCATE_CHUNK);
        let mut is_first = true;
        loop {
            match scan.header() {
                Ok(None) => return Ok(None),
                Ok(Some(header)) if header.last_offset() >= offset => {
                    // An index that led too far, or to no batch at all, is not believed.
                    if is_first && near > 0 && header.base_offset > offset {
                        return self.locate(0, size, offset);
                    }
                    return Ok(Some((scan.position(), header)));
                }
                Ok(Some(header)) => scan.pass(header.size),
                Err(ScanError::Batch(_)) if near > 0 => return self.locate(0, size, offset),
                Err(error) => return Err(self.fault(error, scan.position())),
            }
            is_first = false;
        }
    }

    /// Whole batches from `position` on, the first of which takes `first` bytes: as many as end at or before `limit` and take at most
    /// `bytes_max` bytes, though the first in any case.
    pub(crate) fn read(
        &self,
        position: u64,
        first: &BatchHeader,
        size: u64,
        limit: Offset,
        bytes_max: usize,
    ) -> Result<Vec<u8>, LogError> {
        let left = usize::try_from(size - position).unwrap_or(usize::MAX);
        let mut bytes = vec![0; bytes_max.max(first.size).min(left)];
        let read = self.file.read_at(position, &mut bytes).map_err(LogError::io(&self.path, "read it"))?;
        bytes.truncate(read);
        let mut whole = 0;
        while whole < bytes.len() {
            match BatchHeader::parse(&bytes[whole..]) {
                Ok(header) if header.end_offset() > limit => break,
                Ok(header) if header.size > bytes.len() - whole => break,
                Ok(header) => whole += header.size,
                Err(_) if bytes.len() - whole < highwater_core::batch::HEADER_SIZE => break,
                Err(error) => return Err(self.fault(ScanError::Batch(error), position + whole as u64)),
            }
        }
        bytes.truncate(whole);
        Ok(bytes)
    }

    /// What a scan found, as an error about this file.
    pub(crate) fn fault(&self, error: ScanError, position: u64) -> LogError {
        match error {
            ScanError::Io(error) => LogError::io(&self.path, "read it")(error),
            ScanError::Batch(error) => Damage::new(
                &self.path,
                error.to_string(),
                "a sound batch",
                "Records that were flushed are damaged: restore the file, or remove this replica's directory and let it \
                 be replicated anew.",
            )
            .at(position)
            .into(),
        }
    }
}
