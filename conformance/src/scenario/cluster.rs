//! The words for clusters of brokers: nodes by what they are, producers, elections, and what is seen of partitions.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Content, Member, Value};
use crate::target::cluster::Acks;

/// A node, by its name or by what it is. In a scenario of a quorum, by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(with = "String")]
pub enum Who {
    /// `n1`, `n2`, …
    Node(Member),
    /// `controller`: whoever is the active controller when the step comes.
    Controller,
    /// `former`: whom `controller` meant when it was last said.
    Former,
}

impl Who {
    /// The node, if it is named.
    pub fn member(self) -> Option<Member> {
        match self {
            Self::Node(member) => Some(member),
            Self::Controller | Self::Former => None,
        }
    }
}

impl From<Member> for Who {
    fn from(member: Member) -> Self {
        Self::Node(member)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(member) => write!(f, "{member}"),
            Self::Controller => f.write_str("controller"),
            Self::Former => f.write_str("former"),
        }
    }
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "controller" => Ok(Self::Controller),
            "former" => Ok(Self::Former),
            name => name.parse().map(Self::Node),
        }
    }
}

impl Serialize for Who {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Who {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Records that a producer writes, one after another, each in a request of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Produce {
    /// To which topic.
    pub topic: String,
    /// To which node, whoever leads; to the leader, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Who>,
    /// What it waits for.
    #[serde(default)]
    pub acks: Acks,
    /// The records.
    pub values: Vec<Value>,
    /// What must come of each.
    #[serde(default)]
    pub fate: Fate,
}

/// What must come of a record that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is acknowledged. What is refused meanwhile is sent again.
    #[default]
    Acknowledged,
    /// It is not acknowledged: refused, or in doubt.
    Fails,
    /// It is refused, by this name of Kafka's if there is one.
    Refused(Option<String>),
    /// Whatever comes of it.
    Anyhow,
}

/// What is to be seen of a topic's partition.
///
/// All nodes must say so that run and reach a majority of the cluster, and be reached by it; or the one node that the expectation names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OfTopic {
    /// Which topic.
    pub topic: String,
    /// What.
    pub sight: Sight,
    /// As this node says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Member>,
    /// Once it is so, it stays so for so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<u32>,
}

/// What is to be seen of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// This node leads.
    Leader(Who),
    /// Somebody leads, and not this node.
    LeaderNot(Who),
    /// Nobody leads.
    NoLeader,
    /// Somebody leads who runs.
    Led,
    /// These are the in-sync replicas, in whatever order.
    Isr(Vec<Member>),
    /// This one is not among the in-sync replicas.
    IsrLacks(Member),
    /// These are the eligible leader replicas (KIP-966), in whatever order.
    Elr(Vec<Member>),
    /// What a consumer is given that reads from the start.
    Reads(Content),
    /// The high watermark: of the node that is named, or of the leader.
    HighWatermark(u64),
    /// The end of the log: of the node that is named, or of the leader.
    LogEnd(u64),
}
