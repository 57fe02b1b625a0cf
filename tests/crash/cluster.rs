//! Three nodes as processes, each a broker and a controller: started, killed, paused, looked at.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use highwater_client::admin::QuorumAnswer;
use highwater_client::{Admin, Cluster, ClusterConfig, Connection, ConnectionConfig};
use highwater_wire::messages::MetadataRequest;
use highwater_wire::messages::create_topics::request::CreatableTopic;
use highwater_wire::messages::metadata::request::MetadataRequestTopic;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tempfile::TempDir;

use crate::story::until;

/// What is written to.
pub(crate) const TOPIC: &str = "ledger";

/// How many partitions that has: with three nodes, each leads one.
pub(crate) const PARTITIONS: i32 = 3;

/// The ids of the nodes.
pub(crate) const NODES: [i32; 3] = [1, 2, 3];

/// Who fails is found out soon; a record counts once two nodes have it; segments and metadata snapshots end often.
const PROPERTIES: &str = "\
process.roles=broker,controller
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
default.replication.factor=3
min.insync.replicas=2
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=200
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
replica.lag.time.max.ms=1500
replica.fetch.wait.max.ms=300
replica.socket.timeout.ms=2000
replica.high.watermark.checkpoint.interval.ms=500
log.segment.bytes=1048576
metadata.log.max.record.bytes.between.snapshots=4096
";

/// Where a node listens.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) broker: u16,
    pub(crate) controller: u16,
}

impl Place {
    fn address(&self) -> String {
        format!("{}:{}", self.host, self.broker)
    }
}

/// Ports that were free, on loopback; below those that the system gives to connections, so that a node that was killed finds its own free.
pub(crate) fn on_loopback() -> Vec<Place> {
    let mut held = Vec::new();
    let mut free = || {
        for _ in 0..1_000 {
            let port = fastrand::u16(20_000..32_000);
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
                held.push(listener);
                return port;
            }
        }
        panic!("found no free port on 127.0.0.1 from 20000 to 31999");
    };
    NODES.map(|_| Place { host: "127.0.0.1".to_owned(), broker: free(), controller: free() }).to_vec()
}

/// What a broker believes of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leadership {
    pub(crate) leader: i32,
    pub(crate) epoch: i32,
    pub(crate) isr: Vec<i32>,
}

/// What a broker believes of all partitions, in their order.
pub(crate) type Beliefs = Vec<Leadership>;

struct Node {
    id: i32,
    place: Place,
    /// What the node's command is started with, as `nsenter --net=FILE`.
    launcher: Vec<String>,
    /// Who it runs as, if that is another than this process.
    user: Option<u32>,
    process: Option<Child>,
    is_paused: bool,
    /// Whether it may end by itself.
    may_end: bool,
}

