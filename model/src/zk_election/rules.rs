//! The rules of the recipe, each with the ways it has been got wrong, and the bounds of the model.

use crate::family::{Bound, Rule, Scale};

use super::{CANDIDATES_MAX, OFFERS_MAX};

/// The recipe's rules. `Default` is the correct recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// What the resource checks.
    pub fence: Fence,
    /// How a candidate knows an offer for its own.
    pub ownership: NodeOwnership,
    /// What a candidate does when the answer to its create was lost.
    pub create_retry: CreateRetry,
    /// What a candidate concludes from the event of its watch.
    pub on_event: OnEvent,
    /// What a candidate watches.
    pub watch: Watch,
    /// Whether reading a node and watching it are one request.
    pub watch_read: WatchRead,
    /// How a candidate finds the offer below its own.
    pub predecessor: Predecessor,
    /// How the service numbers offers.
    pub sequence: Sequence,
    /// What the service does with the nodes of a session that it ends.
    pub expiry: Expiry,
    /// What becomes of watches when a client reconnects within its session.
    pub rearm: Rearm,
    /// What a candidate does when it learns that its session is over.
    pub on_expiry: OnExpiry,
    /// In which order a leader stops leading and deletes its offer.
    pub resignation: Resignation,
}

/// What the resource checks before it accepts a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fence {
    /// The writer's creation id is at least the largest seen.
    #[default]
    CreationId,
    /// Nothing (flaw D01).
    Absent,
}

/// How a candidate knows an offer for its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NodeOwnership {
    /// Its present session owns it (`ephemeralOwner`).
    #[default]
    Session,
    /// It bears the candidate's name, whatever session owns it (flaw D02).
    Name,
}

/// What a candidate does when the answer to its create was lost with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CreateRetry {
    /// Looks for an offer of its own first.
    #[default]
    FindOwn,
    /// Creates another (flaw D07).
    Blind,
}

/// What a candidate concludes from the event of its watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnEvent {
    /// Nothing: it reads the children again.
    #[default]
    ListAgain,
    /// That it leads (flaw D08).
    Lead,
}

/// What a candidate watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Watch {
    /// The offer just below its own.
    #[default]
    Predecessor,
    /// The parent of all offers (flaw D09).
    Parent,
}

/// Whether the check that a node exists and the watch on it are one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WatchRead {
    /// One request.
    #[default]
    Atomic,
    /// First the check, then the watch, whose own answer nobody reads (flaw D10).
    ReadThenWatch,
}

/// How a candidate finds the offer below its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Predecessor {
    /// The largest number smaller than its own.
    #[default]
    ByOrder,
    /// Its own number minus one; if there is no such offer, it leads (flaw E30).
    ByArithmetic,
}

/// How the service numbers offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sequence {
    /// By a counter that only grows.
    #[default]
    Counter,
    /// One more than the largest that exists (flaw E31).
    LargestPlusOne,
}

/// What the service does with the ephemeral nodes of a session that it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expiry {
    /// Deletes them in the same step.
    #[default]
    DeletesNodes,
    /// Leaves them (flaw E32).
    LeavesNodes,
}

/// What becomes of a watch when its client reconnects within its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rearm {
    /// It is registered again, and fires at once if what it watched is gone.
    #[default]
    SetWatches,
    /// It stays lost (flaw D17).
    Forgotten,
}

/// What a candidate does when it learns that its session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExpiry {
    /// Starts from nothing, and stops leading.
    #[default]
    StartOver,
    /// A leader goes on leading under its new session (flaw E34).
    KeepsLeading,
}

/// In which order a leader that resigns stops leading and deletes its offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resignation {
    /// It stops first.
    #[default]
    StopsThenDeletes,
    /// It deletes first (flaw E35).
    DeletesThenStops,
}

