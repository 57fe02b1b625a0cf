//! The node as its driver sees it.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use highwater_core::controller::{self, Controller, Image};
use highwater_core::quorum::{self, Quorum};
use highwater_core::{Epoch, Instant, NodeId, Offset, Token, batch, partition};
use highwater_log::disk::Disk;
use highwater_log::shared::LogReader;
use highwater_log::{DataDirectory, Flusher};

use crate::broker::Broker;
use crate::config::NodeConfig;
use crate::control::Control;
use crate::fetching;
use crate::followers::QuorumReplica;
use crate::message::{
    ClientRequest, ClientResponse, Input, LogId, Output, PeerRequest, PeerResponse, TopicPartition,
};
use crate::metadata::Metadata;
use crate::ports::{Asked, Caller, Fatal, Ports};
use crate::publish::Publisher;
use crate::serve;
use crate::settings::{self, TopicConfigEntry};
use crate::store;
use crate::timers::Timer;
use crate::view::{self, ReplicaView};

/// The rules of all cores of a node: constants, unless the feature `flaws` is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Of the quorum.
    pub quorum: quorum::Rules,
    /// Of partitions.
    pub partition: partition::Rules,
    /// Of the controller.
    pub controller: controller::Rules,
}

/// Why a node does not start. Nothing was overwritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenError {
    /// Which file, or which setting.
    pub place: String,
    /// What was found, what was expected, what to do.
    pub message: String,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for OpenError {}

/// How far a node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It runs.
    Running,
    /// It was told to stop, and waits until its broker may leave.
    Leaving,
    /// It has stopped.
    Stopped,
}

/// A broker, a controller, or both.
///
/// - Once it has stopped it takes nothing and says nothing but what it said last.
#[derive(Debug)]
pub struct Node<D: Disk> {
    pub(crate) config: NodeConfig,
    pub(crate) rules: Rules,
    pub(crate) directory: DataDirectory<D>,
    pub(crate) ports: Ports,
    pub(crate) metadata: Metadata<D>,
    pub(crate) control: Option<Control>,
    pub(crate) broker: Option<Broker<D>>,
    pub(crate) phase: Phase,
    pub(crate) checkpoint_armed: Option<Instant>,
    pub(crate) retention_armed: Option<Instant>,
}

impl<D: Disk> Node<D> {
    /// Prepares an empty disk for the node of this configuration: writes `meta.properties`.
    ///
    /// Nothing happens if it is this node's already.
    ///
    /// # Errors
    /// If the disk is another's, or cannot be written.
    pub fn format(config: &NodeConfig, disk: &D) -> Result<(), OpenError> {
        store::format(config, disk)
    }

    /// Starts the node on its formatted disk. `seed` feeds the jitter of elections and the identity of this start, so it must be another at
    /// each start; the same seed, disk and inputs give the same outputs.
    ///
    /// # Errors
    /// If the disk belongs to another node or cluster, or holds what cannot be.
    pub fn open(
        config: NodeConfig,
        rules: Rules,
        disk: D,
        seed: u64,
        now: Instant,
    ) -> Result<Self, OpenError> {
        crate::open::open(config, rules, disk, seed, now)
    }

