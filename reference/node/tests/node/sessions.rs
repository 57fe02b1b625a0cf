//! Fetch sessions of followers: they name what changed, hear what there is to say, and begin anew when they may have missed anything.

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_core::controller::{ControllerRequest, TopicReference};
use highwater_core::partition::{Acks, PartitionFetch};
use highwater_core::{NodeId, Offset};
use highwater_node::message::{
    ClientRequest, FetchSession, FetchSessionError, Input, Output, PeerRequest, PeerResponse, ReplicaFetch,
    ReplicaFetchPartition, ReplicaFetched, TopicPartition,
};
use highwater_node::{NodeConfig, Role};

use crate::cluster::{Cluster, produce_request, records, settled, settled_with};

const SECOND: Duration = Duration::from_secs(1);

/// So many partitions that node 1 leads and 2 and 3 follow, once all are settled.
fn with_partitions(count: usize, adapt: impl Fn(&mut NodeConfig)) -> (Cluster, Vec<TopicPartition>) {
    let mut cluster = settled_with(adapt);
    let replicas: &[i32] = &[1, 2, 3];
    let partitions = cluster.create_topic_with(1, "orders", &vec![replicas; count], &[]);
    cluster.run_for(3 * SECOND);
    cluster.requests.clear();
    (cluster, partitions)
}

/// The fetches that a follower sent to node 1, oldest first.
fn fetches(cluster: &Cluster, from: i32) -> Vec<&ReplicaFetch> {
    let mut fetches = Vec::new();
    for (sender, to, request) in &cluster.requests {
        if let (sender, NodeId(1), PeerRequest::Fetch(fetch)) = (sender, *to, request)
            && *sender == NodeId(from)
        {
            fetches.push(fetch);
        }
    }
    fetches
}

fn named(fetch: &ReplicaFetch) -> Vec<TopicPartition> {
    fetch.partitions.iter().map(|part| part.partition).collect()
}

fn high_watermark(cluster: &Cluster, id: i32, partition: TopicPartition) -> Option<Offset> {
    cluster.node(id).replica(partition)?.high_watermark
}

fn partition_epoch(cluster: &Cluster, partition: TopicPartition) -> i32 {
    let state = cluster.node(1).image().partition(partition.topic, partition.partition);
    state.expect("a partition").partition_epoch
}

/// What node 1 says to a request at once.
fn said_at_once(cluster: &mut Cluster, from: i32, fetch: &ReplicaFetch) -> Option<PeerResponse> {
    let now = cluster.now;
    let node = cluster.nodes.get_mut(&NodeId(1)).expect("a node");
    let (token, request) = (u64::MAX, PeerRequest::Fetch(fetch.clone()));
    node.handle(now, Input::Request { token, from: NodeId(from), request });
    let outputs: Vec<Output> = std::iter::from_fn(|| node.poll()).collect();
    let mut said = None;
    for output in outputs {
        match output {
            Output::Reply { token: u64::MAX, response } => said = Some(response),
            // A refusal of what waited in the session before.
            other => cluster.take(NodeId(1), other),
        }
    }
    said
}

fn refusal(response: Option<PeerResponse>) -> Option<FetchSessionError> {
    match response {
        Some(PeerResponse::Fetch(Err(error))) => Some(error),
        other => panic!("{other:?}"),
    }
}

fn fetched(response: Option<PeerResponse>) -> ReplicaFetched {
    match response {
        Some(PeerResponse::Fetch(Ok(fetched))) => fetched,
        other => panic!("{other:?}"),
    }
}

#[test]
fn fetch_names_only_what_changed() {
    let (mut cluster, partitions) = with_partitions(50, |_| {});
    cluster.run_for(3 * SECOND);
    let idle = fetches(&cluster, 2);
    assert!(idle.len() >= 5, "{} fetches in three seconds", idle.len());
    assert!(idle.iter().all(|fetch| !fetch.session.is_full() && fetch.partitions.is_empty()), "{idle:?}");
    cluster.requests.clear();
    cluster.produce(1, partitions[7], Acks::All, "a").expect("acknowledged");
    cluster.run_for(3 * SECOND);
    let names: Vec<_> = fetches(&cluster, 2).into_iter().flat_map(named).collect();
    assert_eq!(names, [partitions[7]]);
}

