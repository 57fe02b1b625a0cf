//! The batches of a file, one in memory at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use highwater_core::batch::{BatchError, BatchHeader, HEADER_SIZE, RecordBatch};

/// A file of batches.
#[derive(Debug)]
pub(crate) struct BatchFile {
    file: File,
    size: u64,
}

/// A batch whose header is sound; its checksum may be wrong.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) position: u64,
    pub(crate) header: BatchHeader,
    pub(crate) bytes: Vec<u8>,
    /// Whether the checksum is that of the bytes.
    pub(crate) is_sound: bool,
}

/// What stands at a position.
#[derive(Debug)]
pub(crate) enum Found {
    Batch(Batch),
    /// Nothing more, or a batch that is cut off.
    End,
    /// Something that is no batch.
    Foreign(BatchError),
}

impl BatchFile {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The batch at `position`, where all before `end` counts as there.
    pub(crate) fn read(&self, position: u64, end: u64) -> io::Result<Found> {
        let end = end.min(self.size);
        let left = end.saturating_sub(position);
        let mut fixed = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(HEADER_SIZE)];
        self.file.read_exact_at(&mut fixed, position)?;
        let header = match BatchHeader::parse(&fixed) {
            Ok(header) if header.size as u64 <= left => header,
            Ok(_) | Err(BatchError::Truncated { .. }) => return Ok(Found::End),
            Err(error) => return Ok(Found::Foreign(error)),
        };
        // Bounded by what is in the file.
        let mut bytes = vec![0; header.size];
        self.file.read_exact_at(&mut bytes, position)?;
        let is_sound = RecordBatch::parse(&bytes).is_ok();
        Ok(Found::Batch(Batch { position, header, bytes, is_sound }))
    }

    /// Goes through the batches from `position` on until `stop` says so; where it stopped.
    pub(crate) fn each(&self, from: u64, mut visit: impl FnMut(&Batch) -> bool) -> io::Result<u64> {
        let mut position = from;
        while let Found::Batch(batch) = self.read(position, self.size)? {
            if visit(&batch) {
                break;
            }
            position += batch.header.size as u64;
        }
        Ok(position)
    }
}
