//! Snapshots of the metadata (KIP-630): when they are taken, and loaded. Files and parts are the quorum's matter.

use highwater_core::quorum::SnapshotId;
use highwater_log::disk::Disk;

use crate::broker::Dirty;
use crate::node::Node;
use crate::ports::Fatal;
use crate::store;

impl<D: Disk> Node<D> {
    /// The log goes on at the end of this snapshot, and what is in it takes the place of all that was applied.
    pub(crate) fn restarted(&mut self, snapshot: SnapshotId) -> Result<(), Fatal> {
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
        if !self.metadata.quorum.snapshot_is_due() || self.metadata.image.is_in_transaction() {
            return Ok(());
        }
        let snapshot = SnapshotId { end: self.metadata.applied, epoch: self.metadata.applied_epoch };
        let (now, contained) = (self.config.timestamp_ms(self.ports.now), self.metadata.applied_timestamp);
        let bytes = store::snapshot_of(snapshot, &self.metadata.image, now, contained);
        self.metadata.quorum.take_snapshot(self.ports.now, snapshot, &bytes)?;
        self.drain_quorum()
    }
}
