//! How large the model of quorum cores is.

use std::fmt;

use highwater_model::kraft::state::LOG_MAX;

use crate::cores::bounds::{Bound, NamedBounds};

use super::state::{MESSAGES_MAX, VOTERS_MAX};

/// How large the model is. Switches are 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Voters, 2 to 4.
    pub voters: u8,
    /// The last epoch that anyone campaigns for.
    pub epochs: u8,
    /// Client records.
    pub records: u8,
    /// Fetches and answers in flight at a time.
    pub messages: u8,
    /// Restarts, with or without the loss of what was not flushed.
    pub restarts: u8,
    /// Leaders that resign.
    pub resignations: u8,
    /// Messages that arrive and stay in flight.
    pub duplicates: u8,
    /// Restarts, resignations and duplicates together.
    pub faults: u8,
    /// Disks lost.
    pub wipes: u8,
    /// Whether voters ask for the promise of votes before they campaign (KIP-996).
    pub pre_vote: u8,
    /// Whether voters without a leader ask one another who leads.
    pub search: u8,
    /// Whether driver and network are thrifty, which leaves out behaviours that others stand for.
    pub thrift: u8,
}

impl Bounds {
    /// Those that continuous integration exhausts.
    pub const DEFAULT: Self = Self {
        voters: 3,
        epochs: 3,
        records: 2,
        messages: 2,
        restarts: 1,
        resignations: 0,
        duplicates: 0,
        faults: 1,
        wipes: 0,
        pre_vote: 0,
        search: 0,
        thrift: 1,
    };

    /// Whether [`Bounds::thrift`] is on.
    pub(super) fn is_thrifty(&self) -> bool {
        self.thrift > 0
    }
}

impl NamedBounds for Bounds {
    const TABLE: &'static [Bound<Self>] = &[
        Bound { name: "voters", of: |bounds| &mut bounds.voters, min: 2, max: |_| VOTERS_MAX as u8 },
        Bound { name: "epochs", of: |bounds| &mut bounds.epochs, min: 1, max: |_| LOG_MAX },
        Bound {
            name: "records",
            of: |bounds| &mut bounds.records,
            min: 0,
            max: |bounds| (LOG_MAX - bounds.epochs).min(3),
        },
        Bound { name: "messages", of: |bounds| &mut bounds.messages, min: 1, max: |_| MESSAGES_MAX as u8 },
        Bound { name: "restarts", of: |bounds| &mut bounds.restarts, min: 0, max: |_| 9 },
        Bound { name: "resignations", of: |bounds| &mut bounds.resignations, min: 0, max: |_| 9 },
        Bound { name: "duplicates", of: |bounds| &mut bounds.duplicates, min: 0, max: |_| 9 },
        Bound { name: "faults", of: |bounds| &mut bounds.faults, min: 0, max: |_| u8::MAX },
        Bound { name: "wipes", of: |bounds| &mut bounds.wipes, min: 0, max: |_| 1 },
        Bound { name: "pre-vote", of: |bounds| &mut bounds.pre_vote, min: 0, max: |_| 1 },
        Bound { name: "search", of: |bounds| &mut bounds.search, min: 0, max: |_| 1 },
        Bound { name: "thrift", of: |bounds| &mut bounds.thrift, min: 0, max: |_| 1 },
    ];
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}
