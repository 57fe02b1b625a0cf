//! A log against a list of batches, on random steps: on both disks, across restarts, through crashes at any operation.

use highwater_core::{NodeId, Offset, Uuid};
use highwater_log::disk::{Disk, Loss, SimulatedDisk};
use highwater_log::files::meta_properties::MetaProperties;
use highwater_log::{DataDirectory, Log, LogConfig, Recorded};
use proptest::prelude::*;

use crate::model::{Model, Step, assert_epochs, assert_same, step};
use crate::support::{Directory, all, cases, open, shape, small};

fn config(segment_bytes: u32, index_interval_bytes: u32) -> LogConfig {
    LogConfig { segment_bytes, index_interval_bytes, ..LogConfig::default() }
}

/// What the data directory would record of a log: its start, and the epoch before it, which a snapshot knows.
fn recorded(log: &Log<impl Disk>, clean: bool) -> Recorded {
    let view = log.view();
    let recovery_point = if clean { view.flushed() } else { 0 };
    let base = Some((view.start(), view.base_epoch()));
    Recorded { clean, recovery_point, start: view.start(), base, ..Recorded::default() }
}

fn run_and_reopen(disk: &impl Disk, steps: &[Step], config: &LogConfig) {
    let mut model = Model::default();
    let (mut log, _) = open(disk, config.clone());
    for (index, step) in steps.iter().enumerate() {
        model.apply(*step).act(&mut log).expect("done");
        assert_same(&log, &model);
        if index % 5 == 4 {
            let clean = index % 2 == 0;
            log.flush().expect("flushed");
            model.flushed = model.end;
            let (view, recorded) = (log.view().clone(), recorded(&log, clean));
            if clean {
                log.close().expect("closed");
            } else {
                drop(log);
            }
            let (again, recovery) = Log::open(disk, "topic-0", config.clone(), recorded).expect("opened");
            log = again;
            assert_eq!(recovery.cut, None);
            assert_eq!(log.view(), &view);
            assert!(!clean || recovery.scanned_bytes == 0);
            assert_same(&log, &model);
            assert_timestamps(&log, 20);
        }
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn log_on_a_simulated_disk_is_a_list_of_batches(
        steps in prop::collection::vec(step(), 1..30), segment in 200..2000_u32, interval in 0..500_u32,
    ) {
        run_and_reopen(&SimulatedDisk::new(1), &steps, &config(segment, interval));
    }

    #[test]
    fn crash_at_any_operation_keeps_what_was_flushed(
        lives in prop::collection::vec(life(), 1..5), seed in any::<u64>(), segment in 200..2000_u32,
    ) {
        live(&lives, seed, &config(segment, 100));
    }

    #[test]
    fn reads_through_the_index_equal_a_linear_scan(
        steps in prop::collection::vec(step(), 1..20), interval in 0..800_u32, bytes_max in 0..3000_usize,
    ) {
        let (mut log, _) = open(&SimulatedDisk::new(1), config(4000, interval));
        let mut model = Model::default();
        for step in steps {
            model.apply(step).act(&mut log).expect("done");
        }
        for from in model.start..model.end {
            for limit in [model.end, (from + 3).min(model.end)] {
                let read = log.read(from, limit, bytes_max).expect("read");
                let expected = model.bytes(from, limit);
                prop_assert!(expected.starts_with(&read));
                prop_assert_eq!(read.is_empty(), expected.is_empty());
                prop_assert!(read.len() <= bytes_max || shape(&read).len() == 1);
            }
        }
    }

    #[test]
    fn timestamps_through_the_index_equal_a_linear_scan(
        steps in prop::collection::vec(step(), 1..20), interval in 0..800_u32,
    ) {
        let (mut log, _) = open(&SimulatedDisk::new(1), config(2000, interval));
        let mut model = Model::default();
        for step in steps {
            model.apply(step).act(&mut log).expect("done");
        }
        assert_timestamps(&log, 3);
    }
}

proptest! {
    #![proptest_config(cases(8))]

    #[test]
    fn log_on_a_real_disk_is_a_list_of_batches(steps in prop::collection::vec(step(), 1..12)) {
        let directory = Directory::new();
        run_and_reopen(&directory.disk(), &steps, &small());
    }
}

/// What is done in a data directory with a log and a neighbour.
#[derive(Debug, Clone, Copy)]
enum Event {
    Step(Step),
    /// What is known of the neighbour is recorded; of the log, too, or not.
    Checkpoint {
        both: bool,
    },
    /// The neighbour is removed if it is there, or made.
    Neighbour,
}

/// From one crash to the next.
#[derive(Debug, Clone)]
struct Life {
    events: Vec<Event>,
    /// After so many operations the power goes.
    power: u64,
    loss: Loss,
}

fn life() -> impl Strategy<Value = Life> {
    let event = prop_oneof![
        8 => step().prop_map(Event::Step),
        3 => any::<bool>().prop_map(|both| Event::Checkpoint { both }),
        2 => Just(Event::Neighbour),
    ];
    let loss = [Loss::Everything, Loss::Tail, Loss::Sectors, Loss::Any, Loss::Nothing];
    (prop::collection::vec(event, 0..30), 0..400_u64, prop::sample::select(loss.to_vec()))
        .prop_map(|(events, power, loss)| Life { events, power, loss })
}

const CLUSTER: &str = "c";
const NODE: NodeId = NodeId(1);
const NEIGHBOUR: &str = "neighbour-0";

/// Lives, each until the power goes, and holds what comes back after each against what was known.
fn live(lives: &[Life], seed: u64, config: &LogConfig) {
    let disk = SimulatedDisk::new(seed);
    let properties = MetaProperties { cluster_id: CLUSTER.into(), node_id: NODE, directory_id: None };
    DataDirectory::format(&disk, &properties).expect("formatted");
    let mut known = Model::default();
    for life in lives {
        let (mut directory, mut log) = reopen(&disk, config);
        let mut neighbour = None;
        if disk.exists(NEIGHBOUR) {
            directory.remove(&[NEIGHBOUR]).expect("removed");
        }
        let mut before = known.clone();
        disk.cut_power_after(life.power);
        for event in &life.events {
            before = known.clone();
            let done = match *event {
                Event::Step(step) => known.apply(step).act(&mut log),
                Event::Checkpoint { both } => {
                    let logs = neighbour.iter().chain(both.then_some(&log));
                    directory.checkpoint(logs.map(|log| (log, log.view().end())))
                }
                Event::Neighbour if neighbour.take().is_some() => directory.remove(&[NEIGHBOUR]),
                Event::Neighbour => directory.create("neighbour", 0, Uuid(1)).and_then(|_| {
                    let opened = Log::open(&disk, NEIGHBOUR, config.clone(), Recorded::default())?;
                    neighbour = Some(opened.0);
                    Ok(())
                }),
            };
            if done.is_err() {
                assert!(disk.is_off());
                break;
            }
            before = known.clone();
        }
        disk.crash(life.loss);
        drop(log);
        known = recovered(&disk, config, &before, &known);
    }
}

fn reopen(disk: &SimulatedDisk, config: &LogConfig) -> (DataDirectory<SimulatedDisk>, Log<SimulatedDisk>) {
    let directory = DataDirectory::open(disk, CLUSTER, NODE).expect("the directory opens");
    let recorded = directory.recorded("topic-0");
    let (log, _) = Log::open(disk, "topic-0", config.clone(), recorded).expect("the log opens");
    (directory, log)
}

/// What came back after a crash. The step that was cut off, from `before` to `after`, may be done, in part, or not.
fn recovered(disk: &SimulatedDisk, config: &LogConfig, before: &Model, after: &Model) -> Model {
    let kept = before.flushed.min(after.flushed).min(after.end);
    let (directory, log) = reopen(disk, config);
    let (start, end, bytes) = (log.view().start(), log.view().end(), all(&log));
    let from = shape(&bytes).first().map_or(end, |(base, ..)| *base);
    let is_of = |model: &&Model| {
        bytes == model.bytes(from, end) && start <= model.start && (model.start..=model.end).contains(&end)
    };
    let mut model = [after, before].into_iter().find(is_of).cloned().unwrap_or_else(|| {
        panic!(
            "{start} to {end} is neither of {} to {}, {} to {}",
            before.start, before.end, after.start, after.end
        )
    });
    assert!(end >= kept, "flushed to {kept}, but ends at {end}");
    assert!(bytes.is_empty() || from <= model.start.max(kept));
    assert!(directory.recorded("topic-0").recovery_point <= end);
    assert_epochs(&log);
    // What came back is there to stay.
    let view = log.view().clone();
    drop(log);
    disk.crash(Loss::Everything);
    let (_, log) = reopen(disk, config);
    assert_eq!((all(&log), log.view()), (bytes, &view));
    model.batches.retain(|(base, _)| *base < end);
    Model { start, end, flushed: end, epoch: before.epoch.max(after.epoch), ..model }
}

/// The records of a log whose offset is at least its start: offset and timestamp.
fn records(log: &Log<impl Disk>) -> Vec<(Offset, i64)> {
    let bytes = all(log);
    let mut records = Vec::new();
    for batch in highwater_core::batch::batches(&bytes) {
        for record in batch.expect("sound").records().expect("not compressed") {
            let record = record.expect("sound");
            records.push((record.offset, record.timestamp));
        }
    }
    records.retain(|(offset, _)| *offset >= log.view().start());
    records
}

fn assert_timestamps(log: &Log<impl Disk>, step: usize) {
    let records = records(log);
    for timestamp in (900..1300).step_by(step) {
        let expected = records.iter().find(|(_, at)| *at >= timestamp).copied();
        let found = log.offset_for_timestamp(timestamp).expect("looked up");
        assert_eq!(found.map(|found| (found.offset, found.timestamp)), expected, "since {timestamp}");
    }
}
