//! `highwater simulate`: whole clusters from seeds, under faults.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use highwater_simulation::report::{Counts, Outcome};
use highwater_simulation::{Scenario, Shrunk, Sweep, Wishes, kill, run, shrink, sweep};
use serde_json::json;

use crate::arguments::SimulateArguments;
use crate::output::{self, Exit, Failure, Sink};
use crate::searching;

/// How many seeds are run if nothing is said.
const SEEDS: u64 = 100;

pub(crate) fn run_command(arguments: &SimulateArguments) -> Result<Exit, Failure> {
    searching::catch_interrupts()?;
    // A panic of a node is a violation, and told as one.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(path) = &arguments.scenario {
        return replay(arguments, path);
    }
    if arguments.kill_table {
        return kill_table(arguments);
    }
    let wishes = wishes(arguments);
    if let Some(seed) = arguments.seed {
        let scenario = Scenario::from_seed(seed, &wishes);
        let outcome = run(&scenario, arguments.trace).map_err(|error| Failure::usage(error.to_string()))?;
        if let Some(trace) = &outcome.trace {
            output::print(trace)?;
        }
        let failed = outcome.violation.is_some().then(|| (seed, outcome.clone()));
        let sweep = Sweep { seeds: 1, counts: outcome.counts, failed, stopped: false };
        return tell(arguments, seed, 1, &sweep);
    }
    let (from, count) = (arguments.from, arguments.seeds.unwrap_or(SEEDS));
    let began = Instant::now();
    let threads = arguments.threads.map_or_else(cores, usize::from);
    let sweep = sweep(from, count, threads, &wishes, &|| !searching::interrupted())
        .map_err(|error| Failure::usage(error.to_string()))?;
    // What depends on the machine goes to standard error: the same seeds print the same bytes.
    let seconds = began.elapsed().as_secs_f64();
    output::say(&format!(
        "{:.1} s, {:.0} events a second on {threads} threads",
        seconds,
        sweep.counts.events as f64 / seconds.max(1e-9)
    ));
    tell(arguments, from, count, &sweep)
}

