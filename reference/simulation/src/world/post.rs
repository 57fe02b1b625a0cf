//! Messages between nodes that are kept back one by one.
//!
//! A message is kept back where it would have arrived: whatever happens to its sender, its receiver or the link between them meanwhile, it is on its way. An answer
//! belongs to the connection on which it was asked for, and that ends with the process that asked.

use highwater_core::controller::{ControllerRequest, ControllerResponse};
use highwater_core::quorum::{Request, Response};
use highwater_node::message::{PeerRequest, PeerResponse};

use super::World;
use super::event::Event;
use crate::Violation;

/// What a message between nodes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Letter {
    /// A follower's fetch of partitions.
    Fetch,
    /// The answer.
    FetchAnswer,
    /// A leader asks for another ISR.
    AlterPartition,
    /// The answer.
    AlterPartitionAnswer,
    /// A broker says that it lives.
    Heartbeat,
    /// The answer.
    HeartbeatAnswer,
    /// A broker registers.
    Registration,
    /// The answer.
    RegistrationAnswer,
    /// A fetch of the metadata.
    Metadata,
    /// The answer.
    MetadataAnswer,
}

/// What came of a message that was kept back and is to arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It has arrived.
    Arrived,
    /// There is none.
    NoneKept,
    /// Its receiver does not run.
    NobodyListens,
    /// It is an answer, and who asked has ended since.
    NobodyAsks,
}

/// A kind of messages from one node to another, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) letter: Letter,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// What is to be kept back, and what is.
#[derive(Debug, Default)]
pub(super) struct Post {
    /// The next of each is kept back.
    holding: Vec<Way>,
    /// The next of each that arrives leaves a copy.
    copying: Vec<Way>,
    /// Oldest first.
    kept: Vec<(Way, Event)>,
}

impl World {
    /// The next message on this way is kept back.
    pub(crate) fn hold(&mut self, way: Way) {
        self.post.holding.push(way);
    }

    /// The next message on this way that arrives leaves a copy, which is kept back.
    pub(crate) fn copy(&mut self, way: Way) {
        self.post.copying.push(way);
    }

    /// How many messages of this way are kept back.
    pub(crate) fn kept(&self, way: Way) -> usize {
        self.post.kept.iter().filter(|(kept, _)| *kept == way).count()
    }

    /// The oldest message on this way that is kept back is lost; whether there was one.
    pub(crate) fn lose(&mut self, way: Way) -> bool {
        self.take_kept(way).is_some()
    }

    /// The oldest message on this way that is kept back arrives.
    pub(crate) fn deliver(&mut self, way: Way) -> Result<Delivery, Violation> {
        let Some(event) = self.take_kept(way) else { return Ok(Delivery::NoneKept) };
        match &event {
            Event::Response { to, life, .. } if !self.lives(*to, *life) => return Ok(Delivery::NobodyAsks),
            _ if !self.nodes[way.to].is_up() => return Ok(Delivery::NobodyListens),
            _ => {}
        }
        if self.trace.is_some() {
            let told = self.told(&event);
            self.note(|| format!("late: {told}"));
        }
        if let Some(event) = self.leave_copy(way, event) {
            self.take_place(event)?;
        }
        Ok(Delivery::Arrived)
    }

    /// The event, unless it is a message that has to be kept back.
    pub(super) fn keep_back(&mut self, event: Event) -> Option<Event> {
        if self.post.holding.is_empty() && self.post.copying.is_empty() {
            return Some(event);
        }
        let Some(way) = way_of(&event) else { return Some(event) };
        if let Some(place) = self.post.holding.iter().position(|held| *held == way) {
            self.post.holding.remove(place);
            self.post.kept.push((way, event));
            return None;
        }
        self.leave_copy(way, event)
    }

    /// The event, after a copy was kept back if one is wanted.
    fn leave_copy(&mut self, way: Way, event: Event) -> Option<Event> {
        if let Some(place) = self.post.copying.iter().position(|copied| *copied == way) {
            self.post.copying.remove(place);
            self.post.kept.extend(again(&event).map(|copy| (way, copy)));
        }
        Some(event)
    }

    fn take_kept(&mut self, way: Way) -> Option<Event> {
        let place = self.post.kept.iter().position(|(kept, _)| *kept == way)?;
        Some(self.post.kept.remove(place).1)
    }
}

/// The same message once more.
fn again(event: &Event) -> Option<Event> {
    match event {
        Event::Request { to, from, life, correlation, request } => Some(Event::Request {
            to: *to,
            from: *from,
            life: *life,
            correlation: *correlation,
            request: request.clone(),
        }),
        Event::Response { to, from, life, correlation, response } => Some(Event::Response {
            to: *to,
            from: *from,
            life: *life,
            correlation: *correlation,
            response: response.clone(),
        }),
        _ => None,
    }
}

/// What an event is on the network.
fn way_of(event: &Event) -> Option<Way> {
    let (letter, from, to) = match event {
        Event::Request { to, from, request, .. } => (letter_of(request)?, *from, *to),
        Event::Response { to, from, response, .. } => (letter_of_answer(response)?, *from, *to),
        _ => return None,
    };
    Some(Way { letter, from, to })
}

fn letter_of(request: &PeerRequest) -> Option<Letter> {
    match request {
        PeerRequest::Fetch(_) => Some(Letter::Fetch),
        PeerRequest::Quorum(Request::Fetch(_)) => Some(Letter::Metadata),
        PeerRequest::Controller(ControllerRequest::AlterPartitions(_)) => Some(Letter::AlterPartition),
        PeerRequest::Controller(ControllerRequest::Heartbeat(_)) => Some(Letter::Heartbeat),
        PeerRequest::Controller(ControllerRequest::RegisterBroker(_)) => Some(Letter::Registration),
        PeerRequest::Quorum(_) | PeerRequest::Controller(_) => None,
    }
}

fn letter_of_answer(response: &PeerResponse) -> Option<Letter> {
    match response {
        PeerResponse::Fetch(_) => Some(Letter::FetchAnswer),
        PeerResponse::Quorum(Response::Fetch(_), _) => Some(Letter::MetadataAnswer),
        PeerResponse::Controller(ControllerResponse::AlterPartitions(_)) => {
            Some(Letter::AlterPartitionAnswer)
        }
        PeerResponse::Controller(ControllerResponse::Heartbeat(_)) => Some(Letter::HeartbeatAnswer),
        PeerResponse::Controller(ControllerResponse::RegisterBroker(_)) => Some(Letter::RegistrationAnswer),
        PeerResponse::Quorum(..) | PeerResponse::Controller(_) => None,
    }
}
