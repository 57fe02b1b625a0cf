//! A world: a cluster, its clients, and all that comes between them, in one thread and in virtual time.
//!
//! A world is a function of its [`Scenario`] and of nothing else: no clock, no address of memory, no order of a hash map, no thread
//! shows in what it does. It runs in three parts:
//! 1. **Forming**: the nodes start, elect a leader, register; the first topics are created. Nothing breaks yet.
//! 2. **Faults**: what the scenario says, for so many steps. After each step the invariants are checked on what the step changed.
//! 3. **Settling**: all is healed, and the cluster must converge and serve within a stated time.

mod client;
mod event;
mod faults;
mod idempotent;
mod node;
mod observe;
mod post;
mod settle;
mod stage;

use highwater_core::{NodeId, Offset};
use highwater_node::Rules;

use crate::ledger::Ledger;
use crate::network::Network;
use crate::queue::Queue;
use crate::report::{Counts, Outcome, Place};
use crate::scenario::{Drawing, Happening, Scenario, Script, What};
use crate::{Invariant, Violation};

use client::Client;
use event::Event;
use node::Running;
pub(crate) use post::Way;
pub use post::{Delivery, Letter};

/// How long a cluster may take to form, in microseconds.
const FORMING_US: u64 = 60_000_000;
/// How often the world looks whether the cluster has formed or settled.
const LOOK_US: u64 = 20_000;

/// A world.
pub(crate) struct World {
    scenario: Scenario,
    rules: Rules,
    now_us: u64,
    /// When the part under faults began.
    faults_from_us: u64,
    part: Part,
    queue: Queue<Event>,
    network: Network,
    nodes: Vec<Running>,
    clients: Vec<Client>,
    ledger: Ledger,
    history: crate::history::History,
    source: Source,
    /// What was done so far, to write it down.
    done: Vec<Happening>,
    next_token: u64,
    /// The committed metadata below are in the books.
    applied: Offset,
    settling: settle::Settling,
    counts: Counts,
    trace: Option<String>,
    /// Whether a leader may be elected that lacks records.
    unclean_allowed: bool,
    /// Who asks from outside.
    guest: stage::Guest,
    /// What waits for nodes that stand still until they are told to go on.
    held: Vec<Event>,
    /// What is kept back of what nodes say to each other.
    post: post::Post,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Forming,
    Faults,
    Settling,
    Over,
}

/// Where faults and operations come from.
enum Source {
    Drawn(Box<std::iter::Peekable<Drawing>>),
    Written(std::iter::Peekable<std::vec::IntoIter<Happening>>),
    Dry,
}

impl Source {
    fn next_at(&mut self) -> Option<u64> {
        match self {
            Source::Drawn(drawing) => drawing.peek().map(|happening| happening.at_us),
            Source::Written(written) => written.peek().map(|happening| happening.at_us),
            Source::Dry => None,
        }
    }

    fn take(&mut self) -> Option<Happening> {
        match self {
            Source::Drawn(drawing) => drawing.next(),
            Source::Written(written) => written.next(),
            Source::Dry => None,
        }
    }
}

impl World {
    /// A world before its first step.
    pub(crate) fn new(scenario: Scenario, rules: Rules, trace: bool) -> Self {
        let shape = &scenario.shape;
        let ids: Vec<NodeId> = shape.nodes.iter().map(|node| NodeId(node.id)).collect();
        let voters = shape.nodes.iter().enumerate().filter(|(_, node)| node.controller);
        let voters = voters.fold(0, |set, (index, _)| set | 1 << index);
        let ledger =
            Ledger::new(ids, voters, shape.topics.min_insync_replicas, shape.topics.eligible_leader_replicas);
        let network =
            Network::new(scenario.seed, shape, scenario.script.as_ref().map(|script| &script.mischief[..]));
        let source = match &scenario.script {
            None => Source::Drawn(Box::new(Drawing::new(scenario.seed, shape).peekable())),
            Some(script) => Source::Written(script.happenings.clone().into_iter().peekable()),
        };
        let clients = (0..=shape.rates.clients)
            .map(|id| Client::new(id, id < shape.rates.idempotent_clients))
            .collect();
        let unclean_allowed = shape.topics.unclean || shape.loss_is_legal;
        let mut world = Self {
            rules,
            now_us: 0,
            faults_from_us: 0,
            part: Part::Forming,
            queue: Queue::new(),
            network,
            nodes: Vec::new(),
            clients,
            ledger,
            history: crate::history::History::default(),
            source,
            done: Vec::new(),
            next_token: 0,
            applied: 0,
            settling: settle::Settling::default(),
            counts: Counts::default(),
            trace: trace.then(String::new),
            unclean_allowed,
            guest: stage::Guest::default(),
            held: Vec::new(),
            post: post::Post::default(),
            scenario,
        };
        world.nodes =
            (0..world.scenario.shape.nodes.len()).map(|index| Running::new(&world.scenario, index)).collect();
        for (member, running) in world.ledger.nodes.iter_mut().zip(&world.nodes) {
            member.directory = running.directory();
        }
        world
    }

