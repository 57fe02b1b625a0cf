//! What opening a log does about what a crash, a disk or somebody left there.

use highwater_core::Offset;
use highwater_core::batch::BatchError;
use highwater_log::disk::{Disk, Failure, File, Operation, SimulatedDisk};
use highwater_log::{Log, LogConfig, LogError, Recorded};
use proptest::prelude::*;

use crate::support::{all, batch, cases, on_both_disks, open, shape, small};

const LAST: &str = "topic-0/00000000000000000000.log";

/// A log of one segment with batches of different sizes, and the positions at which they end.
fn one_segment(disk: &impl Disk) -> (Vec<u8>, Vec<usize>) {
    let (mut log, _) = open(disk, LogConfig { index_interval_bytes: 100, ..LogConfig::default() });
    let (mut bytes, mut ends) = (Vec::new(), vec![0]);
    for (count, size) in [(1, 3), (4, 30), (2, 0), (1, 200), (3, 7), (1, 1)] {
        bytes.extend_from_slice(&batch(log.view().end(), (ends.len() / 3) as i32, count, size));
        ends.push(bytes.len());
        log.append(&bytes[ends[ends.len() - 2]..]).expect("appended");
    }
    log.close().expect("closed");
    (bytes, ends)
}

/// A log of several segments, with the bytes of all its batches.
fn many_segments(disk: &impl Disk) -> (Vec<u8>, Vec<Offset>) {
    let (mut log, _) = open(disk, small());
    for base in 0..40 {
        log.append(&batch(base, (base / 10) as i32, 1, 100)).expect("appended");
    }
    let bases: Vec<Offset> = log.segment_bases().collect();
    let bytes = all(&log);
    log.close().expect("closed");
    (bytes, bases)
}

fn path(base: Offset, suffix: &str) -> String {
    format!("topic-0/{base:020}{suffix}")
}

fn damage<T: std::fmt::Debug>(result: Result<T, LogError>) -> highwater_log::Damage {
    match result {
        Err(LogError::Damaged(damage)) => *damage,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn tail_cut_at_every_byte_leaves_the_whole_batches_before() {
    let disk = SimulatedDisk::new(1);
    let (bytes, ends) = one_segment(&disk);
    for size in 0..=bytes.len() {
        let disk = disk.snapshot();
        disk.open(LAST).and_then(|file| file.truncate(size as u64)).expect("cut");
        let (log, recovery) = open(&disk, small());
        let whole = *ends.iter().rfind(|end| **end <= size).expect("0 at least");
        assert_eq!(all(&log), bytes[..whole], "cut at {size}");
        match recovery.cut {
            None => assert_eq!(whole, size),
            Some(cut) => {
                assert_eq!(
                    (cut.file.as_str(), cut.position, cut.bytes),
                    (LAST, whole as u64, (size - whole) as u64)
                );
                assert!(matches!(cut.found, BatchError::Truncated { .. }) && !cut.sound_behind, "{cut:?}");
            }
        }
        let file = disk.open(LAST).expect("there");
        assert_eq!(file.size().ok(), Some(whole as u64));
    }
}

#[test]
fn tail_of_zeros_or_rubbish_is_cut() {
    for filler in [0_u8, 1, 2, 0x7f, 0xff] {
        for count in [1, 11, 12, 17, 61, 62, 500, 5000] {
            let disk = SimulatedDisk::new(1);
            let (bytes, _) = one_segment(&disk);
            let file = disk.open(LAST).expect("there");
            file.write_at(bytes.len() as u64, &vec![filler; count]).expect("written");
            let (log, recovery) = open(&disk, small());
            assert_eq!(all(&log), bytes);
            assert_eq!(
                recovery.cut.map(|cut| (cut.position, cut.bytes)),
                Some((bytes.len() as u64, count as u64))
            );
        }
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn bits_that_flipped_leave_a_prefix_of_what_was_appended(
        flips in prop::collection::vec((0..700_u64, 0..8_u8), 1..4),
    ) {
        let disk = SimulatedDisk::new(1);
        let (bytes, ends) = one_segment(&disk);
        // The format leaves the leader epoch out of the checksum: there a flip cannot be seen.
        let in_epoch = |at: u64| ends.iter().any(|start| (start + 12..start + 16).contains(&(at as usize)));
        for (at, bit) in flips.iter().filter(|(at, _)| !in_epoch(*at)) {
            disk.flip_bit(LAST, *at, *bit);
        }
        let (log, _) = open(&disk, small());
        let left = all(&log);
        prop_assert!(bytes.starts_with(&left) && ends.contains(&left.len()));
    }

    #[test]
    fn bits_that_flipped_in_any_file_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..1200_u64, 0..8_u8), 1..4), clean in any::<bool>(),
    ) {
        let disk = SimulatedDisk::new(1);
        let (bytes, _) = many_segments(&disk);
        let names: Vec<String> = disk.files().into_keys().collect();
        for (name, at, bit) in flips {
            let name: &String = name.get(&names);
            disk.flip_bit(name, at, bit);
        }
        let recorded = Recorded { clean, ..Recorded::default() };
        // Opened or refused, and read or refused.
        if let Ok((log, _)) = Log::open(&disk, "topic-0", small(), recorded) {
            for from in log.view().start()..log.view().end() {
                let _ = log.read(from, Offset::MAX, 500);
                let _ = log.offset_for_timestamp(1000 + from);
            }
            if !clean {
                prop_assert!(all(&log).len() <= bytes.len());
            }
        }
    }
}

