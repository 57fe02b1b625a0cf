//! What goes into a replica and what comes out of it.

use std::fmt;

use bytes::Bytes;
use highwater_core::quorum::{Request, Response, RoleName};
use highwater_core::{Epoch, NodeId, Offset, Token};

/// What a driver tells a replica.
#[derive(Debug)]
pub enum Input {
    /// A request of another member came. The answer will carry the token, perhaps much later.
    Request {
        /// Names the request; chosen by the driver.
        token: Token,
        /// What it asks.
        request: Request,
    },
    /// An answer came.
    Response {
        /// That of [`Output::Send`].
        correlation: u64,
        /// What it says.
        response: Response,
        /// The bytes that came along: of records, of a snapshot.
        bytes: Bytes,
    },
    /// A request will not be answered: its connection broke.
    Failed {
        /// That of [`Output::Send`].
        correlation: u64,
    },
    /// The program wants a record in the log. Ends in [`Output::Proposed`] with the token.
    Propose {
        /// Names the proposal; chosen by the driver.
        token: Token,
        /// The record.
        record: Bytes,
    },
    /// The program wants to read what is in force now. Ends in [`Output::Readable`] with the token.
    Read {
        /// Names the read; chosen by the driver.
        token: Token,
    },
    /// Leads no more, if it leads, and proposes a successor.
    Resign,
}

/// What a replica wants done, in order.
#[derive(Debug)]
pub enum Output<A> {
    /// Send a request to another member. [`Input::Response`] or [`Input::Failed`] comes back under the number, or neither.
    Send {
        /// To whom.
        to: NodeId,
        /// Names the request.
        correlation: u64,
        /// What it asks.
        request: Request,
    },
    /// Answer a request of another member.
    Reply {
        /// Which.
        token: Token,
        /// What it says.
        response: Response,
        /// The bytes that go along.
        bytes: Bytes,
    },
    /// Flush the log: [`Replica::flush`](crate::Replica::flush) here, or [`Replica::flusher`](crate::Replica::flusher) on another thread.
    Flush,
    /// What came of a proposal.
    Proposed {
        /// Which.
        token: Token,
        /// What.
        result: Result<Committed<A>, ProposeError>,
    },
    /// Whether [`Replica::machine`](crate::Replica::machine) holds now, before the next input, all that was committed when the read was asked for.
    Readable {
        /// Which.
        token: Token,
        /// Whether; if not, why.
        result: Result<(), ProposeError>,
    },
    /// For the operator.
    Report(String),
    /// The last output: the disk failed, and nothing that comes in has any effect any more.
    Stopped(String),
}

/// A record that is committed and applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed<A> {
    /// Where in the log.
    pub offset: Offset,
    /// What the state machine answered.
    pub answer: A,
}

/// Why a proposal or a read came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProposeError {
    /// This member does not lead: nothing was done. Ask the leader.
    NotLeader {
        /// Who does, if that is known. None also while an election is under way: try again in a while.
        leader: Option<NodeId>,
    },
    /// This member led when it took the proposal and does not any more: whether the record is committed is not known. To propose it again may apply it
    /// twice. Never of a read.
    Unknown,
    /// The record is too long: nothing was done.
    TooLong {
        /// How many bytes it has.
        found: usize,
        /// How many it may have (`Config::record_bytes_max`).
        max: usize,
    },
    /// As many wait as may: nothing was done.
    Busy {
        /// How many (`Config::waiting_max`).
        max: usize,
    },
    /// The member has stopped. What was proposed before may have been committed or not.
    Stopped,
}

impl fmt::Display for ProposeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLeader { leader: Some(leader) } => {
                write!(f, "this member does not lead: nothing was done; ask member {}", leader.0)
            }
            Self::NotLeader { leader: None } => {
                f.write_str("no leader is known at present: nothing was done; try again in a while")
            }
            Self::Unknown => f.write_str(
                "this member has lost the lead: whether the record is committed is not known; ask the new leader for \
                 what is in force before proposing it again",
            ),
            Self::TooLong { found, max } => write!(
                f,
                "found a record of {found} bytes, expected at most {max}: nothing was done; cut it up, or raise \
                 record_bytes_max on all members"
            ),
            Self::Busy { max } => write!(
                f,
                "{max} proposals and reads wait already: nothing was done; wait for some of them, or raise waiting_max"
            ),
            Self::Stopped => f.write_str("the member has stopped: see why it did, and ask another"),
        }
    }
}

impl std::error::Error for ProposeError {}

/// How a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Which.
    pub id: NodeId,
    /// What it is.
    pub role: RoleName,
    /// Its epoch.
    pub epoch: Epoch,
    /// The leader of that, as far as known.
    pub leader: Option<NodeId>,
    /// Whether it takes proposals: it leads, and has applied all that was committed before it did.
    pub serves: bool,
    /// Below is committed, as far as it knows.
    pub committed: Offset,
    /// Below is in its state machine.
    pub applied: Offset,
    /// Where its log starts: what is before is in a snapshot.
    pub log_start: Offset,
    /// Where its log ends.
    pub log_end: Offset,
}
