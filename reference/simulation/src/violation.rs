//! What is wrong, where something is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that must hold in every world.
///
/// | tag | what is checked | when | clause |
/// |---|---|---|---|
/// | ES | at most one leader an epoch, of the quorum and of each partition | a node leads | kraft/safety/1, isr/elect/1 |
/// | LM | the same offset and epoch have the same records before them | a batch is appended | kraft/safety/4, isr/safety/6 |
/// | UNIQ | an offset and epoch are one batch, ever | a batch is appended | kraft/safety/3, isr/safety/6 |
/// | LAO | who leads never cuts its own log | a log is cut | kraft/safety/2, isr/safety/9 |
/// | LC | who leads the quorum holds all that was committed in earlier epochs | a node leads | kraft/safety/5 |
/// | QC | what a quorum leader calls committed is on the disks of a majority | its HW moves | kraft/safety/8 |
/// | SMS | what is below one high watermark is the same below every other; nobody cuts below its own | HW moves, a log is cut | kraft/safety/6, isr/safety/8 |
/// | HWM | the quorum's high watermark never falls on a node that is up | HW moves | kraft/safety/7 |
/// | SISR | every running ISR member holds all below any presumed leader's high watermark | ISR, HW, role or log changes | isr/safety/1 |
/// | RQS | the set that moves the HW contains the ISR | ISR or proposal changes | isr/safety/7 |
/// | DUR | the newest leader and every candidate hold all that was acknowledged to `acks=all` | ISR, leader or log changes | isr/safety/2, isr/safety/3, isr/safety/4 |
/// | READ | what a consumer reads is committed, and the newest leader holds it | a consumer is answered, ISR, leader or log changes | isr/safety/5 |
/// | ELECT | leaders come from ISR or ELR, unless unclean election is allowed; nobody fenced leads or is in sync | metadata are committed | isr/elect/1, isr/safety/10 |
/// | CTRL | broker, leader and partition epochs never go back | metadata are committed | isr/isr/2, isr/broker/1 |
/// | HIST | no record is lost, doubled, out of order or from nowhere, but as its acks allow | a client is answered, the end | isr/produce/1 |
/// | STOP | a node stops when it is told to or its disk fails it, and starts again | a node stops or starts | - |
/// | DISK | what is flushed is there after a crash | a node starts | kraft/flush/1 |
/// | PANIC | no assertion of a node fails | always | - |
/// | LIVE | once all is healed the cluster converges and serves | the end | kraft/liveness/1, kraft/liveness/2, isr/liveness/1 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the table above says each")]
pub enum Invariant {
    ElectionSafety,
    LogMatching,
    Uniqueness,
    AppendOnly,
    LeaderCompleteness,
    CommitCertificate,
    StateMachineSafety,
    HighWatermark,
    StrongIsr,
    QuorumSuperset,
    Durability,
    ReadStability,
    Election,
    Controller,
    History,
    Stop,
    Disk,
    Panic,
    Liveness,
}

impl Invariant {
    /// Its tag.
    pub fn tag(self) -> &'static str {
        match self {
            Invariant::ElectionSafety => "ES",
            Invariant::LogMatching => "LM",
            Invariant::Uniqueness => "UNIQ",
            Invariant::AppendOnly => "LAO",
            Invariant::LeaderCompleteness => "LC",
            Invariant::CommitCertificate => "QC",
            Invariant::StateMachineSafety => "SMS",
            Invariant::HighWatermark => "HWM",
            Invariant::StrongIsr => "SISR",
            Invariant::QuorumSuperset => "RQS",
            Invariant::Durability => "DUR",
            Invariant::ReadStability => "READ",
            Invariant::Election => "ELECT",
            Invariant::Controller => "CTRL",
            Invariant::History => "HIST",
            Invariant::Stop => "STOP",
            Invariant::Disk => "DISK",
            Invariant::Panic => "PANIC",
            Invariant::Liveness => "LIVE",
        }
    }
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl Violation {
    pub(crate) fn new(invariant: Invariant, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { invariant, found: found.into(), expected: expected.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}; expected {}", self.invariant.tag(), self.found, self.expected)
    }
}
