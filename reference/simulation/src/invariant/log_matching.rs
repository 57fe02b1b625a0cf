//! LM and UNIQ: an offset and epoch are one batch, ever, and the same batches come before it.

use super::Check;
use crate::ledger::{Held, Ledger, LogIndex, told};
use crate::{Invariant, Violation};

pub(super) fn appended(ledger: &mut Ledger, node: usize, log: LogIndex, held: Held) -> Check {
    let batch = held.batch;
    let known = *ledger.logs[log].seen.entry((batch.base, batch.epoch)).or_insert(held);
    if known == held {
        return Ok(());
    }
    let (node, name) = (ledger.ids[node], ledger.name(log));
    if known.batch != batch {
        return Err(Violation::new(
            Invariant::Uniqueness,
            format!("{node} appends {} to {name}", told(Some(batch))),
            format!("what had been there before: {}", told(Some(known.batch))),
        ));
    }
    Err(Violation::new(
        Invariant::LogMatching,
        format!("{node} holds {} of {name} after other records than somebody else did", told(Some(batch))),
        "the same records before a record of the same offset and epoch",
    ))
}
