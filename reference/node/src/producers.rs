//! Idempotent producers: what of theirs is new, and the state that says so, kept in step with the log of a replica.
//!
//! A leader asks [`Replica::judge`] before it appends anything. A batch that is in the log already is not appended: its producer is
//! answered with the offset that it has, once it is committed as far as its acks demand. Leaders and followers alike note what they
//! append, so that whoever leads next knows it too. [`LogProducers`] says how the state outlives restarts and truncations.

use std::time::Duration;

use bytes::Bytes;
use highwater_core::batch::BatchHeader;
use highwater_core::partition::{Acks, PartitionError};
use highwater_core::producer::{Appended, Producers, Verdict};
use highwater_core::{Instant, Offset, Token};
use highwater_log::disk::Disk;
use highwater_log::{Damage, LogError, LogProducers, records};

use crate::message::{Produced, Refusal, TopicPartition};
use crate::node::Node;
use crate::ports::{Fatal, Ports};
use crate::replica::Replica;

impl<D: Disk> Replica<D> {
    /// Makes the state of its producers from what is on the disk. `clean`: the last stop was in good order.
    pub(crate) fn open_producers(&mut self, clean: bool, ports: &mut Ports) -> Result<(), LogError> {
        let (producers, damages) = LogProducers::open(&self.log, clean)?;
        self.producers = producers;
        report(&damages, ports);
        Ok(())
    }

    /// What is to be done with the checked batches of a producer, with these acks.
    pub(crate) fn judge(&self, acks: Acks, records: &[u8]) -> Result<Verdict, Refusal> {
        // Who may not append anything learns that first: a sequence may be wrong for the very reason that somebody else leads.
        self.core.admit(acks)?;
        let verdict = self.producers.state().check(headers(records));
        verdict.map_err(|error| Refusal { error: error.into(), message: Some(error.to_string().into()) })
    }

    /// Answers a producer, as its acks demand, with what it sent before.
    pub(crate) fn repeat(
        &mut self,
        (token, acks, deadline): (Token, Acks, Instant),
        original: &Appended,
    ) -> Result<Produced, PartitionError> {
        let base = original.base_offset();
        self.core.repeat(token, acks, (base, original.end_offset()), deadline)?;
        // As in Kafka that is the time of the original, whoever gave it.
        Ok(Produced { base, log_append_time: original.timestamp, log_start: self.core.log().start() })
    }

    /// Appends to the log what the core knows of already.
    pub(crate) fn append(&mut self, records: &[u8]) -> Result<(), LogError> {
        self.log.append(records)?;
        self.producers.append(&self.log, records)
    }

    /// Appends what of `incoming` begins at `from` or behind, and before `end`.
    pub(crate) fn append_fetched(
        &mut self,
        incoming: &Bytes,
        from: Offset,
        end: Offset,
    ) -> Result<(), LogError> {
        self.append(&records::between(incoming, from, end))
    }

    /// Cuts the log where the core believes that it ends now.
    pub(crate) fn truncate(&mut self, end: Offset, ports: &mut Ports) -> Result<(), Fatal> {
        records::truncate(&mut self.log, end)?;
        report(&self.producers.truncated(&self.log)?, ports);
        Ok(())
    }

    /// Drops the whole log, which goes on at `start`.
    pub(crate) fn restart(&mut self, start: Offset) -> Result<(), LogError> {
        self.producers.restarting(&self.log)?;
        self.log.restart(start, self.core.log().base_epoch())?;
        self.producers.restarted(&self.log);
        Ok(())
    }

    /// Forgets records before `start`.
    pub(crate) fn forget_before(&mut self, start: Offset) -> Result<(), LogError> {
        self.log.forget_before(start)?;
        self.producers.forgotten(&self.log)
    }

    /// Closes the log in good order.
    pub(crate) fn close(&mut self) -> Result<(), LogError> {
        self.log.close_files()?;
        self.producers.close(&self.log)
    }

    /// Forgets producers that are silent for so long.
    pub(crate) fn expire_producers(&mut self, now_ms: i64, expiration: Duration) {
        self.producers.expire(now_ms, u64::try_from(expiration.as_millis()).unwrap_or(u64::MAX));
    }
}

impl<D: Disk> Node<D> {
    /// The idempotent producers of a partition as this node's replica knows them, if it holds one.
    pub fn producers(&self, partition: TopicPartition) -> Option<&Producers> {
        let replica = self.broker.as_ref()?.replicas.get(&partition)?;
        Some(replica.producers.state())
    }
}

/// The headers of checked batches.
fn headers(records: &[u8]) -> impl Iterator<Item = BatchHeader> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let header = BatchHeader::parse(rest).ok()?;
        rest = rest.get(header.size..)?;
        Some(header)
    })
}

fn report(damages: &[Damage], ports: &mut Ports) {
    for damage in damages {
        ports.report(format!("removed a producer snapshot: {damage}"));
    }
}
