//! Members come and go.

use std::collections::BTreeSet;
use std::time::Duration;

use highwater_client::admin::Admin;
use highwater_client::assign::Assignor;
use highwater_client::consumer::OffsetReset;
use highwater_client::{Cluster, Consumer, ConsumerConfig, Producer, ProducerConfig, TopicPartition};
use tokio::time::Instant;

use crate::support::{PATIENCE, create, read, run, serve, values, write};

fn member(cluster: &Cluster, assignor: Assignor) -> Consumer {
    let config = ConsumerConfig {
        auto_offset_reset: OffsetReset::Earliest,
        assignors: vec![assignor],
        heartbeat_interval: Duration::from_millis(100),
        session_timeout: Duration::from_secs(10),
        auto_commit: Some(Duration::from_millis(50)),
        ..ConsumerConfig::group("g")
    };
    let mut consumer = Consumer::new(cluster.clone(), config).expect("a consumer");
    consumer.subscribe(vec!["t".into()]).expect("subscribed");
    consumer
}

/// Polls both until each has so many partitions.
async fn share(one: &mut Consumer, other: &mut Consumer, each: usize) {
    let deadline = Instant::now() + PATIENCE;
    while one.assignment().count() != each || other.assignment().count() != each {
        assert!(Instant::now() < deadline, "the members do not share");
        let wait = Duration::from_millis(20);
        let (first, second) = tokio::join!(one.poll(wait), other.poll(wait));
        first.expect("polled");
        second.expect("polled");
    }
}

fn assigned(consumer: &Consumer) -> BTreeSet<TopicPartition> {
    consumer.assignment().cloned().collect()
}

#[test]
fn two_members_share_partitions_and_the_one_left_gets_them_all() {
    for assignor in Assignor::ALL {
        run(async {
            let servers = serve(1).await;
            let cluster = servers.cluster().await;
            create(&Admin::new(cluster.clone()), "t", 4, 1).await;
            let mut one = member(&cluster, assignor);
            // Connected by itself, as members are: one that waits to join holds up what is behind it on its connection.
            let mut other = member(&servers.cluster().await, assignor);
            share(&mut one, &mut other, 2).await;
            assert!(assigned(&one).is_disjoint(&assigned(&other)));
            other.close().await.expect("left");
            let deadline = Instant::now() + PATIENCE;
            while one.assignment().count() != 4 {
                assert!(Instant::now() < deadline, "the one left gets no more");
                one.poll(Duration::from_millis(20)).await.expect("polled");
            }
            one.close().await.expect("left");
            servers.end().await;
        });
    }
}

#[test]
fn member_that_comes_back_goes_on_where_the_group_was() {
    run(async {
        let servers = serve(1).await;
        let cluster = servers.cluster().await;
        let admin = Admin::new(cluster.clone());
        create(&admin, "t", 1, 1).await;
        let producer = Producer::new(cluster.clone(), ProducerConfig::default()).expect("a producer");
        write(&producer, "t", 0..10).await;
        let mut consumer = member(&cluster, Assignor::Range);
        assert_eq!(read(&mut consumer, 10).await.len(), 10);
        consumer.close().await.expect("committed");
        let offsets = admin.group_offsets(&"g".into(), None).await.expect("an answer");
        assert_eq!(offsets[&TopicPartition::new("t", 0)].offset, 10);
        write(&producer, "t", 10..12).await;
        let mut consumer = member(&cluster, Assignor::Range);
        assert_eq!(values(&read(&mut consumer, 2).await), ["10", "11"]);
        consumer.close().await.expect("committed");
        let groups = admin.list_groups(&[], &[]).await.expect("an answer");
        assert_eq!(&*groups[0].group_id, "g");
        assert_eq!(&*admin.describe_group(&"g".into()).await.expect("an answer").group_state, "Empty");
        admin.delete_group(&"g".into()).await.expect("deleted");
        servers.end().await;
    });
}
