//! What came of writes.

use alloc::collections::BTreeSet;
use alloc::string::String;

use super::desk::Then;
use super::message::GroupError;
use super::state::State;
use super::{Groups, offsets};
use crate::partition::PartitionError;
use crate::{Instant, Offset};

impl Groups {
    /// What came of the write of an [`Effect::Append`]: the offset of the first record, or why it is not known to be committed. To be said once
    /// for each, in any order. With an error that means that this broker does not lead any more, [`Groups::unlead`] follows.
    pub fn written(&mut self, now: Instant, write: u64, result: Result<Offset, PartitionError>) {
        // Of a write before the last `unlead`, nobody wants to know any more.
        let Some(what) = self.desk.writes.remove(&write) else { return };
        let is_written = match result {
            Ok(_) => true,
            // It is in the log of this leader, which never cuts it.
            Err(PartitionError::RequestTimedOut | PartitionError::NotEnoughReplicasAfterAppend) => true,
            Err(_) => false,
        };
        let error = result.err().map(error_of_write);
        let mut touched: BTreeSet<String> = BTreeSet::new();
        for key in what.offsets {
            if let Some(group) = self.groups.get_mut(key.group.as_str()) {
                group.offsets.resolve(&key, write, is_written);
                touched.insert(key.group);
            }
        }
        for id in what.deletes {
            match self.groups.get_mut(id.as_str()) {
                Some(group) if group.state == (State::Dead { write }) => {
                    if is_written {
                        self.remove(&id);
                    } else {
                        group.state = State::Empty;
                        touched.insert(id);
                    }
                }
                _ => {}
            }
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
                    group.replaced(desk, now, replaced, is_written, error);
                }
            }
        }
        for id in touched {
            self.settle(&id);
        }
        self.answer_fetches();
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
