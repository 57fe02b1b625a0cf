//! SISR: every running member of the controller's ISR holds all records below any presumed leader's high watermark, a zombie's
//! included (StrongIsr of hachikuji/kafka-specification).

use super::Check;
use crate::ledger::{Ledger, LogIndex, Replica, members};
use crate::{Invariant, Violation};

pub(super) fn changed(ledger: &Ledger, log: LogIndex) -> Check {
    let isr = ledger.logs[log].isr;
    let empty = Replica::default();
    for (leader, leading) in ledger.presumed_leaders(log) {
        let end = leading.high_watermark;
        for member in members(isr).filter(|&member| member != leader) {
            if !ledger.is_registered(member) {
                continue;
            }
            let holding = ledger.replica(member, log).unwrap_or(&empty);
            if !holding.shadow.agrees(&leading.shadow, end) {
                return Err(Violation::new(
                    Invariant::StrongIsr,
                    format!(
                        "{} is in the ISR {} of {} and has {}",
                        ledger.ids[member],
                        ledger.told(isr),
                        ledger.name(log),
                        holding.shadow.difference(&leading.shadow, end)
                    ),
                    format!(
                        "all below {end}, the high watermark of {}, which leads epoch {}",
                        ledger.ids[leader], leading.epoch
                    ),
                ));
            }
        }
    }
    Ok(())
}
