//! READ: what a consumer read is committed, and the leader of the newest epoch holds it.

use super::Check;
use crate::ledger::{Batch, Ledger, LogIndex, told};
use crate::{Invariant, Violation};

/// A node has given a consumer this batch.
pub(crate) fn read(ledger: &mut Ledger, node: usize, log: LogIndex, batch: Batch) -> Check {
    let book = &mut ledger.logs[log];
    if book.tainted.is_some() || book.state.is_none() {
        return Ok(());
    }
    if book.committed.batch_at(batch.base).is_some_and(|held| held.batch == batch) {
        book.read = book.read.max(batch.end);
        return Ok(());
    }
    let expected = match book.committed.batch_at(batch.base) {
        Some(held) => told(Some(held.batch)),
        None => format!("nothing above every high watermark, {}", book.committed.end()),
    };
    Err(Violation::new(
        Invariant::ReadStability,
        format!("a consumer reads {} of {} from {}", told(Some(batch)), ledger.name(log), ledger.ids[node]),
        expected,
    ))
}

pub(super) fn changed(ledger: &Ledger, log: LogIndex) -> Check {
    let book = &ledger.logs[log];
    let Some((leader, leading)) = ledger.newest_leader(log) else { return Ok(()) };
    if leading.shadow.agrees(&book.committed, book.read) {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::ReadStability,
        format!(
            "{} leads the newest epoch {} of {} and has {}",
            ledger.ids[leader],
            leading.epoch,
            ledger.name(log),
            leading.shadow.difference(&book.committed, book.read)
        ),
        format!("all that consumers read, which ends at {}", book.read),
    ))
}
