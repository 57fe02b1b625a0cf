//! Figures of one node over a real disk: `cargo bench -p highwater-node --bench node [-- WHAT...]`, where WHAT is among those below; all by
//! default.
//!
//! | what | measures |
//! |---|---|
//! | produce | batches of 16 KiB of 100-byte records through `Node::handle`, acks=1 |
//! | fetch | a consumer that reads them back, 1 MiB at a time |
//! | partitions | 10,000 partitions on one node: created, held, stopped, opened again |
//! | followers | records acknowledged by all on one partition of two nodes, beside 9,000 that idle (each has a file open, twice) |
//! | election | three nodes with 1,000 partitions led by one, which dies: the steps of the others |
//!
//! The node alone is measured: no sockets, no wire format.
#![allow(clippy::print_stdout, reason = "that is what a bench is for")]

mod cluster;

use std::time::{Duration, Instant as Clock};

use bytes::Bytes;
use highwater_core::NO_EPOCH;
use highwater_core::batch::BatchBuilder;
use highwater_core::partition::{Acks, PartitionFetch};
use highwater_node::message::{
    ClientRequest, ClientResponse, Fetch, FetchPartition, FetchReader, Produce, TopicPartition,
};

use cluster::{Cluster, files, memory};

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |what: &str| asked.is_empty() || asked.iter().any(|asked| asked == what);
    if wanted("produce") || wanted("fetch") {
        produce_and_fetch();
    }
    if wanted("partitions") {
        let count = std::env::var("PARTITIONS").ok().and_then(|count| count.parse().ok());
        partitions(count.unwrap_or(10_000));
    }
    if wanted("followers") {
        followers(9_000);
    }
    if wanted("election") {
        election(1_000);
    }
}

/// A batch of as many 100-byte records as fit into 16 KiB.
fn batch() -> (Bytes, u64) {
    let mut batch = BatchBuilder::new(0, NO_EPOCH);
    let mut count = 0;
    let value = [b'x'; 100];
    while count * 107 + 61 < 16 << 10 {
        batch.record(0, None, Some(&value));
        count += 1;
    }
    (batch.build().into(), count)
}

fn produce_and_fetch() {
    let mut cluster = Cluster::start(1, |_| {});
    let partition = cluster.create_topic("figures", 1, 1)[0];
    let (records, count) = batch();
    let bytes = records.len();
    let batches = 20_000;
    let began = Clock::now();
    for _ in 0..batches {
        let partitions = vec![(partition, records.clone())];
        let request = Produce { acks: Acks::Leader, timeout_ms: 1_000, partitions };
        let ClientResponse::Produce(answers) = cluster.ask(0, ClientRequest::Produce(request)) else {
            panic!()
        };
        assert!(answers[0].1.is_ok(), "{answers:?}");
    }
    let took = began.elapsed();
    rate("produce, acks=1", batches * count, batches * bytes as u64, took);

    let began = Clock::now();
    let (mut offset, mut read, mut times) = (0, 0, Vec::new());
    while offset < (batches * count) as i64 {
        let at = Clock::now();
        let ClientResponse::Fetch(answers) = cluster.ask(0, fetch(partition, offset)) else { panic!() };
        times.push(at.elapsed());
        offset = answers[0].answer.records.last().expect("records").end;
        read += answers[0].records.len() as u64;
    }
    let took = began.elapsed();
    rate("consumer fetch of 1 MiB", batches * count, read, took);
    times.sort_unstable();
    println!("  a fetch takes {:?} (median), {:?} (longest)", times[times.len() / 2], times[times.len() - 1]);
}

fn fetch(partition: TopicPartition, offset: i64) -> ClientRequest {
    let fetch = PartitionFetch { leader_epoch: NO_EPOCH, offset, last_epoch: NO_EPOCH };
    let partitions = vec![FetchPartition { partition, fetch, max_bytes: 1 << 20 }];
    let reader = FetchReader::Consumer;
    ClientRequest::Fetch(Fetch { reader, max_wait_ms: 0, min_bytes: 1, max_bytes: 1 << 20, partitions })
}

