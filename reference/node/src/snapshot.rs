//! Snapshots of the metadata (KIP-630): taken, sent in parts, fetched in parts, loaded.

use bytes::Bytes;
use highwater_core::batch::{self, ControlRecord};
use highwater_core::controller::{Image, MetadataRecord, MetadataVersion};
use highwater_core::quorum::{self, FetchSnapshotResponse, QuorumError, SnapshotId};
use highwater_core::{Offset, batch::BatchBuilder};
use highwater_log::disk::Disk;

use crate::broker::Dirty;
use crate::config::NodeConfig;
use crate::metadata::decode;
use crate::node::Node;
use crate::ports::Fatal;
use crate::store;

/// How many records a batch of a snapshot has at most.
const RECORDS_PER_BATCH: usize = 1_000;

/// What a node knows of its snapshots.
///
/// - At most one is being fetched, part after part.
#[derive(Debug)]
pub(crate) struct Snapshots<D: Disk> {
    disk: D,
    /// How many bytes of log have come since the latest was taken.
    bytes: u64,
    /// The one that is being fetched, and how many bytes of it are there.
    fetching: Option<(store::SnapshotFile<D>, u64)>,
}

impl<D: Disk> Snapshots<D> {
    pub(crate) fn new(disk: D) -> Self {
        Self { disk, bytes: 0, fetching: None }
    }

    /// The log has grown by so many bytes.
    pub(crate) fn grew(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Reads the part of a snapshot that an answer announces, and makes it say how large that and the whole is.
    pub(crate) fn read(&self, part: &mut FetchSnapshotResponse, config: &NodeConfig) -> Result<Bytes, Fatal> {
        if part.error.is_some() {
            return Ok(Bytes::new());
        }
        let length = config.quorum_snapshot_chunk_bytes as usize;
        let Some((size, bytes)) =
            store::read_snapshot_part(&self.disk, part.snapshot, part.position, length)?
        else {
            part.error = Some(QuorumError::SnapshotNotFound);
            return Ok(Bytes::new());
        };
        part.size = size;
        if part.position > size {
            part.error = Some(QuorumError::PositionOutOfRange);
            return Ok(Bytes::new());
        }
        part.length = bytes.len() as u64;
        Ok(bytes)
    }

    /// Writes a part of a snapshot that is being fetched; whether it is complete and durable now.
    fn write(
        &mut self,
        snapshot: SnapshotId,
        position: u64,
        complete: bool,
        bytes: &[u8],
    ) -> Result<bool, Fatal> {
        if position == 0 {
            self.fetching = Some((store::SnapshotFile::create(&self.disk, snapshot)?, 0));
        }
        let next =
            |(file, there): &(store::SnapshotFile<D>, u64)| file.id() == snapshot && *there == position;
        let Some((mut file, there)) = self.fetching.take_if(|fetching| next(fetching)) else {
            // The core asks part after part, so that this one belongs to nothing: the next begins at 0.
            return Ok(false);
        };
        file.append(bytes)?;
        if complete {
            file.finish()?;
            return Ok(true);
        }
        self.fetching = Some((file, there + bytes.len() as u64));
        Ok(false)
    }
}

impl<D: Disk> Node<D> {
    /// Carries out [`quorum::Effect::WriteSnapshot`].
    pub(crate) fn write_snapshot(
        &mut self,
        snapshot: SnapshotId,
        position: u64,
        complete: bool,
        bytes: &[u8],
    ) -> Result<(), Fatal> {
        if self.metadata.snapshots.write(snapshot, position, complete, bytes)? {
            self.metadata.core.handle(self.ports.now, quorum::Input::Snapshot(snapshot));
        }
        Ok(())
    }

    /// Carries out [`quorum::Effect::RestartFromSnapshot`]: the log goes on at the end of the snapshot, and what is in that takes the place of
    /// all that was applied.
    pub(crate) fn restart_from(&mut self, snapshot: SnapshotId) -> Result<(), Fatal> {
        let restarted = self.metadata.log.restart(snapshot.end, snapshot.epoch);
        restarted.map_err(|error| Fatal::new("restarting the metadata log from a snapshot", error))?;
        store::delete_other_snapshots(&self.disk, snapshot)?;
        self.metadata.snapshots.bytes = 0;
        if self.metadata.applied >= snapshot.end {
            return Ok(());
        }
        let image = load(&self.disk, snapshot)?;
        if let Some(control) = &mut self.control {
            control.core.restore(self.ports.now, image.clone(), snapshot.end);
        }
        self.metadata.image = image;
        self.metadata.applied = snapshot.end;
        self.metadata.applied_epoch = snapshot.epoch;
        self.metadata.committed = self.metadata.committed.max(snapshot.end);
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
        let bytes = encode(&self.metadata.image, snapshot, self.config.timestamp_ms(self.ports.now));
        let mut file = store::SnapshotFile::create(&self.disk, snapshot)?;
        file.append(&bytes)?;
        file.finish()?;
        self.metadata.core.handle(self.ports.now, quorum::Input::Snapshot(snapshot));
        self.drain_quorum()?;
        if self.metadata.core.snapshot() == Some(snapshot) {
            let start = self.metadata.core.forget_before(snapshot.end);
            let cut = self.metadata.log.forget_before(start);
            cut.map_err(|error| Fatal::new(format!("cutting the metadata log before {start}"), error))?;
            store::delete_other_snapshots(&self.disk, snapshot)?;
        }
        Ok(())
    }
}

/// The bytes of a snapshot: a header, the records that the image adds up from, a footer.
fn encode(image: &Image, snapshot: SnapshotId, timestamp: i64) -> Vec<u8> {
    let header = ControlRecord::SnapshotHeader { last_contained_timestamp: timestamp };
    let mut bytes = batch::control_batch(0, snapshot.epoch, timestamp, &[header]);
    let mut offset: Offset = 1;
    let version = image.metadata_version().unwrap_or(MetadataVersion::DEFAULT);
    let mut value = Vec::new();
    for records in image.records().chunks(RECORDS_PER_BATCH) {
        let mut batch = BatchBuilder::new(offset, snapshot.epoch);
        for record in records {
            value.clear();
            record.encode(version.of(record), &mut value);
            batch.record(timestamp, None, Some(&value));
        }
        bytes.extend(batch.build());
        offset += records.len() as Offset;
    }
    bytes.extend(batch::control_batch(offset, snapshot.epoch, timestamp, &[ControlRecord::SnapshotFooter]));
    bytes
}

/// Reads a complete snapshot.
pub(crate) fn load<D: Disk>(disk: &D, snapshot: SnapshotId) -> Result<Image, Fatal> {
    let failed = |why: String| Fatal::new(store::snapshot_path(snapshot), why);
    let bytes = store::read_snapshot(disk, snapshot)?;
    batch::extents(&bytes).map_err(|error| failed(error.to_string()))?;
    let mut image = Image::default();
    let mut complete = false;
    for batch in batch::batches(&bytes) {
        let batch = batch.map_err(|error| failed(error.to_string()))?;
        if batch.header().is_control() {
            let mut records = batch.records().map_err(|error| failed(error.to_string()))?;
            complete |= records.any(|record| {
                record.is_ok_and(|record| ControlRecord::decode(&record) == Ok(ControlRecord::SnapshotFooter))
            });
            continue;
        }
        let records: Vec<MetadataRecord> = decode(&batch).map_err(|error| failed(error.0))?;
        for record in &records {
            image.apply(record).map_err(|error| failed(error.to_string()))?;
        }
    }
    if complete { Ok(image) } else { Err(failed("found no footer, expected a complete snapshot".to_owned())) }
}
