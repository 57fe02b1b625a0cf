//! The small files: what is written is read, what is not theirs is refused with its cure.

use highwater_core::batch::{ControlRecord, control_batch};
use highwater_core::quorum::{ElectionState, ReplicaKey, SnapshotId};
use highwater_core::{EpochCache, EpochStart, NodeId, Uuid};
use highwater_log::disk::{Disk, File, SimulatedDisk};
use highwater_log::files::meta_properties::{self, MetaProperties};
use highwater_log::files::offsets::{self, OffsetMap};
use highwater_log::files::{clean_shutdown, epochs, partition_metadata, quorum_state, snapshot};
use highwater_log::{DataDirectory, LogError};

use crate::support::on_both_disks;

const KAFKAS: Uuid = Uuid(0x27c6_803d_c7cb_42dd_9baa_cd49_4ffa_cc81);

fn properties() -> MetaProperties {
    MetaProperties {
        cluster_id: "J8aAPcfLQt2bqs1JT_rMgQ".into(),
        node_id: NodeId(3),
        directory_id: Some(KAFKAS),
    }
}

fn write(disk: &impl Disk, path: &str, bytes: &[u8]) {
    disk.create(path).and_then(|file| file.write_at(0, bytes)).expect("written");
}

/// What an error says.
fn told<T: std::fmt::Debug>(result: Result<T, LogError>) -> String {
    result.expect_err("refused").to_string()
}

#[test]
fn quorum_state_reads_kafkas_version_1() {
    let text = br#"{"leaderId":-1,"leaderEpoch":2,"votedId":1,"votedDirectoryId":"J8aAPcfLQt2bqs1JT_rMgQ","data_version":1}"#;
    let state = ElectionState {
        epoch: 2,
        leader: None,
        voted: Some(ReplicaKey { id: NodeId(1), directory: KAFKAS }),
    };
    assert_eq!(quorum_state::decode(text), Ok(state));
    assert_eq!(quorum_state::encode(&state), text);
}

#[test]
fn quorum_state_reads_kafkas_version_0() {
    let text = br#"{"clusterId":"","leaderId":1,"leaderEpoch":2,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}"#;
    let state = ElectionState { epoch: 2, leader: Some(NodeId(1)), voted: None };
    assert_eq!(quorum_state::decode(text), Ok(state));
    assert_eq!(quorum_state::encode_version_0(&state, &[NodeId(1), NodeId(2)]), text);
}

on_both_disks! {
    fn quorum_state_of_another_version_is_refused_and_kept(disk) {
        let text = br#"{"leaderId":1,"leaderEpoch":2,"votedId":-1,"data_version":2}"#;
        write(disk, "quorum-state", text);
        let told = told(quorum_state::load(disk, ""));
        assert!(told.starts_with("quorum-state: found data_version 2, expected one JSON object"), "{told}");
        assert_eq!(highwater_log::disk::read_whole(disk, "quorum-state", 999).ok().flatten().as_deref(), Some(&text[..]));
    }
}

on_both_disks! {
    fn quorum_state_saved_is_loaded(disk) {
        assert_eq!(quorum_state::load(disk, "").ok(), Some(None));
        let state = ElectionState { epoch: 7, leader: Some(NodeId(2)), voted: None };
        quorum_state::save(disk, "", &state).expect("saved");
        assert_eq!(quorum_state::load(disk, "").ok(), Some(Some(state)));
    }
}

on_both_disks! {
    fn directory_of_another_cluster_is_refused(disk) {
        DataDirectory::format(disk, &properties()).expect("formatted");
        let told = told(DataDirectory::open(disk, "other", NodeId(3)));
        assert_eq!(
            told,
            "meta.properties: found cluster.id=J8aAPcfLQt2bqs1JT_rMgQ, expected cluster.id=other. This is another's data \
             directory: mount the right one, or correct the configuration."
        );
    }
}

on_both_disks! {
    fn directory_of_another_node_is_refused(disk) {
        DataDirectory::format(disk, &properties()).expect("formatted");
        let told = told(DataDirectory::open(disk, &properties().cluster_id, NodeId(4)));
        assert!(told.starts_with("meta.properties: found node.id=3, expected node.id=4. "), "{told}");
    }
}

