//! A cluster from its start to its end.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::arguments::{ClusterArguments, OrderArguments, RunArguments};
use crate::control::{self, Command, Order};
use crate::door::{self, Way};
use crate::layout::{self, Layout, Shape, loopback};
use crate::links::Links;
use crate::process::News;
use crate::state::Observation;
use crate::supervisor::{GRACE, Supervisor};
use crate::view::{self, Action, Live, Pressed};
use crate::{ClusterError, status};

/// How many nodes a cluster has if nobody says.
const NODES: u16 = 3;

/// How long nodes may take to stop whose directories are removed then.
const GRACE_OF_NOTHING: Duration = Duration::from_secs(2);

/// Orders that wait.
const ORDERS_MAX: usize = 16;

/// Does what the command line says, until that is done: `program` is what nodes are started with. Addresses and answers go to `out`,
/// events to `err`.
///
/// # Errors
/// If it cannot be done.
pub fn run(
    arguments: &ClusterArguments,
    program: &Path,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), ClusterError> {
    match &arguments.order {
        Some(order) => give(order, out),
        None => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            let runtime = runtime.map_err(|error| {
                ClusterError::Failed(format!("the threads for sockets cannot be started: {error}"))
            })?;
            let ended = runtime.block_on(start(&arguments.run, program, out, err));
            runtime.shutdown_background();
            ended
        }
    }
}

fn unwritable(error: io::Error) -> ClusterError {
    ClusterError::Failed(format!("standard output cannot be written: {error}"))
}

/// Gives an order, and tells the answer.
fn give(order: &OrderArguments, out: &mut dyn Write) -> Result<(), ClusterError> {
    let (command, place) = order.command();
    let done = control::order(&place.dir, &command)?;
    let text = match (order, done.status, done.done) {
        (OrderArguments::Status { json: true, .. }, Some(state), _) => {
            serde_json::to_string_pretty(&state).map_err(|error| ClusterError::Failed(error.to_string()))?
        }
        (_, Some(state), _) => status::text(&state),
        (_, None, done) => done.unwrap_or_default(),
    };
    told(writeln!(out, "{}", text.trim_end()))
}

/// A closed pipe is no error: who closed it has seen enough.
fn told(written: io::Result<()>) -> Result<(), ClusterError> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unwritable(error)),
        _ => Ok(()),
    }
}

/// Where a cluster is kept.
struct Home {
    path: PathBuf,
    /// Removed at the end.
    _temporary: Option<tempfile::TempDir>,
    _held: File,
}

impl Home {
    fn open(directory: Option<&Path>) -> Result<Self, ClusterError> {
        let (path, temporary) = match directory {
            Some(path) => {
                fs::create_dir_all(path)
                    .map_err(|error| ClusterError::file(path, "could not be made", &error))?;
                (path.to_owned(), None)
            }
            None => {
                let made = tempfile::Builder::new().prefix("highwater-").tempdir();
                let made = made.map_err(|error| {
                    ClusterError::file(&std::env::temp_dir(), "no directory could be made in it", &error)
                })?;
                (made.path().to_owned(), Some(made))
            }
        };
        let held = layout::hold(&path)?;
        Ok(Self { path, _temporary: temporary, _held: held })
    }
}

