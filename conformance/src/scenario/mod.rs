//! Scenarios: what is done to a system, and what must then be seen.
//!
//! A scenario is the suite's one currency. Directed cases are scenarios; so are counterexamples of the models and failures of the
//! simulation, once written down; and each can be played on any target. There is one structure ([`Scenario`]) and two forms of it: text, which people write
//! and read ([`parse`], and `Display` back), and JSON, which programs exchange. `specs/scenarios.md` is the language's page,
//! `specs/scenario.schema.json` the schema.
//!
//! ```text
//! title: A record of an older epoch on a majority is not yet committed
//! clauses: kraft/commit/1
//! quorum: n1 n2 n3
//!
//! campaign n1                     # epoch 1
//! append n1 x                     # on n1 alone
//! crash n1
//! campaign n2                     # by the votes of n2 and n3
//! expect n3 log lacks x
//! ```
//!
//! A scenario is about a **quorum**, a replicated log with a leader, or about a **cluster** of brokers with topics, producers and consumers:
//!
//! ```text
//! title: A leader that fails is followed by a member of the ISR
//! clauses: isr/elect/1
//! cluster: n1 n2 n3
//! topic: t on n1 n2 n3 min-isr 2
//!
//! produce t a b                   # acknowledged by all of the ISR
//! kill n1
//! expect t leader not n1
//! expect t reads is a b
//! ```
//!
//! # What a step means
//! Steps say what is to be so, not with which messages. `replicate n1 -> n3 until x` is a handful of fetches where followers pull, and an append
//! with its answer where leaders push. What a target needs for it are a few single acts (`target`); the suite makes the steps of them.
//! So the same scenario has the same meaning everywhere, and a record is named by its value, for offsets differ: one system begins each epoch
//! with a record of its own, another does not.
//!
//! Nothing moves by itself: a message stays under way until a step delivers it, or its link is cut. Where a system's own clock
//! moves things (real processes), steps wait for what they say, up to a deadline.
//!
//! In a cluster time does move by itself. What is expected is waited for ([`Scenario::within_seconds`]), and what must not come is
//! watched for as long as the scenario says (`for 5s`). Clients reach every node, whatever is cut between nodes.

mod cluster;
mod probe;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use cluster::{Fate, OfTopic, Produce, Sight, Who};
pub use probe::{Ask, Base, Reckon, Sort, Term};
pub use text::{HEAD, ParseError, VERBS, parse};

use crate::target::cluster::{Election, Topic};

/// Reads a scenario in either of its forms. JSON begins with a brace, which no line of text does.
///
/// # Errors
/// The first line that makes no sense.
pub fn read(text: &str) -> Result<Scenario, ParseError> {
    if !text.trim_start().starts_with('{') {
        return parse(text);
    }
    let scenario: Scenario = serde_json::from_str(text).map_err(|error| ParseError {
        line: error.line(),
        because: format!(
            "column {}: {error}; specs/scenario.schema.json says what is expected",
            error.column()
        ),
    })?;
    text::check(&scenario).map_err(|(line, because)| ParseError {
        line: line.filter(|line| *line > 0).unwrap_or(1),
        because,
    })?;
    Ok(scenario)
}

/// The name of a node: `n1`, `n2`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(with = "String")]
pub struct Member(pub u8);

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl std::str::FromStr for Member {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix('n').and_then(|digits| digits.parse().ok());
        let number = number.filter(|number| (1..=9).contains(number));
        number.map(Self).ok_or_else(|| format!("found {text:?}, expected the name of a node: n1 to n9"))
    }
}

impl Serialize for Member {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A client's record, named by its value.
pub type Value = String;

/// How much is at stake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// Whoever fails it does not conform.
    #[default]
    Must,
    /// Whoever fails it does not conform under `--strict`.
    Should,
    /// A choice of a version or a configuration: reported, never a failure.
    Varies,
}

/// What a scenario is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// Each step has to go as it says, and all invariants have to hold.
    #[default]
    Steps,
    /// Invariants and expectations alone: a step that cannot be taken is passed over, and reported.
    Invariants,
}

impl Judge {
    /// Whether each step has to go as it says.
    pub fn is_steps(&self) -> bool {
        *self == Self::Steps
    }
}

