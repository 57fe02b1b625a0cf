//! What goes into the quorum core and what comes out of it.
//!
//! Requests and responses are Kafka's, field by field as far as the protocol needs them. An answer comes back together with the
//! request that it answers, so that nothing is matched by guess: the driver keeps what it sent until it is answered or given up.

use alloc::vec::Vec;

use crate::{Epoch, EpochEnd, Extent, NO_EPOCH, NodeId, Offset, Token, Uuid};

/// A voter: the node and the directory that holds its log (KIP-853). A disk that was lost comes back as another directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaKey {
    /// `node.id`.
    pub id: NodeId,
    /// `directory.id`; [`Uuid::ZERO`] if not known.
    pub directory: Uuid,
}

/// What a voter must not forget (`quorum-state`): one atomic file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ElectionState {
    /// The epoch; 0 before any election.
    pub epoch: Epoch,
    /// The leader of the epoch, once known.
    pub leader: Option<NodeId>,
    /// For whom this voter voted in the epoch. With the leader known it may be forgotten.
    pub voted: Option<ReplicaKey>,
}

/// A snapshot of everything below `end`, whose last record is of `epoch` (KIP-630).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId {
    /// The offset after the last record in it.
    pub end: Offset,
    /// The epoch of that record.
    pub epoch: Epoch,
}

/// A request among controllers, or of an observer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    /// Asks for a vote (or for the promise of one, KIP-996).
    Vote(VoteRequest),
    /// Says who leads.
    BeginQuorumEpoch(BeginQuorumEpochRequest),
    /// Says that the leader resigns.
    EndQuorumEpoch(EndQuorumEpochRequest),
    /// Asks for records, says where the log ends, acknowledges what is before.
    Fetch(FetchRequest),
    /// Asks for a part of a snapshot.
    FetchSnapshot(FetchSnapshotRequest),
}

/// The answer to a [`Request`] of the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Response {
    /// To [`Request::Vote`].
    Vote(VoteResponse),
    /// To [`Request::BeginQuorumEpoch`].
    BeginQuorumEpoch(EpochResponse),
    /// To [`Request::EndQuorumEpoch`].
    EndQuorumEpoch(EpochResponse),
    /// To [`Request::Fetch`].
    Fetch(FetchResponse),
    /// To [`Request::FetchSnapshot`].
    FetchSnapshot(FetchSnapshotResponse),
}

impl Response {
    /// The epoch of whoever answers, and its leader as far as that is known.
    pub fn epoch_and_leader(&self) -> (Epoch, Option<NodeId>) {
        match self {
            Self::Vote(response) => (response.epoch, response.leader),
            Self::BeginQuorumEpoch(response) | Self::EndQuorumEpoch(response) => {
                (response.epoch, response.leader)
            }
            Self::Fetch(response) => (response.epoch, response.leader),
            Self::FetchSnapshot(response) => (response.epoch, response.leader),
        }
    }
}

/// `Vote`, version 2.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VoteRequest {
    /// The epoch of the candidate (of a prospective: its present epoch).
    pub epoch: Epoch,
    /// Who asks.
    pub candidate: ReplicaKey,
    /// Who is asked, as the candidate knows it.
    pub voter: ReplicaKey,
    /// The epoch of the last record of the candidate's log.
    pub last_epoch: Epoch,
    /// The end of the candidate's log.
    pub last_offset: Offset,
    /// Whether this is a pre-vote, which binds nobody.
    pub pre_vote: bool,
}

impl VoteRequest {
    /// Whether no candidate can ever ask so: a log that ends nowhere, or in an epoch that the candidate is not past.
    /// (Of a promise: not in.)
    pub(super) fn contradicts_itself(&self) -> bool {
        let is_ahead =
            if self.pre_vote { self.last_epoch > self.epoch } else { self.last_epoch >= self.epoch };
        is_ahead || ends_nowhere(self.last_offset, self.last_epoch)
    }
}

