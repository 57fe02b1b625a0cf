//! Each flaw breaks a claim in some random run; and none of the runs that find flaws breaks one without a flaw.

use highwater_core::Dice;
use highwater_core::partition::{FLAWS, Rules};

use crate::random::{Limits, run};

const STEPS: usize = 160;

/// Runs from seeds until a claim breaks: the seed, and the claims.
fn search(limits: &Limits, seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| {
        let mut dice = Dice::new(seed);
        let choices: Vec<u32> = (0..STEPS).map(|_| dice.roll() as u32).collect();
        run(limits, dice.roll() as u32, &choices).err().map(|story| (seed, story))
    })
}

#[test]
fn survey() {
    for flaw in FLAWS {
        let only = std::env::var("ONLY").unwrap_or_default();
        if !only.is_empty() && !only.contains(flaw.id) {
            continue;
        }
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        for (replicas, min_isr, unclean) in
            [(3, 2, false), (3, 1, false), (2, 2, false), (2, 1, false), (3, 1, true), (2, 1, true)]
        {
            let limits = Limits { unclean_elections: unclean, ..Limits::new(replicas, min_isr, rules) };
            let started = std::time::Instant::now();
            let found = search(&limits, 30000);
            let what = found
                .map(|(seed, story)| format!("seed {seed}: {}", story.lines().next().unwrap_or_default()));
            println!("{} {replicas} {min_isr} {unclean}: {what:?} {:?}", flaw.id, started.elapsed());
        }
    }
}
