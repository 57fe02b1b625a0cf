//! The nodes of a cluster that the suite started: processes, disks, links.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use highwater_conformance::target::Fault;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::Place;
use crate::network::{Network, address};
use crate::process::{Process, tail};
use crate::product::{Blank, Product, identity, write_logging};

/// Ports are taken from here: below those that the system gives to connections, so that a node which was killed finds its own free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How often a port is drawn before it is given up.
const DRAWS_MAX: usize = 1_000;

/// How long a node may take to stop in good order.
const STOPPING: Duration = Duration::from_secs(60);

/// All nodes, up or down. Their processes end with it.
#[derive(Debug)]
pub(crate) struct Nodes {
    product: Product,
    blank: Blank,
    cluster: String,
    config: BTreeMap<String, String>,
    places: BTreeMap<i32, Place>,
    processes: BTreeMap<i32, Process>,
    paused: BTreeSet<i32>,
    cut: BTreeSet<(i32, i32)>,
    record: Option<PathBuf>,
    // Fields are dropped in this order: processes before their files and their network.
    network: Option<Network>,
    scratch: TempDir,
}

impl Nodes {
    /// Formats nodes with these ids, which share this configuration. None of them runs yet. With `linked`, links between them can be cut.
    pub(crate) fn new(
        product: &Product,
        blank: &Blank,
        ids: &[i32],
        config: &BTreeMap<String, String>,
        linked: bool,
    ) -> Result<Self, Fault> {
        let made = || -> io::Result<Self> {
            let scratch = tempfile::Builder::new().prefix("hw-nodes-").tempdir()?;
            let network = if linked { Some(Network::new(ids)?) } else { None };
            let places = if linked { in_namespaces(ids) } else { on_loopback(ids)? };
            let nodes = Self {
                product: product.clone(),
                blank: blank.clone(),
                cluster: identity(),
                config: config.clone(),
                places,
                processes: BTreeMap::new(),
                paused: BTreeSet::new(),
                cut: BTreeSet::new(),
                record: None,
                network,
                scratch,
            };
            write_logging(&nodes.logging())?;
            for &id in ids {
                fs::create_dir_all(nodes.home(id))?;
                nodes.blank.write(&nodes.data(id), id, &nodes.cluster)?;
                fs::write(
                    nodes.properties(id),
                    product.properties(id, &nodes.places, &nodes.data(id), config),
                )?;
            }
            Ok(nodes)
        };
        made().map_err(|error| Fault::Broken(format!("no nodes of {}: {error}", product.name())))
    }

    /// The same, which record in their end which classes they used.
    pub(crate) fn recording(mut self, classes: PathBuf) -> Self {
        self.record = Some(classes);
        self
    }

    /// Where each is reached.
    pub(crate) fn places(&self) -> &BTreeMap<i32, Place> {
        &self.places
    }

    /// Whether they have these ids, and this configuration.
    pub(crate) fn are(&self, ids: &[i32], config: &BTreeMap<String, String>) -> bool {
        self.places.keys().eq(ids) && self.config == *config
    }

    fn ids(&self) -> Vec<i32> {
        self.places.keys().copied().collect()
    }

    fn home(&self, id: i32) -> PathBuf {
        self.scratch.path().join(format!("node-{id}"))
    }

    fn data(&self, id: i32) -> PathBuf {
        self.home(id).join("data")
    }

    fn properties(&self, id: i32) -> PathBuf {
        self.home(id).join("server.properties")
    }

    fn logging(&self) -> PathBuf {
        self.scratch.path().join("log4j2.yaml")
    }

    fn log(&self, id: i32) -> PathBuf {
        self.home(id).join("broker.log")
    }

    /// Whether it runs, and does not stand still.
    pub(crate) fn is_awake(&self, id: i32) -> bool {
        self.processes.contains_key(&id) && !self.paused.contains(&id)
    }

    /// The nodes that are down.
    pub(crate) fn down(&self) -> Vec<i32> {
        self.ids().into_iter().filter(|id| !self.processes.contains_key(id)).collect()
    }

    /// Whether links can be cut.
    pub(crate) fn is_linked(&self) -> bool {
        self.network.is_some()
    }

    /// # Errors
    /// If a node ended by itself.
    pub(crate) fn check(&mut self) -> Result<(), Fault> {
        for id in self.ids() {
            let Some(process) = self.processes.get_mut(&id) else { continue };
            let ended = process.ended().map_err(|error| broken(id, "its state is not known", &error))?;
            if let Some(status) = ended {
                self.processes.remove(&id);
                let told = tail(&self.log(id));
                return Err(Fault::Broken(format!(
                    "n{id} ended by itself, {status}; it said at last:\n{told}"
                )));
            }
        }
        Ok(())
    }

