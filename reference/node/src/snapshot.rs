//! Snapshots of the metadata (KIP-630): taken, sent in parts, fetched in parts, loaded.

use bytes::Bytes;
use highwater_core::quorum::{self, FetchSnapshotResponse, QuorumError, SnapshotId};
use highwater_log::LogError;
use highwater_log::disk::Disk;
use highwater_log::files::snapshot::SnapshotWriter;

use crate::broker::Dirty;
use crate::node::Node;
use crate::ports::Fatal;
use crate::store;

/// What a node knows of its snapshots.
///
/// - At most one is being fetched, part after part.
#[derive(Debug)]
pub(crate) struct Snapshots<D: Disk> {
    /// How many bytes of log have come since the latest was taken.
    bytes: u64,
    fetching: Option<SnapshotWriter<D>>,
}

impl<D: Disk> Snapshots<D> {
    /// `bytes` of log have come since the latest snapshot.
    pub(crate) fn new(bytes: u64) -> Self {
        Self { bytes, fetching: None }
    }

    /// The log has grown by so many bytes.
    pub(crate) fn grew(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }
}

impl<D: Disk> Node<D> {
    /// Reads the part of a snapshot that an answer announces, and makes it say how large that and the whole is.
    pub(crate) fn read_snapshot(&self, part: &mut FetchSnapshotResponse) -> Result<Bytes, Fatal> {
        if part.error.is_some() {
            return Ok(Bytes::new());
        }
        let Some(reader) = store::open_snapshot(self.disk(), part.snapshot)? else {
            part.error = Some(QuorumError::SnapshotNotFound);
            return Ok(Bytes::new());
        };
        part.size = reader.size();
        if part.position > part.size {
            part.error = Some(QuorumError::PositionOutOfRange);
            return Ok(Bytes::new());
        }
        let bytes = reader.read_at(part.position, self.config.quorum_snapshot_chunk_bytes as usize)?;
        part.length = bytes.len() as u64;
        Ok(bytes.into())
    }

    /// Carries out [`quorum::Effect::WriteSnapshot`].
    pub(crate) fn write_snapshot(
        &mut self,
        snapshot: SnapshotId,
        position: u64,
        complete: bool,
        bytes: &[u8],
    ) -> Result<(), Fatal> {
        if position == 0 {
            self.metadata.snapshots.fetching = Some(store::begin_snapshot(self.disk(), snapshot)?);
        }
        let fetching = &mut self.metadata.snapshots.fetching;
        let Some(mut writer) =
            fetching.take_if(|writer| writer.id() == snapshot && writer.size() == position)
        else {
            // The core asks part after part, so that this one belongs to nothing: the next begins at 0.
            return Ok(());
        };
        writer.write(bytes)?;
        if !complete {
            *fetching = Some(writer);
            return Ok(());
        }
        match writer.finish() {
            Ok(()) => {
                self.metadata.core.handle(self.ports.now, quorum::Input::Snapshot(snapshot));
                Ok(())
            }
            // The leader's fault, not the disk's. The core waits for it no longer than for any answer.
            Err(LogError::Damaged(damage)) => {
                self.ports.report(format!("dropped a snapshot that was fetched: {damage}"));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Carries out [`quorum::Effect::RestartFromSnapshot`]: the log goes on at the end of the snapshot, and what is in that takes the place of
    /// all that was applied.
    pub(crate) fn restart_from(&mut self, snapshot: SnapshotId) -> Result<(), Fatal> {
        self.metadata.log.restart(snapshot.end, snapshot.epoch)?;
        store::delete_other_snapshots(self.disk(), snapshot)?;
        self.metadata.snapshots.bytes = 0;
        if self.metadata.applied >= snapshot.end {
            return Ok(());
        }
        let (image, contained) = store::load_snapshot(self.disk(), snapshot)?;
        self.metadata.load(image, snapshot, contained);
        if let Some(broker) = &mut self.broker {
            broker.dirty = Dirty { all: true, ..Dirty::default() };
        }
        Ok(())
    }

    /// Takes a snapshot of what is applied if the log has grown enough, and cuts the log before it.
    pub(crate) fn snapshot_if_due(&mut self) -> Result<(), Fatal> {
        let due = self.metadata.snapshots.bytes >= self.config.metadata_snapshot_bytes;
        if !due || self.metadata.image.is_in_transaction() {
            return Ok(());
        }
        self.metadata.snapshots.bytes = 0;
        let snapshot = SnapshotId { end: self.metadata.applied, epoch: self.metadata.applied_epoch };
        let (now, contained) = (self.config.timestamp_ms(self.ports.now), self.metadata.applied_timestamp);
        store::write_snapshot(self.disk(), snapshot, &self.metadata.image, now, contained)?;
        self.metadata.core.handle(self.ports.now, quorum::Input::Snapshot(snapshot));
        self.drain_quorum()?;
        if self.metadata.core.snapshot() == Some(snapshot) {
            let start = self.metadata.core.forget_before(snapshot.end);
            self.metadata.log.forget_before(start)?;
            store::delete_other_snapshots(self.disk(), snapshot)?;
        }
        Ok(())
    }
}
