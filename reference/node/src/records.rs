//! Bytes of records between nodes: checked before a core hears of them, cut where no more may be sent.

use bytes::Bytes;
use highwater_core::batch::{self, BatchError, BatchHeader};
use highwater_core::{Epoch, EpochEnd, Extent, Offset};
use highwater_log::disk::Disk;
use highwater_log::{Log, LogError};

/// Checks what came in answer to a fetch from `offset` of a leader in `epoch`: whole batches with right checksums, consecutive from
/// `offset` on, of epochs that do not fall and are not above the leader's.
pub(crate) fn check(bytes: &[u8], offset: Offset, epoch: Epoch) -> Result<Vec<Extent>, BatchError> {
    let extents = batch::extents(bytes)?;
    if let Some(first) = extents.first()
        && first.base != offset
    {
        return Err(BatchError::Gap { expected: offset, found: first.base });
    }
    match extents.last() {
        Some(last) if last.epoch > epoch => Err(BatchError::EpochRange { found: last.epoch }),
        _ => Ok(extents),
    }
}

/// Cuts extents at `end`: what of them is really sent.
pub(crate) fn cut(extents: &mut Vec<Extent>, end: Offset) {
    extents.retain(|extent| extent.base < end);
    if let Some(last) = extents.last_mut() {
        last.end = last.end.min(end);
    }
}

/// The part of these checked batches from the one that begins at `from` to before the one that begins at `end`; empty if there is none.
pub(crate) fn between(bytes: &Bytes, from: Offset, end: Offset) -> Bytes {
    let (mut start, mut position) = (None, 0);
    while let Ok(header) = BatchHeader::parse(&bytes[position..]) {
        if header.base_offset >= end {
            break;
        }
        if header.base_offset >= from {
            start.get_or_insert(position);
        }
        position += header.size;
    }
    let stop = position.min(bytes.len());
    bytes.slice(start.unwrap_or(stop)..stop)
}

/// The end of the last of these checked batches.
pub(crate) fn end(bytes: &[u8]) -> Option<Offset> {
    let (mut end, mut position) = (None, 0);
    while let Ok(header) = BatchHeader::parse(&bytes[position..]) {
        end = Some(header.end_offset());
        position += header.size;
    }
    end
}

/// How many bytes the largest of these checked batches takes.
pub(crate) fn largest(bytes: &[u8]) -> usize {
    let (mut largest, mut position) = (0, 0);
    while let Ok(header) = BatchHeader::parse(&bytes[position..]) {
        largest = largest.max(header.size);
        position += header.size;
    }
    largest
}

/// Moves the offset at which a leader says that logs diverge back to where a batch of the own log begins: batches are never torn apart, and what
/// is cut too much is fetched again.
pub(crate) fn align<D: Disk>(log: &Log<D>, diverging: &mut Option<EpochEnd>) -> Result<(), LogError> {
    let view = log.view();
    if let Some(diverging) = diverging
        && diverging.end > view.start()
        && diverging.end < view.end()
    {
        let holding = log.read(diverging.end, view.end(), 1)?;
        if let Ok(header) = BatchHeader::parse(&holding) {
            diverging.end = diverging.end.min(header.base_offset).max(view.start());
        }
    }
    Ok(())
}