    /// Takes an input at the time `now`, which never goes back.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.step(now, |node| node.take(input));
    }

    /// The oldest output that was not taken yet.
    pub fn poll(&mut self) -> Option<Output> {
        self.ports.poll()
    }

    /// When [`Node::elapse`] wants to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        if self.phase == Phase::Stopped {
            return None;
        }
        let controller = self.control.as_ref().and_then(|control| control.core.deadline());
        [self.metadata.quorum.core().deadline(), controller, self.ports.timers.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Lets run out what is due.
    pub fn elapse(&mut self, now: Instant) {
        self.step(now, Self::run_out);
    }

    /// One step, after which nothing is left to do; or the node stops.
    fn step(&mut self, now: Instant, step: impl FnOnce(&mut Self) -> Result<(), Fatal>) {
        if self.phase == Phase::Stopped {
            return;
        }
        self.ports.now = self.ports.now.max(now);
        if let Err(fatal) = step(self).and_then(|()| self.settle()) {
            self.phase = Phase::Stopped;
            self.ports.stop(Some(fatal.0));
        }
    }

    fn take(&mut self, input: Input) -> Result<(), Fatal> {
        match input {
            Input::Request { token, from, request } => self.take_request(token, from, request),
            Input::Response { correlation, response } => self.take_response(correlation, response),
            Input::Failed { correlation } => match self.ports.settle(correlation) {
                Some(sent) => self.unanswered(correlation, sent.to, sent.asked),
                None => Ok(()),
            },
            Input::Client { token, request } => self.take_client(token, request),
            Input::Forget { token } => {
                if let Some(broker) = &mut self.broker {
                    broker.forget_fetch(&mut self.ports, token);
                    broker.produces.forget(token);
                    broker.deletes.forget(token, &mut self.ports);
                }
                Ok(())
            }
            Input::Flush(LogId::Metadata) => {
                self.metadata.quorum.flush(self.ports.now)?;
                self.drain_quorum()
            }
            Input::Flush(LogId::Partition(id)) => {
                let Some(broker) = &mut self.broker else { return Ok(()) };
                if let Some(replica) = broker.replicas.get_mut(&id) {
                    replica.flush(id)?;
                }
                broker.drain(&mut self.ports, id, &Bytes::new())
            }
            Input::Flushed { log: LogId::Metadata, flushed } => {
                self.metadata.quorum.flushed(self.ports.now, flushed)?;
                self.drain_quorum()
            }
            Input::Flushed { log: LogId::Partition(id), flushed } => {
                let Some(broker) = &mut self.broker else { return Ok(()) };
                if let Some(replica) = broker.replicas.get_mut(&id) {
                    replica.flushed(id, flushed, &mut self.ports)?;
                }
                broker.drain(&mut self.ports, id, &Bytes::new())
            }
            Input::ShutDown => self.leave(),
        }
    }

    fn take_request(&mut self, token: Token, from: NodeId, request: PeerRequest) -> Result<(), Fatal> {
        match request {
            PeerRequest::Quorum(request) => {
                if let quorum::Request::Fetch(fetch) = &request {
                    self.metadata.followers.note(self.ports.now, self.metadata.quorum.core(), fetch);
                }
                self.metadata.quorum.handle(self.ports.now, quorum::Input::Request { token, request })?;
                self.drain_quorum()
            }
            PeerRequest::Fetch(fetch) => {
                let (ports, image) = (&mut self.ports, &self.metadata.image);
                let Some(broker) = &mut self.broker else {
                    fetching::refuse(ports, &fetching::of_replica(token, from, &fetch).0);
                    return Ok(());
                };
                broker.fetch_of_follower(ports, &self.config, image, (token, from), &fetch)
            }
            PeerRequest::Controller(request) => self.serve_controller(Caller::Peer(token), request),
        }
    }

    fn take_response(&mut self, correlation: u64, response: PeerResponse) -> Result<(), Fatal> {
        let Some(sent) = self.ports.settle(correlation) else { return Ok(()) };
        match (sent.asked, response) {
            (Asked::Quorum(asked), PeerResponse::Quorum(response, bytes)) => {
                if let (Some(control), quorum::Response::Fetch(fetched)) = (&mut self.control, &response)
                    && fetched.error.is_none()
                {
                    control.core.heard(self.ports.now, sent.to);
                }
                self.metadata.quorum.answered(self.ports.now, sent.to, asked, response, bytes)?;
                self.drain_quorum()
            }
            (Asked::Fetch, PeerResponse::Fetch(response)) => match &mut self.broker {
                Some(broker) => broker.fetched(&mut self.ports, &self.config, sent.to, correlation, response),
                None => Ok(()),
            },
            (Asked::Controller(caller), PeerResponse::Controller(response)) => {
                self.controller_answered(caller, Some(response))
            }
            (asked, _) => {
                let to = sent.to;
                self.ports
                    .report(format!("dropped what {to} answered: not the kind of answer that was asked for"));
                self.unanswered(correlation, to, asked)
            }
        }
    }

    fn unanswered(&mut self, correlation: u64, to: NodeId, asked: Asked) -> Result<(), Fatal> {
        match asked {
            Asked::Quorum(request) => {
                self.metadata.quorum.handle(self.ports.now, quorum::Input::Failed { to, request })?;
                self.drain_quorum()
            }
            Asked::Fetch => {
                if let Some(broker) = &mut self.broker {
                    broker.fetch_failed(&mut self.ports, &self.config, to, correlation);
                }
                Ok(())
            }
            Asked::Controller(caller) => self.controller_answered(caller, None),
        }
    }

    fn take_client(&mut self, token: Token, request: ClientRequest) -> Result<(), Fatal> {
        let (ports, image) = (&mut self.ports, &self.metadata.image);
        let Some(broker) = &mut self.broker else { return self.take_client_without_broker(token, request) };
        match request {
            ClientRequest::Produce(produce) => broker.produce(ports, &self.config, image, token, produce),
            ClientRequest::Fetch(fetch) => {
                let (reading, max_wait_ms) = fetching::of_client(token, fetch);
                broker.fetch(ports, &self.config, image, reading, max_wait_ms)
            }
            ClientRequest::ListOffsets(asked) => {
                let response = broker.list_offsets(image, &asked)?;
                ports.answer(token, response);
                Ok(())
            }
            ClientRequest::OffsetsForLeaderEpoch(asked) => {
                let response = broker.offsets_for_leader_epoch(image, &asked);
                ports.answer(token, response);
                Ok(())
            }
            ClientRequest::DeleteRecords(asked) => broker.delete_records(ports, image, token, asked),
            ClientRequest::Metadata | ClientRequest::Controller(_) => {
                self.take_client_without_broker(token, request)
            }
        }
    }

    /// What needs no broker, and the refusal of what does.
    fn take_client_without_broker(&mut self, token: Token, request: ClientRequest) -> Result<(), Fatal> {
        let response = match request {
            ClientRequest::Controller(request) => {
                return self.ask_controller(Caller::Client(token), request);
            }
            ClientRequest::Metadata => ClientResponse::Metadata(self.cluster_view()),
            other => serve::refused(other),
        };
        self.ports.answer(token, response);
        Ok(())
    }

    fn run_out(&mut self) -> Result<(), Fatal> {
        let now = self.ports.now;
        let due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if due(self.metadata.quorum.core().deadline()) {
            self.metadata.quorum.elapse(now)?;
            self.drain_quorum()?;
        }
        if let Some(control) = &mut self.control
            && due(control.core.deadline())
        {
            control.core.elapse(now);
        }
        while let Some(timer) = self.ports.timers.pop_due(now) {
            self.run_out_of(timer)?;
        }
        Ok(())
    }

    fn run_out_of(&mut self, timer: Timer) -> Result<(), Fatal> {
        if let Timer::Request(correlation) = timer {
            return match self.ports.give_up(correlation) {
                Some(sent) => self.unanswered(correlation, sent.to, sent.asked),
                None => Ok(()),
            };
        }
        match timer {
            Timer::Checkpoint => {
                self.checkpoint_armed = None;
                return self.checkpoint();
            }
            Timer::Retention => {
                self.retention_armed = None;
                return self.retain();
            }
            _ => {}
        }
        let Some(broker) = &mut self.broker else { return Ok(()) };
        match timer {
            Timer::Request(_) | Timer::Checkpoint | Timer::Retention => {}
            Timer::Partition(id) => broker.elapse(&mut self.ports, id)?,
            Timer::Flush(id) => {
                if let Some(replica) = broker.replicas.get_mut(&id) {
                    replica.flush_is_due(id, &mut self.ports);
                }
            }
            Timer::WaitingFetch(token) => {
                broker.answer_waiting(&mut self.ports, &self.metadata.image, token)?;
            }
            Timer::Delete(token) => broker.give_up_delete(&mut self.ports, token),
            Timer::Fetcher(leader) => broker.fetchers.resume(leader),
            Timer::Lifecycle => broker.lifecycle.run_out(),
            Timer::ShutDown => broker.lifecycle.lose_patience(&mut self.ports),
        }
        Ok(())
    }

    /// Does all that follows from a step, until nothing is left.
    fn settle(&mut self) -> Result<(), Fatal> {
        loop {
            self.drain_quorum()?;
            self.catch_up_controller();
            let mut busy = self.apply_committed()?;
            busy |= self.drain_controller()?;
            busy |= self.settle_broker()?;
            if !busy {
                break;
            }
        }
        let left = self.broker.as_ref().is_none_or(|broker| broker.lifecycle.left());
        if self.phase == Phase::Leaving && left { self.stop() } else { Ok(()) }
    }

    fn settle_broker(&mut self) -> Result<bool, Fatal> {
        let Some(broker) = &mut self.broker else { return Ok(false) };
        let mut busy = broker.dirty.any() && {
            let mut with = Publisher {
                config: &self.config,
                rules: self.rules.partition,
                directory: &mut self.directory,
                image: &self.metadata.image,
                settings: BTreeMap::new(),
            };
            let published = broker.publish(&mut self.ports, &mut with)?;
            if broker.deletes.any() {
                broker.look_at_all_deletes(&mut self.ports, &self.metadata.image);
            }
            published
        };
        let image = &self.metadata.image;
        while let Some((token, by)) = broker.woken.pop_front() {
            broker.wake(&mut self.ports, image, token, by)?;
            busy = true;
        }
        while let Some((follower, id)) = broker.sessions.next_stirred() {
            broker.stirred(&mut self.ports, image, follower, id)?;
            busy = true;
        }
        for token in std::mem::take(&mut broker.overdue) {
            broker.answer_waiting(&mut self.ports, image, token)?;
            busy = true;
        }
        broker.fetch_from_leaders(&mut self.ports, &self.config);
        if let Some((caller, request)) =
            broker.next_call(&mut self.ports, &self.config, self.metadata.applied)
        {
            self.ask_controller(caller, request)?;
            busy = true;
        }
        Ok(busy)
    }

    // ---- stopping ----

    /// Told so again, it waits for nobody any more.
    fn leave(&mut self) -> Result<(), Fatal> {
        if let Some(broker) = &mut self.broker {
            match self.phase {
                Phase::Running => {
                    let patience = self.config.controlled_shutdown_timeout;
                    broker.lifecycle.leave(&mut self.ports, patience);
                }
                Phase::Leaving => broker.lifecycle.lose_patience(&mut self.ports),
                Phase::Stopped => {}
            }
        }
        if self.phase == Phase::Running {
            self.phase = Phase::Leaving;
        }
        Ok(())
    }

    /// The end of a stop in good order.
    fn stop(&mut self) -> Result<(), Fatal> {
        self.metadata.quorum.handle(self.ports.now, quorum::Input::Resign)?;
        self.drain_quorum()?;
        self.drain_controller()?;
        // All is synced at once, and before anything is said about it.
        self.disk().begin_deferral();
        let closed = self.close_logs();
        let synced = self.disk().end_deferral();
        closed?;
        synced.map_err(|error| Fatal::new("syncing the data directory", error))?;
        self.save_checkpoints()?;
        let newest = self.broker.as_ref().map(|broker| broker.lifecycle.newest_epoch());
        store::note_clean_stop(self.directory.disk(), newest)?;
        self.phase = Phase::Stopped;
        self.ports.stop(None);
        Ok(())
    }

    fn close_logs(&mut self) -> Result<(), Fatal> {
        self.metadata.quorum.log_mut().close_files()?;
        for replica in self.broker.iter_mut().flat_map(|broker| broker.replicas.values_mut()) {
            replica.close()?;
        }
        Ok(())
    }

    /// Notes how far the logs are, now and again.
    pub(crate) fn checkpoint(&mut self) -> Result<(), Fatal> {
        self.save_checkpoints()?;
        let next = self.ports.now + self.config.high_watermark_checkpoint_interval;
        self.ports.timers.arm(Timer::Checkpoint, &mut self.checkpoint_armed, Some(next));
        Ok(())
    }

    /// Deletes what is too old, or too much, now and again.
    pub(crate) fn retain(&mut self) -> Result<(), Fatal> {
        let Some(broker) = &mut self.broker else { return Ok(()) };
        let now_ms = self.config.timestamp_ms(self.ports.now);
        let ids: Vec<TopicPartition> = broker.replicas.keys().copied().collect();
        for id in ids {
            if let Some(replica) = broker.replicas.get_mut(&id) {
                replica.expire_producers(now_ms, self.config.producer_id_expiration);
            }
            if let Some(replica) = broker.replicas.get_mut(&id)
                && replica.log.retain(now_ms, replica.core.high_watermark())?
            {
                replica.core.forget_before(replica.log.view().start());
                broker.drain(&mut self.ports, id, &Bytes::new())?;
            }
        }
        let next = self.ports.now + self.config.log_retention_check_interval;
        self.ports.timers.arm(Timer::Retention, &mut self.retention_armed, Some(next));
        Ok(())
    }

    fn save_checkpoints(&mut self) -> Result<(), Fatal> {
        let committed = self.metadata.quorum.committed();
        let replicas = self.broker.iter().flat_map(|broker| broker.replicas.values());
        let logs = replicas.map(|replica| (&replica.log, replica.core.high_watermark()));
        let logs = logs.chain([(self.metadata.quorum.log(), committed)]);
        Ok(self.directory.checkpoint(logs)?)
    }
}

