//! The leader: what it knows of its followers, how it commits, and which ISR it asks for.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::proposal::{Proposal, Standing};
use super::replica::{Position, Replica};
use super::{
    Acks, AlterPartition, AlterPartitionResult, DivergingFetch, Effect, Expansion, Fence, FollowerState,
    HighWatermarkGate, HighWatermarkOver, LeaderRecovery, MemberEpoch, Pace, PartitionError, PartitionFetch,
    PartitionFetched, PartitionState, ReadLimit, Recovery, Refusal, Timer,
};
use crate::{EpochEnd, Extent, Instant, NodeId, Offset, Token};

/// Leads in one leader epoch.
///
/// - `epoch_start <= log end`: nothing at or above it is of an older epoch.
/// - `followers` are the replicas but this one, in their order.
/// - `produces` are in the order of their ends, all above the high watermark.
/// - While there is a proposal, no other is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Leader {
    pub(super) epoch_start: Offset,
    pub(super) followers: Vec<Progress>,
    pub(super) proposal: Option<Proposal>,
    pub(super) produces: VecDeque<WaitingProduce>,
    /// Until when the high watermark is held back for a follower that is about to join.
    held_until: Option<Instant>,
}

/// What a leader knows of a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Progress {
    pub(super) id: NodeId,
    /// Nothing until it has fetched in this leader epoch (isr/commit/3).
    pub(super) fetched: Option<Fetched>,
    pub(super) pace: Pace,
}

impl Progress {
    /// Its log end as far as known.
    fn end(&self) -> Offset {
        self.fetched.map_or(0, |fetched| fetched.end)
    }
}

/// What the last fetch of a follower said that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fetched {
    /// Its log end.
    pub(super) end: Offset,
    /// Its broker epoch then; -1 if it did not say.
    pub(super) broker_epoch: i64,
}

/// A producer that waits for the high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct WaitingProduce {
    pub(super) token: Token,
    pub(super) base: Offset,
    pub(super) end: Offset,
    pub(super) deadline: Instant,
}

impl Leader {
    /// Begins to lead in the epoch of the metadata: the epoch starts at the log's end, and followers are unknown.
    pub(super) fn new(replica: &mut Replica, now: Instant, produces: VecDeque<WaitingProduce>) -> Self {
        let mut leader = Self {
            epoch_start: replica.log.end(),
            followers: Vec::new(),
            proposal: None,
            produces,
            held_until: None,
        };
        if replica.rules.follower_state() == FollowerState::Kept {
            leader.followers = core::mem::take(&mut replica.former);
        }
        leader.adopt(replica, now);
        leader
    }

    /// Takes over what the metadata (or the answer to AlterPartition) say in this leader epoch: any proposal is over.
    pub(super) fn adopt(&mut self, replica: &mut Replica, now: Instant) {
        self.proposal = None;
        let known = core::mem::take(&mut self.followers);
        for &id in &replica.state.replicas {
            if id != replica.config.me {
                let before = known.iter().find(|progress| progress.id == id);
                let mut progress =
                    before.copied().unwrap_or(Progress { id, fetched: None, pace: Pace::default() });
                progress.pace.joined_isr(replica.in_isr(id), now);
                self.followers.push(progress);
            }
        }
        self.advance_high_watermark(replica, now);
        if replica.is_recovering() && replica.rules.recovery() == Recovery::Alone {
            self.propose(replica, replica.state.isr.clone());
        }
    }

    /// Ends the reign: who waits for an acknowledgement will not get one here.
    pub(super) fn resign(self, replica: &mut Replica) {
        for waiting in self.produces {
            let result = Err(PartitionError::NotLeaderOrFollower);
            replica.emit(Effect::Produced { token: waiting.token, result });
        }
        if replica.rules.follower_state() == FollowerState::Kept {
            replica.former = self.followers;
        }
    }

    // ---- producing and committing ----

    /// Whether the ISR is large enough for these acks.
    pub(super) fn admit(replica: &Replica, acks: Acks) -> Result<(), PartitionError> {
        if acks == Acks::All && replica.state.isr.len() < replica.min_isr() {
            return Err(PartitionError::NotEnoughReplicas);
        }
        Ok(())
    }

