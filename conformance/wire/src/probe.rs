//! Probes over the wire.
//!
//! | probe | asked of |
//! |---|---|
//! | `fetch`, `end-offset`, `list-offsets`, `metadata`, `delete-records` | the node's broker |
//! | `alter-partition`, `vote`, `quorum-fetch` | the node's controller, whose place has to be known |
//!
//! Partition epochs and broker epochs no API tells. They are read from the metadata log, as an observer of the quorum would: [`Wire::image`].

use std::time::Duration;

use bytes::Bytes;
use highwater_client::ClientError;
use highwater_conformance::scenario::Member;
use highwater_conformance::target::Fault;
use highwater_conformance::target::probe::{Answer, Edge, Landmark, Question};
use highwater_core::batch::{BatchError, batches};
use highwater_core::controller::{Image, MetadataRecord};
use highwater_core::{NodeId, Uuid};
use highwater_wire::messages::alter_partition::request as alter;
use highwater_wire::messages::delete_records::request::{DeleteRecordsPartition, DeleteRecordsTopic};
use highwater_wire::messages::fetch::request::{FetchPartition, FetchTopic, ReplicaState};
use highwater_wire::messages::fetch::response::PartitionData as Fetched;
use highwater_wire::messages::offset_for_leader_epoch::request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use highwater_wire::messages::vote::request as vote;
use highwater_wire::messages::{
    AlterPartitionRequest, DeleteRecordsRequest, FetchRequest, OffsetForLeaderEpochRequest, VoteRequest,
};
use highwater_wire::{ErrorCode, Request, Str};

use crate::client::{FETCH_BYTES, milliseconds, name};
use crate::wire::{ANY_REPLICA, CONSUMER, Door, EARLIEST, LATEST, METADATA_TOPIC, Silence, Wire};

/// As whom the metadata log is read: an id that no node of a cluster under test has. The quorum takes it for one more observer.
const OBSERVER: i32 = 9_999;

/// How long a change may take.
const CHANGE: Duration = Duration::from_secs(5);

/// A client's record where it is: offset, epoch, value.
type Placed = (i64, i32, String);

/// No answer, which may come another time.
fn silent(silence: Silence) -> Fault {
    match silence {
        Silence::Fault(fault) => fault,
        Silence::Asking(ClientError::Unsupported { place, api }) => {
            Fault::Unsupported(format!("{place} has no version of {api} that is known here"))
        }
        Silence::Asking(error) => Fault::InDoubt(error.to_string()),
    }
}

fn refused(code: i16) -> Answer {
    Answer::Refused { error: name(ErrorCode(code)) }
}

fn empty<T>(node: Member) -> Result<T, Fault> {
    Err(Fault::Broken(format!("found an empty answer of {node}")))
}

fn short(number: i64) -> Result<i32, Fault> {
    i32::try_from(number)
        .map_err(|_| Fault::Unsupported(format!("an epoch of {number}: it has 32 bits with a sign")))
}

fn maybe(number: Option<i64>) -> Result<i32, Fault> {
    short(number.unwrap_or(-1))
}

/// The clients' records of these bytes, as far as whole batches are there; and the offset behind the last.
fn records(bytes: &[u8]) -> Result<(Vec<Placed>, Option<i64>), Fault> {
    let broken = |error: &dyn std::fmt::Display| Fault::Broken(format!("an answer has batches with {error}"));
    let (mut all, mut end) = (Vec::new(), None);
    for batch in batches(bytes) {
        let batch = match batch {
            Err(BatchError::Truncated { .. }) => break,
            batch => batch.map_err(|error| broken(&error))?,
        };
        let header = batch.header();
        end = Some(header.base_offset + i64::from(header.last_offset_delta) + 1);
        if header.is_control() {
            continue;
        }
        for record in batch.records().map_err(|error| broken(&error))? {
            let record = record.map_err(|error| broken(&error))?;
            let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
            all.push((record.offset, header.leader_epoch, value));
        }
    }
    Ok((all, end))
}

/// What a fetch says of its one partition.
fn fetched(part: &Fetched, from: i64, is_of_clients: bool) -> Result<Answer, Fault> {
    if part.error_code != 0 {
        return Ok(refused(part.error_code));
    }
    let diverging = &part.diverging_epoch;
    if diverging.end_offset >= 0 {
        return Ok(Answer::Diverging { epoch: diverging.epoch.into(), end: diverging.end_offset });
    }
    if part.snapshot_id.end_offset >= 0 {
        return Ok(Answer::Snapshot);
    }
    let bytes: Bytes = part.records.clone().unwrap_or_default();
    // Of the metadata log nothing is a client's.
    let records = if is_of_clients { records(&bytes)?.0 } else { Vec::new() };
    let values = records.into_iter().filter(|(offset, ..)| *offset >= from);
    Ok(Answer::Records { values: values.map(|(_, _, value)| value).collect() })
}

