//! Who fetches the metadata log of the quorum's leader, and how far each has come: what DescribeQuorum says (KIP-595, KIP-836).
//!
//! The core counts voters for the high watermark; here is besides when each came, and observers, which count for nothing. None of it decides
//! anything.

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_core::quorum::{FetchRequest, Quorum, ReplicaKey};
use highwater_core::{Epoch, Instant, NO_EPOCH, Offset, Uuid};

/// An observer that is silent for so long is none any more; as in Kafka.
const OBSERVER_SESSION: Duration = Duration::from_secs(300);
/// How many observers are kept in mind at most.
const OBSERVERS_MAX: usize = 10_000;

/// A replica of the metadata log as the quorum's leader knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Which.
    pub key: ReplicaKey,
    /// Whether it is a voter.
    pub is_voter: bool,
    /// Where its log ends, as its last fetch that fits the leader's log says; -1 if it has not fetched in this epoch.
    pub log_end: Offset,
    /// When it fetched last; of the leader itself, now.
    pub last_fetch: Option<Instant>,
    /// When it last had all that the leader had.
    pub last_caught_up: Option<Instant>,
}

/// Whether this is the voter: of one that `controller.quorum.voters` names, only the id is known.
fn is_same(voter: ReplicaKey, replica: ReplicaKey) -> bool {
    voter.id == replica.id && (voter.directory == Uuid::ZERO || voter.directory == replica.directory)
}

/// What the fetches of an epoch said.
#[derive(Debug)]
pub(crate) struct Followers {
    epoch: Epoch,
    seen: BTreeMap<ReplicaKey, Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    log_end: Offset,
    last_fetch: Instant,
    last_caught_up: Option<Instant>,
    /// The leader's log end at that fetch.
    end_then: Offset,
}

impl Followers {
    /// Of nobody.
    pub(crate) fn none() -> Self {
        Self { epoch: NO_EPOCH, seen: BTreeMap::new() }
    }

    /// Notes a fetch that comes to this node, before the core takes it.
    pub(crate) fn note(&mut self, now: Instant, core: &Quorum, fetch: &FetchRequest) {
        let me = core.config().me;
        let leads = core.leader() == Some(me.id) && fetch.epoch == core.epoch();
        if !leads || fetch.replica == me || !core.log().holds(fetch.offset, fetch.last_epoch) {
            return;
        }
        if self.epoch != core.epoch() {
            *self = Self { epoch: core.epoch(), seen: BTreeMap::new() };
        }
        if self.seen.len() >= OBSERVERS_MAX && !self.seen.contains_key(&fetch.replica) {
            self.seen.retain(|_, seen| now.since(seen.last_fetch) < OBSERVER_SESSION);
            if self.seen.len() >= OBSERVERS_MAX {
                return;
            }
        }
        let (end, before) = (core.log().end(), self.seen.get(&fetch.replica));
        let last_caught_up = match before {
            _ if fetch.offset >= end => Some(now),
            // It has by now what there was when it fetched before.
            Some(before) if fetch.offset >= before.end_then => {
                before.last_caught_up.max(Some(before.last_fetch))
            }
            before => before.and_then(|before| before.last_caught_up),
        };
        let seen = Seen { log_end: fetch.offset, last_fetch: now, last_caught_up, end_then: end };
        self.seen.insert(fetch.replica, seen);
    }

    /// All replicas, voters first; none unless this node leads.
    pub(crate) fn view(&self, now: Instant, core: &Quorum) -> Vec<QuorumReplica> {
        let me = core.config().me;
        if core.leader() != Some(me.id) {
            return Vec::new();
        }
        let of_epoch = |key: &ReplicaKey| {
            let seen = self.seen.iter().filter(|(seen, _)| is_same(*key, **seen));
            let newest = seen.map(|(_, seen)| seen).max_by_key(|seen| seen.last_fetch);
            newest.filter(|_| self.epoch == core.epoch())
        };
        let view = |key: ReplicaKey, is_voter: bool| {
            let seen = of_epoch(&key);
            QuorumReplica {
                key,
                is_voter,
                log_end: seen.map_or(-1, |seen| seen.log_end),
                last_fetch: seen.map(|seen| seen.last_fetch),
                last_caught_up: seen.and_then(|seen| seen.last_caught_up),
            }
        };
        let voters = core.config().voters.iter().map(|key| {
            if is_same(*key, me) {
                let (log_end, now) = (core.log().end(), Some(now));
                return QuorumReplica {
                    key: *key,
                    is_voter: true,
                    log_end,
                    last_fetch: now,
                    last_caught_up: now,
                };
            }
            view(*key, true)
        });
        let observers = self.seen.iter().filter(|(key, seen)| {
            let is_voter = core.config().voters.iter().any(|voter| is_same(*voter, **key));
            !is_voter && now.since(seen.last_fetch) < OBSERVER_SESSION && self.epoch == core.epoch()
        });
        voters.chain(observers.map(|(key, _)| view(*key, false))).collect()
    }
}
