//! Fetches: of consumers, of followers without a session, and of whoever wants to see what a replica has.
//!
//! A fetch is answered at once if there are its minimum of bytes, if any partition has something else to say (an error, that logs diverge), or
//! if it may not wait. Else it waits in the cores of its partitions, which wake it; then what woke it is looked at again, and
//! nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use highwater_core::controller::Image;
use highwater_core::partition::{Partition, PartitionError, PartitionFetch, PartitionFetched, Reader, Role};
use highwater_core::{NO_EPOCH, NodeId, Offset, Token};
use highwater_log::disk::Disk;
use highwater_log::records;

use crate::broker::Broker;
use crate::config::NodeConfig;
use crate::message::{
    ClientResponse, Fetch, FetchPartition, FetchReader, FetchedPartition, PeerResponse, ReplicaFetch,
    ReplicaFetched, TopicPartition,
};
use crate::ports::{Fatal, Ports};
use crate::replica::Replica;
use crate::waiting::{Asker, Reading};

/// What a leader answers a follower about a partition, and its bytes.
pub(crate) type Answer = (TopicPartition, PartitionFetched, Bytes);

/// What there is now for a fetch.
struct Evaluated {
    answers: Vec<FetchedPartition>,
    bytes: u64,
    /// There is something to say besides bytes.
    says: bool,
}

/// How many bytes an answer has room for.
pub(crate) struct Room {
    left: usize,
    total: usize,
}

impl Room {
    /// For so many.
    pub(crate) fn new(max_bytes: u32) -> Self {
        Self { left: max_bytes as usize, total: 0 }
    }
}

impl<D: Disk> Broker<D> {
    /// A fetch: answered at once if there is enough to say, or it may not wait; else it waits.
    pub(crate) fn fetch(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        image: &Image,
        reading: Reading,
        max_wait_ms: u32,
    ) -> Result<(), Fatal> {
        let evaluated = self.evaluate(ports, image, &reading)?;
        let enough = evaluated.says || evaluated.bytes >= u64::from(reading.min_bytes);
        if enough
            || max_wait_ms == 0
            || reading.partitions.is_empty()
            || self.waiting.len() >= config.waiting_requests_max
        {
            answer(ports, &reading, evaluated.answers);
            return Ok(());
        }
        let mut available = BTreeMap::new();
        for part in &reading.partitions {
            let Some(replica) = self.replicas.get_mut(&part.partition) else { continue };
            if let Some(bytes) = wait(replica, &reading, part)?.filter(|bytes| *bytes > 0) {
                available.insert(part.partition, bytes);
            }
        }
        let deadline = ports.now + Duration::from_millis(max_wait_ms.into());
        self.waiting.insert(reading, available, deadline, ports);
        Ok(())
    }

    /// A partition has something for a fetch that waits: it is answered if that is enough.
    pub(crate) fn wake(
        &mut self,
        ports: &mut Ports,
        image: &Image,
        token: Token,
        by: TopicPartition,
    ) -> Result<(), Fatal> {
        let Some(waiting) = self.waiting.get_mut(token) else { return Ok(()) };
        if waiting.reading.min_bytes > 1
            && let Some(replica) = self.replicas.get_mut(&by)
            && let Some(part) = waiting.reading.partitions.iter().find(|part| part.partition == by)
            && says_nothing_else(
                &replica.core,
                waiting.reading.reader,
                waiting.reading.leaders_only,
                &part.fetch,
            )
            && let Some(bytes) = wait(replica, &waiting.reading, part)?
            && !waiting.note(by, bytes)
        {
            return Ok(());
        }
        self.answer_waiting(ports, image, token)
    }

    /// A fetch has waited long enough, or must be answered with what there is.
    pub(crate) fn answer_waiting(
        &mut self,
        ports: &mut Ports,
        image: &Image,
        token: Token,
    ) -> Result<(), Fatal> {
        if let Some(follower) = self.sessions.waits_under(token) {
            return self.answer_waiting_in_session(ports, image, follower);
        }
        let Some(reading) = self.forget_fetch(ports, token) else { return Ok(()) };
        let evaluated = self.evaluate(ports, image, &reading)?;
        answer(ports, &reading, evaluated.answers);
        Ok(())
    }

