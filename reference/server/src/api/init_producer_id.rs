//! InitProducerId: gives a producer its id (KIP-98, KIP-360, KIP-730).
//!
//! Ids come from the controller in blocks, each for one broker alone. There are no transactions: who names a transactional id is refused as
//! if it were not authorised to, of all errors the one on which clients give up at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_core::controller::{ControllerRequest, ControllerResponse};
use highwater_wire::ErrorCode;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::{InitProducerIdRequest, InitProducerIdResponse};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Begun, Client, Context, controller, decode, ready};

/// How long a producer waits for a block of ids before it is told to try again.
const PATIENCE: Duration = Duration::from_secs(5);

/// The ids that this broker may give.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds {
    /// First and end of what is left of a block.
    block: Mutex<(i64, i64)>,
}

/// Answers.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: InitProducerIdRequest = decode(header, body)?;
    let result = if request.transactional_id.is_some() {
        Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    } else if (request.producer_id == -1) != (request.producer_epoch == -1) {
        Err(ErrorCode::INVALID_REQUEST)
    } else {
        // A producer that had an id, and lost its place, gets another.
        context.state.producer_ids.next(context, client).await?
    };
    let response = match result {
        Ok(producer_id) => InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() },
        Err(error) => {
            InitProducerIdResponse { error_code: error.0, producer_epoch: -1, ..Default::default() }
        }
    };
    ready::<InitProducerIdRequest>(header, &response)
}

impl ProducerIds {
    /// An id that no producer had, or the error to a producer that has to try again.
    async fn next(&self, context: &Context, client: &Client) -> Result<Result<i64, ErrorCode>, Begun> {
        let deadline = Instant::now() + PATIENCE;
        let Ok(mut block) = tokio::time::timeout_at(deadline, self.block.lock()).await else {
            return Ok(Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
        };
        if block.0 == block.1 {
            let broker = context.node.look(|node| Some((node.id(), node.broker_epoch()?))).await?;
            let Some((broker, broker_epoch)) = broker else {
                return Ok(Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
            };
            let request = ControllerRequest::AllocateProducerIds { broker, broker_epoch };
            match controller::ask(context, client, request, deadline).await? {
                ControllerResponse::AllocateProducerIds(Ok((first, count))) if count > 0 => {
                    *block = (first, first.saturating_add(count.into()));
                }
                _ => return Ok(Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)),
            }
        }
        let id = block.0;
        block.0 += 1;
        Ok(Ok(id))
    }
}