    /// What each node that runs said at last, for who looks for the cause of a failure.
    pub(crate) fn said(&self) -> String {
        let said = self.processes.keys().map(|&id| format!("n{id}:\n{}", tail(&self.log(id))));
        said.collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn start(&mut self, id: i32) -> Result<(), Fault> {
        if self.processes.contains_key(&id) {
            return Err(Fault::Broken(format!("n{id} runs already")));
        }
        let launch = || -> io::Result<Process> {
            let launcher = self.network.as_ref().map(|network| network.launcher(id)).transpose()?;
            let record = self.record.as_deref();
            let command = self.product.command(&self.properties(id), &self.logging(), record);
            Process::start(&launcher.unwrap_or_default(), &command, self.scratch.path(), &self.log(id))
        };
        let process = launch().map_err(|error| broken(id, "it cannot be started", &error))?;
        self.processes.insert(id, process);
        Ok(())
    }

    pub(crate) fn kill(&mut self, id: i32) -> Result<(), Fault> {
        self.paused.remove(&id);
        let process = self.processes.remove(&id).ok_or_else(|| is_down(id))?;
        process.kill().map_err(|error| broken(id, "it cannot be killed", &error))
    }

    pub(crate) fn stop(&mut self, id: i32) -> Result<(), Fault> {
        let process = self.processes.remove(&id).ok_or_else(|| is_down(id))?;
        let stopped = process.stop(STOPPING).map_err(|error| broken(id, "it cannot be stopped", &error))?;
        if stopped.is_none() {
            let (seconds, told) = (STOPPING.as_secs(), tail(&self.log(id)));
            let why =
                format!("n{id} did not stop within {seconds} s, and was killed; it said at last:\n{told}");
            return Err(Fault::Broken(why));
        }
        Ok(())
    }

    pub(crate) fn wipe(&mut self, id: i32) -> Result<(), Fault> {
        if self.processes.contains_key(&id) {
            self.kill(id)?;
        }
        let data = self.data(id);
        fs::remove_dir_all(&data)
            .and_then(|()| self.blank.write(&data, id, &self.cluster))
            .map_err(|error| broken(id, "its disk cannot be replaced", &error))?;
        self.start(id)
    }

    pub(crate) fn pause(&mut self, id: i32) -> Result<(), Fault> {
        self.signal(id, Signal::STOP)?;
        self.paused.insert(id);
        Ok(())
    }

    pub(crate) fn resume(&mut self, id: i32) -> Result<(), Fault> {
        self.signal(id, Signal::CONT)?;
        self.paused.remove(&id);
        Ok(())
    }

    fn signal(&self, id: i32, signal: Signal) -> Result<(), Fault> {
        let process = self.processes.get(&id).ok_or_else(|| is_down(id))?;
        process.signal(signal).map_err(|error| broken(id, "it takes no signal", &error))
    }

    pub(crate) fn cut(&mut self, from: i32, to: i32) -> Result<(), Fault> {
        self.network()?.cut(from, to).map_err(|error| broken(from, "its link cannot be cut", &error))?;
        self.cut.insert((from, to));
        Ok(())
    }

    pub(crate) fn heal(&mut self, from: i32, to: i32) -> Result<(), Fault> {
        self.network()?.heal(from, to).map_err(|error| broken(from, "its link cannot be healed", &error))?;
        self.cut.remove(&(from, to));
        Ok(())
    }

    fn network(&self) -> Result<&Network, Fault> {
        self.network.as_ref().ok_or_else(|| Fault::Unsupported("links that can be cut".to_owned()))
    }

    /// Undoes what was done: all nodes run, and hear each other.
    pub(crate) fn mend(&mut self) -> Result<(), Fault> {
        for (from, to) in self.cut.clone() {
            self.heal(from, to)?;
        }
        for id in self.paused.clone() {
            self.resume(id)?;
        }
        for id in self.down() {
            self.start(id)?;
        }
        Ok(())
    }
}

fn is_down(id: i32) -> Fault {
    Fault::Broken(format!("n{id} does not run"))
}

fn broken(id: i32, what: &str, error: &io::Error) -> Fault {
    Fault::Broken(format!("n{id}: {what}: {error}"))
}

fn in_namespaces(ids: &[i32]) -> BTreeMap<i32, Place> {
    let place = |&id: &i32| (id, Place { host: address(id), broker: 9092, controller: Some(9093) });
    ids.iter().map(place).collect()
}

/// Ports that are free, held until all are drawn.
fn on_loopback(ids: &[i32]) -> io::Result<BTreeMap<i32, Place>> {
    let mut held = Vec::new();
    let mut free = || {
        for _ in 0..DRAWS_MAX {
            let port = fastrand::u16(PORTS);
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
                held.push(listener);
                return Ok(port);
            }
        }
        let (first, last) = (PORTS.start, PORTS.end - 1);
        let cure = "stop what listens there";
        Err(io::Error::other(format!("found no free port on 127.0.0.1 from {first} to {last}; {cure}")))
    };
    let mut places = BTreeMap::new();
    for &id in ids {
        let place = Place { host: "127.0.0.1".to_owned(), broker: free()?, controller: Some(free()?) };
        places.insert(id, place);
    }
    Ok(places)
}
