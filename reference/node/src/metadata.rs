//! The metadata of a node: the quorum's log, which carries out the core's effects, and the image of what is committed in it.

use std::time::Duration;

use highwater_core::batch;
use highwater_core::controller::{Image, MetadataRecord};
use highwater_core::quorum::{self, SnapshotId};
use highwater_core::{Epoch, NO_EPOCH, Offset};
use highwater_log::disk::Disk;
use highwater_quorum::log::{Left, QuorumLog};

use crate::followers::Followers;
use crate::message::{LogId, PeerRequest, PeerResponse};
use crate::node::Node;
use crate::ports::{Asked, Fatal};

/// How many bytes of the log are applied at a time.
const APPLY_BYTES: usize = 1 << 20;

/// The quorum of the metadata as this node has it, and what its log adds up to.
///
/// - `applied <= committed <= ` the end of the log, except while a snapshot is being loaded.
/// - `image` is what the records below `applied` add up to.
#[derive(Debug)]
pub(crate) struct Metadata<D: Disk> {
    pub(crate) quorum: QuorumLog<D>,
    pub(crate) image: Image,
    pub(crate) applied: Offset,
    /// The epoch of the last record below `applied`.
    pub(crate) applied_epoch: Epoch,
    /// Its timestamp, in milliseconds since 1970.
    pub(crate) applied_timestamp: i64,
    /// Who fetches, while this node leads.
    pub(crate) followers: Followers,
}

impl<D: Disk> Metadata<D> {
    pub(crate) fn new(quorum: QuorumLog<D>) -> Self {
        Self {
            quorum,
            image: Image::default(),
            applied: 0,
            applied_epoch: NO_EPOCH,
            applied_timestamp: -1,
            followers: Followers::none(),
        }
    }

    /// What a snapshot adds up to takes the place of all that was applied.
    pub(crate) fn load(&mut self, image: Image, snapshot: SnapshotId, contained: i64) {
        self.image = image;
        self.applied = snapshot.end;
        self.applied_epoch = snapshot.epoch;
        self.applied_timestamp = contained;
    }
}

impl<D: Disk> Node<D> {
    /// Carries out what the quorum core wants, in order.
    pub(crate) fn drain_quorum(&mut self) -> Result<(), Fatal> {
        self.metadata.quorum.drain(self.ports.now)?;
        while let Some(left) = self.metadata.quorum.poll() {
            self.carry_out(left)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, left: Left) -> Result<(), Fatal> {
        match left {
            Left::Send(to, request) => {
                let wait = match &request {
                    quorum::Request::Fetch(fetch) => Duration::from_millis(fetch.max_wait_ms.into()),
                    _ => Duration::ZERO,
                };
                let patience = self.config.quorum_request_timeout + wait;
                let asked = Asked::Quorum(request.clone());
                self.ports.send(to, PeerRequest::Quorum(request), asked, patience);
            }
            Left::Reply(token, response, bytes) => {
                self.ports.reply(token, PeerResponse::Quorum(response, bytes));
            }
            Left::Flush => self.ports.flush(LogId::Metadata),
            Left::Committed => {}
            Left::Lead { epoch, start } => {
                if let Some(control) = &mut self.control {
                    control.core.lead(self.ports.now, epoch, start);
                }
            }
            Left::Unlead => {
                if let Some(control) = &mut self.control {
                    control.core.unlead(self.ports.now);
                }
            }
            Left::Restarted(snapshot) => self.restarted(snapshot)?,
            Left::Report(what) => self.ports.report(what),
        }
        Ok(())
    }

    /// Gives a controller core that is behind what is applied: a snapshot was loaded, or the core took back more than what was not committed (a
    /// decision of several batches is all or nothing).
    pub(crate) fn catch_up_controller(&mut self) {
        let applied = self.metadata.applied;
        if let Some(control) = &mut self.control
            && !control.core.is_active()
            && control.core.applied() < applied
        {
            control.core.restore(self.ports.now, self.metadata.image.clone(), applied);
        }
    }

    /// Applies what is committed and not applied yet; whether there was any.
    pub(crate) fn apply_committed(&mut self) -> Result<bool, Fatal> {
        if self.metadata.applied >= self.metadata.quorum.committed() {
            return Ok(false);
        }
        while self.metadata.applied < self.metadata.quorum.committed() {
            let (from, to) = (self.metadata.applied, self.metadata.quorum.committed());
            let bytes = self
                .metadata
                .quorum
                .log()
                .read(from, to, APPLY_BYTES)
                .map_err(|error| Fatal::new("reading the metadata log", error))?;
            self.apply(&bytes)
                .map_err(|error| Fatal::new(format!("applying the metadata log from {from} on"), error.0))?;
            if self.metadata.applied == from {
                return Err(Fatal::new(
                    "applying the metadata log",
                    format!("nothing is there at {from}, committed up to {to}"),
                ));
            }
        }
        if let Some(control) = &mut self.control {
            control.core.committed(self.ports.now, self.metadata.quorum.committed());
        }
        self.snapshot_if_due()?;
        Ok(true)
    }

    fn apply(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        for batch in batch::batches(bytes) {
            let batch = batch.map_err(|error| Fatal(error.to_string()))?;
            let header = batch.header();
            let records = if header.is_control() { Vec::new() } else { decode(&batch)? };
            for record in &records {
                let change = self.metadata.image.apply(record).map_err(|error| Fatal(error.to_string()))?;
                if let Some(broker) = &mut self.broker {
                    broker.dirty.note(change);
                }
            }
            if let Some(control) = &mut self.control {
                let end = header.end_offset();
                let replayed = control.core.replay(self.ports.now, end, header.leader_epoch, &records);
                replayed.map_err(|error| Fatal(error.to_string()))?;
            }
            self.metadata.applied = header.end_offset();
            self.metadata.applied_epoch = header.leader_epoch;
            self.metadata.applied_timestamp = header.max_timestamp;
        }
        Ok(())
    }
}

/// The metadata records of a batch of data.
pub(crate) fn decode(batch: &batch::RecordBatch<'_>) -> Result<Vec<MetadataRecord>, Fatal> {
    let records = batch.records().map_err(|error| Fatal(error.to_string()))?;
    let decoded = records.map(|record| {
        let record = record.map_err(|error| Fatal(error.to_string()))?;
        MetadataRecord::decode(record.value.unwrap_or_default())
            .map_err(|error| Fatal::new(format!("the record at offset {}", record.offset), error))
    });
    decoded.collect()
}