    /// Answers or remembers a producer whose records are in the log already.
    pub(super) fn repeat(&mut self, replica: &mut Replica, acks: Acks, waiting: WaitingProduce) {
        match acks {
            Acks::None => {}
            Acks::Leader => {
                replica.emit(Effect::Produced { token: waiting.token, result: Ok(waiting.base) });
            }
            Acks::All => {
                let place = self.produces.partition_point(|other| other.end <= waiting.end);
                self.produces.insert(place, waiting);
                self.answer_produces(replica);
            }
        }
    }

    /// Appends, and answers or remembers the producer.
    pub(super) fn produce(
        &mut self,
        replica: &mut Replica,
        now: Instant,
        token: Token,
        acks: Acks,
        count: u32,
        deadline: Instant,
    ) -> Result<Extent, PartitionError> {
        Self::admit(replica, acks)?;
        let base = replica.log.end();
        let end = base.checked_add(i64::from(count)).ok_or(PartitionError::InvalidRequest)?;
        let extent = Extent { epoch: replica.state.leader_epoch, base, end };
        replica.log.append(extent).map_err(|_| PartitionError::InvalidRequest)?;
        match acks {
            Acks::None => {}
            Acks::Leader => replica.emit(Effect::Produced { token, result: Ok(base) }),
            Acks::All => self.produces.push_back(WaitingProduce { token, base, end, deadline }),
        }
        replica.wake_to_log_end();
        self.advance_high_watermark(replica, now);
        Ok(extent)
    }

    /// Moves the high watermark to the least log end of the maximal ISR, never back, and answers the producers below it.
    pub(super) fn advance_high_watermark(&mut self, replica: &mut Replica, now: Instant) {
        self.held_until = None;
        let gated = replica.rules.high_watermark_gate() == HighWatermarkGate::MinIsr
            && replica.state.isr.len() < replica.min_isr();
        if gated {
            return;
        }
        let mut end = replica.log.end();
        for progress in self.followers.iter().filter(|progress| self.counts(replica, progress.id)) {
            end = end.min(progress.end());
        }
        if end > replica.high_watermark && replica.config.wait_for_joining {
            end = self.wait_for_joining(replica, now, end);
        }
        if end > replica.high_watermark {
            replica.set_high_watermark(end);
            self.answer_produces(replica);
        }
    }

    /// Whether the high watermark never passes a follower's log end.
    fn counts(&self, replica: &Replica, id: NodeId) -> bool {
        let proposed = replica.rules.high_watermark_over() == HighWatermarkOver::MaximalIsr
            && self.proposal.as_ref().is_some_and(|proposal| proposal.contains(id));
        proposed || replica.in_isr(id)
    }

    /// Holds the high watermark back, for a time, where a follower is about to join the ISR.
    fn wait_for_joining(&mut self, replica: &Replica, now: Instant, mut end: Offset) -> Offset {
        let lag_max = replica.config.replica_lag_max;
        for progress in &self.followers {
            let joining = progress.pace.is_within(lag_max, now) && may_join(replica, progress);
            if progress.end() < end && joining && !self.counts(replica, progress.id) {
                end = progress.end();
                let until = progress.pace.lags_from(lag_max);
                self.held_until = Some(self.held_until.map_or(until, |held| held.min(until)));
            }
        }
        end
    }

    fn answer_produces(&mut self, replica: &mut Replica) {
        while let Some(waiting) = self.produces.front().copied()
            && waiting.end <= replica.high_watermark
        {
            self.produces.pop_front();
            let enough = self.maximal_isr_len(replica) >= replica.min_isr();
            let result =
                if enough { Ok(waiting.base) } else { Err(PartitionError::NotEnoughReplicasAfterAppend) };
            replica.emit(Effect::Produced { token: waiting.token, result });
        }
    }

    fn maximal_isr_len(&self, replica: &Replica) -> usize {
        let proposed = self
            .proposal
            .as_ref()
            .map_or(0, |proposal| proposal.request.isr.iter().filter(|(id, _)| !replica.in_isr(*id)).count());
        replica.state.isr.len() + proposed
    }

