//! `dump-log`: what is in the files of a log, after Kafka's `DumpLogSegments`.
//!
//! | file | shows |
//! |---|---|
//! | `.log`, `.checkpoint` | batches; with `--deep-iteration` or a decoder, their records |
//! | `.index`, `.timeindex` | entries, each held against the log beside it |
//! | `.snapshot` | idempotent producers |
//! | `.txnindex` | aborted transactions |
//!
//! Lines are Kafka's to the letter (4.3.1), so that scripts that read its output read ours. What does not fit is told at the end, on
//! the stream for errors, also in its words.
//!
//! # Where it differs from Kafka
//! - Kafka says of the first record of every segment but the first that -1 is followed by it. That is a mistake, and not made here.
//! - What cannot be read is told by file, position and cure, and the next file follows; Kafka ends with a stack trace. The exit code is 1
//!   then. As in Kafka, it is 0 where the files can be read and do not fit each other.
//! - Of a batch with a wrong checksum the records are shown as far as they can be read.
//! - Producers are in the order of their ids.
//! - `--value-decoder-class` and `--key-decoder-class` know Kafka's own decoders by name: of strings, integers, longs and doubles. No
//!   Java classes are loaded.
//!
//! # Not implemented
//! Message formats 0 and 1 (Kafka before 0.11). Decoders of transactions, share groups and tiered storage; of offsets, the
//! records of groups that are not classic. Metadata records of
//! access control, quotas, SCRAM and tokens are passed over with an error in their place.

pub(crate) mod batches;
mod control;
mod index;
mod records;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use highwater_core::producer::Snapshot;

use crate::{ExitKind, ToolError};
use records::Decoder;

/// No snapshot of producers is larger.
const SNAPSHOT_SIZE_MAX: u64 = 64 << 20;

/// The arguments of `dump-log`.
#[derive(Debug, Clone, Args)]
pub struct DumpLogArgs {
    /// The data and index files to dump, with commas between
    #[arg(long, value_name = "FILE", value_delimiter = ',', required = true)]
    pub files: Vec<PathBuf>,
    /// Print the records of data files; implied by decoders
    #[arg(long)]
    pub print_data_log: bool,
    /// Look into batches, not only at them; implied by --print-data-log
    #[arg(long)]
    pub deep_iteration: bool,
    /// Read data as records of the metadata log
    #[arg(long)]
    pub cluster_metadata_decoder: bool,
    /// Read data as records of __consumer_offsets
    #[arg(long)]
    pub offsets_decoder: bool,
    /// Check indexes as a broker does when it starts, and print no entries
    #[arg(long)]
    pub index_sanity_check: bool,
    /// Hold indexes against their log, and print no entries
    #[arg(long)]
    pub verify_index_only: bool,
    /// How values are read
    #[arg(long, value_name = "CLASS", num_args = 0..=1, default_missing_value = records::STRING)]
    pub value_decoder_class: Option<String>,
    /// How keys are read
    #[arg(long, value_name = "CLASS", num_args = 0..=1, default_missing_value = records::STRING)]
    pub key_decoder_class: Option<String>,
    /// Stop after so many bytes of each data file
    #[arg(long, value_name = "SIZE", default_value_t = i32::MAX.cast_unsigned())]
    pub max_bytes: u32,
    /// The largest batch that an index is held against
    #[arg(long, value_name = "SIZE", default_value_t = 5 << 20)]
    pub max_message_size: u32,
    /// Print keys and payloads of records only
    #[arg(long)]
    pub skip_record_metadata: bool,
}

/// What a dump is asked for.
#[derive(Debug)]
struct Options {
    print_contents: bool,
    is_deep: bool,
    sanity_only: bool,
    verify_only: bool,
    skip_record_metadata: bool,
    max_bytes: u64,
    key: Decoder,
    value: Decoder,
}

/// Where output goes: what is found, and what is wrong with it. The latter is kept until all files are through.
struct Report<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// Files that could not be read.
    failures: usize,
    mismatches: Vec<(PathBuf, Vec<(i64, i64)>)>,
    times: index::TimeFaults,
    gaps: Vec<(PathBuf, Vec<(i64, i64)>)>,
}

/// Dumps the files to `out`, and tells on `err` what does not fit.
pub fn run(args: &DumpLogArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitKind, ToolError> {
    let options = Options::of(args)?;
    let mut report = Report {
        out,
        err,
        failures: 0,
        mismatches: Vec::new(),
        times: index::TimeFaults::default(),
        gaps: Vec::new(),
    };
    for path in &args.files {
        writeln!(report.out, "Dumping {}", path.display())?;
        dump(path, &options, &mut report)?;
    }
    report.end()?;
    Ok(if report.failures == 0 { ExitKind::Success } else { ExitKind::Problems })
}

fn dump(path: &Path, options: &Options, report: &mut Report<'_>) -> Result<(), ToolError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("log" | "checkpoint") => records::dump(path, options, report),
        Some("index") => index::dump_offsets(path, options, report),
        Some("timeindex") => index::dump_times(path, options, report),
        Some("snapshot") => dump_producers(path, report),
        Some("txnindex") => index::dump_transactions(path, report),
        _ => Ok(writeln!(report.err, "Ignoring unknown file {}", path.display())?),
    }
}

