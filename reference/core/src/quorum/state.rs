//! The core itself: what it holds, how it opens, what goes in and comes out.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::time::Duration;

use super::role::{
    Asked, Candidate, Follower, Leaderless, Observer, Patience, Resigned, Role, RoleName, Search, Unattached,
    Voted,
};
use super::voters::Voters;
use super::{
    Candidates, Config, Effect, ElectionState, FetchRequest, Input, NotLeader, OpenError, ReplicaKey,
    Request, Response, RestartRole, Rules, SnapshotId, VoteMemory,
};
use crate::{Dice, Epoch, Extent, Instant, LogView, NodeId, Offset, Token};

/// One node of the quorum: voter or observer.
///
/// - `high_watermark <= log.end()`, and it never goes back.
/// - `epoch >= log.last_epoch()`, and it never goes back.
/// - What [`Quorum::election`] says was in an [`Effect::SaveElection`] before any message that follows from it.
/// - A voter that fetches, and a candidate that asks for votes, has all of its log flushed.
///
/// Two cores are equal if they will behave the same. Under [`Config::timeless`] and an unmoved clock nothing but the protocol's
/// facts is compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Quorum {
    pub(super) constant: Constant,
    pub(super) dice: Dice,
    pub(super) log: LogView,
    /// Up to where a flush is under way.
    pub(super) flushing: Option<Offset>,
    /// The latest snapshot.
    pub(super) snapshot: Option<SnapshotId>,
    pub(super) epoch: Epoch,
    pub(super) high_watermark: Option<Offset>,
    pub(super) role: Role,
    pub(super) saved: ElectionState,
    pub(super) effects: VecDeque<Effect>,
}

/// What never changes while a core is open: shared among its copies, and no part of its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Constant(Arc<Settings>);

#[derive(Debug, PartialEq, Eq)]
struct Settings {
    config: Config,
    rules: Rules,
    voters: Voters,
    /// The index of this node among the voters, if it is one.
    own: Option<usize>,
}

impl Constant {
    pub(super) fn rules(&self) -> Rules {
        self.0.rules
    }

    pub(super) fn me(&self) -> ReplicaKey {
        self.0.config.me
    }
}

impl Hash for Constant {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

impl Quorum {
    /// Opens the core over what was found on disk.
    ///
    /// `saved` is what the last [`Effect::SaveElection`] said ([`ElectionState::default`] on a blank disk), `log` all of it
    /// flushed, `snapshot` the latest complete one. A log that ends before its snapshot is dropped, as after
    /// [`Effect::RestartFromSnapshot`]: a snapshot holds only what is committed.
    ///
    /// # Errors
    /// What does not fit together, before anything is done: see [`OpenError`].
    pub fn open(
        config: Config,
        rules: Rules,
        saved: ElectionState,
        log: LogView,
        snapshot: Option<SnapshotId>,
        dice: Dice,
        now: Instant,
    ) -> Result<Self, OpenError> {
        let voters = Voters::configured(&config)?;
        check_saved(&config, &voters, &saved, rules)?;
        let snapshot_end = snapshot.map(|snapshot| snapshot.end);
        if log.start() > 0 && snapshot_end.is_none_or(|end| end < log.start()) {
            return Err(OpenError::MissingSnapshot { log_start: log.start(), snapshot_end });
        }

        let own = voters.index_of(config.me, rules.identity());
        let search = Search { next: own.map_or(0, |own| (own + 1) % voters.count()), retry: now };
        let epoch = saved.epoch.max(log.last_epoch()).max(snapshot.map_or(0, |snapshot| snapshot.epoch));
        let role = match own {
            Some(_) => Role::Unattached(Unattached::new(Patience::Until(now), search)),
            None => Role::Observer(Observer::Searching(search)),
        };
        let mut quorum = Self {
            constant: Constant(Arc::new(Settings { config, rules, voters, own })),
            dice,
            log,
            flushing: None,
            snapshot,
            epoch,
            high_watermark: snapshot_end,
            role,
            saved,
            effects: VecDeque::new(),
        };
        if let Some(snapshot) = snapshot
            && snapshot.end > quorum.log.end()
        {
            quorum.log = LogView::empty_from(snapshot.end, snapshot.epoch);
            quorum.effects.push_back(Effect::RestartFromSnapshot(snapshot));
        }
        quorum.resume(now, search);
        quorum.save_election();
        Ok(quorum)
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Request { token, request } => self.handle_request(now, token, request),
            Input::Response { from, request, response } => self.handle_response(now, from, request, response),
            Input::Failed { to, request } => self.handle_failed(now, to, &request),
            Input::Flushed { through } => self.handle_flushed(now, through),
            Input::Snapshot(snapshot) => self.handle_snapshot(now, snapshot),
            Input::Resign => self.resign(now),
        }
    }

