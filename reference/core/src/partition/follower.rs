//! The follower: what it asks, and what it takes.

use super::replica::Replica;
use super::{Comparison, Fence, PartitionFetch, PartitionFetched, Truncation};
use crate::{NO_EPOCH, NodeId};

/// Follows a leader in one leader epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Follower {
    pub(super) leader: NodeId,
    /// Its log needs no comparison with the leader's. Always false by the rules.
    pub(super) trusting: bool,
}

impl Follower {
    /// Begins to follow; `previous` is whom this replica followed until now.
    pub(super) fn new(replica: &mut Replica, leader: NodeId, previous: Option<NodeId>) -> Self {
        if replica.rules.truncation() == Truncation::ToHighWatermark {
            replica.truncate_to(replica.high_watermark);
        }
        let same = previous == Some(leader);
        Self { leader, trusting: same && replica.rules.comparison() == Comparison::NewLeaderOnly }
    }

    /// What it asks next: the log's end, and the epoch of the record before it.
    pub(super) fn position(&self, replica: &Replica) -> PartitionFetch {
        let compared = !self.trusting && replica.rules.truncation() == Truncation::ByEpoch;
        PartitionFetch {
            leader_epoch: replica.state.leader_epoch,
            offset: replica.log.end(),
            last_epoch: if compared { replica.log.last_epoch() } else { NO_EPOCH },
        }
    }

    /// Takes an answer, if it is to what would be asked now.
    ///
    /// The whole position counts. After a truncation the log may have grown to the same offset again with other records, of
    /// which a late answer knows nothing.
    pub(super) fn fetched(
        &self,
        replica: &mut Replica,
        leader: NodeId,
        asked: &PartitionFetch,
        answer: &PartitionFetched,
    ) {
        let epoch = replica.state.leader_epoch;
        // An error states no epoch. Nor could an answer that nothing fenced.
        let answered_in_it = answer.error.is_some()
            || answer.leader_epoch == epoch
            || replica.rules.fetch_fence() == Fence::Open;
        let current = leader == self.leader && *asked == self.position(replica) && answered_in_it;
        let late = replica.rules.response_fence() == Fence::Open && asked.offset == replica.log.end();
        if current || late {
            replica.take_answer(answer);
        }
    }
}
