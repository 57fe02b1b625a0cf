//! What comes in that should not: it ends its own connection, and nothing else.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use highwater_wire::header::{RequestHeader, decode_response};
use highwater_wire::messages::{ApiVersionsRequest, FetchRequest, MetadataRequest};
use highwater_wire::{Api, ErrorCode};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::support::{Connection, address, api_versions, places, run, until};

/// A frame of these bytes.
fn framed(content: &[u8]) -> Vec<u8> {
    let mut frame = (content.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(content);
    frame
}

/// A request's header as far as API, version and correlation, and a client that has no name.
fn header(key: i16, version: i16) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&key.to_be_bytes());
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(&5_i32.to_be_bytes());
    bytes.extend_from_slice(&(-1_i16).to_be_bytes());
    bytes
}

/// Sends these bytes on a connection of their own, which has to be closed without an answer while another goes on.
fn closes(bytes: &[u8]) {
    run(async {
        let place = &places(1, &[("socket.request.max.bytes", "1000")])[0];
        let server = place.start().await;
        let address = address(&server, "PLAINTEXT");
        let mut other = Connection::open(address).await;
        let mut connection = Connection::open(address).await;
        connection.write(bytes).await;
        assert_eq!(connection.frame().await, None);
        assert_eq!(other.ask(&ApiVersionsRequest::default(), 0).await.error_code, 0);
        until("only the other is left", async || server.connections() == 1).await;
        server.abandon().await;
    });
}

#[test]
fn frame_of_negative_length_closes_its_connection() {
    closes(&[0xff, 0xff, 0xff, 0xff]);
}

#[test]
fn frame_beyond_the_limit_closes_its_connection_before_it_is_read() {
    closes(&1001_u32.to_be_bytes());
}

#[test]
fn garbage_closes_its_connection() {
    closes(&framed(&[0xa5; 100]));
}

#[test]
fn empty_frame_closes_its_connection() {
    closes(&framed(&[]));
}

#[test]
fn unknown_api_closes_its_connection() {
    closes(&framed(&header(999, 0)));
}

#[test]
fn unknown_version_closes_its_connection() {
    closes(&framed(&header(Api::Metadata.key(), 999)));
}

#[test]
fn truncated_body_closes_its_connection() {
    closes(&framed(&[header(Api::Metadata.key(), 1), vec![0, 0]].concat()));
}

#[test]
fn count_that_lies_closes_its_connection() {
    closes(&framed(&[header(Api::Metadata.key(), 1), vec![0x7f, 0xff, 0xff, 0xff]].concat()));
}

#[test]
fn api_of_the_other_listener_closes_its_connection() {
    closes(&framed(&header(Api::Vote.key(), 0)));
}

#[test]
fn unknown_version_of_api_versions_is_answered_with_those_that_are_known() {
    run(async {
        let place = &places(1, &[])[0];
        let server = place.start().await;
        let mut connection = Connection::open(address(&server, "PLAINTEXT")).await;
        connection.write(&framed(&[header(Api::ApiVersions.key(), 99), vec![0]].concat())).await;
        let frame = connection.frame().await.expect("an answer");
        let response = decode_response::<ApiVersionsRequest>(0, frame).expect("a response in version 0");
        assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION.0);
        let of_itself = response.api_keys.iter().find(|api| api.api_key == Api::ApiVersions.key());
        assert_eq!(of_itself.map(|api| api.max_version), Some(*Api::ApiVersions.versions().end()));
        // The client may ask again on the same connection.
        assert_eq!(connection.ask(&api_versions(), 3).await.error_code, 0);
        server.abandon().await;
    });
}

#[test]
fn requests_that_come_byte_by_byte_are_answered() {
    run(async {
        let place = &places(1, &[])[0];
        let server = place.start().await;
        let mut connection = Connection::open(address(&server, "PLAINTEXT")).await;
        let frame = framed(&header(Api::ApiVersions.key(), 0));
        for byte in [frame.clone(), frame].concat() {
            connection.write(&[byte]).await;
        }
        for _ in 0..2 {
            assert_eq!(connection.receive::<ApiVersionsRequest>(0).await.error_code, 0);
        }
        server.abandon().await;
    });
}

