//! `highwater conformance`: the suite's cases on a target.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use comfy_table::{ContentArrangement, Table, presets};
use highwater_conformance::play;
use highwater_conformance::random::{self, Of, Plan};
use highwater_conformance::report::{CaseReport, Outcome, Report, html, junit, terminal};
use highwater_conformance::scenario::Demand;
use highwater_conformance::suite::{self, Item, Observer, Options};
use indicatif::{ProgressBar, ProgressStyle};

use crate::arguments::{ConformanceArguments, RandomOf};
use crate::output::{self, Exit, Failure, Sink};
use crate::{searching, targets};

pub(crate) fn run(arguments: &ConformanceArguments) -> Result<Exit, Failure> {
    if let Some(schedules) = arguments.random {
        return random(arguments, schedules);
    }
    let items = suite::all().map_err(Failure::usage)?;
    let words: Vec<String> = arguments.cases.iter().chain(&arguments.only).cloned().collect();
    let chosen = suite::select(items.clone(), &words).map_err(Failure::usage)?;
    if arguments.list {
        output::print(&list(&chosen))?;
        return Ok(Exit::Holds);
    }
    let options = options(arguments, &items)?;
    if arguments.kill_matrix {
        return kill_matrix(arguments, &chosen, &options);
    }
    let others = arguments.with.iter().map(|path| read_report(path)).collect::<Result<Vec<_>, _>>()?;
    if arguments.on.target.is_none() && !others.is_empty() {
        return show(arguments, others);
    }
    let target = targets::open(&arguments.on)?;
    let sinks = Sinks::open(arguments)?;
    prepare()?;
    let watch = Watch::new(target.name.clone());
    let report = suite::run(&target, &chosen, &options, &watch);
    watch.finish();
    let report = report
        .map_err(|error| Failure::usage(format!("--target {}: cannot be reached: {error}", target.name)))?;
    if !sinks.take_stdout() {
        output::print(&terminal::render(&report))?;
    }
    let exit = exit(report.outcome);
    sinks.write(report, others)?;
    Ok(exit)
}

/// Random schedules instead of cases.
fn random(arguments: &ConformanceArguments, schedules: u32) -> Result<Exit, Failure> {
    let target = targets::open(&arguments.on)?;
    let [scenario] = output::open_all([("--scenario", &arguments.scenario)])?;
    let sinks = Sinks::open(arguments)?;
    prepare()?;
    let plan = Plan {
        of: match arguments.of {
            RandomOf::Quorums => Of::Quorums,
            RandomOf::Clusters => Of::Clusters,
        },
        schedules,
        seed: arguments.on.seed,
        threads: arguments.threads.map_or(Options::default().threads, usize::from),
        shrink_max: arguments.shrink_runs,
    };
    let began = Instant::now();
    let outcome = random::run(&target, &plan, &|| !searching::interrupted())
        .map_err(|error| Failure::usage(format!("--target {}: {error}", target.name)))?;
    let seconds = began.elapsed().as_secs_f64();
    output::say(&format!(
        "{seconds:.1} s, {:.0} schedules a second",
        outcome.counts.schedules as f64 / seconds.max(1e-9)
    ));
    let report = random::report(&target, &plan, &outcome, seconds);
    if !sinks.take_stdout() && !scenario.as_ref().is_some_and(Sink::is_stdout) {
        let mut told = terminal::render(&report);
        if let (Some(found), None) = (&outcome.found, &scenario) {
            told = format!("{}\n{told}", found.scenario);
        }
        output::print(&told)?;
    }
    if let Some(sink) = &scenario {
        match &outcome.found {
            Some(found) => sink.write(&found.scenario.to_string())?,
            None => sink.leave("no schedule fails, so there is no scenario")?,
        }
    }
    let exit = exit(report.outcome);
    sinks.write(report, Vec::new())?;
    Ok(exit)
}

/// Ctrl-C ends the run as incomplete. An assertion that fails in a target is a verdict, and told as one.
pub(crate) fn prepare() -> Result<(), Failure> {
    searching::catch_interrupts()?;
    std::panic::set_hook(Box::new(|_| {}));
    Ok(())
}

/// What a run comes to, as an exit code.
pub(crate) fn exit(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Holds => Exit::Holds,
        Outcome::Violated => Exit::Violated,
        Outcome::Incomplete => Exit::Incomplete,
    }
}

