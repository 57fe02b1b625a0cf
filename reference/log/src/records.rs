//! Bytes of records that go from log to log: checked before a core hears of them, cut where no more may be sent.

use bytes::Bytes;
use highwater_core::batch::{self, BatchError, BatchHeader};
use highwater_core::{Epoch, EpochEnd, Extent, Offset};

use crate::disk::Disk;
use crate::{Log, LogError};

/// Checks what came in answer to a fetch from `offset` of a leader in `epoch`: as [`check`], and of no epoch above the leader's.
///
/// # Errors
/// What is wrong with the first batch that is.
pub fn check_of_epoch(bytes: &[u8], offset: Offset, epoch: Epoch) -> Result<Vec<Extent>, BatchError> {
    let extents = check(bytes, offset)?;
    match extents.last() {
        Some(last) if last.epoch > epoch => Err(BatchError::EpochRange { found: last.epoch }),
        _ => Ok(extents),
    }
}

/// Checks what came in answer to a fetch from `offset`: whole batches with right checksums, consecutive from `offset` on, of epochs that
/// do not fall. Up to which epoch the quorum takes them is its core's to say.
///
/// # Errors
/// What is wrong with the first batch that is.
pub fn check(bytes: &[u8], offset: Offset) -> Result<Vec<Extent>, BatchError> {
    let extents = batch::extents(bytes)?;
    if let Some(first) = extents.first()
        && first.base != offset
    {
        return Err(BatchError::Gap { expected: offset, found: first.base });
    }
    Ok(extents)
}

/// Cuts extents at `end`: what of them is really sent.
pub fn cut(extents: &mut Vec<Extent>, end: Offset) {
    extents.retain(|extent| extent.base < end);
    if let Some(last) = extents.last_mut() {
        last.end = last.end.min(end);
    }
}

/// The part of these checked batches from the one that begins at `from` to before the one that begins at `end`; empty if there is none.
pub fn between(bytes: &Bytes, from: Offset, end: Offset) -> Bytes {
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
pub fn end(bytes: &[u8]) -> Option<Offset> {
    let (mut end, mut position) = (None, 0);
    while let Ok(header) = BatchHeader::parse(&bytes[position..]) {
        end = Some(header.end_offset());
        position += header.size;
    }
    end
}

/// Moves the offset at which a leader says that logs diverge back to where a batch of the own log begins: batches are never torn apart, and what
/// is cut too much is fetched again.
pub fn align<D: Disk>(log: &Log<D>, diverging: &mut Option<EpochEnd>) -> Result<(), LogError> {
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

/// Cuts a log where its core believes that it ends now.
///
/// Fails where a batch stands across that offset: [`align`] keeps cores from asking for it, and a core that believes in records that are
/// not there must not go on.
pub fn truncate<D: Disk>(log: &mut Log<D>, end: Offset) -> Result<(), LogError> {
    let cut = log.truncate(end)?;
    if cut == end { Ok(()) } else { Err(LogError::NoBoundary { wanted: end, end: cut }) }
}

#[cfg(test)]
mod tests {
    use crate::disk::SimulatedDisk;
    use crate::{LogConfig, Recorded};
    use highwater_core::batch::BatchBuilder;

    use super::*;

    /// Batches of these numbers of records, from offset 10 on, in epoch 1.
    fn batches(counts: &[u32]) -> Bytes {
        let (mut bytes, mut base) = (Vec::new(), 10);
        for &count in counts {
            let mut batch = BatchBuilder::new(base, 1);
            for _ in 0..count {
                batch.record(0, None, Some(b"x"));
            }
            bytes.extend(batch.build());
            base += Offset::from(count);
        }
        bytes.into()
    }

    fn bases(bytes: &Bytes) -> Vec<Offset> {
        batch::batches(bytes).map(|batch| batch.expect("a sound batch").header().base_offset).collect()
    }

    #[test]
    fn records_from_the_offset_asked_for_are_accepted() {
        let extents = check(&batches(&[2, 3]), 10);
        assert_eq!(extents, Ok(vec![Extent { epoch: 1, base: 10, end: 15 }]));
    }

    #[test]
    fn no_records_are_accepted() {
        assert_eq!(check(&[], 10), Ok(Vec::new()));
    }

    #[test]
    fn records_of_an_epoch_above_the_leaders_are_refused() {
        assert_eq!(check_of_epoch(&batches(&[2]), 10, 0), Err(BatchError::EpochRange { found: 1 }));
        assert_eq!(check_of_epoch(&batches(&[2]), 10, 1).map(|extents| extents.len()), Ok(1));
    }

    #[test]
    fn records_from_another_offset_are_refused() {
        assert_eq!(check(&batches(&[2]), 11), Err(BatchError::Gap { expected: 11, found: 10 }));
    }

    #[test]
    fn batches_between_two_offsets_begin_and_end_there() {
        let bytes = batches(&[2, 3, 1]);
        assert_eq!(bases(&between(&bytes, 12, 15)), [12]);
        assert_eq!(bases(&between(&bytes, Offset::MIN, 15)), [10, 12]);
        assert_eq!(bases(&between(&bytes, 12, 100)), [12, 15]);
    }

    #[test]
    fn batches_between_two_offsets_are_none_where_nothing_is() {
        assert!(between(&batches(&[2]), 12, 15).is_empty());
        assert!(between(&Bytes::new(), 0, 15).is_empty());
    }

    #[test]
    fn extents_are_cut_at_what_is_sent() {
        let mut extents =
            vec![Extent { epoch: 1, base: 10, end: 12 }, Extent { epoch: 2, base: 12, end: 15 }];
        cut(&mut extents, 13);
        assert_eq!(extents.last(), Some(&Extent { epoch: 2, base: 12, end: 13 }));
        cut(&mut extents, 12);
        assert_eq!(extents, [Extent { epoch: 1, base: 10, end: 12 }]);
    }

    #[test]
    fn truncation_in_the_midst_of_a_batch_is_fatal() {
        let recorded = Recorded { start: 10, ..Recorded::default() };
        let opened = Log::open(&SimulatedDisk::new(1), "log-0", LogConfig::default(), recorded);
        let (mut log, _) = opened.expect("a blank disk");
        log.append(&batches(&[2, 3, 1])).expect("room");
        assert!(truncate(&mut log, 15).is_ok());
        let why = truncate(&mut log, 14).expect_err("a batch from 12 to 15").to_string();
        assert!(why.contains("to 14") && why.contains("ends at 12"), "{why}");
    }

    #[test]
    fn divergence_in_the_midst_of_a_batch_is_moved_to_its_front() {
        let recorded = Recorded { start: 10, ..Recorded::default() };
        let opened = Log::open(&SimulatedDisk::new(1), "log-0", LogConfig::default(), recorded);
        let (mut log, _) = opened.expect("a blank disk");
        log.append(&batches(&[2, 3])).expect("room");
        let aligned = |end| {
            let mut diverging = Some(EpochEnd { epoch: 1, end });
            align(&log, &mut diverging).expect("a sound log");
            diverging.map(|diverging| diverging.end)
        };
        assert_eq!(aligned(13), Some(12));
        assert_eq!(aligned(12), Some(12));
        assert_eq!(aligned(11), Some(10));
        // What is not in the log is left to the core.
        assert_eq!((aligned(15), aligned(99), aligned(-1)), (Some(15), Some(99), Some(-1)));
    }
}
