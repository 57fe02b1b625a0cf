//! The rules of the protocol and the bounds of a search.

use crate::family::{Bound, Grain, Rule, Scale};

use super::state::{EPOCHS_MAX, MESSAGES_MAX, NODES_MAX, RECORDS_MAX};

/// The rules of replication. `Default` is the correct protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Which acknowledgement the producer waits for.
    pub acks: Acks,
    /// How many in-sync replicas an acknowledgement needs.
    pub min_isr: MinIsr,
    /// Over whose log ends the high watermark is the minimum.
    pub high_watermark_over: HighWatermarkOver,
    /// Whether the high watermark waits while the ISR is below min.insync.replicas.
    pub high_watermark_gate: HighWatermarkGate,
    /// How far a consumer may read on a leader.
    pub read_limit: ReadLimit,
    /// Whether a leader refuses fetches of another epoch.
    pub fetch_fence: Fence,
    /// Whether a follower ignores responses of another epoch or another role.
    pub response_fence: Fence,
    /// Whether a leader refuses a fetch of an older incarnation of a broker than it has seen.
    pub incarnation_fence: Fence,
    /// How a follower finds the point to truncate to.
    pub truncation: Truncation,
    /// What a leader says about a log that diverged.
    pub divergence: Divergence,
    /// When a follower has its log compared with the leader's.
    pub comparison: Comparison,
    /// Whether a diverging fetch says how much the follower holds.
    pub diverging_fetch: DivergingFetch,
    /// What bounds a follower's high watermark.
    pub follower_high_watermark: FollowerHighWatermark,
    /// What a new leader knows of its followers.
    pub follower_state: FollowerState,
    /// When a follower may join the ISR.
    pub expansion: Expansion,
    /// Whether AlterPartition is conditional on the partition epoch.
    pub partition_epoch: Fence,
    /// Whether AlterPartition is conditional on the broker epoch of each member.
    pub broker_epoch: Fence,
    /// Whether the controller refuses fenced brokers as members of the ISR.
    pub fenced_member: Fence,
    /// What is left of the partition epoch once a member was refused.
    pub refusal: Refusal,
    /// Whom the controller may elect.
    pub election: Election,
    /// What happens to the last member of the ISR when its broker is fenced.
    pub last_member: LastMember,
    /// What a registration after an unclean shutdown does to eligibility.
    pub unclean_registration: UncleanRegistration,
    /// When the controller forgets the eligible leader replicas.
    pub elr: ElrLife,
    /// When a broker may register anew.
    pub registration: Registration,
}

impl Rules {
    /// Whether nobody acts across leader epochs, or just because one begins.
    pub(super) fn epochs_are_fenced(&self) -> bool {
        self.fetch_fence == Fence::Checked
            && self.response_fence == Fence::Checked
            && self.comparison == Comparison::EveryEpoch
            && self.truncation == Truncation::ByEpoch
    }
}

/// acks of the producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// `acks=all`: once the record is below the leader's high watermark.
    #[default]
    All,
    /// `acks=1`: once the leader has appended it.
    Leader,
    /// `acks=0`: once it is sent.
    None,
}

/// min.insync.replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinIsr {
    /// As the bound says.
    #[default]
    Configured,
    /// 1, while the disks still fail as if it were what the bound says.
    One,
}

/// The set whose log ends bound the high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HighWatermarkOver {
    /// Committed and proposed ISR together.
    #[default]
    MaximalIsr,
    /// The committed ISR alone.
    CommittedIsr,
}

/// Whether a small ISR stops the high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HighWatermarkGate {
    /// It moves only while the committed ISR has min.insync.replicas members (KIP-966).
    #[default]
    MinIsr,
    /// It moves with any ISR; only the acknowledgement looks at min.insync.replicas.
    Open,
}

/// How far consumers read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadLimit {
    /// Below the high watermark.
    #[default]
    HighWatermark,
    /// Up to the log end.
    LogEnd,
}

/// Whether a condition is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fence {
    /// It is.
    #[default]
    Checked,
    /// It is not.
    Open,
}

/// How a follower truncates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Truncation {
    /// By leader epoch, as the leader answers (KIP-101, KIP-595).
    #[default]
    ByEpoch,
    /// To its own high watermark, on becoming follower.
    ToHighWatermark,
}

/// What a leader answers to a diverging fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Divergence {
    /// The largest epoch up to the one asked for, and its end offset (KIP-279).
    #[default]
    EpochAndEnd,
    /// Only the offset where the first larger epoch starts (KIP-101).
    EndOnly,
}

