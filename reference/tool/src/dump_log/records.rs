//! Batches and records, a line each.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

use highwater_core::batch::{Record, RecordBatch, TimestampType};
use highwater_core::producer::sequence_after;
use highwater_log::files::snapshot;

use super::batches::{Batch, BatchFile, Found};
use super::{Options, Report, base_offset, control, index};
use crate::{ToolError, json, offsets};

/// The decoder that Kafka takes where none is named.
pub(super) const STRING: &str = "org.apache.kafka.tools.api.StringDecoder";

/// The decoders that are known.
pub(super) const DECODERS: [&str; 4] = [
    STRING,
    "org.apache.kafka.tools.api.IntegerDecoder",
    "org.apache.kafka.tools.api.LongDecoder",
    "org.apache.kafka.tools.api.DoubleDecoder",
];

/// Set where the base timestamp is the time at which a tombstone may go.
const DELETE_HORIZON: i16 = 0x40;

/// How keys or values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decoder {
    Text,
    Integer,
    Long,
    Double,
    /// Records of the metadata log; keys are not looked at.
    Metadata,
    /// Records of `__consumer_offsets`, key and value together.
    Offsets,
}

impl Decoder {
    /// The decoder of this class of Kafka's, with or without its package.
    pub(super) fn named(class: &str) -> Option<Self> {
        let index =
            DECODERS.iter().position(|known| *known == class || known.rsplit('.').next() == Some(class))?;
        [Self::Text, Self::Integer, Self::Long, Self::Double].get(index).copied()
    }

    fn show(self, bytes: &[u8], offset: i64) -> Cow<'_, str> {
        let shown = match self {
            // Those of offsets are shown by `write_offsets`.
            Self::Text | Self::Offsets => return String::from_utf8_lossy(bytes),
            Self::Metadata => json::metadata_record(bytes).map_err(|error| error.to_string()),
            Self::Integer => number::<4>(bytes).map(|bytes| i32::from_be_bytes(bytes).to_string()),
            Self::Long => number::<8>(bytes).map(|bytes| i64::from_be_bytes(bytes).to_string()),
            Self::Double => number::<8>(bytes).map(|bytes| format!("{:?}", f64::from_be_bytes(bytes))),
        };
        Cow::Owned(shown.unwrap_or_else(|error| format!("Error at {offset}, skipping. {error}")))
    }
}

fn number<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    bytes.first_chunk().copied().ok_or_else(|| format!("found {} bytes, expected {N}", bytes.len()))
}

pub(super) fn dump(path: &Path, options: &Options, report: &mut Report<'_>) -> Result<(), ToolError> {
    let file = match BatchFile::open(path) {
        Ok(file) => file,
        Err(error) => return report.fail(path, &error),
    };
    if !introduce(path, report)? {
        return Ok(());
    }
    let end = file.size().min(options.max_bytes);
    let (mut position, mut last_offset) = (0, None);
    let foreign = loop {
        match file.read(position, end) {
            Ok(Found::Batch(batch)) => {
                write_batch(&batch, report.out)?;
                if options.is_deep {
                    write_records(path, &batch, options, &mut last_offset, report)?;
                }
                position += batch.header.size as u64;
            }
            Ok(Found::End) => break None,
            Ok(Found::Foreign(error)) => break Some(error),
            Err(error) => return report.fail(path, &error),
        }
    };
    let trailing = file.size() - position;
    if trailing > 0 && options.max_bytes == u64::MAX {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(report.out, "Found {trailing} invalid bytes at the end of {name}")?;
    }
    match foreign {
        // What a process that was killed leaves of a file that was made longer in advance.
        Some(error) if options.max_bytes == u64::MAX => {
            report.fail(path, &format!("byte {position}: {error}; what follows was not read."))
        }
        _ => Ok(()),
    }
}

