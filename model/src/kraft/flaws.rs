//! Historic bugs, each a change to the rules, and changes that are none.

use super::rules::{
    BeginQuorum, Bounds, CommitGate, FetchCorrelation, FetchCount, FollowerHighWatermark, Identity,
    LeaderFlush, LeaderHighWatermark, RepeatedVote, RestartRole, Rules, VoteMemory,
};
use crate::family::{Break, Control, Flaw};
use crate::voting::LogCheck;

/// The bounds of [`Scale::Flaw`](crate::family::Scale::Flaw), the least at which something happens.
pub(super) const FLAW_BOUNDS: Bounds = Bounds {
    nodes: 3,
    epochs: 2,
    records: 0,
    messages: 2,
    restarts: 0,
    resignations: 0,
    duplicates: 0,
    faults: 1,
    wipes: 0,
    stable_after: 0,
    grain: 0,
};

/// The bounds of [`Scale::Liveness`](crate::family::Scale::Liveness): one epoch with faults, then three in reserve.
pub(super) const LIVENESS_BOUNDS: Bounds = Bounds {
    nodes: 3,
    epochs: 5,
    records: 1,
    messages: 2,
    restarts: 0,
    resignations: 1,
    duplicates: 0,
    faults: 1,
    wipes: 0,
    stable_after: 2,
    grain: 0,
};

