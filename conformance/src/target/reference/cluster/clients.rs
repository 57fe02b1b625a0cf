//! Producers and consumers of a simulated cluster.

use std::time::Duration;

use bytes::Bytes;
use highwater_core::NO_EPOCH;
use highwater_core::batch::{BatchBuilder, batches};
use highwater_core::partition::{self, PartitionError, PartitionFetch};
use highwater_node::message::{
    ClientRequest, ClientResponse, Fetch, FetchPartition, FetchReader, Produce, TopicPartition,
};
use highwater_simulation::stage::Reply;

use super::{Cluster, errors, violated};
use crate::scenario::{Member, Value};
use crate::target::Fault;
use crate::target::cluster::{Acks, Clients};

/// How many bytes a consumer asks for at once.
const FETCH_BYTES: u32 = 64 << 10;

/// A leader, as the metadata say.
struct Led {
    node: Member,
    partition: TopicPartition,
    epoch: i32,
}

impl Cluster {
    /// Who leads, by the newest of what nodes say that run.
    fn led(&self, topic: &str) -> Result<Led, Fault> {
        let mut newest: Option<(i32, Option<highwater_core::NodeId>, TopicPartition)> = None;
        for node in self.running() {
            let Some(partition) = self.partition_of(node, topic) else { continue };
            let image = self.stage.node(node.0.into()).map(highwater_node::Node::image);
            let Some(state) = image.and_then(|image| image.partition(partition.topic, 0)) else { continue };
            if newest.as_ref().is_none_or(|(epoch, ..)| *epoch < state.leader_epoch) {
                newest = Some((state.leader_epoch, state.leader, partition));
            }
        }
        match newest {
            None => Err(Fault::Refused(format!("UNKNOWN_TOPIC_OR_PARTITION: {topic}"))),
            Some((_, None, _)) => Err(Fault::Refused(format!("LEADER_NOT_AVAILABLE: {topic}"))),
            Some((epoch, Some(leader), partition)) => {
                Ok(Led { node: super::member_of(leader)?, partition, epoch })
            }
        }
    }

    fn produce_one(
        &mut self,
        node: Member,
        partition: TopicPartition,
        acks: Acks,
        value: &Value,
        within: Duration,
    ) -> Result<Option<u64>, Fault> {
        let milliseconds = i64::try_from(self.stage.now().as_millis()).unwrap_or(i64::MAX);
        let mut builder = BatchBuilder::new(0, NO_EPOCH);
        builder.record(milliseconds, None, Some(value.as_bytes()));
        let produce = Produce {
            acks: match acks {
                Acks::None => partition::Acks::None,
                Acks::Leader => partition::Acks::Leader,
                Acks::All => partition::Acks::All,
            },
            // The leader gives up a little before its client does.
            timeout_ms: u32::try_from(within.as_millis() * 9 / 10).unwrap_or(u32::MAX),
            partitions: vec![(partition, Bytes::from(builder.build()))],
        };
        let reply =
            self.stage.ask(node.0.into(), ClientRequest::Produce(produce), within).map_err(violated)?;
        let answer = match reply {
            Reply::NobodyListens => return Err(Fault::Refused(format!("{node} does not run"))),
            _ if acks == Acks::None => return Ok(None),
            Reply::Silence => return Err(Fault::InDoubt(format!("{node} does not answer"))),
            Reply::Answer(answer) => *answer,
        };
        let ClientResponse::Produce(mut answers) = answer else {
            return Err(Fault::Broken(format!("{node} answers a producer with {answer:?}")));
        };
        match answers.pop() {
            Some((_, Ok(produced))) => u64::try_from(produced.base)
                .map(Some)
                .map_err(|_| Fault::Broken(format!("{node} says offset {}", produced.base))),
            Some((_, Err(refusal))) => {
                let message = refusal.message.as_deref().unwrap_or_default();
                let told = errors::told(refusal.error as i16, message);
                Err(if is_open(refusal.error, acks) { Fault::InDoubt(told) } else { Fault::Refused(told) })
            }
            None => Err(Fault::Broken(format!("{node} answers a producer with nothing"))),
        }
    }

