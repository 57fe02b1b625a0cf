//! The protocol's rules, each correct by default, and the bounds that make the model finite.

use crate::family::{Bound, Grain, Rule};
use crate::voting::{LogCheck, VoteRules};

/// The rules of KRaft's consensus protocol. `Default` is the protocol as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// What a voter asks of a candidate's log (`kraft/vote/2`).
    pub vote: VoteRules,
    /// How long a vote is remembered (`kraft/vote/1`).
    pub vote_memory: VoteMemory,
    /// The vote is on disk before it is answered (`kraft/vote/3`).
    pub durable_vote: bool,
    /// A candidate counts only votes of its own epoch (`kraft/vote/4`).
    pub vote_epoch_check: bool,
    /// Who grants a repeated request of the candidate it voted for (`kraft/vote/1`).
    pub repeated_vote: RepeatedVote,
    /// A candidate needs more than half of all voters (`kraft/vote/5`).
    pub election_majority: bool,
    /// Whoever hears of a later epoch gives up its role (`kraft/epoch/1`).
    pub step_down: bool,
    /// What a leader comes back as when it restarts (`kraft/epoch/2`).
    pub restart_role: RestartRole,
    /// What makes a voter the same voter (`kraft/epoch/3`).
    pub identity: Identity,
    /// What BeginQuorumEpoch does (`kraft/epoch/4`).
    pub begin_quorum: BeginQuorum,
    /// A new leader appends a LeaderChange record (`kraft/commit/2`).
    pub leader_change: bool,
    /// Which high watermarks a leader may move to (`kraft/commit/1`).
    pub commit_gate: CommitGate,
    /// A leader counts to more than half of all voters (`kraft/commit/3`).
    pub commit_majority: bool,
    /// The high watermark only moves on (`kraft/commit/4`).
    pub high_watermark_max: bool,
    /// What a follower takes for its high watermark (`kraft/commit/5`).
    pub follower_high_watermark: FollowerHighWatermark,
    /// What a new leader knows of the high watermark (`kraft/commit/4`).
    pub leader_high_watermark: LeaderHighWatermark,
    /// When a leader takes note of how far a follower has got (`kraft/fetch/1`).
    pub fetch_count: FetchCount,
    /// A leader answers only fetches of its own epoch (`kraft/fetch/2`).
    pub fetch_request_fence: bool,
    /// A leader compares the last fetched epoch with its own log (`kraft/fetch/3`).
    pub divergence_check: bool,
    /// How a follower tells whether an answer is to its outstanding fetch (`kraft/fetch/4`).
    pub fetch_correlation: FetchCorrelation,
    /// A follower flushes before it fetches on (`kraft/flush/1`).
    pub follower_flush: bool,
    /// A candidate flushes before it names the end of its log (`kraft/flush/3`).
    pub candidate_flush: bool,
    /// When a leader flushes (`kraft/flush/2`).
    pub leader_flush: LeaderFlush,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            vote: VoteRules::default(),
            vote_memory: VoteMemory::WholeEpoch,
            durable_vote: true,
            vote_epoch_check: true,
            repeated_vote: RepeatedVote::WhileUnattached,
            election_majority: true,
            step_down: true,
            restart_role: RestartRole::Resigned,
            identity: Identity::DirectoryId,
            begin_quorum: BeginQuorum::Once,
            leader_change: true,
            commit_gate: CommitGate::OwnEpochExclusive,
            commit_majority: true,
            high_watermark_max: true,
            follower_high_watermark: FollowerHighWatermark::VerifiedEnd,
            leader_high_watermark: LeaderHighWatermark::Carried,
            fetch_count: FetchCount::AfterValidation,
            fetch_request_fence: true,
            divergence_check: true,
            fetch_correlation: FetchCorrelation::Exact,
            follower_flush: true,
            candidate_flush: true,
            leader_flush: LeaderFlush::BeforeCounting,
        }
    }
}

/// How long a vote is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoteMemory {
    /// Until a later epoch; and whoever knows the leader of an epoch votes for nobody in it.
    WholeEpoch,
    /// Until the voter follows somebody, and followers vote as well (flaw A08).
    UntilFollowing,
}

/// Who grants a repeated request of the candidate that it voted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatedVote {
    /// A voter that knows no leader yet.
    WhileUnattached,
    /// A follower of that candidate, too.
    Always,
}

