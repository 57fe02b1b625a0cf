//! What producers send: checked, appended, and answered once all of a request is decided.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use highwater_core::batch::{self, BatchError, BatchHeader, TimestampType};
use highwater_core::controller::Image;
use highwater_core::partition::{Acks, PartitionError};
use highwater_core::producer::Verdict;
use highwater_core::{Instant, Offset, Token};
use highwater_log::disk::Disk;

use crate::broker::Broker;
use crate::config::NodeConfig;
use crate::fetching::absence;
use crate::message::{ClientResponse, Produce, Produced, Refusal, TopicPartition};
use crate::ports::{Fatal, Ports};
use crate::settings::TopicSettings;

/// No timestamp.
const NO_TIMESTAMP: i64 = -1;

/// The requests of producers that are not answered yet.
#[derive(Debug, Default)]
pub(crate) struct Produces {
    open: BTreeMap<Token, OpenProduce>,
}

/// A request of a producer.
///
/// - `index` has each partition once, with its place in `parts`.
/// - `waiting` counts the parts that wait.
#[derive(Debug)]
struct OpenProduce {
    parts: Vec<(TopicPartition, Part)>,
    index: BTreeMap<TopicPartition, usize>,
    waiting: usize,
}

#[derive(Debug)]
enum Part {
    /// Appended, and not acknowledged yet.
    Waits(Produced),
    /// Decided.
    Decided(Result<Produced, Refusal>),
}

impl Produces {
    /// What came of a partition of a request; the answer to the request, if nothing else of it waits. Of requests that nobody waits for
    /// any more nothing comes.
    pub(crate) fn decide(
        &mut self,
        token: Token,
        id: TopicPartition,
        result: Result<Offset, PartitionError>,
    ) -> Option<ClientResponse> {
        let open = self.open.get_mut(&token)?;
        let (_, part) = open.parts.get_mut(*open.index.get(&id)?)?;
        let Part::Waits(produced) = part else { return None };
        let decided = match result {
            Ok(base) => Ok(Produced { base, ..*produced }),
            Err(error) => Err(error.into()),
        };
        *part = Part::Decided(decided);
        open.waiting -= 1;
        self.answer(token)
    }

    /// Nobody waits for this request any more.
    pub(crate) fn forget(&mut self, token: Token) {
        self.open.remove(&token);
    }

    fn answer(&mut self, token: Token) -> Option<ClientResponse> {
        if self.open.get(&token)?.waiting > 0 {
            return None;
        }
        let open = self.open.remove(&token)?;
        let decided = |(id, part)| match part {
            Part::Decided(result) => (id, result),
            Part::Waits(produced) => (id, Ok(produced)),
        };
        Some(ClientResponse::Produce(open.parts.into_iter().map(decided).collect()))
    }
}

impl<D: Disk> Broker<D> {
    /// A producer's batches.
    pub(crate) fn produce(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        image: &Image,
        token: Token,
        produce: Produce,
    ) -> Result<(), Fatal> {
        let Produce { acks, timeout_ms, partitions } = produce;
        let deadline = ports.now + Duration::from_millis(timeout_ms.into());
        let count = partitions.len();
        let (parts, index) = (Vec::with_capacity(count), BTreeMap::new());
        // One more than there are, so that nothing is answered before all are appended.
        self.produces.open.insert(token, OpenProduce { parts, index, waiting: 1 });
        for (id, records) in partitions {
            let part = self.part(ports, config, image, (token, acks, deadline), id, &records)?;
            if let Some(open) = self.produces.open.get_mut(&token) {
                open.waiting += usize::from(matches!(part, Part::Waits(_)));
                open.parts.push((id, part));
            }
            self.drain(ports, id, &Bytes::new())?;
        }
        if let Some(open) = self.produces.open.get_mut(&token) {
            open.waiting -= 1;
        }
        if let Some(response) = self.produces.answer(token) {
            ports.answer(token, response);
        }
        Ok(())
    }

    /// What becomes of one partition of a request at once.
    fn part(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        image: &Image,
        (token, acks, deadline): (Token, Acks, Instant),
        id: TopicPartition,
        records: &Bytes,
    ) -> Result<Part, Fatal> {
        let Some(open) = self.produces.open.get_mut(&token) else {
            return Ok(Part::Decided(Err(PartitionError::InvalidRequest.into())));
        };
        let place = open.parts.len();
        if open.index.contains_key(&id) {
            let message = "found the partition twice, expected it once in a request".into();
            let refusal = Refusal { error: PartitionError::InvalidRequest, message: Some(message) };
            return Ok(Part::Decided(Err(refusal)));
        }
        open.index.insert(id, place);
        if !self.replicas.contains_key(&id) {
            return Ok(Part::Decided(Err(absence(image, id).into())));
        }
        Ok(match self.append(ports, config, (token, acks, deadline), id, records)? {
            Ok(produced) if acks == Acks::None => Part::Decided(Ok(produced)),
            Ok(produced) => Part::Waits(produced),
            Err(refusal) => Part::Decided(Err(refusal)),
        })
    }

