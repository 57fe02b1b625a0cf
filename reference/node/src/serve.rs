//! What others ask of a broker: produce, fetch, offsets, what it knows of the cluster.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use highwater_core::batch::{self, BatchError};
use highwater_core::partition::{Acks, PartitionError, PartitionFetch, PartitionFetched, Reader, Role};
use highwater_core::producer::Verdict;
use highwater_core::{Instant, NO_EPOCH, NodeId, Offset, Token, Uuid};
use highwater_log::disk::Disk;

use crate::broker::Broker;
use crate::config::NodeConfig;
use crate::fetcher;
use crate::message::{ClientResponse, ClusterView, PeerRequest, PeerResponse, ReplicaFetch, TopicPartition};
use crate::node::Node;
use crate::ports::{Asked, Fatal, Ports};
use crate::records;
use crate::store;
use crate::waiting::{Asker, Fetch};

/// A producer's request.
pub(crate) struct Produce {
    pub(crate) token: Token,
    pub(crate) partition: TopicPartition,
    pub(crate) acks: Acks,
    pub(crate) timeout_ms: u32,
    pub(crate) records: Bytes,
}

/// What a partition answers to a fetch, and its bytes.
type Answer = (TopicPartition, PartitionFetched, Bytes);

/// `ListOffsets`: where the log ends for consumers.
const LATEST: i64 = -1;
/// `ListOffsets`: where it begins.
const EARLIEST: i64 = -2;

impl<D: Disk> Broker<D> {
    /// A producer's batches.
    pub(crate) fn produce(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        produce: &Produce,
    ) -> Result<(), Fatal> {
        if let Err(error) = self.append(ports, config, produce)?
            && produce.acks != Acks::None
        {
            ports.answer(produce.token, ClientResponse::Produce(Err(error)));
        }
        self.drain(ports, produce.partition, &Bytes::new())
    }

    fn append(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        produce: &Produce,
    ) -> Result<Result<(), PartitionError>, Fatal> {
        let id = produce.partition;
        let Some(replica) = self.replicas.get_mut(&id) else {
            return Ok(Err(PartitionError::UnknownTopicOrPartition));
        };
        let count = match batch::produced(&produce.records) {
            Ok(count) => count,
            Err(BatchError::Empty) => return Ok(Err(PartitionError::InvalidRequest)),
            Err(_) => return Ok(Err(PartitionError::CorruptMessage)),
        };
        if records::largest(&produce.records) > config.message_max_bytes {
            return Ok(Err(PartitionError::MessageTooLarge));
        }
        let deadline = ports.now + Duration::from_millis(produce.timeout_ms.into());
        let (token, acks) = (produce.token, produce.acks);
        match replica.judge(acks, &produce.records) {
            Ok(Verdict::Append) => {}
            Ok(Verdict::Duplicate(original)) => {
                let stands = (original.base_offset(), original.end_offset());
                return Ok(replica.core.repeat(token, acks, stands, deadline));
            }
            Err(error) => return Ok(Err(error)),
        }
        let extent = match replica.core.produce(ports.now, token, acks, count, deadline) {
            Ok(extent) => extent,
            Err(error) => return Ok(Err(error)),
        };
        let mut bytes = produce.records.to_vec();
        batch::assign(&mut bytes, extent.base, extent.epoch)
            .map_err(|error| failed(&replica.topic, id, error))?;
        replica.append(&bytes).map_err(|error| failed(&replica.topic, id, error))?;
        replica.flush_if_due(id, config.log_flush_interval_messages, ports);
        Ok(Ok(()))
    }

    /// A fetch: answered at once if there is anything to say, or it may not wait; else it waits.
    pub(crate) fn fetch(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        fetch: Fetch,
        max_wait_ms: u32,
    ) -> Result<(), Fatal> {
        let (answers, says) = self.evaluate(ports, &fetch)?;
        if says || max_wait_ms == 0 || self.waiting.len() >= config.waiting_requests_max {
            answer(ports, &fetch, answers);
            return Ok(());
        }
        for (id, asked) in &fetch.partitions {
            if let Some(replica) = self.replicas.get_mut(id) {
                replica.core.wait(fetch.token, fetch.reader, asked);
            }
        }
        let deadline = ports.now + Duration::from_millis(max_wait_ms.into());
        self.waiting.insert(fetch, deadline, ports);
        Ok(())
    }

    /// A fetch that waited has something to say, or has waited long enough.
    pub(crate) fn wake(&mut self, ports: &mut Ports, token: Token) -> Result<(), Fatal> {
        let Some(fetch) = self.forget(ports, token) else { return Ok(()) };
        let (answers, _) = self.evaluate(ports, &fetch)?;
        answer(ports, &fetch, answers);
        Ok(())
    }

