//! `dump-log`: its lines, and what it says of files that do not fit.

use std::path::{Path, PathBuf};

use clap::Parser;
use highwater_core::batch::{Codec, ControlRecord, control_batch};
use highwater_core::producer::Producers;
use highwater_tool::dump_log::{DumpLogArgs, run};
use highwater_tool::{ExitKind, ToolError};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::files::{self, NOW, batch, compressed, metadata_batch, metadata_records};

const LOG: &str = "00000000000000000000.log";

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: DumpLogArgs,
}

struct Dumped {
    out: String,
    err: String,
    kind: ExitKind,
}

fn try_dump(options: &[&str], files: &[&Path]) -> Result<Dumped, ToolError> {
    let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let files = files.join(",");
    let words = ["dump-log", "--files", &files].into_iter().chain(options.iter().copied());
    let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let kind = run(&cli.args, &mut out, &mut err)?;
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ok(Dumped { out: text(out), err: text(err), kind })
}

fn dump(options: &[&str], path: &Path) -> Dumped {
    try_dump(options, &[path]).unwrap_or_else(|error| panic!("{error}"))
}

/// A file of these bytes; the directory goes with it.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).expect("a file");
    (directory, path)
}

/// What follows the line that names the file.
fn body(dumped: &Dumped) -> Vec<&str> {
    dumped.out.lines().skip(1).collect()
}

#[test]
fn batches_and_records_are_shown_in_kafkas_words() {
    let (_directory, path) = file(LOG, &batch(5, 3));
    let shallow = dump(&[], &path);
    let line = "baseOffset: 5 lastOffset: 7 count: 3 baseSequence: 10 lastSequence: 12 producerId: 7 producerEpoch: 1 \
                partitionLeaderEpoch: 3 isTransactional: false isControl: false deleteHorizonMs: OptionalLong.empty position: 0 \
                CreateTime: 1700000000007 size: 156 magic: 2 compresscodec: none crc: 416829913 isvalid: true";
    assert_eq!(shallow.out.lines().next(), Some(&*format!("Dumping {}", path.display())));
    assert_eq!(body(&shallow), ["Log starting offset: 0", line]);
    let deep = dump(&["--print-data-log"], &path);
    assert_eq!(
        body(&deep)[2..],
        [
            "| offset: 5 CreateTime: 1700000000005 keySize: -1 valueSize: 8 sequence: 10 headerKeys: [] payload: value 0 ",
            "| offset: 6 CreateTime: 1700000000006 keySize: 2 valueSize: 16 sequence: 11 headerKeys: [trace] key: k1 payload: value 1 value 1 ",
            "| offset: 7 CreateTime: 1700000000007 keySize: 2 valueSize: 24 sequence: 12 headerKeys: [trace,none] key: k2 payload: value 2 value 2 value 2 ",
        ]
    );
    let bare = dump(&["--print-data-log", "--skip-record-metadata"], &path);
    assert_eq!(body(&bare)[2..4], ["| payload: value 0 ", "| key: k1 payload: value 1 value 1 "]);
    assert_eq!((deep.err.as_str(), deep.kind), ("", ExitKind::Success));
}

#[test]
fn compressed_batches_show_the_same_records() {
    let plain = batch(0, 9);
    let (_directory, path) = file(LOG, &plain);
    let expected = dump(&["--print-data-log"], &path).out;
    let records =
        |out: &str| out.lines().filter(|line| line.starts_with('|')).map(str::to_owned).collect::<Vec<_>>();
    for (codec, name) in
        [(Codec::Gzip, "gzip"), (Codec::Snappy, "snappy"), (Codec::Lz4, "lz4"), (Codec::Zstd, "zstd")]
    {
        let (_directory, path) = file(LOG, &compressed(&plain, codec));
        let dumped = dump(&["--print-data-log"], &path);
        assert!(dumped.out.contains(&format!("compresscodec: {name} ")), "{}", dumped.out);
        assert!(dumped.out.contains("isvalid: true"), "{}", dumped.out);
        assert_eq!(records(&dumped.out), records(&expected), "{name}");
    }
}

