//! What only the controller decides: requests are sent on to it, and what it answers is waited for.

use std::time::Duration;

use highwater_core::NodeId;
use highwater_core::controller::{ControllerError, ControllerRequest, ControllerResponse};
use highwater_log::disk::RealDisk;
use highwater_node::Node;
use highwater_node::message::{ClientRequest, ClientResponse, PeerRequest, PeerResponse};
use highwater_wire::ErrorCode;
use tokio::time::Instant;

use super::{Client, Context, ListenerKind};
use crate::runtime::Stopped;

/// No request may wait longer for the controller, whatever it says.
const PATIENCE_MAX: Duration = Duration::from_secs(300);

/// How long after a controller was not found it is looked for again.
const RETRY: Duration = Duration::from_millis(50);

/// Between two looks at whether this broker knows already what was decided.
const LOOK: Duration = Duration::from_millis(2);

/// See [`soon`].
const SOON: Duration = Duration::from_millis(500);

/// How many topics or resources a request may name. The controller bounds what it does of them; this bounds what it looks at.
const PARTS_MAX: usize = 10_000;

/// Who asks through a controller's listener says nowhere which node it is; nothing depends on it.
const NOBODY: NodeId = NodeId(-1);

/// When a request with this time-out, in milliseconds, is to be answered.
pub(super) fn deadline(timeout_ms: i32) -> Instant {
    let timeout = Duration::from_millis(timeout_ms.max(0).unsigned_abs().into());
    Instant::now() + timeout.min(PATIENCE_MAX)
}

/// Whether a request names too many topics or resources, and the error then.
pub(super) fn check_parts(count: usize) -> Result<(), ControllerError> {
    if count <= PARTS_MAX {
        return Ok(());
    }
    let message = format!("{count} topics or resources in one request, at most {PARTS_MAX} may be");
    Err(ControllerError { code: ErrorCode::POLICY_VIOLATION.0, message })
}

/// By when a broker that is well knows what the controller decided.
pub(super) fn soon() -> Instant {
    Instant::now() + SOON
}

/// Has the active controller decide, wherever it is.
///
/// Asked at a broker's listener, a controller is looked for until the deadline: what it decided before it was lost may then be found done
/// already, as with Kafka's brokers. At a controller's listener this node decides or refuses.
pub(super) async fn ask(
    context: &Context,
    client: &Client,
    request: ControllerRequest,
    deadline: Instant,
) -> Result<ControllerResponse, Stopped> {
    let refuse = |code: ErrorCode, message: &str| {
        request.refused(ControllerError { code: code.0, message: message.to_owned() })
    };
    if client.kind == ListenerKind::Controller {
        let answer = context.node.serve(NOBODY, PeerRequest::Controller(request.clone()));
        return match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(PeerResponse::Controller(response))) => Ok(response),
            Ok(Ok(_)) => Ok(refuse(ErrorCode::UNKNOWN_SERVER_ERROR, "the node gave another kind of answer")),
            Ok(Err(stopped)) => Err(stopped),
            Err(_) => Ok(refuse(ErrorCode::REQUEST_TIMED_OUT, "the controller did not decide in time")),
        };
    }
    loop {
        let answer = context.node.ask(ClientRequest::Controller(request.clone()));
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(ClientResponse::Controller(Some(response)))) if !is_lost(&response) => return Ok(response),
            Ok(Ok(_)) => {}
            Ok(Err(stopped)) => return Err(stopped),
            Err(_) => {
                let message = "the controller did not decide in time; whether it still does is not known";
                return Ok(refuse(ErrorCode::REQUEST_TIMED_OUT, message));
            }
        }
        if Instant::now() + RETRY >= deadline {
            return Ok(refuse(ErrorCode::NOT_CONTROLLER, "no active controller can be reached; try again"));
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Waits until this node sees so, or the deadline.
pub(super) async fn until(
    context: &Context,
    deadline: Instant,
    seen: impl Fn(&Node<RealDisk>) -> bool + Clone + Send + 'static,
) -> Result<bool, Stopped> {
    loop {
        if context.node.look(seen.clone()).await? {
            return Ok(true);
        }
        if Instant::now() + LOOK >= deadline {
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether it was not the controller that answered. Where the wire has no place for the refusal of a whole request, all parts say so.
fn is_lost(response: &ControllerResponse) -> bool {
    let lost = |error: &ControllerError| error.code == ControllerError::NOT_CONTROLLER;
    fn all<T>(
        result: &Result<Vec<Result<T, ControllerError>>, ControllerError>,
        lost: impl Fn(&ControllerError) -> bool,
    ) -> bool {
        match result {
            Err(error) => lost(error),
            Ok(parts) => !parts.is_empty() && parts.iter().all(|part| part.as_ref().is_err_and(&lost)),
        }
    }
    match response {
        ControllerResponse::RegisterBroker(result) => result.as_ref().is_err_and(lost),
        ControllerResponse::Heartbeat(result) => result.as_ref().is_err_and(lost),
        ControllerResponse::UnregisterBroker(result) => result.as_ref().is_err_and(lost),
        ControllerResponse::AlterPartitions(result) => result.as_ref().is_err_and(lost),
        ControllerResponse::CreateTopics(result) => all(result, lost),
        ControllerResponse::DeleteTopics(result)
        | ControllerResponse::CreatePartitions(result)
        | ControllerResponse::AlterConfigs(result) => all(result, lost),
        ControllerResponse::ElectLeaders(result) => result.as_ref().is_err_and(lost),
        ControllerResponse::AllocateProducerIds(result) => result.as_ref().is_err_and(lost),
        ControllerResponse::UpdateFeatures(result) => result.as_ref().is_err_and(lost),
    }
}
