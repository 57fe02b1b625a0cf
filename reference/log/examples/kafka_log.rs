//! Writes logs for Kafka's tools to read, and reads logs that Kafka wrote. For `.ci/kafka-log`.
//!
//! `kafka_log write DIRECTORY` makes a data directory and prints `FILES RECORDS` for each log in it;
//! `kafka_log read DIRECTORY` opens a data directory and prints for each log its bounds, records, and what recovery had to do;
//! `kafka_log append DIRECTORY TOPIC-PARTITION COUNT` adds records to a log there.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use highwater_core::batch::{
    BatchBuilder, Codec, ControlRecord, Voter, VoterEndpoint, batches, control_batch,
};
use highwater_core::quorum::{ElectionState, ReplicaKey, SnapshotId};
use highwater_core::{Epoch, NodeId, Offset, Uuid};
use highwater_log::disk::{Disk, RealDisk};
use highwater_log::files::meta_properties::{self, MetaProperties};
use highwater_log::files::snapshot::{self, SnapshotReader, SnapshotWriter};
use highwater_log::files::{clean_shutdown, quorum_state, uuid};
use highwater_log::{DataDirectory, Log, LogConfig, METADATA, Recorded};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const NOW: i64 = 1_700_000_000_000;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["write", directory] => write(directory),
        ["read", directory] => read(directory),
        ["append", directory, log, count] => append(directory, log, count.parse()?),
        // Cargo runs nothing of this by itself.
        _ => Err("kafka_log write DIRECTORY | read DIRECTORY | append DIRECTORY LOG COUNT".into()),
    }
}

fn write(path: &str) -> Outcome {
    let disk = RealDisk::open(path)?;
    let cluster_id = uuid::format(Uuid(0x1234_5678_9abc_def0_1234_5678_9abc_def0));
    let (node_id, directory_id) = (NodeId(1), Some(Uuid(77)));
    let properties = MetaProperties { cluster_id: cluster_id.clone(), node_id, directory_id };
    DataDirectory::format(&disk, &properties)?;
    let mut directory = DataDirectory::open(&disk, &cluster_id, node_id)?;
    directory.create("ours", 0, Uuid(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef))?;
    let config = LogConfig { segment_bytes: 20_000, index_interval_bytes: 1000, ..LogConfig::default() };
    let (mut ours, _) = Log::open(&disk, "ours-0", config.clone(), directory.recorded("ours-0"))?;
    fill(&mut ours, 0, 400)?;
    // Cut in the midst of a segment, and go on in a later epoch: indexes and epochs must follow.
    let cut = ours.truncate(ours.view().end() * 2 / 3)?;
    fill(&mut ours, 9, 200)?;
    println!("ours-0 cut at {cut}, then {}", describe(&ours)?);
    disk.create_directory(METADATA)?;
    let (mut metadata, _) = Log::open(&disk, METADATA, config, Recorded::default())?;
    for epoch in 1..20 {
        metadata.append(&control_batch(metadata.view().end(), epoch, NOW, &controls()))?;
    }
    println!("{METADATA} {}", describe(&metadata)?);
    let state = ElectionState { epoch: 19, leader: Some(NodeId(1)), voted: None };
    quorum_state::save(&disk, METADATA, &state)?;
    let id = SnapshotId { end: metadata.view().end(), epoch: 19 };
    let mut writer = SnapshotWriter::create(&disk, METADATA, id)?;
    writer.write(&snapshot::encode(id, NOW, NOW, (0..5000_u32).map(u32::to_be_bytes)))?;
    writer.finish()?;
    println!("{} records: 5002", snapshot::name(id));
    let high_watermark = ours.view().end();
    directory.checkpoint([(&ours, high_watermark)])?;
    ours.close()?;
    metadata.close()?;
    directory.close(Some(5))?;
    Ok(())
}

/// Appends batches of many shapes: sizes, headers, keys and values that are null, timestamps that go back, several in one append.
fn fill(log: &mut Log<RealDisk>, epoch_base: Epoch, appends: usize) -> Outcome {
    for round in 0..appends {
        let epoch = epoch_base + (round / 100) as Epoch;
        let mut bytes = Vec::new();
        let mut base = log.view().end();
        for index in 0..=(round % 3) {
            let batch = data(base, epoch, round * 7 + index);
            base += batch.1;
            bytes.extend_from_slice(&batch.0);
        }
        log.append(&bytes)?;
    }
    let base = log.view().end();
    let marker = ControlRecord::Commit { coordinator_epoch: 3 };
    log.append(&control_batch(base, log.view().last_epoch(), NOW, &[marker]))?;
    log.flush()?;
    Ok(())
}

