//! Replicas in a simulated world.

mod random;
mod world;

use std::time::Duration;

use bytes::Bytes;
use highwater_core::quorum::VoteRequest;
use highwater_log::disk::{Failure, Loss, Operation, SimulatedDisk};
use highwater_quorum::{
    Config, Input, Instant, NodeId, Output, ProposeError, Replica, ReplicaKey, Request, Response, Uuid,
};

use world::{Journal, World};

fn other(id: i32) -> i32 {
    id % 3 + 1
}

#[test]
fn proposal_at_the_leader_is_applied_by_all() {
    let mut world = World::new(1);
    assert_eq!(world.commit("one").answer, 1);
    assert_eq!(world.commit("two").answer, 2);
    world.agree(2);
    assert_eq!(world.records(2), ["one", "two"]);
}

#[test]
fn proposal_at_a_follower_is_refused_with_the_leader() {
    let mut world = World::new(2);
    let leader = world.leader();
    world.commit("one");
    world.agree(1);
    let token = world.propose(other(leader), "two");
    let expected = ProposeError::NotLeader { leader: Some(NodeId(leader)) };
    assert_eq!(world.proposed[&token], Err(expected));
}

#[test]
fn proposals_between_two_polls_are_one_batch() {
    let mut world = World::new(3);
    let leader = world.leader();
    let flushes = world.disks[&leader].operations().syncs;
    let replica = world.replicas.get_mut(&leader).expect("it runs");
    for number in 0..100 {
        let record = Bytes::from(format!("record {number}"));
        replica.handle(world.now, Input::Propose { token: 1_000_000 + number, record });
    }
    world.until("an answer", |world| world.proposed.len() == 100);
    assert!(world.disks[&leader].operations().syncs < flushes + 10);
    let offsets: Vec<_> = world.proposed.values().map(|result| result.expect("committed").offset).collect();
    assert!(offsets.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{offsets:?}");
}

#[test]
fn proposal_of_a_leader_that_is_cut_off_is_unknown() {
    let mut world = World::new(4);
    let leader = world.leader();
    world.cut.insert(leader);
    let token = world.propose(leader, "lost");
    world.commit("kept");
    world.until("an answer", |world| world.proposed.contains_key(&token));
    assert_eq!(world.proposed[&token], Err(ProposeError::Unknown));
    world.cut.clear();
    world.agree(1);
    assert_eq!(world.records(leader), ["kept"]);
}

#[test]
fn read_holds_what_was_committed_before() {
    let mut world = World::new(5);
    world.commit("one");
    let leader = world.leader();
    let token = world.ask_to_read(leader);
    world.until("an answer", |world| world.read.contains_key(&token));
    assert_eq!(world.read[&token], Ok(1));
    // The record by which it was confirmed says nothing.
    world.commit("two");
    world.agree(2);
}

#[test]
fn read_of_a_leader_that_is_cut_off_is_refused() {
    let mut world = World::new(6);
    world.commit("one");
    let old = world.leader();
    world.cut.insert(old);
    let token = world.ask_to_read(old);
    world.commit("two");
    world.until("an answer", |world| world.read.contains_key(&token));
    assert!(matches!(world.read[&token], Err(ProposeError::NotLeader { .. })), "{:?}", world.read[&token]);
}

#[test]
fn log_that_a_snapshot_has_flushed_meanwhile_counts_as_flushed_once_its_flusher_is_asked_for() {
    let config = Config { snapshot_bytes: 2_000, ..Config::new("world", 1, [1, 2, 3]) };
    let mut world = World::configured(21, config);
    let leader = world.leader();
    // The two others commit without it.
    world.unflushed = Some(leader);
    for number in 0..10_000 {
        let before = world.replicas[&leader].quorum().snapshot();
        world.propose(leader, &format!("record {number}"));
        world.step();
        let core = world.replicas[&leader].quorum();
        // A snapshot has just flushed all, of which the core knows nothing that is not in it.
        if core.snapshot() != before && core.log().flushed() < core.log().end() {
            let replica = world.replicas.get_mut(&leader).expect("it runs");
            assert!(replica.flusher().is_none(), "something is left to flush");
            let log = replica.quorum().log();
            assert_eq!(log.flushed(), log.end());
            return;
        }
    }
    panic!("no snapshot was taken while records were on their way");
}

#[test]
fn member_that_was_away_for_longer_than_the_log_loads_a_snapshot() {
    let config = Config { snapshot_bytes: 2_000, fetch_bytes_max: 700, ..Config::new("world", 1, [1, 2, 3]) };
    let mut world = World::configured(7, config);
    let away = other(world.leader());
    world.crash(away, Loss::Nothing);
    for number in 0..200 {
        world.commit(&format!("record {number}"));
    }
    let leader = world.leader();
    assert!(world.replicas[&leader].status().log_start > 0);
    world.start(away);
    world.agree(200);
    assert!(world.replicas[&away].status().log_start > 0);
    assert_eq!(world.records(away)[199], "record 199");
}

#[test]
fn members_that_all_lose_power_lose_nothing_that_was_answered() {
    let config = Config { snapshot_bytes: 1_500, ..Config::new("world", 1, [1, 2, 3]) };
    let mut world = World::configured(8, config);
    for number in 0..30 {
        world.commit(&format!("record {number}"));
    }
    for id in [1, 2, 3] {
        world.crash(id, Loss::Everything);
    }
    for id in [1, 2, 3] {
        world.start(id);
    }
    world.agree(30);
}

#[test]
fn vote_that_was_given_outlives_the_power() {
    let mut world = World::new(14);
    let voter = other(world.leader());
    let key = |id| ReplicaKey { id: NodeId(id), directory: Uuid::ZERO };
    let vote = VoteRequest {
        epoch: 99,
        candidate: key(other(voter)),
        voter: key(voter),
        last_epoch: 98,
        last_offset: 1_000,
        pre_vote: false,
    };
    let replica = world.replicas.get_mut(&voter).expect("it runs");
    replica.handle(world.now, Input::Request { token: 1_000_000, request: Request::Vote(vote) });
    let granted = |output| match output {
        Output::Reply { response: Response::Vote(vote), .. } => Some(vote.granted),
        _ => None,
    };
    assert_eq!(std::iter::from_fn(|| replica.poll()).find_map(granted), Some(true));
    let given = replica.quorum().election();
    world.crash(voter, Loss::Everything);
    world.start(voter);
    assert_eq!(world.replicas[&voter].quorum().election(), given);
}

#[test]
fn leader_that_resigns_names_a_successor() {
    let mut world = World::new(9);
    world.commit("one");
    world.agree(1);
    let old = world.leader();
    world.handle(old, Input::Resign);
    assert!(!world.replicas[&old].status().serves);
    let begin = world.now;
    assert_ne!(world.leader(), old);
    let took = world.now.since(begin);
    assert!(took < Duration::from_secs(1), "{took:?}, expected sooner than any timeout");
}

#[test]
fn disk_that_fails_stops_the_member_and_tells_who_waits() {
    let mut world = World::new(10);
    let leader = world.leader();
    let failure = Failure { operation: Operation::Sync, path: String::new(), after: 0, times: u64::MAX };
    world.disks[&leader].fail(failure);
    let token = world.propose(leader, "lost");
    world.until("its end", |world| world.stopped.contains_key(&leader));
    assert!(world.stopped[&leader].contains("sync"), "{}", world.stopped[&leader]);
    assert!(world.proposed.get(&token).is_none_or(Result::is_err));
    assert_eq!(world.replicas[&leader].deadline(), None);
    world.replicas.remove(&leader);
    world.commit("kept");
}

#[test]
fn record_that_is_too_long_is_refused() {
    let mut world =
        World::configured(11, Config { record_bytes_max: 3, ..Config::new("world", 1, [1, 2, 3]) });
    let leader = world.leader();
    let token = world.propose(leader, "four");
    assert_eq!(world.proposed[&token], Err(ProposeError::TooLong { found: 4, max: 3 }));
}

#[test]
fn proposals_beyond_the_bound_are_refused() {
    let mut world = World::configured(12, Config { waiting_max: 2, ..Config::new("world", 1, [1, 2, 3]) });
    let leader = world.leader();
    let tokens = [0, 1, 2].map(|number| world.propose(leader, &format!("record {number}")));
    assert_eq!(world.proposed[&tokens[2]], Err(ProposeError::Busy { max: 2 }));
    world.until("answers", |world| world.proposed.len() == 3);
    assert!(world.proposed[&tokens[1]].is_ok());
}

#[test]
fn disk_that_was_not_formatted_is_refused() {
    let config = Config::new("world", 1, [1, 2, 3]);
    let opened = Replica::open(config, SimulatedDisk::new(1), Journal::default(), 1, Instant(0));
    let why = opened.expect_err("blank").to_string();
    assert!(why.contains("Format the directory first"), "{why}");
}

#[test]
fn disk_of_another_member_is_refused() {
    let disk = SimulatedDisk::new(1);
    Replica::<_, Journal>::format(&Config::new("world", 1, [1, 2, 3]), &disk).expect("blank");
    let opened = Replica::open(Config::new("world", 2, [1, 2, 3]), disk, Journal::default(), 1, Instant(0));
    let why = opened.expect_err("another's").to_string();
    assert!(why.contains("node.id=1") && why.contains("node.id=2"), "{why}");
}

#[test]
fn member_that_was_closed_opens_with_what_it_had() {
    let mut world = World::new(13);
    world.commit("one");
    world.agree(1);
    for id in [1, 2, 3] {
        world.replicas.remove(&id).expect("it runs").close().expect("a sound disk");
    }
    for id in [1, 2, 3] {
        world.start(id);
    }
    world.commit("two");
    world.agree(2);
}
