//! The follower's side of replication, which an observer's is as well.

use core::time::Duration;

use super::role::{Asked, Follower, Observer, Patience, Pull, Role};
use super::{
    Effect, FetchCorrelation, FetchRequest, FetchResponse, FetchSnapshotRequest, FetchSnapshotResponse,
    FollowerHighWatermark, Quorum, QuorumError, Request, Response, SnapshotId,
};
use crate::{Epoch, EpochEnd, Extent, Instant, LogView, NodeId, Offset};

/// No log gets this far by records; what claims to would leave no room to append.
const OFFSET_MAX: Offset = Offset::MAX / 2;

/// Answers.
impl Quorum {
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        from: NodeId,
        request: Request,
        response: Response,
    ) {
        let Some(voter) = self.voters().index(from) else { return };
        let (epoch, leader) = response.epoch_and_leader();
        // Whoever grants a vote says thereby that the leader it knew, if any, is no obstacle.
        let is_grant = matches!(&response, Response::Vote(vote) if vote.granted);
        self.learn(now, epoch, leader.filter(|_| !is_grant));
        match (&request, response) {
            (Request::Vote(request), Response::Vote(response)) => {
                self.handle_vote_response(now, voter, request, &response);
            }
            (Request::BeginQuorumEpoch(request), Response::BeginQuorumEpoch(response)) => {
                self.handle_begin_response(voter, request, &response);
            }
            (Request::EndQuorumEpoch(request), Response::EndQuorumEpoch(_)) => {
                self.handle_end_response(voter, request)
            }
            (Request::Fetch(request), Response::Fetch(response)) => {
                self.handle_fetched(now, from, request, &response)
            }
            (Request::FetchSnapshot(request), Response::FetchSnapshot(response)) => {
                self.handle_snapshot_part(now, from, request, &response);
            }
            // An answer to something else than was asked is none.
            _ => {}
        }
    }

    /// Nobody will answer: what was outstanding is asked again in a while.
    pub(super) fn handle_failed(&mut self, now: Instant, to: NodeId, request: &Request) {
        let retry = now + self.config().retry_backoff;
        let is_awaited = match request {
            Request::Vote(request) => request.epoch == self.epoch,
            Request::EndQuorumEpoch(request) => request.epoch == self.epoch,
            Request::Fetch(request) => self.is_outstanding(to, request),
            Request::FetchSnapshot(request) => self.is_outstanding_part(to, request),
            // The next beat repeats it.
            Request::BeginQuorumEpoch(_) => false,
        };
        if let Request::Fetch(request) = request {
            self.search_on(now, request);
        }
        if !is_awaited {
            return;
        }
        match &mut self.role {
            Role::Prospective(prospective) => prospective.retry = prospective.retry.min(retry),
            Role::Candidate(candidate) => candidate.retry = candidate.retry.min(retry),
            Role::Resigned(resigned) => resigned.retry = resigned.retry.min(retry),
            Role::Follower(_) | Role::Observer(_) => self.put_off_pull(now),
            Role::Unattached(_) | Role::Voted(_) | Role::Leader(_) => {}
        }
    }

    fn handle_fetched(
        &mut self,
        now: Instant,
        from: NodeId,
        request: &FetchRequest,
        response: &FetchResponse,
    ) {
        let is_outstanding = self.is_outstanding(from, request);
        if response.error.is_some() {
            // What another fetch took the place of leaves that outstanding.
            if is_outstanding && response.error != Some(QuorumError::RequestTimedOut) {
                self.handle_refusal(now, response.error, response.epoch);
            }
            return;
        }
        if !self.takes(from, request, response, is_outstanding) {
            return;
        }
        self.note_answer(now);
        let taken = match (response.diverging, response.snapshot) {
            (Some(diverging), _) => self.truncate(response, diverging),
            (None, Some(snapshot)) => self.begin_snapshot(snapshot),
            (None, None) => self.append_fetched(&response.records),
        };
        if taken {
            if response.diverging.is_none() && response.snapshot.is_none() {
                self.learn_high_watermark(response.high_watermark);
            }
            self.pull_again(now);
        } else {
            self.put_off_pull(now);
        }
    }

    /// Whether this is the fetch whose answer is awaited.
    fn is_outstanding(&self, from: NodeId, request: &FetchRequest) -> bool {
        self.pull_of().is_some_and(|(leader, pull)| {
            pull.asked == Asked::Records
                && leader == from
                && request.epoch == self.epoch
                && (request.offset, request.last_epoch) == (self.log.end(), self.log.last_epoch())
        })
    }

    fn takes(
        &self,
        from: NodeId,
        request: &FetchRequest,
        response: &FetchResponse,
        is_outstanding: bool,
    ) -> bool {
        let Some((leader, _)) = self.pull_of() else { return false };
        let current = response.epoch == self.epoch && leader == from;
        let at_end = request.offset == self.log.end();
        let position = at_end && request.last_epoch == self.log.last_epoch();
        match self.rules().fetch_correlation() {
            FetchCorrelation::Exact => is_outstanding && response.epoch == self.epoch,
            FetchCorrelation::Position => position,
            FetchCorrelation::EpochAndOffset => current && at_end,
            FetchCorrelation::Offset => at_end,
        }
    }

    /// The leader that is followed, and what is asked of it.
    fn pull_of(&self) -> Option<(NodeId, &Pull)> {
        match &self.role {
            Role::Follower(Follower { leader, pull, .. })
            | Role::Observer(Observer::Following { leader, pull, .. }) => Some((*leader, pull)),
            _ => None,
        }
    }

    pub(super) fn pull_mut(&mut self) -> Option<&mut Pull> {
        match &mut self.role {
            Role::Follower(Follower { pull, .. }) | Role::Observer(Observer::Following { pull, .. }) => {
                Some(pull)
            }
            _ => None,
        }
    }

    /// The leader that was asked does not answer as one.
    fn handle_refusal(&mut self, now: Instant, error: Option<QuorumError>, epoch: Epoch) {
        if matches!(self.role, Role::Observer(_)) && epoch > self.epoch {
            // It has heard of an epoch whose leader it does not know.
            return self.miss_leader(now);
        }
        let frees = self.rules().resignation_frees();
        if let Role::Follower(follower) = &mut self.role
            && error == Some(QuorumError::NotLeaderOrFollower)
            && frees
        {
            // It has resigned: whoever wants to be elected is not to be hindered on its account.
            follower.heard = false;
        }
        self.put_off_pull(now);
    }

    /// The leader is there: only its silence counts from now on.
    fn note_answer(&mut self, now: Instant) {
        let silence = now + self.config().fetch_timeout;
        match &mut self.role {
            Role::Follower(follower) => {
                follower.heard = true;
                follower.patience = Patience::Until(silence);
                follower.pull.asked = Asked::Nothing;
            }
            Role::Observer(Observer::Following { pull, deadline, .. }) => {
                *deadline = silence;
                pull.asked = Asked::Nothing;
            }
            _ => {}
        }
    }

    fn put_off_pull(&mut self, now: Instant) {
        let retry = now + self.config().retry_backoff;
        if let Some(pull) = self.pull_mut() {
            *pull = Pull { asked: Asked::Nothing, retry: Some(retry) };
        }
    }

    /// Cuts what the leader does not have. Whether there was any.
    fn truncate(&mut self, response: &FetchResponse, diverging: EpochEnd) -> bool {
        if self.rules().follower_high_watermark() == FollowerHighWatermark::LogEnd {
            self.learn_high_watermark(response.high_watermark);
        }
        // The leader's end of that epoch, unless ours came earlier: then we have records after it that it has not.
        let end = self.log.end_of(diverging.epoch).end.min(diverging.end).max(self.log.start());
        if end >= self.log.end() {
            return false;
        }
        // No leader can ask for what is committed to be cut. Where a rule is broken on purpose, it shows.
        if cfg!(not(feature = "flaws")) && end < self.committed_end() {
            return false;
        }
        self.log.truncate_to(end);
        self.flushing = None;
        self.effects.push_back(Effect::Truncate { end });
        true
    }

    /// Takes records as far as they are what comes next; what is behind is dropped. Whether all were taken.
    fn append_fetched(&mut self, records: &[Extent]) -> bool {
        let from = self.log.end();
        let sound = records.iter().all(|extent| self.append_extent(*extent));
        let end = self.log.end();
        if from < end {
            self.effects.push_back(Effect::AppendFetched { end });
            if self.is_voter() {
                self.flush();
            }
        }
        sound
    }

    /// Appends one extent; not if it leaves a gap, or is of an epoch that no leader of the fetch's epoch can have written.
    fn append_extent(&mut self, extent: Extent) -> bool {
        let (end, epoch) = (self.log.end(), self.log.last_epoch().max(0));
        let fits = extent.base == end && end < extent.end && extent.end <= OFFSET_MAX;
        let is_later = extent.epoch > self.epoch && self.rules().batch_epoch_check();
        fits && extent.epoch >= epoch && !is_later && self.log.append(extent).is_ok()
    }

    /// A follower's high watermark is the leader's, as far as its own log goes, and never goes back.
    fn learn_high_watermark(&mut self, leader: Option<Offset>) {
        let high_watermark = leader.unwrap_or(0).min(self.log.end());
        if high_watermark > self.committed_end() {
            self.high_watermark = Some(high_watermark);
            self.effects.push_back(Effect::Committed { high_watermark });
        }
    }

    /// Asks the leader for what comes next, once all that is there is flushed: the fetch acknowledges it (KAFKA-10533).
    pub(super) fn pull(&mut self, now: Instant) {
        let must_flush =
            self.is_voter() && self.rules().follower_flush() && self.log.flushed() < self.log.end();
        let retry = now + self.fetch_patience();
        let Some((leader, &Pull { asked, .. })) = self.pull_of() else { return };
        if let Role::Follower(follower) = &mut self.role
            && follower.resigned
        {
            // Its leader is gone: there is nobody to ask, so there is no time at which to ask again.
            follower.pull.retry = None;
            return;
        }
        let (asked, retry, request) = match asked {
            Asked::Nothing if must_flush => {
                self.flush();
                (Asked::Nothing, None, None)
            }
            Asked::Nothing => {
                (Asked::Records, Some(retry), Some(self.fetch_request(self.config().fetch_max_wait_ms)))
            }
            Asked::Records | Asked::Snapshot { .. } | Asked::Durability(_) => return,
        };
        if let Some(pull) = self.pull_mut() {
            *pull = Pull { asked, retry };
        }
        if let Some(request) = request {
            self.send(leader, request);
        }
    }

    /// A fetch that got lost must not cost the leader its office: it is sent again in time.
    fn fetch_patience(&self) -> Duration {
        self.config().request_timeout.min(self.config().fetch_timeout / 2)
    }

    /// What was asked was not answered: asks again.
    pub(super) fn pull_again(&mut self, now: Instant) {
        match self.pull_mut().map(|pull| pull.asked) {
            Some(Asked::Snapshot { snapshot, position }) => self.ask_for_part(now, snapshot, position),
            Some(Asked::Nothing | Asked::Records) => {
                if let Some(pull) = self.pull_mut() {
                    pull.asked = Asked::Nothing;
                }
                self.pull(now);
            }
            Some(Asked::Durability(_)) | None => {}
        }
    }
}

