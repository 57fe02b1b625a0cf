//! What the suite asks of a system: small traits, by what a system can do.
//!
//! Whoever wants a system tested implements [`Builder`], which makes a fresh [`System`] for each scenario, and those of the traits below that the
//! system can honour; in another language, the same over standard input and output ([`exec`]). All the rest, from elections to
//! invariants, the suite makes out of these.
//!
//! | trait | acts |
//! |---|---|
//! | [`Lifecycle`] | a process ends, a machine fails, a node comes back, a disk is lost |
//! | [`Timers`] | an election timer runs out; a node does what it does from time to time |
//! | [`Messages`] | what is under way; one arrives, is lost, arrives twice |
//! | [`Quorum`] | a record is given to a node, a leader gives up; what a node is, and what is in its log |
//! | [`Probes`](probe::Probes) | a crafted request goes to a node, and is answered |
//! | [`Partitions`](cluster::Partitions), [`Clients`](cluster::Clients), [`Clock`](cluster::Clock), [`Links`](cluster::Links), [`Pauses`](cluster::Pauses), [`Letters`](cluster::Letters) | of a cluster of brokers |
//!
//! # Errors
//! An error is **definite** only where it is known that nothing happened: [`Fault::Refused`]; else it is indefinite, [`Fault::InDoubt`]. [`Fault::Unsupported`] says that the system has no such
//! thing, and is always legal: the scenario is skipped, with the reason. A system that watches itself may find that an
//! invariant does not hold: [`Fault::Violated`] fails the scenario, and so does an adapter that breaks its protocol, [`Fault::Misbehaved`]. All
//! else ([`Fault::Broken`]) is a failure of the target, not a verdict about it.

pub mod cluster;
pub mod exec;
pub mod model;
pub mod probe;
pub mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Kind, Member, Role, Value};

/// What a system can do, or how it goes about it. A scenario that needs what a target has not is skipped, never passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// [`Lifecycle::kill`] and [`Lifecycle::start`].
    Processes,
    /// [`Lifecycle::crash`]: what was not flushed is lost.
    LostTails,
    /// [`Lifecycle::wipe`].
    LostDisks,
    /// [`Timers`].
    Timers,
    /// [`Messages`].
    Messages,
    /// [`Quorum`].
    Quorum,
    /// [`Quorum::resign`].
    Resign,
    /// [`NodeView::voted`] is told.
    Votes,
    /// Candidates can ask for the promise of votes first.
    PreVote,
    /// Candidates can do without.
    NoPreVote,
    /// Followers fetch: a message of records answers one of position.
    Pull,
    /// Leaders send: a message of position answers one of records.
    Push,
    /// A leader's epoch begins with a record of its own: a LeaderChange record, or a no-op.
    OpeningRecord,
    /// A leader takes clients' records at once, before its opening record is committed.
    EagerAppends,
    /// A flush is a message of its own ([`Kind::Flush`]), which can be held back.
    Flushes,
    /// Leaders announce themselves by a message that carries nothing else.
    Announcements,
    /// A leader that restarts does not vote in its epoch again, nor lead it (KRaft's resigned).
    ResignedAfterRestart,
    /// A leader that a majority is silent to resigns when its timer runs out.
    CheckQuorum,
    /// A disk that was lost comes back as another voter (KIP-853's directory ids).
    DirectoryIds,
    /// [`Lifecycle::stop`]: a node ends in good order.
    GracefulStop,
    /// [`cluster::Partitions`], [`cluster::Clients`] and [`cluster::Clock`]: a cluster of brokers.
    Cluster,
    /// [`cluster::Links`].
    Links,
    /// [`cluster::Pauses`].
    Pauses,
    /// Eligible leader replicas (KIP-966).
    EligibleLeaders,
    /// Whoever knows of no leader asks the other voters who leads, and follows whom they name.
    Searches,
    /// Some nodes of a cluster can be brokers alone ([`Setup::controllers`]).
    BrokersAlone,
    /// [`cluster::Letters`]: messages between nodes of a cluster can be held back.
    LateMessages,
    /// [`cluster::Clients::consume_at`]: consumers can read from followers (KIP-392).
    FollowerReads,
    /// [`probe::Probes`].
    Probes,
    /// [`probe::Forgeries`]: answers to fetches of a quorum can be made up.
    Forgeries,
}

