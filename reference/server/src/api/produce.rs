//! Produce: appends records (KIP-98, KIP-110, KIP-951).
//!
//! # Invariants
//! - Each partition of a request is answered once, in the order in which it stands there.
//! - A producer that wants no acknowledgement has its connection closed if anything was not appended: so it looks for the leader anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::batch::{BatchHeader, Codec};
use highwater_core::partition::{Acks, PartitionError};
use highwater_log::disk::RealDisk;
use highwater_node::Node;
use highwater_node::message::{ClientRequest, ClientResponse, Produce, Produced, Refusal, TopicPartition};
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::produce::request::TopicProduceData;
use highwater_wire::messages::produce::response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use highwater_wire::messages::{ProduceRequest, ProduceResponse};
use highwater_wire::{ErrorCode, Str, Uuid};

use super::cluster;
use super::find_coordinator::NO_TRANSACTIONS;
use super::{Answer, Begun, Client, Context, Later, answered, decode, ready};
use crate::metrics::Metrics;
use crate::runtime::Pending;

/// From here on partitions are named by topic ids.
const IDS_SINCE: i16 = 13;
/// From here on zstd may be used (KIP-110).
const ZSTD_SINCE: i16 = 7;
/// From here on errors come with the current leader (KIP-951).
const LEADERS_SINCE: i16 = 10;

