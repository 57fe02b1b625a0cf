//! `sticky`: even first, then as before.
//!
//! Members keep what they had, as far as it still is theirs to have. What nobody has goes to who has least. Then one partition
//! at a time moves from a member to one that may have it and has at least two fewer, until there is no such pair.
//!
//! # Invariants
//! - No single move makes the result more even.
//! - Where all subscribe to the same topics, no two members differ by more than one, and no more partitions move than that takes.
//! - Each move makes the sum of squares of loads less: it ends.

use std::collections::{BTreeMap, BTreeSet};

use highwater_wire::Str;

use super::{Assignment, Member, sorted};
use crate::cluster::TopicPartition;

/// Assigns evenly, and moves little.
pub fn sticky(members: &[Member], partitions: &BTreeMap<Str, i32>) -> Assignment {
    let members = sorted(members);
    let mut desk = Desk::new(&members, partitions);
    desk.keep(&members, partitions);
    desk.fill(partitions);
    desk.level();
    let named = members.iter().map(|member| member.id.clone()).zip(desk.owned);
    named.map(|(id, owned)| (id, owned.into_iter().collect())).collect()
}

/// Members are numbers here, in order.
struct Desk {
    /// Who subscribes to a topic.
    subscribers: BTreeMap<Str, Vec<usize>>,
    owned: Vec<BTreeSet<TopicPartition>>,
    taken: BTreeSet<TopicPartition>,
}

impl Desk {
    fn new(members: &[&Member], partitions: &BTreeMap<Str, i32>) -> Self {
        let subscribers = partitions.keys().map(|topic| {
            let who = (0..members.len()).filter(|member| members[*member].topics.contains(topic));
            (topic.clone(), who.collect())
        });
        Self {
            subscribers: subscribers.collect(),
            owned: vec![BTreeSet::new(); members.len()],
            taken: BTreeSet::new(),
        }
    }

    /// Members keep what they had: of several that say so, the one of the newest generation; of several of that, nobody, since one of them
    /// must be wrong.
    fn keep(&mut self, members: &[&Member], partitions: &BTreeMap<Str, i32>) {
        let mut claims: BTreeMap<&TopicPartition, (i32, Option<usize>)> = BTreeMap::new();
        for (rank, member) in members.iter().enumerate() {
            let owned: BTreeSet<&TopicPartition> = member.owned.iter().collect();
            for partition in owned {
                let claim = claims.entry(partition).or_insert((member.generation, Some(rank)));
                if claim.1 == Some(rank) {
                    continue;
                }
                if member.generation > claim.0 {
                    *claim = (member.generation, Some(rank));
                } else if member.generation == claim.0 {
                    claim.1 = None;
                }
            }
        }
        for (partition, (_, owner)) in claims {
            let Some(owner) = owner else { continue };
            let there = partitions
                .get(&partition.topic)
                .is_some_and(|count| (0..*count).contains(&partition.partition));
            if there && members[owner].topics.contains(&partition.topic) {
                self.owned[owner].insert(partition.clone());
                self.taken.insert(partition.clone());
            }
        }
    }

    /// What nobody has goes to who has least; topics with few subscribers first, since they have the least choice.
    fn fill(&mut self, partitions: &BTreeMap<Str, i32>) {
        let mut topics: Vec<(&Str, &Vec<usize>)> =
            self.subscribers.iter().filter(|(_, subscribers)| !subscribers.is_empty()).collect();
        topics.sort_by_key(|(_, subscribers)| subscribers.len());
        for (topic, subscribers) in topics {
            let mut loads: BTreeSet<(usize, usize)> =
                subscribers.iter().map(|member| (self.owned[*member].len(), *member)).collect();
            for partition in 0..partitions.get(topic).copied().unwrap_or(0) {
                let partition = TopicPartition::new(topic.clone(), partition);
                if self.taken.contains(&partition) {
                    continue;
                }
                let Some((load, member)) = loads.pop_first() else { break };
                loads.insert((load + 1, member));
                self.owned[member].insert(partition);
            }
        }
    }

    /// Moves partitions until no move makes it more even.
    fn level(&mut self) {
        while let Some((from, to, partition)) = self.improvement() {
            self.owned[from].remove(&partition);
            self.owned[to].insert(partition);
        }
    }

    /// From the fullest member that can give, to the emptiest that can take, the last partition that fits.
    fn improvement(&self) -> Option<(usize, usize, TopicPartition)> {
        let mut givers: Vec<usize> = (0..self.owned.len()).collect();
        givers.sort_by_key(|member| std::cmp::Reverse(self.owned[*member].len()));
        for from in givers {
            let load = self.owned[from].len();
            let mut best: Option<(usize, usize, &TopicPartition)> = None;
            let mut topic: Option<&Str> = None;
            for partition in self.owned[from].iter().rev() {
                // The subscribers of a topic are the same for each of its partitions.
                if topic == Some(&partition.topic) {
                    continue;
                }
                topic = Some(&partition.topic);
                let subscribers = self.subscribers.get(&partition.topic)?;
                let taker = subscribers.iter().map(|member| (self.owned[*member].len(), *member)).min();
                if let Some((taken, to)) = taker
                    && taken + 1 < load
                    && best.is_none_or(|(least, ..)| taken < least)
                {
                    best = Some((taken, to, partition));
                }
            }
            if let Some((_, to, partition)) = best {
                return Some((from, to, partition.clone()));
            }
        }
        None
    }
}
