//! ElectLeaders: preferred or unclean leaders (KIP-183, KIP-460).

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::controller::{ControllerRequest, ControllerResponse};
use highwater_wire::ErrorCode;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::{ElectLeadersRequest, ElectLeadersResponse};

use super::{Begun, Client, Context, controller, decode, ready};
use crate::translate::elections;

/// Before, an answer has no place for an error of the whole.
const ERROR_SINCE: i16 = 1;

/// Answers once the controller has decided.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: ElectLeadersRequest = decode(header, body)?;
    let kind = match elections::election_kind(request.election_type) {
        Ok(kind) => kind,
        Err(error) => return ready::<ElectLeadersRequest>(header, &elections::elected(Err(error))),
    };
    let partitions = elections::partitions(&request);
    let asked = ControllerRequest::ElectLeaders { kind, partitions: partitions.clone() };
    let deadline = controller::deadline(request.timeout_ms);
    let result = match controller::ask(context, client, asked, deadline).await? {
        ControllerResponse::ElectLeaders(result) => result,
        _ => Ok(Vec::new()),
    };
    let result = match (result, partitions) {
        (Err(error), Some(partitions)) if header.version < ERROR_SINCE => {
            let each = partitions.into_iter().map(|(topic, index)| (topic, index, Err(error.clone())));
            Ok(each.collect())
        }
        (result, _) => result,
    };
    let mut response: ElectLeadersResponse = elections::elected(result);
    if header.version < ERROR_SINCE {
        response.error_code = ErrorCode::NONE.0;
    }
    ready::<ElectLeadersRequest>(header, &response)
}
