//! The producers of a log: what is known of them is what the log says, whatever was done to it, and whatever a crash left.

use highwater_core::batch::BatchBuilder;
use highwater_core::producer::Producers;
use highwater_core::{NO_EPOCH, Offset};
use highwater_log::disk::{Disk, File, Loss, SimulatedDisk};
use highwater_log::files::producers as files;
use highwater_log::{Damage, Log, LogError, LogProducers, Recorded};
use proptest::prelude::*;

use crate::support::{all, cases, on_both_disks, small};

const DIRECTORY: &str = "topic-0";

/// A log with its producers, kept in step as a replica does.
struct Pair<D: Disk> {
    log: Log<D>,
    producers: LogProducers,
    damages: Vec<Damage>,
    /// Counts batches: each has a sequence of its own.
    serial: i32,
    /// What is below was deleted. A log that is opened anew may have it again, and need not know the producers of it.
    deleted: Offset,
}

impl<D: Disk> Pair<D> {
    fn open(disk: &D, clean: bool) -> Result<Self, LogError> {
        let (log, _) = Log::open(disk, DIRECTORY, small(), Recorded { clean, ..Recorded::default() })?;
        let (producers, damages) = LogProducers::open(&log, clean)?;
        Ok(Self { log, producers, damages, serial: 0, deleted: 0 })
    }

    /// Appends batches, each of another of four producers.
    fn append(&mut self, batches: usize, size: usize) -> Result<(), LogError> {
        let (mut end, mut bytes) = (self.log.view().end(), Vec::new());
        for _ in 0..batches {
            self.serial += 1;
            let id = i64::from(self.serial % 4);
            let mut batch = BatchBuilder::new(end, 0).producer(id, 0, self.serial);
            batch.record(1_000, None, Some(&vec![b'x'; size]));
            end += i64::from(batch.count());
            bytes.extend(batch.build());
        }
        self.log.append(&bytes)?;
        self.producers.append(&self.log, &bytes)
    }

    fn truncate(&mut self, end: Offset) -> Result<(), LogError> {
        self.log.truncate(end)?;
        self.producers.truncated(&self.log)?;
        self.deleted = self.deleted.min(self.log.view().end());
        Ok(())
    }

    fn forget_before(&mut self, start: Offset) -> Result<(), LogError> {
        self.log.forget_before(start)?;
        self.deleted = self.deleted.max(start);
        self.producers.forgotten(&self.log)
    }

    fn restart(&mut self, start: Offset) -> Result<(), LogError> {
        self.producers.restarting(&self.log)?;
        self.log.restart(start, NO_EPOCH)?;
        self.producers.restarted(&self.log);
        self.deleted = start;
        Ok(())
    }

    fn close(&mut self) -> Result<(), LogError> {
        self.log.close_files()?;
        self.producers.close(&self.log)
    }

    /// Of every producer with a batch in the log the newest is known, and others only of what was deleted before its start.
    fn check(&self) {
        let (start, end) = (self.log.view().start(), self.log.view().end());
        let start = start.max(self.deleted.min(end));
        let mut anew = Producers::new(start);
        anew.append(&all(&self.log));
        anew.advance(end);
        let state = self.producers.state();
        assert_eq!(state.end(), end);
        for (id, producer) in anew.iter() {
            let known = state.get(id).and_then(|known| known.newest());
            let newest = producer.newest();
            assert_eq!(
                known.map(|batch| (batch.last_sequence, batch.last_offset)),
                newest.map(|batch| (batch.last_sequence, batch.last_offset))
            );
        }
        for (id, producer) in state.iter().filter(|(id, _)| anew.get(*id).is_none()) {
            let newest = producer.newest().expect("a batch");
            assert!(
                newest.last_offset < start,
                "producer {id} is known by {newest:?}, which is not in the log"
            );
        }
    }
}

fn snapshots<D: Disk>(disk: &D) -> Vec<Offset> {
    files::list(disk, DIRECTORY).expect("a list")
}

