//! RQS: the set by which the leader of the newest epoch moves its high watermark contains the controller's ISR.

use super::Check;
use crate::ledger::{Ledger, LogIndex};
use crate::{Invariant, Violation};

pub(super) fn changed(ledger: &Ledger, log: LogIndex) -> Check {
    let isr = ledger.logs[log].isr;
    let Some((leader, leading)) = ledger.newest_leader(log) else { return Ok(()) };
    if isr & !leading.maximal_isr == 0 {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::QuorumSuperset,
        format!(
            "{} leads the newest epoch {} of {} and counts with {}",
            ledger.ids[leader],
            leading.epoch,
            ledger.name(log),
            ledger.told(leading.maximal_isr)
        ),
        format!("the controller's ISR {} to be in it", ledger.told(isr)),
    ))
}
