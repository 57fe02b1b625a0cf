//! A node in a world: its start, its messages, its timer, its end.

use std::time::Duration;

use highwater_core::controller::ControllerRequest;
use highwater_core::quorum::ReplicaKey;
use highwater_core::{NodeId, Token, Uuid};
use highwater_log::disk::{Failure, Loss, Operation, SimulatedDisk};
use highwater_node::message::{ClientResponse, Input, Output, PeerRequest, PeerResponse};
use highwater_node::{Node, NodeConfig, Roles};
use rustc_hash::FxHashMap;

use super::event::Event;
use super::{Part, World};
use crate::chance::{Draw, Purpose, keyed};
use crate::clock::Clock;
use crate::ledger::{self, METADATA};
use crate::scenario::{MischiefKind, Scenario, Subject};
use crate::{Invariant, Violation};

/// How long a process takes until somebody notices that it does not listen.
const REFUSED_US: u64 = 300;
/// A node stands still until it is told to go on.
pub(super) const FOR_GOOD: u64 = u64::MAX;

/// A node, whether it runs or not.
pub(super) struct Running {
    pub(super) node: Option<Node<SimulatedDisk>>,
    pub(super) disk: SimulatedDisk,
    config: NodeConfig,
    pub(super) clock: Clock,
    /// Counts starts.
    pub(super) life: u32,
    formatted: bool,
    /// It stands still until then.
    pub(super) paused_until: u64,
    /// What it has to answer, by token.
    asked: FxHashMap<Token, Asker>,
    /// When its timer is set for.
    timer_at: Option<u64>,
    /// Its disk was made to fail: it may stop.
    pub(super) disk_fails: bool,
    /// Its disk fails all reads.
    pub(super) reads_fail: bool,
    /// It was told to stop, and starts so long after it has.
    pub(super) leaving: Option<u64>,
    flushes: u64,
    /// Its disk was lost so often.
    pub(super) wiped: u32,
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy)]
enum Asker {
    Node { node: usize, life: u32, correlation: u64 },
    Client { client: u32, number: u64 },
}

impl Running {
    /// A node on an empty disk.
    pub(super) fn new(scenario: &Scenario, index: usize) -> Self {
        let setup = &scenario.shape.nodes[index];
        Self {
            node: None,
            disk: SimulatedDisk::new(keyed(scenario.seed, Purpose::Disk, index as u64, 0).roll()),
            config: config(scenario, index),
            clock: Clock::new(setup.clock_offset_us, setup.clock_drift_ppm),
            life: 0,
            formatted: false,
            paused_until: 0,
            asked: FxHashMap::default(),
            timer_at: None,
            disk_fails: false,
            reads_fail: false,
            leaving: None,
            flushes: 0,
            wiped: 0,
        }
    }

    /// Changes its configuration, before it starts.
    pub(super) fn configure(&mut self, change: impl FnOnce(&mut NodeConfig)) {
        change(&mut self.config);
    }

    /// Its disk fails all reads from now on, until it crashes.
    pub(super) fn fail_reads(&mut self) {
        self.reads_fail = true;
        let operation = Operation::Read;
        self.disk.fail(Failure { operation, path: String::new(), after: 0, times: u64::MAX });
    }

    pub(super) fn is_up(&self) -> bool {
        self.node.is_some()
    }

    /// The identity of its disk.
    pub(super) fn directory(&self) -> Uuid {
        self.config.directory_id
    }

    /// A new empty disk under a new directory id.
    pub(super) fn wipe(&mut self, seed: u64, index: usize) {
        self.wiped += 1;
        self.disk =
            SimulatedDisk::new(keyed(seed, Purpose::Disk, index as u64, u64::from(self.wiped)).roll());
        self.config.directory_id = directory(index, self.wiped);
        self.formatted = false;
    }
}

/// What a request is about.
fn subject(request: &PeerRequest) -> Subject {
    match request {
        PeerRequest::Fetch(_) => Subject::Fetch,
        PeerRequest::Controller(ControllerRequest::AlterPartitions(_)) => Subject::Alter,
        _ => Subject::Other,
    }
}

/// The identity of a node's directory.
fn directory(index: usize, wiped: u32) -> Uuid {
    Uuid(0x1000 + (index as u128) * 0x100 + u128::from(wiped))
}

