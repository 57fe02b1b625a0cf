//! What a quorum core is told once: who it is, who votes, how patient it is.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::ReplicaKey;
use crate::{Epoch, NodeId, Offset};

/// The settings of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// This node, and the directory that holds its log.
    pub me: ReplicaKey,
    /// The voters (`controller.quorum.voters`). A directory of [`Uuid::ZERO`](crate::Uuid::ZERO) stands for any.
    pub voters: Vec<ReplicaKey>,
    /// How long a voter without a leader waits before it campaigns (`controller.quorum.election.timeout.ms`), at least;
    /// chance adds up to as much again.
    pub election_timeout: Duration,
    /// How long a voter waits at most that starts and knows of no leader, by chance; with pre-vote only. `None`, as in Kafka, stands for the election
    /// timeout. To ask at once is harmless: who follows a leader promises nothing, and promises bind nobody (KIP-996).
    pub first_election_timeout_max: Option<Duration>,
    /// How long a follower goes unanswered before it campaigns (`controller.quorum.fetch.timeout.ms`). A leader that
    /// has not heard of a majority for half as much again resigns, and repeats itself to the silent every half of it.
    pub fetch_timeout: Duration,
    /// How long who lost an election waits at most before the next (`controller.quorum.election.backoff.max.ms`).
    pub election_backoff_max: Duration,
    /// How long a request may go unanswered before it is sent again (`controller.quorum.request.timeout.ms`); a fetch, half the fetch
    /// timeout if that is less. Either should be more than `fetch_max_wait_ms`, or held fetches look lost.
    pub request_timeout: Duration,
    /// How long to wait before a request that failed is sent again (`controller.quorum.retry.backoff.ms`).
    pub retry_backoff: Duration,
    /// How long a leader may hold a fetch of ours that has nothing to bring, in milliseconds.
    pub fetch_max_wait_ms: u32,
    /// Whether to ask for the promise of votes before campaigning (KIP-996).
    pub pre_vote: bool,
}

impl Config {
    /// Kafka's own settings.
    pub fn new(me: ReplicaKey, voters: Vec<ReplicaKey>) -> Self {
        Self {
            me,
            voters,
            election_timeout: Duration::from_millis(1000),
            first_election_timeout_max: None,
            fetch_timeout: Duration::from_millis(2000),
            election_backoff_max: Duration::from_millis(1000),
            request_timeout: Duration::from_millis(2000),
            retry_backoff: Duration::from_millis(20),
            fetch_max_wait_ms: 500,
            pre_vote: true,
        }
    }

    /// Settings under which time is no part of the state, for a driver whose `now` never moves and who decides by
    /// [`Quorum::expire`](super::Quorum::expire) alone when a timer runs out: nothing is measured, and no dice are rolled.
    pub fn timeless(me: ReplicaKey, voters: Vec<ReplicaKey>) -> Self {
        Self {
            election_timeout: Duration::ZERO,
            fetch_timeout: Duration::ZERO,
            election_backoff_max: Duration::ZERO,
            request_timeout: Duration::ZERO,
            retry_backoff: Duration::ZERO,
            ..Self::new(me, voters)
        }
    }
}

/// What runs out. A core has at most one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Of a voter without a leader, of a round of votes, of a resigned leader: campaign.
    Election,
    /// Of a follower or an observer: its leader has not answered for too long.
    Fetch,
    /// Of a request that was not answered, or is put off: send it (again).
    Retry,
    /// Of a leader: resign, unless a majority has fetched since.
    CheckQuorum,
    /// Of a leader: say BeginQuorumEpoch to voters that have been silent.
    Beat,
    /// Of a leader: answer the held fetch that has waited longest, although there is nothing to say.
    Hold,
}

/// Records are refused: this node does not lead the epoch they were meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLeader {
    /// The epoch that this node is in.
    pub epoch: Epoch,
    /// Its leader, as far as known.
    pub leader: Option<NodeId>,
}

