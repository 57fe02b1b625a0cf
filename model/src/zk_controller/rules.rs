//! The rules of the controller, each with the ways it has been got wrong, and the bounds of the model.

use crate::family::{Bound, Rule, Scale};

use super::{BROKERS_MAX, EPOCHS_MAX, LEADER_EPOCHS_MAX, PARTITIONS_MAX, REQUESTS_MAX};

/// The controller's rules. `Default` is the correct protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// What a broker checks of a controller's request.
    pub request_fence: RequestFence,
    /// Where a controller takes its epoch from.
    pub epoch_source: EpochSource,
    /// What a controller's write to the tree depends on.
    pub tree_fence: TreeFence,
    /// How a broker that finds its node in place knows it for its own.
    pub node_owner: NodeOwner,
    /// What a broker does that finds itself elected already.
    pub reelection: Reelection,
    /// What a controller does when it learns that its session was replaced.
    pub on_new_session: OnNewSession,
    /// What the service does with the nodes of a session that it ends.
    pub expiry: Expiry,
    /// When `/controller_epoch` is incremented.
    pub win: Win,
    /// Whether a controller's write depends on the version of the partition's state.
    pub election_write: PartitionWrite,
    /// Whether a leader's write of its ISR depends on the version of the partition's state.
    pub isr_write: PartitionWrite,
    /// How a controller notices that a broker came back.
    pub bounce: Bounce,
    /// Whom a controller elects.
    pub electorate: Electorate,
    /// What an election does to the leader epoch.
    pub leader_epoch: LeaderEpoch,
}

/// What a broker checks of a controller's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestFence {
    /// Its controller epoch is at least the largest seen.
    #[default]
    ControllerEpoch,
    /// Nothing (flaw B23).
    Absent,
}

/// Where a controller takes its epoch from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EpochSource {
    /// From its own win, once.
    #[default]
    OwnWin,
    /// From whatever `/controller_epoch` says, as it changes (flaw B24).
    Watched,
}

/// What a controller's write to the tree depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TreeFence {
    /// `/controller_epoch` is still at the version of its own win.
    #[default]
    EpochVersion,
    /// Nothing (flaw B25).
    Absent,
}

/// How a broker that finds its node in place knows it for its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NodeOwner {
    /// By the session that owns it.
    #[default]
    Session,
    /// By the broker id in it (flaw D11).
    BrokerId,
}

/// What a broker does that finds itself elected already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reelection {
    /// Is the controller.
    #[default]
    TakesOffice,
    /// Waits for its own node to go, and tries again, for ever (flaw D12).
    TriesAgain,
}

/// What a controller does when it learns that its session was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnNewSession {
    /// Resigns, and races again.
    #[default]
    Resigns,
    /// Goes on (flaw D13).
    GoesOn,
}

/// What the service does with the ephemeral nodes of a session that it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expiry {
    /// Deletes them in the same step.
    #[default]
    DeletesNodes,
    /// Leaves them (flaw E33).
    LeavesNodes,
}

/// When `/controller_epoch` is incremented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Win {
    /// In one transaction with the creation of `/controller`.
    #[default]
    OneTransaction,
    /// In a second request (flaw E36).
    CreateThenIncrement,
}

/// Whether a write of a partition's state depends on its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartitionWrite {
    /// Only on the version that the writer has read.
    #[default]
    Conditional,
    /// On nothing (flaws E37 and E38).
    Unconditional,
}

/// How a controller notices that a broker came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bounce {
    /// By the creation id of its node, the broker epoch.
    #[default]
    BrokerEpoch,
    /// By its id, which looks the same before and after (flaw E39).
    BrokerId,
}

/// Whom a controller elects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Electorate {
    /// A live member of the ISR.
    #[default]
    Isr,
    /// Any live broker (flaw B22).
    Anyone,
}

/// What an election does to the leader epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeaderEpoch {
    /// Increments it.
    #[default]
    Bumped,
    /// Leaves it, except for the first (flaw B30).
    Kept,
}

