//! Where logs begin and end, where times are in them; deletion of records.

use std::collections::BTreeMap;

use highwater_wire::messages::delete_records::request::{DeleteRecordsPartition, DeleteRecordsTopic};
use highwater_wire::messages::list_offsets::request::{ListOffsetsPartition, ListOffsetsTopic};
use highwater_wire::messages::{DeleteRecordsRequest, ListOffsetsRequest};
use highwater_wire::{ErrorCode, Str};

use super::Admin;
use crate::cluster::{Cluster, Lane, TopicPartition};
use crate::error::{ClientError, check};

/// Which offset is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first that there is.
    Earliest,
    /// The next that consumers may not read yet: the high watermark.
    Latest,
    /// That of the record with the largest timestamp.
    MaxTimestamp,
    /// The first whose record's timestamp is at least this, in milliseconds since 1970.
    Timestamp(i64),
}

impl OffsetSpec {
    fn timestamp(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::Timestamp(timestamp) => timestamp,
        }
    }

    /// The first version of ListOffsets that has it.
    fn since(self) -> i16 {
        if self == Self::MaxTimestamp { 7 } else { 1 }
    }
}

/// An offset that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; -1 if no record is that young.
    pub offset: i64,
    /// The timestamp of its record; -1 where ends were asked for.
    pub timestamp: i64,
    /// The leader epoch of its record; -1 if that is not known.
    pub leader_epoch: i32,
}

/// One offset a partition, each asked of the partition's leader, all leaders at the same time.
pub(crate) async fn list_offsets(
    cluster: &Cluster,
    of: &BTreeMap<TopicPartition, OffsetSpec>,
) -> Result<BTreeMap<TopicPartition, Result<ListedOffset, ClientError>>, ClientError> {
    let mut found = BTreeMap::new();
    let began = std::time::Instant::now();
    let mut backoff = crate::cluster::Backoff::new(cluster.config());
    let mut left = of.clone();
    loop {
        let mut failed: BTreeMap<TopicPartition, ClientError> = BTreeMap::new();
        let mut by_leader: BTreeMap<i32, Vec<(TopicPartition, OffsetSpec, i32)>> = BTreeMap::new();
        for (partition, spec) in &left {
            match cluster.leader(partition).await {
                Ok(leader) => {
                    by_leader.entry(leader.broker).or_default().push((
                        partition.clone(),
                        *spec,
                        leader.epoch,
                    ));
                }
                Err(error) => _ = failed.insert(partition.clone(), error),
            }
        }
        for (broker, asked) in by_leader {
            match ask_leader(cluster, broker, &asked).await {
                Ok(answers) => {
                    for (partition, answer) in answers {
                        match answer {
                            Err(error) if error.is_retriable() => _ = failed.insert(partition, error),
                            answer => {
                                left.remove(&partition);
                                found.insert(partition, answer);
                            }
                        }
                    }
                }
                Err(error) => {
                    failed.extend(asked.into_iter().map(|(partition, ..)| (partition, error.clone())));
                }
            }
        }
        // What a broker left out of its answer is asked again, too.
        if left.is_empty() {
            return Ok(found);
        }
        let lasting: Vec<TopicPartition> =
            failed.iter().filter(|(_, error)| !error.is_retriable()).map(|(of, _)| of.clone()).collect();
        for partition in lasting {
            left.remove(&partition);
            if let Some(error) = failed.remove(&partition) {
                found.insert(partition, Err(error));
            }
        }
        let pause = backoff.next();
        if left.is_empty() || began.elapsed() + pause >= cluster.config().api_timeout {
            for partition in left.into_keys() {
                let last = failed.remove(&partition).map(Box::new);
                let what = format!("ListOffsets of {partition}");
                found.insert(partition, Err(ClientError::TimedOut { what, after: began.elapsed(), last }));
            }
            return Ok(found);
        }
        tokio::time::sleep(pause).await;
        let topics: Vec<Str> = left.keys().map(|partition| partition.topic.clone()).collect();
        // Whoever is asked next may be another; if nobody answers, the next attempt says so.
        let _ = cluster.refresh(Some(&topics)).await;
    }
}