    /// A fetch that waited is not waited for any more.
    pub(crate) fn forget(&mut self, ports: &mut Ports, token: Token) -> Option<Fetch> {
        let fetch = self.waiting.take(token, ports)?;
        for (id, _) in &fetch.partitions {
            if let Some(replica) = self.replicas.get_mut(id) {
                replica.core.forget(token);
            }
        }
        Some(fetch)
    }

    /// What there is to say now, and whether it is anything.
    fn evaluate(&mut self, ports: &mut Ports, fetch: &Fetch) -> Result<(Vec<Answer>, bool), Fatal> {
        let mut answers = Vec::with_capacity(fetch.partitions.len());
        // Room for a batch there always is.
        let bytes_max = fetch.max_bytes.max(1) as usize;
        let (mut says, mut left) = (false, bytes_max);
        for (id, asked) in &fetch.partitions {
            let (fetched, bytes) = match self.replicas.get_mut(id) {
                None => (absent(PartitionError::UnknownTopicOrPartition), Bytes::new()),
                Some(replica) => {
                    let mut fetched = replica.core.fetch(ports.now, fetch.reader, asked);
                    let mut bytes = Bytes::new();
                    if let (Some(first), Some(last)) = (fetched.records.first(), fetched.records.last())
                        && left > 0
                    {
                        let (from, to) = (first.base, last.end);
                        bytes = replica.log.read(from, to, left).map_err(|error| {
                            Fatal::new(format!("reading {}-{}", replica.topic, id.partition), error)
                        })?;
                    }
                    // A batch that is larger than what may be sent goes alone, so that nobody is stuck before it.
                    if bytes.len() > left && left < bytes_max {
                        bytes = Bytes::new();
                    }
                    let sent = records::end(&bytes).unwrap_or(Offset::MIN);
                    records::cut(&mut fetched.records, sent);
                    (fetched, bytes)
                }
            };
            says |= fetched.error.is_some() || fetched.diverging.is_some() || !bytes.is_empty();
            left = left.saturating_sub(bytes.len());
            answers.push((*id, fetched, bytes));
            self.drain(ports, *id, &Bytes::new())?;
        }
        Ok((answers, says))
    }

    /// Where a log begins or ends for consumers.
    pub(crate) fn list_offsets(
        &self,
        id: TopicPartition,
        timestamp: i64,
    ) -> Result<Result<Offset, PartitionError>, Fatal> {
        let Some(replica) = self.replicas.get(&id) else {
            return Ok(Err(PartitionError::UnknownTopicOrPartition));
        };
        if replica.core.role() != Role::Leader {
            return Ok(Err(PartitionError::NotLeaderOrFollower));
        }
        let end = replica.core.high_watermark();
        let offset = match timestamp {
            LATEST => end,
            EARLIEST => replica.core.log().start(),
            timestamp => {
                let found = replica.log.offset_for_timestamp(timestamp).map_err(|error| {
                    Fatal::new(format!("searching {}-{}", replica.topic, id.partition), error)
                })?;
                found.map(|found| found.offset).filter(|offset| *offset < end).unwrap_or(-1)
            }
        };
        Ok(Ok(offset))
    }

    // ---- as a follower ----

    /// Sends the fetches that are due.
    pub(crate) fn fetch_from_leaders(&mut self, ports: &mut Ports, config: &NodeConfig) {
        while let Some(leader) = self.fetchers.next_ready() {
            self.fetch_from(leader, ports, config);
        }
    }

    fn fetch_from(&mut self, leader: NodeId, ports: &mut Ports, config: &NodeConfig) {
        let Some(broker_epoch) = self.published else { return };
        let Some(turns) = self.fetchers.turns(leader) else { return };
        let mut resume: Option<Instant> = None;
        let mut partitions = Vec::new();
        for id in turns {
            let Some(replica) = self.replicas.get_mut(&id) else { continue };
            match replica.paused {
                Some(until) if until > ports.now => {
                    resume = Some(resume.map_or(until, |resume| resume.min(until)));
                    continue;
                }
                _ => replica.paused = None,
            }
            if let Some((_, fetch)) = replica.core.position() {
                partitions.push((id, fetch));
            }
        }
        if partitions.is_empty() {
            if let Some(until) = resume {
                self.fetchers.pause(leader, until, ports);
            }
            return;
        }
        let wait = config.replica_fetch_wait_max;
        let request = ReplicaFetch {
            broker_epoch,
            partitions: partitions.clone(),
            max_wait_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
            max_bytes: config.replica_fetch_response_max_bytes,
        };
        let asked = Asked::Fetch(partitions);
        let request = PeerRequest::Fetch(request);
        // What the leader may hold it for does not count as silence.
        let patience = config.replica_socket_timeout + wait;
        let correlation = ports.send(leader, request, asked, patience);
        self.fetchers.asked(leader, correlation);
    }