// ---- views ----

impl<D: Disk> Node<D> {
    /// `node.id`.
    pub fn id(&self) -> NodeId {
        self.config.node_id
    }

    /// What it was told at its start.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The disk. The node may be dropped at any time, as by a crash: what is on the disk is all that it leaves.
    pub fn disk(&self) -> &D {
        self.directory.disk()
    }

    /// Whether the node has stopped; it said so in its last output.
    pub fn stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// The broker epoch that the controller gave this broker last, if it is registered.
    pub fn broker_epoch(&self) -> Option<i64> {
        self.broker.as_ref().and_then(|broker| broker.lifecycle.broker_epoch())
    }

    /// Whether this broker is fenced, by what it heard last; true of a node without a broker.
    pub fn fenced(&self) -> bool {
        self.broker.as_ref().is_none_or(|broker| broker.lifecycle.fenced())
    }

    /// When the active controller last answered a heartbeat of this broker.
    pub fn controller_heard(&self) -> Option<Instant> {
        self.broker.as_ref().and_then(|broker| broker.lifecycle.last_heard())
    }

    /// Up to where the node has applied the metadata log.
    pub fn metadata_applied(&self) -> Offset {
        self.metadata.applied
    }

    /// What the metadata below [`Node::metadata_applied`] adds up to.
    pub fn image(&self) -> &Image {
        &self.metadata.image
    }

