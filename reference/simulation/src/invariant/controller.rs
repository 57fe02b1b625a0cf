//! CTRL: what controllers committed goes one way: broker epochs, leader epochs and partition epochs never go back.

use std::collections::BTreeSet;

use highwater_core::controller::{Change, MetadataRecord};
use highwater_core::partition::PartitionState;
use highwater_core::{NodeId, Uuid, batch};
use highwater_node::message::{LogId, TopicPartition};

use super::{Check, election};
use crate::ledger::{Crashed, Ledger, LogIndex, Loss};
use crate::{Invariant, Violation};

/// A batch of the metadata log was committed: applies it to the books, checks what it changed, and returns the partitions that have to be looked at.
pub(crate) fn metadata_committed(
    ledger: &mut Ledger,
    bytes: &[u8],
    unclean_allowed: bool,
) -> Result<Vec<LogIndex>, Violation> {
    let wrong = |found: String, expected: &str| Violation::new(Invariant::Controller, found, expected);
    let batch = batch::RecordBatch::parse(bytes)
        .map_err(|error| wrong(format!("a committed batch: {error}"), "a sound batch"))?;
    if batch.header().is_control() {
        return Ok(Vec::new());
    }
    let records =
        batch.records().map_err(|error| wrong(format!("a committed batch: {error}"), "sound records"))?;
    let mut partitions: BTreeSet<(Uuid, i32)> = BTreeSet::new();
    let mut brokers: BTreeSet<NodeId> = BTreeSet::new();
    for record in records {
        let record =
            record.map_err(|error| wrong(format!("a committed record: {error}"), "a sound record"))?;
        let value = record.value.unwrap_or_default();
        let record = MetadataRecord::decode(value)
            .map_err(|error| wrong(format!("a committed record: {error}"), "a metadata record"))?;
        broker_epoch(ledger, &record)?;
        let touched = touched(ledger, &record);
        let before: Vec<Option<PartitionState>> =
            touched.iter().map(|key| ledger.image.partition(key.0, key.1).cloned()).collect();
        let change = ledger
            .image
            .apply(&record)
            .map_err(|error| wrong(format!("{}: {error}", record.name()), "a record that applies"))?;
        for (key, before) in touched.iter().zip(before) {
            partition_changed(ledger, *key, before, unclean_allowed)?;
        }
        partitions.extend(touched);
        note(&change, &mut brokers);
    }
    settle(ledger, partitions, &brokers)
}

/// A record changed a partition: it goes one way, and its leader may lead.
fn partition_changed(
    ledger: &mut Ledger,
    (topic, partition): (Uuid, i32),
    before: Option<PartitionState>,
    unclean_allowed: bool,
) -> Check {
    let log = ledger.log(LogId::Partition(TopicPartition { topic, partition }));
    let (Some(before), Some(after)) = (before, ledger.image.partition(topic, partition).cloned()) else {
        return Ok(());
    };
    epochs(ledger, log, &before, &after)?;
    if !election::is_unclean(&before, &after) {
        return Ok(());
    }
    if unclean_allowed {
        ledger.logs[log].tainted.get_or_insert("an unclean election");
    } else if ledger.is_forsaken(log, &before)
        && after.leader.is_some_and(|leader| before.last_known_elr == [leader])
    {
        ledger.forsaken += 1;
        // Who led last is elected (KIP-966). It has all that was committed, unless its disk has lost it.
        if ledger.has_lost_committed(after.leader, log) {
            ledger.logs[log]
                .tainted
                .get_or_insert("everybody eligible crashed, and the last leader lost its tail");
        }
        return Ok(());
    }
    election::elected(ledger, log, &before, &after)
}

/// The partitions that a record changes, as far as they are known before it is applied.
fn touched(ledger: &Ledger, record: &MetadataRecord) -> Vec<(Uuid, i32)> {
    match record {
        MetadataRecord::Partition(record) => vec![(record.topic, record.partition)],
        MetadataRecord::PartitionChange(record) => vec![(record.topic, record.partition)],
        MetadataRecord::RemoveTopic(record) => {
            let partitions = ledger.image.topic(record.topic).map(|topic| topic.partitions.keys());
            partitions.into_iter().flatten().map(|&partition| (record.topic, partition)).collect()
        }
        // Of the named topic, or of all: those where there is something to clear.
        MetadataRecord::ClearElr(record) => {
            let named = ledger.image.topic_id(&record.topic);
            let topics = ledger.image.topics().iter();
            let topics = topics.filter(|(id, _)| record.topic.is_empty() || named == Some(**id));
            let partitions = topics.flat_map(|(&id, topic)| {
                let cleared = topic.partitions.iter().filter(|(_, partition)| {
                    !partition.state.elr.is_empty() || !partition.state.last_known_elr.is_empty()
                });
                cleared.map(move |(&partition, _)| (id, partition))
            });
            partitions.collect()
        }
        _ => Vec::new(),
    }
}

