//! Which nodes there are, at which ports, and the files that each is started with.
//!
//! A layout is made once and kept in the cluster's directory, so that what is started there again has the same nodes at the same ports.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use highwater_log::files::uuid;
use highwater_server::config::{NodeFile, Roles};
use highwater_tool::storage::{self, FormatArgs, StorageArgs, StorageCommand};
use serde::{Deserialize, Serialize};

use crate::ClusterError;

/// The file in the cluster's directory that a layout is kept in.
const FILE: &str = "cluster.json";

/// The form of that file.
const VERSION: u32 = 1;

/// More nodes than that make more doors between them than a machine has a use for.
pub const NODES_MAX: u16 = 16;

/// Ports are taken from here: below those that the system gives to connections, so that a node which was killed finds its own free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How often a port is drawn before it is given up.
const DRAWS_MAX: usize = 1_000;

/// The nodes of a cluster, and the doors between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    version: u32,
    /// `cluster.id`.
    pub cluster_id: String,
    /// In the order of their ids.
    pub nodes: Vec<NodePlan>,
    /// By whom each controller is reached, and where. Empty if nodes reach each other directly.
    pub quorum_doors: Vec<QuorumDoor>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePlan {
    /// `node.id`.
    pub id: i32,
    /// If it is a broker.
    pub broker: Option<BrokerPorts>,
    /// The port of its controller, if it is one.
    pub controller: Option<u16>,
}

/// The ports of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerPorts {
    /// For clients.
    pub client: u16,
    /// For other brokers.
    pub internal: u16,
    /// Where other brokers are told that it is: the door before [`BrokerPorts::internal`], or that itself.
    pub told: u16,
}

/// Where a node reaches a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumDoor {
    /// Which node.
    pub from: i32,
    /// Which controller.
    pub to: i32,
    /// The door.
    pub port: u16,
}

/// What a cluster is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How many nodes; of brokers, if there are controllers of their own.
    pub nodes: u16,
    /// How many controllers that are no brokers; with 0, all nodes are both.
    pub controllers: u16,
    /// Whether nodes reach each other without doors between them.
    pub direct: bool,
    /// The port at which clients find the first broker, the others after it; free ones are drawn if there is none.
    pub port: Option<u16>,
}

/// An address on loopback.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

impl NodePlan {
    /// `broker,controller`, or one of them.
    pub fn roles(&self) -> &'static str {
        match (self.broker, self.controller) {
            (Some(_), Some(_)) => "broker,controller",
            (Some(_), None) => "broker",
            _ => "controller",
        }
    }

    /// Where clients reach it; none if it is no broker.
    pub fn address(&self) -> Option<SocketAddr> {
        self.broker.map(|ports| loopback(ports.client))
    }
}

