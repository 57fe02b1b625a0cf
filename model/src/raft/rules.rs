//! The rules of the protocol, each with its correct value as default, and the bounds.

use crate::family::{Bound, Grain, Rule, Scale};
use crate::voting::LogCheck;

use super::state::{ENTRIES_MAX, MESSAGES_MAX, RECORDS_MAX, SERVERS_MAX, TERMS_MAX};

/// The rules of Raft that can be broken, one at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// How a voter compares logs.
    pub log_check: LogCheck,
    /// A server votes for one candidate a term.
    pub one_vote: bool,
    /// Term and vote survive a restart.
    pub ballot_durable: bool,
    /// A vote counts only in the term that it was given in.
    pub vote_of_term: bool,
    /// A candidate whose timer runs out begins a new term.
    pub new_term: bool,
    /// A leader that hears of a later term becomes a follower.
    pub step_down: bool,
    /// A leader begins its term with a no-op entry.
    pub no_op: bool,
    /// AppendEntries of an earlier term are refused.
    pub stale_append: bool,
    /// AppendEntries need the entry before theirs in the follower's log.
    pub consistency: bool,
    /// What a follower deletes.
    pub truncation: Truncation,
    /// Entries are on disk before they are acknowledged.
    pub flush: bool,
    /// A success counts only in the term of its request.
    pub reply_of_term: bool,
    /// What a success vouches for.
    pub acknowledgement: Acknowledgement,
    /// A refusal moves nextIndex one back.
    pub walk_back: bool,
    /// An entry is committed on a majority; half is not enough.
    pub majority: bool,
    /// Only an entry of the leader's own term is committed by counting.
    pub commit_gate: bool,
    /// How far a follower follows leaderCommit.
    pub commit_bound: CommitBound,
    /// commitIndex takes the larger value.
    pub commit_grows: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            log_check: LogCheck::EpochThenOffset,
            one_vote: true,
            ballot_durable: true,
            vote_of_term: true,
            new_term: true,
            step_down: true,
            no_op: true,
            stale_append: true,
            consistency: true,
            truncation: Truncation::OnConflict,
            flush: true,
            reply_of_term: true,
            acknowledgement: Acknowledgement::Verified,
            walk_back: true,
            majority: true,
            commit_gate: true,
            commit_bound: CommitBound::Verified,
            commit_grows: true,
        }
    }
}

/// What a follower deletes from its log when AppendEntries pass the consistency check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncation {
    /// A conflicting entry and all that follow it, nothing else.
    OnConflict,
    /// Everything after prevLogIndex, whether it conflicts or not.
    Always,
    /// Nothing: an entry that is there stays.
    Never,
}

/// Up to where a success says that the logs match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// The last entry that this request carried or checked.
    Verified,
    /// The end of the follower's log.
    OwnEnd,
}

/// How far a follower follows leaderCommit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitBound {
    /// To the last entry that this request carried or checked.
    Verified,
    /// To the end of its own log.
    OwnEnd,
}

/// The parameters that make the state space finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Servers.
    pub nodes: u8,
    /// Terms.
    pub terms: u8,
    /// Records that clients append.
    pub records: u8,
    /// Messages in flight at a time.
    pub messages: u8,
    /// Whether servers crash and restart, as often as they like.
    pub restarts: u8,
    /// Whether the network stabilises at some point, for liveness.
    pub stabilises: u8,
    /// Whether a request, its handling and its answer are one step.
    pub atomic: bool,
}

/// The table of bounds.
pub(crate) const BOUNDS: &[Bound<Bounds>] = &[
    Bound {
        name: "nodes",
        summary: "servers",
        min: 1,
        max: SERVERS_MAX as u8,
        get: |bounds| bounds.nodes,
        set: |bounds, value| bounds.nodes = value,
    },
    Bound {
        name: "epochs",
        summary: "terms",
        min: 1,
        max: TERMS_MAX,
        get: |bounds| bounds.terms,
        set: |bounds, value| bounds.terms = value,
    },
    Bound {
        name: "records",
        summary: "records that clients append",
        min: 0,
        max: RECORDS_MAX,
        get: |bounds| bounds.records,
        set: |bounds, value| bounds.records = value,
    },
    Bound {
        name: "messages",
        summary: "messages in flight at a time",
        min: 1,
        max: MESSAGES_MAX as u8,
        get: |bounds| bounds.messages,
        set: |bounds, value| bounds.messages = value,
    },
    Bound {
        name: "restarts",
        summary: "1: servers crash and restart, as often as they like; 0: never",
        min: 0,
        max: 1,
        get: |bounds| bounds.restarts,
        set: |bounds, value| bounds.restarts = value,
    },
    Bound {
        name: "stabilise",
        summary: "1: the network becomes stable at some point (liveness); 0: never",
        min: 0,
        max: 1,
        get: |bounds| bounds.stabilises,
        set: |bounds, value| bounds.stabilises = value,
    },
];

/// The bounds of each scale.
pub(crate) fn bounds_at(scale: Scale) -> Bounds {
    let base =
        Bounds { nodes: 3, terms: 4, records: 2, messages: 2, restarts: 0, stabilises: 0, atomic: false };
    match scale {
        Scale::Test => Bounds { terms: 2, records: 1, restarts: 1, ..base },
        Scale::Default => Bounds { records: 1, restarts: 1, ..base },
        Scale::Deep => Bounds { restarts: 1, ..base },
        Scale::Liveness => Bounds { terms: 5, records: 1, messages: 1, restarts: 1, stabilises: 1, ..base },
        Scale::Flaw => Bounds { terms: 2, records: 0, messages: 1, restarts: 1, ..base },
    }
}