#[test]
fn damage_before_the_last_segment_is_refused_and_left_alone() {
    let disk = SimulatedDisk::new(1);
    let (_, bases) = many_segments(&disk);
    disk.flip_bit(&path(bases[1], ".log"), 300, 0);
    let before = disk.files();
    let damage = damage(Log::open(&disk, "topic-0", small(), Recorded::default()));
    assert_eq!((damage.file, damage.expected.as_str()), (path(bases[1], ".log"), "a sound batch"));
    assert!(damage.position.is_some() && damage.found.contains("checksum"), "{}", damage.found);
    assert!(damage.cure.contains("replicated anew"));
    assert_eq!(disk.files(), before);
}

#[test]
fn damage_below_the_recovery_point_is_refused() {
    let disk = SimulatedDisk::new(1);
    one_segment(&disk);
    disk.flip_bit(LAST, 30, 0);
    let before = disk.files();
    let recorded = Recorded { recovery_point: 1, ..Recorded::default() };
    damage(Log::open(&disk, "topic-0", small(), recorded));
    assert_eq!(disk.files(), before);
    let (log, recovery) = open(&disk, small());
    assert_eq!((log.view().end(), recovery.cut.map(|cut| cut.sound_behind)), (0, Some(true)));
}

#[test]
fn damage_after_a_clean_stop_is_refused() {
    let disk = SimulatedDisk::new(1);
    let (bytes, _) = one_segment(&disk);
    disk.open(LAST).and_then(|file| file.truncate(bytes.len() as u64 - 1)).expect("cut");
    damage(Log::open(&disk, "topic-0", small(), Recorded { clean: true, ..Recorded::default() }));
}

#[test]
fn epoch_that_flipped_below_the_recovery_point_is_refused() {
    let disk = SimulatedDisk::new(1);
    let (_, ends) = one_segment(&disk);
    disk.flip_bit(LAST, ends[1] as u64 + 15, 2);
    let recorded = Recorded { recovery_point: 12, ..Recorded::default() };
    let damage = damage(Log::open(&disk, "topic-0", small(), recorded));
    assert_eq!((damage.found.as_str(), damage.expected.as_str()), ("leader epoch 4", "0, by the checkpoint"));
}

#[test]
fn message_sets_of_old_kafka_are_refused_by_name() {
    let disk = SimulatedDisk::new(1);
    many_segments(&disk);
    disk.open(LAST).and_then(|file| file.write_at(16, &[1])).expect("written");
    let damage = damage(Log::open(&disk, "topic-0", small(), Recorded::default()));
    assert_eq!(damage.found, "message format 1 (Kafka before 0.11), expected record batch format 2");
}

#[test]
fn files_of_a_compaction_are_refused() {
    let disk = SimulatedDisk::new(1);
    many_segments(&disk);
    disk.create(&path(0, ".log.swap")).expect("made");
    let damage = damage(Log::open(&disk, "topic-0", small(), Recorded::default()));
    assert_eq!((damage.file, damage.found.as_str()), (path(0, ".log.swap"), "a file of a compaction"));
}

on_both_disks! {
    fn indexes_that_are_gone_are_made_anew(disk) {
        let (bytes, bases) = many_segments(disk);
        for suffix in [".index", ".timeindex"] {
            disk.remove(&path(bases[1], suffix)).expect("removed");
        }
        let (log, recovery) =
            Log::open(disk, "topic-0", small(), Recorded { clean: true, ..Recorded::default() }).expect("opened");
        assert_eq!(recovery.rebuilt, [path(bases[1], ".index"), path(bases[1], ".timeindex")]);
        assert_eq!(all(&log), bytes);
        assert_eq!(log.view().epochs().starts().len(), 4);
    }
}