impl Layout {
    /// The layout that is kept in a directory, if there is one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn load(directory: &Path) -> Result<Option<Self>, ClusterError> {
        let path = directory.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ClusterError::file(&path, "could not be read", &error)),
        };
        let cure = "Name another directory, or remove this one if its data are of no worth.";
        let wrong = |found: String| {
            ClusterError::Refused(format!(
                "{}: found {found}, expected what `highwater cluster` wrote. {cure}",
                path.display()
            ))
        };
        let layout: Self = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if layout.version != VERSION {
            return Err(wrong(format!("version {}", layout.version)));
        }
        Ok(Some(layout))
    }

    /// A new one, at ports that are free.
    ///
    /// # Errors
    /// If there are not enough, or one that was asked for is not free.
    pub fn new(shape: Shape) -> Result<Self, ClusterError> {
        let mut ports = Ports::default();
        let brokers = 1..=i32::from(shape.nodes);
        let controllers = i32::from(shape.nodes) + 1..=i32::from(shape.nodes + shape.controllers);
        let mut nodes = Vec::new();
        // Before any is drawn, which could be one of them.
        let asked = shape.port.map_or(0..0, |first| first..first + shape.nodes);
        let mut asked = asked.map(|port| ports.take(port)).collect::<Result<Vec<u16>, _>>()?.into_iter();
        for id in brokers.chain(controllers) {
            let is_broker = id <= i32::from(shape.nodes);
            let broker = match is_broker {
                true => {
                    let client = asked.next().map_or_else(|| ports.free(), Ok)?;
                    let internal = ports.free()?;
                    let told = if shape.direct { internal } else { ports.free()? };
                    Some(BrokerPorts { client, internal, told })
                }
                false => None,
            };
            let is_controller = shape.controllers == 0 || !is_broker;
            let controller = if is_controller { Some(ports.free()?) } else { None };
            nodes.push(NodePlan { id, broker, controller });
        }
        let mut quorum_doors = Vec::new();
        if !shape.direct {
            for to in nodes.iter().filter(|node| node.controller.is_some()) {
                for from in nodes.iter().filter(|node| node.id != to.id) {
                    quorum_doors.push(QuorumDoor { from: from.id, to: to.id, port: ports.free()? });
                }
            }
        }
        let cluster_id = uuid::format(storage::random_uuid());
        Ok(Self { version: VERSION, cluster_id, nodes, quorum_doors })
    }

    /// Keeps it in a directory.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, directory: &Path) -> Result<(), ClusterError> {
        let path = directory.join(FILE);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| ClusterError::file(&path, "could not be written", &io::Error::other(error)))?;
        fs::write(&path, text).map_err(|error| ClusterError::file(&path, "could not be written", &error))
    }

    /// The node with this id.
    pub fn node(&self, id: i32) -> Option<&NodePlan> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// What it looks like. Its first broker's port is said, though it may have been drawn.
    pub fn shape(&self) -> Shape {
        let count = |is: fn(&&NodePlan) -> bool| self.nodes.iter().filter(is).count() as u16;
        Shape {
            nodes: count(|node| node.broker.is_some()),
            controllers: count(|node| node.broker.is_none()),
            direct: self
                .nodes
                .iter()
                .filter_map(|node| node.broker)
                .all(|ports| ports.told == ports.internal),
            port: self.nodes.iter().find_map(|node| node.broker).map(|ports| ports.client),
        }
    }

    /// Whether nodes reach each other without doors, so that no link can be cut.
    pub fn is_direct(&self) -> bool {
        self.shape().direct
    }

    /// Where `from` reaches the controller `to`.
    fn controller_port(&self, from: i32, to: &NodePlan) -> Option<u16> {
        let door = self.quorum_doors.iter().find(|door| (door.from, door.to) == (from, to.id));
        door.map(|door| door.port).or(to.controller)
    }

    /// Writes a node's `server.properties`, with what all nodes are to have over it, and formats its data directory unless it is.
    ///
    /// # Errors
    /// If that cannot be written, or is no configuration.
    pub fn prepare(
        &self,
        directory: &Path,
        node: &NodePlan,
        further: &[(String, String)],
    ) -> Result<(), ClusterError> {
        let home = home(directory, node.id);
        let data = home.join("data");
        let unwritable = |error: io::Error| ClusterError::file(&home, "could not be written", &error);
        fs::create_dir_all(&data).map_err(unwritable)?;
        let data = fs::canonicalize(&data).map_err(unwritable)?;
        let file = properties(directory, node.id);
        let text = self.text(node, &data, further);
        fs::write(&file, text).map_err(|error| ClusterError::file(&file, "could not be written", &error))?;
        let format = FormatArgs {
            config: file,
            cluster_id: self.cluster_id.clone(),
            ignore_formatted: true,
            release_version: None,
            feature: Vec::new(),
            standalone: false,
            no_initial_controllers: false,
            initial_controllers: None,
            add_scram: Vec::new(),
        };
        let arguments = StorageArgs { command: StorageCommand::Format(format) };
        // The node itself tells its warnings, in its log.
        storage::run(&arguments, &mut io::sink(), &mut io::sink())
            .map(drop)
            .map_err(|error| ClusterError::Refused(error.to_string()))
    }

    fn text(&self, node: &NodePlan, data: &Path, further: &[(String, String)]) -> String {
        let controllers = self.nodes.iter().filter(|other| other.controller.is_some());
        let voters: Vec<(i32, u16)> =
            controllers.filter_map(|other| Some((other.id, self.controller_port(node.id, other)?))).collect();
        let mut pairs = Vec::new();
        let controller = node.controller.map(|port| format!("CONTROLLER://127.0.0.1:{port}"));
        if let Some(ports) = node.broker {
            let (client, internal, told) = (ports.client, ports.internal, ports.told);
            let brokers =
                |internal| format!("PLAINTEXT://127.0.0.1:{client},INTERNAL://127.0.0.1:{internal}");
            let listeners: Vec<String> = [brokers(internal)].into_iter().chain(controller).collect();
            pairs.extend([
                ("listeners", listeners.join(",")),
                ("advertised.listeners", brokers(told)),
                (
                    "listener.security.protocol.map",
                    "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
                ),
                ("inter.broker.listener.name", "INTERNAL".to_owned()),
            ]);
        }
        // A cluster of one or two nodes has its offsets on as many.
        let replicas = self.shape().nodes.min(3);
        pairs.push(("offsets.topic.replication.factor", replicas.to_string()));
        let pairs = pairs.into_iter().map(|(key, value)| (key.to_owned(), value));
        let mut pairs: Vec<(String, String)> =
            pairs.filter(|(key, _)| !further.iter().any(|(other, _)| other == key)).collect();
        pairs.extend_from_slice(further);
        let file = NodeFile {
            id: node.id,
            roles: Roles { broker: node.broker.is_some(), controller: node.controller.is_some() },
            host: "127.0.0.1",
            broker_port: node.broker.map_or(0, |ports| ports.client),
            controller_port: node.controller.unwrap_or(0),
            voters: &voters,
            log_directory: data,
            further: &pairs,
        };
        file.text()
    }
}

