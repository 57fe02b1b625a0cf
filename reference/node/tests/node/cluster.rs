//! Nodes over simulated disks, a perfect network, and a clock that only moves when nothing else does.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use highwater_core::batch::{BatchBuilder, batches};
use highwater_core::controller::{
    ConfigChange, ConfigOperation, ConfigResource, ControllerRequest, ControllerResponse, NewTopic,
};
use highwater_core::partition::{Acks, PartitionError, PartitionFetch, PartitionFetched};
use highwater_core::quorum::ReplicaKey;
use highwater_core::{Instant, NO_EPOCH, NodeId, Offset, Uuid};
use highwater_log::disk::{Loss, SimulatedDisk};
use highwater_node::message::{
    ClientRequest, ClientResponse, Fetch, FetchPartition, FetchReader, Input, ListOffsets, ListedOffset,
    LogId, OffsetAt, OffsetQuery, OffsetReader, Output, PeerRequest, PeerResponse, Produce, TopicPartition,
};
use highwater_node::{Node, NodeConfig, OpenError, Role, Roles, Rules};

/// How long a message takes, and a flush.
const DELAY: Duration = Duration::from_millis(1);

/// Whether a request that this node sends is meant.
type IsMeant = Box<dyn Fn(NodeId, &PeerRequest) -> bool>;

/// Changes an answer on its way from one node to another; or lets it get lost, if it says no.
pub(crate) type Tamper = Box<dyn FnMut(NodeId, NodeId, &mut PeerResponse) -> bool>;

/// A cluster.
pub(crate) struct Cluster {
    pub(crate) now: Instant,
    pub(crate) configs: BTreeMap<NodeId, NodeConfig>,
    pub(crate) disks: BTreeMap<NodeId, SimulatedDisk>,
    pub(crate) nodes: BTreeMap<NodeId, Node<SimulatedDisk>>,
    pub(crate) reports: Vec<(NodeId, String)>,
    pub(crate) stopped: BTreeMap<NodeId, Option<String>>,
    pub(crate) tamper: Option<Tamper>,
    /// The next request of which it says so, told who sends it, is lost.
    pub(crate) lost_request: Option<IsMeant>,
    pub(crate) events: u64,
    /// Flushes are done by flushers.
    pub(crate) flushes_elsewhere: bool,
    /// The metadata log of this node is not flushed, though it wants to be.
    pub(crate) unflushed: Option<i32>,
    /// What was asked since the last start of a node.
    pub(crate) requests: Vec<(NodeId, NodeId, PeerRequest)>,
    answers: BTreeMap<u64, ClientResponse>,
    on_the_way: BTreeMap<(Instant, u64), (NodeId, Input)>,
    /// Who waits for the answer to a request that a node got: by receiver and token, the sender and its correlation number.
    asked: BTreeMap<(NodeId, u64), (NodeId, u64)>,
    sequence: u64,
    starts: u64,
}

/// The nodes 1 to 3, each both broker and controller; `adapt` changes their configuration.
pub(crate) fn combined(adapt: impl Fn(&mut NodeConfig)) -> Cluster {
    Cluster::start((1..=3).map(|id| (id, Roles::COMBINED)), adapt)
}

/// [`combined`] nodes as they are by default, once they have settled.
pub(crate) fn settled() -> Cluster {
    settled_with(|_| {})
}

/// [`combined`] nodes, once they have settled.
pub(crate) fn settled_with(adapt: impl Fn(&mut NodeConfig)) -> Cluster {
    let mut cluster = combined(adapt);
    cluster.settle();
    cluster
}

/// Snapshots of the metadata log after each kilobyte, sent in small parts.
pub(crate) fn small_snapshots(config: &mut NodeConfig) {
    config.metadata_snapshot_bytes = 1_000;
    config.quorum_snapshot_chunk_bytes = 300;
}

