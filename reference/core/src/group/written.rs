//! What came of writes.

use alloc::collections::BTreeSet;
use alloc::string::String;

use super::desk::{Doubt, Then};
use super::message::GroupError;
use super::state::State;
use super::{Groups, offsets};
use crate::partition::PartitionError;
use crate::{Instant, Offset};

/// What came of a write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is committed.
    Committed,
    /// It is in the log of this leader, which never cuts it. Another leader may not have it.
    Appended,
    /// It is not in the log.
    Refused,
}

impl Groups {
    /// What came of the write of an [`Effect::Append`](super::Effect::Append): the offset of the first record, or why it is not known to be
    /// committed. To be said once for each, in any order. With an error that means that this broker does not lead any more,
    /// [`Groups::unlead`] follows.
    pub fn written(&mut self, now: Instant, write: u64, result: Result<Offset, PartitionError>) {
        // Of a write before the last `unlead`, nobody wants to know any more.
        let Some(what) = self.desk.writes.remove(&write) else { return };
        let fate = match result {
            // With the second, the high watermark is past it, only the ISR has become small.
            Ok(_) | Err(PartitionError::NotEnoughReplicasAfterAppend) => Fate::Committed,
            Err(PartitionError::RequestTimedOut) => Fate::Appended,
            Err(_) => Fate::Refused,
        };
        let error = result.err().map(error_of_write);
        let mut touched: BTreeSet<String> = BTreeSet::new();
        let doubt = Doubt { offsets: what.offsets, deletes: what.deletes };
        match fate {
            Fate::Committed => {
                // What stands before it in the log is committed with it.
                let later = self.desk.doubtful.split_off(&write);
                for (write, doubt) in core::mem::replace(&mut self.desk.doubtful, later) {
                    self.resolve(write, doubt, true, &mut touched);
                }
                self.resolve(write, doubt, true, &mut touched);
            }
            Fate::Appended => {
                self.desk.doubtful.insert(write, doubt);
            }
            Fate::Refused => self.resolve(write, doubt, false, &mut touched),
        }
        let desk = &mut self.desk;
        match what.then {
            Then::Nothing => {}
            Then::Reply { token, response } => {
                let response = match error {
                    Some(error) => response.refused(error),
                    None => response,
                };
                desk.reply(token, response);
            }
            Then::Assign { group: id, generation, assignments } => {
                if let Some(group) = self.groups.get_mut(id.as_str()) {
                    group.assigned(desk, now, write, generation, assignments, error);
                    touched.insert(id);
                }
            }
            Then::Replaced(replaced) => {
                if let Some(group) = self.groups.get_mut(replaced.group.as_str()) {
                    touched.insert(replaced.group.clone());
                    group.replaced(desk, now, replaced, error);
                }
            }
        }
        for id in touched {
            self.settle(&id);
        }
        self.answer_fetches();
    }

    /// The offsets that a write changes, and the groups that it deletes, are what it says, or what they were.
    fn resolve(&mut self, write: u64, doubt: Doubt, is_written: bool, touched: &mut BTreeSet<String>) {
        for key in doubt.offsets {
            if let Some(group) = self.groups.get_mut(key.group.as_str()) {
                group.offsets.resolve(&key, write, is_written);
                touched.insert(key.group);
            }
        }
        for id in doubt.deletes {
            let Some(group) = self.groups.get_mut(id.as_str()) else { continue };
            if group.state == (State::Dead { write }) {
                if is_written {
                    self.remove(&id);
                } else {
                    group.state = State::Empty;
                    touched.insert(id);
                }
            }
        }
    }

    /// Deletes once more the groups of whose deletion it is not known whether it is committed, though nobody asks for them.
    pub(super) fn delete_doubtful(&mut self, now: Instant) {
        for group in self.groups.values() {
            if let State::Dead { write } = group.state {
                self.desk.delete_again(now, &group.id, write);
            }
        }
    }

    /// Answers fetches that waited for writes of which none is under way any more.
    fn answer_fetches(&mut self) {
        let oldest = self.desk.writes.keys().next().copied().unwrap_or(u64::MAX);
        for (last, token, request) in core::mem::take(&mut self.fetches) {
            if oldest > last {
                let response = offsets::fetch(self.groups.get(request.group_id.as_str()), &request);
                self.desk.reply(token, response);
            } else {
                self.fetches.push_back((last, token, request));
            }
        }
    }
}

/// What clients are told of a write that failed: whether to try again here, or elsewhere.
fn error_of_write(error: PartitionError) -> GroupError {
    match error {
        PartitionError::NotLeaderOrFollower
        | PartitionError::FencedLeaderEpoch
        | PartitionError::UnknownLeaderEpoch
        | PartitionError::StorageError => GroupError::NotCoordinator,
        PartitionError::UnknownTopicOrPartition
        | PartitionError::UnknownTopicId
        | PartitionError::LeaderNotAvailable
        | PartitionError::RequestTimedOut
        | PartitionError::NotEnoughReplicas
        | PartitionError::NotEnoughReplicasAfterAppend => GroupError::CoordinatorNotAvailable,
        _ => GroupError::UnknownServerError,
    }
}
