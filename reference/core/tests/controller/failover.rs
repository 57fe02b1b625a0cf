//! A broker goes that hosts many partitions: the work is in proportion to these, and every one is decided.

use std::time::{Duration, Instant as Clock};

use highwater_core::NodeId;
use highwater_core::controller::{
    ControllerRequest, ControllerResponse, MetadataRecord, NewTopic, Rules, Timer,
};

use crate::world::{Event, World, config_with_elr};

/// A cluster in which broker 1 is a replica of `hosted` partitions, and others are of `elsewhere` more.
fn cluster(hosted: usize, elsewhere: usize) -> World {
    let mut world = World::with_brokers(config_with_elr(), Rules::default(), 6);
    let mut fill = |name: &str, count: usize, brokers: [i32; 3]| {
        for (at, size) in sizes(count).enumerate() {
            let assignments = vec![brokers.map(NodeId).to_vec(); size];
            let name = format!("{name}-{at}");
            let (partitions, replication_factor, configs) = (-1, -1, Vec::new());
            let topic = NewTopic { name, partitions, replication_factor, assignments, configs };
            let created =
                world.answer(ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false });
            assert!(matches!(created, ControllerResponse::CreateTopics(Ok(topics)) if topics[0].is_ok()));
        }
    };
    fill("hosted", hosted, [1, 2, 3]);
    fill("elsewhere", elsewhere, [4, 5, 6]);
    world
}

/// Topics of at most 5000 partitions.
fn sizes(count: usize) -> impl Iterator<Item = usize> {
    (0..count.div_ceil(5000)).map(move |at| (count - at * 5000).min(5000))
}

/// Fences broker 1; the batches, and how long the decision took.
fn fail(world: &mut World) -> (Vec<Vec<MetadataRecord>>, Duration) {
    world.commits = false;
    let clock = Clock::now();
    let events = world.expire(Timer::Session(NodeId(1)));
    let took = clock.elapsed();
    let appended = events.into_iter().filter_map(|event| match event {
        Event::Appended(batch, _) => Some(batch.records),
        _ => None,
    });
    (appended.collect(), took)
}

#[test]
fn broker_with_many_partitions_fails_over_in_one_transaction() {
    let mut world = cluster(25_000, 0);
    let (batches, _) = fail(&mut world);
    assert_eq!(batches.len(), 3, "10,000 records a batch");
    assert!(batches.iter().all(|batch| batch.len() <= 10_000));
    let records = batches.concat();
    assert!(matches!(records.first(), Some(MetadataRecord::BeginTransaction(_))));
    assert!(matches!(records.last(), Some(MetadataRecord::EndTransaction(_))));
    let changes = records.iter().filter(|record| matches!(record, MetadataRecord::PartitionChange(_)));
    assert_eq!(changes.count(), 25_000);
    let image = world.image();
    assert_eq!(image.hosted_by(NodeId(1)).count(), 25_000);
    for (topic, index) in image.hosted_by(NodeId(1)) {
        let state = image.partition(topic, index).expect("an indexed partition");
        assert_eq!((state.leader, &state.isr[..]), (Some(NodeId(2)), &[NodeId(2), NodeId(3)][..]));
    }
    world.commits = true;
    world.settle();
    assert_eq!(world.controllers[0].image(), world.controllers[1].image());
}

#[test]
fn partitions_of_others_cost_nothing() {
    let mut few = cluster(500, 0);
    let mut among_many = cluster(500, 40_000);
    let shortest = |world: &World| {
        let runs = (0..5).map(|_| fail(&mut world.clone()).1);
        runs.min().expect("five runs")
    };
    let (alone, among_many_took) = (shortest(&few), shortest(&among_many));
    assert_eq!(fail(&mut few).0.concat().len(), fail(&mut among_many).0.concat().len());
    // A pass over all partitions would take about eighty times as long; the rest is for a busy machine.
    assert!(
        among_many_took < alone * 12 + Duration::from_millis(5),
        "{among_many_took:?} among many, {alone:?} alone"
    );
}
