//! Random runs: whatever brokers and clients ask and whoever leads, what always holds does, after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use highwater_core::controller::{
    Config, ConfigChange, ConfigOperation, ConfigResource, ControllerRequest, ElectionKind, MorePartitions,
    NewTopic, RegisterBroker, Rules, Timer, TopicReference,
};
use highwater_core::partition::{AlterPartition, LeaderRecovery};
use highwater_core::{NodeId, Offset};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::invariants::{self, Before};
use crate::world::{World, config, config_with_elr, registration};

/// One step; what does not fit the moment does nothing.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Register { broker: i32, incarnation: u8, clean: bool },
    Heartbeat { broker: i32, fence: bool, stop: bool, caught_up: bool },
    Expire { broker: i32 },
    ExpireTogether,
    Elapse,
    Unregister { broker: i32 },
    Create { name: u8, partitions: i32, replicas: i16 },
    Assign { name: u8, replicas: Vec<i32> },
    Delete { name: u8 },
    More { name: u8, count: i32 },
    Alter { partition: Index, isr: u8, stale: bool, old_epochs: bool, recovered: bool },
    Elect { unclean: bool },
    Config { name: u8, key: bool, value: u8 },
    Lead { controller: usize, keeps: Index },
    Restart { controller: usize, from_snapshot: bool },
    Commit { upto: Index },
    Hold,
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    let broker = 1..=4i32;
    prop_oneof![
        3 => (broker.clone(), any::<u8>(), any::<bool>())
            .prop_map(|(broker, incarnation, clean)| Step::Register { broker, incarnation: incarnation % 3, clean }),
        6 => (broker.clone(), prop::bool::weighted(0.1), prop::bool::weighted(0.15), prop::bool::weighted(0.9))
            .prop_map(|(broker, fence, stop, caught_up)| Step::Heartbeat { broker, fence, stop, caught_up }),
        3 => broker.clone().prop_map(|broker| Step::Expire { broker }),
        1 => Just(Step::ExpireTogether),
        1 => Just(Step::Elapse),
        1 => broker.prop_map(|broker| Step::Unregister { broker }),
        2 => (0..4u8, 0..4i32, 0..5i16)
            .prop_map(|(name, partitions, replicas)| Step::Create { name, partitions, replicas }),
        1 => (0..4u8, prop::collection::vec(0..5i32, 0..4))
            .prop_map(|(name, replicas)| Step::Assign { name, replicas }),
        1 => (0..4u8).prop_map(|name| Step::Delete { name }),
        1 => (0..4u8, 0..6i32).prop_map(|(name, count)| Step::More { name, count }),
        6 => (any::<Index>(), any::<u8>(), prop::bool::weighted(0.1), prop::bool::weighted(0.1), any::<bool>())
            .prop_map(|(partition, isr, stale, old_epochs, recovered)| Step::Alter {
                partition,
                isr,
                stale,
                old_epochs,
                recovered,
            }),
        1 => any::<bool>().prop_map(|unclean| Step::Elect { unclean }),
        1 => (0..5u8, any::<bool>(), any::<u8>()).prop_map(|(name, key, value)| Step::Config { name, key, value }),
        1 => (0..2usize, any::<Index>()).prop_map(|(controller, keeps)| Step::Lead { controller, keeps }),
        1 => (0..2usize, any::<bool>())
            .prop_map(|(controller, from_snapshot)| Step::Restart { controller, from_snapshot }),
        1 => any::<Index>().prop_map(|upto| Step::Commit { upto }),
        1 => Just(Step::Hold),
        1 => Just(Step::Release),
    ]
}

/// A run: how the cluster is set up, and what happens.
pub(crate) fn run() -> impl Strategy<Value = (Config, Vec<Step>)> {
    let set_up =
        (any::<bool>(), any::<bool>(), any::<bool>(), 3..8usize).prop_map(|(elr, unclean, last, batch)| {
            let mut config = if elr { config_with_elr() } else { config() };
            config.unclean_election = unclean;
            config.last_known_leader = last;
            config.records_per_batch_max = batch;
            config
        });
    (set_up, prop::collection::vec(step(), 1..80))
}

/// Goes through a run; the first thing that does not hold, if any.
pub(crate) fn play(config: Config, rules: Rules, steps: &[Step]) -> Result<(), String> {
    watch(config, rules, steps, |_| {})
}

/// As [`play`], and shows the world after every step.
fn watch(config: Config, rules: Rules, steps: &[Step], mut see: impl FnMut(&World)) -> Result<(), String> {
    let mut world = World::with_brokers(config, rules, 4);
    let mut before = Before::new();
    for (at, step) in steps.iter().enumerate() {
        if matches!(step, Step::Lead { .. } | Step::Restart { .. }) {
            before.clear();
        }
        take(&mut world, step);
        invariants::check(&world, &mut before)
            .map_err(|error| format!("after step {at}, {step:?}: {error}"))?;
        see(&world);
    }
    Ok(())
}

