//! Votes, and the beginning and end of a leader's time.

use alloc::vec::Vec;

use super::role::{Ballots, Electable, GaveUp, Leader, Patience, Role, Search};
use super::voters::{VoterSet, is_same};
use super::{
    BeginQuorum, BeginQuorumEpochRequest, Candidates, CheckQuorum, Effect, EndQuorumEpochRequest,
    EpochResponse, LogCheck, Quorum, QuorumError, ReplicaKey, Request, Response, VoteMemory, VoteRequest,
    VoteResponse,
};
use crate::{Epoch, Extent, Instant, NodeId, Token};
use core::time::Duration;

/// Requests.
impl Quorum {
    pub(super) fn handle_request(&mut self, now: Instant, token: Token, request: Request) {
        let response = match request {
            Request::Vote(request) => Response::Vote(self.handle_vote(now, &request)),
            Request::BeginQuorumEpoch(request) => {
                Response::BeginQuorumEpoch(self.handle_begin(now, &request))
            }
            Request::EndQuorumEpoch(request) => Response::EndQuorumEpoch(self.handle_end(now, &request)),
            Request::Fetch(request) => return self.handle_fetch(now, token, &request),
            Request::FetchSnapshot(request) => {
                Response::FetchSnapshot(self.handle_fetch_snapshot(now, &request))
            }
        };
        self.reply(token, response);
    }

    fn handle_vote(&mut self, now: Instant, request: &VoteRequest) -> VoteResponse {
        let error = self.check_vote(request);
        let granted = error.is_none() && {
            self.hear(now, request.epoch);
            self.grants(request)
        };
        if granted && !request.pre_vote {
            self.vote(now, request.candidate);
        }
        VoteResponse { error, epoch: self.epoch, leader: self.leader(), granted }
    }

    fn check_vote(&self, request: &VoteRequest) -> Option<QuorumError> {
        if request.contradicts_itself() {
            return Some(QuorumError::InvalidRequest);
        }
        let identity = self.rules().identity();
        let anyone = self.rules().candidates() == Candidates::Anyone;
        if !self.is_voter() || !anyone && self.voters().index_of(request.candidate, identity).is_none() {
            return Some(QuorumError::InconsistentVoterSet);
        }
        if !is_same(request.voter, self.me(), identity) {
            return Some(QuorumError::InvalidVoterKey);
        }
        (request.epoch < self.epoch).then_some(QuorumError::FencedLeaderEpoch)
    }

    /// Whether to vote, or promise to, for this candidate of our own epoch.
    fn grants(&self, request: &VoteRequest) -> bool {
        let free = if request.pre_vote { self.would_vote(request) } else { self.may_vote(request.candidate) };
        let mine = (self.log.last_epoch(), self.log.end());
        let theirs = (request.last_epoch, request.last_offset);
        free && match self.rules().log_check() {
            LogCheck::EpochThenOffset => theirs >= mine,
            LogCheck::OffsetOnly => theirs.1 >= mine.1,
            LogCheck::Absent => true,
        }
    }

    /// One vote an epoch, and none once its leader is known.
    fn may_vote(&self, candidate: ReplicaKey) -> bool {
        match &self.role {
            Role::Unattached(_) => true,
            Role::Voted(voted) => voted.candidate == candidate,
            Role::Prospective(prospective) => {
                prospective.leader.is_none() && prospective.voted.is_none_or(|voted| voted == candidate)
            }
            Role::Follower(follower) => {
                self.rules().vote_memory() == VoteMemory::UntilFollowing
                    && follower.voted.is_none_or(|voted| voted == candidate)
            }
            Role::Candidate(_) | Role::Leader(_) | Role::Resigned(_) | Role::Observer(_) => false,
        }
    }