    /// Appends `count` records (not 0) of the state machine, if this node leads exactly this epoch. The driver appends them at the extent
    /// that is returned, then takes the effects.
    ///
    /// # Errors
    /// If it does not lead that epoch (any more).
    pub fn append(&mut self, _now: Instant, epoch: Epoch, count: u32) -> Result<Extent, NotLeader> {
        assert!(count > 0, "an extent is never empty");
        if !matches!(self.role, Role::Leader(_)) || epoch != self.epoch {
            return Err(NotLeader { epoch: self.epoch, leader: self.leader() });
        }
        let base = self.log.end();
        let extent = Extent { epoch, base, end: base.saturating_add(i64::from(count)) };
        self.append_own(extent);
        self.answer_held();
        Ok(extent)
    }

    /// Forgets what is before `start`, as far as the latest snapshot holds it, and says where the log starts then: the driver
    /// may drop what is before that.
    pub fn forget_before(&mut self, start: Offset) -> Offset {
        let held = self.snapshot.map_or(0, |snapshot| snapshot.end);
        self.log.forget_before(start.min(held).min(self.log.end()));
        self.log.start()
    }

    /// The oldest effect not yet taken.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }
}

/// What can be seen of a core.
impl Quorum {
    /// What the node is.
    pub fn role(&self) -> RoleName {
        match self.role {
            Role::Unattached(_) => RoleName::Unattached,
            Role::Voted(_) => RoleName::Voted,
            Role::Prospective(_) => RoleName::Prospective,
            Role::Candidate(_) => RoleName::Candidate,
            Role::Leader(_) => RoleName::Leader,
            Role::Follower(_) => RoleName::Follower,
            Role::Resigned(_) => RoleName::Resigned,
            Role::Observer(_) => RoleName::Observer,
        }
    }

