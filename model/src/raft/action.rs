//! What can happen: one step of one server, or one event of one message.

use super::state::{Kind, Message};

/// One step. Servers count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The election timer of a server runs out: it becomes a candidate of the next term.
    Timeout(u8),
    /// A candidate sends RequestVote to a peer.
    AskVote(u8, u8),
    /// A leader sends AppendEntries to a peer: the entry at nextIndex, or none.
    SendAppend(u8, u8),
    /// A leader sends AppendEntries without an entry to a peer that it has entries for.
    Heartbeat(u8, u8),
    /// A client's record is appended by a leader.
    Append(u8),
    /// A message arrives.
    Deliver(Message),
    /// A message arrives and stays in flight: it may arrive again.
    Duplicate(Message),
    /// A message is lost.
    Lose(Message),
    /// A server crashes and restarts; what is written survives.
    Restart(u8),
    /// A server crashes, loses the unflushed tail of its log, and restarts.
    PowerLoss(u8),
    /// A server's log is flushed.
    Flush(u8),
    /// From now on nothing is lost, doubled or restarted, and timers wait for messages.
    Stabilise,
}

/// The kinds of action, as coverage reports them.
pub(crate) const KINDS: &[&str] = &[
    "timeout",
    "ask-vote",
    "send-append",
    "heartbeat",
    "client-append",
    "deliver-vote-request",
    "deliver-vote-reply",
    "deliver-append",
    "deliver-append-reply",
    "duplicate",
    "lose",
    "restart",
    "power-loss",
    "flush",
    "stabilise",
];

impl Action {
    /// The index into [`KINDS`].
    pub(crate) fn kind(&self) -> usize {
        match self {
            Self::Timeout(_) => 0,
            Self::AskVote(..) => 1,
            Self::SendAppend(..) => 2,
            Self::Heartbeat(..) => 3,
            Self::Append(_) => 4,
            Self::Deliver(message) => match message.kind() {
                Kind::VoteRequest => 5,
                Kind::VoteReply => 6,
                Kind::Append => 7,
                Kind::AppendReply => 8,
            },
            Self::Duplicate(_) => 9,
            Self::Lose(_) => 10,
            Self::Restart(_) => 11,
            Self::PowerLoss(_) => 12,
            Self::Flush(_) => 13,
            Self::Stabilise => 14,
        }
    }

    /// The weak-fairness class. Once the network is stable, servers keep their timers, send what they owe,
    /// and messages arrive; clients and faults owe nothing.
    pub(crate) fn fairness(&self) -> Option<u8> {
        match *self {
            Self::Timeout(server) => Some(server),
            Self::AskVote(from, _) => Some(8 + from),
            Self::SendAppend(from, _) | Self::Heartbeat(from, _) => Some(16 + from),
            Self::Deliver(message) => Some(24 + message.to() as u8),
            Self::Flush(server) => Some(32 + server),
            _ => None,
        }
    }
}
