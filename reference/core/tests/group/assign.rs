//! Assignors, and what members and leaders send each other. Bytes and results said to be Kafka's were made with its Java client 4.3.1.

use std::collections::BTreeMap;

use highwater_core::group::assign::{
    Assigned, Assignment, Member, Partition, StickyMember, Subscription, TopicPartitions, by_topic,
    decode_sticky, encode_sticky, range, round_robin, sticky,
};
use proptest::prelude::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of(topic: &str, partitions: &[i32]) -> TopicPartitions {
    TopicPartitions { topic: topic.into(), partitions: partitions.into() }
}

#[test]
fn subscription_of_each_version_is_kafkas() {
    let whole = Subscription {
        topics: vec!["a".into(), "b\u{e9}".into()],
        user_data: Some([7, 8].as_slice().into()),
        owned_partitions: vec![of("a", &[0, 2])],
        generation_id: 5,
        rack_id: Some("r1".into()),
    };
    let kafkas = [
        "000000000002000161000362c3a9000000020708",
        "000100000002000161000362c3a900000002070800000001000161000000020000000000000002",
        "000200000002000161000362c3a90000000207080000000100016100000002000000000000000200000005",
        "000300000002000161000362c3a9000000020708000000010001610000000200000000000000020000000500027231",
    ];
    for (version, bytes) in (0..).zip(kafkas) {
        assert_eq!(hex(&whole.encode(version)), bytes);
        let mut expected = whole.clone();
        if version < 3 {
            expected.rack_id = None;
        }
        if version < 2 {
            expected.generation_id = -1;
        }
        if version < 1 {
            expected.owned_partitions.clear();
        }
        assert_eq!(Subscription::decode(&whole.encode(version)), Ok(expected));
    }
}

#[test]
fn subscription_of_a_later_version_is_read_as_far_as_it_is_known() {
    let mut bytes = Subscription { topics: vec!["a".into()], ..Subscription::default() }.encode(3);
    bytes[1] = 4;
    bytes.push(9);
    assert_eq!(Subscription::decode(&bytes).map(|read| read.topics), Ok(vec!["a".to_string()]));
    bytes[1] = 3;
    assert!(Subscription::decode(&bytes).is_err());
}

#[test]
fn assignment_is_kafkas() {
    let assignment = Assignment { assigned_partitions: vec![of("a", &[1, 2])], user_data: None };
    assert_eq!(hex(&assignment.encode(3)), "000300000001000161000000020000000100000002ffffffff");
    assert_eq!(Assignment::decode(&assignment.encode(3)), Ok(assignment));
    assert_eq!(Assignment::decode(&[]), Ok(Assignment::default()));
}

#[test]
fn sticky_data_are_kafkas() {
    let owned = vec![of("a", &[1, 2])];
    let bytes = encode_sticky(&owned, 7);
    assert_eq!(hex(&bytes), "0000000100016100000002000000010000000200000007");
    assert_eq!(decode_sticky(&bytes), Ok((owned.clone(), 7)));
    assert_eq!(decode_sticky(&bytes[..bytes.len() - 4]), Ok((owned, -1)));
}

#[test]
fn bytes_cut_short_are_refused() {
    let subscription =
        Subscription { owned_partitions: vec![of("a", &[0])], ..Subscription::default() }.encode(3);
    let assignment = Assignment { assigned_partitions: vec![of("a", &[0])], user_data: None }.encode(3);
    for length in 0..subscription.len() {
        assert!(Subscription::decode(&subscription[..length]).is_err());
    }
    for length in 1..assignment.len() {
        assert!(Assignment::decode(&assignment[..length]).is_err());
    }
    // Two thousand million topics, of which none follows.
    let lying = [&[0, 3][..], &i32::MAX.to_be_bytes()].concat();
    assert!(Subscription::decode(&lying).is_err());
    assert!(Assignment::decode(&lying).is_err());
    assert!(decode_sticky(&lying[2..]).is_err());
}

