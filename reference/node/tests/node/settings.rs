//! What topics are configured to, by whom, and what comes of it; flushes, on and off the step; who follows the quorum.

use std::time::Duration;

use highwater_core::controller::{ConfigResource, ControllerRequest, NewTopic, TOPIC_CONFIG};
use highwater_core::partition::Acks;
use highwater_core::{NodeId, Offset};
use highwater_log::disk::{Failure, Operation};
use highwater_node::message::{ClientRequest, Input, LogId, TopicPartition};
use highwater_node::{ConfigSource, Roles, TopicConfigEntry};

use crate::cluster::{Cluster, settled, settled_with, small_snapshots};

fn entry(cluster: &Cluster, topic: &str, key: &str) -> TopicConfigEntry {
    let entries = cluster.node(1).topic_config(topic);
    entries.into_iter().find(|entry| entry.key.name == key).expect("a key of topics")
}

#[test]
fn value_comes_from_who_is_nearest_to_the_topic() {
    let mut cluster = settled_with(|config| {
        config.topic_defaults.insert("log.retention.hours".to_owned(), "2".to_owned());
    });
    cluster.create_topic(1, "orders", &[1, 2, 3]);
    let holds = |cluster: &Cluster| {
        let entry = entry(cluster, "orders", "retention.ms");
        (entry.value.clone(), entry.source())
    };
    assert_eq!(holds(&cluster), ("7200000".to_owned(), ConfigSource::File));
    cluster.configure(ConfigResource::Broker(None), "log.retention.minutes", "3");
    assert_eq!(holds(&cluster), ("180000".to_owned(), ConfigSource::AllBrokers));
    cluster.configure(ConfigResource::Broker(Some(NodeId(1))), "log.retention.ms", "4");
    assert_eq!(holds(&cluster), ("4".to_owned(), ConfigSource::Broker));
    cluster.configure(ConfigResource::Topic("orders".to_owned()), "retention.ms", "5");
    assert_eq!(holds(&cluster), ("5".to_owned(), ConfigSource::Topic));
    let said: Vec<_> =
        entry(&cluster, "orders", "retention.ms").said.iter().map(|said| (said.source, said.name)).collect();
    assert_eq!(
        said,
        [
            (ConfigSource::Topic, "retention.ms"),
            (ConfigSource::Broker, "log.retention.ms"),
            (ConfigSource::AllBrokers, "log.retention.minutes"),
            (ConfigSource::File, "log.retention.hours"),
            (ConfigSource::Default, "log.retention.ms"),
        ]
    );
    // Another broker has what is said of all.
    let entries = cluster.node(2).topic_config("orders");
    let other = entries.iter().find(|entry| entry.key.name == "retention.ms").expect("the key");
    assert_eq!(other.said[1].source, ConfigSource::AllBrokers);
}

#[test]
fn every_key_has_a_value_that_it_may_have() {
    let cluster = settled();
    let entries = cluster.node(1).topic_config("no-topic");
    assert_eq!(entries.len(), TOPIC_CONFIG.len());
    for entry in entries {
        assert_eq!(entry.key.check(&entry.value), Ok(()), "{entry:?}");
        let expected = match entry.key.name {
            // The configuration of these tests differs from the default, and controllers make it that of all brokers.
            "min.insync.replicas" => ConfigSource::AllBrokers,
            _ => ConfigSource::Default,
        };
        assert_eq!(entry.source(), expected, "{entry:?}");
    }
}