/// What a leader comes back as when it restarts in its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartRole {
    /// Resigned: it neither leads nor votes in that epoch again.
    Resigned,
    /// Leader, as if nothing had been (flaw A23, KAFKA-10527).
    Leader,
    /// Unattached without a vote (flaw A24, KAFKA-10661, which the cure of A23 made).
    Unattached,
}

/// What makes a voter the same voter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Its id and the id of its directory: on a blank disk it is another one, and abstains.
    DirectoryId,
    /// Its id alone (flaw A30).
    IdOnly,
}

/// What BeginQuorumEpoch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeginQuorum {
    /// Makes a voter that knows no leader of the epoch a follower; one that does ignores it.
    Once,
    /// Also makes a follower fetch anew, although a fetch of its own may be in flight (control).
    Resent,
    /// It is never sent: voters learn of no leader (flaw E08).
    Never,
}

/// Which high watermarks a leader may move to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitGate {
    /// Beyond the start of its own epoch.
    OwnEpochExclusive,
    /// The start of its own epoch or beyond (flaw A02, KAFKA-12619).
    OwnEpochInclusive,
    /// Any (flaw A01, Figure 8).
    Off,
}

/// What a follower takes for its high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowerHighWatermark {
    /// The leader's, up to the end that the leader has verified.
    VerifiedEnd,
    /// The leader's, up to the end of its own log, verified or not (flaw A17).
    LogEnd,
}

/// What a new leader knows of the high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaderHighWatermark {
    /// What it knew as a follower.
    Carried,
    /// Nothing, until it commits (control).
    Unknown,
}

/// When a leader takes note of how far a follower has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchCount {
    /// Once the position was found valid.
    AfterValidation,
    /// At once (flaw A14).
    BeforeValidation,
}

/// How a follower tells whether an answer is to its outstanding fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchCorrelation {
    /// Leader and epoch are those that it follows, fetch offset and last fetched epoch those of its log.
    Exact,
    /// Fetch offset and last fetched epoch are those of its log, from whomever (control).
    Position,
    /// Leader and epoch are those that it follows, the fetch offset is the end of its log (flaw E06).
    EpochAndOffset,
    /// The fetch offset is the end of its log (flaws A15, E05).
    Offset,
    /// Any answer will do.
    Absent,
}

/// When a leader flushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaderFlush {
    /// What it counts itself for, when it counts; it may serve records that it is still writing.
    BeforeCounting,
    /// All that it has, before it serves (control: stricter).
    BeforeServing,
    /// When it comes to it: a fetch makes it flush nothing, and it counts itself for what is on disk by then. No step of this model
    /// flushes for it; whoever holds an implementation to it says when.
    InItsOwnTime,
    /// Never: it counts what is in memory (flaw E03).
    Never,
}

