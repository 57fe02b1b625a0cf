//! Three servers, of which one dies.

use std::time::Duration;

use highwater_client::admin::Admin;
use highwater_client::consumer::OffsetReset;
use highwater_client::{Consumer, ConsumerConfig, Producer, ProducerConfig, TopicPartition};

use crate::support::{create, read, run, serve, values, write};

#[test]
fn leader_dies_underway_each_record_is_written_once_and_in_order() {
    run(async {
        let mut servers = serve(3).await;
        let cluster = servers.cluster().await;
        create(&Admin::new(cluster.clone()), "t", 1, 3).await;
        let config = ProducerConfig { linger: Duration::from_millis(1), ..ProducerConfig::default() };
        let producer = Producer::new(cluster.clone(), config).expect("a producer");
        write(&producer, "t", 0..100).await;
        let of = TopicPartition::new("t", 0);
        let leader = cluster.leader(&of).await.expect("a leader").broker;
        let writing = tokio::spawn({
            let producer = producer.clone();
            async move { write(&producer, "t", 100..3000).await }
        });
        servers.kill(leader).await;
        writing.await.expect("all were written");
        let config = ConsumerConfig { auto_offset_reset: OffsetReset::Earliest, ..ConsumerConfig::default() };
        let mut consumer = Consumer::new(cluster, config).expect("a consumer");
        consumer.assign(vec![of]).expect("assigned");
        let mut records = read(&mut consumer, 3000).await;
        records.extend(consumer.poll(Duration::from_millis(200)).await.expect("polled"));
        let expected: Vec<String> = (0..3000).map(|number| number.to_string()).collect();
        assert_eq!(values(&records), expected);
        servers.end().await;
    });
}