    fn append(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        (token, acks, deadline): (Token, Acks, Instant),
        id: TopicPartition,
        records: &Bytes,
    ) -> Result<Result<Produced, Refusal>, Fatal> {
        let Some(replica) = self.replicas.get_mut(&id) else {
            return Ok(Err(PartitionError::UnknownTopicOrPartition.into()));
        };
        let now_ms = config.timestamp_ms(ports.now);
        let count = match check(records, &replica.settings, now_ms) {
            Ok(header) => header.count.cast_unsigned(),
            Err(refusal) => return Ok(Err(refusal)),
        };
        match replica.judge(acks, records) {
            Ok(Verdict::Append) => {}
            Ok(Verdict::Duplicate(original)) => {
                return Ok(replica.repeat((token, acks, deadline), &original).map_err(Refusal::from));
            }
            Err(refusal) => return Ok(Err(refusal)),
        }
        let extent = match replica.core.produce(ports.now, token, acks, count, deadline) {
            Ok(extent) => extent,
            Err(error) => return Ok(Err(error.into())),
        };
        let mut bytes = records.to_vec();
        batch::assign(&mut bytes, extent.base, extent.epoch)
            .map_err(|error| failed(&replica.topic, id, error))?;
        let log_append_time = match replica.settings.timestamp_type {
            TimestampType::CreateTime => NO_TIMESTAMP,
            TimestampType::LogAppendTime => {
                batch::stamp(&mut bytes, now_ms);
                now_ms
            }
        };
        replica.append(&bytes).map_err(|error| failed(&replica.topic, id, error))?;
        replica.flush_if_due(id, ports);
        let log_start = replica.core.log().start();
        Ok(Ok(Produced { base: extent.base, log_append_time, log_start }))
    }
}

/// What was accepted cannot be appended.
fn failed(topic: &str, id: TopicPartition, error: impl fmt::Display) -> Fatal {
    Fatal::new(format!("appending to {topic}-{}", id.partition), error)
}

/// Checks what a producer wants appended: one batch, as Kafka has it since format 2.
fn check(records: &[u8], settings: &TopicSettings, now_ms: i64) -> Result<BatchHeader, Refusal> {
    let refused = |error, message: String| Refusal { error, message: Some(message.into()) };
    if let Err(error) = batch::produced(records) {
        return Err(refused(error_of(&error), error.to_string()));
    }
    let header = BatchHeader::parse(records).map_err(|error| refused(error_of(&error), error.to_string()))?;
    if header.size < records.len() {
        let message = "found several batches, expected one for a partition".to_owned();
        return Err(refused(PartitionError::InvalidRecord, message));
    }
    let largest = settings.max_message_bytes;
    if header.size > largest {
        let message = format!(
            "found a batch of {} bytes, expected at most {largest} (max.message.bytes of the topic)",
            header.size
        );
        return Err(refused(PartitionError::MessageTooLarge, message));
    }
    if header.base_offset != 0 {
        let message = format!("found base offset {}, expected 0 of a producer", header.base_offset);
        return Err(refused(PartitionError::InvalidRecord, message));
    }
    if header.is_transactional() {
        let message =
            "found a batch of a transaction, expected none: transactions are not supported".to_owned();
        return Err(refused(PartitionError::InvalidTxnState, message));
    }
    if header.timestamp_type() == TimestampType::LogAppendTime {
        let message = "found timestamp type LogAppendTime, expected CreateTime of a producer".to_owned();
        return Err(refused(PartitionError::InvalidTimestamp, message));
    }
    let latest = header.max_timestamp;
    if settings.timestamp_type == TimestampType::CreateTime
        && latest != NO_TIMESTAMP
        && !settings.timestamps_around(now_ms).contains(&latest)
    {
        let bounds = settings.timestamps_around(now_ms);
        let (from, to) = (bounds.start(), bounds.end());
        let message = format!(
            "found timestamp {latest}, expected {from} to {to} (message.timestamp.before.max.ms, message.timestamp.after.max.ms)"
        );
        return Err(refused(PartitionError::InvalidTimestamp, message));
    }
    Ok(header)
}

/// The protocol's error for bytes that are no batch of a producer.
fn error_of(error: &BatchError) -> PartitionError {
    match error {
        BatchError::UnknownCodec { .. } => PartitionError::UnsupportedCompressionType,
        BatchError::Truncated { .. } | BatchError::Length { .. } | BatchError::Checksum { .. } => {
            PartitionError::CorruptMessage
        }
        _ => PartitionError::InvalidRecord,
    }
}
