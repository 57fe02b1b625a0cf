//! Flushes beside the owner, logs that are not durable yet, and syncs that are put off.

use highwater_core::Uuid;
use highwater_log::disk::{Disk, Loss, SimulatedDisk};
use highwater_log::files::meta_properties::MetaProperties;
use highwater_log::files::partition_metadata;
use highwater_log::{DataDirectory, Log, LogConfig, Recorded};

use crate::support;

fn batch(base: i64, count: usize, epoch: i32) -> Vec<u8> {
    support::batch(base, epoch, count, 10)
}

fn created(disk: &SimulatedDisk) -> Log<SimulatedDisk> {
    disk.create_directory("topic-0").expect("made");
    partition_metadata::save(disk, "topic-0", Uuid(7)).expect("saved");
    Log::create(disk, "topic-0", LogConfig::default()).expect("created")
}

#[test]
fn flusher_claims_what_there_was_when_it_was_made() {
    let disk = SimulatedDisk::new(1);
    let mut log = created(&disk);
    log.append(&batch(0, 2, 0)).expect("appended");
    let flusher = log.flusher().expect("sound").expect("something to flush");
    log.append(&batch(2, 2, 0)).expect("appended");
    assert_eq!(log.flushed(flusher.flush()).expect("flushed"), 2);
    assert_eq!((log.view().flushed(), log.view().end()), (2, 4));
}

#[test]
fn flusher_claims_nothing_after_a_truncation() {
    let disk = SimulatedDisk::new(1);
    let mut log = created(&disk);
    log.append(&batch(0, 2, 0)).expect("appended");
    log.append(&batch(2, 2, 0)).expect("appended");
    let flusher = log.flusher().expect("sound").expect("something to flush");
    let flushed = flusher.flush();
    log.truncate(2).expect("truncated");
    // Other records, which were never flushed, stand where those stood.
    log.append(&batch(2, 2, 1)).expect("appended");
    assert_eq!(log.flushed(flushed).expect("taken"), 2);
}

#[test]
fn flusher_of_a_segment_that_ended_claims_no_more_than_that() {
    let disk = SimulatedDisk::new(1);
    let mut log = created(&disk);
    log.append(&batch(0, 2, 0)).expect("appended");
    let flusher = log.flusher().expect("sound").expect("something to flush");
    log.set_config(LogConfig { segment_bytes: 14, ..LogConfig::default() });
    log.append(&batch(2, 2, 0)).expect("appended");
    assert_eq!(log.segment_bases().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(log.flushed(flusher.flush()).expect("flushed"), 2);
}

#[test]
fn log_that_was_never_flushed_may_be_gone_after_a_crash() {
    let disk = SimulatedDisk::new(1);
    let mut log = created(&disk);
    log.append(&batch(0, 2, 0)).expect("appended");
    drop(log);
    disk.crash(Loss::Everything);
    assert!(disk.list("topic-0").is_err());
}

#[test]
fn log_that_was_flushed_is_there_after_a_crash_and_so_is_whose_it_is() {
    for off_step in [false, true] {
        let disk = SimulatedDisk::new(1);
        let mut log = created(&disk);
        log.append(&batch(0, 2, 0)).expect("appended");
        if off_step {
            let flusher = log.flusher().expect("sound").expect("something to flush");
            log.flushed(flusher.flush()).expect("flushed");
        } else {
            log.flush().expect("flushed");
        }
        drop(log);
        disk.crash(Loss::Everything);
        assert_eq!(partition_metadata::load(&disk, "topic-0").expect("sound"), Some(Uuid(7)));
        let opened = Log::open(&disk, "topic-0", LogConfig::default(), Recorded::default());
        assert_eq!(opened.expect("opened").0.view().end(), 2);
    }
}

#[test]
fn file_of_a_topics_id_that_a_crash_tore_counts_as_missing_and_other_damage_is_refused() {
    let disk = SimulatedDisk::new(1);
    disk.create_directory("topic-0").expect("made");
    let whole = partition_metadata::encode(Uuid(7));
    let write = |bytes: &[u8]| {
        use highwater_log::disk::File;
        let file = disk.create("topic-0/partition.metadata").expect("made");
        file.write_at(0, bytes).expect("written");
        partition_metadata::load(&disk, "topic-0")
    };
    for length in 0..whole.len() {
        let torn = [&whole[..length], &[0; 8]].concat();
        assert!(matches!(write(&whole[..length]), Ok(None)), "{length} bytes of it");
        assert!(matches!(write(&torn), Ok(None)), "{length} bytes of it, then zeros");
    }
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        // Another id is another topic's; anything else is damage.
        assert!(!matches!(write(&flipped), Ok(None)), "byte {at} flipped");
    }
    assert!(matches!(write(&whole), Ok(Some(Uuid(7)))));
}

