//! `highwater check`: searches, and tells what they found.

use std::fmt::Write as _;

use bytesize::ByteSize;
use highwater_conformance::counterexample;
use highwater_model::catalogue;
use highwater_model::check::{ClaimVerdict, Cut, Options, Verdict};
use highwater_model::family::{
    self, Family, Planned, PropertyReport, Report, Request, RunReport, RunScale, Searches,
};
use highwater_model::kraft::Kraft;
use highwater_model::trace::layout::Frame;
use highwater_model::trace::{Story, html, svg, text};
use indicatif::HumanCount;

use crate::arguments::{CheckArguments, SearchChoice};
use crate::output::{self, Exit, Failure, Sink};
use crate::progress::Shown;
use crate::searching;

pub(crate) fn run(arguments: &CheckArguments) -> Result<Exit, Failure> {
    let planned = plan(arguments)?;
    let sinks = Sinks::open(arguments)?;
    let options = Options { symmetry: !arguments.no_symmetry, ..searching::options(&arguments.resources)? };
    let mut report = Report { runs: Vec::new() };
    for search in &planned {
        let run = run_one(search.as_ref(), &options);
        if !sinks.takes_stdout() {
            output::print(&told(&run))?;
        }
        report.runs.push(run);
        if searching::interrupted() {
            break;
        }
    }
    sinks.write(&report)?;
    if let Some(sink) = &sinks.scenario {
        let request = request(arguments)?;
        match counterexample::seek(&request, &Options { observer: None, ..options }) {
            Ok(scenario) => sink.write(&scenario.to_string())?,
            Err(_) if report.verdict() == Verdict::Holds => {
                sink.leave("there is no counterexample to write")?;
            }
            Err(because) => sink.leave(&because)?,
        }
    }
    if !sinks.takes_stdout() {
        output::print(&summary(&report, planned.len()))?;
    }
    let all_ran = report.runs.len() == planned.len();
    Ok(match report.verdict() {
        Verdict::Holds if !all_ran => Exit::Incomplete,
        verdict => verdict.into(),
    })
}

fn request(arguments: &CheckArguments) -> Result<Request, Failure> {
    Ok(Request {
        scale: if arguments.deep { RunScale::Deep } else { RunScale::Default },
        claim: arguments.claim.clone(),
        searches: match arguments.search {
            SearchChoice::Both => Searches::Both,
            SearchChoice::Safety => Searches::Safety,
            SearchChoice::Liveness => Searches::Liveness,
        },
        ..searching::request(&arguments.shape)?
    })
}

/// Everything that can be refused is refused here, before the first search.
fn plan(arguments: &CheckArguments) -> Result<Vec<Box<dyn Planned>>, Failure> {
    let request = request(arguments)?;
    if let (Some(model), Some(_)) = (&arguments.model, &arguments.scenario)
        && model != Kraft::NAME
    {
        return Err(Failure::usage(format!(
            "--scenario: the language of scenarios has no steps for what the model {model} does; it has for kraft"
        )));
    }
    match &arguments.model {
        Some(name) => Ok(family::find(name)?.plan(&request)?),
        None => {
            let mut planned = Vec::new();
            for entry in catalogue() {
                planned.extend(entry.plan(&request)?);
            }
            Ok(planned)
        }
    }
}

fn run_one(search: &dyn Planned, options: &Options<'_>) -> RunReport {
    let shown = Shown::new(format!("{} {}", search.model(), search.search()));
    let run = search.run(&Options { observer: Some(&shown), ..*options });
    shown.finish();
    run
}

/// The files that were asked for, opened before the search.
struct Sinks {
    json: Option<Sink>,
    svg: Option<Sink>,
    html: Option<Sink>,
    scenario: Option<Sink>,
}

impl Sinks {
    fn open(arguments: &CheckArguments) -> Result<Self, Failure> {
        let [json, svg, html, scenario] = output::open_all([
            ("--json", &arguments.json),
            ("--svg", &arguments.svg),
            ("--html", &arguments.html),
            ("--scenario", &arguments.scenario),
        ])?;
        Ok(Self { json, svg, html, scenario })
    }

    fn takes_stdout(&self) -> bool {
        [&self.json, &self.svg, &self.html, &self.scenario].into_iter().flatten().any(Sink::is_stdout)
    }