impl Cluster {
    /// Formats and starts nodes; `adapt` changes their configuration.
    pub(crate) fn start(
        nodes: impl IntoIterator<Item = (i32, Roles)>,
        adapt: impl Fn(&mut NodeConfig),
    ) -> Self {
        let nodes: Vec<(i32, Roles)> = nodes.into_iter().collect();
        let directory = |id: i32| Uuid(0x1000 + id as u128);
        let voters: Vec<ReplicaKey> = nodes
            .iter()
            .filter(|(_, roles)| roles.controller)
            .map(|(id, _)| ReplicaKey { id: NodeId(*id), directory: directory(*id) })
            .collect();
        let mut cluster = Self {
            now: Instant(0),
            configs: BTreeMap::new(),
            disks: BTreeMap::new(),
            nodes: BTreeMap::new(),
            reports: Vec::new(),
            stopped: BTreeMap::new(),
            tamper: None,
            lost_request: None,
            events: 0,
            flushes_elsewhere: false,
            unflushed: None,
            requests: Vec::new(),
            answers: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            asked: BTreeMap::new(),
            sequence: 0,
            starts: 0,
        };
        for (id, roles) in nodes {
            let mut config = NodeConfig::new(NodeId(id), roles, "a-cluster", directory(id), voters.clone());
            config.default_replication_factor = 3;
            config.min_insync_replicas = 2;
            config.replica_lag_time_max = Duration::from_secs(3);
            adapt(&mut config);
            let disk = SimulatedDisk::new(id as u64);
            Node::format(&config, &disk).expect("an empty disk can be formatted");
            cluster.configs.insert(NodeId(id), config);
            cluster.disks.insert(NodeId(id), disk);
            cluster.restart(id).expect("a formatted disk can be opened");
        }
        cluster
    }

    /// Starts a node that does not run, on its disk.
    pub(crate) fn restart(&mut self, id: i32) -> Result<(), OpenError> {
        self.starts += 1;
        let (config, disk) = (self.configs[&NodeId(id)].clone(), self.disks[&NodeId(id)].clone());
        let node = Node::open(config, Rules::default(), disk, self.starts, self.now)?;
        self.stopped.remove(&NodeId(id));
        self.requests.clear();
        self.nodes.insert(NodeId(id), node);
        Ok(())
    }

    /// Takes a node's power: it loses what was not flushed.
    pub(crate) fn crash(&mut self, id: i32) {
        self.nodes.remove(&NodeId(id)).expect("a node that runs");
        self.disks[&NodeId(id)].crash(Loss::Everything);
    }

    /// Kills a node's process: what it wrote stays.
    pub(crate) fn kill(&mut self, id: i32) {
        self.nodes.remove(&NodeId(id)).expect("a node that runs");
        self.disks[&NodeId(id)].crash(Loss::Nothing);
    }

    /// Tells a node to stop, and waits until it has.
    pub(crate) fn shut_down(&mut self, id: i32, limit: Duration) {
        self.nodes.get_mut(&NodeId(id)).expect("a node").handle(self.now, Input::ShutDown);
        self.run_until("the node stops", limit, |cluster| cluster.node(id).stopped());
    }

    /// Lets `tamper` change so many answers on their way to the node that it is told; it says whether it changed one.
    pub(crate) fn tamper_with(
        &mut self,
        mut times: u32,
        mut tamper: impl FnMut(NodeId, &mut PeerResponse) -> bool + 'static,
    ) {
        self.tamper = Some(Box::new(move |_, to, response| {
            if times > 0 && tamper(to, response) {
                times -= 1;
            }
            true
        }));
    }

    /// Loses the next answer of those that `is_meant`, which is told to whom each goes.
    pub(crate) fn lose_one(&mut self, is_meant: impl Fn(NodeId, &PeerResponse) -> bool + 'static) {
        let mut lost = false;
        self.tamper = Some(Box::new(move |_, to, response| {
            let arrives = lost || !is_meant(to, response);
            lost |= !arrives;
            arrives
        }));
    }

    pub(crate) fn node(&self, id: i32) -> &Node<SimulatedDisk> {
        &self.nodes[&NodeId(id)]
    }