/// The flaws, in the order of their ids.
pub(super) const FLAWS: &[Flaw<Bounds, Rules>] = &[
    Flaw {
        id: "A01",
        name: "commit-old-epoch",
        summary: "a leader counts replicas of an earlier epoch's record, and the record is overwritten (Figure 8)",
        rule: "commit-gate",
        change: |rules| rules.commit_gate = CommitGate::Off,
        bounds: |bounds| {
            bounds.epochs = 4;
        },
        breaks: &[
            Break { claim: "leader-completeness", steps: 20 },
            Break { claim: "committed-durable", steps: 24 },
            Break { claim: "state-machine-safety", steps: 27 },
        ],
        keeps: &["election-safety", "leader-append-only", "log-matching"],
        legal: false,
        grain: None,
        source: "Raft, Figure 8; logcabin#44; CCF#4472, CCF#4485",
    },
    Flaw {
        id: "A02",
        name: "commit-gate-inclusive",
        summary: "a new leader commits up to its LeaderChange record without the record itself",
        rule: "commit-gate",
        change: |rules| rules.commit_gate = CommitGate::OwnEpochInclusive,
        bounds: |bounds| {
            bounds.epochs = 4;
        },
        breaks: &[
            Break { claim: "leader-completeness", steps: 20 },
            Break { claim: "committed-durable", steps: 24 },
            Break { claim: "state-machine-safety", steps: 27 },
        ],
        keeps: &["election-safety", "leader-append-only", "log-matching"],
        legal: false,
        grain: None,
        source: "KAFKA-12619",
    },
    Flaw {
        id: "A03",
        name: "vote-not-persisted",
        summary: "a voter forgets its vote in a restart and votes again in the same epoch",
        rule: "durable-vote",
        change: |rules| rules.durable_vote = false,
        bounds: |bounds| {
            bounds.epochs = 1;
            bounds.restarts = 1;
        },
        breaks: &[Break { claim: "election-safety", steps: 7 }],
        keeps: &["leader-append-only", "high-watermark-monotone"],
        legal: false,
        grain: None,
        source: "nodedb#161; raft-java#57; robustmq#2039",
    },
    Flaw {
        id: "A06",
        name: "no-log-check",
        summary: "a candidate without the committed record is elected",
        rule: "log-check",
        change: |rules| rules.vote.log_check = LogCheck::Absent,
        bounds: |_| {},
        breaks: &[
            Break { claim: "leader-completeness", steps: 12 },
            Break { claim: "committed-durable", steps: 16 },
            Break { claim: "state-machine-safety", steps: 16 },
        ],
        keeps: &["election-safety", "leader-append-only", "log-matching"],
        legal: false,
        grain: None,
        source: "Raft 5.4.1",
    },
    Flaw {
        id: "A07",
        name: "log-check-by-length",
        summary: "a longer log of an older epoch is elected over a committed record",
        rule: "log-check",
        change: |rules| rules.vote.log_check = LogCheck::OffsetOnly,
        bounds: |bounds| {
            bounds.epochs = 3;
        },
        breaks: &[
            Break { claim: "leader-completeness", steps: 16 },
            Break { claim: "committed-durable", steps: 20 },
            Break { claim: "state-machine-safety", steps: 20 },
        ],
        keeps: &["election-safety", "leader-append-only", "log-matching"],
        legal: false,
        grain: None,
        source: "Raft 5.4.1",
    },
    Flaw {
        id: "A08",
        name: "vote-forgotten-by-follower",
        summary: "a voter that follows a leader forgets whom it voted for, and votes for another candidate of the epoch",
        rule: "vote-memory",
        change: |rules| rules.vote_memory = VoteMemory::UntilFollowing,
        bounds: |bounds| {
            bounds.epochs = 1;
        },
        breaks: &[Break { claim: "election-safety", steps: 7 }],
        keeps: &["leader-append-only", "high-watermark-monotone"],
        legal: false,
        grain: None,
        source: "CCF#8094; camunda#5368; akka-raft#56",
    },
    Flaw {
        id: "A11",
        name: "stale-vote-reply",
        summary: "a vote of an earlier epoch is counted in a later one",
        rule: "vote-reply-epoch",
        change: |rules| rules.vote_epoch_check = false,
        bounds: |_| {},
        breaks: &[Break { claim: "election-safety", steps: 7 }],
        keeps: &["leader-append-only", "high-watermark-monotone"],
        legal: false,
        grain: None,
        source: "little-raft#44; akka-raft#46",
    },
    Flaw {
        id: "A14",
        name: "diverged-fetch-counted",
        summary: "a leader counts a fetch from a diverged log as an acknowledgement",
        rule: "fetch-count",
        change: |rules| rules.fetch_count = FetchCount::BeforeValidation,
        bounds: |bounds| {
            bounds.epochs = 3;
        },
        breaks: &[
            Break { claim: "committed-durable", steps: 9 },
            Break { claim: "leader-completeness", steps: 12 },
            Break { claim: "state-machine-safety", steps: 16 },
        ],
        keeps: &["election-safety", "leader-append-only", "log-matching"],
        legal: false,
        grain: None,
        source: "KAFKA-13141 (its KRaft form); openraft cecb5de8",
    },
    Flaw {
        id: "A15",
        name: "fetch-epoch-ignored",
        summary: "neither side looks at the epoch of a fetch, and a late answer undoes an acknowledgement",
        rule: "fetch-epoch",
        change: |rules| {
            rules.fetch_request_fence = false;
            rules.fetch_correlation = FetchCorrelation::Offset;
        },
        bounds: |bounds| {
            bounds.epochs = 3;
            bounds.duplicates = 1;
        },
        breaks: &[
            Break { claim: "committed-durable", steps: 20 },
            Break { claim: "state-machine-safety", steps: 21 },
        ],
        keeps: &["election-safety", "leader-append-only"],
        legal: false,
        grain: None,
        source: "kafka-tlaplus v3.5, lines marked CHECK; Kip320FirstTry",
    },
    Flaw {
        id: "A17",
        name: "unverified-high-watermark",
        summary: "a follower takes the leader's high watermark over a tail that the leader has not verified",
        rule: "follower-high-watermark",
        change: |rules| rules.follower_high_watermark = FollowerHighWatermark::LogEnd,
        bounds: |_| {},
        breaks: &[Break { claim: "state-machine-safety", steps: 16 }],
        keeps: &[
            "election-safety",
            "leader-append-only",
            "log-matching",
            "leader-completeness",
            "committed-durable",
        ],
        legal: false,
        grain: None,
        source: "copycat#265; scylladb#9965",
    },
    Flaw {
        id: "A20",
        name: "no-flush-before-fetch",
        summary: "a follower acknowledges records that a crash takes from it",
        rule: "follower-flush",
        change: |rules| rules.follower_flush = false,
        bounds: |bounds| {
            bounds.restarts = 1;
        },
        breaks: &[
            Break { claim: "leader-completeness", steps: 13 },
            Break { claim: "committed-durable", steps: 9 },
            Break { claim: "state-machine-safety", steps: 17 },
        ],
        keeps: &["election-safety", "leader-append-only", "log-matching"],
        legal: false,
        grain: None,
        source: "KAFKA-10533",
    },
    Flaw {
        id: "A23",
        name: "restart-as-leader",
        summary: "a leader restarts as leader of the same epoch and writes another record where it lost one",
        rule: "restart-role",
        change: |rules| rules.restart_role = RestartRole::Leader,
        bounds: |bounds| {
            bounds.epochs = 1;
            bounds.records = 2;
            bounds.restarts = 1;
        },
        breaks: &[
            Break { claim: "unique-record", steps: 9 },
            Break { claim: "log-matching", steps: 9 },
            Break { claim: "leader-append-only", steps: 4 },
            Break { claim: "committed-durable", steps: 11 },
            Break { claim: "state-machine-safety", steps: 12 },
        ],
        keeps: &["election-safety", "high-watermark-monotone"],
        legal: false,
        grain: None,
        source: "KAFKA-10527",
    },
    Flaw {
        id: "A24",
        name: "restart-without-vote",
        summary: "a leader restarts unattached and votes again in the epoch that it led",
        rule: "restart-role",
        change: |rules| rules.restart_role = RestartRole::Unattached,
        bounds: |bounds| {
            bounds.epochs = 1;
            bounds.restarts = 1;
        },
        breaks: &[Break { claim: "election-safety", steps: 7 }],
        keeps: &["leader-append-only", "high-watermark-monotone"],
        legal: false,
        grain: None,
        source: "KAFKA-10661",
    },
    Flaw {
        id: "A30",
        name: "blank-voter",
        summary: "a voter comes back with an empty disk under its old identity, and votes",
        rule: "identity",
        change: |rules| rules.identity = Identity::IdOnly,
        bounds: |bounds| {
            bounds.wipes = 1;
        },
        breaks: &[
            Break { claim: "leader-completeness", steps: 13 },
            Break { claim: "election-safety", steps: 7 },
            Break { claim: "committed-durable", steps: 17 },
            Break { claim: "state-machine-safety", steps: 17 },
        ],
        keeps: &["leader-append-only", "high-watermark-monotone"],
        legal: false,
        grain: None,
        source: "KIP-853; KAFKA-12181; ZOOKEEPER-261",
    },
    Flaw {
        id: "E01",
        name: "no-leader-change-record",
        summary: "without a LeaderChange record, what an earlier leader left is not committed until a client writes",
        rule: "leader-change",
        change: |rules| rules.leader_change = false,
        bounds: |bounds| *bounds = LIVENESS_BOUNDS,
        breaks: &[Break { claim: "record-committed-eventually", steps: 15 }],
        keeps: &[
            "election-safety",
            "leader-append-only",
            "log-matching",
            "leader-completeness",
            "state-machine-safety",
            "committed-durable",
        ],
        legal: false,
        grain: None,
        source: "Raft 8 (the no-op); KIP-595, LeaderChangeMessage",
    },
    Flaw {
        id: "E02",
        name: "high-watermark-follows-count",
        summary: "a late fetch takes the leader's high watermark back",
        rule: "high-watermark-max",
        change: |rules| rules.high_watermark_max = false,
        bounds: |bounds| {
            bounds.epochs = 1;
            bounds.records = 1;
            bounds.duplicates = 1;
        },
        breaks: &[Break { claim: "high-watermark-monotone", steps: 14 }],
        keeps: &[
            "election-safety",
            "leader-append-only",
            "log-matching",
            "leader-completeness",
            "committed-durable",
        ],
        legal: false,
        grain: None,
        source: "KAFKA-16530 (the same assignment, by another cause)",
    },
    Flaw {
        id: "E03",
        name: "leader-counts-unflushed",
        summary: "a leader counts itself for records that a crash takes from it",
        rule: "leader-flush",
        change: |rules| rules.leader_flush = LeaderFlush::Never,
        bounds: |bounds| {
            bounds.restarts = 1;
        },
        breaks: &[
            Break { claim: "leader-completeness", steps: 13 },
            Break { claim: "committed-durable", steps: 9 },
            Break { claim: "state-machine-safety", steps: 18 },
        ],
        keeps: &["election-safety", "leader-append-only", "log-matching"],
        legal: false,
        grain: None,
        source: "kafka-tlaplus RaftFsync, LeaderFsyncBeforeIncludeInQuorum",
    },
    Flaw {
        id: "E04",
        name: "no-divergence-check",
        summary: "a leader serves a follower whose log has diverged before the fetch offset",
        rule: "divergence-check",
        change: |rules| rules.divergence_check = false,
        bounds: |bounds| {
            bounds.records = 1;
        },
        breaks: &[
            Break { claim: "log-matching", steps: 11 },
            Break { claim: "committed-durable", steps: 9 },
            Break { claim: "state-machine-safety", steps: 10 },
        ],
        keeps: &["election-safety", "leader-append-only", "unique-record"],
        legal: false,
        grain: None,
        source: "KIP-595, Fetch with LastFetchedEpoch",
    },
    Flaw {
        id: "E05",
        name: "stale-answer-taken",
        summary: "a follower takes a late answer of the leader of an earlier epoch",
        rule: "fetch-correlation",
        change: |rules| rules.fetch_correlation = FetchCorrelation::Offset,
        bounds: |bounds| {
            bounds.epochs = 3;
        },
        breaks: &[Break { claim: "state-machine-safety", steps: 27 }],
        keeps: &["election-safety", "leader-append-only"],
        legal: false,
        grain: None,
        source: "KIP-595; Kip320FirstTry",
    },
    Flaw {
        id: "E06",
        name: "answers-matched-by-offset",
        summary: "a follower matches answers by offset alone, and a repeated divergence cuts off what it has acknowledged",
        rule: "fetch-correlation",
        change: |rules| rules.fetch_correlation = FetchCorrelation::EpochAndOffset,
        bounds: |bounds| {
            bounds.epochs = 3;
            bounds.duplicates = 1;
        },
        breaks: &[Break { claim: "state-machine-safety", steps: 21 }],
        keeps: &["election-safety", "leader-append-only", "log-matching"],
        legal: false,
        grain: None,
        source: "openraft 2bdfae5d, fbbf37b1",
    },
    Flaw {
        id: "E07",
        name: "no-step-down",
        summary: "a leader that hears of a later epoch goes on leading, in the later epoch",
        rule: "step-down",
        change: |rules| rules.step_down = false,
        bounds: |_| {},
        breaks: &[Break { claim: "election-safety", steps: 7 }],
        keeps: &["leader-append-only", "high-watermark-monotone"],
        legal: false,
        grain: None,
        source: "nebula#685, nebula#2405",
    },
    Flaw {
        id: "E08",
        name: "no-begin-quorum-epoch",
        summary: "voters never hear who leads, and go on campaigning against it",
        rule: "begin-quorum-epoch",
        change: |rules| rules.begin_quorum = BeginQuorum::Never,
        bounds: |bounds| *bounds = LIVENESS_BOUNDS,
        breaks: &[Break { claim: "leader-elected", steps: 12 }],
        keeps: &["election-safety", "leader-append-only", "log-matching"],
        legal: false,
        grain: None,
        source: "KIP-595; KAFKA-16536",
    },
    Flaw {
        id: "E09",
        name: "candidate-not-flushed",
        summary: "a candidate wins votes for records that it loses in a crash before the votes are counted",
        rule: "candidate-flush",
        change: |rules| rules.candidate_flush = false,
        bounds: |bounds| {
            bounds.restarts = 1;
        },
        breaks: &[
            Break { claim: "leader-completeness", steps: 17 },
            Break { claim: "committed-durable", steps: 21 },
            Break { claim: "state-machine-safety", steps: 21 },
        ],
        keeps: &["election-safety", "leader-append-only", "log-matching"],
        legal: false,
        grain: None,
        source: "found by this model",
    },
    Flaw {
        id: "E40",
        name: "elected-by-one-less",
        summary: "a candidate takes half of the voters for a majority, and two of them lead one epoch",
        rule: "election-majority",
        change: |rules| rules.election_majority = false,
        bounds: |bounds| bounds.epochs = 1,
        breaks: &[Break { claim: "election-safety", steps: 2 }],
        keeps: &[],
        legal: false,
        grain: None,
        source: "ours; Raft 5.2",
    },
    Flaw {
        id: "E41",
        name: "committed-by-one-less",
        summary: "a leader takes half of the voters for a majority, and commits what only it has",
        rule: "commit-majority",
        change: |rules| rules.commit_majority = false,
        bounds: |_| {},
        breaks: &[
            Break { claim: "leader-completeness", steps: 9 },
            Break { claim: "committed-durable", steps: 6 },
            Break { claim: "state-machine-safety", steps: 12 },
        ],
        keeps: &["election-safety", "leader-append-only", "log-matching"],
        legal: false,
        grain: None,
        source: "ours; Raft 5.3",
    },
];

