//! DescribeQuorum: the metadata quorum as its leader sees it (KIP-595, KIP-836, KIP-853).
//!
//! Who is no leader of the quorum asks it, and passes on what it says; where there is none, the client is told so in little time, and asks again.
//!
//! # Where it differs from Kafka
//! A replica counts as caught up when it was answered that there is nothing more, or has fetched from the end: so the time at which it last was
//! may be told somewhat too early, while there is always something new.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use highwater_core::quorum::ReplicaKey;
use highwater_core::{Epoch, NodeId, Offset};
use highwater_log::disk::RealDisk;
use highwater_node::Node;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::describe_quorum::response::{
    Listener, Node as VoterNode, PartitionData, ReplicaState, TopicData,
};
use highwater_wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use highwater_wire::{ErrorCode, Str, Uuid};

use super::{Begun, Client, Context, ListenerKind, decode, forward, ready};

/// The one partition of the one topic that has a quorum.
const TOPIC: &str = "__cluster_metadata";

/// How many replicas are kept. Voters are few; beyond that, who was silent longest is forgotten.
const FETCHERS_MAX: usize = 1_000;

/// An observer that was silent for so long is one no more: Kafka's bound.
const OBSERVER_TIMEOUT_MS: i64 = 300_000;

/// Who fetches the metadata log of this node, and when it did last.
#[derive(Debug, Default)]
pub(crate) struct Fetchers {
    by_replica: Mutex<BTreeMap<ReplicaKey, Fetcher>>,
}

/// Times are in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Fetcher {
    epoch: Epoch,
    offset: Offset,
    fetched_at: i64,
    caught_up_at: i64,
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Fetchers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReplicaKey, Fetcher>> {
        self.by_replica.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A replica fetches from here on, in this epoch of the quorum.
    pub(crate) fn note(&self, replica: ReplicaKey, epoch: Epoch, offset: Offset) {
        let mut fetchers = self.lock();
        let known = fetchers.get(&replica).filter(|known| known.epoch == epoch);
        let caught_up_at = known.map_or(-1, |known| known.caught_up_at);
        fetchers.insert(replica, Fetcher { epoch, offset, fetched_at: now_ms(), caught_up_at });
        if fetchers.len() > FETCHERS_MAX
            && let Some(oldest) = fetchers.iter().min_by_key(|(_, fetcher)| fetcher.fetched_at)
        {
            let oldest = *oldest.0;
            fetchers.remove(&oldest);
        }
    }

    /// A replica was told that there is nothing more for it.
    pub(crate) fn note_caught_up(&self, replica: ReplicaKey) {
        if let Some(fetcher) = self.lock().get_mut(&replica) {
            fetcher.caught_up_at = now_ms();
        }
    }
}

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

/// Whether this is the voter: of a static voter only the id is known.
fn is_same(voter: ReplicaKey, fetcher: ReplicaKey) -> bool {
    voter.id == fetcher.id && (voter.directory == Uuid::ZERO || voter.directory == fetcher.directory)
}

/// What a voter or observer fetched last.
fn find(fetchers: &BTreeMap<ReplicaKey, Fetcher>, key: ReplicaKey) -> Option<&Fetcher> {
    let same = fetchers.iter().filter(|(fetcher, _)| is_same(key, **fetcher));
    same.map(|(_, fetcher)| fetcher).max_by_key(|fetcher| fetcher.fetched_at)
}

/// What the leader sees.
fn described(context: &Context, node: &Node<RealDisk>) -> DescribeQuorumResponse {
    let (quorum, now) = (node.quorum(), now_ms());
    let (me, end) = (node.id(), quorum.log().end());
    let fetchers = context.state.fetchers.lock();
    let state = |key: ReplicaKey, reached: Option<Offset>| {
        let fetcher = find(&fetchers, key).filter(|fetcher| fetcher.epoch == quorum.epoch());
        let (offset, fetched_at, caught_up_at) = match fetcher {
            _ if key.id == me => (end, now, now),
            Some(fetcher) if fetcher.offset >= end => {
                (fetcher.offset, fetcher.fetched_at, fetcher.fetched_at)
            }
            Some(fetcher) => (fetcher.offset, fetcher.fetched_at, fetcher.caught_up_at),
            None => (reached.unwrap_or(-1), -1, -1),
        };
        ReplicaState {
            replica_id: key.id.0,
            replica_directory_id: key.directory,
            log_end_offset: offset,
            last_fetch_timestamp: fetched_at,
            last_caught_up_timestamp: caught_up_at.max(fetcher.map_or(-1, |fetcher| fetcher.caught_up_at)),
        }
    };
    let voters = quorum.voters().keys();
    let observers = fetchers.iter().filter(|(key, fetcher)| {
        let is_recent = now.saturating_sub(fetcher.fetched_at) <= OBSERVER_TIMEOUT_MS;
        fetcher.epoch == quorum.epoch() && is_recent && !voters.iter().any(|voter| is_same(*voter, **key))
    });
    let controllers = context.config.controller_listener_names.first();
    let listener = |voter: &crate::config::VoterAddress| Listener {
        name: controllers.map(|name| name.as_str().into()).unwrap_or_default(),
        host: voter.host.as_str().into(),
        port: voter.port,
    };
    let nodes = context.config.voters.iter();
    let mut response = answer(PartitionData {
        error_message: None,
        leader_id: me.0,
        leader_epoch: quorum.epoch(),
        high_watermark: quorum.high_watermark().unwrap_or(-1),
        current_voters: voters.iter().map(|key| state(*key, quorum.reached(key.id))).collect(),
        observers: observers.map(|(key, _)| state(*key, None)).collect(),
        ..Default::default()
    });
    response.nodes =
        nodes.map(|voter| VoterNode { node_id: voter.id.0, listeners: vec![listener(voter)] }).collect();
    response
}
