//! The metadata log of a node: the quorum core over its log, and the image of what is committed.

use bytes::Bytes;
use highwater_core::batch::{self, ControlRecord};
use highwater_core::controller::{Image, MetadataRecord};
use highwater_core::quorum::{self, Quorum, ReplicaKey, SnapshotId};
use highwater_core::{Epoch, Extent, NO_EPOCH, NodeId, Offset};
use highwater_log::disk::Disk;
use highwater_log::{Flushed, Flusher, Log, records};

use crate::followers::Followers;
use crate::message::{LogId, PeerRequest, PeerResponse};
use crate::node::Node;
use crate::ports::{Asked, Fatal};
use crate::snapshot::Snapshots;
use crate::store;

/// How many bytes of the log are applied at a time.
const APPLY_BYTES: usize = 1 << 20;

/// The quorum core of a node with its log and what the log adds up to.
///
/// - `applied <= committed <= ` the end of the log, except while a snapshot is being loaded.
/// - `image` is what the records below `applied` add up to.
/// - `incoming` is empty but while an answer is being handled.
#[derive(Debug)]
pub(crate) struct Metadata<D: Disk> {
    pub(crate) core: Quorum,
    pub(crate) log: Log<D>,
    pub(crate) image: Image,
    pub(crate) applied: Offset,
    /// The epoch of the last record below `applied`.
    pub(crate) applied_epoch: Epoch,
    /// Its timestamp, in milliseconds since 1970.
    pub(crate) applied_timestamp: i64,
    pub(crate) committed: Offset,
    pub(crate) snapshots: Snapshots<D>,
    /// Who fetches, while this node leads.
    pub(crate) followers: Followers,
    incoming: Bytes,
    flush_asked: bool,
}

impl<D: Disk> Metadata<D> {
    pub(crate) fn new(core: Quorum, log: Log<D>) -> Self {
        let snapshots = Snapshots::new(log.size());
        Self {
            core,
            log,
            image: Image::default(),
            applied: 0,
            applied_epoch: NO_EPOCH,
            applied_timestamp: -1,
            committed: 0,
            snapshots,
            followers: Followers::none(),
            incoming: Bytes::new(),
            flush_asked: false,
        }
    }

    /// What a snapshot adds up to takes the place of all that was applied.
    pub(crate) fn load(&mut self, image: Image, snapshot: SnapshotId, contained: i64) {
        self.image = image;
        self.applied = snapshot.end;
        self.applied_epoch = snapshot.epoch;
        self.applied_timestamp = contained;
        self.committed = self.committed.max(snapshot.end);
    }
}

impl<D: Disk> Node<D> {
    /// Takes an answer to a request of the quorum, with the bytes that came along.
    pub(crate) fn quorum_answered(
        &mut self,
        from: NodeId,
        asked: quorum::Request,
        mut response: quorum::Response,
        bytes: Bytes,
    ) -> Result<(), Fatal> {
        if let quorum::Response::Fetch(fetch) = &mut response {
            records::align(&self.metadata.log, &mut fetch.diverging)
                .map_err(|error| Fatal::new("reading the metadata log", error))?;
        }
        if let Err(why) = checked(&asked, &mut response, &bytes) {
            self.ports.report(format!("dropped what {from} answered on the metadata log: {why}"));
            return self.quorum_failed(from, asked);
        }
        self.metadata.incoming = bytes;
        let answer = quorum::Input::Response { from, request: asked, response };
        self.metadata.core.handle(self.ports.now, answer);
        self.drain_quorum()?;
        self.metadata.incoming = Bytes::new();
        Ok(())
    }

    /// A request of the quorum will not be answered.
    pub(crate) fn quorum_failed(&mut self, to: NodeId, request: quorum::Request) -> Result<(), Fatal> {
        self.metadata.core.handle(self.ports.now, quorum::Input::Failed { to, request });
        self.drain_quorum()
    }

    /// Does the flush that was asked for.
    pub(crate) fn flush_metadata(&mut self) -> Result<(), Fatal> {
        self.metadata.flush_asked = false;
        let flushed = self.metadata.log.flush();
        let through = flushed.map_err(|error| Fatal::new("flushing the metadata log", error))?;
        self.metadata.core.handle(self.ports.now, quorum::Input::Flushed { through });
        self.drain_quorum()
    }

    /// What flushes the metadata log on another thread.
    pub(crate) fn metadata_flusher(&mut self) -> Result<Option<Flusher<D>>, Fatal> {
        let flusher = self.metadata.log.flusher();
        let flusher = flusher.map_err(|error| Fatal::new("flushing the metadata log", error))?;
        self.metadata.flush_asked &= flusher.is_some();
        Ok(flusher)
    }

    /// Takes what that did.
    pub(crate) fn metadata_flushed(&mut self, flushed: Flushed) -> Result<(), Fatal> {
        self.metadata.flush_asked = false;
        let flushed = self.metadata.log.flushed(flushed);
        let through = flushed.map_err(|error| Fatal::new("flushing the metadata log", error))?;
        if through < self.metadata.log.view().end() {
            // What came meanwhile waits for it, too.
            self.metadata.flush_asked = true;
            self.ports.flush(LogId::Metadata);
        }
        self.metadata.core.handle(self.ports.now, quorum::Input::Flushed { through });
        self.drain_quorum()
    }

