//! One server: create, write, read.

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_client::admin::{Admin, ConfigResource, OffsetSpec};
use highwater_client::consumer::OffsetReset;
use highwater_client::producer::{Acks, Record};
use highwater_client::{
    Cluster, ClusterConfig, Consumer, ConsumerConfig, Producer, ProducerConfig, TopicPartition,
};
use highwater_core::batch::Codec;
use highwater_wire::ErrorCode;

use crate::support::{create, read, run, serve, values, write};

fn earliest() -> ConsumerConfig {
    ConsumerConfig { auto_offset_reset: OffsetReset::Earliest, ..ConsumerConfig::default() }
}

#[test]
fn records_in_every_compression_come_back_in_order() {
    run(async {
        let servers = serve(1).await;
        let cluster = servers.cluster().await;
        create(&Admin::new(cluster.clone()), "t", 1, 1).await;
        let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
        for (at, codec) in (0_u32..).zip(codecs) {
            let config = ProducerConfig { compression: codec, ..ProducerConfig::default() };
            let producer = Producer::new(cluster.clone(), config).expect("a producer");
            write(&producer, "t", at * 1000..(at + 1) * 1000).await;
            producer.close().await;
        }
        let mut consumer = Consumer::new(cluster, earliest()).expect("a consumer");
        consumer.assign(vec![TopicPartition::new("t", 0)]).expect("assigned");
        let expected: Vec<String> = (0..5000).map(|number| number.to_string()).collect();
        assert_eq!(values(&read(&mut consumer, 5000).await), expected);
        servers.end().await;
    });
}

#[test]
fn record_with_key_and_headers_comes_back_whole_from_the_keys_partition() {
    run(async {
        let servers = serve(1).await;
        let cluster = servers.cluster().await;
        create(&Admin::new(cluster.clone()), "t", 10, 1).await;
        let producer = Producer::new(cluster.clone(), ProducerConfig::default()).expect("a producer");
        let record = Record::new("t", "v").key("foobar").header("h", "1").header("h", "2");
        let written = producer.write(Record { timestamp: Some(1234), ..record }).await.expect("written");
        assert_eq!(written.partition.partition, (-790_332_482 & i32::MAX) % 10);
        let mut consumer = Consumer::new(cluster, earliest()).expect("a consumer");
        consumer.assign(vec![written.partition.clone()]).expect("assigned");
        let records = read(&mut consumer, 1).await;
        assert_eq!(records[0].key.as_deref(), Some(&b"foobar"[..]));
        assert_eq!(records[0].timestamp, 1234);
        let headers: Vec<_> =
            records[0].headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
        assert_eq!(headers, [("h", Some(&b"1"[..])), ("h", Some(&b"2"[..]))]);
        servers.end().await;
    });
}

#[test]
fn acks_0_and_1_write_too() {
    run(async {
        let servers = serve(1).await;
        let cluster = servers.cluster().await;
        create(&Admin::new(cluster.clone()), "t", 1, 1).await;
        for (at, acks) in [(0, Acks::None), (1, Acks::Leader)] {
            let config = ProducerConfig { acks, idempotence: false, ..ProducerConfig::default() };
            let producer = Producer::new(cluster.clone(), config).expect("a producer");
            write(&producer, "t", at * 100..(at + 1) * 100).await;
            producer.close().await;
        }
        let mut consumer = Consumer::new(cluster, earliest()).expect("a consumer");
        consumer.assign(vec![TopicPartition::new("t", 0)]).expect("assigned");
        read(&mut consumer, 200).await;
        servers.end().await;
    });
}

#[test]
fn offsets_by_end_and_by_time_are_found_and_sought() {
    run(async {
        let servers = serve(1).await;
        let cluster = servers.cluster().await;
        let admin = Admin::new(cluster.clone());
        create(&admin, "t", 1, 1).await;
        let producer = Producer::new(cluster.clone(), ProducerConfig::default()).expect("a producer");
        for number in 0..10 {
            let record = Record { timestamp: Some(1000 + number), ..Record::new("t", number.to_string()) };
            producer.write(record).await.expect("written");
        }
        let of = TopicPartition::new("t", 0);
        for (spec, expected) in
            [(OffsetSpec::Earliest, 0), (OffsetSpec::Latest, 10), (OffsetSpec::Timestamp(1004), 4)]
        {
            let listed = admin.list_offsets(&BTreeMap::from([(of.clone(), spec)])).await.expect("an answer");
            assert_eq!(listed[&of].as_ref().map(|listed| listed.offset), Ok(expected), "{spec:?}");
        }
        let mut consumer = Consumer::new(cluster, earliest()).expect("a consumer");
        consumer.assign(vec![of.clone()]).expect("assigned");
        consumer.seek(&of, 7).expect("sought");
        assert_eq!(values(&read(&mut consumer, 3).await), ["7", "8", "9"]);
        servers.end().await;
    });
}

#[test]
fn topic_that_exists_is_refused_definitely() {
    run(async {
        let servers = serve(1).await;
        let admin = Admin::new(servers.cluster().await);
        create(&admin, "t", 1, 1).await;
        let again = highwater_wire::messages::create_topics::request::CreatableTopic {
            name: "t".into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        let results = admin.create_topics(vec![again], false).await.expect("an answer");
        assert_eq!(ErrorCode(results[0].error_code), ErrorCode::TOPIC_ALREADY_EXISTS);
        let configs = admin.describe_configs(&[ConfigResource::topic("t")], false).await.expect("an answer");
        assert!(configs[0].configs.iter().any(|config| &*config.name == "retention.ms"));
        servers.end().await;
    });
}

#[test]
fn nobody_listens_error_is_definite_and_says_where() {
    run(async {
        let mut config = ClusterConfig::new("127.0.0.1:1").expect("a place");
        config.connection.connect_timeout = Duration::from_secs(1);
        let error = Cluster::connect(config).await.expect_err("nobody listens");
        assert!(!error.is_in_doubt());
        assert!(error.to_string().contains("127.0.0.1:1 cannot be reached"), "{error}");
    });
}
