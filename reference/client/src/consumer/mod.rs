//! Reads records: of partitions that it is given, or that its group gives it.
//!
//! [`Consumer::poll`] does all that has to be done in turn: joins and rejoins the group, finds where to begin, commits now and then, fetches
//! ahead, and hands out what came. Only heartbeats go on between polls.
//!
//! # Invariants
//! - Records of a partition are handed out in the order of offsets, each once, as long as nobody seeks and nothing is given back.
//! - What is committed by itself was handed out by an earlier poll: records that were not worked on yet are read again by the next owner.
//! - Before partitions go to another member, what was handed out is committed (if `auto_commit`), and the listener has been called.
//! - A fetch for what is not wanted any more (after a seek or a rebalance) is dropped.
//!
//! # Not implemented
//! - read_committed; fetches from followers; validation of positions after unclean elections (KIP-320): a position beyond the log is
//!   OFFSET_OUT_OF_RANGE, and reset.

mod config;
mod fetch;
mod group;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use highwater_wire::{ErrorCode, Str};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

use crate::admin::{CommittedOffset, ListedOffset, OffsetSpec, list_offsets};
use crate::cluster::{Cluster, TopicPartition};
use crate::error::ClientError;
pub use config::{ConsumerConfig, OffsetReset};
pub use fetch::ConsumedRecord;
use fetch::{Cure, Fetched, Fetcher, PAUSE, Want, cure};
use group::{Group, Joined, Membership};

/// Offsets by partition.
pub type Offsets = BTreeMap<TopicPartition, CommittedOffset>;

/// Hears of rebalances.
pub trait RebalanceListener: Send {
    /// These partitions are given back. What it returns is committed before they go.
    fn revoked(&mut self, partitions: &[TopicPartition]) -> Offsets {
        let _ = partitions;
        Offsets::new()
    }

    /// These partitions are this member's now.
    fn assigned(&mut self, partitions: &[TopicPartition]) {
        let _ = partitions;
    }

    /// These partitions are others' already: nothing can be committed.
    fn lost(&mut self, partitions: &[TopicPartition]) {
        let _ = partitions;
    }
}

/// No topic has a longer name, in bytes.
const TOPIC_NAME_MAX: usize = 249;

/// Hears and does nothing.
struct Deaf;

impl RebalanceListener for Deaf {}

/// A partition that is read.
#[derive(Debug, Default)]
struct Reading {
    /// The next offset to hand out; none until it was found.
    position: Option<i64>,
    /// The leader epoch of the last record that was handed out.
    epoch: i32,
    /// What came, from `position` on.
    came: VecDeque<ConsumedRecord>,
    /// What is next after `came`.
    next: i64,
    paused: bool,
    /// Not asked for before.
    not_before: Option<Instant>,
}

impl Reading {
    fn at(position: i64) -> Self {
        Self { position: Some(position), epoch: -1, next: position, ..Self::default() }
    }
}

/// Reads records.
pub struct Consumer {
    cluster: Cluster,
    config: ConsumerConfig,
    group: Option<Arc<Group>>,
    membership: Option<Membership>,
    topics: Vec<Str>,
    /// As the leader: what partitions topics had, and when that was looked at.
    counts: Option<(BTreeMap<Str, i32>, Instant)>,
    listener: Box<dyn RebalanceListener>,
    readings: BTreeMap<TopicPartition, Reading>,
    /// Where handing out goes on, so that all partitions have their turn.
    turn: usize,
    fetcher: Fetcher,
    commit_due: Instant,
    committing: Option<JoinHandle<Result<(), ClientError>>>,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("topics", &self.topics)
            .field("readings", &self.readings)
            .finish_non_exhaustive()
    }
}

impl Consumer {
    /// A consumer that reads nothing yet.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if settings do not go together.
    pub fn new(cluster: Cluster, config: ConsumerConfig) -> Result<Self, ClientError> {
        config.check()?;
        let group = config.group_id.clone().filter(|id| !id.is_empty());
        let group = group.map(|id| Arc::new(Group::new(cluster.clone(), config.clone(), id)));
        Ok(Self {
            fetcher: Fetcher::new(cluster.clone(), config.clone()),
            commit_due: Instant::now() + config.auto_commit.unwrap_or_default(),
            cluster,
            config,
            group,
            membership: None,
            topics: Vec::new(),
            counts: None,
            listener: Box::new(Deaf),
            readings: BTreeMap::new(),
            turn: 0,
            committing: None,
        })
    }

