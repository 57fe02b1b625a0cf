//! Members: join, sync, heartbeat, leave; what of groups is described, listed and deleted.

use highwater_wire::ErrorCode;
use highwater_wire::messages::leave_group::request::MemberIdentity;
use highwater_wire::messages::*;

use crate::harness::{Member, elsewhere, with_node};
use crate::support::{Connection, address, api_versions, every_version, newest};

#[test]
fn member_alone_joins_and_lives() {
    with_node(async |_server, mut connection| {
        let mut member = Member::of("g");
        member.settle(&mut connection).await;
        assert_eq!(member.heartbeat(&mut connection).await, ErrorCode::NONE);
        let stale = Member { generation: member.generation - 1, ..member.clone() };
        assert_eq!(stale.heartbeat(&mut connection).await, ErrorCode::ILLEGAL_GENERATION);
        let stranger = Member { id: "nobody".into(), ..member };
        assert_eq!(stranger.heartbeat(&mut connection).await, ErrorCode::UNKNOWN_MEMBER_ID);
    });
}

#[test]
fn second_member_begins_a_rebalance_that_both_share() {
    with_node(async |server, mut first_connection| {
        let (mut first, mut second) = (Member::of("g"), Member::of("g"));
        first.settle(&mut first_connection).await;
        let mut second_connection = Connection::open(address(&server, "PLAINTEXT")).await;
        second.introduce(&mut second_connection).await;
        second_connection.send(&second.join(), 9).await;
        // The first learns of it by its heartbeat.
        crate::support::until("the first is told to join again", || {
            let (first, server) = (first.clone(), &server);
            async move {
                let mut connection = Connection::open(address(server, "PLAINTEXT")).await;
                first.heartbeat(&mut connection).await == ErrorCode::REBALANCE_IN_PROGRESS
            }
        })
        .await;
        let response = first_connection.ask(&first.join(), 9).await;
        first.joined(&response);
        assert_eq!((&response.leader, response.members.len()), (&first.id, 2));
        let response = second_connection.receive::<JoinGroupRequest>(9).await;
        second.joined(&response);
        assert_eq!((second.generation, response.members.len()), (first.generation, 0));
        // Who does not lead waits for who does.
        second_connection.send(&second.sync(&[]), 5).await;
        let assignments = [(&first.id, "one"), (&second.id, "two")];
        let synced = first_connection.ask(&first.sync(&assignments), 5).await;
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"one"[..]));
        let synced = second_connection.receive::<SyncGroupRequest>(5).await;
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"two"[..]));
    });
}

#[test]
fn member_that_leaves_makes_its_group_empty_and_deletable() {
    with_node(async |_server, mut connection| {
        let c = &mut connection;
        let mut member = Member::of("g");
        member.settle(c).await;
        let delete = DeleteGroupsRequest { groups_names: vec!["g".into(), "none".into(), "g".into()] };
        let response = c.ask(&delete, 2).await;
        let errors: Vec<_> = response.results.iter().map(|result| ErrorCode(result.error_code)).collect();
        assert_eq!(errors, [ErrorCode::NON_EMPTY_GROUP, ErrorCode::GROUP_ID_NOT_FOUND]);
        let identity = MemberIdentity { member_id: member.id.clone(), ..Default::default() };
        let leave = LeaveGroupRequest { group_id: "g".into(), members: vec![identity], ..Default::default() };
        let left = c.ask(&leave, 5).await;
        assert_eq!((left.error_code, left.members[0].error_code), (0, 0));
        let older = LeaveGroupRequest { group_id: "g".into(), member_id: member.id, ..Default::default() };
        assert_eq!(ErrorCode(c.ask(&older, 2).await.error_code), ErrorCode::UNKNOWN_MEMBER_ID);
        let deleted = c.ask(&delete, 2).await;
        assert_eq!(deleted.results[0].error_code, 0);
    });
}

#[test]
fn groups_are_described_and_listed_wherever_they_are() {
    with_node(async |_server, mut connection| {
        let c = &mut connection;
        let other = elsewhere("g");
        let (mut one, mut two) = (Member::of("g"), Member::of(&other));
        one.settle(c).await;
        two.settle(c).await;
        let groups = vec!["none".into(), "g".into(), other.as_str().into()];
        let describe = DescribeGroupsRequest { groups, include_authorized_operations: true };
        let described = c.ask(&describe, 6).await.groups;
        let states: Vec<_> = described.iter().map(|group| (&*group.group_id, &*group.group_state)).collect();
        assert_eq!(states, [("none", "Dead"), ("g", "Stable"), (&*other, "Stable")]);
        assert_eq!(ErrorCode(described[0].error_code), ErrorCode::GROUP_ID_NOT_FOUND);
        let member = &described[1].members[0];
        assert_eq!((&member.member_id, &*member.client_host), (&one.id, "/127.0.0.1"));
        assert_eq!(&member.member_assignment[..], b"everything");
        let older = c.ask(&describe, 5).await.groups;
        assert_eq!(older[0].error_code, 0, "before version 6 the state says it");
        let listed = c.ask(&ListGroupsRequest::default(), 5).await;
        let mut ids: Vec<_> = listed.groups.iter().map(|group| group.group_id.to_string()).collect();
        ids.sort_unstable();
        assert_eq!((listed.error_code, ids), (0, vec!["g".to_owned(), other]));
        let filter = ListGroupsRequest { states_filter: vec!["empty".into()], ..Default::default() };
        assert_eq!(c.ask(&filter, 5).await.groups.len(), 0);
    });
}

#[test]
fn every_api_answers_in_every_version() {
    with_node(async |_server, mut connection| {
        let c = &mut connection;
        let mut stranger = Member::of("g");
        stranger.id = "nobody".into();
        every_version(c, stranger.join()).await;
        every_version(c, stranger.sync(&[])).await;
        every_version(c, HeartbeatRequest::default()).await;
        every_version(c, LeaveGroupRequest::default()).await;
        every_version(c, OffsetCommitRequest::default()).await;
        every_version(c, OffsetFetchRequest::default()).await;
        every_version(c, OffsetDeleteRequest::default()).await;
        every_version(c, DescribeGroupsRequest::default()).await;
        every_version(c, ListGroupsRequest::default()).await;
        every_version(c, DeleteGroupsRequest::default()).await;
        let advertised = c.ask(&api_versions(), newest::<ApiVersionsRequest>()).await.api_keys;
        for api in [8, 9, 11, 12, 13, 14, 15, 16, 42, 47] {
            assert!(advertised.iter().any(|found| found.api_key == api), "{api} is advertised");
        }
    });
}