#[test]
fn control_records_are_shown_by_kind() {
    let controls = [
        ControlRecord::Abort { coordinator_epoch: 4 },
        ControlRecord::SnapshotHeader { last_contained_timestamp: NOW },
        ControlRecord::KRaftVersion { version: 1 },
        ControlRecord::SnapshotFooter,
    ];
    let (_directory, path) = file(LOG, &control_batch(0, 1, NOW, &controls));
    let dumped = dump(&["--deep-iteration"], &path);
    let shown: Vec<&str> =
        dumped.out.lines().filter_map(|line| line.split("headerKeys: [] ").nth(1)).collect();
    assert_eq!(
        shown,
        [
            "endTxnMarker: ABORT coordinatorEpoch: 4",
            "SnapshotHeader {\"version\":0,\"lastContainedLogTimestamp\":1700000000000}",
            "KRaftVersion {\"version\":0,\"kRaftVersion\":1}",
            "SnapshotFooter {\"version\":0}",
        ]
    );
}

#[test]
fn metadata_records_are_shown_as_json() {
    let mut bytes = metadata_batch(0, &metadata_records()[3..4]);
    let mut foreign = highwater_core::batch::BatchBuilder::new(1, 2);
    bytes.extend_from_slice(&foreign.record(NOW, None, Some(b"\x01\x63\x00")).clone().build());
    let (_directory, path) = file("00000000000000000000-0000000002.checkpoint", &bytes);
    let dumped = dump(&["--cluster-metadata-decoder"], &path);
    assert_eq!(body(&dumped)[0], "Snapshot end offset: 0, epoch: 2");
    let payloads: Vec<&str> = dumped.out.lines().filter_map(|line| line.split("payload: ").nth(1)).collect();
    assert_eq!(
        payloads[0],
        "{\"type\":\"TOPIC_RECORD\",\"version\":0,\"data\":{\"name\":\"orders\",\"topicId\":\"AQIDBAUGBwgJCgsMDQ4PEA\"}}"
    );
    assert!(payloads[1].starts_with("Error at 1, skipping. "), "{}", payloads[1]);
}

#[test]
fn indexes_fit_the_log_that_was_written_with_them() {
    let directory = tempfile::tempdir().expect("a directory");
    files::log(directory.path());
    let mut names: Vec<PathBuf> = std::fs::read_dir(directory.path().join("t-0"))
        .expect("a log")
        .map(|entry| entry.expect("a file").path())
        .collect();
    names.sort();
    let of = |suffix: &str| {
        let found = names.iter().filter(|path| path.extension().is_some_and(|extension| extension == suffix));
        found.map(PathBuf::as_path).collect::<Vec<_>>()
    };
    let (indexes, times) = (of("index"), of("timeindex"));
    assert!(indexes.len() >= 2, "{names:?}");
    for options in [&[][..], &["--verify-index-only"], &["--index-sanity-check"]] {
        for files in [&indexes, &times] {
            let dumped = try_dump(options, files).expect("arguments that fit");
            assert_eq!((dumped.err.as_str(), dumped.kind), ("", ExitKind::Success), "{options:?}");
        }
    }
    let shown = dump(&[], indexes[0]);
    assert!(
        body(&shown)[0].starts_with("offset: ") && body(&shown)[0].contains(" position: "),
        "{}",
        shown.out
    );
    let shown = dump(&[], times[0]);
    assert!(body(&shown)[0].starts_with("timestamp: 17000000000"), "{}", shown.out);
    let sane = dump(&["--index-sanity-check"], indexes[0]);
    assert_eq!(body(&sane), [format!("{} passed sanity check.", indexes[0].display())]);
}