impl Capability {
    /// All.
    pub const ALL: [Self; 30] = [
        Self::Processes,
        Self::LostTails,
        Self::LostDisks,
        Self::Timers,
        Self::Messages,
        Self::Quorum,
        Self::Resign,
        Self::Votes,
        Self::PreVote,
        Self::NoPreVote,
        Self::Pull,
        Self::Push,
        Self::OpeningRecord,
        Self::EagerAppends,
        Self::Flushes,
        Self::Announcements,
        Self::ResignedAfterRestart,
        Self::CheckQuorum,
        Self::DirectoryIds,
        Self::GracefulStop,
        Self::Cluster,
        Self::Links,
        Self::Pauses,
        Self::EligibleLeaders,
        Self::Searches,
        Self::BrokersAlone,
        Self::LateMessages,
        Self::FollowerReads,
        Self::Probes,
        Self::Forgeries,
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Processes => "processes",
            Self::LostTails => "lost-tails",
            Self::LostDisks => "lost-disks",
            Self::Timers => "timers",
            Self::Messages => "messages",
            Self::Quorum => "quorum",
            Self::Resign => "resign",
            Self::Votes => "votes",
            Self::PreVote => "pre-vote",
            Self::NoPreVote => "no-pre-vote",
            Self::Pull => "pull",
            Self::Push => "push",
            Self::OpeningRecord => "opening-record",
            Self::EagerAppends => "eager-appends",
            Self::Flushes => "flushes",
            Self::Announcements => "announcements",
            Self::ResignedAfterRestart => "resigned-after-restart",
            Self::CheckQuorum => "check-quorum",
            Self::DirectoryIds => "directory-ids",
            Self::GracefulStop => "graceful-stop",
            Self::Cluster => "cluster",
            Self::Links => "links",
            Self::Pauses => "pauses",
            Self::EligibleLeaders => "eligible-leaders",
            Self::Searches => "searches",
            Self::BrokersAlone => "brokers-alone",
            Self::LateMessages => "late-messages",
            Self::FollowerReads => "follower-reads",
            Self::Probes => "probes",
            Self::Forgeries => "forgeries",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Capability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|one| one.word() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|one| one.word()).collect();
            format!("found {text:?}, expected a capability: {}", known.join(", "))
        })
    }
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "message", rename_all = "kebab-case")]
pub enum Fault {
    /// The system has no such thing: what it is that it has not.
    Unsupported(String),
    /// The system refused, and nothing happened: in its words.
    Refused(String),
    /// It may have been done, or may be done still.
    InDoubt(String),
    /// The target failed, or what it did makes no sense.
    Broken(String),
    /// The system watches invariants of its own, and one does not hold: which, what was found, what was expected.
    Violated(String),
    /// The target is an adapter that does not keep to its protocol, which fails the scenario ([`exec`]).
    Misbehaved {
        /// What was sent and what came.
        found: String,
        /// What was expected.
        expected: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what) => write!(f, "unsupported: {what}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::InDoubt(why) => write!(f, "in doubt: {why}"),
            Self::Broken(why) => write!(f, "the target is broken: {why}"),
            Self::Violated(what) => write!(f, "violated: {what}"),
            Self::Misbehaved { found, expected } => write!(f, "found {found}, expected {expected}"),
        }
    }
}

impl std::error::Error for Fault {}

/// What a scenario begins with: a quorum, or a cluster of brokers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Setup {
    /// The voters, all of them to be up, on blank disks; none if a cluster is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quorum: Vec<Member>,
    /// The brokers, each a controller as well, all of them to be up, on blank disks; none if a quorum is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<Member>,
    /// The only ones of them that are controllers; none if all are ([`Capability::BrokersAlone`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<Member>,
    /// Configuration of all nodes, in Kafka's names: `unclean.leader.election.enable` and the like.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    /// Whether candidates ask for the promise of votes first.
    #[serde(default)]
    pub pre_vote: bool,
    /// For all chance in the system.
    pub seed: u64,
}

