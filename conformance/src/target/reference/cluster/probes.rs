//! Probes of a simulated cluster: requests in the name of clients or of other nodes.

use std::time::Duration;

use highwater_core::controller::{ControllerRequest, ControllerResponse};
use highwater_core::partition::{self, LeaderRecovery, PartitionError, PartitionFetch};
use highwater_core::quorum::ReplicaKey;
use highwater_core::{NO_EPOCH, NodeId, Offset};
use highwater_node::message::{
    ClientRequest, ClientResponse, DeleteRecords, EpochQuery, Fetch, FetchPartition, FetchReader,
    FetchSession, FetchedPartition, ListOffsets, OffsetAt, OffsetQuery, OffsetReader, PeerRequest,
    PeerResponse, ReplicaFetch, ReplicaFetchPartition, TopicPartition,
};
use highwater_simulation::stage::Reply;

use super::{Cluster, errors, member_of, violated};
use crate::scenario::Member;
use crate::target::Fault;
use crate::target::probe::{Answer, Edge, Landmark, Probes, Question};
use crate::target::reference::probes::{Placed, epoch, quorum_answer, quorum_fetch, quorum_vote, records};

/// How long a node may take for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// As much as a fetch takes.
const FETCH_BYTES: u32 = 1 << 20;

impl Probes for Cluster {
    fn ask(&mut self, node: Member, question: &Question) -> Result<Answer, Fault> {
        match question {
            Question::Fetch { topic, reader, epoch: leader_epoch, offset, last_epoch, broker_epoch } => {
                let fetch = PartitionFetch {
                    leader_epoch: epoch(leader_epoch.unwrap_or(NO_EPOCH.into()))?,
                    offset: *offset,
                    last_epoch: epoch(last_epoch.unwrap_or(NO_EPOCH.into()))?,
                };
                let partition = self.known(node, topic)?;
                match reader {
                    None => self.fetch(node, partition, fetch, FetchReader::ConsumerOfLeader),
                    Some(reader) => {
                        self.fetch_as(*reader, node, partition, fetch, broker_epoch.unwrap_or(-1))
                    }
                }
            }
            Question::EndOffset { topic, epoch: asked, current } => {
                let query = EpochQuery {
                    partition: self.known(node, topic)?,
                    current_leader_epoch: epoch(current.unwrap_or(NO_EPOCH.into()))?,
                    epoch: epoch(*asked)?,
                };
                match self.client(node, ClientRequest::OffsetsForLeaderEpoch(vec![query]))? {
                    ClientResponse::OffsetsForLeaderEpoch(mut answers) => match answers.pop() {
                        Some((_, Ok(Some(end)))) => {
                            Ok(Answer::EpochEnd { epoch: end.epoch.into(), end: end.end })
                        }
                        Some((_, Ok(None))) => Ok(Answer::EpochEnd { epoch: -1, end: -1 }),
                        Some((_, Err(error))) => Ok(refused(error)),
                        None => empty(node),
                    },
                    other => nonsense(node, &other),
                }
            }
            Question::ListOffsets { topic, at, epoch: leader_epoch } => {
                let query = OffsetQuery {
                    partition: self.known(node, topic)?,
                    leader_epoch: epoch(leader_epoch.unwrap_or(NO_EPOCH.into()))?,
                    at: match at {
                        Edge::Earliest => OffsetAt::Earliest,
                        Edge::Latest => OffsetAt::Latest,
                    },
                };
                let asked = ListOffsets { reader: OffsetReader::Client, partitions: vec![query] };
                match self.client(node, ClientRequest::ListOffsets(asked))? {
                    ClientResponse::ListOffsets(mut answers) => match answers.pop() {
                        Some((_, Ok(Some(found)))) => {
                            Ok(Answer::Offset { epoch: found.leader_epoch.into(), offset: found.offset })
                        }
                        Some((_, Ok(None))) => Ok(Answer::Offset { epoch: -1, offset: -1 }),
                        Some((_, Err(error))) => Ok(refused(error)),
                        None => empty(node),
                    },
                    other => nonsense(node, &other),
                }
            }
            Question::Metadata { topic } => {
                let TopicPartition { topic, .. } = self.known(node, topic)?;
                match self.client(node, ClientRequest::Metadata)? {
                    ClientResponse::Metadata(view) => {
                        let found = view.topics.into_iter().find(|(_, id, _)| *id == topic);
                        match found.and_then(|(_, _, partitions)| partitions.first().copied()) {
                            Some((leader, epoch)) => Ok(Answer::Leader {
                                node: leader.map(member_of).transpose()?,
                                epoch: epoch.into(),
                            }),
                            None => empty(node),
                        }
                    }
                    other => nonsense(node, &other),
                }
            }
            Question::DeleteRecords { topic, before } => {
                let timeout_ms = u32::try_from(PATIENCE.as_millis()).unwrap_or(u32::MAX);
                let partitions = vec![(self.known(node, topic)?, Some(*before))];
                let asked = DeleteRecords { timeout_ms, partitions };
                match self.client(node, ClientRequest::DeleteRecords(asked))? {
                    ClientResponse::DeleteRecords(mut answers) => match answers.pop() {
                        Some((_, Ok(_))) => Ok(Answer::Done),
                        Some((_, Err(error))) => Ok(refused(error)),
                        None => empty(node),
                    },
                    other => nonsense(node, &other),
                }
            }
            Question::AlterPartition { topic, from, leader_epoch, partition_epoch, broker_epoch, isr } => {
                let partition = self.known(node, topic)?;
                let own = |member: &Member| self.broker_epoch(node, *member).unwrap_or(-1);
                let wish = partition::AlterPartition {
                    leader: id_of(*from),
                    broker_epoch: broker_epoch.unwrap_or_else(|| own(from)),
                    leader_epoch: epoch(*leader_epoch)?,
                    partition_epoch: epoch(*partition_epoch)?,
                    isr: isr.iter().map(|member| (id_of(*member), own(member))).collect(),
                    recovery: LeaderRecovery::Recovered,
                };
                let wishes = vec![(partition.topic, partition.partition, wish)];
                let request = PeerRequest::Controller(ControllerRequest::AlterPartitions(wishes));
                match self.peer(*from, node, request)? {
                    PeerResponse::Controller(ControllerResponse::AlterPartitions(answer)) => match answer {
                        Err(error) => Ok(Answer::Refused { error: errors::told(error.code, "") }),
                        Ok(mut answers) => match answers.pop() {
                            Some((_, _, Ok(_))) => Ok(Answer::Done),
                            Some((_, _, Err(error))) => Ok(refused(error)),
                            None => empty(node),
                        },
                    },
                    other => nonsense(node, &other),
                }
            }
            Question::Vote { from, .. } | Question::QuorumFetch { reader: from, .. } => {
                let from = from.unwrap_or(node);
                let (own, other) = (self.key(node)?, self.key(from)?);
                let request = match question {
                    Question::Vote { epoch, last_epoch, end, pre, .. } => {
                        quorum_vote(other, own, (*epoch, *last_epoch, *end), *pre)?
                    }
                    Question::QuorumFetch { epoch, offset, last_epoch, .. } => {
                        quorum_fetch(other, (*epoch, *last_epoch, *offset))?
                    }
                    _ => return Err(Fault::Broken(format!("{question} is none of a quorum"))),
                };
                match self.peer(from, node, PeerRequest::Quorum(request))? {
                    // Of the metadata log nothing is a client's.
                    PeerResponse::Quorum(response, _) => quorum_answer(&response, &[]),
                    other => nonsense(node, &other),
                }
            }
        }
    }

