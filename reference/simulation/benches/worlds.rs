//! How many events a CPU second worlds do: deliveries, timers, flushes, operations of clients.
//!
//! `cargo bench -p highwater-simulation --bench worlds` prints the machine and a row a profile. On one thread, so that wall time is CPU time but for
//! what the machine does beside; the figure to reach is 300,000 events a CPU second.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../../../model/benches/support/machine.rs"]
mod machine;

use std::time::Duration;

use highwater_simulation::report::Counts;
use highwater_simulation::{Profile, Wishes, sweep};
use rustix::time::{ClockId, clock_gettime};

/// Seeds a row.
const SEEDS: u64 = 150;

fn main() {
    // Cargo passes this when it benchmarks; `cargo test --all-targets` runs this too, and wants no figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("{}\n", machine::describe());
    println!(
        "{:<12}{:>8}{:>12}{:>12}{:>10}{:>16}",
        "worlds", "seeds", "steps", "events", "CPU s", "events/CPU s"
    );
    for profile in Profile::ALL {
        row(profile.name(), Wishes { profile: Some(profile), ..Wishes::default() });
    }
    row("as in CI", Wishes::default());
}

fn row(name: &str, wishes: Wishes) {
    let before = cpu_time();
    let sweep = sweep(1_000_000, SEEDS, 1, &wishes, &|| true).expect("no flaw");
    let seconds = (cpu_time() - before).as_secs_f64();
    assert!(sweep.failed.is_none(), "a seed fails: {:?}", sweep.failed.map(|(seed, _)| seed));
    let Counts { steps, events, .. } = sweep.counts;
    let rate = events as f64 / seconds;
    println!("{name:<12}{SEEDS:>8}{steps:>12}{events:>12}{seconds:>10.2}{rate:>16.0}");
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).expect("below a second"))
}
