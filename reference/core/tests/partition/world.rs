//! Brokers, each with one replica; a network; a controller. Everything happens in steps that a test chooses.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use highwater_core::partition::{
    Acks, AlterPartition, AlterPartitionResult, Config, Effect, Partition, PartitionError, PartitionFetch,
    PartitionFetched, Reader, Role, Rules, Timer,
};
use highwater_core::{Epoch, EpochCache, EpochStart, Instant, LogView, NO_EPOCH, NodeId, Offset, Token};

use crate::controller::Controller;
use crate::tell;

/// What stays the same in a run.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) replicas: usize,
    pub(crate) min_isr: usize,
    pub(crate) wait_for_joining: bool,
    /// Records in one answer at most.
    pub(crate) answer_max: usize,
    pub(crate) rules: Rules,
}

/// A record: what a producer sent, under the leader epoch that it was appended in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) epoch: Epoch,
    pub(crate) value: char,
}

/// A broker, up or down.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    pub(crate) id: NodeId,
    pub(crate) epoch: i64,
    pub(crate) start: Offset,
    pub(crate) records: Vec<Record>,
    pub(crate) core: Option<Partition>,
    /// How far it has applied the metadata.
    pub(crate) known: usize,
    /// What it last asked the controller for.
    pub(crate) asked: Option<AlterPartition>,
    /// The proposal of which the controller has told it that it is based on what is no more.
    pub(crate) outdated: Option<AlterPartition>,
    pub(crate) checkpoint: Offset,
    /// Its high watermark as far as it has told.
    pub(crate) high_watermark: Offset,
    /// It stopped uncleanly and has not been in the ISR since.
    pub(crate) unclean: bool,
}

/// What is on its way.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    Fetch {
        from: NodeId,
        to: NodeId,
        broker_epoch: i64,
        fetch: PartitionFetch,
    },
    Answer {
        from: NodeId,
        to: NodeId,
        broker_epoch: i64,
        asked: PartitionFetch,
        answer: PartitionFetched,
        records: Vec<Record>,
    },
    Alter {
        request: AlterPartition,
    },
    Altered {
        asked: AlterPartition,
        result: Option<AlterPartitionResult>,
    },
}

/// Who sends or receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Broker(NodeId),
    Controller,
}

/// The world.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) now: Instant,
    pub(crate) brokers: Vec<Broker>,
    pub(crate) controller: Controller,
    pub(crate) network: Vec<Message>,
    pub(crate) acknowledged: BTreeSet<char>,
    pub(crate) read: BTreeSet<char>,
    /// By retention: nobody needs to hold them.
    pub(crate) deleted: BTreeSet<char>,
    /// Steps that break a claim that no state shows.
    pub(crate) stains: Vec<&'static str>,
    /// What happened, a line each, if anybody wants to know.
    pub(crate) transcript: Option<Vec<String>>,
    tokens: Token,
    producers: BTreeMap<Token, Vec<char>>,
}

impl Message {
    pub(crate) fn ends(&self) -> (End, End) {
        match self {
            Message::Fetch { from, to, .. } | Message::Answer { from, to, .. } => {
                (End::Broker(*from), End::Broker(*to))
            }
            Message::Alter { request } => (End::Broker(request.leader), End::Controller),
            Message::Altered { asked, .. } => (End::Controller, End::Broker(asked.leader)),
        }
    }
}

impl Broker {
    pub(crate) fn end(&self) -> Offset {
        self.start + self.records.len() as Offset
    }

    pub(crate) fn leads(&self) -> bool {
        self.core.as_ref().is_some_and(|core| core.role() == Role::Leader)
    }

    /// The records from `from` to `to`.
    pub(crate) fn slice(&self, from: Offset, to: Offset) -> &[Record] {
        &self.records[(from - self.start) as usize..(to - self.start) as usize]
    }

    fn truncate(&mut self, end: Offset) {
        self.records.truncate((end - self.start).max(0) as usize);
    }

    fn view(&self) -> LogView {
        let mut starts: Vec<EpochStart> = Vec::new();
        for (record, offset) in self.records.iter().zip(self.start..) {
            if starts.last().is_none_or(|last| last.epoch < record.epoch) {
                starts.push(EpochStart { epoch: record.epoch, start: offset });
            }
        }
        let epochs = EpochCache::from_starts(starts).expect("epochs grow");
        if self.records.is_empty() {
            return LogView::empty_from(self.start, NO_EPOCH);
        }
        LogView::recovered(self.start, self.end(), NO_EPOCH, epochs).expect("a sound log")
    }
}

