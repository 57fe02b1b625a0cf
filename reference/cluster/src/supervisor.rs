//! Who keeps the nodes: starts their processes, does what is ordered, and knows what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::control::{Command, Done, Order};
use crate::layout::{self, Layout};
use crate::links::{Link, Links};
use crate::process::{News, Process, What, tail};
use crate::state::{ClusterState, Event, Observation, ProcessState};

/// A node that does not stop in good order within this is killed.
pub(crate) const GRACE: Duration = Duration::from_secs(20);

/// The process that a node has now.
struct Running {
    process: Process,
    generation: u64,
    /// Set once it was sent an end: what it is then.
    expected: Option<ProcessState>,
    /// Who waits for that end.
    waiting: Vec<oneshot::Sender<Done>>,
}

/// Keeps a cluster's nodes. All that happens to them happens here, one after the other.
pub(crate) struct Supervisor {
    program: PathBuf,
    directory: PathBuf,
    layout: Layout,
    links: Links,
    began: Instant,
    running: BTreeMap<i32, Running>,
    generations: u64,
    news: mpsc::UnboundedSender<News>,
    state: ClusterState,
    /// Events that nobody took yet.
    fresh: Vec<Event>,
    /// Nodes that serve, and were not told of yet. Each once.
    serving: Vec<i32>,
    served: BTreeSet<i32>,
}

impl Supervisor {
    pub(crate) fn new(
        program: PathBuf,
        directory: PathBuf,
        layout: Layout,
        links: Links,
        news: mpsc::UnboundedSender<News>,
    ) -> Self {
        Self {
            program,
            directory,
            state: ClusterState::new(&layout),
            layout,
            links,
            began: Instant::now(),
            running: BTreeMap::new(),
            generations: 0,
            news,
            fresh: Vec::new(),
            serving: Vec::new(),
            served: BTreeSet::new(),
        }
    }

    /// What is known.
    pub(crate) fn state(&self) -> &ClusterState {
        &self.state
    }

