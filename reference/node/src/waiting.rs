//! Fetches that wait until there is something to say, held as data (Kafka's fetch purgatory).

use std::collections::BTreeMap;

use highwater_core::partition::{PartitionFetch, Reader};
use highwater_core::{Instant, Token};

use crate::message::TopicPartition;
use crate::ports::Ports;
use crate::timers::Timer;

/// How a fetch is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A follower, by [`PeerResponse::Fetch`](crate::message::PeerResponse::Fetch).
    Peer,
    /// A consumer, by [`ClientResponse::Fetch`](crate::message::ClientResponse::Fetch).
    Client,
}

/// A fetch of one or more partitions.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) token: Token,
    pub(crate) asker: Asker,
    pub(crate) reader: Reader,
    pub(crate) partitions: Vec<(TopicPartition, PartitionFetch)>,
    pub(crate) max_bytes: u32,
}

/// The fetches that wait, by token.
#[derive(Debug, Default)]
pub(crate) struct WaitingFetches {
    fetches: BTreeMap<Token, (Fetch, Option<Instant>)>,
}

impl WaitingFetches {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.fetches.len()
    }

    /// Lets a fetch wait until `deadline` at the latest.
    pub(crate) fn insert(&mut self, fetch: Fetch, deadline: Instant, ports: &mut Ports) {
        let token = fetch.token;
        let mut armed = None;
        ports.timers.arm(Timer::WaitingFetch(token), &mut armed, Some(deadline));
        self.fetches.insert(token, (fetch, armed));
    }

    /// Takes out a fetch that waits no more.
    pub(crate) fn take(&mut self, token: Token, ports: &mut Ports) -> Option<Fetch> {
        let (fetch, mut armed) = self.fetches.remove(&token)?;
        ports.timers.arm(Timer::WaitingFetch(token), &mut armed, None);
        Some(fetch)
    }
}