impl Wire {
    /// What a node answers; `topic` is what the question's topic is really called.
    pub(crate) async fn probe(
        &mut self,
        node: Member,
        topic: &str,
        question: &Question,
    ) -> Result<Answer, Fault> {
        match question {
            Question::Fetch { reader, epoch, offset, last_epoch, broker_epoch, .. } => {
                let part = FetchPartition {
                    current_leader_epoch: maybe(*epoch)?,
                    fetch_offset: *offset,
                    last_fetched_epoch: maybe(*last_epoch)?,
                    partition_max_bytes: FETCH_BYTES,
                    ..Default::default()
                };
                let replica_id = reader.map_or(Ok(CONSUMER), |reader| self.id(reader))?;
                let replica = ReplicaState { replica_id, replica_epoch: broker_epoch.unwrap_or(-1) };
                let topic_id = self.topic_id(node, topic).await?;
                self.probe_fetch(node, Door::Broker, topic_id, part, replica).await
            }
            Question::EndOffset { epoch, current, .. } => {
                let partitions = vec![OffsetForLeaderPartition {
                    partition: 0,
                    current_leader_epoch: maybe(*current)?,
                    leader_epoch: short(*epoch)?,
                }];
                let topics = vec![OffsetForLeaderTopic { topic: topic.into(), partitions }];
                let request = OffsetForLeaderEpochRequest { replica_id: CONSUMER, topics };
                let answer = self.ask(node, &request).await.map_err(silent)?;
                let found = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
                found.map_or_else(
                    || empty(node),
                    |found| match found.error_code {
                        0 => Ok(Answer::EpochEnd { epoch: found.leader_epoch.into(), end: found.end_offset }),
                        code => Ok(refused(code)),
                    },
                )
            }
            Question::ListOffsets { at, epoch, .. } => {
                let at = match at {
                    Edge::Earliest => EARLIEST,
                    Edge::Latest => LATEST,
                };
                let said = self.list_offsets(node, topic, CONSUMER, at, maybe(*epoch)?).await;
                said.map_err(silent)?.map_or_else(
                    || empty(node),
                    |found| match found.error_code {
                        0 => Ok(Answer::Offset { epoch: found.leader_epoch.into(), offset: found.offset }),
                        code => Ok(refused(code)),
                    },
                )
            }
            Question::Metadata { .. } => {
                let answer = self.metadata(node, Some(topic)).await.map_err(silent)?;
                let found = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
                let Some(found) = found else { return empty(node) };
                // A listener of a leader that is not there is no error of the leader's epoch.
                Ok(Answer::Leader { node: self.member(found.leader_id)?, epoch: found.leader_epoch.into() })
            }
            Question::DeleteRecords { before, .. } => {
                let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: *before }];
                let topics = vec![DeleteRecordsTopic { name: topic.into(), partitions }];
                let request = DeleteRecordsRequest { topics, timeout_ms: milliseconds(CHANGE) };
                let answer = self.ask_in(node, &request, i16::MAX, Some(CHANGE)).await.map_err(silent)?;
                let found = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
                found.map_or_else(
                    || empty(node),
                    |found| match found.error_code {
                        0 => Ok(Answer::Done),
                        code => Ok(refused(code)),
                    },
                )
            }
            Question::AlterPartition { .. } => self.probe_alter(node, topic, question).await,
            Question::Vote { from, epoch, last_epoch, end, pre } => {
                let part = vote::PartitionData {
                    partition_index: 0,
                    replica_epoch: short(*epoch)?,
                    replica_id: self.id(from.unwrap_or(node))?,
                    last_offset_epoch: short(*last_epoch)?,
                    last_offset: *end,
                    pre_vote: *pre,
                    ..Default::default()
                };
                let topic_name = Str::from_static("__cluster_metadata");
                let topics = vec![vote::TopicData { topic_name, partitions: vec![part] }];
                let request = VoteRequest { cluster_id: None, voter_id: self.id(node)?, topics };
                let answer = self.ask_controller(node, &request).await?;
                if answer.error_code != 0 {
                    return Ok(refused(answer.error_code));
                }
                let found = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
                found.map_or_else(
                    || empty(node),
                    |found| match (found.error_code, found.vote_granted) {
                        (0, true) => Ok(Answer::Granted),
                        (0, false) => Ok(Answer::Denied),
                        (code, _) => Ok(refused(code)),
                    },
                )
            }
            Question::QuorumFetch { reader, epoch, offset, last_epoch } => {
                let part = FetchPartition {
                    current_leader_epoch: short(*epoch)?,
                    fetch_offset: *offset,
                    last_fetched_epoch: short(*last_epoch)?,
                    partition_max_bytes: FETCH_BYTES,
                    ..Default::default()
                };
                let replica_id = self.id(reader.unwrap_or(node))?;
                let replica = ReplicaState { replica_id, replica_epoch: -1 };
                self.probe_fetch(node, Door::Controller, METADATA_TOPIC, part, replica).await
            }
        }
    }

    /// What a node's controller answers.
    async fn ask_controller<R: Request>(&mut self, node: Member, request: &R) -> Result<R::Response, Fault> {
        self.knock(node, Door::Controller, request, i16::MAX, None).await.map_err(silent)
    }

    async fn topic_id(&mut self, node: Member, topic: &str) -> Result<Uuid, Fault> {
        let answer = self.metadata(node, Some(topic)).await.map_err(silent)?;
        let found = answer.topics.into_iter().next().filter(|topic| topic.error_code == 0);
        let unknown = || Fault::InDoubt(format!("{node} knows no topic {topic}"));
        found.map(|topic| topic.topic_id).ok_or_else(unknown)
    }

    async fn fetch_once(
        &mut self,
        node: Member,
        door: Door,
        topic_id: Uuid,
        part: FetchPartition,
        replica_state: ReplicaState,
    ) -> Result<Result<Fetched, i16>, Fault> {
        let topics = vec![FetchTopic { topic_id, partitions: vec![part], ..Default::default() }];
        let request = FetchRequest { max_bytes: FETCH_BYTES, topics, replica_state, ..Default::default() };
        let answer = self.knock(node, door, &request, i16::MAX, None).await.map_err(silent)?;
        if answer.error_code != 0 {
            return Ok(Err(answer.error_code));
        }
        let found = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
        found.map_or_else(|| empty(node), |found| Ok(Ok(found)))
    }

    async fn probe_fetch(
        &mut self,
        node: Member,
        door: Door,
        topic_id: Uuid,
        part: FetchPartition,
        replica: ReplicaState,
    ) -> Result<Answer, Fault> {
        let from = part.fetch_offset;
        match self.fetch_once(node, door, topic_id, part, replica).await? {
            Ok(found) => fetched(&found, from, door == Door::Broker),
            Err(code) => Ok(refused(code)),
        }
    }

    async fn probe_alter(&mut self, node: Member, topic: &str, question: &Question) -> Result<Answer, Fault> {
        let Question::AlterPartition { from, leader_epoch, partition_epoch, broker_epoch, isr, .. } =
            question
        else {
            return Err(Fault::Broken(format!("{question} is no AlterPartition")));
        };
        let image = self.image(node).await?;
        let topic_id = image.topic_id(topic);
        let topic_id = topic_id.ok_or_else(|| Fault::InDoubt(format!("{node} knows no topic {topic}")))?;
        let registered = |id: i32| image.broker(NodeId(id)).map_or(-1, |broker| broker.epoch);
        let mut members = Vec::new();
        for member in isr {
            // One that is no node of the cluster has an id as good as any.
            let broker_id = self.id(*member).unwrap_or(i32::from(member.0));
            members.push(alter::BrokerState { broker_id, broker_epoch: registered(broker_id) });
        }
        let part = alter::PartitionData {
            partition_index: 0,
            leader_epoch: short(*leader_epoch)?,
            partition_epoch: short(*partition_epoch)?,
            new_isr_with_epochs: members,
            ..Default::default()
        };
        let broker_id = self.id(*from)?;
        let request = AlterPartitionRequest {
            broker_id,
            broker_epoch: broker_epoch.unwrap_or_else(|| registered(broker_id)),
            topics: vec![alter::TopicData { topic_id, partitions: vec![part] }],
        };
        let answer = self.ask_controller(node, &request).await?;
        if answer.error_code != 0 {
            return Ok(refused(answer.error_code));
        }
        let found = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
        found.map_or_else(
            || empty(node),
            |found| match found.error_code {
                0 => Ok(Answer::Done),
                code => Ok(refused(code)),
            },
        )
    }

    /// A number of a topic, or of the quorum's log.
    pub(crate) async fn landmark(
        &mut self,
        node: Member,
        topic: Option<&str>,
        landmark: &Landmark,
    ) -> Result<Option<i64>, Fault> {
        if let Landmark::BrokerEpoch(member) = landmark {
            let id = NodeId(self.id(*member)?);
            return Ok(self.image(node).await?.broker(id).map(|broker| broker.epoch));
        }
        let Some(topic) = topic else { return self.landmark_of_quorum(node, landmark).await };
        let edge = match landmark {
            Landmark::Epoch => {
                let view = self.partition(node, topic).await?;
                return Ok(view.and_then(|view| i64::try_from(view.leader_epoch).ok()));
            }
            Landmark::PartitionEpoch => {
                let image = self.image(node).await?;
                let state = image.topic_id(topic).and_then(|topic| image.partition(topic, 0));
                return Ok(state.map(|state| state.partition_epoch.into()));
            }
            Landmark::OffsetOf(value) | Landmark::EpochOf(value) => {
                let placed = self.find(node, topic, value).await?;
                let is_epoch = matches!(landmark, Landmark::EpochOf(_));
                return Ok(placed.map(|(offset, epoch, _)| if is_epoch { epoch.into() } else { offset }));
            }
            Landmark::Start => EARLIEST,
            Landmark::End | Landmark::BrokerEpoch(_) => LATEST,
        };
        let said = self.list_offsets(node, topic, ANY_REPLICA, edge, -1).await.map_err(silent)?;
        Ok(said.filter(|said| said.error_code == 0).map(|said| said.offset))
    }

    async fn landmark_of_quorum(&mut self, node: Member, landmark: &Landmark) -> Result<Option<i64>, Fault> {
        let Some((leader, epoch)) = self.controller(node).await? else { return Ok(None) };
        match landmark {
            Landmark::Epoch => Ok(Some(epoch.into())),
            Landmark::Start | Landmark::End if leader != node => Ok(None),
            Landmark::Start | Landmark::End => {
                let (_, end, start) = self.metadata_log(node, epoch).await?;
                Ok(Some(if *landmark == Landmark::End { end } else { start }))
            }
            _ => Ok(None),
        }
    }

    /// A client's record, as far as consumers are given it.
    async fn find(&mut self, node: Member, topic: &str, value: &str) -> Result<Option<Placed>, Fault> {
        let said = self.list_offsets(node, topic, ANY_REPLICA, EARLIEST, -1).await.map_err(silent)?;
        let Some(mut at) = said.filter(|said| said.error_code == 0).map(|said| said.offset) else {
            return Ok(None);
        };
        loop {
            let part = self.fetch(node, topic, at, FETCH_BYTES, "suite").await.map_err(silent)?;
            let Some(part) = part.filter(|part| part.error_code == 0) else { return Ok(None) };
            let (found, end) = records(&part.records.unwrap_or_default())?;
            if let Some(found) = found.into_iter().find(|(_, _, found)| found == value) {
                return Ok(Some(found));
            }
            match end.filter(|end| *end > at) {
                Some(end) => at = end,
                None => return Ok(None),
            }
        }
    }

    /// What the metadata log says that a node leads.
    async fn image(&mut self, node: Member) -> Result<Image, Fault> {
        let known = self.controller(node).await?;
        let (leader, epoch) = known.ok_or_else(|| Fault::InDoubt(format!("{node} knows no controller")))?;
        Ok(self.metadata_log(leader, epoch).await?.0)
    }

    /// What a leader of the quorum has: what its log says, where that ends, and where it begins.
    async fn metadata_log(&mut self, node: Member, epoch: i32) -> Result<(Image, i64, i64), Fault> {
        let mut image = Image::default();
        let (mut at, mut last_epoch) = (0, 0);
        let unreadable = |what: &dyn std::fmt::Display| {
            Fault::Unsupported(format!("the metadata log of {node} cannot be read: {what}"))
        };
        loop {
            let part = FetchPartition {
                current_leader_epoch: epoch,
                fetch_offset: at,
                last_fetched_epoch: last_epoch,
                partition_max_bytes: FETCH_BYTES,
                ..Default::default()
            };
            let replica = ReplicaState { replica_id: OBSERVER, replica_epoch: -1 };
            let found = match self.fetch_once(node, Door::Controller, METADATA_TOPIC, part, replica).await? {
                Ok(found) if found.error_code == 0 => found,
                Ok(Fetched { error_code: code, .. }) | Err(code) => {
                    return Err(Fault::InDoubt(format!("{node} says {}", name(ErrorCode(code)))));
                }
            };
            if found.snapshot_id.end_offset >= 0 || found.diverging_epoch.end_offset >= 0 {
                return Err(unreadable(&"it begins with a snapshot, or is another now"));
            }
            let start = found.log_start_offset.max(0);
            let mut end = at;
            for batch in batches(&found.records.unwrap_or_default()) {
                let batch = match batch {
                    Err(BatchError::Truncated { .. }) => break,
                    batch => batch.map_err(|error| unreadable(&error))?,
                };
                let header = batch.header();
                end = header.base_offset + i64::from(header.last_offset_delta) + 1;
                last_epoch = header.leader_epoch;
                if header.is_control() {
                    continue;
                }
                for record in batch.records().map_err(|error| unreadable(&error))? {
                    let record = record.map_err(|error| unreadable(&error))?;
                    let record = MetadataRecord::decode(record.value.unwrap_or_default())
                        .map_err(|error| unreadable(&error))?;
                    image.apply(&record).map_err(|error| unreadable(&error))?;
                }
            }
            if end <= at {
                return Ok((image, end, start));
            }
            at = end;
        }
    }
}
