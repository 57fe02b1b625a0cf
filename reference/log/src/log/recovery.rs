//! Opens a log: finds its segments, looks through those that a crash may have torn, and mends what may be mended.
//!
//! Everything is looked at before anything is changed, so that who is refused finds all as it was.
//!
//! | found | what is done |
//! |---|---|
//! | last segment, after a crash: a batch that is not sound, at or behind the recovery point | cut there, and said so |
//! | any other batch that is not sound; segments that overlap | refused |
//! | an index that is missing or cannot be one | made anew |
//! | an index without a log; `.deleted`, `.tmp` | removed |
//! | `.swap`, `.cleaned`: a compaction that was cut off | refused |
//! | leader epochs missing, or not those of the batches | made anew |
//! | an end below the recovery point: a segment was removed by hand | both recorded offsets that are above are lowered |
//!
//! What a checksum does not cover is held against what else is known: base offsets must follow one another; leader epochs must not
//! fall, and below the recovery point must be those of `leader-epoch-checkpoint`.

use std::sync::Arc;

use highwater_core::batch::{BatchError, BatchHeader, RecordBatch};
use highwater_core::{Epoch, EpochCache, EpochStart, LogView, NO_EPOCH, Offset};

use super::Log;
use crate::config::{LogConfig, Recorded};
use crate::disk::{Disk, File, TEMPORARY, join};
use crate::files::{epochs, restart};
use crate::index::{Entry, Index, OffsetEntry, TimeEntry};
use crate::scan::{Scan, ScanError};
use crate::segment::{
    LOG, Notes, OFFSET_INDEX, SCAN_CHUNK, SIZE_MAX, Segment, SegmentFile, TIME_INDEX, parse_name, stem,
};
use crate::{Damage, LogError};

/// What had to be done to open a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// How many bytes of batches were looked through with their checksums.
    pub scanned_bytes: u64,
    /// What was cut off the end.
    pub cut: Option<Cut>,
    /// Indexes that were made anew because they were missing or damaged.
    pub rebuilt: Vec<String>,
    /// Files that were removed.
    pub removed: Vec<String>,
    /// Whether the leader epochs had to be made anew from all batches.
    pub epochs_rebuilt: bool,
}

/// The torn end of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Which file.
    pub file: String,
    /// From which byte on.
    pub position: u64,
    /// How many bytes were cut.
    pub bytes: u64,
    /// What was wrong with the first batch of them.
    pub found: BatchError,
    /// Whether behind that batch stands a sound one. A crash may do that, where sectors were written out of order; so may decay.
    pub sound_behind: bool,
}

/// The files of a log, by what they are.
#[derive(Debug, Default)]
struct Names {
    /// Bases of the segments, ascending.
    bases: Vec<Offset>,
    /// Files of segments.
    files: Vec<String>,
    /// What is of no use.
    leftovers: Vec<String>,
}

/// What a segment was found to hold.
#[derive(Debug, Default)]
struct Contents {
    /// How many bytes of sound batches, from the front.
    size: u64,
    end: Offset,
    notes: Notes,
    offsets: Vec<OffsetEntry>,
    times: Vec<TimeEntry>,
    /// Where leader epochs begin in it.
    epochs: Vec<EpochStart>,
}

/// A segment as it was found.
struct Found<D: Disk> {
    log: Arc<SegmentFile<D>>,
    contents: Contents,
    /// Its indexes, if they are there and can be used as they are.
    indexes: Option<(Index<OffsetEntry, D>, Index<TimeEntry, D>)>,
}

/// What bounds the contents of a segment.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    next_base: Option<Offset>,
    /// No epoch may be below.
    epoch: Epoch,
    file_size: u64,
}

