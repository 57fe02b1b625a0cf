//! `server.properties`: what a file means, and how each mistake in one is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use highwater_core::NodeId;
use highwater_core::Uuid;
use highwater_core::controller::{MetadataVersion, TOPIC_CONFIG};
use highwater_log::files::meta_properties::MetaProperties;
use highwater_server::config::table::{self, Dynamic, Support};
use highwater_server::config::{Bootstrap, NodeFile, Place, Roles, ServerConfig, parse_override};

/// A combined node in as few lines as it takes.
const COMBINED: &str = "process.roles=broker,controller\n\
    node.id=1\n\
    controller.quorum.voters=1@127.0.0.1:9093\n\
    listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n\
    controller.listener.names=CONTROLLER\n";

const BROKER: &str = "process.roles=broker\n\
    node.id=2\n\
    controller.quorum.voters=1@127.0.0.1:9093\n\
    listeners=PLAINTEXT://127.0.0.1:9092\n\
    controller.listener.names=CONTROLLER\n";

const CONTROLLER: &str = "process.roles=controller\n\
    node.id=1\n\
    controller.quorum.voters=1@127.0.0.1:9093\n\
    listeners=CONTROLLER://127.0.0.1:9093\n\
    controller.listener.names=CONTROLLER\n";

fn read(text: &str) -> ServerConfig {
    ServerConfig::read("s.properties", text.as_bytes(), &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn errors(text: &str) -> String {
    match ServerConfig::read("s.properties", text.as_bytes(), &[]) {
        Ok(config) => panic!("is taken: {config:?}"),
        Err(error) => error.to_string(),
    }
}

fn warnings(text: &str) -> Vec<String> {
    read(text).warnings.iter().map(ToString::to_string).collect()
}

/// `base` with the line of each key in `lines` replaced, or added at its end.
fn with(base: &str, lines: &str) -> String {
    let key = |line: &str| line.split('=').next().map(str::to_owned);
    let mut text: Vec<String> = base.lines().map(str::to_owned).collect();
    for line in lines.lines() {
        match text.iter().position(|old| key(old) == key(line)) {
            Some(index) => line.clone_into(&mut text[index]),
            None => text.push(line.to_owned()),
        }
    }
    text.join("\n")
}

#[test]
fn file_of_a_combined_node_is_read() {
    let config = read(COMBINED);
    assert_eq!((config.node_id, config.roles), (NodeId(1), Roles::COMBINED));
    let shown: Vec<String> = config.listeners.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["PLAINTEXT://127.0.0.1:9092", "CONTROLLER://127.0.0.1:9093"]);
    let advertised: Vec<String> = config.advertised_listeners.iter().map(ToString::to_string).collect();
    assert_eq!(advertised, ["PLAINTEXT://127.0.0.1:9092"]);
    assert_eq!(config.inter_broker_listener.as_deref(), Some("PLAINTEXT"));
    assert!(config.is_controller_listener("CONTROLLER") && !config.is_controller_listener("PLAINTEXT"));
    assert_eq!(config.voters.len(), 1);
    assert_eq!(config.log_directory, PathBuf::from("/tmp/kafka-logs"));
    assert_eq!(config.metrics_listener, None);
    assert_eq!(config.warnings, []);
}

#[test]
fn roles_apart_are_read() {
    let broker = read(BROKER);
    assert_eq!((broker.roles, broker.advertised_listeners.len()), (Roles::BROKER, 1));
    let controller = read(CONTROLLER);
    assert_eq!(controller.roles, Roles::CONTROLLER);
    assert_eq!((controller.advertised_listeners.len(), controller.inter_broker_listener), (0, None));
}

#[test]
fn listeners_without_a_host_are_bound_to_loopback() {
    let without = with(COMBINED, "listeners=PLAINTEXT://:9092,CONTROLLER://:9093");
    let config = read(&without);
    assert!(config.listeners.iter().all(|listener| listener.host == "127.0.0.1"), "{:?}", config.listeners);
    assert_eq!(config.advertised_listeners[0].host, "127.0.0.1");
    assert!(warnings(&without)[0].contains("bound to loopback only"));
    // So is Kafka's default.
    let default: String = BROKER
        .lines()
        .filter(|line| !line.starts_with("listeners="))
        .fold(String::new(), |a, b| a + b + "\n");
    assert_eq!(read(&default).listeners[0].to_string(), "PLAINTEXT://127.0.0.1:9092");
    assert_eq!(
        read(&with(COMBINED, "highwater.metrics.listener=9404")).metrics_listener,
        Some(("127.0.0.1".into(), 9404))
    );
    assert_eq!(
        read(&with(COMBINED, "highwater.metrics.listener=[::]:1")).metrics_listener,
        Some(("::".into(), 1))
    );
}

#[test]
fn node_config_has_kafkas_defaults_and_the_directorys_identity() {
    let identity = MetaProperties { cluster_id: "c".into(), node_id: NodeId(1), directory_id: Some(Uuid(7)) };
    let config = read(&with(COMBINED, "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"));
    let node = config
        .node_config(&identity, Bootstrap::default(), |name| (name == "PLAINTEXT").then_some(4711))
        .expect("its own directory");
    assert_eq!((node.cluster_id.as_str(), node.directory_id, node.node_id), ("c", Uuid(7), NodeId(1)));
    assert_eq!((node.listeners.len(), node.listeners[0].port), (1, 4711));
    assert_eq!((node.quorum_fetch_max_bytes, node.message_max_bytes), (1 << 20, (1 << 20) + 12));
    assert_eq!((node.log_retention, node.log_retention_bytes), (Some(Duration::from_secs(604_800)), None));
    assert_eq!(node.leader_rebalance_interval, Some(Duration::from_secs(300)));
    let other = MetaProperties { node_id: NodeId(9), ..identity.clone() };
    let refused = config.node_config(&other, Bootstrap::default(), |_| None).expect_err("another's");
    assert!(refused.contains("found node.id 9, expected 1"), "{refused}");
    let old = MetaProperties { directory_id: None, ..identity };
    assert!(
        config
            .node_config(&old, Bootstrap::default(), |_| None)
            .expect_err("without an id")
            .contains("directory.id")
    );
}

#[test]
fn values_reach_the_node() {
    let identity = MetaProperties { cluster_id: "c".into(), node_id: NodeId(1), directory_id: Some(Uuid(7)) };
    let lines = "broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\nreplica.lag.time.max.ms=3000\n\
        controller.quorum.election.timeout.ms=1500\nnum.partitions=4\nmin.insync.replicas=2\nauto.leader.rebalance.enable=FALSE\n\
        log.retention.minutes=5\nlog.retention.hours=3\nlog.flush.interval.messages=1\nunclean.leader.election.enable=true\n\
        broker.rack=r\nlog.retention.bytes=9";
    let node = read(&with(COMBINED, lines))
        .node_config(&identity, Bootstrap::default(), |_| None)
        .expect("its own directory");
    assert_eq!(node.broker_session_timeout, Duration::from_secs(3));
    assert_eq!(node.broker_heartbeat_interval, Duration::from_millis(500));
    assert_eq!(node.replica_lag_time_max, Duration::from_secs(3));
    assert_eq!(node.quorum_election_timeout, Duration::from_millis(1500));
    assert_eq!((node.num_partitions, node.min_insync_replicas), (4, 2));
    assert_eq!(node.leader_rebalance_interval, None);
    let said: Vec<(&str, &str)> =
        node.topic_defaults.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(
        said,
        [
            ("log.flush.interval.messages", "1"),
            ("log.retention.bytes", "9"),
            ("log.retention.hours", "3"),
            ("log.retention.minutes", "5"),
            ("min.insync.replicas", "2"),
            ("unclean.leader.election.enable", "true"),
        ]
    );
    assert_eq!(node.log_retention, Some(Duration::from_secs(300)));
    assert_eq!((node.log_flush_interval_messages, node.log_retention_bytes), (Some(1), Some(9)));
    assert_eq!((node.unclean_leader_election_enable, node.rack.as_deref()), (true, Some("r")));
}

/// Each mistake, and all that is said of it.
#[test]
fn mistakes_are_told_with_line_key_value_and_cure() {
    let cases = [
        (
            COMBINED,
            "num.partitions=0",
            "s.properties:6: num.partitions: found \"0\", expected a whole number from 1 to 2147483647. Correct it, or take it out for the default, 1.",
        ),
        (
            COMBINED,
            "delete.topic.enable=yes",
            "s.properties:6: delete.topic.enable: found \"yes\", expected true or false. Correct it, or take it out for the default, true.",
        ),
        (
            COMBINED,
            "node.id=-1",
            "s.properties:2: node.id: found \"-1\", expected a whole number from 0 to 2147483647. Correct it.",
        ),
        (
            COMBINED,
            "broker.id=3",
            "s.properties:6: broker.id: found 3, expected 1, as node.id has it. Take broker.id out: it is the old name of node.id.",
        ),
        (
            COMBINED,
            "process.roles=broker,zookeeper",
            "s.properties:1: process.roles: found \"broker,zookeeper\", expected a list of broker, controller. Correct it.",
        ),
        (
            COMBINED,
            "controller.quorum.voters=2@127.0.0.1:9093",
            "s.properties:3: controller.quorum.voters: found voters 2, expected this node, 1, among them, since it is a controller. Add 1@HOST:PORT, or take controller out of process.roles.",
        ),
        (
            BROKER,
            "controller.quorum.voters=2@127.0.0.1:9093",
            "s.properties:3: controller.quorum.voters: found voters 2, expected that this node, 2, is none, since it is no controller. Take 2 out, or add controller to process.roles.",
        ),
        (
            BROKER,
            "controller.quorum.voters=1@127.0.0.1",
            "s.properties:3: controller.quorum.voters: found \"1@127.0.0.1\", expected ID@HOST:PORT, with commas between. Write for example 1@127.0.0.1:9093.",
        ),
        (
            BROKER,
            "controller.quorum.voters=1@0.0.0.0:9093",
            "s.properties:3: controller.quorum.voters: found \"1@0.0.0.0:9093\", expected an address that other nodes can connect to. Name the controller's host.",
        ),
        (
            BROKER,
            "controller.quorum.voters=1@a:1,1@b:2",
            "s.properties:3: controller.quorum.voters: found voter 1 twice, at a:1 and b:2, expected each voter once. Take one of them out.",
        ),
        (
            BROKER,
            "controller.quorum.bootstrap.servers=a:9093",
            "s.properties:6: controller.quorum.bootstrap.servers: found \"a:9093\", expected that it is not set. Take it out, and list all voters in controller.quorum.voters: voters are static here.",
        ),
        (
            BROKER,
            "controller.quorum.voters=",
            "s.properties:3: controller.quorum.voters: found nothing, expected the controllers of the cluster. Set controller.quorum.voters=ID@HOST:PORT, with every controller of the cluster.",
        ),
        (
            COMBINED,
            "listeners=PLAINTEXT://h:9092",
            "s.properties:5: controller.listener.names: found CONTROLLER, which listeners does not have, expected names that listeners has. Add CONTROLLER://HOST:PORT to listeners.",
        ),
        (
            COMBINED,
            "listeners=CONTROLLER://h:9093",
            "s.properties:4: listeners: found listeners for controllers only, expected one at least that controller.listener.names does not name, for clients and other brokers. Add PLAINTEXT://HOST:PORT to listeners.",
        ),
        (
            COMBINED,
            "listeners=PLAINTEXT://h:1,CONTROLLER://h:1",
            "s.properties:4: listeners: found PLAINTEXT://h:1 and CONTROLLER://h:1 at one port, expected a port for each. Give one of them another port.",
        ),
        (
            BROKER,
            "listeners=PLAINTEXT:9092",
            "s.properties:4: listeners: found \"PLAINTEXT:9092\", expected NAME://HOST:PORT, with commas between. Write for example PLAINTEXT://127.0.0.1:9092.",
        ),
        (
            BROKER,
            "listeners=PLAINTEXT://a:1,PLAINTEXT://b:2",
            "s.properties:4: listeners: found PLAINTEXT twice, PLAINTEXT://a:1 and PLAINTEXT://b:2, expected each name once. Give one of them another name.",
        ),
        (
            BROKER,
            "listeners=SSL://a:1\ninter.broker.listener.name=SSL",
            "s.properties:4: listeners: found the listener SSL, which stands for SSL, expected the protocol PLAINTEXT, the only one that there is here. Use PLAINTEXT, and put TLS and authentication in front of the broker.",
        ),
        (
            BROKER,
            "listeners=PLAINTEXT://a:1,INSIDE://a:2",
            "s.properties:4: listeners: found the listener INSIDE, which listener.security.protocol.map does not have, expected the protocol PLAINTEXT, the only one that there is here. Add INSIDE:PLAINTEXT to listener.security.protocol.map, with those of all other listeners.",
        ),
        (
            BROKER,
            "listeners=PLAINTEXT://a:1,CONTROLLER://a:2",
            "s.properties:4: listeners: found the controllers' listener CONTROLLER://a:2, expected listeners for brokers only on a broker. Take it out of listeners; or add controller to process.roles, and this node to controller.quorum.voters.",
        ),
        (
            CONTROLLER,
            "listeners=CONTROLLER://a:1,PLAINTEXT://a:2",
            "s.properties:4: listeners: found the listener PLAINTEXT://a:2, expected listeners for controllers only on a controller. Take it out of listeners, name it in controller.listener.names, or add broker to process.roles.",
        ),
        (
            BROKER,
            "listener.security.protocol.map=PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT",
            "s.properties:6: listener.security.protocol.map: found PLAINTEXT:SASL_SSL, expected the protocol PLAINTEXT. Write PLAINTEXT:PLAINTEXT, and put TLS and authentication in front of the broker; or take it out.",
        ),
        (
            BROKER,
            "security.inter.broker.protocol=SASL_PLAINTEXT",
            "s.properties:6: security.inter.broker.protocol: found SASL_PLAINTEXT, expected PLAINTEXT. Take it out: there is only PLAINTEXT here; put TLS in front of the broker.",
        ),
        (
            BROKER,
            "inter.broker.listener.name=INSIDE",
            "s.properties:6: inter.broker.listener.name: found the listener INSIDE for brokers, expected one that is advertised: PLAINTEXT. Set inter.broker.listener.name to one of them.",
        ),
        (
            BROKER,
            "advertised.listeners=PLAINTEXT://0.0.0.0:9092",
            "s.properties:6: advertised.listeners: found PLAINTEXT://0.0.0.0:9092 as what clients are told, expected a host that clients can connect to. Set advertised.listeners=PLAINTEXT://HOST:9092.",
        ),
        (
            BROKER,
            "listeners=PLAINTEXT://[::]:9092",
            "s.properties:4: listeners: found PLAINTEXT://[::]:9092 as what clients are told, expected a host that clients can connect to. Set advertised.listeners=PLAINTEXT://HOST:9092.",
        ),
        (
            BROKER,
            "controller.listener.names=",
            "s.properties:5: controller.listener.names: found nothing, expected the name of the listener that controllers are reached at. Set controller.listener.names=CONTROLLER.",
        ),
        (
            BROKER,
            "log.dirs=/a,/b",
            "s.properties:6: log.dirs: found /a, /b, expected one directory. Name one; to use several disks, join them below the file system.",
        ),
        (
            BROKER,
            "metadata.log.dir=/b",
            "s.properties:6: metadata.log.dir: found \"/b\", expected /tmp/kafka-logs, as log.dir has it. Take metadata.log.dir out: there is one directory for all logs.",
        ),
        (
            BROKER,
            "broker.heartbeat.interval.ms=9000",
            "s.properties:6: broker.heartbeat.interval.ms: found 9000, expected less than broker.session.timeout.ms, 9000. Set it to a quarter of that, so that one may get lost.",
        ),
        (
            BROKER,
            "replica.fetch.wait.max.ms=30001\nreplica.socket.timeout.ms=40000",
            "s.properties:6: replica.fetch.wait.max.ms: found 30001, expected at most replica.lag.time.max.ms, 30000, since followers would leave the ISR while they wait. Lower it, or raise the other.",
        ),
        (
            BROKER,
            "group.min.session.timeout.ms=1800001",
            "s.properties:6: group.min.session.timeout.ms: found 1800001 as least and 1800000 as most, expected that group.min.session.timeout.ms is at most group.max.session.timeout.ms. Lower the one or raise the other.",
        ),
        (
            BROKER,
            "max.connections.per.ip=0",
            "s.properties:6: max.connections.per.ip: found 0, which lets nobody connect, expected 1 or more. Allow some, or name who may connect in max.connections.per.ip.overrides.",
        ),
        (
            BROKER,
            "max.connections.per.ip.overrides=a",
            "s.properties:6: max.connections.per.ip.overrides: found \"a\", expected HOST:COUNT, with commas between. Write for example 127.0.0.1:200.",
        ),
        (
            BROKER,
            "log.retention.ms=0",
            "s.properties:6: log.retention.ms: found 0, expected 1 or more, or -1 for no limit. Correct it, or take it out.",
        ),
        (
            BROKER,
            "socket.send.buffer.bytes=0",
            "s.properties:6: socket.send.buffer.bytes: found 0, expected 1 or more, or -1 for the system's own. Correct it, or take it out for the default, 102400.",
        ),
        (
            BROKER,
            "ssl.keystore.password=hunter2",
            "s.properties:6: ssl.keystore.password: found a secret, expected that it is not set. Take it out: there is only PLAINTEXT here; put TLS and authentication in front of the broker.",
        ),
        (
            BROKER,
            "sasl.enabled.mechanisms=PLAIN",
            "s.properties:6: sasl.enabled.mechanisms: found \"PLAIN\", expected the default, GSSAPI. Take it out: there is only PLAINTEXT here; put TLS and authentication in front of the broker.",
        ),
        (
            BROKER,
            "remote.log.storage.system.enable=true",
            "s.properties:6: remote.log.storage.system.enable: found \"true\", expected the default, false. Take it out: there is no tiered storage here.",
        ),
        (
            BROKER,
            "listener.name.internal.ssl.keystore.location=/x",
            "s.properties:6: listener.name.internal.ssl.keystore.location: found ssl.keystore.location of the listener internal, expected no settings for one listener alone, which are not supported. Take it out.",
        ),
        (
            BROKER,
            "listener.name.internal.max.connections=3",
            "s.properties:6: listener.name.internal.max.connections: found max.connections of the listener internal, expected no settings for one listener alone, which are not supported. Set max.connections for all listeners together.",
        ),
        (
            BROKER,
            "highwater.metrics.listener=a:b",
            "s.properties:6: highwater.metrics.listener: found \"a:b\", expected HOST:PORT or PORT. Write for example 127.0.0.1:9404, or take it out for no metrics.",
        ),
        (
            BROKER,
            "broker.rack=\\u12",
            "s.properties:6: found \"\\\\u12\", expected \\u and four hexadecimal digits. Write a backslash that is meant as one twice.",
        ),
    ];
    for (base, lines, expected) in cases {
        assert_eq!(errors(&with(base, lines)), expected, "{lines}");
    }
}

#[test]
fn mistakes_are_told_all_at_once_by_line() {
    let text = "num.partitions=x\nprocess.roles=broker\nlog.dirs=/a,/b\nsasl.jaas.config=s\nlisteners=\n";
    let told = errors(text);
    let begins: Vec<&str> = told.lines().map(|line| line.split(": found").next().unwrap_or(line)).collect();
    assert_eq!(
        begins,
        [
            "s.properties:1: num.partitions",
            "s.properties:3: log.dirs",
            "s.properties:4: sasl.jaas.config",
            "s.properties:5: listeners",
            "s.properties: controller.listener.names",
            "s.properties: controller.quorum.voters",
            "s.properties: node.id",
        ]
    );
    assert!(!told.contains("\"s\""), "a secret is shown: {told}");
}

#[test]
fn file_without_roles_is_one_of_zookeeper() {
    let told = errors("broker.id=1\nzookeeper.connect=localhost:2181\n");
    assert!(told.contains("process.roles: found nothing, which stands for a broker on ZooKeeper"), "{told}");
    assert!(told.contains("not supported for now"), "{told}");
}

#[test]
fn keys_that_do_nothing_are_warned_of_by_line() {
    let lines = "num.partition=3\nnum.io.threads=9\nnum.io.threads=10\nzookeeper.connect=a\nxyzzy=1\nlog.cleaner.enable=true\n";
    assert_eq!(
        warnings(&format!("{COMBINED}{lines}")),
        [
            "s.properties:6: num.partition: is not known and has no effect; is it num.partitions that was meant?",
            "s.properties:7: num.io.threads: is set again in line 8, which holds",
            "s.properties:8: num.io.threads: has no effect: the node is one task, on the threads of num.network.threads",
            "s.properties:9: zookeeper.connect: has no effect, Kafka has it no more: it went with ZooKeeper in Kafka 4.0; take it out",
            "s.properties:10: xyzzy: is not known and has no effect",
        ]
    );
}

#[test]
fn compaction_is_warned_of() {
    let told = warnings(&with(BROKER, "log.cleanup.policy=compact,delete"));
    assert_eq!(
        told,
        [
            "s.properties:6: log.cleanup.policy: logs are not compacted here: one that is to be keeps every record"
        ]
    );
}

#[test]
fn overrides_take_the_place_of_lines() {
    let given = |text| parse_override(text).expect("a key and a value");
    let overrides = [given("num.partitions=7"), given(" node.id =1")];
    let config = ServerConfig::read("s", COMBINED.as_bytes(), &overrides).expect("a configuration");
    let key = table::find("num.partitions").expect("a key");
    let setting = config.setting(key);
    assert_eq!((setting.value, setting.place), (Some("7"), Place::Override(1)));
    assert_eq!(config.warnings, []);
    let error = ServerConfig::read("s", COMBINED.as_bytes(), &[given("num.partitions=-7")]);
    let told = error.expect_err("a fault").to_string();
    assert!(told.starts_with("--override: num.partitions: found \"-7\""), "{told}");
    assert!(parse_override("num.partitions").is_err() && parse_override("=3").is_err());
}

#[test]
fn settings_tell_what_holds_and_where_from() {
    let config = read(COMBINED);
    let setting = |name| config.setting(table::find(name).expect("a key"));
    assert_eq!((setting("node.id").value, setting("node.id").place), (Some("1"), Place::Line(2)));
    assert_eq!((setting("num.partitions").value, setting("num.partitions").place), (Some("1"), Place::Unset));
    assert_eq!(setting("broker.rack").value, None);
    assert_eq!(config.settings().count(), table::keys().len());
    let dynamic = |name| table::find(name).map(|key| key.dynamic);
    assert_eq!(dynamic("min.insync.replicas"), Some(Dynamic::ClusterWide));
    assert_eq!(dynamic("listeners"), Some(Dynamic::PerBroker));
    assert_eq!(dynamic("node.id"), Some(Dynamic::No));
}

#[test]
fn sample_file_of_kafka_is_taken() {
    // The settings of config/server.properties as Kafka 4 ships it.
    let text = "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@localhost:9093\n\
        listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n\
        advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\ncontroller.listener.names=CONTROLLER\n\
        listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n\
        num.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\nsocket.receive.buffer.bytes=102400\n\
        socket.request.max.bytes=104857600\nlog.dirs=/tmp/kraft-combined-logs\nnum.partitions=1\nnum.recovery.threads.per.data.dir=2\n\
        offsets.topic.replication.factor=1\nshare.coordinator.state.topic.replication.factor=1\n\
        share.coordinator.state.topic.min.isr=1\ntransaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
        log.retention.hours=168\nlog.segment.bytes=1073741824\nlog.retention.check.interval.ms=300000\n";
    let config = read(text);
    assert_eq!(config.advertised_listeners[0].to_string(), "PLAINTEXT://localhost:9092");
    assert_eq!(config.advertised_listeners.len(), 1);
    let warned: Vec<&str> = config.warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(
        warned.iter().filter(|key| key.starts_with("share.") || key.starts_with("transaction.")).count(),
        4
    );
}

#[test]
fn files_written_for_a_cluster_are_read() {
    let voters = [(1, 2001), (2, 2002)];
    let further = [("num.partitions".to_owned(), "3".to_owned()), ("node.id".to_owned(), "2".to_owned())];
    for roles in [Roles::COMBINED, Roles::CONTROLLER] {
        let directory = Path::new("/tmp/a b\\c");
        let file = NodeFile {
            id: 1,
            roles,
            host: "127.0.0.1",
            broker_port: 1001,
            controller_port: 2001,
            voters: &voters,
            log_directory: directory,
            further: &further,
        };
        let config = read(&file.text());
        assert_eq!((config.node_id, config.roles, config.voters.len()), (NodeId(2), roles, 2));
        assert_eq!(config.log_directory, directory);
        assert_eq!(config.warnings, []);
    }
}

#[test]
fn keys_of_one_value_only_take_that_value() {
    for key in table::keys().iter().filter(|key| matches!(key.support, Support::OnlyDefault(_))) {
        let Some(default) = key.default else { continue };
        let line = format!("{}={default}", key.name);
        let config = read(&with(BROKER, &line));
        assert!(
            config.warnings.iter().all(|warning| warning.key != key.name),
            "{line}: {:?}",
            config.warnings
        );
    }
}

#[test]
fn bytes_of_any_kind_give_an_error_or_a_configuration() {
    for bytes in [
        &b"\xff\xfe\x00"[..],
        b"process.roles",
        b"=\n:\n \\",
        b"process.roles=broker\nlisteners=\x80://\xff:1",
    ] {
        assert!(ServerConfig::read("s", bytes, &[]).is_err());
    }
}

#[test]
fn file_that_is_not_there_is_told_by_name() {
    let error = ServerConfig::load(Path::new("/nowhere/s.properties"), &[]).expect_err("no such file");
    assert!(error.to_string().starts_with("/nowhere/s.properties: found "), "{error}");
}

#[test]
fn bootstrap_snapshot_is_read_as_it_was_written() {
    let directory = tempfile::tempdir().expect("a directory");
    assert_eq!(Bootstrap::load(directory.path()), Ok(Bootstrap::default()));
    let written = Bootstrap { metadata_version: MetadataVersion(17), eligible_leader_replicas: false };
    std::fs::write(directory.path().join(Bootstrap::FILE), written.encode(1)).expect("a file");
    assert_eq!(Bootstrap::load(directory.path()), Ok(written));
    std::fs::write(directory.path().join(Bootstrap::FILE), b"no batch").expect("a file");
    let told = Bootstrap::load(directory.path()).expect_err("damaged");
    assert!(told.contains("bootstrap.checkpoint, byte 0: found ") && told.contains("Restore"), "{told}");
}

#[test]
fn keys_that_topics_fall_back_to_are_known() {
    for key in TOPIC_CONFIG {
        for synonym in key.synonyms {
            let known = table::find(synonym.name).unwrap_or_else(|| panic!("{} is not known", synonym.name));
            let default = known.default.map(|default| synonym.convert(default));
            assert!(default.is_none_or(|default| default == key.default), "{}: another default", known.name);
        }
    }
}
