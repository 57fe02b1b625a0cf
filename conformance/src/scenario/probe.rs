//! The words for probes: a question, what must be answered, and numbers that mean the same on every system.
//!
//! Epochs and offsets differ between systems: one begins each epoch with a record of its own, another does not, and epochs are numbered as it comes. So a
//! scenario says what is meant: the epoch that is in force, the offset behind a record that it names.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Value, Who};
use crate::target::probe::{Answer, Landmark, Question};

/// A question to a node, and what it must answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ask {
    /// Whom.
    pub node: Who,
    /// What.
    pub question: Question<Term>,
    /// What must be answered.
    pub answer: Answer<Term>,
}

/// A number that means the same on every system: `current`, `of:VALUE`, `start`, `end`, each with `+N` or `-N` behind it, or a number.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Term {
    /// From where it is counted.
    pub base: Base,
    /// How much is added.
    pub plus: i64,
}

/// From where a number is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// From 0: a number as it stands.
    Zero,
    /// From the epoch that is in force.
    Current,
    /// From the epoch of this record, or its offset.
    Of(Value),
    /// From where the log begins.
    Start,
    /// From where the log ends.
    End,
}

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A leader epoch, or an epoch of the quorum.
    Epoch,
    /// A partition epoch.
    PartitionEpoch,
    /// A broker epoch.
    BrokerEpoch,
    /// An offset.
    Offset,
}

impl Term {
    /// What has to be known of a system to say which number it is; nothing if it is one. `of` is whose broker epoch it may be.
    ///
    /// # Errors
    /// If it makes no sense for a number of this sort: what was found, and what was expected.
    pub fn landmark(&self, sort: Sort, of: Option<super::Member>) -> Result<Option<Landmark>, String> {
        let expected = match (sort, &self.base) {
            (_, Base::Zero) => return Ok(None),
            (Sort::Epoch, Base::Current) => return Ok(Some(Landmark::Epoch)),
            (Sort::Epoch, Base::Of(value)) => return Ok(Some(Landmark::EpochOf(value.clone()))),
            (Sort::PartitionEpoch, Base::Current) => return Ok(Some(Landmark::PartitionEpoch)),
            (Sort::BrokerEpoch, Base::Current) if of.is_some() => {
                return Ok(of.map(Landmark::BrokerEpoch));
            }
            (Sort::Offset, Base::Of(value)) => return Ok(Some(Landmark::OffsetOf(value.clone()))),
            (Sort::Offset, Base::Start) => return Ok(Some(Landmark::Start)),
            (Sort::Offset, Base::End) => return Ok(Some(Landmark::End)),
            (Sort::Epoch, _) => "an epoch: current, of:VALUE or a number",
            (Sort::PartitionEpoch | Sort::BrokerEpoch, _) => "current or a number",
            (Sort::Offset, _) => "an offset: of:VALUE, start, end or a number",
        };
        Err(format!("found {self}, expected {expected}"))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.base {
            Base::Zero => return write!(f, "{}", self.plus),
            Base::Current => write!(f, "current")?,
            Base::Of(value) => write!(f, "of:{value}")?,
            Base::Start => write!(f, "start")?,
            Base::End => write!(f, "end")?,
        }
        if self.plus == 0 { Ok(()) } else { write!(f, "{:+}", self.plus) }
    }
}

impl FromStr for Term {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(plus) = text.parse() {
            return Ok(Self { base: Base::Zero, plus });
        }
        // The last sign, so that a record's name may have one, as long as no digits end it.
        let sign = text.rfind(['+', '-']).filter(|at| *at > 0);
        let plus = sign.and_then(|at| text[at..].parse().ok());
        let (base, plus) = match (sign, plus) {
            (Some(at), Some(plus)) => (&text[..at], plus),
            _ => (text, 0),
        };
        let base = match base {
            "current" => Base::Current,
            "start" => Base::Start,
            "end" => Base::End,
            base => match base.strip_prefix("of:").filter(|value| !value.is_empty()) {
                Some(value) => Base::Of(value.to_owned()),
                None => {
                    return Err(format!(
                        "found {text:?}, expected a number, or current, of:VALUE, start or end, with +N or -N behind it"
                    ));
                }
            },
        };
        Ok(Self { base, plus })
    }
}

impl Serialize for Term {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Term {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.node, self.question, self.answer)
    }
}

/// Says which numbers the terms of a probe are.
pub type Reckon<'a, E> = &'a mut dyn FnMut(Sort, Option<super::Member>, &Term) -> Result<i64, E>;

impl<N> Question<N> {
    /// The topic that it is about; none if it is about the quorum's log.
    pub fn topic(&self) -> Option<&str> {
        match self {
            Self::Fetch { topic, .. }
            | Self::EndOffset { topic, .. }
            | Self::ListOffsets { topic, .. }
            | Self::Metadata { topic }
            | Self::DeleteRecords { topic, .. }
            | Self::AlterPartition { topic, .. } => Some(topic),
            Self::Vote { .. } | Self::QuorumFetch { .. } => None,
        }
    }
}

