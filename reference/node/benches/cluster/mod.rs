//! Nodes over real disks in a temporary directory, a perfect network, and a clock that moves when nothing else does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant as Clock};

use highwater_core::controller::{ControllerRequest, ControllerResponse, NewTopic};
use highwater_core::quorum::ReplicaKey;
use highwater_core::{Instant, NodeId, Uuid};
use highwater_log::disk::RealDisk;
use highwater_node::message::{ClientRequest, ClientResponse, Input, Output, TopicPartition};
use highwater_node::{Node, NodeConfig, Role, Roles, Rules};

/// How long a message takes.
const DELAY: Duration = Duration::from_micros(100);

/// What a node did.
#[derive(Debug, Default, Clone)]
pub(crate) struct Work {
    pub(crate) steps: u64,
    pub(crate) total: Duration,
    pub(crate) longest: Duration,
}

/// The nodes 0 and up, each broker and controller.
pub(crate) struct Cluster {
    pub(crate) partitions: Vec<TopicPartition>,
    now: Instant,
    configs: Vec<NodeConfig>,
    root: PathBuf,
    nodes: BTreeMap<NodeId, Node<RealDisk>>,
    answers: BTreeMap<u64, ClientResponse>,
    on_the_way: BTreeMap<(Instant, u64), (NodeId, Input)>,
    asked: BTreeMap<(NodeId, u64), (NodeId, u64)>,
    work: BTreeMap<NodeId, Work>,
    sequence: u64,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.clear();
        std::fs::remove_dir_all(&self.root).expect("the directory of the figures can be removed");
    }
}

impl Cluster {
    pub(crate) fn start(count: i32, adapt: impl Fn(&mut NodeConfig)) -> Self {
        let root = std::env::temp_dir().join(format!("highwater-node-{}", std::process::id()));
        let key = |id: i32| ReplicaKey { id: NodeId(id), directory: Uuid(0x1000 + id as u128) };
        let voters: Vec<ReplicaKey> = (0..count).map(key).collect();
        let config = |key: &ReplicaKey| {
            let mut config =
                NodeConfig::new(key.id, Roles::COMBINED, "figures", key.directory, voters.clone());
            config.default_replication_factor = 1;
            adapt(&mut config);
            config
        };
        let mut cluster = Self {
            partitions: Vec::new(),
            now: Instant(0),
            configs: voters.iter().map(config).collect(),
            root,
            nodes: BTreeMap::new(),
            answers: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            asked: BTreeMap::new(),
            work: BTreeMap::new(),
            sequence: 0,
        };
        for id in 0..count {
            let disk = cluster.disk(id);
            Node::format(&cluster.configs[id as usize], &disk).expect("formatted");
            drop(disk);
            cluster.open(id);
        }
        cluster.settle();
        cluster
    }

    fn disk(&self, id: i32) -> RealDisk {
        RealDisk::open(self.root.join(id.to_string())).expect("a directory")
    }

    pub(crate) fn open(&mut self, id: i32) {
        self.sequence += 1;
        let config = self.configs[id as usize].clone();
        let node = Node::open(config, Rules::default(), self.disk(id), self.sequence, self.now);
        self.nodes.insert(NodeId(id), node.expect("opened"));
    }

    pub(crate) fn kill(&mut self, id: i32) {
        self.nodes.remove(&NodeId(id));
    }

    pub(crate) fn stop(&mut self, id: i32) {
        self.deliver(NodeId(id), Input::ShutDown);
        self.run_until(Duration::from_secs(60), |cluster| cluster.nodes[&NodeId(id)].stopped());
        self.kill(id);
    }

    /// Waits until all brokers are registered and not fenced.
    pub(crate) fn settle(&mut self) {
        self.run_until(Duration::from_secs(60), |cluster| {
            cluster.nodes.values().all(|node| !node.fenced() && node.metadata().leader.is_some())
        });
    }

