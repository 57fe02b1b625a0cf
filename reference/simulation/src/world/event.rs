//! What is waiting to happen in a world.

use highwater_core::NodeId;
use highwater_log::disk::SimulatedDisk;
use highwater_node::Flusher;
use highwater_node::message::{ClientRequest, ClientResponse, LogId, PeerRequest, PeerResponse};

use super::World;
use crate::scenario::Happening;

/// An event. Nodes are named by index; a life is one start of a node.
#[derive(Debug)]
pub(super) enum Event {
    /// A node starts.
    Start { node: usize },
    /// A request arrives.
    Request { to: usize, from: usize, life: u32, correlation: u64, request: Box<PeerRequest> },
    /// An answer arrives.
    Response { to: usize, from: usize, life: u32, correlation: u64, response: Box<PeerResponse> },
    /// The connection of a request is found broken.
    Failed { to: usize, life: u32, correlation: u64 },
    /// A request of a client arrives.
    Asked { to: usize, client: u32, number: u64, request: Box<ClientRequest> },
    /// A request from outside arrives, as if of another node.
    Probed { to: usize, from: NodeId, number: u64, request: Box<PeerRequest> },
    /// An answer arrives at a client.
    Answered { client: u32, number: u64, response: Box<ClientResponse> },
    /// A client has waited long enough.
    GivesUp { client: u32, number: u64 },
    /// A node's timer.
    Timer { node: usize, life: u32 },
    /// A disk has done what it was asked for.
    Flushed { node: usize, life: u32, log: LogId, flusher: Option<Flusher<SimulatedDisk>> },
    /// A cut ends.
    Heals { from: Vec<usize>, to: Vec<usize>, both_ways: bool },
    /// A node that should have stopped by now is killed.
    Killed { node: usize, life: u32, down_us: u64 },
    /// Something happens from outside.
    Happens(Box<Happening>),
    /// The world looks whether it is where it should be.
    Look,
}

impl Event {
    /// The node that has to be awake for it.
    pub(super) fn node(&self) -> Option<usize> {
        match self {
            Event::Request { to, .. }
            | Event::Response { to, .. }
            | Event::Failed { to, .. }
            | Event::Asked { to, .. }
            | Event::Probed { to, .. } => Some(*to),
            Event::Timer { node, .. } | Event::Flushed { node, .. } => Some(*node),
            _ => None,
        }
    }

    /// Whether the trace has a line for it.
    pub(super) fn is_told(&self) -> bool {
        !matches!(self, Event::Look | Event::GivesUp { .. } | Event::Timer { .. } | Event::Heals { .. })
    }
}

impl World {
    /// An event for people.
    pub(super) fn told(&self, event: &Event) -> String {
        let name = |node: &usize| self.ledger.ids[*node];
        match event {
            Event::Start { node } => format!("{} starts", name(node)),
            Event::Request { to, from, request, .. } => {
                format!("{} -> {} {}", name(from), name(to), brief(request))
            }
            Event::Response { to, from, response, .. } => {
                format!("{} -> {} {}", name(from), name(to), brief(response))
            }
            Event::Failed { to, correlation, .. } => {
                format!("{} hears that request {correlation} failed", name(to))
            }
            Event::Asked { to, client, request, .. } => {
                format!("client {client} -> {} {}", name(to), brief(request))
            }
            Event::Probed { to, from, request, .. } => {
                format!("somebody as {from} -> {} {}", name(to), brief(request))
            }
            Event::Answered { client, response, .. } => format!("client {client} <- {}", brief(response)),
            Event::Flushed { node, log, .. } => format!("{} flushes {log:?}", name(node)),
            Event::Killed { node, .. } => format!("{} is killed if it has not stopped", name(node)),
            Event::Happens(happening) => format!("* {:?}", happening.what),
            other => format!("{other:?}"),
        }
    }
}

/// A message for people: at most so many characters, and no bytes of records.
fn brief(message: &impl std::fmt::Debug) -> String {
    let mut text = format!("{message:?}");
    if let Some((at, _)) = text.char_indices().nth(400) {
        text.truncate(at);
        text.push_str("...");
    }
    text
}
