//! Records that do not fit the records before them.

use alloc::string::String;
use core::fmt;

use crate::{NodeId, Uuid};

/// Why a record cannot be applied: the log is not one that a controller wrote, or it is corrupt. The image is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ApplyError {
    /// No such topic.
    UnknownTopic(Uuid),
    /// No such topic.
    UnknownTopicName(String),
    /// No such partition.
    UnknownPartition(Uuid, i32),
    /// There is a topic of this name, or of this id, already.
    TopicExists(String, Uuid),
    /// No such broker.
    UnknownBroker(NodeId),
    /// The broker has another epoch.
    BrokerEpoch {
        /// Which broker.
        broker: NodeId,
        /// The epoch in the record.
        found: i64,
        /// Its epoch.
        expected: i64,
    },
    /// A number that stands for nothing.
    Meaningless {
        /// The field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// An epoch would become larger than its type.
    Exhausted {
        /// Which.
        field: &'static str,
    },
    /// A level of `metadata.version` that is not known here.
    MetadataVersion(i16),
    /// A transaction begins in another.
    NestedTransaction,
    /// A transaction ends that never began.
    NoTransaction,
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTopic(topic) => write!(f, "no topic has the id {:032x}", topic.0),
            Self::UnknownTopicName(name) => write!(f, "no topic has the name {name}"),
            Self::UnknownPartition(topic, partition) => {
                write!(f, "topic {:032x} has no partition {partition}", topic.0)
            }
            Self::TopicExists(name, topic) => {
                write!(f, "there is a topic {name} or {:032x} already", topic.0)
            }
            Self::UnknownBroker(broker) => write!(f, "no broker {} is registered", broker.0),
            Self::BrokerEpoch { broker, found, expected } => {
                write!(f, "broker {} has epoch {expected}, the record says {found}", broker.0)
            }
            Self::Meaningless { field, value } => write!(f, "{field} {value} stands for nothing"),
            Self::Exhausted { field } => write!(f, "{field} cannot grow any more"),
            Self::MetadataVersion(level) => write!(f, "metadata.version {level} is not known here"),
            Self::NestedTransaction => write!(f, "a transaction begins inside another"),
            Self::NoTransaction => write!(f, "a transaction ends that did not begin"),
        }
    }
}

impl core::error::Error for ApplyError {}
