//! How fast the search is, beside Stateright's own on the same model in the same run.
//!
//! `cargo bench -p highwater-model --bench search` prints the machine and a table a model. Names of models
//! after `--` run only those; `deep` among them adds the deep bounds. What the figures must reach, and
//! what they were, stands in `specs/benchmarks.md`.
//!
//! - Counts are asserted: the same in every run, with one thread and with two, and as Stateright's; of
//!   `kip320` also as TLC's.
//! - Every run has a process of its own, so that memory is what this run took, and those that are compared
//!   take turns. A row is the median run by CPU time.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod support;

use std::process::{Command, Stdio};

use highwater_model::check::{self, Options, Spec, Stop, Verdict};
use highwater_model::kip320::{Bounds, Kip320};
use stateright::Checker;
use support::{Sample, meter, table};

/// What TLC reports of `Kip320` at the comparison bounds, and the CPU seconds that it took.
const TLC_COUNTS: (u64, u64, u64) = (737_794, 1_967_560, 26);
const TLC_CPU_SECONDS: f64 = 83.0;

/// The word before a [`Case`], by which a process knows that it is to run that alone.
const ONE_RUN: &str = "--one-run";

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == ONE_RUN) {
        let case = Case::parse(&arguments[1..]).expect("written by this benchmark");
        println!("{}", case.run().line());
        return;
    }
    // Cargo passes this when it benchmarks; `cargo test --all-targets` runs this too, and wants no figures.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    arguments.retain(|argument| !argument.starts_with("--"));
    let deep = arguments.iter().any(|argument| argument == "deep");
    arguments.retain(|argument| argument != "deep");
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    println!("{}", support::machine::describe());
    if wanted("kip320") {
        kip320();
    }
    let _ = deep;
}

/// The same state machine in our search, in Stateright's and in TLC.
fn kip320() {
    table::head("kip320: 3 replicas, LogSize 2, MaxRecords 2, MaxLeaderEpoch 2");
    let case = |engine, threads| Case { model: Subject::Kip320, engine, threads, symmetry: false };
    let samples = take_turns(
        5,
        &[
            case(Engine::Own, 1),
            case(Engine::Own, 2),
            case(Engine::Stateright, 1),
            case(Engine::Stateright, 2),
        ],
    );
    assert_same(&samples[..2]);
    for sample in &samples {
        assert_eq!((sample.unique, sample.generated), (TLC_COUNTS.0, TLC_COUNTS.1), "not TLC's counts");
    }
    assert_eq!(samples[0].depth, TLC_COUNTS.2, "not TLC's depth");
    let [ours, theirs] = [&samples[0], &samples[2]].map(|sample| sample.cost.cpu.as_secs_f64());
    println!(
        "CPU time with one thread, in units of ours: Stateright {:.1}, TLC {:.0} ({TLC_CPU_SECONDS} s, quoted)",
        theirs / ours,
        TLC_CPU_SECONDS / ours
    );
}

/// One search to measure.
#[derive(Debug, Clone, Copy)]
struct Case {
    model: Subject,
    engine: Engine,
    threads: usize,
    symmetry: bool,
}

/// A model at some bounds.
#[derive(Debug, Clone, Copy)]
enum Subject {
    Kip320,
}

/// Whose search.
#[derive(Debug, Clone, Copy)]
enum Engine {
    Own,
    Stateright,
}

impl Case {
    fn words(self) -> [String; 4] {
        let model = match self.model {
            Subject::Kip320 => "kip320",
        };
        [model.to_owned(), self.engine_name().to_owned(), self.threads.to_string(), self.symmetry.to_string()]
    }

    fn parse(words: &[String]) -> Option<Self> {
        let [model, engine, threads, symmetry] = words else { return None };
        let model = match model.as_str() {
            "kip320" => Subject::Kip320,
            _ => return None,
        };
        let engine = if engine == "stateright" { Engine::Stateright } else { Engine::Own };
        Some(Self { model, engine, threads: threads.parse().ok()?, symmetry: symmetry.parse().ok()? })
    }

    const fn engine_name(self) -> &'static str {
        match self.engine {
            Engine::Own => "own",
            Engine::Stateright => "stateright",
        }
    }

    fn run(self) -> Sample {
        match self.model {
            Subject::Kip320 => self.run_on(Kip320::new(Bounds::COMPARISON)),
        }
    }

    fn run_on<M: Spec>(self, model: M) -> Sample {
        match self.engine {
            Engine::Own => self.run_own(&model),
            Engine::Stateright => self.run_stateright(model),
        }
    }

    fn run_own<M: Spec>(self, model: &M) -> Sample {
        let Self { threads, symmetry, .. } = self;
        let options = Options { threads, symmetry, stop: Stop::Exhausted, ..Options::default() };
        let (outcome, cost) = meter::measure(|| check::search(model, &options));
        assert_eq!(outcome.verdict, Verdict::Holds, "{self:?}");
        Sample {
            unique: outcome.unique,
            generated: outcome.generated,
            depth: u64::from(outcome.depth),
            table_bytes: outcome.memory_bytes_peak,
            cost,
            fired: outcome.actions.iter().map(|action| action.fired).collect(),
        }
    }

    fn run_stateright<M: Spec>(self, model: M) -> Sample {
        let (checker, cost) = meter::measure(|| model.checker().threads(self.threads).spawn_bfs().join());
        Sample {
            unique: checker.unique_state_count() as u64,
            generated: checker.state_count() as u64,
            depth: checker.max_depth() as u64,
            table_bytes: 0,
            cost,
            fired: Vec::new(),
        }
    }

    /// Runs in a process of its own.
    fn sample(self) -> Sample {
        let program = std::env::current_exe().expect("this very program");
        let output = Command::new(program)
            .arg(ONE_RUN)
            .args(self.words())
            .stderr(Stdio::inherit())
            .output()
            .expect("this very program runs again");
        assert!(output.status.success(), "{self:?} failed");
        let line = String::from_utf8_lossy(&output.stdout);
        Sample::parse(&line).unwrap_or_else(|| panic!("{self:?} printed {line:?}"))
    }
}

/// Runs the cases in turn, `times` times over; prints and returns the median of each.
fn take_turns(times: usize, cases: &[Case]) -> Vec<Sample> {
    let mut samples = vec![Vec::new(); cases.len()];
    for _ in 0..times {
        for (samples, case) in samples.iter_mut().zip(cases) {
            samples.push(case.sample());
        }
    }
    let median = |(case, mut samples): (&Case, Vec<Sample>)| {
        // Stateright's depth is not the same in every run; our counts must be.
        if matches!(case.engine, Engine::Own) {
            assert_same(&samples);
        }
        samples.sort_by_key(|sample| sample.cost.cpu);
        let sample = samples.swap_remove(samples.len() / 2);
        table::print(case.engine_name(), case.threads, case.symmetry, &sample);
        sample
    };
    cases.iter().zip(samples).map(median).collect()
}

/// Demands equal counts.
fn assert_same(samples: &[Sample]) {
    let counts = |sample: &Sample| (sample.unique, sample.generated, sample.depth, sample.fired.clone());
    for pair in samples.windows(2) {
        assert_eq!(counts(&pair[0]), counts(&pair[1]), "the counts differ between runs");
    }
}
