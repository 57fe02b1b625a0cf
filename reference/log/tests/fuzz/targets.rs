//! The decoders.

use highwater_core::batch::{
    self, BatchBuilder, BatchHeader, ControlRecord, RecordBatch, Voter, VoterEndpoint, control_batch,
};
use highwater_core::controller::MetadataRecord;
use highwater_core::group::assign::{
    Assignment, Subscription, TopicPartitions, decode_sticky, encode_sticky,
};
use highwater_core::group::{self, Decoded, GroupRecord, GroupRequest, Groups};
use highwater_core::producer::{Producers, Snapshot};
use highwater_core::quorum::{ElectionState, ReplicaKey, SnapshotId};
use highwater_core::{Dice, EpochCache, EpochStart, Instant, NodeId, Offset, Uuid};
use highwater_log::disk::{Disk, File, SimulatedDisk};
use highwater_log::files::meta_properties::{self, MetaProperties};
use highwater_log::files::offsets::{self, OffsetMap};
use highwater_log::files::{
    clean_shutdown, epochs, partition_metadata, producers, quorum_state, snapshot, uuid,
};
use highwater_log::{Log, LogConfig, Recorded};

use crate::Target;
use crate::support::batch;

/// All of them.
pub(crate) const ALL: &[Target] = &[
    Target { name: "batch", examples: buffers, run: run_batch },
    Target { name: "record", examples: payloads, run: run_record },
    Target { name: "control", examples: controls, run: run_control },
    Target { name: "segment", examples: buffers, run: run_segment },
    Target { name: "index", examples: indexes, run: run_index },
    Target { name: "epochs", examples: epoch_files, run: run_epochs },
    Target { name: "offsets", examples: offset_files, run: run_offsets },
    Target { name: "quorum-state", examples: quorum_states, run: run_quorum_state },
    Target { name: "meta-properties", examples: properties, run: run_properties },
    Target { name: "partition-metadata", examples: partition_files, run: run_partition },
    Target { name: "clean-shutdown", examples: shutdowns, run: run_shutdown },
    Target { name: "snapshot", examples: snapshots, run: run_snapshot },
    Target { name: "producers", examples: producer_snapshots, run: run_producers },
    Target { name: "names", examples: names, run: run_names },
    Target { name: "metadata", examples: metadata, run: run_metadata },
    Target { name: "group", examples: groups, run: run_group },
];

fn buffers() -> Vec<Vec<u8>> {
    let mut rich = BatchBuilder::new(3, 1).producer(7, 1, 0);
    rich.record_with_headers(-5, Some(b"k"), None, &[("a", Some(b"b")), ("", None)]);
    rich.record(9, None, Some(&[0; 300]));
    let rich = rich.build();
    vec![batch(0, 0, 3, 10), [batch(0, 1, 3, 0), rich.clone(), batch(5, 2, 1, 100)].concat(), rich]
}

fn run_batch(input: &[u8]) {
    let whole = batch::whole(input);
    let mut count = 0_usize;
    let mut last_is_error = false;
    for batch in batch::batches(input) {
        last_is_error = batch.is_err();
        if let Ok(batch) = batch {
            count += batch.bytes().len();
            let header = *batch.header();
            assert!(header.count as i64 <= i64::from(header.last_offset_delta) + 1);
            assert!(header.end_offset() > header.base_offset && header.base_offset >= 0);
            let _ = batch.check_records();
        }
    }
    assert!(count == input.len() || last_is_error);
    assert!(whole.is_err() || whole == Ok(&input[..count]));
    let _ = batch::extents(input);
    // What a client may append, it can be given offsets.
    if let Ok(count) = batch::produced(input) {
        let mut bytes = input.to_vec();
        let extent = batch::assign(&mut bytes, 1000, 5).expect("it was checked");
        assert_eq!((extent.base, extent.end), (1000, 1000 + i64::from(count)));
        assert_eq!(batch::extents(&bytes), Ok(vec![extent]));
    } else {
        let mut bytes = input.to_vec();
        if batch::assign(&mut bytes, Offset::MAX - 2, 5).is_err() {
            assert_eq!(bytes, input, "refused, and changed nevertheless");
        }
    }
}

