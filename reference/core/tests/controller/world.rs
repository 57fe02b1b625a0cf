//! Two controllers over one log: a quorum without messages, of which the test says who leads and how much is committed.

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_core::controller::{
    Config, Controller, ControllerRequest, ControllerResponse, Effect, Endpoint, Heartbeat, Image,
    MetadataRecord, MetadataVersion, RegisterBroker, Rules, Timer,
};
use highwater_core::{Dice, Epoch, Extent, Instant, NodeId, Offset, Token, Uuid};

/// The cluster of all tests.
pub(crate) const CLUSTER: &str = "highwater-test";

/// The session timeout of all tests.
pub(crate) const SESSION: Duration = Duration::from_secs(9);

/// A batch of the log; one without records tells who leads.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) epoch: Epoch,
    pub(crate) end: Offset,
    pub(crate) records: Vec<MetadataRecord>,
}

/// What came out of the controllers.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A batch was appended.
    Appended(Batch, Offset),
    /// A batch was refused.
    Refused,
    /// A request was answered.
    Answered(Token, ControllerResponse),
}

/// The controllers, their log, the brokers as far as they matter here.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) config: Config,
    rules: Rules,
    pub(crate) controllers: Vec<Controller>,
    pub(crate) log: Vec<Batch>,
    pub(crate) high_watermark: Offset,
    /// Who leads the quorum.
    pub(crate) leader: Option<usize>,
    pub(crate) epoch: Epoch,
    pub(crate) now: Instant,
    /// Whether everything is committed as soon as it is appended.
    pub(crate) commits: bool,
    next_token: Token,
    seed: u64,
}

/// The set-up of most tests.
pub(crate) fn config() -> Config {
    Config {
        cluster: CLUSTER.into(),
        session_timeout: SESSION,
        rebalance_interval: None,
        default_partitions: 1,
        default_replication_factor: 3,
        min_isr: 2,
        unclean_election: false,
        last_known_leader: true,
        records_per_batch_max: 10_000,
        bootstrap_features: BTreeMap::from([(MetadataVersion::FEATURE.into(), MetadataVersion::DEFAULT.0)]),
    }
}

/// [`config`] with eligible leader replicas.
pub(crate) fn config_with_elr() -> Config {
    let mut config = config();
    config.bootstrap_features.insert("eligible.leader.replicas.version".into(), 1);
    config
}

/// What broker `id` registers with, in this incarnation.
pub(crate) fn registration(id: i32, incarnation: u128, previous_broker_epoch: i64) -> RegisterBroker {
    RegisterBroker {
        id: NodeId(id),
        cluster: CLUSTER.into(),
        incarnation: Uuid(incarnation),
        previous_broker_epoch,
        listeners: vec![Endpoint {
            name: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 9092,
            security_protocol: 0,
        }],
        features: BTreeMap::from([
            (MetadataVersion::FEATURE.into(), (MetadataVersion::LOWEST.0, MetadataVersion::HIGHEST.0)),
            ("eligible.leader.replicas.version".into(), (0, 1)),
        ]),
        rack: None,
        directories: vec![Uuid(1000 + id as u128)],
    }
}

impl World {
    pub(crate) fn new(config: Config, rules: Rules) -> Self {
        let open = |seed| {
            Controller::open(config.clone(), rules, Image::default(), 0, Dice::new(seed), Instant::default())
        };
        let controllers = vec![open(1), open(2)];
        Self {
            config,
            rules,
            controllers,
            log: Vec::new(),
            high_watermark: 0,
            leader: None,
            epoch: 0,
            now: Instant::default(),
            commits: true,
            next_token: 1,
            seed: 3,
        }
    }

    /// A world whose controller 0 leads, with brokers 1 to `brokers` unfenced.
    pub(crate) fn with_brokers(config: Config, rules: Rules, brokers: i32) -> Self {
        let mut world = Self::new(config, rules);
        world.lead(0, Offset::MAX);
        for id in 1..=brokers {
            world.ask(ControllerRequest::RegisterBroker(registration(id, id as u128, -1)));
            world.ask(ControllerRequest::Heartbeat(world.heartbeat(id)));
        }
        world
    }

    /// A heartbeat of a broker that is caught up and wants to serve.
    pub(crate) fn heartbeat(&self, id: i32) -> Heartbeat {
        let broker_epoch = self.image().broker(NodeId(id)).map_or(-1, |broker| broker.epoch);
        Heartbeat {
            id: NodeId(id),
            broker_epoch,
            metadata_offset: self.end(),
            want_fence: false,
            want_shut_down: false,
        }
    }

    /// The image of the leader, or of the first controller.
    pub(crate) fn image(&self) -> &Image {
        self.controllers[self.leader.unwrap_or(0)].image()
    }

    pub(crate) fn end(&self) -> Offset {
        self.log.last().map_or(0, |batch| batch.end)
    }

    /// Asks the leader; `None` where nobody leads.
    pub(crate) fn ask(&mut self, request: ControllerRequest) -> Vec<Event> {
        let Some(leader) = self.leader else { return Vec::new() };
        self.ask_of(leader, request)
    }