    /// A promise binds nobody, so all that speaks against it is a leader that is known to be there. Whoever was the
    /// leader and asks is not.
    fn would_vote(&self, request: &VoteRequest) -> bool {
        match &self.role {
            Role::Follower(follower) => !follower.heard || follower.leader == request.candidate.id,
            Role::Leader(_) | Role::Observer(_) => false,
            Role::Unattached(_)
            | Role::Voted(_)
            | Role::Prospective(_)
            | Role::Candidate(_)
            | Role::Resigned(_) => true,
        }
    }

    fn vote(&mut self, now: Instant, candidate: ReplicaKey) {
        let patience = Patience::Until(now + self.election_timeout());
        let search = self.search_from(now);
        let voted = match &mut self.role {
            Role::Unattached(unattached) => unattached.vote(candidate, patience),
            Role::Prospective(prospective) => prospective.vote(candidate, patience, search),
            Role::Voted(voted) => {
                voted.patience = patience;
                return;
            }
            Role::Follower(follower) => {
                follower.voted = Some(candidate);
                return self.save_election();
            }
            Role::Candidate(_) | Role::Leader(_) | Role::Resigned(_) | Role::Observer(_) => return,
        };
        self.become_role(Role::Voted(voted));
    }

    fn handle_begin(&mut self, now: Instant, request: &BeginQuorumEpochRequest) -> EpochResponse {
        let error = self.check_leader(request.epoch, request.leader).or_else(|| {
            let mine = is_same(request.voter, self.me(), self.rules().identity());
            (!mine).then_some(QuorumError::InvalidVoterKey)
        });
        if error.is_none() {
            self.learn(now, request.epoch, Some(request.leader));
        }
        EpochResponse { error, epoch: self.epoch, leader: self.leader() }
    }

    fn handle_end(&mut self, now: Instant, request: &EndQuorumEpochRequest) -> EpochResponse {
        let error = self.check_leader(request.epoch, request.leader);
        if error.is_none() {
            self.hear(now, request.epoch);
            if request.epoch == self.epoch {
                self.accept(now, request.leader);
            }
            let backoff = self.backoff_of_successor(&request.successors);
            let frees = self.rules().resignation_frees();
            if let Role::Follower(follower) = &mut self.role
                && follower.leader == request.leader
            {
                follower.lose_leader(now + backoff, frees);
            }
        }
        EpochResponse { error, epoch: self.epoch, leader: self.leader() }
    }

    /// Why what a leader says of its epoch is not to be heard.
    fn check_leader(&self, epoch: Epoch, leader: NodeId) -> Option<QuorumError> {
        if epoch < self.epoch {
            return Some(QuorumError::FencedLeaderEpoch);
        }
        if self.voters().index(leader).is_none() {
            return Some(QuorumError::InconsistentVoterSet);
        }
        let other = epoch == self.epoch && self.election().leader.is_some_and(|known| known != leader);
        (other || leader == self.me().id).then_some(QuorumError::InvalidRequest)
    }

    /// The first successor campaigns at once, the others give it time, twice as much from one to the next; whoever
    /// is none of them waits as long as chance will have it.
    fn backoff_of_successor(&mut self, successors: &[NodeId]) -> Duration {
        let most = self.config().election_backoff_max;
        match successors.iter().position(|&successor| successor == self.me().id) {
            Some(0) => Duration::ZERO,
            Some(position) => {
                most / 2u32.saturating_pow(u32::try_from(successors.len() - 1 - position).unwrap_or(u32::MAX))
            }
            None => self.random_up_to(most),
        }
    }
}