/// A scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in a sentence.
    pub title: String,
    /// The clauses of `specs/` that demand it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clauses: Vec<String>,
    /// Where the requirement is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How much is at stake.
    #[serde(default)]
    pub demand: Demand,
    /// What a target must offer beyond what the steps need by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<crate::target::Capability>,
    /// The flaws that it finds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kills: Vec<String>,
    /// The voters, all up and blank at the beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quorum: Vec<Member>,
    /// Or the brokers, controllers as well, all up and blank at the beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<Member>,
    /// The only ones of them that are controllers, where not all are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<Member>,
    /// The topics that there are before the first step, every replica in sync.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<Topic>,
    /// The nodes' configuration, in Kafka's names, beyond what the target sets by itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    /// How long a cluster has for what is expected of it; 60 seconds if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_seconds: Option<u32>,
    /// The topics of which records may be lost that were acknowledged: nothing is claimed of them but what the scenario expects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loses: Vec<String>,
    /// Whether candidates ask for the promise of votes first (KIP-996); as the target likes, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_vote: Option<bool>,
    /// What it is judged by.
    #[serde(default, skip_serializing_if = "Judge::is_steps")]
    pub judge: Judge,
    /// What happens.
    pub steps: Vec<Line>,
}

impl Scenario {
    /// How long a cluster has for what is expected of it, if nothing is said: three machines of real processes that share two processors are slow at times.
    pub const WITHIN_SECONDS: u32 = 60;

    /// Its nodes.
    pub fn members(&self) -> &[Member] {
        if self.is_of_cluster() { &self.cluster } else { &self.quorum }
    }

    /// Whether it is about a cluster of brokers.
    pub fn is_of_cluster(&self) -> bool {
        !self.cluster.is_empty()
    }
}

/// A step, and where it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Line {
    /// The line in the text; 0 if there is none.
    #[serde(default)]
    pub line: usize,
    /// What happens.
    #[serde(flatten)]
    pub step: Step,
}

/// What happens, or has to be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// The process ends at once. What it wrote stays, flushed or not.
    Kill {
        /// Which.
        node: Who,
    },
    /// The machine fails: what was not flushed is lost.
    Crash {
        /// Which.
        node: Who,
    },
    /// It ends in good order: of a cluster only.
    Stop {
        /// Which.
        node: Who,
    },
    /// It comes back, over what is on its disk.
    Start {
        /// Which.
        node: Who,
    },
    /// Its disk is lost; it comes back on a blank one.
    Wipe {
        /// Which.
        node: Who,
    },
    /// What one says does not reach the other from now on, nor what is under way.
    Cut {
        /// Who is not heard.
        from: Who,
        /// By whom.
        to: Who,
    },
    /// It hears nobody, and nobody hears it.
    Isolate {
        /// Which.
        node: Who,
    },
    /// All links of a node work again; without one, all.
    Heal {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<Who>,
    },
    /// Its timer runs out: it has not heard of a leader, or of a majority, for too long. What it then says is under way.
    Expire {
        /// Which.
        node: Member,
    },
    /// It does what it does from time to time, short of an election: it fetches, sends a heartbeat, asks again. What it then says is under way.
    Beat {
        /// Which.
        node: Member,
    },
    /// Its timer runs out, and all that is said in the election is delivered on links that work; over again, while it does not lead.
    Campaign {
        /// Which.
        node: Member,
        /// That it does not get to lead. Then its timer runs out once.
        #[serde(default)]
        loses: bool,
    },
    /// The oldest message of a kind from one node to another arrives; one that was held back before others.
    Deliver(Post),
    /// The latest of a kind arrives; where nothing of the kind is under way, the sender beats first, which is what makes it say it. What it overtakes is lost.
    Bring(Post),
    /// It is lost.
    Drop(Post),
    /// The next message of a kind from one node to another is held back, until it is delivered or dropped by name.
    Hold(Post),
    /// The next message of a kind that arrives from one node at another leaves a copy, which is held back until it is delivered or dropped by name.
    Copy(Post),
    /// All that two nodes have to say to each other arrives, until nothing changes or only what is held back is left. No timer of elections runs out.
    Exchange {
        /// The one.
        one: Member,
        /// The other.
        other: Member,
    },
    /// A client's record is given to a node.
    Append {
        /// To which.
        node: Member,
        /// The record.
        value: Value,
        /// That it is refused.
        #[serde(default)]
        refused: bool,
    },
    /// A follower is brought up to its leader, by as many messages as it takes; or only until it holds a record and the leader has been told so.
    Replicate {
        /// From whom.
        leader: Member,
        /// To whom.
        follower: Member,
        /// Until this record is there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Value>,
    },
    /// A leader gives up its leadership in good order.
    Resign {
        /// Which.
        node: Member,
    },
    /// Everything is delivered on links that work, and whoever has something to send sends it, until nothing changes. No timer of elections runs out.
    Settle,
    /// The process stands still: of a cluster only, like all that follow but what is expected.
    Pause {
        /// Which.
        node: Who,
    },
    /// It goes on.
    Resume {
        /// Which.
        node: Who,
    },
    /// A topic is created, and all that run know it.
    Create(Topic),
    /// A producer writes.
    Produce(Produce),
    /// A leader is elected on request.
    Elect {
        /// Of which topic's partition.
        topic: String,
        /// How.
        election: Election,
        /// That it is refused, by this name of Kafka's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<String>,
    },
    /// A topic is deleted, and none that runs knows it any more. Its name is not used again.
    Delete {
        /// Which.
        topic: String,
    },
    /// A topic's configuration is set.
    Configure {
        /// Which topic's.
        topic: String,
        /// Its key.
        key: String,
        /// To what.
        value: String,
        /// That it is refused, by this name of Kafka's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<String>,
    },
    /// A crafted request goes to a node, which must answer as said.
    Ask(Box<Ask>),
    /// A follower's fetch that is under way is answered in its leader's name, by these records behind what it has; the leader never sees it. Of a quorum only.
    Forge {
        /// In whose name.
        leader: Member,
        /// Whose fetch.
        follower: Member,
        /// Each a batch of its own.
        records: Vec<Forged>,
    },
    /// Something has to be seen.
    Expect(Expectation),
}

