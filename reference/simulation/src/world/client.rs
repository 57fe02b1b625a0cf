//! Clients: they produce, consume and administrate, one request at a time, and never retry what may have been done, unless they are idempotent
//! producers.

use std::collections::VecDeque;

use bytes::Bytes;
use highwater_core::batch::{self, BatchBuilder, BatchHeader};
use highwater_core::controller::{
    ConfigChange, ConfigOperation, ConfigResource, ControllerRequest, ElectionKind, MorePartitions, NewTopic,
    TopicReference,
};
use highwater_core::partition::{Acks, PartitionFetch, PartitionFetched};
use highwater_core::{Epoch, NO_EPOCH, NodeId, Offset};
use highwater_node::message::{
    ClientRequest, ClientResponse, ClusterView, Fetch, FetchPartition, FetchReader, Produce, TopicPartition,
};
use rustc_hash::FxHashMap;

use super::event::Event;
use super::idempotent::Producer;
use super::stage::GUEST;
use super::{Part, World};
use crate::chance::{Draw, Purpose, keyed};
use crate::ledger::{Batch, LogIndex};
use crate::scenario::Operation;
use crate::{Invariant, Violation, invariant};

/// How many operations a client keeps in mind while it is busy.
const WAITING_MAX: usize = 4;
/// How many bytes a consumer asks for.
const FETCH_BYTES: u32 = 4096;

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    id: u32,
    view: Option<ClusterView>,
    waiting: VecDeque<Operation>,
    /// The request that is not answered yet.
    asking: Option<Asking>,
    /// Counts requests.
    number: u64,
    /// From where it reads on.
    positions: FxHashMap<LogIndex, Offset>,
    /// What it needs to produce idempotently, if it does.
    pub(super) producer: Option<Producer>,
}

#[derive(Debug)]
struct Asking {
    number: u64,
    wants: Wants,
}

#[derive(Debug)]
pub(super) enum Wants {
    /// To know the cluster, before this.
    View(Operation),
    /// To know the cluster, before what is under way is sent again.
    ViewAgain,
    /// Batch `batch` to be appended.
    Append { batch: u64, log: LogIndex, acks: i8 },
    /// Records from here on.
    Records { log: LogIndex, from: Offset },
    /// Something of a controller.
    Change,
}

impl Client {
    pub(super) fn new(id: u32, is_idempotent: bool) -> Self {
        Self {
            id,
            view: None,
            waiting: VecDeque::new(),
            asking: None,
            number: 0,
            positions: FxHashMap::default(),
            producer: is_idempotent.then(|| Producer::new(id)),
        }
    }

    /// Its id, and how many requests it has sent.
    pub(super) fn name(&self) -> (u32, u64) {
        (self.id, self.number)
    }

    /// It asks and waits for nothing any more.
    pub(super) fn rest(&mut self) {
        self.waiting.clear();
        self.asking = None;
        self.view = None;
    }

    pub(super) fn is_idle(&self) -> bool {
        self.asking.is_none() && self.waiting.is_empty()
    }

    /// It asks anew what there is.
    pub(super) fn forget_view(&mut self) {
        self.view = None;
    }

    /// It will read everything from the start again.
    pub(super) fn forget_positions(&mut self) {
        self.positions.clear();
    }

    /// All partitions that it knows, with leader and epoch.
    fn partitions(&self) -> Vec<(TopicPartition, Option<NodeId>, Epoch)> {
        let topics = self.view.iter().flat_map(|view| &view.topics);
        topics
            .flat_map(|(_, topic, partitions)| {
                (0..).zip(partitions).map(move |(partition, (leader, epoch))| {
                    (TopicPartition { topic: *topic, partition }, *leader, *epoch)
                })
            })
            .collect()
    }
}

impl World {
    /// A client wants something; it does so when it is done with what it does.
    pub(super) fn operate(&mut self, client: u32, wants: Operation) -> Result<(), Violation> {
        let Some(index) = self.clients.iter().position(|known| known.id == client) else { return Ok(()) };
        if self.clients[index].waiting.len() < WAITING_MAX {
            self.clients[index].waiting.push_back(wants);
        }
        if let Some(producer) = &mut self.clients[index].producer {
            producer.wake();
        }
        self.go_on(index);
        Ok(())
    }

    /// Takes up what waits, if the client is free.
    fn go_on(&mut self, index: usize) {
        while self.clients[index].asking.is_none() {
            if self.clients[index].producer.as_ref().is_some_and(Producer::is_due) {
                if self.clients[index].view.is_some() {
                    self.send_again(index);
                    continue;
                }
                let Some(node) = self.any_broker(index) else { return };
                self.ask(index, node, ClientRequest::Metadata, Wants::ViewAgain);
                return;
            }
            let Some(wants) = self.clients[index].waiting.pop_front() else { return };
            if self.clients[index].view.is_none() {
                let Some(node) = self.any_broker(index) else { return };
                self.ask(index, node, ClientRequest::Metadata, Wants::View(wants));
            } else {
                self.begin(index, wants);
            }
        }
    }

