//! `roundrobin`: one partition after the other, to one member after the other.

use std::collections::BTreeMap;

use highwater_wire::Str;

use super::{Assignment, Member, nothing, sorted};
use crate::cluster::TopicPartition;

/// Deals the partitions of all topics, in order, to members in turn; who does not subscribe to the topic is passed over.
pub fn round_robin(members: &[Member], partitions: &BTreeMap<Str, i32>) -> Assignment {
    let mut assignment = nothing(members);
    let members = sorted(members);
    let mut turn = 0;
    for (topic, count) in partitions {
        if !members.iter().any(|member| member.topics.contains(topic)) {
            continue;
        }
        for partition in 0..*count {
            while !members[turn % members.len()].topics.contains(topic) {
                turn += 1;
            }
            let id = members[turn % members.len()].id.clone();
            assignment.entry(id).or_default().push(TopicPartition::new(topic.clone(), partition));
            turn += 1;
        }
    }
    assignment
}