/// Looks for every flaw. One that survives is a violation, and so is a table that is not what a file says.
fn kill_table(arguments: &SimulateArguments) -> Result<Exit, Failure> {
    let expected = match &arguments.check {
        None => None,
        Some(path) => Some(
            fs::read_to_string(path)
                .map_err(|error| Failure::usage(format!("{}: cannot be read: {error}", path.display())))?,
        ),
    };
    let threads = arguments.threads.map_or_else(cores, usize::from);
    let mut rows = Vec::new();
    for target in kill::TARGETS {
        let began = Instant::now();
        rows.push(kill::kill(*target, threads).map_err(|error| Failure::usage(error.to_string()))?);
        output::say(&format!("{} {:.1} s", target.id, began.elapsed().as_secs_f64()));
        if searching::interrupted() {
            return Ok(Exit::Incomplete);
        }
    }
    let table = kill::table(&rows);
    output::print(&table)?;
    if let Some(survivor) = rows.iter().find(|row| row.killed.is_none()) {
        output::complain(&format!("{} survives {} seeds", survivor.target.id, survivor.target.seeds));
        return Ok(Exit::Violated);
    }
    match (expected, &arguments.check) {
        (Some(text), Some(path)) if !text.contains(&table) => {
            output::complain(&format!("{}: does not have this table; put it there", path.display()));
            Ok(Exit::Violated)
        }
        _ => Ok(Exit::Holds),
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn wishes(arguments: &SimulateArguments) -> Wishes {
    Wishes {
        nodes: arguments.nodes,
        steps: arguments.steps,
        time_us: arguments.time.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
        profile: arguments.profile,
        flaw: arguments.flaw.clone(),
    }
}

/// Runs a scenario from a file.
fn replay(arguments: &SimulateArguments, path: &Path) -> Result<Exit, Failure> {
    let refused = |error: String| Failure::usage(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    let scenario = Scenario::from_json(&text).map_err(|error| refused(format!("is no scenario: {error}")))?;
    let outcome = run(&scenario, arguments.trace).map_err(|error| Failure::usage(error.to_string()))?;
    if let Some(trace) = &outcome.trace {
        output::print(trace)?;
    }
    let command = format!("highwater simulate --scenario {}", path.display());
    if arguments.json {
        let report = json!({
            "scenario": path.display().to_string(),
            "counts": outcome.counts,
            "violation": violation_json(&outcome, &command),
        });
        output::print(&format!("{report:#}\n"))?;
    } else {
        let mut text = String::new();
        if outcome.violation.is_some() {
            text.push_str(&violation(&outcome, scenario.seed, &command));
        }
        text.push_str(&counts(&outcome.counts));
        output::print(&text)?;
    }
    Ok(if outcome.violation.is_some() { Exit::Violated } else { Exit::Holds })
}

/// Tells what the seeds came to; shrinks and writes what failed.
fn tell(arguments: &SimulateArguments, from: u64, count: u64, sweep: &Sweep) -> Result<Exit, Failure> {
    let failed = sweep.failed.as_ref();
    let shrunk = failed.and_then(|(_, outcome)| shrink(outcome, arguments.shrink_runs));
    let written = match (failed, &shrunk) {
        (Some((seed, _)), Some(shrunk)) => Some(write(arguments, *seed, shrunk)?),
        _ => None,
    };
    let text = if arguments.json {
        let failure = failed.map(|(seed, outcome)| {
            json!({
                "seed": seed,
                "violation": violation_json(outcome, &repeat(arguments, *seed)),
                "shrunk": shrunk.as_ref().map(|shrunk| json!({
                    "step": shrunk.outcome.place.step,
                    "happenings": script(shrunk).0,
                    "messages": script(shrunk).1,
                    "found": shrunk.outcome.violation.as_ref().map(|violation| &violation.found),
                    "scenario": written.as_ref().map(|path| path.display().to_string()),
                })),
            })
        });
        let report = json!({
            "from": from, "seeds": count, "ran": sweep.seeds, "counts": sweep.counts, "failed": failure,
        });
        format!("{report:#}\n")
    } else {
        let mut text = String::new();
        if let Some((seed, outcome)) = failed {
            text.push_str(&violation(outcome, *seed, &repeat(arguments, *seed)));
            if let (Some(shrunk), Some(path)) = (&shrunk, &written) {
                text.push_str(&shrinking(shrunk, path));
            }
        }
        text.push_str(&counts(&sweep.counts));
        text.push_str(&verdict(from, count, sweep));
        text
    };
    output::print(&text)?;
    Ok(match failed {
        Some(_) => Exit::Violated,
        None if sweep.stopped || sweep.seeds < count => Exit::Incomplete,
        None => Exit::Holds,
    })
}

/// The one command that repeats a seed.
fn repeat(arguments: &SimulateArguments, seed: u64) -> String {
    let mut command = format!("highwater simulate --seed {seed}");
    if let Some(steps) = arguments.steps {
        let _ = write!(command, " --steps {steps}");
    }
    if let Some(time) = arguments.time {
        let _ = write!(command, " --for {}", humantime::format_duration(time).to_string().replace(' ', ""));
    }
    if let Some(nodes) = arguments.nodes {
        let _ = write!(command, " --nodes {nodes}");
    }
    if let Some(profile) = arguments.profile {
        let _ = write!(command, " --profile {}", profile.name());
    }
    if let Some(flaw) = &arguments.flaw {
        let _ = write!(command, " --flaw {flaw}");
    }
    command
}

/// Writes the shrunk scenario; where to.
fn write(arguments: &SimulateArguments, seed: u64, shrunk: &Shrunk) -> Result<PathBuf, Failure> {
    let default = || PathBuf::from(format!("highwater-seed-{seed}.scenario.json"));
    let path = arguments.write.clone().unwrap_or_else(default);
    Sink::open(&path)?.write(&shrunk.written().to_json())?;
    Ok(path)
}

fn violation_json(outcome: &Outcome, command: &str) -> serde_json::Value {
    outcome.violation.as_ref().map_or(serde_json::Value::Null, |violation| {
        json!({
            "invariant": violation.invariant.tag(),
            "found": violation.found,
            "expected": violation.expected,
            "step": outcome.place.step,
            "time_us": outcome.place.time_us,
            "repeat": command,
        })
    })
}

fn violation(outcome: &Outcome, seed: u64, command: &str) -> String {
    let Some(violation) = &outcome.violation else { return String::new() };
    let (ms, us) = (outcome.place.time_us / 1000, outcome.place.time_us % 1000);
    format!(
        "VIOLATED  {}\n  found     {}\n  expected  {}\n  seed      {seed} ({})\n  step      {}, at {ms}.{us:03} ms of virtual time\n  repeat    {command}\n",
        violation.invariant.tag(),
        violation.found,
        violation.expected,
        outcome.scenario.shape.profile,
        outcome.place.step,
    )
}

fn script(shrunk: &Shrunk) -> (usize, usize) {
    let script = &shrunk.outcome.script;
    (script.happenings.len(), script.mischief.len())
}

fn shrinking(shrunk: &Shrunk, path: &Path) -> String {
    let (happenings, messages) = script(shrunk);
    let found = shrunk.outcome.violation.as_ref().map_or("", |violation| &violation.found);
    format!(
        "  shrunk    to {happenings} faults and operations and {messages} messages gone astray, {} steps, in {} runs: {found}\n  replay    highwater simulate --scenario {}\n",
        shrunk.outcome.place.step,
        shrunk.tries,
        path.display(),
    )
}

/// What there was of what.
fn counts(counts: &Counts) -> String {
    let mut text = String::new();
    let rows: [(&str, String); 8] = [
        (
            "steps",
            format!(
                "{} under faults, {} events in all, {} deliveries",
                counts.steps, counts.events, counts.deliveries
            ),
        ),
        ("time", format!("{:.1} s of virtual time", counts.time_us as f64 / 1e6)),
        (
            "elections",
            format!(
                "{} of the quorum, {} of partitions, {} of who led last",
                counts.quorum_elections, counts.partition_elections, counts.forsaken
            ),
        ),
        ("metadata", format!("{} batches committed", counts.metadata_batches)),
        ("logs", format!("{} cut", counts.truncations)),
        ("restarts", format!("{}, with the loss of records {}", counts.restarts, counts.lossy_restarts)),
        (
            "records",
            format!(
                "{} acknowledged, {} read, in {} operations",
                counts.acknowledged, counts.read, counts.operations
            ),
        ),
        ("settled", format!("{} of {} worlds", counts.settled, counts.worlds)),
    ];
    for (name, row) in rows {
        let _ = writeln!(text, "  {name:<10}{row}");
    }
    let list = |of: Vec<String>| if of.is_empty() { "none".to_owned() } else { of.join(", ") };
    let tainted = counts.tainted.iter().map(|(why, count)| format!("{count} since {why}")).collect();
    let faults = counts.faults.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let profiles = counts.profiles.iter().map(|(profile, count)| format!("{count} {profile}")).collect();
    let _ = writeln!(text, "  {:<10}{}", "tainted", list(tainted));
    let _ = writeln!(text, "  {:<10}{}", "faults", list(faults));
    let _ = writeln!(text, "  {:<10}{}", "worlds", list(profiles));
    text
}

fn verdict(from: u64, count: u64, sweep: &Sweep) -> String {
    let last = from.wrapping_add(count).wrapping_sub(1);
    match &sweep.failed {
        Some((seed, _)) => format!("seed {seed} is violated; {} seeds ran from {from} on\n", sweep.seeds),
        None if sweep.seeds < count => format!("incomplete: {} of {count} seeds ran\n", sweep.seeds),
        None if count == 1 => format!("seed {from} holds\n"),
        None => format!("{count} seeds hold, {from} to {last}\n"),
    }
}
