//! The cluster as a client sees it: which brokers there are, who leads what, and connections to them.
//!
//! The view is as old as the last Metadata answer; requests that it misled are answered with errors such as NOT_LEADER_OR_FOLLOWER, after
//! which the view is asked for again ([`Cluster::refresh`]).
//!
//! # Invariants
//! - A leader never goes back to an older leader epoch, as long as the topic is the same.
//! - At most one connection is opened to a broker for a [`Lane`] at a time; who wants it meanwhile waits for that one.
//! - An unreachable broker is not tried again before the backoff has passed.

mod view;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use highwater_wire::messages::metadata::request::MetadataRequestTopic;
use highwater_wire::messages::{FindCoordinatorRequest, MetadataRequest, MetadataResponse};
use highwater_wire::{ErrorCode, Request, Str};
use tokio::time::sleep;

use crate::connection::{Connection, ConnectionConfig};
use crate::error::{ClientError, check};
pub use view::{Broker, Partition, Topic, View};

/// A partition by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Its topic.
    pub topic: Str,
    /// Its number in the topic.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition of a topic.
    pub fn new(topic: impl Into<Str>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// How a client meets its cluster.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// `bootstrap.servers`: places to ask first, as `host:port`.
    pub bootstrap: Vec<String>,
    /// Of each connection.
    pub connection: ConnectionConfig,
    /// `retry.backoff.ms`: what is waited before the first repetition.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`: what is waited at most; it doubles up to there.
    pub retry_backoff_max: Duration,
    /// `metadata.max.age.ms`: after that the view is asked for again.
    pub metadata_max_age: Duration,
    /// `default.api.timeout.ms`: how long a call repeats what fails for now.
    pub api_timeout: Duration,
}

impl ClusterConfig {
    /// Kafka's defaults, with these places (`host:port,host:port`).
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if they are no places.
    pub fn new(bootstrap: &str) -> Result<Self, ClientError> {
        let places: Vec<String> = bootstrap
            .split(',')
            .map(str::trim)
            .filter(|place| !place.is_empty())
            .map(str::to_owned)
            .collect();
        let wrong = places.iter().find(|place| {
            !place
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        });
        if places.is_empty() || wrong.is_some() {
            return Err(ClientError::Invalid(format!(
                "found '{bootstrap}', expected brokers as host:port, with commas between them"
            )));
        }
        Ok(Self {
            bootstrap: places,
            connection: ConnectionConfig::default(),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            metadata_max_age: Duration::from_secs(300),
            api_timeout: Duration::from_secs(60),
        })
    }
}

/// What a connection is for. Answers come in order, so that a request that waits holds up what is behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Requests that are answered soon.
    Ask,
    /// Produce.
    Produce,
    /// Fetch, which waits for records.
    Fetch,
    /// Requests to a group's coordinator, of which some wait for other members.
    Group,
}

/// Who leads a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leader {
    /// The broker.
    pub broker: i32,
    /// Its leader epoch; -1 if the broker that said so does not say.
    pub epoch: i32,
}

/// A cluster. Clones share view and connections.
#[derive(Debug, Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

type Slot = Arc<tokio::sync::Mutex<Line>>;

/// A place's connection, if it has one.
#[derive(Debug, Default)]
struct Line {
    connection: Option<Connection>,
    refused: Option<(Instant, ClientError)>,
}

#[derive(Debug)]
struct Inner {
    config: ClusterConfig,
    view: Mutex<Arc<View>>,
    lines: Mutex<HashMap<(String, Lane), Slot>>,
    refreshing: tokio::sync::Mutex<()>,
    turn: AtomicUsize,
}

impl Cluster {
    /// Asks the bootstrap servers, one after the other, until one answers.
    ///
    /// # Errors
    /// If none does.
    pub async fn connect(config: ClusterConfig) -> Result<Self, ClientError> {
        let cluster = Self::unconnected(config);
        cluster.refresh(Some(&[])).await?;
        Ok(cluster)
    }

    /// A cluster of which nothing is known yet. The first request asks.
    pub fn unconnected(config: ClusterConfig) -> Self {
        let inner = Inner {
            config,
            view: Mutex::default(),
            lines: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
            turn: AtomicUsize::new(fastrand::usize(..1024)),
        };
        Self { inner: Arc::new(inner) }
    }

    /// How it was set up.
    pub fn config(&self) -> &ClusterConfig {
        &self.inner.config
    }

