//! A broker goes that hosts many partitions: every one of these is decided, and none else.

use highwater_core::NodeId;
use highwater_core::controller::{
    ControllerRequest, ControllerResponse, MetadataRecord, NewTopic, Rules, Timer,
};

use crate::world::{Event, World, config_with_elr};

/// A cluster in which broker 1 is a replica of `hosted` partitions, and only others are of `elsewhere` more.
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

/// Fences broker 1; the batches of records that this takes.
fn fail(world: &mut World) -> Vec<Vec<MetadataRecord>> {
    world.commits = false;
    let events = world.expire(Timer::Session(NodeId(1)));
    let appended = events.into_iter().filter_map(|event| match event {
        Event::Appended(batch, _) => Some(batch.records),
        _ => None,
    });
    appended.collect()
}

#[test]
fn broker_with_many_partitions_fails_over_in_one_transaction() {
    let mut world = cluster(25_000, 1_000);
    let batches = fail(&mut world);
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