    /// Carries out what the quorum core wants, in order.
    pub(crate) fn drain_quorum(&mut self) -> Result<(), Fatal> {
        while let Some(effect) = self.metadata.core.poll() {
            self.carry_out(effect)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: quorum::Effect) -> Result<(), Fatal> {
        use quorum::Effect;
        match effect {
            Effect::SaveElection(state) => store::save_election(self.disk(), &state),
            Effect::Truncate { end } => {
                let cut = records::truncate(&mut self.metadata.log, end);
                cut.map_err(|error| Fatal::new("truncating the metadata log", error))
            }
            Effect::AppendLeaderChange { extent, leader, voters, granting } => {
                let batch = self.leader_change(extent, leader, &voters, &granting);
                self.append_metadata(&batch)
            }
            Effect::AppendFetched { end } => {
                let bytes = records::between(&self.metadata.incoming, Offset::MIN, end);
                self.append_metadata(&bytes)
            }
            Effect::Flush { .. } => {
                if !self.metadata.flush_asked {
                    self.metadata.flush_asked = true;
                    self.ports.flush(LogId::Metadata);
                }
                Ok(())
            }
            Effect::WriteSnapshot { snapshot, position, complete } => {
                let bytes = self.metadata.incoming.clone();
                self.write_snapshot(snapshot, position, complete, &bytes)
            }
            Effect::RestartFromSnapshot(snapshot) => self.restart_from(snapshot),
            Effect::Send { to, request } => {
                let wait = match &request {
                    quorum::Request::Fetch(fetch) => {
                        std::time::Duration::from_millis(fetch.max_wait_ms.into())
                    }
                    _ => std::time::Duration::ZERO,
                };
                let patience = self.config.quorum_request_timeout + wait;
                let asked = Asked::Quorum(request.clone());
                self.ports.send(to, PeerRequest::Quorum(request), asked, patience);
                Ok(())
            }
            Effect::Reply { token, response } => {
                let (response, bytes) = self.with_bytes(response)?;
                self.ports.reply(token, PeerResponse::Quorum(response, bytes));
                Ok(())
            }
            Effect::Committed { high_watermark } => {
                self.metadata.committed = self.metadata.committed.max(high_watermark);
                Ok(())
            }
            Effect::Lead { epoch, start } => {
                if let Some(control) = &mut self.control {
                    control.core.lead(self.ports.now, epoch, start);
                }
                Ok(())
            }
            Effect::Unlead { .. } => {
                if let Some(control) = &mut self.control {
                    control.core.unlead(self.ports.now);
                }
                Ok(())
            }
        }
    }

    pub(crate) fn append_metadata(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        let appended = self.metadata.log.append(bytes);
        appended.map_err(|error| Fatal::new("appending to the metadata log", error))?;
        self.metadata.snapshots.grew(bytes.len());
        Ok(())
    }

    fn leader_change(
        &self,
        extent: Extent,
        leader: NodeId,
        voters: &[NodeId],
        granting: &[NodeId],
    ) -> Vec<u8> {
        let known = &self.config.voters;
        let key = |id: &NodeId| {
            let directory = known
                .iter()
                .find(|voter| voter.id == *id)
                .map_or_else(Default::default, |voter| voter.directory);
            ReplicaKey { id: *id, directory }
        };
        let record = ControlRecord::LeaderChange {
            version: 1,
            leader,
            voters: voters.iter().map(key).collect(),
            granting: granting.iter().map(key).collect(),
        };
        batch::control_batch(extent.base, extent.epoch, self.config.timestamp_ms(self.ports.now), &[record])
    }

    /// Attaches the bytes that an answer announces, and makes it say how many they are.
    fn with_bytes(&mut self, mut response: quorum::Response) -> Result<(quorum::Response, Bytes), Fatal> {
        let bytes = match &mut response {
            quorum::Response::Fetch(fetch) => match (fetch.records.first(), fetch.records.last()) {
                (Some(first), Some(last)) => {
                    let (from, to, max_bytes) = (first.base, last.end, self.config.quorum_fetch_max_bytes);
                    let bytes = self
                        .metadata
                        .log
                        .read(from, to, max_bytes as usize)
                        .map_err(|error| Fatal::new("reading the metadata log", error))?;
                    records::cut(&mut fetch.records, records::end(&bytes).unwrap_or(from));
                    bytes
                }
                _ => Bytes::new(),
            },
            quorum::Response::FetchSnapshot(part) => self.read_snapshot(part)?,
            _ => Bytes::new(),
        };
        Ok((response, bytes))
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
        if self.metadata.applied >= self.metadata.committed {
            return Ok(false);
        }
        while self.metadata.applied < self.metadata.committed {
            let (from, to) = (self.metadata.applied, self.metadata.committed);
            let bytes = self
                .metadata
                .log
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
            control.core.committed(self.ports.now, self.metadata.committed);
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

/// Checks the bytes of an answer before the core hears of it, and makes it say what they are.
fn checked(asked: &quorum::Request, response: &mut quorum::Response, bytes: &Bytes) -> Result<(), String> {
    match (asked, response) {
        (quorum::Request::Fetch(asked), quorum::Response::Fetch(fetch)) => {
            fetch.records =
                records::check(bytes, asked.offset, fetch.epoch).map_err(|error| error.to_string())?;
        }
        (quorum::Request::FetchSnapshot(asked), quorum::Response::FetchSnapshot(part)) => {
            let length = bytes.len() as u64;
            let fits = part.position.checked_add(length).is_some_and(|end| end <= part.size);
            if part.error.is_none()
                && (part.snapshot != asked.snapshot || part.position != asked.position || !fits)
            {
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