fn dump_producers(path: &Path, report: &mut Report<'_>) -> Result<(), ToolError> {
    let Some(bytes) = report.read(path, SNAPSHOT_SIZE_MAX)? else { return Ok(()) };
    let snapshot = match Snapshot::decode(&bytes) {
        Ok(snapshot) => snapshot,
        Err(error) => return report.fail(path, &error),
    };
    for (id, producer) in snapshot.iter() {
        let transaction = producer.transaction_start();
        let transaction =
            transaction.map_or("OptionalLong.empty".to_owned(), |offset| format!("OptionalLong[{offset}]"));
        write!(
            report.out,
            "producerId: {id} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {transaction} lastTimestamp: {} ",
            producer.epoch(),
            producer.coordinator_epoch(),
            producer.last_timestamp()
        )?;
        if let Some(batch) = producer.newest() {
            write!(
                report.out,
                "firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                batch.base_sequence(),
                batch.last_sequence,
                batch.last_offset,
                batch.offset_delta,
                batch.timestamp
            )?;
        }
        writeln!(report.out)?;
    }
    Ok(())
}

/// The offset that a file's name begins with.
fn base_offset(path: &Path) -> Option<i64> {
    let name = path.file_name()?.to_str()?;
    name.split('.').next()?.parse().ok()
}

/// The file beside `path` of the same segment.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.with_file_name(format!("{}{suffix}", name.split('.').next().unwrap_or_default()))
}

impl Options {
    fn of(args: &DumpLogArgs) -> Result<Self, ToolError> {
        let named = |class: &Option<String>, flag: &str| match class.as_deref() {
            None => Ok(Decoder::Text),
            Some(name) => Decoder::named(name).ok_or_else(|| {
                ToolError::Usage(format!(
                    "--{flag}: found {name:?}, expected one of {}. No Java classes are loaded here.",
                    records::DECODERS.join(", ")
                ))
            }),
        };
        let mut value = named(&args.value_decoder_class, "value-decoder-class")?;
        let key = named(&args.key_decoder_class, "key-decoder-class")?;
        if args.cluster_metadata_decoder {
            value = Decoder::Metadata;
        }
        if args.offsets_decoder {
            value = Decoder::Offsets;
        }
        let print_contents = args.print_data_log
            || args.cluster_metadata_decoder
            || args.offsets_decoder
            || args.value_decoder_class.is_some()
            || args.key_decoder_class.is_some();
        Ok(Self {
            print_contents,
            is_deep: args.deep_iteration || print_contents,
            sanity_only: args.index_sanity_check,
            verify_only: args.verify_index_only,
            skip_record_metadata: args.skip_record_metadata,
            max_bytes: if args.max_bytes >= i32::MAX.cast_unsigned() {
                u64::MAX
            } else {
                args.max_bytes.into()
            },
            key,
            value,
        })
    }
}

impl Report<'_> {
    /// Tells that a file cannot be read, or not on.
    fn fail(&mut self, path: &Path, error: &dyn std::fmt::Display) -> Result<(), ToolError> {
        self.failures += 1;
        Ok(writeln!(self.err, "{}: {error}", path.display())?)
    }

    /// The whole of a file; nothing if it cannot be read, which is told.
    fn read(&mut self, path: &Path, size_max: u64) -> Result<Option<Vec<u8>>, ToolError> {
        let size = match std::fs::metadata(path) {
            Ok(metadata) => metadata.len(),
            Err(error) => return self.fail(path, &error).map(|()| None),
        };
        if size > size_max {
            let told =
                format!("found {size} bytes, expected at most {size_max}. Is it the file that was meant?");
            return self.fail(path, &told).map(|()| None);
        }
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => self.fail(path, &error).map(|()| None),
        }
    }

    /// What Kafka tells at the end.
    fn end(&mut self) -> Result<(), ToolError> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        for (path, mismatches) in &self.mismatches {
            writeln!(self.err, "Mismatches in :{}", absolute(path).display())?;
            for (index, log) in mismatches {
                writeln!(self.err, "  Index offset: {index}, log offset: {log}")?;
            }
        }
        self.times.tell(self.err)?;
        for (path, gaps) in &self.gaps {
            writeln!(self.err, "Non-consecutive offsets in {}", absolute(path).display())?;
            for (first, second) in gaps {
                writeln!(self.err, "  {first} is followed by {second}")?;
            }
        }
        Ok(())
    }
}