/// Every rule, for `--without` and for the matrix.
pub(super) const RULES: &[Rule<Rules>] = &[
    Rule {
        name: "fence",
        clause: "zk-election/resource/1",
        summary: "the resource turns away a write whose creation id is below the largest that it has seen",
        off: |rules| rules.fence = Fence::Absent,
    },
    Rule {
        name: "session-ownership",
        clause: "zk-election/offer/2",
        summary: "a candidate takes for its own only an offer that its present session owns",
        off: |rules| rules.ownership = NodeOwnership::Name,
    },
    Rule {
        name: "find-own-offer",
        clause: "zk-election/offer/3",
        summary: "a candidate whose create went unanswered looks for its offer before it creates another",
        off: |rules| rules.create_retry = CreateRetry::Blind,
    },
    Rule {
        name: "list-again",
        clause: "zk-election/watch/3",
        summary: "a candidate that is woken reads the children again before it concludes anything",
        off: |rules| rules.on_event = OnEvent::Lead,
    },
    Rule {
        name: "predecessor-watch",
        clause: "zk-election/watch/1",
        summary: "a candidate watches the offer just below its own and nothing else",
        off: |rules| rules.watch = Watch::Parent,
    },
    Rule {
        name: "atomic-watch",
        clause: "zk-election/watch/2",
        summary: "to see that a node exists and to watch it is one request",
        off: |rules| rules.watch_read = WatchRead::ReadThenWatch,
    },
    Rule {
        name: "predecessor-by-order",
        clause: "zk-election/lead/2",
        summary: "the predecessor is the largest smaller number, since gaps are legal",
        off: |rules| rules.predecessor = Predecessor::ByArithmetic,
    },
    Rule {
        name: "sequence-counter",
        clause: "zk-election/offer/1",
        summary: "the service never gives a sequence number twice",
        off: |rules| rules.sequence = Sequence::LargestPlusOne,
    },
    Rule {
        name: "expiry-deletes",
        clause: "zk-election/session/1",
        summary: "the service deletes the ephemeral nodes of a session in the step that ends it",
        off: |rules| rules.expiry = Expiry::LeavesNodes,
    },
    Rule {
        name: "set-watches",
        clause: "zk-election/watch/4",
        summary: "a client that reconnects within its session registers its watches again and hears what it missed",
        off: |rules| rules.rearm = Rearm::Forgotten,
    },
    Rule {
        name: "expiry-deposes",
        clause: "zk-election/session/3",
        summary: "a candidate that learns that its session is over stops leading and starts from nothing",
        off: |rules| rules.on_expiry = OnExpiry::KeepsLeading,
    },
    Rule {
        name: "stop-before-delete",
        clause: "zk-election/lead/3",
        summary: "a leader that resigns stops leading before it deletes its offer",
        off: |rules| rules.resignation = Resignation::DeletesThenStops,
    },
];

/// What makes the state space finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Candidates.
    pub candidates: u8,
    /// Offers that are created, by all of them together.
    pub offers: u8,
    /// Session storms.
    pub storms: u8,
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
        name: "candidates",
        summary: "candidates for leadership",
        min: 1,
        max: CANDIDATES_MAX as u8,
        get: |bounds| bounds.candidates,
        set: |bounds, value| bounds.candidates = value,
    },
    Bound {
        name: "offers",
        summary: "offers created, by all candidates together",
        min: 1,
        max: OFFERS_MAX as u8,
        get: |bounds| bounds.offers,
        set: |bounds, value| bounds.offers = value,
    },
    Bound {
        name: "storms",
        summary: "session storms: the service returns from an outage and every session is over",
        min: 0,
        max: 3,
        get: |bounds| bounds.storms,
        set: |bounds, value| bounds.storms = value,
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
    let bounds = |candidates, offers, storms, stabilise| Bounds { candidates, offers, storms, stabilise };
    match scale {
        Scale::Test => bounds(2, 3, 1, 0),
        Scale::Default => bounds(3, 5, 1, 0),
        Scale::Deep => bounds(3, 6, 1, 0),
        Scale::Liveness => bounds(2, 4, 1, 1),
        Scale::Flaw => bounds(2, 2, 0, 0),
    }
}