    /// A fetch that waited is not waited for any more.
    pub(crate) fn forget_fetch(&mut self, ports: &mut Ports, token: Token) -> Option<Reading> {
        if let Some(follower) = self.sessions.waits_under(token) {
            self.sessions.stop_waiting(follower, ports);
            return None;
        }
        let reading = self.waiting.take(token, ports)?;
        for part in &reading.partitions {
            if let Some(replica) = self.replicas.get_mut(&part.partition) {
                replica.core.forget(token);
            }
        }
        Some(reading)
    }

    /// What there is to say now.
    fn evaluate(&mut self, ports: &mut Ports, image: &Image, reading: &Reading) -> Result<Evaluated, Fatal> {
        let mut answers = Vec::with_capacity(reading.partitions.len());
        let (mut says, mut room) = (false, Room::new(reading.max_bytes));
        for part in &reading.partitions {
            let (seen, _) =
                self.look(ports, image, (reading.reader, reading.leaders_only), part, &mut room)?;
            says |= seen.answer.error.is_some() || seen.answer.diverging.is_some();
            answers.push(seen);
        }
        Ok(Evaluated { answers, bytes: room.total as u64, says })
    }

    /// What there is to say now of one partition, and whether there are records, for which there may be no room. Of followers it counts what
    /// they have.
    pub(crate) fn look(
        &mut self,
        ports: &mut Ports,
        image: &Image,
        (reader, leaders_only): (Reader, bool),
        part: &FetchPartition,
        room: &mut Room,
    ) -> Result<(FetchedPartition, bool), Fatal> {
        let id = part.partition;
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok((absent(image, id), false)) };
        let mut fetched = replica.core.fetch(ports.now, reader, &part.fetch);
        if leaders_only && fetched.error.is_none() && replica.core.role() != Role::Leader {
            fetched = refused(PartitionError::NotLeaderOrFollower, replica.core.leader_epoch());
        }
        let mut bytes = Bytes::new();
        let has_records = !fetched.records.is_empty();
        if let (Some(first), Some(last)) = (fetched.records.first(), fetched.records.last())
            && (room.left > 0 || room.total == 0)
        {
            let (from, to, max) = (first.base, last.end, room.left.min(part.max_bytes as usize));
            bytes = replica
                .log
                .read(from, to, max.max(1))
                .map_err(|error| Fatal::new(format!("reading {}-{}", replica.topic, id.partition), error))?;
            // A batch that is larger than what may be sent goes first or not at all: nobody is stuck before it.
            if bytes.len() > max && room.total > 0 {
                bytes = Bytes::new();
            }
        }
        let sent = records::end(&bytes).unwrap_or(Offset::MIN);
        records::cut(&mut fetched.records, sent);
        room.left = room.left.saturating_sub(bytes.len());
        room.total += bytes.len();
        let leader = replica.core.state().leader;
        self.drain(ports, id, &Bytes::new())?;
        Ok((FetchedPartition { partition: id, answer: fetched, leader, records: bytes }, has_records))
    }
}

/// Whether a fetch that was woken would be told nothing but records.
pub(crate) fn says_nothing_else(
    core: &Partition,
    reader: Reader,
    leaders_only: bool,
    fetch: &PartitionFetch,
) -> bool {
    let epoch = fetch.leader_epoch;
    let leads = core.role() == Role::Leader;
    let is_served = leads || !leaders_only && !matches!(reader, Reader::Replica { .. });
    is_served
        && core.role() != Role::Unassigned
        && (epoch < 0 || epoch == core.leader_epoch())
        && (core.log().start()..=core.log().end()).contains(&fetch.offset)
}

/// How many bytes there are from where a follower fetches to the log's end.
pub(crate) fn bytes_from<D: Disk>(
    replica: &mut Replica<D>,
    id: TopicPartition,
    fetch: &PartitionFetch,
) -> Result<u64, Fatal> {
    let (from, end) = (fetch.offset, replica.core.log().end());
    if from >= end {
        return Ok(0);
    }
    let bytes = replica.log.bytes_between(from, end);
    bytes.map_err(|error| Fatal::new(format!("reading {}-{}", replica.topic, id.partition), error))
}

