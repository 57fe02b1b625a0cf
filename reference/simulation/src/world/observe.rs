//! What a step of a node changed, taken into the books and judged.

use highwater_core::batch::BatchHeader;
use highwater_core::{Epoch, Offset};
use highwater_node::message::LogId;
use highwater_node::{Node, ReplicaView, Role};

use super::World;
use crate::ledger::{Batch, LogIndex, Loss, METADATA, NodeSet, Replica, Shadow};
use crate::{Invariant, Violation, invariant};

/// How many bytes are read of a log at once.
const READ_BYTES: usize = 1 << 20;

/// What a node says about one of its logs.
#[derive(Debug, Clone, Copy)]
struct Seen {
    id: LogId,
    leads: bool,
    epoch: Epoch,
    start: Offset,
    end: Offset,
    flushed: Offset,
    last_epoch: Epoch,
    base_epoch: Epoch,
    high_watermark: Option<Offset>,
    maximal_isr: NodeSet,
}

impl World {
    fn seen(&self, view: &ReplicaView<'_>) -> Seen {
        Seen {
            id: view.id,
            leads: view.role == Role::Leader,
            epoch: view.epoch,
            start: view.log.start(),
            end: view.log.end(),
            flushed: view.log.flushed(),
            last_epoch: view.log.last_epoch(),
            base_epoch: view.log.base_epoch(),
            high_watermark: view.high_watermark,
            maximal_isr: self.ledger.set(&view.maximal_isr),
        }
    }

    fn all_seen(&self, index: usize) -> Vec<Seen> {
        let Some(node) = &self.nodes[index].node else { return Vec::new() };
        std::iter::once(node.metadata()).chain(node.replicas()).map(|view| self.seen(&view)).collect()
    }

    /// Looks at what a node changed in its step.
    pub(super) fn observe(&mut self, index: usize) -> Result<(), Violation> {
        let running = &self.nodes[index];
        if running.disk_fails && running.node.as_ref().is_some_and(Node::stopped) {
            // What it believes of a log that it could not write counts for nothing: it has stopped.
            return Ok(());
        }
        if !running.reads_fail {
            return self.look_at(index);
        }
        // The world's own reads are none of the node's.
        self.nodes[index].disk.heal();
        let result = self.look_at(index);
        self.nodes[index].fail_reads();
        result
    }

    fn look_at(&mut self, index: usize) -> Result<(), Violation> {
        let Some(node) = &self.nodes[index].node else { return Ok(()) };
        let broker_epoch = node.broker_epoch();
        let seen = self.all_seen(index);
        for seen in &seen {
            let log = self.ledger.log(seen.id);
            if !self.is_known(index, log, seen) {
                self.changed(index, log, seen)?;
            }
        }
        self.forget_dropped(index, &seen);
        if broker_epoch != self.ledger.nodes[index].broker_epoch {
            self.ledger.nodes[index].broker_epoch = broker_epoch;
            for log in METADATA + 1..self.ledger.logs.len() {
                invariant::partition_changed(&self.ledger, log)?;
            }
        }
        Ok(())
    }

    fn is_known(&self, index: usize, log: LogIndex, seen: &Seen) -> bool {
        self.ledger.replica(index, log).is_some_and(|known| {
            known.shadow.end() == seen.end
                && known.shadow.start() == seen.start
                && known.flushed == seen.flushed
                && known.leads == seen.leads
                && known.epoch == seen.epoch
                && seen.high_watermark.is_none_or(|it| known.high_watermark == it)
                && known.maximal_isr == seen.maximal_isr
                && known.shadow.last().is_none_or(|last| last.batch.epoch == seen.last_epoch)
        })
    }

    fn changed(&mut self, index: usize, log: LogIndex, seen: &Seen) -> Result<(), Violation> {
        let led = self.ledger.replica(index, log).filter(|known| known.leads).map(|known| known.epoch);
        let newly_leads = seen.leads && led != Some(seen.epoch);
        if newly_leads {
            invariant::elected(&mut self.ledger, index, log, seen.epoch)?;
        }
        self.cut_down(index, log, seen)?;
        self.grown(index, log, seen)?;
        let known = self.ledger.replica_mut(index, log);
        let before = known.high_watermark;
        known.flushed = seen.flushed;
        known.leads = seen.leads;
        known.epoch = seen.epoch;
        known.maximal_isr = seen.maximal_isr;
        // A new leader of the quorum may start without: it is where it was then.
        known.high_watermark = seen.high_watermark.unwrap_or(before);
        let after = known.high_watermark;
        if newly_leads {
            if log == METADATA {
                self.counts.quorum_elections += 1;
            } else {
                self.counts.partition_elections += 1;
            }
            let (name, epoch) = (self.ledger.ids[index], seen.epoch);
            if self.trace.is_some() {
                let of = self.ledger.name(log);
                self.note(|| format!("{name} leads epoch {epoch} of {of}"));
            }
            invariant::leads(&self.ledger, index, log)?;
        }
        if before != after
            && invariant::high_watermark_moved(&mut self.ledger, index, log, before)?
            && log == METADATA
        {
            self.metadata_committed()?;
        }
        // Last, for what is forgotten now may have been committed in this very step.
        self.ledger.replica_mut(index, log).shadow.forget_before(seen.start);
        invariant::partition_changed(&self.ledger, log)
    }