fn member(id: &str, instance: Option<&str>, topics: &[&str]) -> Member {
    let topics = topics.iter().map(|topic| (*topic).into()).collect();
    Member { member_id: id.into(), group_instance_id: instance.map(Into::into), topics }
}

fn topics(counts: &[(&str, i32)]) -> BTreeMap<String, i32> {
    counts.iter().map(|(topic, count)| ((*topic).into(), *count)).collect()
}

fn told(assigned: &Assigned) -> String {
    let list = |(id, list): (&String, &Vec<Partition>)| {
        let names: Vec<String> = list.iter().map(|(topic, index)| format!("{topic}-{index}")).collect();
        format!("{id}=[{}]", names.join(", "))
    };
    format!("{{{}}}", assigned.iter().map(list).collect::<Vec<_>>().join(", "))
}

/// Subscriptions that differ, and a static member.
fn members() -> Vec<Member> {
    vec![
        member("m1", None, &["a", "b"]),
        member("m2", None, &["a", "b", "c"]),
        member("m3", Some("z"), &["a", "c", "not-there"]),
    ]
}

#[test]
fn range_is_kafkas() {
    let assigned = range(&members(), &topics(&[("a", 5), ("b", 3), ("c", 1), ("unread", 4)]));
    assert_eq!(told(&assigned), "{m1=[a-2, a-3, b-0, b-1], m2=[a-4, b-2], m3=[a-0, a-1, c-0]}");
}

#[test]
fn round_robin_is_kafkas() {
    let assigned = round_robin(&members(), &topics(&[("a", 5), ("b", 3), ("c", 1), ("unread", 4)]));
    assert_eq!(told(&assigned), "{m1=[a-1, a-4, b-1], m2=[a-2, b-0, b-2], m3=[a-0, a-3, c-0]}");
}

#[test]
fn partitions_grouped_by_topic_are_in_order() {
    let partitions: Vec<Partition> = vec![("b".into(), 1), ("a".into(), 2), ("b".into(), 0)];
    assert_eq!(by_topic(&partitions), [of("a", &[2]), of("b", &[0, 1])]);
}

#[test]
fn sticky_owner_of_the_later_generation_keeps() {
    let owned: Vec<Partition> = (0..2).map(|index| ("a".into(), index)).collect();
    let claims = |id: &str, generation| StickyMember {
        member: member(id, None, &["a"]),
        owned: owned.clone(),
        generation,
    };
    let partitions = topics(&[("a", 2)]);
    let late = sticky(&[claims("m1", 3), claims("m2", 4), claims("m3", 3)], &partitions);
    assert_eq!(late["m2"].len(), 1, "it had both, and gives one away: {}", told(&late));
    let assigned = sticky(&[claims("m1", 4), claims("m2", 4)], &partitions);
    assert_eq!(told(&assigned), "{m1=[a-0], m2=[a-1]}", "two say so of one generation");
}

/// Members who had what was assigned.
fn as_they_are(members: &[Member], assigned: &Assigned) -> Vec<StickyMember> {
    let had = |member: &Member| StickyMember {
        member: member.clone(),
        owned: assigned.get(&member.member_id).cloned().unwrap_or_default(),
        generation: 1,
    };
    members.iter().map(had).collect()
}

/// Every partition that somebody subscribes to has one reader, who does.
fn is_whole(members: &[Member], partitions: &BTreeMap<String, i32>, assigned: &Assigned) -> bool {
    let reads = |member: &Member, topic: &String| member.topics.contains(topic);
    let mut given: Vec<&Partition> = Vec::new();
    for member in members {
        let list = &assigned[&member.member_id];
        if !list.iter().all(|(topic, _)| reads(member, topic)) {
            return false;
        }
        given.extend(list);
    }
    given.sort();
    let wanted = partitions.iter().filter(|(topic, _)| members.iter().any(|member| reads(member, topic)));
    let wanted: Vec<Partition> =
        wanted.flat_map(|(topic, count)| (0..*count).map(|index| (topic.clone(), index))).collect();
    given.into_iter().eq(&wanted)
}