/// The layout that is in a directory, which must be what is asked for; or a new one.
fn lay_out(arguments: &RunArguments, directory: &Path) -> Result<Layout, ClusterError> {
    if let Some(layout) = Layout::load(directory)? {
        let shape = layout.shape();
        let asked = Shape {
            nodes: arguments.nodes.unwrap_or(shape.nodes),
            controllers: arguments.controllers.unwrap_or(shape.controllers),
            direct: arguments.direct,
            port: arguments.port.or(shape.port),
        };
        if asked.nodes != shape.nodes || asked.controllers != shape.controllers {
            return Err(ClusterError::Refused(format!(
                "{}: found a cluster with --nodes {} --controllers {}, expected --nodes {} --controllers {}. Leave both out, or name \
                 another directory.",
                directory.display(),
                shape.nodes,
                shape.controllers,
                asked.nodes,
                asked.controllers
            )));
        }
        if asked.direct && !shape.direct {
            return Err(ClusterError::Refused(format!(
                "{}: found a cluster that was made without --direct. Leave it out, or name another directory.",
                directory.display()
            )));
        }
        if let (Some(asked), Some(port)) = (asked.port, shape.port)
            && asked != port
        {
            return Err(ClusterError::Refused(format!(
                "{}: found a cluster with --port {port}, expected --port {asked}. Leave it out, or name another directory.",
                directory.display()
            )));
        }
        return Ok(layout);
    }
    let layout = Layout::new(Shape {
        nodes: arguments.nodes.unwrap_or(NODES),
        controllers: arguments.controllers.unwrap_or(0),
        direct: arguments.direct,
        port: arguments.port,
    })?;
    layout.save(directory)?;
    Ok(layout)
}

/// Opens the doors between nodes.
async fn open_doors(layout: &Layout, links: &Links) -> Result<(), ClusterError> {
    let mut ways = Vec::new();
    for door in &layout.quorum_doors {
        if let Some(port) = layout.node(door.to).and_then(|node| node.controller) {
            ways.push((door.port, Way { from: Some(door.from), to: door.to, target: loopback(port) }));
        }
    }
    for node in &layout.nodes {
        if let Some(ports) = node.broker.filter(|ports| ports.told != ports.internal) {
            ways.push((ports.told, Way { from: None, to: node.id, target: loopback(ports.internal) }));
        }
    }
    for (port, way) in ways {
        let listener = TcpListener::bind(loopback(port)).await.map_err(|error| {
            ClusterError::Refused(format!(
                "listening at 127.0.0.1:{port}, a door to node {}: {error}. Stop what has the port, or name another directory.",
                way.to
            ))
        })?;
        tokio::spawn(door::keep(listener, way, links.clone()));
    }
    Ok(())
}

/// The signals that mean to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, ClusterError> {
        let listen = |kind| {
            signal(kind).map_err(|error| ClusterError::Failed(format!("cannot listen for signals: {error}")))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What comes to a running cluster.
struct Inbox {
    news: mpsc::UnboundedReceiver<News>,
    orders: mpsc::Receiver<Order>,
    seen: mpsc::Receiver<Observation>,
    /// Tells who can be asked.
    answering: watch::Sender<BTreeSet<i32>>,
    signals: Signals,
}

async fn start(
    arguments: &RunArguments,
    program: &Path,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), ClusterError> {
    let signals = Signals::listen()?;
    let home = Home::open(arguments.dir.as_deref())?;
    let layout = lay_out(arguments, &home.path)?;
    for node in &layout.nodes {
        layout.prepare(&home.path, node, &arguments.properties)?;
    }
    let links = Links::default();
    open_doors(&layout, &links).await?;
    let (order, orders) = mpsc::channel(ORDERS_MAX);
    tokio::spawn(control::serve(control::listen(&home.path)?, order));
    let (tell, news) = mpsc::unbounded_channel();
    let mut supervisor =
        Supervisor::new(program.to_owned(), home.path.clone(), layout.clone(), links.clone(), tell);
    let (answering, asked) = watch::channel(BTreeSet::new());
    let (see, seen) = mpsc::channel(1);
    tokio::spawn(crate::watch::watch(layout.clone(), asked, see));
    let mut inbox = Inbox { news, orders, seen, answering, signals };
    let mut face = Face::new(arguments, &layout, out, err)?;
    supervisor.tell(format!("cluster {} in {}", layout.cluster_id, home.path.display()));
    for node in &layout.nodes {
        supervisor.start(node.id).map_err(ClusterError::Failed)?;
    }
    let ended = live(&mut supervisor, &mut inbox, &mut face).await;
    // From here on Ctrl-C is a signal again.
    face.live = None;
    links.heal(|_| true);
    let grace = if arguments.dir.is_some() { GRACE } else { GRACE_OF_NOTHING };
    stop(&mut supervisor, &mut inbox, &mut face, grace).await;
    // Whatever way it ended, nobody is left.
    drop(supervisor);
    drop(home);
    ended
}

/// Runs until a signal.
async fn live(
    supervisor: &mut Supervisor,
    inbox: &mut Inbox,
    face: &mut Face<'_>,
) -> Result<(), ClusterError> {
    loop {
        inbox.answering.send_replace(supervisor.answering());
        face.show(supervisor)?;
        tokio::select! {
            () = inbox.signals.next() => return Ok(()),
            pressed = face.pressed() => {
                if face.press(pressed, supervisor) {
                    return Ok(());
                }
            }
            Some(order) = inbox.orders.recv() => supervisor.order(order),
            Some(news) = inbox.news.recv() => supervisor.hear(news),
            Some(seen) = inbox.seen.recv() => supervisor.observe(seen),
        }
    }
}

/// Stops brokers, then controllers; kills what does not stop in time, or all at the next signal.
async fn stop(supervisor: &mut Supervisor, inbox: &mut Inbox, face: &mut Face<'_>, grace: Duration) {
    for brokers in [true, false] {
        for id in supervisor.alive(brokers) {
            // A refusal says that it stops already.
            let _ = supervisor.carry_out(&Command::Stop { node: id });
        }
        let deadline = Instant::now() + grace;
        let mut is_over = false;
        while !supervisor.alive(brokers).is_empty() {
            // What cannot be told any more is no reason to leave anything behind.
            let _ = face.show(supervisor);
            tokio::select! {
                () = inbox.signals.next() => supervisor.kill_all(),
                () = sleep_until(deadline), if !is_over => {
                    is_over = true;
                    supervisor.tell(format!("what did not stop within {} s is killed", grace.as_secs()));
                    supervisor.kill_all();
                }
                Some(news) = inbox.news.recv() => supervisor.hear(news),
            }
        }
    }
    let _ = face.show(supervisor);
}

/// Who tells what happens: lines for who has no terminal, addresses to standard output and events to standard error; or the view.
struct Face<'a> {
    layout: &'a Layout,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    live: Option<(Live, mpsc::Receiver<Pressed>)>,
}