/// What became of a partition before the node heard of it.
type Checked = Result<Bytes, (ErrorCode, &'static str)>;

/// A request that the node has.
struct Open {
    context: Arc<Context>,
    header: RequestHeader,
    listener: Arc<str>,
    acks: Acks,
    topics: Vec<OpenTopic>,
}

struct OpenTopic {
    name: Str,
    id: Uuid,
    partitions: Vec<(i32, Outcome)>,
}

/// What became of a partition.
enum Outcome {
    /// The node says, in the order in which it was asked.
    Asked(Sent),
    /// It was not asked.
    Refused(ErrorCode, &'static str),
}

/// How much a partition was sent, for the metrics.
#[derive(Clone, Copy)]
struct Sent {
    records: u64,
    bytes: u64,
}

impl Sent {
    /// A batch; what is none counts no records.
    fn of(batch: &Bytes) -> Self {
        let records = BatchHeader::parse(batch).map_or(0, |header| header.count);
        Self { records: u64::try_from(records).unwrap_or(0), bytes: batch.len() as u64 }
    }

    fn count(self, metrics: &Metrics) {
        metrics.messages_in.inc_by(self.records);
        metrics.bytes_in.inc_by(self.bytes);
    }
}

/// Hands the batches to the node.
pub(super) async fn begin(
    context: &Arc<Context>,
    client: &Client,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: ProduceRequest = decode(header, body)?;
    if request.transactional_id.is_some() {
        let error = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        return refuse(header, &request, error, NO_TRANSACTIONS);
    }
    let acks = match request.acks {
        0 => Acks::None,
        1 => Acks::Leader,
        -1 => Acks::All,
        _ => return refuse(header, &request, ErrorCode::INVALID_REQUIRED_ACKS, "acks are 0, 1 or -1"),
    };
    let ids = topic_ids(context, header.version, &request.topic_data).await?;
    let mut asked = Vec::new();
    let topics = request.topic_data.into_iter().zip(ids).map(|(topic, id)| {
        let partitions = topic.partition_data.into_iter().map(|partition| {
            let outcome = match check(header.version, id, partition.records) {
                Ok(records) => {
                    let sent = Sent::of(&records);
                    asked.push((TopicPartition { topic: id, partition: partition.index }, records));
                    Outcome::Asked(sent)
                }
                Err((error, message)) => Outcome::Refused(error, message),
            };
            (partition.index, outcome)
        });
        let partitions = partitions.collect();
        OpenTopic {
            name: topic.name,
            id: if header.version >= IDS_SINCE { topic.topic_id } else { id },
            partitions,
        }
    });
    let topics = topics.collect();
    let timeout_ms = request.timeout_ms.max(0).unsigned_abs();
    let produce = Produce { acks, timeout_ms, partitions: asked };
    let pending = context.node.submit(ClientRequest::Produce(produce)).await?;
    let (context, listener) = (context.clone(), client.listener.clone());
    let open = Open { context, header: header.clone(), listener, acks, topics };
    let later: Later = Box::pin(open.answer(pending));
    Ok(Begun::Later(later))
}

async fn topic_ids(context: &Context, version: i16, topics: &[TopicProduceData]) -> Result<Vec<Uuid>, Begun> {
    if version >= IDS_SINCE {
        return Ok(topics.iter().map(|topic| topic.topic_id).collect());
    }
    let names: Vec<&Str> = topics.iter().map(|topic| &topic.name).collect();
    Ok(context.state.topics.ids(&context.node, &names).await?)
}

/// What can be said of records without the node: what is in them, that checks.
fn check(version: i16, topic: Uuid, records: Option<Bytes>) -> Checked {
    if topic == Uuid::ZERO {
        let unknown = if version >= IDS_SINCE {
            ErrorCode::UNKNOWN_TOPIC_ID
        } else {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        };
        return Err((unknown, "there is no such topic"));
    }
    let Some(records) = records.filter(|records| !records.is_empty()) else {
        return Err((ErrorCode::INVALID_RECORD, "found no records, expected one batch"));
    };
    let is_zstd = || BatchHeader::parse(&records).is_ok_and(|header| header.codec() == Codec::Zstd);
    if version < ZSTD_SINCE && is_zstd() {
        return Err((ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, "zstd needs version 7 of Produce"));
    }
    Ok(records)
}

/// Refuses all of a request.
fn refuse(
    header: &RequestHeader,
    request: &ProduceRequest,
    error: ErrorCode,
    message: &'static str,
) -> Result<Begun, Begun> {
    if request.acks == 0 {
        return Err(Begun::Close(format!("a producer without acknowledgements is refused: {message}")));
    }
    let topics = request.topic_data.iter().map(|topic| TopicProduceResponse {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partition_responses: topic
            .partition_data
            .iter()
            .map(|partition| refused(partition.index, error, Some(message)))
            .collect(),
    });
    let response = ProduceResponse { responses: topics.collect(), ..Default::default() };
    ready::<ProduceRequest>(header, &response)
}

fn refused(index: i32, error: ErrorCode, message: Option<&str>) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        error_code: error.0,
        base_offset: -1,
        error_message: message.map(Into::into),
        ..Default::default()
    }
}

impl Open {
    async fn answer(self, pending: Pending) -> Answer {
        let results = match pending.await {
            Ok(ClientResponse::Produce(results)) => results,
            Ok(_) => return Answer::Close("the node gave another kind of answer".to_owned()),
            Err(stopped) => return stopped.into(),
        };
        if self.acks == Acks::None {
            return self.silence(&results);
        }
        let mut results = results.into_iter().map(|(_, result)| result);
        let (mut responses, mut moved) = (Vec::with_capacity(self.topics.len()), Vec::new());
        for topic in &self.topics {
            let mut partition_responses = Vec::with_capacity(topic.partitions.len());
            for (index, outcome) in &topic.partitions {
                let response = match outcome {
                    Outcome::Refused(error, message) => refused(*index, *error, Some(message)),
                    Outcome::Asked(sent) => match results.next() {
                        Some(Ok(produced)) => {
                            sent.count(&self.context.metrics);
                            appended(*index, produced)
                        }
                        Some(Err(refusal)) => self.refused(topic, *index, refusal),
                        None => refused(*index, ErrorCode::UNKNOWN_SERVER_ERROR, None),
                    },
                };
                if response.error_code != 0 {
                    self.context.metrics.failed_produces.inc();
                }
                if response.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER.0 {
                    moved.push(TopicPartition { topic: topic.id, partition: *index });
                }
                partition_responses.push(response);
            }
            let (name, topic_id) = (topic.name.clone(), topic.id);
            responses.push(TopicProduceResponse { name, topic_id, partition_responses });
        }
        let mut response = ProduceResponse { responses, ..Default::default() };
        if self.header.version >= LEADERS_SINCE && !moved.is_empty() {
            let listener = self.listener.clone();
            match self.context.node.look(move |node| leaders(node, &listener, &moved)).await {
                Ok(leaders) => name_leaders(&mut response, leaders),
                Err(stopped) => return stopped.into(),
            }
        }
        answered::<ProduceRequest>(&self.header, &response)
    }

