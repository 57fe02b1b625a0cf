//! The quorum core from outside: transcripts, random schedules, single behaviours.

#[cfg(feature = "flaws")]
mod flaws;
mod high_watermark;
mod hostile;

mod open;
mod random;
mod script;
mod show;
mod single;
mod world;

use highwater_core::quorum::Rules;

#[test]
fn random_schedules_break_no_claim() {
    let mut committed = 0;
    for seed in 0..300 {
        let (voters, observers) = [(3, 0), (3, 1), (1, 1), (5, 0), (2, 0)][seed as usize % 5];
        match random::wander(Rules::default(), seed, voters, observers, 2000, true) {
            Ok(world) => committed += world.committed.len(),
            Err((step, violation)) => panic!("seed {seed}, step {step}: {violation}"),
        }
    }
    assert!(committed > 1000, "only {committed} records were committed: nothing was tried");
}

#[test]
fn stable_network_converges() {
    for seed in 0..200 {
        let (voters, observers) = [(3, 0), (3, 1), (1, 1), (5, 0), (2, 0)][seed as usize % 5];
        if let Err(violation) = random::converge(Rules::default(), seed, voters, observers, 500) {
            panic!("seed {seed}: {violation}");
        }
    }
}
