//! The quorum core over its log: its effects carried out on disk, all that does not need the state machine. [`Replica`](crate::Replica) is built on it,
//! and so is the broker's node, whose metadata are a quorum's state.
//!
//! - What must be durable before a message is on the disk before the message comes out of [`QuorumLog::poll`].
//! - The core never hears of bytes that were not checked: checksum, offsets, epochs.
//! - `incoming` is empty but while an answer is being handled.

use std::collections::VecDeque;

use bytes::Bytes;
use highwater_core::batch::{self, ControlRecord};
use highwater_core::quorum::{
    self, Effect, FetchSnapshotResponse, Quorum, QuorumError, ReplicaKey, SnapshotId,
};
use highwater_core::{Epoch, Extent, Instant, NodeId, Offset, Token};
use highwater_log::disk::Disk;
use highwater_log::files::quorum_state;
use highwater_log::files::snapshot::{self, SnapshotReader, SnapshotWriter};
use highwater_log::{Flushed, Flusher, Log, LogError, METADATA, records};

use crate::config::Fatal;

/// What is left for the owner, in order.
#[derive(Debug)]
pub enum Left {
    /// Send a request.
    Send(NodeId, quorum::Request),
    /// Answer one, with the bytes that belong to it.
    Reply(Token, quorum::Response, Bytes),
    /// Flush the log.
    Flush,
    /// More is committed: [`QuorumLog::committed`].
    Committed,
    /// The state machine leads.
    Lead {
        /// The epoch.
        epoch: Epoch,
        /// The offset of its first record.
        start: Offset,
    },
    /// It does not any more.
    Unlead,
    /// The log begins at the end of this snapshot now.
    Restarted(SnapshotId),
    /// Tell the operator.
    Report(String),
}

/// How a log is served, and when it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// How many bytes of records go in one answer.
    pub fetch_bytes_max: u32,
    /// How many bytes of a snapshot go in one.
    pub snapshot_part_bytes: u32,
    /// After so many bytes of log a snapshot is due.
    pub snapshot_bytes: u64,
    /// The wall clock at the driver's zero, in milliseconds since 1970.
    pub clock_origin_ms: i64,
}

impl LogSettings {
    /// The wall clock's time.
    pub fn timestamp_ms(&self, now: Instant) -> i64 {
        self.clock_origin_ms.saturating_add(i64::try_from(now.0 / 1000).unwrap_or(i64::MAX))
    }
}

/// A quorum core with its log and its snapshots. Inputs go in; what is left for the owner comes out of [`QuorumLog::poll`].
#[derive(Debug)]
pub struct QuorumLog<D: Disk> {
    core: Quorum,
    log: Log<D>,
    disk: D,
    settings: LogSettings,
    committed: Offset,
    /// How many bytes of log have come since the latest snapshot.
    grown: u64,
    fetching: Option<SnapshotWriter<D>>,
    incoming: Bytes,
    flush_asked: bool,
    left: VecDeque<Left>,
}

impl<D: Disk> QuorumLog<D> {
    /// Whatever the core wants at once waits for the first [`QuorumLog::drain`].
    pub fn new(settings: LogSettings, disk: D, core: Quorum, log: Log<D>) -> Self {
        let committed = core.snapshot().map_or(0, |snapshot| snapshot.end);
        let grown = log.size();
        Self {
            core,
            log,
            disk,
            settings,
            committed,
            grown,
            fetching: None,
            incoming: Bytes::new(),
            flush_asked: false,
            left: VecDeque::new(),
        }
    }

    /// The core.
    pub fn core(&self) -> &Quorum {
        &self.core
    }

    /// The log.
    pub fn log(&self) -> &Log<D> {
        &self.log
    }

    /// The log, to be read beside, or closed.
    pub fn log_mut(&mut self) -> &mut Log<D> {
        &mut self.log
    }

    /// Below is committed, as far as known.
    pub fn committed(&self) -> Offset {
        self.committed
    }

    /// The oldest that is left.
    pub fn poll(&mut self) -> Option<Left> {
        self.left.pop_front()
    }

    // ---- inputs ----