impl<'a> Face<'a> {
    fn new(
        arguments: &RunArguments,
        layout: &'a Layout,
        out: &'a mut dyn Write,
        err: &'a mut dyn Write,
    ) -> Result<Self, ClusterError> {
        let is_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
        let live = match is_terminal && !arguments.plain {
            true => {
                let live = Live::take().map_err(|error| {
                    ClusterError::Failed(format!("the terminal cannot be drawn on: {error}. Try --plain."))
                })?;
                Some((live, view::keys()))
            }
            false => None,
        };
        Ok(Self { layout, out, err, live })
    }

    fn show(&mut self, supervisor: &mut Supervisor) -> Result<(), ClusterError> {
        let (serving, events) = (supervisor.take_serving(), supervisor.take_events());
        if let Some((live, _)) = &mut self.live {
            return live.draw(supervisor.state()).map_err(unwritable);
        }
        for id in serving {
            if let Some(address) = self.layout.node(id).and_then(layout::NodePlan::address) {
                told(writeln!(self.out, "{address}").and_then(|()| self.out.flush()))?;
            }
        }
        for event in events {
            told(writeln!(self.err, "{event}"))?;
        }
        Ok(())
    }

    /// The next key; never without a terminal.
    async fn pressed(&mut self) -> Pressed {
        if let Some((_, keys)) = &mut self.live
            && let Some(pressed) = keys.recv().await
        {
            return pressed;
        }
        std::future::pending().await
    }

    /// Does what a key asks for. Whether that is the end.
    fn press(&mut self, pressed: Pressed, supervisor: &mut Supervisor) -> bool {
        let (Some((live, _)), Pressed::Key(key)) = (&mut self.live, pressed) else { return false };
        match view::press(key, supervisor.state(), &mut live.choice) {
            Action::Nothing => {}
            Action::Quit => return true,
            Action::Order(command) => live.choice.refusal = supervisor.carry_out(&command).err(),
        }
        false
    }
}