/// A record of an answer that is made up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Forged {
    /// Its value.
    pub value: Value,
    /// Its epoch, as the follower counts: `current` is the one that it is in.
    pub epoch: Term,
}

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Post {
    /// Its kind.
    pub kind: Kind,
    /// Who sent it.
    pub from: Member,
    /// To whom.
    pub to: Member,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A candidate asks for a vote, or for the promise of one.
    Vote,
    /// The answer.
    VoteAnswer,
    /// A leader says that it leads, and nothing else (BeginQuorumEpoch).
    Announcement,
    /// The answer.
    AnnouncementAnswer,
    /// A leader says that it leads no more.
    Resignation,
    /// The answer.
    ResignationAnswer,
    /// From a leader: records, or that there are none, or where logs part. Where leaders push, a heartbeat as well.
    Records,
    /// To a leader: how far the log goes, which acknowledges what is before. Where followers pull, the request.
    Position,
    /// Of a node to itself: what it has written gets to disk. At once, where it is not held back.
    Flush,
    /// Anything else: parts of snapshots.
    Other,
    /// Of a cluster only, like all that follow: a follower asks for records of partitions, and says how far its logs go.
    Fetch,
    /// The answer.
    FetchAnswer,
    /// A leader asks the controller for another ISR.
    AlterPartition,
    /// The answer.
    AlterPartitionAnswer,
    /// A broker tells the controller that it lives.
    Heartbeat,
    /// The answer.
    HeartbeatAnswer,
    /// A broker that has started registers with the controller.
    Registration,
    /// The answer.
    RegistrationAnswer,
    /// A node asks the controller for metadata.
    Metadata,
    /// The answer.
    MetadataAnswer,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 20] = [
        Self::Vote,
        Self::VoteAnswer,
        Self::Announcement,
        Self::AnnouncementAnswer,
        Self::Resignation,
        Self::ResignationAnswer,
        Self::Records,
        Self::Position,
        Self::Flush,
        Self::Other,
        Self::Fetch,
        Self::FetchAnswer,
        Self::AlterPartition,
        Self::AlterPartitionAnswer,
        Self::Heartbeat,
        Self::HeartbeatAnswer,
        Self::Registration,
        Self::RegistrationAnswer,
        Self::Metadata,
        Self::MetadataAnswer,
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Vote => "vote",
            Self::VoteAnswer => "vote-answer",
            Self::Announcement => "announcement",
            Self::AnnouncementAnswer => "announcement-answer",
            Self::Resignation => "resignation",
            Self::ResignationAnswer => "resignation-answer",
            Self::Records => "records",
            Self::Position => "position",
            Self::Flush => "flush",
            Self::Other => "other",
            Self::Fetch => "fetch",
            Self::FetchAnswer => "fetch-answer",
            Self::AlterPartition => "alter-partition",
            Self::AlterPartitionAnswer => "alter-partition-answer",
            Self::Heartbeat => "heartbeat",
            Self::HeartbeatAnswer => "heartbeat-answer",
            Self::Registration => "registration",
            Self::RegistrationAnswer => "registration-answer",
            Self::Metadata => "metadata",
            Self::MetadataAnswer => "metadata-answer",
        }
    }

    /// Whether it is among brokers, and not among the voters of a quorum by itself.
    pub fn is_of_clusters(self) -> bool {
        self >= Self::Fetch
    }

    /// Whether an election is made of it.
    pub fn is_of_election(self) -> bool {
        matches!(self, Self::Vote | Self::VoteAnswer | Self::Announcement | Self::AnnouncementAnswer)
    }
}

