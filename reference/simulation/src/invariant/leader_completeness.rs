//! LC: who leads the quorum holds all that was committed in earlier epochs.

use super::Check;
use crate::ledger::{Ledger, METADATA};
use crate::{Invariant, Violation};

pub(super) fn leads(ledger: &Ledger, node: usize) -> Check {
    let book = &ledger.logs[METADATA];
    let committed = &book.committed;
    let Some(replica) = ledger.replica(node, METADATA) else { return Ok(()) };
    // A leader whose votes came late may lack what was committed in later epochs, and will never commit anything.
    let earlier = book.commits.iter().filter(|(_, epoch)| *epoch <= replica.epoch);
    let end = earlier.map(|(end, _)| *end).max().unwrap_or(0);
    if replica.shadow.agrees(committed, end) {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::LeaderCompleteness,
        format!(
            "{} leads epoch {} of the metadata log with a log that ends at {}: {}",
            ledger.ids[node],
            replica.epoch,
            replica.shadow.end(),
            replica.shadow.difference(committed, end)
        ),
        format!("all that was committed up to its epoch, which ends at {end}"),
    ))
}
