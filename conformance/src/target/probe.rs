//! Probes: a crafted request goes to a node, as if of another node or of a client, and its answer is looked at.
//!
//! Rules that no correct node ever puts to the test, because it never asks so, are seen in no other way: what a leader says to who is in an older epoch,
//! what a voter says to a candidate that contradicts itself.
//!
//! A probe is taken for what it says that it is. A fetch as a follower tells a leader how far that follower's log goes, true or not; a vote that is granted
//! is given. Whoever writes a scenario chooses requests that are refused, or that tell nothing new, or means what comes of it.
//!
//! # What is not here
//! Answers: a node asks for them when it likes, so that one can be crafted only where messages can be held back. EndQuorumEpoch and BeginQuorumEpoch.
//! Requests that cannot even be decoded.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Fault;
use crate::scenario::{Member, Value};

/// What a node is asked, with numbers as `N` has them. [`Member`]s stand for ids of nodes; one that is no member of the cluster is an id that no node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "ask",
    rename_all = "kebab-case",
    deny_unknown_fields,
    bound(deserialize = "N: Deserialize<'de>")
)]
#[schemars(rename = "Question")]
pub enum Question<N = i64> {
    /// Fetch of partition 0, without waiting.
    Fetch {
        /// Of which topic.
        topic: String,
        /// As which follower; as a consumer, if left out.
        #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
        reader: Option<Member>,
        /// The leader epoch that it believes in; it does not say, if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<N>,
        /// From where on.
        offset: N,
        /// The epoch of its last record (KIP-595); it does not say, if left out.
        #[serde(rename = "last-epoch", default, skip_serializing_if = "Option::is_none")]
        last_epoch: Option<N>,
        /// Its broker epoch (KIP-903); it does not say, if left out.
        #[serde(rename = "broker-epoch", default, skip_serializing_if = "Option::is_none")]
        broker_epoch: Option<N>,
    },
    /// OffsetForLeaderEpoch: where an epoch ends.
    EndOffset {
        /// Of which topic.
        topic: String,
        /// Which epoch.
        epoch: N,
        /// The leader epoch that who asks believes in; it does not say, if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        current: Option<N>,
    },
    /// ListOffsets, as a client.
    ListOffsets {
        /// Of which topic.
        topic: String,
        /// Which offset.
        at: Edge,
        /// The leader epoch that who asks believes in; it does not say, if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<N>,
    },
    /// Metadata: who leads, in which epoch.
    Metadata {
        /// Of which topic.
        topic: String,
    },
    /// DeleteRecords: the log begins at this offset from now on. This one does something.
    DeleteRecords {
        /// Of which topic.
        topic: String,
        /// The offset of the first record to keep.
        before: N,
    },
    /// AlterPartition, to the active controller: another ISR.
    AlterPartition {
        /// Of which topic.
        topic: String,
        /// Who asks.
        from: Member,
        /// Its leader epoch.
        #[serde(rename = "leader-epoch")]
        leader_epoch: N,
        /// The partition epoch that it knows.
        #[serde(rename = "partition-epoch")]
        partition_epoch: N,
        /// Its broker epoch; that which it really has, if left out.
        #[serde(rename = "broker-epoch", default, skip_serializing_if = "Option::is_none")]
        broker_epoch: Option<N>,
        /// The ISR that it wants.
        isr: Vec<Member>,
    },
    /// Vote, of the quorum.
    Vote {
        /// Who asks; some other node than the one that is asked, if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Member>,
        /// The candidate's epoch.
        epoch: N,
        /// The epoch of its last record.
        #[serde(rename = "last-epoch")]
        last_epoch: N,
        /// The end of its log.
        end: N,
        /// Whether it is a promise only that it asks for (KIP-996).
        #[serde(default)]
        pre: bool,
    },
    /// Fetch of the quorum's log, without waiting.
    QuorumFetch {
        /// As whom; as some other node than the one that is asked, if left out.
        #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
        reader: Option<Member>,
        /// The epoch in which it follows.
        epoch: N,
        /// From where on.
        offset: N,
        /// The epoch of its last record.
        #[serde(rename = "last-epoch")]
        last_epoch: N,
    },
}

/// Which end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Edge {
    /// Where it begins.
    Earliest,
    /// Where it ends for consumers: the high watermark.
    Latest,
}

