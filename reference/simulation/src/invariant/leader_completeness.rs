//! LC: who leads the quorum holds all that was ever committed.

use super::Check;
use crate::ledger::{Ledger, METADATA};
use crate::{Invariant, Violation};

pub(super) fn leads(ledger: &Ledger, node: usize) -> Check {
    let committed = &ledger.logs[METADATA].committed;
    let Some(replica) = ledger.replica(node, METADATA) else { return Ok(()) };
    if replica.shadow.agrees(committed, committed.end()) {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::LeaderCompleteness,
        format!(
            "{} leads epoch {} of the metadata log with a log that ends at {}: {}",
            ledger.ids[node],
            replica.epoch,
            replica.shadow.end(),
            replica.shadow.difference(committed, committed.end())
        ),
        format!("all that was committed, which ends at {}", committed.end()),
    ))
}