/// Campaigns.
impl Quorum {
    /// The time of an election has come: asks whether it would win it, or campaigns.
    pub(super) fn stand(&mut self, now: Instant) {
        if !self.config().pre_vote {
            return self.campaign(now);
        }
        // What is flushed by the time the answers are there need not be waited for.
        self.flush();
        let (me, own) = (self.me(), self.own());
        let deadline = now + self.election_timeout();
        let retry = now + self.config().request_timeout;
        let prospective = match &self.role {
            Role::Unattached(unattached) => unattached.ask(me, own, deadline, retry),
            Role::Voted(voted) => voted.ask(me, own, deadline, retry),
            Role::Prospective(prospective) => prospective.ask(me, own, deadline, retry),
            Role::Candidate(candidate) => candidate.ask(me, own, deadline, retry),
            Role::Follower(follower) => follower.ask(me, own, deadline, retry),
            Role::Resigned(resigned) => resigned.ask(me, own, deadline, retry),
            #[cfg(feature = "flaws")]
            Role::Observer(observer) => observer.ask(me, own, deadline, retry),
            #[cfg(not(feature = "flaws"))]
            Role::Observer(_) => return,
            Role::Leader(_) => return,
        };
        let ballots = prospective.ballots;
        self.become_role(Role::Prospective(prospective));
        self.request_votes();
        self.count(now, ballots);
    }

    /// Asks for votes in a new epoch, once all of the log is flushed: a vote that arrives must still be deserved after
    /// a crash (E09).
    fn campaign(&mut self, now: Instant) {
        if self.rules().candidate_flush() && self.flush() {
            if let Some(patience) = self.patience_mut() {
                *patience = Patience::Flushing;
            }
            return;
        }
        let Some(epoch) = self.epoch.checked_add(1) else {
            // There is none left. Nobody gets here in earnest, but it must not be tried again at once.
            let patience = Patience::Until(now + self.election_timeout());
            self.patience_mut().into_iter().for_each(|left| *left = patience);
            return;
        };
        let own = self.own();
        let deadline = now + self.election_timeout();
        let retry = now + self.config().request_timeout;
        let candidate = match &self.role {
            Role::Unattached(unattached) => unattached.campaign(own, deadline, retry),
            Role::Voted(voted) => voted.campaign(own, deadline, retry),
            Role::Prospective(prospective) => prospective.campaign(own, deadline, retry),
            Role::Candidate(candidate) => candidate.campaign(own, deadline, retry),
            Role::Follower(follower) => follower.campaign(own, deadline, retry),
            Role::Resigned(resigned) => resigned.campaign(own, deadline, retry),
            #[cfg(feature = "flaws")]
            Role::Observer(observer) => observer.campaign(own, deadline, retry),
            #[cfg(not(feature = "flaws"))]
            Role::Observer(_) => return,
            Role::Leader(_) => return,
        };
        let ballots = candidate.ballots;
        self.epoch = epoch;
        self.become_role(Role::Candidate(candidate));
        if !self.count(now, ballots) {
            self.request_votes();
        }
    }

    pub(super) fn campaign_if_put_off(&mut self, now: Instant) {
        if self.patience_mut().is_some_and(|patience| *patience == Patience::Flushing) {
            self.campaign(now);
        }
    }

    pub(super) fn patience_mut(&mut self) -> Option<&mut Patience> {
        match &mut self.role {
            Role::Unattached(unattached) => Some(&mut unattached.patience),
            Role::Voted(voted) => Some(&mut voted.patience),
            Role::Prospective(prospective) => Some(&mut prospective.patience),
            Role::Candidate(candidate) => Some(&mut candidate.patience),
            Role::Follower(follower) => Some(&mut follower.patience),
            Role::Resigned(resigned) => Some(&mut resigned.patience),
            Role::Leader(_) | Role::Observer(_) => None,
        }
    }

    /// Asks every voter that has not answered.
    pub(super) fn request_votes(&mut self) {
        let (ballots, pre_vote) = match &self.role {
            Role::Prospective(prospective) => (prospective.ballots, true),
            Role::Candidate(candidate) => (candidate.ballots, false),
            _ => return,
        };
        let (epoch, candidate) = (self.epoch, self.me());
        let (last_epoch, last_offset) = (self.log.last_epoch(), self.log.end());
        for index in 0..self.voters().count() {
            if Some(index) == self.own() || ballots.granted.contains(index) || ballots.refused.contains(index)
            {
                continue;
            }
            let voter = self.voters().keys()[index];
            let request = VoteRequest { epoch, candidate, voter, last_epoch, last_offset, pre_vote };
            self.send(voter.id, Request::Vote(request));
        }
    }

