//! Votes: the part that KRaft and Raft share.
//!
//! One vote per epoch, durable before it is answered, only for a log at least as up to date, first come
//! first served (Raft 5.2 and 5.4.1; KIP-595). [`kraft`](crate::kraft) and [`raft`](crate::raft) carry the
//! [`Ballot`] in their states and ask [`VoteRules`] what a voter does with a request.

use bytemuck::{Pod, Zeroable};

/// Nobody: the value of `voted` and `leader` in a [`Ballot`] that has none. Voters count from 1.
pub const NOBODY: u8 = 0;

/// What a voter must not forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Ballot {
    /// The largest epoch (Raft: term) heard of.
    pub epoch: u8,
    /// Who got this voter's vote in `epoch`; [`NOBODY`] if none did.
    pub voted: u8,
}

/// The end of a log, as votes compare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogEnd {
    /// Epoch of the last record; 0 of an empty log.
    pub epoch: u8,
    /// Offset after the last record.
    pub offset: u8,
}

/// How a voter compares a candidate's log with its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogCheck {
    /// The later epoch wins; the longer log among equals (Raft 5.4.1).
    #[default]
    EpochThenOffset,
    /// The longer log wins, whatever its epochs (flaw A07).
    OffsetOnly,
    /// Any log will do (flaw A06).
    Absent,
}

impl LogCheck {
    /// Whether a voter whose log ends at `mine` may vote for a candidate whose log ends at `theirs`.
    pub fn admits(self, theirs: LogEnd, mine: LogEnd) -> bool {
        match self {
            Self::EpochThenOffset => (theirs.epoch, theirs.offset) >= (mine.epoch, mine.offset),
            Self::OffsetOnly => theirs.offset >= mine.offset,
            Self::Absent => true,
        }
    }
}

/// A request for a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VoteRequest {
    /// The epoch that the candidate wants to lead.
    pub epoch: u8,
    /// The candidate's voter id.
    pub candidate: u8,
    /// Where its log ends.
    pub end: LogEnd,
}

/// What a voter asks of a request before it grants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VoteRules {
    /// How the logs are compared.
    pub log_check: LogCheck,
}

impl VoteRules {
    /// Whether the holder of `ballot`, whose log ends at `mine`, grants `request`.
    ///
    /// The request must be of the ballot's own epoch ([`Ballot::hear`] comes first), and of the candidate
    /// that has the vote if anyone has: a repeated request is granted again, since the reply may be lost.
    pub fn grants(self, ballot: Ballot, request: VoteRequest, mine: LogEnd) -> bool {
        ballot.epoch == request.epoch
            && (ballot.voted == NOBODY || ballot.voted == request.candidate)
            && self.log_check.admits(request.end, mine)
    }
}

impl Ballot {
    /// Takes note of `epoch`. A later one than ours becomes ours, with no vote cast in it: true.
    pub fn hear(&mut self, epoch: u8) -> bool {
        if epoch <= self.epoch {
            return false;
        }
        *self = Self { epoch, voted: NOBODY };
        true
    }
}

/// The least number of `voters` that is more than half of them.
pub const fn majority(voters: u8) -> u8 {
    voters / 2 + 1
}
