//! The metadata shell: its tree, its commands, and the files that it takes.

use std::path::Path;

use clap::Parser;
use highwater_core::controller::MetadataRecord;
use highwater_core::quorum::SnapshotId;
use highwater_log::files::snapshot;
use highwater_tool::metadata::{MetadataArgs, run_with};
use highwater_tool::{ExitKind, ToolError};
use tempfile::TempDir;

use crate::files::{NOW, encoded, metadata_batch, metadata_records, open_transaction};

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: MetadataArgs,
}

const LOG: &str = "00000000000000000000.log";

fn write(name: &str, bytes: &[u8]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(name), bytes).expect("a file");
    directory
}

fn shell(options: &[&str], lines: &str) -> Result<(String, String, ExitKind), ToolError> {
    let cli =
        Cli::try_parse_from(["metadata"].iter().chain(options)).unwrap_or_else(|error| panic!("{error}"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let kind = run_with(&cli.args, &mut lines.as_bytes(), &mut out, &mut err)?;
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ok((text(out), text(err), kind))
}

/// What these lines print on the tree of [`metadata_records`].
fn lines(lines: &str) -> String {
    let directory = write(LOG, &metadata_batch(0, &metadata_records()));
    let path = directory.path().join(LOG).display().to_string();
    let (out, err, _) = shell(&["--snapshot", &path], lines).expect("a log");
    assert_eq!(err, "");
    out
}

#[test]
fn tree_shows_the_image_as_kafka_does() {
    let partition = "PartitionRegistration(replicas=[1, 2], directories=[ESIzRFVmd4iZqrvM3e7_AA, AAAAAAAAAAAAAAAAAAAAAA], isr=[1], \
                     removingReplicas=[], addingReplicas=[], elr=[2], lastKnownElr=[], leader=1, leaderRecoveryState=RECOVERED, \
                     leaderEpoch=4, partitionEpoch=5)";
    let broker = "BrokerRegistration(id=1, epoch=3, incarnationId=AAAAAAAAAAAAAAAAAAAACQ, listeners=[Endpoint(listenerName='PLAINTEXT', \
                  securityProtocol=PLAINTEXT, host='127.0.0.1', port=9092)], supportedFeatures={metadata.version: 7-30}, \
                  rack=Optional[r1], fenced=false, inControlledShutdown=false, isMigratingZkBroker=false, \
                  directories=[ESIzRFVmd4iZqrvM3e7_AA], cordonedDirectories=null)";
    let expected = format!(
        "acls:\n  byId:\nclientQuotas:\ncluster:\n  brokers:\n    1:\n      {broker}\n  controllers:\nconfigs:\n  BROKER:\n    \
         min.insync.replicas:\n      1\n  TOPIC:orders:\n    retention.ms:\n      1000\ndelegationToken:\nfeatures:\n  \
         finalized_eligible.leader.replicas.version:\n    1\n  metadataVersion:\n    Optional[4.0-IV3]\nproducerIds:\n  \
         nextProducerId:\n    1000\nprovenance:\n  offset 7, epoch 2, time 2023-11-14T22:13:20Z[UTC]\nscram:\n  SCRAM-SHA-256:\n  \
         SCRAM-SHA-512:\ntopics:\n  byId:\n    AQIDBAUGBwgJCgsMDQ4PEA:\n      0:\n        {partition}\n      id:\n        \
         AQIDBAUGBwgJCgsMDQ4PEA\n      name:\n        orders\n  byName:\n    orders:\n      0:\n        {partition}\n      id:\n        \
         AQIDBAUGBwgJCgsMDQ4PEA\n      name:\n        orders\n"
    );
    assert_eq!(lines("tree /image"), expected);
}

#[test]
fn paths_are_followed_from_the_working_directory() {
    assert_eq!(lines("pwd\ncd image/topics\npwd\ncd ..\npwd\ncd\npwd\n"), "/\n/image/topics\n/image\n/\n");
    assert_eq!(
        lines("cd /image/./topics/../topics/byName/orders\ncat name ../../byId/*/id\n"),
        "orders\nAQIDBAUGBwgJCgsMDQ4PEA\n"
    );
    assert_eq!(
        lines("cd /image/provenance\ncd /x"),
        "cd: /image/provenance: not a directory.\ncd: /x: no such directory.\n"
    );
    assert_eq!(lines("cd a b"), "cd: found 2 paths, expected one.\n");
}

#[test]
fn ls_lists_files_before_directories() {
    assert_eq!(lines("ls"), "image\nlocal\n");
    assert_eq!(lines("ls /image/topics/byName/orders"), "0\nid\nname\n");
    assert_eq!(
        lines("ls /image/{features,provenance,cluster}"),
        "provenance\n\ncluster:\nbrokers\ncontrollers\n\nfeatures:\nfinalized_eligible.leader.replicas.version\nmetadataVersion\n"
    );
    assert_eq!(lines("ls /nope"), "ls: /nope: no such file or directory.\n");
    assert_eq!(lines("ls /image/acls/byId"), "");
}

#[test]
fn find_goes_down_from_where_it_is_told() {
    assert_eq!(
        lines("find /image/features"),
        "/image/features\n/image/features/finalized_eligible.leader.replicas.version\n/image/features/metadataVersion\n"
    );
    assert_eq!(lines("cd /image/cluster\nfind"), ".\n./brokers\n./brokers/1\n./controllers\n");
    assert_eq!(
        lines("find /image/topics/*/*/name"),
        "/image/topics/byId/AQIDBAUGBwgJCgsMDQ4PEA/name\n/image/topics/byName/orders/name\n"
    );
    assert_eq!(lines("find /local"), "/local\n/local/commitId\n/local/version\n");
}

#[test]
fn cat_wants_files() {
    assert_eq!(
        lines("cat /image\ncat /image/no?e\ncat"),
        "cat: /image: Is a directory\ncat: /image/no?e: No such file or directory.\ncat: found no path, expected one at least.\n"
    );
    assert_eq!(lines("cat '/image/configs/TOPIC:orders/retention.ms'"), "1000\n");
    // Nothing lies below a file, nor beside Kafka's names.
    assert_eq!(
        lines("cat /image/provenance/x /image/cluster/brokers/2 /image/features/finalized_metadata.version")
            .lines()
            .count(),
        3
    );
}

#[test]
fn history_and_manual_are_shown_and_exit_ends() {
    assert_eq!(
        lines("pwd\n\n  history\nhistory 1\nexit\npwd\n"),
        "/\n    0  pwd\n    1  history\n    2  history 1\n"
    );
    assert_eq!(lines("man cd"), "cd: Set the current working directory.\n\nusage: cd [PATH]\n");
    assert_eq!(lines("man x"), "man: unknown command x. Type help to get a list of commands.\n");
    assert!(lines("help").contains("tree PATH..."));
    assert!(lines("rm x").starts_with("invalid choice: 'rm' (choose from 'cat', 'cd', "));
    assert_eq!(lines("cat 'x"), "found a quote that does not end, expected a second one.\n");
}

#[test]
fn command_behind_the_options_has_an_exit_code() {
    let directory = write(LOG, &metadata_batch(0, &metadata_records()));
    let path = directory.path().display().to_string();
    let found =
        shell(&["--directory", &path, "cat", "/image/producerIds/nextProducerId"], "").expect("a directory");
    assert_eq!(found, ("1000\n".to_owned(), String::new(), ExitKind::Success));
    let missing = shell(&["-d", &path, "cat", "/nope"], "").expect("a directory");
    assert_eq!(missing.2, ExitKind::Problems);
}

#[test]
fn directory_gives_snapshot_and_the_log_behind_it() {
    let records = metadata_records();
    let directory = tempfile::tempdir().expect("a directory");
    let metadata = directory.path().join("__cluster_metadata-0");
    std::fs::create_dir(&metadata).expect("a directory");
    let id = SnapshotId { end: 5, epoch: 2 };
    let bytes = snapshot::encode(id, NOW, NOW, records[..5].iter().map(encoded));
    std::fs::write(metadata.join(snapshot::name(id)), bytes).expect("a file");
    // The first segment begins before the snapshot, within the topic's records: what is in the snapshot is not applied again.
    let first = [metadata_batch(3, &records[3..6]), metadata_batch(6, &records[6..7])].concat();
    std::fs::write(metadata.join("00000000000000000003.log"), first).expect("a file");
    let mut last = metadata_batch(7, &records[7..]);
    last.extend_from_slice(&metadata_batch(8, &[open_transaction()])[..40]);
    std::fs::write(metadata.join("00000000000000000007.log"), last).expect("a file");
    let options = ["--directory", &*directory.path().display().to_string()];
    let (out, err, _) = shell(&options, "tree /image").expect("a directory");
    let expected = lines("tree /image");
    assert_eq!((out, err), (expected, String::new()));
}

#[test]
fn what_cannot_be_shown_is_warned_of() {
    let mut batch = highwater_core::batch::BatchBuilder::new(1, 2);
    // A record of access control, which is not known here.
    batch.record(NOW, None, Some(b"\x01\x12\x00\x00"));
    let bytes = [
        metadata_batch(0, &metadata_records()[..1]),
        batch.build(),
        metadata_batch(2, &[open_transaction()]),
    ]
    .concat();
    let directory = write(LOG, &[bytes, vec![0; 70]].concat());
    let path = directory.path().join(LOG).display().to_string();
    let (_, err, _) = shell(&["-s", &path, "pwd"], "").expect("a log");
    let warnings: Vec<&str> = err.lines().collect();
    assert_eq!(warnings.len(), 3, "{err}");
    assert!(
        warnings[0].contains("the batch length is 0") && warnings[0].ends_with("what follows is not shown")
    );
    assert_eq!(warnings[1], "1 records of kinds that are not known here were passed over");
    assert_eq!(warnings[2], "the log ends within a transaction, which does not show");
}

fn refusal(name: &str, bytes: &[u8]) -> String {
    let directory = write(name, bytes);
    let path = directory.path().join(name).display().to_string();
    let error = shell(&["-s", &path], "").expect_err("a wrong file");
    assert_eq!(error.exit_code(), 1);
    error.to_string()
}

#[test]
fn files_that_are_none_of_metadata_are_refused() {
    assert!(refusal("x.log", &[7; 100]).contains("expected a snapshot or a segment of the metadata log"));
    let middle: Vec<MetadataRecord> = metadata_records()[4..].to_vec();
    let told = refusal("00000000000000000004.log", &metadata_batch(4, &middle));
    assert!(told.contains("offset 4: no topic has the id") && told.contains("use --directory"), "{told}");
    let mut damaged = metadata_batch(0, &metadata_records());
    damaged[70] ^= 1;
    assert!(refusal(LOG, &damaged).contains("wrong checksum"));
    let error = shell(&["-s", "/nowhere/x.log"], "").expect_err("no file");
    assert!(error.to_string().starts_with("/nowhere/x.log: could not read it"), "{error}");
    for directory in [Path::new("/nowhere"), tempfile::tempdir().expect("a directory").path()] {
        let error = shell(&["-d", &directory.display().to_string()], "").expect_err("no log");
        assert!(error.to_string().contains("Name one in --directory"), "{error}");
    }
}

#[test]
fn arguments_want_one_source() {
    assert!(Cli::try_parse_from(["metadata", "ls"]).is_err());
    assert!(Cli::try_parse_from(["metadata", "-s", "a", "-d", "b"]).is_err());
}