impl World {
    /// Everybody is up and knows that n1 leads epoch 1 with all in the ISR; all logs are empty.
    pub(crate) fn new(settings: Settings) -> Self {
        let controller = Controller::new(settings.replicas, settings.min_isr);
        let mut world = Self {
            now: Instant(0),
            brokers: Vec::new(),
            controller,
            network: Vec::new(),
            acknowledged: BTreeSet::new(),
            read: BTreeSet::new(),
            deleted: BTreeSet::new(),
            stains: Vec::new(),
            transcript: None,
            tokens: 0,
            producers: BTreeMap::new(),
            settings,
        };
        for index in 0..world.settings.replicas {
            world.brokers.push(Broker {
                id: NodeId(index as i32 + 1),
                epoch: 1,
                start: 0,
                records: Vec::new(),
                core: None,
                known: 0,
                asked: None,
                outdated: None,
                checkpoint: 0,
                high_watermark: 0,
                unclean: false,
            });
            world.open(index);
            world.learn(index, 0);
        }
        world
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.transcript {
            lines.push(line());
        }
    }

    pub(crate) fn index(id: NodeId) -> usize {
        id.0 as usize - 1
    }

    pub(crate) fn core(&mut self, index: usize) -> &mut Partition {
        self.brokers[index].core.as_mut().expect("a running broker")
    }

    fn open(&mut self, index: usize) {
        let broker = &mut self.brokers[index];
        let config = Config {
            me: broker.id,
            broker_epoch: broker.epoch,
            min_isr: self.settings.min_isr,
            replica_lag_max: Duration::from_millis(100),
            alter_retry: Duration::from_millis(10),
            wait_for_joining: self.settings.wait_for_joining,
        };
        let view = broker.view();
        let core = Partition::open(config, self.settings.rules, view, broker.checkpoint, self.now);
        broker.high_watermark = core.high_watermark();
        broker.core = Some(core);
    }

    // ---- clients ----

    /// A producer sends records; they are refused or appended at once.
    pub(crate) fn produce(
        &mut self,
        index: usize,
        values: &[char],
        acks: Acks,
        timeout: Duration,
    ) -> Result<Offset, PartitionError> {
        let (now, token) = (self.now, self.tokens);
        self.tokens += 1;
        let core = self.core(index);
        let extent = core.produce(now, token, acks, values.len() as u32, now + timeout)?;
        let broker = &mut self.brokers[index];
        broker.records.extend(values.iter().map(|&value| Record { epoch: extent.epoch, value }));
        if acks == Acks::All {
            self.producers.insert(token, values.to_vec());
        }
        self.settle(index, &[], 0);
        Ok(extent.base)
    }

    /// A producer sends again what stands from `base` to before `end`.
    pub(crate) fn repeat(
        &mut self,
        index: usize,
        (base, end): (Offset, Offset),
        acks: Acks,
        timeout: Duration,
    ) -> Result<(), PartitionError> {
        let (now, token) = (self.now, self.tokens);
        self.tokens += 1;
        let held = self.brokers[index].records.iter().skip(base as usize).take((end - base) as usize);
        let values: Vec<char> = held.map(|record| record.value).collect();
        self.core(index).repeat(token, acks, (base, end), now + timeout)?;
        if acks == Acks::All {
            self.producers.insert(token, values);
        }
        self.settle(index, &[], 0);
        Ok(())
    }

    /// A consumer reads; what it gets, it has read.
    pub(crate) fn consume(
        &mut self,
        index: usize,
        fetch: &PartitionFetch,
    ) -> (PartitionFetched, Vec<Record>) {
        let now = self.now;
        let answer = self.core(index).fetch(now, Reader::Consumer, fetch);
        let records = self.payload(index, &answer);
        self.read.extend(records.iter().map(|record| record.value));
        self.settle(index, &[], 0);
        (answer, records)
    }

