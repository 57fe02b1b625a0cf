//! Sticky assignment: even first, then as it was.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use super::{Assigned, Member, Partition};

/// A member, and what it had.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct StickyMember {
    /// Who it is, and what it wants.
    pub member: Member,
    /// What it says that it had.
    pub owned: Vec<Partition>,
    /// In which generation; -1 for none. Of two who say that they had a partition, the later is right.
    pub generation: i32,
}

/// An assignment in which nobody could take a partition from somebody who has two more than itself, and that leaves as much as it can with who
/// had it.
pub fn sticky(members: &[StickyMember], partitions: &BTreeMap<String, i32>) -> Assigned {
    let mut plan = Plan::new(members, partitions);
    plan.keep(members, partitions);
    plan.fill(partitions);
    plan.even_out();
    plan.lists.into_iter().map(|(id, list)| (id.into(), list.into_iter().collect())).collect()
}

struct Plan<'a> {
    /// Who subscribes to a topic, by member id.
    readers: BTreeMap<&'a str, Vec<&'a str>>,
    lists: BTreeMap<&'a str, BTreeSet<Partition>>,
    /// Whose partition it was, as far as it is wanted and there.
    had: BTreeMap<Partition, &'a str>,
}

impl<'a> Plan<'a> {
    fn new(members: &'a [StickyMember], partitions: &'a BTreeMap<String, i32>) -> Self {
        let mut ids: Vec<&StickyMember> = members.iter().collect();
        ids.sort_by(|one, other| one.member.member_id.cmp(&other.member.member_id));
        let of = |topic: &String| {
            let wanting = ids.iter().filter(|member| member.member.topics.contains(topic));
            wanting.map(|member| member.member.member_id.as_str()).collect()
        };
        Self {
            readers: partitions.keys().map(|topic| (topic.as_str(), of(topic))).collect(),
            lists: ids.iter().map(|member| (member.member.member_id.as_str(), BTreeSet::new())).collect(),
            had: BTreeMap::new(),
        }
    }

    /// Everybody keeps what it had, if it still wants it and nobody had it later.
    fn keep(&mut self, members: &'a [StickyMember], partitions: &BTreeMap<String, i32>) {
        let mut latest: BTreeMap<&Partition, i32> = BTreeMap::new();
        let mut owners: BTreeMap<&Partition, Option<&'a str>> = BTreeMap::new();
        for member in members {
            let is_there = |(topic, index): &Partition| {
                partitions.get(topic).is_some_and(|count| (0..*count).contains(index))
                    && member.member.topics.contains(topic)
            };
            for partition in member.owned.iter().filter(|partition| is_there(partition)) {
                let id = member.member.member_id.as_str();
                match latest.get(partition) {
                    Some(generation) if *generation > member.generation => {}
                    // Two say so of one generation: neither is believed.
                    Some(generation) if *generation == member.generation && owners[partition] != Some(id) => {
                        owners.insert(partition, None);
                    }
                    _ => {
                        latest.insert(partition, member.generation);
                        owners.insert(partition, Some(id));
                    }
                }
            }
        }
        for (partition, owner) in owners {
            if let Some(list) = owner.and_then(|owner| self.lists.get_mut(owner)) {
                list.insert(partition.clone());
                self.had.extend(owner.map(|owner| (partition.clone(), owner)));
            }
        }
    }

    fn load(&self, member: &str) -> usize {
        self.lists.get(member).map_or(0, BTreeSet::len)
    }

    /// Partitions without a reader go to whoever has least; topics with few subscribers first, since they have the least choice.
    fn fill(&mut self, partitions: &BTreeMap<String, i32>) {
        let mut topics: Vec<(&String, &i32)> = partitions.iter().collect();
        topics.sort_by_key(|(topic, _)| self.readers.get(topic.as_str()).map_or(0, Vec::len));
        for (topic, count) in topics {
            for index in 0..*count {
                let partition = (topic.clone(), index);
                if self.had.contains_key(&partition) {
                    continue;
                }
                let readers = self.readers.get(topic.as_str()).into_iter().flatten();
                let least = readers.min_by_key(|reader| self.load(reader)).copied();
                if let Some(list) = least.and_then(|least| self.lists.get_mut(least)) {
                    list.insert(partition);
                }
            }
        }
    }

    /// Moves one partition at a time from somebody to who has at least two fewer. Each move makes the sum of squares of the
    /// loads smaller, so it ends.
    fn even_out(&mut self) {
        while let Some((from, to, partition)) = self.next_move() {
            if let Some(list) = self.lists.get_mut(from) {
                list.remove(&partition);
            }
            if let Some(list) = self.lists.get_mut(to) {
                list.insert(partition);
            }
        }
    }

    /// The move from who has most; of what that has, first what it did not have before, and what its receiver had.
    fn next_move(&self) -> Option<(&'a str, &'a str, Partition)> {
        let mut givers: Vec<&'a str> = self.lists.keys().copied().collect();
        givers.sort_by_key(|giver| core::cmp::Reverse(self.load(giver)));
        for giver in givers {
            let mut best: Option<((usize, u8), &'a str, &Partition)> = None;
            for partition in &self.lists[giver] {
                let readers = self.readers.get(partition.0.as_str()).into_iter().flatten();
                let Some(to) = readers.min_by_key(|reader| self.load(reader)).copied() else { continue };
                if self.load(to) + 2 > self.load(giver) {
                    continue;
                }
                let cost = match self.had.get(partition) {
                    Some(owner) if *owner == giver => 1,
                    _ => 0,
                };
                let rank = (self.load(to), cost);
                if best.as_ref().is_none_or(|(other, _, _)| rank < *other) {
                    best = Some((rank, to, partition));
                }
            }
            if let Some((_, to, partition)) = best {
                return Some((giver, to, partition.clone()));
            }
        }
        None
    }
}
