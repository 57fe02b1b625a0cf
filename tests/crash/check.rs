//! Holds what writers were told against what the logs have.
//!
//! - A record that was acknowledged is there, at the offset that was said.
//! - Any record is there once at most; one that was refused is not.
//! - Records of a writer are in the order in which it wrote them.
//! - All replicas have the same bytes, and consumers are given what is in them.

use std::collections::BTreeMap;

use highwater_core::batch::batches;

use crate::load::{Fate, Manner, Notes, parse};

/// Offset and value of each record of a partition, in the order of the log.
pub(crate) type Found = Vec<(i64, Vec<u8>)>;

/// What a history is like that has nothing wrong in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Records that were acknowledged to writers with acks=all. All are there.
    pub(crate) acknowledged: usize,
    /// Records of unknown fate.
    pub(crate) unknown: usize,
    /// Of these, how many are there.
    pub(crate) unknown_there: usize,
    /// Records that were refused. None is there.
    pub(crate) refused: usize,
}

/// What is wrong, by sentences; or a summary.
pub(crate) fn check(notes: &[Notes], logs: &BTreeMap<i32, Found>) -> Result<Summary, Vec<String>> {
    let mut wrong = Vec::new();
    let mut summary = Summary::default();
    // Where each record is, by partition and writer.
    let mut places: BTreeMap<(i32, &str), Vec<(usize, i64)>> = BTreeMap::new();
    for (partition, log) in logs {
        for (offset, value) in log {
            match parse(value) {
                Some((writer, number)) => {
                    places.entry((*partition, writer)).or_default().push((number, *offset))
                }
                None => wrong.push(format!("{partition}@{offset}: a value that nobody wrote")),
            }
        }
    }
    for note in notes {
        let Notes { writer, partition, manner, fates } = note;
        let found = places.remove(&(*partition, writer)).unwrap_or_default();
        for pair in found.windows(2) {
            let [(before, at), (number, offset)] = pair else { continue };
            if number <= before {
                wrong.push(format!(
                    "{writer}: record {number} at offset {offset} behind record {before} at {at}: duplicated or out of order"
                ));
            }
        }
        let by_number: BTreeMap<usize, i64> = found.into_iter().collect();
        if let Some((number, offset)) = by_number.range(fates.len()..).next() {
            wrong.push(format!("{writer}: record {number} at offset {offset} was never written"));
        }
        for (number, fate) in fates.iter().enumerate() {
            let there = by_number.get(&number);
            match fate {
                // Its leader may have lost it.
                Fate::Acknowledged(_) if *manner == Manner::Careless => {}
                Fate::Acknowledged(offset) => {
                    summary.acknowledged += 1;
                    match there {
                        None => wrong
                            .push(format!("{writer}: record {number}, acknowledged at {offset}, is lost")),
                        Some(there) if *offset >= 0 && there != offset => wrong.push(format!(
                            "{writer}: record {number}, acknowledged at {offset}, is at {there}"
                        )),
                        Some(_) => {}
                    }
                }
                Fate::Unknown(why) => {
                    if *manner == Manner::Patient {
                        wrong.push(format!(
                            "{writer}: record {number} was given up by who never gives up: {why}"
                        ));
                    }
                    summary.unknown += 1;
                    summary.unknown_there += usize::from(there.is_some());
                }
                Fate::Refused(why) => {
                    if *manner == Manner::Patient {
                        wrong.push(format!("{writer}: record {number} was refused: {why}"));
                    }
                    if let Some(there) = there {
                        wrong.push(format!("{writer}: record {number}, refused ({why}), is at {there}"));
                    }
                    summary.refused += 1;
                }
            }
        }
    }
    for (partition, writer) in places.into_keys() {
        wrong.push(format!("partition {partition} has records of {writer}, who wrote none there"));
    }
    if wrong.is_empty() { Ok(summary) } else { Err(wrong) }
}

