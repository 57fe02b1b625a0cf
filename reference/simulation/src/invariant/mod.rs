//! What must hold in every world: one file an invariant; [`Invariant`](crate::Invariant) has them in a table.
//!
//! Each check looks at what a step changed and at nothing else. What the checks assume is what the models assume (`specs/isr.md`):
//! fewer than `min.insync.replicas` replicas of a partition have lost their tails and are not back in the ISR. Where a world goes beyond
//! that, or elects uncleanly, the partition is **tainted**: of it nothing more is claimed than that logs match and that an epoch has one leader.

mod append_only;
mod commit_certificate;
mod controller;
mod durability;
mod election;
mod election_safety;
mod high_watermark;
mod leader_completeness;
mod log_matching;
mod quorum_superset;
mod read_stability;
mod state_machine;
mod strong_isr;
#[cfg(test)]
mod tests;

pub(crate) use controller::metadata_committed;
pub(crate) use durability::acknowledged;
pub(crate) use read_stability::read;

use crate::Violation;
use crate::ledger::{Held, Ledger, LogIndex, METADATA};
use highwater_core::{Epoch, Offset};

/// Whether something holds.
pub(crate) type Check = Result<(), Violation>;

/// A node has appended a batch.
pub(crate) fn appended(ledger: &mut Ledger, node: usize, log: LogIndex, held: Held) -> Check {
    log_matching::appended(ledger, node, log, held)
}

/// A node is about to cut its log to `end`.
pub(crate) fn truncating(
    ledger: &Ledger,
    node: usize,
    log: LogIndex,
    end: Offset,
    still_leads: bool,
) -> Check {
    append_only::truncating(ledger, node, log, end, still_leads)?;
    state_machine::truncating(ledger, node, log, end)
}

/// A node has begun to lead an epoch.
pub(crate) fn elected(ledger: &mut Ledger, node: usize, log: LogIndex, epoch: Epoch) -> Check {
    election_safety::elected(ledger, node, log, epoch)
}

/// A node leads, and its log in the books is what it leads with.
pub(crate) fn leads(ledger: &Ledger, node: usize, log: LogIndex) -> Check {
    if log == METADATA { leader_completeness::leads(ledger, node) } else { Ok(()) }
}

/// A node's high watermark has moved from `before`. Returns whether anything was committed that was not before.
pub(crate) fn high_watermark_moved(
    ledger: &mut Ledger,
    node: usize,
    log: LogIndex,
    before: Offset,
) -> Result<bool, Violation> {
    if log == METADATA {
        high_watermark::moved(ledger, node, before)?;
        commit_certificate::moved(ledger, node)?;
    }
    state_machine::moved(ledger, node, log)
}

/// Something about a partition has changed: a log, a high watermark, a role, the ISR, a registration.
pub(crate) fn partition_changed(ledger: &Ledger, log: LogIndex) -> Check {
    if log == METADATA || ledger.logs[log].tainted.is_some() || ledger.logs[log].state.is_none() {
        return Ok(());
    }
    strong_isr::changed(ledger, log)?;
    quorum_superset::changed(ledger, log)?;
    durability::changed(ledger, log)?;
    read_stability::changed(ledger, log)
}