#[test]
fn answer_says_only_what_changed() {
    let (mut cluster, partitions) = with_partitions(50, |_| {});
    let busy = partitions[7];
    let (said, told) = std::sync::mpsc::channel();
    cluster.tamper = Some(Box::new(move |from, to, response| {
        if let (NodeId(1), NodeId(2), PeerResponse::Fetch(Ok(fetched))) = (from, to, response) {
            fetched.answers.iter().for_each(|(id, _, _)| said.send(*id).expect("somebody listens"));
        }
        true
    }));
    cluster.produce(1, busy, Acks::All, "a").expect("acknowledged");
    cluster.run_for(3 * SECOND);
    let about: Vec<TopicPartition> = told.try_iter().collect();
    assert!(!about.is_empty() && about.iter().all(|id| *id == busy), "{about:?}");
}

#[test]
fn records_are_acknowledged_one_after_the_other_without_delay() {
    let (mut cluster, partitions) = with_partitions(20, |_| {});
    for index in 0..30 {
        let began = cluster.now;
        cluster.produce(1, partitions[index % 3], Acks::All, "a").expect("acknowledged");
        // A message takes a millisecond.
        assert!(cluster.now.since(began) < Duration::from_millis(20), "{:?}", cluster.now.since(began));
    }
}

#[test]
fn high_watermark_comes_to_followers_without_records() {
    let (mut cluster, partitions) = with_partitions(20, |_| {});
    for partition in &partitions {
        cluster.produce(1, *partition, Acks::All, "a").expect("acknowledged");
    }
    // A fetch waits for half a second at most.
    cluster.run_for(SECOND);
    for partition in &partitions {
        let known = [2, 3].map(|id| high_watermark(&cluster, id, *partition));
        assert_eq!(known, [Some(1), Some(1)], "{partition:?}");
    }
}

#[test]
fn member_of_an_idle_partition_stays_in_the_isr_when_a_record_comes() {
    // As many as take several seconds, which is the lag that is allowed.
    let (mut cluster, partitions) = with_partitions(100, |_| {});
    let before: Vec<i32> = partitions.iter().map(|id| partition_epoch(&cluster, *id)).collect();
    cluster.run_for(30 * SECOND);
    for partition in &partitions {
        cluster.send(1, produce_request(*partition, Acks::Leader, &["a"]));
    }
    cluster.run_for(10 * SECOND);
    let after: Vec<i32> = partitions.iter().map(|id| partition_epoch(&cluster, *id)).collect();
    assert_eq!(after, before, "the ISR of a partition was changed");
}

#[test]
fn member_of_an_idle_partition_whose_fetches_ceased_leaves_the_isr_when_a_record_comes() {
    let (mut cluster, partitions) = with_partitions(10, |_| {});
    cluster.tamper =
        Some(Box::new(|_, to, response| to != NodeId(2) || !matches!(response, PeerResponse::Fetch(_))));
    cluster.run_for(30 * SECOND);
    cluster.produce(1, partitions[3], Acks::All, "a").expect("acknowledged by the others");
    cluster.run_until_isr(partitions[3], &[1, 3]);
    cluster.tamper = None;
    cluster.run_until_isr(partitions[3], &[1, 2, 3]);
}

#[test]
fn follower_that_restarts_joins_the_isr_of_every_partition_again() {
    let (mut cluster, partitions) = with_partitions(20, |_| {});
    cluster.crash(2);
    cluster.run_until_isr(partitions[0], &[1, 3]);
    cluster.restart(2).expect("the disk is sound");
    for partition in partitions {
        cluster.run_until_isr(partition, &[1, 2, 3]);
    }
}

