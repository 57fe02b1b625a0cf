//! SMS: what is below one high watermark is the same below every other, and nobody cuts below its own.

use highwater_core::Offset;

use super::Check;
use crate::ledger::{Ledger, LogIndex, METADATA};
use crate::{Invariant, Violation};

pub(super) fn truncating(ledger: &Ledger, node: usize, log: LogIndex, end: Offset) -> Check {
    let Some(replica) = ledger.replica(node, log) else { return Ok(()) };
    if end >= replica.high_watermark || ledger.logs[log].tainted.is_some() {
        return Ok(());
    }
    if log != METADATA && ledger.logs[log].state.is_none() {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::StateMachineSafety,
        format!("{} cuts {} to {end}", ledger.ids[node], ledger.name(log)),
        format!("nothing below its own high watermark, {}, to be cut", replica.high_watermark),
    ))
}

/// Compares what a node's high watermark covers with what was committed before, and adds to that what is new.
pub(super) fn moved(ledger: &mut Ledger, node: usize, log: LogIndex) -> Result<bool, Violation> {
    if ledger.logs[log].tainted.is_some() {
        return Ok(false);
    }
    let name = (ledger.ids[node], log);
    let Some(replica) = ledger.nodes[node].replicas.get(log).and_then(Option::as_ref) else {
        return Ok(false);
    };
    let (high_watermark, epoch) = (replica.high_watermark, replica.epoch);
    let book = &mut ledger.logs[log];
    let committed = &mut book.committed;
    let common = high_watermark.min(committed.end());
    if !replica.shadow.agrees(committed, common) {
        let difference = replica.shadow.difference(committed, common);
        return Err(Violation::new(
            Invariant::StateMachineSafety,
            format!(
                "{} has in {} below its high watermark {high_watermark} {difference}",
                name.0,
                ledger.name(log)
            ),
            "the records that were below other high watermarks",
        ));
    }
    let known = committed.end();
    let first = replica.shadow.held().partition_point(|held| held.batch.base < known);
    for held in &replica.shadow.held()[first..] {
        if held.batch.end > high_watermark {
            break;
        }
        committed.push(held.batch);
    }
    let end = committed.end();
    if end > known {
        book.commits.push((end, epoch));
    }
    Ok(end > known)
}