#[test]
fn requests_at_once_are_answered_in_their_order() {
    run(async {
        let place = &places(1, &[])[0];
        let server = place.start().await;
        let mut connection = Connection::open(address(&server, "PLAINTEXT")).await;
        for number in 0..200_i32 {
            let mut request = header(Api::ApiVersions.key(), 0);
            request[4..8].copy_from_slice(&number.to_be_bytes());
            connection.write(&framed(&request)).await;
        }
        for number in 0..200_i32 {
            let frame = connection.frame().await.expect("an answer");
            assert_eq!(frame[..4], number.to_be_bytes());
        }
        server.abandon().await;
    });
}

#[test]
fn client_that_does_not_read_is_not_read_from() {
    run(async {
        let place = &places(1, &[("socket.send.buffer.bytes", "4096")])[0];
        let server = place.start().await;
        let address = address(&server, "PLAINTEXT");
        let mut connection = Connection::open(address).await;
        let request = framed(&header(Api::ApiVersions.key(), 0)).repeat(1000);
        // Writes until nothing is taken any more: what waits is bounded, so that comes to pass.
        let mut written = 0;
        while timeout(Duration::from_millis(500), connection.stream.write_all(&request)).await.is_ok() {
            written += request.len();
            assert!(written < 1 << 28, "the server takes everything");
        }
        let mut other = Connection::open(address).await;
        assert_eq!(other.ask(&ApiVersionsRequest::default(), 0).await.error_code, 0);
        server.abandon().await;
    });
}

#[test]
fn connections_beyond_the_limit_of_an_address_are_closed() {
    run(async {
        let place = &places(1, &[("max.connections.per.ip", "2")])[0];
        let server = place.start().await;
        let address = address(&server, "PLAINTEXT");
        let mut first = Connection::open(address).await;
        let second = Connection::open(address).await;
        until("both are in", async || server.connections() == 2).await;
        assert_eq!(Connection::open(address).await.frame().await, None);
        assert_eq!(first.ask(&ApiVersionsRequest::default(), 0).await.error_code, 0);
        drop(second);
        until("there is room again", async || server.connections() == 1).await;
        let mut third = Connection::open(address).await;
        assert_eq!(third.ask(&ApiVersionsRequest::default(), 0).await.error_code, 0);
        server.abandon().await;
    });
}

#[test]
fn idle_connection_is_closed() {
    run(async {
        let place = &places(1, &[("connections.max.idle.ms", "50")])[0];
        let server = place.start().await;
        let mut connection = Connection::open(address(&server, "PLAINTEXT")).await;
        assert_eq!(connection.frame().await, None);
        server.abandon().await;
    });
}

#[test]
fn random_requests_end_their_connections_only() {
    run(async {
        let place = &places(1, &[])[0];
        let server = place.start().await;
        let broker = address(&server, "PLAINTEXT");
        let controller = address(&server, "CONTROLLER");
        let mut dice = highwater_core::Dice::new(1);
        for api in Api::ALL {
            for version in api.versions() {
                let body: Vec<u8> = (0..dice.below(60)).map(|_| dice.below(6) as u8).collect();
                let request = framed(&[header(api.key(), version), body].concat());
                for address in [broker, controller] {
                    let mut connection = Connection::open(address).await;
                    connection.write(&request).await;
                    connection.stream.shutdown().await.expect("its end");
                    // Answered or not, it ends.
                    while connection.frame().await.is_some() {}
                }
            }
        }
        let mut connection = Connection::open(broker).await;
        let metadata = connection.ask(&MetadataRequest::default(), 12).await;
        assert_eq!(metadata.cluster_id.as_deref(), Some(crate::support::CLUSTER));
        server.abandon().await;
    });
}

#[test]
fn header_of_these_tests_is_one() {
    let (decoded, rest) = RequestHeader::decode(Bytes::from(header(18, 0))).expect("a header");
    assert_eq!(
        (decoded.api, decoded.correlation, decoded.client, rest.len()),
        (Api::ApiVersions, 5, None, 0)
    );
}