    fn write(&self, report: &Report) -> Result<(), Failure> {
        if let Some(sink) = &self.json {
            let json = serde_json::to_string_pretty(report).expect("a report is JSON");
            sink.write(&format!("{json}\n"))?;
        }
        let story = report.runs.iter().find_map(|run| run.counterexample.as_ref());
        let picture = |story: &Story| svg::render(story, &Frame::default());
        for (sink, render) in [(&self.svg, picture as fn(&Story) -> String), (&self.html, html::render)] {
            match (sink, story) {
                (None, _) => {}
                (Some(sink), Some(story)) => sink.write(&render(story))?,
                (Some(sink), None) => sink.leave("there is no counterexample to draw")?,
            }
        }
        Ok(())
    }
}

/// One run, for people.
fn told(run: &RunReport) -> String {
    let mut text = String::new();
    let switched = run.switched.as_deref().map_or(String::new(), |switched| format!("  ({switched})"));
    let grain = if run.grain == "fine" { String::new() } else { format!("  grain {}", run.grain) };
    let _ = writeln!(
        text,
        "{:<14} {:<9} {}{switched}{grain}",
        run.model,
        run.search,
        match run.verdict {
            Verdict::Holds => "holds",
            Verdict::Violated => "VIOLATED",
            Verdict::Incomplete => "INCOMPLETE",
        }
    );
    let bounds = run.bounds.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    let _ = writeln!(text, "  {}", bounds.join(" "));
    let _ = writeln!(
        text,
        "  {} {} of {} generated, depth {}, {:.1} s, {}, chance of a collision {:.0e}",
        HumanCount(run.unique),
        if run.symmetry { "orbits of states" } else { "states" },
        HumanCount(run.generated),
        run.depth,
        run.seconds,
        ByteSize(run.memory_bytes_peak),
        run.collision_probability,
    );
    if let Some(cut) = run.cut {
        let _ = writeln!(text, "  {}", cut_reason(cut));
    }
    let undecided = |property: &&PropertyReport| property.verdict == ClaimVerdict::Unknown;
    for property in run.properties.iter().filter(|property| !undecided(property)) {
        let (mark, steps) = match (property.verdict, property.kind.as_str()) {
            (ClaimVerdict::Holds, "sometimes") => ("✓ seen  ", String::new()),
            (ClaimVerdict::Holds, _) => ("✓ holds ", String::new()),
            (_, "sometimes") => ("✗ NEVER ", String::new()),
            (_, _) => {
                ("✗ BROKEN", property.steps.map_or(String::new(), |steps| format!("  after {steps} steps")))
            }
        };
        let _ = writeln!(text, "  {mark} {:<34} {}{steps}", property.name, property.clause);
    }
    let unknown: Vec<&str> =
        run.properties.iter().filter(undecided).map(|property| property.name.as_str()).collect();
    if !unknown.is_empty() {
        let _ = writeln!(text, "  ? unknown {}: the search ended before it could tell", unknown.join(", "));
    }
    let never: Vec<&str> =
        run.actions.iter().filter(|action| action.fired == 0).map(|action| action.name.as_str()).collect();
    if !never.is_empty() && run.verdict == Verdict::Holds {
        let _ = writeln!(text, "  never fired at these bounds: {}", never.join(", "));
    }
    if let Some(story) = &run.counterexample {
        text.push('\n');
        text.push_str(&text::render(story, &output::text_style()));
    }
    text.push('\n');
    text
}

fn cut_reason(cut: Cut) -> &'static str {
    match cut {
        Cut::Memory => {
            "out of memory: smaller bounds, or --memory with more, let it finish; until then it proves nothing"
        }
        Cut::Time => {
            "out of time: smaller bounds, or --time with more, let it finish; until then it proves nothing"
        }
        Cut::Interrupted => "interrupted: what was searched until then proves nothing",
    }
}

/// The last line: what all runs come to.
fn summary(report: &Report, planned: usize) -> String {
    let count = |verdict: Verdict| report.runs.iter().filter(|run| run.verdict == verdict).count();
    let skipped = planned - report.runs.len();
    let mut line = format!(
        "{} searches: {} hold, {} violated, {} incomplete",
        planned,
        count(Verdict::Holds),
        count(Verdict::Violated),
        count(Verdict::Incomplete),
    );
    if skipped > 0 {
        let _ = write!(line, ", {skipped} not begun");
    }
    line.push('\n');
    line
}