/// Combinations of bounds that the packed state has no room for, or that make no sense.
pub(crate) fn admit(bounds: &Bounds, rules: &Rules) -> Result<(), String> {
    let no_ops = if rules.no_op { bounds.terms } else { 0 };
    if no_ops + bounds.records > ENTRIES_MAX {
        return Err(format!(
            "--epochs {} and --records {} may fill a log with {} entries, and it holds {ENTRIES_MAX}: \
             try --records {}, or --epochs {}",
            bounds.terms,
            bounds.records,
            no_ops + bounds.records,
            ENTRIES_MAX.saturating_sub(no_ops),
            ENTRIES_MAX - bounds.records,
        ));
    }
    if bounds.stabilises == 1 && bounds.terms <= bounds.nodes {
        return Err(format!(
            "--epochs {} leaves no term before the network stabilises, since {} are kept for afterwards: \
             try --epochs {}",
            bounds.terms,
            bounds.nodes,
            bounds.nodes + 1,
        ));
    }
    Ok(())
}

/// The coarser grain.
pub(crate) const GRAINS: &[Grain<Bounds>] = &[Grain {
    name: "atomic-append",
    summary: "a request, its handling and its answer are one step; nothing is in flight, so nothing is \
              late, lost or twice. Still shows Figure 8, because one AppendEntries carries one entry",
    apply: |bounds| bounds.atomic = true,
    bounds: || Bounds {
        nodes: 5,
        terms: 3,
        records: 1,
        messages: 1,
        restarts: 1,
        stabilises: 0,
        atomic: true,
    },
}];

/// The rules, as the command lists them.
pub(crate) const RULES: &[Rule<Rules>] = &[
    Rule {
        name: "log-check",
        clause: "raft/vote/3",
        summary: "a vote is for a log at least as up to date as the voter's",
        off: |rules| rules.log_check = LogCheck::Absent,
    },
    Rule {
        name: "one-vote",
        clause: "raft/vote/1",
        summary: "a server votes for at most one candidate a term",
        off: |rules| rules.one_vote = false,
    },
    Rule {
        name: "ballot-durable",
        clause: "raft/vote/2",
        summary: "term and vote are on disk before a vote is answered",
        off: |rules| rules.ballot_durable = false,
    },
    Rule {
        name: "vote-of-term",
        clause: "raft/vote/4",
        summary: "a candidate counts the votes of its own term only",
        off: |rules| rules.vote_of_term = false,
    },
    Rule {
        name: "new-term",
        clause: "raft/term/1",
        summary: "a candidate whose timer runs out begins a new term",
        off: |rules| rules.new_term = false,
    },
    Rule {
        name: "step-down",
        clause: "raft/term/2",
        summary: "a leader that hears of a later term becomes a follower",
        off: |rules| rules.step_down = false,
    },
    Rule {
        name: "no-op",
        clause: "raft/leader/2",
        summary: "a leader begins its term with a no-op entry",
        off: |rules| rules.no_op = false,
    },
    Rule {
        name: "stale-append",
        clause: "raft/append/1",
        summary: "AppendEntries of an earlier term are refused",
        off: |rules| rules.stale_append = false,
    },
    Rule {
        name: "consistency-check",
        clause: "raft/append/2",
        summary: "AppendEntries are refused unless the log holds the entry before theirs",
        off: |rules| rules.consistency = false,
    },
    Rule {
        name: "truncation",
        clause: "raft/append/3",
        summary: "a conflicting entry and all after it are deleted, and nothing else ever is",
        off: |rules| rules.truncation = Truncation::Never,
    },
    Rule {
        name: "flush-before-ack",
        clause: "raft/append/4",
        summary: "entries are on disk before they are acknowledged",
        off: |rules| rules.flush = false,
    },
    Rule {
        name: "acknowledgement",
        clause: "raft/reply/2",
        summary: "a success vouches for what its request carried or checked, not for the follower's whole log",
        off: |rules| rules.acknowledgement = Acknowledgement::OwnEnd,
    },
    Rule {
        name: "walk-back",
        clause: "raft/reply/3",
        summary: "a refusal moves nextIndex one back, until the logs match",
        off: |rules| rules.walk_back = false,
    },
    Rule {
        name: "commit-majority",
        clause: "raft/commit/1",
        summary: "an entry is committed once it is on a majority",
        off: |rules| rules.majority = false,
    },
    Rule {
        name: "commit-gate",
        clause: "raft/commit/2",
        summary: "only an entry of the leader's own term is committed by counting",
        off: |rules| rules.commit_gate = false,
    },
    Rule {
        name: "commit-bound",
        clause: "raft/commit/3",
        summary: "a follower commits no further than the last entry verified against the leader",
        off: |rules| rules.commit_bound = CommitBound::OwnEnd,
    },
    Rule {
        name: "commit-grows",
        clause: "raft/commit/4",
        summary: "a follower's commitIndex takes the larger value",
        off: |rules| rules.commit_grows = false,
    },
];
