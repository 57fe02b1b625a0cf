//! Indexes, each held against its log.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::batches::{BatchFile, Found};
use super::{Options, Report, base_offset, beside};
use crate::ToolError;
use highwater_core::batch::RecordBatch;

/// No index is larger.
const INDEX_SIZE_MAX: u64 = 1 << 31;

const OFFSET_ENTRY: usize = 8;
const TIME_ENTRY: usize = 12;
const TRANSACTION_ENTRY: usize = 34;

const REBUILD: &str = "Remove it while the broker is stopped: it is made anew from the log";

/// What does not fit in indexes of times.
#[derive(Debug, Default)]
pub(super) struct TimeFaults {
    mismatches: Vec<(PathBuf, Vec<(i64, i64)>)>,
    disorder: Vec<(PathBuf, Vec<(i64, i64)>)>,
    missing: Vec<(i64, i64)>,
}

impl TimeFaults {
    pub(super) fn tell(&self, err: &mut dyn Write) -> Result<(), ToolError> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        for (path, faults) in &self.mismatches {
            writeln!(err, "Found timestamp mismatch in :{}", absolute(path).display())?;
            for (index, log) in faults {
                writeln!(err, "  Index timestamp: {index}, log timestamp: {log}")?;
            }
        }
        for (path, faults) in &self.disorder {
            writeln!(err, "Found out of order timestamp in :{}", absolute(path).display())?;
            for (index, before) in faults {
                writeln!(err, "  Index timestamp: {index}, Previously indexed timestamp: {before}")?;
            }
        }
        if !self.missing.is_empty() {
            writeln!(err, "The following indexed offsets are not found in the log.")?;
            for (index, log) in &self.missing {
                writeln!(err, "Indexed offset: {index}, found log offset: {log}")?;
            }
        }
        Ok(())
    }
}

/// An offset, and the position of its batch.
fn offset_entries(bytes: &[u8], base: i64) -> Vec<(i64, u64)> {
    let entry = |chunk: &[u8; OFFSET_ENTRY]| {
        let [a, b, c, d, e, f, g, h] = *chunk;
        (base + i64::from(i32::from_be_bytes([a, b, c, d])), u64::from(u32::from_be_bytes([e, f, g, h])))
    };
    bytes.as_chunks::<OFFSET_ENTRY>().0.iter().map(entry).collect()
}

/// A timestamp, and the offset of its record's batch.
fn time_entries(bytes: &[u8], base: i64) -> Vec<(i64, i64)> {
    let entry = |chunk: &[u8; TIME_ENTRY]| {
        let [timestamp @ .., a, b, c, d] = *chunk;
        (i64::from_be_bytes(timestamp), base + i64::from(i32::from_be_bytes([a, b, c, d])))
    };
    bytes.as_chunks::<TIME_ENTRY>().0.iter().map(entry).collect()
}

/// Notes a pair among those of a file.
pub(super) fn note(list: &mut Vec<(PathBuf, Vec<(i64, i64)>)>, path: &Path, pair: (i64, i64)) {
    match list.iter_mut().find(|(of, _)| of == path) {
        Some((_, pairs)) => pairs.push(pair),
        None => list.push((path.to_owned(), vec![pair])),
    }
}

pub(super) fn dump_offsets(path: &Path, options: &Options, report: &mut Report<'_>) -> Result<(), ToolError> {
    let Some(base) = base_offset(path) else { return unnamed(path, report) };
    let Some(bytes) = report.read(path, INDEX_SIZE_MAX)? else { return Ok(()) };
    let entries = offset_entries(&bytes, base);
    let Some(&(last, _)) = entries.last() else {
        return Ok(writeln!(report.out, "{} is empty.", path.display())?);
    };
    if options.sanity_only {
        return tell_sanity(path, bytes.len() % OFFSET_ENTRY, last, base, None, report);
    }
    let log_path = beside(path, ".log");
    let log = match BatchFile::open(&log_path) {
        Ok(log) => log,
        Err(error) => return report.fail(&log_path, &error),
    };
    for (index, (offset, position)) in entries.into_iter().enumerate() {
        // A broker that was killed leaves zeros behind the last entry.
        if offset == base && index > 0 {
            break;
        }
        match log.read(position, log.size()) {
            Ok(Found::Batch(batch)) => {
                let found = batch.header.last_offset();
                if found != offset {
                    note(&mut report.mismatches, path, (offset, found));
                }
            }
            Ok(Found::End | Found::Foreign(_)) => {
                let told = format!(
                    "entry {index}: found position {position} for offset {offset}, where {} has no batch, expected the \
                     position of one. {REBUILD}.",
                    log_path.display()
                );
                return report.fail(path, &told);
            }
            Err(error) => return report.fail(&log_path, &error),
        }
        if !options.verify_only {
            writeln!(report.out, "offset: {offset} position: {position}")?;
        }
    }
    Ok(())
}

