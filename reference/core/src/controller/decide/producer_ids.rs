//! Blocks of producer ids (KIP-730).

use super::Decision;
use crate::NodeId;
use crate::controller::message::ControllerError;
use crate::controller::record::ProducerIdsRecord;

/// How many ids a block has.
const BLOCK: i32 = 1000;

impl Decision<'_> {
    /// Gives a block to a broker: its first id, and their number.
    pub(in crate::controller) fn allocate_producer_ids(
        &mut self,
        broker: NodeId,
        broker_epoch: i64,
    ) -> Result<(i64, i32), ControllerError> {
        self.check_broker_epoch(broker, broker_epoch)?;
        let first = self.image.next_producer_id();
        let Some(next) = first.checked_add(BLOCK.into()) else {
            return Err(ControllerError::new(
                ControllerError::UNKNOWN_SERVER_ERROR,
                "all producer ids are given away",
            ));
        };
        self.record(ProducerIdsRecord { broker, broker_epoch, next });
        Ok((first, BLOCK))
    }
}