/// The protocol's rules by name.
pub const RULES: &[Rule<Rules>] = &[
    Rule {
        name: "log-check",
        clause: "kraft/vote/2",
        summary: "a vote goes only to a log at least as up to date: last epoch first, then end offset",
        off: |rules| rules.vote.log_check = LogCheck::Absent,
    },
    Rule {
        name: "vote-memory",
        clause: "kraft/vote/1",
        summary: "one vote an epoch, and none by a voter that knows the epoch's leader",
        off: |rules| rules.vote_memory = VoteMemory::UntilFollowing,
    },
    Rule {
        name: "durable-vote",
        clause: "kraft/vote/3",
        summary: "epoch and vote are on disk before the vote is answered",
        off: |rules| rules.durable_vote = false,
    },
    Rule {
        name: "vote-reply-epoch",
        clause: "kraft/vote/4",
        summary: "a candidate counts only votes that were cast in its own epoch",
        off: |rules| rules.vote_epoch_check = false,
    },
    Rule {
        name: "election-majority",
        clause: "kraft/vote/5",
        summary: "a leader is elected by more than half of all voters",
        off: |rules| rules.election_majority = false,
    },
    Rule {
        name: "step-down",
        clause: "kraft/epoch/1",
        summary: "whoever hears of a later epoch gives up its role in the earlier one",
        off: |rules| rules.step_down = false,
    },
    Rule {
        name: "restart-role",
        clause: "kraft/epoch/2",
        summary: "a leader that restarts comes back resigned: it neither leads nor votes in its epoch again",
        off: |rules| rules.restart_role = RestartRole::Leader,
    },
    Rule {
        name: "identity",
        clause: "kraft/epoch/3",
        summary: "a voter is its id and its directory id: with a blank disk it abstains",
        off: |rules| rules.identity = Identity::IdOnly,
    },
    Rule {
        name: "begin-quorum-epoch",
        clause: "kraft/epoch/4",
        summary: "a leader announces itself to every voter until each follows it",
        off: |rules| rules.begin_quorum = BeginQuorum::Never,
    },
    Rule {
        name: "leader-change",
        clause: "kraft/commit/2",
        summary: "a new leader appends a LeaderChange record, so that its epoch has something to commit",
        off: |rules| rules.leader_change = false,
    },
    Rule {
        name: "commit-gate",
        clause: "kraft/commit/1",
        summary: "a leader's high watermark moves only beyond the start of its own epoch",
        off: |rules| rules.commit_gate = CommitGate::Off,
    },
    Rule {
        name: "commit-majority",
        clause: "kraft/commit/3",
        summary: "the high watermark is an offset that more than half of all voters have reached",
        off: |rules| rules.commit_majority = false,
    },
    Rule {
        name: "high-watermark-max",
        clause: "kraft/commit/4",
        summary: "a leader's high watermark never follows a lower count down",
        off: |rules| rules.high_watermark_max = false,
    },
    Rule {
        name: "follower-high-watermark",
        clause: "kraft/commit/5",
        summary: "a follower's high watermark is the leader's, up to the end that the leader has verified",
        off: |rules| rules.follower_high_watermark = FollowerHighWatermark::LogEnd,
    },
    Rule {
        name: "fetch-count",
        clause: "kraft/fetch/1",
        summary: "a fetch counts as an acknowledgement only once its position is found valid",
        off: |rules| rules.fetch_count = FetchCount::BeforeValidation,
    },
    Rule {
        name: "fetch-epoch",
        clause: "kraft/fetch/2",
        summary: "fetches and their answers carry the epoch, and either side drops those of another",
        off: |rules| {
            rules.fetch_request_fence = false;
            rules.fetch_correlation = FetchCorrelation::Offset;
        },
    },
    Rule {
        name: "divergence-check",
        clause: "kraft/fetch/3",
        summary: "a leader serves records only after a position whose last epoch its own log confirms",
        off: |rules| rules.divergence_check = false,
    },
    Rule {
        name: "fetch-correlation",
        clause: "kraft/fetch/4",
        summary: "a follower takes only the answer to its outstanding fetch: from that leader, epoch and position",
        off: |rules| rules.fetch_correlation = FetchCorrelation::Absent,
    },
    Rule {
        name: "follower-flush",
        clause: "kraft/flush/1",
        summary: "a follower has on disk what its fetch acknowledges",
        off: |rules| rules.follower_flush = false,
    },
    Rule {
        name: "leader-flush",
        clause: "kraft/flush/2",
        summary: "a leader has on disk what it counts itself for",
        off: |rules| rules.leader_flush = LeaderFlush::Never,
    },
    Rule {
        name: "candidate-flush",
        clause: "kraft/flush/3",
        summary: "a candidate has on disk the end of the log that its vote request names",
        off: |rules| rules.candidate_flush = false,
    },
];

/// How large the model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Voters.
    pub nodes: u8,
    /// The last epoch that anyone campaigns for.
    pub epochs: u8,
    /// Client records.
    pub records: u8,
    /// Messages in flight at a time.
    pub messages: u8,
    /// Restarts, with or without the loss of what was not flushed.
    pub restarts: u8,
    /// Leaders that resign.
    pub resignations: u8,
    /// Messages that are delivered and stay in flight.
    pub duplicates: u8,
    /// Restarts, resignations and duplicates together.
    pub faults: u8,
    /// Disks lost.
    pub wipes: u8,
    /// The last epoch in which anything fails, after which the network is stable; 0 for never (safety).
    pub stable_after: u8,
    /// Which exchanges are one atomic step: bits of [`grain`].
    pub grain: u8,
}

impl Bounds {
    /// As wide as a state has room for, so that no bound is why something is not enabled: to follow what happens elsewhere, not to search.
    pub fn widest(nodes: u8) -> Self {
        Self {
            nodes,
            epochs: 7,
            records: 3,
            messages: 4,
            restarts: 60,
            resignations: 60,
            duplicates: 60,
            faults: 240,
            wipes: nodes,
            stable_after: 0,
            grain: 0,
        }
    }
}

/// Bits of [`Bounds::grain`].
pub mod grain {
    /// A fetch, its handling and its answer are one step.
    pub const ATOMIC_FETCH: u8 = 1;
    /// A vote request, its handling and its answer are one step.
    pub const ATOMIC_VOTE: u8 = 2;
    /// What is under way to or from a voter is lost with its connections.
    pub const CONNECTIONS: u8 = 4;
}