    /// Anything but an answer.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn handle(&mut self, now: Instant, input: quorum::Input) -> Result<(), Fatal> {
        self.core.handle(now, input);
        self.drain(now)
    }

    /// What is due.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn elapse(&mut self, now: Instant) -> Result<(), Fatal> {
        self.core.elapse(now);
        self.drain(now)
    }

    /// An answer to a request, with the bytes that came along.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn answered(
        &mut self,
        now: Instant,
        from: NodeId,
        request: quorum::Request,
        mut response: quorum::Response,
        bytes: Bytes,
    ) -> Result<(), Fatal> {
        if let quorum::Response::Fetch(fetch) = &mut response {
            records::align(&self.log, &mut fetch.diverging)?;
        }
        if let Err(why) = checked(&request, &mut response, &bytes) {
            self.left
                .push_back(Left::Report(format!("dropped what {from} answered on the quorum's log: {why}")));
            return self.handle(now, quorum::Input::Failed { to: from, request });
        }
        self.incoming = bytes;
        let done = self.handle(now, quorum::Input::Response { from, request, response });
        self.incoming = Bytes::new();
        done
    }

    /// Appends a batch of `count` records, which `build` makes for where it goes; nothing if this does not lead that epoch.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn append(
        &mut self,
        now: Instant,
        epoch: Epoch,
        count: u32,
        build: impl FnOnce(Extent) -> Vec<u8>,
    ) -> Result<Option<Extent>, Fatal> {
        let Ok(extent) = self.core.append(now, epoch, count) else { return Ok(None) };
        self.write(&build(extent))?;
        self.drain(now)?;
        Ok(Some(extent))
    }

    /// Does the flush that was asked for.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn flush(&mut self, now: Instant) -> Result<(), Fatal> {
        self.flush_asked = false;
        let through = self.log.flush()?;
        self.handle(now, quorum::Input::Flushed { through })
    }

    /// What does it on another thread; nothing if there is nothing to flush: [`flush`](Self::flush) then tells the core so, which waits for
    /// it.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn flusher(&mut self) -> Result<Option<Flusher<D>>, Fatal> {
        let flusher = self.log.flusher()?;
        self.flush_asked &= flusher.is_some();
        Ok(flusher)
    }

    /// Takes what that did.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn flushed(&mut self, now: Instant, flushed: Flushed) -> Result<(), Fatal> {
        self.flush_asked = false;
        let through = self.log.flushed(flushed)?;
        if through < self.log.view().end() {
            // What came meanwhile waits for it, too.
            self.flush_asked = true;
            self.left.push_back(Left::Flush);
        }
        self.handle(now, quorum::Input::Flushed { through })
    }

    // ---- effects ----

    /// Carries out what the core wants, in order.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn drain(&mut self, now: Instant) -> Result<(), Fatal> {
        while let Some(effect) = self.core.poll() {
            self.carry_out(now, effect)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, now: Instant, effect: Effect) -> Result<(), Fatal> {
        match effect {
            Effect::SaveElection(state) => quorum_state::save(&self.disk, METADATA, &state)?,
            Effect::Truncate { end } => records::truncate(&mut self.log, end)
                .map_err(|error| Fatal::new(format!("truncating the quorum's log to {end}"), error))?,
            Effect::AppendLeaderChange { extent, leader, voters, granting } => {
                let batch = self.leader_change(now, extent, leader, &voters, &granting);
                self.write(&batch)?;
            }
            Effect::AppendFetched { end } => {
                let bytes = records::between(&self.incoming, Offset::MIN, end);
                self.write(&bytes)?;
            }
            Effect::Flush { .. } => {
                if !self.flush_asked {
                    self.flush_asked = true;
                    self.left.push_back(Left::Flush);
                }
            }
            Effect::WriteSnapshot { snapshot, position, complete } => {
                self.write_part(now, snapshot, position, complete)?;
            }
            Effect::RestartFromSnapshot(snapshot) => {
                self.log.restart(snapshot.end, snapshot.epoch)?;
                delete_other_snapshots(&self.disk, snapshot)?;
                self.grown = 0;
                self.committed = self.committed.max(snapshot.end);
                self.left.push_back(Left::Restarted(snapshot));
            }
            Effect::Send { to, request } => self.left.push_back(Left::Send(to, request)),
            Effect::Reply { token, response } => {
                let (response, bytes) = self.with_bytes(response)?;
                self.left.push_back(Left::Reply(token, response, bytes));
            }
            Effect::Committed { high_watermark } => {
                self.committed = self.committed.max(high_watermark);
                self.left.push_back(Left::Committed);
            }
            Effect::Lead { epoch, start } => self.left.push_back(Left::Lead { epoch, start }),
            Effect::Unlead { .. } => self.left.push_back(Left::Unlead),
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        self.log.append(bytes).map_err(|error| Fatal::new("appending to the quorum's log", error))?;
        self.grown += bytes.len() as u64;
        Ok(())
    }

    fn leader_change(
        &self,
        now: Instant,
        extent: Extent,
        leader: NodeId,
        voters: &[NodeId],
        granting: &[NodeId],
    ) -> Vec<u8> {
        let known = self.core.voters();
        let key =
            |id: &NodeId| known.key(*id).unwrap_or(ReplicaKey { id: *id, directory: Default::default() });
        let record = ControlRecord::LeaderChange {
            // Kafka 4.3 reads version 0 only, whatever the record says: its dump fails on others. Who granted their votes is not in it.
            version: 0,
            leader,
            voters: voters.iter().map(key).collect(),
            granting: granting.iter().map(key).collect(),
        };
        batch::control_batch(extent.base, extent.epoch, self.settings.timestamp_ms(now), &[record])
    }

    /// Attaches the bytes that an answer announces, and makes it say how many they are.
    fn with_bytes(&self, mut response: quorum::Response) -> Result<(quorum::Response, Bytes), Fatal> {
        let bytes = match &mut response {
            quorum::Response::Fetch(fetch) => match (fetch.records.first(), fetch.records.last()) {
                (Some(first), Some(last)) => {
                    let (from, to) = (first.base, last.end);
                    let bytes = self.log.read(from, to, self.settings.fetch_bytes_max as usize)?;
                    records::cut(&mut fetch.records, records::end(&bytes).unwrap_or(from));
                    bytes
                }
                _ => Bytes::new(),
            },
            quorum::Response::FetchSnapshot(part) => self.read_part(part)?,
            _ => Bytes::new(),
        };
        Ok((response, bytes))
    }

    // ---- snapshots (KIP-630) ----

    /// Whether the log has grown enough since the latest.
    pub fn snapshot_is_due(&self) -> bool {
        self.grown >= self.settings.snapshot_bytes
    }

    /// The next becomes due when the log has grown as much again.
    pub fn put_off_snapshot(&mut self) {
        self.grown = 0;
    }

    /// Writes a snapshot of what is applied, of which these are the file's bytes, and forgets the log before it.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn take_snapshot(&mut self, now: Instant, id: SnapshotId, bytes: &[u8]) -> Result<(), Fatal> {
        self.grown = 0;
        let mut writer = SnapshotWriter::create(&self.disk, METADATA, id)?;
        writer.write(bytes)?;
        writer.finish()?;
        self.handle(now, quorum::Input::Snapshot(id))?;
        if self.core.snapshot() == Some(id) {
            let start = self.core.forget_before(id.end);
            self.log.forget_before(start)?;
            delete_other_snapshots(&self.disk, id)?;
        }
        Ok(())
    }

    fn read_part(&self, part: &mut FetchSnapshotResponse) -> Result<Bytes, Fatal> {
        if part.error.is_some() {
            return Ok(Bytes::new());
        }
        let Some(reader) = SnapshotReader::open(&self.disk, METADATA, part.snapshot)? else {
            part.error = Some(QuorumError::SnapshotNotFound);
            return Ok(Bytes::new());
        };
        part.size = reader.size();
        if part.position > part.size {
            part.error = Some(QuorumError::PositionOutOfRange);
            return Ok(Bytes::new());
        }
        let bytes = reader.read_at(part.position, self.settings.snapshot_part_bytes as usize)?;
        part.length = bytes.len() as u64;
        Ok(bytes.into())
    }

    fn write_part(
        &mut self,
        now: Instant,
        id: SnapshotId,
        position: u64,
        complete: bool,
    ) -> Result<(), Fatal> {
        if position == 0 {
            self.fetching = Some(SnapshotWriter::create(&self.disk, METADATA, id)?);
        }
        let fits = |writer: &mut SnapshotWriter<D>| writer.id() == id && writer.size() == position;
        // The core asks part after part, so that what fits nothing belongs to nothing: the next begins at 0.
        let Some(mut writer) = self.fetching.take_if(fits) else { return Ok(()) };
        writer.write(&self.incoming)?;
        if !complete {
            self.fetching = Some(writer);
            return Ok(());
        }
        match writer.finish() {
            Ok(()) => {
                self.core.handle(now, quorum::Input::Snapshot(id));
                Ok(())
            }
            // The leader's fault, not the disk's. The core waits for it no longer than for any answer.
            Err(LogError::Damaged(damage)) => {
                self.left.push_back(Left::Report(format!("dropped a snapshot that was fetched: {damage}")));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Deletes all snapshots but this, and what was never completed.
fn delete_other_snapshots<D: Disk>(disk: &D, kept: SnapshotId) -> Result<(), Fatal> {
    for id in snapshot::list(disk, METADATA)?.into_iter().filter(|id| *id != kept) {
        snapshot::remove(disk, METADATA, id)?;
    }
    Ok(snapshot::remove_parts(disk, METADATA)?)
}

/// Checks the bytes of an answer before the core hears of it, and makes it say what they are.
fn checked(asked: &quorum::Request, response: &mut quorum::Response, bytes: &Bytes) -> Result<(), String> {
    match (asked, response) {
        (quorum::Request::Fetch(asked), quorum::Response::Fetch(fetch)) => {
            fetch.records = records::check(bytes, asked.offset).map_err(|error| error.to_string())?;
        }
        (quorum::Request::FetchSnapshot(asked), quorum::Response::FetchSnapshot(part)) => {
            let length = bytes.len() as u64;
            let fits = part.position.checked_add(length).is_some_and(|end| end <= part.size);
            let other = part.snapshot != asked.snapshot || part.position != asked.position;
            if part.error.is_none() && (other || !fits) {
                return Err(format!(
                    "{length} bytes at {} of {} of a snapshot, where {} was asked for",
                    part.position, part.size, asked.position
                ));
            }
            part.length = length;
        }
        (quorum::Request::Vote(_), quorum::Response::Vote(_))
        | (quorum::Request::BeginQuorumEpoch(_), quorum::Response::BeginQuorumEpoch(_))
        | (quorum::Request::EndQuorumEpoch(_), quorum::Response::EndQuorumEpoch(_)) => {}
        _ => return Err("an answer of another kind than the request".to_owned()),
    }
    Ok(())
}
