//! What holds after every step.

use std::collections::BTreeMap;

use highwater_core::controller::{Image, MetadataRecord, MetadataVersion, PartitionRegistration};
use highwater_core::partition::{LeaderRecovery, PartitionState};
use highwater_core::{NodeId, Offset, Uuid};

use crate::world::World;

/// The partitions, as last seen.
pub(crate) type Before = BTreeMap<(Uuid, i32), PartitionState>;

/// The image of the log up to an offset.
fn image_of(world: &World, end: Offset) -> Result<Image, String> {
    let mut image = Image::default();
    for batch in world.log.iter().take_while(|batch| batch.end <= end) {
        for record in &batch.records {
            image.apply(record).map_err(|error| format!("{error}, in the log: {record:?}"))?;
        }
    }
    Ok(image)
}

/// What is wrong, if anything.
pub(crate) fn check(world: &World, before: &mut Before) -> Result<(), String> {
    for (at, controller) in world.controllers.iter().enumerate() {
        if *controller.image() != image_of(world, controller.applied())? {
            return Err(format!(
                "controller {at} has another image than the log up to {}",
                controller.applied()
            ));
        }
    }
    check_broker_epochs(world)?;
    let Some(leader) = world.leader else { return Ok(()) };
    if !world.controllers[leader].is_active() {
        return Ok(());
    }
    let image = world.image();
    check_steps(image, before)?;
    for topic in image.topics().values() {
        for (index, partition) in &topic.partitions {
            check_partition(world, &topic.name, partition)
                .map_err(|error| format!("{}-{index}: {error}: {:?}", topic.name, partition.state))?;
        }
    }
    check_snapshot(image)
}

/// A registration has the offset of its record for a broker epoch, or that of an earlier one of the same process.
fn check_broker_epochs(world: &World) -> Result<(), String> {
    let mut known: BTreeMap<NodeId, (Uuid, i64)> = BTreeMap::new();
    for batch in &world.log {
        let base = batch.end - batch.records.len() as Offset;
        for (offset, record) in (base..).zip(&batch.records) {
            let MetadataRecord::RegisterBroker(record) = record else { continue };
            let process = (record.incarnation, record.broker_epoch);
            if record.broker_epoch != offset && known.get(&record.broker) != Some(&process) {
                return Err(format!("at {offset} {record:?}"));
            }
            known.insert(record.broker, process);
        }
    }
    Ok(())
}

/// Epochs never decrease, a change raises them, and who is elected had everything unless it is said to recover. What a lost leader had
/// decided does not count: `before` is emptied when leadership moves.
fn check_steps(image: &Image, before: &mut Before) -> Result<(), String> {
    let mut seen = Before::new();
    for (&id, topic) in image.topics() {
        for (&index, partition) in &topic.partitions {
            let new = &partition.state;
            if let Some(old) = before.get(&(id, index)) {
                check_step(old, new)
                    .map_err(|error| format!("{}-{index}: {error}: {old:?} to {new:?}", topic.name))?;
            }
            seen.insert((id, index), new.clone());
        }
    }
    *before = seen;
    Ok(())
}

fn check_step(old: &PartitionState, new: &PartitionState) -> Result<(), String> {
    let had_all = |id: &NodeId| old.isr.contains(id) || old.elr.contains(id);
    let is_clean = old.recovery == LeaderRecovery::Recovered && new.recovery == LeaderRecovery::Recovered;
    let rules = [
        ("the leader epoch never decreases", new.leader_epoch >= old.leader_epoch),
        ("the partition epoch never decreases", new.partition_epoch >= old.partition_epoch),
        (
            "another leader leads another epoch",
            new.leader == old.leader || new.leader_epoch > old.leader_epoch,
        ),
        ("a change raises the partition epoch", new == old || new.partition_epoch > old.partition_epoch),
        ("who leads had everything", !is_clean || new.leader == old.leader || new.leader.iter().all(had_all)),
    ];
    match rules.into_iter().find(|(_, holds)| !holds) {
        Some((name, _)) => Err(format!("not so: {name}")),
        None => Ok(()),
    }
}

fn check_partition(world: &World, topic: &str, partition: &PartitionRegistration) -> Result<(), String> {
    let image = world.image();
    let state = &partition.state;
    let has_elr = image.features().contains_key("eligible.leader.replicas.version");
    let min_isr = image.topic_config(topic, "min.insync.replicas").and_then(|value| value.parse().ok());
    let min_isr = min_isr.unwrap_or(world.config.min_isr).min(state.replicas.len());
    let is_active = |id: &NodeId| image.broker(*id).is_some_and(|broker| broker.is_active());
    let is_set = |list: &[NodeId]| (1..list.len()).all(|at| !list[..at].contains(&list[at]));
    let is_last = state.leader.is_none() && state.isr.len() == 1 && !has_elr;
    let has_disk = |id: &NodeId| {
        let directories = state.replicas.iter().zip(&partition.directories);
        let directory =
            directories.filter(|(replica, _)| *replica == id).map(|(_, directory)| directory).next();
        let broker = image.broker(*id);
        directory.is_none_or(|directory| broker.is_some_and(|broker| broker.directories.contains(directory)))
    };
    let could_lead = |id: &NodeId| is_active(id) && has_disk(id);
    let candidates = if state.isr.is_empty() { &state.elr } else { &state.isr };
    let rules = [
        ("the ISR are replicas", state.isr.iter().all(|id| state.replicas.contains(id))),
        ("the ELR are replicas", state.elr.iter().all(|id| state.replicas.contains(id))),
        ("nobody is twice in the ISR", is_set(&state.isr)),
        ("nobody is in ISR and ELR", is_set(&[&state.isr[..], &state.elr[..]].concat())),
        ("the leader is in the ISR", state.leader.is_none_or(|id| state.isr.contains(&id))),
        ("the leader could lead", state.leader.as_ref().is_none_or(could_lead)),
        ("the ISR is active but for the last", is_last || state.isr.iter().all(is_active)),
        ("somebody leads if somebody may", state.leader.is_some() || !candidates.iter().any(could_lead)),
        ("there is an ELR only below min ISR", state.elr.is_empty() || state.isr.len() < min_isr),
        ("the ISR is not empty without ELR", has_elr || !state.isr.is_empty()),
        ("who recovers is alone", state.recovery == LeaderRecovery::Recovered || state.isr.len() <= 1),
    ];
    match rules.into_iter().find(|(_, holds)| !holds) {
        Some((name, _)) => Err(format!("not so: {name}")),
        None => Ok(()),
    }
}

/// A snapshot, through its bytes, makes an equal image.
fn check_snapshot(image: &Image) -> Result<(), String> {
    let version = image.metadata_version().unwrap_or(MetadataVersion::DEFAULT);
    let mut copy = Image::default();
    for record in image.records() {
        let mut bytes = Vec::new();
        record.encode(version.of(&record), &mut bytes);
        let read = MetadataRecord::decode(&bytes).map_err(|error| error.to_string())?;
        copy.apply(&read).map_err(|error| error.to_string())?;
    }
    if copy == *image { Ok(()) } else { Err("a snapshot makes another image".into()) }
}
