//! The task that owns the node.

use std::collections::HashMap;
use std::pin::pin;
use std::time::{Duration, Instant as Clock};

use highwater_core::{Instant, NodeId, Token};
use highwater_log::disk::RealDisk;
use highwater_node::message::{ClientResponse, Input, Output, PeerRequest, PeerResponse};
use highwater_node::{Node, OpenError};
use tokio::sync::{mpsc, oneshot, watch};

use super::flush::Flushers;
use super::handle::{Job, NodeHandle};
use super::leads::Observer;

/// How many jobs are done before what is due and what came of them are looked at.
const BATCH_MAX: usize = 64;

/// Carries requests to other nodes.
pub trait Peers: Send + 'static {
    /// Sends it, without waiting. [`Input::Response`] or [`Input::Failed`] comes back under the number, or neither.
    fn send(&mut self, to: NodeId, correlation: u64, request: PeerRequest);
}

/// A node that runs.
#[derive(Debug)]
pub struct NodeTask {
    /// By which it is reached.
    pub handle: NodeHandle,
    /// How it ended, once it has: with nothing if it was told to, else with the reason.
    pub ended: watch::Receiver<Option<Result<(), String>>>,
}

/// Who waits for answers of the node.
#[derive(Default)]
struct Waiting {
    clients: HashMap<Token, oneshot::Sender<ClientResponse>>,
    peers: HashMap<Token, oneshot::Sender<PeerResponse>>,
}

struct Driver<P: Peers> {
    node: Node<RealDisk>,
    peers: P,
    origin: Clock,
    waiting: Waiting,
    flushers: Flushers,
    observer: Observer,
}

/// Opens a node, and runs it as a task of the runtime that this is called on: in step with the connections that a thread serves, so that a request
/// need not wake another thread for each of its stages. `origin` is the moment that its configuration's `clock_origin_ms` names; at most
/// `jobs_max` requests wait for it.
///
/// # Errors
/// If the node cannot be opened.
pub(crate) async fn spawn<P: Peers>(
    origin: Clock,
    jobs_max: usize,
    open: impl FnOnce(Instant) -> Result<Node<RealDisk>, OpenError> + Send + 'static,
    peers: impl FnOnce(NodeHandle) -> P,
) -> Result<NodeTask, OpenError> {
    let (sender, jobs) = mpsc::channel(jobs_max.max(1));
    let (observer, leads) = Observer::new();
    let handle = NodeHandle::new(sender, leads);
    let (ending, ended) = watch::channel(None);
    let (opening, opened) = oneshot::channel();
    let peers = peers(handle.clone());
    let flushers = Flushers::new(handle.jobs());
    let life = async move {
        let end = match open(now(origin)) {
            Ok(node) => {
                // Whoever started it may be gone.
                let _ = opening.send(Ok(()));
                let driver = Driver { node, peers, origin, waiting: Waiting::default(), flushers, observer };
                driver.run(jobs).await
            }
            Err(error) => {
                let told = error.to_string();
                let _ = opening.send(Err(error));
                Err(told)
            }
        };
        ending.send_replace(Some(end));
    };
    tokio::spawn(life);
    match opened.await {
        Ok(opened) => opened?,
        Err(_) => {
            let message = "ended before the node was open".into();
            return Err(OpenError { place: "the node's task".into(), message });
        }
    }
    Ok(NodeTask { handle, ended })
}

/// The node's time.
fn now(origin: Clock) -> Instant {
    Instant(u64::try_from(origin.elapsed().as_micros()).unwrap_or(u64::MAX))
}

impl<P: Peers> Driver<P> {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) -> Result<(), String> {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        // Set anew only when the deadline is another: most steps leave it.
        let mut alarm = pin!(tokio::time::sleep_until(self.origin.into()));
        loop {
            if let Some(end) = self.hand_out() {
                return end;
            }
            let deadline = self.node.deadline().map(|at| (self.origin + Duration::from_micros(at.0)).into());
            if let Some(deadline) = deadline.filter(|deadline| *deadline != alarm.deadline()) {
                alarm.as_mut().reset(deadline);
            }
            let received = tokio::select! {
                biased;
                received = jobs.recv_many(&mut batch, BATCH_MAX) => received,
                () = alarm.as_mut(), if deadline.is_some() => {
                    self.node.elapse(now(self.origin));
                    continue;
                }
            };
            if received == 0 {
                return Err("nobody is there any more who could reach the node".to_owned());
            }
            for job in batch.drain(..) {
                if let Job::Abandon = job {
                    return Ok(());
                }
                self.take(job);
            }
            let now = now(self.origin);
            if self.node.deadline().is_some_and(|deadline| deadline <= now) {
                self.node.elapse(now);
            }
        }
    }

    fn take(&mut self, job: Job) {
        let now = now(self.origin);
        match job {
            Job::Input(input) => {
                if let Input::Forget { token } = input {
                    self.waiting.clients.remove(&token);
                    self.waiting.peers.remove(&token);
                }
                self.node.handle(now, input);
            }
            Job::Client { token, request, reply } => {
                self.waiting.clients.insert(token, reply);
                self.node.handle(now, Input::Client { token, request });
            }
            Job::Leader { term, token, request, reply } => {
                if term.holds(&self.node) {
                    self.waiting.clients.insert(token, reply);
                    self.node.handle(now, Input::Client { token, request });
                }
            }
            Job::Peer { token, from, request, reply } => {
                self.waiting.peers.insert(token, reply);
                self.node.handle(now, Input::Request { token, from, request });
            }
            Job::Look(look) => look(&self.node),
            Job::Abandon => {}
        }
    }

    /// Hands out what the node wants said; its end, if that is among it. Who has stopped to wait is no concern.
    fn hand_out(&mut self) -> Option<Result<(), String>> {
        self.observer.look(&self.node);
        while let Some(output) = self.node.poll() {
            match output {
                Output::Send { to, correlation, request } => self.peers.send(to, correlation, request),
                Output::Reply { token, response } => {
                    if let Some(reply) = self.waiting.peers.remove(&token) {
                        let _ = reply.send(response);
                    }
                }
                Output::Answer { token, response } => {
                    if let Some(reply) = self.waiting.clients.remove(&token) {
                        let _ = reply.send(response);
                    }
                }
                Output::Flush(log) => {
                    if let Some(flusher) = self.node.flusher(log)
                        && let Err(error) = self.flushers.flush(log, flusher)
                    {
                        return Some(Err(format!("flushing: {error}")));
                    }
                }
                Output::Report(report) => tracing::warn!("{report}"),
                Output::Stopped(reason) => return Some(reason.map_or(Ok(()), Err)),
            }
        }
        None
    }
}
