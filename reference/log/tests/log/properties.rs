//! A log against a list of batches, on random steps: on both disks, across restarts, through crashes at any operation.

use highwater_core::Offset;
use highwater_log::disk::{Disk, Loss, SimulatedDisk};
use highwater_log::{Log, LogConfig, Recorded};
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
    Recorded { clean, recovery_point, start: view.start(), base: Some((view.start(), view.base_epoch())) }
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
        steps in prop::collection::vec(step(), 1..20),
        power in 0..120_u64,
        seed in any::<u64>(),
        loss in prop_oneof![Just(Loss::Everything), Just(Loss::Tail), Just(Loss::Sectors), Just(Loss::Any), Just(Loss::Nothing)],
        segment in 200..2000_u32,
    ) {
        crash(&steps, power, seed, loss, &config(segment, 100));
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

/// Runs until the power goes, loses what was not synced, and holds what comes back against what was known.
fn crash(steps: &[Step], power: u64, seed: u64, loss: Loss, config: &LogConfig) {
    let disk = SimulatedDisk::new(seed);
    let (mut log, _) = open(&disk, config.clone());
    let mut model = Model::default();
    let mut before = model.clone();
    disk.cut_power_after(power);
    for step in steps {
        before = model.clone();
        let done = model.apply(*step).act(&mut log);
        if done.is_err() {
            assert!(disk.is_off());
            assert!(log.read(0, Offset::MAX, 1).is_err(), "a log that failed says so");
            break;
        }
        before = model.clone();
    }
    disk.crash(loss);
    drop(log);
    // What the step that was cut off was about to do may be done, in part, or not.
    let kept = before.flushed.min(model.flushed).min(model.end);
    let recovery_point = if seed % 2 == 0 { kept } else { 0 };
    let reopen = || {
        let recorded = Recorded { recovery_point, ..Recorded::default() };
        Log::open(&disk, "topic-0", config.clone(), recorded).expect("opened").0
    };
    let log = reopen();
    let end = log.view().end();
    let recovered = all(&log);
    let is_of = |model: &Model| {
        let from = shape(&recovered).first().map_or(end, |(base, ..)| *base);
        recovered == model.bytes(from, end) && (recovered.is_empty() || from <= model.start.max(kept))
    };
    assert!(is_of(&before) || is_of(&model), "{} to {end} is neither", log.view().start());
    assert!(end >= kept, "flushed to {kept}, but ends at {end}");
    assert_epochs(&log);
    // What came back is there to stay.
    let view = log.view().clone();
    drop(log);
    disk.crash(Loss::Everything);
    let log = reopen();
    assert_eq!((all(&log), log.view()), (recovered, &view));
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