    /// Reads what the group gives it of these topics, from the next poll on.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] without a group, or if partitions were assigned by hand.
    pub fn subscribe(&mut self, topics: Vec<Str>) -> Result<(), ClientError> {
        self.subscribe_with(topics, Box::new(Deaf))
    }

    /// As [`Consumer::subscribe`]; `listener` hears of rebalances.
    ///
    /// # Errors
    /// As [`Consumer::subscribe`].
    pub fn subscribe_with(
        &mut self,
        topics: Vec<Str>,
        listener: Box<dyn RebalanceListener>,
    ) -> Result<(), ClientError> {
        let Some(group) = &self.group else {
            return Err(ClientError::Invalid(
                "subscribing needs a group; set group.id, or assign partitions".into(),
            ));
        };
        if let Some(topic) = topics.iter().find(|topic| topic.len() > TOPIC_NAME_MAX) {
            return Err(ClientError::Invalid(format!(
                "found a topic's name of {} bytes, expected at most {TOPIC_NAME_MAX}",
                topic.len()
            )));
        }
        if self.membership.is_none() && !self.readings.is_empty() {
            return Err(ClientError::Invalid(
                "partitions were assigned by hand; use another consumer".into(),
            ));
        }
        self.topics = topics;
        self.listener = listener;
        group.rejoin();
        if self.membership.is_none() {
            self.membership = Some(Membership::new(Arc::clone(group)));
        }
        Ok(())
    }

    /// Reads these partitions, whatever the group does. Positions of those that it reads already stay.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if it subscribes to topics.
    pub fn assign(&mut self, partitions: Vec<TopicPartition>) -> Result<(), ClientError> {
        if self.membership.is_some() {
            return Err(ClientError::Invalid("topics are subscribed to; use another consumer".into()));
        }
        let mut before = std::mem::take(&mut self.readings);
        let kept = |partition: TopicPartition| {
            let reading = before.remove(&partition).unwrap_or_default();
            (partition, reading)
        };
        self.readings = partitions.into_iter().map(kept).collect();
        Ok(())
    }

    /// The partitions that it reads now.
    pub fn assignment(&self) -> impl Iterator<Item = &TopicPartition> {
        self.readings.keys()
    }