    /// The events since this was asked last.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.fresh)
    }

    /// The nodes that began to serve since this was asked last, each once.
    pub(crate) fn take_serving(&mut self) -> Vec<i32> {
        std::mem::take(&mut self.serving)
    }

    /// The nodes that can be asked something.
    pub(crate) fn answering(&self) -> BTreeSet<i32> {
        let answers = |process| matches!(process, ProcessState::Starting | ProcessState::Running);
        self.state.nodes.iter().filter(|node| answers(node.process)).map(|node| node.id).collect()
    }

    /// The nodes that have a process, brokers or controllers alone.
    pub(crate) fn alive(&self, brokers: bool) -> Vec<i32> {
        let is_one = |id: &i32| self.layout.node(*id).is_some_and(|node| node.broker.is_some() == brokers);
        self.running.keys().copied().filter(is_one).collect()
    }

    pub(crate) fn tell(&mut self, what: String) {
        let at_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let event = Event { at_ms, what };
        self.fresh.push(event.clone());
        self.state.tell(event);
    }

    fn set(&mut self, id: i32, process: ProcessState) {
        let pid = self.running.get(&id).map(|running| running.process.pid);
        if let Some(node) = self.state.node_mut(id) {
            node.process = process;
            node.pid = pid;
        }
    }

    fn process_of(&self, id: i32) -> Result<ProcessState, String> {
        self.state.node(id).map(|node| node.process).ok_or_else(|| {
            let ids: Vec<i32> = self.state.nodes.iter().map(|node| node.id).collect();
            format!("found node {id}, expected one of {}", crate::state::listed(&ids))
        })
    }

    /// Takes an order, and answers it; a stop once it is done.
    pub(crate) fn order(&mut self, order: Order) {
        let Order { command, reply } = order;
        if let Command::Stop { node } = command {
            match self.stop(node) {
                Ok(running) => running.waiting.push(reply),
                Err(why) => drop(reply.send(Done::refused(why))),
            }
            return;
        }
        let done = match self.carry_out(&command) {
            Ok(done) => done,
            Err(why) => Done::refused(why),
        };
        // Who asked may have gone.
        let _ = reply.send(done);
    }

    /// Does what is asked, where nobody waits for more than that.
    pub(crate) fn carry_out(&mut self, command: &Command) -> Result<Done, String> {
        match *command {
            Command::Status => Ok(Done::status(self.state.clone())),
            Command::Start { node } => self.start(node).map(|()| Done::saying(format!("node {node} starts"))),
            Command::Stop { node } => {
                self.stop(node)?;
                Ok(Done::saying(format!("node {node} stops")))
            }
            Command::Kill { node } => {
                self.process_of(node)?;
                let running = self.running_mut(node)?;
                running.expected = Some(ProcessState::Killed);
                running.process.signal(Signal::KILL);
                self.set(node, ProcessState::Killed);
                Ok(self.done(format!("node {node}: killed")))
            }
            Command::Pause { node } => {
                if self.process_of(node)? == ProcessState::Paused {
                    return Err(format!("node {node} is paused already"));
                }
                self.running_mut(node)?.process.signal(Signal::STOP);
                self.set(node, ProcessState::Paused);
                Ok(self.done(format!("node {node}: paused")))
            }
            Command::Resume { node } => {
                let process = self.process_of(node)?;
                if process != ProcessState::Paused {
                    return Err(format!("node {node} is {process}, not paused"));
                }
                self.running_mut(node)?.process.signal(Signal::CONT);
                let after =
                    if self.served.contains(&node) { ProcessState::Running } else { ProcessState::Starting };
                self.set(node, after);
                Ok(self.done(format!("node {node}: resumed")))
            }
            Command::Cut { node, other } => {
                self.pair(node, other)?;
                let told = format!("link between {node} and {other}: cut");
                Ok(self.cut([(node, other), (other, node)], told))
            }
            Command::CutFrom { node, from } => {
                self.pair(node, from)?;
                Ok(self.cut([(from, node)], format!("link from {from} to {node}: cut")))
            }
            Command::Isolate { node } => {
                self.process_of(node)?;
                self.links_can_be_cut()?;
                let others = self.state.nodes.iter().map(|other| other.id).filter(|other| *other != node);
                let links: Vec<Link> = others.flat_map(|other| [(node, other), (other, node)]).collect();
                Ok(self.cut(links, format!("node {node}: isolated")))
            }
            Command::Heal { between: None } => {
                self.links.heal(|_| true);
                self.state.cuts = self.links.all_cut();
                Ok(self.done("all links: healed".to_owned()))
            }
            Command::Heal { between: Some((node, other)) } => {
                self.pair(node, other)?;
                self.links.heal(|link| link == (node, other) || link == (other, node));
                self.state.cuts = self.links.all_cut();
                Ok(self.done(format!("link between {node} and {other}: healed")))
            }
        }
    }

    fn done(&mut self, what: String) -> Done {
        self.tell(what.clone());
        Done::saying(what)
    }

    fn cut(&mut self, links: impl IntoIterator<Item = Link>, told: String) -> Done {
        self.links.cut(links);
        self.state.cuts = self.links.all_cut();
        self.done(told)
    }

    fn links_can_be_cut(&self) -> Result<(), String> {
        match self.layout.is_direct() && self.layout.nodes.len() > 1 {
            true => Err("nodes reach each other directly, expected doors between them. Make the cluster without --direct.".to_owned()),
            false => Ok(()),
        }
    }

    fn pair(&self, one: i32, other: i32) -> Result<(), String> {
        self.process_of(one)?;
        self.process_of(other)?;
        if one == other {
            return Err(format!("found node {one} twice, expected two nodes"));
        }
        self.links_can_be_cut()
    }

    fn running_mut(&mut self, id: i32) -> Result<&mut Running, String> {
        let process = self.process_of(id)?;
        self.running
            .get_mut(&id)
            .filter(|running| running.expected.is_none())
            .ok_or_else(|| format!("node {id} is {process}; expected one that runs. Start it first."))
    }

    /// Starts a node that has no process.
    pub(crate) fn start(&mut self, id: i32) -> Result<(), String> {
        let process = self.process_of(id)?;
        if let Some(running) = self.running.get(&id) {
            return Err(match running.expected {
                Some(_) => format!("node {id} is {process}, and its process has not ended yet. Try again."),
                None => format!("node {id} is {process} already"),
            });
        }
        self.generations += 1;
        let generation = self.generations;
        let file = layout::properties(&self.directory, id);
        let log = layout::log(&self.directory, id);
        let started = Process::start(&self.program, &file, &log, (id, generation), self.news.clone());
        let process = started
            .map_err(|error| format!("node {id}: {} cannot be started: {error}", self.program.display()))?;
        let pid = process.pid;
        self.running.insert(id, Running { process, generation, expected: None, waiting: Vec::new() });
        self.set(id, ProcessState::Starting);
        self.tell(format!("node {id}: started as process {pid}"));
        Ok(())
    }

    fn stop(&mut self, id: i32) -> Result<&mut Running, String> {
        self.process_of(id)?;
        let news = self.news.clone();
        let running = self.running_mut(id)?;
        running.expected = Some(ProcessState::Stopped);
        running.process.signal(Signal::TERM);
        running.process.signal(Signal::CONT);
        let generation = running.generation;
        tokio::spawn(async move {
            sleep(GRACE).await;
            let _ = news.send(News { node: id, generation, what: What::Overdue });
        });
        self.set(id, ProcessState::Stopping);
        self.tell(format!("node {id}: told to stop"));
        self.running.get_mut(&id).ok_or_else(|| format!("node {id} has no process"))
    }

    /// Kills all that is left.
    pub(crate) fn kill_all(&mut self) {
        for running in self.running.values_mut() {
            running.expected.get_or_insert(ProcessState::Killed);
            running.process.signal(Signal::KILL);
        }
    }

    /// Takes what became of a process.
    pub(crate) fn hear(&mut self, news: News) {
        let News { node: id, generation, what } = news;
        if self.running.get(&id).is_none_or(|running| running.generation != generation) {
            return;
        }
        match what {
            What::Serves => {
                if self.state.node(id).is_some_and(|node| node.process == ProcessState::Starting) {
                    self.set(id, ProcessState::Running);
                }
                self.tell(format!("node {id}: serves"));
                if self.served.insert(id) {
                    self.serving.push(id);
                }
            }
            What::Overdue => {
                if let Some(running) = self.running.get(&id) {
                    running.process.signal(Signal::KILL);
                }
                self.tell(format!("node {id}: did not stop within {} s, and is killed", GRACE.as_secs()));
            }
            What::Ended(status) => {
                let Some(running) = self.running.remove(&id) else { return };
                let status = match status {
                    Ok(status) => status.to_string(),
                    Err(error) => error.to_string(),
                };
                let told = match running.expected {
                    Some(ProcessState::Stopped) => format!("node {id}: stopped ({status})"),
                    Some(_) => format!("node {id}: its process has ended ({status})"),
                    None => self.obituary(id, &status),
                };
                self.set(id, running.expected.unwrap_or(ProcessState::Failed));
                self.tell(told);
                for waiting in running.waiting {
                    // Who asked may have gone.
                    let _ = waiting.send(Done::saying(format!("node {id}: stopped ({status})")));
                }
            }
        }
    }

    /// Of a node that ended by itself.
    fn obituary(&self, id: i32, status: &str) -> String {
        let log = layout::log(&self.directory, id);
        match tail(&log) {
            Ok(tail) => format!(
                "node {id}: ended by itself ({status}); the end of {}:\n  {}",
                log.display(),
                tail.replace('\n', "\n  ")
            ),
            Err(error) => format!("node {id}: ended by itself ({status}); {}: {error}", log.display()),
        }
    }

    /// Takes what the nodes said.
    pub(crate) fn observe(&mut self, seen: Observation) {
        for told in self.state.observe(seen) {
            self.tell(told);
        }
    }
}
