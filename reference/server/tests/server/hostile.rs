//! What comes in that should not: it ends its own connection, and nothing else.

use std::time::Duration;

use bytes::Bytes;
use highwater_wire::header::{RequestHeader, decode_response};
use highwater_wire::messages::{ApiVersionsRequest, MetadataRequest};
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
