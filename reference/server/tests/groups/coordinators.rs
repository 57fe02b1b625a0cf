//! Coordinators come and go: what they knew stays.

use highwater_codec::compressed;

use highwater_core::batch::{BatchBuilder, Codec};
use highwater_core::group::{GroupRecord, OffsetCommitKey, OffsetCommitValue, partition_of};
use highwater_core::partition::Acks;
use highwater_node::message::{ClientRequest, ClientResponse, Produce, TopicPartition};
use highwater_server::Server;
use highwater_wire::ErrorCode;
use highwater_wire::messages::*;

use crate::harness::{
    Member, PARTITIONS, SOON, committed, coordinator, create, fetched, find, is_passing, one,
};
use crate::support::{Connection, PATIENCE, address, places, run, until};

#[test]
fn offsets_survive_a_restart_of_their_coordinator() {
    run(async {
        let (place, server, mut connection) = one().await;
        let mut member = Member::of("g");
        member.settle(&mut connection).await;
        assert_eq!(committed(&connection.ask(&member.commit(42), 9).await), ErrorCode::NONE);
        server.abandon().await;
        let server = place.start().await;
        let servers = [server];
        let server = coordinator(&servers, "g").await;
        let mut connection = Connection::open(address(server, "PLAINTEXT")).await;
        assert_eq!(fetched(&mut connection, "g", 0).await, (0, 42));
        // The generation is the one that had assignments last: its member goes on in it.
        assert_eq!(member.heartbeat(&mut connection).await, ErrorCode::NONE);
        assert_eq!(committed(&connection.ask(&member.commit(43), 9).await), ErrorCode::NONE);
        let [server] = servers;
        server.abandon().await;
    });
}

#[test]
fn who_does_not_coordinate_a_group_says_so() {
    run(async {
        let (_places, servers) = three().await;
        let found = coordinator(&servers, "g").await.config().node_id;
        for server in servers.iter().filter(|server| server.config().node_id != found) {
            let mut connection = Connection::open(address(server, "PLAINTEXT")).await;
            let response = connection.ask(&Member::of("g").join(), 9).await;
            assert_eq!(ErrorCode(response.error_code), ErrorCode::NOT_COORDINATOR);
        }
        for server in servers {
            server.abandon().await;
        }
    });
}

#[test]
fn offsets_survive_the_death_of_their_coordinator() {
    run(async {
        let (_places, mut servers) = three().await;
        let first = coordinator(&servers, "g").await;
        let id = first.config().node_id;
        let mut connection = Connection::open(address(first, "PLAINTEXT")).await;
        let mut member = Member::of("g");
        member.settle(&mut connection).await;
        for offset in 1..=20 {
            assert_eq!(committed(&connection.ask(&member.commit(offset), 9).await), ErrorCode::NONE);
        }
        let place = servers.iter().position(|server| server.config().node_id == id);
        servers.remove(place.expect("one of them")).abandon().await;
        let second = coordinator(&servers, "g").await;
        assert_ne!(second.config().node_id, id);
        let mut connection = Connection::open(address(second, "PLAINTEXT")).await;
        assert_eq!(fetched(&mut connection, "g", 0).await, (0, 20));
        // Its member lives on under the new coordinator; with two of three it commits again.
        assert_eq!(member.heartbeat(&mut connection).await, ErrorCode::NONE);
        until("it commits", async || {
            let mut connection = Connection::open(address(second, "PLAINTEXT")).await;
            let error = committed(&connection.ask(&member.commit(21), 9).await);
            assert!(error == ErrorCode::NONE || is_passing(error.0), "{error}");
            error == ErrorCode::NONE
        })
        .await;
        for server in servers {
            server.abandon().await;
        }
    });
}

