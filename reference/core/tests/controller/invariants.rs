//! What holds after every step.

use std::collections::BTreeMap;

use highwater_core::controller::{Image, MetadataRecord, MetadataVersion};
use highwater_core::partition::{LeaderRecovery, PartitionState};
use highwater_core::{NodeId, Offset, Uuid};

use crate::world::World;

/// The epochs of partitions, as last seen.
pub(crate) type Epochs = BTreeMap<(Uuid, i32), (i32, i32)>;

/// The image of the log up to an offset.
fn image_of(world: &World, end: Offset) -> Image {
    let mut image = Image::default();
    for batch in world.log.iter().take_while(|batch| batch.end <= end) {
        for record in &batch.records {
            image.apply(record).unwrap_or_else(|error| panic!("{error} by {record:?}"));
        }
    }
    image
}

/// What is wrong, if anything.
pub(crate) fn check(world: &World, epochs: &mut Epochs) -> Result<(), String> {
    for (at, controller) in world.controllers.iter().enumerate() {
        if *controller.image() != image_of(world, controller.applied()) {
            return Err(format!(
                "controller {at} has another image than the log up to {}",
                controller.applied()
            ));
        }
    }
    let Some(leader) = world.leader else { return Ok(()) };
    if !world.controllers[leader].is_active() {
        return Ok(());
    }
    let image = world.image();
    check_epochs(image, epochs)?;
    for topic in image.topics().values() {
        for (index, partition) in &topic.partitions {
            check_partition(world, &topic.name, &partition.state)
                .map_err(|error| format!("{}-{index}: {error}: {:?}", topic.name, partition.state))?;
        }
    }
    check_snapshot(image)
}

/// Epochs never decrease. What a lost leader had decided does not count: `epochs` is reset when leadership moves.
fn check_epochs(image: &Image, epochs: &mut Epochs) -> Result<(), String> {
    let mut seen = Epochs::new();
    for (&id, topic) in image.topics() {
        for (&index, partition) in &topic.partitions {
            let now = (partition.state.leader_epoch, partition.state.partition_epoch);
            let before = epochs.get(&(id, index)).copied().unwrap_or(now);
            if now.0 < before.0 || now.1 < before.1 {
                return Err(format!("{}-{index} went from {before:?} to {now:?}", topic.name));
            }
            seen.insert((id, index), now);
        }
    }
    *epochs = seen;
    Ok(())
}

fn check_partition(world: &World, topic: &str, state: &PartitionState) -> Result<(), String> {
    let image = world.image();
    let has_elr = image.features().contains_key("eligible.leader.replicas.version");
    let min_isr = image.topic_config(topic, "min.insync.replicas").and_then(|value| value.parse().ok());
    let min_isr = min_isr.unwrap_or(world.config.min_isr).min(state.replicas.len());
    let is_active = |id: &NodeId| image.broker(*id).is_some_and(|broker| broker.is_active());
    let is_set = |list: &[NodeId]| (1..list.len()).all(|at| !list[..at].contains(&list[at]));
    let is_last = state.leader.is_none() && state.isr.len() == 1 && !has_elr;
    let candidates = if state.isr.is_empty() { &state.elr } else { &state.isr };
    let rules = [
        ("the ISR are replicas", state.isr.iter().all(|id| state.replicas.contains(id))),
        ("the ELR are replicas", state.elr.iter().all(|id| state.replicas.contains(id))),
        ("nobody is twice in the ISR", is_set(&state.isr)),
        ("nobody is in ISR and ELR", is_set(&[&state.isr[..], &state.elr[..]].concat())),
        ("the leader is in the ISR", state.leader.is_none_or(|id| state.isr.contains(&id))),
        ("the leader is active", state.leader.as_ref().is_none_or(is_active)),
        ("the ISR is active but for the last", is_last || state.isr.iter().all(is_active)),
        ("somebody leads if somebody may", state.leader.is_some() || !candidates.iter().any(is_active)),
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
