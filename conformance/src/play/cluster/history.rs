//! What clients were told and given, and what must hold of it.
//!
//! | invariant | says | clause |
//! |---|---|---|
//! | one leader an epoch | no two nodes lead a partition in one leader epoch, whoever says so | `isr/elect/1` |
//! | high watermark | no replica's is beyond the end of its log | `isr/commit/1` |
//! | known records | nothing is read that nobody sent there | `isr/safety/6` |
//! | refused records | what was refused is not read | `isr/produce/3` |
//! | single records | what was sent once is read at one offset | `isr/produce/1` |
//! | growing offsets | a consumer's offsets grow, and so do those of records that were sent one after the other was acknowledged | `isr/produce/1` |
//! | one value an offset | an offset has one record for ever | `isr/safety/6` |
//! | kept records | who reads beyond a record that was acknowledged to acks=all, or read before, reads that too | `isr/safety/3`, `isr/safety/5` |
//! | durable records | in the end all that was acknowledged to acks=all is read, at its offset | `isr/safety/4` |
//!
//! The last three, and that offsets grow between records, are not claimed of topics that may lose records ([`Scenario::loses`](crate::scenario::Scenario::loses)).
//!
//! # What it costs, and why that suffices
//! To tell whether any history is linearizable is NP-hard, since it has to be found out which of many orders explains it. Here nothing has to be found out: each record has a
//! value of its own, the log of a partition has one order, and whoever is acknowledged or reads is told the place in it. So an order that explains the history is given
//! with it, and all that is left is to compare: a look at an index for each record that is sent (`O(log n)`), and for each that is read. A read is from the start, so k
//! reads of n records are kn records, and cost `O(kn log n)`. `cargo run --release -p highwater-conformance --example history` measures it: 0.2 s for 100,000
//! records, 2.2 s for a million (a core of a shared machine, 2026).
//!
//! What it does not see: at which moment of a request something took effect, beyond that one that was acknowledged did so before the next began. Clients of the suite do one thing at
//! a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{NotYet, View};
use crate::play::invariant::Broken;
use crate::scenario::{Member, Value};
use crate::target::cluster::Acks;

/// A record that a producer sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Produced {
    /// To which topic.
    pub topic: String,
    /// To this node, whoever leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Member>,
    /// What it waited for.
    pub acks: Acks,
    /// The record.
    pub value: Value,
    /// What came of it.
    pub outcome: Outcome,
    /// In the target's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub told: String,
}

/// What came of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is at this offset.
    Acknowledged {
        /// Which.
        offset: u64,
    },
    /// It was sent, and nobody waited for an answer.
    Sent,
    /// It is nowhere.
    Refused,
    /// It may be there or not.
    InDoubt,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acknowledged { offset } => write!(f, "acknowledged at offset {offset}"),
            Self::Sent => f.write_str("sent"),
            Self::Refused => f.write_str("refused"),
            Self::InDoubt => f.write_str("in doubt"),
        }
    }
}

/// What a consumer was given that read from the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Consumed {
    /// Of which topic.
    pub topic: String,
    /// Of this node, whoever leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Member>,
    /// Offsets and values.
    pub records: Vec<(u64, Value)>,
}

/// What was told and given so far.
#[derive(Debug, Default)]
pub struct History {
    topics: BTreeMap<String, Topic>,
    loses: BTreeSet<String>,
    /// By topic and epoch.
    leaders: BTreeMap<(String, u64), Member>,
}

#[derive(Debug, Default)]
struct Topic {
    sent: BTreeMap<Value, Sent>,
    /// By offset, what was acknowledged to acks=all, or read.
    kept: BTreeMap<u64, Kept>,
    /// The greatest offset that was acknowledged to acks=all.
    last: Option<u64>,
    read: Vec<(u64, Value)>,
}

#[derive(Debug, Default)]
struct Sent {
    /// How often it may have been taken.
    taken: u32,
    /// Where it is, if it was acknowledged to acks=all.
    at: Option<u64>,
}

#[derive(Debug)]
struct Kept {
    value: Value,
    acknowledged: bool,
}

impl History {
    /// Nothing yet. Of these topics less is claimed.
    pub fn new(loses: &[String]) -> Self {
        Self { loses: loses.iter().cloned().collect(), ..Self::default() }
    }

    /// Whether anything was sent there.
    pub fn knows(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// The values that were last read of a topic.
    pub fn last_read(&self, topic: &str) -> Vec<Value> {
        let read = self.topics.get(topic).map(|topic| topic.read.iter().map(|(_, value)| value.clone()));
        read.into_iter().flatten().collect()
    }

    /// Looks at what nodes say.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn look(&mut self, view: &View) -> Result<(), Broken> {
        for (topic, nodes) in &view.topics {
            for (node, said) in nodes {
                if let Some((epoch, leader)) =
                    said.partition.as_ref().and_then(|it| Some((it.leader_epoch, it.leader?)))
                {
                    let first = *self.leaders.entry((topic.clone(), epoch)).or_insert(leader);
                    if first != leader {
                        return broken(
                            "isr/elect/1",
                            format!(
                                "{first} and {leader}, both leaders of {topic} in epoch {epoch}, the latter as {node} says"
                            ),
                            "one leader an epoch",
                        );
                    }
                }
                if let Some(replica) = said.replica
                    && let (Some(end), Some(high_watermark)) = (replica.log_end, replica.high_watermark)
                    && high_watermark > end
                {
                    return broken(
                        "isr/commit/1",
                        format!(
                            "{topic} at {node} with the high watermark {high_watermark} and the log end {end}"
                        ),
                        "nothing committed that is not in the log",
                    );
                }
            }
        }
        Ok(())
    }

