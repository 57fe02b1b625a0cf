//! What happens in a world from outside: faults, operations of clients, messages that go astray.

use serde::{Deserialize, Serialize};

/// Something that happens at its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happening {
    /// When, in microseconds of virtual time.
    pub at_us: u64,
    /// What.
    pub what: What,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Something breaks.
    Fault(Fault),
    /// A client wants something.
    Operation {
        /// Which client.
        client: u32,
        /// What it wants.
        wants: Operation,
    },
}

/// Something that breaks, and for how long. Nodes are named by `node.id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Messages from these nodes to those are lost.
    Cut {
        /// From any of these.
        from: Vec<i32>,
        /// To any of these.
        to: Vec<i32>,
        /// And back.
        both_ways: bool,
        /// For how long, in microseconds.
        for_us: u64,
    },
    /// A node stops at once and starts again later.
    Crash {
        /// Which.
        node: i32,
        /// What becomes of what it had not flushed.
        tail: Tail,
        /// It starts again after so many microseconds.
        down_us: u64,
    },
    /// A node is told to stop, and starts again later.
    ShutDown {
        /// Which.
        node: i32,
        /// It starts again so many microseconds after it has stopped; and crashes if it has not stopped by then.
        down_us: u64,
    },
    /// A node stands still: a long collection of garbage, a stopped virtual machine.
    Pause {
        /// Which.
        node: i32,
        /// For how long, in microseconds.
        for_us: u64,
    },
    /// A node's clock jumps ahead.
    Jump {
        /// Which.
        node: i32,
        /// By so many microseconds.
        by_us: u64,
    },
    /// A node's disk takes no more bytes; the node must stop, and starts again with room.
    DiskFull {
        /// Which.
        node: i32,
        /// It starts again so many microseconds after the disk filled.
        for_us: u64,
    },
    /// A node's disk fails the next flush; the node must stop, and starts again on the same disk.
    FlushFails {
        /// Which.
        node: i32,
        /// It starts again so many microseconds after that.
        down_us: u64,
    },
    /// A node's disk fails reads.
    ReadFails {
        /// Which.
        node: i32,
        /// It starts again so many microseconds after that.
        down_us: u64,
    },
    /// A node crashes and comes back with an empty disk, under a new directory id.
    Wipe {
        /// Which.
        node: i32,
        /// It starts again after so many microseconds.
        down_us: u64,
    },
}

/// What becomes of what a crashed node had not flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tail {
    /// The process died, the machine did not: all that was written stays.
    Kept,
    /// The machine died: what was not flushed is gone, or torn in the middle.
    Lost,
}

/// What a client wants. Topics and partitions are named by a number, taken modulo what there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// Append a batch.
    Produce {
        /// To which partition.
        partition: u32,
        /// 0, 1, or -1 for all.
        acks: i8,
        /// How many records.
        records: u32,
    },
    /// Read a batch or more.
    Consume {
        /// Of which partition.
        partition: u32,
        /// From the start again, instead of from where this client was.
        from_start: bool,
    },
    /// Create a topic.
    CreateTopic {
        /// Of so many partitions.
        partitions: u32,
    },
    /// Delete a topic, unless it is the last.
    DeleteTopic {
        /// Which.
        topic: u32,
    },
    /// Give a topic another partition.
    GrowTopic {
        /// Which.
        topic: u32,
    },
    /// Give the leadership of a partition back to its preferred replica, or to any that lives.
    Elect {
        /// Of which partition.
        partition: u32,
        /// To any that lives.
        unclean: bool,
    },
    /// Change a topic's configuration.
    Configure {
        /// Which topic.
        topic: u32,
        /// Its retention, in milliseconds.
        retention_ms: u64,
    },
}

/// A message that met with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mischief {
    /// From this node.
    pub from: i32,
    /// To this one.
    pub to: i32,
    /// Its number among all messages on that way, from 0.
    pub number: u64,
    /// What it met with.
    pub kind: MischiefKind,
}