    /// Reads all that a node gives to consumers, in the epoch that is known.
    fn read(&mut self, led: &Led, within: Duration) -> Result<Vec<(u64, Value)>, Fault> {
        let Led { node, partition, epoch } = *led;
        let until = self.stage.now() + within;
        // As a consumer finds it by ListOffsets.
        let replica = self.stage.node(node.0.into()).and_then(|node| node.replica(partition));
        let start = replica.map_or(0, |replica| replica.log.start());
        let (mut position, mut read) = (start, Vec::new());
        loop {
            let fetch = PartitionFetch { leader_epoch: epoch, offset: position, last_epoch: NO_EPOCH };
            let fetch = Fetch {
                reader: FetchReader::Consumer,
                max_wait_ms: 0,
                min_bytes: 1,
                max_bytes: FETCH_BYTES,
                partitions: vec![FetchPartition { partition, fetch, max_bytes: FETCH_BYTES }],
            };
            let left = until.saturating_sub(self.stage.now());
            let reply = self.stage.ask(node.0.into(), ClientRequest::Fetch(fetch), left).map_err(violated)?;
            let answer = match reply {
                Reply::NobodyListens => return Err(Fault::Refused(format!("{node} does not run"))),
                Reply::Silence => return Err(Fault::InDoubt(format!("{node} does not answer"))),
                Reply::Answer(answer) => *answer,
            };
            let ClientResponse::Fetch(mut answers) = answer else {
                return Err(Fault::Broken(format!("{node} answers a consumer with {answer:?}")));
            };
            let Some(fetched) = answers.pop() else {
                return Err(Fault::Broken(format!("{node} answers a consumer with nothing")));
            };
            if let Some(error) = fetched.answer.error {
                return Err(Fault::Refused(errors::told(error as i16, "")));
            }
            let before = position;
            take(&fetched.records, &mut position, &mut read)?;
            if position == before {
                return Ok(read);
            }
        }
    }
}

/// Whether records may have been appended in spite of an error. Who waits for all may have waited already.
fn is_open(error: PartitionError, acks: Acks) -> bool {
    match error {
        PartitionError::RequestTimedOut
        | PartitionError::NotEnoughReplicasAfterAppend
        | PartitionError::StorageError => true,
        PartitionError::NotLeaderOrFollower | PartitionError::UnknownTopicOrPartition => acks == Acks::All,
        _ => false,
    }
}

impl Clients for Cluster {
    fn produce(
        &mut self,
        topic: &str,
        acks: Acks,
        values: &[Value],
        within: Duration,
    ) -> Result<Vec<u64>, Fault> {
        let node = self.led(topic)?.node;
        self.produce_to(node, topic, acks, values, within)
    }

    fn produce_to(
        &mut self,
        node: Member,
        topic: &str,
        acks: Acks,
        values: &[Value],
        within: Duration,
    ) -> Result<Vec<u64>, Fault> {
        let running = self.running();
        let partition = running.iter().find_map(|node| self.partition_of(*node, topic));
        let partition =
            partition.ok_or_else(|| Fault::Refused(format!("UNKNOWN_TOPIC_OR_PARTITION: {topic}")))?;
        let mut offsets = Vec::new();
        for value in values {
            offsets.extend(self.produce_one(node, partition, acks, value, within)?);
        }
        Ok(offsets)
    }

    fn consume(&mut self, topic: &str, within: Duration) -> Result<Vec<(u64, Value)>, Fault> {
        let led = self.led(topic)?;
        self.read(&led, within)
    }

    fn consume_at(
        &mut self,
        node: Member,
        topic: &str,
        within: Duration,
    ) -> Result<Vec<(u64, Value)>, Fault> {
        let led = self.led(topic)?;
        self.read(&Led { node, ..led }, within)
    }
}

/// Takes the records of whole batches from a position on.
fn take(bytes: &[u8], position: &mut i64, read: &mut Vec<(u64, Value)>) -> Result<(), Fault> {
    let unsound = |error: &dyn std::fmt::Display| Fault::Broken(format!("a consumer is given: {error}"));
    for batch in batches(bytes) {
        let batch = batch.map_err(|error| unsound(&error))?;
        for record in batch.records().map_err(|error| unsound(&error))? {
            let record = record.map_err(|error| unsound(&error))?;
            if record.offset >= *position {
                let offset = u64::try_from(record.offset).map_err(|error| unsound(&error))?;
                let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
                read.push((offset, value));
            }
        }
        *position = batch.header().end_offset();
    }
    Ok(())
}