    /// The quorum core.
    pub fn quorum(&self) -> &Quorum {
        self.metadata.quorum.core()
    }

    /// The replicas of the metadata log, voters first, as its leader knows them; none unless this node is that.
    pub fn quorum_replicas(&self) -> Vec<QuorumReplica> {
        self.metadata.followers.view(self.ports.now, self.metadata.quorum.core())
    }

    /// How many bytes the batches of a log take, if there is such a log.
    pub fn log_size(&self, log: LogId) -> Option<u64> {
        match log {
            LogId::Metadata => Some(self.metadata.quorum.log().size()),
            LogId::Partition(id) => Some(self.broker.as_ref()?.replicas.get(&id)?.log.size()),
        }
    }

    /// The controller core, if this node is a controller.
    pub fn controller(&self) -> Option<&Controller> {
        self.control.as_ref().map(|control| &control.core)
    }

    /// The replica of the metadata log.
    pub fn metadata(&self) -> ReplicaView<'_> {
        view::of_metadata(self.metadata.quorum.core())
    }

    /// The replicas that the node holds, in order. Before it has applied its own registration they have no role.
    pub fn replicas(&self) -> impl Iterator<Item = ReplicaView<'_>> {
        let replicas = self.broker.iter().flat_map(|broker| broker.replicas.iter());
        replicas.map(|(id, replica)| view::of_partition(*id, &replica.core))
    }

    /// The replica of this partition, if the node holds one.
    pub fn replica(&self, partition: TopicPartition) -> Option<ReplicaView<'_>> {
        let replica = self.broker.as_ref()?.replicas.get(&partition)?;
        Some(view::of_partition(partition, &replica.core))
    }

    /// The configuration of a topic as it holds on this node, by key, whether there is such a topic or not.
    pub fn topic_config(&self, topic: &str) -> Vec<TopicConfigEntry> {
        settings::topic_config(&self.config, &self.metadata.image, topic)
    }

    /// What flushes this log as far as it goes now, on another thread: asked for after [`Output::Flush`], and followed by
    /// [`Input::Flushed`]. `None` if there is nothing to flush, or no such log, and then nothing is to follow: what else has flushed the log meanwhile,
    /// as a snapshot does before it is made, whoever waits for the flush hears of by this.
    ///
    /// Not more than one of a log should be under way: the next is asked for once the last is done.
    pub fn flusher(&mut self, log: LogId) -> Option<Flusher<D>> {
        let mut flusher = None;
        self.step(self.ports.now, |node| {
            flusher = node.take_flusher(log)?;
            if flusher.is_some() { Ok(()) } else { node.take(Input::Flush(log)) }
        });
        flusher
    }

    fn take_flusher(&mut self, log: LogId) -> Result<Option<Flusher<D>>, Fatal> {
        match log {
            LogId::Metadata => Ok(self.metadata.quorum.flusher()?),
            LogId::Partition(id) => {
                let replica = self.broker.as_mut().and_then(|broker| broker.replicas.get_mut(&id));
                replica.map_or(Ok(None), |replica| replica.flusher(id))
            }
        }
    }

    /// What reads a log beside the node, on another thread; `None` if there is no such log. It knows the log's end, and nothing of who may
    /// read how far.
    pub fn reader(&mut self, log: LogId) -> Option<LogReader<D>> {
        match log {
            LogId::Metadata => Some(self.metadata.quorum.log_mut().reader()),
            LogId::Partition(id) => Some(self.broker.as_mut()?.replicas.get_mut(&id)?.log.reader()),
        }
    }

    /// Whole batches of a log from the one that holds `from` on, at most `max_bytes` but one at least: base offset, leader epoch, bytes.
    ///
    /// # Errors
    /// If there is no such log, or the disk fails; the node goes on.
    pub fn read(
        &self,
        log: LogId,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<(Offset, Epoch, Bytes)>, String> {
        let (log, end) = match log {
            LogId::Metadata => (self.metadata.quorum.log(), self.metadata.quorum.core().log().end()),
            LogId::Partition(id) => {
                let replica = self.broker.as_ref().and_then(|broker| broker.replicas.get(&id));
                let replica = replica.ok_or_else(|| "this node holds no such replica".to_owned())?;
                (&replica.log, replica.core.log().end())
            }
        };
        if from >= end {
            return Ok(Vec::new());
        }
        let bytes = log.read(from, end, max_bytes).map_err(|error| error.to_string())?;
        let (mut found, mut position) = (Vec::new(), 0);
        while let Ok(header) = batch::BatchHeader::parse(&bytes[position..]) {
            let whole = bytes.slice(position..position + header.size);
            found.push((header.base_offset, header.leader_epoch, whole));
            position += header.size;
        }
        Ok(found)
    }
}