    /// A record is about to be sent.
    pub fn sends(&mut self, topic: &str, value: &Value) {
        let topic = self.topics.entry(topic.to_owned()).or_default();
        topic.sent.entry(value.clone()).or_default().taken += 1;
    }

    /// What came of a record.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn produced(&mut self, produced: &Produced) -> Result<(), Broken> {
        let loses = self.loses.contains(&produced.topic);
        let topic = self.topics.entry(produced.topic.clone()).or_default();
        let sent = topic.sent.entry(produced.value.clone()).or_default();
        let offset = match produced.outcome {
            Outcome::Refused => {
                sent.taken = sent.taken.saturating_sub(1);
                return Ok(());
            }
            Outcome::Acknowledged { offset } if produced.acks == Acks::All => offset,
            _ => return Ok(()),
        };
        sent.at = Some(offset);
        if loses {
            return Ok(());
        }
        let value = &produced.value;
        if let Some(last) = topic.last
            && offset <= last
        {
            return broken(
                "isr/produce/1",
                format!("{value} acknowledged at offset {offset}"),
                &format!("one beyond {last}, which was acknowledged before it was sent"),
            );
        }
        topic.last = Some(offset);
        let kept =
            topic.kept.entry(offset).or_insert_with(|| Kept { value: value.clone(), acknowledged: true });
        kept.acknowledged = true;
        if kept.value != *value {
            return broken(
                "isr/safety/6",
                format!("{value} acknowledged at offset {offset}"),
                &format!("{}, which was read there before", kept.value),
            );
        }
        Ok(())
    }

    /// What a consumer was given.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn consumed(&mut self, consumed: &Consumed) -> Result<(), Broken> {
        let loses = self.loses.contains(&consumed.topic);
        let topic = self.topics.entry(consumed.topic.clone()).or_default();
        topic.well_formed(&consumed.records)?;
        if !loses {
            topic.keeps(&consumed.records)?;
        }
        topic.read.clone_from(&consumed.records);
        Ok(())
    }

    /// Whether all that must be kept was read the last time.
    pub(super) fn is_complete(&self, topic: &str) -> Result<(), NotYet> {
        let Some(known) = self.topics.get(topic).filter(|_| !self.loses.contains(topic)) else {
            return Ok(());
        };
        let read: BTreeSet<u64> = known.read.iter().map(|(offset, _)| *offset).collect();
        match known.kept.iter().find(|(offset, _)| !read.contains(offset)) {
            None => Ok(()),
            Some((offset, kept)) => Err(NotYet {
                found: format!("a consumer of {topic} that is not given {} at offset {offset}", kept.value),
                expected: format!(
                    "all that was {}",
                    if kept.acknowledged { "acknowledged" } else { "read before" }
                ),
            }),
        }
    }
}

impl Topic {
    /// What holds whatever is lost.
    fn well_formed(&self, records: &[(u64, Value)]) -> Result<(), Broken> {
        if let Some(pair) = records.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            return broken(
                "isr/produce/1",
                format!("a consumer that is given offset {} after offset {}", pair[1].0, pair[0].0),
                "offsets that grow",
            );
        }
        let mut seen: BTreeMap<&Value, u64> = BTreeMap::new();
        for (offset, value) in records {
            let Some(sent) = self.sent.get(value) else {
                return broken(
                    "isr/safety/6",
                    format!("{value} read at offset {offset}"),
                    "what somebody sent there",
                );
            };
            if sent.taken == 0 {
                return broken(
                    "isr/produce/3",
                    format!("{value} read at offset {offset}, which was refused"),
                    "nothing that was refused",
                );
            }
            if let Some(first) = seen.insert(value, *offset)
                && sent.taken == 1
            {
                return broken(
                    "isr/produce/1",
                    format!("{value} read at offset {first} and at offset {offset}"),
                    "what was sent once to be read once",
                );
            }
        }
        Ok(())
    }

    /// What holds where nothing may be lost.
    fn keeps(&mut self, records: &[(u64, Value)]) -> Result<(), Broken> {
        let end = records.last().map_or(0, |(offset, _)| offset + 1);
        let given: BTreeMap<u64, &Value> = records.iter().map(|(offset, value)| (*offset, value)).collect();
        for (offset, kept) in self.kept.range(..end) {
            let before = if kept.acknowledged { "was acknowledged there" } else { "was read there before" };
            match given.get(offset) {
                Some(value) if **value == kept.value => {}
                Some(value) => {
                    return broken(
                        "isr/safety/6",
                        format!("{value} read at offset {offset}"),
                        &format!("{}, which {before}", kept.value),
                    );
                }
                None => {
                    return broken(
                        if kept.acknowledged { "isr/safety/3" } else { "isr/safety/5" },
                        format!("nothing read at offset {offset}, and more beyond"),
                        &format!("{}, which {before}", kept.value),
                    );
                }
            }
        }
        for (offset, value) in records {
            let elsewhere = self.sent.get(value).filter(|sent| sent.taken == 1).and_then(|sent| sent.at);
            if let Some(at) = elsewhere.filter(|at| at != offset) {
                return broken(
                    "isr/produce/1",
                    format!("{value} read at offset {offset}"),
                    &format!("it at offset {at}, where it was acknowledged"),
                );
            }
            self.kept.entry(*offset).or_insert_with(|| Kept { value: value.clone(), acknowledged: false });
        }
        Ok(())
    }
}

fn broken(invariant: &'static str, found: String, expected: &str) -> Result<(), Broken> {
    Err(Broken { invariant, found, expected: expected.to_owned() })
}