type Listed = Vec<(TopicPartition, Result<ListedOffset, ClientError>)>;

async fn ask_leader(
    cluster: &Cluster,
    broker: i32,
    asked: &[(TopicPartition, OffsetSpec, i32)],
) -> Result<Listed, ClientError> {
    let mut topics: BTreeMap<Str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (partition, spec, epoch) in asked {
        topics.entry(partition.topic.clone()).or_default().push(ListOffsetsPartition {
            partition_index: partition.partition,
            current_leader_epoch: *epoch,
            timestamp: spec.timestamp(),
        });
    }
    let timeout = cluster.config().connection.request_timeout;
    let request = ListOffsetsRequest {
        replica_id: -1,
        isolation_level: 0,
        topics: topics.into_iter().map(|(name, partitions)| ListOffsetsTopic { name, partitions }).collect(),
        timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
    };
    let connection = cluster.broker(broker, Lane::Ask).await?;
    let version = connection.version::<ListOffsetsRequest>(i16::MAX)?;
    if asked.iter().any(|(_, spec, _)| spec.since() > version) {
        let place = connection.place().to_owned();
        return Err(ClientError::Unsupported { place, api: "ListOffsets (largest timestamp)" });
    }
    let answer = connection.submit(&request, version).await?.wait().await?;
    let mut listed = Listed::new();
    for topic in answer.topics {
        for partition in topic.partitions {
            let of = TopicPartition::new(topic.name.clone(), partition.partition_index);
            let found = ListedOffset {
                offset: partition.offset,
                timestamp: partition.timestamp,
                leader_epoch: partition.leader_epoch,
            };
            let about = || format!("partition {of}");
            let result = check("ListOffsets", about, partition.error_code, None).map(|()| found);
            listed.push((of, result));
        }
    }
    Ok(listed)
}

impl Admin {
    /// One offset a partition.
    ///
    /// # Errors
    /// If nothing can be asked. Errors of single partitions are in the answer.
    pub async fn list_offsets(
        &self,
        of: &BTreeMap<TopicPartition, OffsetSpec>,
    ) -> Result<BTreeMap<TopicPartition, Result<ListedOffset, ClientError>>, ClientError> {
        list_offsets(self.cluster(), of).await
    }

    /// Deletes records before these offsets; -1 is the high watermark. Gives where each log begins then.
    ///
    /// # Errors
    /// If a leader is not known. Errors of single partitions are in the answer.
    pub async fn delete_records(
        &self,
        before: &BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, Result<i64, ClientError>>, ClientError> {
        let mut results = BTreeMap::new();
        for (of, offset) in before {
            let partitions = vec![DeleteRecordsPartition { partition_index: of.partition, offset: *offset }];
            let request = DeleteRecordsRequest {
                topics: vec![DeleteRecordsTopic { name: of.topic.clone(), partitions }],
                timeout_ms: self.timeout_ms(),
            };
            let result = self.cluster().retry("DeleteRecords", true, || async {
                let asked = async {
                    let leader = self.cluster().leader(of).await?;
                    let answer = self.broker(leader.broker).await?.ask(&request).await?;
                    let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
                    let (code, low) = partition
                        .map_or((ErrorCode::UNKNOWN_SERVER_ERROR.0, -1), |partition| {
                            (partition.error_code, partition.low_watermark)
                        });
                    check("DeleteRecords", || format!("partition {of}"), code, None).map(|()| low)
                };
                let result = asked.await;
                if result.is_err() {
                    // The next attempt goes to whoever leads by then, if anybody says so.
                    let _ = self.cluster().refresh(Some(std::slice::from_ref(&of.topic))).await;
                }
                result
            });
            results.insert(of.clone(), result.await);
        }
        Ok(results)
    }
}