fn config(scenario: &Scenario, index: usize) -> NodeConfig {
    let shape = &scenario.shape;
    let setup = &shape.nodes[index];
    let voters = shape.nodes.iter().enumerate().filter(|(_, node)| node.controller);
    let voters =
        voters.map(|(index, node)| ReplicaKey { id: NodeId(node.id), directory: directory(index, 0) });
    let roles = Roles { broker: setup.broker, controller: setup.controller };
    let mut config =
        NodeConfig::new(NodeId(setup.id), roles, "simulated", directory(index, 0), voters.collect());
    let ms = Duration::from_millis;
    let timing = &shape.timing;
    config.quorum_election_timeout = ms(timing.quorum_election_timeout);
    config.quorum_fetch_timeout = ms(timing.quorum_fetch_timeout);
    config.quorum_election_backoff_max = ms(timing.quorum_election_backoff_max);
    config.quorum_request_timeout = ms(timing.quorum_request_timeout);
    config.quorum_retry_backoff = ms(timing.quorum_retry_backoff);
    config.quorum_fetch_wait_max = ms(timing.quorum_fetch_wait_max);
    config.quorum_pre_vote = timing.quorum_pre_vote;
    config.quorum_fetch_max_bytes = timing.quorum_fetch_max_bytes;
    config.metadata_snapshot_bytes = timing.metadata_snapshot_bytes;
    config.broker_session_timeout = ms(timing.broker_session_timeout);
    config.broker_heartbeat_interval = ms(timing.broker_heartbeat_interval);
    config.broker_registration_backoff = ms(timing.broker_heartbeat_interval / 2 + 1);
    config.controller_request_timeout = ms(timing.controller_request_timeout);
    config.controlled_shutdown_timeout = ms(timing.controlled_shutdown_timeout);
    config.replica_lag_time_max = ms(timing.replica_lag_time_max);
    config.replica_fetch_wait_max = ms(timing.replica_fetch_wait_max);
    config.replica_fetch_backoff = ms(timing.replica_fetch_backoff);
    config.replica_socket_timeout = ms(timing.replica_socket_timeout);
    config.high_watermark_checkpoint_interval = ms(timing.high_watermark_checkpoint_interval);
    config.min_insync_replicas = shape.topics.min_insync_replicas;
    config.unclean_leader_election_enable = shape.topics.unclean;
    config.default_replication_factor = shape.topics.replication_factor;
    config.num_partitions = shape.topics.partitions as i32;
    config.eligible_leader_replicas = shape.topics.eligible_leader_replicas;
    config.log_flush_interval_messages = shape.topics.flush_every;
    config.log_segment_bytes = 4096;
    config
}

impl World {
    /// An event that is about a node, a client or a cut.
    pub(super) fn happen(&mut self, event: Event) -> Result<(), Violation> {
        if let Some(node) = event.node()
            && self.nodes[node].paused_until > self.now_us
        {
            match self.nodes[node].paused_until {
                FOR_GOOD => self.held.push(event),
                until => self.queue.push(until, event),
            }
            return Ok(());
        }
        match event {
            Event::Start { node } => self.start(node),
            Event::Request { to, from, life, correlation, request } => {
                if !self.nodes[to].is_up() {
                    self.refuse(to, from, life, correlation);
                    return Ok(());
                }
                self.count();
                self.counts.deliveries += 1;
                let token = self.token();
                self.nodes[to].asked.insert(token, Asker::Node { node: from, life, correlation });
                let from = self.ledger.ids[from];
                self.drive(to, Input::Request { token, from, request: *request })
            }
            Event::Response { to, life, correlation, response, .. } => {
                if !self.lives(to, life) {
                    return Ok(());
                }
                self.count();
                self.counts.deliveries += 1;
                self.drive(to, Input::Response { correlation, response: *response })
            }
            Event::Failed { to, life, correlation } => {
                if !self.lives(to, life) {
                    return Ok(());
                }
                self.count();
                self.drive(to, Input::Failed { correlation })
            }
            Event::Asked { to, client, number, request } => {
                if !self.nodes[to].is_up() {
                    return Ok(());
                }
                self.count();
                let token = self.token();
                self.nodes[to].asked.insert(token, Asker::Client { client, number });
                self.drive(to, Input::Client { token, request: *request })
            }
            Event::Answered { client, number, response } => {
                self.count();
                self.answered(client, number, *response)
            }
            Event::GivesUp { client, number } => {
                self.gives_up(client, number);
                Ok(())
            }
            Event::Timer { node, life } => self.timer(node, life),
            Event::Flushed { node, life, log, flusher } => {
                if !self.lives(node, life) {
                    return Ok(());
                }
                self.count();
                let input = match flusher {
                    Some(flusher) => Input::Flushed { log, flushed: flusher.flush() },
                    None => Input::Flush(log),
                };
                self.drive(node, input)
            }
            Event::Heals { from, to, both_ways } => {
                if self.part == Part::Faults {
                    self.network.cut(&from, &to, false);
                    if both_ways {
                        self.network.cut(&to, &from, false);
                    }
                }
                Ok(())
            }
            Event::Killed { node, life, down_us } => {
                if self.lives(node, life) {
                    self.stop(node, Loss::Nothing, false);
                    self.restart_in(node, down_us);
                }
                Ok(())
            }
            Event::Happens(_) | Event::Look => Ok(()),
        }
    }

