//! One replica of a partition: its core over its log.

use std::sync::Arc;

use bytes::Bytes;
use highwater_core::partition::{self, AlterPartition, Partition, PartitionError};
use highwater_core::{Epoch, Instant, NodeId, Offset, Token};
use highwater_log::disk::Disk;
use highwater_log::{Flushed, Flusher, Log, LogProducers};

use crate::deletes::FollowerStarts;
use crate::fetcher::{Fetchers, Told, Turn};
use crate::message::{LogId, TopicPartition};
use crate::ports::{Fatal, Ports};
use crate::sessions::Sessions;
use crate::settings::TopicSettings;
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
    /// What its topic's configuration means, shared by the replicas of the topic.
    pub(crate) settings: Arc<TopicSettings>,
    pub(crate) follower_starts: FollowerStarts,
    pub(crate) turn: Option<Turn>,
    /// It is not asked for before then: the last answer was an error.
    pub(crate) paused: Option<Instant>,
    pub(crate) armed: Option<Instant>,
    /// As it was when it was last drained.
    moved: Moved,
    /// The followers in whose sessions it stands, and who have all of it as it was then.
    watchers: Vec<NodeId>,
    flush_armed: Option<Instant>,
    flush_asked: bool,
}

/// What of a replica its followers may have to hear of, if it is another than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moved {
    leads: bool,
    leader_epoch: Epoch,
    partition_epoch: i32,
    start: Offset,
    end: Offset,
    high_watermark: Offset,
}

impl Moved {
    fn of(core: &Partition) -> Self {
        Self {
            leads: core.role() == partition::Role::Leader,
            leader_epoch: core.leader_epoch(),
            partition_epoch: core.state().partition_epoch,
            start: core.log().start(),
            end: core.log().end(),
            high_watermark: core.high_watermark(),
        }
    }
}

/// What comes of a replica for other parts of the broker.
#[derive(Debug, Default)]
pub(crate) struct Emitted {
    /// Fetches that wait and have something to say now.
    pub(crate) woken: Vec<Token>,
    /// What came of a producer's records.
    pub(crate) produced: Vec<(Token, Result<Offset, PartitionError>)>,
    /// A change of ISR to ask the controller for.
    pub(crate) alteration: Option<AlterPartition>,
}

impl<D: Disk> Replica<D> {
    pub(crate) fn new(topic: String, log: Log<D>, core: Partition, settings: Arc<TopicSettings>) -> Self {
        Self {
            topic,
            log,
            moved: Moved::of(&core),
            watchers: Vec::new(),
            core,
            producers: LogProducers::default(),
            settings,
            follower_starts: FollowerStarts::none(),
            turn: None,
            paused: None,
            armed: None,
            flush_armed: None,
            flush_asked: false,
        }
    }

    /// Takes what the topic's configuration means now; whether the core has to be looked at.
    pub(crate) fn configure(&mut self, now: Instant, settings: &Arc<TopicSettings>) -> bool {
        if self.settings == *settings {
            return false;
        }
        self.settings = settings.clone();
        self.log.set_config(settings.log.clone());
        let changed = self.core.config().min_isr != settings.min_isr;
        if changed {
            self.core.set_min_isr(now, settings.min_isr);
        }
        changed
    }

    /// Carries out what the core wants, in order. `incoming` are the records of the answer that is being handled.
    pub(crate) fn drain(
        &mut self,
        id: TopicPartition,
        incoming: &Bytes,
        (fetchers, sessions): (&mut Fetchers, &mut Sessions),
        ports: &mut Ports,
        emitted: &mut Emitted,
    ) -> Result<(), Fatal> {
        while let Some(effect) = self.core.poll() {
            self.carry_out(effect, incoming, ports, emitted)
                .map_err(|Fatal(why)| Fatal::new(format!("{}-{}", self.topic, id.partition), why))?;
        }
        self.stir(id, sessions);
        let deadline = self.core.deadline();
        ports.timers.arm(Timer::Partition(id), &mut self.armed, deadline);
        let position = self.core.position();
        let leader = position.map(|(leader, _)| leader);
        if let Some((leader, fetch)) = position {
            fetchers.note(leader, id, &Told { fetch, log_start: self.core.log().start() });
        }
        if leader != self.turn.map(|turn| turn.leader) {
            if let Some(turn) = self.turn.take() {
                fetchers.unfollow(turn, ports);
            }
            self.turn = leader.map(|leader| fetchers.follow(id, leader));
            self.paused = None;
        }
        Ok(())
    }

