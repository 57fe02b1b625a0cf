//! Fetch of consumers (KIP-74, KIP-227, KIP-320, KIP-392, KIP-516, KIP-951).
//!
//! What a request wants is looked up in its [session](session), handed to the node, which waits where there is nothing to say, and answered.
//! Fetches of followers and of the metadata quorum are the [nodes'](crate) own and do not come here.
//!
//! There are no transactions: what is committed is stable, so that `read_committed` reads what `read_uncommitted` does, and no transaction was
//! ever aborted.

mod session;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use highwater_core::partition::{PartitionError, PartitionFetch};
use highwater_node::message::{
    ClientRequest, ClientResponse, Fetch, FetchPartition, FetchReader, FetchedPartition, TopicPartition,
};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::fetch::response::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use highwater_wire::messages::{FetchRequest, FetchResponse};
use highwater_wire::{ErrorCode, Str, Uuid};
use session::{Key, NO_SESSION, Scope, Wanted};

pub(crate) use session::Sessions;

use super::{Answer, Begun, Client, Context, Later, answered, cluster, ready};
use crate::runtime::{Pending, Stopped};

/// From here on topics are named by ids.
const IDS_SINCE: i16 = 13;
/// From here on consumers may read of followers (KIP-392).
const FOLLOWERS_SINCE: i16 = 11;
/// From here on errors come with the current leader (KIP-951).
const LEADERS_SINCE: i16 = 16;
/// Replica ids: a consumer's, and that of tools which want to see all that a replica has.
const CONSUMER: i32 = -1;
const DEBUG: i32 = -2;

/// A request that the node has.
struct Open {
    context: Arc<Context>,
    header: RequestHeader,
    listener: Arc<str>,
    scope: Scope,
    /// With the topic's id, if there is one.
    partitions: Vec<(Key, Wanted, Uuid)>,
}

/// Hands a request to the node.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    request: FetchRequest,
) -> Result<Begun, Begun> {
    let (version, uses_ids) = (header.version, header.version >= IDS_SINCE);
    let reader = match if version >= 15 { request.replica_state.replica_id } else { request.replica_id } {
        CONSUMER if version < FOLLOWERS_SINCE || request.rack_id.is_empty() => FetchReader::ConsumerOfLeader,
        CONSUMER => FetchReader::Consumer,
        DEBUG => FetchReader::Debug,
        id => return Err(Begun::Close(format!("a fetch of replica {id} is none of a consumer"))),
    };
    let session = (request.session_id, request.session_epoch);
    let sessions = &context.state.sessions;
    let begun =
        sessions.begin(session, uses_ids, request.topics, request.forgotten_topics_data, Instant::now());
    let begun = match begun {
        Ok(begun) => begun,
        Err(error) => {
            let response = FetchResponse { error_code: error.0, ..Default::default() };
            return ready::<FetchRequest>(header, &response);
        }
    };
    let ids = topic_ids(context, uses_ids, &begun.partitions).await?;
    let partitions: Vec<(Key, Wanted, Uuid)> =
        begun.partitions.into_iter().zip(ids).map(|((key, wanted), id)| (key, wanted, id)).collect();
    let known = partitions.iter().filter(|(_, _, id)| *id != Uuid::ZERO);
    let asked: Vec<FetchPartition> = known.map(|(key, wanted, id)| asked(key, wanted, *id)).collect();
    // Who asks for what there is not shall know at once.
    let waits = asked.len() == partitions.len();
    let bytes_max = i32::try_from(context.config.topics.fetch_bytes_max).unwrap_or(i32::MAX);
    let fetch = Fetch {
        reader,
        max_wait_ms: if waits { request.max_wait_ms.max(0).unsigned_abs() } else { 0 },
        min_bytes: request.min_bytes.clamp(0, bytes_max).unsigned_abs(),
        max_bytes: request.max_bytes.clamp(0, bytes_max).unsigned_abs(),
        partitions: asked,
    };
    let pending = context.node.submit(ClientRequest::Fetch(fetch)).await?;
    let (context, listener) = (context.clone(), client.listener.clone());
    let open = Open { context, header: header.clone(), listener, scope: begun.scope, partitions };
    let later: Later = Box::pin(open.answer(pending));
    Ok(Begun::Later(later))
}

/// The id of each partition's topic.
async fn topic_ids(
    context: &Context,
    uses_ids: bool,
    partitions: &[(Key, Wanted)],
) -> Result<Vec<Uuid>, Stopped> {
    if uses_ids {
        return Ok(partitions.iter().map(|(key, _)| key.topic).collect());
    }
    let mut names: Vec<&Str> = partitions.iter().map(|(key, _)| &key.name).collect();
    names.sort_unstable();
    names.dedup();
    let ids = context.state.topics.ids(&context.node, &names).await?;
    let by_name: HashMap<&Str, Uuid> = names.into_iter().zip(ids).collect();
    Ok(partitions.iter().map(|(key, _)| by_name.get(&key.name).copied().unwrap_or(Uuid::ZERO)).collect())
}

