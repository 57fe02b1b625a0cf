//! Files into an image.

use std::path::{Path, PathBuf};

use highwater_core::batch::{BatchHeader, RecordBatch};
use highwater_core::controller::{Image, MetadataRecord};
use highwater_log::METADATA;
use highwater_log::files::snapshot;

use super::tree::Provenance;
use crate::ToolError;
use crate::dump_log::batches::{Batch, BatchFile, Found};

/// An image, and what there is to say about how it came to be.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) image: Image,
    pub(super) provenance: Option<Provenance>,
    pub(super) warnings: Vec<String>,
    /// Records of kinds that are not known here.
    unknown: usize,
}

/// The image of a snapshot, or of a segment from offset 0 on.
pub(super) fn file(path: &Path) -> Result<Loaded, ToolError> {
    let mut loaded = Loaded::default();
    loaded.add(path, 0)?;
    Ok(loaded.finish())
}

/// The image of a directory's newest snapshot and of the log behind it.
pub(super) fn directory(path: &Path) -> Result<Loaded, ToolError> {
    let below = path.join(METADATA);
    let directory = if below.is_dir() { below } else { path.to_owned() };
    let refuse = |found: &dyn std::fmt::Display| {
        ToolError::Refused(format!(
            "{}: found {found}, expected a data directory, or the directory {METADATA} of one. Name one in --directory.",
            directory.display()
        ))
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(|error| refuse(&error))? {
        let entry = entry.map_err(|error| refuse(&error))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort_unstable();
    let latest = names.iter().rev().find_map(|name| Some((name, snapshot::parse_name(name)?)));
    let segments: Vec<(i64, PathBuf)> = names
        .iter()
        .filter_map(|name| Some((name.strip_suffix(".log")?.parse().ok()?, directory.join(name))))
        .collect();
    if latest.is_none() && segments.is_empty() {
        return Err(refuse(&"neither a snapshot nor a segment of a log"));
    }
    let mut loaded = Loaded::default();
    let from = match latest {
        Some((name, id)) => {
            loaded.add(&directory.join(name), 0)?;
            id.end
        }
        None => 0,
    };
    // A segment ends where the next begins: those that end before the snapshot have nothing to add.
    for (index, (_, path)) in segments.iter().enumerate() {
        if segments.get(index + 1).is_none_or(|(next, _)| *next > from) {
            loaded.add(path, from)?;
        }
    }
    Ok(loaded.finish())
}

impl Loaded {
    /// Applies the records of a file from an offset on.
    fn add(&mut self, path: &Path, from: i64) -> Result<(), ToolError> {
        let refuse =
            |found: &dyn std::fmt::Display| ToolError::Refused(format!("{}: {found}", path.display()));
        let file = BatchFile::open(path).map_err(|error| {
            refuse(&format!("could not read it: {error}. Name a snapshot or a segment of the metadata log."))
        })?;
        let mut position = 0;
        loop {
            match file
                .read(position, file.size())
                .map_err(|error| refuse(&format!("could not read it: {error}")))?
            {
                Found::Batch(batch) => {
                    if batch.header.end_offset() > from {
                        self.apply(&batch, from)
                            .map_err(|error| refuse(&format!("byte {position}: {error}")))?;
                    }
                    position += batch.header.size as u64;
                }
                // What is being written by a broker that runs, or was when it was killed.
                Found::End => break,
                Found::Foreign(error) if position == 0 => {
                    return Err(refuse(&format!(
                        "found no batch ({error}), expected a snapshot or a segment of the metadata log. Name one."
                    )));
                }
                Found::Foreign(error) => {
                    self.warnings.push(format!(
                        "{}: byte {position}: {error}; what follows is not shown",
                        path.display()
                    ));
                    break;
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, batch: &Batch, from: i64) -> Result<(), String> {
        let header = &batch.header;
        if header.is_control() {
            return Ok(());
        }
        if !batch.is_sound {
            return Err("found a batch with a wrong checksum, expected a sound one. Restore the file, or take another node's.".to_owned());
        }
        let bytes =
            highwater_codec::readable(&batch.bytes, header.codec(), true, highwater_codec::DECOMPRESSED_MAX);
        let bytes = bytes.map_err(|error| error.to_string())?;
        let readable = RecordBatch::parse(&bytes).map_err(|error| error.to_string())?;
        for record in readable.records().map_err(|error| error.to_string())? {
            let record = record.map_err(|error| error.to_string())?;
            if record.offset < from {
                continue;
            }
            match MetadataRecord::decode(record.value.unwrap_or_default()) {
                Ok(decoded) => self.image.apply(&decoded).map(drop).map_err(|error| {
                    format!(
                        "offset {}: {error}. A segment that does not begin at offset 0 needs the snapshot before it: use \
                         --directory.",
                        record.offset
                    )
                })?,
                Err(_) => self.unknown += 1,
            }
            self.note(header, record.offset);
        }
        Ok(())
    }

    fn note(&mut self, header: &BatchHeader, offset: i64) {
        let (epoch, time_ms) = (header.leader_epoch, header.max_timestamp);
        self.provenance = Some(Provenance { offset, epoch, time_ms });
    }

    fn finish(mut self) -> Self {
        if self.unknown > 0 {
            self.warnings
                .push(format!("{} records of kinds that are not known here were passed over", self.unknown));
        }
        if self.image.is_in_transaction() {
            self.warnings.push("the log ends within a transaction, which does not show".to_owned());
        }
        self
    }
}