/// What the name of the file says of it; whether it is one of a log.
fn introduce(path: &Path, report: &mut Report<'_>) -> Result<bool, ToolError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if let Some(stem) = name.strip_suffix(".checkpoint") {
        if stem == "bootstrap" {
            writeln!(report.out, "KRaft bootstrap snapshot")?;
            return Ok(true);
        }
        if let Some(id) = snapshot::parse_name(name) {
            writeln!(report.out, "Snapshot end offset: {}, epoch: {}", id.end, id.epoch)?;
            return Ok(true);
        }
        let expected = "00000000000000000100-0000000001.checkpoint";
        return report
            .fail(path, &format!("found a name that is no snapshot's, expected for example {expected}."))
            .map(|()| false);
    }
    match base_offset(path) {
        Some(base) => writeln!(report.out, "Log starting offset: {base}")?,
        None => {
            let told =
                "found a name that begins with no offset, expected for example 00000000000000000000.log.";
            report.fail(path, &told)?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn time_name(kind: TimestampType) -> &'static str {
    match kind {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn write_batch(batch: &Batch, out: &mut dyn Write) -> Result<(), ToolError> {
    let header = &batch.header;
    let last_sequence = match header.base_sequence {
        -1 => -1,
        base => sequence_after(base, header.last_offset_delta),
    };
    let horizon = match header.attributes & DELETE_HORIZON {
        0 => "OptionalLong.empty".to_owned(),
        _ => format!("OptionalLong[{}]", header.base_timestamp),
    };
    writeln!(
        out,
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {last_sequence} producerId: {} \
         producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {horizon} position: {} \
         {}: {} size: {} magic: 2 compresscodec: {} crc: {} isvalid: {}",
        header.base_offset,
        header.last_offset(),
        header.count,
        header.base_sequence,
        header.producer_id,
        header.producer_epoch,
        header.leader_epoch,
        header.is_transactional(),
        header.is_control(),
        batch.position,
        time_name(header.timestamp_type()),
        header.max_timestamp,
        header.size,
        highwater_codec::name(header.codec()),
        header.checksum,
        batch.is_sound,
    )?;
    Ok(())
}

fn write_records(
    path: &Path,
    batch: &Batch,
    options: &Options,
    last_offset: &mut Option<i64>,
    report: &mut Report<'_>,
) -> Result<(), ToolError> {
    let at = batch.position;
    let bytes = match highwater_codec::readable(
        &batch.bytes,
        batch.header.codec(),
        batch.is_sound,
        highwater_codec::DECOMPRESSED_MAX,
    ) {
        Ok(bytes) => bytes,
        Err(error) => return report.fail(path, &format!("batch at byte {at}: {error}")),
    };
    let records = RecordBatch::parse(&bytes).and_then(|batch| batch.records());
    let records = match records {
        Ok(records) => records,
        Err(error) => return report.fail(path, &format!("batch at byte {at}: {error}")),
    };
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(error) => return report.fail(path, &format!("batch at byte {at}: {error}")),
        };
        if let Some(last) = last_offset.replace(record.offset)
            && record.offset != last + 1
        {
            index::note(&mut report.gaps, path, (last, record.offset));
        }
        write_record(batch, &record, options, report.out)?;
    }
    Ok(())
}

fn write_record(
    batch: &Batch,
    record: &Record<'_>,
    options: &Options,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let header = &batch.header;
    let is_control = header.is_control();
    let shows_contents = options.print_contents && !is_control;
    let mut prefix = "| ";
    if !options.skip_record_metadata {
        let size =
            |field: Option<&[u8]>| field.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX));
        let delta = i32::try_from(record.offset - header.base_offset).unwrap_or_default();
        let sequence =
            if header.base_sequence < 0 { -1 } else { sequence_after(header.base_sequence, delta) };
        let keys: Vec<&str> = record.headers.iter().map(|header| header.key).collect();
        write!(
            out,
            "| offset: {} {}: {} keySize: {} valueSize: {} sequence: {sequence} headerKeys: [{}]",
            record.offset,
            time_name(header.timestamp_type()),
            record.timestamp,
            size(record.key),
            size(record.value),
            keys.join(",")
        )?;
        prefix = " ";
        if is_control {
            write!(out, " {}", control::show(record))?;
        }
    }
    if shows_contents && options.value == Decoder::Offsets {
        write_offsets(record, prefix, out)?;
    } else if shows_contents {
        if let (Some(key), true) = (record.key, options.value != Decoder::Metadata) {
            write!(out, "{prefix}key: {}", options.key.show(key, record.offset))?;
            prefix = " ";
        }
        match record.value {
            Some(value) => {
                write!(out, "{prefix}payload: {}", options.value.show(value, record.offset))?;
            }
            None if options.value == Decoder::Metadata => {
                write!(
                    out,
                    "{prefix}payload: Error at {}, skipping. the record has no value",
                    record.offset
                )?;
            }
            None => {}
        }
    }
    Ok(writeln!(out)?)
}

/// A record of `__consumer_offsets`. What of it cannot be read stands in the key's place, as in Kafka.
fn write_offsets(record: &Record<'_>, prefix: &str, out: &mut dyn Write) -> Result<(), ToolError> {
    match offsets::record(record.key, record.value) {
        Ok((key, payload)) => write!(out, "{prefix}key: {key} payload: {payload}")?,
        Err(error) => write!(out, "{prefix}key: Error at offset {}, skipping. {error}", record.offset)?,
    }
    Ok(())
}
