//! DescribeCluster: the brokers, or the controllers (KIP-700, KIP-919, KIP-1073).

use std::sync::Arc;

use bytes::Bytes;
use highwater_log::disk::RealDisk;
use highwater_node::Node;
use highwater_wire::ErrorCode;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::describe_cluster::response::DescribeClusterBroker;
use highwater_wire::messages::{DescribeClusterRequest, DescribeClusterResponse};

use super::{Begun, Client, Context, ListenerKind, cluster, decode, ready};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Answers.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: DescribeClusterRequest = decode(header, body)?;
    let served = match client.kind {
        ListenerKind::Broker => BROKERS,
        ListenerKind::Controller => CONTROLLERS,
    };
    if request.endpoint_type != served {
        let error_code = match request.endpoint_type {
            BROKERS | CONTROLLERS => ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            _ => ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
        };
        let message = format!(
            "this endpoint is of type {served}, the request is about those of type {} (1: brokers, 2: controllers)",
            request.endpoint_type
        );
        let response = DescribeClusterResponse {
            error_code: error_code.0,
            error_message: Some(message.into()),
            endpoint_type: served,
            ..Default::default()
        };
        return ready::<DescribeClusterRequest>(header, &response);
    }
    let (controller_id, nodes) = if served == BROKERS {
        let listener = client.listener.clone();
        let fenced = request.include_fenced_brokers;
        context.node.look(move |node| brokers(node, &listener, fenced)).await?
    } else {
        let leader = context.node.look(|node| node.quorum().leader()).await?;
        let controllers = context.config.voters.iter().map(|voter| DescribeClusterBroker {
            broker_id: voter.id.0,
            host: voter.host.as_str().into(),
            port: voter.port.into(),
            ..Default::default()
        });
        (leader.map_or(-1, |leader| leader.0), controllers.collect())
    };
    let response = DescribeClusterResponse {
        endpoint_type: served,
        cluster_id: context.cluster_id.clone(),
        controller_id,
        brokers: nodes,
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => cluster::CLUSTER_OPERATIONS,
            false => cluster::OPERATIONS_OMITTED,
        },
        ..Default::default()
    };
    ready::<DescribeClusterRequest>(header, &response)
}

fn brokers(node: &Node<RealDisk>, listener: &str, fenced_too: bool) -> (i32, Vec<DescribeClusterBroker>) {
    let image = node.image();
    let controller = cluster::controller_for_clients(node, &cluster::alive(image, listener));
    let shown = image.brokers().iter().filter(|(_, broker)| fenced_too || !broker.fenced);
    let brokers = shown.filter_map(|(id, broker)| {
        let address = cluster::address(image, *id, listener)?;
        Some(DescribeClusterBroker {
            broker_id: address.id,
            host: address.host,
            port: address.port,
            rack: address.rack,
            is_fenced: broker.fenced,
        })
    });
    (controller, brokers.collect())
}
