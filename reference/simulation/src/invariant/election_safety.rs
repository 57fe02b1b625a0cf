//! ES: at most one leader an epoch, ever.

use highwater_core::Epoch;

use super::Check;
use crate::ledger::{Ledger, LogIndex};
use crate::{Invariant, Violation};

pub(super) fn elected(ledger: &mut Ledger, node: usize, log: LogIndex, epoch: Epoch) -> Check {
    let earlier = *ledger.logs[log].leaders.entry(epoch).or_insert(node);
    if earlier == node {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::ElectionSafety,
        format!(
            "{} and {} both lead epoch {epoch} of {}",
            ledger.ids[earlier],
            ledger.ids[node],
            ledger.name(log)
        ),
        "at most one leader in an epoch",
    ))
}