on_both_disks! {
    fn directory_that_was_never_formatted_is_refused(disk) {
        let told = told(DataDirectory::open(disk, "x", NodeId(3)));
        assert!(told.starts_with("meta.properties: found no such file, expected that of this node. Format"), "{told}");
    }
}

on_both_disks! {
    fn directory_with_a_foreign_directory_is_refused(disk) {
        DataDirectory::format(disk, &properties()).expect("formatted");
        disk.create_directory("pictures").expect("made");
        let told = told(DataDirectory::open(disk, &properties().cluster_id, NodeId(3)));
        assert!(told.starts_with("pictures: found a directory that is no log's, expected TOPIC-PARTITION. "), "{told}");
    }
}

on_both_disks! {
    fn directory_tells_its_partitions_and_forgets_removed_ones(disk) {
        DataDirectory::format(disk, &properties()).expect("formatted");
        let mut directory = DataDirectory::open(disk, &properties().cluster_id, NodeId(3)).expect("opened");
        directory.create("a-b", 2, Uuid(5)).expect("made");
        directory.create("topic", 0, Uuid(6)).expect("made");
        let names = |directory: &DataDirectory<_>| -> Vec<_> {
            let partitions = directory.partitions().expect("listed");
            partitions.into_iter().map(|found| (found.name(), found.topic_id)).collect()
        };
        assert_eq!(names(&directory), [("a-b-2".into(), Some(Uuid(5))), ("topic-0".into(), Some(Uuid(6)))]);
        directory.remove(&["a-b-2"]).expect("removed");
        assert_eq!(names(&directory), [("topic-0".into(), Some(Uuid(6)))]);
    }
}

on_both_disks! {
    fn directory_of_a_topic_made_anew_under_its_name_is_refused(disk) {
        DataDirectory::format(disk, &properties()).expect("formatted");
        let mut directory = DataDirectory::open(disk, &properties().cluster_id, NodeId(3)).expect("opened");
        directory.create("topic", 0, Uuid(6)).expect("made");
        directory.create("topic", 0, Uuid(6)).expect("already there");
        let told = told(directory.create("topic", 0, Uuid(7)));
        assert!(told.contains("The topic was deleted and made anew"), "{told}");
    }
}

on_both_disks! {
    fn clean_shutdown_counts_once(disk) {
        DataDirectory::format(disk, &properties()).expect("formatted");
        let open = || DataDirectory::open(disk, &properties().cluster_id, NodeId(3)).expect("opened");
        assert!(open().clean_shutdown().is_none());
        open().close(Some(42)).expect("closed");
        assert_eq!(open().clean_shutdown().and_then(|clean| clean.broker_epoch), Some(42));
        assert!(open().clean_shutdown().is_none());
    }
}

#[test]
fn meta_properties_reads_what_java_writes() {
    let text = b"#\n#Mon Nov 23 06:00:00 UTC 2026\ncluster.id=a\\:b\\=c\ndirectory.id=J8aAPcfLQt2bqs1JT_rMgQ\nnode.id=3\nversion=1\n";
    let expected = MetaProperties { cluster_id: "a:b=c".into(), ..properties() };
    assert_eq!(meta_properties::decode(text), Ok(expected.clone()));
    assert_eq!(meta_properties::decode(&meta_properties::encode(&expected)), Ok(expected));
}

#[test]
fn meta_properties_of_version_0_is_refused_by_name() {
    let refused = meta_properties::decode(b"version=0\nbroker.id=1\n").expect_err("refused");
    assert_eq!(refused, "version 0, of a broker that is not in KRaft mode");
}

#[test]
fn meta_properties_without_a_cluster_is_refused() {
    assert_eq!(meta_properties::decode(b"version=1\nnode.id=1\n"), Err("no cluster.id".into()));
}