    /// Whether the node still runs in the life that an event is about.
    pub(super) fn lives(&self, node: usize, life: u32) -> bool {
        self.nodes[node].is_up() && self.nodes[node].life == life
    }

    /// Starts a node, on a new disk if it has none.
    pub(super) fn start(&mut self, index: usize) -> Result<(), Violation> {
        if self.nodes[index].is_up() {
            return Ok(());
        }
        self.count();
        let seed = self.scenario.seed;
        let running = &mut self.nodes[index];
        running.life += 1;
        running.timer_at = None;
        running.disk_fails = false;
        running.reads_fail = false;
        running.leaving = None;
        running.asked.clear();
        let dice = keyed(seed, Purpose::Node, index as u64, u64::from(running.life)).roll();
        let now = running.clock.at(self.now_us);
        let refused = |what: &str, error: String| {
            Violation::new(
                Invariant::Stop,
                format!("n{} cannot {what}: {error}", running.config.node_id.0),
                "a node that starts on the disk that it left",
            )
        };
        let fresh = !running.formatted;
        if fresh {
            Node::format(&running.config, &running.disk)
                .map_err(|error| refused("format its disk", error.to_string()))?;
            running.formatted = true;
        }
        let opened = Node::open(running.config.clone(), self.rules, running.disk.clone(), dice, now)
            .map_err(|error| refused("start", error.to_string()))?;
        running.node = Some(opened);
        if running.life > 1 {
            self.counts.restarts += 1;
        }
        self.reopened(index, fresh)?;
        self.after(index)
    }

    /// Gives a node an input and does what it wants.
    pub(super) fn drive(&mut self, index: usize, input: Input) -> Result<(), Violation> {
        let running = &mut self.nodes[index];
        let now = running.clock.at(self.now_us);
        let Some(node) = &mut running.node else { return Ok(()) };
        node.handle(now, input);
        self.after(index)
    }

    fn timer(&mut self, index: usize, life: u32) -> Result<(), Violation> {
        if !self.lives(index, life) {
            return Ok(());
        }
        let running = &mut self.nodes[index];
        if running.timer_at.is_none_or(|at| at > self.now_us) {
            return Ok(());
        }
        running.timer_at = None;
        let now = running.clock.at(self.now_us);
        let Some(node) = &mut running.node else { return Ok(()) };
        if node.deadline().is_some_and(|deadline| deadline <= now) {
            node.elapse(now);
            self.count();
            if self.trace.is_some() {
                let name = self.ledger.ids[index];
                self.note(|| format!("{name} finds a timer run out"));
            }
            return self.after(index);
        }
        self.set_timer(index);
        Ok(())
    }

    /// A node has done something: looks at what it changed, does what it wants, sets its timer.
    fn after(&mut self, index: usize) -> Result<(), Violation> {
        self.observe(index)?;
        while let Some(output) = self.nodes[index].node.as_mut().and_then(Node::poll) {
            self.output(index, output)?;
        }
        self.set_timer(index);
        Ok(())
    }

    pub(super) fn set_timer(&mut self, index: usize) {
        let running = &mut self.nodes[index];
        let Some(deadline) = running.node.as_ref().and_then(Node::deadline) else { return };
        // A timer that is due already runs out a microsecond later: time goes on whatever a node wants.
        let at = running.clock.when(deadline, self.now_us + 1);
        if running.timer_at.is_none_or(|set| at < set) {
            running.timer_at = Some(at);
            self.queue.push(at, Event::Timer { node: index, life: running.life });
        }
    }

    fn output(&mut self, index: usize, output: Output) -> Result<(), Violation> {
        let life = self.nodes[index].life;
        match output {
            Output::Send { to, correlation, request } => {
                let Some(to) = self.ledger.node(to) else { return Ok(()) };
                self.send(index, to, subject(&request), correlation, |from, to| Event::Request {
                    to,
                    from,
                    life,
                    correlation,
                    request: Box::new(request.clone()),
                });
            }
            Output::Reply { token, response } => self.reply(index, token, &response),
            Output::Answer { token, response } => {
                if let Some(Asker::Client { client, number }) = self.nodes[index].asked.remove(&token) {
                    return self.answer(index, client, number, response);
                }
            }
            Output::Flush(log) => {
                let disk = &self.scenario.shape.disk;
                let running = &mut self.nodes[index];
                running.flushes += 1;
                let mut dice = keyed(
                    self.scenario.seed,
                    Purpose::Disk,
                    index as u64 | u64::from(life) << 16,
                    running.flushes,
                );
                let at = self.now_us + dice.between(disk.flush_us_min, disk.flush_us_max);
                // Some are done in a step, some beside the node, which goes on meanwhile.
                let elsewhere = dice.between(0, 1) == 1;
                let flusher = running.node.as_mut().filter(|_| elsewhere).and_then(|node| node.flusher(log));
                if elsewhere && flusher.is_none() {
                    // Something else had flushed it, which the node has taken note of by this.
                    return self.observe(index);
                }
                self.queue.push(at, Event::Flushed { node: index, life, log, flusher });
            }
            Output::Report(line) => {
                let name = self.ledger.ids[index];
                self.note(|| format!("{name} reports: {line}"));
            }
            Output::Stopped(reason) => return self.stopped(index, reason),
        }
        Ok(())
    }