fn options(arguments: &ConformanceArguments, items: &[Item]) -> Result<Options, Failure> {
    let defaults = Options::default();
    let expected = match &arguments.expected_failures {
        None => defaults.expected,
        Some(path) => suite::expected_failures(&read(path)?, items)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?,
    };
    Ok(Options {
        seed: arguments.on.seed,
        strict: arguments.strict,
        threads: arguments.threads.map_or(defaults.threads, usize::from),
        expected,
        ..defaults
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{}: cannot be read: {error}", path.display())))
}

fn read_report(path: &Path) -> Result<Report, Failure> {
    let refused = |error: String| {
        Failure::usage(format!(
            "--with {}: {error}; give a file that `highwater conformance --json FILE` wrote",
            path.display()
        ))
    };
    Report::from_json(&read(path)?).map_err(refused)
}

/// Shows runs that were made before. It comes to the worst of them.
fn show(arguments: &ConformanceArguments, reports: Vec<Report>) -> Result<Exit, Failure> {
    let sinks = Sinks::open(arguments)?;
    if let Some(flag) =
        [("--json", &sinks.json), ("--junit", &sinks.junit)].iter().find(|(_, sink)| sink.is_some())
    {
        return Err(Failure::usage(format!("{} tells of a run, and there is none; name a --target", flag.0)));
    }
    for report in &reports {
        output::say(&terminal::summary(report));
    }
    let worst = reports.iter().map(|report| report.outcome).max();
    sinks.write_page(&reports)?;
    Ok(worst.map_or(Exit::Incomplete, exit))
}

/// Where the reports go, opened before the run.
struct Sinks {
    json: Option<Sink>,
    junit: Option<Sink>,
    html: Option<Sink>,
}

impl Sinks {
    fn open(arguments: &ConformanceArguments) -> Result<Self, Failure> {
        let [json, junit, html] = output::open_all([
            ("--json", &arguments.json),
            ("--junit", &arguments.junit),
            ("--html", &arguments.html),
        ])?;
        Ok(Self { json, junit, html })
    }

    fn take_stdout(&self) -> bool {
        [&self.json, &self.junit, &self.html].into_iter().flatten().any(Sink::is_stdout)
    }

    fn write(&self, report: Report, others: Vec<Report>) -> Result<(), Failure> {
        if let Some(sink) = &self.json {
            sink.write(&report.json())?;
        }
        if let Some(sink) = &self.junit {
            sink.write(&junit::render(&report).map_err(Failure::usage)?)?;
        }
        let mut reports = others;
        reports.push(report);
        self.write_page(&reports)
    }

    fn write_page(&self, reports: &[Report]) -> Result<(), Failure> {
        let Some(sink) = &self.html else { return Ok(()) };
        sink.write(&html::render(reports).map_err(Failure::usage)?)
    }
}

fn list(items: &[Item]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["id", "demand", "title", "needs", "kills"]);
    for Item { id, scenario, .. } in items {
        let needs = play::needs(scenario).iter().map(ToString::to_string).collect::<Vec<_>>();
        let demand = match scenario.demand {
            Demand::Must => "MUST",
            Demand::Should => "SHOULD",
            Demand::Varies => "VARIES",
        };
        let title = format!("{} [{}]", scenario.title, scenario.clauses.join(" "));
        table.add_row([id.clone(), demand.to_owned(), title, needs.join(" "), scenario.kills.join(" ")]);
    }
    let count = items.len();
    let cases = if count == 1 { "case" } else { "cases" };
    format!("{table}\n{count} {cases}; `highwater conformance --target TARGET ID` plays one\n")
}

/// How a run goes, on standard error: one moving line on a terminal, plain lines elsewhere if it takes long.
pub(crate) struct Watch {
    label: String,
    bar: Option<ProgressBar>,
    said: Mutex<Instant>,
}

/// Between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

impl Watch {
    pub(crate) fn new(label: String) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{spinner} {wide_msg}").expect("the template is constant");
            ProgressBar::new_spinner().with_style(style)
        });
        Self { label, bar, said: Mutex::new(Instant::now()) }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Watch {
    fn played(&self, case: &CaseReport, done: usize, total: usize) {
        let line = format!("{}  {done} of {total} cases  {} {}", self.label, case.id, case.verdict.word());
        if let Some(bar) = &self.bar {
            bar.set_message(line);
            bar.tick();
            return;
        }
        let Ok(mut said) = self.said.lock() else { return };
        if said.elapsed() >= PLAIN_INTERVAL {
            *said = Instant::now();
            output::say(&line);
        }
    }

    fn goes_on(&self) -> bool {
        !searching::interrupted()
    }
}

/// Plays every flaw of the reference against the cases.
#[cfg(feature = "flaws")]
fn kill_matrix(arguments: &ConformanceArguments, items: &[Item], options: &Options) -> Result<Exit, Failure> {
    use highwater_conformance::suite::kill;

    let expected = arguments.check.as_deref().map(read).transpose()?;
    prepare()?;
    let watch = Watch::new("kill matrix".to_owned());
    let matrix = kill::matrix(&targets::registry(), items, options, &watch);
    watch.finish();
    let matrix = matrix.map_err(Failure::usage)?;
    if searching::interrupted() {
        return Ok(Exit::Incomplete);
    }
    let survivors = |error: String| Failure::usage(format!("conformance/survivors.txt: {error}"));
    let table = matrix.table(kill::SURVIVORS).map_err(survivors)?;
    output::print(&table)?;
    let mut complaints = matrix.complaints(kill::SURVIVORS).map_err(survivors)?;
    if let (Some(text), Some(path)) = (expected, &arguments.check)
        && !text.contains(&table)
    {
        complaints.push(format!("{}: does not have this table; put it there", path.display()));
    }
    complaints.iter().for_each(|complaint| output::complain(complaint));
    Ok(if complaints.is_empty() { Exit::Holds } else { Exit::Violated })
}

/// What ships has no flaws to play.
#[cfg(not(feature = "flaws"))]
fn kill_matrix(
    _arguments: &ConformanceArguments,
    _items: &[Item],
    _options: &Options,
) -> Result<Exit, Failure> {
    Err(Failure::usage(
        "--kill-matrix: what ships has no flaws to play; build what has them with `cargo build --release --features flaws`",
    ))
}
