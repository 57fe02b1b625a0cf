//! What subcommands that search have in common: resources, interruption, the request.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bytesize::ByteSize;
use highwater_model::check::Options;
use highwater_model::family::{Request, Switch};

use crate::arguments::{Resources, Shape};
use crate::output::Failure;

/// The least memory that a search is given to work with; below it not even small models fit.
const MEMORY_MIN: ByteSize = ByteSize::mib(16);

/// Set by Ctrl-C. The first ends the search as incomplete, the second ends the process.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Listens for Ctrl-C from now on.
pub(crate) fn catch_interrupts() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            // Adapters are in process groups of their own, which this does not reach otherwise.
            highwater_conformance::target::exec::end_all();
            std::process::exit(3);
        }
    })
    .map_err(|error| Failure::usage(format!("cannot listen for interrupts: {error}")))
}

/// Search options from the command line.
pub(crate) fn options(resources: &Resources) -> Result<Options<'static>, Failure> {
    catch_interrupts()?;
    if let Some(memory) = resources.memory.filter(|memory| *memory < MEMORY_MIN) {
        return Err(Failure::usage(format!(
            "--memory {memory}: a search needs {MEMORY_MIN} at least; give that or more"
        )));
    }
    if resources.time.is_some_and(|limit| limit.is_zero()) {
        return Err(Failure::usage(
            "--time 0s: no search ends in no time; give a second or more, or leave it out",
        ));
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    Ok(Options {
        threads: resources.threads.map_or(cores, usize::from),
        memory_bytes_max: resources.memory.map(|memory| memory.as_u64()).or_else(memory_default),
        time_max: resources.time,
        cancel: Some(&INTERRUPTED),
        ..Options::default()
    })
}

/// Whether the user asked to stop.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Four fifths of the memory that the system calls available, where it tells.
fn memory_default() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024 / 5 * 4)
}

/// A request of the shape that the command line asks for.
pub(crate) fn request(shape: &Shape) -> Result<Request, Failure> {
    let switch = match (&shape.flaw, &shape.control) {
        (Some(flaw), _) => Switch::Flaw(flaw.clone()),
        (None, Some(control)) => Switch::Control(control.clone()),
        (None, None) if !shape.without.is_empty() => Switch::Without(shape.without.clone()),
        (None, None) => Switch::Nothing,
    };
    Ok(Request {
        bounds: shape.bounds.given.clone(),
        grain: shape.grain.clone(),
        switch,
        from: shape.from.as_deref().map(read_state).transpose()?,
        ..Request::default()
    })
}

/// A file larger than this is no state of a model.
const STATE_BYTES_MAX: u64 = 1 << 20;

fn read_state(path: &Path) -> Result<String, Failure> {
    let refuse = |error: &dyn std::fmt::Display| {
        Failure::usage(format!(
            "--from {}: cannot be read: {error}; give a file with the `state` of a counterexample's step",
            path.display()
        ))
    };
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(STATE_BYTES_MAX).read_to_string(&mut text)
    } else {
        let file = fs::File::open(path).map_err(|error| refuse(&error))?;
        file.take(STATE_BYTES_MAX).read_to_string(&mut text)
    };
    let bytes = read.map_err(|error| refuse(&error))?;
    if bytes as u64 == STATE_BYTES_MAX {
        return Err(refuse(&format!("it has {STATE_BYTES_MAX} bytes or more, and a state has hundreds")));
    }
    Ok(text)
}