/// What a message meets with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum MischiefKind {
    /// It is lost, and nobody is told.
    Lost,
    /// It is lost with its connection; the one who asked is told.
    Broken,
    /// It arrives twice.
    Twice {
        /// The second time so many microseconds later.
        later_us: u64,
    },
    /// It is late, and others overtake it.
    Late {
        /// By so many microseconds.
        by_us: u64,
    },
}

impl Fault {
    /// The name of its kind, for coverage.
    pub(crate) fn kind(&self) -> FaultKind {
        match self {
            Fault::Cut { both_ways: true, .. } => FaultKind::Cut,
            Fault::Cut { both_ways: false, .. } => FaultKind::OneWayCut,
            Fault::Crash { tail: Tail::Kept, .. } => FaultKind::Crash,
            Fault::Crash { tail: Tail::Lost, .. } => FaultKind::PowerLoss,
            Fault::ShutDown { .. } => FaultKind::ShutDown,
            Fault::Pause { .. } => FaultKind::Pause,
            Fault::Jump { .. } => FaultKind::Jump,
            Fault::DiskFull { .. } => FaultKind::DiskFull,
            Fault::FlushFails { .. } => FaultKind::FlushFails,
            Fault::ReadFails { .. } => FaultKind::ReadFails,
            Fault::Wipe { .. } => FaultKind::Wipe,
        }
    }
}

/// The kinds of faults, those of messages included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum FaultKind {
    /// A symmetric cut.
    Cut,
    /// A one-way cut.
    OneWayCut,
    /// A crash of a process.
    Crash,
    /// A crash of a machine, with the loss of what was not flushed.
    PowerLoss,
    /// A clean stop.
    ShutDown,
    /// A pause.
    Pause,
    /// A clock that jumps.
    Jump,
    /// A full disk.
    DiskFull,
    /// A failed flush.
    FlushFails,
    /// A failed read.
    ReadFails,
    /// A lost disk.
    Wipe,
    /// A lost message.
    Lost,
    /// A broken connection.
    Broken,
    /// A message that came twice.
    Twice,
    /// A message that came late.
    Late,
}

impl FaultKind {
    /// All of them, in order.
    pub const ALL: [FaultKind; 15] = [
        FaultKind::Cut,
        FaultKind::OneWayCut,
        FaultKind::Crash,
        FaultKind::PowerLoss,
        FaultKind::ShutDown,
        FaultKind::Pause,
        FaultKind::Jump,
        FaultKind::DiskFull,
        FaultKind::FlushFails,
        FaultKind::ReadFails,
        FaultKind::Wipe,
        FaultKind::Lost,
        FaultKind::Broken,
        FaultKind::Twice,
        FaultKind::Late,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Cut => "cut",
            FaultKind::OneWayCut => "one-way cut",
            FaultKind::Crash => "crash",
            FaultKind::PowerLoss => "power loss",
            FaultKind::ShutDown => "shutdown",
            FaultKind::Pause => "pause",
            FaultKind::Jump => "clock jump",
            FaultKind::DiskFull => "disk full",
            FaultKind::FlushFails => "failed flush",
            FaultKind::ReadFails => "failed read",
            FaultKind::Wipe => "lost disk",
            FaultKind::Lost => "lost message",
            FaultKind::Broken => "broken connection",
            FaultKind::Twice => "doubled message",
            FaultKind::Late => "late message",
        }
    }
}

impl MischiefKind {
    /// Its kind, for coverage.
    pub(crate) fn kind(self) -> FaultKind {
        match self {
            MischiefKind::Lost => FaultKind::Lost,
            MischiefKind::Broken => FaultKind::Broken,
            MischiefKind::Twice { .. } => FaultKind::Twice,
            MischiefKind::Late { .. } => FaultKind::Late,
        }
    }
}
