//! The producers of a log: their state, beside the log that it is the sum of.

use highwater_core::Offset;
use highwater_core::producer::Producers;

use crate::disk::Disk;
use crate::files::producers as files;
use crate::{Damage, Log, LogError};

/// How many snapshots are kept: the newest, and one to go back to.
const KEPT: usize = 2;

/// The producers of one log, and the snapshots of them in its directory.
///
/// Whoever changes the log says so here, before anything else is done to it: [`LogProducers::append`], [`LogProducers::truncated`] and so on.
///
/// # Invariants
/// - The state is that of all records of the log (as far as they were not deleted before its start), or better: what was deleted since the
///   log was opened is remembered.
/// - No snapshot is above the end of a log that grows: it is removed, durably, when the log was cut or opened. So what has a name at or
///   below the end was taken of these very records.
/// - At most two snapshots are kept, once one was written.
#[derive(Debug, Default)]
pub struct LogProducers {
    state: Producers,
    /// Offsets of the snapshots, ascending.
    snapshots: Vec<Offset>,
    /// Where the active segment begins, as far as a snapshot was taken of it.
    active: Offset,
}

impl LogProducers {
    /// The state of a log that was just opened: the newest snapshot that can be used, and all batches behind it. Damaged snapshots are
    /// removed, and said.
    ///
    /// After a clean stop, a log without any snapshot has no producers: nothing is read.
    pub fn open<D: Disk>(log: &Log<D>, clean: bool) -> Result<(Self, Vec<Damage>), LogError> {
        let (start, end) = (log.view().start(), log.view().end());
        let snapshots = files::list(log.disk(), log.directory())?;
        let mut producers = Self { state: Producers::new(start), snapshots, active: log.active_base() };
        if producers.snapshots.is_empty() && clean {
            producers.state.advance(end);
            return Ok((producers, Vec::new()));
        }
        producers.drop_snapshots(log, |offset| offset > end || offset < start)?;
        let damages = producers.rebuild(log)?;
        Ok((producers, damages))
    }

    /// The state as of the log's end.
    pub fn state(&self) -> &Producers {
        &self.state
    }

    /// These batches were appended to the log. If a segment ended with that, a snapshot is taken where the next begins.
    pub fn append<D: Disk>(&mut self, log: &Log<D>, batches: &[u8]) -> Result<(), LogError> {
        if log.active_base() == self.active {
            self.state.append(batches);
            return Ok(());
        }
        let ended: Vec<Offset> = log.segment_bases().filter(|base| *base > self.active).collect();
        for base in ended {
            self.state.append_below(batches, base);
            self.save(log)?;
        }
        self.active = log.active_base();
        self.state.append(batches);
        Ok(())
    }

    /// The log was cut, and nothing was appended since. Damaged snapshots are removed, and said.
    pub fn truncated<D: Disk>(&mut self, log: &Log<D>) -> Result<Vec<Damage>, LogError> {
        let end = log.view().end();
        self.drop_snapshots(log, |offset| offset > end)?;
        self.active = log.active_base();
        if self.state.end() == end {
            return Ok(Vec::new());
        }
        if self.state.is_empty() {
            // Fewer records have no more producers.
            self.state = Producers::new(end);
            return Ok(Vec::new());
        }
        self.rebuild(log)
    }

    /// The log is about to drop all of its records.
    pub fn restarting<D: Disk>(&mut self, log: &Log<D>) -> Result<(), LogError> {
        self.drop_snapshots(log, |_| true)
    }

    /// The log dropped all of its records, and goes on elsewhere.
    pub fn restarted<D: Disk>(&mut self, log: &Log<D>) {
        self.state = Producers::new(log.view().end());
        self.active = log.active_base();
    }

    /// The log forgot records before its start. Their producers are remembered until the log is opened anew.
    pub fn forgotten<D: Disk>(&mut self, log: &Log<D>) -> Result<(), LogError> {
        let start = log.view().start();
        self.active = log.active_base();
        self.drop_snapshots(log, |offset| offset < start)
    }

    /// Forgets producers that are silent: see [`Producers::expire`].
    pub fn expire(&mut self, now_ms: i64, expiration_ms: u64) {
        self.state.expire(now_ms, expiration_ms);
    }

    /// The log is closed in good order: takes a snapshot at its end, unless there is nothing to say.
    pub fn close<D: Disk>(&mut self, log: &Log<D>) -> Result<(), LogError> {
        if self.state.is_empty() && self.snapshots.is_empty() { Ok(()) } else { self.save(log) }
    }

    /// Takes a snapshot of the state as it is, and removes those that are too many.
    fn save<D: Disk>(&mut self, log: &Log<D>) -> Result<(), LogError> {
        let offset = self.state.end();
        if self.snapshots.last() == Some(&offset) {
            return Ok(());
        }
        files::save(log.disk(), log.directory(), offset, &self.state.snapshot())?;
        self.snapshots.push(offset);
        let surplus = self.snapshots.len().saturating_sub(KEPT);
        files::remove(log.disk(), log.directory(), &self.snapshots[..surplus])?;
        self.snapshots.drain(..surplus);
        Ok(())
    }

    fn drop_snapshots<D: Disk>(
        &mut self,
        log: &Log<D>,
        goes: impl Fn(Offset) -> bool,
    ) -> Result<(), LogError> {
        let gone: Vec<Offset> = self.snapshots.iter().copied().filter(|offset| goes(*offset)).collect();
        files::remove(log.disk(), log.directory(), &gone)?;
        self.snapshots.retain(|offset| !goes(*offset));
        Ok(())
    }

    /// The state from the newest snapshot on.
    fn rebuild<D: Disk>(&mut self, log: &Log<D>) -> Result<Vec<Damage>, LogError> {
        let mut damages = Vec::new();
        self.state = Producers::new(log.view().start());
        let start = log.view().start();
        while let Some(offset) = self.snapshots.last().copied().filter(|offset| *offset >= start) {
            match files::load(log.disk(), log.directory(), offset) {
                Ok(snapshot) => {
                    self.state = Producers::load(snapshot, offset);
                    break;
                }
                Err(LogError::Damaged(damage)) => {
                    damages.push(*damage);
                    self.drop_snapshots(log, |dropped| dropped == offset)?;
                }
                Err(error) => return Err(error),
            }
        }
        if self.state.end() < log.view().end() {
            log.replay(self.state.end(), |header, payload| self.state.append_batch(header, payload))?;
        }
        self.state.advance(log.view().end());
        Ok(damages)
    }
}