/// Where a node's files are.
fn home(directory: &Path, id: i32) -> PathBuf {
    directory.join(format!("node-{id}"))
}

/// A node's property file.
pub(crate) fn properties(directory: &Path, id: i32) -> PathBuf {
    home(directory, id).join("server.properties")
}

/// What a node writes to its standard error.
pub(crate) fn log(directory: &Path, id: i32) -> PathBuf {
    directory.join(format!("node-{id}.log"))
}

/// Holds a directory, so that no other process runs its cluster.
pub(crate) fn hold(directory: &Path) -> Result<File, ClusterError> {
    let path = directory.join("lock");
    let file = File::create(&path).map_err(|error| ClusterError::file(&path, "could not be made", &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(ClusterError::Refused(format!(
            "{}: another process runs this cluster. Stop it, or name another directory.",
            directory.display()
        ))),
        Err(fs::TryLockError::Error(error)) => Err(ClusterError::file(&path, "could not be locked", &error)),
    }
}

/// Ports that are free, and stay so as long as this lives.
#[derive(Default)]
struct Ports {
    held: Vec<TcpListener>,
}

impl Ports {
    /// This one.
    fn take(&mut self, port: u16) -> Result<u16, ClusterError> {
        let listener = TcpListener::bind(loopback(port)).map_err(|error| {
            ClusterError::Refused(format!(
                "127.0.0.1:{port}: {error}. Stop what listens there, or name another with --port; each broker takes the port after the \
                 one before it."
            ))
        })?;
        self.held.push(listener);
        Ok(port)
    }

    fn free(&mut self) -> Result<u16, ClusterError> {
        for _ in 0..DRAWS_MAX {
            let port = fastrand::u16(PORTS);
            if let Ok(listener) = TcpListener::bind(loopback(port)) {
                self.held.push(listener);
                return Ok(port);
            }
        }
        Err(ClusterError::Refused(format!(
            "found no free port on 127.0.0.1 from {} to {}. Stop what listens there.",
            PORTS.start,
            PORTS.end - 1
        )))
    }
}