#[test]
fn session_that_a_leader_lost_by_a_restart_is_begun_anew() {
    let (mut cluster, partitions) = with_partitions(20, |_| {});
    // Node 1 is back before anybody takes it for gone, and knows nothing of any session.
    cluster.kill(1);
    cluster.restart(1).expect("the disk is sound");
    cluster.settle();
    for partition in &partitions {
        cluster.run_until_isr(*partition, &[1, 2, 3]);
        let leader = cluster.leader(*partition).expect("a leader");
        cluster.produce(leader, *partition, Acks::All, "a").expect("acknowledged");
    }
}

#[test]
fn fetch_whose_answer_is_lost_is_followed_by_a_full_one() {
    let (mut cluster, partitions) =
        with_partitions(20, |config| config.replica_socket_timeout = Duration::from_secs(1));
    cluster.lose_one(|to, response| matches!(response, PeerResponse::Fetch(_)) && to == NodeId(2));
    assert_eq!(cluster.produce(1, partitions[4], Acks::All, "a"), Ok(0));
    cluster.run_for(SECOND);
    let full: Vec<_> = fetches(&cluster, 2).into_iter().filter(|fetch| fetch.session.is_full()).collect();
    let [full] = full[..] else { panic!("{} full fetches", full.len()) };
    assert_eq!(full.session.epoch, 0);
    assert_ne!(full.session.id, 0, "it says which session ends");
    assert_eq!(named(full).len(), 20);
}

#[test]
fn fetch_that_is_lost_with_what_it_says_is_followed_by_a_full_one() {
    let (mut cluster, partitions) =
        with_partitions(20, |config| config.replica_socket_timeout = Duration::from_secs(1));
    let before = partition_epoch(&cluster, partitions[4]);
    // It says that node 2 has the record, without which that is not committed.
    cluster.lost_request = Some(Box::new(|from, request| {
        from == NodeId(2) && matches!(request, PeerRequest::Fetch(fetch) if !fetch.partitions.is_empty())
    }));
    assert_eq!(cluster.produce(1, partitions[4], Acks::All, "a"), Ok(0));
    assert!(cluster.lost_request.is_none(), "nothing was lost");
    assert_eq!(partition_epoch(&cluster, partitions[4]), before, "the ISR was changed");
    cluster.run_for(SECOND);
    assert_eq!(fetches(&cluster, 2).iter().filter(|fetch| fetch.session.is_full()).count(), 1);
}

#[test]
fn fetch_that_comes_twice_or_late_is_refused_and_nothing_of_it_taken() {
    let (mut cluster, partitions) = with_partitions(2, |_| {});
    cluster.produce(1, partitions[0], Acks::All, "a").expect("acknowledged");
    cluster.run_for(2 * SECOND);
    let sent: Vec<ReplicaFetch> = fetches(&cluster, 2).into_iter().cloned().collect();
    let naming = sent.iter().find(|fetch| !fetch.partitions.is_empty()).expect("the new end");
    let known = |cluster: &Cluster| {
        let replica = cluster.node(1).replica(partitions[0]).expect("a replica");
        (replica.high_watermark, replica.isr)
    };
    let before = known(&cluster);
    for late in [naming, sent.last().expect("a fetch")] {
        let mut late = late.clone();
        // Were it taken, the leader would believe that.
        late.partitions = vec![ReplicaFetchPartition {
            partition: partitions[0],
            fetch: PartitionFetch { leader_epoch: 0, offset: 0, last_epoch: -1 },
            log_start: 0,
            max_bytes: 1,
        }];
        let said = said_at_once(&mut cluster, 2, &late);
        assert_eq!(refusal(said), Some(FetchSessionError::InvalidEpoch));
        late.session.id += 1;
        let said = said_at_once(&mut cluster, 2, &late);
        assert_eq!(refusal(said), Some(FetchSessionError::NotFound));
    }
    cluster.requests.clear();
    cluster.run_for(2 * SECOND);
    assert_eq!(known(&cluster), before);
    assert!(fetches(&cluster, 2).iter().all(|fetch| !fetch.session.is_full()), "the session is disturbed");
}

