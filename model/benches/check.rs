//! What the checker costs, on a model that costs next to nothing itself.
//!
//! States of 64 bytes, each generated about six times. `cargo bench -p highwater-model --bench check` prints,
//! for 1 and 2 threads, unique states a CPU second and the most memory that a state took.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[allow(dead_code, reason = "shared with the other benchmarks")]
mod support {
    pub(crate) mod machine;
    pub(crate) mod meter;
}

use std::hash::{Hash, Hasher};

use bytemuck::{Pod, Zeroable};
use highwater_model::check::{Claim, Options, Spec, Verdict, search};
use stateright::Model;
use support::{machine, meter};

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
        vec![Claim::always("within", "check/search/3", "No counter passes the top.", |_, state: &Counts| {
            state.0[0] <= TOP
        })]
    }

    fn may_end(&self, state: &Counts) -> bool {
        (0..COUNTERS).all(|counter| state.0[9 * usize::from(counter)] == TOP)
    }
}

fn main() {
    // Cargo passes this when it benchmarks; `cargo test --all-targets` runs this too, and wants no figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("{}", machine::describe());
    for threads in [1, 2] {
        let options = Options { threads, ..Options::default() };
        let (outcome, cost) = meter::measure(|| search(&Counters, &options));
        assert_eq!((outcome.verdict, outcome.unique), (Verdict::Holds, 1 << 24));
        println!(
            "{threads} threads: {} unique, {} generated, {:.2} s, {:.2} CPU s, {:.2} M unique states a CPU second, \
             {:.1} bytes a state in tables at the peak, {:.1} resident",
            outcome.unique,
            outcome.generated,
            cost.wall.as_secs_f64(),
            cost.cpu.as_secs_f64(),
            outcome.unique as f64 / cost.cpu.as_secs_f64() / 1e6,
            outcome.memory_bytes_peak as f64 / outcome.unique as f64,
            cost.resident_bytes as f64 / outcome.unique as f64,
        );
    }
}
