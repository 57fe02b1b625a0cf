//! `highwater cluster` as its users meet it: processes that are killed, paused and cut off, and what becomes of the cluster.
//!
//! Each test has a cluster of its own, in a directory of its own, at ports that were free. Its processes end with the test, whatever way
//! that ends: nodes end when the process that started them does.

#![expect(clippy::print_stdout, reason = "what a test prints is shown if it fails")]

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use highwater_client::producer::Record;
use highwater_client::{Admin, Cluster, ClusterConfig, Producer, ProducerConfig};
use highwater_wire::messages::create_topics::request::CreatableTopic;
use serde_json::Value;
use tempfile::TempDir;

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who fails is found out soon.
const QUICK: [&str; 6] = [
    "broker.session.timeout.ms=2000",
    "broker.heartbeat.interval.ms=200",
    "controller.quorum.election.timeout.ms=500",
    "controller.quorum.fetch.timeout.ms=1000",
    "replica.lag.time.max.ms=1500",
    "auto.leader.rebalance.enable=false",
];

fn highwater() -> Command {
    Command::new(env!("CARGO_BIN_EXE_highwater"))
}

fn ends(code: i32, arguments: &[&str]) -> String {
    let output = highwater().args(arguments).stdin(Stdio::null()).output().expect("the command runs");
    let text = told(&output);
    assert_eq!(output.status.code(), Some(code), "highwater {arguments:?}\n{text}");
    text
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Waits until something is so.
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain waited until {what}");
        sleep(Duration::from_millis(20));
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("it takes too long") })
}

/// A cluster that runs. Its processes end with it.
struct Running {
    process: Child,
    directory: PathBuf,
    addresses: Vec<SocketAddr>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What a person who looks into it wants to know.
            let status = highwater().args(["cluster", "status", "--dir"]).arg(&self.directory).output();
            println!("{}\n{}", status.as_ref().map(told).unwrap_or_default(), self.errors());
            for node in 1..=4 {
                let log = std::fs::read_to_string(self.directory.join(format!("node-{node}.log")));
                println!("node {node}:\n{}", log.unwrap_or_default());
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Running {
    /// Starts it, and waits until `brokers` serve.
    fn start(directory: &Path, shape: &[&str], brokers: usize) -> Self {
        let errors = std::fs::File::create(directory.join("errors")).expect("a file");
        let mut command = highwater();
        command.arg("cluster").args(shape).arg("--dir").arg(directory);
        for property in QUICK {
            command.args(["--property", property]);
        }
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).spawn().expect("it starts");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let mut running = Self { process, directory: directory.to_owned(), addresses: Vec::new() };
        // The end of the process ends the lines.
        for line in lines.take(brokers) {
            let line = line.expect("a line");
            running
                .addresses
                .push(line.parse().unwrap_or_else(|_| panic!("found {line:?}, expected an address")));
        }
        assert_eq!(running.addresses.len(), brokers, "{}", running.errors());
        running
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.directory.join("errors")).unwrap_or_default()
    }

