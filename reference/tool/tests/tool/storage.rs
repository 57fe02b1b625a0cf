//! `storage`: directories formatted, looked at, and refused.

use std::path::Path;

use clap::Parser;
use highwater_core::controller::MetadataVersion;
use highwater_log::disk::RealDisk;
use highwater_log::files::meta_properties;
use highwater_log::files::uuid;
use highwater_server::config::{Bootstrap, ServerConfig};
use highwater_tool::storage::{StorageArgs, run};
use highwater_tool::{ExitKind, ToolError};
use tempfile::TempDir;

const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: StorageArgs,
}

fn storage(words: &[&str]) -> Result<(String, ExitKind), ToolError> {
    let cli = Cli::try_parse_from(["storage"].iter().chain(words)).unwrap_or_else(|error| panic!("{error}"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let kind = run(&cli.args, &mut out, &mut err)?;
    Ok((String::from_utf8(out).expect("text"), kind))
}

/// A property file whose log directory is `data` beside it.
struct Node {
    home: TempDir,
    file: String,
}

impl Node {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join("server.properties");
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:9093\n\
             listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\ncontroller.listener.names=CONTROLLER\nlog.dirs={}\n",
            home.path().join("data").display()
        );
        std::fs::write(&file, text).expect("a file");
        let file = file.display().to_string();
        Self { home, file }
    }

    fn data(&self) -> std::path::PathBuf {
        self.home.path().join("data")
    }

    fn format(&self, more: &[&str]) -> Result<(String, ExitKind), ToolError> {
        storage(&[&["format", "-t", CLUSTER, "-c", &self.file], more].concat())
    }

    fn refused(&self, more: &[&str]) -> (String, u8) {
        let error = self.format(more).expect_err("refused");
        (error.to_string(), error.exit_code())
    }

    fn info(&self) -> (String, ExitKind) {
        storage(&["info", "--config", &self.file]).expect("a property file")
    }
}

