//! Which member of a group reads which partitions.
//!
//! The leader of a group decides, with an assignor that all members know; members that run Kafka's Java client know the same three by the same
//! names, and the same subscriptions give the same assignment there and here (of `range` and `roundrobin`; of `sticky`, one as balanced).
//!
//! | assignor | gives |
//! |---|---|
//! | [`range`] | each member a run of neighbours of each topic; members sorted, the first ones get one more |
//! | [`round_robin`] | all partitions in turn, to members sorted |
//! | [`sticky`] | as even as can be, and of that what members had before |
//!
//! # Invariants
//! - Each partition of a topic that somebody subscribes to has exactly one owner, who subscribes to it.
//! - The result depends on nothing but the arguments.
//!
//! # Not implemented
//! Racks (KIP-881) and the cooperative protocol (KIP-429).

mod range;
mod round_robin;
mod sticky;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use highwater_wire::Str;

use crate::cluster::TopicPartition;
pub use range::range;
pub use round_robin::round_robin;
pub use sticky::sticky;

/// A member of a group, as the group's leader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// Its id, given by the coordinator.
    pub id: Str,
    /// Its `group.instance.id`, if it is a static member.
    pub instance_id: Option<Str>,
    /// The topics that it wants to read.
    pub topics: Vec<Str>,
    /// What it had before, as far as it says so.
    pub owned: Vec<TopicPartition>,
    /// The generation in which it had that; -1 if it does not say.
    pub generation: i32,
}

/// Partitions by member id.
pub type Assignment = BTreeMap<Str, Vec<TopicPartition>>;

/// A way of assigning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// [`range`].
    Range,
    /// [`round_robin`].
    RoundRobin,
    /// [`sticky`].
    Sticky,
}

impl Assignor {
    /// All there are.
    pub const ALL: [Assignor; 3] = [Self::Range, Self::RoundRobin, Self::Sticky];

    /// Its name in the group protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::Sticky => "sticky",
        }
    }

    /// The one with this name, or with this Java class.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.strip_prefix("org.apache.kafka.clients.consumer.").unwrap_or(name);
        match name {
            "range" | "RangeAssignor" => Some(Self::Range),
            "roundrobin" | "RoundRobinAssignor" => Some(Self::RoundRobin),
            "sticky" | "StickyAssignor" => Some(Self::Sticky),
            _ => None,
        }
    }

    /// Assigns the partitions of these topics (how many each has) to these members. Topics that are not there have none.
    pub fn assign(self, members: &[Member], partitions: &BTreeMap<Str, i32>) -> Assignment {
        match self {
            Self::Range => range(members, partitions),
            Self::RoundRobin => round_robin(members, partitions),
            Self::Sticky => sticky(members, partitions),
        }
    }
}

/// Members in Kafka's order: static ones first, by instance id, then the others by member id.
fn sorted(members: &[Member]) -> Vec<&Member> {
    let mut sorted: Vec<&Member> = members.iter().collect();
    sorted.sort_by(|one, other| match (&one.instance_id, &other.instance_id) {
        (Some(one), Some(other)) => one.cmp(other),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => one.id.cmp(&other.id),
    });
    sorted
}

/// Every member, with nothing.
fn nothing(members: &[Member]) -> Assignment {
    members.iter().map(|member| (member.id.clone(), Vec::new())).collect()
}
