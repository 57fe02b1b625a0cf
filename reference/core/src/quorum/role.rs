//! The roles, and the only ways from one to another: a transition that is not a method here does not compile.

use alloc::vec::Vec;

use super::voters::VoterSet;
use super::{ReplicaKey, SnapshotId};
use crate::{Epoch, Instant, NodeId, Offset, Token};

/// What a node is, without what it knows. See the table in the [module's essay](super).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleName {
    /// A voter that knows no leader and has not voted.
    Unattached,
    /// A voter that knows no leader and has voted.
    Voted,
    /// A voter that asks whether it would win.
    Prospective,
    /// A voter that asks for votes.
    Candidate,
    /// The leader.
    Leader,
    /// A voter that fetches from the leader.
    Follower,
    /// A voter that led, and gave it up.
    Resigned,
    /// Whoever is no voter.
    Observer,
}

/// A role and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Unattached(Unattached),
    Voted(Voted),
    Prospective(Prospective),
    Candidate(Candidate),
    Leader(Leader),
    Follower(Follower),
    Resigned(Resigned),
    Observer(Observer),
}

/// Keeps roles from being made anywhere but here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Seal;

/// When a voter campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Patience {
    /// Once this moment has come.
    Until(Instant),
    /// As soon as all of its log is flushed.
    Flushing,
}

impl Patience {
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(moment) => Some(moment),
            Self::Flushing => None,
        }
    }
}

/// The search for a leader: one voter after another is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Search {
    /// The index of the voter to ask next.
    pub(super) next: usize,
    /// When.
    pub(super) retry: Instant,
}

/// What a follower or observer is about to get from its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pull {
    pub(super) asked: Asked,
    /// When to ask again, or, with nothing asked, to ask. None while the log has to be flushed first.
    pub(super) retry: Option<Instant>,
}

/// What was asked of the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    /// Nothing yet.
    Nothing,
    /// The records after the end of the log.
    Records,
    /// The part of this snapshot that begins at `position`.
    Snapshot { snapshot: SnapshotId, position: u64 },
    /// Nothing more: the driver has all of the snapshot, and makes it durable.
    Durability(SnapshotId),
}

impl Pull {
    fn from(now: Instant) -> Self {
        Self { asked: Asked::Nothing, retry: Some(now) }
    }
}

/// A voter that knows no leader of its epoch, and has not voted in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Unattached {
    pub(super) patience: Patience,
    pub(super) search: Search,
    seal: Seal,
}

/// A voter that knows no leader of its epoch, and has voted in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Voted {
    pub(super) candidate: ReplicaKey,
    pub(super) patience: Patience,
    pub(super) search: Search,
    seal: Seal,
}

/// A voter that asks, without a new epoch, who would vote for it (KIP-996).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Prospective {
    /// The leader of the epoch, which has not answered for too long; or this node, having resigned.
    pub(super) leader: Option<NodeId>,
    /// Whether that leader has said that it resigns.
    pub(super) resigned: bool,
    pub(super) voted: Option<ReplicaKey>,
    pub(super) ballots: Ballots,
    pub(super) patience: Patience,
    pub(super) retry: Instant,
    seal: Seal,
}

/// A voter that asks for votes in an epoch in which it has voted for itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Candidate {
    pub(super) ballots: Ballots,
    pub(super) patience: Patience,
    pub(super) retry: Instant,
    seal: Seal,
}

/// The votes on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Ballots {
    pub(super) granted: VoterSet,
    pub(super) refused: VoterSet,
}

/// The leader of the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Leader {
    /// The offset of its LeaderChange record.
    pub(super) start: Offset,
    /// How far each voter was last seen to have got, by its index.
    pub(super) reached: Vec<Offset>,
    /// Fetches that wait for something to say, at most one a replica, the oldest first.
    pub(super) held: Vec<Held>,
    /// The voters that have fetched since a majority had last.
    pub(super) fetched: VoterSet,
    /// When to resign, unless a majority has fetched by then.
    pub(super) check: Option<Instant>,
    /// The voters that have been heard of since the last beat.
    pub(super) heard: VoterSet,
    pub(super) beat: Option<Instant>,
    seal: Seal,
}

/// A fetch that waits at the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) replica: ReplicaKey,
    pub(super) token: Token,
    pub(super) offset: Offset,
    pub(super) last_epoch: Epoch,
    pub(super) high_watermark: Option<Offset>,
    pub(super) deadline: Instant,
}