    /// Runs until `done` says so; fails after `limit` of the cluster's time.
    pub(crate) fn run_until(&mut self, what: &str, limit: Duration, mut done: impl FnMut(&Self) -> bool) {
        let end = self.now + limit;
        while !done(self) {
            assert!(self.now <= end, "{what} has not come about in {limit:?}\n{}", self.describe());
            self.step();
        }
    }

    /// Runs for this long.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.next().is_some_and(|next| next <= end) {
            self.step();
        }
        self.now = end;
    }

    fn next(&self) -> Option<Instant> {
        let message = self.on_the_way.keys().next().map(|(moment, _)| *moment);
        let deadline = self.nodes.values().filter_map(Node::deadline).min();
        message.into_iter().chain(deadline).min()
    }

    /// The next message, or the next deadline.
    pub(crate) fn step(&mut self) {
        self.events += 1;
        self.now = self.now.max(self.next().expect("a cluster always has something to do"));
        let due = self.on_the_way.first_entry().filter(|entry| entry.key().0 <= self.now);
        if let Some((id, input)) = due.map(|entry| entry.remove()) {
            self.deliver(id, input);
            return;
        }
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        for id in ids {
            let node = self.nodes.get_mut(&id).expect("a node");
            if node.deadline().is_some_and(|deadline| deadline <= self.now) {
                node.elapse(self.now);
                self.collect(id);
            }
        }
    }

    fn deliver(&mut self, id: NodeId, input: Input) {
        let Some(node) = self.nodes.get_mut(&id) else {
            if let Input::Request { token, .. } = input {
                let (sender, correlation) = self.asked.remove(&(id, token)).expect("who asked");
                self.post(sender, Input::Failed { correlation });
            }
            return;
        };
        node.handle(self.now, input);
        self.collect(id);
    }

    fn post(&mut self, to: NodeId, input: Input) {
        self.sequence += 1;
        self.on_the_way.insert((self.now + DELAY, self.sequence), (to, input));
    }

    fn collect(&mut self, id: NodeId) {
        while let Some(output) = self.nodes.get_mut(&id).and_then(Node::poll) {
            self.take(id, output);
        }
    }

    /// Does what a node wants done.
    pub(crate) fn take(&mut self, id: NodeId, output: Output) {
        match output {
            Output::Send { to, correlation, request } => {
                self.sequence += 1;
                let token = self.sequence;
                self.asked.insert((to, token), (id, correlation));
                self.requests.push((id, to, request.clone()));
                if self.lost_request.as_ref().is_some_and(|is_meant| is_meant(id, &request)) {
                    self.lost_request = None;
                    return;
                }
                self.post(to, Input::Request { token, from: id, request });
            }
            Output::Reply { token, mut response } => {
                // Nobody waits any more for what was asked of an earlier start.
                let Some((to, correlation)) = self.asked.remove(&(id, token)) else { return };
                let arrives = self.tamper.as_mut().is_none_or(|tamper| tamper(id, to, &mut response));
                if arrives {
                    self.post(to, Input::Response { correlation, response });
                }
            }
            Output::Answer { token, response } => {
                self.answers.insert(token, response);
            }
            Output::Flush(LogId::Metadata) if self.unflushed == Some(id.0) => {}
            Output::Flush(log) if self.flushes_elsewhere => {
                if let Some(flusher) = self.nodes.get_mut(&id).and_then(|node| node.flusher(log)) {
                    self.post(id, Input::Flushed { log, flushed: flusher.flush() });
                }
            }
            Output::Flush(log) => self.post(id, Input::Flush(log)),
            Output::Report(what) => self.reports.push((id, what)),
            Output::Stopped(why) => {
                self.stopped.insert(id, why);
            }
        }
    }

    // ---- as a client ----

    /// Asks a node and waits for the answer.
    pub(crate) fn ask(&mut self, id: i32, request: ClientRequest) -> ClientResponse {
        let token = self.send(id, request);
        self.run_until("an answer", Duration::from_secs(60), |cluster| cluster.answers.contains_key(&token));
        self.answers.remove(&token).expect("the answer")
    }

    /// Asks a node and waits for the answer; none if the node stops first.
    pub(crate) fn ask_while_running(&mut self, id: i32, request: ClientRequest) -> Option<ClientResponse> {
        let token = self.send(id, request);
        while !self.answers.contains_key(&token) {
            if self.node(id).stopped() {
                return None;
            }
            self.step();
        }
        self.answers.remove(&token)
    }

    /// Asks a node; the answer is for [`Cluster::answer`].
    pub(crate) fn send(&mut self, id: i32, request: ClientRequest) -> u64 {
        self.sequence += 1;
        let token = self.sequence;
        self.deliver(NodeId(id), Input::Client { token, request });
        token
    }

    /// Gives a node an input.
    pub(crate) fn tell(&mut self, id: i32, input: Input) {
        self.deliver(NodeId(id), input);
    }

    /// Tells a node to stop in good order.
    pub(crate) fn deliver_shut_down(&mut self, id: i32) {
        self.tell(id, Input::ShutDown);
    }

    /// The answer to this request, if it has come.
    pub(crate) fn answer(&mut self, token: u64) -> Option<ClientResponse> {
        self.answers.remove(&token)
    }

    pub(crate) fn controller_request(
        &mut self,
        id: i32,
        request: ControllerRequest,
    ) -> Option<ControllerResponse> {
        match self.ask(id, ClientRequest::Controller(request)) {
            ClientResponse::Controller(response) => response,
            other => panic!("{other:?}"),
        }
    }

    /// Creates a topic of one partition on these replicas, by way of node `id`, and waits until its leader leads.
    pub(crate) fn create_topic(&mut self, id: i32, name: &str, replicas: &[i32]) -> TopicPartition {
        self.create_topic_with(id, name, &[replicas], &[])[0]
    }

    /// Creates a topic with a partition on each of these lists of replicas, configured so, and waits until its leaders lead.
    pub(crate) fn create_topic_with(
        &mut self,
        id: i32,
        name: &str,
        replicas: &[&[i32]],
        configs: &[(&str, &str)],
    ) -> Vec<TopicPartition> {
        let ids = |replicas: &&[i32]| replicas.iter().map(|id| NodeId(*id)).collect();
        let topic = NewTopic {
            name: name.to_owned(),
            partitions: -1,
            replication_factor: -1,
            assignments: replicas.iter().map(ids).collect(),
            configs: configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        let request = ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false };
        let Some(ControllerResponse::CreateTopics(Ok(created))) = self.controller_request(id, request) else {
            panic!("no answer to CreateTopics");
        };
        let topic = *created[0].as_ref().expect("the topic is created");
        let partitions: Vec<_> =
            (0..replicas.len() as i32).map(|partition| TopicPartition { topic, partition }).collect();
        self.run_until("leaders", Duration::from_secs(10), |cluster| {
            partitions.iter().all(|partition| cluster.leader(*partition).is_some())
        });
        partitions
    }

    /// Changes a configuration by way of node 1, and waits until all have heard of it.
    pub(crate) fn configure(&mut self, resource: ConfigResource, key: &str, value: &str) {
        let operation = ConfigOperation::Set(value.to_owned());
        let changes = vec![(resource, vec![ConfigChange { key: key.to_owned(), operation }])];
        let request = ControllerRequest::AlterConfigs { changes, validate_only: false };
        match self.controller_request(1, request) {
            Some(ControllerResponse::AlterConfigs(Ok(results))) => assert_eq!(results, [Ok(())]),
            other => panic!("{other:?}"),
        }
        self.run_for(Duration::from_secs(1));
    }

    pub(crate) fn produce(
        &mut self,
        id: i32,
        partition: TopicPartition,
        acks: Acks,
        value: &str,
    ) -> Result<Offset, PartitionError> {
        let request = produce_request(partition, acks, &[value]);
        produced(self.ask(id, request))
    }

    /// What a consumer reads from the start, and the high watermark that came with it.
    pub(crate) fn consume(&mut self, id: i32, partition: TopicPartition) -> (Vec<String>, Offset) {
        let (mut values, mut offset) = (Vec::new(), 0);
        loop {
            let (fetched, bytes) = self.fetch(id, partition, offset, 0);
            assert_eq!(fetched.error, None, "fetching {offset} of {partition:?} from {id}");
            if bytes.is_empty() {
                return (values, fetched.high_watermark);
            }
            values.extend(values_of(&bytes));
            offset = fetched.records.last().expect("what the bytes are").end;
        }
    }

    pub(crate) fn fetch(
        &mut self,
        id: i32,
        partition: TopicPartition,
        offset: Offset,
        max_wait_ms: u32,
    ) -> (PartitionFetched, Bytes) {
        fetched(self.ask(id, fetch_request(partition, offset, max_wait_ms)))
    }

    // ---- what is ----

    /// All that helps to see why something has not come about.
    fn describe(&self) -> String {
        let mut lines = Vec::new();
        for node in self.nodes.values() {
            let (id, epoch) = (node.id(), node.broker_epoch());
            let stopped = node.stopped();
            lines.push(format!("{id} broker epoch {epoch:?}, fenced {}, stopped {stopped}", node.fenced()));
            for log in std::iter::once(node.metadata()).chain(node.replicas()) {
                let (end, high_watermark) = (log.log.end(), log.high_watermark);
                let (role, leader, isr) = (log.role, log.leader, &log.isr);
                lines.push(format!(
                    "  {:?} {role:?} epoch {} leader {leader:?} end {end} high watermark {high_watermark:?} ISR {isr:?}",
                    log.id, log.epoch
                ));
            }
        }
        lines.extend(self.reports.iter().map(|(id, what)| format!("{id} reports: {what}")));
        lines.extend(self.stopped.iter().map(|(id, why)| format!("{id} has stopped: {why:?}")));
        lines.join("\n")
    }

    /// The controller that leads the newest epoch.
    pub(crate) fn active(&self) -> Option<i32> {
        let leading = self.nodes.values().filter(|node| node.metadata().role == Role::Leader);
        let newest = leading.max_by_key(|node| node.metadata().epoch)?;
        newest.controller().is_some_and(|controller| controller.is_active()).then_some(newest.id().0)
    }

    /// The controller that leads the newest epoch, which there must be, and another of the nodes 1 to 3.
    pub(crate) fn active_and_another(&self) -> (i32, i32) {
        let active = self.active().expect("a controller");
        (active, (1..=3).find(|&id| id != active).expect("another"))
    }

    /// The broker that leads the partition in the newest epoch.
    pub(crate) fn leader(&self, partition: TopicPartition) -> Option<i32> {
        let leads = |node: &&Node<SimulatedDisk>| {
            node.replica(partition).is_some_and(|replica| replica.role == Role::Leader)
        };
        let newest = self.nodes.values().filter(leads);
        newest.max_by_key(|node| node.replica(partition).map(|replica| replica.epoch)).map(|node| node.id().0)
    }

    /// Waits until all running brokers are registered and not fenced.
    pub(crate) fn settle(&mut self) {
        self.run_until("all brokers unfenced", Duration::from_secs(60), |cluster| {
            cluster.active().is_some()
                && cluster
                    .nodes
                    .values()
                    .all(|node| !cluster.configs[&node.id()].roles.broker || !node.fenced())
        });
    }

    /// Waits until the ISR of a partition, as its leader sees it, is this.
    pub(crate) fn run_until_isr(&mut self, partition: TopicPartition, isr: &[i32]) {
        let expected: Vec<NodeId> = isr.iter().map(|id| NodeId(*id)).collect();
        self.run_until(&format!("ISR {isr:?}"), Duration::from_secs(120), |cluster| {
            let leader = cluster.leader(partition).and_then(|id| cluster.node(id).replica(partition));
            leader.is_some_and(|replica| {
                let mut found = replica.isr.clone();
                found.sort_unstable();
                found == expected
            })
        });
    }

    /// Holds the logs of these two nodes to the same bytes.
    pub(crate) fn assert_same_log(&self, partition: TopicPartition, one: i32, other: i32) {
        let bytes = |id| self.bytes_of(id, LogId::Partition(partition));
        assert_eq!(bytes(one), bytes(other), "nodes {one} and {other}");
    }

    /// All bytes of a node's log.
    pub(crate) fn bytes_of(&self, id: i32, log: LogId) -> Vec<u8> {
        let node = self.node(id);
        let start = match log {
            LogId::Metadata => node.metadata().log.start(),
            LogId::Partition(partition) => node.replica(partition).expect("a replica").log.start(),
        };
        let batches = node.read(log, start, usize::MAX).expect("a log that can be read");
        batches.into_iter().flat_map(|(_, _, bytes)| bytes).collect()
    }
}

