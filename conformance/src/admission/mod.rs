//! Whether what was seen of a running system is a behaviour of the model.
//!
//! A trace ([`Trace`]) is a row of events: what a node is like after a step, and what the step came of. Events are made after what they tell is
//! persistent, one a step. Of each event anything may be missing, and of a quorum whole nodes: what is not said may be anything.
//!
//! The model is followed in all states at once that fit what was seen so far. An event is admitted if from one of them a step of its node, or a short row of
//! steps, leads to what the event says, while all else that is seen stays as it is; between events, whatever nobody sees may
//! happen. If none fits, the trace is no behaviour of the model, and the first event that does not fit is named together with what would have been
//! possible there.
//!
//! # Limits
//! The states of the model [`kraft`](highwater_model::kraft) have room for four voters, three clients' records, six records in a log and seven epochs,
//! no pre-vote and no observers that follow. A trace that goes beyond is not judged: it is incomplete, never admitted.

mod kraft;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Kind, Member, Role};
use crate::target::{Entry, NodeView};

pub use kraft::admit;

/// What was seen of a quorum.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Trace {
    /// The voters, blank at the beginning.
    pub quorum: Vec<Member>,
    /// Whether candidates asked for the promise of votes first.
    #[serde(default)]
    pub pre_vote: bool,
    /// Which of them were watched; all, if left out. Of the others nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<Vec<Member>>,
    /// What happened, in an order that is possible.
    pub events: Vec<Event>,
}

/// A step of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Event {
    /// Which node.
    pub node: Member,
    /// Which step of that node: 1 and up, without gaps.
    pub number: u64,
    /// What it came of, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What the node is like afterwards.
    pub seen: Seen,
}

/// What a step came of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A message arrived.
    Message {
        /// Its kind.
        kind: Kind,
        /// Who sent it.
        from: Member,
    },
    /// An election timer ran out.
    Timer,
    /// Anything else: a client, an operator, time.
    Other,
}

/// What is known of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Seen {
    /// It is down.
    Down,
    /// It came up again, and is like that.
    Started(Glimpse),
    /// It lost its disk, and is on a blank one.
    Wiped,
    /// It is up, and like that.
    Up(Glimpse),
}

/// Part of what a node is like. What is left out may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Glimpse {
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Its epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Its log, from offset 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Vec<Entry>>,
    /// Its high watermark; 0 if it knows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_watermark: Option<u64>,
}

impl From<&NodeView> for Glimpse {
    fn from(view: &NodeView) -> Self {
        Self {
            role: Some(view.role),
            epoch: Some(view.epoch),
            log: (view.log_start == 0).then(|| view.log.clone()),
            high_watermark: Some(view.committed),
        }
    }
}

/// What is said of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Admission {
    /// It is a behaviour of the model.
    Admitted {
        /// In how many states the model may be at the end.
        states: usize,
    },
    /// It is none.
    Refused {
        /// The place of the first event that does not fit, from 0.
        at: usize,
        /// That event.
        event: Event,
        /// What that node could have been like instead.
        possible: Vec<String>,
    },
    /// It was not judged to the end.
    Incomplete {
        /// How many events fit.
        admitted: usize,
        /// Why it went no further.
        because: String,
    },
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted { states } => {
                write!(f, "admitted: the model may be in {states} states at the end")
            }
            Self::Refused { at, event, possible } => {
                writeln!(f, "refused: event {} is no step of the model", at + 1)?;
                writeln!(f, "  found    {event}")?;
                for (place, what) in possible.iter().enumerate() {
                    writeln!(f, "  {} {what}", if place == 0 { "possible" } else { "        " })?;
                }
                Ok(())
            }
            Self::Incomplete { admitted, because } => {
                write!(f, "incomplete: {admitted} events fit; {because}")
            }
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.node, self.seen)?;
        match &self.cause {
            Some(Cause::Message { kind, from }) => write!(f, ", upon {} of {from}", kind.word()),
            Some(Cause::Timer) => write!(f, ", as its timer ran out"),
            Some(Cause::Other) | None => Ok(()),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => write!(f, "down"),
            Self::Wiped => write!(f, "on a blank disk"),
            Self::Started(glimpse) => write!(f, "started, {glimpse}"),
            Self::Up(glimpse) => write!(f, "{glimpse}"),
        }
    }
}

impl fmt::Display for Glimpse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = self.role.map_or("?", Role::word);
        let number = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
        let entry = |entry: &Entry| format!("{}@{}", entry.value.as_deref().unwrap_or("-"), entry.epoch);
        let log = self
            .log
            .as_ref()
            .map_or_else(|| "?".to_owned(), |log| log.iter().map(entry).collect::<Vec<_>>().join(" "));
        let (epoch, high_watermark) = (number(self.epoch), number(self.high_watermark));
        write!(f, "{role} in epoch {epoch}, log [{log}], high watermark {high_watermark}")
    }
}

/// What a node is like that was never up before.
fn blank() -> NodeView {
    let (epoch, log_start, committed) = (0, 0, 0);
    NodeView {
        role: Role::Unattached,
        epoch,
        leader: None,
        voted: None,
        log_start,
        log: Vec::new(),
        committed,
    }
}

/// Writes down what happens, step by step.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    last: BTreeMap<Member, Option<NodeView>>,
    numbers: BTreeMap<Member, u64>,
    events: Vec<Event>,
}

impl Recorder {
    /// Notes what has changed since the last time.
    pub fn note(&mut self, views: &BTreeMap<Member, Option<NodeView>>, cause: &Cause) {
        for (node, view) in views {
            let blank = Some(blank());
            let last = self.last.get(node).unwrap_or(&blank);
            if last == view {
                continue;
            }
            let seen = match view {
                None => Seen::Down,
                Some(view) if last.is_none() => Seen::Started(view.into()),
                Some(view) => Seen::Up(view.into()),
            };
            self.push(*node, Some(cause.clone()), seen);
            self.last.insert(*node, view.clone());
        }
    }

    /// Notes that a node lost its disk, and is on a blank one.
    pub fn wiped(&mut self, node: Member, view: Option<NodeView>) {
        self.push(node, None, Seen::Wiped);
        self.last.insert(node, view);
    }

    /// What happened.
    pub fn events(self) -> Vec<Event> {
        self.events
    }

    fn push(&mut self, node: Member, cause: Option<Cause>, seen: Seen) {
        let number = self.numbers.entry(node).or_default();
        *number += 1;
        self.events.push(Event { node, number: *number, cause, seen });
    }
}