    /// Some broker that a client may know.
    fn any_broker(&mut self, index: usize) -> Option<usize> {
        let brokers: Vec<usize> =
            (0..self.nodes.len()).filter(|&node| self.scenario.shape.nodes[node].broker).collect();
        if brokers.is_empty() {
            return None;
        }
        let client = &self.clients[index];
        let mut dice =
            keyed(self.scenario.seed, Purpose::Clients, 1 << 32 | u64::from(client.id), client.number);
        Some(*dice.one_of(&brokers))
    }

    pub(super) fn ask(&mut self, index: usize, node: usize, request: ClientRequest, wants: Wants) {
        let client = &mut self.clients[index];
        client.number += 1;
        let (id, number) = (client.id, client.number);
        let waits = !matches!(wants, Wants::Append { acks: 0, .. });
        client.asking = waits.then_some(Asking { number, wants });
        let at = self.now_us + self.network.client_delay(u64::from(id), number * 2);
        self.queue.push(at, Event::Asked { to: node, client: id, number, request: Box::new(request) });
        if waits {
            let patience = self.scenario.shape.timing.client_timeout * 1_000;
            self.queue.push(self.now_us + patience, Event::GivesUp { client: id, number });
        }
    }

    /// Sends the request of an operation, if there is anybody to send it to.
    fn begin(&mut self, index: usize, wants: Operation) {
        match wants {
            Operation::Produce { partition, acks, records } => self.produce(index, partition, acks, records),
            Operation::Consume { partition, from_start } => self.consume(index, partition, from_start),
            other => {
                if let Some(request) = self.administrate(index, other)
                    && let Some(node) = self.any_broker(index)
                {
                    self.ask(index, node, ClientRequest::Controller(request), Wants::Change);
                }
            }
        }
    }

    /// Who leads a partition, as a client knows it.
    pub(super) fn leader_of(&mut self, index: usize, partition: TopicPartition) -> Option<usize> {
        let partitions = self.clients[index].partitions();
        let leader =
            partitions.into_iter().find(|(known, ..)| *known == partition).and_then(|(_, leader, _)| leader);
        let leader = leader.and_then(|leader| self.ledger.node(leader));
        if leader.is_none() {
            self.clients[index].view = None;
        }
        leader
    }

    /// A partition with its log and leader.
    pub(super) fn choose(
        &mut self,
        index: usize,
        partition: u32,
    ) -> Option<(TopicPartition, LogIndex, usize, Epoch)> {
        let partitions = self.clients[index].partitions();
        let count = u32::try_from(partitions.len()).ok().filter(|&count| count > 0)?;
        let (partition, leader, epoch) = partitions[(partition % count) as usize];
        let Some(leader) = leader.and_then(|leader| self.ledger.node(leader)) else {
            self.clients[index].view = None;
            return None;
        };
        let log = self.ledger.log(highwater_node::message::LogId::Partition(partition));
        Some((partition, log, leader, epoch))
    }

    fn produce(&mut self, index: usize, partition: u32, acks: i8, records: u32) {
        if let (Some(producer), -1) = (&self.clients[index].producer, acks) {
            if !producer.is_busy() {
                self.produce_idempotently(index, partition, records);
            }
            return;
        }
        let Some((partition, log, leader, _)) = self.choose(index, partition) else { return };
        let batch = self.history.send(log, acks, records);
        let acks_asked = match acks {
            0 => Acks::None,
            1 => Acks::Leader,
            _ => Acks::All,
        };
        let timeout_ms = u32::try_from(self.scenario.shape.timing.client_timeout / 2).unwrap_or(u32::MAX);
        let records = encode(batch, records, self.now_us, None);
        let partitions = vec![(partition, records)];
        let request = ClientRequest::Produce(Produce { acks: acks_asked, timeout_ms, partitions });
        self.ask(index, leader, request, Wants::Append { batch, log, acks });
    }

    fn consume(&mut self, index: usize, partition: u32, from_start: bool) {
        let Some((partition, log, leader, epoch)) = self.choose(index, partition) else { return };
        let position = self.clients[index].positions.entry(log).or_default();
        if from_start {
            *position = 0;
        }
        let from = *position;
        let fetch = PartitionFetch { leader_epoch: epoch, offset: from, last_epoch: NO_EPOCH };
        let partitions = vec![FetchPartition { partition, fetch, max_bytes: FETCH_BYTES }];
        let reader = FetchReader::Consumer;
        let fetch = Fetch { reader, max_wait_ms: 20, min_bytes: 1, max_bytes: FETCH_BYTES, partitions };
        let request = ClientRequest::Fetch(fetch);
        self.ask(index, leader, request, Wants::Records { log, from });
    }