    fn landmark(
        &mut self,
        node: Member,
        topic: Option<&str>,
        landmark: &Landmark,
    ) -> Result<Option<i64>, Fault> {
        if let Landmark::BrokerEpoch(member) = landmark {
            return Ok(self.broker_epoch(node, *member));
        }
        let Some(known) = self.stage.node(node.0.into()) else { return Ok(None) };
        let Some(topic) = topic else {
            let view = known.metadata();
            return Ok(match landmark {
                Landmark::Epoch => Some(view.epoch.into()),
                Landmark::Start => Some(view.log.start()),
                Landmark::End => Some(view.log.end()),
                _ => None,
            });
        };
        let Some(partition) = self.partition_of(node, topic) else { return Ok(None) };
        let state = known.image().partition(partition.topic, partition.partition);
        match landmark {
            Landmark::Epoch => return Ok(state.map(|state| state.leader_epoch.into())),
            Landmark::PartitionEpoch => return Ok(state.map(|state| state.partition_epoch.into())),
            _ => {}
        }
        let Some(log) = known.replica(partition).map(|view| view.log) else { return Ok(None) };
        let (start, end) = (log.start(), log.end());
        let value = match landmark {
            Landmark::Start => return Ok(Some(start)),
            Landmark::End => return Ok(Some(end)),
            Landmark::OffsetOf(value) | Landmark::EpochOf(value) => value,
            _ => return Ok(None),
        };
        let found =
            self.records_from(node, partition, start)?.into_iter().find(|record| record.value == *value);
        Ok(found.map(|found| match landmark {
            Landmark::EpochOf(_) => found.epoch,
            _ => found.offset,
        }))
    }
}

fn id_of(member: Member) -> NodeId {
    NodeId(member.0.into())
}

fn refused(error: PartitionError) -> Answer {
    Answer::Refused { error: errors::told(error as i16, "") }
}

fn empty<T>(node: Member) -> Result<T, Fault> {
    Err(Fault::Broken(format!("found an empty answer of {node}")))
}

fn nonsense<T>(node: Member, answer: &impl std::fmt::Debug) -> Result<T, Fault> {
    Err(Fault::Broken(format!("{node} answers a probe with something else: {answer:?}")))
}