/// The bounds by name.
pub const BOUNDS: &[Bound<Bounds>] = &[
    Bound {
        name: "nodes",
        summary: "voters",
        min: 2,
        max: 4,
        get: |bounds| bounds.nodes,
        set: |bounds, value| bounds.nodes = value,
    },
    Bound {
        name: "epochs",
        summary: "the last epoch that anyone campaigns for",
        min: 1,
        max: 6,
        get: |bounds| bounds.epochs,
        set: |bounds, value| bounds.epochs = value,
    },
    Bound {
        name: "records",
        summary: "client records",
        min: 0,
        max: 3,
        get: |bounds| bounds.records,
        set: |bounds, value| bounds.records = value,
    },
    Bound {
        name: "messages",
        summary: "votes, fetches and answers in flight at a time",
        min: 1,
        max: 4,
        get: |bounds| bounds.messages,
        set: |bounds, value| bounds.messages = value,
    },
    Bound {
        name: "restarts",
        summary: "restarts, with or without the loss of what was not flushed",
        min: 0,
        max: 3,
        get: |bounds| bounds.restarts,
        set: |bounds, value| bounds.restarts = value,
    },
    Bound {
        name: "resignations",
        summary: "leaders that resign",
        min: 0,
        max: 7,
        get: |bounds| bounds.resignations,
        set: |bounds, value| bounds.resignations = value,
    },
    Bound {
        name: "duplicates",
        summary: "messages that are delivered and stay in flight",
        min: 0,
        max: 3,
        get: |bounds| bounds.duplicates,
        set: |bounds, value| bounds.duplicates = value,
    },
    Bound {
        name: "faults",
        summary: "restarts, resignations and duplicates together",
        min: 0,
        max: 9,
        get: |bounds| bounds.faults,
        set: |bounds, value| bounds.faults = value,
    },
    Bound {
        name: "wipes",
        summary: "disks lost",
        min: 0,
        max: 1,
        get: |bounds| bounds.wipes,
        set: |bounds, value| bounds.wipes = value,
    },
    Bound {
        name: "stable-after",
        summary: "the last epoch in which anything fails, then all is stable; 0: never (for liveness only)",
        min: 0,
        max: 3,
        get: |bounds| bounds.stable_after,
        set: |bounds, value| bounds.stable_after = value,
    },
];

/// The grains beside the fine one.
pub const GRAINS: &[Grain<Bounds>] = &[
    Grain {
        name: "connections",
        summary: "what is under way to or from a voter that restarts is lost with its connections, and every vote request with it: what scenarios of the suite can say",
        apply: |bounds| bounds.grain |= grain::CONNECTIONS,
        bounds: || DEFAULT_BOUNDS,
    },
    Grain {
        name: "atomic-fetch",
        summary: "a fetch and its answer are one step; cannot show what a lost or late answer does, Figure 8 \
                  and KAFKA-12619 among it",
        apply: |bounds| bounds.grain = grain::ATOMIC_FETCH,
        bounds: || Bounds { epochs: 5, records: 1, grain: grain::ATOMIC_FETCH, ..DEFAULT_BOUNDS },
    },
    Grain {
        name: "atomic-vote",
        summary: "a vote request and its answer are one step; cannot show what a lost or late vote does",
        apply: |bounds| bounds.grain = grain::ATOMIC_VOTE,
        bounds: || Bounds { grain: grain::ATOMIC_VOTE, ..DEFAULT_BOUNDS },
    },
];

/// The bounds of [`Scale::Default`](crate::family::Scale::Default).
pub const DEFAULT_BOUNDS: Bounds = Bounds {
    nodes: 3,
    epochs: 4,
    records: 2,
    messages: 2,
    restarts: 1,
    resignations: 1,
    duplicates: 1,
    faults: 1,
    wipes: 0,
    stable_after: 0,
    grain: 0,
};

/// The bounds of [`Scale::Test`](crate::family::Scale::Test).
pub const TEST_BOUNDS: Bounds = Bounds { epochs: 2, records: 1, resignations: 1, wipes: 1, ..DEFAULT_BOUNDS };

/// The bounds of [`Scale::Deep`](crate::family::Scale::Deep).
pub const DEEP_BOUNDS: Bounds = Bounds { messages: 3, faults: 2, ..DEFAULT_BOUNDS };
