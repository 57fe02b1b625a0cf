//! A server: a node in its task, its listeners, its way to others; started and stopped in good order.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use highwater_core::NodeId;
use highwater_log::disk::RealDisk;
use highwater_log::files::meta_properties::{self, MetaProperties};
use highwater_node::message::Input;
use highwater_node::{Node, NodeConfig, Rules};
use highwater_quorum::kafka;
use highwater_wire::Str;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::api::{Context, ListenerKind};
use crate::config::{Bootstrap, ServerConfig};
use crate::connection::{Doors, bind, listen};
use crate::metrics;
use crate::peer::TcpPeers;
use crate::runtime::{NodeHandle, NodeTask, spawn};
use crate::stopping::nobody_answers;
use crate::translate::Speaker;

/// How long connections may take to be told what they wait for, once the node has stopped.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// How long a node that was told to stop may take beyond its controlled shutdown.
const STOP_MAX: Duration = Duration::from_secs(10);

/// How often a server looks whether its broker serves.
const READY_INTERVAL: Duration = Duration::from_millis(2);

/// Sockets that are bound already, by the names of the listeners for which they are taken. Whoever starts several nodes at once knows
/// all their ports before any of them runs.
pub type Sockets = BTreeMap<String, StdListener>;

/// Why a server does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// A listener and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundListener {
    /// Its name, in upper case.
    pub name: Arc<str>,
    /// What it is for.
    pub kind: ListenerKind,
    /// Where it listens: the port is never 0.
    pub address: SocketAddr,
}

/// A server that runs. To drop it leaves it running as long as its runtime does.
#[derive(Debug)]
pub struct Server {
    context: Arc<Context>,
    node: NodeTask,
    listeners: Vec<BoundListener>,
    metrics_address: Option<SocketAddr>,
    doors: Arc<Doors>,
    /// Ends when all lanes to other nodes have.
    lanes: mpsc::Receiver<()>,
    began: Instant,
}

impl Server {
    /// Starts a server on the runtime that this is called on. Listeners that `sockets` does not have are bound as the configuration says.
    ///
    /// # Errors
    /// If an address cannot be listened at, or the data directory is not this node's, is not formatted, or is damaged.
    pub async fn start(config: ServerConfig, mut sockets: Sockets) -> Result<Self, StartError> {
        let began = Instant::now();
        let config = Arc::new(config);
        let (disk, identity) = open_disk(&config)?;
        let mut bound = Vec::new();
        for listener in &config.listeners {
            let socket = match sockets.remove(&listener.name) {
                Some(socket) => socket,
                None => bind(&listener.host, listener.port, config.limits.listen_backlog).map_err(|error| {
                    StartError(format!(
                        "listening at {listener}: {error}. Another process may have the port: stop it, or name another in \
                         listeners."
                    ))
                })?,
            };
            bound.push(prepare(socket, &listener.name, &config)?);
        }
        let metrics = bind_metrics(&config)?;
        let listeners: Vec<BoundListener> = bound.iter().map(|(listener, _)| listener.clone()).collect();
        let node_config = node_config(&config, &identity, &listeners)?;
        let cluster_id: Str = node_config.cluster_id.clone().into();
        let (running, lanes) = mpsc::channel(1);
        let node = start_node(&config, node_config, disk, running).await?;
        let context = Arc::new(Context::new(node.handle.clone(), config.clone(), cluster_id));
        let doors = Doors::new(config.limits.clone());
        for (listener, socket) in bound {
            tracing::info!(listener = &*listener.name, address = %listener.address, "listening");
            let (name, context, doors) = (listener.name, context.clone(), doors.clone());
            tokio::spawn(listen(socket, listener.kind, name, context, doors));
        }
        let metrics_address = match metrics {
            Some((socket, address)) => {
                tracing::info!(%address, "metrics");
                let (metrics, node) = (context.metrics.clone(), node.handle.clone());
                tokio::spawn(metrics::serve(socket, metrics, node, doors.clone()));
                Some(address)
            }
            None => None,
        };
        Ok(Self { context, node, listeners, metrics_address, doors, lanes, began })
    }

