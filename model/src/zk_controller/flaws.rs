//! Historic bugs of the controller, each a change to the rules.

use crate::family::{Break, Control, Flaw};

use super::rules::{
    Bounce, Bounds, EpochSource, Expiry, NodeOwner, OnNewSession, PartitionWrite, Reelection, RequestFence,
    Rules, TreeFence, Win,
};

/// The flaws, in the order of their ids.
pub(super) const FLAWS: &[Flaw<Bounds, Rules>] = &[
    Flaw {
        id: "B23",
        name: "requests-without-controller-epoch",
        summary: "brokers take requests of any controller, and a deposed one's change what its successor has said",
        rule: "request-fence",
        change: |rules| rules.request_fence = RequestFence::Absent,
        bounds: |bounds| {
            bounds.partitions = 2;
            bounds.messages = 2;
            bounds.leader_epochs = 1;
            bounds.shrinks = 0;
        },
        breaks: &[Break { claim: "controller-fence", steps: 13 }],
        keeps: &["controller-epoch-unique", "controller-belief", "leader-from-isr", "registration"],
        legal: false,
        grain: None,
        source: "KAFKA-532",
    },
    Flaw {
        id: "B24",
        name: "zombie-adopts-epoch",
        summary: "a deposed controller reads the new epoch before it learns that it is deposed, and passes both fences",
        rule: "own-epoch",
        change: |rules| rules.epoch_source = EpochSource::Watched,
        bounds: |_| {},
        breaks: &[
            Break { claim: "controller-epoch-unique", steps: 7 },
            Break { claim: "controller-fence", steps: 8 },
        ],
        keeps: &["controller-belief", "leader-from-isr", "registration"],
        legal: false,
        grain: None,
        source: "KAFKA-1096",
    },
    Flaw {
        id: "B25",
        name: "writes-without-epoch-version",
        summary: "a deposed controller's write to the tree does not depend on /controller_epoch, and goes through",
        rule: "tree-fence",
        change: |rules| rules.tree_fence = TreeFence::Absent,
        bounds: |_| {},
        breaks: &[Break { claim: "controller-fence", steps: 7 }],
        keeps: &["controller-epoch-unique", "controller-belief", "partition-leader-unique", "registration"],
        legal: false,
        grain: None,
        source: "KAFKA-6082",
    },
    Flaw {
        id: "D11",
        name: "own-old-node-is-success",
        summary: "a broker finds the node of its former session, takes it for its registration, and it goes",
        rule: "node-owner",
        change: |rules| rules.node_owner = NodeOwner::BrokerId,
        bounds: |_| {},
        breaks: &[Break { claim: "registration", steps: 3 }, Break { claim: "controller-belief", steps: 7 }],
        keeps: &["controller-fence", "partition-leader-unique", "leader-from-isr"],
        legal: false,
        grain: None,
        source: "KAFKA-1387, 6584, 7165, 14845",
    },
    Flaw {
        id: "D12",
        name: "elected-twice",
        summary: "a broker that was elected and has not heard waits for its own node to go, for ever",
        rule: "elected-already",
        change: |rules| rules.reelection = Reelection::TriesAgain,
        bounds: |_| {},
        breaks: &[Break { claim: "controller-eventually", steps: 5 }],
        keeps: &["controller-fence", "controller-epoch-unique", "controller-belief", "registration"],
        legal: false,
        grain: None,
        source: "KAFKA-1451",
    },
    Flaw {
        id: "D13",
        name: "does-not-resign",
        summary: "a controller learns that its session was replaced and goes on beside its successor",
        rule: "new-session-resigns",
        change: |rules| rules.on_new_session = OnNewSession::GoesOn,
        bounds: |_| {},
        breaks: &[Break { claim: "controller-belief", steps: 6 }],
        keeps: &["controller-fence", "controller-epoch-unique", "partition-leader-unique", "registration"],
        legal: false,
        grain: None,
        source: "KAFKA-2437, 4447",
    },
    Flaw {
        id: "E33",
        name: "expiry-leaves-controller",
        summary: "the service ends the controller's session and leaves its nodes: nobody can be elected",
        rule: "expiry-deletes",
        change: |rules| rules.expiry = Expiry::LeavesNodes,
        bounds: |_| {},
        breaks: &[
            Break { claim: "ephemeral-session", steps: 2 },
            Break { claim: "controller-eventually", steps: 6 },
        ],
        keeps: &["controller-fence", "controller-epoch-unique", "controller-belief"],
        legal: false,
        grain: None,
        source: "ours; the effect of ZOOKEEPER-1208 and ZOOKEEPER-2355",
    },
    Flaw {
        id: "E36",
        name: "epoch-after-creation",
        summary: "/controller_epoch is incremented after /controller was created: a paused winner outranks its successor",
        rule: "win-in-one",
        change: |rules| rules.win = Win::CreateThenIncrement,
        bounds: |_| {},
        breaks: &[
            Break { claim: "controller-epoch-unique", steps: 4 },
            Break { claim: "controller-fence", steps: 8 },
        ],
        keeps: &["registration", "controller-belief"],
        legal: false,
        grain: None,
        source: "KAFKA-6082, its other half",
    },
    Flaw {
        id: "E37",
        name: "election-without-version",
        summary: "a controller elects on what it once read, and elects whom the leader has dropped meanwhile",
        rule: "election-version",
        change: |rules| rules.election_write = PartitionWrite::Unconditional,
        bounds: |_| {},
        breaks: &[Break { claim: "leader-from-isr", steps: 10 }],
        keeps: &["controller-fence", "controller-epoch-unique", "controller-belief", "registration"],
        legal: false,
        grain: None,
        source: "ours; the version check is as old as the leader's ISR write",
    },
    Flaw {
        id: "E38",
        name: "isr-without-version",
        summary: "a deposed leader writes its ISR over the state of its successor, and the leader epoch goes back",
        rule: "isr-version",
        change: |rules| rules.isr_write = PartitionWrite::Unconditional,
        bounds: |_| {},
        breaks: &[Break { claim: "leader-epoch-monotone", steps: 11 }],
        keeps: &["controller-fence", "controller-epoch-unique", "controller-belief", "registration"],
        legal: false,
        grain: None,
        source: "the mutant of KAFKA-2729 and KAFKA-1382 without compare-and-set",
    },
    Flaw {
        id: "E39",
        name: "bounce-unseen",
        summary: "a broker comes back between two reads of the controller, who sees no change and tells it nothing",
        rule: "broker-epoch",
        change: |rules| rules.bounce = Bounce::BrokerId,
        bounds: |_| {},
        breaks: &[Break { claim: "partition-led-eventually", steps: 14 }],
        keeps: &["controller-fence", "controller-epoch-unique", "controller-belief", "registration"],
        legal: false,
        grain: None,
        source: "KIP-380, KAFKA-7235",
    },
];

/// What looks like a flaw and is none.
pub(super) const CONTROLS: &[Control<Bounds, Rules>] = &[Control {
    name: "requests-out-of-order",
    summary: "two requests overtake each other on the way to a broker, which goes by their epochs",
    change: |_| {},
    bounds: |bounds| {
        bounds.messages = 2;
        bounds.faults = 1;
    },
}];