on_both_disks! {
    fn index_that_leads_astray_is_not_believed(disk) {
        let (bytes, bases) = many_segments(disk);
        for base in &bases {
            // Entries that grow, and are all wrong.
            let entries: Vec<u8> = (1..5_u32).flat_map(|at| [at.to_be_bytes(), (at * 60).to_be_bytes()].concat()).collect();
            disk.create(&path(*base, ".index")).and_then(|file| file.write_at(0, &entries)).expect("written");
        }
        let (log, _) = Log::open(disk, "topic-0", small(), Recorded { clean: true, ..Recorded::default() }).expect("opened");
        assert_eq!(all(&log), bytes);
        for from in 0..40 {
            assert_eq!(shape(&log.read(from, Offset::MAX, 1).expect("read"))[0].0, from);
        }
    }
}

on_both_disks! {
    fn epochs_that_are_gone_or_wrong_are_made_anew(disk) {
        let (_, _) = many_segments(disk);
        for content in [None, Some(&b"nonsense"[..]), Some(b"0\n1\n7 0\n")] {
            match content {
                None => disk.remove("topic-0/leader-epoch-checkpoint").expect("removed"),
                Some(content) => {
                    disk.create("topic-0/leader-epoch-checkpoint").and_then(|file| file.write_at(0, content)).expect("written");
                }
            }
            let recorded = Recorded { clean: true, ..Recorded::default() };
            let (log, recovery) = Log::open(disk, "topic-0", small(), recorded).expect("opened");
            assert!(recovery.epochs_rebuilt);
            let starts: Vec<_> = log.view().epochs().starts().iter().map(|entry| (entry.epoch, entry.start)).collect();
            assert_eq!(starts, [(0, 0), (1, 10), (2, 20), (3, 30)]);
        }
    }
}

on_both_disks! {
    fn leftovers_are_removed(disk) {
        let (bytes, _) = many_segments(disk);
        for name in ["00000000000000009999.index", "00000000000000000000.log.deleted", "leader-epoch-checkpoint.tmp"] {
            disk.create(&format!("topic-0/{name}")).expect("made");
        }
        let (log, recovery) = open(disk, small());
        assert_eq!((recovery.removed.len(), all(&log)), (3, bytes));
    }
}

on_both_disks! {
    fn log_that_ends_before_its_recorded_start_goes_on_there(disk) {
        many_segments(disk);
        let recorded = Recorded { start: 100, ..Recorded::default() };
        let (mut log, _) = Log::open(disk, "topic-0", small(), recorded).expect("opened");
        assert_eq!((log.view().start(), log.view().end()), (100, 100));
        log.append(&batch(100, 3, 1, 1)).expect("appended");
    }
}

#[test]
fn write_that_fails_poisons_the_log() {
    for operation in [Operation::Write, Operation::Sync] {
        let disk = SimulatedDisk::new(1);
        let (mut log, _) = open(&disk, small());
        log.append(&batch(0, 0, 1, 10)).expect("appended");
        disk.fail(Failure { operation, path: String::new(), after: 0, times: 1 });
        let first = log.append(&batch(1, 0, 1, 10)).and_then(|()| log.flush().map(|_| ()));
        assert!(matches!(first, Err(LogError::Io { .. })), "{first:?}");
        // The disk is sound again; what the log holds is not known, though.
        assert!(matches!(log.append(&batch(1, 0, 1, 10)), Err(LogError::Poisoned { .. })));
        assert!(matches!(log.read(0, Offset::MAX, 1), Err(LogError::Poisoned { .. })));
        assert!(matches!(log.flush(), Err(LogError::Poisoned { .. })));
        assert!(matches!(log.truncate(0), Err(LogError::Poisoned { .. })));
    }
}

#[test]
fn read_that_fails_does_not_poison_the_log() {
    let disk = SimulatedDisk::new(1);
    let (mut log, _) = open(&disk, small());
    log.append(&batch(0, 0, 1, 10)).expect("appended");
    disk.fail(Failure { operation: Operation::Read, path: "topic-0/".into(), after: 0, times: 1 });
    assert!(matches!(log.read(0, Offset::MAX, 1), Err(LogError::Io { .. })));
    assert_eq!(shape(&log.read(0, Offset::MAX, 1).expect("read")), [(0, 0, 1)]);
}

#[test]
fn full_disk_poisons_the_log_and_recovery_cuts_what_was_half_written() {
    let disk = SimulatedDisk::new(1);
    let (mut log, _) = open(&disk, small());
    log.append(&batch(0, 0, 1, 10)).expect("appended");
    disk.set_capacity(disk.used() + 20);
    assert!(matches!(log.append(&batch(1, 0, 1, 10)), Err(LogError::Io { .. })));
    drop(log);
    disk.set_capacity(u64::MAX);
    let (log, recovery) = open(&disk, small());
    assert_eq!((log.view().end(), recovery.cut.map(|cut| cut.bytes)), (1, Some(20)));
}
