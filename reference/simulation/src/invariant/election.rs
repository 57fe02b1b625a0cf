//! ELECT: a leader comes from ISR or ELR, unless unclean election is allowed; nobody fenced leads or is in the ISR.

use highwater_core::partition::{LeaderRecovery, PartitionState};

use super::Check;
use crate::ledger::{Ledger, LogIndex, members};
use crate::{Invariant, Violation};

/// Whether the change of a partition elects a leader that may lack records.
pub(super) fn is_unclean(before: &PartitionState, after: &PartitionState) -> bool {
    let elected = after.leader.filter(|_| after.leader_epoch > before.leader_epoch);
    elected.is_some_and(|leader| !before.isr.contains(&leader) && !before.elr.contains(&leader))
        || (after.recovery == LeaderRecovery::Recovering && before.recovery == LeaderRecovery::Recovered)
}

/// A leader was elected that may lack records: only where that is allowed, which taints the partition.
pub(super) fn elected(
    ledger: &Ledger,
    log: LogIndex,
    before: &PartitionState,
    after: &PartitionState,
) -> Check {
    if ledger.logs[log].tainted.is_some() {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::Election,
        format!(
            "{:?} is elected leader of {} in epoch {}",
            after.leader,
            ledger.name(log),
            after.leader_epoch
        ),
        format!("somebody of the ISR {:?} or of the ELR {:?}", before.isr, before.elr),
    ))
}

/// What a batch of metadata leaves.
pub(super) fn changed(ledger: &Ledger, log: LogIndex) -> Check {
    let Some(after) = &ledger.logs[log].state else { return Ok(()) };
    let wrong = |found: String, expected: String| Err(Violation::new(Invariant::Election, found, expected));
    let fenced = |node: usize| ledger.image.broker(ledger.ids[node]).is_none_or(|broker| broker.fenced);
    if let Some(leader) = after.leader
        && (ledger.node(leader).is_none_or(fenced) || !after.isr.contains(&leader))
    {
        return wrong(
            format!("{leader} leads {} with ISR {:?}", ledger.name(log), after.isr),
            "a leader that is not fenced, in the ISR".to_owned(),
        );
    }
    // Without eligible leader replicas the last member stays, fenced or not.
    let outside = members(ledger.logs[log].isr).find(|&node| fenced(node));
    match outside {
        Some(node) if ledger.elr || after.isr.len() > 1 => wrong(
            format!("{} is fenced and in the ISR {:?} of {}", ledger.ids[node], after.isr, ledger.name(log)),
            "nobody fenced in an ISR".to_owned(),
        ),
        _ => Ok(()),
    }
}