    /// Tells those that watch it, once, if anything moved that they may have to hear of.
    fn stir(&mut self, id: TopicPartition, sessions: &mut Sessions) {
        let moved = Moved::of(&self.core);
        if moved == self.moved {
            return;
        }
        self.moved = moved;
        for follower in std::mem::take(&mut self.watchers) {
            // It had all, and its session went on since it said so.
            if let Some(used) = sessions.used(follower) {
                self.core.followed_until(follower, used);
            }
            sessions.stir(follower, id);
        }
    }

    /// A follower wants to know once anything moves.
    pub(crate) fn watch(&mut self, follower: NodeId) {
        if !self.watchers.contains(&follower) {
            self.watchers.push(follower);
        }
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
            Effect::Produced { token, result } => emitted.produced.push((token, result)),
            Effect::Wake { token } => emitted.woken.push(token),
            // Followers and consumers learn of it by what they wait for.
            Effect::HighWatermark(_) => {}
        }
        Ok(())
    }

    /// Asks for a flush if as many records are not flushed as `flush.messages` says, or else in the time that `flush.ms` gives.
    pub(crate) fn flush_if_due(&mut self, id: TopicPartition, ports: &mut Ports) {
        let (log, every) = (self.core.log(), self.settings.log.flush.records);
        let behind = u64::try_from(log.end() - log.flushed()).unwrap_or(0);
        if every.is_some_and(|every| behind >= every) {
            self.ask_flush(id, ports);
        } else if behind > 0
            && self.flush_armed.is_none()
            && let Some(after) = self.settings.flush_after
        {
            let deadline = Some(ports.now + after);
            ports.timers.arm(Timer::Flush(id), &mut self.flush_armed, deadline);
        }
    }

    /// Records have been unflushed for as long as they may be.
    pub(crate) fn flush_is_due(&mut self, id: TopicPartition, ports: &mut Ports) {
        self.flush_armed = None;
        if self.core.log().flushed() < self.core.log().end() {
            self.ask_flush(id, ports);
        }
    }

    /// Asks for a flush, unless one was asked for and is not done.
    fn ask_flush(&mut self, id: TopicPartition, ports: &mut Ports) {
        if !self.flush_asked {
            self.flush_asked = true;
            ports.flush(LogId::Partition(id));
        }
    }

    /// What flushes the log on another thread; `None` if there is nothing to flush.
    pub(crate) fn flusher(&mut self, id: TopicPartition) -> Result<Option<Flusher<D>>, Fatal> {
        let flusher = self.log.flusher();
        let flusher = flusher
            .map_err(|error| Fatal::new(format!("flushing {}-{}", self.topic, id.partition), error))?;
        self.flush_asked &= flusher.is_some();
        Ok(flusher)
    }

    /// Takes what a flusher did.
    pub(crate) fn flushed(
        &mut self,
        id: TopicPartition,
        flushed: Flushed,
        ports: &mut Ports,
    ) -> Result<(), Fatal> {
        self.flush_asked = false;
        let flushed = self.log.flushed(flushed);
        let through = flushed
            .map_err(|error| Fatal::new(format!("flushing {}-{}", self.topic, id.partition), error))?;
        self.core.flushed(through);
        // What came meanwhile may be as much again.
        self.flush_if_due(id, ports);
        Ok(())
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
        ports.timers.arm(Timer::Flush(id), &mut self.flush_armed, None);
        if let Some(turn) = self.turn.take() {
            fetchers.unfollow(turn, ports);
        }
    }
}
