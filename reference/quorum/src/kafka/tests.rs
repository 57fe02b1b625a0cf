use highwater_core::quorum::*;
use highwater_core::{EpochEnd, NodeId, Uuid};

use super::*;

const KEY: ReplicaKey = ReplicaKey { id: NodeId(2), directory: Uuid(77) };
const OTHER: ReplicaKey = ReplicaKey { id: NodeId(3), directory: Uuid(78) };

fn speaker() -> Speaker {
    let text = Str::from_static;
    Speaker { cluster: text("ours"), name: text("member-2"), snapshot_bytes_max: 1 << 20 }
}

/// One of each, with the answer to it and its bytes. EndQuorumEpoch names candidates without their directories.
fn conversations() -> Vec<(Request, Response, Bytes)> {
    let snapshot = SnapshotId { end: 40, epoch: 3 };
    let vote = VoteRequest {
        epoch: 5,
        candidate: KEY,
        voter: OTHER,
        last_epoch: 4,
        last_offset: 99,
        pre_vote: true,
    };
    let begin = BeginQuorumEpochRequest { epoch: 5, leader: NodeId(2), voter: OTHER };
    let end = EndQuorumEpochRequest { epoch: 5, leader: NodeId(2), successors: vec![NodeId(3), NodeId(1)] };
    let fetch = FetchRequest {
        replica: KEY,
        epoch: 5,
        offset: 99,
        last_epoch: 4,
        high_watermark: Some(90),
        max_wait_ms: 125,
    };
    let part = FetchSnapshotRequest { replica: KEY, epoch: 5, snapshot, position: 1000 };
    let heard =
        EpochResponse { error: Some(QuorumError::FencedLeaderEpoch), epoch: 6, leader: Some(NodeId(1)) };
    let fetched = FetchResponse {
        error: None,
        epoch: 5,
        leader: Some(NodeId(2)),
        high_watermark: Some(95),
        log_start: 40,
        diverging: Some(EpochEnd { epoch: 4, end: 97 }),
        snapshot: Some(snapshot),
        records: Vec::new(),
    };
    let came = FetchSnapshotResponse {
        error: None,
        epoch: 5,
        leader: Some(NodeId(2)),
        snapshot,
        size: 2000,
        position: 1000,
        length: 5,
    };
    let voted = VoteResponse { error: None, epoch: 5, leader: None, granted: true };
    let (none, bytes) = (Bytes::new(), Bytes::from_static(b"bytes"));
    vec![
        (Request::Vote(vote), Response::Vote(voted), none.clone()),
        (Request::BeginQuorumEpoch(begin), Response::BeginQuorumEpoch(heard.clone()), none.clone()),
        (Request::EndQuorumEpoch(end), Response::EndQuorumEpoch(heard), none),
        (Request::Fetch(fetch), Response::Fetch(fetched), bytes.clone()),
        (Request::FetchSnapshot(part), Response::FetchSnapshot(came), bytes),
    ]
}

/// What follows the length.
fn content(frame: &Frame) -> Bytes {
    Bytes::from(frame.to_bytes()).slice(4..)
}

#[test]
fn requests_and_answers_come_out_as_they_went_in() {
    for (request, response, bytes) in conversations() {
        let frame = encode(&request, &speaker(), 9).expect("it can be said");
        let (header, body) = RequestHeader::decode(content(&frame)).expect("a header");
        match asked(&header, body, "ours").expect("a request") {
            Asked::Request(found) => assert_eq!(found, request),
            Asked::Refused(_) => panic!("refused {request:?}"),
        }
        let frame = answer(&header, &response, bytes.clone()).expect("it can be said");
        assert_eq!(decode(&request, content(&frame)), Ok((response, bytes)));
    }
}

#[test]
fn request_of_another_cluster_is_refused() {
    for (request, ..) in conversations() {
        let frame = encode(&request, &speaker(), 9).expect("it can be said");
        let (header, body) = RequestHeader::decode(content(&frame)).expect("a header");
        let Asked::Refused(refusal) = asked(&header, body, "theirs").expect("a request") else {
            panic!("taken, though it is of another cluster: {request:?}")
        };
        let Untranslatable(why) = decode(&request, content(&refusal)).expect_err("no answer");
        assert!(why.contains("INCONSISTENT_CLUSTER_ID"), "{why}");
    }
}

#[test]
fn truncated_request_is_an_error() {
    for (request, ..) in conversations() {
        let frame = content(&encode(&request, &speaker(), 9).expect("it can be said"));
        for length in 0..frame.len() {
            let read = RequestHeader::decode(frame.slice(..length));
            let read = read.map(|(header, body)| asked(&header, body, "ours").is_ok());
            assert!(!matches!(read, Ok(true)), "{length} bytes of {request:?}");
        }
    }
}

#[test]
fn answer_of_an_unknown_error_code_is_an_error() {
    let Untranslatable(why) = election::quorum_error(9999).expect_err("no quorum says that");
    assert!(why.contains("9999"), "{why}");
}
