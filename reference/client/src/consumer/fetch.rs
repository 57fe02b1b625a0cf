//! Fetches under way, and records that came and were not handed out yet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use highwater_core::batch::{BatchError, Codec, RecordBatch, TimestampType, batches};
use highwater_wire::messages::fetch::request::{FetchPartition, FetchTopic};
use highwater_wire::messages::fetch::response::PartitionData;
use highwater_wire::messages::{FetchRequest, FetchResponse};
use highwater_wire::{ErrorCode, Str, Uuid};
use tokio::task::JoinSet;

use super::ConsumerConfig;
use crate::cluster::{Cluster, Lane, Leader, TopicPartition};
use crate::codec;
use crate::error::{ClientError, Unreadable};

/// The newest version that names topics by name, for topics whose id is not known.
const BY_NAME: i16 = 12;

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumedRecord {
    /// From which partition.
    pub partition: TopicPartition,
    /// Its offset.
    pub offset: i64,
    /// The leader epoch in which it was written.
    pub leader_epoch: i32,
    /// In milliseconds since 1970; -1 for unknown.
    pub timestamp: i64,
    /// What the timestamp means.
    pub timestamp_type: TimestampType,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; none marks a deletion.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<(Str, Option<Bytes>)>,
}

/// What came of a fetch for one partition.
pub(super) struct Fetched {
    pub(super) partition: TopicPartition,
    /// From which offset it was fetched.
    pub(super) from: i64,
    pub(super) result: Result<Records, ClientError>,
}

/// Records in order, and what is next after them.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) records: VecDeque<ConsumedRecord>,
    pub(super) next: i64,
}

/// Where to read on.
#[derive(Debug, Clone)]
pub(super) struct Want {
    pub(super) partition: TopicPartition,
    pub(super) offset: i64,
    pub(super) leader: Leader,
}

struct Landed {
    broker: i32,
    fetched: Vec<Fetched>,
}

/// At most one fetch a broker is under way.
pub(super) struct Fetcher {
    cluster: Cluster,
    config: ConsumerConfig,
    requests: JoinSet<Landed>,
    busy: BTreeSet<i32>,
    /// Partitions that a fetch is under way for.
    asked: BTreeMap<i32, BTreeSet<TopicPartition>>,
}

impl Fetcher {
    pub(super) fn new(cluster: Cluster, config: ConsumerConfig) -> Self {
        Self { cluster, config, requests: JoinSet::new(), busy: BTreeSet::new(), asked: BTreeMap::new() }
    }

    /// Asks the leaders that are not being asked.
    pub(super) fn ask(&mut self, wants: Vec<Want>) {
        let mut by_leader: BTreeMap<i32, Vec<Want>> = BTreeMap::new();
        for want in wants {
            let broker = want.leader.broker;
            let is_asked = self.asked.values().any(|asked| asked.contains(&want.partition));
            if !self.busy.contains(&broker) && !is_asked {
                by_leader.entry(broker).or_default().push(want);
            }
        }
        for (broker, wants) in by_leader {
            self.busy.insert(broker);
            self.asked.insert(broker, wants.iter().map(|want| want.partition.clone()).collect());
            let (cluster, config) = (self.cluster.clone(), self.config.clone());
            self.requests.spawn(async move {
                let fetched = match fetch(&cluster, &config, broker, &wants).await {
                    Ok(fetched) => fetched,
                    Err(error) => wants.into_iter().map(|want| failed(want, error.clone())).collect(),
                };
                Landed { broker, fetched }
            });
        }
    }

    /// The next that comes. Pends while nothing is under way.
    pub(super) async fn next(&mut self) -> Vec<Fetched> {
        match self.requests.join_next().await {
            Some(landed) => self.landed(landed.ok()),
            None => std::future::pending().await,
        }
    }

    /// What came already.
    pub(super) fn come(&mut self) -> Vec<Fetched> {
        let mut fetched = Vec::new();
        while let Some(landed) = self.requests.try_join_next() {
            fetched.extend(self.landed(landed.ok()));
        }
        fetched
    }

