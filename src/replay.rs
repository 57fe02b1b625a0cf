//! `highwater replay`: a scenario from a file on a target.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use highwater_conformance::admission::Trace;
use highwater_conformance::report::{quoted, terminal};
use highwater_conformance::scenario;
use highwater_conformance::suite::{self, Item, Options};
use highwater_model::trace::layout::Frame;
use highwater_model::trace::{html as page, svg, text};

use crate::arguments::ReplayArguments;
use crate::conformance::{Watch, exit, prepare};
use crate::output::{self, Exit, Failure};
use crate::targets;

/// A file larger than this is no scenario.
const BYTES_MAX: u64 = 4 << 20;

pub(crate) fn run(arguments: &ReplayArguments) -> Result<Exit, Failure> {
    let path = &arguments.scenario;
    let text = read(path)?;
    let scenario =
        scenario::read(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let target = targets::open(&arguments.on)?;
    let [json, svg, html, events] = output::open_all([
        ("--json", &arguments.json),
        ("--svg", &arguments.svg),
        ("--html", &arguments.html),
        ("--events", &arguments.events),
    ])?;
    let seen = Trace {
        quorum: scenario.quorum.clone(),
        pre_vote: scenario.pre_vote == Some(true),
        ..Trace::default()
    };
    prepare()?;
    let item = Item { id: name(path), scenario, text };
    let options = Options {
        seed: arguments.on.seed,
        strict: true,
        command: Some(format!("highwater replay {}", quoted(&path.display().to_string()))),
        tell_all: true,
        ..Options::default()
    };
    let watch = Watch::new(target.name.clone());
    let report = suite::run(&target, &[item], &options, &watch);
    watch.finish();
    let report = report
        .map_err(|error| Failure::usage(format!("--target {}: cannot be reached: {error}", target.name)))?;
    let Some(case) = report.cases.first() else { return Ok(Exit::Incomplete) };
    let sinks = [&json, &svg, &html, &events];
    if !sinks.into_iter().flatten().any(|sink| sink.is_stdout()) {
        let mut told = String::new();
        if let Some(story) = case.story.as_ref().filter(|_| arguments.trace || case.failure.is_some()) {
            told.push_str(&text::render(story, &output::text_style()));
            told.push('\n');
        }
        if case.failure.is_some() || case.because.is_some() {
            told.push_str(&terminal::failure(case));
            told.push('\n');
        }
        output::print(&format!("{told}{}\n", terminal::summary(&report)))?;
    }
    if let Some(sink) = &json {
        sink.write(&report.json())?;
    }
    match &events {
        Some(sink) if seen.quorum.is_empty() => {
            sink.leave("the scenario is of a cluster of brokers, and traces are of quorums")?;
        }
        Some(sink) => {
            let trace = Trace { events: case.events.clone(), ..seen };
            let json = serde_json::to_string_pretty(&trace).expect("a trace is JSON");
            sink.write(&format!("{json}\n"))?;
        }
        None => {}
    }
    for (sink, is_picture) in [(&svg, true), (&html, false)] {
        match (sink, &case.story) {
            (None, _) => {}
            (Some(sink), Some(story)) if is_picture => sink.write(&svg::render(story, &Frame::default()))?,
            (Some(sink), Some(story)) => sink.write(&page::render(story))?,
            (Some(sink), None) => sink.leave("nothing was played, so there is nothing to draw")?,
        }
    }
    Ok(exit(report.outcome))
}

/// What the scenario is called: the name of its file.
fn name(path: &Path) -> String {
    match path.file_stem() {
        Some(_) if path == Path::new("-") => "standard-input".to_owned(),
        Some(stem) => stem.to_string_lossy().into_owned(),
        None => path.display().to_string(),
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let refused = |error: &dyn std::fmt::Display| {
        Failure::usage(format!(
            "{}: cannot be read: {error}; give a scenario as specs/scenarios.md has them, in text or JSON",
            path.display()
        ))
    };
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(BYTES_MAX).read_to_string(&mut text)
    } else {
        let file = File::open(path).map_err(|error| refused(&error))?;
        file.take(BYTES_MAX).read_to_string(&mut text)
    };
    let bytes = read.map_err(|error| refused(&error))?;
    if bytes as u64 == BYTES_MAX {
        return Err(refused(&format!(
            "it has {BYTES_MAX} bytes or more, and a scenario has thousands at most"
        )));
    }
    Ok(text)
}