/// Snapshots.
impl Quorum {
    /// The log is behind the leader's start.
    fn begin_snapshot(&mut self, snapshot: SnapshotId) -> bool {
        let is_later = self.committed_end() < snapshot.end && snapshot.end <= OFFSET_MAX;
        if !is_later || snapshot.epoch > self.epoch || snapshot.epoch < 0 {
            return false;
        }
        if let Some(pull) = self.pull_mut() {
            pull.asked = Asked::Snapshot { snapshot, position: 0 };
            pull.retry = None;
        }
        true
    }

    fn ask_for_part(&mut self, now: Instant, snapshot: SnapshotId, position: u64) {
        let retry = now + self.fetch_patience();
        let Some((leader, _)) = self.pull_of() else { return };
        let request = FetchSnapshotRequest { replica: self.me(), epoch: self.epoch, snapshot, position };
        if let Some(pull) = self.pull_mut() {
            *pull = Pull { asked: Asked::Snapshot { snapshot, position }, retry: Some(retry) };
        }
        self.send(leader, Request::FetchSnapshot(request));
    }

    fn is_outstanding_part(&self, from: NodeId, request: &FetchSnapshotRequest) -> bool {
        let asked = Asked::Snapshot { snapshot: request.snapshot, position: request.position };
        self.pull_of().is_some_and(|(leader, pull)| {
            pull.asked == asked && leader == from && request.epoch == self.epoch
        })
    }

