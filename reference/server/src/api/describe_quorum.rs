//! DescribeQuorum: the metadata quorum as its leader sees it (KIP-595, KIP-836, KIP-853).
//!
//! Who is no leader of the quorum asks it, and passes on what it says; where there is none, the client is told so in little time, and asks again.

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::{Epoch, Instant, NodeId};
use highwater_log::disk::RealDisk;
use highwater_node::{Node, QuorumReplica};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::describe_quorum::response::{
    Listener, Node as VoterNode, PartitionData, ReplicaState, TopicData,
};
use highwater_wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use highwater_wire::{ErrorCode, Str};

use super::{Begun, Client, Context, ListenerKind, decode, forward, ready};

/// The one partition of the one topic that has a quorum.
const TOPIC: &str = "__cluster_metadata";

/// Answers.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: DescribeQuorumRequest = decode(header, body)?;
    if let Some(refusal) = refusal(&request) {
        return ready::<DescribeQuorumRequest>(header, &refusal);
    }
    let looked = context.clone();
    let described = context.node.look(move |node| match node.quorum().is_active() {
        true => Ok(described(&looked, node)),
        false => Err((node.quorum().leader(), node.quorum().epoch())),
    });
    let response = match described.await? {
        Ok(response) => response,
        Err((leader, epoch)) if client.kind == ListenerKind::Controller => not_leader(leader, epoch),
        Err((None, epoch)) => not_leader(None, epoch),
        Err((Some(leader), _)) => match forward::ask(context, leader, &request, header.version).await {
            Ok(response) => response,
            Err(unreachable) => DescribeQuorumResponse {
                error_code: ErrorCode::REQUEST_TIMED_OUT.0,
                error_message: Some(unreachable.to_string().into()),
                ..Default::default()
            },
        },
    };
    ready::<DescribeQuorumRequest>(header, &response)
}

/// To a request about anything but the metadata log.
fn refusal(request: &DescribeQuorumRequest) -> Option<DescribeQuorumResponse> {
    let is_known = |name: &Str, index: i32| name == TOPIC && index == 0;
    let mut asked = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |partition| (&topic.topic_name, partition.partition_index))
    });
    if request.topics.is_empty() || asked.all(|(name, index)| is_known(name, index)) {
        return None;
    }
    let unknown = |partition_index| PartitionData {
        partition_index,
        error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0,
        error_message: None,
        leader_id: -1,
        leader_epoch: -1,
        high_watermark: -1,
        ..Default::default()
    };
    let topics = request.topics.iter().map(|topic| TopicData {
        topic_name: topic.topic_name.clone(),
        partitions: topic.partitions.iter().map(|partition| unknown(partition.partition_index)).collect(),
    });
    Some(DescribeQuorumResponse { error_message: None, topics: topics.collect(), ..Default::default() })
}

fn answer(partition: PartitionData) -> DescribeQuorumResponse {
    let topic = TopicData { topic_name: Str::from_static(TOPIC), partitions: vec![partition] };
    DescribeQuorumResponse { error_message: None, topics: vec![topic], ..Default::default() }
}

fn not_leader(leader: Option<NodeId>, epoch: Epoch) -> DescribeQuorumResponse {
    answer(PartitionData {
        error_code: ErrorCode::NOT_LEADER_OR_FOLLOWER.0,
        error_message: None,
        leader_id: leader.map_or(-1, |leader| leader.0),
        leader_epoch: epoch,
        high_watermark: -1,
        ..Default::default()
    })
}

/// What the leader sees.
fn described(context: &Context, node: &Node<RealDisk>) -> DescribeQuorumResponse {
    let quorum = node.quorum();
    let timestamp = |at: Option<Instant>| at.map_or(-1, |at| node.config().timestamp_ms(at));
    let state = |replica: &QuorumReplica| ReplicaState {
        replica_id: replica.key.id.0,
        replica_directory_id: replica.key.directory,
        log_end_offset: replica.log_end,
        last_fetch_timestamp: timestamp(replica.last_fetch),
        last_caught_up_timestamp: timestamp(replica.last_caught_up),
    };
    let (voters, observers): (Vec<_>, Vec<_>) =
        node.quorum_replicas().into_iter().partition(|replica| replica.is_voter);
    let listener_name = context.config.controller_listener_names.first();
    let nodes = context.config.voters.iter().map(|voter| VoterNode {
        node_id: voter.id.0,
        listeners: vec![Listener {
            name: listener_name.map(|name| name.as_str().into()).unwrap_or_default(),
            host: voter.host.as_str().into(),
            port: voter.port,
        }],
    });
    let mut response = answer(PartitionData {
        error_message: None,
        leader_id: node.id().0,
        leader_epoch: quorum.epoch(),
        high_watermark: quorum.high_watermark().unwrap_or(-1),
        current_voters: voters.iter().map(state).collect(),
        observers: observers.iter().map(state).collect(),
        ..Default::default()
    });
    response.nodes = nodes.collect();
    response
}
