//! One coordinator: a group core over its partition.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use highwater_core::batch::BatchBuilder;
use highwater_core::group::{Config, Effect, GroupRecord, GroupRequest, GroupResponse, Groups, Loaded};
use highwater_core::partition::{Acks, PartitionError};
use highwater_core::{Dice, Instant, Offset, Token};
use highwater_node::message::{ClientRequest, ClientResponse, Produce};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant as Clock, sleep_until};

use super::load::{self, Extent, Piece};
use crate::runtime::{Leads, NodeHandle, Stopped, Term};

/// How often the core is told what the clock on the wall shows.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);

/// After this time a term that seemed to be over, and is not, is begun anew.
const AGAIN: Duration = Duration::from_millis(200);

/// What a coordinator is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Answer a request.
    Ask {
        /// What.
        request: GroupRequest,
        /// To whom.
        reply: oneshot::Sender<GroupResponse>,
    },
    /// Delete the offsets of these topics.
    Forget(Arc<[String]>),
}

/// What was done beside the coordinator.
#[derive(Debug)]
enum Done {
    /// It is known how far to load; or the node does not lead in this term.
    Measured(Option<Extent>),
    /// A piece was read that begins here.
    Read(Offset, Piece),
    /// What came of a write.
    Written(u64, Result<Offset, PartitionError>),
}

/// Where a coordinator is in the term of its broker.
#[derive(Debug)]
enum Stage {
    /// There is no term, or its log is of no use.
    Idle,
    /// The log is read.
    Loading { term: Term, end: Offset, loaded: Loaded, began: Clock },
    /// Requests are served.
    Serving(Term),
    /// The term seemed to be over. If it is not, it begins anew then.
    Doubting(Clock),
}

/// A coordinator.
///
/// - `errands` are of the present term only.
/// - `waiting` has each token that the core has not answered.
pub(super) struct Coordinator {
    partition: i32,
    node: NodeHandle,
    leads: watch::Receiver<Leads>,
    jobs: mpsc::Receiver<Job>,
    core: Groups,
    commit_timeout_ms: u32,
    origin: Clock,
    clock_told: Clock,
    stage: Stage,
    /// The term that the stage is about, or was.
    term: Option<Term>,
    errands: JoinSet<Done>,
    waiting: HashMap<Token, oneshot::Sender<GroupResponse>>,
    next_token: Token,
}

impl Coordinator {
    pub(super) fn new(
        partition: i32,
        node: NodeHandle,
        leads: watch::Receiver<Leads>,
        jobs: mpsc::Receiver<Job>,
        config: Config,
        commit_timeout: Duration,
        origin: Clock,
    ) -> Self {
        let now = instant(origin);
        let dice = Dice::new(RandomState::new().build_hasher().finish());
        let mut core = Groups::open(config, dice, now);
        core.set_clock(now, wall_ms());
        Self {
            partition,
            node,
            leads,
            jobs,
            core,
            commit_timeout_ms: u32::try_from(commit_timeout.as_millis()).unwrap_or(u32::MAX),
            origin,
            clock_told: Clock::now(),
            stage: Stage::Idle,
            term: None,
            errands: JoinSet::new(),
            waiting: HashMap::new(),
            next_token: 0,
        }
    }

    /// Until the node stops. Who waits then hears of that by the end of the reply.
    pub(super) async fn run(mut self) {
        self.follow();
        while self.step().await.is_ok() {}
    }

    async fn step(&mut self) -> Result<(), Stopped> {
        let deadline = self.deadline();
        tokio::select! {
            changed = self.leads.changed() => {
                changed.map_err(|_| Stopped)?;
                self.follow();
            }
            Some(done) = self.errands.join_next() => {
                // One that panicked or was aborted says nothing: of a write, that it failed, its term's end will say.
                if let Ok(done) = done {
                    self.take_done(done);
                }
            }
            job = self.jobs.recv() => self.take_job(job.ok_or(Stopped)?),
            () = sleep_until(deadline.unwrap_or_else(Clock::now)), if deadline.is_some() => self.elapse(),
        }
        self.carry_out().await
    }

    fn deadline(&self) -> Option<Clock> {
        match self.stage {
            Stage::Doubting(until) => Some(until),
            _ => self.core.deadline().map(|at| self.origin + Duration::from_micros(at.0)),
        }
    }

    /// Now, as the core counts; and the clock on the wall, now and then.
    fn now(&mut self) -> Instant {
        let now = instant(self.origin);
        if self.clock_told.elapsed() >= CLOCK_INTERVAL {
            self.clock_told = Clock::now();
            self.core.set_clock(now, wall_ms());
        }
        now
    }

    /// Does as the leadership says.
    fn follow(&mut self) {
        let term = self.leads.borrow_and_update().term(self.partition);
        if term == self.term {
            return;
        }
        let now = self.now();
        if self.term.is_some() {
            self.core.unlead(now);
        }
        self.term = term;
        self.begin(now);
    }

    /// Begins the term, if there is one.
    fn begin(&mut self, now: Instant) {
        self.errands = JoinSet::new();
        self.stage = Stage::Idle;
        let Some(term) = self.term else {
            tracing::info!(partition = self.partition, "coordinates no groups of this partition any more");
            return;
        };
        self.core.begin_load(now);
        self.stage = Stage::Loading { term, end: 0, loaded: Loaded::default(), began: Clock::now() };
        let node = self.node.clone();
        self.errands.spawn(async move { Done::Measured(load::extent(node, term).await) });
    }