    pub(crate) fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        replication_factor: i16,
    ) -> Vec<TopicPartition> {
        let assignments = Vec::new();
        let name = name.to_owned();
        let topic = NewTopic { name, partitions, replication_factor, assignments, configs: Vec::new() };
        let request = ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false };
        let ClientResponse::Controller(Some(ControllerResponse::CreateTopics(Ok(created)))) =
            self.ask(0, ClientRequest::Controller(request))
        else {
            panic!("no answer");
        };
        let topic = *created[0].as_ref().expect("created");
        let made: Vec<_> = (0..partitions).map(|partition| TopicPartition { topic, partition }).collect();
        let last = made[made.len() - 1];
        let replicas = replication_factor as usize;
        self.run_until(Duration::from_secs(60), |cluster| {
            cluster.nodes.values().filter(|node| node.replica(last).is_some()).count() == replicas
        });
        self.partitions.extend(&made);
        made
    }

    pub(crate) fn led_by(&self, id: i32) -> usize {
        self.nodes[&NodeId(id)].replicas().filter(|replica| replica.role == Role::Leader).count()
    }

    /// Who leads a partition, which there must be somebody.
    pub(crate) fn leader(&self, partition: TopicPartition) -> i32 {
        let leads = |node: &&Node<RealDisk>| {
            node.replica(partition).is_some_and(|replica| replica.role == Role::Leader)
        };
        self.nodes.values().find(leads).expect("a leader").id().0
    }

    pub(crate) fn ask(&mut self, id: i32, request: ClientRequest) -> ClientResponse {
        self.sequence += 1;
        let token = self.sequence;
        self.deliver(NodeId(id), Input::Client { token, request });
        self.run_until(Duration::from_secs(60), |cluster| cluster.answers.contains_key(&token));
        self.answers.remove(&token).expect("the answer")
    }

    /// Runs until `done` says so, and says how long that took in the cluster's time.
    pub(crate) fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> Duration {
        let began = self.now;
        while !done(self) {
            assert!(self.now.since(began) < limit, "not done in {limit:?}");
            self.step();
        }
        self.now.since(began)
    }

    /// Runs for this long of the cluster's time, and says how many steps that took.
    pub(crate) fn run_for(&mut self, time: Duration) -> u64 {
        let end = self.now + time;
        let mut steps = 0;
        while self.next().is_some_and(|next| next <= end) {
            self.step();
            steps += 1;
        }
        self.now = end;
        steps
    }

    fn next(&self) -> Option<Instant> {
        let message = self.on_the_way.keys().next().map(|(moment, _)| *moment);
        message.into_iter().chain(self.nodes.values().filter_map(Node::deadline)).min()
    }

    fn step(&mut self) {
        self.now = self.now.max(self.next().expect("something to do"));
        if let Some(entry) = self.on_the_way.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (id, input) = entry.remove();
            return self.deliver(id, input);
        }
        let now = self.now;
        let due = self.nodes.iter().find(|(_, node)| node.deadline().is_some_and(|deadline| deadline <= now));
        if let Some(id) = due.map(|(id, _)| *id) {
            self.timed(id, |node| node.elapse(now));
        }
    }

    fn deliver(&mut self, id: NodeId, input: Input) {
        if !self.nodes.contains_key(&id) {
            if let Input::Request { token, .. } = input
                && let Some((sender, correlation)) = self.asked.remove(&(id, token))
            {
                self.post(sender, Input::Failed { correlation });
            }
            return;
        }
        let now = self.now;
        self.timed(id, |node| node.handle(now, input));
    }

    fn timed(&mut self, id: NodeId, step: impl FnOnce(&mut Node<RealDisk>)) {
        let began = Clock::now();
        step(self.nodes.get_mut(&id).expect("a node"));
        let took = began.elapsed();
        let work = self.work.entry(id).or_default();
        work.steps += 1;
        work.total += took;
        work.longest = work.longest.max(took);
        self.collect(id);
    }

    fn collect(&mut self, id: NodeId) {
        while let Some(output) = self.nodes.get_mut(&id).and_then(Node::poll) {
            match output {
                Output::Send { to, correlation, request } => {
                    self.sequence += 1;
                    let token = self.sequence;
                    self.asked.insert((to, token), (id, correlation));
                    self.post(to, Input::Request { token, from: id, request });
                }
                Output::Reply { token, response } => {
                    if let Some((to, correlation)) = self.asked.remove(&(id, token)) {
                        self.post(to, Input::Response { correlation, response });
                    }
                }
                Output::Answer { token, response } => {
                    self.answers.insert(token, response);
                }
                Output::Flush(log) => {
                    if let Some(flusher) = self.nodes.get_mut(&id).and_then(|node| node.flusher(log)) {
                        self.post(id, Input::Flushed { log, flushed: flusher.flush() });
                    }
                }
                Output::Report(what) => println!("{id}: {what}"),
                Output::Stopped(why) => assert_eq!(why, None, "{id} stopped"),
            }
        }
    }

    fn post(&mut self, to: NodeId, input: Input) {
        self.sequence += 1;
        self.on_the_way.insert((self.now + DELAY, self.sequence), (to, input));
    }

    pub(crate) fn reset_work(&mut self) {
        self.work.clear();
    }

    pub(crate) fn work(&self) -> impl Iterator<Item = (NodeId, &Work)> {
        self.work.iter().map(|(id, work)| (*id, work))
    }
}

/// How much memory this process has, in bytes; 0 where that cannot be told.
pub(crate) fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kibibytes| kibibytes << 10)
}

/// How many files this process has open; 0 where that cannot be told.
pub(crate) fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