fn note(change: &Change, brokers: &mut BTreeSet<NodeId>) {
    match change {
        Change::Broker(broker) => {
            brokers.insert(*broker);
        }
        Change::Several(changes) => {
            for change in changes {
                note(change, brokers);
            }
        }
        _ => {}
    }
}

fn broker_epoch(ledger: &Ledger, record: &MetadataRecord) -> Check {
    let MetadataRecord::RegisterBroker(record) = record else { return Ok(()) };
    let broker = ledger.image.broker(record.broker);
    let known = broker.map_or(-1, |broker| broker.epoch);
    // The same process may register again, and stays who it is (KAFKA-16952).
    let again = broker.is_some_and(|broker| broker.incarnation == record.incarnation);
    if record.broker_epoch > known || again && record.broker_epoch == known {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::Controller,
        format!("{} registers with broker epoch {}", record.broker, record.broker_epoch),
        format!("one above its last, {known}"),
    ))
}

/// Takes the changed partitions into the books, and checks them as the batch leaves them.
fn settle(
    ledger: &mut Ledger,
    partitions: BTreeSet<(Uuid, i32)>,
    brokers: &BTreeSet<NodeId>,
) -> Result<Vec<LogIndex>, Violation> {
    let mut changed = Vec::new();
    for (topic, partition) in partitions {
        let log = ledger.log(LogId::Partition(TopicPartition { topic, partition }));
        let state = ledger.image.partition(topic, partition).cloned();
        let (isr, elr) = state.as_ref().map_or((0, 0), |s| (ledger.set(&s.isr), ledger.set(&s.elr)));
        let is_new = ledger.logs[log].state.is_none();
        let book = &mut ledger.logs[log];
        (book.state, book.isr, book.elr) = (state, isr, elr);
        changed.push(log);
        if is_new {
            ledger.placed(log);
        }
    }
    for &broker in brokers {
        if let Some(node) = ledger.node(broker) {
            let concerned = |log: &LogIndex| {
                let book = &ledger.logs[*log];
                book.state.is_some()
                    && ((book.isr | book.elr) >> node & 1 == 1
                        || book.crashed.iter().any(|one| one.node == node))
            };
            let logs: Vec<LogIndex> = (1..ledger.logs.len()).filter(concerned).collect();
            changed.extend(logs);
        }
    }
    changed.sort_unstable();
    changed.dedup();
    for &log in &changed {
        election::changed(ledger, log)?;
        forgive(ledger, log);
    }
    Ok(changed)
}

fn epochs(ledger: &Ledger, log: LogIndex, before: &PartitionState, after: &PartitionState) -> Check {
    let new_leader = after.leader.is_some() && after.leader != before.leader;
    let right = after.leader_epoch >= before.leader_epoch
        && (!new_leader || after.leader_epoch > before.leader_epoch)
        && after.partition_epoch > before.partition_epoch;
    if right {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::Controller,
        format!(
            "{} goes to leader {:?}, leader epoch {}, partition epoch {}",
            ledger.name(log),
            after.leader,
            after.leader_epoch,
            after.partition_epoch
        ),
        format!(
            "epochs that grow from leader {:?}, leader epoch {}, partition epoch {}",
            before.leader, before.leader_epoch, before.partition_epoch
        ),
    ))
}

/// A replica that crashed is as good as any once it has left the ISR and come back. Without eligible leader replicas the last member does
/// not leave, and what it lost is lost by right.
fn forgive(ledger: &mut Ledger, log: LogIndex) {
    let elr = ledger.elr;
    let epoch_of = |node: usize| ledger.image.broker(ledger.ids[node]).map_or(-1, |broker| broker.epoch);
    let isr = ledger.logs[log].isr;
    let mut crashed = ledger.logs[log].crashed.clone();
    for one in &mut crashed {
        one.left |= isr >> one.node & 1 == 0;
    }
    let is_back = |one: &Crashed| isr >> one.node & 1 == 1 && epoch_of(one.node) > one.broker_epoch;
    let lost = !elr && crashed.iter().any(|one| one.loss > Loss::Nothing && !one.left && is_back(one));
    // Or it is last already, and stays in it whoever comes back first.
    let lost = lost || !elr && crashed.iter().any(|one| one.loss > Loss::Nothing && isr == 1 << one.node);
    crashed.retain(|one| !(one.left && is_back(one)));
    let book = &mut ledger.logs[log];
    book.crashed = crashed;
    if lost {
        book.tainted.get_or_insert("the last in-sync replica lost its tail");
    }
}