#[test]
fn half_a_request_is_waited_for_no_longer_than_an_idle_connection() {
    run(async {
        let place = &places(1, &[("connections.max.idle.ms", "50")])[0];
        let server = place.start().await;
        let mut connection = Connection::open(address(&server, "PLAINTEXT")).await;
        let request = framed(&header(Api::ApiVersions.key(), 0));
        connection.write(&request[..request.len() - 1]).await;
        assert_eq!(connection.frame().await, None);
        until("it is out", async || server.connections() == 0).await;
        server.abandon().await;
    });
}

#[test]
fn client_that_only_listens_any_more_is_answered_and_then_closed() {
    run(async {
        let place = &places(1, &[])[0];
        let server = place.start().await;
        let mut connection = Connection::open(address(&server, "PLAINTEXT")).await;
        connection.send(&ApiVersionsRequest::default(), 0).await;
        connection.stream.shutdown().await.expect("its end");
        assert_eq!(connection.receive::<ApiVersionsRequest>(0).await.error_code, 0);
        assert_eq!(connection.frame().await, None);
        server.abandon().await;
    });
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    run(async {
        let place = &places(1, &[])[0];
        let server = place.start().await;
        server.serves().await.expect("it serves");
        let address = address(&server, "PLAINTEXT");
        for _ in 0..50 {
            let mut connection = Connection::open(address).await;
            let fetch = FetchRequest { max_wait_ms: i32::MAX, min_bytes: i32::MAX, ..Default::default() };
            connection.send(&fetch, 4).await;
            // With a reset, not in good order.
            connection.stream.set_zero_linger().expect("a socket");
        }
        until("all are out", async || server.connections() == 0).await;
        let mut other = Connection::open(address).await;
        assert_eq!(other.ask(&ApiVersionsRequest::default(), 0).await.error_code, 0);
        server.abandon().await;
    });
}

#[cfg(target_os = "linux")]
#[test]
fn frames_that_are_announced_and_do_not_come_take_no_memory() {
    /// What each says that it sends: as much as is allowed.
    const ANNOUNCED: u32 = 100 << 20;
    const CLIENTS: u64 = 200;
    run(async {
        let place = &places(1, &[])[0];
        let server = place.start().await;
        let address = address(&server, "PLAINTEXT");
        let before = address_space();
        let mut connections = Vec::new();
        for _ in 0..CLIENTS {
            let mut connection = Connection::open(address).await;
            connection.write(&ANNOUNCED.to_be_bytes()).await;
            connection.write(&header(Api::Produce.key(), 9)).await;
            connections.push(connection);
        }
        until("all are in", async || server.connections() == connections.len()).await;
        let mut other = Connection::open(address).await;
        assert_eq!(other.ask(&ApiVersionsRequest::default(), 0).await.error_code, 0);
        // Other tests take some meanwhile, but nothing like that.
        let grown = address_space().saturating_sub(before);
        assert!(grown < CLIENTS * u64::from(ANNOUNCED) / 4, "{grown} bytes more were asked of the system");
        server.abandon().await;
    });
}

/// The most bytes that this process ever had mapped, touched or not.
#[cfg(target_os = "linux")]
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("it is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).expect("a line for it");
    let kib = line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number");
    kib << 10
}

/// What servers of all tests log, as warnings.
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps warnings.
struct Log;

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
        tracing::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = String::new();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            line.push_str(&format!("{field}={value:?} "));
        });
        LOGGED.lock().expect("no panic").push(line);
    }

    fn enter(&self, _: &tracing::Id) {}

    fn exit(&self, _: &tracing::Id) {}
}

#[test]
fn reason_for_closing_a_connection_is_logged_once_with_its_client() {
    // The only subscriber of all these tests.
    tracing::subscriber::set_global_default(Log).expect("there is no other");
    run(async {
        let place = &places(1, &[])[0];
        let server = place.start().await;
        let mut connection = Connection::open(address(&server, "PLAINTEXT")).await;
        let client = connection.stream.local_addr().expect("an address").to_string();
        connection.write(&framed(&header(999, 0)).repeat(20)).await;
        assert_eq!(connection.frame().await, None);
        let about = || {
            let logged = LOGGED.lock().expect("no panic");
            logged.iter().filter(|line| line.contains(&client)).cloned().collect::<Vec<_>>()
        };
        until("it is logged", async || !about().is_empty()).await;
        server.abandon().await;
        let about = about();
        assert!(about.len() == 1 && about[0].contains("999"), "{about:?}");
    });
}