    fn landed(&mut self, landed: Option<Landed>) -> Vec<Fetched> {
        let Some(Landed { broker, fetched }) = landed else {
            // A task that ended badly: nobody knows of which broker.
            self.requests.abort_all();
            self.busy.clear();
            self.asked.clear();
            return Vec::new();
        };
        self.busy.remove(&broker);
        self.asked.remove(&broker);
        fetched
    }
}

fn failed(want: Want, error: ClientError) -> Fetched {
    Fetched { partition: want.partition, from: want.offset, result: Err(error) }
}

async fn fetch(
    cluster: &Cluster,
    config: &ConsumerConfig,
    broker: i32,
    wants: &[Want],
) -> Result<Vec<Fetched>, ClientError> {
    let view = cluster.view();
    let id = |topic: &Str| view.topics.get(topic).map_or(Uuid::ZERO, |topic| topic.id);
    let connection = cluster.broker(broker, Lane::Fetch).await?;
    let named = wants.iter().any(|want| id(&want.partition.topic) == Uuid::ZERO);
    let version = connection.version::<FetchRequest>(if named { BY_NAME } else { i16::MAX })?;
    let mut topics: BTreeMap<Str, Vec<FetchPartition>> = BTreeMap::new();
    let mut names: BTreeMap<Uuid, Str> = BTreeMap::new();
    for want in wants {
        let topic = &want.partition.topic;
        names.insert(id(topic), topic.clone());
        topics.entry(topic.clone()).or_default().push(FetchPartition {
            partition: want.partition.partition,
            current_leader_epoch: want.leader.epoch,
            fetch_offset: want.offset,
            partition_max_bytes: config.partition_bytes_max,
            ..Default::default()
        });
    }
    let topic = |(topic, partitions): (Str, Vec<FetchPartition>)| FetchTopic {
        topic_id: id(&topic),
        topic,
        partitions,
    };
    let request = FetchRequest {
        max_wait_ms: i32::try_from(config.fetch_wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: config.fetch_bytes_min,
        max_bytes: config.fetch_bytes_max,
        rack_id: config.rack.clone().unwrap_or_default(),
        topics: topics.into_iter().map(topic).collect(),
        ..Default::default()
    };
    let answer = connection.submit(&request, version).await?;
    let answer = answer.within(cluster.config().connection.request_timeout + config.fetch_wait).await?;
    if answer.error_code != 0 {
        return Err(ClientError::broker("Fetch", format!("broker {broker}"), answer.error_code, None));
    }
    Ok(taken(answer, &names, wants, config.decompressed_bytes_max))
}

/// What the answer has of each partition that was asked for.
fn taken(
    answer: FetchResponse,
    names: &BTreeMap<Uuid, Str>,
    wants: &[Want],
    decompressed_bytes_max: usize,
) -> Vec<Fetched> {
    let mut answers: BTreeMap<TopicPartition, PartitionData> = BTreeMap::new();
    for topic in answer.responses {
        let name = match topic.topic_id {
            Uuid::ZERO => topic.topic,
            id => names.get(&id).cloned().unwrap_or_default(),
        };
        for partition in topic.partitions {
            answers.insert(TopicPartition::new(name.clone(), partition.partition_index), partition);
        }
    }
    let mut fetched = Vec::with_capacity(wants.len());
    for want in wants {
        let of = &want.partition;
        let result = match answers.remove(of) {
            // Brokers leave out what they have nothing for.
            None => Ok(Records { next: want.offset, ..Records::default() }),
            Some(data) if data.error_code != 0 => {
                Err(ClientError::broker("Fetch", format!("partition {of}"), data.error_code, None))
            }
            Some(data) => read(of, want.offset, &data.records.unwrap_or_default(), decompressed_bytes_max)
                .map_err(|because| ClientError::records(of.to_string(), want.offset, &because)),
        };
        fetched.push(Fetched { partition: of.clone(), from: want.offset, result });
    }
    fetched
}

/// The records from `offset` on. A batch may begin before it, and the last may be cut off.
fn read(of: &TopicPartition, offset: i64, bytes: &Bytes, limit: usize) -> Result<Records, Unreadable> {
    let mut found = Records { records: VecDeque::new(), next: offset };
    for (number, batch) in batches(bytes).enumerate() {
        let batch = match batch {
            Ok(batch) => batch,
            Err(BatchError::Truncated { .. }) if number > 0 => break,
            Err(error) => return Err(Unreadable::Batch(error)),
        };
        let header = *batch.header();
        if header.end_offset() <= found.next {
            continue;
        }
        if !header.is_control() {
            let codec = header.codec();
            let plain = match codec {
                Codec::None => bytes.slice_ref(batch.bytes()),
                codec => {
                    let plain =
                        codec::readable(batch.bytes(), codec, true, limit).map_err(Unreadable::Codec)?;
                    Bytes::from(plain.into_owned())
                }
            };
            let batch = RecordBatch::parse(&plain).map_err(Unreadable::Batch)?;
            take(of, &batch, &plain, &mut found)?;
        }
        found.next = header.end_offset();
    }
    Ok(found)
}

fn take(
    of: &TopicPartition,
    batch: &RecordBatch<'_>,
    plain: &Bytes,
    found: &mut Records,
) -> Result<(), Unreadable> {
    let header = batch.header();
    for (index, record) in (0..).zip(batch.records().map_err(Unreadable::Batch)?) {
        let record = record.map_err(|error| Unreadable::Batch(BatchError::Record { index, error }))?;
        if record.offset < found.next {
            continue;
        }
        let part = |bytes: Option<&[u8]>| bytes.map(|bytes| plain.slice_ref(bytes));
        let headers = record.headers.iter().map(|header| (Str::from(header.key), part(header.value)));
        found.records.push_back(ConsumedRecord {
            partition: of.clone(),
            offset: record.offset,
            leader_epoch: header.leader_epoch,
            timestamp: record.timestamp,
            timestamp_type: header.timestamp_type(),
            key: part(record.key),
            value: part(record.value),
            headers: headers.collect(),
        });
    }
    Ok(())
}

/// What to do about an error of a fetch.
pub(super) enum Cure {
    /// Ask who leads, and try again.
    Refresh,
    /// Find a new position.
    Reset,
    /// Tell the caller.
    Tell,
}

pub(super) fn cure(error: &ClientError) -> Cure {
    match error.code() {
        Some(ErrorCode::OFFSET_OUT_OF_RANGE) => Cure::Reset,
        Some(_) | None if error.is_retriable() => Cure::Refresh,
        _ => Cure::Tell,
    }
}

/// What is waited before a partition whose fetch failed is asked for again.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use highwater_core::batch::{BatchBuilder, assign};

    use super::*;

    fn batch(base: i64, values: &[&[u8]], codec: Codec) -> Vec<u8> {
        let mut builder = BatchBuilder::default();
        for value in values {
            builder.record(7, Some(b"k"), Some(value));
        }
        let mut bytes = codec::compressed(builder.build(), codec).expect("compresses");
        assign(&mut bytes, base, 3).expect("a batch");
        bytes
    }

    fn offsets(records: &Records) -> Vec<i64> {
        records.records.iter().map(|record| record.offset).collect()
    }

    #[test]
    fn read_in_midst_of_a_batch_leaves_out_what_is_before() {
        let bytes = Bytes::from(batch(10, &[b"a", b"b", b"c"], Codec::Zstd));
        let found = read(&TopicPartition::new("t", 0), 11, &bytes, 1 << 20).expect("reads");
        assert_eq!((offsets(&found), found.next), (vec![11, 12], 13));
    }

    #[test]
    fn read_last_batch_cut_off_ends_before_it() {
        let mut bytes = batch(0, &[b"a"], Codec::Gzip);
        bytes.extend_from_slice(&batch(1, &[b"b"], Codec::None)[..40]);
        let found = read(&TopicPartition::new("t", 0), 0, &Bytes::from(bytes), 1 << 20).expect("reads");
        assert_eq!((offsets(&found), found.next), (vec![0], 1));
    }

    #[test]
    fn read_more_than_the_limit_is_refused() {
        let large = vec![0; 100_000];
        let bytes = Bytes::from(batch(0, &[&large], Codec::Lz4));
        assert!(bytes.len() < 10_000);
        let refused = read(&TopicPartition::new("t", 0), 0, &bytes, 10_000);
        assert!(matches!(refused, Err(Unreadable::Codec(_))));
    }
}