    /// A log that was dropped, that ends earlier, or has other records at its end.
    fn cut_down(&mut self, index: usize, log: LogIndex, seen: &Seen) -> Result<(), Violation> {
        let Some(known) = self.ledger.replica(index, log) else {
            let base = self.ledger.logs[log].committed.mark(seen.start).unwrap_or(0);
            self.ledger.replica_mut(index, log).shadow = Shadow::empty_from(seen.start, base);
            return Ok(());
        };
        let own_epoch = known.shadow.epoch_before(seen.start);
        if seen.start > known.shadow.start() && own_epoch != Some(seen.base_epoch) {
            // The whole log was dropped: it goes on where a snapshot, or the leader's log, begins.
            let base = self.ledger.logs[log].committed.mark(seen.start).unwrap_or(0);
            self.ledger.replica_mut(index, log).shadow = Shadow::empty_from(seen.start, base);
            return Ok(());
        }
        let mut end = known.shadow.end();
        if seen.end < end {
            end = seen.end;
        } else if end > known.shadow.start() {
            end = self.common_end(index, log);
        }
        if end < known.shadow.end() {
            self.counts.truncations += 1;
            let still_leads = seen.leads && seen.epoch == known.epoch;
            invariant::truncating(&self.ledger, index, log, end, still_leads)?;
            self.ledger.replica_mut(index, log).shadow.truncate_to(end);
        }
        Ok(())
    }

    /// Up to where the node's log has the epochs that it had: beyond, it was cut and written anew in one step.
    fn common_end(&self, index: usize, log: LogIndex) -> Offset {
        let Some(known) = self.ledger.replica(index, log) else { return 0 };
        let Some(node) = &self.nodes[index].node else { return known.shadow.end() };
        let view = match self.ledger.logs[log].id {
            LogId::Metadata => Some(node.metadata()),
            LogId::Partition(partition) => node.replica(partition),
        };
        let Some(view) = view else { return known.shadow.end() };
        let epochs = view.log.epochs();
        let held = known.shadow.held().iter().rev();
        held.map(|held| held.batch)
            .find(|batch| epochs.epoch_at(batch.end - 1).is_none_or(|epoch| epoch == batch.epoch))
            .map_or(known.shadow.start(), |batch| batch.end)
    }

    /// Batches that were appended.
    fn grown(&mut self, index: usize, log: LogIndex, seen: &Seen) -> Result<(), Violation> {
        loop {
            let end = self.ledger.replica(index, log).map_or(0, |known| known.shadow.end());
            if end >= seen.end {
                return Ok(());
            }
            let Some(node) = &self.nodes[index].node else { return Ok(()) };
            let unreadable = |found: String| Violation::new(Invariant::Disk, found, "a log that can be read");
            let name = self.ledger.ids[index];
            let read = match node.read(seen.id, end, READ_BYTES) {
                Ok(read) => read,
                Err(error) => {
                    return Err(unreadable(format!("{name}, offset {end} of {:?}: {error}", seen.id)));
                }
            };
            if read.is_empty() {
                return Err(unreadable(format!("nothing at offset {end} of {:?} on {name}", seen.id)));
            }
            for (base, epoch, bytes) in read {
                let header = BatchHeader::parse(&bytes)
                    .map_err(|error| unreadable(format!("{name}, offset {base}: {error}")))?;
                if base < end {
                    continue;
                }
                let batch = Batch {
                    base,
                    end: header.end_offset(),
                    epoch,
                    digest: u64::from(header.checksum) | (header.size as u64) << 32,
                };
                let held = self.ledger.replica_mut(index, log).shadow.push(batch);
                if log == METADATA {
                    self.ledger.logs[log].bytes.entry((base, epoch)).or_insert(bytes);
                }
                invariant::appended(&mut self.ledger, index, log, held)?;
            }
        }
    }

