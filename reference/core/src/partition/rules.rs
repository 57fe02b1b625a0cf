//! The rules of replication, named as in the model `isr`.

use crate::rules::rules;

rules! {
    /// What a replica keeps to. Each rule is a clause of `specs/isr.md`, and each has a flaw that breaks it.
    pub struct Rules {
        /// Over whose log ends the high watermark is the minimum (`isr/commit/1`).
        high_watermark_over: HighWatermarkOver = HighWatermarkOver::MaximalIsr,
        /// Whether the high watermark rests while the ISR is below `min.insync.replicas` (`isr/commit/2`).
        high_watermark_gate: HighWatermarkGate = HighWatermarkGate::MinIsr,
        /// What a new leader knows of its followers (`isr/commit/3`).
        follower_state: FollowerState = FollowerState::Reset,
        /// How far a consumer may read on a leader (`isr/read/1`).
        read_limit: ReadLimit = ReadLimit::HighWatermark,
        /// What moves a follower's high watermark (`isr/read/2`).
        follower_high_watermark: FollowerHighWatermark = FollowerHighWatermark::Confirmed,
        /// Whether a leader refuses fetches of another epoch (`isr/fetch/1`).
        fetch_fence: Fence = Fence::Checked,
        /// Whether a follower ignores answers of another epoch, or to another position (`isr/fetch/2`).
        response_fence: Fence = Fence::Checked,
        /// Whether a leader drops the fetches of an older incarnation of a broker (`isr/fetch/3`).
        incarnation_fence: Fence = Fence::Checked,
        /// Whether a fetch that diverges says how much its sender holds (`isr/fetch/4`).
        diverging_fetch: DivergingFetch = DivergingFetch::Ignored,
        /// How a follower finds where to truncate (`isr/truncate/1`).
        truncation: Truncation = Truncation::ByEpoch,
        /// What a leader says about a log that diverged (`isr/truncate/2`).
        divergence: Divergence = Divergence::EpochAndEnd,
        /// When a follower has its log compared with the leader's (`isr/truncate/3`).
        comparison: Comparison = Comparison::EveryEpoch,
        /// When a follower may join the ISR (`isr/isr/1`).
        expansion: Expansion = Expansion::HighWatermarkAndEpochStart,
        /// Which broker epoch a leader states for a member of the ISR it asks for (`isr/isr/3`).
        member_epoch: MemberEpoch = MemberEpoch::Fetched,
        /// Whether a leader asks only for members that may join by its metadata (`isr/isr/4`, the leader's side).
        fenced_member: Fence = Fence::Checked,
        /// What a leader does about a proposal that was refused for what it is based on (`isr/isr/9`; not in the model).
        refusal: Refusal = Refusal::AwaitsMetadata,
        /// Whether an uncleanly elected leader stays alone until it has recovered (`isr/elect/3`).
        recovery: Recovery = Recovery::Alone,
    }
}

/// The set whose log ends bound the high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HighWatermarkOver {
    /// Committed and proposed ISR together.
    MaximalIsr,
    /// The committed ISR alone.
    CommittedIsr,
}

/// Whether a small ISR stops the high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HighWatermarkGate {
    /// It moves only while the committed ISR has `min.insync.replicas` members (KIP-966).
    MinIsr,
    /// It moves with any ISR.
    Open,
}

/// The follower state of a new leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FollowerState {
    /// Unknown until the follower fetches in this epoch.
    Reset,
    /// What this replica knew when it last led.
    Kept,
}

/// How far consumers read on a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadLimit {
    /// Below the high watermark.
    HighWatermark,
    /// Up to the log end.
    LogEnd,
}

/// A follower's own high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FollowerHighWatermark {
    /// Moves only with an answer that confirms the follower's log.
    Confirmed,
    /// Moves with every answer, up to the log end.
    AnyResponse,
}

/// Whether a condition is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fence {
    /// It is.
    Checked,
    /// It is not.
    Open,
}

/// Whether a diverging fetch counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DivergingFetch {
    /// It says nothing about what the follower holds.
    Ignored,
    /// Its offset counts as replicated.
    Counted,
}

/// How a follower truncates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truncation {
    /// By leader epoch, as the leader answers (KIP-101, KIP-595).
    ByEpoch,
    /// To its own high watermark, on becoming follower.
    ToHighWatermark,
}

/// What a leader answers to a diverging fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Divergence {
    /// The largest epoch up to the one asked for, and its end offset (KIP-279).
    EpochAndEnd,
    /// Only the offset where the first larger epoch starts (KIP-101).
    EndOnly,
}

/// When logs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// In every leader epoch.
    EveryEpoch,
    /// Only when the leader is another broker than before.
    NewLeaderOnly,
}

/// When the ISR grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expansion {
    /// At the high watermark and at the start of the leader's epoch.
    HighWatermarkAndEpochStart,
    /// At the high watermark.
    HighWatermark,
}

/// The broker epoch that a leader states for a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberEpoch {
    /// The one that the member last fetched with.
    Fetched,
    /// None, upon which the controller cannot check it.
    Unstated,
}

/// What a leader does about a proposal that the controller refuses because there is newer metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It waits for that metadata, which will tell whether the proposal was taken.
    AwaitsMetadata,
    /// It asks for the same again, as if nobody had answered (flaw E43).
    Repeated,
}

/// What an uncleanly elected leader may do before it has recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recovery {
    /// Nothing but say that it has: the ISR is the leader alone.
    Alone,
    /// Expand the ISR.
    Open,
}
