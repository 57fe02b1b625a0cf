//! LAO: who leads never cuts its own log.

use highwater_core::Offset;

use super::Check;
use crate::ledger::{Ledger, LogIndex};
use crate::{Invariant, Violation};

pub(super) fn truncating(
    ledger: &Ledger,
    node: usize,
    log: LogIndex,
    end: Offset,
    still_leads: bool,
) -> Check {
    let Some(replica) = ledger.replica(node, log) else { return Ok(()) };
    if !(still_leads && replica.leads) {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::AppendOnly,
        format!(
            "{} leads epoch {} of {} and cuts its log from {} to {end}",
            ledger.ids[node],
            replica.epoch,
            ledger.name(log),
            replica.shadow.end()
        ),
        "a leader that only appends",
    ))
}