    /// Committed and proposed ISR together.
    pub(super) fn maximal_isr(&self, replica: &Replica) -> Vec<NodeId> {
        let mut maximal = replica.state.isr.clone();
        if let Some(proposal) = &self.proposal {
            let proposed = proposal.request.isr.iter().map(|(id, _)| *id);
            maximal.extend(proposed.filter(|id| !replica.in_isr(*id)));
        }
        maximal
    }

    /// The producer is answered that it took too long.
    fn time_out(&mut self, replica: &mut Replica, due: impl Fn(&WaitingProduce) -> bool) {
        self.produces.retain(|waiting| {
            let due = due(waiting);
            if due {
                let result = Err(PartitionError::RequestTimedOut);
                replica.effects.push_back(Effect::Produced { token: waiting.token, result });
            }
            !due
        });
    }

    // ---- fetches ----

    /// Answers a consumer.
    pub(super) fn read(&self, replica: &Replica, fetch: &PartitionFetch) -> PartitionFetched {
        let limit = match replica.rules.read_limit() {
            ReadLimit::HighWatermark => replica.high_watermark,
            ReadLimit::LogEnd => replica.log.end(),
        };
        replica.serve(fetch, limit)
    }

    /// Answers a follower, and counts what it says that it has.
    pub(super) fn fetch(
        &mut self,
        replica: &mut Replica,
        now: Instant,
        id: NodeId,
        broker_epoch: i64,
        fetch: &PartitionFetch,
    ) -> PartitionFetched {
        let error = replica.check_epoch(fetch.leader_epoch);
        if error.is_some() && replica.rules.fetch_fence() == Fence::Checked {
            return replica.answer(error);
        }
        let Some(index) = self.followers.iter().position(|progress| progress.id == id) else {
            // Metadata that this leader has not seen yet may have added it: it is to try again.
            let unknown = fetch.leader_epoch >= 0;
            return replica.answer(Some(if unknown {
                PartitionError::UnknownLeaderEpoch
            } else {
                PartitionError::NotLeaderOrFollower
            }));
        };
        if replica.rules.incarnation_fence() == Fence::Checked
            && is_older_incarnation(replica, &self.followers[index], broker_epoch)
        {
            return replica.answer(Some(PartitionError::NotLeaderOrFollower));
        }
        let position = replica.locate(fetch);
        let counted = match position {
            // Who does not say its leader epoch may have been told to truncate in another one since.
            Position::Confirmed => fetch.leader_epoch >= 0 || replica.rules.fetch_fence() == Fence::Open,
            Position::Diverging(_) => replica.rules.diverging_fetch() == DivergingFetch::Counted,
            Position::OutOfRange => false,
        };
        if counted {
            let progress = &mut self.followers[index];
            progress.fetched = Some(Fetched { end: fetch.offset, broker_epoch });
            progress.pace.fetched(fetch.offset, replica.log.end(), now);
            self.maybe_expand(replica, index);
            self.advance_high_watermark(replica, now);
        }
        let mut answer = replica.answer(None);
        match position {
            Position::Confirmed => answer.records = replica.log.extents(fetch.offset, replica.log.end()),
            Position::Diverging(end) => answer.diverging = Some(end),
            Position::OutOfRange => {
                answer.error = Some(PartitionError::OffsetOutOfRange);
                let end = replica.log.end();
                answer.diverging =
                    (fetch.offset > end).then_some(EpochEnd { epoch: replica.log.last_epoch(), end });
            }
        }
        answer
    }

    /// The last fetch of a follower held until then.
    pub(super) fn followed_until(&mut self, id: NodeId, at: Instant) {
        let follower = self.followers.iter_mut().find(|progress| progress.id == id);
        if let Some(progress) = follower
            && let Some(fetched) = progress.fetched
        {
            progress.pace.repeated(fetched.end, at);
        }
    }

    // ---- the ISR ----

    /// Asks for a follower to join, once it has caught up.
    fn maybe_expand(&mut self, replica: &mut Replica, index: usize) {
        let progress = &self.followers[index];
        let Some(fetched) = progress.fetched else { return };
        let caught_up = fetched.end >= replica.high_watermark
            && (fetched.end >= self.epoch_start || replica.rules.expansion() == Expansion::HighWatermark);
        let recovering = replica.is_recovering() && replica.rules.recovery() == Recovery::Alone;
        let open = self.proposal.is_some() || recovering;
        if !open && caught_up && !replica.in_isr(progress.id) && may_join(replica, progress) {
            let mut isr = replica.state.isr.clone();
            isr.push(progress.id);
            self.propose(replica, isr);
        }
    }

