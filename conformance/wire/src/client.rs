//! What clients do: topics are made and configured, leaders elected, records written and read.
//!
//! A producer here is no library that tries again: each record leaves once, in a request of its own, without a producer id. What came of it
//! is one of three:
//!
//! | | when |
//! |---|---|
//! | written | the leader says so, with the offset; with acks=0, the request left |
//! | refused | no request left within the time (no leader, or none that can be reached), or Kafka's error means that nothing was appended |
//! | in doubt | no answer, a lost connection, REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS_AFTER_APPEND; with acks=all NOT_LEADER_OR_FOLLOWER as well, which a leader also says that is deposed while it waits |
//!
//! Before each record the metadata are asked anew, of all nodes; the newest count, and only once the leader itself says that it leads in that
//! epoch. Until then nothing is sent.

use std::future::Future;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use highwater_client::{ClientError, Connection};
use highwater_conformance::scenario::{Member, Value};
use highwater_conformance::target::Fault;
use highwater_conformance::target::cluster::{Acks, Election, PartitionView, Topic};
use highwater_core::batch::{BatchBuilder, batches};
use highwater_wire::messages::create_topics::request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use highwater_wire::messages::delete_topics::request::DeleteTopicState;
use highwater_wire::messages::elect_leaders::request::TopicPartitions;
use highwater_wire::messages::incremental_alter_configs::request::{AlterConfigsResource, AlterableConfig};
use highwater_wire::messages::produce::request::{PartitionProduceData, TopicProduceData};
use highwater_wire::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, ElectLeadersRequest, IncrementalAlterConfigsRequest,
    ProduceRequest,
};
use highwater_wire::{ErrorCode, Request, Str};

use crate::wire::{CONSUMER, EARLIEST, LATEST, Silence, Wire, connection_config};

/// The newest version of Produce that names topics by name.
const PRODUCE_BY_NAME: i16 = 12;

/// How long the controller may take over a change; then it is not known what became of it.
const CHANGE: Duration = Duration::from_secs(20);

/// How long brokers may take over one attempt at it.
const ATTEMPT: Duration = Duration::from_secs(8);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// How much longer than the broker a client waits: the broker says that time is up.
const GRACE: Duration = Duration::from_millis(500);

/// How long it may take to connect to a broker.
const CONNECT: Duration = Duration::from_secs(2);

/// As much as one fetch takes.
pub(crate) const FETCH_BYTES: i32 = 1 << 20;

/// A topic's configuration, and that a value is set.
const TOPIC_RESOURCE: i8 = 2;
const SET: i8 = 0;

/// Kafka's name of an error.
pub(crate) fn name(code: ErrorCode) -> String {
    code.name().map_or_else(|| code.to_string(), str::to_owned)
}

pub(crate) fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1)
}

/// Nothing, or the refusal that this code is.
fn check(code: i16, message: Option<Str>) -> Result<(), Refusal> {
    match ErrorCode(code) {
        ErrorCode::NONE => Ok(()),
        code => Err(Refusal { code, message: message.map(|text| text.to_string()).unwrap_or_default() }),
    }
}

/// An error of the protocol.
struct Refusal {
    code: ErrorCode,
    message: String,
}

impl Refusal {
    /// Whether it was not the controller that answered, or one that could not decide: nothing was done.
    fn passes(&self) -> bool {
        matches!(self.code, ErrorCode::NOT_CONTROLLER | ErrorCode::BROKER_NOT_AVAILABLE)
    }

    fn fault(self) -> Fault {
        let Self { code, message } = self;
        let text = if message.is_empty() { name(code) } else { format!("{}: {message}", name(code)) };
        match code {
            ErrorCode::REQUEST_TIMED_OUT | ErrorCode::UNKNOWN_SERVER_ERROR => Fault::InDoubt(text),
            _ => Fault::Refused(text),
        }
    }
}

