//! What a log does while nothing fails, on both disks.

use highwater_core::Offset;
use highwater_core::batch::BatchError;
use highwater_log::disk::RealDisk;
use highwater_log::{FlushPolicy, LogConfig, LogError, Retention};

use crate::support::{Directory, all, batch, batch_at, on_both_disks, open, shape, small};

on_both_disks! {
    fn append_then_read_gives_the_bytes_as_they_came(disk) {
        let (mut log, _) = open(disk, small());
        let bytes = [batch(0, 1, 3, 10), batch(3, 2, 1, 10)].concat();
        log.append(&bytes).expect("appended");
        assert_eq!(&log.read(0, Offset::MAX, 1 << 20).expect("read")[..], &bytes[..]);
        assert_eq!((log.view().start(), log.view().end(), log.view().last_epoch()), (0, 4, 2));
    }
}

on_both_disks! {
    fn reopen_after_a_stop_gives_all_that_was_flushed(disk) {
        let (mut log, _) = open(disk, small());
        for base in 0..40 {
            log.append(&batch(base, (base / 10) as i32, 1, 100)).expect("appended");
        }
        log.flush().expect("flushed");
        let (before, view) = (all(&log), log.view().clone());
        assert!(log.segment_bases().count() > 3);
        drop(log);
        let (log, recovery) = open(disk, small());
        assert_eq!((all(&log), log.view()), (before, &view));
        assert_eq!(recovery.cut, None);
    }
}

on_both_disks! {
    fn read_in_the_midst_of_a_batch_gives_the_whole_batch(disk) {
        let (mut log, _) = open(disk, small());
        log.append(&[batch(0, 0, 5, 10), batch(5, 0, 5, 10)].concat()).expect("appended");
        assert_eq!(shape(&log.read(7, Offset::MAX, 1).expect("read")), [(5, 0, 5)]);
    }
}

on_both_disks! {
    fn read_outside_of_the_log_is_out_of_range(disk) {
        let (log, _) = open(disk, small());
        assert!(matches!(log.read(1, Offset::MAX, 1), Err(LogError::OutOfRange { offset: 1, start: 0, end: 0 })));
        assert!(matches!(log.read(-1, Offset::MAX, 1), Err(LogError::OutOfRange { offset: -1, start: 0, end: 0 })));
    }
}

on_both_disks! {
    fn append_that_does_not_follow_is_refused_and_changes_nothing(disk) {
        let (mut log, _) = open(disk, small());
        log.append(&batch(0, 2, 1, 10)).expect("appended");
        for wrong in [batch(0, 2, 1, 1), batch(2, 2, 1, 1), batch(1, 1, 1, 1), [batch(1, 2, 1, 1), batch(1, 2, 1, 1)].concat()] {
            assert!(matches!(log.append(&wrong), Err(LogError::OutOfOrder(_))));
        }
        let mut damaged = batch(1, 2, 1, 1);
        damaged[70] ^= 1;
        assert!(matches!(log.append(&damaged), Err(LogError::Batch(BatchError::Checksum { .. }))));
        assert_eq!(shape(&all(&log)), [(0, 2, 1)]);
    }
}

on_both_disks! {
    fn read_stops_at_the_limit_and_gives_at_least_a_batch(disk) {
        let (mut log, _) = open(disk, small());
        for base in 0..4 {
            log.append(&batch(base * 2, 0, 2, 10)).expect("appended");
        }
        let read = |from, limit, bytes_max| shape(&log.read(from, limit, bytes_max).expect("read"));
        assert_eq!(read(0, 4, 1000), [(0, 0, 2), (2, 0, 2)]);
        assert_eq!(read(0, 3, 1000), [(0, 0, 2)], "a batch that goes beyond the limit is left out");
        assert_eq!(read(0, 1, 1000), []);
        assert_eq!(read(2, 8, 1), [(2, 0, 2)], "never less than a batch");
    }
}

on_both_disks! {
    fn truncate_in_the_midst_of_a_batch_takes_all_of_it(disk) {
        let (mut log, _) = open(disk, small());
        log.append(&[batch(0, 0, 2, 10), batch(2, 1, 4, 10)].concat()).expect("appended");
        assert_eq!(log.truncate(4).expect("truncated"), 2);
        assert_eq!((log.view().end(), log.view().last_epoch()), (2, 0));
        log.append(&batch(2, 3, 1, 10)).expect("appended");
        assert_eq!(shape(&all(&log)), [(0, 0, 2), (2, 3, 1)]);
    }
}

