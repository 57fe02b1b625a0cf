//! Which member of a group reads which partitions: the assignors by their names.
//!
//! The leader of a group decides, with an assignor that all members know; members that run Kafka's Java client know the same three by the same
//! names. What they compute, and what members tell each other, is [`highwater_core::group::assign`]; here it is put into a client's terms.
//!
//! # Not implemented
//! Racks (KIP-881) and the cooperative protocol (KIP-429).

use std::collections::BTreeMap;

use highwater_core::group::assign::{Assigned, Member, StickyMember, TopicPartitions};
use highwater_core::group::assign::{range, round_robin, sticky};

use crate::admin::by_topic;
use crate::cluster::TopicPartition;

/// A way of assigning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// Each member a run of neighbours of each topic: [`range`].
    Range,
    /// All partitions in turn: [`round_robin`].
    RoundRobin,
    /// As even as can be, and of that what members had before: [`sticky`].
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
    pub fn assign(self, members: &[StickyMember], partitions: &BTreeMap<String, i32>) -> Assigned {
        let plain = || members.iter().map(|member| member.member.clone()).collect::<Vec<Member>>();
        match self {
            Self::Range => range(&plain(), partitions),
            Self::RoundRobin => round_robin(&plain(), partitions),
            Self::Sticky => sticky(members, partitions),
        }
    }
}

/// Partitions as members tell each other of them.
pub(crate) fn told(partitions: &[TopicPartition]) -> Vec<TopicPartitions> {
    let topics = by_topic(partitions).into_iter();
    topics.map(|(topic, partitions)| TopicPartitions { topic: topic.to_string(), partitions }).collect()
}

/// Partitions of which a member was told.
pub(crate) fn heard(topics: Vec<TopicPartitions>) -> impl Iterator<Item = (String, i32)> {
    topics.into_iter().flat_map(|TopicPartitions { topic, partitions }| {
        partitions.into_iter().map(move |partition| (topic.clone(), partition))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignor_is_found_by_its_name_and_by_its_java_class() {
        for assignor in Assignor::ALL {
            assert_eq!(Assignor::named(assignor.name()), Some(assignor));
        }
        let class = "org.apache.kafka.clients.consumer.RoundRobinAssignor";
        assert_eq!(Assignor::named(class), Some(Assignor::RoundRobin));
        assert_eq!(Assignor::named("cooperative-sticky"), None);
    }

    #[test]
    fn partitions_told_are_heard_in_order() {
        let partitions =
            [TopicPartition::new("u", 1), TopicPartition::new("t", 2), TopicPartition::new("u", 0)];
        let heard: Vec<(String, i32)> = heard(told(&partitions)).collect();
        assert_eq!(heard, [("t".to_owned(), 2), ("u".to_owned(), 1), ("u".to_owned(), 0)]);
    }
}