pub(super) fn dump_times(path: &Path, options: &Options, report: &mut Report<'_>) -> Result<(), ToolError> {
    let Some(base) = base_offset(path) else { return unnamed(path, report) };
    let Some(bytes) = report.read(path, INDEX_SIZE_MAX)? else { return Ok(()) };
    let entries = time_entries(&bytes, base);
    if options.sanity_only {
        let last = entries.last().map_or(base, |(_, offset)| *offset);
        let times = entries.first().zip(entries.last()).map(|((first, _), (last, _))| (*first, *last));
        return tell_sanity(path, bytes.len() % TIME_ENTRY, last, base, times, report);
    }
    let (log_path, index_path) = (beside(path, ".log"), beside(path, ".index"));
    let log = match BatchFile::open(&log_path) {
        Ok(log) => log,
        Err(error) => return report.fail(&log_path, &error),
    };
    let Some(offsets) = report.read(&index_path, INDEX_SIZE_MAX)? else { return Ok(()) };
    let offsets = offset_entries(&offsets, base);
    let mut before = -1;
    for (index, (timestamp, offset)) in entries.into_iter().enumerate() {
        if offset == base && index > 0 {
            break;
        }
        match latest_of(&log, &offsets, offset) {
            Ok(Some((found, latest))) if found == offset => {
                if latest != timestamp {
                    note(&mut report.times.mismatches, path, (timestamp, latest));
                }
                if before >= timestamp {
                    note(&mut report.times.disorder, path, (timestamp, before));
                }
            }
            Ok(found) => report.times.missing.push((offset, found.map_or(-1, |(found, _)| found))),
            Err(told) => return report.fail(&log_path, &told),
        }
        if !options.verify_only {
            writeln!(report.out, "timestamp: {timestamp} offset: {offset}")?;
        }
        before = timestamp;
    }
    Ok(())
}

/// The first batch that ends at `offset` or behind it: its last offset and its latest timestamp.
fn latest_of(log: &BatchFile, offsets: &[(i64, u64)], offset: i64) -> Result<Option<(i64, i64)>, String> {
    let near = offsets.iter().rev().find(|(indexed, _)| *indexed <= offset);
    let mut found = None;
    log.each(near.map_or(0, |(_, position)| *position), |batch| {
        if batch.header.last_offset() < offset {
            return false;
        }
        let readable = highwater_codec::readable(
            &batch.bytes,
            batch.header.codec(),
            batch.is_sound,
            highwater_codec::DECOMPRESSED_MAX,
        );
        let latest = readable.map_err(|error| error.to_string()).and_then(|bytes| {
            let batch = RecordBatch::parse(&bytes).map_err(|error| error.to_string())?;
            let records = batch.records().map_err(|error| error.to_string())?;
            records.map(|record| record.map(|record| record.timestamp)).try_fold(-1, |latest, timestamp| {
                timestamp.map(|timestamp| timestamp.max(latest)).map_err(|error| error.to_string())
            })
        });
        found = Some((batch.header.last_offset(), latest));
        true
    })
    .map_err(|error| error.to_string())?;
    found.map(|(last, latest)| latest.map(|latest| (last, latest))).transpose()
}

/// What a broker checks of an index when it starts.
fn tell_sanity(
    path: &Path,
    rest: usize,
    last: i64,
    base: i64,
    times: Option<(i64, i64)>,
    report: &mut Report<'_>,
) -> Result<(), ToolError> {
    let found = if rest != 0 {
        format!("{rest} bytes behind the last entry, expected whole entries")
    } else if last < base {
        format!("the offset {last} in the last entry, expected {base} or more, where the segment begins")
    } else if let Some((first, latest)) = times.filter(|(first, latest)| latest < first) {
        format!("the timestamp {latest} in the last entry, expected {first} or more, which the first has")
    } else {
        return Ok(writeln!(report.out, "{} passed sanity check.", path.display())?);
    };
    report.fail(path, &format!("found {found}. {REBUILD}."))
}

pub(super) fn dump_transactions(path: &Path, report: &mut Report<'_>) -> Result<(), ToolError> {
    let Some(bytes) = report.read(path, INDEX_SIZE_MAX)? else { return Ok(()) };
    let (entries, rest) = bytes.as_chunks::<TRANSACTION_ENTRY>();
    for entry in entries {
        let (version, numbers) = entry.split_at(2);
        let version = version.iter().fold(0, |sum, byte| sum << 8 | i16::from(*byte));
        let numbers: Vec<i64> =
            numbers.as_chunks::<8>().0.iter().map(|chunk| i64::from_be_bytes(*chunk)).collect();
        if let &[producer, first, last, stable] = &numbers[..] {
            writeln!(
                report.out,
                "version: {version} producerId: {producer} firstOffset: {first} lastOffset: {last} lastStableOffset: {stable}"
            )?;
        }
    }
    if !rest.is_empty() {
        return report.fail(
            path,
            &format!("found {} bytes behind the last entry, expected whole entries.", rest.len()),
        );
    }
    Ok(())
}

fn unnamed(path: &Path, report: &mut Report<'_>) -> Result<(), ToolError> {
    report.fail(
        path,
        &"found a name that begins with no offset, expected for example 00000000000000000000.index.",
    )
}