    /// A consumer waits for what is at its offset.
    pub(crate) fn wait(&mut self, index: usize, token: Token, reader: Reader, fetch: &PartitionFetch) {
        self.core(index).wait(token, reader, fetch);
        self.settle(index, &[], 0);
    }

    fn payload(&self, index: usize, answer: &PartitionFetched) -> Vec<Record> {
        match (answer.records.first(), answer.records.last()) {
            (Some(first), Some(last)) => self.brokers[index].slice(first.base, last.end).to_vec(),
            _ => Vec::new(),
        }
    }

    // ---- the network ----

    /// A follower sends what it asks next; not if it follows nobody.
    pub(crate) fn fetch(&mut self, index: usize) -> bool {
        let broker = &self.brokers[index];
        let Some((leader, fetch)) = broker.core.as_ref().and_then(Partition::position) else { return false };
        let message = Message::Fetch { from: broker.id, to: leader, broker_epoch: broker.epoch, fetch };
        self.tell(|| tell::message(&message));
        self.network.push(message);
        true
    }

    /// A message arrives.
    pub(crate) fn deliver(&mut self, slot: usize) {
        let message = self.network.remove(slot);
        match message {
            Message::Fetch { from, to, broker_epoch, fetch } => {
                self.serve(World::index(to), from, broker_epoch, fetch);
            }
            Message::Answer { from, to, broker_epoch, asked, answer, records } => {
                let index = World::index(to);
                let broker = &self.brokers[index];
                if broker.core.is_some() && broker.epoch == broker_epoch {
                    let now = self.now;
                    self.core(index).fetched(now, from, &asked, &answer);
                    self.settle(index, &records, asked.offset);
                }
            }
            Message::Alter { request } => {
                let result = Some(self.controller.alter(&request));
                self.decided(request, result);
            }
            Message::Altered { asked, result } => {
                let index = World::index(asked.leader);
                let broker = &self.brokers[index];
                if broker.core.is_some() && broker.epoch == asked.broker_epoch {
                    let is_open = broker.core.as_ref().is_some_and(|core| core.proposal() == Some(&asked));
                    if is_open && result == Some(Err(PartitionError::InvalidUpdateVersion)) {
                        self.brokers[index].outdated = Some(asked.clone());
                    }
                    let now = self.now;
                    self.core(index).altered(now, &asked, result);
                    self.settle(index, &[], 0);
                }
            }
        }
        self.note_recovered();
    }

    /// The controller has decided on a request, or is taken to have.
    pub(crate) fn decided(&mut self, asked: AlterPartition, result: Option<AlterPartitionResult>) {
        let message = Message::Altered { asked, result };
        self.tell(|| tell::message(&message));
        self.network.push(message);
    }

    fn serve(&mut self, index: usize, from: NodeId, broker_epoch: i64, fetch: PartitionFetch) {
        if self.brokers[index].core.is_none() {
            return;
        }
        let now = self.now;
        let to = self.brokers[index].id;
        let reader = Reader::Replica { id: from, broker_epoch };
        let mut answer = self.core(index).fetch(now, reader, &fetch);
        let max = fetch.offset + self.settings.answer_max as Offset;
        answer.records.retain(|extent| extent.base < max);
        if let Some(last) = answer.records.last_mut() {
            last.end = last.end.min(max);
        }
        let records = self.payload(index, &answer);
        self.settle(index, &[], 0);
        let message = Message::Answer { from: to, to: from, broker_epoch, asked: fetch, answer, records };
        self.tell(|| tell::message(&message));
        self.network.push(message);
    }

    // ---- metadata ----

    /// A broker learns the metadata up to this change.
    pub(crate) fn learn(&mut self, index: usize, change: usize) {
        self.brokers[index].known = change;
        let metadata = self.controller.published[change].clone();
        let now = self.now;
        let core = self.core(index);
        core.set_brokers(&metadata.brokers);
        core.assign(now, &metadata.state);
        self.settle(index, &[], 0);
    }

    // ---- faults ----

    /// A broker stops in good order.
    pub(crate) fn shut_down(&mut self, index: usize) {
        let broker = &mut self.brokers[index];
        broker.checkpoint = broker.core.take().map_or(0, |core| core.high_watermark());
    }

    /// A broker stops, and keeps of its log what is below `keep` and of its high watermark nothing.
    pub(crate) fn crash(&mut self, index: usize, keep: Offset) {
        let broker = &mut self.brokers[index];
        broker.core = None;
        broker.truncate(keep);
        broker.checkpoint = 0;
        broker.unclean = true;
    }