    pub(super) fn handle_vote_response(
        &mut self,
        now: Instant,
        voter: usize,
        request: &VoteRequest,
        response: &VoteResponse,
    ) {
        let current =
            request.epoch == self.epoch && response.epoch == self.epoch || !self.rules().vote_epoch_check();
        let ballots = match &mut self.role {
            Role::Prospective(prospective) if request.pre_vote => &mut prospective.ballots,
            Role::Candidate(candidate) if !request.pre_vote => &mut candidate.ballots,
            _ => return,
        };
        if !current || request.candidate != self.constant.me() {
            return;
        }
        if response.granted && response.error.is_none() {
            ballots.granted.insert(voter);
        } else if !ballots.granted.contains(voter) {
            ballots.refused.insert(voter);
        }
        let ballots = *ballots;
        self.count(now, ballots);
    }

    /// What follows from the votes that are there. Whether they suffice.
    fn count(&mut self, now: Instant, ballots: Ballots) -> bool {
        let voters = self.voters().count();
        let needed = if self.rules().election_majority() { self.voters().majority() } else { voters / 2 };
        if ballots.granted.count() >= needed {
            match &self.role {
                Role::Prospective(_) => self.campaign(now),
                Role::Candidate(_) => self.win(now),
                _ => {}
            }
            return true;
        }
        if voters - ballots.refused.count() < needed {
            match &self.role {
                Role::Prospective(_) => self.give_up(now),
                Role::Candidate(_) => {
                    let backoff = self.random_up_to(self.config().election_backoff_max);
                    self.put_off(now + backoff);
                }
                _ => {}
            }
        }
        false
    }

    /// A candidate that has lost waits for the backoff instead of the rest of its election timeout.
    fn put_off(&mut self, until: Instant) {
        if let Role::Candidate(candidate) = &mut self.role
            && let Patience::Until(deadline) = &mut candidate.patience
        {
            *deadline = until.min(*deadline);
        }
    }

    /// A prospective that would not win goes back to what it was.
    pub(super) fn give_up(&mut self, now: Instant) {
        let me = self.me().id;
        let fetch = now + self.config().fetch_timeout;
        let patience = Patience::Until(now + self.election_timeout());
        let search = self.search_from(now);
        let Role::Prospective(prospective) = &self.role else { return };
        let role = match prospective.give_up(me, now, fetch, patience, search) {
            GaveUp::Unattached(unattached) => Role::Unattached(unattached),
            GaveUp::Voted(voted) => Role::Voted(voted),
            GaveUp::Follower(follower) => Role::Follower(follower),
            GaveUp::Resigned(resigned) => Role::Resigned(resigned),
        };
        self.become_role(role);
        self.pull(now);
    }

    /// A search that begins with the next voter but this node, a little later.
    pub(super) fn search_from(&self, now: Instant) -> Search {
        let next = self.own().map_or(0, |own| (own + 1) % self.voters().count());
        Search { next, retry: now + self.config().retry_backoff }
    }
}

/// Leading, its beginning and end.
impl Quorum {
    fn win(&mut self, now: Instant) {
        let Role::Candidate(candidate) = &self.role else { return };
        let granting = self.voter_ids(candidate.ballots.granted);
        let start = self.log.end();
        let mut leader = candidate.win(start, self.voters().count());
        self.arm(&mut leader, now);
        self.become_role(Role::Leader(leader));
        let extent = Extent { epoch: self.epoch, base: start, end: start.saturating_add(1) };
        let (leader, voters) = (self.me().id, self.voters().ids().collect());
        self.effects.push_back(Effect::AppendLeaderChange { extent, leader, voters, granting });
        self.append_own(extent);
        if self.rules().begin_quorum() != BeginQuorum::Never {
            self.announce();
        }
    }