/// When logs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Comparison {
    /// In every leader epoch.
    #[default]
    EveryEpoch,
    /// Only when the leader is another broker than before.
    NewLeaderOnly,
}

/// Whether a diverging fetch counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DivergingFetch {
    /// It says nothing about what the follower holds.
    #[default]
    Ignored,
    /// Its offset counts as replicated.
    Counted,
}

/// A follower's own high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FollowerHighWatermark {
    /// Moves only with a response that confirms the follower's log.
    #[default]
    Confirmed,
    /// Moves with every response, up to the log end.
    AnyResponse,
}

/// The follower state of a new leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FollowerState {
    /// Unknown until the follower fetches in this epoch.
    #[default]
    Reset,
    /// What this replica knew when it last led.
    Kept,
}

/// When the ISR grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expansion {
    /// At the high watermark and at the start of the leader's epoch.
    #[default]
    HighWatermarkAndEpochStart,
    /// At the high watermark.
    HighWatermark,
}

/// The partition epoch after a member was refused as not eligible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refusal {
    /// It is used up, so that no copy of what was refused is granted later.
    #[default]
    UsesUpEpoch,
    /// It stays as it was: Kafka's way.
    LeavesEpoch,
}

/// Whom the controller elects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Election {
    /// A member of the ISR; with an empty ISR, of the ELR.
    #[default]
    Clean,
    /// As `Clean` and, where nobody of these is there, any broker that is (`unclean.leader.election.enable`).
    Unclean,
    /// Any broker that is there, at any time.
    Anyone,
}

/// The last member of the ISR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LastMember {
    /// Leaves the ISR like any other and becomes an eligible leader replica (KIP-966).
    #[default]
    Leaves,
    /// Stays in the ISR, whatever happens to it; there is no ELR.
    Stays,
}

/// What the controller does on a registration without a clean-shutdown marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UncleanRegistration {
    /// The broker leaves the ELR.
    #[default]
    LeavesElr,
    /// It stays.
    StaysInElr,
}

/// When the ELR is emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ElrLife {
    /// As soon as the ISR has min.insync.replicas members again.
    #[default]
    UntilMinIsr,
    /// Never: who once was eligible stays so.
    Forever,
}

/// When a broker registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registration {
    /// After its previous incarnation was fenced, under a new broker epoch.
    #[default]
    AfterFencing,
    /// It goes on as if it had never stopped.
    None,
}

/// The bounds of a search. All but `min_isr`, `unfence` and `atomic_fetch` only limit how much happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Replicas.
    pub nodes: u8,
    /// Leader epochs, the first included.
    pub epochs: u8,
    /// Records that the client produces.
    pub records: u8,
    /// Fetches and responses in flight at a time.
    pub messages: u8,
    /// Changes of leader, ISR or ELR by the controller.
    pub changes: u8,
    /// Processes that stop, cleanly or not.
    pub crashes: u8,
    /// `min.insync.replicas`.
    pub min_isr: u8,
    /// 1: a broker that was fenced while it ran stays fenced until a step of its own; 0: its next heartbeat is
    /// part of the fencing.
    pub unfence: u8,
    /// 1: a fetch and its answer are one step (a coarser grain).
    pub atomic_fetch: u8,
    /// 1: the world becomes good at some point, for liveness.
    pub stabilise: u8,
}

