//! What is started: the reference's broker, or Apache Kafka.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use highwater_conformance::target::{Capability, Fault};
use highwater_core::Uuid;
use highwater_log::files::uuid;

use crate::Place;

/// A broker's program.
#[derive(Debug, Clone)]
pub enum Product {
    /// The reference: where the command `highwater` is.
    Reference {
        /// `highwater`.
        program: PathBuf,
    },
    /// Apache Kafka.
    Kafka {
        /// `java`.
        java: PathBuf,
        /// The directory of Kafka's jars and of those that they need.
        lib: PathBuf,
    },
}

/// What all nodes have, whatever they are.
const COMMON: &str = "\
process.roles=broker,controller
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
auto.create.topics.enable=false
auto.leader.rebalance.enable=false
group.initial.rebalance.delay.ms=0
";

/// The reference finds out soon who fails.
const OF_REFERENCE: &str = "\
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=200
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
replica.lag.time.max.ms=1500
replica.fetch.wait.max.ms=250
replica.socket.timeout.ms=2000
";

/// Three Java machines on two processors are slower, and take little memory this way.
const OF_KAFKA: &str = "\
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=1000
controller.quorum.fetch.timeout.ms=2000
controller.quorum.request.timeout.ms=2000
replica.lag.time.max.ms=3000
replica.fetch.wait.max.ms=250
replica.socket.timeout.ms=3000
controller.socket.timeout.ms=3000
log.cleaner.dedupe.buffer.size=8388608
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.num.partitions=1
num.network.threads=2
num.io.threads=4
";

/// How Java runs a broker of small means.
const JAVA: [&str; 6] = [
    "-Xms32m",
    "-Xmx160m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xss512k",
    "-XX:MaxDirectMemorySize=64m",
];

/// Kafka tells on its standard output what it does.
const LOGGING: &str = "\
Configuration:
  Appenders:
    Console: {name: C, PatternLayout: {pattern: \"%d %p %m (%c)%n\"}}
  Loggers:
    Root: {level: INFO, AppenderRef: {ref: C}}
";

impl Product {
    /// What it is called as a target.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Reference { .. } => "reference-tcp",
            Self::Kafka { .. } => "kafka-real",
        }
    }

    /// What it can do beyond what all processes can.
    pub(crate) fn capabilities(&self) -> impl IntoIterator<Item = Capability> {
        match self {
            Self::Reference { .. } | Self::Kafka { .. } => [Capability::EligibleLeaders],
        }
    }

    /// # Errors
    /// If it is not where it is said to be.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let missing = |what: &str, path: &Path, cure: &str| {
            Err(Fault::Broken(format!("{}: found no {what} there; {cure}", path.display())))
        };
        match self {
            Self::Reference { program } if !program.is_file() => {
                missing("command highwater", program, "build it with `cargo build`, or say where it is")
            }
            Self::Kafka { lib, .. } if !is_kafka(lib) => {
                missing("kafka_*.jar", lib, "`.ci/kafka-cases` fetches Kafka's jars, or say where they are")
            }
            _ => Ok(()),
        }
    }

    /// The property file of a node. `config` is what a scenario wants of all brokers.
    pub(crate) fn properties(
        &self,
        id: i32,
        places: &BTreeMap<i32, Place>,
        data: &Path,
        config: &BTreeMap<String, String>,
    ) -> String {
        let mut text = COMMON.to_owned();
        text.push_str(match self {
            Self::Reference { .. } => OF_REFERENCE,
            Self::Kafka { .. } => OF_KAFKA,
        });
        let voters: Vec<String> = places
            .iter()
            .filter_map(|(id, place)| Some(format!("{id}@{}:{}", place.host, place.controller?)))
            .collect();
        if let Some(Place { host, broker, controller }) = places.get(&id) {
            let controller =
                controller.map_or_else(String::new, |port| format!(",CONTROLLER://{host}:{port}"));
            let plain = format!("PLAINTEXT://{host}:{broker}");
            // Writing to a string does not fail.
            let _ = write!(text, "listeners={plain}{controller}\nadvertised.listeners={plain}\n");
        }
        let _ = write!(text, "node.id={id}\ncontroller.quorum.voters={}\n", voters.join(","));
        let _ = writeln!(text, "log.dirs={}", data.display());
        for (key, value) in config {
            // What was said of it above no longer holds.
            let others =
                text.lines().filter(|line| line.split_once('=').is_none_or(|(other, _)| other != key));
            text = others.map(|line| format!("{line}\n")).collect();
            let _ = writeln!(text, "{key}={value}");
        }
        text
    }

    /// Where Java finds the product's classes ready-made (class data sharing), once they were recorded there; nothing of what is not Java's.
    pub(crate) fn classes(&self) -> Option<PathBuf> {
        match self {
            Self::Reference { .. } => None,
            Self::Kafka { lib, .. } => Some(lib.parent()?.join("classes.jsa")),
        }
    }

    /// The command that runs a node; one that records in its end which classes it used, if a file for them is named.
    pub(crate) fn command(&self, properties: &Path, logging: &Path, record: Option<&Path>) -> Vec<OsString> {
        match self {
            Self::Reference { program } => vec![program.into(), "broker".into(), properties.into()],
            Self::Kafka { java, lib } => {
                let mut words = vec![java.into()];
                words.extend(JAVA.map(OsString::from));
                words.extend(match record {
                    Some(record) => Some(with_path("-XX:ArchiveClassesAtExit=", record)),
                    None => self.shared(),
                });
                words.extend([
                    with_path("-Dlog4j2.configurationFile=", logging),
                    "-cp".into(),
                    lib.join("*").into(),
                ]);
                words.extend(["kafka.Kafka".into(), properties.into()]);
                words
            }
        }
    }

    /// Java's option for the classes that were recorded, if they were. Java goes without them if they are of other jars or another Java.
    fn shared(&self) -> Option<OsString> {
        let classes = self.classes().filter(|classes| classes.is_file())?;
        Some(with_path("-XX:SharedArchiveFile=", &classes))
    }

    /// The command that formats a data directory.
    fn format(&self, properties: &Path, cluster: &str) -> Command {
        let mut command = match self {
            Self::Reference { program } => {
                let mut command = Command::new(program);
                command.arg("storage");
                command
            }
            Self::Kafka { java, lib } => {
                let mut command = Command::new(java);
                command
                    .args(JAVA)
                    .args(self.shared())
                    .arg("-cp")
                    .arg(lib.join("*"))
                    .arg("kafka.tools.StorageTool");
                command
            }
        };
        command.args(["format", "-t", cluster, "-c"]).arg(properties).stdin(Stdio::null());
        command
    }
}