fn asked(key: &Key, wanted: &Wanted, topic: Uuid) -> FetchPartition {
    FetchPartition {
        partition: TopicPartition { topic, partition: key.partition },
        fetch: PartitionFetch {
            leader_epoch: wanted.leader_epoch,
            offset: wanted.offset,
            last_epoch: wanted.last_epoch,
        },
        max_bytes: wanted.max_bytes.max(0).unsigned_abs(),
    }
}

impl Open {
    async fn answer(self, pending: Pending) -> Answer {
        let fetched = match pending.await {
            Ok(ClientResponse::Fetch(fetched)) => fetched,
            Ok(_) => return Answer::Close("the node gave another kind of answer".to_owned()),
            Err(stopped) => return stopped.into(),
        };
        match self.respond(fetched).await {
            Ok((header, response)) => answered::<FetchRequest>(&header, &response),
            Err(stopped) => stopped.into(),
        }
    }

    async fn respond(
        self,
        fetched: Vec<FetchedPartition>,
    ) -> Result<(RequestHeader, FetchResponse), Stopped> {
        let version = self.header.version;
        let mut fetched = fetched.into_iter();
        let mut leaders = Vec::new();
        let mut answers = Vec::with_capacity(self.partitions.len());
        let wants_session = matches!(self.scope, Scope::Full { wants_session: true });
        let mut kept = Vec::new();
        for (key, wanted, id) in self.partitions {
            let answer = if id == Uuid::ZERO { None } else { fetched.next() };
            let data = match answer {
                Some(answer) => data(&key, answer, version, &mut leaders),
                None if version >= IDS_SINCE => refused(key.partition, ErrorCode::UNKNOWN_TOPIC_ID),
                None => refused(key.partition, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            };
            if id != Uuid::ZERO && data.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0 {
                self.context.state.topics.forget(&key.name);
            }
            let bytes = data.records.as_ref().map_or(0, |records| records.len() as u64);
            self.context.metrics.bytes_out.inc_by(bytes);
            if wants_session {
                kept.push((key.clone(), wanted.told(&data)));
            }
            answers.push((key, data));
        }
        let sessions = &self.context.state.sessions;
        let session_id = match self.scope {
            Scope::Full { wants_session: false } => NO_SESSION,
            Scope::Full { wants_session: true } => {
                sessions.open(version >= IDS_SINCE, kept.into_iter(), Instant::now())
            }
            Scope::Incremental(id) => {
                sessions.filter(id, &mut answers);
                id
            }
        };
        let mut response = FetchResponse { session_id, responses: by_topic(answers), ..Default::default() };
        if version >= LEADERS_SINCE && !leaders.is_empty() {
            let listener = self.listener;
            leaders.sort_unstable();
            leaders.dedup();
            let addresses = self.context.node.look(move |node| {
                let address = |leader: &_| cluster::address(node.image(), *leader, &listener);
                leaders.iter().filter_map(address).collect::<Vec<_>>()
            });
            let endpoint =
                |cluster::Address { id, host, port, rack }| NodeEndpoint { node_id: id, host, port, rack };
            response.node_endpoints = addresses.await?.into_iter().map(endpoint).collect();
        }
        Ok((self.header, response))
    }
}

fn refused(partition_index: i32, error: ErrorCode) -> PartitionData {
    PartitionData {
        partition_index,
        error_code: error.0,
        high_watermark: -1,
        aborted_transactions: None,
        records: Some(Bytes::new()),
        ..Default::default()
    }
}

/// What there is of a partition; the leader is noted if the client is to hear of it.
fn data(
    key: &Key,
    fetched: FetchedPartition,
    version: i16,
    leaders: &mut Vec<highwater_core::NodeId>,
) -> PartitionData {
    let answer = fetched.answer;
    let error = match answer.error {
        None => ErrorCode::NONE,
        Some(PartitionError::UnknownTopicId) if version < IDS_SINCE => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        Some(error) => ErrorCode(error as i16),
    };
    let mut data = PartitionData {
        partition_index: key.partition,
        error_code: error.0,
        high_watermark: answer.high_watermark,
        last_stable_offset: answer.high_watermark,
        log_start_offset: answer.log_start,
        aborted_transactions: None,
        records: Some(fetched.records),
        ..Default::default()
    };
    if let Some(diverging) = answer.diverging {
        data.diverging_epoch = EpochEndOffset { epoch: diverging.epoch, end_offset: diverging.end };
    }
    if matches!(error, ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH) {
        data.current_leader = LeaderIdAndEpoch {
            leader_id: fetched.leader.map_or(-1, |leader| leader.0),
            leader_epoch: answer.leader_epoch,
        };
        leaders.extend(fetched.leader);
    }
    data
}

/// Answers by topic: what follows each other and belongs to one topic goes together.
fn by_topic(answers: Vec<(Key, PartitionData)>) -> Vec<FetchableTopicResponse> {
    let mut topics: Vec<FetchableTopicResponse> = Vec::new();
    for (key, data) in answers {
        match topics.last_mut() {
            Some(last) if last.topic_id == key.topic && last.topic == key.name => last.partitions.push(data),
            _ => topics.push(FetchableTopicResponse {
                topic: key.name,
                topic_id: key.topic,
                partitions: vec![data],
            }),
        }
    }
    topics
}
