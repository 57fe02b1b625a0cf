//! Requests that wait, held as data (Kafka's purgatories).

use std::collections::BTreeMap;

use highwater_core::partition::Reader;
use highwater_core::{Instant, Token};

use crate::message::{FetchPartition, TopicPartition};
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

/// A fetch of any number of partitions.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) token: Token,
    pub(crate) asker: Asker,
    pub(crate) reader: Reader,
    /// Only leaders answer with records.
    pub(crate) leaders_only: bool,
    pub(crate) partitions: Vec<FetchPartition>,
    pub(crate) min_bytes: u32,
    pub(crate) max_bytes: u32,
}

/// A fetch that waits.
///
/// - `bytes` is the sum of `available`, which has an entry for each partition that has any bytes.
#[derive(Debug)]
pub(crate) struct WaitingFetch {
    pub(crate) reading: Reading,
    available: BTreeMap<TopicPartition, u64>,
    bytes: u64,
    armed: Option<Instant>,
}

/// The fetches that wait, by token.
#[derive(Debug, Default)]
pub(crate) struct WaitingFetches {
    fetches: BTreeMap<Token, WaitingFetch>,
}

impl WaitingFetch {
    /// Notes how many bytes there are of one partition, and says whether there are enough in all.
    pub(crate) fn note(&mut self, id: TopicPartition, bytes: u64) -> bool {
        let before = if bytes == 0 { self.available.remove(&id) } else { self.available.insert(id, bytes) };
        self.bytes = self.bytes.saturating_sub(before.unwrap_or(0)).saturating_add(bytes);
        self.bytes >= u64::from(self.reading.min_bytes)
    }
}

impl WaitingFetches {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.fetches.len()
    }

    /// Lets a fetch wait until `deadline` at the latest. `available` says what there is already.
    pub(crate) fn insert(
        &mut self,
        reading: Reading,
        available: BTreeMap<TopicPartition, u64>,
        deadline: Instant,
        ports: &mut Ports,
    ) {
        let token = reading.token;
        let mut armed = None;
        ports.timers.arm(Timer::WaitingFetch(token), &mut armed, Some(deadline));
        let bytes = available.values().sum();
        self.fetches.insert(token, WaitingFetch { reading, available, bytes, armed });
    }

    /// A fetch that waits.
    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut WaitingFetch> {
        self.fetches.get_mut(&token)
    }

    /// Takes out a fetch that waits no more.
    pub(crate) fn take(&mut self, token: Token, ports: &mut Ports) -> Option<Reading> {
        let mut waiting = self.fetches.remove(&token)?;
        ports.timers.arm(Timer::WaitingFetch(token), &mut waiting.armed, None);
        Some(waiting.reading)
    }

    /// The fetches of followers that wait for this partition.
    pub(crate) fn of_followers(&self, id: TopicPartition) -> impl Iterator<Item = Token> {
        let concerned = move |reading: &Reading| {
            reading.asker == Asker::Peer && reading.partitions.iter().any(|part| part.partition == id)
        };
        self.fetches
            .values()
            .filter(move |waiting| concerned(&waiting.reading))
            .map(|waiting| waiting.reading.token)
    }
}