#[test]
fn full_fetch_that_comes_twice_costs_a_session_and_nothing_else() {
    let (mut cluster, partitions) = with_partitions(5, |_| {});
    let broker_epoch = cluster.node(2).broker_epoch().expect("registered");
    let part = |partition: &TopicPartition| ReplicaFetchPartition {
        partition: *partition,
        fetch: PartitionFetch { leader_epoch: 0, offset: 0, last_epoch: -1 },
        log_start: 0,
        max_bytes: 1 << 20,
    };
    let full = ReplicaFetch {
        broker_epoch,
        session: FetchSession::NEW,
        partitions: partitions.iter().map(part).collect(),
        forgotten: Vec::new(),
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
    };
    let first = fetched(said_at_once(&mut cluster, 2, &full));
    let second = fetched(said_at_once(&mut cluster, 2, &full));
    assert_eq!((first.answers.len(), second.answers.len()), (5, 5));
    assert!(first.session != 0 && second.session != 0 && first.session != second.session);
    let before: Vec<i32> = partitions.iter().map(|id| partition_epoch(&cluster, *id)).collect();
    // Longer than the lag that is allowed.
    cluster.run_for(5 * SECOND);
    for partition in &partitions {
        assert_eq!(cluster.produce(1, *partition, Acks::All, "a"), Ok(0));
    }
    cluster.run_for(5 * SECOND);
    let after: Vec<i32> = partitions.iter().map(|id| partition_epoch(&cluster, *id)).collect();
    assert_eq!(after, before, "the ISR of a partition was changed");
    // An older incarnation gets no session, nor what is no broker.
    let older = ReplicaFetch { broker_epoch: broker_epoch - 1, max_wait_ms: 0, ..full };
    assert_eq!(fetched(said_at_once(&mut cluster, 2, &older)).session, 0);
    assert_eq!(fetched(said_at_once(&mut cluster, 9, &older)).session, 0);
}

#[test]
fn fetch_waits_until_its_partitions_have_bytes_enough_together() {
    let size = records(&["a"]).len() as u32;
    let (mut cluster, partitions) = with_partitions(5, |config| {
        config.replica_fetch_min_bytes = 3 * size;
        config.replica_fetch_wait_max = Duration::from_secs(2);
    });
    cluster.run_for(2 * SECOND + Duration::from_millis(100));
    let end = |cluster: &Cluster, index: usize| {
        cluster.node(2).replica(partitions[index]).expect("a replica").log.end()
    };
    cluster.send(1, produce_request(partitions[0], Acks::Leader, &["a"]));
    cluster.send(1, produce_request(partitions[1], Acks::Leader, &["a"]));
    cluster.run_for(Duration::from_millis(100));
    assert_eq!((end(&cluster, 0), end(&cluster, 1)), (0, 0));
    cluster.send(1, produce_request(partitions[1], Acks::Leader, &["a"]));
    // What is there before the next fetch comes counts with what comes while it waits.
    cluster.send(1, produce_request(partitions[2], Acks::Leader, &["a"]));
    cluster.send(1, produce_request(partitions[3], Acks::Leader, &["a"]));
    cluster.run_for(Duration::from_millis(100));
    assert_eq!((end(&cluster, 0), end(&cluster, 1)), (1, 2));
    assert_eq!((end(&cluster, 2), end(&cluster, 3)), (0, 0));
    cluster.send(1, produce_request(partitions[2], Acks::Leader, &["a"]));
    cluster.run_for(Duration::from_millis(10));
    assert_eq!((end(&cluster, 2), end(&cluster, 3)), (2, 1));
}