#[test]
fn index_that_does_not_fit_is_told_at_the_end() {
    let (directory, log) = file(LOG, &[batch(0, 2), batch(2, 2)].concat());
    let size = u32::try_from(batch(0, 2).len()).expect("small");
    let entry = |offset: u32, position: u32| [offset.to_be_bytes(), position.to_be_bytes()].concat();
    let index = directory.path().join("00000000000000000000.index");
    std::fs::write(&index, [entry(1, 0), entry(2, size)].concat()).expect("a file");
    let dumped = dump(&[], &index);
    assert_eq!(body(&dumped), ["offset: 1 position: 0".to_owned(), format!("offset: 2 position: {size}")]);
    let expected = format!("Mismatches in :{}\n  Index offset: 2, log offset: 3\n", index.display());
    assert_eq!((dumped.err.as_str(), dumped.kind), (expected.as_str(), ExitKind::Success));
    // Times: wrong, going back, and of no batch's last offset.
    let time = |timestamp: i64, offset: u32| [&timestamp.to_be_bytes()[..], &offset.to_be_bytes()].concat();
    let times = directory.path().join("00000000000000000000.timeindex");
    std::fs::write(&times, [time(NOW + 9, 1), time(NOW + 3, 3), time(NOW + 4, 2)].concat()).expect("a file");
    let dumped = dump(&["--verify-index-only"], &times);
    let place = times.display();
    let expected = format!(
        "Found timestamp mismatch in :{place}\n  Index timestamp: 1700000000009, log timestamp: 1700000000001\n\
         Found out of order timestamp in :{place}\n  Index timestamp: 1700000000003, Previously indexed timestamp: 1700000000009\n\
         The following indexed offsets are not found in the log.\nIndexed offset: 2, found log offset: 3\n"
    );
    assert_eq!(dumped.err, expected);
    std::fs::write(&index, [entry(1, 1), vec![0; 3]].concat()).expect("a file");
    let dumped = dump(&[], &index);
    assert!(dumped.err.contains("entry 0: found position 1 for offset 1, where"), "{}", dumped.err);
    let dumped = dump(&["--index-sanity-check"], &index);
    assert!(dumped.err.contains("found 3 bytes behind the last entry"), "{}", dumped.err);
    assert_eq!(dumped.kind, ExitKind::Problems);
    drop(log);
}

#[test]
fn offsets_with_a_gap_are_told_at_the_end() {
    let (_directory, path) = file(LOG, &[batch(0, 2), batch(5, 1)].concat());
    let dumped = dump(&["--deep-iteration"], &path);
    assert_eq!(dumped.err, format!("Non-consecutive offsets in {}\n  1 is followed by 5\n", path.display()));
    assert_eq!(dump(&[], &path).err, "");
}

#[test]
fn torn_and_foreign_tails_are_counted() {
    let whole = batch(0, 2);
    let torn = [whole.clone(), batch(2, 2)[..100].to_vec()].concat();
    let (_directory, path) = file(LOG, &torn);
    let dumped = dump(&[], &path);
    assert_eq!(body(&dumped).last(), Some(&"Found 100 invalid bytes at the end of 00000000000000000000.log"));
    assert_eq!((dumped.err.as_str(), dumped.kind), ("", ExitKind::Success));
    let zeros = [whole.clone(), vec![0; 70]].concat();
    let (_directory, path) = file(LOG, &zeros);
    let dumped = dump(&[], &path);
    assert_eq!(body(&dumped).last(), Some(&"Found 70 invalid bytes at the end of 00000000000000000000.log"));
    assert!(dumped.err.contains(&format!("byte {}: the batch length is 0", whole.len())), "{}", dumped.err);
    assert_eq!(dumped.kind, ExitKind::Problems);
}

#[test]
fn batch_with_a_wrong_checksum_is_shown_as_such() {
    let mut bytes = batch(0, 2);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let (_directory, path) = file(LOG, &bytes);
    let dumped = dump(&["--print-data-log"], &path);
    assert!(dumped.out.contains("isvalid: false"), "{}", dumped.out);
    assert_eq!(dumped.out.lines().filter(|line| line.starts_with('|')).count(), 2);
}

#[test]
fn max_bytes_ends_the_dump_without_a_complaint() {
    let (_directory, path) = file(LOG, &[batch(0, 2), batch(2, 2)].concat());
    let most = (batch(0, 2).len() + 10).to_string();
    let dumped = dump(&["--max-bytes", &most], &path);
    assert_eq!((body(&dumped).len(), dumped.err.as_str()), (2, ""));
}

