//! Producers that write numbered records whatever happens, and note what became of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use highwater_client::producer::{Acks, Delivery, Record};
use highwater_client::{ClientError, Cluster, Producer, ProducerConfig};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::cluster::{Nodes, PARTITIONS, TOPIC};
use crate::story::until;

/// So many records of a writer wait for their fate at most.
const WINDOW: usize = 500;

/// Between two records of a writer.
const PACE: Duration = Duration::from_millis(2);

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was acknowledged, at this offset; -1 if the broker had it already and does not say.
    Acknowledged(i64),
    /// Nobody knows.
    Unknown(String),
    /// It was not written, and never will be.
    Refused(String),
}

/// How a writer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Idempotent, acks=all, and it never gives up: every record must be acknowledged.
    Patient,
    /// Idempotent and acks=all, but what is not written within a second is given up.
    Hasty,
    /// acks=1 and no repetitions: what it was told counts for nothing.
    Careless,
}

/// What a writer wrote: record `n` has the fate `n`.
#[derive(Debug)]
pub(crate) struct Notes {
    pub(crate) writer: String,
    pub(crate) partition: i32,
    pub(crate) manner: Manner,
    pub(crate) fates: Vec<Fate>,
}

/// The value of a record, some hundred bytes.
fn value(writer: &str, number: usize) -> String {
    format!("{writer}:{number}:{:.>100}", "")
}

/// Writer and number in a value.
pub(crate) fn parse(value: &[u8]) -> Option<(&str, usize)> {
    let mut parts = std::str::from_utf8(value).ok()?.split(':');
    Some((parts.next()?, parts.next()?.parse().ok()?))
}

/// Writers at work.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    writers: Vec<JoinHandle<Notes>>,
    /// How many records were acknowledged, by partition: those of patient writers.
    acknowledged: Arc<Vec<AtomicU64>>,
}

impl Load {
    /// A patient writer for each partition, and hasty ones, and as many careless ones if they are wanted.
    pub(crate) async fn begin(nodes: &mut Nodes, manners: &[Manner]) -> Self {
        let (stop, stopped) = watch::channel(false);
        let acknowledged: Arc<Vec<AtomicU64>> =
            Arc::new((0..PARTITIONS).map(|_| AtomicU64::new(0)).collect());
        let mut writers = Vec::new();
        for &manner in manners {
            for partition in 0..PARTITIONS {
                let writer = format!("{manner:?}-{partition}").to_lowercase();
                let notes = Notes { writer, partition, manner, fates: Vec::new() };
                let cluster = nodes.client().await;
                writers.push(tokio::spawn(write(cluster, notes, stopped.clone(), acknowledged.clone())));
            }
        }
        Self { stop, writers, acknowledged }
    }

    /// How many records of patient writers were acknowledged, by partition.
    pub(crate) fn acknowledged(&self) -> Vec<u64> {
        self.acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).collect()
    }

    /// Waits until so many more are acknowledged in each partition.
    pub(crate) async fn goes_on(&self, nodes: &mut Nodes, more: u64) {
        let before = self.acknowledged();
        let grown = async |_: &mut Nodes| {
            let now = self.acknowledged();
            now.iter().zip(&before).all(|(now, before)| *now >= before + more).then_some(())
        };
        until(nodes, &format!("{more} more records are acknowledged in each partition"), grown).await;
    }

    /// Stops, and waits until the fate of all records is known.
    pub(crate) async fn end(self) -> Vec<Notes> {
        self.stop.send_replace(true);
        let mut notes = Vec::new();
        for writer in self.writers {
            notes.push(writer.await.expect("a writer ends"));
        }
        notes
    }
}

fn config(manner: Manner) -> ProducerConfig {
    let usual =
        ProducerConfig { linger: Duration::from_millis(1), create_topics: false, ..Default::default() };
    match manner {
        // Longer than any story.
        Manner::Patient => ProducerConfig {
            delivery_timeout: Duration::from_secs(3_600),
            max_block: Duration::from_secs(3_600),
            ..usual
        },
        Manner::Hasty => ProducerConfig { delivery_timeout: Duration::from_secs(1), ..usual },
        Manner::Careless => ProducerConfig {
            acks: Acks::Leader,
            idempotence: false,
            retries: 0,
            in_flight_max: 1,
            delivery_timeout: Duration::from_secs(1),
            ..usual
        },
    }
}

async fn write(
    cluster: Cluster,
    mut notes: Notes,
    stopped: watch::Receiver<bool>,
    acknowledged: Arc<Vec<AtomicU64>>,
) -> Notes {
    let (writer, partition, manner) = (notes.writer.clone(), notes.partition, notes.manner);
    let (hand_on, mut taken) = mpsc::channel::<Result<Delivery, ClientError>>(WINDOW);
    let noting = tokio::spawn(async move {
        while let Some(taken) = taken.recv().await {
            let fate = match taken {
                Ok(delivery) => match delivery.wait().await {
                    Ok(written) => Fate::Acknowledged(written.offset),
                    Err(error) if error.is_in_doubt() => Fate::Unknown(error.to_string()),
                    Err(error) => Fate::Refused(error.to_string()),
                },
                Err(error) => Fate::Refused(error.to_string()),
            };
            if manner == Manner::Patient && matches!(fate, Fate::Acknowledged(_)) {
                let count = usize::try_from(partition).ok().and_then(|at| acknowledged.get(at));
                count.expect("a partition").fetch_add(1, Ordering::SeqCst);
            }
            notes.fates.push(fate);
        }
        notes
    });
    let producer = Producer::new(cluster, config(manner)).expect("a producer");
    let mut number = 0;
    while !*stopped.borrow() {
        let record = Record::new(TOPIC, value(&writer, number)).key(writer.clone()).partition(partition);
        number += 1;
        hand_on.send(producer.send(record).await).await.expect("someone takes notes");
        tokio::time::sleep(PACE).await;
    }
    producer.close().await;
    drop(hand_on);
    noting.await.expect("notes")
}
