//! Fetch: in every version, with sessions, with limits.

use std::time::{Duration, Instant};

use highwater_wire::messages::fetch::request::ForgottenTopic;
use highwater_wire::messages::{FetchRequest, FetchResponse, ProduceRequest};
use highwater_wire::{ErrorCode, Message, Uuid};

use crate::harness::{batch, create, fetch, fetched, produce, produced, with_node};
use crate::support::{Connection, address, newest};

/// Asks in a session, about what it has.
async fn in_session(
    connection: &mut Connection,
    session: (i32, i32),
    request: FetchRequest,
) -> FetchResponse {
    let (session_id, session_epoch) = session;
    let request = FetchRequest { session_id, session_epoch, ..request };
    connection.ask(&request, newest::<FetchRequest>()).await
}

fn nothing_new() -> FetchRequest {
    FetchRequest { max_wait_ms: 0, ..Default::default() }
}

async fn append(connection: &mut Connection, id: Uuid, value: &str) {
    let response = connection.ask(&produce("t", id, -1, Some(batch(&[value]))), 13).await;
    assert_eq!(produced(&response).0, ErrorCode::NONE);
}

#[test]
fn records_are_read_in_every_version() {
    with_node(&[], async |_server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        append(&mut connection, id, "value").await;
        for version in FetchRequest::VERSIONS {
            let (error, high_watermark, records) =
                fetched(&connection.ask(&fetch("t", id, 0), version).await);
            assert_eq!((error, high_watermark), (ErrorCode::NONE, 1), "v{version}");
            assert!(records.windows(5).any(|window| window == b"value"), "v{version}");
        }
    });
}

#[test]
fn errors_are_told_by_partition() {
    with_node(&[], async |_server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        let (error, _, _) = fetched(&connection.ask(&fetch("t", id, 7), 18).await);
        assert_eq!(error, ErrorCode::OFFSET_OUT_OF_RANGE);
        let (error, _, _) = fetched(&connection.ask(&fetch("t", Uuid(3), 0), 18).await);
        assert_eq!(error, ErrorCode::UNKNOWN_TOPIC_ID);
        let (error, _, _) = fetched(&connection.ask(&fetch("none", id, 0), 12).await);
        assert_eq!(error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let mut ahead = fetch("t", id, 0);
        ahead.topics[0].partitions[0].current_leader_epoch = 9;
        let (error, _, _) = fetched(&connection.ask(&ahead, 18).await);
        assert_eq!(error, ErrorCode::UNKNOWN_LEADER_EPOCH);
    });
}

#[test]
fn fetch_waits_for_records() {
    with_node(&[], async |server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        let request = FetchRequest { max_wait_ms: 10_000, ..fetch("t", id, 0) };
        let began = Instant::now();
        connection.send(&request, 18).await;
        let mut producer = Connection::open(address(&server, "PLAINTEXT")).await;
        append(&mut producer, id, "late").await;
        let (error, high_watermark, records) = fetched(&connection.receive::<FetchRequest>(18).await);
        assert_eq!((error, high_watermark, records.is_empty()), (ErrorCode::NONE, 1, false));
        assert!(began.elapsed() < Duration::from_secs(9), "it was woken, not let run out");
    });
}

#[test]
fn fetch_with_nothing_to_say_is_answered_when_its_time_is_up() {
    with_node(&[], async |_server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        let (error, high_watermark, records) =
            fetched(&connection.ask(&FetchRequest { max_wait_ms: 50, ..fetch("t", id, 0) }, 18).await);
        assert_eq!((error, high_watermark, records.len()), (ErrorCode::NONE, 0, 0));
    });
}

#[test]
fn limit_of_bytes_cuts_between_batches_and_never_below_one() {
    with_node(&[], async |_server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        for _ in 0..3 {
            append(&mut connection, id, &"x".repeat(1000)).await;
        }
        let one = batch(&["x".repeat(1000).as_str()]).len();
        for (max_bytes, batches) in [(1, 1), (one as i32 * 2 + 10, 2), (1 << 20, 3)] {
            let request = FetchRequest { max_bytes, ..fetch("t", id, 0) };
            let (_, _, records) = fetched(&connection.ask(&request, 18).await);
            assert_eq!(records.len(), one * batches, "{max_bytes}");
        }
    });
}

#[test]
fn session_is_told_only_what_changed() {
    with_node(&[], async |_server, mut connection| {
        let c = &mut connection;
        let id = create(c, "t", 1, 1).await;
        let full = in_session(c, (0, 0), fetch("t", id, 0)).await;
        let session = full.session_id;
        assert!(session > 0);
        assert_eq!(full.responses.len(), 1);
        assert_eq!(in_session(c, (session, 1), nothing_new()).await.responses.len(), 0);
        append(c, id, "news").await;
        let news = in_session(c, (session, 2), nothing_new()).await;
        assert_eq!((fetched(&news).1, fetched(&news).2.is_empty()), (1, false));
        // From behind the record on there is nothing new again.
        let on = in_session(c, (session, 3), FetchRequest { max_wait_ms: 0, ..fetch("t", id, 1) }).await;
        assert_eq!((on.error_code, on.responses.len()), (0, 0));
        let topic_id = id;
        let forget = ForgottenTopic { topic_id, partitions: vec![0], ..Default::default() };
        let forget = FetchRequest { forgotten_topics_data: vec![forget], ..nothing_new() };
        let closed = in_session(c, (session, 4), forget).await;
        assert_eq!((closed.error_code, closed.session_id), (0, 0), "a session of nothing ends");
    });
}

#[test]
fn session_that_is_not_there_or_not_so_is_refused() {
    with_node(&[], async |_server, mut connection| {
        let c = &mut connection;
        let id = create(c, "t", 1, 1).await;
        let unknown = in_session(c, (7, 1), nothing_new()).await;
        assert_eq!(unknown.error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND.0);
        let session = in_session(c, (0, 0), fetch("t", id, 0)).await.session_id;
        let skipped = in_session(c, (session, 2), nothing_new()).await;
        assert_eq!(skipped.error_code, ErrorCode::INVALID_FETCH_SESSION_EPOCH.0);
        let by_name = FetchRequest { session_id: session, session_epoch: 1, ..nothing_new() };
        let by_name = c.ask(&by_name, 12).await;
        assert_eq!(by_name.error_code, ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR.0);
    });
}

#[test]
fn broker_without_room_for_sessions_answers_in_full() {
    with_node(&[("max.incremental.fetch.session.cache.slots", "0")], async |_server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        let full = in_session(&mut connection, (0, 0), fetch("t", id, 0)).await;
        assert_eq!((full.session_id, full.responses.len()), (0, 1));
    });
}

#[test]
fn answers_leave_in_the_order_of_requests() {
    with_node(&[], async |_server, mut connection| {
        let id = create(&mut connection, "t", 1, 1).await;
        // The fetch waits for what the second request appends.
        connection.send(&FetchRequest { max_wait_ms: 5_000, ..fetch("t", id, 0) }, 18).await;
        connection.send(&produce("t", id, -1, Some(batch(&["x"]))), 13).await;
        let (_, _, records) = fetched(&connection.receive::<FetchRequest>(18).await);
        assert!(!records.is_empty());
        assert_eq!(produced(&connection.receive::<ProduceRequest>(13).await), (ErrorCode::NONE, 0));
    });
}
