//! Servers in directories of their own.

use std::future::Future;
use std::net::TcpListener;
use std::time::Duration;

use highwater_client::admin::Admin;
use highwater_client::consumer::ConsumedRecord;
use highwater_client::{Cluster, ClusterConfig, Consumer, Producer};
use highwater_core::{NodeId, Uuid};
use highwater_log::DataDirectory;
use highwater_log::disk::RealDisk;
use highwater_log::files::meta_properties::MetaProperties;
use highwater_server::config::{NodeFile, Roles, ServerConfig};
use highwater_server::{Server, Sockets};
use highwater_wire::messages::create_topics::request::CreatableTopic;
use tokio::time::{Instant, timeout};

/// Nothing in these tests takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// So that elections and sessions do not take the time of the test.
const QUICK: &[(&str, &str)] = &[
    ("controller.quorum.fetch.timeout.ms", "400"),
    ("controller.quorum.election.timeout.ms", "200"),
    ("controller.quorum.election.backoff.max.ms", "100"),
    ("broker.session.timeout.ms", "1000"),
    ("broker.heartbeat.interval.ms", "100"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("offsets.topic.num.partitions", "1"),
];

/// Runs a test on a runtime of its own, which ends with it.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async { timeout(PATIENCE, test).await.expect("the test takes too long") });
}

/// Combined nodes with ids from 1 on, and their directories.
pub(crate) struct Servers {
    pub(crate) servers: Vec<Server>,
    pub(crate) bootstrap: String,
    /// Removed with this.
    _directories: Vec<tempfile::TempDir>,
}

/// Starts so many, and waits until they serve.
pub(crate) async fn serve(count: usize) -> Servers {
    let sockets: Vec<Sockets> = (0..count)
        .map(|_| {
            let socket = || TcpListener::bind("127.0.0.1:0").expect("a port");
            ["PLAINTEXT", "CONTROLLER"].map(|name| (name.to_owned(), socket())).into()
        })
        .collect();
    let port = |sockets: &Sockets, name: &str| sockets[name].local_addr().expect("a bound socket").port();
    let voters: Vec<(i32, u16)> =
        (1..).zip(&sockets).map(|(id, sockets)| (id, port(sockets, "CONTROLLER"))).collect();
    let replicas = ("offsets.topic.replication.factor".to_owned(), count.to_string());
    let quick = QUICK.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let further: Vec<(String, String)> = quick.chain([replicas]).collect();
    let places: Vec<String> =
        sockets.iter().map(|sockets| format!("127.0.0.1:{}", port(sockets, "PLAINTEXT"))).collect();
    let mut servers = Vec::new();
    let mut directories = Vec::new();
    for (id, sockets) in (1..).zip(sockets) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = NodeFile {
            id,
            roles: Roles::COMBINED,
            host: "127.0.0.1",
            broker_port: port(&sockets, "PLAINTEXT"),
            controller_port: port(&sockets, "CONTROLLER"),
            voters: &voters,
            log_directory: directory.path(),
            further: &further,
        };
        let config = ServerConfig::read("server.properties", file.text().as_bytes(), &[]);
        let disk = RealDisk::open(directory.path().to_owned()).expect("the directory");
        let properties = MetaProperties {
            cluster_id: "dGVzdHRlc3R0ZXN0dGVzdA".to_owned(),
            node_id: NodeId(id),
            directory_id: Some(Uuid(0xd000 + u128::from(id.unsigned_abs()))),
        };
        DataDirectory::format(&disk, &properties).expect("formatted");
        drop(disk);
        servers
            .push(Server::start(config.expect("a configuration"), sockets).await.expect("the server starts"));
        directories.push(directory);
    }
    for server in &mut servers {
        server.serves().await.expect("it serves");
    }
    Servers { servers, bootstrap: places.join(","), _directories: directories }
}

impl Servers {
    pub(crate) async fn cluster(&self) -> Cluster {
        let mut config = ClusterConfig::new(&self.bootstrap).expect("places");
        config.connection.request_timeout = Duration::from_secs(5);
        Cluster::connect(config).await.expect("a cluster")
    }

    /// Ends the server of this broker, as in a crash.
    pub(crate) async fn kill(&mut self, broker: i32) {
        let at = self.servers.iter().position(|server| server.config().node_id == NodeId(broker));
        self.servers.remove(at.expect("such a broker")).abandon().await;
    }

    pub(crate) async fn end(self) {
        for server in self.servers {
            server.abandon().await;
        }
    }
}

pub(crate) async fn create(admin: &Admin, name: &str, partitions: i32, replicas: i16) {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: replicas,
        ..Default::default()
    };
    let results = admin.create_topics(vec![topic], false).await.expect("an answer");
    assert_eq!(results[0].error_code, 0, "{:?}", results[0].error_message);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let topics = admin.topics(Some(&[name.into()])).await.expect("an answer").topics;
        let is_led = |topic: &highwater_wire::messages::metadata::response::MetadataResponseTopic| {
            topic.partitions.len() == partitions as usize
                && topic.partitions.iter().all(|partition| partition.leader_id >= 0)
        };
        if topics.iter().all(is_led) {
            return;
        }
        assert!(Instant::now() < deadline, "{name} gets no leaders: {topics:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Writes `0` to `count - 1` as values, with keys if asked.
pub(crate) async fn write(producer: &Producer, topic: &str, numbers: std::ops::Range<u32>) {
    let mut deliveries = Vec::new();
    for number in numbers {
        let record =
            highwater_client::producer::Record::new(topic, number.to_string()).key(number.to_string());
        deliveries.push(producer.send(record).await.expect("taken"));
    }
    for delivery in deliveries {
        delivery.wait().await.expect("written");
    }
}

/// Polls until so many records came.
pub(crate) async fn read(consumer: &mut Consumer, count: usize) -> Vec<ConsumedRecord> {
    let mut records = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while records.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} records came", records.len());
        records.extend(consumer.poll(Duration::from_millis(100)).await.expect("polled"));
    }
    records
}

pub(crate) fn values(records: &[ConsumedRecord]) -> Vec<String> {
    let value = |record: &ConsumedRecord| {
        String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
    };
    records.iter().map(value).collect()
}