/// Records without the batch around them: a count, and the payload.
fn payloads() -> Vec<Vec<u8>> {
    let payload = |bytes: Vec<u8>| {
        let count = RecordBatch::parse(&bytes).expect("sound").header().count as u8;
        [&[count], &bytes[batch::HEADER_SIZE..]].concat()
    };
    vec![payload(batch(0, 0, 3, 10)), payload(buffers().swap_remove(2))]
}

fn run_record(input: &[u8]) {
    let Some((count, payload)) = input.split_first() else { return };
    let mut bytes = [batch(0, 0, 1, 0)[..batch::HEADER_SIZE].to_vec(), payload.to_vec()].concat();
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[23..27].copy_from_slice(&i32::from(*count).to_be_bytes());
    bytes[57..61].copy_from_slice(&i32::from(*count).to_be_bytes());
    batch::seal(&mut bytes);
    let Ok(batch) = RecordBatch::parse(&bytes) else { return };
    let mut next = batch.header().base_offset;
    for record in batch.records().expect("not compressed").flatten() {
        assert!(record.offset >= next && record.offset <= batch.header().last_offset());
        next = record.offset + 1;
        assert_eq!(record.headers.iter().count(), record.headers.len());
    }
}

fn sound_controls() -> Vec<ControlRecord> {
    let key = ReplicaKey { id: NodeId(1), directory: Uuid(9) };
    let endpoint = VoterEndpoint { name: "CONTROLLER".into(), host: "h".into(), port: 9 };
    let voter = Voter { key, endpoints: vec![endpoint], kraft_version_min: 0, kraft_version_max: 1 };
    let bare = ReplicaKey { id: NodeId(2), directory: Uuid::ZERO };
    vec![
        ControlRecord::Abort { coordinator_epoch: 1 },
        ControlRecord::Commit { coordinator_epoch: 1 },
        ControlRecord::LeaderChange {
            version: 0,
            leader: NodeId(2),
            voters: vec![bare],
            granting: vec![bare, bare],
        },
        ControlRecord::LeaderChange {
            version: 1,
            leader: NodeId(1),
            voters: vec![key, key],
            granting: vec![],
        },
        ControlRecord::SnapshotHeader { last_contained_timestamp: 4 },
        ControlRecord::SnapshotFooter,
        ControlRecord::KRaftVersion { version: 1 },
        ControlRecord::Voters(vec![voter.clone(), voter]),
    ]
}

/// Key and value, one after the other.
fn controls() -> Vec<Vec<u8>> {
    sound_controls().iter().map(|control| [&control.key()[..], &control.value()].concat()).collect()
}

fn run_control(input: &[u8]) {
    let (key, value) = input.split_at(input.len().min(4));
    let mut batch = BatchBuilder::default();
    batch.record(0, Some(key), Some(value));
    let bytes = batch.build();
    let batch = RecordBatch::parse(&bytes).expect("sound");
    let record = batch.records().expect("not compressed").next().expect("one").expect("sound");
    if let Ok(control) = ControlRecord::decode(&record) {
        let again = control_batch(0, 0, 0, std::slice::from_ref(&control));
        let batch = RecordBatch::parse(&again).expect("sound");
        let record = batch.records().expect("not compressed").next().expect("one").expect("sound");
        assert_eq!(ControlRecord::decode(&record), Ok(control));
    }
}

