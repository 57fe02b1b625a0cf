//! What a log shares with other threads, in all orders of their steps that loom finds:
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p highwater-log --release --test loom`.
//!
//! The log is the real one, on a simulated disk. An operation of that disk is one step here, and what a real disk does within one is
//! not tried.
#![cfg(loom)]

use highwater_core::batch::BatchBuilder;
use highwater_core::{Epoch, Instant, Offset};
use highwater_log::disk::SimulatedDisk;
use highwater_log::shared::{Bounds, Delayed, LogReader, Published, Registered};
use highwater_log::{Log, LogConfig, LogError, Recorded};
use loom::sync::Arc;
use loom::thread;

fn batch(base: Offset, epoch: Epoch) -> Vec<u8> {
    let mut batch = BatchBuilder::new(base, epoch);
    batch.record(0, None, Some(b"value"));
    batch.build()
}

/// A log with one record of epoch 1; a segment holds two batches.
fn log() -> Log<SimulatedDisk> {
    let config = LogConfig { segment_bytes: 170, index_interval_bytes: 0, ..LogConfig::default() };
    let disk = SimulatedDisk::new(1);
    let (mut log, _) = Log::open(&disk, "topic-0", config, Recorded::default()).expect("opened");
    log.append(&batch(0, 1)).expect("appended");
    log
}

/// Reads all from `from` on; `None` where the reader has to come again.
fn read(reader: &LogReader<SimulatedDisk>, from: Offset) -> Option<Vec<u8>> {
    match reader.read(from, Offset::MAX, 1000) {
        Ok(bytes) => Some(bytes.to_vec()),
        Err(LogError::Truncated | LogError::OutOfRange { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn bounds_never_contradict_and_the_high_watermark_never_falls() {
    loom::model(|| {
        let published = Arc::new(Published::new(Bounds { high_watermark: 0, end: 0 }));
        let shared = published.clone();
        let reader = thread::spawn(move || {
            let mut before = 0;
            for _ in 0..2 {
                let bounds = shared.bounds().expect("nobody retires them");
                assert!(bounds.high_watermark <= bounds.end, "{bounds:?}");
                assert!(bounds.high_watermark >= before, "{bounds:?} after {before}");
                before = bounds.high_watermark;
            }
        });
        published.set_end(1);
        published.raise_high_watermark(1);
        published.set_end(3);
        published.raise_high_watermark(2);
        // Truncated, down to what is committed.
        published.set_end(2);
        reader.join().expect("joined");
    });
}

#[test]
fn bounds_that_must_fall_are_retired_first() {
    loom::model(|| {
        let mut log = log();
        let reader = log.reader();
        log.publish_high_watermark(1);
        let other = reader.clone();
        let thread = thread::spawn(move || {
            let bounds = other.bounds();
            assert!(bounds.high_watermark <= bounds.end, "{bounds:?}");
        });
        // An unclean election: what was committed goes.
        log.truncate(0).expect("truncated");
        thread.join().expect("joined");
        assert_eq!(reader.bounds(), Bounds { high_watermark: 0, end: 0 });
    });
}

#[test]
fn read_beside_appends_and_a_truncation_gives_what_was_there_at_one_moment() {
    loom::model(|| {
        let mut log = log();
        let reader = log.reader();
        let thread = thread::spawn(move || {
            let (first, second, third) = (batch(1, 1), batch(1, 2), batch(2, 2));
            let allowed = [vec![], first.clone(), second.clone(), [second, third].concat()];
            let mut seen = 0;
            for _ in 0..2 {
                if let Some(bytes) = read(&reader, 1) {
                    let state = allowed.iter().position(|allowed| *allowed == bytes);
                    let state = state.unwrap_or_else(|| panic!("{bytes:?} were never there"));
                    // Empty it was at first and after the truncation; else time does not go back.
                    assert!(state == 0 || state >= seen, "{state} after {seen}");
                    seen = seen.max(state);
                }
            }
        });
        log.append(&batch(1, 1)).expect("appended");
        log.truncate(1).expect("truncated");
        log.append(&[batch(1, 2), batch(2, 2)].concat()).expect("appended");
        thread.join().expect("joined");
    });
}

#[test]
fn read_beside_rolls_and_removed_segments_gives_the_batch_or_says_that_it_is_gone() {
    loom::model(|| {
        let mut log = log();
        let reader = log.reader();
        let thread = thread::spawn(move || {
            let expected = batch(0, 1);
            for _ in 0..2 {
                if let Some(bytes) = read(&reader, 0) {
                    assert!(bytes.starts_with(&expected));
                }
            }
        });
        // The third goes to the next segment, and then the first segment goes.
        for base in 1..3 {
            log.append(&batch(base, 1)).expect("appended");
        }
        log.forget_before(2).expect("forgotten");
        assert_eq!(log.segment_bases().collect::<Vec<_>>(), [2]);
        thread.join().expect("joined");
    });
}

#[test]
fn delayed_request_is_answered_once_however_it_meets_what_it_waits_for() {
    loom::model(|| {
        let delayed = Arc::new(Delayed::new());
        let (reaching, expiring) = (delayed.clone(), delayed.clone());
        let registering = thread::spawn({
            let delayed = delayed.clone();
            move || usize::from(delayed.register(7, 5, Instant(3)) == Registered::Reached)
        });
        let reaching = thread::spawn(move || reaching.reached(4).len() + reaching.reached(5).len());
        let expired = expiring.expired(Instant(3)).len();
        let answers = registering.join().expect("joined") + reaching.join().expect("joined") + expired;
        assert_eq!(answers, 1);
        assert!(!delayed.forget(7), "it still waits");
    });
}