impl Setup {
    /// For builders whose systems cannot be configured.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] if they are to be.
    pub fn without_config(&self) -> Result<(), Fault> {
        match self.config.first_key_value() {
            None => Ok(()),
            Some((key, value)) => {
                Err(Fault::Unsupported(format!("it has no settings, and {key}={value} is asked for")))
            }
        }
    }
}

/// Makes systems: the entry of whoever wants one tested.
pub trait Builder {
    /// What it is called in reports.
    fn name(&self) -> String;

    /// What its systems can do.
    fn capabilities(&self) -> BTreeSet<Capability>;

    /// A fresh system.
    ///
    /// # Errors
    /// If there is none to be had, or none of this setup: [`Fault::Unsupported`] of who builds quorums alone, or clusters alone.
    fn build(&mut self, setup: &Setup) -> Result<Box<dyn System>, Fault>;
}

/// A system under test, by what it can do. Each default says that it cannot.
pub trait System {
    /// See [`Lifecycle`].
    fn lifecycle(&mut self) -> Option<&mut dyn Lifecycle> {
        None
    }

    /// See [`Timers`].
    fn timers(&mut self) -> Option<&mut dyn Timers> {
        None
    }

    /// See [`Messages`].
    fn messages(&mut self) -> Option<&mut dyn Messages> {
        None
    }

    /// See [`Quorum`].
    fn quorum(&mut self) -> Option<&mut dyn Quorum> {
        None
    }

    /// See [`cluster::Partitions`].
    fn partitions(&mut self) -> Option<&mut dyn cluster::Partitions> {
        None
    }

    /// See [`cluster::Clients`].
    fn clients(&mut self) -> Option<&mut dyn cluster::Clients> {
        None
    }

    /// See [`cluster::Clock`].
    fn clock(&mut self) -> Option<&mut dyn cluster::Clock> {
        None
    }

    /// See [`cluster::Links`].
    fn links(&mut self) -> Option<&mut dyn cluster::Links> {
        None
    }

    /// See [`cluster::Pauses`].
    fn pauses(&mut self) -> Option<&mut dyn cluster::Pauses> {
        None
    }

    /// See [`cluster::Letters`].
    fn letters(&mut self) -> Option<&mut dyn cluster::Letters> {
        None
    }

    /// See [`probe::Probes`].
    fn probes(&mut self) -> Option<&mut dyn probe::Probes> {
        None
    }

    /// See [`probe::Forgeries`].
    fn forgeries(&mut self) -> Option<&mut dyn probe::Forgeries> {
        None
    }
}

/// Nodes end and begin.
pub trait Lifecycle {
    /// The process ends at once; what it has written stays.
    ///
    /// # Errors
    /// As all here: see [`Fault`].
    fn kill(&mut self, node: Member) -> Result<(), Fault>;

    /// It ends in good order: leaderships are moved away first, as far as the system does that.
    ///
    /// # Errors
    /// See [`Fault`].
    fn stop(&mut self, node: Member) -> Result<(), Fault> {
        Err(Fault::Unsupported(format!("a graceful stop of {node}")))
    }

    /// The machine fails: what was not flushed is lost.
    ///
    /// # Errors
    /// See [`Fault`].
    fn crash(&mut self, node: Member) -> Result<(), Fault>;

    /// A node that is down comes up, over what is on its disk.
    ///
    /// # Errors
    /// See [`Fault`].
    fn start(&mut self, node: Member) -> Result<(), Fault>;

    /// A node loses its disk, and is up on a blank one afterwards.
    ///
    /// # Errors
    /// See [`Fault`].
    fn wipe(&mut self, node: Member) -> Result<(), Fault>;
}

/// Time, as far as it decides something.
pub trait Timers {
    /// The election timer of a node runs out: it campaigns, or begins to; of a leader: it looks whether a majority still hears it.
    ///
    /// # Errors
    /// See [`Fault`].
    fn expire(&mut self, node: Member) -> Result<(), Fault>;

