//! The rules of the quorum core, named as in the model `kraft` where it has them.

use crate::rules::rules;

rules! {
    /// The rules of KRaft's consensus protocol. `Default` is the protocol as it should be.
    pub struct Rules {
        /// What a voter asks of a candidate's log (`kraft/vote/2`).
        log_check: LogCheck = LogCheck::EpochThenOffset,
        /// How long a vote is remembered (`kraft/vote/1`).
        vote_memory: VoteMemory = VoteMemory::WholeEpoch,
        /// The vote is on disk before it is answered (`kraft/vote/3`).
        durable_vote: bool = true,
        /// An epoch that a node only heard of is on disk before it says so (`kraft/epoch/7`; not in the model).
        durable_epoch: bool = true,
        /// A candidate counts only votes of its own epoch (`kraft/vote/4`).
        vote_epoch_check: bool = true,
        /// A candidate needs more than half of all voters (`kraft/vote/5`).
        election_majority: bool = true,
        /// Whoever hears of a later epoch gives up its role (`kraft/epoch/1`).
        step_down: bool = true,
        /// What a leader comes back as when it restarts (`kraft/epoch/2`).
        restart_role: RestartRole = RestartRole::Resigned,
        /// What makes a voter the same voter (`kraft/epoch/3`).
        identity: Identity = Identity::DirectoryId,
        /// How often a leader announces itself (`kraft/epoch/4`).
        begin_quorum: BeginQuorum = BeginQuorum::UntilHeard,
        /// A leader that has said that it resigns hinders nobody's promise of a vote (`kraft/epoch/8`; not in the model, which has no pre-vote).
        resignation_frees: bool = true,
        /// Who asks around for the leader (`kraft/epoch/6`; not in the model, whose announcements last).
        search: Search = Search::Everyone,
        /// Who may campaign, and be voted for (`kraft/observers/1`; not in the model, which has none).
        candidates: Candidates = Candidates::Voters,
        /// A leader that hears of no majority resigns (`kraft/check-quorum/1`; not in the model).
        check_quorum: CheckQuorum = CheckQuorum::OfOthers,
        /// Which high watermarks a leader may move to (`kraft/commit/1`).
        commit_gate: CommitGate = CommitGate::OwnEpochExclusive,
        /// A leader counts to more than half of all voters (`kraft/commit/3`).
        commit_majority: bool = true,
        /// The high watermark only moves on (`kraft/commit/4`).
        high_watermark_max: bool = true,
        /// What a follower takes for its high watermark (`kraft/commit/5`).
        follower_high_watermark: FollowerHighWatermark = FollowerHighWatermark::VerifiedEnd,
        /// When a leader takes note of how far a follower has got (`kraft/fetch/1`).
        fetch_count: FetchCount = FetchCount::AfterValidation,
        /// A leader answers only fetches of its own epoch (`kraft/fetch/2`).
        fetch_request_fence: bool = true,
        /// A leader compares the last fetched epoch with its own log (`kraft/fetch/3`).
        divergence_check: bool = true,
        /// How a follower tells whether an answer is to its outstanding fetch (`kraft/fetch/4`).
        fetch_correlation: FetchCorrelation = FetchCorrelation::Exact,
        /// A follower takes no batch of a later epoch than that of its fetch (`kraft/fetch/6`; not in the model).
        batch_epoch_check: bool = true,
        /// A voter flushes before it fetches on (`kraft/flush/1`).
        follower_flush: bool = true,
        /// A candidate flushes before it names the end of its log (`kraft/flush/3`).
        candidate_flush: bool = true,
        /// When a leader flushes (`kraft/flush/2`).
        leader_flush: LeaderFlush = LeaderFlush::BeforeCounting,
    }
}

/// How a voter compares a candidate's log with its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogCheck {
    /// The later epoch wins; the longer log among equals (Raft 5.4.1).
    EpochThenOffset,
    /// The longer log wins, whatever its epochs (flaw A07).
    OffsetOnly,
    /// Any log will do (flaw A06).
    Absent,
}

/// How long a vote is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VoteMemory {
    /// Until a later epoch; and whoever knows the leader of an epoch votes for nobody in it.
    WholeEpoch,
    /// Until the voter follows somebody, and followers vote as well (flaw A08).
    UntilFollowing,
}

/// What a leader comes back as when it restarts in its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RestartRole {
    /// Resigned: it neither leads nor votes in that epoch again.
    Resigned,
    /// Leader, as if nothing had been (flaw A23, KAFKA-10527).
    Leader,
    /// Unattached without a vote (flaw A24, KAFKA-10661, which the cure of A23 made).
    Unattached,
}

/// What makes a voter the same voter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Its id and the id of its directory: on a blank disk it is another one, and abstains.
    DirectoryId,
    /// Its id alone (flaw A30).
    IdOnly,
}

/// How often a leader announces itself to a voter. The model's announcements last, so there `Once` is what
/// `UntilHeard` is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BeginQuorum {
    /// Until the voter has answered, and again whenever it falls silent (KAFKA-16536).
    UntilHeard,
    /// A single time, whether it arrives or not (flaw A35).
    Once,
    /// Never: voters learn of no leader unless they ask (flaw E08).
    Never,
}

/// Who asks one voter after another who leads, when it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Search {
    /// Voters and observers.
    Everyone,
    /// Observers: voters wait to be told (with flaws A35 and E08, which it would cure).
    Observers,
}

/// Who may campaign, and be voted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Candidates {
    /// Voters.
    Voters,
    /// Observers as well (flaw A43, KAFKA-17067).
    Anyone,
}

/// Whose fetches keep a leader from resigning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckQuorum {
    /// So many others that, with itself, they are a majority: none where it is the only voter.
    OfOthers,
    /// It never resigns for want of fetches (flaw A36, KAFKA-15489).
    Absent,
}

/// Which high watermarks a leader may move to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommitGate {
    /// Beyond the start of its own epoch.
    OwnEpochExclusive,
    /// The start of its own epoch or beyond (flaw A02, KAFKA-12619).
    OwnEpochInclusive,
    /// Any (flaw A01, Figure 8).
    Off,
}

/// What a follower takes for its high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FollowerHighWatermark {
    /// The leader's, up to the end that the leader has verified.
    VerifiedEnd,
    /// The leader's, up to the end of its own log, verified or not (flaw A17).
    LogEnd,
}

/// When a leader takes note of how far a follower has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FetchCount {
    /// Once the position was found valid.
    AfterValidation,
    /// At once (flaw A14).
    BeforeValidation,
    /// When it answers, as far as the answer goes, as if that had arrived (flaw E45).
    WhenServed,
}

/// How a follower tells whether an answer is to its outstanding fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FetchCorrelation {
    /// Leader and epoch are those that it follows, fetch offset and last fetched epoch those of its log.
    Exact,
    /// Fetch offset and last fetched epoch are those of its log, from whomever (control).
    Position,
    /// Leader and epoch are those that it follows, the fetch offset is the end of its log (flaw E06).
    EpochAndOffset,
    /// The fetch offset is the end of its log (flaws A15, E05).
    Offset,
}

/// When a leader flushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeaderFlush {
    /// What it counts itself for, when it counts; it may serve records that it is still writing.
    BeforeCounting,
    /// All that it has, before it serves (control: stricter).
    BeforeServing,
    /// Never: it counts what is in memory (flaw E03).
    Never,
}