    /// To a producer that wants no acknowledgement.
    fn silence(&self, results: &[(TopicPartition, Result<Produced, Refusal>)]) -> Answer {
        let refused =
            self.topics.iter().flat_map(|topic| &topic.partitions).find_map(|(_, outcome)| match outcome {
                Outcome::Refused(error, message) => Some(format!("{error}: {message}")),
                Outcome::Asked(_) => None,
            });
        let failed = results.iter().find_map(|(_, result)| result.as_ref().err());
        let failed = failed.map(|refusal| {
            let error = ErrorCode(refusal.error as i16);
            refusal.message.as_ref().map_or(error.to_string(), |message| format!("{error}: {message}"))
        });
        match refused.or(failed) {
            Some(reason) => Answer::Close(format!(
                "records of a producer without acknowledgements were refused: {reason}"
            )),
            None => Answer::Silent,
        }
    }

    fn refused(&self, topic: &OpenTopic, index: i32, refusal: Refusal) -> PartitionProduceResponse {
        let mut error = ErrorCode(refusal.error as i16);
        if refusal.error == PartitionError::UnknownTopicId && self.header.version < IDS_SINCE {
            self.context.state.topics.forget(&topic.name);
            error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        }
        refused(index, error, refusal.message.as_deref())
    }
}

fn appended(index: i32, produced: Produced) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        base_offset: produced.base,
        log_append_time_ms: produced.log_append_time,
        log_start_offset: produced.log_start,
        ..Default::default()
    }
}

/// Who leads a partition, and where.
type Leader = (TopicPartition, LeaderIdAndEpoch, Option<NodeEndpoint>);

fn leaders(node: &Node<RealDisk>, listener: &str, partitions: &[TopicPartition]) -> Vec<Leader> {
    let image = node.image();
    let leader = |id: &TopicPartition| {
        let state = image.partition(id.topic, id.partition)?;
        let leader = LeaderIdAndEpoch {
            leader_id: state.leader.map_or(-1, |leader| leader.0),
            leader_epoch: state.leader_epoch,
        };
        let address = state.leader.and_then(|leader| cluster::address(image, leader, listener));
        let endpoint = address.map(|address| NodeEndpoint {
            node_id: address.id,
            host: address.host,
            port: address.port,
            rack: address.rack,
        });
        Some((*id, leader, endpoint))
    };
    partitions.iter().filter_map(leader).collect()
}

fn name_leaders(response: &mut ProduceResponse, leaders: Vec<Leader>) {
    let mut endpoints: BTreeMap<i32, NodeEndpoint> = BTreeMap::new();
    let mut by_partition = HashMap::with_capacity(leaders.len());
    for (id, leader, endpoint) in leaders {
        endpoints.extend(endpoint.map(|endpoint| (endpoint.node_id, endpoint)));
        by_partition.insert(id, leader);
    }
    for topic in &mut response.responses {
        for partition in &mut topic.partition_responses {
            let id = TopicPartition { topic: topic.topic_id, partition: partition.index };
            if partition.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER.0
                && let Some(leader) = by_partition.get(&id)
            {
                partition.current_leader = leader.clone();
            }
        }
    }
    response.node_endpoints = endpoints.into_values().collect();
}