#[test]
fn random_ids_are_ids_and_differ() {
    let mut ids: Vec<String> = (0..200).map(|_| storage(&["random-uuid"]).expect("an id").0).collect();
    for id in &ids {
        assert!(uuid::parse(id.trim_end()).is_some() && !id.starts_with('-'), "{id}");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
}

#[test]
fn format_makes_a_directory_that_info_knows() {
    let node = Node::new();
    let data = node.data();
    let place = data.display();
    assert_eq!(node.info(), (format!("Found problem:\n  {place} does not exist\n\n"), ExitKind::Problems));
    let (out, kind) = node.format(&[]).expect("an empty directory");
    let bootstrap = "Bootstrap metadata: BootstrapMetadata(records=[ApiMessageAndVersion(FeatureLevelRecord(name='metadata.version', \
                     featureLevel=25) at version 0), ApiMessageAndVersion(FeatureLevelRecord(name='eligible.leader.replicas.version', \
                     featureLevel=1) at version 0)], metadataVersionLevel=25, source=format command)";
    let expected =
        format!("{bootstrap}\nFormatting metadata directory {place} with metadata.version 4.0-IV3.\n");
    assert_eq!((out, kind), (expected, ExitKind::Success));
    let bytes = std::fs::read(data.join(meta_properties::NAME)).expect("a file");
    let found = meta_properties::decode(&bytes).expect("what was written");
    let id = uuid::format(found.directory_id.expect("an id"));
    let expected = format!(
        "Found log directory:\n  {place}\n\nFound metadata: {{cluster.id={CLUSTER}, directory.id={id}, node.id=1, version=1}}\n\n"
    );
    assert_eq!(node.info(), (expected, ExitKind::Success));
    assert_eq!(Bootstrap::load(&data), Ok(Bootstrap::default()));
    // The server takes it.
    let config = ServerConfig::load(Path::new(&node.file), &[]).expect("a property file");
    let node = config.node_config(&found, Bootstrap::default(), |_| None).expect("its own directory");
    assert_eq!((node.cluster_id.as_str(), Some(node.directory_id)), (CLUSTER, found.directory_id));
}

#[test]
fn directory_that_is_formatted_is_left_alone() {
    let node = Node::new();
    node.format(&[]).expect("an empty directory");
    let before = std::fs::read(node.data().join(meta_properties::NAME)).expect("a file");
    let expected = format!(
        "Log directory {} is already formatted. Use --ignore-formatted to ignore this directory and format the others.",
        node.data().display()
    );
    assert_eq!(node.refused(&[]), (expected, 1));
    let (out, kind) = node.format(&["--ignore-formatted"]).expect("its own");
    assert_eq!(
        (out.as_str(), kind),
        ("All of the log directories are already formatted.\n", ExitKind::Success)
    );
    assert_eq!(std::fs::read(node.data().join(meta_properties::NAME)).expect("a file"), before);
}

#[test]
fn directory_of_another_is_refused() {
    let node = Node::new();
    node.format(&[]).expect("an empty directory");
    let path = node.data().join(meta_properties::NAME);
    let place = path.display();
    let error = storage(&["format", "-g", "-t", "5L6g3nShT-eMCtK--X86sw", "-c", &node.file])
        .expect_err("another cluster's");
    let expected =
        format!("Invalid cluster.id in: {place}. Expected 5L6g3nShT-eMCtK--X86sw, but read {CLUSTER}");
    assert_eq!(error.to_string(), expected);
    let text = std::fs::read_to_string(&path).expect("a file").replace("node.id=1", "node.id=2");
    std::fs::write(&path, text).expect("a file");
    assert!(node.refused(&["-g"]).0.starts_with("Stored node id 2 doesn't match previous node id 1 in "));
    std::fs::write(&path, "version=0\n").expect("a file");
    assert!(node.refused(&["-g"]).0.contains("found version 0, of a broker that is not in KRaft mode"));
    let (out, kind) = node.info();
    assert!(out.contains("Found problem:\n  Error loading ") && kind == ExitKind::Problems, "{out}");
}

#[test]
fn directory_with_logs_and_without_an_owner_is_refused() {
    let node = Node::new();
    let log = node.data().join("orders-0");
    std::fs::create_dir_all(&log).expect("a directory");
    std::fs::write(log.join("partition.metadata"), "version: 0\ntopic_id: AQIDBAUGBwgJCgsMDQ4PEA")
        .expect("a file");
    let (told, code) = node.refused(&[]);
    assert!(told.contains("found the log orders-0 and no meta.properties") && code == 1, "{told}");
    assert_eq!(std::fs::read_dir(node.data()).expect("a directory").count(), 1);
    let (out, _) = node.info();
    assert!(out.ends_with(" is not formatted.\n\n"), "{out}");
}

#[test]
fn directory_in_use_is_refused() {
    let node = Node::new();
    let held = RealDisk::open(node.data()).expect("a directory");
    let (told, code) = node.refused(&[]);
    assert!(told.contains("is in use by another process") && code == 1, "{told}");
    drop(held);
}

#[test]
fn features_are_those_that_were_asked_for() {
    let cases: [(&[&str], i16, bool); 5] = [
        (&["-r", "4.3"], 30, true),
        (&["--release-version", "3.9-IV0"], 21, false),
        (&["-f", "eligible.leader.replicas.version=0"], 25, false),
        (&["-f", "metadata.version=24", "-f", "kraft.version=0"], 24, true),
        (&[], 25, true),
    ];
    for (more, level, eligible) in cases {
        let node = Node::new();
        node.format(more).unwrap_or_else(|error| panic!("{more:?}: {error}"));
        let expected =
            Bootstrap { metadata_version: MetadataVersion(level), eligible_leader_replicas: eligible };
        assert_eq!(Bootstrap::load(&node.data()), Ok(expected), "{more:?}");
    }
}

#[test]
fn features_that_are_not_here_are_refused_by_name() {
    let node = Node::new();
    let cases: [(&[&str], &str, u8); 12] = [
        (
            &["-r", "9.9"],
            "Unknown metadata.version '9.9'. Supported metadata.version are: 3.3-IV3 to 4.3-IV0",
            1,
        ),
        (&["-f", "metadata.version=31"], "metadata.version 31 is not known; expected 7 to 30.", 1),
        (
            &["-r", "4.0", "-f", "metadata.version=25"],
            "Use --release-version instead of --feature metadata.version=X to avoid ambiguity.",
            1,
        ),
        (
            &["-f", "transaction.version=2"],
            "Unsupported feature: transaction.version. Supported features are: ",
            1,
        ),
        (&["-f", "kraft.version=1"], "Cannot set kraft.version to 1: voters are static here.", 1),
        (
            &["-f", "eligible.leader.replicas.version=2"],
            "No feature:eligible.leader.replicas.version with feature level 2",
            1,
        ),
        (
            &["-r", "3.9", "-f", "eligible.leader.replicas.version=1"],
            "eligible.leader.replicas.version could not be set to 1",
            1,
        ),
        (&["-f", "x"], "--feature: found \"x\", expected FEATURE=LEVEL", 1),
        (&["--standalone"], "--standalone is not supported; voters are static here", 2),
        (&["-I", "1@h:1:x"], "--initial-controllers is not supported", 2),
        (&["-N"], "--no-initial-controllers is not supported", 2),
        (&["-S", "x"], "--add-scram is not supported; there is no authentication here", 2),
    ];
    for (more, expected, code) in cases {
        let (told, found) = node.refused(more);
        assert!(told.starts_with(expected), "{more:?}: {told}");
        assert_eq!(found, code, "{more:?}");
    }
    assert!(!node.data().exists(), "nothing is made of what is refused");
    let error = storage(&["format", "-t", " ", "-c", &node.file]).expect_err("no id");
    assert!(error.to_string().starts_with("--cluster-id: found \" \""), "{error}");
}

#[test]
fn wrong_property_file_is_told_as_the_server_does() {
    let node = Node::new();
    std::fs::write(&node.file, "process.roles=broker\nnode.id=x\n").expect("a file");
    let error = storage(&["info", "-c", &node.file]).expect_err("a wrong file");
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("server.properties:2: node.id: found \"x\""), "{error}");
}