    /// The node does not lead in this term, or so it seems: what the watch says of it may be on its way.
    fn doubt(&mut self) {
        let now = self.now();
        self.core.unlead(now);
        self.errands = JoinSet::new();
        self.stage = Stage::Doubting(Clock::now() + AGAIN);
    }

    /// The log cannot be loaded: nothing is served of it in this term.
    fn give_up(&mut self, why: &str) {
        tracing::error!(
            "__consumer_offsets-{} cannot be loaded, its groups are not coordinated: {why}",
            self.partition
        );
        let now = self.now();
        self.core.unlead(now);
        self.errands = JoinSet::new();
        self.stage = Stage::Idle;
    }

    fn elapse(&mut self) {
        let now = self.now();
        match self.stage {
            Stage::Doubting(_) => self.begin(now),
            _ => self.core.elapse(now),
        }
    }

    fn take_job(&mut self, job: Job) {
        let now = self.now();
        match job {
            Job::Ask { request, reply } => {
                let token = self.next_token;
                self.next_token += 1;
                self.waiting.insert(token, reply);
                self.core.handle(now, token, request);
            }
            Job::Forget(topics) => topics.iter().for_each(|topic| self.core.forget_topic(now, topic)),
        }
    }

    fn take_done(&mut self, done: Done) {
        match done {
            Done::Measured(None) | Done::Read(_, Piece::Lost) => self.doubt(),
            Done::Measured(Some(extent)) => {
                if let Stage::Loading { end, .. } = &mut self.stage {
                    *end = extent.end;
                    self.load_from(extent.from);
                }
            }
            Done::Read(_, Piece::StartsAt(from)) => self.load_from(from),
            Done::Read(_, Piece::Failed(error)) => self.give_up(&format!("reading it failed with {error:?}")),
            Done::Read(from, Piece::Batches(bytes)) => {
                let Stage::Loading { loaded, .. } = &mut self.stage else { return };
                match load::load(&mut self.core, &bytes, from, loaded) {
                    Ok(end) => self.load_from(end),
                    Err(why) => self.give_up(&why),
                }
            }
            Done::Written(write, result) => {
                let now = self.now();
                self.core.written(now, write, result);
                if result.is_err_and(is_end) {
                    self.doubt();
                }
            }
        }
    }

    /// Goes on loading, or serves.
    fn load_from(&mut self, from: Offset) {
        let Stage::Loading { term, end, loaded, began } = &self.stage else { return };
        let (term, node) = (*term, self.node.clone());
        if from < *end {
            self.errands.spawn(async move { Done::Read(from, load::piece(node, term, from).await) });
            return;
        }
        let (records, took) = (loaded.applied, began.elapsed());
        tracing::info!(partition = self.partition, epoch = term.epoch, records, ?took, "coordinates groups");
        if !loaded.passed_over.is_empty() {
            tracing::warn!(
                "__consumer_offsets-{}: records of types that are not known here were passed over: {:?}",
                self.partition,
                loaded.passed_over
            );
        }
        self.stage = Stage::Serving(term);
        let now = self.now();
        self.core.lead(now, term.epoch);
    }

    /// Carries out what the core wants.
    async fn carry_out(&mut self) -> Result<(), Stopped> {
        while let Some(effect) = self.core.poll() {
            match effect {
                Effect::Reply { token, response } => {
                    if let Some(reply) = self.waiting.remove(&token) {
                        // Who asked may be gone.
                        let _ = reply.send(response);
                    }
                }
                Effect::Append { write, timestamp, records } => {
                    self.append(write, timestamp, &records).await?;
                }
            }
        }
        Ok(())
    }

    async fn append(&mut self, write: u64, timestamp: i64, records: &[GroupRecord]) -> Result<(), Stopped> {
        // Only who leads has anything to write.
        let Stage::Serving(term) = self.stage else { return Ok(()) };
        let mut batch = BatchBuilder::default();
        for record in records {
            batch.record(timestamp, Some(&record.encode_key()), record.encode_value().as_deref());
        }
        let produce = Produce {
            acks: Acks::All,
            timeout_ms: self.commit_timeout_ms,
            partitions: vec![(term.partition, batch.build().into())],
        };
        let pending = self.node.submit_as_leader(term, ClientRequest::Produce(produce)).await?;
        self.errands.spawn(async move {
            let result = match pending.await {
                Ok(ClientResponse::Produce(mut results)) => results.pop().map(|(_, result)| result),
                // The node does not lead in this term, or has stopped.
                Ok(_) | Err(Stopped) => None,
            };
            let result = match result {
                Some(Ok(produced)) => Ok(produced.base),
                Some(Err(refusal)) => Err(refusal.error),
                None => Err(PartitionError::NotLeaderOrFollower),
            };
            Done::Written(write, result)
        });
        Ok(())
    }
}

/// Whether a write failed because the broker does not lead.
fn is_end(error: PartitionError) -> bool {
    matches!(
        error,
        PartitionError::NotLeaderOrFollower
            | PartitionError::FencedLeaderEpoch
            | PartitionError::UnknownLeaderEpoch
            | PartitionError::UnknownTopicOrPartition
            | PartitionError::UnknownTopicId
            | PartitionError::StorageError
    )
}

/// The time since an origin, as cores count.
fn instant(origin: Clock) -> Instant {
    Instant(u64::try_from(origin.elapsed().as_micros()).unwrap_or(u64::MAX))
}

/// The clock on the wall, in milliseconds since 1970.
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