/// Every rule, for `--without` and for the matrix.
pub(super) const RULES: &[Rule<Rules>] = &[
    Rule {
        name: "request-fence",
        clause: "zk-controller/fence/1",
        summary: "a broker refuses a request of an older controller epoch than it has seen",
        off: |rules| rules.request_fence = RequestFence::Absent,
    },
    Rule {
        name: "own-epoch",
        clause: "zk-controller/fence/2",
        summary: "a controller acts with the epoch of its own win and never adopts another",
        off: |rules| rules.epoch_source = EpochSource::Watched,
    },
    Rule {
        name: "tree-fence",
        clause: "zk-controller/fence/3",
        summary: "a controller's writes are conditional on the version of /controller_epoch",
        off: |rules| rules.tree_fence = TreeFence::Absent,
    },
    Rule {
        name: "node-owner",
        clause: "zk-controller/registration/1",
        summary: "a broker takes a node for its own only if its present session owns it",
        off: |rules| rules.node_owner = NodeOwner::BrokerId,
    },
    Rule {
        name: "elected-already",
        clause: "zk-controller/race/2",
        summary: "a broker that finds /controller owned by its own session is the controller",
        off: |rules| rules.reelection = Reelection::TriesAgain,
    },
    Rule {
        name: "new-session-resigns",
        clause: "zk-controller/session/2",
        summary: "a controller that learns that its session was replaced resigns",
        off: |rules| rules.on_new_session = OnNewSession::GoesOn,
    },
    Rule {
        name: "expiry-deletes",
        clause: "zk-controller/session/1",
        summary: "the service deletes the ephemeral nodes of a session in the step that ends it",
        off: |rules| rules.expiry = Expiry::LeavesNodes,
    },
    Rule {
        name: "win-in-one",
        clause: "zk-controller/race/1",
        summary: "/controller is created and /controller_epoch incremented in one transaction",
        off: |rules| rules.win = Win::CreateThenIncrement,
    },
    Rule {
        name: "election-version",
        clause: "zk-controller/election/3",
        summary: "a controller writes a partition's state only on the version that it has read",
        off: |rules| rules.election_write = PartitionWrite::Unconditional,
    },
    Rule {
        name: "isr-version",
        clause: "zk-controller/partition/1",
        summary: "a leader writes its ISR only on the version of the partition's state that it knows",
        off: |rules| rules.isr_write = PartitionWrite::Unconditional,
    },
    Rule {
        name: "broker-epoch",
        clause: "zk-controller/registration/2",
        summary: "a controller knows a broker that came back by the creation id of its node",
        off: |rules| rules.bounce = Bounce::BrokerId,
    },
    Rule {
        name: "elect-from-isr",
        clause: "zk-controller/election/2",
        summary: "a controller elects a live member of the ISR, or nobody",
        off: |rules| rules.electorate = Electorate::Anyone,
    },
    Rule {
        name: "leader-epoch-bump",
        clause: "zk-controller/election/4",
        summary: "every election increments the leader epoch",
        off: |rules| rules.leader_epoch = LeaderEpoch::Kept,
    },
];

/// What makes the state space finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Brokers.
    pub brokers: u8,
    /// Partitions, each with every broker as a replica.
    pub partitions: u8,
    /// Wins of `/controller`.
    pub epochs: u8,
    /// Leader epochs of each partition.
    pub leader_epochs: u8,
    /// Times that a leader drops a replica from its ISR, for each partition.
    pub shrinks: u8,
    /// Requests in flight.
    pub messages: u8,
    /// Pauses, crashes and lost connections, together.
    pub faults: u8,
    /// 1 adds the step after which no fault happens; liveness is claimed from there.
    pub stabilise: u8,
}

impl Bounds {
    /// Whether faults may stop.
    pub fn stabilises(&self) -> bool {
        self.stabilise != 0
    }
}

/// The table of bounds.
pub(super) const BOUNDS: &[Bound<Bounds>] = &[
    Bound {
        name: "brokers",
        summary: "brokers, every one of them a replica of every partition",
        min: 1,
        max: BROKERS_MAX as u8,
        get: |bounds| bounds.brokers,
        set: |bounds, value| bounds.brokers = value,
    },
    Bound {
        name: "partitions",
        summary: "partitions",
        min: 1,
        max: PARTITIONS_MAX as u8,
        get: |bounds| bounds.partitions,
        set: |bounds, value| bounds.partitions = value,
    },
    Bound {
        name: "epochs",
        summary: "controller epochs: wins of /controller",
        min: 1,
        max: EPOCHS_MAX,
        get: |bounds| bounds.epochs,
        set: |bounds, value| bounds.epochs = value,
    },
    Bound {
        name: "leader-epochs",
        summary: "leader epochs of each partition",
        min: 1,
        max: LEADER_EPOCHS_MAX,
        get: |bounds| bounds.leader_epochs,
        set: |bounds, value| bounds.leader_epochs = value,
    },
    Bound {
        name: "shrinks",
        summary: "times that the ISR of each partition shrinks by its leader's doing",
        min: 0,
        max: 2,
        get: |bounds| bounds.shrinks,
        set: |bounds, value| bounds.shrinks = value,
    },
    Bound {
        name: "messages",
        summary: "requests in flight from controllers to brokers",
        min: 1,
        max: REQUESTS_MAX as u8,
        get: |bounds| bounds.messages,
        set: |bounds, value| bounds.messages = value,
    },
    Bound {
        name: "faults",
        summary: "pauses, crashes and lost connections, together",
        min: 0,
        max: 6,
        get: |bounds| bounds.faults,
        set: |bounds, value| bounds.faults = value,
    },
    Bound {
        name: "stabilise",
        summary: "1: faults may stop for good, and liveness is claimed from there",
        min: 0,
        max: 1,
        get: |bounds| bounds.stabilise,
        set: |bounds, value| bounds.stabilise = value,
    },
];

/// The bounds of each scale.
pub(super) fn bounds_at(scale: Scale) -> Bounds {
    let small = Bounds {
        brokers: 2,
        partitions: 1,
        epochs: 2,
        leader_epochs: 2,
        shrinks: 1,
        messages: 1,
        faults: 2,
        stabilise: 0,
    };
    match scale {
        Scale::Test => small,
        Scale::Default => Bounds { brokers: 3, partitions: 2, faults: 1, ..small },
        Scale::Deep => Bounds { brokers: 3, partitions: 2, shrinks: 0, ..small },
        Scale::Liveness => Bounds { epochs: 3, leader_epochs: 5, shrinks: 0, stabilise: 1, ..small },
        Scale::Flaw => small,
    }
}
