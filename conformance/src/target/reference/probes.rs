//! What probes of the reference's quorums and clusters have in common.

use bytes::Bytes;
use highwater_core::batch::{BatchBuilder, batches};
use highwater_core::quorum::{
    FetchRequest, FetchResponse, QuorumError, ReplicaKey, Request, Response, VoteRequest,
};
use highwater_core::{Epoch, NodeId, Offset};

use super::cluster::errors;
use crate::scenario::Value;
use crate::target::Fault;
use crate::target::probe::Answer;

/// A client's record where it is.
pub(super) struct Placed {
    pub(super) offset: Offset,
    pub(super) epoch: i64,
    pub(super) value: Value,
}

/// An epoch as messages have it.
pub(super) fn epoch(number: i64) -> Result<Epoch, Fault> {
    Epoch::try_from(number)
        .map_err(|_| Fault::Unsupported(format!("an epoch of {number}: it has 32 bits with a sign")))
}

/// The clients' records of some batches.
pub(super) fn records(bytes: &[u8]) -> Result<Vec<Placed>, Fault> {
    let broken = |error: &dyn std::fmt::Display| Fault::Broken(format!("an answer has batches with {error}"));
    let mut all = Vec::new();
    for batch in batches(bytes) {
        let batch = batch.map_err(|error| broken(&error))?;
        if batch.header().is_control() {
            continue;
        }
        for record in batch.records().map_err(|error| broken(&error))? {
            let record = record.map_err(|error| broken(&error))?;
            let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
            all.push(Placed { offset: record.offset, epoch: batch.header().leader_epoch.into(), value });
        }
    }
    Ok(all)
}

/// A vote of a candidate with this epoch, last epoch and end.
pub(super) fn quorum_vote(
    candidate: ReplicaKey,
    voter: ReplicaKey,
    (at, last_epoch, end): (i64, i64, i64),
    pre_vote: bool,
) -> Result<Request, Fault> {
    let (at, last_epoch) = (epoch(at)?, epoch(last_epoch)?);
    Ok(Request::Vote(VoteRequest { epoch: at, candidate, voter, last_epoch, last_offset: end, pre_vote }))
}

/// A fetch of a replica with this epoch, last epoch and end, which does not wait.
pub(super) fn quorum_fetch(
    replica: ReplicaKey,
    (at, last_epoch, offset): (i64, i64, i64),
) -> Result<Request, Fault> {
    let (at, last_epoch) = (epoch(at)?, epoch(last_epoch)?);
    Ok(Request::Fetch(FetchRequest {
        replica,
        epoch: at,
        offset,
        last_epoch,
        high_watermark: None,
        max_wait_ms: 0,
    }))
}

/// The answer of `leader` to a fetch, with these records, each a batch of its own with this epoch, and the bytes of them.
pub(super) fn forged_answer(
    asked: &FetchRequest,
    leader: NodeId,
    records: &[(Value, u64)],
) -> Result<(Response, Bytes), Fault> {
    let (mut offset, mut bytes) = (asked.offset, Vec::new());
    for (value, number) in records {
        let mut batch = BatchBuilder::new(offset, epoch(i64::try_from(*number).unwrap_or(i64::MAX))?);
        batch.record(0, None, Some(value.as_bytes()));
        bytes.extend(batch.build());
        offset += 1;
    }
    let response = FetchResponse {
        error: None,
        epoch: asked.epoch,
        leader: Some(leader),
        high_watermark: asked.high_watermark,
        log_start: 0,
        diverging: None,
        snapshot: None,
        // The node finds out by itself which records these are.
        records: Vec::new(),
    };
    Ok((Response::Fetch(response), bytes.into()))
}

/// What a quorum says, with the clients' records of these bytes.
pub(super) fn quorum_answer(response: &Response, bytes: &[u8]) -> Result<Answer, Fault> {
    let refused = |error: QuorumError| Ok(Answer::Refused { error: errors::told(error as i16, "") });
    match response {
        Response::Vote(vote) => match vote.error {
            Some(error) => refused(error),
            None if vote.granted => Ok(Answer::Granted),
            None => Ok(Answer::Denied),
        },
        Response::Fetch(fetch) => match (fetch.error, fetch.diverging, fetch.snapshot) {
            (Some(error), ..) => refused(error),
            (None, Some(end), _) => Ok(Answer::Diverging { epoch: end.epoch.into(), end: end.end }),
            (None, None, Some(_)) => Ok(Answer::Snapshot),
            (None, None, None) => {
                let values = records(bytes)?.into_iter().map(|record| record.value);
                Ok(Answer::Records { values: values.collect() })
            }
        },
        other => Err(Fault::Broken(format!("a probe is answered with something else: {other:?}"))),
    }
}