    /// Asks to drop those members that have not reached the log's end for too long.
    fn shrink(&mut self, replica: &mut Replica, due: impl Fn(&Progress) -> bool) {
        let lags =
            |id: &NodeId| self.members_behind(replica).any(|progress| progress.id == *id && due(progress));
        if self.proposal.is_none() && replica.state.isr.iter().any(lags) {
            let isr = replica.state.isr.iter().copied().filter(|id| !lags(id)).collect();
            self.propose(replica, isr);
        }
    }

    fn propose(&mut self, replica: &mut Replica, isr: Vec<NodeId>) {
        let member = |id: NodeId| (id, self.stated_epoch(replica, id));
        let recovering = replica.is_recovering() && replica.rules.recovery() == Recovery::Open;
        let request = AlterPartition {
            leader: replica.config.me,
            broker_epoch: replica.config.broker_epoch,
            leader_epoch: replica.state.leader_epoch,
            partition_epoch: replica.state.partition_epoch,
            isr: isr.into_iter().map(member).collect(),
            recovery: if recovering { LeaderRecovery::Recovering } else { LeaderRecovery::Recovered },
        };
        replica.emit(Effect::AlterPartition(request.clone()));
        self.proposal = Some(Proposal { request, standing: Standing::InFlight });
    }

    /// The broker epoch that a member last fetched with (KIP-903). A member that has not fetched in this leader epoch was
    /// admitted by somebody else: if it has failed since, the partition has changed, and the request is refused for that.
    fn stated_epoch(&self, replica: &Replica, id: NodeId) -> i64 {
        if id == replica.config.me {
            return replica.config.broker_epoch;
        }
        if replica.rules.member_epoch() == MemberEpoch::Unstated {
            return -1;
        }
        let progress = self.followers.iter().find(|progress| progress.id == id);
        progress.and_then(|progress| progress.fetched).map_or(-1, |fetched| fetched.broker_epoch)
    }

    /// Takes what came of a proposal, if it is the one that is open. `Some` is the partition as the controller has it now.
    pub(super) fn altered(
        &mut self,
        replica: &mut Replica,
        now: Instant,
        asked: &AlterPartition,
        result: Option<AlterPartitionResult>,
    ) -> Option<PartitionState> {
        let proposal = self.proposal.as_mut().filter(|proposal| proposal.request == *asked)?;
        let known = |state: &PartitionState| {
            state.leader_epoch == asked.leader_epoch && state.partition_epoch >= asked.partition_epoch
        };
        match result {
            Some(Ok(state)) if known(&state) => return Some(with_replicas(state, &replica.state)),
            // It says that the partition epoch was right, and that it is used up: the ISR was not changed, nor will a copy of this
            // proposal change it (isr/isr/7). The committed ISR is the ISR.
            Some(Err(PartitionError::IneligibleReplica)) if !replica.is_recovering() => {
                self.proposal = None;
                self.advance_high_watermark(replica, now);
            }
            Some(
                Ok(_)
                | Err(
                    PartitionError::InvalidUpdateVersion
                    | PartitionError::FencedLeaderEpoch
                    | PartitionError::NewLeaderElected
                    | PartitionError::UnknownTopicOrPartition
                    | PartitionError::UnknownTopicId
                    | PartitionError::InvalidRequest,
                ),
            ) if replica.rules.refusal() == Refusal::AwaitsMetadata => {
                proposal.standing = Standing::AwaitsMetadata
            }
            // Refused for what it is based on, it stays so, whatever comes of its other copies.
            Some(_) | None if matches!(proposal.standing, Standing::AwaitsMetadata) => {}
            Some(_) | None => {
                proposal.standing = Standing::Retrying(now + replica.config.alter_retry);
            }
        }
        None
    }

    fn retry(&mut self, replica: &mut Replica) {
        if let Some(proposal) = &mut self.proposal {
            proposal.standing = Standing::InFlight;
            replica.emit(Effect::AlterPartition(proposal.request.clone()));
        }
    }

