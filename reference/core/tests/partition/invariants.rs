//! The claims of `specs/isr.md`, over the replicas as they really are.

use highwater_core::partition::{LeaderRecovery, Role};
use highwater_core::{NodeId, Offset};

use crate::world::{Broker, World};

type Claim = (&'static str, fn(&World) -> bool);

/// The claims that do not hold, after a step; the stains of the step included.
pub(crate) fn broken(world: &World) -> Vec<&'static str> {
    let claims: [Claim; 9] = [
        ("strong-isr", strong_isr),
        ("candidate-completeness", candidate_completeness),
        ("leader-completeness", leader_completeness),
        ("durability", durability),
        ("read-stability", read_stability),
        ("log-matching", log_matching),
        ("replication-quorum-superset", replication_quorum_superset),
        ("isr-unfenced", isr_unfenced),
        ("recovering-alone", recovering_alone),
    ];
    let states = claims.iter().filter(|(_, holds)| !holds(world)).map(|(name, _)| *name);
    world.stains.iter().copied().chain(states).collect()
}

/// What holds although leaders are elected uncleanly.
pub(crate) const UNDER_UNCLEAN_ELECTION: &[&str] = &[
    "log-matching",
    "leader-append-only",
    "leader-high-watermark-monotone",
    "isr-unfenced",
    "proposals-eligible",
    "refused-proposal-not-repeated",
    "recovering-alone",
];

fn presumed_leaders(world: &World) -> impl Iterator<Item = &Broker> {
    world.brokers.iter().filter(|broker| broker.leads())
}

/// The leader of the newest epoch, once it knows.
pub(crate) fn true_leader(world: &World) -> Option<&Broker> {
    let state = &world.controller.state;
    let broker = &world.brokers[World::index(state.leader?)];
    let core = broker.core.as_ref()?;
    (core.role() == Role::Leader && core.leader_epoch() == state.leader_epoch).then_some(broker)
}

fn high_watermark(broker: &Broker) -> Offset {
    broker.core.as_ref().map_or(0, |core| core.high_watermark())
}

/// Whether both have the same records below `end`, as far as both still have them.
fn same_below(a: &Broker, b: &Broker, end: Offset) -> bool {
    let start = a.start.max(b.start);
    a.end() >= end && b.end() >= end && (start >= end || a.slice(start, end) == b.slice(start, end))
}

fn strong_isr(world: &World) -> bool {
    let members = || world.controller.state.isr.iter().map(|id| &world.brokers[World::index(*id)]);
    presumed_leaders(world).all(|leader| {
        members()
            .filter(|member| member.core.is_some())
            .all(|member| same_below(member, leader, high_watermark(leader)))
    })
}

fn holds(broker: &Broker, value: char) -> bool {
    broker.records.iter().any(|record| record.value == value)
}

fn acknowledged(world: &World) -> impl Iterator<Item = char> {
    world.acknowledged.difference(&world.deleted).copied()
}

fn candidates(world: &World) -> impl Iterator<Item = &Broker> {
    let state = &world.controller.state;
    state.isr.iter().chain(&state.elr).map(|id| &world.brokers[World::index(*id)])
}

fn candidate_completeness(world: &World) -> bool {
    candidates(world)
        .filter(|broker| broker.core.is_some() || !broker.unclean)
        .all(|broker| acknowledged(world).all(|value| holds(broker, value)))
}

fn leader_completeness(world: &World) -> bool {
    true_leader(world).is_none_or(|leader| acknowledged(world).all(|value| holds(leader, value)))
}

fn durability(world: &World) -> bool {
    acknowledged(world).all(|value| candidates(world).any(|broker| holds(broker, value)))
}

fn read_stability(world: &World) -> bool {
    true_leader(world)
        .is_none_or(|leader| world.read.difference(&world.deleted).all(|value| holds(leader, *value)))
}

fn log_matching(world: &World) -> bool {
    let matching = |a: &Broker, b: &Broker| {
        let (start, end) = (a.start.max(b.start), a.end().min(b.end()));
        let epochs =
            |offset: &Offset| a.slice(*offset, offset + 1)[0].epoch == b.slice(*offset, offset + 1)[0].epoch;
        let last_same = (start..end).rev().find(epochs);
        last_same.is_none_or(|last| same_below(a, b, last + 1))
    };
    let brokers = &world.brokers;
    (0..brokers.len()).all(|a| (0..a).all(|b| matching(&brokers[a], &brokers[b])))
}

fn replication_quorum_superset(world: &World) -> bool {
    let Some(core) = true_leader(world).and_then(|leader| leader.core.as_ref()) else { return true };
    let state = &world.controller.state;
    let maximal = core.maximal_isr();
    let elr: &[NodeId] = if core.isr().len() >= world.settings.min_isr { &state.elr } else { &[] };
    state.isr.iter().chain(elr).all(|id| maximal.contains(id))
}

fn isr_unfenced(world: &World) -> bool {
    world.controller.state.isr.iter().all(|id| !world.controller.broker(*id).fenced)
}

fn recovering_alone(world: &World) -> bool {
    let state = &world.controller.state;
    state.recovery == LeaderRecovery::Recovered || state.isr.len() <= 1
}
