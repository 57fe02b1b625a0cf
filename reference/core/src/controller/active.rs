//! The controller's roles, and what the active one keeps beside the image.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use super::image::Undo;
use super::message::ControllerResponse;
use crate::{Epoch, Instant, NodeId, Offset, Token};

/// What a controller is at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// Another controller is active, or none.
    Standby,
    /// Elected, but not yet caught up.
    Claiming(Claim),
    /// Decides.
    Active(Active),
}

/// An epoch that this controller leads from `start` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    pub(super) epoch: Epoch,
    /// The offset of the epoch's first record, which tells who leads.
    pub(super) start: Offset,
}

/// What an active controller keeps.
///
/// - `committed <= appended <= next`, where `committed` is the controller's high watermark.
/// - `decisions` are those that end above the high watermark, in order; undoing them gives the image of what is before the first.
/// - `answers` wait for offsets that do not decrease, all above the high watermark.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Active {
    pub(super) epoch: Epoch,
    /// The end of what the log has taken.
    pub(super) appended: Offset,
    /// The end of what is decided.
    pub(super) next: Offset,
    pub(super) decisions: VecDeque<Decided>,
    pub(super) answers: VecDeque<Answer>,
    pub(super) sessions: BTreeMap<NodeId, Session>,
    pub(super) rebalance_at: Option<Instant>,
}

/// A decision that is not known to be committed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Decided {
    pub(super) start: Offset,
    pub(super) end: Offset,
    pub(super) journal: Vec<Undo>,
}

/// An answer that rests on everything below `after`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Answer {
    pub(super) after: Offset,
    pub(super) token: Token,
    pub(super) response: ControllerResponse,
}

/// A broker that was heard of not long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Session {
    pub(super) broker_epoch: i64,
    pub(super) ends: Instant,
    /// Below this offset it has applied the metadata.
    pub(super) applied: Offset,
    /// The end of the decision that moved its leaderships away, if it is in controlled shutdown.
    pub(super) moved_by: Offset,
}

impl Active {
    pub(super) fn new(claim: Claim, rebalance_at: Option<Instant>) -> Self {
        Self {
            epoch: claim.epoch,
            appended: claim.start + 1,
            next: claim.start + 1,
            decisions: VecDeque::new(),
            answers: VecDeque::new(),
            sessions: BTreeMap::new(),
            rebalance_at,
        }
    }

    /// Forgets how to undo what is committed now.
    pub(super) fn commit(&mut self, high_watermark: Offset) {
        while self.decisions.front().is_some_and(|decided| decided.end <= high_watermark) {
            self.decisions.pop_front();
        }
    }

    /// The oldest answer that may leave now.
    pub(super) fn ready(&mut self, high_watermark: Offset) -> Option<Answer> {
        let is_ready = self.answers.front().is_some_and(|answer| answer.after <= high_watermark);
        if is_ready { self.answers.pop_front() } else { None }
    }
}
