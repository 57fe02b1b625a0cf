//! Offsets: where logs begin and end, by time, and where leader epochs end.

use highwater_core::controller::Image;
use highwater_core::partition::{Partition, PartitionError, Role};
use highwater_core::{Epoch, EpochEnd, NO_EPOCH};
use highwater_log::disk::Disk;

use crate::broker::Broker;
use crate::fetching::absence;
use crate::message::{
    ClientResponse, EpochQuery, ListOffsets, ListedOffset, OffsetAt, OffsetQuery, OffsetReader,
};
use crate::ports::Fatal;
use crate::replica::Replica;

/// What was found of one partition.
type Listed = Result<Option<ListedOffset>, PartitionError>;

impl<D: Disk> Broker<D> {
    /// Finds offsets.
    pub(crate) fn list_offsets(&self, image: &Image, asked: &ListOffsets) -> Result<ClientResponse, Fatal> {
        let mut found = Vec::with_capacity(asked.partitions.len());
        for query in &asked.partitions {
            let id = query.partition;
            let listed = match self.replicas.get(&id) {
                None => Err(absence(image, id)),
                Some(replica) => match may_ask(&replica.core, asked.reader, query.leader_epoch) {
                    Some(error) => Err(error),
                    None => list(replica, asked.reader, query)?,
                },
            };
            found.push((id, listed));
        }
        Ok(ClientResponse::ListOffsets(found))
    }

    /// Where leader epochs end.
    pub(crate) fn offsets_for_leader_epoch(&self, image: &Image, asked: &[EpochQuery]) -> ClientResponse {
        let answer = |query: &EpochQuery| {
            let id = query.partition;
            let end = match self.replicas.get(&id) {
                None => Err(absence(image, id)),
                Some(replica) => {
                    let core = &replica.core;
                    match may_ask(core, OffsetReader::Client, query.current_leader_epoch) {
                        Some(error) => Err(error),
                        None => Ok(end_of_epoch(core, query.epoch)),
                    }
                }
            };
            (id, end)
        };
        ClientResponse::OffsetsForLeaderEpoch(asked.iter().map(answer).collect())
    }
}

/// Why somebody who believes in this leader epoch is not answered.
fn may_ask(core: &Partition, reader: OffsetReader, epoch: Epoch) -> Option<PartitionError> {
    let known = core.leader_epoch();
    if epoch >= 0 && epoch < known {
        return Some(PartitionError::FencedLeaderEpoch);
    }
    if epoch > known {
        return Some(PartitionError::UnknownLeaderEpoch);
    }
    match core.role() {
        Role::Leader => None,
        Role::Unassigned => Some(PartitionError::NotLeaderOrFollower),
        Role::Follower { .. } | Role::Leaderless if reader == OffsetReader::Debug => None,
        Role::Follower { .. } | Role::Leaderless => Some(PartitionError::NotLeaderOrFollower),
    }
}

fn list<D: Disk>(replica: &Replica<D>, reader: OffsetReader, query: &OffsetQuery) -> Result<Listed, Fatal> {
    let core = &replica.core;
    let is_client = reader == OffsetReader::Client;
    let end = if is_client { core.high_watermark() } else { core.log().end() };
    // A new leader does not know how far records of earlier epochs are committed before its own are: what it would say might go back.
    let lags = is_client && core.epoch_start().is_some_and(|start| start > core.high_watermark());
    let by_time = |timestamp| {
        replica.log.offset_for_timestamp(timestamp).map_err(|error| {
            Fatal::new(format!("searching {}-{}", replica.topic, query.partition.partition), error)
        })
    };
    let found = match query.at {
        OffsetAt::Latest if lags => return Ok(Err(PartitionError::OffsetNotAvailable)),
        OffsetAt::Latest => {
            let leader_epoch = core.leader_epoch();
            return Ok(Ok(Some(ListedOffset { timestamp: -1, offset: end, leader_epoch })));
        }
        OffsetAt::Earliest => {
            let offset = core.log().start();
            let leader_epoch = core.log().epochs().epoch_at(offset).unwrap_or(NO_EPOCH);
            return Ok(Ok(Some(ListedOffset { timestamp: -1, offset, leader_epoch })));
        }
        OffsetAt::Timestamp(timestamp) => by_time(timestamp)?,
        OffsetAt::MaxTimestamp => {
            let latest = replica.log.latest_timestamp().map_err(|error| {
                Fatal::new(format!("searching {}-{}", replica.topic, query.partition.partition), error)
            })?;
            match latest {
                Some(latest) => by_time(latest)?,
                None => None,
            }
        }
    };
    Ok(match found {
        Some(found) if found.offset < end => {
            let (timestamp, offset, leader_epoch) = (found.timestamp, found.offset, found.epoch);
            Ok(Some(ListedOffset { timestamp, offset, leader_epoch }))
        }
        _ if lags => Err(PartitionError::OffsetNotAvailable),
        _ => Ok(None),
    })
}

/// The largest epoch not above this one that a leader's log knows, and where it ends. An epoch below all that are known ends where those begin,
/// and one above the leader's is not known.
fn end_of_epoch(core: &Partition, epoch: Epoch) -> Option<EpochEnd> {
    let log = core.log();
    if epoch == core.leader_epoch() {
        // It may have no records yet, and so no entry.
        return Some(EpochEnd { epoch, end: log.end() });
    }
    if epoch < 0 || epoch > core.leader_epoch() {
        return None;
    }
    let end = log.end_of(epoch);
    Some(if end.epoch == NO_EPOCH { EpochEnd { epoch, ..end } } else { end })
}