    /// Applies to the books what was committed of the metadata log since the last time.
    fn metadata_committed(&mut self) -> Result<(), Violation> {
        let book = &self.ledger.logs[METADATA];
        let from = book.committed.held().partition_point(|held| held.batch.base < self.applied);
        let batches: Vec<Batch> = book.committed.held()[from..].iter().map(|held| held.batch).collect();
        for batch in batches {
            self.applied = batch.end;
            self.counts.metadata_batches += 1;
            let bytes = self.ledger.logs[METADATA].bytes.remove(&(batch.base, batch.epoch));
            let Some(bytes) = bytes else { continue };
            for log in invariant::metadata_committed(&mut self.ledger, &bytes, self.unclean_allowed)? {
                self.note_partition(log);
                invariant::partition_changed(&self.ledger, log)?;
            }
        }
        Ok(())
    }

    fn note_partition(&mut self, log: LogIndex) {
        if self.trace.is_none() {
            return;
        }
        let name = self.ledger.name(log);
        let book = &self.ledger.logs[log];
        let (isr, elr) = (self.ledger.told(book.isr), self.ledger.told(book.elr));
        let line = book.state.as_ref().map_or_else(
            || format!("{name} is gone"),
            |state| {
                let leader = state.leader.map_or_else(|| "nobody".to_owned(), |leader| leader.to_string());
                let (epoch, partition_epoch) = (state.leader_epoch, state.partition_epoch);
                format!("{name} is led by {leader} in epoch {epoch}, ISR {isr}, ELR {elr}, version {partition_epoch}")
            },
        );
        self.note(|| line);
    }

    /// Replicas that the node does not hold any more.
    fn forget_dropped(&mut self, index: usize, seen: &[Seen]) {
        let known = self.ledger.nodes[index].replicas.iter().flatten().count();
        if known <= seen.len() {
            return;
        }
        let kept: Vec<LogIndex> = seen.iter().map(|seen| self.ledger.log(seen.id)).collect();
        for (log, replica) in self.ledger.nodes[index].replicas.iter_mut().enumerate() {
            if !kept.contains(&log) {
                *replica = None;
            }
        }
    }

    /// A node has started: its logs are read anew, and compared with what it held.
    pub(super) fn reopened(&mut self, index: usize, fresh: bool) -> Result<(), Violation> {
        let before = std::mem::take(&mut self.ledger.nodes[index].replicas);
        self.ledger.nodes[index].up = true;
        self.ledger.nodes[index].broker_epoch = None;
        for seen in self.all_seen(index) {
            let log = self.ledger.log(seen.id);
            let old = before.get(log).and_then(Option::as_ref).and_then(|old| old.shadow.mark(seen.start));
            let base = old.or_else(|| self.ledger.logs[log].committed.mark(seen.start)).unwrap_or(0);
            self.ledger.replica_mut(index, log).shadow = Shadow::empty_from(seen.start, base);
            self.changed(index, log, &seen)?;
        }
        for (log, old) in before.iter().enumerate().filter_map(|(log, old)| Some((log, old.as_ref()?))) {
            self.compare(index, log, old, fresh)?;
        }
        Ok(())
    }

    /// What a node holds after a restart against what it held before.
    fn compare(&mut self, index: usize, log: LogIndex, old: &Replica, fresh: bool) -> Result<(), Violation> {
        let is_dropped = log != METADATA && self.ledger.logs[log].state.is_none();
        let empty = Shadow::default();
        let new = self.ledger.replica(index, log).map_or(&empty, |replica| &replica.shadow);
        let flushed = old.flushed.min(old.shadow.end());
        if !fresh && !is_dropped && !new.agrees(&old.shadow, flushed) {
            return Err(Violation::new(
                Invariant::Disk,
                format!(
                    "{} starts with {} that ends at {}: {}",
                    self.ledger.ids[index],
                    self.ledger.name(log),
                    new.end(),
                    new.difference(&old.shadow, flushed)
                ),
                format!("all below {flushed}, which was flushed"),
            ));
        }
        let lost = !new.agrees(&old.shadow, old.shadow.end());
        if lost {
            self.counts.lossy_restarts += 1;
        }
        if log == METADATA {
            return Ok(());
        }
        if lost {
            self.ledger.crashed(index, log, Loss::Records);
        } else if let Some(one) = self.ledger.logs[log].crashed.iter_mut().find(|one| one.node == index)
            && one.loss == Loss::Perhaps
        {
            one.loss = Loss::Nothing;
        }
        Ok(())
    }
}
