//! What a log does while nothing fails, on both disks.

use highwater_core::Offset;
use highwater_log::LogError;

use crate::support::{all, batch, on_both_disks, open, shape, small};

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