fn take(world: &mut World, step: &Step) {
    match step.clone() {
        Step::Register { broker, incarnation, clean } => {
            let known = world.image().broker(NodeId(broker)).map_or(-1, |broker| broker.epoch);
            let previous = if clean { known } else { -1 };
            let incarnation = 16 * broker as u128 + u128::from(incarnation);
            world.ask(ControllerRequest::RegisterBroker(registration(broker, incarnation, previous)));
        }
        Step::Heartbeat { broker, fence, stop, caught_up } => {
            let mut heartbeat = world.heartbeat(broker);
            heartbeat.want_fence = fence;
            heartbeat.want_shut_down = stop;
            heartbeat.metadata_offset = if caught_up { heartbeat.metadata_offset } else { 0 };
            world.ask(ControllerRequest::Heartbeat(heartbeat));
        }
        Step::Expire { broker } => {
            world.expire(Timer::Session(NodeId(broker)));
        }
        Step::ExpireTogether => {
            world.elapse(Duration::from_secs(20));
        }
        Step::Elapse => {
            world.elapse(Duration::from_secs(3));
        }
        Step::Unregister { broker } => {
            world.ask(ControllerRequest::UnregisterBroker(NodeId(broker)));
        }
        Step::Create { name, partitions, replicas } => {
            let topic = NewTopic { partitions, replication_factor: replicas, ..topic(name) };
            world.ask(ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false });
        }
        Step::Assign { name, replicas } => {
            let assignments = vec![replicas.into_iter().map(NodeId).collect()];
            let topic = NewTopic { partitions: -1, replication_factor: -1, assignments, ..topic(name) };
            world.ask(ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false });
        }
        Step::Delete { name } => {
            world.ask(ControllerRequest::DeleteTopics(vec![TopicReference::Name(self::name(name))]));
        }
        Step::More { name, count } => {
            let more = MorePartitions { name: self::name(name), count, assignments: Vec::new() };
            world.ask(ControllerRequest::CreatePartitions { topics: vec![more], validate_only: false });
        }
        Step::Alter { partition, isr, stale, old_epochs, recovered } => {
            alter(world, partition, isr, stale, old_epochs, recovered);
        }
        Step::Elect { unclean } => {
            let kind = if unclean { ElectionKind::Unclean } else { ElectionKind::Preferred };
            world.ask(ControllerRequest::ElectLeaders { kind, partitions: None });
        }
        Step::Config { name, key, value } => {
            let resource = if name == 4 {
                ConfigResource::Broker(None)
            } else {
                ConfigResource::Topic(self::name(name))
            };
            let (key, value) = if key {
                ("min.insync.replicas", (1 + value % 3).to_string())
            } else {
                ("unclean.leader.election.enable", (value % 2 == 0).to_string())
            };
            let changes = vec![ConfigChange { key: key.into(), operation: ConfigOperation::Set(value) }];
            let changes = vec![(resource, changes)];
            world.ask(ControllerRequest::AlterConfigs { changes, validate_only: false });
        }
        Step::Lead { controller, keeps } => {
            let uncommitted = world.end() - world.high_watermark;
            let keeps = world.high_watermark + keeps.index(uncommitted as usize + 1) as Offset;
            world.lead(controller, keeps);
        }
        Step::Restart { controller, from_snapshot } => world.restart(controller, from_snapshot),
        Step::Commit { upto } => {
            let uncommitted = world.end() - world.high_watermark;
            let upto = world.high_watermark + upto.index(uncommitted as usize + 1) as Offset;
            world.commit(upto);
        }
        Step::Hold => world.commits = false,
        Step::Release => {
            world.commits = true;
            world.settle();
        }
    }
}

fn name(name: u8) -> String {
    format!("topic-{name}")
}

fn topic(name: u8) -> NewTopic {
    NewTopic {
        name: self::name(name),
        partitions: 1,
        replication_factor: 3,
        assignments: Vec::new(),
        configs: Vec::new(),
    }
}