impl Question<Term> {
    /// The same with numbers. Who asks is `other`, where the question does not say.
    ///
    /// # Errors
    /// Those of `reckon`.
    pub fn resolve<E>(&self, other: super::Member, reckon: Reckon<'_, E>) -> Result<Question, E> {
        use Sort::{BrokerEpoch, Epoch, Offset, PartitionEpoch};
        let mut maybe = |sort: Sort, of: Option<super::Member>, term: &Option<Term>| {
            term.as_ref().map(|term| reckon(sort, of, term)).transpose()
        };
        Ok(match self {
            Self::Fetch { topic, reader, epoch, offset, last_epoch, broker_epoch } => Question::Fetch {
                topic: topic.clone(),
                reader: *reader,
                epoch: maybe(Epoch, None, epoch)?,
                last_epoch: maybe(Epoch, None, last_epoch)?,
                broker_epoch: maybe(BrokerEpoch, *reader, broker_epoch)?,
                offset: reckon(Offset, None, offset)?,
            },
            Self::EndOffset { topic, epoch, current } => Question::EndOffset {
                topic: topic.clone(),
                current: maybe(Epoch, None, current)?,
                epoch: reckon(Epoch, None, epoch)?,
            },
            Self::ListOffsets { topic, at, epoch } => {
                Question::ListOffsets { topic: topic.clone(), at: *at, epoch: maybe(Epoch, None, epoch)? }
            }
            Self::Metadata { topic } => Question::Metadata { topic: topic.clone() },
            Self::DeleteRecords { topic, before } => {
                Question::DeleteRecords { topic: topic.clone(), before: reckon(Offset, None, before)? }
            }
            Self::AlterPartition { topic, from, leader_epoch, partition_epoch, broker_epoch, isr } => {
                Question::AlterPartition {
                    topic: topic.clone(),
                    from: *from,
                    broker_epoch: maybe(BrokerEpoch, Some(*from), broker_epoch)?,
                    leader_epoch: reckon(Epoch, None, leader_epoch)?,
                    partition_epoch: reckon(PartitionEpoch, None, partition_epoch)?,
                    isr: isr.clone(),
                }
            }
            Self::Vote { from, epoch, last_epoch, end, pre } => Question::Vote {
                from: from.or(Some(other)),
                epoch: reckon(Epoch, None, epoch)?,
                last_epoch: reckon(Epoch, None, last_epoch)?,
                end: reckon(Offset, None, end)?,
                pre: *pre,
            },
            Self::QuorumFetch { reader, epoch, offset, last_epoch } => Question::QuorumFetch {
                reader: reader.or(Some(other)),
                epoch: reckon(Epoch, None, epoch)?,
                offset: reckon(Offset, None, offset)?,
                last_epoch: reckon(Epoch, None, last_epoch)?,
            },
        })
    }
}

impl Answer<Term> {
    /// The same with numbers.
    ///
    /// # Errors
    /// Those of `reckon`.
    pub fn resolve<E>(&self, reckon: Reckon<'_, E>) -> Result<Answer, E> {
        Ok(match self {
            Self::Refused { error } => Answer::Refused { error: error.clone() },
            Self::Records { values } => Answer::Records { values: values.clone() },
            Self::Diverging { epoch, end } => Answer::Diverging {
                epoch: reckon(Sort::Epoch, None, epoch)?,
                end: reckon(Sort::Offset, None, end)?,
            },
            Self::Snapshot => Answer::Snapshot,
            Self::EpochEnd { epoch, end } => Answer::EpochEnd {
                epoch: reckon(Sort::Epoch, None, epoch)?,
                end: reckon(Sort::Offset, None, end)?,
            },
            Self::Offset { epoch, offset } => Answer::Offset {
                epoch: reckon(Sort::Epoch, None, epoch)?,
                offset: reckon(Sort::Offset, None, offset)?,
            },
            Self::Leader { node, epoch } => {
                Answer::Leader { node: *node, epoch: reckon(Sort::Epoch, None, epoch)? }
            }
            Self::Granted => Answer::Granted,
            Self::Denied => Answer::Denied,
            Self::Done => Answer::Done,
        })
    }
}

impl Question<Term> {
    /// The nodes that it names as those of the cluster. A member of an ISR that is asked for need not be one.
    pub(super) fn members(&self) -> Vec<super::Member> {
        match self {
            Self::Fetch { reader, .. } | Self::QuorumFetch { reader, .. } => reader.iter().copied().collect(),
            Self::Vote { from, .. } => from.iter().copied().collect(),
            Self::AlterPartition { from, .. } => vec![*from],
            Self::EndOffset { .. }
            | Self::ListOffsets { .. }
            | Self::Metadata { .. }
            | Self::DeleteRecords { .. } => Vec::new(),
        }
    }
}

impl Ask {
    /// Whether each number makes sense where it stands.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut sense = |sort: Sort, of: Option<super::Member>, term: &Term| {
            term.landmark(sort, of).map(|_| 0).map_err(|because| format!("{because}, in \"ask {self}\""))
        };
        self.question.resolve(super::Member(1), &mut sense)?;
        self.answer.resolve(&mut sense).map(drop)
    }

    /// The records that it counts from.
    pub(super) fn values(&self) -> Vec<Value> {
        let mut values = Vec::new();
        let mut note = |_: Sort, _: Option<super::Member>, term: &Term| {
            if let Base::Of(value) = &term.base {
                values.push(value.clone());
            }
            Ok::<i64, std::convert::Infallible>(0)
        };
        let Ok(_) = self.question.resolve(super::Member(1), &mut note);
        let Ok(_) = self.answer.resolve(&mut note);
        values
    }
}