impl Wire {
    /// Creates a topic.
    pub(crate) async fn create(&mut self, awake: &[Member], topic: &Topic, real: &str) -> Result<(), Fault> {
        let brokers: Result<Vec<i32>, Fault> = topic.replicas.iter().map(|node| self.id(*node)).collect();
        let assignment = CreatableReplicaAssignment { partition_index: 0, broker_ids: brokers? };
        let mut configs = vec![("min.insync.replicas", topic.min_isr.to_string())];
        configs.extend(topic.unclean.map(|unclean| ("unclean.leader.election.enable", unclean.to_string())));
        let config = |(name, value): (&'static str, String)| CreatableTopicConfig {
            name: Str::from_static(name),
            value: Some(value.into()),
        };
        let creatable = CreatableTopic {
            name: real.into(),
            num_partitions: -1,
            replication_factor: -1,
            assignments: vec![assignment],
            configs: configs.into_iter().map(config).collect(),
        };
        let timeout_ms = milliseconds(ATTEMPT);
        let request = CreateTopicsRequest { topics: vec![creatable], timeout_ms, validate_only: false };
        self.change(awake, &request, |answer| {
            let topic = answer.topics.into_iter().next();
            topic.map(|topic| check(topic.error_code, topic.error_message))
        })
        .await
    }

    /// Deletes topics; those that are not there are no error.
    pub(crate) async fn delete(&mut self, awake: &[Member], topics: &[String]) -> Result<(), Fault> {
        if topics.is_empty() {
            return Ok(());
        }
        let names: Vec<Str> = topics.iter().map(|topic| topic.as_str().into()).collect();
        let state = |name: &Str| DeleteTopicState { name: Some(name.clone()), ..Default::default() };
        let request = DeleteTopicsRequest {
            topics: names.iter().map(state).collect(),
            topic_names: names.clone(),
            timeout_ms: milliseconds(ATTEMPT),
        };
        self.change(awake, &request, |answer| {
            let failed = |code: i16| ![0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0].contains(&code);
            let failed = answer.responses.into_iter().find(|topic| failed(topic.error_code));
            Some(failed.map_or(Ok(()), |topic| check(topic.error_code, topic.error_message)))
        })
        .await
    }

    /// Asks for an election.
    pub(crate) async fn elect(
        &mut self,
        awake: &[Member],
        topic: &str,
        election: Election,
    ) -> Result<(), Fault> {
        let request = ElectLeadersRequest {
            election_type: match election {
                Election::Preferred => 0,
                Election::Unclean => 1,
            },
            topic_partitions: Some(vec![TopicPartitions { topic: topic.into(), partitions: vec![0] }]),
            timeout_ms: milliseconds(ATTEMPT),
        };
        self.change(awake, &request, |answer| {
            if answer.error_code != 0 {
                return Some(check(answer.error_code, None));
            }
            let results = answer.replica_election_results.into_iter();
            let result = results.flat_map(|topic| topic.partition_result).next();
            result.map(|result| check(result.error_code, result.error_message))
        })
        .await
    }

    /// Sets a configuration of a topic.
    pub(crate) async fn configure(
        &mut self,
        awake: &[Member],
        topic: &str,
        key: &str,
        value: &str,
    ) -> Result<(), Fault> {
        let config = AlterableConfig { name: key.into(), config_operation: SET, value: Some(value.into()) };
        let resource = AlterConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: topic.into(),
            configs: vec![config],
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        self.change(awake, &request, |answer| {
            let response = answer.responses.into_iter().next();
            response.map(|response| check(response.error_code, response.error_message))
        })
        .await
    }

