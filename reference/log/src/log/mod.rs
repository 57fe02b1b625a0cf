//! The log of one replica.

mod flush;
mod recovery;
mod replay;

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::batch::{BatchHeader, Codec, RecordBatch, batches};
use highwater_core::{Epoch, Extent, LogView, Offset, OutOfOrder};

pub use flush::{Flushed, Flusher};
pub use recovery::{Cut, Recovery};

use crate::LogError;
use crate::config::{LogConfig, Recorded};
use crate::disk::{Disk, File, join, parent};
use crate::files::epochs;
use crate::files::offsets::{self, HIGH_WATERMARKS, LOG_STARTS, RECOVERY_POINTS};
use crate::files::{partition_metadata, restart};
use crate::scan::Scan;
use crate::segment::{LOG, OFFSET_INDEX, SCAN_CHUNK, Segment, TIME_INDEX, stem};
use crate::shared::{LogReader, Shared};

/// The log of one replica, in a directory of its own: segments, oldest first, the last of which grows.
///
/// # Invariants
/// - What it holds is whole, sound batches, whose offsets follow one another and whose leader epochs never fall.
/// - All segments but the last are flushed, indexes and leader epochs too: after a crash only the last needs to be looked through.
/// - After a write or a sync failed nothing is read or written any more ([`LogError::Poisoned`]).
/// - What the data directory records of it is lowered, durably, before bytes are changed that it speaks of: recovery point and high watermark
///   are at most the least end since they were recorded, its start at most that of the log.
#[derive(Debug)]
pub struct Log<D: Disk> {
    disk: D,
    directory: String,
    config: LogConfig,
    /// Never empty, bases ascending.
    segments: Vec<Segment<D>>,
    view: LogView,
    /// Whether `leader-epoch-checkpoint` does not have the epochs of the view.
    epochs_changed: bool,
    /// When it was first seen that something is not flushed, in milliseconds of the driver's clock.
    dirty_since_ms: Option<u64>,
    poison: Option<Arc<str>>,
    /// Whether its directory, the files in that, and whose it is are durable: from the first flush on.
    is_settled: bool,
    /// Counts truncations and restarts: what a flusher of before says of offsets means nothing after.
    truncations: u64,
    /// What readers see, if there ever was one.
    shared: Option<Arc<Shared<D>>>,
}

/// The record that a timestamp leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimestampOffset {
    /// Its timestamp, in milliseconds since 1970.
    pub timestamp: i64,
    /// Its offset.
    pub offset: Offset,
    /// Its leader epoch.
    pub epoch: Epoch,
}

impl<D: Disk> Log<D> {
    /// Opens the log in `directory`, which is made if it is not there, and says what had to be done for it.
    ///
    /// Damage that no crash explains is refused, and nothing is changed ([`LogError::Damaged`]).
    pub fn open(
        disk: &D,
        directory: &str,
        config: LogConfig,
        recorded: Recorded,
    ) -> Result<(Self, Recovery), LogError> {
        recovery::open(disk, directory, config, recorded)
    }

    /// Makes the log of a new replica in `directory`, which is there and holds no log. Nothing of it is durable before the first flush: a
    /// crash before that takes records and log, as it would take the records alone.
    pub fn create(disk: &D, directory: &str, config: LogConfig) -> Result<Self, LogError> {
        Ok(Self {
            disk: disk.clone(),
            directory: directory.to_owned(),
            config,
            segments: vec![Segment::create(disk, directory, 0)?],
            view: LogView::default(),
            epochs_changed: true,
            dirty_since_ms: None,
            poison: None,
            is_settled: false,
            truncations: 0,
            shared: None,
        })
    }

    /// Where it starts and ends, how far it is flushed, and its leader epochs.
    pub fn view(&self) -> &LogView {
        &self.view
    }

