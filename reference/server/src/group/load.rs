//! Reading the log of a partition of `__consumer_offsets`, in pieces.

use std::time::Duration;

use bytes::Bytes;
use highwater_codec::{DECOMPRESSED_MAX, readable};
use highwater_core::batch::{BatchError, RecordBatch, RecordError, batches};
use highwater_core::group::{Groups, LoadError, Loaded};
use highwater_core::partition::{PartitionError, PartitionFetch};
use highwater_core::{NO_EPOCH, Offset};
use highwater_node::message::{ClientRequest, ClientResponse, Fetch, FetchPartition, FetchReader};

use crate::runtime::{NodeHandle, Term};

/// How many bytes are read at once.
const PIECE: u32 = 256 << 10;

/// How long a piece is waited for until the high watermark is known to be past it, in milliseconds.
const WAIT_MS: u32 = 500;

/// How long after a new leader did not know how far records are committed it is asked again.
const RETRY: Duration = Duration::from_millis(20);

/// Where loading starts and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) from: Offset,
    pub(super) end: Offset,
}

/// Where the log begins and ends, if the node leads in this term.
pub(super) async fn extent(node: NodeHandle, term: Term) -> Option<Extent> {
    let look = node.look(move |node| {
        let log = node.replica(term.partition).filter(|_| term.holds(node))?.log;
        Some(Extent { from: log.start(), end: log.end() })
    });
    look.await.ok().flatten()
}

/// A piece of the log.
#[derive(Debug)]
pub(super) enum Piece {
    /// These batches; none if none is committed yet.
    Batches(Bytes),
    /// The log starts only here now.
    StartsAt(Offset),
    /// The node does not lead in this term.
    Lost,
    /// The log cannot be read.
    Failed(PartitionError),
}

/// Reads what is committed from an offset on.
pub(super) async fn piece(node: NodeHandle, term: Term, from: Offset) -> Piece {
    let fetch = PartitionFetch { leader_epoch: term.epoch, offset: from, last_epoch: NO_EPOCH };
    let partition = FetchPartition { partition: term.partition, fetch, max_bytes: PIECE };
    let fetch = Fetch {
        reader: FetchReader::ConsumerOfLeader,
        max_wait_ms: WAIT_MS,
        min_bytes: 1,
        max_bytes: PIECE,
        partitions: vec![partition],
    };
    let Ok(ClientResponse::Fetch(mut fetched)) = node.ask(ClientRequest::Fetch(fetch)).await else {
        return Piece::Lost;
    };
    let Some(fetched) = fetched.pop() else { return Piece::Lost };
    match fetched.answer.error {
        None => Piece::Batches(fetched.records),
        Some(PartitionError::OffsetOutOfRange) if from < fetched.answer.log_start => {
            Piece::StartsAt(fetched.answer.log_start)
        }
        // A new leader that does not know yet how far its records are committed.
        Some(PartitionError::OffsetNotAvailable) => {
            tokio::time::sleep(RETRY).await;
            Piece::Batches(Bytes::new())
        }
        Some(
            PartitionError::NotLeaderOrFollower
            | PartitionError::FencedLeaderEpoch
            | PartitionError::UnknownLeaderEpoch
            | PartitionError::UnknownTopicOrPartition
            | PartitionError::UnknownTopicId,
        ) => Piece::Lost,
        Some(error) => Piece::Failed(error),
    }
}

/// Gives batches to a core; where they end. They may be compressed, as Kafka writes them with `offsets.topic.compression.codec`. What is before `from` is passed over.
///
/// # Errors
/// A sentence, if they hold what no coordinator wrote.
pub(super) fn load(
    core: &mut Groups,
    bytes: &[u8],
    from: Offset,
    total: &mut Loaded,
) -> Result<Offset, String> {
    let mut end = from;
    for batch in batches(bytes) {
        let batch = batch.map_err(|error| format!("after offset {end}: {error}"))?;
        let header = batch.header();
        end = end.max(header.end_offset());
        if header.is_control() {
            continue;
        }
        let base = header.base_offset;
        let unsound = |error: BatchError| format!("the batch at offset {base}: {error}");
        let readable = readable(batch.bytes(), header.codec(), true, DECOMPRESSED_MAX);
        let readable = readable.map_err(|error| format!("the batch at offset {base}: {error}"))?;
        let batch = RecordBatch::parse(&readable).map_err(unsound)?;
        let records = batch.records().map_err(unsound)?;
        let records = records.collect::<Result<Vec<_>, RecordError>>();
        let records = records.map_err(|error| format!("the batch at offset {base}: {error}"))?;
        let wanted = records.iter().filter(|record| record.offset >= from);
        let loaded = core.load(wanted.map(|record| (record.key, record.value)));
        let loaded = loaded.map_err(|error: LoadError| format!("the batch at offset {base}: {error}"))?;
        total.applied += loaded.applied;
        for (kind, count) in loaded.passed_over {
            *total.passed_over.entry(kind).or_default() += count;
        }
    }
    Ok(end)
}