/// A log of one segment with this file in the place of one of its own.
fn opened_with(suffix: &str, input: &[u8], clean: bool) {
    let disk = SimulatedDisk::new(1);
    let config = LogConfig { index_interval_bytes: 0, ..LogConfig::default() };
    let open = |recorded| Log::open(&disk, "topic-0", config.clone(), recorded);
    let (mut log, _) = open(Recorded::default()).expect("opened");
    log.append(&buffers()[1]).expect("appended");
    log.close().expect("closed");
    let path = format!("topic-0/{:020}{suffix}", 0);
    disk.create(&path).and_then(|file| file.write_at(0, input)).expect("written");
    if let Ok((mut log, _)) = open(Recorded { clean, ..Recorded::default() }) {
        for offset in log.view().start()..log.view().end().min(20) {
            let _ = log.read(offset, Offset::MAX, 1000);
            let _ = log.offset_for_timestamp(offset);
        }
        let end = log.view().end();
        let epoch = log.view().last_epoch().max(0);
        if end < Offset::MAX - 1000 {
            log.append(&batch(end, epoch, 1, 1)).expect("what is open can be appended to");
        }
        let _ = log.truncate(end / 2);
    }
}

fn run_segment(input: &[u8]) {
    opened_with(".log", input, false);
    opened_with(".log", input, true);
}

fn indexes() -> Vec<Vec<u8>> {
    let entries = [(2_u32, 0_u32), (4, 130), (5, 500)];
    let offsets: Vec<u8> =
        entries.iter().flat_map(|entry| [entry.0.to_be_bytes(), entry.1.to_be_bytes()].concat()).collect();
    let times =
        [&1002_i64.to_be_bytes()[..], &2_u32.to_be_bytes(), &1005_i64.to_be_bytes(), &5_u32.to_be_bytes()];
    vec![offsets, times.concat(), vec![]]
}

fn run_index(input: &[u8]) {
    opened_with(".index", input, true);
    opened_with(".timeindex", input, true);
}

fn epoch_files() -> Vec<Vec<u8>> {
    let starts = vec![EpochStart { epoch: 0, start: 0 }, EpochStart { epoch: 3, start: 9 }];
    vec![epochs::encode(&EpochCache::from_starts(starts).expect("they grow")), vec![]]
}

fn run_epochs(input: &[u8]) {
    if let Ok(cache) = epochs::decode(input) {
        assert_eq!(epochs::decode(&epochs::encode(&cache)), Ok(cache));
    }
}

fn offset_files() -> Vec<Vec<u8>> {
    vec![offsets::encode(&OffsetMap::from([("a-0".into(), 4), ("b-c-11".into(), 0)]))]
}

fn run_offsets(input: &[u8]) {
    if let Ok(map) = offsets::decode(input) {
        assert_eq!(offsets::decode(&offsets::encode(&map)), Ok(map));
    }
}

fn quorum_states() -> Vec<Vec<u8>> {
    let voted = Some(ReplicaKey { id: NodeId(2), directory: Uuid(5) });
    let state = ElectionState { epoch: 3, leader: None, voted };
    vec![quorum_state::encode(&state), quorum_state::encode_version_0(&state, &[NodeId(1), NodeId(2)])]
}

fn run_quorum_state(input: &[u8]) {
    if let Ok(state) = quorum_state::decode(input) {
        assert_eq!(quorum_state::decode(&quorum_state::encode(&state)), Ok(state));
    }
}

fn properties() -> Vec<Vec<u8>> {
    let properties =
        MetaProperties { cluster_id: "a=:\\ \n".into(), node_id: NodeId(1), directory_id: Some(Uuid(4)) };
    vec![
        meta_properties::encode(&properties),
        b"#\n#Mon\n! x\nversion=1\nnode.id : 4\ncluster.id\t\\u0041bc\n".to_vec(),
    ]
}

fn run_properties(input: &[u8]) {
    if let Ok(properties) = meta_properties::decode(input) {
        assert_eq!(meta_properties::decode(&meta_properties::encode(&properties)), Ok(properties));
    }
}

fn partition_files() -> Vec<Vec<u8>> {
    vec![partition_metadata::encode(Uuid(0x0123_4567_89ab_cdef))]
}