    /// The largest epoch heard of.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The leader of the epoch, as far as known and not known to have resigned.
    pub fn leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Leader(_) => Some(self.me().id),
            Role::Follower(follower) => (!follower.resigned).then_some(follower.leader),
            Role::Prospective(prospective) => {
                prospective.leader.filter(|&leader| leader != self.me().id && !prospective.resigned)
            }
            Role::Observer(Observer::Following { leader, .. }) => Some(*leader),
            Role::Unattached(_)
            | Role::Voted(_)
            | Role::Candidate(_)
            | Role::Resigned(_)
            | Role::Observer(_) => None,
        }
    }

    /// What this node must not forget: epoch, leader, vote.
    pub fn election(&self) -> ElectionState {
        let me = self.me();
        let (leader, voted) = match &self.role {
            Role::Unattached(_) => (None, None),
            Role::Voted(voted) => (None, Some(voted.candidate)),
            Role::Prospective(prospective) => (prospective.leader, prospective.voted),
            Role::Candidate(_) => (None, Some(me)),
            Role::Leader(_) | Role::Resigned(_) => (Some(me.id), Some(me)),
            Role::Follower(follower) => (Some(follower.leader), follower.voted),
            Role::Observer(_) => (self.leader(), None),
        };
        ElectionState { epoch: self.epoch, leader, voted }
    }

    /// The log.
    pub fn log(&self) -> &LogView {
        &self.log
    }

    /// The offset below which all is committed, as far as known.
    pub fn high_watermark(&self) -> Option<Offset> {
        self.high_watermark
    }

    /// The latest snapshot.
    pub fn snapshot(&self) -> Option<SnapshotId> {
        self.snapshot
    }

    /// The voters.
    pub fn voters(&self) -> &Voters {
        &self.constant.0.voters
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.constant.0.config
    }

    /// Whether this node is one of the voters, by id and directory.
    pub fn is_voter(&self) -> bool {
        self.constant.0.own.is_some()
    }

    /// Whether the state machine leads: what [`Effect::Lead`] began and [`Effect::Unlead`] ends.
    pub fn is_active(&self) -> bool {
        matches!(&self.role, Role::Leader(leader) if self.committed_end() > leader.start)
    }

    /// Of a leader, the offset of its LeaderChange record.
    pub fn epoch_start(&self) -> Option<Offset> {
        match &self.role {
            Role::Leader(leader) => Some(leader.start),
            _ => None,
        }
    }

    /// Of a leader, how far it has seen this voter to have got; of itself, what it counts for.
    pub fn reached(&self, voter: NodeId) -> Option<Offset> {
        let (Role::Leader(leader), Some(index)) = (&self.role, self.voters().index(voter)) else {
            return None;
        };
        Some(if Some(index) == self.own() { self.log.flushed() } else { leader.reached[index] })
    }

    /// Of a candidate or prospective, whether this voter has granted its vote.
    pub fn is_granted_by(&self, voter: NodeId) -> bool {
        let ballots = match &self.role {
            Role::Candidate(candidate) => candidate.ballots,
            Role::Prospective(prospective) => prospective.ballots,
            _ => return false,
        };
        self.voters().index(voter).is_some_and(|index| ballots.granted.contains(index))
    }

    /// Of a follower or observer, whether it waits for its leader's answer.
    pub fn is_fetching(&self) -> bool {
        match &self.role {
            Role::Follower(Follower { pull, .. }) | Role::Observer(Observer::Following { pull, .. }) => {
                matches!(pull.asked, Asked::Records | Asked::Snapshot { .. })
            }
            _ => false,
        }
    }

    /// Of a leader, the replicas whose fetches wait for something to say.
    pub fn held(&self) -> impl Iterator<Item = ReplicaKey> {
        let held = match &self.role {
            Role::Leader(leader) => &leader.held[..],
            _ => &[],
        };
        held.iter().map(|held| held.replica)
    }
}

/// What the parts of the core share.
impl Quorum {
    pub(super) fn me(&self) -> ReplicaKey {
        self.constant.me()
    }

    /// The index of this node among the voters, if it is one.
    pub(super) fn own(&self) -> Option<usize> {
        self.constant.0.own
    }

    pub(super) fn rules(&self) -> Rules {
        self.constant.rules()
    }

    /// The high watermark, 0 as long as none is known.
    pub(super) fn committed_end(&self) -> Offset {
        self.high_watermark.unwrap_or(0)
    }

    /// Enters a role, and makes durable what follows from it.
    pub(super) fn become_role(&mut self, role: Role) {
        self.role = role;
        self.save_election();
    }

    pub(super) fn save_election(&mut self) {
        let election = self.election();
        let only_heard = election.voted.is_none() && election.leader.is_none();
        let saves = self.rules().durable_vote() && (self.rules().durable_epoch() || !only_heard);
        if election != self.saved && saves {
            self.saved = election;
            // With nothing between the two, one write does for both.
            match self.effects.back_mut() {
                Some(Effect::SaveElection(pending)) => *pending = election,
                _ => self.effects.push_back(Effect::SaveElection(election)),
            }
        }
    }

    pub(super) fn send(&mut self, to: NodeId, request: Request) {
        self.effects.push_back(Effect::Send { to, request });
    }

    pub(super) fn reply(&mut self, token: Token, response: Response) {
        self.effects.push_back(Effect::Reply { token, response });
    }

