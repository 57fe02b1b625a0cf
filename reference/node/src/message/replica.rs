//! What followers ask of leaders, in fetch sessions (KIP-227).

use bytes::Bytes;
use highwater_core::Offset;
use highwater_core::partition::{PartitionFetch, PartitionFetched};

use super::TopicPartition;

/// Which fetch of which session a request is.
///
/// | epoch | id | the request names |
/// |---|---|---|
/// | -1 | 0, or a session that ends | all that is wanted; no session is wanted |
/// | 0 | 0, or a session that ends | all that is wanted, and wants a session |
/// | 1 and up | the session | what changed since the fetch before, which had the epoch before |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchSession {
    /// The session, as its leader named it; 0 for none.
    pub id: i32,
    /// Counts the fetches of a session.
    pub epoch: i32,
}

impl FetchSession {
    /// Neither in a session nor to begin one.
    pub const NONE: Self = Self { id: 0, epoch: -1 };

    /// To begin a session, while there is none that would end by it.
    pub const NEW: Self = Self { id: 0, epoch: 0 };

    /// The first fetch of a session that has begun.
    pub fn begun(id: i32) -> Self {
        Self { id, epoch: 1 }
    }

    /// To begin a session in the place of this one.
    pub fn anew(self) -> Self {
        Self { epoch: 0, ..self }
    }

    /// The fetch after this one. Epochs come back to 1, since 0 begins a session.
    pub fn next(self) -> Self {
        Self { epoch: self.epoch.checked_add(1).unwrap_or(1), ..self }
    }

    /// Whether the request names all that is wanted.
    pub fn is_full(self) -> bool {
        self.epoch <= 0
    }
}

/// Why a fetch of a session is not served. The numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum FetchSessionError {
    /// There is no such session of this follower.
    NotFound = 70,
    /// The session expects another epoch: a request was lost, came late or came twice.
    InvalidEpoch = 71,
}

/// A follower's fetch of partitions whose leader is the receiver.
#[derive(Debug, Clone)]
pub struct ReplicaFetch {
    /// Its broker epoch.
    pub broker_epoch: i64,
    /// The session.
    pub session: FetchSession,
    /// What it wants: all of it, or what differs from what it wanted before, as the session says.
    pub partitions: Vec<ReplicaFetchPartition>,
    /// What it wants no more, of the session.
    pub forgotten: Vec<TopicPartition>,
    /// How long the leader may wait for something to say, in milliseconds.
    pub max_wait_ms: u32,
    /// How many bytes are worth an answer before that.
    pub min_bytes: u32,
    /// How many bytes at most of all partitions together, though never less than a batch.
    pub max_bytes: u32,
}

/// What a follower wants of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaFetchPartition {
    /// Which.
    pub partition: TopicPartition,
    /// From where on.
    pub fetch: PartitionFetch,
    /// Where the follower's log starts: for the low watermark of DeleteRecords (KIP-107).
    pub log_start: Offset,
    /// How many bytes at most, though never less than a batch.
    pub max_bytes: u32,
}

/// The answer to a [`ReplicaFetch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaFetched {
    /// The session in which the next fetch may name what changed; 0 if it has to name all.
    pub session: i32,
    /// About all partitions of a full fetch, or about those of the session of which there is something to say; each with its bytes.
    pub answers: Vec<(TopicPartition, PartitionFetched, Bytes)>,
}
