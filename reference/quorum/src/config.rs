//! What a member is told once.

use std::fmt;
use std::time::Duration;

use highwater_core::quorum::{self, ReplicaKey};
use highwater_core::{NodeId, Uuid};
use highwater_log::LogError;

use crate::log::LogSettings;

/// The settings of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The quorum's name: what is of another is refused, on disk and from the network.
    pub cluster_id: String,
    /// Which member this is.
    pub id: NodeId,
    /// All members that vote, the same everywhere. A directory of [`Uuid::ZERO`] stands for any; with the id that [`Replica::format`] gave it, a
    /// member whose disk was lost cannot vote twice in an epoch.
    ///
    /// [`Replica::format`]: crate::Replica::format
    pub voters: Vec<ReplicaKey>,
    /// How long a member without a leader waits before it campaigns, at least; chance adds up to as much again. 1 s.
    pub election_timeout: Duration,
    /// How long a member waits at most that starts and knows of no leader: what it asks for then binds nobody (KIP-996). 50 ms; `None`, as in Kafka,
    /// stands for `election_timeout`.
    pub first_election_timeout_max: Option<Duration>,
    /// How long a leader may be silent; it resigns when it has not heard of a majority for half as much again. 2 s.
    pub fetch_timeout: Duration,
    /// How long who lost an election waits at most before the next. 1 s.
    pub election_backoff_max: Duration,
    /// When a request among members counts as lost. 2 s.
    pub request_timeout: Duration,
    /// How long after a failed request the next is sent. 20 ms.
    pub retry_backoff: Duration,
    /// How long a leader may hold a fetch that it has nothing to answer to; less than half of `fetch_timeout`. 500 ms.
    pub fetch_wait_max: Duration,
    /// Whether a candidate asks for the promise of votes first, so that who comes back from a cut link deposes nobody (KIP-996). Yes.
    pub pre_vote: bool,
    /// How many bytes of records go in one answer, and of a snapshot in one part. 8 MiB.
    pub fetch_bytes_max: u32,
    /// The longest record. 1 MiB.
    pub record_bytes_max: usize,
    /// How many proposals and reads may wait at a time. 10,000.
    pub waiting_max: usize,
    /// After so many bytes of log a snapshot is taken, and the log before it forgotten. 20 MiB, as in Kafka.
    pub snapshot_bytes: u64,
    /// A segment of the log holds so many bytes. 64 MiB.
    pub segment_bytes: u32,
    /// What the wall clock said when the driver's clock said zero, in milliseconds since 1970: for the timestamps in files, which decide nothing.
    pub clock_origin_ms: i64,
}

impl Config {
    /// Kafka's own timeouts.
    pub fn new(cluster_id: impl Into<String>, id: i32, voters: impl IntoIterator<Item = i32>) -> Self {
        let key = |id| ReplicaKey { id: NodeId(id), directory: Uuid::ZERO };
        Self {
            cluster_id: cluster_id.into(),
            id: NodeId(id),
            voters: voters.into_iter().map(key).collect(),
            election_timeout: Duration::from_millis(1_000),
            first_election_timeout_max: Some(Duration::from_millis(50)),
            fetch_timeout: Duration::from_millis(2_000),
            election_backoff_max: Duration::from_millis(1_000),
            request_timeout: Duration::from_millis(2_000),
            retry_backoff: Duration::from_millis(20),
            fetch_wait_max: Duration::from_millis(500),
            pre_vote: true,
            fetch_bytes_max: 8 << 20,
            record_bytes_max: 1 << 20,
            waiting_max: 10_000,
            snapshot_bytes: 20 << 20,
            segment_bytes: 64 << 20,
            clock_origin_ms: 0,
        }
    }

    /// All timeouts scaled so that a silent leader is missed after `silence`.
    #[must_use]
    pub fn with_fetch_timeout(mut self, silence: Duration) -> Self {
        self.fetch_timeout = silence;
        self.election_timeout = silence / 2;
        self.election_backoff_max = silence / 2;
        self.request_timeout = silence;
        self.fetch_wait_max = silence / 4;
        self
    }

    pub(crate) fn of_log(&self) -> LogSettings {
        LogSettings {
            fetch_bytes_max: self.fetch_bytes_max,
            snapshot_part_bytes: self.fetch_bytes_max,
            snapshot_bytes: self.snapshot_bytes,
            clock_origin_ms: self.clock_origin_ms,
        }
    }

    pub(crate) fn of_core(&self, directory: Uuid) -> quorum::Config {
        quorum::Config {
            me: ReplicaKey { id: self.id, directory },
            voters: self.voters.clone(),
            election_timeout: self.election_timeout,
            first_election_timeout_max: self.first_election_timeout_max,
            fetch_timeout: self.fetch_timeout,
            election_backoff_max: self.election_backoff_max,
            request_timeout: self.request_timeout,
            retry_backoff: self.retry_backoff,
            fetch_max_wait_ms: u32::try_from(self.fetch_wait_max.as_millis()).unwrap_or(u32::MAX),
            pre_vote: self.pre_vote,
        }
    }
}

/// Why a member cannot start. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenError {
    /// Where: a file, or a setting.
    pub place: String,
    /// What was found, what was expected, what to do.
    pub message: String,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for OpenError {}

impl From<LogError> for OpenError {
    fn from(error: LogError) -> Self {
        Self { place: "the data directory".to_owned(), message: error.to_string() }
    }
}

/// Why a member has to stop: its disk failed, or what is on it cannot be. What it had not said yet is not said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fatal(pub String);

impl Fatal {
    /// What was done, and how it failed.
    pub fn new(doing: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self(format!("{doing}: {error}"))
    }
}

impl From<LogError> for Fatal {
    fn from(error: LogError) -> Self {
        Self(error.to_string())
    }
}

impl From<Fatal> for OpenError {
    fn from(Fatal(message): Fatal) -> Self {
        Self { place: "start".to_owned(), message }
    }
}
