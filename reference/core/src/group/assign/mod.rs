//! What a group's leader computes: who of the members reads which partitions. Pure functions, for clients; the coordinator does not call them.
//!
//! | assignor | name | each topic's partitions | over all topics |
//! |---|---|---|---|
//! | [`range`] | `range` | in order, in ranges that differ by one at most | the first members may get more |
//! | [`round_robin`] | `roundrobin` | one after the other, to each subscriber in turn | even, if all subscribe alike |
//! | [`sticky`] | `sticky` | to whoever had them, if that is even | even, and as much stays as can |
//!
//! Beside them the [`Subscription`] and [`Assignment`] that members and leaders send each other through the coordinator
//! (`ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`, versions 0 to 3).
//!
//! # Invariants
//! - Every partition of a topic that somebody subscribes to has one reader, who subscribes to that topic.
//! - The result depends on nothing but the arguments, and not on their order: members go by `group.instance.id`, or else by member id.
//!
//! # Sources
//! KIP-54 (sticky), 341 (a generation with what one had), 345 (static members in the order of their names), 429 (owned partitions), 792 (generation in the
//! subscription); Kafka's `RangeAssignor` and `RoundRobinAssignor`, whose results these are.
//!
//! # Where it differs from Kafka
//! - Sticky: as even and as sticky where all subscribe to the same topics; which partitions move may differ. Where subscriptions differ, Kafka may find
//!   an evener assignment by chains of moves; here one partition moves at a time.
//! - Racks (KIP-881) are carried and not minded.
//!
//! # Not implemented
//! Cooperative rebalancing (KIP-429).

mod protocol;
mod sticky;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

pub use protocol::{Assignment, Subscription, TopicPartitions, by_topic, decode_sticky, encode_sticky};
pub use sticky::{StickyMember, sticky};

/// A partition of a topic.
pub type Partition = (String, i32);

/// A member that wants partitions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Member {
    /// Its member id.
    pub member_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// The topics that it subscribes to.
    pub topics: BTreeSet<String>,
}

/// What each member is to read, by member id. Everybody is in it.
pub type Assigned = BTreeMap<String, Vec<Partition>>;

/// Members in order: static ones first, by name; the others by id.
fn in_order<'a>(members: impl IntoIterator<Item = &'a Member>) -> Vec<&'a Member> {
    let mut ordered: Vec<&Member> = members.into_iter().collect();
    ordered.sort_by(|one, other| {
        let rank = |member: &&Member| member.group_instance_id.is_none();
        rank(one)
            .cmp(&rank(other))
            .then_with(|| one.group_instance_id.cmp(&other.group_instance_id))
            .then_with(|| one.member_id.cmp(&other.member_id))
    });
    ordered
}

fn nobody_yet<'a>(members: impl IntoIterator<Item = &'a Member>) -> Assigned {
    members.into_iter().map(|member| (member.member_id.clone(), Vec::new())).collect()
}

/// Each topic's partitions, in order, in as many ranges as it has subscribers; the first of them are longer by one where
/// it does not come out even. `partitions` says how many partitions each topic has.
pub fn range(members: &[Member], partitions: &BTreeMap<String, i32>) -> Assigned {
    let mut assigned = nobody_yet(members);
    let members = in_order(members);
    for (topic, count) in partitions {
        let readers: Vec<&&Member> = members.iter().filter(|member| member.topics.contains(topic)).collect();
        let Ok(readers_count) = i32::try_from(readers.len()) else { continue };
        let mut next = 0;
        for (index, reader) in (0..readers_count).zip(readers) {
            let size = count / readers_count + i32::from(index < count % readers_count);
            let list = assigned.entry(reader.member_id.clone()).or_default();
            list.extend((next..next + size).map(|partition| (topic.clone(), partition)));
            next += size;
        }
    }
    assigned
}

/// All partitions in order, each to the next member in turn that subscribes to its topic.
pub fn round_robin(members: &[Member], partitions: &BTreeMap<String, i32>) -> Assigned {
    let mut assigned = nobody_yet(members);
    let members = in_order(members);
    let mut turn = 0;
    for (topic, count) in partitions {
        if !members.iter().any(|member| member.topics.contains(topic)) {
            continue;
        }
        for partition in 0..*count {
            while !members[turn].topics.contains(topic) {
                turn = (turn + 1) % members.len();
            }
            let list = assigned.entry(members[turn].member_id.clone()).or_default();
            list.push((topic.clone(), partition));
            turn = (turn + 1) % members.len();
        }
    }
    assigned
}