/// The table of bounds.
pub const BOUNDS: &[Bound<Bounds>] = &[
    Bound {
        name: "nodes",
        summary: "replicas of the partition",
        min: 1,
        max: NODES_MAX as u8,
        get: |b| b.nodes,
        set: |b, v| b.nodes = v,
    },
    Bound {
        name: "epochs",
        summary: "leader epochs, the first included",
        min: 1,
        max: EPOCHS_MAX,
        get: |b| b.epochs,
        set: |b, v| b.epochs = v,
    },
    Bound {
        name: "records",
        summary: "records that the client produces",
        min: 0,
        max: RECORDS_MAX as u8,
        get: |b| b.records,
        set: |b, v| b.records = v,
    },
    Bound {
        name: "messages",
        summary: "fetches and responses in flight at a time; AlterPartition requests do not count",
        min: 1,
        max: MESSAGES_MAX as u8 - 1,
        get: |b| b.messages,
        set: |b, v| b.messages = v,
    },
    Bound {
        name: "changes",
        summary: "changes of leader, ISR or ELR by the controller",
        min: 0,
        max: 15,
        get: |b| b.changes,
        set: |b, v| b.changes = v,
    },
    Bound {
        name: "crashes",
        summary: "processes that stop, cleanly or not",
        min: 0,
        max: 2,
        get: |b| b.crashes,
        set: |b, v| b.crashes = v,
    },
    Bound {
        name: "min-isr",
        summary: "min.insync.replicas; fewer replicas than that crash uncleanly at a time",
        min: 1,
        max: NODES_MAX as u8,
        get: |b| b.min_isr,
        set: |b, v| b.min_isr = v,
    },
    Bound {
        name: "unfence",
        summary: "1: a running broker that was fenced stays so until a step of its own",
        min: 0,
        max: 1,
        get: |b| b.unfence,
        set: |b, v| b.unfence = v,
    },
    Bound {
        name: "atomic-fetch",
        summary: "1: a fetch and its answer are one step",
        min: 0,
        max: 1,
        get: |b| b.atomic_fetch,
        set: |b, v| b.atomic_fetch = v,
    },
    Bound {
        name: "stabilise",
        summary: "1: at some point faults cease for ever",
        min: 0,
        max: 1,
        get: |b| b.stabilise,
        set: |b, v| b.stabilise = v,
    },
];

/// A rule by its name, clause and the way to break it.
const fn rule(
    name: &'static str,
    clause: &'static str,
    summary: &'static str,
    off: fn(&mut Rules),
) -> Rule<Rules> {
    Rule { name, clause, summary, off }
}

/// The protocol's rules.
pub const RULES: &[Rule<Rules>] = &[
    rule(
        "acks",
        "isr/produce/1",
        "acks=all: a record is acknowledged once it is below the high watermark",
        |r| {
            r.acks = Acks::Leader;
        },
    ),
    rule("min-isr", "isr/produce/2", "an acknowledged record was on min.insync.replicas replicas", |r| {
        r.min_isr = MinIsr::One;
    }),
    rule(
        "maximal-isr",
        "isr/commit/1",
        "the high watermark waits for the committed and the proposed ISR",
        |r| {
            r.high_watermark_over = HighWatermarkOver::CommittedIsr;
        },
    ),
    rule(
        "high-watermark-gate",
        "isr/commit/2",
        "the high watermark rests while the ISR is below min.insync.replicas",
        |r| {
            r.high_watermark_gate = HighWatermarkGate::Open;
        },
    ),
    rule(
        "follower-state",
        "isr/commit/3",
        "a new leader knows nothing of its followers until they fetch in its epoch",
        |r| {
            r.follower_state = FollowerState::Kept;
        },
    ),
    rule("read-limit", "isr/read/1", "consumers read only below the high watermark", |r| {
        r.read_limit = ReadLimit::LogEnd;
    }),
    rule(
        "follower-high-watermark",
        "isr/read/2",
        "a follower's high watermark covers only what the leader confirmed",
        |r| {
            r.follower_high_watermark = FollowerHighWatermark::AnyResponse;
        },
    ),
    rule("fetch-fence", "isr/fetch/1", "a leader serves and counts only fetches of its own epoch", |r| {
        r.fetch_fence = Fence::Open;
    }),
    rule(
        "response-fence",
        "isr/fetch/2",
        "a follower takes only responses of its own epoch, while it follows",
        |r| {
            r.response_fence = Fence::Open;
        },
    ),
    rule(
        "incarnation-fence",
        "isr/fetch/3",
        "a leader drops a fetch of an older incarnation than it has seen",
        |r| {
            r.incarnation_fence = Fence::Open;
        },
    ),
    rule(
        "diverging-fetch",
        "isr/fetch/4",
        "a diverging fetch says nothing about what the follower holds",
        |r| {
            r.diverging_fetch = DivergingFetch::Counted;
        },
    ),
    rule(
        "truncation",
        "isr/truncate/1",
        "a follower truncates by leader epoch, never to its own high watermark",
        |r| {
            r.truncation = Truncation::ToHighWatermark;
        },
    ),
    rule(
        "divergence",
        "isr/truncate/2",
        "the diverging answer is the largest epoch up to the one asked for, with its end",
        |r| {
            r.divergence = Divergence::EndOnly;
        },
    ),
    rule("comparison", "isr/truncate/3", "a follower's log is compared in every leader epoch", |r| {
        r.comparison = Comparison::NewLeaderOnly;
    }),
    rule(
        "expansion",
        "isr/isr/1",
        "a follower joins the ISR at the high watermark and the start of the epoch",
        |r| {
            r.expansion = Expansion::HighWatermark;
        },
    ),
    rule("partition-epoch", "isr/isr/2", "AlterPartition is a compare-and-set on the partition epoch", |r| {
        r.partition_epoch = Fence::Open;
    }),
    rule(
        "broker-epoch",
        "isr/isr/3",
        "AlterPartition states the broker epoch of each member, and a stale one is refused",
        |r| {
            r.broker_epoch = Fence::Open;
        },
    ),
    rule("fenced-member", "isr/isr/4", "no fenced broker enters the ISR", |r| {
        r.fenced_member = Fence::Open;
    }),
    rule(
        "refusal",
        "isr/isr/7",
        "a member that is refused uses up the partition epoch, so that no copy of the request is granted later",
        |r| {
            r.refusal = Refusal::LeavesEpoch;
        },
    ),
    rule(
        "election",
        "isr/elect/1",
        "a leader is elected from the ISR, with an empty ISR from the ELR",
        |r| {
            r.election = Election::Anyone;
        },
    ),
    rule("last-member", "isr/elr/1", "the last member leaves the ISR as well when it is fenced", |r| {
        r.last_member = LastMember::Stays;
    }),
    rule(
        "unclean-registration",
        "isr/elr/2",
        "a broker that registers after an unclean shutdown leaves the ELR",
        |r| {
            r.unclean_registration = UncleanRegistration::StaysInElr;
        },
    ),
    rule("elr-life", "isr/elr/3", "the ELR is emptied when the ISR has min.insync.replicas members", |r| {
        r.elr = ElrLife::Forever;
    }),
    rule(
        "registration",
        "isr/broker/1",
        "a broker comes back under a new broker epoch, after it was fenced",
        |r| {
            r.registration = Registration::None;
        },
    ),
];