/// Lets a fetch wait for more than there is now in one partition, and says how many bytes that is; none if the offset is not there.
fn wait<D: Disk>(
    replica: &mut Replica<D>,
    reading: &Reading,
    part: &FetchPartition,
) -> Result<Option<u64>, Fatal> {
    let core = &mut replica.core;
    let limit = match reading.reader {
        Reader::Consumer => core.high_watermark(),
        Reader::Replica { .. } | Reader::Debug => core.log().end(),
    };
    let from = part.fetch.offset;
    let beyond = PartitionFetch { offset: from.max(limit), ..part.fetch };
    core.wait(reading.token, reading.reader, &beyond);
    if from < core.log().start() {
        return Ok(None);
    }
    if from >= limit {
        return Ok(Some(0));
    }
    let bytes = replica.log.bytes_between(from, limit);
    let bytes = bytes.map_err(|error| {
        Fatal::new(format!("reading {}-{}", replica.topic, part.partition.partition), error)
    })?;
    Ok(Some(bytes.min(part.max_bytes.into())))
}

/// Answers a fetch.
fn answer(ports: &mut Ports, reading: &Reading, answers: Vec<FetchedPartition>) {
    match reading.asker {
        Asker::Peer => {
            let answers = answers.into_iter().map(|part| (part.partition, part.answer, part.records));
            let fetched = ReplicaFetched { session: 0, answers: answers.collect() };
            ports.reply(reading.token, PeerResponse::Fetch(Ok(fetched)));
        }
        Asker::Client => ports.answer(reading.token, ClientResponse::Fetch(answers)),
    }
}

/// Answers a fetch of a node that is no broker.
pub(crate) fn refuse(ports: &mut Ports, reading: &Reading) {
    answer(ports, reading, reading.partitions.iter().map(|part| not_here(part.partition)).collect());
}

/// The answer of a node that is no broker.
pub(crate) fn not_here(partition: TopicPartition) -> FetchedPartition {
    let answer = refused(PartitionError::NotLeaderOrFollower, NO_EPOCH);
    FetchedPartition { partition, answer, leader: None, records: Bytes::new() }
}

/// Why a partition is not here.
pub(crate) fn absence(image: &Image, id: TopicPartition) -> PartitionError {
    match image.topic(id.topic) {
        None => PartitionError::UnknownTopicId,
        Some(topic) if topic.partitions.contains_key(&id.partition) => PartitionError::NotLeaderOrFollower,
        Some(_) => PartitionError::UnknownTopicOrPartition,
    }
}

/// The answer about a partition that is not here.
fn absent(image: &Image, id: TopicPartition) -> FetchedPartition {
    let state = image.partition(id.topic, id.partition);
    let epoch = state.map_or(NO_EPOCH, |state| state.leader_epoch);
    FetchedPartition {
        partition: id,
        answer: refused(absence(image, id), epoch),
        leader: state.and_then(|state| state.leader),
        records: Bytes::new(),
    }
}

/// An answer that says nothing but an error.
fn refused(error: PartitionError, leader_epoch: i32) -> PartitionFetched {
    PartitionFetched {
        error: Some(error),
        leader_epoch,
        high_watermark: -1,
        log_start: -1,
        diverging: None,
        records: Vec::new(),
    }
}

/// A follower's fetch as one that can wait.
pub(crate) fn of_replica(token: Token, from: NodeId, fetch: &ReplicaFetch) -> (Reading, u32) {
    let part = |part: &crate::message::ReplicaFetchPartition| FetchPartition {
        partition: part.partition,
        fetch: part.fetch,
        max_bytes: part.max_bytes,
    };
    let reading = Reading {
        token,
        asker: Asker::Peer,
        reader: Reader::Replica { id: from, broker_epoch: fetch.broker_epoch },
        leaders_only: true,
        partitions: fetch.partitions.iter().map(part).collect(),
        min_bytes: fetch.min_bytes,
        max_bytes: fetch.max_bytes,
    };
    (reading, fetch.max_wait_ms)
}

/// A client's fetch as one that can wait.
pub(crate) fn of_client(token: Token, fetch: Fetch) -> (Reading, u32) {
    let (reader, leaders_only) = match fetch.reader {
        FetchReader::ConsumerOfLeader => (Reader::Consumer, true),
        FetchReader::Consumer => (Reader::Consumer, false),
        FetchReader::Debug => (Reader::Debug, false),
    };
    let Fetch { max_wait_ms, min_bytes, max_bytes, partitions, .. } = fetch;
    let asker = Asker::Client;
    (Reading { token, asker, reader, leaders_only, partitions, min_bytes, max_bytes }, max_wait_ms)
}