fn data(base: Offset, epoch: Epoch, shape: usize) -> (Vec<u8>, i64) {
    let count = 1 + shape % 5;
    let mut batch = BatchBuilder::new(base, epoch);
    for index in 0..count {
        let value = vec![b'a' + (shape % 26) as u8; (shape * 31 + index) % 300];
        let key = (!shape.is_multiple_of(4)).then(|| format!("key-{shape}").into_bytes());
        let value = (!shape.is_multiple_of(9)).then_some(&value[..]);
        let back = if shape.is_multiple_of(11) { 5000 } else { 0 };
        let timestamp = NOW + base * 10 + index as i64 - back;
        let headers = [("trace", Some(&b"0"[..])), ("none", None)];
        batch.record_with_headers(timestamp, key.as_deref(), value, &headers[..shape % 3]);
    }
    (batch.build(), count as i64)
}

/// Every kind of control record that KRaft writes into its log.
fn controls() -> Vec<ControlRecord> {
    let key = ReplicaKey { id: NodeId(1), directory: Uuid(77) };
    let endpoint = VoterEndpoint { name: "CONTROLLER".into(), host: "localhost".into(), port: 9093 };
    let voter = Voter { key, endpoints: vec![endpoint], kraft_version_min: 0, kraft_version_max: 1 };
    let (voters, granting) = (vec![key], vec![key]);
    vec![
        ControlRecord::LeaderChange { version: 0, leader: NodeId(1), voters, granting },
        ControlRecord::KRaftVersion { version: 1 },
        ControlRecord::Voters(vec![voter]),
    ]
}

fn append(path: &str, name: &str, count: usize) -> Outcome {
    let disk = RealDisk::open(path)?;
    let properties = meta_properties::load(&disk)?.ok_or("not formatted")?;
    let mut directory = DataDirectory::open(&disk, &properties.cluster_id, properties.node_id)?;
    let broker_epoch = directory.clean_shutdown().and_then(|clean| clean.broker_epoch);
    let was_clean = directory.clean_shutdown().is_some();
    let (mut log, _) = Log::open(&disk, name, LogConfig::default(), directory.recorded(name))?;
    for _ in 0..count {
        let base = log.view().end();
        let value = format!("ours {base}");
        let mut batch = BatchBuilder::new(base, log.view().last_epoch().max(0));
        batch.record(NOW * 2, None, Some(value.as_bytes()));
        log.append(&batch.build())?;
    }
    log.flush()?;
    println!("{name} {}", describe(&log)?);
    let high_watermark = log.view().end();
    directory.checkpoint([(&log, high_watermark)])?;
    log.close()?;
    if was_clean {
        directory.close(broker_epoch)?;
    }
    Ok(())
}

fn read(path: &str) -> Outcome {
    let disk = RealDisk::open(path)?;
    let properties = meta_properties::load(&disk)?.ok_or("not formatted")?;
    println!("cluster {} node {}", properties.cluster_id, properties.node_id.0);
    let directory = DataDirectory::open(&disk, &properties.cluster_id, properties.node_id)?;
    println!("clean {}", directory.clean_shutdown().is_some());
    let mut names: Vec<String> = directory.partitions()?.iter().map(|partition| partition.name()).collect();
    names.push(METADATA.into());
    for name in names {
        let (log, recovery) = Log::open(&disk, &name, LogConfig::default(), directory.recorded(&name))?;
        println!("{name} {} cut {:?} rebuilt {}", describe(&log)?, recovery.cut, recovery.rebuilt.len());
    }
    let state = quorum_state::load(&disk, METADATA)?.ok_or("no quorum-state")?;
    println!("quorum-state epoch {} leader {:?}", state.epoch, state.leader.map(|id| id.0));
    for id in snapshot::list(&disk, METADATA)? {
        let reader = SnapshotReader::open(&disk, METADATA, id)?.ok_or("it was listed")?;
        let mut records = 0;
        reader.load(|_| records += 1)?;
        println!("snapshot {} records {records}", snapshot::name(id));
    }
    if let Some(clean) = directory.clean_shutdown() {
        clean_shutdown::note(&disk, clean)?;
    }
    Ok(())
}

/// Bounds of a log, and its records as its batches and, where they are not compressed, their contents say.
fn describe(log: &Log<RealDisk>) -> Outcome<String> {
    let view = log.view();
    let (mut records, mut control, mut compressed) = (0, 0, 0);
    let mut from = view.start();
    while from < view.end() {
        let bytes = log.read(from, Offset::MAX, 1 << 20)?;
        for batch in batches(&bytes) {
            let batch = batch?;
            records += batch.header().count;
            compressed += i32::from(batch.header().codec() != Codec::None);
            from = batch.header().end_offset();
            if batch.header().codec() != Codec::None {
                continue;
            }
            for record in batch.records()? {
                let record = record?;
                if batch.header().is_control() {
                    ControlRecord::decode(&record)?;
                    control += 1;
                }
            }
        }
    }
    Ok(format!(
        "start {} end {} epoch {} segments {} records {records} control {control} compressed-batches {compressed}",
        view.start(),
        view.end(),
        view.last_epoch(),
        log.segment_bases().count()
    ))
}
