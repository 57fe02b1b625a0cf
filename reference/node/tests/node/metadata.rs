//! Snapshots of the metadata log.

use std::time::Duration;

use highwater_core::controller::MetadataVersion;
use highwater_node::message::LogId;

use crate::cluster::{Cluster, settled_with, small_snapshots};

const SOON: Duration = Duration::from_secs(60);

fn create_topics(cluster: &mut Cluster, from: usize, count: usize) {
    let by = cluster.active().expect("a controller");
    for index in from..from + count {
        cluster.create_topic(by, &format!("topic-{index}"), &[by]);
    }
}

#[test]
fn snapshot_is_taken_once_the_log_has_grown_and_the_log_is_cut() {
    let mut cluster = settled_with(small_snapshots);
    create_topics(&mut cluster, 0, 20);
    cluster.run_for(Duration::from_secs(1));
    for id in 1..=3 {
        assert!(cluster.node(id).metadata().log.start() > 0, "node {id}");
        assert!(cluster.node(id).quorum().snapshot().is_some(), "node {id}");
    }
}

#[test]
fn node_with_a_snapshot_starts_from_it() {
    let mut cluster = settled_with(small_snapshots);
    create_topics(&mut cluster, 0, 20);
    cluster.run_for(Duration::from_secs(1));
    for id in 1..=3 {
        cluster.crash(id);
    }
    for id in 1..=3 {
        cluster.restart(id).expect("the disk is sound");
        assert!(cluster.node(id).metadata_applied() > 0, "node {id}");
    }
    cluster.settle();
    let by = cluster.active().expect("a controller");
    assert_eq!(cluster.node(by).image().topics().len(), 20);
}

#[test]
fn node_whose_log_was_cut_within_a_segment_starts_again() {
    let mut cluster = settled_with(|config| {
        small_snapshots(config);
        config.log_segment_bytes = 1_500;
        // Nothing but the cut itself notes where the log starts.
        config.high_watermark_checkpoint_interval = Duration::from_secs(3_600);
    });
    for round in 0..10 {
        // Each topic is decided in an epoch of its own.
        let active = cluster.active().expect("a controller");
        create_topics(&mut cluster, 3 * round, 3);
        cluster.kill(active);
        cluster.restart(active).unwrap_or_else(|refused| panic!("in round {round}: {refused}"));
        cluster.settle();
    }
    for id in 1..=3 {
        cluster.kill(id);
        cluster.restart(id).unwrap_or_else(|refused| panic!("node {id}: {refused}"));
    }
    cluster.settle();
    let by = cluster.active().expect("a controller");
    assert_eq!(cluster.node(by).image().topics().len(), 30);
}

#[test]
fn node_that_is_behind_the_log_fetches_a_snapshot_in_parts() {
    let mut cluster = settled_with(small_snapshots);
    let (active, behind) = cluster.active_and_another();
    cluster.crash(behind);
    create_topics(&mut cluster, 0, 30);
    cluster.run_for(Duration::from_secs(1));
    let start = cluster.node(active).metadata().log.start();
    cluster.restart(behind).expect("the disk is sound");
    assert!(cluster.node(behind).metadata().log.end() < start, "not behind");
    cluster.run_until("it caught up", SOON, |cluster| cluster.node(behind).metadata_applied() >= start);
    cluster.settle();
    let log = cluster.node(behind).metadata().log.clone();
    assert!(log.start() >= start, "{log:?}");
    assert_eq!(cluster.node(behind).image().topics().len(), 30);
    assert!(
        cluster.node(behind).controller().is_some_and(|controller| controller.image().topics().len() == 30)
    );
    assert!(!cluster.bytes_of(behind, LogId::Metadata).is_empty());
}

#[test]
fn cluster_begins_with_the_features_of_its_configuration() {
    let cluster = settled_with(|config| {
        config.metadata_version = MetadataVersion(21);
        config.eligible_leader_replicas = false;
    });
    for id in 1..=3 {
        let features = cluster.node(id).image().features();
        assert_eq!(features.get(MetadataVersion::FEATURE), Some(&21), "node {id}");
        assert_eq!(features.len(), 1, "node {id}");
    }
}
