//! How fast the search is: on every model of the catalogue, and beside Stateright's own on the same model.
//!
//! `cargo bench -p highwater-model --bench search` prints the machine and a table a model. Names of models
//! after `--` run only those; `deep` among them adds the deep bounds of those that are named, or of
//! kraft. What the figures must reach, and what they were, stands in `specs/benchmarks.md`.
//!
//! - Counts are asserted: the same in every run, with one thread and with two, and as Stateright's; of
//!   `kip320` also as TLC's.
//! - Every run has a process of its own, so that memory is what this run took, and those that are compared
//!   take turns. A row is the median run by CPU time.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod support;

use std::process::{Command, Stdio};

use highwater_model::check::{self, Fired, Options, Spec, Stop, Verdict};
use highwater_model::family::{self, Request, RunScale, Searches};
use highwater_model::kip320::{Bounds, Kip320};
use stateright::Checker;
use support::{Sample, meter, table};

/// What TLC reports of `Kip320` at the comparison bounds, and the CPU seconds that it took.
const TLC_COUNTS: (u64, u64, u64) = (737_794, 1_967_560, 26);
const TLC_CPU_SECONDS: f64 = 83.0;

/// The model that is there only to be compared.
const KIP320: &str = "kip320";
/// The model whose figures matter most.
const FLAGSHIP: &str = "kraft";

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
    if wanted(KIP320) {
        kip320();
    }
    for name in family::catalogue().iter().map(|entry| entry.name()).filter(|name| wanted(name)) {
        model(name);
        if deep && (name == FLAGSHIP || !arguments.is_empty()) {
            deep_runs(name);
        }
    }
}

/// The same state machine in our search, in Stateright's and in TLC.
fn kip320() {
    table::head("kip320: 3 replicas, LogSize 2, MaxRecords 2, MaxLeaderEpoch 2");
    let case = |engine, threads| Case { engine, threads, symmetry: false, ..Case::own(KIP320) };
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

/// A model of the catalogue at its default bounds and, to compare with and without symmetry, at its test bounds.
fn model(name: &str) {
    let pair = |scale, symmetry| [1, 2].map(|threads| Case { scale, symmetry, threads, ..Case::own(name) });
    table::head(&format!("{name}, test bounds"));
    assert_same(&take_turns(1, &pair(Scale::Test, false)));
    assert_same(&take_turns(1, &pair(Scale::Test, true)));
    table::head(&format!("{name}, default bounds"));
    // What is measured closely is the flagship; of the others it is enough to know that nothing is amiss.
    assert_same(&take_turns(if name == FLAGSHIP { 3 } else { 1 }, &pair(Scale::Default, true)));
}

/// What takes minutes: the default bounds without symmetry, the deep ones with it.
fn deep_runs(name: &str) {
    let case = Case { threads: 2, ..Case::own(name) };
    table::head(&format!("{name}, default bounds, then deep bounds"));
    take_turns(1, &[Case { symmetry: false, ..case }]);
    take_turns(1, &[Case { scale: Scale::Deep, ..case }]);
}

/// One search to measure.
#[derive(Debug, Clone, Copy)]
struct Case<'n> {
    /// [`KIP320`] or a name of the catalogue.
    model: &'n str,
    scale: Scale,
    engine: Engine,
    threads: usize,
    symmetry: bool,
}

/// Which bounds; `kip320` has only its own.
#[derive(Debug, Clone, Copy)]
enum Scale {
    Test,
    Default,
    Deep,
}

/// Whose search.
#[derive(Debug, Clone, Copy)]
enum Engine {
    Own,
    Stateright,
}

impl<'n> Case<'n> {
    fn own(model: &'n str) -> Self {
        Self { model, scale: Scale::Default, engine: Engine::Own, threads: 1, symmetry: true }
    }

    fn words(self) -> [String; 5] {
        let scale = match self.scale {
            Scale::Test => "test",
            Scale::Default => "default",
            Scale::Deep => "deep",
        };
        let Self { model, threads, symmetry, .. } = self;
        [model, scale, self.engine_name(), &threads.to_string(), &symmetry.to_string()].map(str::to_owned)
    }

    fn parse(words: &'n [String]) -> Option<Self> {
        let [model, scale, engine, threads, symmetry] = words else { return None };
        Some(Self {
            model,
            scale: match scale.as_str() {
                "test" => Scale::Test,
                "deep" => Scale::Deep,
                _ => Scale::Default,
            },
            engine: if engine == "stateright" { Engine::Stateright } else { Engine::Own },
            threads: threads.parse().ok()?,
            symmetry: symmetry.parse().ok()?,
        })
    }

    const fn engine_name(self) -> &'static str {
        match self.engine {
            Engine::Own => "own",
            Engine::Stateright => "stateright",
        }
    }

    fn run(self) -> Sample {
        match (self.model, self.engine) {
            (KIP320, Engine::Own) => self.run_kip320(),
            (KIP320, Engine::Stateright) => self.run_stateright(Kip320::new(Bounds::COMPARISON)),
            _ => self.run_of_catalogue(),
        }
    }

    fn run_kip320(self) -> Sample {
        let model = Kip320::new(Bounds::COMPARISON);
        let options = Options { stop: Stop::Exhausted, ..self.options() };
        let (outcome, cost) = meter::measure(|| check::search(&model, &options));
        assert_eq!(outcome.verdict, Verdict::Holds, "{self:?}");
        Sample {
            unique: outcome.unique,
            generated: outcome.generated,
            depth: u64::from(outcome.depth),
            table_bytes: outcome.memory_bytes_peak,
            cost,
            fired: counts(&outcome.actions),
        }
    }

    fn run_of_catalogue(self) -> Sample {
        let scale = match self.scale {
            Scale::Test => RunScale::Test,
            Scale::Default => RunScale::Default,
            Scale::Deep => RunScale::Deep,
        };
        let request = Request { scale, searches: Searches::Safety, ..Request::default() };
        let entry = family::find(self.model).expect("a name of the catalogue");
        let plan = entry.plan(&request).expect("the model's own bounds make sense");
        let (report, cost) = meter::measure(|| plan[0].run(&self.options()));
        assert_eq!(report.verdict, Verdict::Holds, "{self:?}");
        Sample {
            unique: report.unique,
            generated: report.generated,
            depth: u64::from(report.depth),
            table_bytes: report.memory_bytes_peak,
            cost,
            fired: counts(&report.actions),
        }
    }

    fn options(self) -> Options<'static> {
        Options { threads: self.threads, symmetry: self.symmetry, ..Options::default() }
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
fn take_turns(times: usize, cases: &[Case<'_>]) -> Vec<Sample> {
    let mut samples = vec![Vec::new(); cases.len()];
    for _ in 0..times {
        for (samples, case) in samples.iter_mut().zip(cases) {
            samples.push(case.sample());
        }
    }
    let median = |(case, mut samples): (&Case<'_>, Vec<Sample>)| {
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

fn counts(actions: &[Fired]) -> Vec<u64> {
    actions.iter().map(|action| action.fired).collect()
}