on_both_disks! {
    fn snapshot_is_taken_where_a_segment_begins(disk) {
        let mut pair = Pair::open(disk, false).expect("opened");
        pair.append(12, 200).expect("appended");
        let bases: Vec<Offset> = pair.log.segment_bases().collect();
        assert!(bases.len() > 3, "{bases:?}");
        // The newest two are kept.
        assert_eq!(snapshots(disk), bases[bases.len() - 2..]);
        for offset in snapshots(disk) {
            let snapshot = files::load(disk, DIRECTORY, offset).expect("sound");
            let ends: Vec<Offset> = snapshot.iter().filter_map(|(_, producer)| Some(producer.newest()?.end_offset())).collect();
            assert_eq!(ends.iter().max(), Some(&offset), "that of the records below");
        }
        pair.check();
    }
}

on_both_disks! {
    fn snapshot_is_taken_at_the_end_when_the_log_is_closed(disk) {
        let mut pair = Pair::open(disk, false).expect("opened");
        pair.append(3, 10).expect("appended");
        assert!(snapshots(disk).is_empty());
        pair.close().expect("closed");
        assert_eq!(snapshots(disk), [3]);
        let pair = Pair::open(disk, true).expect("opened");
        assert!(pair.damages.is_empty());
        pair.check();
    }
}

on_both_disks! {
    fn log_without_producers_has_no_snapshot_when_it_is_closed(disk) {
        let mut pair = Pair::open(disk, false).expect("opened");
        pair.log.append(&crate::support::batch(0, 0, 3, 10)).expect("appended");
        pair.close().expect("closed");
        assert!(snapshots(disk).is_empty());
        let pair = Pair::open(disk, true).expect("opened");
        assert_eq!(pair.producers.state(), &{ let mut none = Producers::new(0); none.advance(3); none });
    }
}

on_both_disks! {
    fn snapshot_that_is_damaged_is_removed_and_an_older_one_taken(disk) {
        let mut pair = Pair::open(disk, false).expect("opened");
        pair.append(12, 200).expect("appended");
        let taken = snapshots(disk);
        drop(pair);
        let path = format!("{DIRECTORY}/{}", files::name(taken[1]));
        disk.open(&path).and_then(|file| file.write_at(8, &[9])).expect("damaged");
        let pair = Pair::open(disk, false).expect("opened");
        assert_eq!(pair.damages.len(), 1);
        let told = pair.damages[0].to_string();
        assert!(told.starts_with(&path) && told.contains("the checksum"), "{told}");
        assert_eq!(snapshots(disk), taken[..1]);
        pair.check();
        // And without any, the log itself is read, even after a clean stop.
        drop(pair);
        let path = format!("{DIRECTORY}/{}", files::name(taken[0]));
        disk.create(&path).expect("emptied");
        let pair = Pair::open(disk, true).expect("opened");
        assert_eq!(pair.damages.len(), 1);
        pair.check();
    }
}

on_both_disks! {
    fn snapshot_above_the_end_is_removed_before_the_log_grows_again(disk) {
        let mut pair = Pair::open(disk, false).expect("opened");
        pair.append(12, 200).expect("appended");
        pair.truncate(snapshots(disk)[0]).expect("truncated");
        pair.check();
        assert_eq!(snapshots(disk), [pair.log.view().end()]);
        pair.truncate(1).expect("truncated");
        pair.check();
        assert!(snapshots(disk).is_empty());
    }
}

on_both_disks! {
    fn producers_are_known_beyond_their_records(disk) {
        let mut pair = Pair::open(disk, false).expect("opened");
        pair.append(12, 200).expect("appended");
        let end = pair.log.view().end();
        pair.forget_before(end).expect("forgotten");
        pair.check();
        assert_eq!(pair.producers.state().len(), 4, "as long as it is open");
        pair.close().expect("closed");
        drop(pair);
        let pair = Pair::open(disk, true).expect("opened");
        assert_eq!(pair.producers.state().len(), 4, "by the snapshot at the start");
    }
}