    fn administrate(&mut self, index: usize, wants: Operation) -> Option<ControllerRequest> {
        let client = &self.clients[index];
        let topics = client.view.as_ref().map_or(&[][..], |view| &view.topics);
        let topic = |number: u32| {
            let count = u32::try_from(topics.len()).ok().filter(|&count| count > 0)?;
            topics.get((number % count) as usize)
        };
        let name = |number: u32| topic(number).map(|(name, _, _)| name.clone());
        Some(match wants {
            Operation::CreateTopic { partitions } => {
                let shape = &self.scenario.shape.topics;
                let name = format!("topic-{}", client.number);
                ControllerRequest::CreateTopics {
                    topics: vec![NewTopic {
                        name,
                        partitions: partitions as i32,
                        replication_factor: shape.replication_factor,
                        assignments: Vec::new(),
                        configs: Vec::new(),
                    }],
                    validate_only: false,
                }
            }
            Operation::DeleteTopic { topic: number } => {
                if topics.len() < 2 {
                    return None;
                }
                ControllerRequest::DeleteTopics(vec![TopicReference::Name(name(number)?)])
            }
            Operation::GrowTopic { topic: number } => {
                let (name, _, partitions) = topic(number)?;
                let more = MorePartitions {
                    name: name.clone(),
                    count: partitions.len() as i32 + 1,
                    assignments: Vec::new(),
                };
                ControllerRequest::CreatePartitions { topics: vec![more], validate_only: false }
            }
            Operation::Elect { partition, unclean } => {
                let all: Vec<(String, i32)> = topics
                    .iter()
                    .flat_map(|(name, _, partitions)| {
                        (0..partitions.len() as i32).map(move |partition| (name.clone(), partition))
                    })
                    .collect();
                let count = u32::try_from(all.len()).ok().filter(|&count| count > 0)?;
                let chosen = all[(partition % count) as usize].clone();
                let kind = if unclean { ElectionKind::Unclean } else { ElectionKind::Preferred };
                ControllerRequest::ElectLeaders { kind, partitions: Some(vec![chosen]) }
            }
            Operation::Configure { topic: number, retention_ms } => {
                let change = ConfigChange {
                    key: "retention.ms".to_owned(),
                    operation: ConfigOperation::Set(retention_ms.to_string()),
                };
                ControllerRequest::AlterConfigs {
                    changes: vec![(ConfigResource::Topic(name(number)?), vec![change])],
                    validate_only: false,
                }
            }
            Operation::Produce { .. } | Operation::Consume { .. } => return None,
        })
    }

    /// A node answers a client, at this moment: what it gives is judged by what it holds now.
    pub(super) fn answering(
        &mut self,
        node: usize,
        client: u32,
        number: u64,
        response: &ClientResponse,
    ) -> Result<(), Violation> {
        if client == GUEST {
            return self.answering_guest(node, number, response);
        }
        let Some(asking) =
            self.clients.iter().find(|known| known.id == client).and_then(|known| known.asking.as_ref())
        else {
            return Ok(());
        };
        if asking.number != number {
            return Ok(());
        }
        match (&asking.wants, response) {
            (Wants::Append { batch, log, acks }, ClientResponse::Produce(answers)) => {
                let (batch, log, acks) = (*batch, *log, *acks);
                let [(_, Ok(produced))] = answers.as_slice() else { return Ok(()) };
                let epoch = self.ledger.replica(node, log).map_or(-1, |replica| replica.epoch);
                self.history.answered_by(batch, epoch);
                if acks == -1 { self.acknowledges(node, log, produced.base) } else { Ok(()) }
            }
            (Wants::Records { log, .. }, ClientResponse::Fetch(answers)) => {
                let log = *log;
                answers.iter().try_for_each(|answer| self.gives(node, log, &answer.records))
            }
            _ => Ok(()),
        }
    }

    /// A node acknowledges records to a producer that asked for all.
    pub(super) fn acknowledges(&mut self, node: usize, log: LogIndex, base: Offset) -> Result<(), Violation> {
        if self.ledger.logs[log].tainted.is_none() && self.ledger.logs[log].state.is_some() {
            invariant::acknowledged(&mut self.ledger, node, log, base)?;
        }
        Ok(())
    }

    /// A node gives a consumer records.
    pub(super) fn gives(&mut self, node: usize, log: LogIndex, records: &[u8]) -> Result<(), Violation> {
        for batch in batch::batches(records) {
            let batch = batch.map_err(|error| {
                Violation::new(
                    Invariant::ReadStability,
                    format!("{} gives a consumer: {error}", self.ledger.ids[node]),
                    "sound batches",
                )
            })?;
            let batch = shadow_of(batch.header());
            invariant::read(&mut self.ledger, node, log, batch)?;
        }
        Ok(())
    }