    /// A leader has answered.
    pub(crate) fn fetched(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        leader: NodeId,
        correlation: u64,
        asked: &[(TopicPartition, PartitionFetch)],
        answers: Vec<Answer>,
    ) -> Result<(), Fatal> {
        self.fetchers.settled(leader, correlation);
        for pair in fetcher::pair(asked, answers, |(id, _, _)| *id) {
            match pair {
                Ok((fetch, answer)) => self.take(ports, config, leader, &fetch, answer)?,
                Err(id) => {
                    let what = store::told(leader, id.topic, id.partition);
                    ports.report(format!("dropped {what}: it was not asked for"));
                }
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        leader: NodeId,
        fetch: &PartitionFetch,
        (id, mut fetched, bytes): Answer,
    ) -> Result<(), Fatal> {
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(()) };
        let retry = Some(ports.now + config.replica_fetch_backoff);
        match records::check(&bytes, fetch.offset, fetched.leader_epoch) {
            Ok(extents) => fetched.records = extents,
            Err(why) => {
                let what = store::told(leader, id.topic, id.partition);
                ports.report(format!("dropped {what}: {why}"));
                replica.paused = retry;
                return Ok(());
            }
        }
        if fetched.error.is_some_and(|error| error != PartitionError::OffsetOutOfRange) {
            replica.paused = retry;
        }
        if !fetched.records.is_empty()
            && let Some(turn) = &mut replica.turn
            && turn.leader == leader
        {
            self.fetchers.rotate(turn);
        }
        records::align(&replica.log, &mut fetched.diverging)?;
        replica.core.fetched(ports.now, leader, fetch, &fetched);
        self.drain(ports, id, &bytes)?;
        if let Some(replica) = self.replicas.get_mut(&id) {
            replica.flush_if_due(id, config.log_flush_interval_messages, ports);
        }
        Ok(())
    }

    /// A leader will not answer.
    pub(crate) fn fetch_failed(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        leader: NodeId,
        correlation: u64,
    ) {
        self.fetchers.settled(leader, correlation);
        self.fetchers.pause(leader, ports.now + config.replica_fetch_backoff, ports);
    }
}

impl<D: Disk> Node<D> {
    /// What this node knows of the cluster.
    pub(crate) fn cluster_view(&self) -> ClusterView {
        let image = &self.metadata.image;
        let brokers =
            image.brokers().iter().filter(|(_, broker)| !broker.fenced).map(|(id, _)| *id).collect();
        let topic = |(name, id): (&String, &Uuid)| {
            let partitions = image.topic(*id).into_iter().flat_map(|topic| topic.partitions.values());
            let leaders = partitions.map(|partition| (partition.state.leader, partition.state.leader_epoch));
            (name.clone(), *id, leaders.collect())
        };
        let topics = image.topic_names().iter().map(topic).collect();
        ClusterView { controller: self.metadata.core.leader(), brokers, topics }
    }
}

/// What was accepted cannot be appended.
fn failed(topic: &str, id: TopicPartition, error: impl fmt::Display) -> Fatal {
    Fatal::new(format!("appending to {topic}-{}", id.partition), error)
}

/// Answers a fetch.
fn answer(ports: &mut Ports, fetch: &Fetch, mut answers: Vec<Answer>) {
    match fetch.asker {
        Asker::Peer => ports.reply(fetch.token, PeerResponse::Fetch(answers)),
        Asker::Client => {
            if let Some((_, fetched, bytes)) = answers.pop() {
                ports.answer(fetch.token, ClientResponse::Fetch(fetched, bytes));
            }
        }
    }
}

/// Answers a fetch of a node that is no broker.
pub(crate) fn refuse(ports: &mut Ports, fetch: &Fetch) {
    let refused = |(id, _): &(TopicPartition, PartitionFetch)| {
        (*id, absent(PartitionError::NotLeaderOrFollower), Bytes::new())
    };
    answer(ports, fetch, fetch.partitions.iter().map(refused).collect());
}

/// The answer about a partition that is not here.
fn absent(error: PartitionError) -> PartitionFetched {
    PartitionFetched {
        error: Some(error),
        leader_epoch: NO_EPOCH,
        high_watermark: -1,
        log_start: -1,
        diverging: None,
        records: Vec::new(),
    }
}

/// A follower's fetch as one that can wait.
pub(crate) fn replica_fetch(token: Token, from: NodeId, fetch: ReplicaFetch) -> (Fetch, u32) {
    let reader = Reader::Replica { id: from, broker_epoch: fetch.broker_epoch };
    let (partitions, max_bytes) = (fetch.partitions, fetch.max_bytes);
    (Fetch { token, asker: Asker::Peer, reader, partitions, max_bytes }, fetch.max_wait_ms)
}
