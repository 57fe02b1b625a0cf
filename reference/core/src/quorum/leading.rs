//! The leader's side of replication: fetches, held fetches, the high watermark.

use alloc::vec::Vec;

use super::role::{Held, Role};
use super::{
    CommitGate, Effect, FetchCount, FetchRequest, FetchResponse, FetchSnapshotRequest, FetchSnapshotResponse,
    LeaderFlush, Quorum, QuorumError, ReplicaKey, Response, SnapshotId,
};
use crate::{Epoch, EpochEnd, Extent, Instant, Offset, Token};
use core::time::Duration;

/// How many fetches a leader holds at most; any more are answered at once.
const HELD_MAX: usize = 1024;

/// What a position says of the log that ends there.
enum Position {
    /// It is the log of the leader up to there.
    Valid,
    /// It is another, from this end on at the latest.
    Diverging(EpochEnd),
    /// It is from before the start of the leader's log.
    Before(SnapshotId),
}

impl Quorum {
    /// Appends to the leader's log.
    pub(super) fn append_own(&mut self, extent: Extent) {
        let appended = self.log.append(extent);
        assert!(appended.is_ok(), "a leader's epoch is the latest of its log: {appended:?}");
        self.flush();
    }

    pub(super) fn handle_fetch(&mut self, now: Instant, token: Token, request: &FetchRequest) {
        if request.contradicts_itself() {
            return self.refuse_fetch(token, QuorumError::InvalidRequest);
        }
        if let Some(error) = self.check_fetch(request.epoch) {
            return self.refuse_fetch(token, error);
        }
        let voter = self.note_contact(now, request.replica);
        let position = self.position(request.offset, request.last_epoch);
        let is_valid = matches!(position, Position::Valid);
        if let (Some(voter), Role::Leader(leader)) = (voter, &mut self.role)
            && (is_valid || self.constant.rules().fetch_count() == FetchCount::BeforeValidation)
        {
            leader.reached[voter] = request.offset;
            self.advance();
            self.answer_held();
        }
        self.release_held(request.replica);

        let held = Held {
            replica: request.replica,
            token,
            offset: request.offset,
            last_epoch: request.last_epoch,
            high_watermark: request.high_watermark,
            deadline: now + Duration::from_millis(request.max_wait_ms.into()),
        };
        let may_wait = is_valid && request.max_wait_ms > 0 && !self.has_news(&held);
        if let Role::Leader(leader) = &mut self.role
            && may_wait
            && leader.held.len() < HELD_MAX
        {
            leader.held.push(held);
            return;
        }
        let response = self.fetched(request.offset, position);
        self.count_served(voter, &response);
        self.reply(token, Response::Fetch(response));
    }

    /// Takes what was served for what has arrived (E45).
    fn count_served(&mut self, voter: Option<usize>, response: &FetchResponse) {
        if self.rules().fetch_count() == FetchCount::WhenServed
            && let (Some(voter), Some(last), Role::Leader(leader)) =
                (voter, response.records.last(), &mut self.role)
        {
            leader.reached[voter] = leader.reached[voter].max(last.end);
            self.advance();
        }
    }

    /// Why this is not the place to fetch from in that epoch.
    fn check_fetch(&self, epoch: Epoch) -> Option<QuorumError> {
        if self.rules().fetch_request_fence() {
            if epoch < self.epoch {
                return Some(QuorumError::FencedLeaderEpoch);
            }
            if epoch > self.epoch {
                return Some(QuorumError::UnknownLeaderEpoch);
            }
        }
        (!matches!(self.role, Role::Leader(_))).then_some(QuorumError::NotLeaderOrFollower)
    }

    /// Takes note that a replica fetches. Its index, if it is a voter.
    fn note_contact(&mut self, now: Instant, replica: ReplicaKey) -> Option<usize> {
        let voter = self.voters().index_of(replica, self.rules().identity())?;
        let patience = self.config().fetch_timeout * 3 / 2;
        let others = self.voters().majority() - usize::from(self.is_voter());
        if let Role::Leader(leader) = &mut self.role {
            leader.heard.insert(voter);
            leader.fetched.insert(voter);
            if leader.fetched.count() >= others {
                leader.fetched = Default::default();
                leader.check = leader.check.map(|_| now + patience);
            }
        }
        Some(voter)
    }

    fn position(&self, offset: Offset, last_epoch: Epoch) -> Position {
        let log = &self.log;
        if !self.rules().divergence_check() || log.holds(offset, last_epoch) {
            return Position::Valid;
        }
        // What is before the start is committed: who differs there has nothing that is worth to be compared.
        let is_before = offset <= log.start() || last_epoch < log.base_epoch();
        if let Some(snapshot) = self.snapshot.filter(|_| log.start() > 0 && is_before) {
            return Position::Before(snapshot);
        }
        Position::Diverging(log.end_of(last_epoch))
    }

    fn fetched(&self, offset: Offset, position: Position) -> FetchResponse {
        let mut response = self.fetch_response(None);
        match position {
            Position::Valid => response.records = self.log.extents(offset, self.served_end()),
            Position::Diverging(end) => response.diverging = Some(end),
            Position::Before(snapshot) => response.snapshot = Some(snapshot),
        }
        response
    }

