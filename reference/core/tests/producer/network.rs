//! What an idempotent producer can promise over a network that loses, doubles, delays and reorders, to leaders that fail.
//!
//! A producer that has one batch under way at a time, and sends it again until it is acknowledged, has each record in the log once, and all in order.
//! One with five under way needs an order on the way (Kafka: a connection of its own) to get all of them through; but whatever arrives in
//! whatever order, no record is there twice, and none behind one that was sent after it.

use highwater_core::Offset;
use highwater_core::producer::Verdict;
use proptest::prelude::*;

use crate::world::{Batch, World, header};

#[derive(Debug, Clone)]
enum Event {
    /// The producer sends what is not acknowledged, once more; the `which`th of it.
    Send { which: usize },
    /// A copy arrives that was sent some time, and stays under way.
    Arrive { which: usize },
    /// All that is in the log is committed, and its producer learns of it.
    Acknowledge,
    /// The leader fails: the next one has what is committed, and perhaps some more.
    FailOver { more: usize },
    /// A replica restarts.
    Restart { snapshot: bool },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..5_usize).prop_map(|which| Event::Send { which }),
        8 => any::<usize>().prop_map(|which| Event::Arrive { which }),
        3 => Just(Event::Acknowledge),
        2 => (0..4_usize).prop_map(|more| Event::FailOver { more }),
        1 => any::<bool>().prop_map(|snapshot| Event::Restart { snapshot }),
    ]
}

fn batch(number: usize) -> Batch {
    // Two records each, so that sequences are not the numbers.
    let sequence = number as i32 * 2;
    Batch { producer: 7, epoch: 0, sequence, count: 2, timestamp: 0, transactional: false }
}

/// The numbers of the batches in the log.
fn numbers(world: &World) -> Vec<usize> {
    world.log.iter().map(|bytes| header(bytes).base_sequence as usize / 2).collect()
}

/// Runs a producer with so many batches under way; what is in the log in the end, and how many were acknowledged.
fn run(events: &[Event], in_flight: usize) -> (Vec<usize>, usize) {
    let mut world = World::default();
    let mut sent: Vec<usize> = Vec::new();
    let (mut acknowledged, mut committed): (usize, usize) = (0, 0);
    for event in events {
        match event {
            Event::Send { which } => sent.push(acknowledged + which % in_flight),
            Event::Arrive { which } => {
                let Some(&number) = sent.get(which % sent.len().max(1)) else { continue };
                let there = numbers(&world).iter().position(|other| *other == number);
                match (world.send(&[batch(number)]), there) {
                    (Ok(Verdict::Append), there) => assert_eq!(there, None, "batch {number} a second time"),
                    (Ok(Verdict::Duplicate(original)), Some(place)) => {
                        assert_eq!(original.base_offset(), 2 * place as Offset);
                    }
                    (Ok(Verdict::Duplicate(_)), None) => panic!("batch {number} is not there"),
                    (Err(_), _) => {}
                }
            }
            Event::Acknowledge => {
                committed = world.log.len();
                let there = numbers(&world);
                while there.contains(&acknowledged) {
                    acknowledged += 1;
                }
            }
            Event::FailOver { more } => {
                let kept = (committed + more).min(world.log.len());
                world.truncate(2 * kept as Offset);
            }
            Event::Restart { snapshot } => {
                if *snapshot {
                    world.take_snapshot();
                }
                world.rebuild();
            }
        }
    }
    (numbers(&world), acknowledged)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_batch_at_a_time_is_there_once_and_in_order(events in prop::collection::vec(event(), 0..150)) {
        let (log, acknowledged) = run(&events, 1);
        prop_assert_eq!(&log, &(0..log.len()).collect::<Vec<_>>());
        prop_assert!(acknowledged <= log.len());
    }

    #[test]
    fn five_batches_at_a_time_are_never_there_twice_and_never_out_of_order(events in prop::collection::vec(event(), 0..150)) {
        let (log, _) = run(&events, 5);
        prop_assert!(log.windows(2).all(|pair| pair[1] == pair[0] + 1), "{:?}", log);
    }
}

#[test]
fn runs_get_somewhere() {
    let events: Vec<Event> = (0..30)
        .flat_map(|_| [Event::Send { which: 0 }, Event::Arrive { which: usize::MAX }, Event::Acknowledge])
        .collect();
    // The last copy that was sent is the one that arrives, but for the remainder of usize::MAX.
    let (log, acknowledged) = run(&events, 1);
    assert_eq!(log.len(), acknowledged);
    assert!(acknowledged > 0);
}
