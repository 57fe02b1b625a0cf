//! Files for the tools to read, the same in every run.

use std::io::Write as _;
use std::path::Path;

use highwater_core::batch::{BatchBuilder, Codec, HEADER_SIZE, seal};
use highwater_core::controller::{
    BeginTransactionRecord, ConfigRecord, Endpoint, FeatureLevelRecord, MetadataRecord, MetadataVersion,
    PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord, SupportedFeature, TopicRecord,
};
use highwater_core::{NodeId, Uuid};
use highwater_log::disk::RealDisk;
use highwater_log::{Log, LogConfig, Recorded};

pub(crate) const NOW: i64 = 1_700_000_000_000;

/// Records of some shapes: with and without key, value and headers.
pub(crate) fn batch(base: i64, count: usize) -> Vec<u8> {
    let mut batch = BatchBuilder::new(base, 3).producer(7, 1, 10);
    for index in 0..count {
        let timestamp = NOW + base + i64::try_from(index).expect("few");
        let (key, value) = (format!("k{index}"), format!("value {index} ").repeat(index + 1));
        let key = (index % 3 != 0).then_some(key.as_bytes());
        let value = (index % 5 != 4).then_some(value.as_bytes());
        let headers = [("trace", Some(&b"1"[..])), ("none", None)];
        batch.record_with_headers(timestamp, key, value, &headers[..index % 3]);
    }
    batch.build()
}

/// The same batch, compressed as a client does.
pub(crate) fn compressed(batch: &[u8], codec: Codec) -> Vec<u8> {
    let payload = compress(&batch[HEADER_SIZE..], codec);
    let mut bytes = batch[..HEADER_SIZE].to_vec();
    bytes.extend_from_slice(&payload);
    let length = i32::try_from(bytes.len() - 12).expect("small");
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] |= codec as u8;
    seal(&mut bytes);
    bytes
}

pub(crate) fn compress(bytes: &[u8], codec: Codec) -> Vec<u8> {
    match codec {
        Codec::None => bytes.to_vec(),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).expect("memory");
            encoder.finish().expect("memory")
        }
        Codec::Snappy => snap::raw::Encoder::new().compress_vec(bytes).expect("small"),
        Codec::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(bytes).expect("memory");
            encoder.finish().expect("memory")
        }
        Codec::Zstd => ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest),
    }
}

/// As snappy-java frames blocks.
pub(crate) fn xerial(bytes: &[u8], block: usize) -> Vec<u8> {
    let mut framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    for chunk in bytes.chunks(block) {
        let chunk = compress(chunk, Codec::Snappy);
        framed.extend_from_slice(&i32::try_from(chunk.len()).expect("small").to_be_bytes());
        framed.extend_from_slice(&chunk);
    }
    framed
}

/// A log of several segments with their indexes.
pub(crate) fn log(directory: &Path) {
    let disk = RealDisk::open(directory).expect("a directory");
    let config = LogConfig { segment_bytes: 1500, index_interval_bytes: 400, ..LogConfig::default() };
    let (mut log, _) = Log::open(&disk, "t-0", config, Recorded::default()).expect("a log");
    for _ in 0..12 {
        log.append(&batch(log.view().end(), 4)).expect("room");
    }
    log.close().expect("a disk");
}

pub(crate) fn metadata_records() -> Vec<MetadataRecord> {
    let topic = Uuid(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
    let directory = Uuid(0x1122_3344_5566_7788_99aa_bbcc_ddee_ff00);
    let nodes = |ids: &[i32]| ids.iter().map(|id| NodeId(*id)).collect::<Vec<_>>();
    let config = |kind, name: &str, key: &str, value: &str| ConfigRecord {
        resource_type: kind,
        resource_name: name.to_owned(),
        key: key.to_owned(),
        value: Some(value.to_owned()),
    };
    vec![
        FeatureLevelRecord { name: MetadataVersion::FEATURE.to_owned(), level: 25 }.into(),
        FeatureLevelRecord { name: "eligible.leader.replicas.version".to_owned(), level: 1 }.into(),
        RegisterBrokerRecord {
            broker: NodeId(1),
            is_migrating: false,
            incarnation: Uuid(9),
            broker_epoch: 3,
            endpoints: vec![Endpoint {
                name: "PLAINTEXT".to_owned(),
                host: "127.0.0.1".to_owned(),
                port: 9092,
                security_protocol: 0,
            }],
            features: vec![SupportedFeature {
                name: MetadataVersion::FEATURE.to_owned(),
                lowest: 7,
                highest: 30,
            }],
            rack: Some("r1".to_owned()),
            fenced: false,
            in_controlled_shutdown: false,
            directories: vec![directory],
            cordoned_directories: None,
        }
        .into(),
        TopicRecord { name: "orders".to_owned(), topic }.into(),
        PartitionRecord {
            partition: 0,
            topic,
            replicas: nodes(&[1, 2]),
            isr: nodes(&[1]),
            removing: Vec::new(),
            adding: Vec::new(),
            leader: 1,
            leader_epoch: 4,
            partition_epoch: 5,
            directories: vec![directory, Uuid::ZERO],
            recovery: 0,
            elr: Some(nodes(&[2])),
            last_known_elr: None,
        }
        .into(),
        config(2, "orders", "retention.ms", "1000").into(),
        config(4, "", "min.insync.replicas", "1").into(),
        ProducerIdsRecord { broker: NodeId(1), broker_epoch: 3, next: 1000 }.into(),
    ]
}

/// A record that begins what does not end.
pub(crate) fn open_transaction() -> MetadataRecord {
    BeginTransactionRecord { name: Some("half".to_owned()) }.into()
}

pub(crate) fn encoded(record: &MetadataRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(MetadataVersion::DEFAULT.of(record), &mut bytes);
    bytes
}

/// The records as one batch of a log.
pub(crate) fn metadata_batch(base: i64, records: &[MetadataRecord]) -> Vec<u8> {
    let mut batch = BatchBuilder::new(base, 2);
    for record in records {
        batch.record(NOW, None, Some(&encoded(record)));
    }
    batch.build()
}
