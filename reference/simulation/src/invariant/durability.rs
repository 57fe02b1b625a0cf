//! DUR: what was acknowledged to `acks=all` is committed, is held by the leader of the newest epoch and by whoever may be elected.

use highwater_core::Offset;

use super::Check;
use crate::ledger::{Ledger, LogIndex, members, told};
use crate::{Invariant, Violation};

/// A leader has acknowledged the batch that begins at `base` to a producer that asked for all.
pub(crate) fn acknowledged(ledger: &mut Ledger, node: usize, log: LogIndex, base: Offset) -> Check {
    let Some(replica) = ledger.replica(node, log) else { return Ok(()) };
    let held = replica.shadow.batch_at(base).copied();
    let high_watermark = replica.high_watermark;
    let wrong = |found: String, expected: String| Violation::new(Invariant::Durability, found, expected);
    let Some(held) = held else {
        return Err(wrong(
            format!("{} acknowledges offset {base} of {}", ledger.ids[node], ledger.name(log)),
            "a batch of its log that begins there".to_owned(),
        ));
    };
    if held.batch.end > high_watermark {
        return Err(wrong(
            format!("{} acknowledges {} of {}", ledger.ids[node], told(Some(held.batch)), ledger.name(log)),
            format!("nothing above its high watermark, {high_watermark}"),
        ));
    }
    let book = &mut ledger.logs[log];
    book.acknowledged = book.acknowledged.max(held.batch.end);
    Ok(())
}

pub(super) fn changed(ledger: &Ledger, log: LogIndex) -> Check {
    let book = &ledger.logs[log];
    let end = book.acknowledged;
    if end == 0 {
        return Ok(());
    }
    let missing = |node: usize, what: &str| {
        let difference = ledger
            .replica(node, log)
            .map_or_else(String::new, |replica| replica.shadow.difference(&book.committed, end));
        Violation::new(
            Invariant::Durability,
            format!("{} {what} of {} and has {difference}", ledger.ids[node], ledger.name(log)),
            format!("all that was acknowledged, which ends at {end}"),
        )
    };
    if let Some((leader, leading)) = ledger.newest_leader(log)
        && !leading.shadow.agrees(&book.committed, end)
    {
        return Err(missing(leader, &format!("leads the newest epoch {}", leading.epoch)));
    }
    let candidates = book.isr | book.elr;
    let holds = |node: usize| {
        ledger.replica(node, log).is_some_and(|replica| replica.shadow.agrees(&book.committed, end))
    };
    for candidate in members(candidates).filter(|&node| ledger.is_registered(node)) {
        if !holds(candidate) {
            return Err(missing(candidate, "may be elected leader"));
        }
    }
    if members(candidates).any(holds) || ledger.elr && book.is_beyond(ledger.min_isr(log)) {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::Durability,
        format!("nobody of ISR and ELR, {}, of {} has it", ledger.told(candidates), ledger.name(log)),
        format!("somebody to have all that was acknowledged, which ends at {end}"),
    ))
}