#[test]
fn segments_of_a_topic_are_as_large_as_it_says() {
    let mut cluster = settled();
    let small = cluster.create_topic_with(1, "small", &[&[1, 2, 3]], &[("segment.bytes", "200")])[0];
    let other = cluster.create_topic(1, "other", &[1, 2, 3]);
    for _ in 0..10 {
        cluster.produce(1, small, Acks::All, "a").expect("acknowledged");
        cluster.produce(1, other, Acks::All, "a").expect("acknowledged");
    }
    assert!(segments(&cluster, 1, "small-0") > 3);
    assert!(segments(&cluster, 2, "small-0") > 3);
    assert_eq!(segments(&cluster, 1, "other-0"), 1);
    cluster.configure(ConfigResource::Topic("small".to_owned()), "segment.bytes", "1000000");
    let before = segments(&cluster, 1, "small-0");
    for _ in 0..10 {
        cluster.produce(1, small, Acks::All, "a").expect("acknowledged");
    }
    assert_eq!(segments(&cluster, 1, "small-0"), before);
}

fn segments(cluster: &Cluster, id: i32, directory: &str) -> usize {
    use highwater_log::disk::Disk;
    let names = cluster.disks[&NodeId(id)].list(directory).expect("a directory");
    names.iter().filter(|name| name.ends_with(".log")).count()
}

#[test]
fn retention_of_a_topic_is_its_own_and_a_compacted_one_keeps_all() {
    let mut cluster = settled_with(|config| {
        config.log_retention_check_interval = Duration::from_secs(1);
        config.log_segment_bytes = 150;
    });
    let configs: [&[(&str, &str)]; 3] =
        [&[("retention.ms", "1000")], &[], &[("retention.ms", "1000"), ("cleanup.policy", "compact")]];
    let names = ["short", "long", "compacted"];
    let mut partitions = Vec::new();
    for (name, configs) in names.iter().zip(configs) {
        partitions.push(cluster.create_topic_with(1, name, &[&[1, 2, 3]], configs)[0]);
    }
    for partition in &partitions {
        for _ in 0..4 {
            cluster.produce(1, *partition, Acks::All, "a").expect("acknowledged");
        }
    }
    cluster.run_for(Duration::from_secs(5));
    let starts: Vec<Offset> = partitions
        .iter()
        .map(|partition| cluster.node(1).replica(*partition).expect("a replica").log.start())
        .collect();
    assert!(starts[0] > 0, "{starts:?}");
    assert_eq!(starts[1..], [0, 0]);
}

#[test]
fn records_are_flushed_when_they_have_waited_for_as_long_as_the_topic_says() {
    let mut cluster = settled();
    let partition = cluster.create_topic_with(1, "orders", &[&[1, 2, 3]], &[("flush.ms", "500")])[0];
    cluster.produce(1, partition, Acks::All, "a").expect("acknowledged");
    let flushed = |cluster: &Cluster| cluster.node(1).replica(partition).expect("a replica").log.flushed();
    assert_eq!(flushed(&cluster), 0);
    cluster.run_for(Duration::from_secs(1));
    assert_eq!(flushed(&cluster), 1);
}

// ---- flushes off the step ----

/// A leader with a record that is not flushed.
fn with_unflushed() -> (Cluster, TopicPartition) {
    let mut cluster = settled();
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    cluster.produce(1, partition, Acks::All, "a").expect("acknowledged");
    (cluster, partition)
}

#[test]
fn flush_on_another_thread_claims_what_there_was_when_it_began() {
    let (mut cluster, partition) = with_unflushed();
    let log = LogId::Partition(partition);
    let flusher =
        cluster.nodes.get_mut(&NodeId(1)).expect("a node").flusher(log).expect("something to flush");
    cluster.produce(1, partition, Acks::All, "b").expect("acknowledged");
    let flushed = std::thread::spawn(move || flusher.flush()).join().expect("flushed");
    cluster.tell(1, Input::Flushed { log, flushed });
    let view = cluster.node(1).replica(partition).expect("a replica").log.clone();
    assert_eq!((view.flushed(), view.end()), (1, 2));
}

#[test]
fn what_is_flushed_already_has_no_flusher() {
    let (mut cluster, partition) = with_unflushed();
    let log = LogId::Partition(partition);
    cluster.tell(1, Input::Flush(log));
    assert!(cluster.nodes.get_mut(&NodeId(1)).expect("a node").flusher(log).is_none());
}