    /// The node does what it does from time to time, short of an election: a follower that pulls fetches, a leader that pushes sends a
    /// heartbeat, whoever was not answered asks again.
    ///
    /// # Errors
    /// See [`Fault`].
    fn beat(&mut self, node: Member) -> Result<(), Fault>;
}

/// A message under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Envelope {
    /// Names it: never used again for another.
    pub id: u64,
    /// What it is.
    pub kind: Kind,
    /// Who sent it.
    pub from: Member,
    /// To whom.
    pub to: Member,
    /// What it says, for people.
    #[serde(default)]
    pub text: String,
}

/// The network.
pub trait Messages {
    /// What is under way, oldest first.
    ///
    /// # Errors
    /// See [`Fault`].
    fn pending(&mut self) -> Result<Vec<Envelope>, Fault>;

    /// A message arrives.
    ///
    /// # Errors
    /// See [`Fault`].
    fn deliver(&mut self, id: u64) -> Result<(), Fault>;

    /// A message is lost.
    ///
    /// # Errors
    /// See [`Fault`].
    fn lose(&mut self, id: u64) -> Result<(), Fault>;

    /// A message arrives, and a copy of it stays under way.
    ///
    /// # Errors
    /// See [`Fault`].
    fn duplicate(&mut self, id: u64) -> Result<(), Fault>;
}

/// A replicated log with a leader.
pub trait Quorum {
    /// Gives a client's record to a node, and does not wait until it is committed. [`Fault::Refused`] if it does not lead.
    ///
    /// # Errors
    /// See [`Fault`].
    fn append(&mut self, node: Member, value: &Value) -> Result<(), Fault>;

    /// A leader gives up in good order.
    ///
    /// # Errors
    /// See [`Fault`].
    fn resign(&mut self, node: Member) -> Result<(), Fault>;

    /// What a node is, and what is in its log; nothing of one that is down.
    ///
    /// # Errors
    /// See [`Fault`].
    fn view(&mut self, node: Member) -> Result<Option<NodeView>, Fault>;

    /// How far a node has got with its records, where that is told; nothing of one that is down.
    ///
    /// # Errors
    /// See [`Fault`].
    fn progress(&mut self, _node: Member) -> Result<Option<Progress>, Fault> {
        Ok(None)
    }
}

/// How far a node has got with its records: offsets, below which it is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// In its latest snapshot; 0 if it has none.
    pub snapshot: u64,
    /// In its state machine.
    pub applied: u64,
    /// Committed as far as it knows, be it by its snapshot alone.
    pub committed: u64,
}

/// What can be seen of a node that is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeView {
    /// What it is.
    pub role: Role,
    /// The epoch (term) that it is in.
    pub epoch: u64,
    /// Whom it takes for the leader of its epoch.
    #[serde(default)]
    pub leader: Option<Member>,
    /// For whom it voted in its epoch, where that is told ([`Capability::Votes`]).
    #[serde(default)]
    pub voted: Option<Member>,
    /// The offset of the first entry of `log`.
    #[serde(default)]
    pub log_start: u64,
    /// Its log.
    pub log: Vec<Entry>,
    /// Entries below this offset are committed as far as it knows: the high watermark.
    pub committed: u64,
}

/// A record in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Entry {
    /// The epoch of the leader that appended it.
    pub epoch: u64,
    /// The client's value; none of a record of the protocol's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

impl NodeView {
    /// The clients' values in its log.
    pub fn values(&self) -> Vec<Value> {
        self.log.iter().filter_map(|entry| entry.value.clone()).collect()
    }

    /// Those of them that are committed as far as it knows.
    pub fn committed_values(&self) -> Vec<Value> {
        let known = usize::try_from(self.committed.saturating_sub(self.log_start)).unwrap_or(usize::MAX);
        self.log.iter().take(known).filter_map(|entry| entry.value.clone()).collect()
    }

    /// The offset behind its last entry.
    pub fn log_end(&self) -> u64 {
        self.log_start + self.log.len() as u64
    }
}