/// Opens the log in a directory.
pub(super) fn open<D: Disk>(
    disk: &D,
    directory: &str,
    config: LogConfig,
    recorded: Recorded,
) -> Result<(Log<D>, Recovery), LogError> {
    let mut recovery = Recovery::default();
    let mut names = Names::of(disk, directory)?;
    let restart = restart::begun(disk, directory)?;
    if restart.is_some() {
        names.drop_segments();
    }
    let saved_epochs = epochs::load(disk, directory)?;
    let mut found = Vec::with_capacity(names.bases.len());
    let mut looker = Looker {
        disk,
        directory,
        config: &config,
        recorded,
        saved_epochs: saved_epochs.as_ref(),
        recovery: &mut recovery,
    };
    for index in 0..names.bases.len() {
        let before = found.last().and_then(|found: &Found<D>| found.contents.epochs.last());
        let epoch = before.map_or(0, |entry| entry.epoch);
        found.push(looker.segment(&names.bases, index, epoch)?);
    }
    let epochs = looker.epochs(&found)?;
    // From here on things are changed.
    mend(disk, directory, &names, &mut recovery)?;
    let mut segments = Vec::with_capacity(found.len().max(1));
    let count = found.len();
    for (index, found) in found.into_iter().enumerate() {
        segments.push(found.into_segment(disk, directory, index + 1 == count)?);
    }
    let is_new = segments.is_empty();
    if is_new {
        segments.push(Segment::create(disk, directory, restart.unwrap_or(recorded.start).max(0))?);
    }
    // After a clean stop all is durable, as long as nothing had to be done about it.
    let is_settled = recorded.clean && !is_new && recovery.rebuilt.is_empty() && recovery.removed.is_empty();
    let view = view(directory, &segments, &epochs, recorded)?;
    let mut log = Log {
        disk: disk.clone(),
        directory: directory.to_owned(),
        config,
        segments,
        epochs_changed: saved_epochs != Some(epochs::of(&view)),
        view,
        dirty_since_ms: None,
        poison: None,
        is_settled,
        truncations: 0,
        shared: None,
    };
    let starts_behind = recorded.start > log.view.end();
    if starts_behind {
        log.restart(recorded.start, NO_EPOCH)?;
    }
    if log.view.end() < recorded.recovery_point {
        // Somebody removed what was there.
        log.lower_recorded(log.view.end())?;
    }
    if recorded.leaves_unflushed && !is_settled {
        log.view.flushed_only_to(recorded.recovery_point.max(log.active().base()));
    } else {
        // What a process that died left in the page cache counts as flushed from now on.
        if !is_settled {
            log.active().sync()?;
            log.settle()?;
        }
        log.save_epochs()?;
    }
    if restart.is_some() && !starts_behind {
        restart::done(disk, directory)?;
    }
    Ok((log, recovery))
}

impl Names {
    fn of<D: Disk>(disk: &D, directory: &str) -> Result<Self, LogError> {
        let names = match disk.list(directory) {
            Ok(names) => names,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(LogError::io(directory, "list it")(error)),
        };
        let mut found = Self::default();
        let mut indexes = Vec::new();
        for name in names {
            let path = join(directory, &name);
            match parse_name(&name) {
                _ if name.ends_with(".swap") || name.ends_with(".cleaned") => {
                    let cure = "A compaction was cut off, which only Kafka can end: start Kafka once on this directory, or \
                                remove the directory and let the replica be replicated anew.";
                    return Err(Damage::new(&path, "a file of a compaction", "segments only", cure).into());
                }
                _ if name.ends_with(TEMPORARY) || name.ends_with(".deleted") => found.leftovers.push(path),
                Some((base, LOG)) => {
                    found.bases.push(base);
                    found.files.push(path);
                }
                Some((base, OFFSET_INDEX | TIME_INDEX)) => indexes.push((base, path)),
                _ => {}
            }
        }
        for (base, path) in indexes {
            let of_a_log = found.bases.binary_search(&base).is_ok();
            if of_a_log { &mut found.files } else { &mut found.leftovers }.push(path);
        }
        Ok(found)
    }

    /// The log is being dropped: nothing in it counts.
    fn drop_segments(&mut self) {
        self.bases.clear();
        self.leftovers.append(&mut self.files);
    }
}