fn run_partition(input: &[u8]) {
    if let Ok(topic) = partition_metadata::decode(input) {
        assert_eq!(partition_metadata::decode(&partition_metadata::encode(topic)), Ok(topic));
    }
}

fn shutdowns() -> Vec<Vec<u8>> {
    vec![clean_shutdown::encode(clean_shutdown::CleanShutdown { broker_epoch: Some(4) })]
}

fn run_shutdown(input: &[u8]) {
    let shutdown = clean_shutdown::decode(input);
    if shutdown.broker_epoch.is_some() {
        assert_eq!(clean_shutdown::decode(&clean_shutdown::encode(shutdown)), shutdown);
    }
}

fn snapshots() -> Vec<Vec<u8>> {
    let id = SnapshotId { end: 9, epoch: 2 };
    vec![snapshot::encode(id, 1, 2, [b"abc", b"def"]), snapshot::encode(id, 1, 2, [[]; 0])]
}

fn run_snapshot(input: &[u8]) {
    let mut records = 0;
    let decoded = snapshot::decode(input, |_| records += 1);
    assert!(records <= input.len());
    if let Err((position, _)) = decoded {
        assert!(position <= input.len() as u64);
    }
}

/// Of nobody; of some producers, with numbers at their limits.
fn producer_snapshots() -> Vec<Vec<u8>> {
    let mut some = Producers::new(0);
    for (id, epoch, sequence) in [(7, 0, 0), (i64::MAX, i16::MAX, i32::MAX), (0, 3, 5)] {
        let mut batch = BatchBuilder::new(some.end(), 1).producer(id, epoch, sequence);
        batch.record(i64::from(sequence), None, None).record(9, None, None);
        some.append(&batch.build());
    }
    vec![Producers::new(0).snapshot().encode(), some.snapshot().encode()]
}

fn run_producers(input: &[u8]) {
    // As it is, and with the checksum that would let it pass.
    let mut resealed = input.to_vec();
    if let Some((head, rest)) = resealed.split_at_mut_checked(6) {
        head[2..].copy_from_slice(&batch::crc32c(rest).to_be_bytes());
    }
    for bytes in [input, &resealed] {
        let Ok(snapshot) = Snapshot::decode(bytes) else { continue };
        assert_eq!(Snapshot::decode(&snapshot.encode()), Ok(snapshot.clone()));
        let mut state = Producers::load(snapshot, 100);
        for (_, producer) in state.iter() {
            for known in producer.batches() {
                assert!(known.base_offset() >= 0 && known.end_offset() > known.base_offset());
                assert!(known.base_sequence() >= -1);
            }
        }
        state.append(&batch(100, 1, 1, 1));
        state.expire(i64::MAX, 1);
        state.expire(i64::MIN, u64::MAX);
    }
}

fn names() -> Vec<Vec<u8>> {
    let id = SnapshotId { end: 9, epoch: 2 };
    vec![producers::name(7).into_bytes(), snapshot::name(id).into_bytes(), uuid::format(Uuid(7)).into_bytes()]
}

fn run_names(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Some(offset) = producers::parse_name(&text) {
        assert_eq!(producers::name(offset), text);
    }
    if let Some(id) = snapshot::parse_name(&text) {
        assert_eq!(snapshot::name(id), text);
    }
    if let Some(id) = uuid::parse(&text) {
        assert_eq!(uuid::parse(&uuid::format(id)), Some(id));
    }
    let _ = BatchHeader::parse(input);
}

/// A record of each kind and version, as Kafka's own dump reads them: each line the bytes, a blank, what they say.
fn metadata() -> Vec<Vec<u8>> {
    let samples = include_str!("../../../core/tests/controller/samples.txt");
    let byte = |pair: &[u8]| {
        u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("two hexadecimal digits")
    };
    let bytes = |line: &str| {
        let (digits, _) = line.split_once(' ').expect("bytes and what they say");
        digits.as_bytes().chunks(2).map(byte).collect()
    };
    samples.lines().map(bytes).collect()
}

