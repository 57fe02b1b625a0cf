//! Writes a segment of `__cluster_metadata` with a record of every type, and reads those that Kafka wrote: the tool of `.ci/kafka-metadata`,
//! which holds both against Kafka's own.
//!
//! - `metadata_segment write FILE`: the samples of the tests, in their order.
//! - `metadata_segment decide FILE`: what a controller decides that is led through a life; prints the partitions that it leaves.
//! - `metadata_segment read FILE...`: fails unless every record is known, is encoded to the very bytes that Kafka wrote, and fits the
//!   records before it; prints how many there are of each type, and the partitions.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use highwater_core::batch::{BatchBuilder, ControlRecord, RecordBatch, batches, control_batch};
use highwater_core::controller::{
    Config, ConfigChange, ConfigOperation, ConfigResource, Controller, ControllerRequest, Effect, Endpoint,
    Heartbeat, Image, MetadataRecord, MetadataVersion, NewTopic, RegisterBroker, Rules, Timer,
    TopicReference,
};
use highwater_core::partition::{AlterPartition, LeaderRecovery};
use highwater_core::quorum::ReplicaKey;
use highwater_core::{Dice, Extent, Instant, NodeId, Uuid};

#[path = "../tests/controller/samples.rs"]
mod samples;

/// 2024-01-01, in milliseconds since 1970.
const TIMESTAMP: i64 = 1_704_067_200_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let command = arguments.next();
    let files: Vec<String> = arguments.collect();
    match (command.as_deref(), &files[..]) {
        (Some("write"), [file]) => write(Path::new(file)),
        (Some("decide"), [file]) => decide(Path::new(file)),
        (Some("read"), [_, ..]) => read(&files),
        _ => Err("usage: metadata_segment write FILE | decide FILE | read FILE...".into()),
    }
}

/// A batch for each three records, after the one that tells who leads.
fn write(file: &Path) -> Result<(), Box<dyn Error>> {
    let mut segment = first_batch();
    let mut base = 1;
    for samples in samples::samples().chunks(3) {
        let mut batch = BatchBuilder::new(base, 1);
        for (record, version) in samples {
            let mut value = Vec::new();
            record.encode(*version, &mut value);
            batch.record(TIMESTAMP, None, Some(&value));
        }
        base += samples.len() as i64;
        segment.extend_from_slice(&batch.build());
    }
    fs::write(file, segment)?;
    Ok(())
}

fn first_batch() -> Vec<u8> {
    let voter = ReplicaKey { id: NodeId(1), directory: Uuid::ZERO };
    let (leader, voters) = (voter.id, vec![voter]);
    let leader_change = ControlRecord::LeaderChange { version: 0, leader, granting: voters.clone(), voters };
    control_batch(0, 1, TIMESTAMP, &[leader_change])
}

/// An active controller and the segment that it writes.
struct Life {
    controller: Controller,
    segment: Vec<u8>,
    end: i64,
    token: u64,
}

impl Life {
    fn ask(&mut self, request: ControllerRequest) {
        self.token += 1;
        self.controller.handle(Instant::default(), self.token, request);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(effect) = self.controller.poll() {
            let Effect::Append { epoch, records, metadata_version } = effect else { continue };
            let base = self.end;
            let mut batch = BatchBuilder::new(base, epoch);
            for record in &records {
                let mut value = Vec::new();
                record.encode(metadata_version.of(record), &mut value);
                batch.record(TIMESTAMP, None, Some(&value));
            }
            self.end += records.len() as i64;
            self.segment.extend_from_slice(&batch.build());
            self.controller.appended(Extent { epoch, base, end: self.end });
            self.controller.committed(Instant::default(), self.end);
        }
    }

    fn register(&mut self, id: i32, incarnation: u128) {
        let registration = RegisterBroker {
            id: NodeId(id),
            cluster: "highwater".into(),
            incarnation: Uuid(incarnation),
            previous_broker_epoch: -1,
            listeners: vec![Endpoint {
                name: "PLAINTEXT".into(),
                host: "localhost".into(),
                port: 9092,
                security_protocol: 0,
            }],
            features: BTreeMap::from([
                (MetadataVersion::FEATURE.into(), (MetadataVersion::LOWEST.0, MetadataVersion::HIGHEST.0)),
                ("eligible.leader.replicas.version".into(), (0, 1)),
            ]),
            rack: Some(format!("rack-{id}")),
            directories: vec![Uuid(1000 + id as u128)],
        };
        self.ask(ControllerRequest::RegisterBroker(registration));
    }

    fn heartbeat(&mut self, id: i32, want_fence: bool, want_shut_down: bool) {
        let broker_epoch = self.controller.image().broker(NodeId(id)).map_or(-1, |broker| broker.epoch);
        let (id, metadata_offset) = (NodeId(id), self.end);
        let heartbeat = Heartbeat { id, broker_epoch, metadata_offset, want_fence, want_shut_down };
        self.ask(ControllerRequest::Heartbeat(heartbeat));
    }