    /// What is known at the moment.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.inner.view.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for the view again: of these topics, of all if there are none named, of brokers only if the list is empty.
    ///
    /// Topics that do not exist are not created. Their errors are in the answer, not here.
    ///
    /// # Errors
    /// If no broker answers.
    pub async fn refresh(&self, topics: Option<&[Str]>) -> Result<MetadataResponse, ClientError> {
        self.metadata(topics, false).await
    }

    /// As [`Cluster::refresh`]; where `create` says so, and the brokers let it, topics that do not exist are created.
    ///
    /// # Errors
    /// If no broker answers.
    pub async fn metadata(
        &self,
        topics: Option<&[Str]>,
        create: bool,
    ) -> Result<MetadataResponse, ClientError> {
        let named = |name: &Str| MetadataRequestTopic { name: Some(name.clone()), ..Default::default() };
        let request = MetadataRequest {
            topics: topics.map(|topics| topics.iter().map(named).collect()),
            allow_auto_topic_creation: create,
            ..Default::default()
        };
        let answer = self.ask(&request).await?;
        let mut view = self.inner.view.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = view.with(&answer, topics.is_none());
        *view = Arc::new(newer);
        Ok(answer)
    }

    /// A topic, asked for if it is not known, or has not been asked for in a long time.
    ///
    /// # Errors
    /// If it does not exist, or no broker answers.
    pub async fn topic(&self, name: &Str) -> Result<Topic, ClientError> {
        let max_age = self.inner.config.metadata_max_age;
        if let Some(topic) = self.view().topics.get(name).filter(|topic| topic.asked.elapsed() < max_age) {
            return Ok(topic.clone());
        }
        // One asks, the others find what it found.
        let _turn = self.inner.refreshing.lock().await;
        if let Some(topic) = self.view().topics.get(name).filter(|topic| topic.asked.elapsed() < max_age) {
            return Ok(topic.clone());
        }
        let answer = self.refresh(Some(std::slice::from_ref(name))).await?;
        let code =
            answer.topics.first().map_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0, |topic| topic.error_code);
        check("Metadata", || format!("topic {name}"), code, None)?;
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0;
        self.view()
            .topics
            .get(name)
            .cloned()
            .ok_or_else(|| ClientError::broker("Metadata", format!("topic {name}"), unknown, None))
    }

    /// Who leads a partition, asked for if it is not known.
    ///
    /// # Errors
    /// LEADER_NOT_AVAILABLE if nobody does; as [`Cluster::topic`].
    pub async fn leader(&self, of: &TopicPartition) -> Result<Leader, ClientError> {
        if let Some(leader) = self.view().leader(of) {
            return Ok(leader);
        }
        let topic = self.topic(&of.topic).await?;
        let about = || format!("partition {of}");
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0;
        if !topic.partitions.contains_key(&of.partition) {
            return Err(ClientError::broker("Metadata", about(), unknown, None));
        }
        let leaderless = ErrorCode::LEADER_NOT_AVAILABLE.0;
        self.view().leader(of).ok_or_else(|| ClientError::broker("Metadata", about(), leaderless, None))
    }

    /// The connection to a broker.
    ///
    /// # Errors
    /// If it is not known, or cannot be reached.
    pub async fn broker(&self, id: i32, lane: Lane) -> Result<Connection, ClientError> {
        let place = self.view().brokers.get(&id).map(Broker::place);
        let place = match place {
            Some(place) => place,
            None => {
                self.refresh(Some(&[])).await?;
                self.view().brokers.get(&id).map(Broker::place).ok_or_else(|| ClientError::Unreachable {
                    place: format!("broker {id}"),
                    because: "the cluster does not name it at the moment".to_owned(),
                })?
            }
        };
        self.place(&place, lane).await
    }

    /// The connection to a place, opened if there is none.
    ///
    /// # Errors
    /// If it cannot be reached, or could not a moment ago.
    pub async fn place(&self, place: &str, lane: Lane) -> Result<Connection, ClientError> {
        let slot = {
            let mut lines = self.inner.lines.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(lines.entry((place.to_owned(), lane)).or_default())
        };
        let mut line = slot.lock().await;
        if let Some(connection) = line.connection.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        line.connection = None;
        if let Some((when, error)) = &line.refused
            && when.elapsed() < self.inner.config.retry_backoff
        {
            return Err(error.clone());
        }
        match Connection::open(place, &self.inner.config.connection).await {
            Ok(connection) => {
                line.refused = None;
                Ok(line.connection.insert(connection).clone())
            }
            Err(error) => {
                line.refused = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Asks one place after the other, known brokers first, until one answers. What is asked must be harmless to ask twice.
    ///
    /// # Errors
    /// If none does: how the last one ended.
    pub async fn ask<R: Request>(&self, request: &R) -> Result<R::Response, ClientError> {
        let mut failed = None;
        for place in self.places() {
            let answered = match self.place(&place, Lane::Ask).await {
                Ok(connection) => connection.ask(request).await,
                Err(error) => Err(error),
            };
            match answered {
                Ok(answer) => return Ok(answer),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| self.nowhere()))
    }

    /// The connection to some broker, for what any can answer or hand on.
    ///
    /// # Errors
    /// If none can be reached.
    pub async fn some(&self) -> Result<Connection, ClientError> {
        let mut failed = None;
        for place in self.places() {
            match self.place(&place, Lane::Ask).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| self.nowhere()))
    }

    fn nowhere(&self) -> ClientError {
        let place = self.inner.config.bootstrap.join(",");
        ClientError::Unreachable { place, because: "no place is known".to_owned() }
    }

    /// Where there may be a broker, each place once: those that are known, from another one on each time, then the bootstrap servers.
    fn places(&self) -> Vec<String> {
        let view = self.view();
        let mut places: Vec<String> = view.brokers.values().map(Broker::place).collect();
        if !places.is_empty() {
            let turn = self.inner.turn.fetch_add(1, Ordering::Relaxed) % places.len();
            places.rotate_left(turn);
        }
        for place in &self.inner.config.bootstrap {
            if !places.contains(place) {
                places.push(place.clone());
            }
        }
        places
    }

    /// Who coordinates a group.
    ///
    /// # Errors
    /// COORDINATOR_NOT_AVAILABLE and others; if no broker answers.
    pub async fn coordinator(&self, group: &Str) -> Result<i32, ClientError> {
        let request = FindCoordinatorRequest {
            key: group.clone(),
            coordinator_keys: vec![group.clone()],
            ..Default::default()
        };
        let answer = self.ask(&request).await?;
        let (node, code, message) = match answer.coordinators.into_iter().next() {
            Some(found) => {
                (Broker::new(found.node_id, found.host, found.port), found.error_code, found.error_message)
            }
            None => (
                Broker::new(answer.node_id, answer.host, answer.port),
                answer.error_code,
                answer.error_message,
            ),
        };
        check("FindCoordinator", || format!("group {group}"), code, message)?;
        let id = node.id;
        let mut view = self.inner.view.lock().unwrap_or_else(PoisonError::into_inner);
        if view.brokers.get(&id).is_none_or(|known| known.place() != node.place()) {
            let mut newer = View::clone(&view);
            newer.brokers.insert(id, node);
            *view = Arc::new(newer);
        }
        Ok(id)
    }

    /// Repeats `attempt` while its error is one that passes and was definite, for as long as a call may take.
    ///
    /// Before each repetition it waits, and asks for the brokers again. `again` says of an error that is in doubt whether to repeat it.
    ///
    /// # Errors
    /// The first error that does not pass; [`ClientError::TimedOut`].
    pub async fn retry<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        what: &str,
        again: bool,
        attempt: impl Fn() -> F,
    ) -> Result<T, ClientError> {
        let began = Instant::now();
        let limit = self.inner.config.api_timeout;
        let mut backoff = Backoff::new(&self.inner.config);
        loop {
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if !error.is_retriable() || (error.is_in_doubt() && !again) {
                return Err(error);
            }
            let pause = backoff.next();
            if began.elapsed() + pause >= limit {
                let last = Some(Box::new(error));
                return Err(ClientError::TimedOut { what: what.to_owned(), after: began.elapsed(), last });
            }
            sleep(pause).await;
            // Whoever is asked next may be another; if nobody answers, the next attempt says so.
            let _ = self.refresh(Some(&[])).await;
        }
    }
}

/// How long to wait before something is tried again: doubles, with a fifth of chance either way (KIP-580).
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    attempt: u32,
}

impl Backoff {
    /// As the configuration says.
    pub fn new(config: &ClusterConfig) -> Self {
        Self { first: config.retry_backoff, max: config.retry_backoff_max, attempt: 0 }
    }

    /// The next wait.
    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> Duration {
        let pause = self.first.saturating_mul(1 << self.attempt.min(16)).min(self.max);
        self.attempt += 1;
        pause.mul_f64(0.8 + fastrand::f64() * 0.4)
    }

    /// It worked: begin anew.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}
