//! `highwater broker`: a server from a property file, until it is told to stop.

use std::io::{self, IsTerminal};

use highwater_server::config::{Listener, ServerConfig};
use highwater_server::{Server, Sockets};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;

use crate::arguments::{BrokerArguments, LogLevel};
use crate::output::{self, Exit, Failure};

pub(crate) fn run(arguments: &BrokerArguments) -> Result<Exit, Failure> {
    let config = ServerConfig::load(&arguments.file, &arguments.overrides)
        .map_err(|error| Failure::usage(error.to_string()))?;
    for warning in &config.warnings {
        output::complain(&warning.to_string());
    }
    log_to_stderr(arguments.log_level);
    raise_open_files();
    if arguments.until_end_of_input {
        end_with_input()?;
    }
    let runtime = runtime(config.limits.network_threads)?;
    let exit = runtime.block_on(serve(config));
    // What is left are connections whose clients do not listen.
    runtime.shutdown_background();
    exit
}

/// As many open files as the system lets us have: each replica keeps one, each connection too.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let found = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: found.maximum, ..found };
    if found.current != wanted.current
        && let Err(error) = setrlimit(Resource::Nofile, wanted)
    {
        let current = found.current.unwrap_or_default();
        tracing::warn!("no more than {current} files can be open, and this cannot be raised: {error}");
    }
}

/// `num.network.threads`, but one core is left to others: threads that only take turns on the cores wake each other for nothing.
fn runtime(threads: usize) -> Result<Runtime, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = match threads.min(cores.saturating_sub(1)) {
        0 | 1 => Builder::new_current_thread().enable_all().build(),
        threads => {
            Builder::new_multi_thread().worker_threads(threads).thread_name("network").enable_all().build()
        }
    };
    runtime.map_err(|error| Failure::usage(format!("the threads of the node cannot be started: {error}")))
}

fn log_to_stderr(level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_max_level(level)
        .with_target(false)
        .init();
}

/// Ends the process, as a crash would, once standard input ends: whoever started it is gone, and with it the cluster.
fn end_with_input() -> Result<(), Failure> {
    let watch = || {
        // An input that cannot be read has ended, too.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        output::complain("standard input has ended, and so does this process, at once: --until-end-of-input");
        std::process::exit(i32::from(Exit::Violated as u8));
    };
    let thread = std::thread::Builder::new().name("input".to_owned()).spawn(watch);
    thread.map(drop).map_err(|error| Failure::usage(format!("a thread cannot be started: {error}")))
}

/// The signals that mean to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

async fn serve(config: ServerConfig) -> Result<Exit, Failure> {
    let mut signals =
        Signals::listen().map_err(|error| Failure::usage(format!("cannot listen for signals: {error}")))?;
    let server = Server::start(config, Sockets::new()).await;
    let mut server = server.map_err(|error| Failure::usage(error.to_string()))?;
    let interrupted = tokio::select! {
        serves = server.serves() => {
            serves.map_err(|error| failed(&error.to_string()))?;
            false
        }
        () = signals.next() => true,
    };
    if !interrupted {
        output::print(&told(&server))?;
        tokio::select! {
            ended = server.ended() => return Err(failed(&ended.err().unwrap_or_default())),
            () = signals.next() => {}
        }
    }
    tokio::select! {
        stopped = server.stop() => stopped.map_err(|why| failed(&why))?,
        () = signals.next() => return Err(failed("stopped at once, on the second signal")),
    }
    Ok(Exit::Holds)
}

fn failed(why: &str) -> Failure {
    Failure { message: why.to_owned(), exit: Exit::Violated }
}

/// `broker 1 serves PLAINTEXT://127.0.0.1:9092 (started in 42 ms)`
fn told(server: &Server) -> String {
    let config = server.config();
    let port = |name: &str| {
        let bound = server.listeners().iter().find(|bound| *bound.name == *name)?;
        Some(bound.address.port())
    };
    let (role, listeners) = match config.roles.broker {
        true => ("broker", &config.advertised_listeners),
        false => ("controller", &config.listeners),
    };
    let place = |listener: &Listener| {
        let port = if listener.port == 0 { port(&listener.name).unwrap_or(0) } else { listener.port };
        Listener { port, ..listener.clone() }.to_string()
    };
    let places: Vec<String> = listeners.iter().map(place).collect();
    let started = server.began().elapsed().as_millis();
    format!("{role} {} serves {} (started in {started} ms)\n", config.node_id.0, places.join(","))
}
