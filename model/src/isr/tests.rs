//! Exact counts, flaws at their exact lengths, and what must stay green.

use super::*;
use crate::check::{ClaimVerdict, Options, Stop, search};

#[test]
fn show_flaws() {
    for flaw in Isr::flaws() {
        let mut bounds = Isr::bounds_at(Scale::Flaw);
        (flaw.bounds)(&mut bounds);
        let mut rules = Rules::default();
        (flaw.change)(&mut rules);
        let options = Options { stop: Stop::Exhausted, time_max: Some(std::time::Duration::from_secs(60)), ..Options::default() };
        let outcome = search(&Isr::new(bounds, rules), &options);
        let broken: Vec<String> = outcome.claims.iter().filter(|c| c.verdict == ClaimVerdict::Violated && c.kind != "sometimes")
            .map(|c| format!("{}:{}", c.name, c.walk.as_ref().map_or(0, |w| w.steps.len()))).collect();
        let wanted: Vec<&str> = flaw.breaks.iter().map(|b| b.claim).collect();
        eprintln!("{} cut={:?} unique={} {:?} want {:?} got {}", flaw.id, outcome.cut, outcome.unique, outcome.elapsed, wanted, broken.join(" "));
    }
}
