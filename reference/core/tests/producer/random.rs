//! Random senders against an oracle that remembers all that was ever accepted.

use std::collections::{BTreeMap, BTreeSet};

use highwater_core::Offset;
use highwater_core::producer::{BATCHES_MAX, ProducerError, Producers, Snapshot, Verdict};
use proptest::prelude::*;

use crate::world::{Batch, World, header};

/// All that a producer had accepted in its newest epoch.
#[derive(Debug, Clone, Default)]
struct Accepted {
    epoch: i16,
    /// In the order in which they came: sequence of the first record, how many, offset of the first.
    batches: Vec<(i32, i32, Offset)>,
    /// Each record's sequence, counted without end from the epoch's first on.
    sequences: BTreeSet<u64>,
}

/// What is accepted, by a set of all that was.
#[derive(Debug, Clone, Default)]
struct Oracle {
    producers: BTreeMap<i64, Accepted>,
}

const WRAP: u64 = 1 << 31;

impl Accepted {
    /// The sequence that comes next, as it stands in a batch.
    fn next(&self) -> i32 {
        let first = self.batches.first().map_or(0, |(sequence, _, _)| *sequence as u64);
        ((first + self.sequences.len() as u64) % WRAP) as i32
    }
}

impl Oracle {
    /// What has to come of a batch that would be appended at `end`.
    fn take(&mut self, batch: &Batch, end: Offset) -> Result<Option<Offset>, i16> {
        let known = self.producers.get(&batch.producer);
        if let Some(known) = known.filter(|known| known.epoch == batch.epoch) {
            let newest = known.batches.iter().rev().take(BATCHES_MAX);
            let same = |(sequence, count, _): &&(i32, i32, Offset)| {
                (*sequence, *count) == (batch.sequence, batch.count)
            };
            if let Some((_, _, base)) = newest.into_iter().find(same) {
                return Ok(Some(*base));
            }
            if batch.sequence != known.next() {
                return Err(45);
            }
        } else if let Some(known) = known {
            if batch.epoch < known.epoch {
                return Err(47);
            }
            if batch.sequence != 0 {
                return Err(45);
            }
        }
        let known = self.producers.entry(batch.producer).or_default();
        if known.epoch != batch.epoch || known.batches.is_empty() {
            *known = Accepted { epoch: batch.epoch, ..Accepted::default() };
        }
        let from = known.sequences.len() as u64;
        for sequence in from..from + batch.count as u64 {
            assert!(known.sequences.insert(sequence), "sequence {sequence} twice");
        }
        known.batches.push((batch.sequence, batch.count, end));
        Ok(None)
    }
}

/// Something that a sender may do: mostly the next batch, or one that it sent before.
#[derive(Debug, Clone)]
enum Step {
    Next { producer: i64, count: i32 },
    Again { producer: i64, back: usize },
    Any(Batch),
    Snapshot,
    Truncate { keep: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let producer = 0..3_i64;
    let sequence = prop_oneof![0..12, Just(i32::MAX - 1), Just(i32::MAX)];
    let any = (producer.clone(), 0..3_i16, sequence, 1..4).prop_map(|(producer, epoch, sequence, count)| {
        Step::Any(Batch { producer, epoch, sequence, count, timestamp: 0, transactional: false })
    });
    prop_oneof![
        6 => (producer.clone(), 1..4).prop_map(|(producer, count)| Step::Next { producer, count }),
        4 => (producer, 0..8_usize).prop_map(|(producer, back)| Step::Again { producer, back }),
        3 => any,
        1 => Just(Step::Snapshot),
        1 => (0..100_usize).prop_map(|keep| Step::Truncate { keep }),
    ]
}

/// What a step sends.
fn batch(oracle: &Oracle, step: &Step) -> Option<Batch> {
    let (timestamp, transactional) = (0, false);
    match step {
        Step::Next { producer, count } => {
            let known = oracle.producers.get(producer);
            let (epoch, sequence) = known.map_or((0, 0), |known| (known.epoch, known.next()));
            Some(Batch { producer: *producer, epoch, sequence, count: *count, timestamp, transactional })
        }
        Step::Again { producer, back } => {
            let known = oracle.producers.get(producer)?;
            let (sequence, count, _) = *known.batches.iter().rev().nth(*back)?;
            Some(Batch { producer: *producer, epoch: known.epoch, sequence, count, timestamp, transactional })
        }
        Step::Any(batch) => Some(*batch),
        Step::Snapshot | Step::Truncate { .. } => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn verdicts_are_those_of_an_oracle_that_remembers_all(steps in prop::collection::vec(step(), 0..80)) {
        let (mut world, mut oracle) = (World::default(), Oracle::default());
        for step in &steps {
            let Some(batch) = batch(&oracle, step) else { continue };
            let end = world.end();
            let expected = oracle.take(&batch, end);
            let found = match world.send(&[batch]) {
                Ok(Verdict::Append) => Ok(None),
                Ok(Verdict::Duplicate(original)) => {
                    prop_assert_eq!(original.end_offset() - original.base_offset(), i64::from(batch.count));
                    Ok(Some(original.base_offset()))
                }
                Err(ProducerError::OutOfOrderSequence { .. }) => Err(45),
                Err(ProducerError::InvalidProducerEpoch { .. }) => Err(47),
                Err(other) => panic!("{other}"),
            };
            prop_assert_eq!(found, expected, "{:?} in {:?}", batch, world.state);
        }
    }

    #[test]
    fn state_is_the_sum_of_the_log_however_it_was_made(steps in prop::collection::vec(step(), 0..80)) {
        let (mut world, mut oracle) = (World::default(), Oracle::default());
        let mut cut = false;
        for step in &steps {
            match step {
                Step::Snapshot => world.take_snapshot(),
                Step::Truncate { keep } => {
                    let kept = world.log.get(*keep).map_or(world.end(), |bytes| header(bytes).base_offset);
                    cut = true;
                    world.truncate(kept);
                }
                step => {
                    if let Some(batch) = batch(&oracle, step) {
                        let end = world.end();
                        let _ = oracle.take(&batch, end);
                        let _ = world.send(&[batch]);
                    }
                }
            }
            let mut anew = Producers::new(0);
            anew.append(&world.log.concat());
            if !cut {
                prop_assert_eq!(&world.state, &anew);
            }
            // A snapshot forgets all but the newest batch of each.
            prop_assert_eq!(world.state.snapshot(), anew.snapshot());
            for (id, producer) in anew.iter() {
                let known = world.state.get(id).expect("known too").batches();
                prop_assert!(producer.batches().ends_with(known));
            }
        }
    }

    #[test]
    fn snapshot_is_what_was_saved(steps in prop::collection::vec(step(), 0..40)) {
        let (mut world, mut oracle) = (World::default(), Oracle::default());
        for step in &steps {
            if let Some(batch) = batch(&oracle, step) {
                let end = world.end();
                let _ = oracle.take(&batch, end);
                let _ = world.send(&[batch]);
            }
        }
        let snapshot = world.state.snapshot();
        prop_assert_eq!(Snapshot::decode(&snapshot.encode()), Ok(snapshot.clone()));
        let restored = Producers::load(snapshot.clone(), world.end());
        prop_assert_eq!(restored.snapshot(), snapshot);
    }
}
