//! UnregisterBroker: a broker that will not come back is forgotten (KIP-631).

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::NodeId;
use highwater_core::controller::ControllerRequest;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use super::{Begun, Client, Context, controller, decode, ready};
use crate::translate::brokers;

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
    let answer = controller::ask(context, client, asked, controller::deadline(TIMEOUT_MS)).await?;
    let response: UnregisterBrokerResponse = brokers::unregister_answer(&answer);
    ready::<UnregisterBrokerRequest>(header, &response)
}