on_both_disks! {
    fn segment_ends_when_its_records_span_too_much_time(disk) {
        let (mut log, _) = open(disk, LogConfig { segment_ms: Some(100), ..LogConfig::default() });
        for (base, timestamp) in [(0, 1000), (1, 1100), (2, 1101), (3, 1150)] {
            log.append(&batch_at(base, 0, 1, 10, timestamp)).expect("appended");
        }
        assert_eq!(log.segment_bases().collect::<Vec<_>>(), [0, 2]);
    }
}

on_both_disks! {
    fn retention_by_size_keeps_at_least_that_much_and_what_is_not_committed(disk) {
        let retention = Retention { bytes: Some(1500), ms: None };
        let (mut log, _) = open(disk, LogConfig { retention, ..small() });
        for base in 0..30 {
            log.append(&batch(base, 0, 1, 100)).expect("appended");
        }
        let bases: Vec<Offset> = log.segment_bases().collect();
        assert!(log.retain(0, bases[1]).expect("retained"), "only below the high watermark");
        assert_eq!(log.view().start(), bases[1]);
        assert!(log.retain(0, Offset::MAX).expect("retained"));
        assert!(log.size() >= 1500 && log.size() < 2600, "{}", log.size());
        assert!(!log.retain(0, Offset::MAX).expect("retained"));
    }
}

on_both_disks! {
    fn retention_by_time_looks_at_the_newest_record_of_a_segment(disk) {
        let retention = Retention { bytes: None, ms: Some(100) };
        let (mut log, _) = open(disk, LogConfig { retention, ..small() });
        for base in 0..30 {
            log.append(&batch_at(base, 0, 1, 100, 1000 + base)).expect("appended");
        }
        let second = log.segment_bases().nth(1).expect("several");
        assert!(!log.retain(1000 + second - 1 + 100, Offset::MAX).expect("retained"));
        assert!(log.retain(1000 + second - 1 + 101, Offset::MAX).expect("retained"));
        assert_eq!(log.view().start(), second);
        log.retain(1_000_000, Offset::MAX).expect("retained");
        assert_eq!(log.segment_bases().count(), 1, "the last segment stays");
    }
}

on_both_disks! {
    fn flush_is_due_by_records_and_by_time(disk) {
        let flush = FlushPolicy { records: Some(3), interval_ms: Some(50) };
        let (mut log, _) = open(disk, LogConfig { flush, ..small() });
        assert!(!log.flush_is_due(0));
        log.append(&batch(0, 0, 2, 10)).expect("appended");
        assert!(!log.flush_is_due(10) && !log.flush_is_due(59) && log.flush_is_due(60));
        log.append(&batch(2, 0, 1, 10)).expect("appended");
        assert!(log.flush_is_due(11));
        assert_eq!((log.view().flushed(), log.flush().expect("flushed")), (0, 3));
        assert!(!log.flush_is_due(1000));
    }
}

on_both_disks! {
    fn restart_goes_on_empty_after_the_epoch_it_was_given(disk) {
        let (mut log, _) = open(disk, small());
        log.append(&batch(0, 1, 3, 10)).expect("appended");
        log.restart(50, 7).expect("restarted");
        assert_eq!((log.view().start(), log.view().end(), log.view().last_epoch()), (50, 50, 7));
        drop(log);
        let (mut log, _) = open(disk, small());
        assert_eq!((log.view().start(), log.view().end(), log.view().last_epoch()), (50, 50, 7));
        assert!(log.append(&batch(50, 6, 1, 10)).is_err());
        log.append(&batch(50, 7, 1, 10)).expect("appended");
    }
}

on_both_disks! {
    fn reader_beside_the_owner_reads_what_was_appended_after_it_was_made(disk) {
        let (mut log, _) = open(disk, small());
        let reader = log.reader();
        for base in 0..40 {
            log.append(&batch(base, 0, 1, 100)).expect("appended");
        }
        log.publish_high_watermark(30);
        assert_eq!((reader.bounds().high_watermark, reader.bounds().end), (30, 40));
        for from in 0..40 {
            assert_eq!(reader.read(from, 40, 300).expect("read"), log.read(from, 40, 300).expect("read"));
        }
        // Who holds it can go on reading what is removed only if it was found before; then it is out of range.
        log.forget_before(20).expect("forgotten");
        assert!(matches!(reader.read(0, 40, 300), Err(LogError::OutOfRange { start: 20, .. })));
    }
}

#[test]
fn directory_in_use_by_another_process_is_refused() {
    let directory = Directory::new();
    let _disk = directory.disk();
    let again = RealDisk::open(&directory.0).expect_err("in use");
    assert_eq!(again.kind(), std::io::ErrorKind::WouldBlock);
}