#[test]
fn partition_of_a_topic_that_is_deleted_leaves_the_session() {
    let (mut cluster, partitions) = with_partitions(3, |_| {});
    let other = cluster.create_topic(1, "other", &[1, 2, 3]);
    cluster.run_for(2 * SECOND);
    cluster.requests.clear();
    let request = ControllerRequest::DeleteTopics(vec![TopicReference::Id(partitions[0].topic)]);
    cluster.ask(1, ClientRequest::Controller(request));
    cluster.run_for(5 * SECOND);
    let mut forgotten: Vec<_> =
        fetches(&cluster, 2).iter().flat_map(|fetch| fetch.forgotten.clone()).collect();
    forgotten.sort_unstable();
    assert_eq!(forgotten, partitions);
    assert_eq!(cluster.produce(1, other, Acks::All, "a"), Ok(0));
}

/// What a leader holds of a session, by what its follower sent: from where on each partition is fetched.
type Held = BTreeMap<TopicPartition, PartitionFetch>;

/// Goes on for so long, and holds each fetch of a follower to what a full one would name at that moment.
fn run_watched(cluster: &mut Cluster, time: Duration, held: &mut BTreeMap<(NodeId, NodeId), Held>) {
    let end = cluster.now + time;
    while cluster.now < end {
        cluster.requests.clear();
        cluster.step();
        for (from, to, request) in std::mem::take(&mut cluster.requests) {
            let PeerRequest::Fetch(fetch) = request else { continue };
            let held = held.entry((from, to)).or_default();
            if fetch.session.is_full() {
                held.clear();
            }
            held.extend(fetch.partitions.iter().map(|part| (part.partition, part.fetch)));
            held.retain(|id, _| !fetch.forgotten.contains(id));
            for (id, fetch) in held {
                let replica = cluster.nodes[&from].replica(*id).expect("a replica");
                assert_eq!((replica.role, replica.leader), (Role::Follower, Some(to)), "{from} of {id:?}");
                let stands = (replica.epoch, replica.log.end(), replica.log.last_epoch());
                assert_eq!((fetch.leader_epoch, fetch.offset, fetch.last_epoch), stands, "{from} of {id:?}");
            }
        }
    }
}

#[test]
fn fetches_of_a_session_add_up_to_a_full_one() {
    let mut cluster = settled();
    let replicas: [&[i32]; 6] = [&[1, 2, 3], &[2, 3, 1], &[3, 1, 2], &[1, 3, 2], &[2, 1, 3], &[3, 2, 1]];
    let partitions = cluster.create_topic_with(1, "orders", &replicas, &[]);
    let mut held = BTreeMap::new();
    for turn in 0..6 {
        for (index, partition) in partitions.iter().enumerate() {
            let leader = cluster.leader(*partition).expect("a leader");
            if (index + turn) % 3 != 0 {
                cluster.send(leader, produce_request(*partition, Acks::All, &["a"]));
            }
            run_watched(&mut cluster, Duration::from_millis(7), &mut held);
        }
        // One dies in each turn, with what it had not flushed, and its partitions are led by others.
        let victim = (turn % 3) as i32 + 1;
        cluster.crash(victim);
        held.retain(|(from, _), _| *from != NodeId(victim));
        run_watched(&mut cluster, 12 * SECOND, &mut held);
        cluster.restart(victim).expect("the disk is sound");
        run_watched(&mut cluster, 12 * SECOND, &mut held);
    }
    for partition in partitions {
        let leader = NodeId(cluster.leader(partition).expect("a leader"));
        let of_leader = held.iter().filter(|((_, to), _)| *to == leader);
        let holding = of_leader.filter(|(_, held)| held.contains_key(&partition));
        assert_eq!(holding.count(), 2, "{partition:?} is followed by two");
        cluster.run_until_isr(partition, &[1, 2, 3]);
        cluster.assert_same_log(partition, 1, 2);
        cluster.assert_same_log(partition, 1, 3);
    }
}