/// What a fetch of a partition says.
fn said(answer: &partition::PartitionFetched, bytes: &[u8], from: Offset) -> Result<Answer, Fault> {
    if let Some(error) = answer.error {
        return Ok(refused(error));
    }
    if let Some(end) = answer.diverging {
        return Ok(Answer::Diverging { epoch: end.epoch.into(), end: end.end });
    }
    let values = records(bytes)?.into_iter().filter(|record| record.offset >= from);
    Ok(Answer::Records { values: values.map(|record| record.value).collect() })
}

impl Cluster {
    /// The partition as the asked node knows it, or as anybody does.
    fn known(&self, node: Member, topic: &str) -> Result<TopicPartition, Fault> {
        let nodes = std::iter::once(node).chain(self.running());
        let found = nodes.filter_map(|node| self.partition_of(node, topic)).next();
        found.ok_or_else(|| Fault::InDoubt(format!("no node knows the topic {topic}")))
    }

    fn key(&self, node: Member) -> Result<ReplicaKey, Fault> {
        let directory = self.stage.directory(node.0.into());
        let directory = directory.ok_or_else(|| Fault::Broken(format!("there is no {node}")))?;
        Ok(ReplicaKey { id: id_of(node), directory })
    }

    /// The broker epoch of a node, as another knows it.
    fn broker_epoch(&self, node: Member, of: Member) -> Option<i64> {
        Some(self.stage.node(node.0.into())?.image().broker(id_of(of))?.epoch)
    }

    /// What a node answers a client.
    fn client(&mut self, node: Member, request: ClientRequest) -> Result<ClientResponse, Fault> {
        match self.stage.ask(node.0.into(), request, PATIENCE).map_err(violated)? {
            Reply::Answer(answer) => Ok(*answer),
            Reply::NobodyListens => Err(Fault::InDoubt(format!("{node} does not run"))),
            Reply::Silence => Err(Fault::InDoubt(format!("{node} does not answer"))),
        }
    }

    /// What a node answers another.
    fn peer(&mut self, from: Member, node: Member, request: PeerRequest) -> Result<PeerResponse, Fault> {
        let answer = self.stage.ask_as(from.0.into(), node.0.into(), request, PATIENCE).map_err(violated)?;
        answer.ok_or_else(|| Fault::InDoubt(format!("{node} does not answer")))
    }

    fn fetch_for_client(
        &mut self,
        node: Member,
        partition: TopicPartition,
        fetch: PartitionFetch,
        reader: FetchReader,
    ) -> Result<FetchedPartition, Fault> {
        let asked = Fetch {
            reader,
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: FETCH_BYTES,
            partitions: vec![FetchPartition { partition, fetch, max_bytes: FETCH_BYTES }],
        };
        match self.client(node, ClientRequest::Fetch(asked))? {
            ClientResponse::Fetch(mut answers) => answers.pop().map_or_else(|| empty(node), Ok),
            other => nonsense(node, &other),
        }
    }

    fn fetch(
        &mut self,
        node: Member,
        partition: TopicPartition,
        fetch: PartitionFetch,
        reader: FetchReader,
    ) -> Result<Answer, Fault> {
        let answer = self.fetch_for_client(node, partition, fetch, reader)?;
        said(&answer.answer, &answer.records, fetch.offset)
    }

    fn fetch_as(
        &mut self,
        reader: Member,
        node: Member,
        partition: TopicPartition,
        fetch: PartitionFetch,
        broker_epoch: i64,
    ) -> Result<Answer, Fault> {
        let part = ReplicaFetchPartition { partition, fetch, log_start: 0, max_bytes: FETCH_BYTES };
        let asked = ReplicaFetch {
            broker_epoch,
            session: FetchSession::NONE,
            partitions: vec![part],
            forgotten: Vec::new(),
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: FETCH_BYTES,
        };
        match self.peer(reader, node, PeerRequest::Fetch(asked))? {
            PeerResponse::Fetch(Err(error)) => Ok(Answer::Refused { error: errors::told(error as i16, "") }),
            PeerResponse::Fetch(Ok(mut fetched)) => match fetched.answers.pop() {
                Some((_, answer, bytes)) => said(&answer, &bytes, fetch.offset),
                None => empty(node),
            },
            other => nonsense(node, &other),
        }
    }

    /// All that a node has from an offset on.
    fn records_from(
        &mut self,
        node: Member,
        partition: TopicPartition,
        from: Offset,
    ) -> Result<Vec<Placed>, Fault> {
        let (mut at, mut all) = (from, Vec::new());
        loop {
            let fetch = PartitionFetch { leader_epoch: NO_EPOCH, offset: at, last_epoch: NO_EPOCH };
            let answer = self.fetch_for_client(node, partition, fetch, FetchReader::Debug)?;
            let end = highwater_log::records::end(&answer.records).unwrap_or(at);
            if end <= at {
                return Ok(all);
            }
            all.extend(records(&answer.records)?);
            at = end;
        }
    }
}
