//! Historic bugs of Kafka's replication that a broker alone can have, as changes to the rules. Each has a page in
//! `specs/flaws` under the same id.

use super::{
    Comparison, Divergence, DivergingFetch, Expansion, Fence, FollowerHighWatermark, FollowerState,
    HighWatermarkGate, HighWatermarkOver, MemberEpoch, ReadLimit, Recovery, Refusal, Rules, Truncation,
};
use crate::Flaw;

/// The flaws, in the order of their ids.
pub const FLAWS: &[Flaw<Rules>] = &[
    Flaw {
        id: "B01",
        name: "truncate-to-high-watermark",
        change: |rules| rules.truncation = Truncation::ToHighWatermark,
    },
    Flaw {
        id: "B03",
        name: "end-offset-without-epoch",
        change: |rules| rules.divergence = Divergence::EndOnly,
    },
    Flaw { id: "B06", name: "zombie-fetch", change: |rules| rules.fetch_fence = Fence::Open },
    Flaw {
        id: "B07",
        name: "no-truncation-under-same-leader",
        change: |rules| rules.comparison = Comparison::NewLeaderOnly,
    },
    Flaw {
        id: "B08",
        name: "expansion-below-epoch-start",
        change: |rules| rules.expansion = Expansion::HighWatermark,
    },
    Flaw {
        id: "B11",
        name: "committed-isr-only",
        change: |rules| rules.high_watermark_over = HighWatermarkOver::CommittedIsr,
    },
    Flaw {
        id: "B14",
        name: "diverging-fetch-counted",
        change: |rules| rules.diverging_fetch = DivergingFetch::Counted,
    },
    Flaw { id: "B15", name: "stale-response", change: |rules| rules.response_fence = Fence::Open },
    Flaw {
        id: "B17",
        name: "stale-broker-epoch",
        change: |rules| rules.member_epoch = MemberEpoch::Unstated,
    },
    Flaw { id: "B39", name: "expansion-while-recovering", change: |rules| rules.recovery = Recovery::Open },
    Flaw {
        id: "E20",
        name: "commit-below-min-isr",
        change: |rules| rules.high_watermark_gate = HighWatermarkGate::Open,
    },
    Flaw { id: "E21", name: "fenced-member", change: |rules| rules.fenced_member = Fence::Open },
    Flaw { id: "E23", name: "read-uncommitted", change: |rules| rules.read_limit = ReadLimit::LogEnd },
    Flaw {
        id: "E27",
        name: "follower-state-kept",
        change: |rules| rules.follower_state = FollowerState::Kept,
    },
    Flaw {
        id: "E28",
        name: "high-watermark-over-unverified-tail",
        change: |rules| rules.follower_high_watermark = FollowerHighWatermark::AnyResponse,
    },
    Flaw {
        id: "E29",
        name: "older-incarnation-counted",
        change: |rules| rules.incarnation_fence = Fence::Open,
    },
    Flaw { id: "E43", name: "refused-proposal-repeated", change: |rules| rules.refusal = Refusal::Repeated },
];
