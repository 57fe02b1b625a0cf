//! What can happen.

/// One atomic step. Brokers and partitions are counted from 0, leaders from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A broker tries to create `/controller`. If the answer is lost, so is the connection.
    Race {
        /// Who.
        broker: u8,
        /// Whether the answer arrives.
        answered: bool,
    },
    /// A broker that has created `/controller` increments `/controller_epoch` (flaw E36 only).
    Increment {
        /// Who.
        broker: u8,
    },
    /// A broker that was beaten asks whether `/controller` exists, and watches it.
    Watch {
        /// Who.
        broker: u8,
    },
    /// A broker hears that `/controller` has gone.
    Wake {
        /// Who.
        broker: u8,
    },
    /// A broker registers below `/brokers/ids`.
    Register {
        /// Who.
        broker: u8,
    },
    /// A broker's own logic hears that its session was replaced.
    Learn {
        /// Who.
        broker: u8,
    },
    /// A new controller reads all state from the tree.
    Restore {
        /// Who.
        broker: u8,
    },
    /// A controller hears that `/brokers/ids` changed, and reads it again.
    Refresh {
        /// Who.
        broker: u8,
    },
    /// A controller adopts the epoch that it finds (flaw B24 only).
    Adopt {
        /// Who.
        broker: u8,
    },
    /// A controller elects a partition's leader: one conditional transaction.
    Elect {
        /// The controller.
        broker: u8,
        /// What.
        partition: u8,
        /// Whom, from 1; 0 is nobody.
        leader: u8,
    },
    /// A controller sends a partition's state to a broker.
    Send {
        /// The controller.
        broker: u8,
        /// What.
        partition: u8,
        /// To whom.
        to: u8,
    },
    /// A request arrives.
    Deliver {
        /// Where it lies.
        slot: u8,
        /// At whom.
        broker: u8,
    },
    /// A leader drops a replica from the ISR.
    Shrink {
        /// The leader.
        broker: u8,
        /// Of which partition.
        partition: u8,
        /// Whom.
        dropped: u8,
    },
    /// A broker connects: within its session if that lives, else with a new one.
    Connect {
        /// Who.
        broker: u8,
    },
    /// A connection to the service is lost.
    Disconnect {
        /// Whose.
        broker: u8,
    },
    /// A broker stops.
    Pause {
        /// Who.
        broker: u8,
    },
    /// A broker goes on where it stopped.
    Resume {
        /// Who.
        broker: u8,
    },
    /// A broker's process ends and forgets.
    Crash {
        /// Who.
        broker: u8,
    },
    /// The service ends a session that nobody attends.
    Expire {
        /// Whose.
        broker: u8,
    },
    /// The service ends the session of a former life of a broker.
    ExpireFormer {
        /// Whose.
        broker: u8,
    },
    /// From now on no fault happens.
    Stabilise,
}

/// The kinds of action.
pub(super) const KINDS: &[&str] = &[
    "race",
    "increment",
    "watch",
    "wake",
    "register",
    "learn",
    "restore",
    "refresh",
    "adopt",
    "elect",
    "send",
    "deliver",
    "shrink",
    "connect",
    "disconnect",
    "pause",
    "resume",
    "crash",
    "expire",
    "expire-former",
    "stabilise",
];

impl Action {
    pub(super) fn kind(&self) -> usize {
        match self {
            Self::Race { .. } => 0,
            Self::Increment { .. } => 1,
            Self::Watch { .. } => 2,
            Self::Wake { .. } => 3,
            Self::Register { .. } => 4,
            Self::Learn { .. } => 5,
            Self::Restore { .. } => 6,
            Self::Refresh { .. } => 7,
            Self::Adopt { .. } => 8,
            Self::Elect { .. } => 9,
            Self::Send { .. } => 10,
            Self::Deliver { .. } => 11,
            Self::Shrink { .. } => 12,
            Self::Connect { .. } => 13,
            Self::Disconnect { .. } => 14,
            Self::Pause { .. } => 15,
            Self::Resume { .. } => 16,
            Self::Crash { .. } => 17,
            Self::Expire { .. } => 18,
            Self::ExpireFormer { .. } => 19,
            Self::Stabilise => 20,
        }
    }

    /// What is owed: a broker's own steps, deliveries, reconnection, the end of a pause, and the end of unattended
    /// former sessions. Faults are owed by nobody, and no leader has to shrink its ISR.
    pub(super) fn fairness(&self) -> Option<u8> {
        let class = |kind: u8, broker: u8| Some(kind * 3 + broker);
        match *self {
            Self::Race { broker, answered: true } => class(0, broker),
            Self::Increment { broker } => class(1, broker),
            Self::Watch { broker } => class(2, broker),
            Self::Wake { broker } => class(3, broker),
            Self::Register { broker } => class(4, broker),
            Self::Learn { broker } => class(5, broker),
            Self::Restore { broker } => class(6, broker),
            Self::Refresh { broker } => class(7, broker),
            Self::Elect { broker, partition, .. } => class(8 + partition, broker),
            Self::Deliver { broker, .. } => class(10, broker),
            Self::Connect { broker } => class(11, broker),
            Self::Resume { broker } => class(12, broker),
            Self::ExpireFormer { broker } => class(13, broker),
            // Classes 42 to 59: a request of each controller to each broker about each partition.
            Self::Send { broker, partition, to } => class(14 + broker * 2 + partition, to),
            _ => None,
        }
    }
}
