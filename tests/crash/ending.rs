//! How every story ends: all is healed, the load stops, and what there is is held against what was told.

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_client::{Consumer, ConsumerConfig, TopicPartition};

use crate::check::{self, Found, Summary};
use crate::cluster::{NODES, Nodes, PARTITIONS, TOPIC};
use crate::load::Load;
use crate::story::{Story, all_in_sync, until};

/// Ends the load, waits until all replicas are the same, reads all from their files and as a consumer, and checks it. A story in which fewer than
/// `least` records were acknowledged shows nothing, and fails.
pub(crate) async fn end(story: &Story, nodes: &mut Nodes, load: Load, least: usize) {
    story.say("all is healed; the load ends");
    let notes = load.end().await;
    all_in_sync(nodes).await;
    let mut logs = BTreeMap::new();
    for partition in 0..PARTITIONS {
        logs.insert(partition, agreed(nodes, partition).await);
    }
    story.say("all replicas are the same");
    let consumed = consume(nodes, &logs).await;
    story.say("all is read");
    for id in NODES {
        nodes.kill(id);
    }
    let mut wrong = Vec::new();
    for (partition, log) in &logs {
        if consumed.get(partition) != Some(log) {
            let count = consumed.get(partition).map_or(0, Vec::len);
            wrong.push(format!(
                "partition {partition}: consumers are given {count} records, other than the {} in the logs",
                log.len()
            ));
        }
    }
    let summary = check::check(&notes, &logs).unwrap_or_else(|more| {
        wrong.extend(more);
        Summary::default()
    });
    let count = wrong.len();
    wrong.truncate(20);
    assert!(count == 0, "{count} things are wrong:\n{}", wrong.join("\n"));
    story.say(&format!("{summary:?}"));
    let Summary { acknowledged, .. } = summary;
    assert!(acknowledged >= least, "{acknowledged} records were acknowledged, expected {least}");
}

/// What a consumer is given of each partition, until it has come to the end of its log.
async fn consume(nodes: &mut Nodes, logs: &BTreeMap<i32, Found>) -> BTreeMap<i32, Found> {
    let cluster = nodes.client().await;
    let mut consumer =
        Consumer::new(cluster, ConsumerConfig { max_poll_records: 100_000, ..Default::default() })
            .expect("a consumer");
    let partitions = || (0..PARTITIONS).map(|partition| TopicPartition::new(TOPIC, partition));
    consumer.assign(partitions().collect()).expect("assigned");
    for partition in partitions() {
        consumer.seek(&partition, 0).expect("it is assigned");
    }
    let last = |found: &Found| found.last().map(|(offset, _)| *offset);
    let mut found: BTreeMap<i32, Found> = BTreeMap::new();
    until(nodes, "a consumer has read all", async |_| {
        for record in consumer.poll(Duration::from_millis(500)).await.expect("records") {
            let value = record.value.map(|value| value.to_vec()).unwrap_or_default();
            found.entry(record.partition.partition).or_default().push((record.offset, value));
        }
        let is_read = logs.iter().all(|(partition, log)| found.get(partition).and_then(last) >= last(log));
        is_read.then_some(())
    })
    .await;
    found
}

/// The records of a partition, which all replicas have byte for byte; some of them may have to fetch the last.
async fn agreed(nodes: &mut Nodes, partition: i32) -> Found {
    let mut last = String::new();
    let mut tries = 0;
    let what = format!("the replicas of partition {partition} are the same");
    let bytes = until(nodes, &what, async |nodes| {
        let [first, rest @ ..] = NODES.map(|id| (id, nodes.replica(id, partition)));
        for (id, bytes) in &rest {
            if let Some(difference) = check::difference(&first.1, bytes) {
                last = format!("nodes {} and {id}: {difference}", first.0);
                tries += 1;
                if tries % 200 == 0 {
                    println!("partition {partition}: {last}");
                }
                return None;
            }
        }
        Some(first.1)
    });
    let bytes = bytes.await;
    check::records(&bytes)
        .unwrap_or_else(|error| panic!("partition {partition}: the log cannot be read: {error}"))
}