/// A batch of these values, as a producer sends it.
pub(crate) fn records(values: &[&str]) -> Bytes {
    let mut batch = BatchBuilder::new(0, NO_EPOCH);
    for value in values {
        batch.record(0, None, Some(value.as_bytes()));
    }
    batch.build().into()
}

pub(crate) fn produce_request(partition: TopicPartition, acks: Acks, values: &[&str]) -> ClientRequest {
    ClientRequest::Produce(Produce {
        acks,
        timeout_ms: 30_000,
        partitions: vec![(partition, records(values))],
    })
}

pub(crate) fn fetch_request(partition: TopicPartition, offset: Offset, max_wait_ms: u32) -> ClientRequest {
    let fetch = PartitionFetch { leader_epoch: NO_EPOCH, offset, last_epoch: NO_EPOCH };
    let partitions = vec![FetchPartition { partition, fetch, max_bytes: 1 << 20 }];
    let reader = FetchReader::Consumer;
    ClientRequest::Fetch(Fetch { reader, max_wait_ms, min_bytes: 1, max_bytes: 1 << 20, partitions })
}

/// The answer about the one partition of a producer's request.
pub(crate) fn produced(response: ClientResponse) -> Result<Offset, PartitionError> {
    match response {
        ClientResponse::Produce(answers) if answers.len() == 1 => answers
            .into_iter()
            .map(|(_, result)| result)
            .next()
            .map_or(Err(PartitionError::InvalidRequest), |result| {
                result.map(|produced| produced.base).map_err(|refusal| refusal.error)
            }),
        other => panic!("{other:?}"),
    }
}