/// A voter that follows the leader of its epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Follower {
    pub(super) leader: NodeId,
    pub(super) voted: Option<ReplicaKey>,
    pub(super) pull: Pull,
    /// Campaigns when the leader has not answered for so long.
    pub(super) patience: Patience,
    /// Whether the leader has answered a fetch, and not been seen to have resigned.
    pub(super) heard: bool,
    /// Whether the leader said that it resigns. It is not asked any more.
    pub(super) resigned: bool,
    seal: Seal,
}

/// A voter that led its epoch. It neither leads nor votes in it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Resigned {
    pub(super) patience: Patience,
    /// Who should campaign, as EndQuorumEpoch says.
    pub(super) successors: Vec<NodeId>,
    /// The voters that have heard so.
    pub(super) told: VoterSet,
    pub(super) retry: Instant,
    seal: Seal,
}

/// Whoever is no voter: a broker, or a controller with another disk than the voter set names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Observer {
    /// It knows no leader.
    Searching(Search),
    /// It fetches from the leader.
    Following { leader: NodeId, pull: Pull, deadline: Instant },
}

/// A voter that knows no leader, or doubts the one it knew: it follows whoever turns out to lead.
pub(super) trait Leaderless {
    /// The vote of the epoch, which lasts as long as the epoch does.
    fn voted(&self, me: ReplicaKey) -> Option<ReplicaKey>;

    fn follow(&self, me: ReplicaKey, leader: NodeId, now: Instant, deadline: Instant) -> Follower {
        Follower::new(leader, self.voted(me), now, deadline)
    }
}

/// A voter that may campaign. A leader may not, and an observer is none.
pub(super) trait Electable {
    /// The leader and the vote of the epoch, which a pre-vote leaves as they are.
    fn bound_by(&self, me: ReplicaKey) -> (Option<NodeId>, Option<ReplicaKey>);

    /// Whether that leader has said that it resigns.
    fn leader_resigned(&self) -> bool {
        false
    }

    fn ask(&self, me: ReplicaKey, own: Option<usize>, deadline: Instant, retry: Instant) -> Prospective {
        let (leader, voted) = self.bound_by(me);
        let (ballots, resigned) = (Ballots::own(own), self.leader_resigned());
        Prospective {
            leader,
            resigned,
            voted,
            ballots,
            patience: Patience::Until(deadline),
            retry,
            seal: Seal,
        }
    }

    fn campaign(&self, own: Option<usize>, deadline: Instant, retry: Instant) -> Candidate {
        Candidate { ballots: Ballots::own(own), patience: Patience::Until(deadline), retry, seal: Seal }
    }
}

/// What a prospective goes back to.
pub(super) enum GaveUp {
    Unattached(Unattached),
    Voted(Voted),
    Follower(Follower),
    Resigned(Resigned),
}

impl Ballots {
    /// A voter is for itself.
    fn own(me: Option<usize>) -> Self {
        let mut ballots = Self::default();
        if let Some(me) = me {
            ballots.granted.insert(me);
        }
        ballots
    }
}

impl Unattached {
    /// Of a new epoch, or of a start.
    pub(super) fn new(patience: Patience, search: Search) -> Self {
        Self { patience, search, seal: Seal }
    }

    pub(super) fn vote(&self, candidate: ReplicaKey, patience: Patience) -> Voted {
        Voted { candidate, patience, search: self.search, seal: Seal }
    }
}

impl Voted {
    /// As saved, at a start.
    pub(super) fn restarted(candidate: ReplicaKey, patience: Patience, search: Search) -> Self {
        Self { candidate, patience, search, seal: Seal }
    }
}

impl Prospective {
    /// Votes, unless it has voted or knows a leader.
    pub(super) fn vote(&self, candidate: ReplicaKey, patience: Patience, search: Search) -> Voted {
        Voted { candidate, patience, search, seal: Seal }
    }

    /// Goes back to what its epoch knew before it asked.
    pub(super) fn give_up(
        &self,
        me: NodeId,
        now: Instant,
        fetch: Instant,
        patience: Patience,
        search: Search,
    ) -> GaveUp {
        match (self.leader, self.voted) {
            (Some(leader), _) if leader == me => {
                let told = VoterSet::default();
                GaveUp::Resigned(Resigned { patience, successors: Vec::new(), told, retry: now, seal: Seal })
            }
            (Some(leader), voted) => {
                let mut follower = Follower::new(leader, voted, now, fetch);
                if self.resigned {
                    // There is no leader to wait for. Who refused may not have heard of that yet.
                    follower.resigned = true;
                    follower.patience = patience;
                }
                GaveUp::Follower(follower)
            }
            (None, Some(candidate)) => GaveUp::Voted(Voted { candidate, patience, search, seal: Seal }),
            (None, None) => GaveUp::Unattached(Unattached { patience, search, seal: Seal }),
        }
    }
}

