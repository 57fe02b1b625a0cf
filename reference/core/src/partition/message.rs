//! What goes into the partition core and what comes out of it.

use alloc::vec::Vec;

use crate::{Epoch, EpochEnd, Extent, NodeId, Offset, Token};

/// A partition as the controller decided it: what a broker learns from the metadata log (`PartitionRecord`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PartitionState {
    /// All replicas, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// The in-sync replicas.
    pub isr: Vec<NodeId>,
    /// The eligible leader replicas (KIP-966); empty where that is off.
    pub elr: Vec<NodeId>,
    /// Those last in the ELR before it was emptied by an unclean shutdown (KIP-966).
    pub last_known_elr: Vec<NodeId>,
    /// Who leads, if anybody.
    pub leader: Option<NodeId>,
    /// Grows with each change of leader.
    pub leader_epoch: Epoch,
    /// Grows with each change.
    pub partition_epoch: i32,
    /// Whether the leader was elected uncleanly and has not yet recovered (KIP-704).
    pub recovery: LeaderRecovery,
}

/// KIP-704.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(i8)]
pub enum LeaderRecovery {
    /// Nothing to recover.
    #[default]
    Recovered = 0,
    /// Elected uncleanly; the ISR is the leader alone until it has recovered.
    Recovering = 1,
}

/// How many replicas must have a record before its producer is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Acks {
    /// None: the producer is not answered.
    None,
    /// The leader's log.
    Leader,
    /// All of the ISR, which must not be smaller than `min.insync.replicas`.
    All,
}

/// Who reads, and with which rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reader {
    /// A follower, which reads up to the log end and thereby says what it has.
    Replica {
        /// `node.id`.
        id: NodeId,
        /// Its broker epoch (KIP-903); -1 if it does not say.
        broker_epoch: i64,
    },
    /// A consumer, which reads up to the high watermark.
    Consumer,
    /// Whoever wants to see all that a replica has, in whatever role, and is no replica itself.
    Debug,
}

/// A fetch of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionFetch {
    /// The leader epoch that the reader believes in (KIP-320); [`NO_EPOCH`](crate::NO_EPOCH) if it does not say.
    pub leader_epoch: Epoch,
    /// From where on.
    pub offset: Offset,
    /// The epoch of the reader's last record before `offset` (KIP-595); [`NO_EPOCH`](crate::NO_EPOCH) if it does not say.
    pub last_epoch: Epoch,
}

/// The answer to a [`PartitionFetch`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionFetched {
    /// Why there are no records.
    pub error: Option<PartitionError>,
    /// The leader epoch of who answers.
    pub leader_epoch: Epoch,
    /// The high watermark of who answers.
    pub high_watermark: Offset,
    /// Where its log starts.
    pub log_start: Offset,
    /// Where the reader has to truncate instead.
    pub diverging: Option<EpochEnd>,
    /// The records. Leaving the core: those that may be sent, of which the driver sends as many from the front as it wants (whole
    /// batches) and says so here. Entering the core: those that came, checked.
    pub records: Vec<Extent>,
}

/// A change of ISR that a leader asks its controller for (`AlterPartition`, version 3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlterPartition {
    /// Who asks.
    pub leader: NodeId,
    /// Its broker epoch.
    pub broker_epoch: i64,
    /// Its leader epoch.
    pub leader_epoch: Epoch,
    /// The partition epoch that it knows.
    pub partition_epoch: i32,
    /// The ISR that it wants, each with the broker epoch that it fetched with (KIP-903).
    pub isr: Vec<(NodeId, i64)>,
    /// Whether it has recovered.
    pub recovery: LeaderRecovery,
}

/// The answer to [`AlterPartition`]: the partition as it is now, or why not.
pub type AlterPartitionResult = Result<PartitionState, PartitionError>;

/// Kafka's errors about partitions. The numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum PartitionError {
    /// The offset is not in the log.
    OffsetOutOfRange = 1,
    /// Batches that are not sound.
    CorruptMessage = 2,
    /// No such topic or partition (here).
    UnknownTopicOrPartition = 3,
    /// It has no leader now.
    LeaderNotAvailable = 5,
    /// The receiver does not lead it.
    NotLeaderOrFollower = 6,
    /// It took too long. Whether the records are committed is not known.
    RequestTimedOut = 7,
    /// A batch is larger than `message.max.bytes`.
    MessageTooLarge = 10,
    /// The name of a topic that clients may not use so.
    InvalidTopic = 17,
    /// The ISR is too small; nothing was appended.
    NotEnoughReplicas = 19,
    /// The ISR became too small after the records were appended.
    NotEnoughReplicasAfterAppend = 20,
    /// A timestamp is out of bounds, or of a type that a producer must not set.
    InvalidTimestamp = 32,
    /// The receiver is not the active controller.
    NotController = 41,
    /// A field contradicts another.
    InvalidRequest = 42,
    /// Records in a format that is not kept any more.
    UnsupportedForMessageFormat = 43,
    /// The configuration forbids it.
    PolicyViolation = 44,
    /// The first sequence number of a batch is not the one that follows (KIP-98).
    OutOfOrderSequenceNumber = 45,
    /// A batch that was appended long ago.
    DuplicateSequenceNumber = 46,
    /// A newer incarnation of the producer is known (KIP-98).
    InvalidProducerEpoch = 47,
    /// The request is one of a transaction, which are not supported.
    InvalidTxnState = 48,
    /// The log cannot be read or written.
    StorageError = 56,
    /// The partition knows nothing of the producer (any more).
    UnknownProducerId = 59,
    /// The sender's leader epoch is behind.
    FencedLeaderEpoch = 74,
    /// The sender's leader epoch is ahead.
    UnknownLeaderEpoch = 75,
    /// Records are compressed by a codec that is not known, or too new for the version of the request.
    UnsupportedCompressionType = 76,
    /// The sender's broker epoch is not its newest.
    StaleBrokerEpoch = 77,
    /// A new leader does not know yet how far records are committed.
    OffsetNotAvailable = 78,
    /// A record that may not be appended.
    InvalidRecord = 87,
    /// The partition changed meanwhile.
    InvalidUpdateVersion = 95,
    /// No topic has this id.
    UnknownTopicId = 100,
    /// Somebody in the ISR asked for may not join it.
    IneligibleReplica = 107,
    /// The leadership moved on while AlterPartition was decided.
    NewLeaderElected = 108,
}

/// What the core wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Cut the log at this offset, before any later effect.
    Truncate {
        /// The new end.
        end: Offset,
    },
    /// Drop the whole log; it goes on at `start`: the leader's begins beyond this replica's end.
    Restart {
        /// The new start, and end.
        start: Offset,
    },
    /// Append the records that came with the answer that is being handled, from their `from` on.
    AppendFetched {
        /// Records below are there already.
        from: Offset,
        /// The end of the log after that.
        end: Offset,
    },
    /// Delete records below; the leader has.
    ForgetBefore {
        /// The new start.
        start: Offset,
    },
    /// Ask the controller.
    AlterPartition(AlterPartition),
    /// Answer a producer.
    Produced {
        /// Which.
        token: Token,
        /// The offset of its first record, or why not.
        result: Result<Offset, PartitionError>,
    },
    /// Look again at a fetch that waits: there is something to answer now.
    Wake {
        /// Which.
        token: Token,
    },
    /// The high watermark moved.
    HighWatermark(Offset),
}