#[test]
fn log_that_a_snapshot_has_flushed_meanwhile_counts_as_flushed_once_its_flusher_is_asked_for() {
    let mut cluster = settled_with(small_snapshots);
    let active = cluster.active().expect("a controller");
    // The two others commit without it.
    cluster.unflushed = Some(active);
    for index in 0..10_000 {
        let name = format!("topic-{index}");
        let topic = NewTopic {
            name,
            partitions: 1,
            replication_factor: 1,
            assignments: Vec::new(),
            configs: Vec::new(),
        };
        let request = ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false };
        cluster.send(active, ClientRequest::Controller(request));
        let before = cluster.node(active).quorum().snapshot();
        cluster.step();
        let core = cluster.node(active).quorum();
        // A snapshot has just flushed all, of which the core knows nothing that is not in it.
        if core.snapshot() != before && core.log().flushed() < core.log().end() {
            let node = cluster.nodes.get_mut(&NodeId(active)).expect("a node");
            assert!(node.flusher(LogId::Metadata).is_none(), "something is left to flush");
            let log = node.quorum().log();
            assert_eq!(log.flushed(), log.end());
            return;
        }
    }
    panic!("no snapshot was taken while records were on their way");
}

#[test]
fn flush_that_fails_on_another_thread_stops_the_node() {
    let (mut cluster, partition) = with_unflushed();
    let log = LogId::Partition(partition);
    let flusher =
        cluster.nodes.get_mut(&NodeId(1)).expect("a node").flusher(log).expect("something to flush");
    let path = "orders-0/".to_owned();
    cluster.disks[&NodeId(1)].fail(Failure { operation: Operation::Sync, path, after: 0, times: 1 });
    let flushed = flusher.flush();
    cluster.tell(1, Input::Flushed { log, flushed });
    let why = cluster.stopped[&NodeId(1)].clone().expect("a reason");
    assert!(why.contains("orders-0"), "{why}");
}

#[test]
fn metadata_are_committed_by_flushes_on_another_thread() {
    let mut cluster = settled();
    cluster.flushes_elsewhere = true;
    let partition = cluster.create_topic(1, "orders", &[1, 2, 3]);
    assert_eq!(cluster.produce(1, partition, Acks::All, "a"), Ok(0));
}

// ---- who follows the quorum ----

#[test]
fn leader_of_the_quorum_knows_voters_and_observers_and_when_they_fetched() {
    let roles = [(1, Roles::CONTROLLER), (2, Roles::CONTROLLER), (3, Roles::CONTROLLER), (4, Roles::BROKER)];
    let mut cluster = Cluster::start(roles, |_| {});
    cluster.settle();
    cluster.run_for(Duration::from_secs(2));
    let leader = cluster.active().expect("a leader");
    let replicas = cluster.node(leader).quorum_replicas();
    let end = cluster.node(leader).metadata().log.end();
    let now = cluster.now;
    let ids: Vec<(i32, bool)> = replicas.iter().map(|replica| (replica.key.id.0, replica.is_voter)).collect();
    assert_eq!(ids, [(1, true), (2, true), (3, true), (4, false)]);
    for replica in &replicas {
        assert_eq!(replica.log_end, end, "{replica:?}");
        let (fetch, caught_up) =
            (replica.last_fetch.expect("fetched"), replica.last_caught_up.expect("caught up"));
        assert!(caught_up <= fetch && now.since(fetch) < Duration::from_secs(1), "{replica:?}");
    }
    let follower = (1..=3).find(|id| *id != leader).expect("a follower");
    assert!(cluster.node(follower).quorum_replicas().is_empty());
    // Who is gone stays where it was.
    cluster.crash(follower);
    let gone_at = cluster.now;
    cluster.run_for(Duration::from_secs(5));
    let replicas = cluster.node(leader).quorum_replicas();
    let gone = replicas.iter().find(|replica| replica.key.id.0 == follower).expect("a voter");
    assert!(gone.last_fetch.expect("fetched") <= gone_at, "{gone:?}");
}