    /// Reaches the node.
    pub fn node(&self) -> &NodeHandle {
        &self.node.handle
    }

    /// What it was told at its start.
    pub fn config(&self) -> &ServerConfig {
        &self.context.config
    }

    /// Its listeners, in the order of the configuration.
    pub fn listeners(&self) -> &[BoundListener] {
        &self.listeners
    }

    /// Where metrics are read, if anywhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// How many connections there are, of clients and nodes.
    pub fn connections(&self) -> usize {
        self.doors.count()
    }

    /// When it began to start.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Waits until it serves: its broker is registered and not fenced. A controller serves at once.
    ///
    /// # Errors
    /// If the node stops before.
    pub async fn serves(&self) -> Result<(), StartError> {
        loop {
            let look = self.node().look(|node| {
                !node.config().roles.broker || (node.broker_epoch().is_some() && !node.fenced())
            });
            match look.await {
                Ok(true) => return Ok(()),
                Ok(false) => tokio::time::sleep(READY_INTERVAL).await,
                Err(stopped) => {
                    let ended = self.node.ended.borrow().clone();
                    let why = ended.and_then(Result::err).unwrap_or_else(|| stopped.to_string());
                    return Err(StartError(self.placed(&why)));
                }
            }
        }
    }

    /// Waits until the node has ended by itself: a disk failed it. Says why.
    pub async fn ended(&mut self) -> Result<(), String> {
        let ended = self.node.ended.wait_for(Option::is_some).await.map(|ended| ended.clone());
        match ended {
            Ok(ended) => ended.unwrap_or(Ok(())).map_err(|why| self.placed(&why)),
            Err(_) => Err("the node ended without a word".to_owned()),
        }
    }

    /// Why the node ended, with the directory that files are named from.
    fn placed(&self, why: &str) -> String {
        format!("in {}: {why}", self.config().log_directory.display())
    }

    /// Stops in good order: leaderships move, the controller resigns, logs are flushed, and what was asked is answered.
    ///
    /// # Errors
    /// If the node ended in another way than it was told to, or did not end in time.
    pub async fn stop(mut self) -> Result<(), String> {
        tracing::info!("stopping");
        // It may have stopped by itself.
        let _ = self.node.handle.tell(Input::ShutDown).await;
        let patience = self.node.handle.look(|node| node.config().controlled_shutdown_timeout).await;
        let patience = patience.unwrap_or_default() + STOP_MAX;
        let (node, config) = (self.node.handle.clone(), self.context.config.clone());
        let leave = async {
            tokio::select! {
                ended = self.ended() => ended,
                () = nobody_answers(&node, &config) => {
                    tracing::warn!("there is no controller that could move leaderships: stopping without");
                    let _ = node.tell(Input::ShutDown).await;
                    self.ended().await
                }
            }
        };
        let ended = timeout(patience, leave).await;
        let ended = ended.unwrap_or_else(|_| Err(format!("the node did not stop within {patience:?}")));
        self.doors.close();
        if timeout(DRAIN_MAX, self.doors.empty()).await.is_err() {
            tracing::warn!("{} connections were not drained in time", self.doors.count());
            self.doors.cut();
        }
        // Nothing is ever sent: the channel is closed when the last lane has ended.
        let _ = timeout(DRAIN_MAX, self.lanes.recv()).await;
        tracing::info!("stopped");
        ended
    }

    /// Ends as by a crash, for tests: what the disk has is all that is left.
    pub async fn abandon(mut self) {
        let _ = self.node.handle.abandon().await;
        let _ = self.ended().await;
        self.doors.cut();
        self.doors.empty().await;
    }
}