    /// Runs the world to its end, or to the first violation.
    pub(crate) fn run(&mut self) -> Result<(), Violation> {
        self.counts.worlds = 1;
        for node in 0..self.nodes.len() {
            self.queue.push(node as u64 * 700, Event::Start { node });
        }
        self.queue.push(LOOK_US, Event::Look);
        while self.part != Part::Over {
            self.part_ends()?;
            let Some((at_us, event)) = self.next() else { break };
            self.now_us = self.now_us.max(at_us);
            self.step(event)?;
        }
        Ok(())
    }

    /// The next event, or the next that happens from outside if that is earlier.
    fn next(&mut self) -> Option<(u64, Event)> {
        if self.part == Part::Faults
            && let Some(at_us) = self.source.next_at()
        {
            let at_us = self.faults_from_us + at_us;
            if self.queue.next_at().is_none_or(|queued| at_us <= queued) {
                let happening = self.source.take().expect("it was there");
                return Some((at_us, Event::Happens(Box::new(happening))));
            }
        }
        self.queue.pop()
    }

    fn part_ends(&mut self) -> Result<(), Violation> {
        match self.part {
            Part::Forming if self.now_us > FORMING_US => Err(Violation::new(
                Invariant::Liveness,
                "a cluster that has not formed, without any fault",
                format!("a leader, all brokers and all topics within {} s", FORMING_US / 1_000_000),
            )),
            Part::Faults => {
                let limits = &self.scenario.shape.limits;
                let late = limits.time_us.is_some_and(|time_us| self.now_us >= self.faults_from_us + time_us);
                if self.counts.steps >= limits.steps || late {
                    self.settle()?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Nothing is missing: from now on things break.
    fn formed(&mut self) {
        self.part = Part::Faults;
        self.faults_from_us = self.now_us;
        self.network.unleash();
        self.note(|| "the cluster has formed; from now on things break".to_owned());
    }

    fn step(&mut self, event: Event) -> Result<(), Violation> {
        if self.trace.is_some() && event.is_told() {
            let told = self.told(&event);
            self.note(|| told);
        }
        match event {
            Event::Look => self.look(),
            Event::Happens(happening) => {
                self.count();
                self.done.push((*happening).clone());
                match happening.what {
                    What::Fault(fault) => self.fault(fault),
                    What::Operation { client, wants } => self.operate(client, wants),
                }
            }
            event => self.happen(event),
        }
    }

    /// Something was done: an event that counts.
    fn count(&mut self) {
        self.counts.events += 1;
        if self.part == Part::Faults {
            self.counts.steps += 1;
        }
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    /// A line of the trace.
    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            use std::fmt::Write as _;
            let (step, ms, us) = (self.counts.events, self.now_us / 1000, self.now_us % 1000);
            let _ = writeln!(trace, "{step:>7} {ms:>6}.{us:03} ms  {}", line());
        }
    }

    /// Where the world is.
    pub(crate) fn place(&self) -> Place {
        Place { step: self.counts.events, time_us: self.now_us }
    }

    /// What the run came to.
    pub(crate) fn outcome(&mut self, result: Result<(), Violation>) -> Outcome {
        let mischief = self.network.drawn().to_vec();
        let script = match &self.scenario.script {
            Some(script) => script.clone(),
            None => Script { happenings: self.done.clone(), mischief },
        };
        self.counts.acknowledged = self.history.acknowledged;
        self.counts.read = self.history.records_read;
        self.counts.time_us = self.now_us;
        self.counts.forsaken = self.ledger.forsaken;
        for why in self.ledger.logs.iter().filter_map(|log| log.tainted) {
            *self.counts.tainted.entry(why).or_default() += 1;
        }
        self.counts.profiles.insert(self.scenario.shape.profile.clone(), 1);
        Outcome {
            scenario: self.scenario.clone(),
            place: self.place(),
            violation: result.err(),
            script,
            counts: self.counts.clone(),
            trace: self.trace.take(),
        }
    }
}
