//! Goes over the batches of a log again, for who keeps a sum of them.

use highwater_core::Offset;
use highwater_core::batch::BatchHeader;

use super::Log;
use crate::LogError;
use crate::disk::Disk;
use crate::scan::Scan;

/// How much is read at a time. Payloads are passed over, so a large batch costs a small read.
const REPLAY_CHUNK: usize = 1 << 14;

impl<D: Disk> Log<D> {
    /// Goes over all batches from the one that holds `from` on, in order. `take` gets the header, and of a control batch (which is
    /// checked) the payload too.
    pub fn replay(&self, from: Offset, mut take: impl FnMut(&BatchHeader, &[u8])) -> Result<(), LogError> {
        self.sound()?;
        let after = self.segments.partition_point(|segment| segment.base() <= from);
        for segment in &self.segments[after.saturating_sub(1)..] {
            let Some((position, _)) = segment.locate(from)? else { continue };
            let mut scan = Scan::new(&segment.log.file, position, segment.size, REPLAY_CHUNK);
            loop {
                let at = scan.position();
                let fault = |error| segment.log.fault(error, at);
                let Some(header) = scan.header().map_err(fault)? else { break };
                if !header.is_control() {
                    take(&header, &[]);
                } else if let Some(batch) = scan.batch().map_err(fault)? {
                    take(&header, batch.payload());
                }
                scan.pass(header.size);
            }
        }
        Ok(())
    }

    /// Where its active segment begins.
    pub fn active_base(&self) -> Offset {
        self.active().base()
    }

    /// The disk that it is on.
    pub(crate) fn disk(&self) -> &D {
        &self.disk
    }
}