/// Opens the data directory, which must be formatted.
fn open_disk(config: &ServerConfig) -> Result<(RealDisk, MetaProperties), StartError> {
    let place = config.log_directory.display();
    let format = "Format it with `highwater storage format`, or name another directory in log.dirs.";
    if !config.log_directory.join(meta_properties::NAME).exists() {
        return Err(StartError(format!(
            "{place}: found no {}, expected a formatted directory. {format}",
            meta_properties::NAME
        )));
    }
    let disk = RealDisk::open(&config.log_directory)
        .map_err(|error| StartError(format!("{place}: {error}. {}", highwater_log::cure(&error))))?;
    match meta_properties::load(&disk) {
        Ok(Some(identity)) => Ok((disk, identity)),
        Ok(None) => Err(StartError(format!("{place}: found nothing. {format}"))),
        Err(error) => Err(StartError(format!("{place}: {error}"))),
    }
}

/// Binds `highwater.metrics.listener`, if there is one.
fn bind_metrics(config: &ServerConfig) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    /// Few read metrics, and seldom.
    const BACKLOG: u32 = 16;
    let Some((host, port)) = &config.metrics_listener else { return Ok(None) };
    let bound = bind(host, *port, BACKLOG).and_then(|socket| {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok((TcpListener::from_std(socket)?, address))
    });
    let failed = |error| StartError(format!("highwater.metrics.listener={host}:{port}: {error}"));
    bound.map(Some).map_err(failed)
}

fn prepare(
    socket: StdListener,
    name: &str,
    config: &ServerConfig,
) -> Result<(BoundListener, TcpListener), StartError> {
    let failed = |error: std::io::Error| StartError(format!("the listener {name}: {error}"));
    socket.set_nonblocking(true).map_err(failed)?;
    let socket = TcpListener::from_std(socket).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    let kind = match config.is_controller_listener(name) {
        true => ListenerKind::Controller,
        false => ListenerKind::Broker,
    };
    Ok((BoundListener { name: name.into(), kind, address }, socket))
}

fn node_config(
    config: &ServerConfig,
    identity: &MetaProperties,
    listeners: &[BoundListener],
) -> Result<NodeConfig, StartError> {
    let port = |name: &str| {
        let listener = listeners.iter().find(|listener| *listener.name == *name)?;
        Some(listener.address.port())
    };
    let bootstrap = Bootstrap::load(&config.log_directory).map_err(StartError)?;
    config.node_config(identity, bootstrap, port).map_err(StartError)
}

async fn start_node(
    config: &ServerConfig,
    node_config: NodeConfig,
    disk: RealDisk,
    running: mpsc::Sender<()>,
) -> Result<NodeTask, StartError> {
    let origin = Instant::now();
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let clock_origin_ms = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
    let node_config = NodeConfig { clock_origin_ms, ..node_config };
    let speaker = Speaker {
        quorum: kafka::Speaker {
            cluster: node_config.cluster_id.clone().into(),
            name: format!("node-{}", node_config.node_id.0).into(),
            snapshot_bytes_max: i32::try_from(node_config.quorum_snapshot_chunk_bytes).unwrap_or(i32::MAX),
        },
        node: node_config.node_id,
        timeout_ms: i32::try_from(node_config.controller_request_timeout.as_millis()).unwrap_or(i32::MAX),
    };
    let voters: BTreeMap<NodeId, (String, u16)> =
        config.voters.iter().map(|voter| (voter.id, (voter.host.clone(), voter.port))).collect();
    let (inter_broker, setup) =
        (config.inter_broker_listener.clone(), config.limits.connection_setup_timeout);
    let timeouts = node_config.clone();
    let peers =
        |node: NodeHandle| TcpPeers::new(node, speaker, &timeouts, voters, inter_broker, setup, running);
    let directory = config.log_directory.display();
    let open = move |now| Node::open(node_config, Rules::default(), disk, seed(), now);
    spawn(origin, config.limits.queued_requests_max, open, peers)
        .await
        .map_err(|error| StartError(format!("in {directory}: {error}")))
}

/// Another at each start.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