/// Looks at segments, and changes nothing.
struct Looker<'a, D: Disk> {
    disk: &'a D,
    directory: &'a str,
    config: &'a LogConfig,
    recorded: Recorded,
    saved_epochs: Option<&'a EpochCache>,
    recovery: &'a mut Recovery,
}

impl<D: Disk> Looker<'_, D> {
    fn segment(&mut self, bases: &[Offset], index: usize, epoch: Epoch) -> Result<Found<D>, LogError> {
        let base = bases[index];
        let next_base = bases.get(index + 1).copied();
        let path = self.path(base, LOG);
        let file = self.disk.open(&path).map_err(LogError::io(&path, "open it"))?;
        let file_size = file.size().map_err(LogError::io(&path, "read its size"))?;
        let log = Arc::new(SegmentFile { base, path, file });
        if file_size > SIZE_MAX {
            let cure = "No segment is that large: it was not written by a broker. Remove it.";
            let found = format!("{file_size} bytes");
            return Err(Damage::new(&log.path, found, "at most 2^31 - 1 bytes", cure).into());
        }
        let indexes = (
            Index::open(self.disk, self.path(base, OFFSET_INDEX))?,
            Index::open(self.disk, self.path(base, TIME_INDEX))?,
        );
        for (is_missing, suffix) in [(indexes.0.is_none(), OFFSET_INDEX), (indexes.1.is_none(), TIME_INDEX)] {
            if is_missing {
                self.recovery.rebuilt.push(self.path(base, suffix));
            }
        }
        let bounds = Bounds { next_base, epoch, file_size };
        let may_be_torn =
            !self.recorded.clean && next_base.is_none_or(|next| next > self.recorded.recovery_point);
        if let (Some(offsets), Some(times)) = indexes
            && !may_be_torn
            && let Some(contents) = self.trusting(&log, &offsets, &times, bounds)?
        {
            return Ok(Found { log, contents, indexes: Some((offsets, times)) });
        }
        let contents = self.scan(&log, bounds)?;
        Ok(Found { log, contents, indexes: None })
    }

    /// What a segment that was flushed holds, as far as its indexes tell; `None` if they do not fit the file.
    fn trusting(
        &self,
        log: &SegmentFile<D>,
        offsets: &Index<OffsetEntry, D>,
        times: &Index<TimeEntry, D>,
        bounds: Bounds,
    ) -> Result<Option<Contents>, LogError> {
        let last = offsets.last()?;
        let near = last.map_or(0, |entry| u64::from(entry.position));
        if near >= bounds.file_size && last.is_some() {
            return Ok(None);
        }
        let mut contents = Contents { size: bounds.file_size, end: log.base, ..Contents::default() };
        contents.notes.latest = times.last()?;
        if let Some(next) = bounds.next_base {
            contents.end = next;
            return Ok(Some(contents));
        }
        // The end of the last segment is nowhere written.
        let mut scan = Scan::new(&log.file, near, bounds.file_size, SCAN_CHUNK);
        let mut is_first = true;
        loop {
            let position = scan.position();
            match scan.header() {
                Ok(Some(header)) => {
                    let follows =
                        is_first && header.base_offset >= log.base || header.base_offset == contents.end;
                    if !follows {
                        return Ok(None);
                    }
                    contents.note(log.base, &header, position, u32::MAX);
                    scan.pass(header.size);
                    is_first = false;
                }
                Ok(None) => break,
                Err(ScanError::Batch(_)) => return Ok(None),
                Err(error) => return Err(log.fault(error, position)),
            }
        }
        if let Ok(Some(first)) = Scan::new(&log.file, 0, bounds.file_size, 0).header() {
            contents.notes.first_timestamp = Some(first.max_timestamp);
        }
        contents.epochs.clear();
        Ok(Some(contents))
    }

    /// What a segment holds, by its batches alone.
    fn scan(&mut self, log: &SegmentFile<D>, bounds: Bounds) -> Result<Contents, LogError> {
        let mut contents = Contents { end: log.base, ..Contents::default() };
        let mut scan = Scan::new(&log.file, 0, bounds.file_size, SCAN_CHUNK);
        let mut epoch = bounds.epoch;
        let interval = self.config.index_interval_bytes;
        loop {
            let position = scan.position();
            let error = match scan.batch() {
                Ok(None) => break,
                Ok(Some(batch)) => {
                    let header = *batch.header();
                    match fits(&header, contents.end, epoch, bounds.next_base) {
                        Ok(()) => {
                            self.hold_against_saved(log, &header, position)?;
                            contents.note(log.base, &header, position, interval);
                            epoch = header.leader_epoch;
                            scan.pass(header.size);
                            continue;
                        }
                        Err(error) => error,
                    }
                }
                Err(ScanError::Batch(error)) => error,
                Err(error) => return Err(log.fault(error, position)),
            };
            let is_tail = bounds.next_base.is_none();
            if self.recorded.clean || !is_tail || contents.end < self.recorded.recovery_point {
                return Err(log.fault(ScanError::Batch(error), position));
            }
            self.recovery.cut = Some(Cut {
                file: log.path.clone(),
                position,
                bytes: bounds.file_size - position,
                found: error,
                sound_behind: sound_behind(log, position, bounds.file_size, contents.end)?,
            });
            break;
        }
        contents.size = scan.position();
        if let Some(latest) = contents.notes.latest.filter(|_| bounds.next_base.is_some())
            && contents.times.last().is_none_or(|last| last.precedes(&latest))
        {
            contents.times.push(latest);
        }
        contents.end = bounds.next_base.unwrap_or(contents.end);
        self.recovery.scanned_bytes += contents.size;
        Ok(contents)
    }

    /// Below the recovery point a batch is of the leader epoch that the checkpoint says.
    fn hold_against_saved(
        &self,
        log: &SegmentFile<D>,
        header: &BatchHeader,
        position: u64,
    ) -> Result<(), LogError> {
        let Some(saved) = self.saved_epochs else { return Ok(()) };
        let (base, found) = (header.base_offset, header.leader_epoch);
        match saved.epoch_at(base) {
            Some(expected) if expected != found && base < self.recorded.recovery_point => {
                let cure = format!(
                    "One of both is damaged. If it is {}, remove that: it is made anew from the batches.",
                    self.path_of(epochs::NAME)
                );
                let (found, expected) =
                    (format!("leader epoch {found}"), format!("{expected}, by the checkpoint"));
                Err(Damage::new(&log.path, found, expected, cure).at(position).into())
            }
            _ => Ok(()),
        }
    }

    /// Where leader epochs begin in all of the log: of segments that were looked through as their batches say, of others as saved, if
    /// that is believable.
    fn epochs(&mut self, found: &[Found<D>]) -> Result<Vec<EpochStart>, LogError> {
        let none = EpochCache::default();
        let saved = self.saved_epochs.unwrap_or(&none);
        let believed = self.agrees(saved, found)?;
        self.recovery.epochs_rebuilt = !believed;
        let mut starts = Vec::new();
        let mut from = Offset::MIN;
        for found in found {
            let Contents { size, end, epochs, .. } = &found.contents;
            // Before the first segment there is the epoch of the record before it.
            let known_to = if found.is_scanned() { found.log.base } else { *end };
            if believed {
                let known = saved.starts().iter().filter(|entry| (from..known_to).contains(&entry.start));
                known.for_each(|entry| push_epoch(&mut starts, *entry));
            } else if !found.is_scanned() {
                found.log.epochs(*size, &mut starts)?;
            }
            epochs.iter().for_each(|entry| push_epoch(&mut starts, *entry));
            from = *end;
        }
        Ok(starts)
    }

    /// Whether saved epochs are those with which segments begin.
    fn agrees(&self, saved: &EpochCache, found: &[Found<D>]) -> Result<bool, LogError> {
        // A crash may bring back the start of a log whose epochs were forgotten already.
        let start = found.first().map_or(0, |found| found.log.base).max(self.recorded.start);
        let holds_start = found.iter().any(|found| !found.is_scanned() && found.contents.end > start);
        if holds_start && saved.epoch_at(start).is_none() {
            return Ok(false);
        }
        for found in found.iter().filter(|found| !found.is_scanned()) {
            let mut scan = Scan::new(&found.log.file, 0, found.contents.size, 0);
            let first = scan.header().map_err(|error| found.log.fault(error, 0))?;
            // The log's start may be in the midst of its first segment, and then epochs before are forgotten.
            let Some(first) = first.filter(|first| first.base_offset >= self.recorded.start) else {
                continue;
            };
            if saved.epoch_at(first.base_offset) != Some(first.leader_epoch) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn path(&self, base: Offset, suffix: &str) -> String {
        self.path_of(&format!("{}{suffix}", stem(base)))
    }

    fn path_of(&self, name: &str) -> String {
        join(self.directory, name)
    }
}

impl Contents {
    fn note(&mut self, base: Offset, header: &BatchHeader, position: u64, interval: u32) {
        if let Some((offset, time)) = self.notes.note(base, header, position, interval) {
            self.offsets.push(offset);
            let time = time.filter(|time| self.times.last().is_none_or(|last| last.precedes(time)));
            self.times.extend(time);
        }
        push_epoch(&mut self.epochs, EpochStart { epoch: header.leader_epoch, start: header.base_offset });
        self.end = header.end_offset();
    }
}

impl<D: Disk> Found<D> {
    /// Whether its batches were looked through; else its indexes were believed.
    fn is_scanned(&self) -> bool {
        self.indexes.is_none()
    }

    /// Makes it a segment: cuts what is no part of it, and writes the indexes that were not as they should be.
    fn into_segment(self, disk: &D, directory: &str, is_last: bool) -> Result<Segment<D>, LogError> {
        let Self { log, contents, indexes } = self;
        let size = log.file.size().map_err(LogError::io(&log.path, "read its size"))?;
        if size > contents.size {
            log.file.truncate(contents.size).map_err(LogError::io(&log.path, "truncate it"))?;
            log.file.sync().map_err(LogError::io(&log.path, "sync it"))?;
        }
        let (mut offsets, mut times) = match indexes {
            Some(indexes) => indexes,
            None => {
                let path = |suffix: &str| join(directory, &format!("{}{suffix}", stem(log.base)));
                let mut offsets = Index::create(disk, path(OFFSET_INDEX))?;
                let mut times = Index::create(disk, path(TIME_INDEX))?;
                offsets.refill(contents.offsets)?;
                times.refill(contents.times)?;
                (offsets, times)
            }
        };
        if is_last {
            offsets.thaw()?;
            times.thaw()?;
        } else {
            offsets.freeze()?;
            times.freeze()?;
        }
        let Contents { size, end, notes, .. } = contents;
        Ok(Segment::found(log, size, end, (offsets, times), notes))
    }
}

impl<D: Disk> SegmentFile<D> {
    /// Where leader epochs begin in it.
    fn epochs(&self, size: u64, starts: &mut Vec<EpochStart>) -> Result<(), LogError> {
        let mut scan = Scan::new(&self.file, 0, size, SCAN_CHUNK);
        loop {
            let position = scan.position();
            let Some(header) = scan.header().map_err(|error| self.fault(error, position))? else {
                return Ok(());
            };
            push_epoch(starts, EpochStart { epoch: header.leader_epoch, start: header.base_offset });
            scan.pass(header.size);
        }
    }
}

fn push_epoch(starts: &mut Vec<EpochStart>, entry: EpochStart) {
    if starts.last().is_none_or(|last| last.epoch < entry.epoch && last.start < entry.start) {
        starts.push(entry);
    }
}

/// Whether a sound batch may stand where it does.
fn fits(
    header: &BatchHeader,
    end: Offset,
    epoch: Epoch,
    next_base: Option<Offset>,
) -> Result<(), BatchError> {
    let (base, found) = (header.base_offset, header.leader_epoch);
    if base != end {
        return Err(BatchError::Gap { expected: end, found: base });
    }
    if let Some(next) = next_base.filter(|next| header.end_offset() > *next) {
        return Err(BatchError::Gap { expected: next, found: header.end_offset() });
    }
    if found < 0 {
        return Err(BatchError::EpochRange { found });
    }
    if found < epoch {
        return Err(BatchError::EpochFell { before: epoch, found });
    }
    Ok(())
}

/// How far behind damage a sound batch is looked for, in bytes.
const LOOK_BEHIND: u64 = 1 << 16;

/// Whether a sound batch that belongs behind `end` follows the damage at `position`.
fn sound_behind<D: Disk>(
    log: &SegmentFile<D>,
    position: u64,
    size: u64,
    end: Offset,
) -> Result<bool, LogError> {
    let count = usize::try_from((size - position).min(LOOK_BEHIND)).unwrap_or(0);
    let mut bytes = vec![0; count];
    let read = log.file.read_at(position, &mut bytes).map_err(LogError::io(&log.path, "read it"))?;
    let bytes = &bytes[..read];
    let is_sound = |from: usize| {
        BatchHeader::parse(&bytes[from..])
            .is_ok_and(|header| header.base_offset > end && header.leader_epoch >= 0)
            && RecordBatch::parse(&bytes[from..]).is_ok()
    };
    Ok((1..bytes.len()).any(is_sound))
}

/// Removes what is of no use, and makes the directory if there is none.
fn mend<D: Disk>(disk: &D, directory: &str, names: &Names, recovery: &mut Recovery) -> Result<(), LogError> {
    disk.create_directory(directory).map_err(LogError::io(directory, "make the directory"))?;
    for path in &names.leftovers {
        disk.remove(path).map_err(LogError::io(path, "remove it"))?;
        recovery.removed.push(path.clone());
    }
    Ok(())
}

/// The view of a log with these segments.
fn view<D: Disk>(
    directory: &str,
    segments: &[Segment<D>],
    epochs: &[EpochStart],
    recorded: Recorded,
) -> Result<LogView, LogError> {
    let first = segments.first().map_or(0, Segment::base);
    let end = segments.last().map_or(first, |segment| segment.end);
    let mut start = first.max(recorded.start).min(end);
    let before = epochs.iter().rev().find(|entry| entry.start < start).map(|entry| entry.epoch);
    // A crash may bring back records that a snapshot stands for, but not the epoch before them, which diverging replicas need.
    if let Some((offset, _)) = recorded.base
        && before.is_none()
        && (start.max(1)..=end).contains(&offset)
    {
        start = offset;
    }
    let base_epoch = match recorded.base {
        Some((offset, epoch)) if offset == start => epoch,
        _ => before.unwrap_or(NO_EPOCH),
    };
    // The epoch that holds the start begins there.
    let holding = epochs.partition_point(|entry| entry.start <= start).saturating_sub(1);
    let mut starts = epochs.get(holding..).unwrap_or_default().to_vec();
    if let Some(first) = starts.first_mut() {
        first.start = first.start.max(start);
    }
    if start == end {
        starts.clear();
    }
    EpochCache::from_starts(starts)
        .and_then(|cache| LogView::recovered(start, end, base_epoch, cache))
        .ok_or_else(|| {
            let found = format!("leader epochs {epochs:?} in a log from {start} to {end} after epoch {base_epoch}");
            let cure = "Remove leader-epoch-checkpoint: it is made anew from the batches. If there is a snapshot that ends \
                        where the log starts, one of both is foreign.";
            Damage::new(directory, found, "epochs that fit the log", cure).into()
        })
}