fn rate(what: &str, records: u64, bytes: u64, took: Duration) {
    let seconds = took.as_secs_f64();
    let (records, mebibytes) = (records as f64 / seconds, bytes as f64 / seconds / f64::from(1 << 20));
    println!("{what}: {records:.0} records/s, {mebibytes:.0} MiB/s ({took:.2?})");
}

fn partitions(count: i32) {
    let mut cluster = Cluster::start(1, |_| {});
    let before = memory();
    let began = Clock::now();
    let topics = 10;
    for topic in 0..topics {
        cluster.create_topic(&format!("topic-{topic}"), count / topics, 1);
    }
    println!(
        "{count} partitions: created in {:.2?}, {} MiB more ({} in all), {} open files",
        began.elapsed(),
        (memory() - before) >> 20,
        memory() >> 20,
        files(),
    );
    let began = Clock::now();
    let steps = cluster.run_for(Duration::from_secs(60));
    println!("  a minute of idling: {steps} steps, {:.2?} of work", began.elapsed());
    let (records, _) = batch();
    let began = Clock::now();
    for partition in cluster.partitions.clone() {
        let partitions = vec![(partition, records.clone())];
        let request = Produce { acks: Acks::Leader, timeout_ms: 1_000, partitions };
        cluster.ask(0, ClientRequest::Produce(request));
    }
    println!(
        "  a batch to each: {:.2?}, {} MiB in all, {} open files",
        began.elapsed(),
        memory() >> 20,
        files()
    );
    let began = Clock::now();
    cluster.stop(0);
    println!("  stopped in {:.2?}", began.elapsed());
    let began = Clock::now();
    cluster.open(0);
    println!(
        "  opened after a clean stop in {:.2?}, {} MiB in all, {} open files",
        began.elapsed(),
        memory() >> 20,
        files()
    );
    cluster.settle();
    cluster.kill(0);
    let began = Clock::now();
    cluster.open(0);
    println!("  opened after a kill in {:.2?}", began.elapsed());
}

fn followers(idle: i32) {
    let mut cluster = Cluster::start(2, |config| config.min_insync_replicas = 2);
    let busy = cluster.create_topic("busy", 1, 2)[0];
    let before = acknowledged_by_all(&mut cluster, busy);
    println!("a batch of 16 KiB acknowledged by all: {before:.2?} of work beside no other partition");
    cluster.create_topic("idle", idle, 2);
    cluster.run_for(Duration::from_secs(5));
    let beside = acknowledged_by_all(&mut cluster, busy);
    println!("  {beside:.2?} beside {idle} that idle");
    cluster.reset_work();
    cluster.run_for(Duration::from_secs(60));
    for (node, work) in cluster.work() {
        println!("  {node}: a minute of idling takes {} steps, {:.2?} of work", work.steps, work.total);
    }
}

/// What it takes both nodes to have a batch acknowledged by all.
fn acknowledged_by_all(cluster: &mut Cluster, partition: TopicPartition) -> Duration {
    let (records, _) = batch();
    let batches = 200;
    let began = Clock::now();
    let leader = cluster.leader(partition);
    for _ in 0..batches {
        let partitions = vec![(partition, records.clone())];
        let request = Produce { acks: Acks::All, timeout_ms: 30_000, partitions };
        let ClientResponse::Produce(answers) = cluster.ask(leader, ClientRequest::Produce(request)) else {
            panic!()
        };
        assert!(answers[0].1.is_ok(), "{answers:?}");
    }
    began.elapsed() / batches
}

fn election(count: i32) {
    let mut cluster = Cluster::start(3, |_| {});
    cluster.create_topic("figures", count, 3);
    cluster.run_for(Duration::from_secs(2));
    let led = cluster.led_by(0);
    cluster.kill(0);
    cluster.reset_work();
    let began = Clock::now();
    let took = cluster.run_until(Duration::from_secs(60), |cluster| {
        cluster.led_by(1) + cluster.led_by(2) == count as usize
    });
    println!(
        "{led} of {count} leaders die: all led again after {took:.2?} of the cluster's time, {:.2?} of work",
        began.elapsed()
    );
    for (node, work) in cluster.work() {
        println!(
            "  {node}: {} steps, {:.2?} in all, the longest {:.2?}",
            work.steps, work.total, work.longest
        );
    }
}