fn run_metadata(input: &[u8]) {
    let Ok(record) = MetadataRecord::decode(input) else { return };
    // Frame version, key and version come first, and are a byte each unless they are written at needless length.
    let Some(&[1, key, version]) = input.first_chunk() else { return };
    if key < 0x80 && version < 0x80 {
        let mut again = Vec::new();
        record.encode(version.into(), &mut again);
        assert_eq!(MetadataRecord::decode(&again), Ok(record));
    }
}

/// Records of `__consumer_offsets` as Kafka writes them: the key, after a byte that says how long it is, then the value. And what members
/// tell each other.
fn groups() -> Vec<Vec<u8>> {
    let samples = include_str!("../../../core/tests/group/samples.txt");
    let bytes = |digits: &str| -> Vec<u8> {
        let pairs = digits.as_bytes().chunks_exact(2);
        let byte =
            |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal");
        pairs.map(byte).collect()
    };
    let record = |line: &str| {
        let (key, value) = line.split_once(' ').expect("key and value");
        let key = bytes(key);
        let length = u8::try_from(key.len()).expect("a short key");
        [vec![length], key, bytes(value.trim_matches('-'))].concat()
    };
    let owned = vec![TopicPartitions { topic: "t".into(), partitions: vec![1, 2] }];
    let topics = vec!["t".into(), "u".into()];
    let subscription = Subscription { topics, owned_partitions: owned.clone(), ..Subscription::default() };
    let assignment =
        Assignment { assigned_partitions: owned.clone(), user_data: Some([1].as_slice().into()) };
    let others =
        [subscription.encode(0), subscription.encode(3), assignment.encode(3), encode_sticky(&owned, 7)];
    samples.lines().map(record).chain(others).collect()
}

fn run_group(input: &[u8]) {
    if let Ok(subscription) = Subscription::decode(input) {
        assert_eq!(Subscription::decode(&subscription.encode(3)), Ok(subscription));
    }
    if let Ok(assignment) = Assignment::decode(input) {
        assert_eq!(Assignment::decode(&assignment.encode(3)), Ok(assignment));
    }
    if let Ok((owned, generation)) = decode_sticky(input) {
        assert_eq!(decode_sticky(&encode_sticky(&owned, generation)), Ok((owned, generation)));
    }
    let Some((length, rest)) = input.split_first() else { return };
    let (key, value) = rest.split_at(rest.len().min(usize::from(*length)));
    let value = Some(value).filter(|value| !value.is_empty());
    if let Ok(Decoded::Known { record, value_version, .. }) = GroupRecord::decode(Some(key), value) {
        let again = match (&record, value_version) {
            (GroupRecord::OffsetCommit { value: Some(value), .. }, Some(version)) => {
                Some(value.encode(version))
            }
            (GroupRecord::GroupMetadata { value: Some(value), .. }, Some(version)) => {
                Some(value.encode(version))
            }
            _ => None,
        };
        let Ok(Decoded::Known { record: same, .. }) =
            GroupRecord::decode(Some(&record.encode_key()), again.as_deref())
        else {
            panic!("{record:?} does not come out again")
        };
        assert_eq!(same, record);
    }
    // A coordinator takes what it says, and goes on from there.
    let mut groups = Groups::open(group::Config::default(), Dice::new(1), Instant(0));
    if groups.load([(Some(key), value), (Some(key), value)]).is_ok() {
        groups.lead(Instant(0), 1);
        groups.handle(Instant(0), 1, GroupRequest::List(group::ListGroups::default()));
        for _ in 0..10 {
            let Some(deadline) = groups.deadline() else { break };
            groups.elapse(deadline);
            while let Some(effect) = groups.poll() {
                if let group::Effect::Append { write, records, .. } = effect {
                    records.iter().for_each(|record| drop((record.encode_key(), record.encode_value())));
                    groups.written(deadline, write, Ok(0));
                }
            }
        }
    }
}
