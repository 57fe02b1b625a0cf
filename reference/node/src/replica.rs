//! One replica of a partition: its core over its log.

use bytes::Bytes;
use highwater_core::partition::{self, AlterPartition, Partition};
use highwater_core::{Instant, Token};
use highwater_log::{Log, LogProducers};
use highwater_log::disk::Disk;

use crate::fetcher::{Fetchers, Turn};
use crate::message::{ClientResponse, LogId, TopicPartition};
use crate::ports::{Fatal, Ports};
use crate::timers::Timer;

/// A replica.
///
/// - `turn` is there if and only if the core follows somebody.
/// - `armed` is the core's deadline as the timers have it.
#[derive(Debug)]
pub(crate) struct Replica<D: Disk> {
    /// The name of its topic.
    pub(crate) topic: String,
    pub(crate) log: Log<D>,
    pub(crate) core: Partition,
    pub(crate) producers: LogProducers,
    pub(crate) turn: Option<Turn>,
    /// It is not asked for before then: the last answer was an error.
    pub(crate) paused: Option<Instant>,
    pub(crate) armed: Option<Instant>,
    flush_asked: bool,
}

/// What comes of a replica for other parts of the broker.
#[derive(Debug, Default)]
pub(crate) struct Emitted {
    /// Fetches that wait and have something to say now.
    pub(crate) woken: Vec<Token>,
    /// A change of ISR to ask the controller for.
    pub(crate) alteration: Option<AlterPartition>,
}

impl<D: Disk> Replica<D> {
    pub(crate) fn new(topic: String, log: Log<D>, core: Partition) -> Self {
        let producers = LogProducers::default();
        Self { topic, log, core, producers, turn: None, paused: None, armed: None, flush_asked: false }
    }

    /// Carries out what the core wants, in order. `incoming` are the records of the answer that is being handled.
    pub(crate) fn drain(
        &mut self,
        id: TopicPartition,
        incoming: &Bytes,
        fetchers: &mut Fetchers,
        ports: &mut Ports,
        emitted: &mut Emitted,
    ) -> Result<(), Fatal> {
        while let Some(effect) = self.core.poll() {
            self.carry_out(effect, incoming, ports, emitted)
                .map_err(|Fatal(why)| Fatal::new(format!("{}-{}", self.topic, id.partition), why))?;
        }
        let deadline = self.core.deadline();
        ports.timers.arm(Timer::Partition(id), &mut self.armed, deadline);
        let leader = self.core.position().map(|(leader, _)| leader);
        if leader != self.turn.map(|turn| turn.leader) {
            if let Some(turn) = self.turn.take() {
                fetchers.unfollow(turn, ports);
            }
            self.turn = leader.map(|leader| fetchers.follow(id, leader));
            self.paused = None;
        }
        Ok(())
    }

    fn carry_out(
        &mut self,
        effect: partition::Effect,
        incoming: &Bytes,
        ports: &mut Ports,
        emitted: &mut Emitted,
    ) -> Result<(), Fatal> {
        use partition::Effect;
        match effect {
            Effect::Truncate { end } => self.truncate(end, ports)?,
            Effect::Restart { start } => self.restart(start)?,
            Effect::AppendFetched { from, end } => self.append_fetched(incoming, from, end)?,
            Effect::ForgetBefore { start } => self.forget_before(start)?,
            Effect::AlterPartition(ask) => emitted.alteration = Some(ask),
            Effect::Produced { token, result } => ports.answer(token, ClientResponse::Produce(result)),
            Effect::Wake { token } => emitted.woken.push(token),
            // Followers and consumers learn of it by what they wait for.
            Effect::HighWatermark(_) => {}
        }
        Ok(())
    }

    /// Asks for a flush if that many records are not flushed.
    pub(crate) fn flush_if_due(&mut self, id: TopicPartition, every: Option<u64>, ports: &mut Ports) {
        let log = self.core.log();
        let behind = u64::try_from(log.end() - log.flushed()).unwrap_or(0);
        if every.is_some_and(|every| behind >= every) && !self.flush_asked {
            self.flush_asked = true;
            ports.flush(LogId::Partition(id));
        }
    }

    /// Flushes the log.
    pub(crate) fn flush(&mut self, id: TopicPartition) -> Result<(), Fatal> {
        self.flush_asked = false;
        let flushed = self.log.flush();
        let through = flushed
            .map_err(|error| Fatal::new(format!("flushing {}-{}", self.topic, id.partition), error))?;
        self.core.flushed(through);
        Ok(())
    }

    /// Lets go of everything that others hold of this replica.
    pub(crate) fn detach(&mut self, id: TopicPartition, fetchers: &mut Fetchers, ports: &mut Ports) {
        ports.timers.arm(Timer::Partition(id), &mut self.armed, None);
        if let Some(turn) = self.turn.take() {
            fetchers.unfollow(turn, ports);
        }
    }
}