    fn order(&self, order: &[&str]) -> String {
        let directory = self.directory.to_str().expect("a path");
        ends(0, &[&["cluster"], order, &["--dir", directory]].concat())
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.order(&["status", "--json"])).expect("JSON")
    }

    fn node(&self, id: i64) -> Value {
        let status = self.status();
        let nodes = status["nodes"].as_array().expect("nodes");
        nodes.iter().find(|node| node["id"] == id).expect("the node").clone()
    }

    /// The only partition, if it is known.
    fn partition(&self) -> Option<Partition> {
        let status = self.status();
        let partition = status["partitions"].as_array()?.first()?;
        let number = |value: &Value| value.as_i64();
        let isr = partition["isr"].as_array()?.iter().filter_map(number);
        let replicas = partition["replicas"].as_array()?.iter();
        Some(Partition {
            leader: number(&partition["leader"])?,
            epoch: number(&partition["leader_epoch"])?,
            isr: isr.collect(),
            ends: replicas
                .map(|replica| (number(&replica["log_end"]), number(&replica["high_watermark"])))
                .collect(),
        })
    }

    /// Leader and epoch of the quorum.
    fn quorum(&self) -> Option<(i64, i64)> {
        let status = self.status();
        Some((status["quorum"]["leader"].as_i64()?, status["quorum"]["epoch"].as_i64()?))
    }

    async fn client(&self) -> Cluster {
        let places: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        let config = ClusterConfig::new(&places.join(",")).expect("places");
        Cluster::connect(config).await.expect("a cluster")
    }

    /// Creates a topic of one partition, and waits until all have it.
    fn create_topic(&self, replicas: i16) -> Partition {
        run(async {
            let topic = CreatableTopic {
                name: "orders".into(),
                num_partitions: 1,
                replication_factor: replicas,
                ..Default::default()
            };
            let created = Admin::new(self.client().await).create_topics(vec![topic], false).await;
            assert_eq!(created.expect("an answer").first().map(|topic| topic.error_code), Some(0));
        });
        until("the topic is known", || self.partition())
    }

    /// Writes a record that all of the ISR have, and says at which offset.
    fn write(&self, value: &'static str) -> i64 {
        run(async {
            let producer = Producer::new(self.client().await, ProducerConfig::default()).expect("a producer");
            producer.write(Record::new("orders", value)).await.expect("acknowledged").offset
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Partition {
    leader: i64,
    epoch: i64,
    isr: Vec<i64>,
    /// LEO and HW of each replica.
    ends: Vec<(Option<i64>, Option<i64>)>,
}

fn scratch() -> TempDir {
    tempfile::Builder::new().prefix("hw-").tempdir().expect("a directory")
}

fn follower_of(partition: &Partition) -> i64 {
    *partition.isr.iter().find(|id| **id != partition.leader).expect("a follower")
}

#[test]
fn killed_leader_is_replaced_and_comes_back_with_what_was_written() {
    let directory = scratch();
    let cluster = Running::start(directory.path(), &["--nodes", "3"], 3);
    let before = cluster.create_topic(3);
    assert_eq!(cluster.write("one"), 0);
    cluster.order(&["kill", &before.leader.to_string()]);
    assert_eq!(cluster.node(before.leader)["process"], "killed");
    let after = until("another leads", || cluster.partition().filter(|now| now.leader != before.leader));
    assert!(after.epoch > before.epoch);
    assert_eq!(cluster.write("two"), 1);
    cluster.order(&["start", &before.leader.to_string()]);
    let mut last = None;
    until("all replicas have both, and are in sync", || {
        let now = cluster.partition()?;
        let is_so = now.isr.len() == 3 && now.ends == [(Some(2), Some(2)); 3];
        if last.as_ref() != Some(&now) {
            // Shown if it fails: how it went.
            println!("{now:?}");
            last = Some(now);
        }
        is_so.then_some(())
    });
    let told = cluster.errors();
    assert!(told.contains(&format!("node {}: killed", before.leader)), "{told}");
    assert!(told.contains("orders-0: ISR shrank to"), "{told}");
}

#[test]
fn paused_follower_leaves_the_isr_and_comes_back_when_it_is_resumed() {
    let directory = scratch();
    let cluster = Running::start(directory.path(), &["--nodes", "3"], 3);
    let follower = follower_of(&cluster.create_topic(3));
    cluster.order(&["pause", &follower.to_string()]);
    assert_eq!(cluster.node(follower)["process"], "paused");
    until("the ISR is without it", || cluster.partition().filter(|now| !now.isr.contains(&follower)));
    cluster.order(&["resume", &follower.to_string()]);
    until("the ISR has it again", || cluster.partition().filter(|now| now.isr.contains(&follower)));
    assert_eq!(cluster.node(follower)["process"], "running");
}

#[test]
fn isolated_leader_of_the_quorum_is_deposed_and_follows_once_healed() {
    let directory = scratch();
    let cluster = Running::start(directory.path(), &["--nodes", "1", "--controllers", "3"], 1);
    let (leader, epoch) = until("somebody leads", || cluster.quorum());
    cluster.order(&["isolate", &leader.to_string()]);
    let (next, later) = until("another leads", || cluster.quorum().filter(|now| now.0 != leader));
    assert!(later > epoch, "{next} leads in epoch {later}, {leader} led in {epoch}");
    cluster.order(&["heal"]);
    until("the old leader follows", || {
        let believed = cluster.node(leader)["quorum"]["leader"].as_i64();
        (believed.is_some() && believed != Some(leader)).then_some(())
    });
}

#[test]
fn follower_that_is_cut_from_its_leader_leaves_the_isr_though_both_live() {
    let directory = scratch();
    // The controller is no broker, so that the cut is between leader and follower only.
    let cluster = Running::start(directory.path(), &["--nodes", "3", "--controllers", "1"], 3);
    let before = cluster.create_topic(3);
    let follower = follower_of(&before);
    let (leader, follower_id) = (before.leader.to_string(), follower.to_string());
    cluster.order(&["cut", &leader, &follower_id]);
    // A follower that has everything is in sync, however long it is silent. This is acknowledged once the ISR is without it.
    assert_eq!(cluster.write("one"), 0);
    until("the ISR is without it", || cluster.partition().filter(|now| !now.isr.contains(&follower)));
    assert_eq!(cluster.node(follower)["process"], "running");
    cluster.order(&["heal", &leader, &follower_id]);
    until("the ISR has it again", || cluster.partition().filter(|now| now.isr.len() == 3));
}

#[test]
fn cluster_that_was_kept_has_the_same_ports_and_records() {
    let directory = scratch();
    let mut cluster = Running::start(directory.path(), &["--nodes", "1"], 1);
    cluster.create_topic(1);
    assert_eq!(cluster.write("one"), 0);
    assert!(cluster.order(&["stop", "1"]).contains("node 1: stopped"));
    assert_eq!(cluster.node(1)["process"], "stopped");
    let directory_name = cluster.directory.to_str().expect("a path").to_owned();
    let refused = ends(2, &["cluster", "--dir", &directory_name]);
    assert!(refused.contains("another process runs this cluster"), "{refused}");
    let addresses = cluster.addresses.clone();
    cluster.process.kill().expect("killed");
    cluster.process.wait().expect("its end");
    let refused = ends(2, &["cluster", "--nodes", "2", "--dir", &directory_name]);
    assert!(refused.contains("found a cluster with --nodes 1"), "{refused}");
    let again = Running::start(directory.path(), &[], 1);
    assert_eq!(again.addresses, addresses);
    assert_eq!(again.write("two"), 1);
}

#[test]
fn nodes_end_with_the_process_that_started_them() {
    let directory = scratch();
    let mut cluster = Running::start(directory.path(), &["--nodes", "2"], 2);
    cluster.order(&["pause", "2"]);
    cluster.process.kill().expect("killed");
    cluster.process.wait().expect("its end");
    let address = cluster.addresses.clone();
    for address in address {
        until("nobody listens", || TcpStream::connect(address).is_err().then_some(()));
    }
}

#[test]
fn interrupt_stops_all_nodes_in_good_order() {
    let directory = scratch();
    let mut cluster = Running::start(directory.path(), &["--nodes", "1", "--controllers", "1"], 1);
    let process = cluster.process.id().to_string();
    let sent = Command::new("kill").args(["-INT", &process]).status().expect("kill runs");
    assert!(sent.success());
    let status = until("it ends", || cluster.process.try_wait().expect("its state"));
    assert_eq!(status.code(), Some(0), "{}", cluster.errors());
    let told = cluster.errors();
    let (broker, controller) = (told.find("node 1: stopped"), told.find("node 2: told to stop"));
    assert!(broker.is_some() && broker < controller, "{told}");
}

#[test]
fn node_that_cannot_start_is_told_of_with_the_end_of_its_log() {
    let directory = scratch();
    let cluster = Running::start(directory.path(), &["--nodes", "2"], 2);
    cluster.order(&["stop", "2"]);
    let file = directory.path().join("node-2/data/meta.properties");
    std::fs::write(&file, "nonsense").expect("written");
    cluster.order(&["start", "2"]);
    until("it has failed", || (cluster.node(2)["process"] == "failed").then_some(()));
    let told = cluster.errors();
    assert!(told.contains("node 2: ended by itself") && told.contains("meta.properties"), "{told}");
}

#[test]
fn orders_that_make_no_sense_are_refused() {
    let directory = scratch();
    let place = directory.path().to_str().expect("a path");
    assert!(ends(2, &["cluster", "status", "--dir", place]).contains("found no cluster that runs there"));
    ends(2, &["cluster", "--nodes", "0"]);
    ends(2, &["cluster", "--nodes", "17"]);
    ends(2, &["cluster", "--property", "nonsense"]);
    ends(2, &["cluster", "kill", "1"]);
    ends(2, &["cluster", "cut", "1", "--dir", place]);
    ends(2, &["cluster", "heal", "1", "--dir", place]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    assert!(ends(2, &["cluster", "--nodes", "1", "--port", &port]).contains("or name another with --port"));
    let wrong = ends(2, &["cluster", "--nodes", "1", "--property", "broker.id=x", "--dir", place]);
    assert!(wrong.contains("broker.id"), "{wrong}");
    let cluster = Running::start(directory.path(), &["--nodes", "1"], 1);
    let refused = |order: &[&str]| ends(2, &[&["cluster"], order, &["--dir", place]].concat());
    assert!(refused(&["kill", "9"]).contains("found node 9, expected one of [1]"));
    assert!(refused(&["start", "1"]).contains("already"));
    assert!(refused(&["resume", "1"]).contains("not paused"));
    assert!(refused(&["cut", "1", "1"]).contains("expected two nodes"));
    drop(cluster);
}