    /// Its directory, relative to the data directory.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// How it is kept.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Changes how it is kept, from now on.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// How many bytes its batches take.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size).sum()
    }

    /// The offsets at which its segments begin.
    pub fn segment_bases(&self) -> impl Iterator<Item = Offset> + '_ {
        self.segments.iter().map(Segment::base)
    }

    /// A reader, for another thread.
    pub fn reader(&mut self) -> LogReader<D> {
        let (segments, view) = (&self.segments, &self.view);
        let shared =
            self.shared.get_or_insert_with(|| Arc::new(Shared::new(segments, view.start(), view.end())));
        LogReader::new(shared.clone())
    }

    /// Tells readers the high watermark.
    pub fn publish_high_watermark(&self, high_watermark: Offset) {
        if let Some(shared) = &self.shared {
            shared.raise_high_watermark(high_watermark);
        }
    }

    /// Appends whole batches, whose offsets and leader epochs are assigned and go on where the log ends. All or nothing, as far as
    /// the batches are at fault. Not flushed, except what [`FlushPolicy`](crate::FlushPolicy) does not decide: ended segments.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        self.sound()?;
        self.check(bytes)?;
        let base = self.active().base();
        self.poisoning(|log| log.write(bytes))?;
        if let Some(shared) = &self.shared {
            if self.active().base() == base {
                shared.grown(self.active(), self.view.end());
            } else {
                shared.rearranged(&self.segments, self.view.start(), self.view.end());
            }
        }
        Ok(())
    }

    /// Whether all of these may be appended.
    fn check(&self, bytes: &[u8]) -> Result<(), LogError> {
        let (mut end, mut last_epoch) = (self.view.end(), self.view.last_epoch().max(0));
        for batch in batches(bytes) {
            let batch = batch?;
            let extent = extent(batch.header());
            if extent.base != end || extent.epoch < last_epoch {
                return Err(OutOfOrder { extent, end, last_epoch }.into());
            }
            (end, last_epoch) = (extent.end, extent.epoch);
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        // From `from` to `to` are batches that go to the active segment.
        let (mut from, mut to) = (0, 0);
        while to < bytes.len() {
            let header = BatchHeader::parse(&bytes[to..])?;
            let (bytes_max, ms_max) = (self.config.segment_bytes, self.config.segment_ms);
            let interval = self.config.index_interval_bytes;
            if self.active().is_full_for(&header, (to - from) as u64, bytes_max, ms_max)
                || self.active().indexes_are_full(self.config.index_bytes_max)
            {
                self.write_to_active(&bytes[from..to])?;
                from = to;
                self.roll(header.base_offset)?;
            }
            let active = self.active_mut();
            let position = active.size + (to - from) as u64;
            active.note(&header, position, interval);
            let epoch_before = self.view.epochs().last_epoch();
            self.view.append(extent(&header))?;
            self.epochs_changed |= self.view.epochs().last_epoch() != epoch_before;
            to += header.size;
        }
        self.write_to_active(&bytes[from..to])
    }

    fn write_to_active(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        let active = self.active_mut();
        if !bytes.is_empty() {
            let written = active.log.file.write_at(active.size, bytes);
            written.map_err(LogError::io(&active.log.path, "write it"))?;
            active.size += bytes.len() as u64;
        }
        Ok(())
    }

    /// Ends the active segment; the next begins at `base`.
    fn roll(&mut self, base: Offset) -> Result<(), LogError> {
        self.active_mut().seal()?;
        self.settle()?;
        self.save_epochs()?;
        self.view.flush_to(base);
        let segment = Segment::create(&self.disk, &self.directory, base)?;
        self.sync_directory()?;
        self.segments.push(segment);
        Ok(())
    }

    /// Whole batches from the one that holds `from` on: as many as end at or before `limit`, and take at most `bytes_max` bytes, though
    /// at least one. Empty if none ends at or before `limit`.
    pub fn read(&self, from: Offset, limit: Offset, bytes_max: usize) -> Result<Bytes, LogError> {
        self.sound()?;
        let (start, end) = (self.view.start(), self.view.end());
        if from < start || from > end {
            return Err(LogError::OutOfRange { offset: from, start, end });
        }
        let limit = limit.min(end);
        if from >= limit {
            return Ok(Bytes::new());
        }
        let after = self.segments.partition_point(|segment| segment.base() <= from);
        for segment in &self.segments[after.saturating_sub(1)..] {
            let Some((position, header)) = segment.locate(from)? else { continue };
            if header.end_offset() > limit {
                return Ok(Bytes::new());
            }
            return Ok(segment.log.read(position, &header, segment.size, limit, bytes_max)?.into());
        }
        Ok(Bytes::new())
    }

    /// How many bytes the batches from the one that holds `from` to before the one that holds `to` take.
    pub fn bytes_between(&self, from: Offset, to: Offset) -> Result<u64, LogError> {
        self.sound()?;
        Ok(self.position(to)?.saturating_sub(self.position(from)?))
    }

    /// How many bytes are before the batch that holds `offset`.
    fn position(&self, offset: Offset) -> Result<u64, LogError> {
        let mut before = 0;
        for (index, segment) in self.segments.iter().enumerate() {
            let is_in = self.segments.get(index + 1).is_none_or(|next| offset < next.base());
            if is_in && offset < segment.end {
                return Ok(before + segment.locate(offset)?.map_or(segment.size, |(position, _)| position));
            }
            before += segment.size;
        }
        Ok(before)
    }

    /// Cuts the log at `end`, durably, and says where it ends now: that is before `end` if a batch would have to be torn apart.
    pub fn truncate(&mut self, end: Offset) -> Result<Offset, LogError> {
        self.sound()?;
        if end >= self.view.end() {
            return Ok(self.view.end());
        }
        if end < self.view.start() {
            let (start, log_end) = (self.view.start(), self.view.end());
            return Err(LogError::OutOfRange { offset: end, start, end: log_end });
        }
        self.truncations += 1;
        self.changing_bytes(|log| log.cut(end))
    }

    fn cut(&mut self, end: Offset) -> Result<Offset, LogError> {
        let kept = self.segments.partition_point(|segment| segment.base() < end).max(1);
        let found = self.segments[kept - 1].locate(end)?;
        let end = found.map_or(end, |(_, header)| header.base_offset.min(end));
        if end <= self.view.start() {
            // The log's start may be in the midst of a batch that must go: the next one begins there.
            let (start, base_epoch) = (self.view.start(), self.view.base_epoch());
            self.drop_all(start, base_epoch)?;
            return Ok(start);
        }
        self.settle()?;
        self.lower_recorded(end)?;
        while self.segments.len() > kept {
            if let Some(last) = self.segments.pop() {
                self.remove_files(last.base())?;
            }
        }
        let active = self.active_mut();
        let position = found.map_or(active.size, |(position, _)| position);
        active.truncate(position, end)?;
        self.view.truncate_to(end);
        // The segment may never have been flushed as far as this; now it is.
        self.view.flush_to(end);
        self.epochs_changed = true;
        self.save_epochs()?;
        self.dirty_since_ms = None;
        Ok(end)
    }

    /// Lowers what the data directory records to be flushed and committed, before anything at or behind `end` is changed: what comes to
    /// stand there is neither at first, and of other leader epochs than those that a recovery point vouches for.
    fn lower_recorded(&self, end: Offset) -> Result<(), LogError> {
        offsets::lower(&self.disk, RECOVERY_POINTS, &self.directory, end)?;
        offsets::lower(&self.disk, HIGH_WATERMARKS, &self.directory, end)
    }

    /// Moves the log's start up to `start` (at most the end), and removes segments that are wholly before.
    pub fn forget_before(&mut self, start: Offset) -> Result<(), LogError> {
        self.sound()?;
        let end = self.view.end();
        if start > end {
            return Err(LogError::OutOfRange { offset: start, start: self.view.start(), end });
        }
        if start <= self.view.start() {
            return Ok(());
        }
        // What is forgotten counts as flushed, and after a crash the log must not end before it starts.
        if start > self.view.flushed() {
            self.flush()?;
        }
        self.poisoning(|log| {
            log.settle()?;
            log.view.forget_before(start);
            log.epochs_changed = true;
            while log.segments.len() > 1 && log.segments[1].base() <= start {
                let first = log.segments.remove(0);
                log.remove_files(first.base())?;
            }
            log.save_epochs()
        })?;
        if let Some(shared) = &self.shared {
            shared.rearranged(&self.segments, self.view.start(), self.view.end());
        }
        Ok(())
    }

    /// Drops all records: the log goes on, empty, at `start`, after a record of `base_epoch` (a snapshot's last). After a crash
    /// nothing was dropped, or all.
    pub fn restart(&mut self, start: Offset, base_epoch: Epoch) -> Result<(), LogError> {
        self.sound()?;
        self.truncations += 1;
        self.changing_bytes(|log| log.drop_all(start, base_epoch))
    }

    fn drop_all(&mut self, start: Offset, base_epoch: Epoch) -> Result<(), LogError> {
        self.settle()?;
        self.lower_recorded(start.min(self.view.start()))?;
        // Else the next to open it would look for a log that starts later, and drop this one.
        offsets::lower(&self.disk, LOG_STARTS, &self.directory, start)?;
        restart::intend(&self.disk, &self.directory, start)?;
        while let Some(last) = self.segments.pop() {
            self.remove_files(last.base())?;
        }
        self.segments.push(Segment::create(&self.disk, &self.directory, start)?);
        self.sync_directory()?;
        self.view = LogView::empty_from(start, base_epoch);
        self.epochs_changed = true;
        self.dirty_since_ms = None;
        self.save_epochs()?;
        restart::done(&self.disk, &self.directory)
    }

    /// Whether a flush is due by the log's policy, at this time of the driver's clock, in milliseconds.
    pub fn flush_is_due(&mut self, now_ms: u64) -> bool {
        let unflushed = self.view.end().abs_diff(self.view.flushed());
        if unflushed == 0 {
            return false;
        }
        let since = *self.dirty_since_ms.get_or_insert(now_ms);
        let policy = self.config.flush;
        policy.records.is_some_and(|records| unflushed >= records)
            || policy.interval_ms.is_some_and(|interval| now_ms.saturating_sub(since) >= interval)
    }

    /// Forgets what retention says may be forgotten, below `limit` (the high watermark). `now_ms` is in milliseconds since 1970. Whether
    /// the log's start moved.
    pub fn retain(&mut self, now_ms: i64, limit: Offset) -> Result<bool, LogError> {
        self.sound()?;
        let retention = self.config.retention;
        let mut size = self.size();
        let mut start = self.view.start();
        for (index, segment) in self.segments.iter().enumerate() {
            let Some(next) = self.segments.get(index + 1) else { break };
            let too_big = retention.bytes.is_some_and(|bytes| size - segment.size >= bytes);
            let latest = self.latest_of(segment)?;
            let too_old = retention
                .ms
                .zip(latest)
                .is_some_and(|(ms, latest)| i128::from(now_ms) - i128::from(latest) > i128::from(ms));
            if next.base() > limit || !(too_big || too_old) {
                break;
            }
            size -= segment.size;
            start = next.base();
        }
        let moves = start > self.view.start();
        if moves {
            self.forget_before(start)?;
        }
        Ok(moves)
    }

    fn latest_of(&self, segment: &Segment<D>) -> Result<Option<i64>, LogError> {
        match segment.notes.latest {
            Some(latest) => Ok(Some(latest.timestamp)),
            None => Ok(segment.times.last()?.map(|entry| entry.timestamp)),
        }
    }

    /// The latest timestamp of all records, in milliseconds since 1970; `None` without any.
    pub fn latest_timestamp(&self) -> Result<Option<i64>, LogError> {
        self.sound()?;
        let mut latest = None;
        for segment in self.segments.iter().filter(|segment| segment.end > self.view.start()) {
            latest = latest.max(self.latest_of(segment)?);
        }
        Ok(latest)
    }

    /// The first record, at or behind the log's start, whose timestamp is at least this. Of a compressed batch that holds it, its first.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<TimestampOffset>, LogError> {
        self.sound()?;
        for segment in &self.segments {
            if self.latest_of(segment)?.is_none_or(|latest| latest < timestamp) {
                continue;
            }
            let near = segment.times.last_before(|entry| entry.timestamp >= timestamp)?;
            let from = near.map_or(segment.base(), |entry| segment.base() + i64::from(entry.relative));
            let Some((position, _)) = segment.locate(from)? else { continue };
            let mut scan = Scan::new(&segment.log.file, position, segment.size, SCAN_CHUNK.min(1 << 16));
            loop {
                let at = scan.position();
                let fault = |error| segment.log.fault(error, at);
                let Some(header) = scan.header().map_err(fault)? else { break };
                if header.max_timestamp >= timestamp
                    && header.last_offset() >= self.view.start()
                    && let Some(batch) = scan.batch().map_err(fault)?
                    && let Some(found) = self.first_since(&batch, timestamp)?
                {
                    return Ok(Some(found));
                }
                scan.pass(header.size);
            }
        }
        Ok(None)
    }

    fn first_since(
        &self,
        batch: &RecordBatch<'_>,
        timestamp: i64,
    ) -> Result<Option<TimestampOffset>, LogError> {
        let header = batch.header();
        let epoch = header.leader_epoch;
        if header.codec() != Codec::None {
            let offset = header.base_offset.max(self.view.start());
            return Ok(Some(TimestampOffset { timestamp: header.max_timestamp, offset, epoch }));
        }
        for (index, record) in (0..).zip(batch.records()?) {
            let record =
                record.map_err(|error| highwater_core::batch::BatchError::Record { index, error })?;
            if record.timestamp >= timestamp && record.offset >= self.view.start() {
                let (timestamp, offset) = (record.timestamp, record.offset);
                return Ok(Some(TimestampOffset { timestamp, offset, epoch }));
            }
        }
        Ok(None)
    }

    /// Makes all durable, indexes too, for a stop in good order. The marker is the data directory's.
    pub fn close(mut self) -> Result<LogView, LogError> {
        self.close_files()?;
        Ok(self.view)
    }

    /// As [`Log::close`], for who still wants to read. Nothing may be appended any more. All is durable soon: after
    /// [`Disk::end_deferral`], if there is a deferral.
    pub fn close_files(&mut self) -> Result<(), LogError> {
        self.flush()?;
        self.poisoning(|log| {
            let active = log.active_mut();
            if let Some(latest) = active.notes.latest {
                active.times.push(latest);
            }
            active.offsets.flush_soon()?;
            active.times.flush_soon()
        })
    }

    /// Makes durable that there is this log, and whose it is.
    fn settle(&mut self) -> Result<(), LogError> {
        if !self.is_settled {
            partition_metadata::sync_soon(&self.disk, &self.directory)?;
            for directory in [&self.directory, parent(&self.directory)] {
                let synced = self.disk.sync_directory_soon(directory);
                synced.map_err(LogError::io(directory, "sync the directory"))?;
            }
            self.is_settled = true;
        }
        Ok(())
    }

    fn active(&self) -> &Segment<D> {
        self.segments.last().expect("a log has a segment")
    }

    fn active_mut(&mut self) -> &mut Segment<D> {
        self.segments.last_mut().expect("a log has a segment")
    }

    fn sync_directory(&self) -> Result<(), LogError> {
        self.disk.sync_directory(&self.directory).map_err(LogError::io(&self.directory, "sync the directory"))
    }

    /// Removes the files of a segment, durably: so no crash leaves a hole among segments.
    fn remove_files(&self, base: Offset) -> Result<(), LogError> {
        for suffix in [LOG, OFFSET_INDEX, TIME_INDEX] {
            let path = join(&self.directory, &format!("{}{suffix}", stem(base)));
            match self.disk.remove(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(LogError::io(&path, "remove it")(error));
                }
                _ => {}
            }
        }
        self.sync_directory()
    }

    fn save_epochs(&mut self) -> Result<(), LogError> {
        if self.epochs_changed {
            epochs::save(&self.disk, &self.directory, &epochs::of(&self.view))?;
            self.epochs_changed = false;
        }
        Ok(())
    }

    fn sound(&self) -> Result<(), LogError> {
        match &self.poison {
            None => Ok(()),
            Some(because) => Err(LogError::Poisoned { because: because.clone() }),
        }
    }

    /// Does what writes; if it fails, the log is of no more use.
    fn poisoning<T>(&mut self, write: impl FnOnce(&mut Self) -> Result<T, LogError>) -> Result<T, LogError> {
        let result = write(self);
        if let Err(error) = &result {
            self.poison = Some(error.to_string().into());
            if let Some(shared) = &self.shared {
                shared.close();
            }
        }
        result
    }

    /// The same, for what changes bytes that readers may be reading.
    fn changing_bytes<T>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        if let Some(shared) = &self.shared {
            shared.truncating();
        }
        let done = self.poisoning(write)?;
        if let Some(shared) = &self.shared {
            shared.truncated(&self.segments, self.view.start(), self.view.end());
        }
        Ok(done)
    }
}

/// The records of a batch.
fn extent(header: &BatchHeader) -> Extent {
    Extent { epoch: header.leader_epoch, base: header.base_offset, end: header.end_offset() }
}
