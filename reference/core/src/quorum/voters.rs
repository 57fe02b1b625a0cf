//! Who votes, and what a majority of them is: the one place that a change of the voter set would change.

use alloc::vec::Vec;

use super::{Config, Identity, OpenError, ReplicaKey};
use crate::{NodeId, Offset, Uuid};

/// How many voters a quorum may have at most.
pub(super) const VOTERS_MAX: usize = 64;

/// The voters, in the order of their ids.
///
/// - Not empty, at most 64, each id once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voters {
    keys: Vec<ReplicaKey>,
}

/// Some of the voters, a bit each, by their index in [`Voters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct VoterSet(u64);

impl VoterSet {
    pub(super) fn insert(&mut self, index: usize) {
        self.0 |= 1 << index;
    }

    pub(super) fn contains(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }

    pub(super) fn count(self) -> usize {
        self.0.count_ones() as usize
    }
}

impl Voters {
    pub(super) fn configured(config: &Config) -> Result<Self, OpenError> {
        let mut keys = config.voters.clone();
        keys.sort_unstable();
        if keys.is_empty() {
            return Err(OpenError::NoVoters);
        }
        if keys.len() > VOTERS_MAX {
            return Err(OpenError::TooManyVoters { found: keys.len() });
        }
        if let Some(pair) = keys.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(OpenError::DuplicateVoter(pair[0].id));
        }
        Ok(Self { keys })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// The voters.
    pub fn keys(&self) -> &[ReplicaKey] {
        &self.keys
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.keys.iter().map(|key| key.id)
    }

    /// The least number of voters that is more than half of them.
    pub fn majority(&self) -> usize {
        self.keys.len() / 2 + 1
    }

    /// The key of the voter with this id.
    pub fn key(&self, id: NodeId) -> Option<ReplicaKey> {
        self.index(id).map(|index| self.keys[index])
    }

    pub(super) fn index(&self, id: NodeId) -> Option<usize> {
        self.keys.iter().position(|key| key.id == id)
    }

    /// The index of this replica, if it is a voter: by its directory as well, unless either side does not know it.
    pub(super) fn index_of(&self, replica: ReplicaKey, identity: Identity) -> Option<usize> {
        let index = self.index(replica.id)?;
        is_same(self.keys[index], replica, identity).then_some(index)
    }

    /// The largest offset that `count` voters have reached, where `reached` says how far each has got.
    pub(super) fn reached_by(&self, count: usize, reached: impl Fn(usize) -> Offset) -> Offset {
        // So few voters that counting for each of them is cheaper than sorting.
        let voters = 0..self.keys.len();
        let by_enough =
            |offset: &Offset| voters.clone().filter(|&voter| reached(voter) >= *offset).count() >= count;
        voters.clone().map(&reached).filter(by_enough).max().unwrap_or(0)
    }
}

/// Whether `replica` is whom `voter` names. A voter configured without a directory id is any (KIP-853, kraft.version 0).
pub(super) fn is_same(voter: ReplicaKey, replica: ReplicaKey, identity: Identity) -> bool {
    voter.id == replica.id
        && (identity == Identity::IdOnly
            || voter.directory == Uuid::ZERO
            || voter.directory == replica.directory)
}
