use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn member(id: &str, topics: &[&str]) -> Member {
    Member {
        id: id.into(),
        topics: topics.iter().map(|topic| Str::from(*topic)).collect(),
        generation: -1,
        ..Member::default()
    }
}

fn counts(topics: &[(&str, i32)]) -> BTreeMap<Str, i32> {
    topics.iter().map(|(topic, count)| (Str::from(*topic), *count)).collect()
}

/// `a: t-0 t-1, b: …`
fn told(assignment: &Assignment) -> String {
    let of = |(id, owned): (&Str, &Vec<TopicPartition>)| {
        let owned: Vec<String> = owned.iter().map(ToString::to_string).collect();
        format!("{id}: {}", owned.join(" "))
    };
    assignment.iter().map(of).collect::<Vec<_>>().join(", ")
}

#[test]
fn range_uneven_counts_first_members_get_more() {
    let members = [member("b", &["t"]), member("a", &["t"])];
    assert_eq!(told(&range(&members, &counts(&[("t", 3)]))), "a: t-0 t-1, b: t-2");
}

#[test]
fn range_two_topics_same_numbers_stay_together() {
    let members = [member("a", &["t", "u"]), member("b", &["t", "u"])];
    let assignment = range(&members, &counts(&[("t", 2), ("u", 2)]));
    assert_eq!(told(&assignment), "a: t-0 u-0, b: t-1 u-1");
}

#[test]
fn range_static_members_come_first_by_instance() {
    let fixed =
        |id: &str, instance: &str| Member { instance_id: Some(instance.into()), ..member(id, &["t"]) };
    let members = [member("a", &["t"]), fixed("z", "1"), fixed("y", "2")];
    assert_eq!(told(&range(&members, &counts(&[("t", 4)]))), "a: t-3, y: t-2, z: t-0 t-1");
}

#[test]
fn round_robin_mixed_subscriptions_pass_over_who_does_not_subscribe() {
    let members = [member("a", &["t"]), member("b", &["t", "u"]), member("c", &["t", "u", "v"])];
    let assignment = round_robin(&members, &counts(&[("t", 1), ("u", 2), ("v", 3)]));
    assert_eq!(told(&assignment), "a: t-0, b: u-0, c: u-1 v-0 v-1 v-2");
}

#[test]
fn assignor_topic_without_subscriber_is_nobodys() {
    for assignor in Assignor::ALL {
        let assignment = assignor.assign(&[member("a", &["t"])], &counts(&[("t", 1), ("u", 5)]));
        assert_eq!(told(&assignment), "a: t-0", "{}", assignor.name());
    }
}

#[test]
fn sticky_member_joins_takes_only_its_share() {
    let before = sticky(&[member("a", &["t"]), member("b", &["t"])], &counts(&[("t", 6)]));
    let mut members = again(&[member("a", &["t"]), member("b", &["t"])], &before, 1);
    members.push(member("c", &["t"]));
    let after = sticky(&members, &counts(&[("t", 6)]));
    assert_eq!(moved(&before, &after), 2, "{} to {}", told(&before), told(&after));
}

#[test]
fn sticky_two_claims_newest_generation_counts() {
    let claim = |id: &str, generation: i32| Member {
        owned: vec![TopicPartition::new("t", 0)],
        generation,
        ..member(id, &["t"])
    };
    let members = [claim("a", 3), claim("b", 4)];
    let assignment = sticky(&members, &counts(&[("t", 2)]));
    assert_eq!(told(&assignment), "a: t-1, b: t-0");
}

/// The same members, who say what they had.
fn again(members: &[Member], before: &Assignment, generation: i32) -> Vec<Member> {
    let with = |member: &Member| Member {
        owned: before.get(&member.id).cloned().unwrap_or_default(),
        generation,
        ..member.clone()
    };
    members.iter().map(with).collect()
}

/// How many partitions have another owner than before, of those whose owner is still there.
fn moved(before: &Assignment, after: &Assignment) -> usize {
    let kept = |(id, owned): (&Str, &Vec<TopicPartition>)| {
        let now: BTreeSet<&TopicPartition> = after.get(id).into_iter().flatten().collect();
        owned.iter().filter(|partition| !now.contains(partition)).count()
    };
    before.iter().filter(|(id, _)| after.contains_key(*id)).map(kept).sum()
}