    fn arm(&self, leader: &mut Leader, now: Instant) {
        let config = self.config();
        let others = self.own().map_or(self.voters().majority(), |_| self.voters().majority() - 1);
        if others > 0 && self.rules().check_quorum() == CheckQuorum::OfOthers {
            leader.check = Some(now + config.fetch_timeout * 3 / 2);
        }
        if others > 0 && self.rules().begin_quorum() == BeginQuorum::UntilHeard {
            leader.beat = Some(now + config.fetch_timeout / 2);
        }
    }

    /// A leader that restarts as one (A23).
    pub(super) fn resume_leading(&self, now: Instant) -> Role {
        let start = self.log.end_of(self.epoch - 1).end;
        let mut leader = Leader::restarted(start, self.voters().count());
        self.arm(&mut leader, now);
        Role::Leader(leader)
    }

    /// Tells the voters that have not been heard of who leads.
    pub(super) fn announce(&mut self) {
        let Role::Leader(leader) = &mut self.role else { return };
        let heard = core::mem::take(&mut leader.heard);
        let (epoch, leader) = (self.epoch, self.me().id);
        for index in 0..self.voters().count() {
            if Some(index) == self.own() || heard.contains(index) {
                continue;
            }
            let voter = self.voters().keys()[index];
            let request = BeginQuorumEpochRequest { epoch, leader, voter };
            self.send(voter.id, Request::BeginQuorumEpoch(request));
        }
    }

    pub(super) fn handle_begin_response(
        &mut self,
        voter: usize,
        request: &BeginQuorumEpochRequest,
        response: &EpochResponse,
    ) {
        if let Role::Leader(leader) = &mut self.role
            && request.epoch == self.epoch
            && response.error.is_none()
        {
            leader.heard.insert(voter);
        }
    }

    /// Stops to lead, if leading, and says so.
    pub(super) fn resign(&mut self, now: Instant) {
        let patience = Patience::Until(now + self.election_timeout());
        let retry = now + self.config().request_timeout;
        let Role::Leader(leader) = &self.role else { return };
        let successors = self.successors(leader);
        let resigned = leader.resign(patience, successors, retry);
        let held = self.leave_lead();
        self.become_role(Role::Resigned(resigned));
        self.refuse_held(held);
        self.say_resigned();
    }

    /// The other voters, the one that has got furthest first.
    fn successors(&self, leader: &Leader) -> Vec<NodeId> {
        let mut others: Vec<usize> =
            (0..self.voters().count()).filter(|&index| Some(index) != self.own()).collect();
        others.sort_by_key(|&index| core::cmp::Reverse(leader.reached[index]));
        others.into_iter().map(|index| self.voters().keys()[index].id).collect()
    }

    /// Says EndQuorumEpoch to whoever has not heard it.
    pub(super) fn say_resigned(&mut self) {
        let Role::Resigned(resigned) = &self.role else { return };
        let (told, epoch, leader) = (resigned.told, self.epoch, self.me().id);
        let request = EndQuorumEpochRequest { epoch, leader, successors: resigned.successors.clone() };
        for index in 0..self.voters().count() {
            if Some(index) != self.own() && !told.contains(index) {
                let to = self.voters().keys()[index].id;
                self.send(to, Request::EndQuorumEpoch(request.clone()));
            }
        }
    }

    pub(super) fn handle_end_response(&mut self, voter: usize, request: &EndQuorumEpochRequest) {
        if let Role::Resigned(resigned) = &mut self.role
            && request.epoch == self.epoch
        {
            resigned.told.insert(voter);
        }
    }

    fn voter_ids(&self, set: VoterSet) -> Vec<NodeId> {
        let ids = self.voters().ids().enumerate();
        ids.filter(|&(index, _)| set.contains(index)).map(|(_, id)| id).collect()
    }
}
