//! How every story ends: all is healed, the load stops, and what there is is held against what was told.

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_client::admin::OffsetSpec;
use highwater_client::{Cluster, Consumer, ConsumerConfig, TopicPartition};

use crate::check::{self, Found, Summary};
use crate::cluster::{NODES, Nodes, PARTITIONS, TOPIC};
use crate::load::Load;
use crate::story::{Story, until};

/// Ends the load, waits until all replicas are in sync, reads all as a consumer and from each replica's files, and checks it.
pub(crate) async fn end(story: &Story, nodes: &mut Nodes, load: Load) -> Summary {
    story.say("all is healed; the load ends");
    let notes = load.end().await;
    until(nodes, "all replicas are in sync", async |nodes| nodes.in_sync().await).await;
    let consumed = consume(nodes).await;
    story.say("all is read");
    let mut logs = BTreeMap::new();
    for partition in 0..PARTITIONS {
        logs.insert(partition, agreed(nodes, partition).await);
    }
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
    summary
}

/// What a consumer is given of each partition, from its beginning to its high watermark.
async fn consume(nodes: &mut Nodes) -> BTreeMap<i32, Found> {
    let cluster = nodes.client().await;
    let partitions: Vec<TopicPartition> =
        (0..PARTITIONS).map(|partition| TopicPartition::new(TOPIC, partition)).collect();
    let ends = until(nodes, "the logs' ends are known", async |_| ends(&cluster, &partitions).await).await;
    let mut consumer = Consumer::new(cluster, ConsumerConfig::default()).expect("a consumer");
    consumer.assign(partitions.clone()).expect("assigned");
    for partition in &partitions {
        consumer.seek(partition, 0).expect("it is assigned");
    }
    let mut found: BTreeMap<i32, Found> =
        (0..PARTITIONS).map(|partition| (partition, Found::new())).collect();
    let is_read = |found: &BTreeMap<i32, Found>| {
        ends.iter().all(|(partition, end)| {
            let last = found.get(partition).and_then(|records| records.last());
            *end == 0 || last.is_some_and(|(offset, _)| offset + 1 >= *end)
        })
    };
    while !is_read(&found) {
        nodes.assert_alive();
        for record in consumer.poll(Duration::from_millis(500)).await.expect("records") {
            let value = record.value.map(|value| value.to_vec()).unwrap_or_default();
            found.entry(record.partition.partition).or_default().push((record.offset, value));
        }
    }
    found
}

async fn ends(cluster: &Cluster, partitions: &[TopicPartition]) -> Option<BTreeMap<i32, i64>> {
    let asked = partitions.iter().map(|partition| (partition.clone(), OffsetSpec::Latest)).collect();
    let admin = highwater_client::Admin::new(cluster.clone());
    let answers = admin.list_offsets(&asked).await.ok()?;
    answers.into_iter().map(|(of, answer)| Some((of.partition, answer.ok()?.offset))).collect()
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
