//! The historic bugs of Raft, each a change to one rule, and the changes that break nothing.

use crate::family::{Break, Control, Flaw};

use super::rules::{Acknowledgement, Bounds, CommitBound, Rules, Truncation};

/// The flaws, from [`Scale::Flaw`](crate::family::Scale::Flaw): three servers, two terms, no records, one
/// message in flight.
pub(crate) const FLAWS: &[Flaw<Bounds, Rules>] = &[
    Flaw {
        id: "A01",
        name: "commit-old-term",
        summary: "a leader commits entries of earlier terms by counting replicas (Figure 8)",
        rule: "commit-gate",
        change: |rules| rules.commit_gate = false,
        bounds: |bounds| bounds.terms = 4,
        breaks: &[
            Break { claim: "leader-completeness", steps: 22 },
            Break { claim: "state-machine-safety", steps: 25 },
            Break { claim: "committed-on-majority", steps: 25 },
        ],
        keeps: &["election-safety", "log-matching", "leader-append-only", "commit-monotone"],
        legal: false,
        grain: None,
        source: "Raft paper, Figure 8; logcabin#44; CCF#4485",
    },
    Flaw {
        id: "E10",
        name: "consistency-check-skipped",
        summary: "a follower appends whatever it is sent, without looking at the entry before",
        rule: "consistency-check",
        change: |rules| rules.consistency = false,
        bounds: |_| {},
        breaks: &[
            Break { claim: "log-matching", steps: 14 },
            Break { claim: "state-machine-safety", steps: 13 },
            Break { claim: "committed-on-majority", steps: 12 },
        ],
        keeps: &["election-safety"],
        legal: false,
        grain: None,
        source: "Raft paper, 5.3; own",
    },
    Flaw {
        id: "E11",
        name: "truncate-always",
        summary: "a follower deletes all that follows prevLogIndex, whether it conflicts or not",
        rule: "truncation",
        change: |rules| rules.truncation = Truncation::Always,
        bounds: |bounds| (bounds.terms, bounds.records, bounds.messages) = (1, 1, 2),
        breaks: &[
            Break { claim: "committed-on-majority", steps: 8 },
            Break { claim: "state-machine-safety", steps: 10 },
        ],
        keeps: &["election-safety", "log-matching"],
        legal: false,
        grain: None,
        source: "SandTable: WRaft#1, RaftOS#2; conformance case DT-17",
    },
    Flaw {
        id: "E12",
        name: "conflict-kept",
        summary: "a follower keeps a conflicting entry and reports success",
        rule: "truncation",
        change: |rules| rules.truncation = Truncation::Never,
        bounds: |_| {},
        breaks: &[
            Break { claim: "committed-on-majority", steps: 11 },
            Break { claim: "state-machine-safety", steps: 13 },
        ],
        keeps: &["election-safety"],
        legal: false,
        grain: None,
        source: "Raft paper, 5.3; own",
    },
    Flaw {
        id: "E13",
        name: "commit-unverified-tail",
        summary: "a follower follows leaderCommit to the end of its log, verified or not",
        rule: "commit-bound",
        change: |rules| rules.commit_bound = CommitBound::OwnEnd,
        bounds: |_| {},
        breaks: &[
            Break { claim: "state-machine-safety", steps: 12 },
        ],
        keeps: &["election-safety", "log-matching", "leader-completeness", "committed-on-majority"],
        legal: false,
        grain: None,
        source: "copycat#265, scylladb#9965: the pushed form of A17",
    },
    Flaw {
        id: "E14",
        name: "vote-of-another-term",
        summary: "a candidate counts a vote that it was given in an earlier term",
        rule: "vote-of-term",
        change: |rules| rules.vote_of_term = false,
        bounds: |bounds| bounds.messages = 2,
        breaks: &[
            Break { claim: "election-safety", steps: 9 },
        ],
        keeps: &[],
        legal: false,
        grain: None,
        source: "little-raft#44, akka-raft#46: A11 in Raft",
    },
    Flaw {
        id: "E15",
        name: "acknowledge-own-end",
        summary: "a follower acknowledges its whole log, the unverified tail included",
        rule: "acknowledgement",
        change: |rules| rules.acknowledgement = Acknowledgement::OwnEnd,
        bounds: |_| {},
        breaks: &[
            Break { claim: "committed-on-majority", steps: 9 },
        ],
        keeps: &["election-safety", "log-matching"],
        legal: false,
        grain: None,
        source: "CCF#6016; conformance case KH-12",
    },
    Flaw {
        id: "E16",
        name: "commit-goes-back",
        summary: "a follower takes leaderCommit as it comes, also when it is smaller than its own",
        rule: "commit-grows",
        change: |rules| rules.commit_grows = false,
        bounds: |_| {},
        breaks: &[
            Break { claim: "commit-monotone", steps: 11 },
        ],
        keeps: &["election-safety", "log-matching", "leader-completeness", "state-machine-safety"],
        legal: false,
        grain: None,
        source: "SandTable: PySyncObj#2; conformance case KH-06",
    },
    Flaw {
        id: "E17",
        name: "stale-append-obeyed",
        summary: "AppendEntries of an earlier term are obeyed, by a leader too",
        rule: "stale-append",
        change: |rules| rules.stale_append = false,
        bounds: |_| {},
        breaks: &[
            Break { claim: "leader-append-only", steps: 10 },
            Break { claim: "state-machine-safety", steps: 13 },
            Break { claim: "committed-on-majority", steps: 13 },
        ],
        keeps: &["election-safety"],
        legal: false,
        grain: None,
        source: "Raft paper, Figure 2, AppendEntries 1; own",
    },
    Flaw {
        id: "E18",
        name: "no-no-op",
        summary: "a leader begins its term without an entry: what its predecessors left stays uncommitted \
                  until a client speaks",
        rule: "no-op",
        change: |rules| rules.no_op = false,
        bounds: |bounds| bounds.records = 1,
        breaks: &[
            Break { claim: "log-committed", steps: 11 },
        ],
        keeps: &["leader-elected"],
        legal: false,
        grain: None,
        source: "Ongaro's thesis, 6.4; Raft paper, 8",
    },
    Flaw {
        id: "E19",
        name: "vote-twice",
        summary: "a server votes for whoever asks, however often in a term",
        rule: "one-vote",
        change: |rules| rules.one_vote = false,
        bounds: |bounds| bounds.terms = 1,
        breaks: &[
            Break { claim: "election-safety", steps: 8 },
        ],
        keeps: &[],
        legal: false,
        grain: None,
        source: "Raft paper, 5.2; own",
    },
];

/// What must stay green.
pub(crate) const CONTROLS: &[Control<Bounds, Rules>] = &[
    Control {
        name: "no-op-off-is-safe",
        summary: "without the no-op a leader's term may begin without an entry; the commit gate alone keeps \
                  Raft safe (what is lost is liveness: E18)",
        change: |rules| rules.no_op = false,
        bounds: |bounds| (bounds.terms, bounds.records) = (3, 2),
    },
    Control {
        name: "gate-off-in-three-terms",
        summary: "Figure 8 needs four terms: a model bounded at three cannot tell that the gate is missing",
        change: |rules| rules.commit_gate = false,
        bounds: |bounds| (bounds.terms, bounds.records) = (3, 1),
    },
    Control {
        name: "late-success-with-three-servers",
        summary: "a success of an earlier term is counted: with three servers, what one follower \
                  acknowledged was committed by that, and can be no other entry later",
        change: |rules| rules.reply_of_term = false,
        bounds: |bounds| bounds.terms = 3,
    },
];