/// The records in the bytes of a log, or where they cannot be read.
pub(crate) fn records(bytes: &[u8]) -> Result<Found, String> {
    let mut found = Found::new();
    for batch in batches(bytes) {
        let batch = batch.map_err(|error| error.to_string())?;
        let records = batch.records().map_err(|error| error.to_string())?;
        for record in records {
            let record = record.map_err(|error| error.to_string())?;
            found.push((record.offset, record.value.unwrap_or_default().to_vec()));
        }
    }
    Ok(found)
}

/// Where two logs differ first.
pub(crate) fn difference(one: &[u8], other: &[u8]) -> Option<String> {
    if one == other {
        return None;
    }
    let at = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let batch = |bytes| {
        let mut end = 0;
        batches(bytes).flatten().map(|batch| *batch.header()).find(|header| {
            end += header.size;
            end > at
        })
    };
    Some(format!(
        "{} and {} bytes, different from byte {at}, in these batches: {:?} and {:?}",
        one.len(),
        other.len(),
        batch(one),
        batch(other)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a hasty writer wrote to partition 0: records 0 and 1 were acknowledged at 0 and 1, 2 is of unknown fate, 3 was refused.
    fn verdict(log: &[(i64, &str)]) -> Result<Summary, String> {
        let (unknown, refused) = (Fate::Unknown("silence".to_owned()), Fate::Refused("no leader".to_owned()));
        let fates = vec![Fate::Acknowledged(0), Fate::Acknowledged(1), unknown, refused];
        let notes = Notes { writer: "w".to_owned(), partition: 0, manner: Manner::Hasty, fates };
        let log = log.iter().map(|(offset, value)| (*offset, value.as_bytes().to_vec())).collect();
        check(&[notes], &BTreeMap::from([(0, log)])).map_err(|wrong| wrong.join("; "))
    }

    fn assert_wrong(log: &[(i64, &str)], because: &str) {
        let wrong = verdict(log).expect_err("something is wrong");
        assert!(wrong.contains(because), "found {wrong:?}, expected {because:?}");
    }

    #[test]
    fn history_with_or_without_what_is_of_unknown_fate_is_right() {
        let summary = Summary { acknowledged: 2, unknown: 1, unknown_there: 0, refused: 1 };
        assert_eq!(verdict(&[(0, "w:0:"), (1, "w:1:")]), Ok(summary));
        let there = verdict(&[(0, "w:0:"), (1, "w:1:"), (2, "w:2:")]);
        assert_eq!(there.map(|summary| summary.unknown_there), Ok(1));
    }

    #[test]
    fn record_that_was_acknowledged_and_is_not_there_is_lost() {
        assert_wrong(&[(0, "w:0:")], "record 1, acknowledged at 1, is lost");
    }

    #[test]
    fn record_at_another_offset_than_was_said_is_wrong() {
        assert_wrong(&[(0, "w:0:"), (5, "w:1:")], "record 1, acknowledged at 1, is at 5");
    }

    #[test]
    fn record_that_is_there_twice_is_wrong() {
        assert_wrong(&[(0, "w:0:"), (1, "w:1:"), (2, "w:2:"), (3, "w:2:")], "duplicated or out of order");
    }

    #[test]
    fn records_in_another_order_than_they_were_written_are_wrong() {
        assert_wrong(&[(0, "w:1:"), (1, "w:0:")], "duplicated or out of order");
    }

    #[test]
    fn record_that_was_refused_and_is_there_is_wrong() {
        assert_wrong(&[(0, "w:0:"), (1, "w:1:"), (2, "w:3:")], "record 3, refused (no leader), is at 2");
    }

    #[test]
    fn records_that_nobody_wrote_are_wrong() {
        assert_wrong(&[(0, "w:0:"), (1, "w:1:"), (2, "w:4:")], "record 4 at offset 2 was never written");
        assert_wrong(&[(0, "w:0:"), (1, "w:1:"), (2, "v:0:")], "records of v, who wrote none there");
        assert_wrong(&[(0, "w:0:"), (1, "w:1:"), (2, "?")], "a value that nobody wrote");
    }
}