fn alter(world: &mut World, partition: Index, isr: u8, stale: bool, old_epochs: bool, recovered: bool) {
    let image = world.image();
    let all =
        image.topics().iter().flat_map(|(&id, topic)| topic.partitions.iter().map(move |part| (id, part)));
    let all: Vec<_> = all.collect();
    if all.is_empty() {
        return;
    }
    let (topic, (&index, registration)) = all[partition.index(all.len())];
    let state = &registration.state;
    let leader = state.leader.unwrap_or(NodeId(1));
    let epoch = |id: NodeId| image.broker(id).map_or(-1, |broker| broker.epoch);
    let chosen = state.replicas.iter().enumerate();
    let chosen = chosen.filter(|&(at, &id)| id == leader || isr >> at & 1 == 1).map(|(_, &id)| id);
    let wish = AlterPartition {
        leader,
        broker_epoch: epoch(leader),
        leader_epoch: state.leader_epoch - i32::from(old_epochs),
        partition_epoch: state.partition_epoch - i32::from(old_epochs),
        isr: chosen.map(|id| (id, epoch(id) - i64::from(stale && id != leader))).collect(),
        recovery: if recovered { LeaderRecovery::Recovered } else { state.recovery },
    };
    world.ask(ControllerRequest::AlterPartitions(vec![(topic, index, wish)]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_run_keeps_what_always_holds((config, steps) in run()) {
        let played = play(config, Rules::default(), &steps);
        prop_assert!(played.is_ok(), "{}", played.unwrap_err());
    }

    #[test]
    fn replicas_are_spread_over_brokers_and_racks(
        brokers in prop::collection::vec((0..4u8, prop::bool::weighted(0.8)), 1..10),
        partitions in 1..40i32,
        replicas in 1..6i16,
    ) {
        let mut world = World::new(config(), Rules::default());
        world.lead(0, Offset::MAX);
        for (id, &(rack, unfenced)) in (1..).zip(&brokers) {
            let rack = (rack > 0).then(|| format!("rack {rack}"));
            let registration = RegisterBroker { rack, ..registration(id, id as u128, -1) };
            world.ask(ControllerRequest::RegisterBroker(registration));
            if unfenced {
                world.ask(ControllerRequest::Heartbeat(world.heartbeat(id)));
            }
        }
        let topic = NewTopic { partitions, replication_factor: replicas, ..topic(0) };
        world.ask(ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false });
        let topic = world.image().topics().values().next();
        let possible = replicas as usize <= brokers.len() && brokers.iter().any(|&(_, unfenced)| unfenced);
        prop_assert_eq!(topic.is_some(), possible);
        let rack_of = |id: &NodeId| brokers[id.0 as usize - 1].0;
        let racks: BTreeSet<u8> = brokers.iter().map(|&(rack, _)| rack).collect();
        for partition in topic.into_iter().flat_map(|topic| topic.partitions.values()) {
            let state = &partition.state;
            let distinct: BTreeSet<&NodeId> = state.replicas.iter().collect();
            prop_assert_eq!(distinct.len(), replicas as usize);
            prop_assert!(brokers[state.replicas[0].0 as usize - 1].1, "the first is unfenced");
            prop_assert_eq!(state.leader, Some(state.replicas[0]));
            let used: BTreeSet<u8> = state.replicas.iter().map(rack_of).collect();
            prop_assert_eq!(used.len(), racks.len().min(replicas as usize), "as many racks as there can be");
        }
        let is_even = racks.len() == 1 && brokers.iter().all(|&(_, unfenced)| unfenced);
        if let (Some(topic), true) = (topic, is_even) {
            let leads = |id: i32| topic.partitions.values().filter(|part| part.state.leader == Some(NodeId(id))).count();
            let leads: Vec<usize> = (1..=brokers.len() as i32).map(leads).collect();
            prop_assert!(leads.iter().max().unwrap() - leads.iter().min().unwrap() <= 1, "{:?}", leads);
        }
    }
}

/// The same runs every time.
pub(crate) fn runs(count: usize) -> impl Iterator<Item = (Config, Vec<Step>)> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(move |_| run().new_tree(&mut runner).expect("a run").current())
}

/// A random run proves nothing of what it never comes to.
#[test]
fn random_runs_come_to_what_they_are_about() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (config, steps) in runs(300) {
        let played = watch(config, Rules::default(), &steps, |world| {
            for witness in witnesses(world) {
                *seen.entry(witness).or_default() += 1;
            }
        });
        assert_eq!(played, Ok(()));
    }
    let all = [
        "aborted transaction",
        "caught up late",
        "controlled shutdown",
        "eligible leader replica",
        "empty isr",
        "last known leader",
        "leaderless",
        "recovering",
        "taken back",
        "transaction",
        "uncommitted decision",
    ];
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), all, "{seen:?}");
}

fn witnesses(world: &World) -> BTreeSet<&'static str> {
    let image = world.image();
    let partitions = image.topics().values().flat_map(|topic| topic.partitions.values());
    let mut seen = BTreeSet::new();
    for state in partitions.map(|partition| &partition.state) {
        let of_partition = [
            ("leaderless", state.leader.is_none()),
            ("empty isr", state.isr.is_empty()),
            ("eligible leader replica", !state.elr.is_empty()),
            ("last known leader", !state.last_known_elr.is_empty()),
            ("recovering", state.recovery == LeaderRecovery::Recovering),
        ];
        seen.extend(of_partition.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name));
    }
    let has =
        |api_key| world.log.iter().flat_map(|batch| &batch.records).any(|record| record.api_key() == api_key);
    let is_active = |at: usize| world.controllers[at].is_active();
    let of_world = [
        ("controlled shutdown", image.brokers().values().any(|broker| broker.in_controlled_shutdown)),
        ("transaction", has(24)),
        ("aborted transaction", has(25)),
        ("uncommitted decision", world.leader.is_some_and(is_active) && world.high_watermark < world.end()),
        ("caught up late", world.leader.is_some_and(|at| !is_active(at))),
        ("taken back", world.leader.is_none() && world.high_watermark < world.end()),
    ];
    seen.extend(of_world.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name));
    seen
}
