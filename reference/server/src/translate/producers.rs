//! `AllocateProducerIds` (KIP-730).

use highwater_core::NodeId;
use highwater_core::controller::{ControllerError, ControllerRequest, ControllerResponse};
use highwater_wire::messages::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};

use super::outcome;

/// The request for a block.
pub fn allocate_producer_ids(broker: NodeId, broker_epoch: i64) -> AllocateProducerIdsRequest {
    AllocateProducerIdsRequest { broker_id: broker.0, broker_epoch }
}

/// What a request asks for.
pub fn block_for(request: &AllocateProducerIdsRequest) -> ControllerRequest {
    let (broker, broker_epoch) = (NodeId(request.broker_id), request.broker_epoch);
    ControllerRequest::AllocateProducerIds { broker, broker_epoch }
}

/// What was answered.
pub fn producer_ids_allocated(response: &AllocateProducerIdsResponse) -> ControllerResponse {
    let block = outcome(response.error_code, None);
    ControllerResponse::AllocateProducerIds(
        block.map(|()| (response.producer_id_start, response.producer_id_len)),
    )
}

/// The answer.
pub fn allocated(result: Result<(i64, i32), ControllerError>) -> AllocateProducerIdsResponse {
    match result {
        Ok((producer_id_start, producer_id_len)) => {
            AllocateProducerIdsResponse { producer_id_start, producer_id_len, ..Default::default() }
        }
        Err(error) => AllocateProducerIdsResponse { error_code: error.code, ..Default::default() },
    }
}
