//! Goes through the batches of a file, front to back.

use std::io;

use highwater_core::batch::{BatchError, BatchHeader, HEADER_SIZE, RecordBatch};

use crate::disk::File;

/// A position in a file of batches, and a part of the file in memory.
///
/// - `position <= end`, and bytes behind `end` are never looked at.
#[derive(Debug)]
pub(crate) struct Scan<'f, F: File> {
    file: &'f F,
    end: u64,
    position: u64,
    buffer: Vec<u8>,
    /// Where in the file the buffer begins.
    buffered_from: u64,
    chunk: usize,
}

/// Why a scan cannot go on.
#[derive(Debug)]
pub(crate) enum ScanError {
    /// The disk gave an error.
    Io(io::Error),
    /// What is there is no sound batch.
    Batch(BatchError),
}

impl<'f, F: File> Scan<'f, F> {
    /// Goes from `position` on to `end`, and reads about `chunk` bytes at a time.
    pub(crate) fn new(file: &'f F, position: u64, end: u64, chunk: usize) -> Self {
        let position = position.min(end);
        Self {
            file,
            end,
            position,
            buffer: Vec::new(),
            buffered_from: position,
            chunk: chunk.max(HEADER_SIZE),
        }
    }

    /// Where it stands.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The header of the batch at the position; `None` at the end. The whole batch is before the end; its checksum was not looked at.
    pub(crate) fn header(&mut self) -> Result<Option<BatchHeader>, ScanError> {
        if self.position >= self.end {
            return Ok(None);
        }
        let left = self.end - self.position;
        let header = BatchHeader::parse(self.bytes(HEADER_SIZE)?).map_err(ScanError::Batch)?;
        if header.size as u64 > left {
            let found = usize::try_from(left).unwrap_or(usize::MAX);
            return Err(ScanError::Batch(BatchError::Truncated { needed: header.size, found }));
        }
        Ok(Some(header))
    }

    /// The batch at the position, checked with its checksum; `None` at the end.
    pub(crate) fn batch(&mut self) -> Result<Option<RecordBatch<'_>>, ScanError> {
        let Some(header) = self.header()? else { return Ok(None) };
        RecordBatch::parse(self.bytes(header.size)?).map(Some).map_err(ScanError::Batch)
    }

    /// Goes behind a batch of this size.
    pub(crate) fn pass(&mut self, size: usize) {
        self.position = self.position.saturating_add(size as u64).min(self.end);
    }

    /// `count` bytes from the position on, less at the end.
    fn bytes(&mut self, count: usize) -> Result<&[u8], ScanError> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let count = count.min(left);
        let behind = usize::try_from(self.position - self.buffered_from).unwrap_or(usize::MAX);
        if behind.saturating_add(count) > self.buffer.len() {
            let wanted = self.chunk.max(count).min(left);
            self.buffer.resize(wanted, 0);
            let read = self.file.read_at(self.position, &mut self.buffer).map_err(ScanError::Io)?;
            self.buffer.truncate(read);
            self.buffered_from = self.position;
            return Ok(&self.buffer[..count.min(read)]);
        }
        Ok(&self.buffer[behind..behind + count])
    }
}
