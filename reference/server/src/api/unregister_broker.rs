//! UnregisterBroker: a broker that will not come back is forgotten (KIP-631).

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::NodeId;
use highwater_core::controller::{ControllerRequest, ControllerResponse};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use super::{Begun, Client, Context, controller, decode, ready};
use crate::translate::codes;

/// How long the controller may take: the request does not say.
const TIMEOUT_MS: i32 = 30_000;

/// Answers once the controller has decided.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: UnregisterBrokerRequest = decode(header, body)?;
    let asked = ControllerRequest::UnregisterBroker(NodeId(request.broker_id));
    let result = match controller::ask(context, client, asked, controller::deadline(TIMEOUT_MS)).await? {
        ControllerResponse::UnregisterBroker(result) => result,
        _ => Err(crate::translate::unanswered()),
    };
    let (error_code, error_message) = codes(result);
    let response = UnregisterBrokerResponse { error_code, error_message, ..Default::default() };
    ready::<UnregisterBrokerRequest>(header, &response)
}
