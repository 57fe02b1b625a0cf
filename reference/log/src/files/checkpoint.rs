//! The text format of Kafka's checkpoint files: a version, a count, and a line for each entry.

use std::fmt::Write as _;

/// The only version there is.
const VERSION: &str = "0";

/// The lines of the entries, checked against their count; or what was found instead.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<&str>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "bytes that are no UTF-8".to_owned())?;
    // A file that was made and never written: Kafka reads it as one without entries.
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = text.lines();
    let version = lines.next().unwrap_or_default();
    if version != VERSION {
        return Err(format!("version {version:?}"));
    }
    let count_line = lines.next().unwrap_or_default();
    let count: usize = count_line.parse().map_err(|_| format!("{count_line:?} as count of entries"))?;
    let entries: Vec<&str> = lines.collect();
    if entries.len() == count {
        Ok(entries)
    } else {
        Err(format!("{} entries where the count says {count}", entries.len()))
    }
}

/// The file with these entries.
pub(super) fn format(entries: impl ExactSizeIterator<Item = String>) -> Vec<u8> {
    let mut text = format!("{VERSION}\n{}\n", entries.len());
    for entry in entries {
        let _ = writeln!(text, "{entry}");
    }
    text.into_bytes()
}

/// What the format is, for who finds something else.
pub(super) const EXPECTED: &str = "a checkpoint: version 0, the count of entries, and a line for each";

/// No checkpoint is larger.
pub(super) const SIZE_MAX: u64 = 64 << 20;