    fn create(&mut self, name: &str, assignments: &[&[i32]], configs: &[(&str, &str)]) {
        let nodes = |ids: &&[i32]| ids.iter().copied().map(NodeId).collect();
        let topic = NewTopic {
            name: name.into(),
            partitions: -1,
            replication_factor: -1,
            assignments: assignments.iter().map(nodes).collect(),
            configs: configs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        };
        self.ask(ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false });
    }

    fn alter(&mut self, name: &str, isr: &[i32]) -> Option<()> {
        let image = self.controller.image();
        let topic = image.topic_id(name)?;
        let state = image.partition(topic, 0)?;
        let leader = state.leader?;
        let epoch = |id: NodeId| image.broker(id).map_or(-1, |broker| broker.epoch);
        let wish = AlterPartition {
            leader,
            broker_epoch: epoch(leader),
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            isr: isr.iter().map(|&id| (NodeId(id), epoch(NodeId(id)))).collect(),
            recovery: LeaderRecovery::Recovered,
        };
        self.ask(ControllerRequest::AlterPartitions(vec![(topic, 0, wish)]));
        Some(())
    }
}

/// Registrations, topics, fencing, eligible leader replicas, unclean election, a transaction, configuration, producer ids.
fn decide(file: &Path) -> Result<(), Box<dyn Error>> {
    let config = Config {
        cluster: "highwater".into(),
        session_timeout: Duration::from_secs(9),
        rebalance_interval: None,
        default_partitions: 1,
        default_replication_factor: 3,
        min_isr: 2,
        unclean_election: false,
        last_known_leader: true,
        records_per_batch_max: 4,
        bootstrap_features: BTreeMap::from([
            (MetadataVersion::FEATURE.into(), MetadataVersion::DEFAULT.0),
            ("eligible.leader.replicas.version".into(), 1),
        ]),
    };
    let now = Instant::default();
    let controller = Controller::open(config, Rules::default(), Image::default(), 0, Dice::new(1), now);
    let mut life = Life { controller, segment: first_batch(), end: 1, token: 0 };
    life.controller.lead(now, 1, 0);
    life.settle();
    for id in 1..=3 {
        life.register(id, id as u128);
        life.heartbeat(id, false, false);
    }
    life.create("orders", &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2], &[1, 2, 3]], &[("min.insync.replicas", "3")]);
    life.create("careless", &[&[1, 2]], &[("unclean.leader.election.enable", "true")]);
    life.create("gone", &[&[1]], &[]);
    life.ask(ControllerRequest::DeleteTopics(vec![TopicReference::Name("gone".into())]));
    life.alter("careless", &[1]).ok_or("nobody leads")?;
    life.ask(ControllerRequest::AllocateProducerIds { broker: NodeId(9), broker_epoch: 0 });
    let broker_epoch = life.controller.image().broker(NodeId(2)).map_or(-1, |broker| broker.epoch);
    life.ask(ControllerRequest::AllocateProducerIds { broker: NodeId(2), broker_epoch });
    life.controller.expire(now, Timer::Session(NodeId(1)));
    life.settle();
    life.register(1, 11);
    life.heartbeat(1, false, false);
    life.heartbeat(3, false, true);
    life.controller.expire(now, Timer::Session(NodeId(2)));
    life.settle();
    let change = ConfigChange { key: "retention.ms".into(), operation: ConfigOperation::Set("1000".into()) };
    let changes = vec![(ConfigResource::Topic("orders".into()), vec![change])];
    life.ask(ControllerRequest::AlterConfigs { changes, validate_only: false });
    fs::write(file, &life.segment)?;
    print_partitions(life.controller.image());
    Ok(())
}

/// Reads the segments of a log in order, or a snapshot.
fn read(files: &[String]) -> Result<(), Box<dyn Error>> {
    let mut image = Image::default();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files {
        let bytes = fs::read(file)?;
        for batch in batches(&bytes) {
            read_batch(&batch?, &mut image, &mut counts).map_err(|error| format!("{file}: {error}"))?;
        }
    }
    println!("{counts:?}");
    print_partitions(&image);
    Ok(())
}

fn read_batch(
    batch: &RecordBatch<'_>,
    image: &mut Image,
    counts: &mut BTreeMap<&str, usize>,
) -> Result<(), Box<dyn Error>> {
    if batch.header().is_control() {
        *counts.entry("control").or_default() += 1;
        return Ok(());
    }
    for record in batch.records()? {
        let record = record?;
        let value = record.value.ok_or("a metadata record without a value")?;
        let decoded = MetadataRecord::decode(value)?;
        let version = value.get(2).copied().unwrap_or(0).into();
        let mut encoded = Vec::new();
        decoded.encode(version, &mut encoded);
        if encoded != value {
            return Err(format!("{decoded:?} was {value:02x?}, is {encoded:02x?}").into());
        }
        image.apply(&decoded)?;
        *counts.entry(decoded.name()).or_default() += 1;
    }
    Ok(())
}

/// As MetadataShell shows them, a line each.
fn print_partitions(image: &Image) {
    let ids = |list: &[NodeId]| list.iter().map(|id| id.0).collect::<Vec<_>>();
    for topic in image.topics().values() {
        for (index, partition) in &topic.partitions {
            let state = &partition.state;
            println!(
                "partition {}-{index} replicas={:?} isr={:?} elr={:?} lastKnownElr={:?} leader={} leaderEpoch={} partitionEpoch={}",
                topic.name,
                ids(&state.replicas),
                ids(&state.isr),
                ids(&state.elr),
                ids(&state.last_known_elr),
                state.leader.map_or(-1, |leader| leader.0),
                state.leader_epoch,
                state.partition_epoch,
            );
        }
    }
}