    /// The role to come back to after a start. Nothing is saved that was not saved before, but for a higher epoch.
    fn resume(&mut self, now: Instant, search: Search) {
        let saved = self.saved;
        let current = saved.epoch == self.epoch;
        let me = self.me();
        let leader = saved.leader.filter(|_| current);
        let voted = saved.voted.filter(|_| current);
        let fetch = now + self.config().fetch_timeout;
        let Some(own) = self.own() else {
            if let Some(leader) = leader.filter(|&leader| leader != me.id) {
                self.role = Role::Observer(Observer::follow(leader, now, fetch));
            }
            return;
        };
        let election = now + self.first_election_timeout();
        let patience = Patience::Until(election);
        self.role = match (leader, voted) {
            (Some(leader), _) if leader == me.id => match self.rules().restart_role() {
                RestartRole::Resigned => Role::Resigned(Resigned::restarted(patience, now)),
                RestartRole::Unattached => Role::Unattached(Unattached::new(patience, search)),
                RestartRole::Leader => self.resume_leading(now),
            },
            (Some(leader), voted) => {
                let voted = voted.filter(|_| self.rules().vote_memory() == VoteMemory::WholeEpoch);
                Role::Follower(Follower::restarted(leader, voted, now, fetch))
            }
            (None, Some(candidate)) if candidate.id == me.id => {
                Role::Candidate(Candidate::restarted(Some(own), election, now))
            }
            (None, Some(candidate)) => Role::Voted(Voted::restarted(candidate, patience, search)),
            (None, None) => Role::Unattached(Unattached::new(patience, search)),
        };
    }

    /// Takes note of an epoch. A later one than ours is ours from now on, with no leader and no vote in it. Not so for an
    /// observer, which takes note of an epoch only together with its leader: see [`Quorum::learn`].
    pub(super) fn hear(&mut self, now: Instant, epoch: Epoch) {
        if epoch <= self.epoch {
            return;
        }
        if !self.rules().step_down() && matches!(self.role, Role::Leader(_)) {
            self.epoch = epoch;
            self.save_election();
            return;
        }
        let search = self.search_from(now);
        let waits_until = match &self.role {
            Role::Unattached(Unattached { patience, .. })
            | Role::Voted(Voted { patience, .. })
            | Role::Prospective(super::role::Prospective { patience, .. })
            | Role::Candidate(Candidate { patience, .. })
            | Role::Resigned(Resigned { patience, .. }) => patience.deadline(),
            Role::Leader(_) | Role::Follower(_) => None,
            Role::Observer(_) => return,
        };
        // Whoever led or followed begins to wait, and so does who put a campaign off: that was one against the old epoch.
        let moment = waits_until.unwrap_or_else(|| now + self.election_timeout());
        let patience = Patience::Until(moment);
        let left = self.leave_lead();
        self.epoch = epoch;
        self.become_role(Role::Unattached(Unattached::new(patience, search)));
        self.refuse_held(left);
    }

    /// Follows who is said to lead this epoch, unless a leader is known.
    pub(super) fn follow(&mut self, now: Instant, leader: NodeId) {
        if self.accept(now, leader) {
            self.pull(now);
        }
    }

    /// Takes for the leader of this epoch who is said to be it, unless one is known.
    pub(super) fn accept(&mut self, now: Instant, leader: NodeId) -> bool {
        if !self.may_follow(leader) {
            return false;
        }
        let me = self.me();
        let deadline = now + self.config().fetch_timeout;
        let mut follower = match &self.role {
            Role::Unattached(unattached) => unattached.follow(me, leader, now, deadline),
            Role::Voted(voted) => voted.follow(me, leader, now, deadline),
            Role::Candidate(candidate) => candidate.follow(me, leader, now, deadline),
            // Whoever resigned knows that nobody else leads its epoch; and whoever said that it resigns leads it no more, though others
            // may not have heard of it.
            Role::Prospective(prospective)
                if !prospective.resigned && prospective.leader.is_none_or(|known| known == leader) =>
            {
                prospective.follow(me, leader, now, deadline)
            }
            Role::Observer(Observer::Searching(_)) => {
                self.become_role(Role::Observer(Observer::follow(leader, now, deadline)));
                return true;
            }
            _ => return false,
        };
        if self.rules().vote_memory() == VoteMemory::UntilFollowing {
            follower.voted = None;
        }
        self.become_role(Role::Follower(follower));
        true
    }

    fn may_follow(&self, leader: NodeId) -> bool {
        leader != self.me().id && self.voters().index(leader).is_some()
    }