/// What a node answers, with numbers as `N` has them; -1 is Kafka's for none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Answer")]
pub enum Answer<N = i64> {
    /// An error.
    Refused {
        /// Kafka's name of it.
        error: String,
    },
    /// To a fetch: the position is as the node's own log has it there, and these are the clients' records that come next; as far as the node tells, where it is an answer,
    /// the first of them, where it is expected, and none if there are none.
    Records {
        /// The records.
        values: Vec<Value>,
    },
    /// To a fetch: the log of who asks is another.
    Diverging {
        /// The largest epoch not above the asked one that the node knows.
        epoch: N,
        /// Where that ends.
        end: N,
    },
    /// To a fetch of the quorum's log: what is asked for is in a snapshot.
    Snapshot,
    /// To `end-offset`.
    EpochEnd {
        /// The largest epoch not above the asked one that the node knows.
        epoch: N,
        /// Where that ends.
        end: N,
    },
    /// To `list-offsets`.
    Offset {
        /// The leader epoch of what is there.
        epoch: N,
        /// Where it is.
        offset: N,
    },
    /// To `metadata`.
    Leader {
        /// Who leads, if anybody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<Member>,
        /// In which leader epoch.
        epoch: N,
    },
    /// To `vote`: it is given, or promised.
    Granted,
    /// To `vote`: it is not.
    Denied,
    /// To `alter-partition` and `delete-records`: it was done.
    Done,
}

impl Answer {
    /// Whether an answer is as this one is expected.
    pub fn is_met_by(&self, found: &Self) -> bool {
        match (self, found) {
            (Self::Records { values: expected }, Self::Records { values: found }) => {
                if expected.is_empty() {
                    found.is_empty()
                } else {
                    found.starts_with(expected)
                }
            }
            _ => self == found,
        }
    }

    /// Whether it says that the node is not, or not yet, what it is taken for.
    pub fn passes(&self) -> bool {
        const PASSING: [&str; 7] = [
            "NOT_LEADER_OR_FOLLOWER",
            "LEADER_NOT_AVAILABLE",
            "OFFSET_NOT_AVAILABLE",
            "UNKNOWN_TOPIC_OR_PARTITION",
            "UNKNOWN_TOPIC_ID",
            "NOT_CONTROLLER",
            "REQUEST_TIMED_OUT",
        ];
        matches!(self, Self::Refused { error } if PASSING.contains(&error.as_str()))
    }
}

/// A number that a node is to be asked for, before a probe is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landmark {
    /// The leader epoch of a topic, or the epoch of the quorum.
    Epoch,
    /// The partition epoch of a topic, as the active controller has it.
    PartitionEpoch,
    /// The broker epoch of a node, as the active controller has it.
    BrokerEpoch(Member),
    /// The leader epoch of this record in the node's log.
    EpochOf(Value),
    /// The offset of this record in the node's log.
    OffsetOf(Value),
    /// Where the node's log begins.
    Start,
    /// Where the node's log ends.
    End,
}

/// Crafted requests.
pub trait Probes {
    /// Asks a node once, and returns its answer. No answer is [`Fault::InDoubt`].
    ///
    /// # Errors
    /// See [`Fault`].
    fn ask(&mut self, node: Member, question: &Question) -> Result<Answer, Fault>;

    /// A number of a topic, or of the quorum's log, as a node has it; nothing if there is none such, or not yet.
    ///
    /// # Errors
    /// See [`Fault`].
    fn landmark(
        &mut self,
        node: Member,
        topic: Option<&str>,
        landmark: &Landmark,
    ) -> Result<Option<i64>, Fault>;
}

/// Answers that are made up.
pub trait Forgeries {
    /// A fetch of a quorum's follower that is under way, by its message's id, is answered in the name of whom it went to, who never sees it. The answer
    /// is of the fetch's epoch, brings these records, each a batch of its own with this epoch, from the fetch's offset on, and arrives.
    ///
    /// # Errors
    /// See [`Fault`].
    fn forge(&mut self, fetch: u64, records: &[(Value, u64)]) -> Result<(), Fault>;
}

// ---- the one way to write them ----