fn some_members() -> impl Strategy<Value = Vec<Member>> {
    let topics = proptest::collection::btree_set("[abc]", 0..3);
    proptest::collection::vec((topics, any::<bool>()), 1..6).prop_map(|all| {
        let member = |(index, (topics, is_static)): (usize, (_, bool))| Member {
            member_id: format!("m{index}"),
            group_instance_id: is_static.then(|| format!("i{}", 9 - index)),
            topics,
        };
        all.into_iter().enumerate().map(member).collect()
    })
}

fn some_topics() -> impl Strategy<Value = BTreeMap<String, i32>> {
    proptest::collection::btree_map("[abcd]", 0..9, 0..4)
}

fn loads(assigned: &Assigned) -> (usize, usize) {
    let sizes = assigned.values().map(Vec::len);
    (sizes.clone().min().unwrap_or(0), sizes.max().unwrap_or(0))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_partition_has_one_reader(members in some_members(), topics in some_topics(), before in some_topics()) {
        prop_assert!(is_whole(&members, &topics, &range(&members, &topics)));
        prop_assert!(is_whole(&members, &topics, &round_robin(&members, &topics)));
        let had = round_robin(&members, &before);
        let assigned = sticky(&as_they_are(&members, &had), &topics);
        prop_assert!(is_whole(&members, &topics, &assigned));
        prop_assert_eq!(&sticky(&as_they_are(&members, &assigned), &topics), &assigned, "nothing changed");
        let mut reversed = members.clone();
        reversed.reverse();
        prop_assert_eq!(sticky(&as_they_are(&reversed, &had), &topics), assigned);
        prop_assert_eq!(range(&reversed, &topics), range(&members, &topics));
        prop_assert_eq!(round_robin(&reversed, &topics), round_robin(&members, &topics));
    }

    #[test]
    fn sticky_no_single_move_makes_it_more_even(members in some_members(), topics in some_topics(), before in some_topics()) {
        let had = round_robin(&members, &before);
        let assigned = sticky(&as_they_are(&members, &had), &topics);
        for (from, list) in &assigned {
            for (topic, index) in list {
                for to in members.iter().filter(|member| member.topics.contains(topic)) {
                    let taken = assigned[&to.member_id].len();
                    prop_assert!(taken + 1 >= list.len(), "{topic}-{index} from {from} to {}", to.member_id);
                }
            }
        }
    }

    #[test]
    fn sticky_among_equals_is_even_and_moves_no_more_than_it_must(count in 1..7_usize, topics in some_topics()) {
        let names: Vec<&str> = topics.keys().map(String::as_str).collect();
        let equals: Vec<Member> =
            (0..=count).map(|index| member(&format!("m{index}"), None, &names)).collect();
        let before = sticky(&as_they_are(&equals[..count], &Assigned::new()), &topics);
        let (least, most) = loads(&before);
        prop_assert!(most - least <= 1);
        // One more joins: what it gets is all that moves.
        let joined = sticky(&as_they_are(&equals, &before), &topics);
        let (least, most) = loads(&joined);
        prop_assert!(most - least <= 1);
        for old in &equals[..count] {
            prop_assert!(joined[&old.member_id].iter().all(|partition| before[&old.member_id].contains(partition)));
        }
        // One leaves: the others keep all that they have.
        let left = sticky(&as_they_are(&equals[1..], &joined), &topics);
        let (least, most) = loads(&left);
        prop_assert!(most - least <= 1);
        for stays in &equals[1..] {
            prop_assert!(joined[&stays.member_id].iter().all(|partition| left[&stays.member_id].contains(partition)));
        }
    }
}