    /// Has the active controller do something, by way of its own broker if that is known. What was definitely not done is tried again, and
    /// nothing else.
    async fn change<R: Request>(
        &mut self,
        awake: &[Member],
        request: &R,
        read: impl Fn(R::Response) -> Option<Result<(), Refusal>>,
    ) -> Result<(), Fault> {
        let deadline = Instant::now() + CHANGE;
        loop {
            let mut last = "no node is up".to_owned();
            for node in self.by_controller(awake).await? {
                match self.ask_in(node, request, i16::MAX, Some(ATTEMPT + GRACE)).await.map(&read) {
                    Ok(Some(Ok(()))) => return Ok(()),
                    Ok(Some(Err(refusal))) if refusal.passes() => last = refusal.fault().to_string(),
                    Ok(Some(Err(refusal))) => return Err(refusal.fault()),
                    Ok(None) => {
                        let why = format!("found an empty answer of {node} to {}", R::API.name());
                        return Err(Fault::Broken(why));
                    }
                    Err(Silence::Asking(ClientError::Unsupported { place, api })) => {
                        return Err(Fault::Unsupported(format!("{place} has no {api} that is known here")));
                    }
                    Err(Silence::Asking(error)) if error.is_in_doubt() => {
                        return Err(Fault::InDoubt(error.to_string()));
                    }
                    Err(Silence::Asking(error)) => last = error.to_string(),
                    Err(Silence::Fault(fault)) => return Err(fault),
                }
            }
            if Instant::now() >= deadline {
                let api = R::API.name();
                return Err(Fault::Refused(format!(
                    "NOT_CONTROLLER: no controller for {api}; at last: {last}"
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// These nodes, the active controller first, as the newest epoch has it.
    async fn by_controller(&mut self, awake: &[Member]) -> Result<Vec<Member>, Fault> {
        let mut newest = None;
        for &node in awake {
            let known = self.controller(node).await;
            let known = match known {
                Err(Fault::Unsupported(_)) => None,
                known => known?,
            };
            if let Some((leader, epoch)) = known
                && newest.is_none_or(|(_, other)| epoch > other)
            {
                newest = Some((leader, epoch));
            }
        }
        let mut nodes = awake.to_vec();
        nodes.sort_by_key(|node| newest.is_none_or(|(leader, _)| leader != *node));
        Ok(nodes)
    }

    /// What the newest view of all nodes is.
    pub(crate) async fn newest(
        &mut self,
        awake: &[Member],
        topic: &str,
    ) -> Result<Option<PartitionView>, Fault> {
        let mut newest: Option<PartitionView> = None;
        for &node in awake {
            let view = self.partition(node, topic).await?;
            if let Some(view) = view
                && newest.as_ref().is_none_or(|newest| view.leader_epoch > newest.leader_epoch)
            {
                newest = Some(view);
            }
        }
        Ok(newest)
    }

    /// Who leads, once it says so itself: node and epoch; or why there is nobody yet.
    async fn leader(
        &mut self,
        awake: &[Member],
        topic: &str,
    ) -> Result<Result<(Member, i32), String>, Fault> {
        let Some(view) = self.newest(awake, topic).await? else {
            return Ok(Err("no node knows the topic".to_owned()));
        };
        let epoch = i32::try_from(view.leader_epoch).unwrap_or(i32::MAX);
        let Some(leader) = view.leader else {
            return Ok(Err(format!("there is no leader in epoch {epoch}")));
        };
        if !awake.contains(&leader) {
            return Ok(Err(format!("{leader} leads in epoch {epoch}, and does not answer")));
        }
        let said = self.list_offsets(leader, topic, CONSUMER, LATEST, epoch).await;
        let because = match said {
            Err(Silence::Fault(fault)) => return Err(fault),
            Err(silence) => silence.to_string(),
            Ok(None) => "an empty answer".to_owned(),
            Ok(Some(said)) => match ErrorCode(said.error_code) {
                ErrorCode::NONE | ErrorCode::OFFSET_NOT_AVAILABLE => return Ok(Ok((leader, epoch))),
                code => name(code),
            },
        };
        Ok(Err(format!("{leader} is to lead in epoch {epoch}, and says {because}")))
    }

    /// Writes records one after another, to whoever leads or to one node.
    pub(crate) async fn produce(
        &mut self,
        awake: &[Member],
        to: Option<Member>,
        (topic, acks): (&str, Acks),
        values: &[Value],
        within: Duration,
    ) -> Result<Vec<u64>, Fault> {
        let deadline = Instant::now() + within;
        let mut offsets = Vec::new();
        let mut line: Option<(Member, Connection)> = None;
        for value in values {
            let written = loop {
                let leader = match to {
                    Some(node) => Ok(node),
                    None => match before(deadline, self.leader(awake, topic)).await {
                        Some(leader) => leader?.map(|(leader, _)| leader),
                        None => Err("no node says in time who leads".to_owned()),
                    },
                };
                let left = deadline.saturating_duration_since(Instant::now());
                let missing = match leader {
                    Err(because) => because,
                    Ok(node) => {
                        let held = line.take().filter(|(to, held)| *to == node && !held.is_closed());
                        let opened = match held {
                            Some((_, held)) => Ok(held),
                            None => {
                                Connection::open(&self.address(node)?, &connection_config(left.min(CONNECT)))
                                    .await
                            }
                        };
                        let sent = match opened {
                            Ok(opened) => {
                                let sent = send(&opened, topic, acks, value, left).await;
                                line = Some((node, opened));
                                sent
                            }
                            Err(error) => Err(error),
                        };
                        match sent {
                            Ok(written) => break written,
                            // Nothing left, so that this is no repetition.
                            Err(error @ (ClientError::Unreachable { .. } | ClientError::Unsent { .. })) => {
                                error.to_string()
                            }
                            Err(error) => return Err(failed(acks, error)),
                        }
                    }
                };
                if Instant::now() >= deadline {
                    return Err(Fault::Refused(format!("LEADER_NOT_AVAILABLE: {missing}")));
                }
                tokio::time::sleep(LOOK).await;
            };
            offsets.extend(written);
        }
        Ok(offsets)
    }

    /// Reads partition 0 from its first offset to the high watermark.
    pub(crate) async fn consume(
        &mut self,
        awake: &[Member],
        topic: &str,
        within: Duration,
    ) -> Result<Vec<(u64, Value)>, Fault> {
        let deadline = Instant::now() + within;
        loop {
            let missing = match before(deadline, self.read(awake, topic)).await {
                Some(Ok(Ok(records))) => return Ok(records),
                Some(Ok(Err(because))) => because,
                Some(Err(fault)) => return Err(fault),
                None => "nothing was answered in time".to_owned(),
            };
            if Instant::now() >= deadline {
                return Err(Fault::Refused(format!("LEADER_NOT_AVAILABLE: {missing}")));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn read(
        &mut self,
        awake: &[Member],
        topic: &str,
    ) -> Result<Result<Vec<(u64, Value)>, String>, Fault> {
        let (leader, epoch) = match self.leader(awake, topic).await? {
            Ok(leader) => leader,
            Err(because) => return Ok(Err(because)),
        };
        let mut at = match self.list_offsets(leader, topic, CONSUMER, EARLIEST, epoch).await {
            Ok(Some(said)) if said.error_code == 0 => said.offset,
            Ok(said) => return Ok(Err(refuses(leader, said.map(|said| said.error_code)))),
            Err(Silence::Fault(fault)) => return Err(fault),
            Err(silence) => return Ok(Err(silence.to_string())),
        };
        // What the first answer says. A new leader may not give its log's end yet, and still gives records.
        let mut end = None;
        let mut records = Vec::new();
        loop {
            let fetched = match self.fetch(leader, topic, at, FETCH_BYTES, "").await {
                Ok(Some(fetched)) if fetched.error_code == 0 => fetched,
                Ok(said) => return Ok(Err(refuses(leader, said.map(|said| said.error_code)))),
                Err(Silence::Fault(fault)) => return Err(fault),
                Err(silence) => return Ok(Err(silence.to_string())),
            };
            let end = *end.get_or_insert(fetched.high_watermark);
            let bytes = fetched.records.unwrap_or_default();
            let next = unpack(&bytes, at, end, &mut records).map_err(|why| {
                Fault::Broken(format!("{leader} sent for offset {at} what is no record: {why}"))
            })?;
            if next >= end {
                return Ok(Ok(records));
            }
            if next <= at {
                return Ok(Err(format!(
                    "{leader} has no record at offset {at}, below the high watermark {end}"
                )));
            }
            at = next;
        }
    }
}

/// What an answer says that is of no use.
fn refuses(node: Member, code: Option<i16>) -> String {
    let said = code.map_or_else(|| "nothing of the partition".to_owned(), |code| name(ErrorCode(code)));
    format!("{node} says {said}")
}

/// What comes of it before the deadline.
async fn before<T>(deadline: Instant, what: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(deadline.into(), what).await.ok()
}

/// Adds the clients' records of `bytes` from offset `at` to `end`; the offset behind the last whole batch, at most `end`.
fn unpack(bytes: &[u8], at: i64, end: i64, records: &mut Vec<(u64, Value)>) -> Result<i64, String> {
    let mut next = at;
    for batch in batches(bytes) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(highwater_core::batch::BatchError::Truncated { .. }) => break,
            Err(error) => return Err(error.to_string()),
        };
        next = next.max(batch.header().base_offset + i64::from(batch.header().last_offset_delta) + 1);
        if batch.header().is_control() {
            continue;
        }
        for record in batch.records().map_err(|error| error.to_string())? {
            let record = record.map_err(|error| error.to_string())?;
            if (at..end).contains(&record.offset) {
                let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
                records.push((record.offset.unsigned_abs(), value));
            }
        }
    }
    Ok(next.min(end))
}

/// One record in one request. The offset, where there is an answer.
async fn send(
    to: &Connection,
    topic: &str,
    acks: Acks,
    value: &str,
    left: Duration,
) -> Result<Option<u64>, ClientError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut batch = BatchBuilder::default();
    batch.record(i64::try_from(now.as_millis()).unwrap_or(i64::MAX), None, Some(value.as_bytes()));
    let data = PartitionProduceData { index: 0, records: Some(batch.build().into()) };
    let request = ProduceRequest {
        transactional_id: None,
        acks: match acks {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        },
        timeout_ms: milliseconds(left),
        topic_data: vec![TopicProduceData {
            name: topic.into(),
            partition_data: vec![data],
            ..Default::default()
        }],
    };
    if acks == Acks::None {
        to.post(&request, to.version::<ProduceRequest>(PRODUCE_BY_NAME)?).await?;
        return Ok(None);
    }
    let answer = to.ask_for(&request, PRODUCE_BY_NAME, left + GRACE).await?;
    let partition = answer.responses.into_iter().flat_map(|topic| topic.partition_responses).next();
    let empty = || ClientError::InDoubt {
        place: to.place().to_owned(),
        api: "Produce",
        because: "the answer names no partition".to_owned(),
    };
    let partition = partition.ok_or_else(empty)?;
    match ErrorCode(partition.error_code) {
        ErrorCode::NONE => Ok(u64::try_from(partition.base_offset).ok()),
        code => Err(ClientError::Broker {
            api: "Produce",
            about: format!("{topic}-0"),
            code,
            message: partition.error_message.map(|message| message.to_string()),
        }),
    }
}

/// What a failed Produce that left means.
fn failed(acks: Acks, error: ClientError) -> Fault {
    let Some(code) = error.code() else { return Fault::InDoubt(error.to_string()) };
    // Only who waits for others can be deposed while it waits.
    let before_append = matches!(code, ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH);
    if error.is_in_doubt() && !(before_append && acks != Acks::All) {
        Fault::InDoubt(name(code))
    } else {
        Fault::Refused(name(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: ErrorCode) -> ClientError {
        ClientError::Broker { api: "Produce", about: String::new(), code, message: None }
    }

    #[test]
    fn deposed_leader_leaves_in_doubt_what_others_were_to_acknowledge() {
        let deposed = || said(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        assert_eq!(failed(Acks::All, deposed()), Fault::InDoubt("NOT_LEADER_OR_FOLLOWER".to_owned()));
        assert_eq!(failed(Acks::Leader, deposed()), Fault::Refused("NOT_LEADER_OR_FOLLOWER".to_owned()));
    }

    #[test]
    fn too_few_replicas_refuse_before_and_leave_in_doubt_after_the_append() {
        let (before, after) = (ErrorCode::NOT_ENOUGH_REPLICAS, ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND);
        assert!(matches!(failed(Acks::All, said(before)), Fault::Refused(_)));
        assert!(matches!(failed(Acks::All, said(after)), Fault::InDoubt(_)));
        assert!(matches!(failed(Acks::All, said(ErrorCode::REQUEST_TIMED_OUT)), Fault::InDoubt(_)));
    }

    #[test]
    fn records_above_the_high_watermark_are_not_read() {
        let mut batch = BatchBuilder::new(3, 1);
        batch.record(0, None, Some(b"a")).record(0, None, Some(b"b")).record(0, None, Some(b"c"));
        let bytes = batch.build();
        let mut records = Vec::new();
        assert_eq!(unpack(&bytes, 4, 5, &mut records), Ok(5));
        assert_eq!(records, [(4, "b".to_owned())]);
    }
}