    // ---- time ----

    /// When anything is due.
    pub(super) fn deadline(&self, replica: &Replica) -> Option<Instant> {
        let produce = self.produces.iter().map(|waiting| waiting.deadline).min();
        let alter = match &self.proposal {
            Some(proposal) => proposal.retries_at(),
            None => {
                let lag_max = replica.config.replica_lag_max;
                self.members_behind(replica).map(|progress| progress.pace.lags_from(lag_max)).min()
            }
        };
        produce.into_iter().chain(alter).chain(self.held_until).min()
    }

    fn members_behind(&self, replica: &Replica) -> impl Iterator<Item = &Progress> {
        self.followers.iter().filter(|progress| replica.in_isr(progress.id) && is_behind(replica, progress))
    }

    /// Does what is due.
    pub(super) fn elapse(&mut self, replica: &mut Replica, now: Instant) {
        self.time_out(replica, |waiting| waiting.deadline <= now);
        if self.proposal.as_ref().and_then(Proposal::retries_at).is_some_and(|at| at <= now) {
            self.retry(replica);
        }
        if self.held_until.is_some_and(|until| until <= now) {
            self.advance_high_watermark(replica, now);
        }
        let lag_max = replica.config.replica_lag_max;
        self.shrink(replica, |progress| progress.pace.lags_from(lag_max) <= now);
    }

    /// What could run out, whatever the time.
    pub(super) fn timers(&self, replica: &Replica) -> Vec<Timer> {
        let mut timers: Vec<Timer> =
            self.produces.iter().map(|waiting| Timer::Produce(waiting.token)).collect();
        match &self.proposal {
            Some(proposal) if proposal.retries_at().is_some() => timers.push(Timer::AlterPartition),
            Some(_) => {}
            None => timers.extend(self.members_behind(replica).map(|progress| Timer::Lag(progress.id))),
        }
        timers
    }

    /// Lets a timer run out.
    pub(super) fn expire(&mut self, replica: &mut Replica, timer: Timer) {
        match timer {
            Timer::Produce(token) => self.time_out(replica, |waiting| waiting.token == token),
            Timer::Lag(id) => self.shrink(replica, |progress| progress.id == id),
            Timer::AlterPartition => {
                if self.proposal.as_ref().and_then(Proposal::retries_at).is_some() {
                    self.retry(replica);
                }
            }
        }
    }
}

/// Whether a follower may join the ISR: its broker is neither fenced nor shutting down by the metadata, and the fetch that
/// counts is of its newest incarnation.
fn may_join(replica: &Replica, progress: &Progress) -> bool {
    let Some(fetched) = progress.fetched else { return false };
    let Some(broker) = replica.broker(progress.id) else { return false };
    let current = fetched.broker_epoch == -1
        || fetched.broker_epoch == broker.epoch
        || replica.rules.member_epoch() == MemberEpoch::Unstated;
    current && (broker.may_join || replica.rules.fenced_member() == Fence::Open)
}

/// The partition as the controller answers that it is. On the wire an answer says nothing of the replicas and the ELR, which then stay as
/// they are: replicas of a partition do not change, and the ELR is the controller's.
fn with_replicas(answered: PartitionState, known: &PartitionState) -> PartitionState {
    if !answered.replicas.is_empty() {
        return answered;
    }
    PartitionState {
        replicas: known.replicas.clone(),
        elr: known.elr.clone(),
        last_known_elr: known.last_known_elr.clone(),
        ..answered
    }
}

fn is_behind(replica: &Replica, progress: &Progress) -> bool {
    progress.fetched.is_none_or(|fetched| fetched.end != replica.log.end())
}

/// Whether a newer incarnation of the broker is known, by metadata or by a fetch of its own (KIP-903).
fn is_older_incarnation(replica: &Replica, progress: &Progress, broker_epoch: i64) -> bool {
    let registered = replica.broker(progress.id).map_or(-1, |broker| broker.epoch);
    let seen = progress.fetched.map_or(-1, |fetched| fetched.broker_epoch);
    broker_epoch != -1 && broker_epoch < registered.max(seen)
}
