//! What is on its way between replicas and controller.

use std::fmt;

use highwater_core::partition::{
    AlterPartition, AlterPartitionResult, PartitionFetch, PartitionFetched, PartitionState,
};
use highwater_core::{Epoch, NO_EPOCH, NodeId};
use highwater_model::isr::state::{epoch_of, value_of};

/// The index that stands for the controller.
pub(crate) const CONTROLLER: u8 = highwater_model::isr::state::NOBODY;

/// A message. Replicas are indices, 0 and up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Message {
    pub(crate) from: u8,
    /// [`CONTROLLER`] for a proposal.
    pub(crate) to: u8,
    pub(crate) body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Body {
    /// A follower asks.
    Fetch {
        /// The broker epoch of who asks.
        broker_epoch: u8,
        /// What.
        fetch: PartitionFetch,
    },
    /// The answer, on the connection of the process that asked.
    Fetched {
        /// What was asked.
        asked: PartitionFetch,
        /// The answer.
        answer: PartitionFetched,
        /// The record that came with it; 0 for none.
        record: u8,
    },
    /// A leader asks for another ISR.
    Alter(AlterPartition),
    /// What came of it.
    Altered {
        /// What was asked.
        asked: AlterPartition,
        /// The answer.
        result: AlterPartitionResult,
    },
}

impl Message {
    /// Whether it is a fetch or the answer to one, which take room.
    pub(crate) fn takes_room(&self) -> bool {
        matches!(self.body, Body::Fetch { .. } | Body::Fetched { .. })
    }
}

/// `x@2`: value and leader epoch.
pub(crate) fn record_name(record: u8) -> String {
    let value = ["x", "y", "z", "w"][usize::from(value_of(record))];
    format!("{value}@{}", epoch_of(record))
}

/// `{n1,n2}`.
pub(crate) fn set_name(members: &[NodeId]) -> String {
    let names: Vec<String> = members.iter().map(NodeId::to_string).collect();
    format!("{{{}}}", names.join(","))
}

/// A partition as metadata tell it.
pub(crate) fn partition_name(state: &PartitionState) -> String {
    let leader = state.leader.map_or("nobody".to_owned(), |leader| leader.to_string());
    let mut name = format!(
        "epoch={} leader={leader} version={} isr={}",
        state.leader_epoch,
        state.partition_epoch,
        set_name(&state.isr)
    );
    if !state.elr.is_empty() {
        name += &format!(" elr={}", set_name(&state.elr));
    }
    name
}

fn proposal_name(asked: &AlterPartition) -> String {
    let member = |&(id, epoch): &(NodeId, i64)| match epoch {
        -1 => format!("{id}:?"),
        _ => format!("{id}:{epoch}"),
    };
    let members: Vec<String> = asked.isr.iter().map(member).collect();
    format!("epoch={} version={} isr={{{}}}", asked.leader_epoch, asked.partition_epoch, members.join(","))
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Fetch { broker_epoch, fetch } => write!(
                f,
                "Fetch epoch={} offset={}{} broker={broker_epoch}",
                fetch.leader_epoch,
                fetch.offset,
                At(fetch.last_epoch)
            ),
            Body::Fetched { asked, answer, record } => {
                let position = format!("to-epoch={} offset={}", asked.leader_epoch, asked.offset);
                match (answer.error, answer.diverging) {
                    (Some(error), _) => write!(f, "FetchRefused {position} error={error:?}"),
                    (None, Some(end)) => {
                        write!(f, "Diverging {position} end={}{}", end.end, At(end.epoch))
                    }
                    (None, None) => {
                        let record = if *record == 0 { "-".to_owned() } else { record_name(*record) };
                        write!(f, "Records {position} [{record}] hw={}", answer.high_watermark)
                    }
                }
            }
            Body::Alter(asked) => write!(f, "AlterPartition {}", proposal_name(asked)),
            Body::Altered { result: Ok(state), .. } => write!(f, "Altered {}", partition_name(state)),
            Body::Altered { asked, result: Err(error) } => {
                write!(f, "AlterRefused {} error={error:?}", proposal_name(asked))
            }
        }
    }
}

/// `@2` after an offset: the epoch of the record before it.
struct At(Epoch);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == NO_EPOCH { Ok(()) } else { write!(f, "@{}", self.0) }
    }
}
