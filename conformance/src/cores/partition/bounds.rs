//! How large the model of partition cores is.

use std::fmt;

use highwater_model::isr::state::{EPOCHS_MAX, NODES_MAX, RECORDS_MAX};

use crate::cores::bounds::{Bound, NamedBounds};

use super::state::FETCHES_MAX;

/// How large the model is. Switches are 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Replicas, 2 or 3.
    pub replicas: u8,
    /// Leader epochs in which somebody leads, the first included.
    pub epochs: u8,
    /// Records that producers send.
    pub records: u8,
    /// Fetches and answers in flight at a time.
    pub messages: u8,
    /// Changes of leader, ISR or ELR by the controller.
    pub changes: u8,
    /// Brokers that stop, cleanly or not.
    pub crashes: u8,
    /// AlterPartition requests or answers that are lost.
    pub losses: u8,
    /// `min.insync.replicas`; fewer replicas than that crash uncleanly at a time.
    pub min_isr: u8,
    /// Whether a running broker that was fenced stays so until a step of its own.
    pub unfence: u8,
    /// Whether driver and network are thrifty, which leaves out behaviours that others stand for.
    pub thrift: u8,
}

impl Bounds {
    /// Those that continuous integration exhausts.
    pub const DEFAULT: Self = Self {
        replicas: 3,
        epochs: 2,
        records: 2,
        messages: 1,
        changes: 3,
        crashes: 1,
        losses: 0,
        min_isr: 2,
        unfence: 0,
        thrift: 1,
    };

    /// Whether [`Bounds::thrift`] is on.
    pub(super) fn is_thrifty(&self) -> bool {
        self.thrift > 0
    }
}

impl NamedBounds for Bounds {
    const TABLE: &'static [Bound<Self>] = &[
        Bound { name: "replicas", of: |bounds| &mut bounds.replicas, min: 2, max: |_| NODES_MAX as u8 },
        Bound { name: "epochs", of: |bounds| &mut bounds.epochs, min: 1, max: |_| EPOCHS_MAX },
        Bound { name: "records", of: |bounds| &mut bounds.records, min: 0, max: |_| RECORDS_MAX as u8 },
        Bound { name: "messages", of: |bounds| &mut bounds.messages, min: 1, max: |_| FETCHES_MAX as u8 },
        Bound { name: "changes", of: |bounds| &mut bounds.changes, min: 0, max: |_| 12 },
        Bound { name: "crashes", of: |bounds| &mut bounds.crashes, min: 0, max: |_| 2 },
        Bound { name: "losses", of: |bounds| &mut bounds.losses, min: 0, max: |_| 9 },
        Bound { name: "min-isr", of: |bounds| &mut bounds.min_isr, min: 1, max: |bounds| bounds.replicas },
        Bound { name: "unfence", of: |bounds| &mut bounds.unfence, min: 0, max: |_| 1 },
        Bound { name: "thrift", of: |bounds| &mut bounds.thrift, min: 0, max: |_| 1 },
    ];
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}
