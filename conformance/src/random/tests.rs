//! Random schedules on the models and on the reference.

use super::*;
use crate::suite::Registry;

fn plan(schedules: u32) -> Plan {
    Plan { of: Of::Quorums, schedules, seed: 1, threads: 2, shrink_max: 2_000 }
}

fn on(target: &str, flaw: Option<&str>, plan: &Plan) -> Outcome {
    let target = Registry::default().open(target, flaw).expect("a target");
    run(&target, plan, &|| true).expect("a run")
}

#[cfg(feature = "flaws")]
#[test]
fn probe() {
    let n: u32 = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(500);
    let target = std::env::var("T").unwrap_or_else(|_| "reference".to_owned());
    let flaws = std::env::var("F").unwrap_or_default();
    for flaw in flaws.split(',') {
        let began = std::time::Instant::now();
        let outcome = on(&target, (!flaw.is_empty()).then_some(flaw), &plan(n));
        println!("--- {flaw}: {:.1}s {}", began.elapsed().as_secs_f64(), outcome.counts);
        if let Some(because) = &outcome.incomplete {
            println!("INCOMPLETE {because}");
        }
        if let Some(found) = outcome.found {
            println!(
                "schedule {} {} -> {} steps in {} plays: {:?}",
                found.number,
                found.steps,
                found.scenario.steps.len(),
                found.plays,
                found.played.verdict
            );
            println!("{}", found.scenario);
        }
    }
}
