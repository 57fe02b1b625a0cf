//! HWM: the quorum's high watermark never falls on a node while it is up.

use highwater_core::Offset;

use super::Check;
use crate::ledger::{Ledger, METADATA};
use crate::{Invariant, Violation};

pub(super) fn moved(ledger: &Ledger, node: usize, before: Offset) -> Check {
    let after = ledger.replica(node, METADATA).map_or(0, |replica| replica.high_watermark);
    if after >= before {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::HighWatermark,
        format!("the high watermark of the metadata log on {} falls to {after}", ledger.ids[node]),
        format!("no less than {before}"),
    ))
}