/// The bounds of each scale.
pub(super) fn bounds_at(scale: Scale) -> Bounds {
    let small = Bounds {
        nodes: 2,
        epochs: 2,
        records: 1,
        messages: 2,
        changes: 4,
        crashes: 0,
        min_isr: 2,
        unfence: 0,
        atomic_fetch: 0,
        stabilise: 0,
    };
    match scale {
        Scale::Flaw => small,
        Scale::Test => Bounds { records: 2, crashes: 1, unfence: 1, ..small },
        Scale::Default => Bounds { nodes: 3, epochs: 3, records: 2, changes: 3, crashes: 1, ..small },
        Scale::Deep => Bounds { nodes: 3, epochs: 3, records: 2, changes: 4, crashes: 1, ..small },
        Scale::Liveness => Bounds { epochs: 4, records: 2, changes: 9, crashes: 1, stabilise: 1, ..small },
    }
}

/// Combinations that the table cannot forbid.
pub(super) fn admit(bounds: &Bounds) -> Result<(), String> {
    if bounds.min_isr > bounds.nodes {
        return Err(format!(
            "--min-isr {} is more than --nodes {}: nothing could ever be committed; the nearest choice is --min-isr {}",
            bounds.min_isr, bounds.nodes, bounds.nodes
        ));
    }
    let (epochs, changes) = reserve(bounds);
    if bounds.stabilise == 1 && (bounds.epochs <= epochs || bounds.changes <= changes) {
        return Err(format!(
            "--epochs {} --changes {} leave nothing before faults cease: with --stabilise 1, {epochs} epochs and \
             {changes} changes are kept in reserve; the nearest choice is --epochs {} --changes {}",
            bounds.epochs,
            bounds.changes,
            bounds.epochs.max(epochs + 1),
            bounds.changes.max(changes + 1)
        ));
    }
    Ok(())
}

/// The leader epochs and the changes that are kept for after stabilisation: a broker that is down may be
/// elected before it is fenced, and each may have to be fenced, registered and admitted.
pub(super) fn reserve(bounds: &Bounds) -> (u8, u8) {
    if bounds.stabilise == 1 { (bounds.nodes, 3 * bounds.nodes) } else { (0, 0) }
}

/// The grains beside the default.
pub(super) const GRAINS: &[Grain<Bounds>] = &[Grain {
    name: "atomic-fetch",
    summary: "a fetch and its answer are one step: no stale request, no stale response",
    apply: |bounds| bounds.atomic_fetch = 1,
    bounds: || Bounds {
        nodes: 3,
        epochs: 3,
        records: 2,
        messages: 1,
        changes: 4,
        crashes: 1,
        min_isr: 2,
        unfence: 0,
        atomic_fetch: 1,
        stabilise: 0,
    },
}];