impl FetchRequest {
    /// Whether no replica can ever ask so: from nowhere, or with records of an epoch after its own.
    pub(super) fn contradicts_itself(&self) -> bool {
        self.epoch < 0 || self.last_epoch > self.epoch || ends_nowhere(self.offset, self.last_epoch)
    }
}

/// Whether no log ends so. One without a last epoch is empty.
fn ends_nowhere(end: Offset, last_epoch: Epoch) -> bool {
    end < 0 || last_epoch < NO_EPOCH || last_epoch == NO_EPOCH && end > 0
}

/// The answer to a [`VoteRequest`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VoteResponse {
    /// Why it was not even considered.
    pub error: Option<QuorumError>,
    /// The voter's epoch.
    pub epoch: Epoch,
    /// The leader of that epoch, if the voter knows it.
    pub leader: Option<NodeId>,
    /// Whether the vote is given.
    pub granted: bool,
}

/// `BeginQuorumEpoch`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BeginQuorumEpochRequest {
    /// The epoch that begins.
    pub epoch: Epoch,
    /// Who leads it, and says so.
    pub leader: NodeId,
    /// To whom it is said, as the leader knows it.
    pub voter: ReplicaKey,
}

/// `EndQuorumEpoch`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndQuorumEpochRequest {
    /// The epoch that ends.
    pub epoch: Epoch,
    /// Who led it, and says so.
    pub leader: NodeId,
    /// Who should campaign, the one who has fetched most first.
    pub successors: Vec<NodeId>,
}

/// The answer to [`BeginQuorumEpochRequest`] and [`EndQuorumEpochRequest`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochResponse {
    /// Why it was refused.
    pub error: Option<QuorumError>,
    /// The receiver's epoch.
    pub epoch: Epoch,
    /// The leader of that epoch, if the receiver knows it.
    pub leader: Option<NodeId>,
}

/// `Fetch` of the metadata log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchRequest {
    /// Who fetches.
    pub replica: ReplicaKey,
    /// The epoch in which it follows.
    pub epoch: Epoch,
    /// The end of its log, up to which all is flushed if it is a voter.
    pub offset: Offset,
    /// The epoch of its last record.
    pub last_epoch: Epoch,
    /// Its high watermark, if known: the leader answers at once if it has a later one.
    pub high_watermark: Option<Offset>,
    /// How long the leader may wait for something to say, in milliseconds.
    pub max_wait_ms: u32,
}

/// The answer to a [`FetchRequest`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchResponse {
    /// Why there are no records.
    pub error: Option<QuorumError>,
    /// The receiver's epoch.
    pub epoch: Epoch,
    /// The leader of that epoch, if the receiver knows it.
    pub leader: Option<NodeId>,
    /// The leader's high watermark, if it knows one.
    pub high_watermark: Option<Offset>,
    /// Where the leader's log starts.
    pub log_start: Offset,
    /// Where the follower has to truncate instead.
    pub diverging: Option<EpochEnd>,
    /// Which snapshot the follower has to fetch instead.
    pub snapshot: Option<SnapshotId>,
    /// The records. Leaving the core: those that may be sent, of which the driver sends as many from the front as it wants (whole batches)
    /// and says so here. Entering the core: those that came, checked.
    pub records: Vec<Extent>,
}

/// `FetchSnapshot`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchSnapshotRequest {
    /// Who fetches.
    pub replica: ReplicaKey,
    /// The epoch in which it follows.
    pub epoch: Epoch,
    /// Which snapshot.
    pub snapshot: SnapshotId,
    /// From which byte on.
    pub position: u64,
}

/// The answer to a [`FetchSnapshotRequest`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchSnapshotResponse {
    /// Why there are no bytes.
    pub error: Option<QuorumError>,
    /// The receiver's epoch.
    pub epoch: Epoch,
    /// The leader of that epoch, if the receiver knows it.
    pub leader: Option<NodeId>,
    /// Which snapshot.
    pub snapshot: SnapshotId,
    /// The size of the whole, in bytes. Leaving the core it is 0, and the driver fills it in.
    pub size: u64,
    /// Where the bytes that came with this begin.
    pub position: u64,
    /// How many bytes came with this. Leaving the core it is 0, and the driver reads, attaches and says how many.
    pub length: u64,
}

