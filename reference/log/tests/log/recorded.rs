//! What the data directory records about logs, which must never say more than is true: whoever opens a log after a crash holds it
//! against that.

use highwater_core::{NodeId, Offset, Uuid};
use highwater_log::disk::{Disk, Loss, SimulatedDisk};
use highwater_log::files::meta_properties::MetaProperties;
use highwater_log::{DataDirectory, Log, Recorded};

use crate::support::{all, batch, shape, small};

const LOG: &str = "topic-0";

fn directory(disk: &SimulatedDisk) -> DataDirectory<SimulatedDisk> {
    let properties = MetaProperties { cluster_id: "c".into(), node_id: NodeId(1), directory_id: None };
    DataDirectory::format(disk, &properties).expect("formatted");
    DataDirectory::open(disk, "c", NodeId(1)).expect("opened")
}

/// Recovery point, start and high watermark of the log.
fn recorded(disk: &SimulatedDisk) -> (Offset, Offset, Offset) {
    let directory = directory(disk);
    let Recorded { recovery_point, start, .. } = directory.recorded(LOG);
    (recovery_point, start, directory.high_watermark(LOG))
}

fn open(disk: &SimulatedDisk) -> Log<SimulatedDisk> {
    Log::open(disk, LOG, small(), directory(disk).recorded(LOG)).expect("opened").0
}

/// Records 0 to 10 in two batches of epoch 0, flushed; the start is 2, the high watermark 8, and all of that is recorded.
fn recorded_log(disk: &SimulatedDisk) -> (DataDirectory<SimulatedDisk>, Log<SimulatedDisk>) {
    let mut directory = directory(disk);
    directory.create("topic", 0, Uuid(6)).expect("made");
    let mut log = open(disk);
    log.append(&[batch(0, 0, 5, 10), batch(5, 0, 5, 10)].concat()).expect("appended");
    log.flush().expect("flushed");
    log.forget_before(2).expect("forgotten");
    directory.checkpoint([(&log, 8)]).expect("recorded");
    assert_eq!(recorded(disk), (10, 2, 8));
    (directory, log)
}

#[test]
fn truncation_lowers_what_is_recorded() {
    let disk = SimulatedDisk::new(1);
    let (_, mut log) = recorded_log(&disk);
    log.truncate(7).expect("truncated");
    assert_eq!(recorded(&disk), (5, 2, 5));
}

#[test]
fn truncation_lowers_what_is_recorded_before_it_cuts() {
    let disk = SimulatedDisk::new(1);
    let (_, mut log) = recorded_log(&disk);
    let before = disk.files()["topic-0/00000000000000000000.log"].clone();
    for cuts in 0.. {
        let disk = disk.snapshot();
        let mut log = open(&disk);
        disk.cut_power_after(cuts);
        let done = log.truncate(5).is_ok();
        disk.crash(Loss::Nothing);
        let is_cut = disk.files()["topic-0/00000000000000000000.log"] != before;
        assert!(!is_cut || recorded(&disk) == (5, 2, 5), "after {cuts} operations");
        if done {
            assert!(cuts > 5, "only {cuts} operations");
            break;
        }
    }
    log.flush().expect("untouched");
}

#[test]
fn restart_earlier_lowers_what_is_recorded() {
    let disk = SimulatedDisk::new(1);
    let (_, mut log) = recorded_log(&disk);
    log.restart(1, 0).expect("restarted");
    assert_eq!(recorded(&disk), (1, 1, 1));
    log.append(&batch(1, 1, 1, 10)).expect("appended");
    log.flush().expect("flushed");
    disk.crash(Loss::Everything);
    assert_eq!(shape(&all(&open(&disk))), [(1, 1, 1)]);
}

/// Found by simulation, seed 8624: what the directory had read when it was opened it wrote back over what the log had lowered.
#[test]
fn records_rewritten_after_a_truncation_are_not_held_against_what_was_recorded_before() {
    for by_removal in [true, false] {
        let disk = SimulatedDisk::new(1);
        let (mut directory, mut log) = recorded_log(&disk);
        directory.create("other", 0, Uuid(7)).expect("made");
        let (other, _) = Log::open(&disk, "other-0", small(), Recorded::default()).expect("opened");
        directory.checkpoint([(&other, 0)]).expect("recorded");
        log.truncate(5).expect("truncated");
        log.append(&batch(5, 1, 1, 10)).expect("appended");
        if by_removal {
            directory.remove(&["other-0"]).expect("removed");
        } else {
            directory.checkpoint([(&other, 0)]).expect("recorded");
        }
        assert_eq!(recorded(&disk), (5, 2, 5));
        // The process dies before the log is flushed, so that its leader epochs on disk are those of before.
        disk.crash(Loss::Nothing);
        assert_eq!(shape(&all(&open(&disk))), [(0, 0, 5), (5, 1, 1)]);
    }
}

#[test]
fn log_that_is_removed_leaves_nothing_recorded_wherever_that_is_cut_off() {
    for cuts in 0.. {
        let disk = SimulatedDisk::new(cuts);
        let (mut directory, log) = recorded_log(&disk);
        drop(log);
        disk.cut_power_after(cuts);
        let done = directory.remove(&[LOG]).is_ok();
        disk.crash(if done { Loss::Everything } else { Loss::Nothing });
        assert!(disk.exists(LOG) || recorded(&disk) == (0, 0, 0), "after {cuts} operations");
        if done {
            assert!(!disk.exists(LOG) && cuts > 5, "only {cuts} operations");
            break;
        }
    }
}

#[test]
fn log_made_anew_where_somebody_removed_one_has_nothing_recorded() {
    let disk = SimulatedDisk::new(1);
    let (_, log) = recorded_log(&disk);
    drop(log);
    disk.remove_directory(LOG).and_then(|()| disk.sync_directory("")).expect("removed");
    assert_eq!(recorded(&disk), (10, 2, 8));
    directory(&disk).create("topic", 0, Uuid(6)).expect("made");
    assert_eq!(recorded(&disk), (0, 0, 0));
}

#[test]
fn recovery_point_behind_the_end_is_lowered_when_the_log_is_opened() {
    let disk = SimulatedDisk::new(1);
    let (_, log) = recorded_log(&disk);
    drop(log);
    disk.remove("topic-0/00000000000000000000.log").expect("removed");
    assert_eq!(open(&disk).view().end(), 2);
    assert_eq!(recorded(&disk), (2, 2, 2));
}

/// Found by simulation, seed 201014: a leader that did not know the epoch before its first record had no snapshot for who diverged there.
#[test]
fn start_that_a_crash_brought_back_without_the_epoch_before_goes_on_to_the_snapshot() {
    let disk = SimulatedDisk::new(1);
    let mut log = open(&disk);
    log.restart(25, 46).expect("restarted");
    log.append(&batch(25, 52, 1, 10)).expect("appended");
    log.flush().expect("flushed");
    log.forget_before(26).expect("forgotten");
    let view = log.view().clone();
    disk.crash(Loss::Everything);
    let recorded = Recorded { base: Some((26, 52)), ..Recorded::default() };
    let (log, _) = Log::open(&disk, LOG, small(), recorded).expect("opened");
    assert_eq!((view.start(), view.base_epoch()), (26, 52));
    assert_eq!(log.view(), &view);
}