/// What a node is to its quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It leads.
    Leader,
    /// It follows a leader.
    Follower,
    /// It wants to lead, and asks for votes or for promises of them.
    Candidate,
    /// It knows no leader, or led the epoch once, and does not campaign at present.
    Unattached,
    /// It does not vote.
    Observer,
}

impl Role {
    /// All.
    pub const ALL: [Self; 5] =
        [Self::Leader, Self::Follower, Self::Candidate, Self::Unattached, Self::Observer];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Unattached => "unattached",
            Self::Observer => "observer",
        }
    }
}

/// What has to be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "see", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Expectation {
    /// What a node is.
    Role {
        /// Which node.
        node: Member,
        /// What; or what not.
        role: Role,
        /// That it is not that.
        #[serde(default)]
        not: bool,
    },
    /// Whom a node takes for the leader of its epoch.
    Follows {
        /// Which node.
        node: Member,
        /// Whom.
        leader: Member,
    },
    /// In which epoch a node is.
    Epoch {
        /// Which node.
        node: Member,
        /// Which epoch.
        epoch: u64,
    },
    /// For whom a node voted in its epoch.
    Voted {
        /// Which node.
        node: Member,
        /// For whom; nobody if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        candidate: Option<Member>,
    },
    /// The clients' records in a node's log.
    Log {
        /// Which node.
        node: Member,
        /// What of them.
        #[serde(flatten)]
        content: Content,
    },
    /// The epochs of all records in a node's log, those of the protocol's own included.
    LogEpochs {
        /// Which node.
        node: Member,
        /// Of its records, one after another.
        epochs: Vec<u64>,
    },
    /// The clients' records that are committed as far as a node knows.
    Committed {
        /// Which node.
        node: Member,
        /// What of them.
        #[serde(flatten)]
        content: Content,
    },
    /// All nodes that are up have the same log.
    LogsAgree,
    /// No node that is up leads.
    NoLeader,
    /// What there is of a topic's partition.
    Topic(OfTopic),
    /// A message of a cluster is held back.
    Held(Post),
    /// None of a kind is held back, nor is one for so many seconds: none was sent, where `hold` waits for it.
    NotHeld {
        /// Which.
        #[serde(flatten)]
        post: Post,
        /// For how long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_seconds: Option<u32>,
    },
    /// Who is the active controller, as all say that run and reach a majority.
    Controller {
        /// This node; anyone, if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<Who>,
        /// That it is not this one.
        #[serde(default)]
        not: bool,
    },
}

/// What there is of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// These and no others, in this order.
    Is(Vec<Value>),
    /// All of these.
    Has(Vec<Value>),
    /// None of these.
    Lacks(Vec<Value>),
}

impl Content {
    /// Whether `values` are like that.
    pub fn holds(&self, values: &[Value]) -> bool {
        match self {
            Self::Is(all) => values == all,
            Self::Has(some) => some.iter().all(|value| values.contains(value)),
            Self::Lacks(some) => !some.iter().any(|value| values.contains(value)),
        }
    }
}