/// An option that names a file.
fn with_path(option: &str, path: &Path) -> OsString {
    let mut option = OsString::from(option);
    option.push(path);
    option
}

/// Writes what Kafka is told about its logging.
pub(crate) fn write_logging(file: &Path) -> io::Result<()> {
    fs::write(file, LOGGING)
}

fn is_kafka(lib: &Path) -> bool {
    let entries = fs::read_dir(lib).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.any(|name| name.starts_with("kafka_") && name.ends_with(".jar"))
}

/// What is in a data directory that was formatted and never used.
///
/// The product's own tool makes one of them; all others are copies under names of their own, for a tool in Java takes two seconds.
#[derive(Debug, Clone)]
pub(crate) struct Blank(Vec<(OsString, Vec<u8>)>);

impl Blank {
    /// Has the product format one.
    pub(crate) fn new(product: &Product) -> Result<Self, Fault> {
        product.check()?;
        let failed = |error: io::Error| {
            Fault::Broken(format!("{}: no data directory could be formatted: {error}", product.name()))
        };
        let scratch = tempfile::Builder::new().prefix("hw-format-").tempdir().map_err(failed)?;
        let (data, properties) = (scratch.path().join("data"), scratch.path().join("server.properties"));
        fs::create_dir(&data).map_err(failed)?;
        let place = Place { host: "127.0.0.1".to_owned(), broker: 9092, controller: Some(9093) };
        let text = product.properties(1, &BTreeMap::from([(1, place)]), &data, &BTreeMap::new());
        fs::write(&properties, text).map_err(failed)?;
        let output = product.format(&properties, &identity()).output().map_err(failed)?;
        if !output.status.success() {
            let told = [output.stdout, output.stderr].concat();
            let told = String::from_utf8_lossy(&told);
            return Err(failed(io::Error::other(format!("{}: {}", output.status, told.trim()))));
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(&data).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            files.push((entry.file_name(), fs::read(entry.path()).map_err(failed)?));
        }
        Ok(Self(files))
    }

    /// Writes it for a node.
    pub(crate) fn write(&self, data: &Path, node: i32, cluster: &str) -> io::Result<()> {
        fs::create_dir_all(data)?;
        for (name, bytes) in &self.0 {
            let bytes = match name.to_str() {
                Some("meta.properties") => named(bytes, node, cluster).into_bytes(),
                _ => bytes.clone(),
            };
            fs::write(data.join(name), bytes)?;
        }
        Ok(())
    }
}

/// `meta.properties` of another node, with a directory id of its own.
fn named(bytes: &[u8], node: i32, cluster: &str) -> String {
    let own = BTreeMap::from([
        ("node.id", node.to_string()),
        ("cluster.id", cluster.to_owned()),
        ("directory.id", identity()),
    ]);
    let text = String::from_utf8_lossy(bytes);
    let line = |line: &str| match line.split_once('=').and_then(|(key, _)| Some((key, own.get(key)?))) {
        Some((key, value)) => format!("{key}={value}\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// A random identity, as clusters and directories have them: of version 4, and none that begins with a dash, which tools take for an option.
pub(crate) fn identity() -> String {
    loop {
        let version = 0x4 << 76 | 0x2 << 62;
        let mask = 0xf << 76 | 0x3_u128 << 62;
        let text = uuid::format(Uuid(fastrand::u128(..) & !mask | version));
        if !text.starts_with('-') {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_disk_of_another_node_has_its_own_names() {
        let text = named(b"#\n#Mon\ncluster.id=a\ndirectory.id=b\nnode.id=1\nversion=1\n", 3, "c");
        assert!(text.contains("\ncluster.id=c\n") && text.contains("\nnode.id=3\n"), "{text}");
        assert!(text.starts_with("#\n#Mon\n") && text.ends_with("\nversion=1\n"), "{text}");
        assert!(!text.contains("directory.id=b"), "{text}");
    }

    #[test]
    fn jars_that_are_missing_are_told_with_place_and_cure() {
        let kafka = Product::Kafka { java: "java".into(), lib: "/nowhere".into() };
        let Err(Fault::Broken(why)) = kafka.check() else { panic!("no jars are there") };
        assert!(why.contains("/nowhere") && why.contains(".ci/kafka-cases"), "{why}");
    }
}
