//! Historic bugs, each a change to the rules.

use super::{
    BeginQuorum, Candidates, CheckQuorum, CommitGate, FetchCorrelation, FetchCount, FollowerHighWatermark,
    Identity, LeaderFlush, LogCheck, RestartRole, Rules, Search, VoteMemory,
};
use crate::rules::Flaw;

/// The flaws, in the order of their ids, named as in `specs/flaws`.
pub const FLAWS: &[Flaw<Rules>] = &[
    Flaw { id: "A01", name: "commit-old-epoch", change: |rules| rules.commit_gate = CommitGate::Off },
    Flaw {
        id: "A02",
        name: "commit-gate-inclusive",
        change: |rules| rules.commit_gate = CommitGate::OwnEpochInclusive,
    },
    Flaw { id: "A03", name: "vote-not-persisted", change: |rules| rules.durable_vote = false },
    Flaw { id: "A06", name: "no-log-check", change: |rules| rules.log_check = LogCheck::Absent },
    Flaw { id: "A07", name: "log-check-by-length", change: |rules| rules.log_check = LogCheck::OffsetOnly },
    Flaw {
        id: "A08",
        name: "vote-forgotten-by-follower",
        change: |rules| rules.vote_memory = VoteMemory::UntilFollowing,
    },
    Flaw { id: "A11", name: "stale-vote-reply", change: |rules| rules.vote_epoch_check = false },
    Flaw {
        id: "A14",
        name: "diverged-fetch-counted",
        change: |rules| rules.fetch_count = FetchCount::BeforeValidation,
    },
    Flaw {
        id: "A15",
        name: "fetch-epoch-ignored",
        change: |rules| {
            rules.fetch_request_fence = false;
            rules.fetch_correlation = FetchCorrelation::Offset;
        },
    },
    Flaw {
        id: "A17",
        name: "unverified-high-watermark",
        change: |rules| rules.follower_high_watermark = FollowerHighWatermark::LogEnd,
    },
    Flaw { id: "A20", name: "no-flush-before-fetch", change: |rules| rules.follower_flush = false },
    Flaw { id: "A23", name: "restart-as-leader", change: |rules| rules.restart_role = RestartRole::Leader },
    Flaw {
        id: "A24",
        name: "restart-without-vote",
        change: |rules| rules.restart_role = RestartRole::Unattached,
    },
    Flaw { id: "A30", name: "blank-voter", change: |rules| rules.identity = Identity::IdOnly },
    Flaw {
        id: "A35",
        name: "begin-quorum-epoch-once",
        change: |rules| {
            rules.begin_quorum = BeginQuorum::Once;
            rules.search = Search::Observers;
        },
    },
    Flaw { id: "A36", name: "no-check-quorum", change: |rules| rules.check_quorum = CheckQuorum::Absent },
    Flaw { id: "A43", name: "observer-campaigns", change: |rules| rules.candidates = Candidates::Anyone },
    Flaw {
        id: "E02",
        name: "high-watermark-follows-count",
        change: |rules| rules.high_watermark_max = false,
    },
    Flaw {
        id: "E03",
        name: "leader-counts-unflushed",
        change: |rules| rules.leader_flush = LeaderFlush::Never,
    },
    Flaw { id: "E04", name: "no-divergence-check", change: |rules| rules.divergence_check = false },
    Flaw {
        id: "E05",
        name: "stale-answer-taken",
        change: |rules| rules.fetch_correlation = FetchCorrelation::Offset,
    },
    Flaw {
        id: "E06",
        name: "answers-matched-by-offset",
        change: |rules| rules.fetch_correlation = FetchCorrelation::EpochAndOffset,
    },
    Flaw { id: "E07", name: "no-step-down", change: |rules| rules.step_down = false },
    Flaw {
        id: "E08",
        name: "no-begin-quorum-epoch",
        change: |rules| {
            rules.begin_quorum = BeginQuorum::Never;
            rules.search = Search::Observers;
        },
    },
    Flaw { id: "E09", name: "candidate-not-flushed", change: |rules| rules.candidate_flush = false },
    Flaw { id: "E40", name: "elected-by-one-less", change: |rules| rules.election_majority = false },
    Flaw { id: "E41", name: "committed-by-one-less", change: |rules| rules.commit_majority = false },
    Flaw { id: "E42", name: "later-batches-taken", change: |rules| rules.batch_epoch_check = false },
    Flaw { id: "E44", name: "epoch-forgotten", change: |rules| rules.durable_epoch = false },
    Flaw {
        id: "E45",
        name: "counted-when-served",
        change: |rules| rules.fetch_count = FetchCount::WhenServed,
    },
    Flaw { id: "E46", name: "resigned-leader-shields", change: |rules| rules.resignation_frees = false },
];
