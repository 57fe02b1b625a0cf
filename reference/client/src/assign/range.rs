//! `range`: runs of neighbours, topic by topic.

use std::collections::BTreeMap;

use highwater_wire::Str;

use super::{Assignment, Member, nothing, sorted};
use crate::cluster::TopicPartition;

/// Gives each subscriber of a topic a run of its partitions. Members that subscribe to the same topics with as many partitions get the same
/// numbers of each, so that what belongs together by key stays together.
pub fn range(members: &[Member], partitions: &BTreeMap<Str, i32>) -> Assignment {
    let mut assignment = nothing(members);
    let members = sorted(members);
    for (topic, count) in partitions {
        let subscribers: Vec<&Str> =
            members.iter().filter(|member| member.topics.contains(topic)).map(|member| &member.id).collect();
        let Ok(among) = i32::try_from(subscribers.len()) else { continue };
        if among == 0 {
            continue;
        }
        let (each, left) = (count / among, count % among);
        let mut next = 0;
        for (rank, id) in (0..).zip(subscribers) {
            let end = next + each + i32::from(rank < left);
            let run = (next..end).map(|partition| TopicPartition::new(topic.clone(), partition));
            assignment.entry(id.clone()).or_default().extend(run);
            next = end;
        }
    }
    assignment
}
