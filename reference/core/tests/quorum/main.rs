//! The quorum core from outside: transcripts, random schedules, single behaviours.

#[cfg(feature = "flaws")]
mod flaws;
mod random;
mod script;
mod show;
mod world;

use highwater_core::quorum::Rules;

#[test]
fn random_schedules_break_no_claim() {
    let mut committed = 0;
    for seed in 0..300 {
        let (voters, observers) = [(3, 0), (3, 1), (1, 1), (5, 0), (2, 0)][seed as usize % 5];
        match random::wander(Rules::default(), seed, voters, observers, 2000) {
            Ok(world) => committed += world.committed.len(),
            Err((step, violation)) => panic!("seed {seed}, step {step}: {violation}"),
        }
    }
    println!("committed {committed}");
    assert!(committed > 1000, "only {committed} records were committed: nothing was tried");
}