impl Candidate {
    /// As saved, at a start.
    pub(super) fn restarted(me: Option<usize>, deadline: Instant, retry: Instant) -> Self {
        Self { ballots: Ballots::own(me), patience: Patience::Until(deadline), retry, seal: Seal }
    }

    pub(super) fn win(&self, start: Offset, voters: usize) -> Leader {
        Leader::new(start, voters)
    }
}

impl Leader {
    fn new(start: Offset, voters: usize) -> Self {
        Self {
            start,
            reached: alloc::vec![0; voters],
            held: Vec::new(),
            fetched: VoterSet::default(),
            check: None,
            heard: VoterSet::default(),
            beat: None,
            seal: Seal,
        }
    }

    /// As if nothing had been: what no leader may do (A23).
    pub(super) fn restarted(start: Offset, voters: usize) -> Self {
        Self::new(start, voters)
    }

    pub(super) fn resign(&self, patience: Patience, successors: Vec<NodeId>, retry: Instant) -> Resigned {
        Resigned { patience, successors, told: VoterSet::default(), retry, seal: Seal }
    }
}

impl Follower {
    fn new(leader: NodeId, voted: Option<ReplicaKey>, now: Instant, deadline: Instant) -> Self {
        Self {
            leader,
            voted,
            pull: Pull::from(now),
            patience: Patience::Until(deadline),
            heard: false,
            resigned: false,
            seal: Seal,
        }
    }

    /// As saved, at a start.
    pub(super) fn restarted(
        leader: NodeId,
        voted: Option<ReplicaKey>,
        now: Instant,
        deadline: Instant,
    ) -> Self {
        Self::new(leader, voted, now, deadline)
    }
}

impl Follower {
    /// Its leader said that it resigns: asks it no more, and hinders nobody from campaigning.
    pub(super) fn lose_leader(&mut self, campaign: Instant, frees: bool) {
        self.resigned = true;
        self.heard &= !frees;
        self.pull = Pull { asked: Asked::Nothing, retry: None };
        self.patience = Patience::Until(campaign);
    }
}

impl Resigned {
    /// A former leader, at a start.
    pub(super) fn restarted(patience: Patience, now: Instant) -> Self {
        Self { patience, successors: Vec::new(), told: VoterSet::default(), retry: now, seal: Seal }
    }
}

impl Observer {
    pub(super) fn follow(leader: NodeId, now: Instant, deadline: Instant) -> Self {
        Self::Following { leader, pull: Pull::from(now), deadline }
    }
}

impl Leaderless for Unattached {
    fn voted(&self, _me: ReplicaKey) -> Option<ReplicaKey> {
        None
    }
}

impl Leaderless for Voted {
    fn voted(&self, _me: ReplicaKey) -> Option<ReplicaKey> {
        Some(self.candidate)
    }
}

impl Leaderless for Prospective {
    fn voted(&self, _me: ReplicaKey) -> Option<ReplicaKey> {
        self.voted
    }
}

impl Leaderless for Candidate {
    fn voted(&self, me: ReplicaKey) -> Option<ReplicaKey> {
        Some(me)
    }
}

impl Electable for Unattached {
    fn bound_by(&self, _me: ReplicaKey) -> (Option<NodeId>, Option<ReplicaKey>) {
        (None, None)
    }
}

impl Electable for Voted {
    fn bound_by(&self, _me: ReplicaKey) -> (Option<NodeId>, Option<ReplicaKey>) {
        (None, Some(self.candidate))
    }
}

impl Electable for Prospective {
    fn bound_by(&self, _me: ReplicaKey) -> (Option<NodeId>, Option<ReplicaKey>) {
        (self.leader, self.voted)
    }

    fn leader_resigned(&self) -> bool {
        self.resigned
    }
}

impl Electable for Candidate {
    fn bound_by(&self, me: ReplicaKey) -> (Option<NodeId>, Option<ReplicaKey>) {
        (None, Some(me))
    }
}

impl Electable for Follower {
    fn bound_by(&self, _me: ReplicaKey) -> (Option<NodeId>, Option<ReplicaKey>) {
        (Some(self.leader), self.voted)
    }

    fn leader_resigned(&self) -> bool {
        self.resigned
    }
}

impl Electable for Resigned {
    fn bound_by(&self, me: ReplicaKey) -> (Option<NodeId>, Option<ReplicaKey>) {
        (Some(me.id), Some(me))
    }
}

/// What flaw A43 lets happen.
#[cfg(feature = "flaws")]
impl Electable for Observer {
    fn bound_by(&self, _me: ReplicaKey) -> (Option<NodeId>, Option<ReplicaKey>) {
        (None, None)
    }
}
