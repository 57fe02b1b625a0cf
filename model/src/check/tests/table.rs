//! The table against a set of the standard library.

use std::collections::HashSet;

use super::random::Random;
use crate::check::table::{Insertion, SEGMENTS, Table};

/// Inserts, and grows the table as the search does.
fn insert(table: &mut Table, fingerprint: u64) -> bool {
    match table.insert(fingerprint) {
        Insertion::New(segment) => {
            let mut inserted = vec![0; SEGMENTS];
            inserted[segment] = 1;
            table.note(&inserted);
            table.make_room(|_| Ok::<(), ()>(())).unwrap();
            true
        }
        Insertion::Known => false,
        Insertion::Full => panic!("it grows in time"),
    }
}

#[test]
fn holds_what_was_inserted_through_growth() {
    let mut random = Random(4);
    for limit in [10, 1_000, 100_000] {
        let (mut table, mut set) = (Table::new(false), HashSet::new());
        for _ in 0..50_000 {
            // Few values in the high or the low bits: crowded segments, long probes.
            let value = random.below(limit) + 1;
            let value = if random.below(2) == 0 { value } else { value << 44 };
            assert_eq!(insert(&mut table, value), set.insert(value), "{value:x}");
        }
        for value in set {
            assert_eq!(table.insert(value), Insertion::Known);
        }
    }
}

#[test]
fn all_of_one_segment_and_place_is_slow_but_right() {
    let mut table = Table::new(false);
    for value in 1..=2_000 {
        assert!(insert(&mut table, value));
        assert!(!insert(&mut table, value));
    }
    for value in 0..2_000 {
        assert!(insert(&mut table, u64::MAX - value));
    }
    for value in 1..=2_000 {
        assert!(!insert(&mut table, value));
        assert!(!insert(&mut table, u64::MAX - value + 1));
    }
}

#[test]
fn segment_without_a_free_slot_says_so_and_keeps_what_it_has() {
    let mut table = Table::new(false);
    let mut inserted = vec![0; SEGMENTS];
    let mut value = 1;
    while table.insert(value) != Insertion::Full {
        inserted[0] += 1;
        value += 1;
    }
    assert_eq!(inserted[0], 64);
    assert_eq!(table.insert(1), Insertion::Known);
    table.note(&inserted);
    table.make_room(|_| Ok::<(), ()>(())).unwrap();
    assert_eq!(table.insert(value), Insertion::New(0));
    assert!((1..=value).all(|value| table.insert(value) == Insertion::Known));
}

#[test]
fn growth_is_asked_for_and_refused() {
    let mut table = Table::new(false);
    let bytes = table.bytes();
    let mut inserted = vec![0; SEGMENTS];
    inserted[7] = 64;
    table.note(&inserted);
    let mut asked = 0;
    let refused = table.make_room(|bytes| {
        asked = bytes;
        Err(())
    });
    assert_eq!(refused, Err(()));
    assert!(
        asked > bytes && asked < bytes + bytes / 100,
        "one segment more for the moment: {asked}, {bytes}"
    );
    assert_eq!(table.bytes(), bytes);
    table.make_room(|_| Ok::<(), ()>(())).unwrap();
    assert!(table.bytes() > bytes && table.bytes() < asked);
}

#[test]
fn load_stays_between_half_and_the_limit() {
    let mut random = Random(5);
    let mut table = Table::new(false);
    for count in 1..=1_000_000u64 {
        insert(&mut table, random.next() | 1);
        if count > 50_000 && count.is_multiple_of(50_000) {
            let bytes_per_state = table.bytes() as f64 / count as f64;
            assert!((9.8..13.5).contains(&bytes_per_state), "{count}: {bytes_per_state}");
        }
    }
}

#[test]
fn threads_that_insert_the_same_values_agree_on_who_was_first() {
    let mut table = Table::new(true);
    for level in 1..=20u32 {
        let threads: u64 = 4;
        let count: u64 = 2_000;
        let counts: Vec<Vec<u32>> = std::thread::scope(|scope| {
            let table = &table;
            let worker = |thread: u64| {
                move || {
                    let mut taken = vec![0; SEGMENTS];
                    let mut random = Random(u64::from(level));
                    for _ in 0..count {
                        let parent = thread + 10;
                        if let Insertion::New(segment) = table.insert_linked(random.next() | 1, parent, level)
                        {
                            taken[segment] += 1;
                        }
                    }
                    taken
                }
            };
            let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(worker(thread))).collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        });
        assert_eq!(counts.iter().flatten().map(|taken| u64::from(*taken)).sum::<u64>(), count);
        counts.iter().for_each(|taken| table.note(taken));
        table.make_room(|_| Ok::<(), ()>(())).unwrap();
    }
    // Every thread led to every value in its level: the least parent won, also through growth.
    for level in 1..=20 {
        let mut random = Random(level);
        for _ in 0..2_000 {
            assert_eq!(table.link(random.next() | 1), Some((level as u32, 10)));
        }
    }
    assert_eq!(table.link(2), None);
}

#[test]
fn link_of_a_later_level_changes_nothing() {
    let table = Table::new(true);
    assert!(matches!(table.insert_linked(5, 9, 1), Insertion::New(_)));
    assert_eq!(table.insert_linked(5, 8, 1), Insertion::Known);
    assert_eq!(table.insert_linked(5, 7, 2), Insertion::Known);
    assert_eq!(table.link(5), Some((1, 8)));
}