/// Kafka's errors among controllers. The numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum QuorumError {
    /// The receiver does not lead (any more, or yet).
    NotLeaderOrFollower = 6,
    /// A fetch that was held, until another of the same replica took its place: nobody waits for this answer.
    RequestTimedOut = 7,
    /// A field contradicts another, or the receiver's role.
    InvalidRequest = 42,
    /// The sender's epoch is behind.
    FencedLeaderEpoch = 74,
    /// The sender's epoch is ahead.
    UnknownLeaderEpoch = 75,
    /// Whoever asks is no voter, or is asked as another than it is.
    InconsistentVoterSet = 94,
    /// A snapshot that is not there.
    SnapshotNotFound = 98,
    /// Beyond the end of a snapshot.
    PositionOutOfRange = 99,
    /// The request names another directory than the receiver's.
    InvalidVoterKey = 125,
}

/// What a driver tells the core.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// A request came. The answer will carry the token, perhaps much later.
    Request {
        /// Names the request.
        token: Token,
        /// What it asks.
        request: Request,
    },
    /// An answer came.
    Response {
        /// Who answers.
        from: NodeId,
        /// What had been asked.
        request: Request,
        /// What it says.
        response: Response,
    },
    /// A request will not be answered: its connection broke, or its time is up.
    Failed {
        /// Who was asked.
        to: NodeId,
        /// What had been asked.
        request: Request,
    },
    /// Everything below `through` is on disk.
    Flushed {
        /// The offset after the last such record.
        through: Offset,
    },
    /// The snapshot that [`Effect::WriteSnapshot`] was about is complete on disk; or the state machine took one.
    Snapshot(SnapshotId),
    /// The node wants to stop, or its state machine cannot lead: resign, if leading.
    Resign,
}

/// What the core wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Make this durable, atomically, **before** any later effect.
    SaveElection(ElectionState),
    /// Cut the log at this offset, before any later effect.
    Truncate {
        /// The new end.
        end: Offset,
    },
    /// Append a LeaderChange control record (KIP-595) at this extent, of one record.
    AppendLeaderChange {
        /// Where.
        extent: Extent,
        /// Who leads.
        leader: NodeId,
        /// The voters.
        voters: Vec<NodeId>,
        /// Those who elected it.
        granting: Vec<NodeId>,
    },
    /// Append the records that came with the answer that is being handled, all of them.
    AppendFetched {
        /// The end of the log after that.
        end: Offset,
    },
    /// Flush the log, and say [`Input::Flushed`] when it is done.
    Flush {
        /// At least up to here.
        through: Offset,
    },
    /// Write the bytes that came with the answer that is being handled to a snapshot; say [`Input::Snapshot`] when `complete` and durable.
    WriteSnapshot {
        /// Which.
        snapshot: SnapshotId,
        /// Where in it.
        position: u64,
        /// Whether these are the last.
        complete: bool,
    },
    /// Drop the whole log: it goes on at the end of this snapshot, which the state machine has to load.
    RestartFromSnapshot(SnapshotId),
    /// Send a request.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        request: Request,
    },
    /// Answer a request.
    Reply {
        /// Which.
        token: Token,
        /// What.
        response: Response,
    },
    /// The high watermark rose: records below may be applied.
    Committed {
        /// The high watermark.
        high_watermark: Offset,
    },
    /// The state machine leads from `start` on, once it has applied everything below (KAFKA-15345).
    Lead {
        /// The epoch.
        epoch: Epoch,
        /// The offset of its LeaderChange record.
        start: Offset,
    },
    /// The state machine does not lead any more.
    Unlead {
        /// The epoch that it does not lead.
        epoch: Epoch,
    },
}