    /// An answer has arrived at a client.
    pub(super) fn answered(
        &mut self,
        client: u32,
        number: u64,
        response: ClientResponse,
    ) -> Result<(), Violation> {
        if client == GUEST {
            self.guest_is_answered(number, response);
            return Ok(());
        }
        let Some(index) = self.clients.iter().position(|known| known.id == client) else { return Ok(()) };
        let Some(asking) = self.clients[index].asking.take_if(|asking| asking.number == number) else {
            return Ok(());
        };
        self.counts.operations += 1;
        match (asking.wants, response) {
            (Wants::View(operation), ClientResponse::Metadata(view)) => {
                self.clients[index].view = Some(view);
                self.begin(index, operation);
            }
            (Wants::ViewAgain, ClientResponse::Metadata(view)) => self.clients[index].view = Some(view),
            (Wants::Append { batch, log, .. }, ClientResponse::Produce(answers)) => {
                for (_, result) in answers {
                    match result {
                        Ok(produced) => {
                            let tainted = self.ledger.logs[log].tainted.is_some();
                            self.open_acknowledged(index, batch);
                            self.history.acknowledge(client, batch, produced.base, tainted)?;
                            self.settling.acknowledged(log);
                        }
                        Err(refusal) => {
                            if !self.open_refused(index, batch, refusal.error)? {
                                self.history.refuse(batch, refusal.error);
                            }
                            self.clients[index].view = None;
                        }
                    }
                }
            }
            (Wants::Records { log, from }, ClientResponse::Fetch(answers)) => {
                for answer in answers {
                    self.consumed(index, log, from, &answer.answer, &answer.records)?;
                }
            }
            (Wants::Change, _) => self.clients[index].view = None,
            _ => {}
        }
        self.go_on(index);
        Ok(())
    }

    /// Records have arrived at a consumer.
    fn consumed(
        &mut self,
        index: usize,
        log: LogIndex,
        from: Offset,
        fetched: &PartitionFetched,
        bytes: &Bytes,
    ) -> Result<(), Violation> {
        let tainted = self.ledger.logs[log].tainted.is_some();
        if fetched.error.is_some() {
            self.clients[index].view = None;
            if tainted {
                self.clients[index].positions.insert(log, 0);
            }
            return Ok(());
        }
        let mut position = from;
        for batch in batch::batches(bytes).flatten() {
            position = batch.header().end_offset();
            let Ok(records) = batch.records() else { continue };
            for record in records.flatten().filter(|record| record.offset >= from) {
                let (number, place) = decode(record.value.unwrap_or_default());
                self.history.read(log, record.offset, number, place, tainted)?;
                self.settling.read(number);
            }
        }
        self.clients[index].positions.insert(log, position);
        self.settling.read_through(log, position);
        Ok(())
    }

    /// A client has waited long enough for this.
    pub(super) fn gives_up(&mut self, client: u32, number: u64) {
        let Some(index) = self.clients.iter().position(|known| known.id == client) else { return };
        let waiting = self.clients[index].asking.take_if(|asking| asking.number == number);
        if waiting.is_some() {
            self.clients[index].view = None;
            self.rest(index);
            if self.part != Part::Over {
                self.go_on(index);
            }
        }
    }
}

/// A batch as the books have it.
fn shadow_of(header: &BatchHeader) -> Batch {
    Batch {
        base: header.base_offset,
        end: header.end_offset(),
        epoch: header.leader_epoch,
        digest: u64::from(header.checksum) | (header.size as u64) << 32,
    }
}

/// The bytes of a batch: each record says which it is.
pub(super) fn encode(number: u64, records: u32, now_us: u64, producer: Option<(i64, i16, i32)>) -> Bytes {
    let mut builder = BatchBuilder::new(0, NO_EPOCH);
    if let Some((id, epoch, sequence)) = producer {
        builder = builder.producer(id, epoch, sequence);
    }
    for index in 0..records.max(1) {
        let mut value = [0; 12];
        value[..8].copy_from_slice(&number.to_be_bytes());
        value[8..].copy_from_slice(&index.to_be_bytes());
        builder.record((now_us / 1000) as i64, None, Some(&value));
    }
    Bytes::from(builder.build())
}

/// Which record of which batch it is; none that anybody sent, if it is not one of ours.
fn decode(value: &[u8]) -> (u64, u32) {
    match (value.first_chunk::<8>(), value.get(8..).and_then(|rest| rest.first_chunk::<4>())) {
        (Some(number), Some(index)) => (u64::from_be_bytes(*number), u32::from_be_bytes(*index)),
        _ => (u64::MAX, u32::MAX),
    }
}