#[test]
fn what_a_process_left_in_the_page_cache_counts_as_not_flushed_where_that_is_wanted() {
    let disk = SimulatedDisk::new(1);
    let mut log = created(&disk);
    log.append(&batch(0, 2, 0)).expect("appended");
    log.flush().expect("flushed");
    log.append(&batch(2, 2, 0)).expect("appended");
    drop(log);
    disk.crash(Loss::Nothing);
    let recorded = Recorded { recovery_point: 2, leaves_unflushed: true, ..Recorded::default() };
    let syncs = disk.operations().syncs;
    let (mut log, _) = Log::open(&disk, "topic-0", LogConfig::default(), recorded).expect("opened");
    assert_eq!((log.view().flushed(), log.view().end()), (2, 4));
    assert_eq!(disk.operations().syncs, syncs, "nothing is synced for it");
    assert_eq!(log.flush().expect("flushed"), 4);
    drop(log);
    disk.crash(Loss::Everything);
    let (log, _) = Log::open(&disk, "topic-0", LogConfig::default(), Recorded::default()).expect("opened");
    assert_eq!(log.view().end(), 4);
}

#[test]
fn syncs_that_are_put_off_are_done_at_the_end_of_the_deferral() {
    let disk = SimulatedDisk::new(1);
    let mut log = created(&disk);
    log.append(&batch(0, 2, 0)).expect("appended");
    let syncs = disk.operations().syncs;
    disk.begin_deferral();
    log.close_files().expect("closed");
    assert_eq!(disk.operations().syncs, syncs);
    disk.end_deferral().expect("synced");
    assert_eq!(disk.operations().syncs, syncs + 1);
    drop(log);
    disk.crash(Loss::Everything);
    let clean = Recorded { clean: true, ..Recorded::default() };
    let (log, recovery) = Log::open(&disk, "topic-0", LogConfig::default(), clean).expect("opened");
    assert_eq!((log.view().end(), recovery.scanned_bytes), (2, 0));
}

#[test]
fn segment_ends_when_an_index_is_full() {
    let disk = SimulatedDisk::new(1);
    let mut log = created(&disk);
    // Room for two entries of the time index, one of which ends it.
    log.set_config(LogConfig { index_interval_bytes: 0, index_bytes_max: 24, ..LogConfig::default() });
    for base in 0..20 {
        log.append(&batch(base, 1, 0)).expect("appended");
    }
    assert!(log.segment_bases().count() > 5, "{:?}", log.segment_bases().collect::<Vec<_>>());
    log.set_config(LogConfig { index_interval_bytes: 0, ..LogConfig::default() });
    let before = log.segment_bases().count();
    for base in 20..40 {
        log.append(&batch(base, 1, 0)).expect("appended");
    }
    assert_eq!(log.segment_bases().count(), before);
}

#[test]
fn bytes_between_offsets_are_those_of_whole_batches_over_all_segments() {
    let disk = SimulatedDisk::new(1);
    let mut log = created(&disk);
    let size = batch(0, 2, 0).len() as u64;
    for (index, base) in [0, 2, 4, 6].into_iter().enumerate() {
        let segment_bytes = if index == 2 { 14 } else { 1 << 20 };
        log.set_config(LogConfig { segment_bytes, ..LogConfig::default() });
        log.append(&batch(base, 2, 0)).expect("appended");
    }
    assert_eq!(log.segment_bases().collect::<Vec<_>>(), [0, 4]);
    let between = |from, to| log.bytes_between(from, to).expect("sound");
    assert_eq!(between(0, 8), 4 * size);
    assert_eq!(between(3, 8), 3 * size);
    assert_eq!(between(3, 5), size);
    assert_eq!(between(4, 4), 0);
    assert_eq!(between(8, 8), 0);
}

#[test]
fn directory_of_a_replica_is_made_once() {
    let disk = SimulatedDisk::new(1);
    let properties = MetaProperties {
        cluster_id: "a-cluster".to_owned(),
        node_id: highwater_core::NodeId(1),
        directory_id: None,
    };
    DataDirectory::format(&disk, &properties).expect("formatted");
    let mut directory = DataDirectory::open(&disk, "a-cluster", highwater_core::NodeId(1)).expect("opened");
    assert!(directory.create("topic", 0, Uuid(7)).expect("made"));
    assert!(!directory.create("topic", 0, Uuid(7)).expect("there"));
    assert!(directory.create("topic", 0, Uuid(8)).is_err());
    directory.remove(&["topic-0"]).expect("removed");
    assert!(directory.create("topic", 0, Uuid(8)).expect("made"));
}