    /// Sends a message on the network.
    fn send(
        &mut self,
        from: usize,
        to: usize,
        subject: Subject,
        correlation: u64,
        event: impl Fn(usize, usize) -> Event,
    ) {
        let passage = self.network.send(from, to, subject);
        let at = self.now_us + passage.delay_us;
        if let Some(mischief) = passage.mischief {
            self.counts.fault(mischief.kind());
        }
        if !self.network.passes(from, to) {
            return;
        }
        match passage.mischief {
            None => self.queue.push(at, event(from, to)),
            Some(MischiefKind::Lost) => {}
            Some(MischiefKind::Broken) => {
                // Who asked hears of it; of an answer that is who it was for.
                let (asker, life) = match event(from, to) {
                    Event::Response { to, life, .. } => (to, life),
                    _ => (from, self.nodes[from].life),
                };
                self.queue.push(at, Event::Failed { to: asker, life, correlation });
            }
            Some(MischiefKind::Twice { later_us }) => {
                self.queue.push(at, event(from, to));
                self.queue.push(at + later_us, event(from, to));
            }
            Some(MischiefKind::Late { by_us }) => self.queue.push(at + by_us, event(from, to)),
        }
    }

    fn reply(&mut self, index: usize, token: Token, response: &PeerResponse) {
        let Some(Asker::Node { node, life, correlation }) = self.nodes[index].asked.remove(&token) else {
            return;
        };
        self.send(index, node, Subject::Other, correlation, |from, to| Event::Response {
            to,
            from,
            life,
            correlation,
            response: Box::new(response.clone()),
        });
    }

    /// Nobody listens: who asked hears of it, if anything can reach it.
    fn refuse(&mut self, by: usize, asker: usize, life: u32, correlation: u64) {
        if self.network.passes(by, asker) {
            let at = self.now_us + REFUSED_US;
            self.queue.push(at, Event::Failed { to: asker, life, correlation });
        }
    }

    /// A node answers a client.
    fn answer(
        &mut self,
        index: usize,
        client: u32,
        number: u64,
        response: ClientResponse,
    ) -> Result<(), Violation> {
        self.answering(index, client, number, &response)?;
        let at = self.now_us + self.network.client_delay(u64::from(client), number * 2 + 1);
        self.queue.push(at, Event::Answered { client, number, response: Box::new(response) });
        Ok(())
    }

    /// A node has stopped by itself.
    fn stopped(&mut self, index: usize, reason: Option<String>) -> Result<(), Violation> {
        let running = &self.nodes[index];
        if let Some(reason) = &reason
            && !running.disk_fails
        {
            return Err(Violation::new(
                Invariant::Stop,
                format!("{} stops: {reason}", self.ledger.ids[index]),
                "a node that goes on as long as its disk does",
            ));
        }
        let down_us = running.leaving;
        let name = self.ledger.ids[index];
        self.note(|| format!("{name} has stopped{}", reason.map_or(String::new(), |why| format!(": {why}"))));
        // What a clean stop leaves behind is on disk, all of it: the machine may be switched off.
        let clean = down_us.is_some() && !self.nodes[index].disk_fails;
        self.stop(index, if clean { Loss::Everything } else { Loss::Nothing }, clean);
        if let Some(down_us) = down_us {
            self.restart_in(index, down_us);
        }
        Ok(())
    }

    /// Ends a node at once.
    pub(super) fn stop(&mut self, index: usize, loss: Loss, clean: bool) {
        // Nor is a stop clean for the controller if the node did not know how it was registered (KIP-966).
        if !clean || !self.ledger.is_registered(index) {
            for log in METADATA + 1..self.ledger.logs.len() {
                if self.ledger.is_assigned(index, log) {
                    self.ledger.crashed(index, log, ledger::Loss::Nothing);
                }
            }
        }
        let running = &mut self.nodes[index];
        running.node = None;
        running.asked.clear();
        running.timer_at = None;
        running.paused_until = 0;
        running.reads_fail = false;
        running.disk.crash(loss);
        running.disk.set_capacity(u64::MAX);
        self.ledger.nodes[index].up = false;
    }

    pub(super) fn restart_in(&mut self, index: usize, down_us: u64) {
        self.queue.push(self.now_us + down_us.max(1), Event::Start { node: index });
    }
}