    /// Takes note of the epoch and the leader that a message names.
    ///
    /// An observer does so only if it names both. Who has voted or campaigned in an epoch must know it; an observer has not, and
    /// it would be locked out by the epoch of a candidate that stopped before anybody else heard of it, for as long as the
    /// others have no reason for an election.
    pub(super) fn learn(&mut self, now: Instant, epoch: Epoch, leader: Option<NodeId>) {
        if let (Role::Observer(_), Some(leader)) = (&self.role, leader)
            && epoch > self.epoch
            && self.may_follow(leader)
        {
            self.epoch = epoch;
            self.role = Role::Observer(Observer::Searching(self.search_from(now)));
        }
        self.hear(now, epoch);
        if let Some(leader) = leader
            && epoch == self.epoch
        {
            self.follow(now, leader);
        }
    }

    /// Asks for a flush of all of the log, unless that is under way. Whether there is anything to flush.
    pub(super) fn flush(&mut self) -> bool {
        let end = self.log.end();
        if self.log.flushed() >= end {
            return false;
        }
        if self.flushing.is_none() {
            self.flushing = Some(end);
            self.effects.push_back(Effect::Flush { through: end });
        }
        true
    }

    fn handle_flushed(&mut self, now: Instant, through: Offset) {
        self.log.flush_to(through);
        if self.flushing.is_some_and(|asked| asked <= through) {
            self.flushing = None;
        }
        if self.is_voter() {
            // More may have been appended meanwhile.
            self.flush();
        }
        match &self.role {
            Role::Leader(_) => {
                self.advance();
                self.answer_held();
            }
            _ if self.log.flushed() < self.log.end() => {}
            _ => {
                self.campaign_if_put_off(now);
                self.pull(now);
            }
        }
    }

    /// Election timeouts are random, so that not all campaign at once.
    pub(super) fn election_timeout(&mut self) -> Duration {
        let least = self.config().election_timeout;
        least + self.random_up_to(least)
    }

    /// How long a voter that starts waits for a leader to make itself known.
    fn first_election_timeout(&mut self) -> Duration {
        match self.config().first_election_timeout_max {
            Some(most) if self.config().pre_vote => self.random_up_to(most),
            _ => self.election_timeout(),
        }
    }

    pub(super) fn random_up_to(&mut self, bound: Duration) -> Duration {
        match u64::try_from(bound.as_micros()).unwrap_or(u64::MAX) {
            0 => Duration::ZERO,
            micros => Duration::from_micros(self.dice.below(micros)),
        }
    }

    /// The fetch that says where the log ends.
    pub(super) fn fetch_request(&self, max_wait_ms: u32) -> Request {
        Request::Fetch(FetchRequest {
            replica: self.me(),
            epoch: self.epoch,
            offset: self.log.end(),
            last_epoch: self.log.last_epoch(),
            high_watermark: self.high_watermark,
            max_wait_ms,
        })
    }
}

fn check_saved(
    config: &Config,
    voters: &Voters,
    saved: &ElectionState,
    rules: Rules,
) -> Result<(), OpenError> {
    let ids = || voters.ids().collect::<Vec<_>>();
    let me = config.me;
    if saved.epoch < 0 {
        return Err(OpenError::NegativeEpoch(saved.epoch));
    }
    if rules.candidates() == Candidates::Anyone {
        return Ok(());
    }
    let names_me = saved.leader == Some(me.id) || saved.voted.is_some_and(|voted| voted.id == me.id);
    if names_me && voters.index(me.id).is_none() {
        return Err(OpenError::NotAVoter { me: me.id, voters: ids() });
    }
    if let Some(found) = saved.leader.filter(|&leader| voters.index(leader).is_none()) {
        return Err(OpenError::UnknownLeader { found, voters: ids() });
    }
    if let Some(found) = saved.voted {
        if found.id == me.id && found.directory != me.directory {
            return Err(OpenError::ForeignVote { found, expected: me });
        }
        if voters.index_of(found, super::Identity::DirectoryId).is_none() {
            return Err(OpenError::UnknownCandidate { found, voters: ids() });
        }
    }
    Ok(())
}