#[test]
fn producers_of_a_snapshot_are_shown() {
    let mut producers = Producers::new(0);
    producers.append(&batch(0, 3));
    let (_directory, path) = file("00000000000000000003.snapshot", &producers.snapshot().encode());
    assert_eq!(
        body(&dump(&[], &path)),
        [
            "producerId: 7 producerEpoch: 1 coordinatorEpoch: -1 currentTxnFirstOffset: OptionalLong.empty lastTimestamp: 1700000000002 \
          firstSequence: 10 lastSequence: 12 lastOffset: 2 offsetDelta: 2 timestamp: 1700000000002"
        ]
    );
    let (_directory, path) = file("00000000000000000003.snapshot", b"\0\x01");
    assert_eq!(dump(&[], &path).kind, ExitKind::Problems);
}

#[test]
fn aborted_transactions_are_shown() {
    let numbers = [7_i64, 1, 2, 3].map(i64::to_be_bytes).concat();
    let (_directory, path) = file("00000000000000000000.txnindex", &[vec![0, 0], numbers].concat());
    assert_eq!(
        body(&dump(&[], &path)),
        ["version: 0 producerId: 7 firstOffset: 1 lastOffset: 2 lastStableOffset: 3"]
    );
}

#[test]
fn files_of_other_kinds_and_names_are_passed_over_or_told() {
    let (_directory, path) = file("leader-epoch-checkpoint", b"0\n0\n");
    let dumped = dump(&[], &path);
    assert_eq!(dumped.err, format!("Ignoring unknown file {}\n", path.display()));
    assert_eq!(dumped.kind, ExitKind::Success);
    for name in ["x.log", "x.index", "x.timeindex", "x.checkpoint"] {
        let (_directory, path) = file(name, b"");
        let dumped = dump(&[], &path);
        assert!(dumped.err.contains("found a name that"), "{name}: {}", dumped.err);
        assert_eq!(dumped.kind, ExitKind::Problems);
    }
    let dumped = dump(&[], Path::new("/nowhere/00000000000000000000.log"));
    assert!(dumped.err.starts_with("/nowhere/00000000000000000000.log: "), "{}", dumped.err);
}

#[test]
fn decoders_read_numbers_and_unknown_ones_are_refused() {
    let mut builder = highwater_core::batch::BatchBuilder::new(0, 0);
    builder.record(NOW, Some(&7_i32.to_be_bytes()), Some(&(-2_i64).to_be_bytes()));
    let (_directory, path) = file(LOG, &builder.build());
    let options = [
        "--key-decoder-class",
        "IntegerDecoder",
        "--value-decoder-class",
        "org.apache.kafka.tools.api.LongDecoder",
    ];
    assert!(dump(&options, &path).out.ends_with("key: 7 payload: -2\n"));
    let error = try_dump(&["--value-decoder-class", "a.B"], &[&path]).err().expect("refused");
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().starts_with("--value-decoder-class: found \"a.B\", expected one of "),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_dumped_without_panic(
        name in prop::sample::select(&["log", "index", "timeindex", "snapshot", "txnindex"][..]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        damage in prop::collection::vec((0_usize..160, any::<u8>()), 0..3),
        is_log in any::<bool>(),
    ) {
        let mut log = batch(0, 2);
        for (at, byte) in damage {
            if let Some(old) = log.get_mut(at) {
                *old = byte;
            }
        }
        let (directory, path) = file(LOG, &log);
        let path = if is_log { path } else { directory.path().join(format!("00000000000000000000.{name}")) };
        if !is_log {
            std::fs::write(&path, &bytes).expect("a file");
            if name == "timeindex" {
                std::fs::write(directory.path().join("00000000000000000000.index"), &bytes).expect("a file");
            }
        }
        for options in [&["--print-data-log"][..], &["--cluster-metadata-decoder"], &["--index-sanity-check"]] {
            prop_assert!(try_dump(options, &[&path]).is_ok());
        }
    }
}
