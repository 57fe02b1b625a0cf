//! Random worlds: crashes with and without loss of power, cuts, lost messages, proposals and reads all the while.
//!
//! - What was answered as committed is in all state machines in the end, once, at its place.
//! - What was refused is in none.
//! - All agree on what they have in common, at any time, and in the end on everything.
//! - A read holds at least what had been answered before it was asked.

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_log::disk::Loss;
use highwater_quorum::{Config, ProposeError, Token};

use crate::world::World;

const WORLDS: u64 = 600;

#[derive(Default)]
struct Ledger {
    proposals: BTreeMap<Token, String>,
    /// How many records had been answered when the read was asked for.
    reads: BTreeMap<Token, usize>,
}

#[test]
fn random_worlds_keep_what_they_promise() {
    let (mut committed, mut unknown, mut read) = (0, 0, 0);
    for seed in 0..WORLDS {
        let (world, ledger) = lived(seed);
        check(seed, &world, &ledger);
        let results = || world.proposed.values();
        committed += results().filter(|result| result.is_ok()).count();
        unknown += results().filter(|result| **result == Err(ProposeError::Unknown)).count();
        read += world.read.values().filter(|result| result.is_ok()).count();
    }
    // None of this passes because nothing happened.
    assert!(committed > 10_000 && unknown > 100 && read > 1_000, "{committed} {unknown} {read}");
}

fn lived(seed: u64) -> (World, Ledger) {
    let config = Config { snapshot_bytes: 3_000, fetch_bytes_max: 900, ..Config::new("world", 1, [1, 2, 3]) };
    let mut world = World::configured(seed, config);
    let mut ledger = Ledger::default();
    world.loss = world.dice.below(10);
    for round in 0..120 {
        let id = 1 + world.dice.below(3) as i32;
        match world.dice.below(24) {
            0 if world.replicas.len() == 3 => world.crash(id, Loss::Any),
            1 if world.replicas.len() == 3 => world.crash(id, Loss::Nothing),
            2 => {
                world.cut.insert(id);
            }
            3..6 => world.cut.clear(),
            6..9 => restart(&mut world),
            _ => {}
        }
        for id in [1, 2, 3] {
            if !world.replicas.contains_key(&id) {
                continue;
            }
            if world.dice.below(2) == 0 {
                let record = format!("round {round} at {id}");
                let token = world.propose(id, &record);
                ledger.proposals.insert(token, record);
            }
            if world.dice.below(4) == 0 {
                let known = world.proposed.values().flatten().map(|done| done.answer).max().unwrap_or(0);
                let token = world.ask_to_read(id);
                ledger.reads.insert(token, known);
            }
        }
        let pause = Duration::from_millis(world.dice.below(400));
        world.run(pause);
        agreed_so_far(seed, &world);
    }
    world.cut.clear();
    world.loss = 0;
    restart(&mut world);
    // Who led before all was healed may still believe that it does.
    let last = loop {
        if let Ok(last) = world.try_to_commit("last") {
            break last;
        }
    };
    world.agree(last.answer);
    (world, ledger)
}

fn restart(world: &mut World) {
    for id in [1, 2, 3] {
        if !world.replicas.contains_key(&id) {
            world.start(id);
        }
    }
}

fn agreed_so_far(seed: u64, world: &World) {
    for replica in world.replicas.values() {
        for other in world.replicas.values() {
            let mut pairs = replica.machine().0.iter().zip(&other.machine().0);
            assert!(pairs.all(|(one, two)| one == two), "seed {seed}: two orders");
        }
    }
}

fn check(seed: u64, world: &World, ledger: &Ledger) {
    let records = world.records(1);
    for (token, record) in &ledger.proposals {
        let times = records.iter().filter(|found| *found == record).count();
        match world.proposed.get(token) {
            Some(Ok(done)) => {
                assert_eq!(records.get(done.answer - 1), Some(record), "seed {seed}: at its place");
                assert_eq!(times, 1, "seed {seed}: {record}");
            }
            // It died before it could say.
            Some(Err(ProposeError::Unknown)) | None => assert!(times <= 1, "seed {seed}: {record}"),
            Some(Err(_)) => assert_eq!(times, 0, "seed {seed}: {record} was refused"),
        }
    }
    for (token, known) in &ledger.reads {
        if let Some(Ok(found)) = world.read.get(token) {
            assert!(found >= known, "seed {seed}: a read of {found} records, {known} were known");
        }
    }
}