/// What was found does not make sense together: the node must not start, and nothing has been changed.
///
/// Shown, it says what was found, what was expected, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// No voters are configured.
    NoVoters,
    /// More voters are configured than a quorum can have.
    TooManyVoters {
        /// How many.
        found: usize,
    },
    /// A voter is configured twice.
    DuplicateVoter(NodeId),
    /// The saved epoch is negative.
    NegativeEpoch(Epoch),
    /// The saved leader is no voter.
    UnknownLeader {
        /// The leader that was saved.
        found: NodeId,
        /// The voters.
        voters: Vec<NodeId>,
    },
    /// The saved vote went to nobody that is a voter.
    UnknownCandidate {
        /// The candidate that was saved.
        found: ReplicaKey,
        /// The voters.
        voters: Vec<NodeId>,
    },
    /// The saved vote names this node, but another directory: the state belongs to another disk.
    ForeignVote {
        /// The candidate that was saved.
        found: ReplicaKey,
        /// This node.
        expected: ReplicaKey,
    },
    /// The saved state says that this node led or voted for itself, but it is no voter.
    NotAVoter {
        /// This node.
        me: NodeId,
        /// The voters.
        voters: Vec<NodeId>,
    },
    /// The log starts later than at 0, and no snapshot holds what is before.
    MissingSnapshot {
        /// Where the log starts.
        log_start: Offset,
        /// The end of the latest snapshot, if there is any.
        snapshot_end: Option<Offset>,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVoters => write!(
                f,
                "found no voters, expected at least one: name the controllers in controller.quorum.voters"
            ),
            Self::TooManyVoters { found } => write!(
                f,
                "found {found} voters, expected at most {}: name fewer in controller.quorum.voters",
                super::voters::VOTERS_MAX
            ),
            Self::DuplicateVoter(id) => {
                write!(f, "found voter {} twice, expected each once: correct controller.quorum.voters", id.0)
            }
            Self::NegativeEpoch(epoch) => write!(
                f,
                "found epoch {epoch} in quorum-state, expected 0 or more: the file is damaged; restore it, or give \
                 this node a new directory id and a blank directory"
            ),
            Self::UnknownLeader { found, voters } => write!(
                f,
                "found leader {} in quorum-state, expected one of the voters {}: correct controller.quorum.voters, or \
                 this directory is of another cluster",
                found.0,
                Ids(voters)
            ),
            Self::UnknownCandidate { found, voters } => write!(
                f,
                "found a vote for {} with directory {:032x} in quorum-state, expected one of the voters {}: correct \
                 controller.quorum.voters, or this directory is of another cluster",
                found.id.0,
                found.directory.0,
                Ids(voters)
            ),
            Self::ForeignVote { found, expected } => write!(
                f,
                "found a vote for this node, {}, with directory {:032x} in quorum-state, expected directory {:032x}: \
                 quorum-state was copied from another disk; put back that of this directory",
                found.id.0, found.directory.0, expected.directory.0
            ),
            Self::NotAVoter { me, voters } => write!(
                f,
                "found in quorum-state that this node, {}, led or stood for election, expected one of the voters {}: \
                 correct node.id or controller.quorum.voters",
                me.0,
                Ids(voters)
            ),
            Self::MissingSnapshot { log_start, snapshot_end } => {
                write!(f, "found a log that starts at offset {log_start} ")?;
                match snapshot_end {
                    None => write!(f, "and no snapshot")?,
                    Some(end) => write!(f, "and no snapshot that ends after {end}")?,
                }
                write!(
                    f,
                    ", expected a snapshot of everything before the log: restore the .checkpoint file, or give this node \
                     a new directory id and a blank directory"
                )
            }
        }
    }
}

impl core::error::Error for OpenError {}

/// Ids, with commas between them.
struct Ids<'a>(&'a [NodeId]);

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, id) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", id.0)?;
        }
        Ok(())
    }
}