/// The answer about the one partition of a fetch.
pub(crate) fn fetched(response: ClientResponse) -> (PartitionFetched, Bytes) {
    match response {
        ClientResponse::Fetch(mut answers) if answers.len() == 1 => {
            let part = answers.remove(0);
            (part.answer, part.records)
        }
        other => panic!("{other:?}"),
    }
}

/// What is found at this place of one partition.
pub(crate) fn offset_request(partition: TopicPartition, at: OffsetAt) -> ClientRequest {
    let partitions = vec![OffsetQuery { partition, leader_epoch: NO_EPOCH, at }];
    ClientRequest::ListOffsets(ListOffsets { reader: OffsetReader::Client, partitions })
}

/// The answer about the one partition of a search for offsets.
pub(crate) fn listed(response: ClientResponse) -> Result<Option<ListedOffset>, PartitionError> {
    match response {
        ClientResponse::ListOffsets(answers) if answers.len() == 1 => answers[0].1,
        other => panic!("{other:?}"),
    }
}

/// The values of the data records of these batches.
pub(crate) fn values_of(bytes: &[u8]) -> Vec<String> {
    let mut values = Vec::new();
    for batch in batches(bytes).map(|batch| batch.expect("a sound batch")) {
        if !batch.header().is_control() {
            for record in batch.records().expect("not compressed") {
                let value = record.expect("a sound record").value.unwrap_or_default().to_vec();
                values.push(String::from_utf8(value).expect("text"));
            }
        }
    }
    values
}
