//! What tests of the log share: batches, and a disk of each kind.

#![allow(dead_code, reason = "each test uses a part")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use highwater_core::batch::{BatchBuilder, batches};
use highwater_core::{Epoch, Offset};
use highwater_log::disk::{Disk, RealDisk};
use highwater_log::{Log, LogConfig, Recorded, Recovery};
use proptest::prelude::ProptestConfig;

/// A batch of `count` records, each with a value of `size` bytes that tells its offset.
pub(crate) fn batch(base: Offset, epoch: Epoch, count: usize, size: usize) -> Vec<u8> {
    batch_at(base, epoch, count, size, 1_000 + base)
}

/// The same, with the timestamp of its first record; the others follow by a millisecond each.
pub(crate) fn batch_at(base: Offset, epoch: Epoch, count: usize, size: usize, timestamp: i64) -> Vec<u8> {
    let mut batch = BatchBuilder::new(base, epoch);
    for index in 0..count {
        let mut value = format!("{}", base + index as i64).into_bytes();
        value.resize(size.max(value.len()), b'.');
        batch.record(timestamp + index as i64, Some(b"key"), Some(&value));
    }
    batch.build()
}

/// Base offset and leader epoch of each batch.
pub(crate) fn shape(bytes: &[u8]) -> Vec<(Offset, Epoch, i32)> {
    batches(bytes)
        .map(|batch| {
            let header = *batch.expect("a sound batch").header();
            (header.base_offset, header.leader_epoch, header.count)
        })
        .collect()
}

/// Small segments, and an index entry for nearly each batch.
pub(crate) fn small() -> LogConfig {
    LogConfig { segment_bytes: 1000, index_interval_bytes: 100, ..LogConfig::default() }
}

pub(crate) fn open<D: Disk>(disk: &D, config: LogConfig) -> (Log<D>, Recovery) {
    Log::open(disk, "topic-0", config, Recorded::default()).expect("the log opens")
}

/// All batches of a log.
pub(crate) fn all<D: Disk>(log: &Log<D>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut from = log.view().start();
    loop {
        let read = log.read(from, Offset::MAX, 1 << 20).expect("the log reads");
        let Some(last) = shape(&read).last().copied() else { return bytes };
        bytes.extend_from_slice(&read);
        from = last.0 + i64::from(last.2);
    }
}

/// How much longer than usual to try: `HIGHWATER_EFFORT=100` for a hundred times the random cases.
pub(crate) fn effort() -> u32 {
    std::env::var("HIGHWATER_EFFORT")
        .map_or(1, |effort| effort.parse().expect("HIGHWATER_EFFORT is a number"))
}

/// So many random cases, times the effort.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    ProptestConfig {
        cases: count.saturating_mul(effort()),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A directory of its own in the target directory, removed at the end.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("log-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    pub(crate) fn disk(&self) -> RealDisk {
        RealDisk::open(&self.0).expect("a directory")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the same generic code on a disk of each kind.
macro_rules! on_both_disks {
    ($(#[$meta:meta])* fn $name:ident($disk:ident) $body:block) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            fn on($disk: &impl highwater_log::disk::Disk) $body
            on(&highwater_log::disk::SimulatedDisk::new(1));
            let directory = crate::support::Directory::new();
            on(&directory.disk());
        }
    };
}
pub(crate) use on_both_disks;