impl<N: fmt::Display> fmt::Display for Question<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch { topic, reader, epoch, offset, last_epoch, broker_epoch } => {
                write!(f, "fetch {topic}")?;
                maybe(f, "as", reader.as_ref())?;
                maybe(f, "epoch", epoch.as_ref())?;
                write!(f, " offset={offset}")?;
                maybe(f, "last-epoch", last_epoch.as_ref())?;
                maybe(f, "broker-epoch", broker_epoch.as_ref())
            }
            Self::EndOffset { topic, epoch, current } => {
                write!(f, "end-offset {topic} epoch={epoch}")?;
                maybe(f, "current", current.as_ref())
            }
            Self::ListOffsets { topic, at, epoch } => {
                let at = match at {
                    Edge::Earliest => "earliest",
                    Edge::Latest => "latest",
                };
                write!(f, "list-offsets {topic} at={at}")?;
                maybe(f, "epoch", epoch.as_ref())
            }
            Self::Metadata { topic } => write!(f, "metadata {topic}"),
            Self::DeleteRecords { topic, before } => write!(f, "delete-records {topic} before={before}"),
            Self::AlterPartition { topic, from, leader_epoch, partition_epoch, broker_epoch, isr } => {
                let isr: Vec<String> = isr.iter().map(Member::to_string).collect();
                write!(f, "alter-partition {topic} from={from} leader-epoch={leader_epoch}")?;
                write!(f, " partition-epoch={partition_epoch}")?;
                maybe(f, "broker-epoch", broker_epoch.as_ref())?;
                write!(f, " isr={}", isr.join(","))
            }
            Self::Vote { from, epoch, last_epoch, end, pre } => {
                write!(f, "{}", if *pre { "pre-vote" } else { "vote" })?;
                maybe(f, "from", from.as_ref())?;
                write!(f, " epoch={epoch} last-epoch={last_epoch} end={end}")
            }
            Self::QuorumFetch { reader, epoch, offset, last_epoch } => {
                write!(f, "quorum-fetch")?;
                maybe(f, "as", reader.as_ref())?;
                write!(f, " epoch={epoch} offset={offset} last-epoch={last_epoch}")
            }
        }
    }
}

fn maybe(f: &mut fmt::Formatter<'_>, key: &str, value: Option<&impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {key}={value}"))
}

impl<N: fmt::Display> fmt::Display for Answer<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { error } => write!(f, "{error}"),
            Self::Records { values } if values.is_empty() => write!(f, "nothing"),
            Self::Records { values } => write!(f, "records {}", values.join(" ")),
            Self::Diverging { epoch, end } => write!(f, "diverging epoch={epoch} end={end}"),
            Self::Snapshot => write!(f, "snapshot"),
            Self::EpochEnd { epoch, end } => write!(f, "epoch={epoch} end={end}"),
            Self::Offset { epoch, offset } => write!(f, "epoch={epoch} offset={offset}"),
            Self::Leader { node: None, epoch } => write!(f, "leader=nobody epoch={epoch}"),
            Self::Leader { node: Some(node), epoch } => write!(f, "leader={node} epoch={epoch}"),
            Self::Granted => write!(f, "granted"),
            Self::Denied => write!(f, "denied"),
            Self::Done => write!(f, "done"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(values: &[&str]) -> Answer {
        Answer::Records { values: values.iter().map(|value| (*value).to_owned()).collect() }
    }

    #[test]
    fn records_that_are_expected_are_the_first_of_those_that_come() {
        assert!(records(&["a", "b"]).is_met_by(&records(&["a", "b", "c"])));
        assert!(!records(&["a", "c"]).is_met_by(&records(&["a", "b", "c"])));
        assert!(!records(&["a"]).is_met_by(&records(&[])));
        assert!(records(&[]).is_met_by(&records(&[])));
        assert!(!records(&[]).is_met_by(&records(&["a"])), "nothing is nothing");
        assert!(!records(&[]).is_met_by(&Answer::Diverging { epoch: 0, end: 0 }));
    }

    #[test]
    fn only_who_is_not_what_it_is_asked_as_is_asked_again() {
        let refused = |error: &str| Answer::Refused { error: error.to_owned() };
        assert!(refused("NOT_LEADER_OR_FOLLOWER").passes());
        assert!(!refused("FENCED_LEADER_EPOCH").passes());
        assert!(!Answer::Denied.passes());
    }
}
