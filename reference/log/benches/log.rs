//! What the log costs beside the bytes themselves.
//!
//! `cargo bench -p highwater-log --bench log` prints the machine, then in one run
//! - appends and sequential reads through the log, beside writing and reading a plain file of the same bytes in pieces of the same size;
//! - how long it takes to look through 1 GiB after a crash;
//! - how fast batches are checked, taken apart and made.
//!
//! Nothing is synced on either side, so that the page cache is what both write to. `HIGHWATER_BENCH_DIRECTORY` says where; by default
//! it is in the target directory. Ratios count, of runs that took turns; the best of three of each.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../../../model/benches/support/machine.rs"]
#[allow(dead_code, reason = "shared with the other benchmarks")]
mod machine;

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use highwater_core::Offset;
use highwater_core::batch::{self, BatchBuilder};
use highwater_log::disk::{RealDisk, SimulatedDisk};
use highwater_log::{Log, LogConfig, Recorded};

const MIB: usize = 1 << 20;
const GIB: u64 = 1 << 30;
const ROUNDS: usize = 3;

fn main() {
    // Cargo passes this when it benchmarks; `cargo test --all-targets` runs this too, and wants no figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("{}", machine::describe());
    let directory = std::env::var_os("HIGHWATER_BENCH_DIRECTORY")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from)
        .join(format!("bench-{}", std::process::id()));
    codec();
    simulated();
    for (what, records, value_bytes) in [("small", 10, 100), ("middle", 100, 1000), ("large", 100, 10_000)] {
        append_and_read(&directory, what, records, value_bytes);
    }
    recovery(&directory);
    fs::remove_dir_all(&directory).expect("the directory is removed");
}

/// A batch of records with values that do not repeat.
fn sample(records: usize, value_bytes: usize) -> Vec<u8> {
    let mut batch = BatchBuilder::new(0, 0);
    for record in 0..records {
        let value: Vec<u8> = (0..value_bytes).map(|byte| (byte * 31 + record * 7) as u8).collect();
        batch.record(1_700_000_000_000 + record as i64, Some(b"key-0123"), Some(&value));
    }
    batch.build()
}

fn best(mut run: impl FnMut() -> Duration) -> Duration {
    (0..ROUNDS).map(|_| run()).min().unwrap_or_default()
}

fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    black_box(run());
    began.elapsed()
}

fn rate(bytes: usize, took: Duration) -> f64 {
    bytes as f64 / took.as_secs_f64() / MIB as f64
}

fn codec() {
    println!("\ncodec, MiB/s");
    println!("{:>24} {:>10} {:>10} {:>10} {:>10}", "batch", "checksum", "check", "records", "build");
    for (records, value_bytes) in [(1, 100), (10, 100), (100, 1000), (100, 10_000)] {
        let bytes = sample(records, value_bytes);
        let times = (256 * MIB / bytes.len()).clamp(1, 400_000);
        let each =
            |run: &dyn Fn()| rate(bytes.len() * times, best(|| timed(|| (0..times).for_each(|_| run()))));
        let checksum = each(&|| {
            black_box(batch::crc32c(black_box(&bytes)));
        });
        let check = each(&|| {
            let _ = black_box(batch::batches(black_box(&bytes)).next());
        });
        let taken_apart = each(&|| {
            let _ = black_box(batch::produced(black_box(&bytes)));
        });
        let value = vec![7; value_bytes];
        let build = each(&|| {
            let mut batch = BatchBuilder::new(0, 0);
            for record in 0..records {
                batch.record(record as i64, Some(b"key-0123"), Some(black_box(&value)));
            }
            black_box(batch.build());
        });
        let name = format!("{records} x {value_bytes} bytes");
        println!("{name:>24} {checksum:>10.0} {check:>10.0} {taken_apart:>10.0} {build:>10.0}");
    }
}

/// What a world pays for its logs: batches of a record, on a disk in memory.
fn simulated() {
    const TIMES: usize = 200_000;
    let config = LogConfig { segment_bytes: 64 * 1024, ..LogConfig::default() };
    let (mut append, mut flush, mut read) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut log, _) =
        Log::open(&SimulatedDisk::new(1), "topic-0", config, Recorded::default()).expect("opened");
    let template = sample(1, 20);
    for _ in 0..TIMES / 100 {
        append += timed(|| {
            for _ in 0..100 {
                let mut piece = template.clone();
                batch::assign(&mut piece, log.view().end(), 0).expect("assigned");
                log.append(&piece).expect("appended");
            }
        });
        flush += timed(|| (0..100).for_each(|_| assert!(log.flush().is_ok())));
        let end = log.view().end();
        read += timed(|| (0..100).for_each(|_| drop(log.read(end - 1, end, 1000).expect("read"))));
    }
    let each = |took: Duration| took.as_nanos() / TIMES as u128;
    println!(
        "\non a simulated disk, nanoseconds each: append {}, flush of nothing {}, read of the last batch {}",
        each(append),
        each(flush),
        each(read)
    );
}