#[test]
fn epochs_are_written_as_kafka_writes_them() {
    let starts = vec![EpochStart { epoch: 0, start: 0 }, EpochStart { epoch: 5, start: 31 }];
    let cache = EpochCache::from_starts(starts).expect("they grow");
    assert_eq!(epochs::encode(&cache), b"0\n2\n0 0\n5 31\n");
    assert_eq!(epochs::decode(b"0\n2\n0 0\n5 31\n"), Ok(cache));
}

#[test]
fn checkpoint_with_another_count_is_refused() {
    assert_eq!(epochs::decode(b"0\n3\n0 0\n"), Err("1 entries where the count says 3".into()));
    assert_eq!(epochs::decode(b"1\n0\n"), Err("version \"1\"".into()));
    assert_eq!(epochs::decode(b"0\n2\n4 9\n5 8\n"), Err("epochs or offsets that do not grow".into()));
}

#[test]
fn offsets_are_written_as_kafka_writes_them() {
    let map = OffsetMap::from([("a-b-0".to_owned(), 7), ("c-11".to_owned(), 0)]);
    assert_eq!(offsets::encode(&map), b"0\n2\na-b 0 7\nc 11 0\n");
    assert_eq!(offsets::decode(b"0\n2\na-b 0 7\nc 11 0\n"), Ok(map));
}

#[test]
fn partition_metadata_is_written_as_kafka_writes_it() {
    assert_eq!(partition_metadata::encode(KAFKAS), b"version: 0\ntopic_id: J8aAPcfLQt2bqs1JT_rMgQ");
    assert_eq!(partition_metadata::decode(b"version: 0\ntopic_id: J8aAPcfLQt2bqs1JT_rMgQ\n"), Ok(KAFKAS));
}

#[test]
fn clean_shutdown_of_any_content_is_one() {
    assert_eq!(clean_shutdown::decode(b"").broker_epoch, None);
    assert_eq!(clean_shutdown::decode(br#"{"version":0,"brokerEpoch":9}"#).broker_epoch, Some(9));
}

#[test]
fn snapshot_names_are_kafkas() {
    let id = SnapshotId { end: 12, epoch: 3 };
    assert_eq!(snapshot::name(id), "00000000000000000012-0000000003.checkpoint");
    assert_eq!(snapshot::parse_name("00000000000000000012-0000000003.checkpoint"), Some(id));
    assert_eq!(snapshot::parse_name("00000000000000000012-0000000003.checkpoint.part"), None);
}

on_both_disks! {
    fn snapshot_written_piece_by_piece_is_read(disk) {
        let id = SnapshotId { end: 12, epoch: 3 };
        let values: Vec<Vec<u8>> = (0..3000_u32).map(|index| vec![index as u8; 50]).collect();
        let bytes = snapshot::encode(id, 1, 2, &values);
        let mut writer = snapshot::SnapshotWriter::create(disk, "", id).expect("begun");
        for piece in bytes.chunks(1000) {
            assert!(snapshot::list(disk, "").expect("listed").is_empty());
            writer.write(piece).expect("written");
        }
        writer.finish().expect("finished");
        assert_eq!(snapshot::list(disk, "").expect("listed"), [id]);
        let reader = snapshot::SnapshotReader::open(disk, "", id).expect("opened").expect("there");
        let mut read = Vec::new();
        let timestamp = reader.load(|record| read.push(record.value.unwrap_or_default().to_vec())).expect("loaded");
        assert_eq!((timestamp, read), (2, values));
    }
}

#[test]
fn snapshot_that_is_not_whole_does_not_get_its_name() {
    let disk = SimulatedDisk::new(0);
    let id = SnapshotId { end: 12, epoch: 3 };
    let bytes = snapshot::encode(id, 1, 2, [[1_u8; 9]]);
    let mut writer = snapshot::SnapshotWriter::create(&disk, "", id).expect("begun");
    let footer = control_batch(2, 3, 1, &[ControlRecord::SnapshotFooter]);
    writer.write(bytes.strip_suffix(&footer[..]).expect("the footer is last")).expect("written");
    let told = told(writer.finish());
    assert!(told.contains("found no footer"), "{told}");
    assert!(snapshot::list(&disk, "").expect("listed").is_empty());
}