/// Three nodes that serve, and the topics `t` and `__consumer_offsets` on all of them.
async fn three() -> (Vec<crate::support::Place>, Vec<Server>) {
    let places = places(3, &SOON);
    let mut servers = Vec::new();
    for place in &places {
        servers.push(place.start().await);
    }
    for server in &servers {
        tokio::time::timeout(PATIENCE, server.serves()).await.expect("in time").expect("it serves");
    }
    let mut connection = Connection::open(address(&servers[0], "PLAINTEXT")).await;
    until("three brokers are there", async || {
        let look =
            servers[0].node().look(|node| node.image().brokers().values().filter(|b| !b.fenced).count());
        look.await.expect("it runs") == 3
    })
    .await;
    create(&mut connection, "t", 3).await;
    find(&mut connection, "g").await;
    (places, servers)
}

#[test]
fn coordinator_that_loads_asks_for_patience_and_then_knows_everything() {
    run(async {
        let (place, server, mut connection) = one().await;
        // More than a piece of the log, all in one partition.
        let long: highwater_wire::Str = "n".repeat(4_000).into();
        for offset in 0..200 {
            let mut commit = Member::of("g").commit(offset);
            commit.topics[0].partitions[0].committed_metadata = Some(long.clone());
            assert_eq!(committed(&connection.ask(&commit, 9).await), ErrorCode::NONE);
        }
        server.abandon().await;
        let server = place.start().await;
        let mut connection = Connection::open(address(&server, "PLAINTEXT")).await;
        loop {
            match fetched(&mut connection, "g", 0).await {
                (0, offset) => {
                    assert_eq!(offset, 199, "nothing is told before everything is known");
                    break;
                }
                (error, _) => assert!(is_passing(error), "{error}"),
            }
        }
        let heartbeat = HeartbeatRequest { group_id: "g".into(), ..Default::default() };
        let error = ErrorCode(connection.ask(&heartbeat, 4).await.error_code);
        assert_eq!(error, ErrorCode::UNKNOWN_MEMBER_ID);
        server.abandon().await;
    });
}

#[test]
fn compressed_records_of_offsets_are_loaded() {
    run(async {
        let (place, server, _) = one().await;
        for (offset, codec) in (1..).zip([Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd]) {
            write_as_kafka(&server, &format!("{codec:?}"), offset, codec).await;
        }
        server.abandon().await;
        let servers = [place.start().await];
        for (offset, codec) in (1..).zip([Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd]) {
            let group = format!("{codec:?}");
            let server = coordinator(&servers, &group).await;
            let mut connection = Connection::open(address(server, "PLAINTEXT")).await;
            assert_eq!(fetched(&mut connection, &group, 0).await, (0, offset), "{group}");
        }
        let [server] = servers;
        server.abandon().await;
    });
}

/// Writes a committed offset for partition 0 of `t` as a Kafka with `offsets.topic.compression.codec` does, past the coordinator.
async fn write_as_kafka(server: &Server, group: &str, offset: i64, codec: Codec) {
    let record = GroupRecord::OffsetCommit {
        key: OffsetCommitKey { group: group.to_owned(), topic: "t".to_owned(), partition: 0 },
        value: Some(OffsetCommitValue {
            offset,
            leader_epoch: -1,
            metadata: "a note that is said often, often, often, often, often, often".to_owned(),
            commit_timestamp: i64::MAX / 2,
            expire_timestamp: -1,
            topic_id: highwater_core::Uuid(0),
        }),
    };
    let mut batch = BatchBuilder::default();
    batch.record(1, Some(&record.encode_key()), record.encode_value().as_deref());
    let batch = compressed(batch.build(), codec).expect("compressed");
    let topic = server.node().look(|node| node.image().topic_id("__consumer_offsets")).await;
    let topic = topic.expect("it runs").expect("the topic");
    let partition = TopicPartition { topic, partition: partition_of(group, PARTITIONS) };
    let produce =
        Produce { acks: Acks::All, timeout_ms: 10_000, partitions: vec![(partition, batch.into())] };
    match server.node().ask(ClientRequest::Produce(produce)).await.expect("it runs") {
        ClientResponse::Produce(results) => assert!(results[0].1.is_ok(), "{results:?}"),
        other => panic!("found {other:?}, expected what came of the write"),
    }
}