    /// Reads on at this offset.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if it does not read the partition.
    pub fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), ClientError> {
        let reading = self.reading(partition)?;
        *reading = Reading { paused: reading.paused, ..Reading::at(offset) };
        Ok(())
    }

    /// The offset that is handed out next, if it is known yet.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if it does not read the partition.
    pub fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        self.reading(partition).map(|reading| reading.position)
    }

    /// Hands out nothing of this partition until [`Consumer::resume`].
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if it does not read the partition.
    pub fn pause(&mut self, partition: &TopicPartition) -> Result<(), ClientError> {
        self.reading(partition).map(|reading| reading.paused = true)
    }

    /// Hands out records of this partition again.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if it does not read the partition.
    pub fn resume(&mut self, partition: &TopicPartition) -> Result<(), ClientError> {
        self.reading(partition).map(|reading| reading.paused = false)
    }

    fn reading(&mut self, partition: &TopicPartition) -> Result<&mut Reading, ClientError> {
        let unread = || ClientError::Invalid(format!("{partition} is not assigned to this consumer"));
        self.readings.get_mut(partition).ok_or_else(unread)
    }

    /// One offset a partition, asked of the leaders. Errors of single partitions are in the answer.
    ///
    /// # Errors
    /// If nothing can be asked.
    pub async fn list_offsets(
        &self,
        of: &BTreeMap<TopicPartition, OffsetSpec>,
    ) -> Result<BTreeMap<TopicPartition, Result<ListedOffset, ClientError>>, ClientError> {
        list_offsets(&self.cluster, of).await
    }

    /// Its id in the group and the generation, if it is a member.
    pub fn member(&self) -> Option<(Str, i32)> {
        let group = self.group.as_ref().filter(|group| group.is_member())?;
        Some(group.identity())
    }

    /// Records, as soon as there are some; none if there are none for so long.
    ///
    /// # Errors
    /// What does not pass by itself: records that cannot be read, offsets that are out of range without a reset, a group that it cannot
    /// be in. The next poll goes on.
    pub async fn poll(&mut self, wait: Duration) -> Result<Vec<ConsumedRecord>, ClientError> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(group) = &self.group {
                group.polled();
            }
            self.keep_up_membership().await?;
            self.keep_up_commits().await;
            // Longer than the wait, if it is short: asking anew each time would never end.
            let patience = deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
            if let Ok(result) = timeout(patience, self.find_positions()).await {
                result?;
            }
            let came = self.fetcher.come();
            self.take(came).await?;
            let records = self.hand_out();
            self.fetch_ahead().await;
            if !records.is_empty() || Instant::now() >= deadline {
                return Ok(records);
            }
            self.wait(deadline).await?;
        }
    }

    /// Waits until something happens.
    async fn wait(&mut self, deadline: Instant) -> Result<(), ClientError> {
        let pauses = self.readings.values().filter_map(|reading| reading.not_before).min();
        let leaderless = self.wants().is_empty().then(|| Instant::now() + PAUSE);
        let until = [Some(deadline), pauses, leaderless, Some(self.commit_due)];
        let until = until
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(deadline)
            .max(Instant::now() + Duration::from_millis(1));
        let event = async {
            match &self.group {
                Some(group) => group.event.notified().await,
                None => std::future::pending().await,
            }
        };
        let mut came = Vec::new();
        let mut joined = None;
        match &mut self.membership {
            Some(membership) => tokio::select! {
                result = membership.joined() => joined = Some(result),
                fetched = self.fetcher.next() => came = fetched,
                () = event => {}
                () = sleep_until(until.into()) => {}
            },
            None => tokio::select! {
                fetched = self.fetcher.next() => came = fetched,
                () = event => {}
                () = sleep_until(until.into()) => {}
            },
        }
        if let Some(joined) = joined {
            self.enter(joined?);
        }
        self.take(came).await
    }

    /// Gives partitions back and joins, where it must.
    async fn keep_up_membership(&mut self) -> Result<(), ClientError> {
        let Some(group) = self.group.clone().filter(|_| self.membership.is_some()) else { return Ok(()) };
        if let Some(fatal) = group.fatal() {
            self.give_back(true).await;
            return Err(fatal);
        }
        if let Some((counts, looked)) = &self.counts
            && looked.elapsed() > self.cluster.config().metadata_max_age
        {
            let topics: Vec<Str> = self.topics.clone();
            let now = group::counts(&self.cluster, &topics, false).await?;
            let changed = now.iter().any(|(topic, count)| counts.get(topic) != Some(count));
            self.counts = self.counts.take().map(|(counts, _)| (counts, Instant::now()));
            if changed {
                group.rejoin();
            }
        }
        let is_joining = self.membership.as_ref().is_some_and(Membership::is_joining);
        if group.must_join() && !is_joining {
            let lost = group.take_lost();
            self.give_back(lost).await;
            let topics = self.topics.clone();
            if let Some(membership) = &mut self.membership {
                membership.join(topics);
            }
        }
        Ok(())
    }

    /// The partitions are not this member's any more.
    async fn give_back(&mut self, lost: bool) {
        let had: Vec<TopicPartition> = self.readings.keys().cloned().collect();
        if !had.is_empty() && lost {
            self.listener.lost(&had);
        } else if !had.is_empty() {
            let mut offsets =
                if self.config.auto_commit.is_some() { self.positions() } else { Offsets::new() };
            offsets.extend(self.listener.revoked(&had));
            // If it cannot be committed, the next owner reads some records again.
            let _ = self.commit_offsets(&offsets).await;
        }
        self.readings.clear();
        self.counts = None;
    }

    /// The partitions are this member's now.
    fn enter(&mut self, joined: Joined) {
        self.counts = joined.counts.map(|counts| (counts, Instant::now()));
        self.readings =
            joined.assigned.iter().map(|partition| (partition.clone(), Reading::default())).collect();
        self.listener.assigned(&joined.assigned);
    }

    /// Commits what was handed out, now and then, beside all else.
    async fn keep_up_commits(&mut self) {
        if self.committing.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(task) = self.committing.take()
        {
            // What failed is committed with the next.
            let _ = task.await;
        }
        let Some(interval) = self.config.auto_commit else {
            self.commit_due = Instant::now() + Duration::from_secs(3600);
            return;
        };
        if Instant::now() < self.commit_due || self.committing.is_some() {
            return;
        }
        self.commit_due = Instant::now() + interval;
        let may = self.membership.is_none() || self.group.as_ref().is_some_and(|group| group.is_member());
        if let Some(group) = self.group.clone().filter(|_| may) {
            let offsets = self.positions();
            self.committing = Some(tokio::spawn(async move { group.commit(&offsets).await }));
        }
    }

    /// How far it has handed out.
    fn positions(&self) -> Offsets {
        let known = self.readings.iter().filter_map(|(partition, reading)| {
            let committed =
                CommittedOffset { offset: reading.position?, leader_epoch: reading.epoch, metadata: None };
            Some((partition.clone(), committed))
        });
        known.collect()
    }

    /// Commits how far it has handed out.
    ///
    /// # Errors
    /// If it was not committed: the group may have given the partitions to others meanwhile.
    pub async fn commit(&mut self) -> Result<(), ClientError> {
        let offsets = self.positions();
        self.commit_offsets(&offsets).await
    }

    /// Commits these offsets.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn commit_offsets(&mut self, offsets: &Offsets) -> Result<(), ClientError> {
        if let Some(task) = self.committing.take() {
            // Commits must not overtake one another; what this one failed to, the next does.
            let _ = task.await;
        }
        let Some(group) = &self.group else {
            return Err(ClientError::Invalid("committing needs a group; set group.id".to_owned()));
        };
        group.commit(offsets).await
    }

    /// What the group committed for these partitions.
    ///
    /// # Errors
    /// If there is no group, or no answer.
    pub async fn committed(&self, partitions: &[TopicPartition]) -> Result<Offsets, ClientError> {
        let Some(group) = &self.group else {
            return Err(ClientError::Invalid("committed offsets need a group; set group.id".to_owned()));
        };
        group.committed(partitions).await
    }

    /// Finds where to begin, where that is not known: as committed, or as `auto_offset_reset` says.
    async fn find_positions(&mut self) -> Result<(), ClientError> {
        let unknown: Vec<TopicPartition> = self
            .readings
            .iter()
            .filter(|(_, reading)| reading.position.is_none())
            .map(|(partition, _)| partition.clone())
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let committed = match &self.group {
            Some(group) => group.committed(&unknown).await?,
            None => Offsets::new(),
        };
        let mut reset = Vec::new();
        for partition in unknown {
            match committed.get(&partition) {
                Some(found) => self.place(&partition, found.offset),
                None => reset.push(partition),
            }
        }
        self.reset(reset, ErrorCode::UNKNOWN_SERVER_ERROR).await
    }

    fn place(&mut self, partition: &TopicPartition, offset: i64) {
        if let Some(reading) = self.readings.get_mut(partition) {
            *reading = Reading { paused: reading.paused, ..Reading::at(offset) };
        }
    }

    /// Begins as `auto_offset_reset` says.
    async fn reset(&mut self, partitions: Vec<TopicPartition>, why: ErrorCode) -> Result<(), ClientError> {
        let spec = match self.config.auto_offset_reset {
            OffsetReset::Earliest => OffsetSpec::Earliest,
            OffsetReset::Latest => OffsetSpec::Latest,
            OffsetReset::None => {
                let Some(partition) = partitions.first() else { return Ok(()) };
                if why == ErrorCode::OFFSET_OUT_OF_RANGE {
                    return Err(ClientError::broker("Fetch", format!("partition {partition}"), why.0, None));
                }
                return Err(ClientError::Invalid(format!(
                    "nothing is committed for {partition}, and auto.offset.reset is none; set it to earliest or latest, or seek"
                )));
            }
        };
        if partitions.is_empty() {
            return Ok(());
        }
        let asked = partitions.into_iter().map(|partition| (partition, spec)).collect();
        for (partition, found) in list_offsets(&self.cluster, &asked).await? {
            self.place(&partition, found?.offset);
        }
        Ok(())
    }

    /// Takes in what came.
    async fn take(&mut self, came: Vec<Fetched>) -> Result<(), ClientError> {
        let mut stale: Vec<Str> = Vec::new();
        let mut reset = Vec::new();
        let mut told = None;
        for fetched in came {
            let Some(reading) = self.readings.get_mut(&fetched.partition) else { continue };
            if reading.position != Some(fetched.from) || !reading.came.is_empty() {
                continue;
            }
            match fetched.result {
                Ok(records) => {
                    reading.came = records.records;
                    reading.next = records.next;
                    if reading.came.is_empty() {
                        reading.position = Some(records.next);
                    }
                }
                Err(error) => {
                    reading.not_before = Some(Instant::now() + PAUSE);
                    match cure(&error) {
                        Cure::Refresh => stale.push(fetched.partition.topic.clone()),
                        Cure::Reset => reset.push(fetched.partition.clone()),
                        Cure::Tell => told = Some(error),
                    }
                }
            }
        }
        if !stale.is_empty() {
            stale.sort();
            stale.dedup();
            // If nobody answers, the next fetch says so, and is tried again.
            let _ = self.cluster.refresh(Some(&stale)).await;
        }
        self.reset(reset, ErrorCode::OFFSET_OUT_OF_RANGE).await?;
        told.map_or(Ok(()), Err)
    }

    /// What came, as much as a poll gives.
    fn hand_out(&mut self) -> Vec<ConsumedRecord> {
        let mut out = Vec::new();
        let count = self.readings.len();
        let order: Vec<TopicPartition> = self.readings.keys().cloned().collect();
        for at in 0..count {
            let partition = &order[(self.turn + at) % count];
            let Some(reading) = self.readings.get_mut(partition).filter(|reading| !reading.paused) else {
                continue;
            };
            let room = self.config.max_poll_records - out.len();
            let length = reading.came.len().min(room);
            if length == 0 {
                continue;
            }
            out.extend(reading.came.drain(..length));
            if let Some(last) = out.last() {
                reading.epoch = last.leader_epoch;
                let next = if reading.came.is_empty() { reading.next } else { last.offset + 1 };
                reading.position = Some(next);
            }
            if out.len() == self.config.max_poll_records {
                self.turn = (self.turn + at) % count;
                return out;
            }
        }
        self.turn = if count == 0 { 0 } else { (self.turn + 1) % count };
        out
    }

    /// Where to read on, of those with nothing left to hand out.
    fn wants(&self) -> Vec<Want> {
        let now = Instant::now();
        let view = self.cluster.view();
        let wants = self.readings.iter().filter_map(|(partition, reading)| {
            let waits = reading.not_before.is_some_and(|at| now < at);
            if !reading.came.is_empty() || reading.paused || waits {
                return None;
            }
            let leader = view.leader(partition)?;
            Some(Want { partition: partition.clone(), offset: reading.position?, leader })
        });
        wants.collect()
    }

    /// Asks for what is next.
    async fn fetch_ahead(&mut self) {
        let wants = self.wants();
        let view = self.cluster.view();
        let backoff = self.cluster.config().retry_backoff;
        let mut unknown: Vec<Str> = self
            .readings
            .iter()
            .filter(|(partition, reading)| reading.position.is_some() && view.leader(partition).is_none())
            .map(|(partition, _)| partition.topic.clone())
            .filter(|topic| view.topics.get(topic).is_none_or(|topic| topic.asked.elapsed() >= backoff))
            .collect();
        unknown.dedup();
        if !unknown.is_empty() {
            // If nobody answers, it is asked again.
            let _ = self.cluster.refresh(Some(&unknown)).await;
        }
        self.fetcher.ask(wants);
    }

    /// Commits (if `auto_commit`), leaves the group, and ends.
    ///
    /// # Errors
    /// If the commit did not work.
    pub async fn close(mut self) -> Result<(), ClientError> {
        let may = self.membership.is_none() || self.group.as_ref().is_some_and(|group| group.is_member());
        let mut result = Ok(());
        if self.config.auto_commit.is_some() && self.group.is_some() && may {
            result = self.commit().await;
        }
        let member = self.membership.take();
        if let Some(member) = &member {
            // If the coordinator does not hear of it, the session ends.
            let _ = member.group.leave("the consumer is being closed").await;
        }
        result
    }
}
