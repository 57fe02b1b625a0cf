//! Each flaw, found by random schedules: what the claims are for.

use highwater_core::quorum::{FLAWS, Rules};

use crate::random;

#[test]
fn flaws_are_found() {
    for flaw in FLAWS {
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        let mut found = None;
        for seed in 0..3000 {
            let result = std::panic::catch_unwind(|| {
                let observers = i32::from(flaw.id == "A43");
                random::wander(rules, seed, 3, observers, 3000, true).map(|_| ())
            });
            match result {
                Ok(Ok(())) => {}
                Ok(Err((step, violation))) => {
                    found = Some((seed, step, violation));
                    break;
                }
                Err(_) => {
                    found = Some((seed, 0, "panic".into()));
                    break;
                }
            }
        }
        println!("{} {:?}", flaw.id, found);
    }
}