    pub(crate) fn ask_of(&mut self, controller: usize, request: ControllerRequest) -> Vec<Event> {
        let token = self.next_token;
        self.next_token += 1;
        self.controllers[controller].handle(self.now, token, request);
        self.settle()
    }

    /// The only answer, to what was asked last.
    pub(crate) fn answer(&mut self, request: ControllerRequest) -> ControllerResponse {
        let events = self.ask(request);
        let mut answers = events.into_iter().filter_map(|event| match event {
            Event::Answered(_, response) => Some(response),
            _ => None,
        });
        answers.next().expect("an answer")
    }

    /// Lets time pass.
    pub(crate) fn elapse(&mut self, duration: Duration) -> Vec<Event> {
        self.now = self.now + duration;
        for controller in &mut self.controllers {
            controller.elapse(self.now);
        }
        self.settle()
    }

    /// Lets a timer of the leader run out.
    pub(crate) fn expire(&mut self, timer: Timer) -> Vec<Event> {
        if let Some(leader) = self.leader {
            self.controllers[leader].expire(self.now, timer);
        }
        self.settle()
    }

    /// Makes a controller lead the next epoch. Of what is not committed it has what is below `has`.
    pub(crate) fn lead(&mut self, controller: usize, has: Offset) -> Vec<Event> {
        let mut events = self.unlead();
        let kept = has.max(self.high_watermark);
        self.log.retain(|batch| batch.end <= kept);
        self.epoch += 1;
        self.leader = Some(controller);
        let start = self.end();
        self.log.push(Batch { epoch: self.epoch, end: start + 1, records: Vec::new() });
        self.controllers[controller].lead(self.now, self.epoch, start);
        events.append(&mut self.settle());
        events
    }

    /// Nobody leads any more.
    pub(crate) fn unlead(&mut self) -> Vec<Event> {
        if let Some(old) = self.leader.take() {
            self.controllers[old].unlead(self.now);
        }
        self.settle()
    }

    /// A controller starts again from a snapshot of what is committed, or from nothing.
    pub(crate) fn restart(&mut self, controller: usize, from_snapshot: bool) {
        if self.leader == Some(controller) {
            self.leader = None;
        }
        let (image, applied) = if from_snapshot { self.snapshot() } else { (Image::default(), 0) };
        self.seed += 1;
        let dice = Dice::new(self.seed);
        self.controllers[controller] =
            Controller::open(self.config.clone(), self.rules, image, applied, dice, self.now);
        self.settle();
    }

    fn snapshot(&self) -> (Image, Offset) {
        let mut applied = 0;
        let mut image = Image::default();
        let mut good = (Image::default(), 0);
        for batch in self.log.iter().take_while(|batch| batch.end <= self.high_watermark) {
            for record in &batch.records {
                image.apply(record).expect("a log of controllers");
            }
            applied = batch.end.max(applied);
            if !image.is_in_transaction() {
                let mut copy = Image::default();
                for record in image.records() {
                    copy.apply(&record).expect("a snapshot");
                }
                good = (copy, applied);
            }
        }
        good
    }

    /// Commits everything up to here.
    pub(crate) fn commit(&mut self, high_watermark: Offset) -> Vec<Event> {
        // What a leader inherits is committed only together with something of its own epoch.
        let own = self.log.iter().any(|batch| batch.epoch == self.epoch && batch.end <= high_watermark);
        if self.leader.is_none() || !own {
            return Vec::new();
        }
        let whole =
            self.log.iter().rev().find(|batch| batch.end <= high_watermark).map_or(0, |batch| batch.end);
        self.high_watermark = self.high_watermark.max(whole);
        self.settle_held()
    }

    /// Carries out what the controllers want, and commits it if that is how things are.
    pub(crate) fn settle(&mut self) -> Vec<Event> {
        let mut events = self.settle_held();
        while self.commits && self.leader.is_some() && self.high_watermark < self.end() {
            self.high_watermark = self.end();
            events.append(&mut self.settle_held());
        }
        events
    }

    fn settle_held(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for at in 0..self.controllers.len() {
            self.drain(at, &mut events);
            for batch in &self.log {
                if batch.end <= self.high_watermark && batch.end > self.controllers[at].applied() {
                    let replayed =
                        self.controllers[at].replay(self.now, batch.end, batch.epoch, &batch.records);
                    replayed.expect("a log of controllers");
                }
            }
            self.controllers[at].committed(self.now, self.high_watermark);
            self.drain(at, &mut events);
        }
        events
    }

    fn drain(&mut self, at: usize, events: &mut Vec<Event>) {
        while let Some(effect) = self.controllers[at].poll() {
            match effect {
                Effect::Reply { token, response } => events.push(Event::Answered(token, response)),
                Effect::Append { epoch, records, .. } if self.leader == Some(at) && epoch == self.epoch => {
                    let base = self.end();
                    let end = base + records.len() as Offset;
                    let batch = Batch { epoch, end, records };
                    self.log.push(batch.clone());
                    self.controllers[at].appended(Extent { epoch, base, end });
                    events.push(Event::Appended(batch, base));
                }
                Effect::Append { .. } => {
                    self.controllers[at].append_refused(self.now);
                    events.push(Event::Refused);
                }
            }
        }
    }
}