fn group() -> impl Strategy<Value = (Vec<Member>, BTreeMap<Str, i32>)> {
    let topics = ["t", "u", "v", "w"];
    let subscription = proptest::collection::vec(any::<bool>(), topics.len());
    let members = proptest::collection::vec((subscription, any::<bool>()), 1..8);
    let partitions = proptest::collection::vec(0..12_i32, topics.len());
    (members, partitions).prop_map(move |(members, partitions)| {
        let member = |(rank, (wants, is_static)): (usize, (Vec<bool>, bool))| Member {
            id: format!("m{rank}").into(),
            instance_id: is_static.then(|| format!("i{}", 9 - rank).into()),
            topics: topics
                .iter()
                .zip(wants)
                .filter(|(_, wants)| *wants)
                .map(|(topic, _)| Str::from(*topic))
                .collect(),
            owned: Vec::new(),
            generation: -1,
        };
        let members = members.into_iter().enumerate().map(member).collect();
        (members, topics.iter().map(|topic| Str::from(*topic)).zip(partitions).collect())
    })
}

/// Each partition that somebody wants has one owner, who wants it.
fn is_complete(members: &[Member], partitions: &BTreeMap<Str, i32>, assignment: &Assignment) {
    let mut seen = BTreeSet::new();
    for member in members {
        for partition in &assignment[&member.id] {
            assert!(member.topics.contains(&partition.topic), "{} got {partition} unasked", member.id);
            assert!(seen.insert(partition.clone()), "{partition} has two owners");
        }
    }
    for (topic, count) in partitions {
        let wanted = members.iter().any(|member| member.topics.contains(topic));
        let owned = seen.iter().filter(|partition| partition.topic == *topic).count();
        assert_eq!(owned, if wanted { *count as usize } else { 0 }, "partitions of {topic}");
    }
}

proptest! {
    #[test]
    fn assignor_any_group_each_partition_has_one_owner((members, partitions) in group()) {
        for assignor in Assignor::ALL {
            is_complete(&members, &partitions, &assignor.assign(&members, &partitions));
        }
    }

    #[test]
    fn sticky_any_group_no_move_makes_it_more_even((members, partitions) in group()) {
        let assignment = sticky(&members, &partitions);
        let load = |member: &Member| assignment[&member.id].len();
        for from in &members {
            for partition in &assignment[&from.id] {
                let takers = members.iter().filter(|member| member.topics.contains(&partition.topic));
                for to in takers {
                    prop_assert!(load(to) + 1 >= load(from), "{partition} from {} to {}", from.id, to.id);
                }
            }
        }
    }

    #[test]
    fn sticky_nothing_changes_nothing_moves((members, partitions) in group()) {
        let before = sticky(&members, &partitions);
        let after = sticky(&again(&members, &before, 1), &partitions);
        prop_assert_eq!(moved(&before, &after), 0);
    }

    #[test]
    fn sticky_member_leaves_others_keep_what_they_had(count in 1..40_i32, among in 2..8_usize) {
        let members: Vec<Member> = (0..among).map(|rank| member(&format!("m{rank}"), &["t"])).collect();
        let partitions = counts(&[("t", count)]);
        let before = sticky(&members, &partitions);
        let left = again(&members[1..], &before, 1);
        let after = sticky(&left, &partitions);
        is_complete(&left, &partitions, &after);
        prop_assert_eq!(moved(&before, &after), 0);
    }

    #[test]
    fn sticky_member_joins_moves_no_more_than_its_share(count in 1..40_i32, among in 1..8_usize) {
        let mut members: Vec<Member> = (0..among).map(|rank| member(&format!("m{rank}"), &["t"])).collect();
        let partitions = counts(&[("t", count)]);
        let before = sticky(&members, &partitions);
        members = again(&members, &before, 1);
        members.push(member("new", &["t"]));
        let after = sticky(&members, &partitions);
        prop_assert_eq!(moved(&before, &after), after[&Str::from("new")].len());
    }
}