/// Three nodes. Their processes end with this, and with the process of the test, whatever way that ends.
pub(crate) struct Nodes {
    scratch: TempDir,
    nodes: Vec<Node>,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in &self.nodes {
                println!("node {}:\n{}", node.id, tail(&self.told(node.id)));
            }
        }
        for node in &mut self.nodes {
            if let Some(process) = &mut node.process {
                // One that was stopped ends all the same, and one that has ended already is no error.
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}

/// The last lines.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

impl Nodes {
    /// Formats three nodes. None of them runs yet.
    pub(crate) fn format(places: Vec<Place>) -> Self {
        let scratch = tempfile::Builder::new().prefix("hw-crash-").tempdir().expect("a directory");
        let voters: Vec<String> = NODES
            .iter()
            .zip(&places)
            .map(|(id, place)| format!("{id}@{}:{}", place.host, place.controller))
            .collect();
        let new = |(id, place): (i32, Place)| Node {
            id,
            place,
            launcher: Vec::new(),
            user: None,
            process: None,
            is_paused: false,
            may_end: false,
        };
        let nodes = Self { scratch, nodes: NODES.into_iter().zip(places).map(new).collect() };
        for node in &nodes.nodes {
            let Place { host, broker, controller } = &node.place;
            let own = format!(
                "node.id={}\nlog.dirs={}\ncontroller.quorum.voters={}\nlisteners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}\n",
                node.id,
                nodes.data(node.id).display(),
                voters.join(","),
            );
            fs::create_dir_all(nodes.home(node.id)).expect("a directory");
            fs::write(nodes.properties(node.id), format!("{PROPERTIES}{own}")).expect("written");
        }
        nodes
    }

    /// Writes what `storage format` writes. What is below the data directory may have been mounted before.
    pub(crate) fn storage(&self) {
        for id in NODES {
            fs::create_dir_all(self.data(id)).expect("a directory");
            let output = Command::new(env!("CARGO_BIN_EXE_highwater"))
                .args(["storage", "format", "-t", "Y3Jhc2gtcHJvb2YtY2x1cw", "-c"])
                .arg(self.properties(id))
                .output()
                .expect("the command runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// Three nodes that serve, with the topic.
    pub(crate) async fn serving(places: Vec<Place>) -> Self {
        let mut nodes = Self::format(places);
        nodes.storage();
        nodes.serve().await;
        nodes
    }

    /// Starts all of them, and creates the topic.
    pub(crate) async fn serve(&mut self) {
        for id in NODES {
            self.start(id);
        }
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions: PARTITIONS,
            replication_factor: 3,
            ..Default::default()
        };
        let admin = Admin::new(self.client().await);
        until(self, "the topic is created", async |_| {
            let created = admin.create_topics(vec![topic.clone()], false).await.ok()?;
            // 36: it exists, by an attempt that was not answered.
            matches!(created.first()?.error_code, 0 | 36).then_some(())
        })
        .await;
        until(self, "all replicas are in sync", async |nodes| nodes.in_sync().await).await;
    }

    fn node(&self, id: i32) -> &Node {
        self.nodes.iter().find(|node| node.id == id).expect("a node")
    }

    fn node_mut(&mut self, id: i32) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.id == id).expect("a node")
    }

    pub(crate) fn home(&self, id: i32) -> PathBuf {
        self.scratch.path().join(format!("node-{id}"))
    }

    pub(crate) fn data(&self, id: i32) -> PathBuf {
        self.home(id).join("data")
    }

    fn properties(&self, id: i32) -> PathBuf {
        self.home(id).join("server.properties")
    }

    fn log(&self, id: i32) -> PathBuf {
        self.scratch.path().join(format!("node-{id}.log"))
    }

    /// What a node wrote to its standard error.
    pub(crate) fn told(&self, id: i32) -> String {
        fs::read_to_string(self.log(id)).unwrap_or_default()
    }

    /// What this node is started with from now on.
    pub(crate) fn launch_with(&mut self, id: i32, launcher: &[&str]) {
        self.node_mut(id).launcher = launcher.iter().map(|&word| word.to_owned()).collect();
    }

    /// Who this node runs as from now on: as a rule not who may read where this program was built.
    pub(crate) fn run_as(&mut self, id: i32, user: u32) {
        let copy = self.home(id).join("highwater");
        fs::copy(env!("CARGO_BIN_EXE_highwater"), copy).expect("copied");
        let home = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.scratch.path(), home).expect("opened to others");
        self.node_mut(id).user = Some(user);
    }

    /// Starts a node. It is in a group of its own, and ends when this process is gone, since its standard input ends then; the system
    /// wakes one that is stopped.
    pub(crate) fn start(&mut self, id: i32) {
        let log = OpenOptions::new().create(true).append(true).open(self.log(id)).expect("a log");
        let (properties, copy) = (self.properties(id), self.home(id).join("highwater"));
        let node = self.node_mut(id);
        assert!(node.process.is_none(), "node {id} runs already");
        let program = if node.user.is_some() { copy } else { env!("CARGO_BIN_EXE_highwater").into() };
        let mut command = match node.launcher.split_first() {
            None => Command::new(&program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(&program);
                command
            }
        };
        command.args(["broker", "--until-end-of-input"]).arg(properties);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).process_group(0);
        if let Some(user) = node.user {
            command.uid(user).gid(user);
        }
        node.process = Some(command.spawn().expect("it starts"));
    }

    fn signal(&self, id: i32, signal: Signal) {
        let process = self.node(id).process.as_ref().expect("it runs");
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the signal is sent");
    }

    /// `kill -9`: it has ended when this returns.
    pub(crate) fn kill(&mut self, id: i32) {
        let mut process = self.node_mut(id).process.take().expect("it runs");
        process.kill().expect("killed");
        process.wait().expect("its end");
        self.node_mut(id).is_paused = false;
    }

    /// SIGSTOP.
    pub(crate) fn pause(&mut self, id: i32) {
        self.signal(id, Signal::STOP);
        self.node_mut(id).is_paused = true;
    }

    /// SIGCONT.
    pub(crate) fn resume(&mut self, id: i32) {
        self.signal(id, Signal::CONT);
        self.node_mut(id).is_paused = false;
    }

    /// No file that a running node writes becomes longer than so many bytes, as if the disk were full.
    pub(crate) fn limit_files(&self, id: i32, bytes: u64) {
        let process = self.node(id).process.as_ref().expect("it runs");
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        prlimit(pid, Resource::Fsize, limit).expect("the limit is set");
    }

    /// From now on until it has ended, a node may end by itself.
    pub(crate) fn may_end(&mut self, id: i32) {
        self.node_mut(id).may_end = true;
    }

    /// How a process ended, if it did by itself.
    pub(crate) fn ended(&mut self, id: i32) -> Option<ExitStatus> {
        let node = self.node_mut(id);
        let status = node.process.as_mut()?.try_wait().expect("its state")?;
        node.process = None;
        node.may_end = false;
        Some(status)
    }

    /// The nodes that run, and are not paused.
    pub(crate) fn awake(&self) -> Vec<i32> {
        let awake = self.nodes.iter().filter(|node| node.process.is_some() && !node.is_paused);
        awake.map(|node| node.id).collect()
    }

    /// The nodes that do not run.
    pub(crate) fn dead(&self) -> Vec<i32> {
        self.nodes.iter().filter(|node| node.process.is_none()).map(|node| node.id).collect()
    }

    /// Fails if a node ended by itself.
    pub(crate) fn assert_alive(&mut self) {
        for id in self.awake() {
            if self.node(id).may_end {
                continue;
            }
            if let Some(status) = self.ended(id) {
                panic!("node {id} ended by itself: {status}");
            }
        }
    }

    /// All places, for clients.
    pub(crate) fn bootstrap(&self) -> String {
        self.nodes.iter().map(|node| node.place.address()).collect::<Vec<_>>().join(",")
    }

    /// A client of its own that is patient with the cluster, and soon tired of a single node.
    pub(crate) async fn client(&mut self) -> Cluster {
        let config = client_config(&self.bootstrap());
        until(self, "a client finds the cluster", async |_| Cluster::connect(config.clone()).await.ok()).await
    }

    async fn connection(&self, id: i32) -> Option<Connection> {
        Connection::open(&self.node(id).place.address(), &impatient()).await.ok()
    }

    /// What this node believes; none if it does not answer, or a partition has no leader.
    pub(crate) async fn believes(&self, id: i32) -> Option<Beliefs> {
        let topic = MetadataRequestTopic { name: Some(TOPIC.into()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
        let answer = self.connection(id).await?.ask(&request).await.ok()?;
        let partitions = answer.topics.into_iter().next()?.partitions;
        let by_number: BTreeMap<i32, Leadership> = partitions
            .into_iter()
            .filter(|partition| partition.leader_id >= 0)
            .map(|partition| {
                let (leader, epoch) = (partition.leader_id, partition.leader_epoch);
                (partition.partition_index, Leadership { leader, epoch, isr: partition.isr_nodes })
            })
            .collect();
        (by_number.len() == usize::try_from(PARTITIONS).ok()?).then(|| by_number.into_values().collect())
    }

    /// The newest belief of those who are awake, once it is that partition leaders are awake themselves. Who was cut off has old ones.
    pub(crate) async fn beliefs(&self) -> Option<Beliefs> {
        let awake = self.awake();
        let mut newest: Option<Beliefs> = None;
        let age = |beliefs: &Beliefs| beliefs.iter().map(|partition| partition.epoch).sum::<i32>();
        for &id in &awake {
            let beliefs = self.believes(id).await;
            let is_newer = |all: &Beliefs| newest.as_ref().is_none_or(|newest| age(all) > age(newest));
            if let Some(beliefs) = beliefs.filter(is_newer) {
                newest = Some(beliefs);
            }
        }
        newest.filter(|all| all.iter().all(|partition| awake.contains(&partition.leader)))
    }

    /// If all nodes say that all replicas of all partitions are in sync.
    pub(crate) async fn in_sync(&self) -> Option<()> {
        let mut all = Vec::new();
        for id in NODES {
            all.push(self.believes(id).await?);
        }
        let agree = all.windows(2).all(|pair| pair[0] == pair[1]);
        let in_sync = all[0].iter().all(|partition| partition.isr.len() == NODES.len());
        if !(agree && in_sync) {
            // The last of these tells how it stands, if it fails.
            println!("not in sync: {all:?}");
        }
        (agree && in_sync).then_some(())
    }

    /// Leader and epoch of the quorum, as those who are awake say.
    pub(crate) async fn quorum(&self) -> Option<(i32, i32)> {
        let awake = self.awake();
        self.quorum_of(&awake).await
    }

    /// Leader and epoch of the quorum, as these nodes say, if it is one of them.
    pub(crate) async fn quorum_of(&self, asked: &[i32]) -> Option<(i32, i32)> {
        for &id in asked {
            let mut config = client_config(&self.node(id).place.address());
            config.api_timeout = Duration::from_secs(2);
            let Ok(cluster) = Cluster::connect(config).await else { continue };
            let Ok(QuorumAnswer { quorum, .. }) = Admin::new(cluster).describe_quorum().await else {
                continue;
            };
            if asked.contains(&quorum.leader_id) {
                return Some((quorum.leader_id, quorum.leader_epoch));
            }
        }
        None
    }

    /// The bytes of a replica's log, as they are in its files.
    pub(crate) fn replica(&self, id: i32, partition: i32) -> Vec<u8> {
        let directory = self.data(id).join(format!("{TOPIC}-{partition}"));
        let mut bytes = Vec::new();
        for segment in segments(&directory) {
            bytes.extend(fs::read(&segment).unwrap_or_else(|error| panic!("{}: {error}", segment.display())));
        }
        bytes
    }
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut segments: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect();
    segments.sort();
    segments
}

/// The length of the longest file below a directory, in bytes.
pub(crate) fn longest_file(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let lengths = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => longest_file(&entry.path()),
        // A file that is gone meanwhile has no length.
        _ => File::open(entry.path()).and_then(|file| file.metadata()).map_or(0, |found| found.len()),
    });
    lengths.max().unwrap_or(0)
}

fn impatient() -> ConnectionConfig {
    ConnectionConfig {
        connect_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_secs(2),
        ..ConnectionConfig::default()
    }
}

fn client_config(bootstrap: &str) -> ClusterConfig {
    let config = ClusterConfig::new(bootstrap).expect("places");
    ClusterConfig { connection: impatient(), ..config }
}