/// Changes that look like flaws.
pub(super) const CONTROLS: &[Control<Bounds, Rules>] = &[
    Control {
        name: "leader-starts-without-high-watermark",
        summary: "a new leader forgets the high watermark that it knew; it learns it again by committing",
        change: |rules| rules.leader_high_watermark = LeaderHighWatermark::Unknown,
        bounds: |bounds| {
            bounds.epochs = 3;
            bounds.records = 1;
        },
    },
    Control {
        name: "begin-quorum-epoch-twice",
        summary: "a follower hears its leader's announcement again and fetches anew, beside a fetch under way",
        change: |rules| rules.begin_quorum = BeginQuorum::Resent,
        bounds: |bounds| {
            bounds.epochs = 3;
            bounds.records = 1;
        },
    },
    Control {
        name: "same-candidate-granted-again",
        summary: "a follower grants the repeated request of the leader that it voted for",
        change: |rules| rules.repeated_vote = RepeatedVote::Always,
        bounds: |bounds| {
            bounds.epochs = 3;
            bounds.duplicates = 1;
        },
    },
    Control {
        name: "fetch-request-not-fenced",
        summary: "a leader counts late fetches of earlier epochs: none of them reaches beyond the start of its own",
        change: |rules| rules.fetch_request_fence = false,
        bounds: |bounds| {
            bounds.epochs = 3;
            bounds.records = 1;
        },
    },
    Control {
        name: "answers-matched-by-position-alone",
        summary: "a follower takes late answers of earlier epochs if offset and last fetched epoch are its own",
        change: |rules| rules.fetch_correlation = FetchCorrelation::Position,
        bounds: |bounds| {
            bounds.epochs = 3;
            bounds.records = 1;
        },
    },
    Control {
        name: "leader-flushes-before-it-serves",
        summary: "a leader serves only what it has on disk, which is more than safety needs",
        change: |rules| rules.leader_flush = LeaderFlush::BeforeServing,
        bounds: |bounds| {
            bounds.epochs = 3;
            bounds.restarts = 1;
        },
    },
];