    fn fetch_response(&self, error: Option<QuorumError>) -> FetchResponse {
        FetchResponse {
            error,
            epoch: self.epoch,
            leader: self.leader(),
            high_watermark: self.high_watermark.filter(|_| error.is_none()),
            log_start: self.log.start(),
            diverging: None,
            snapshot: None,
            records: Vec::new(),
        }
    }

    fn refuse_fetch(&mut self, token: Token, error: QuorumError) {
        let response = self.fetch_response(Some(error));
        self.reply(token, Response::Fetch(response));
    }

    /// Up to where a leader serves: also what it is still writing.
    fn served_end(&self) -> Offset {
        match self.rules().leader_flush() {
            LeaderFlush::BeforeServing => self.log.flushed(),
            LeaderFlush::BeforeCounting | LeaderFlush::Never => self.log.end(),
        }
    }

    fn has_news(&self, held: &Held) -> bool {
        held.offset < self.served_end() || held.high_watermark.unwrap_or(0) < self.committed_end()
    }

    /// Answers the held fetches that there is something to say to.
    pub(super) fn answer_held(&mut self) {
        let mut index = 0;
        while let Role::Leader(leader) = &self.role
            && let Some(held) = leader.held.get(index).copied()
        {
            if self.has_news(&held) {
                self.answer_one(index);
            } else {
                index += 1;
            }
        }
    }

    /// Answers the fetches that have been held for long enough.
    pub(super) fn answer_held_until(&mut self, deadline: Instant) {
        let mut index = 0;
        while let Role::Leader(leader) = &self.role
            && let Some(held) = leader.held.get(index)
        {
            if held.deadline <= deadline {
                self.answer_one(index);
            } else {
                index += 1;
            }
        }
    }

    /// A replica fetches again: it has given up on what it asked before. Were that answered like any other, it would be
    /// taken for the answer to the later fetch of the same position, and each would call forth the next, for ever.
    fn release_held(&mut self, replica: ReplicaKey) {
        if let Role::Leader(leader) = &mut self.role
            && let Some(index) = leader.held.iter().position(|held| held.replica == replica)
        {
            let held = leader.held.remove(index);
            self.refuse_fetch(held.token, QuorumError::RequestTimedOut);
        }
    }

    fn answer_one(&mut self, index: usize) {
        let Role::Leader(leader) = &mut self.role else { return };
        let held = leader.held.remove(index);
        let position = self.position(held.offset, held.last_epoch);
        let response = self.fetched(held.offset, position);
        let voter = self.voters().index_of(held.replica, self.rules().identity());
        self.count_served(voter, &response);
        self.reply(held.token, Response::Fetch(response));
    }

    /// Before a leader takes another role: stops its state machine, and takes the fetches that it holds.
    pub(super) fn leave_lead(&mut self) -> Vec<Held> {
        if self.is_active() {
            self.effects.push_back(Effect::Unlead { epoch: self.epoch });
        }
        match &mut self.role {
            Role::Leader(leader) => core::mem::take(&mut leader.held),
            _ => Vec::new(),
        }
    }

    /// Answers fetches that a leader held, which is none any more.
    pub(super) fn refuse_held(&mut self, held: Vec<Held>) {
        for held in held {
            self.refuse_fetch(held.token, QuorumError::NotLeaderOrFollower);
        }
    }

    /// Moves the leader's high watermark as far as its view of the others admits.
    pub(super) fn advance(&mut self) {
        let Role::Leader(leader) = &self.role else { return };
        let (start, end) = (leader.start, self.log.end());
        let counted =
            if self.rules().leader_flush() == LeaderFlush::Never { end } else { self.log.flushed() };
        let (voters, own) = (self.voters(), self.own());
        let needed = if self.rules().commit_majority() { voters.majority() } else { voters.count() / 2 };
        let offset = voters.reached_by(needed, |voter| {
            if Some(voter) == own { counted } else { leader.reached[voter].min(end) }
        });

        let admitted = match self.rules().commit_gate() {
            CommitGate::OwnEpochExclusive => offset > start,
            CommitGate::OwnEpochInclusive => offset >= start,
            CommitGate::Off => true,
        };
        let before = self.committed_end();
        let moves = if self.rules().high_watermark_max() { offset > before } else { offset != before };
        if !admitted || !moves {
            return;
        }
        self.high_watermark = Some(offset);
        self.effects.push_back(Effect::Committed { high_watermark: offset });
        if before <= start && start < offset {
            self.effects.push_back(Effect::Lead { epoch: self.epoch, start });
        }
    }

    pub(super) fn handle_fetch_snapshot(
        &mut self,
        now: Instant,
        request: &FetchSnapshotRequest,
    ) -> FetchSnapshotResponse {
        let missing = || (self.snapshot != Some(request.snapshot)).then_some(QuorumError::SnapshotNotFound);
        let fenced = self.check_fetch(request.epoch);
        let error = fenced.or_else(missing);
        if fenced.is_none() {
            self.note_contact(now, request.replica);
        }
        FetchSnapshotResponse {
            error,
            epoch: self.epoch,
            leader: self.leader(),
            snapshot: request.snapshot,
            size: 0,
            position: request.position,
            length: 0,
        }
    }
}
