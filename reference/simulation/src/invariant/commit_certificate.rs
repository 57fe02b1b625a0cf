//! QC: what a quorum leader calls committed is on the disks of a majority of the voters.

use super::Check;
use crate::ledger::{Ledger, METADATA, members};
use crate::{Invariant, Violation};

pub(super) fn moved(ledger: &Ledger, node: usize) -> Check {
    let Some(leader) = ledger.replica(node, METADATA) else { return Ok(()) };
    if !leader.leads {
        return Ok(());
    }
    let end = leader.high_watermark;
    let holds = |voter: &usize| {
        ledger
            .replica(*voter, METADATA)
            .is_some_and(|replica| replica.flushed >= end && replica.shadow.agrees(&leader.shadow, end))
    };
    // A voter whose disk was lost may have been counted before. It votes no more, so that every majority contains the others.
    let holders = members(ledger.voters)
        .filter(holds)
        .fold(ledger.wiped & ledger.voters, |set, voter| set | 1 << voter);
    let majority = ledger.voters.count_ones() / 2 + 1;
    if u32::count_ones(holders) >= majority {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::CommitCertificate,
        format!(
            "{} leads epoch {} and calls everything below {end} committed, which {} of the voters {} have on disk",
            ledger.ids[node],
            leader.epoch,
            ledger.told(holders),
            ledger.told(ledger.voters)
        ),
        format!("{majority} of them"),
    ))
}
