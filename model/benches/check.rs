//! What the checker costs, on a model that costs next to nothing itself.
//!
//! States of 64 bytes, each generated about six times. `cargo bench -p highwater-model --bench check` prints,
//! for 1 and 2 threads, unique states a CPU second and the most memory that a state took.
#![allow(clippy::print_stdout, missing_docs)]

use std::hash::{Hash, Hasher};
use std::time::Duration;

use bytemuck::{Pod, Zeroable};
use highwater_model::check::{Claim, Options, Spec, Verdict, search};
use stateright::Model;

const COUNTERS: u8 = 6;
const TOP: u8 = 15;

struct Counters;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(8))]
struct Counts([u8; 64]);

impl Hash for Counts {
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for word in bytemuck::cast::<_, [u64; 8]>(*self) {
            hasher.write_u64(word);
        }
    }
}

impl Model for Counters {
    type State = Counts;
    type Action = u8;

    fn init_states(&self) -> Vec<Counts> {
        vec![Counts([0; 64])]
    }

    fn actions(&self, state: &Counts, actions: &mut Vec<u8>) {
        actions.extend((0..COUNTERS).filter(|counter| state.0[9 * usize::from(*counter)] < TOP));
    }

    fn next_state(&self, state: &Counts, counter: u8) -> Option<Counts> {
        let mut next = *state;
        next.0[9 * usize::from(counter)] += 1;
        Some(next)
    }
}

impl Spec for Counters {
    fn action_kinds(&self) -> &'static [&'static str] {
        &["count"]
    }

    fn kind_of(&self, _: &u8) -> usize {
        0
    }

    fn claims(&self) -> Vec<Claim<Self>> {
        vec![Claim::always("within", "check/bench/1", "No counter passes the top.", |_, state: &Counts| {
            state.0[0] <= TOP
        })]
    }

    fn may_end(&self, state: &Counts) -> bool {
        (0..COUNTERS).all(|counter| state.0[9 * usize::from(counter)] == TOP)
    }
}

fn main() {
    for threads in [1, 2] {
        let cpu_before = cpu_time();
        let outcome = search(&Counters, &Options { threads, ..Options::default() });
        let cpu = (cpu_time() - cpu_before).as_secs_f64();
        assert_eq!((outcome.verdict, outcome.unique), (Verdict::Holds, 1 << 24));
        println!(
            "{threads} threads: {} unique, {} generated, {:.2} s, {:.2} CPU s, {:.2} M unique states a CPU second, \
             {:.1} bytes a state at the peak, {} kB resident at the peak so far",
            outcome.unique,
            outcome.generated,
            outcome.elapsed.as_secs_f64(),
            cpu,
            outcome.unique as f64 / cpu / 1e6,
            outcome.memory_bytes_peak as f64 / outcome.unique as f64,
            resident_peak_kilobytes(),
        );
    }
}

/// CPU time of this process so far; zero where there is no `/proc`.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 =
        stat.split_whitespace().skip(13).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn resident_peak_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse().ok()).unwrap_or(0)
}