fn append_and_read(directory: &Path, what: &str, records: usize, value_bytes: usize) {
    let template = sample(records, value_bytes);
    // One append is what a request brings: some batches.
    let batches = (64 * 1024 / template.len()).clamp(1, 64);
    let piece = template.repeat(batches);
    let appends = 512 * MIB / piece.len();
    let total = appends * piece.len();
    let plain = || {
        let file = fresh(&directory.join("plain"));
        timed(|| {
            for index in 0..appends {
                // As the log has to: the offsets change from piece to piece.
                let mut piece = piece.clone();
                piece[..8].copy_from_slice(&index.to_be_bytes());
                file.write_all_at(&piece, (index * piece.len()) as u64).expect("written");
            }
        })
    };
    let logged = || {
        let path = directory.join("log");
        let _ = fs::remove_dir_all(&path);
        let mut log = open(&path);
        timed(|| {
            for _ in 0..appends {
                let mut piece = piece.clone();
                batch::assign(&mut piece, log.view().end(), 0).expect("assigned");
                log.append(&piece).expect("appended");
            }
        })
    };
    let (mut plain_write, mut log_write) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        plain_write = plain_write.min(plain());
        log_write = log_write.min(logged());
    }
    let file = File::open(directory.join("plain")).expect("the plain file");
    let log = open(&directory.join("log"));
    let (mut plain_read, mut log_read) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        plain_read = plain_read.min(timed(|| {
            for index in 0..total / MIB {
                let mut bytes = vec![0; MIB];
                file.read_exact_at(&mut bytes, (index * MIB) as u64).expect("read");
                black_box(bytes);
            }
        }));
        log_read = log_read.min(timed(|| {
            let mut from = 0;
            while from < log.view().end() {
                let bytes = log.read(from, Offset::MAX, MIB).expect("read");
                from += (bytes.len() / template.len() * records) as Offset;
                black_box(bytes);
            }
        }));
    }
    println!("\n{what}: batches of {} bytes, {batches} an append, {} MiB", template.len(), total / MIB);
    for (name, plain, log) in [("append", plain_write, log_write), ("read", plain_read, log_read)] {
        let (plain_rate, log_rate) = (rate(total, plain), rate(total, log));
        let ratio = log_rate / plain_rate;
        println!(
            "{name:>8}: plain file {plain_rate:>8.0} MiB/s, log {log_rate:>8.0} MiB/s, ratio {ratio:.2}"
        );
    }
}

fn recovery(directory: &Path) {
    let path = directory.join("log");
    let _ = fs::remove_dir_all(&path);
    let mut log = open(&path);
    let template = sample(100, 1000);
    while log.size() + (template.len() as u64) < GIB {
        let mut batch = template.clone();
        batch::assign(&mut batch, log.view().end(), 0).expect("assigned");
        log.append(&batch).expect("appended");
    }
    log.flush().expect("flushed");
    let end = log.view().end();
    drop(log);
    let took = best(|| {
        timed(|| {
            let disk = RealDisk::open(&path).expect("a directory");
            let (log, recovery) =
                Log::open(&disk, "topic-0", LogConfig::default(), Recorded::default()).expect("opened");
            assert_eq!((log.view().end(), recovery.cut), (end, None));
            assert!(recovery.scanned_bytes > GIB - MIB as u64);
        })
    });
    println!("\nrecovery after a crash, 1 GiB in the page cache: {:.2} s", took.as_secs_f64());
}

fn fresh(path: &Path) -> File {
    let _ = fs::remove_file(path);
    fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
    File::options().create_new(true).read(true).write(true).open(path).expect("a file")
}

fn open(path: &Path) -> Log<RealDisk> {
    let disk = RealDisk::open(path).expect("a directory");
    Log::open(&disk, "topic-0", LogConfig::default(), Recorded::default()).expect("opened").0
}