    fn handle_snapshot_part(
        &mut self,
        now: Instant,
        from: NodeId,
        request: &FetchSnapshotRequest,
        response: &FetchSnapshotResponse,
    ) {
        if !self.is_outstanding_part(from, request) {
            return;
        }
        if response.error.is_some() {
            return self.handle_refusal(now, response.error, response.epoch);
        }
        let (snapshot, position) = (request.snapshot, request.position);
        let end = position.checked_add(response.length).filter(|&end| end <= response.size);
        let fits = (response.snapshot, response.position, response.epoch) == (snapshot, position, self.epoch);
        let Some(end) = end.filter(|&end| fits && (response.length > 0 || end == response.size)) else {
            return self.put_off_pull(now);
        };
        self.note_answer(now);
        let complete = end == response.size;
        self.effects.push_back(Effect::WriteSnapshot { snapshot, position, complete });
        if !complete {
            self.ask_for_part(now, snapshot, end);
        } else if let Some(pull) = self.pull_mut() {
            *pull = Pull { asked: Asked::Durability(snapshot), retry: None };
        }
    }

    /// A snapshot is there: one that was fetched replaces the log, one of the own state machine lets its start move.
    pub(super) fn handle_snapshot(&mut self, now: Instant, snapshot: SnapshotId) {
        let was_fetched = self.pull_of().is_some_and(|(_, pull)| pull.asked == Asked::Durability(snapshot));
        if was_fetched {
            self.log = LogView::empty_from(snapshot.end, snapshot.epoch);
            self.flushing = None;
            self.snapshot = Some(snapshot);
            self.effects.push_back(Effect::RestartFromSnapshot(snapshot));
            self.learn_high_watermark(Some(snapshot.end));
            self.put_off_pull(now);
            return self.pull(now);
        }
        let is_own = snapshot.end <= self.committed_end() && self.log.holds(snapshot.end, snapshot.epoch);
        if is_own && self.snapshot.is_none_or(|known| known.end < snapshot.end) {
            self.snapshot = Some(snapshot);
        }
    }
}