    /// A broker that is fenced starts anew. It learns no metadata from before its registration.
    pub(crate) fn restart(&mut self, index: usize) {
        let broker = &self.brokers[index];
        let epoch = self.controller.register(broker.id, !broker.unclean);
        self.brokers[index].epoch = epoch;
        self.brokers[index].known = self.controller.newest() - 1;
        self.open(index);
    }

    /// Whoever is in the ISR has what it needs, whatever it lost.
    pub(crate) fn note_recovered(&mut self) {
        for broker in &mut self.brokers {
            let member = self.controller.state.isr.contains(&broker.id);
            broker.unclean &= !(member && broker.core.is_some());
        }
    }

    // ---- time ----

    pub(crate) fn elapse(&mut self, time: Duration) {
        self.now = self.now + time;
        let now = self.now;
        for index in 0..self.brokers.len() {
            if let Some(core) = &mut self.brokers[index].core {
                if core.deadline().is_some_and(|at| at <= now) {
                    core.elapse(now);
                    assert!(core.deadline().is_none_or(|at| at > now), "time does not pass: {core:?}");
                }
                self.settle(index, &[], 0);
            }
        }
    }

    pub(crate) fn expire(&mut self, index: usize, timer: Timer) {
        let now = self.now;
        self.core(index).expire(now, timer);
        self.settle(index, &[], 0);
    }

    // ---- effects ----

    /// Carries out what the core wants, in order; `incoming` are the records of the answer that it handles, from `base` on.
    pub(crate) fn settle(&mut self, index: usize, incoming: &[Record], base: Offset) {
        while let Some(effect) = self.core(index).poll() {
            let leads = self.brokers[index].leads();
            let broker = &mut self.brokers[index];
            let id = broker.id;
            match &effect {
                Effect::Truncate { end } => {
                    if leads {
                        self.stains.push("leader-append-only");
                    }
                    if *end < broker.high_watermark {
                        self.stains.push("no-truncation-below-high-watermark");
                    }
                    broker.truncate(*end);
                }
                Effect::Restart { start } => {
                    broker.records.clear();
                    broker.start = *start;
                }
                Effect::AppendFetched { from, end } => {
                    assert_eq!(*from, broker.end(), "appends at the end");
                    broker.records.extend(&incoming[(from - base) as usize..(end - base) as usize]);
                }
                Effect::ForgetBefore { start } => {
                    for record in broker.records.drain(..(start - broker.start) as usize) {
                        self.deleted.insert(record.value);
                    }
                    broker.start = *start;
                }
                Effect::AlterPartition(request) => {
                    if broker.asked.as_ref() != Some(request) && !self.controller.is_eligible(broker, request)
                    {
                        self.stains.push("proposals-eligible");
                    }
                    if broker.outdated.as_ref() == Some(request) {
                        self.stains.push("refused-proposal-not-repeated");
                    }
                    broker.asked = Some(request.clone());
                    self.network.push(Message::Alter { request: request.clone() });
                }
                Effect::Produced { token, result } => {
                    if let Some(values) = self.producers.remove(token)
                        && result.is_ok()
                    {
                        self.acknowledged.extend(values);
                    }
                }
                Effect::HighWatermark(offset) => {
                    if leads && *offset < broker.high_watermark {
                        self.stains.push("leader-high-watermark-monotone");
                    }
                    broker.high_watermark = *offset;
                }
                Effect::Wake { .. } => {}
            }
            self.tell(|| tell::effect(id, &effect));
        }
        self.check_log(index);
    }

    /// The core's view of the log is the log.
    fn check_log(&self, index: usize) {
        let broker = &self.brokers[index];
        let core = broker.core.as_ref().expect("a running broker");
        let log = core.log();
        assert_eq!((log.start(), log.end()), (broker.start, broker.end()), "{core:?}");
        for (record, offset) in broker.records.iter().zip(broker.start..) {
            assert_eq!(log.epochs().epoch_at(offset), Some(record.epoch), "{core:?}");
        }
        assert!(log.start() <= core.high_watermark() && core.high_watermark() <= log.end(), "{core:?}");
    }
}