on_both_disks! {
    fn snapshot_below_the_start_is_not_believed(disk) {
        let mut pair = Pair::open(disk, false).expect("opened");
        pair.append(12, 200).expect("appended");
        let end = pair.log.view().end();
        assert!(snapshots(disk).last() < Some(&end));
        drop(pair);
        // What is deleted now is behind the newest snapshot: by that the next batch of a producer would have a sequence that is too high.
        let recorded = Recorded { start: end, ..Recorded::default() };
        let (log, _) = Log::open(disk, DIRECTORY, small(), recorded).expect("opened");
        assert_eq!((log.view().start(), log.view().end()), (end, end));
        let (producers, _) = LogProducers::open(&log, false).expect("opened");
        assert!(producers.state().is_empty(), "{:?}", producers.state());
        assert!(snapshots(disk).is_empty());
    }
}

#[test]
fn names_of_snapshots_are_kafkas() {
    assert_eq!(files::name(7), "00000000000000000007.snapshot");
    assert_eq!(files::parse_name("00000000000000000007.snapshot"), Some(7));
    for name in [
        "7.snapshot",
        "+0000000000000000007.snapshot",
        "00000000000000000007.snapshot.tmp",
        "99999999999999999999.snapshot",
    ] {
        assert_eq!(files::parse_name(name), None, "{name}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Append {
        batches: usize,
        size: usize,
    },
    Flush,
    Truncate {
        percent: i64,
    },
    Forget {
        percent: i64,
    },
    Restart {
        further: i64,
    },
    Close,
    Crash(Loss),
    /// The power goes after so many operations of what follows.
    PowerCut {
        after: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let loss = prop_oneof![Just(Loss::Nothing), Just(Loss::Everything), Just(Loss::Any)];
    prop_oneof![
        8 => (1..6_usize, 0..400_usize).prop_map(|(batches, size)| Step::Append { batches, size }),
        2 => Just(Step::Flush),
        3 => (0..=100_i64).prop_map(|percent| Step::Truncate { percent }),
        1 => (0..=100_i64).prop_map(|percent| Step::Forget { percent }),
        1 => (-20..20_i64).prop_map(|further| Step::Restart { further }),
        1 => Just(Step::Close),
        2 => loss.prop_map(Step::Crash),
        2 => (0..30_u64).prop_map(|after| Step::PowerCut { after }),
    ]
}

fn act(pair: &mut Pair<SimulatedDisk>, step: Step) -> Result<(), LogError> {
    let (start, end) = (pair.log.view().start(), pair.log.view().end());
    let part = |percent: i64| start + (end - start) * percent / 100;
    match step {
        Step::Append { batches, size } => pair.append(batches, size),
        Step::Flush => pair.log.flush().map(|_| ()),
        Step::Truncate { percent } => pair.truncate(part(percent)),
        Step::Forget { percent } => pair.forget_before(part(percent)),
        Step::Restart { further } => pair.restart((end + further).max(0)),
        Step::Close => pair.close(),
        Step::Crash(_) | Step::PowerCut { .. } => Ok(()),
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn state_is_what_the_log_says_after_any_crash(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..40)) {
        let disk = SimulatedDisk::new(seed);
        let mut pair = Pair::open(&disk, false).expect("opened");
        for step in steps {
            if let Step::PowerCut { after } = step {
                disk.cut_power_after(after);
            }
            let done = act(&mut pair, step);
            prop_assert!(done.is_ok() || disk.is_off(), "{:?}", done);
            let clean = matches!(step, Step::Close) && !disk.is_off();
            let loss = match step {
                Step::Crash(loss) => Some(loss),
                Step::Close => Some(Loss::Nothing),
                _ => disk.is_off().then_some(Loss::Any),
            };
            if let Some(loss) = loss {
                let (serial, deleted) = (pair.serial, pair.deleted);
                drop(pair);
                disk.crash(loss);
                pair = Pair::open(&disk, clean).expect("opened");
                (pair.serial, pair.deleted) = (serial, deleted.min(pair.log.view().end()));
                prop_assert!(pair.damages.is_empty(), "{:?}", pair.damages);
            }
            pair.check();
        }
    }
}
