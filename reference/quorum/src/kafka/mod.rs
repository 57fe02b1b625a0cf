//! Between the quorum's messages and Kafka's, both ways: Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch and FetchSnapshot.
//!
//! [`encode`] makes a frame of what a member wants sent, in the newest version; [`decode`] makes of the frame that answers it what the member
//! expects. [`asked`] and [`answer`] are the other side, in whatever version the other speaks.
//!
//! # Invariants
//! - Every field that the core needs comes out as it went in.
//! - What is not expected (another topic, an error code that no quorum says) is an error here, never a guess.

pub mod election;
pub mod fetch;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;
use highwater_core::quorum::{Request, Response};
use highwater_wire::frame::Frame;
use highwater_wire::header::{RequestHeader, decode_response};
use highwater_wire::messages as wire;
use highwater_wire::{Api, ErrorCode, Message, Request as Asks, Str};

/// What a member says of itself in what it asks of others.
#[derive(Debug, Clone)]
pub struct Speaker {
    /// `cluster.id`.
    pub cluster: Str,
    /// What it calls itself.
    pub name: Str,
    /// How many bytes of a snapshot it takes at a time.
    pub snapshot_bytes_max: i32,
}

/// Why something cannot be said in the other's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untranslatable(pub String);

impl fmt::Display for Untranslatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Untranslatable {}

/// An error with a sentence.
pub(crate) fn untranslatable<T>(what: impl Into<String>) -> Result<T, Untranslatable> {
    Err(Untranslatable(what.into()))
}

// ---- who asks ----

/// The frame that asks another member this.
///
/// # Errors
/// If it is too long for the protocol.
pub fn encode(request: &Request, speaker: &Speaker, correlation: i32) -> Result<Frame, Untranslatable> {
    match request {
        Request::Vote(asked) => ask(&election::vote(asked, speaker), speaker, correlation),
        Request::BeginQuorumEpoch(asked) => ask(&election::begin(asked, speaker), speaker, correlation),
        Request::EndQuorumEpoch(asked) => ask(&election::end(asked, speaker), speaker, correlation),
        Request::Fetch(asked) => ask(&fetch::quorum(asked, speaker), speaker, correlation),
        Request::FetchSnapshot(asked) => ask(&fetch::snapshot(asked, speaker), speaker, correlation),
    }
}

fn ask<R: Asks>(request: &R, speaker: &Speaker, correlation: i32) -> Result<Frame, Untranslatable> {
    Frame::request(request, *R::VERSIONS.end(), correlation, Some(speaker.name.clone()))
        .map_err(|error| Untranslatable(format!("{} has {error}", R::NAME)))
}

/// What the frame (without its length) that answers `request` says, and the bytes of records or of a snapshot that came along.
///
/// # Errors
/// If it does not answer that.
pub fn decode(request: &Request, frame: Bytes) -> Result<(Response, Bytes), Untranslatable> {
    let none = Bytes::new();
    Ok(match request {
        Request::Vote(_) => {
            (Response::Vote(election::vote_answered(said::<wire::VoteRequest>(frame)?)?), none)
        }
        Request::BeginQuorumEpoch(_) => {
            let said = said::<wire::BeginQuorumEpochRequest>(frame)?;
            (Response::BeginQuorumEpoch(election::begin_answered(said)?), none)
        }
        Request::EndQuorumEpoch(_) => {
            let said = said::<wire::EndQuorumEpochRequest>(frame)?;
            (Response::EndQuorumEpoch(election::end_answered(said)?), none)
        }
        Request::Fetch(_) => {
            let (said, bytes) = fetch::quorum_answered(said::<wire::FetchRequest>(frame)?)?;
            (Response::Fetch(said), bytes)
        }
        Request::FetchSnapshot(_) => {
            let (said, bytes) = fetch::snapshot_answered(said::<wire::FetchSnapshotRequest>(frame)?)?;
            (Response::FetchSnapshot(said), bytes)
        }
    })
}

fn said<R: Asks>(frame: Bytes) -> Result<R::Response, Untranslatable> {
    decode_response::<R>(*R::VERSIONS.end(), frame)
        .map_err(|error| Untranslatable(format!("the answer to {} {error}", R::NAME)))
}

// ---- who is asked ----

/// What came of a request.
#[derive(Debug)]
pub enum Asked {
    /// It is this.
    Request(Request),
    /// It is refused as a whole: send this.
    Refused(Frame),
}

/// What a request asks of a member of `cluster`.
///
/// # Errors
/// If it cannot be read, or is of no API that members have. The connection is of no more use then.
pub fn asked(header: &RequestHeader, body: Bytes, cluster: &str) -> Result<Asked, Untranslatable> {
    /// Reads one, and says what it is about; or refuses it by the error code of its whole response.
    macro_rules! read {
        ($request:ident, $response:ident, $kind:ident, $translate:path) => {{
            let request = body_of::<wire::$request>(header, body)?;
            let is_ours = request.cluster_id.as_ref().is_none_or(|found| &**found == cluster);
            let refused = match $translate(request) {
                _ if !is_ours => ErrorCode::INCONSISTENT_CLUSTER_ID,
                Ok(asked) => return Ok(Asked::Request(Request::$kind(asked))),
                Err(_) => ErrorCode::INVALID_REQUEST,
            };
            let response = wire::$response { error_code: refused.0, ..Default::default() };
            respond::<wire::$request>(&response, header).map(Asked::Refused)
        }};
    }
    match header.api {
        Api::Vote => read!(VoteRequest, VoteResponse, Vote, election::vote_asked),
        Api::BeginQuorumEpoch => {
            read!(BeginQuorumEpochRequest, BeginQuorumEpochResponse, BeginQuorumEpoch, election::begin_asked)
        }
        Api::EndQuorumEpoch => {
            read!(EndQuorumEpochRequest, EndQuorumEpochResponse, EndQuorumEpoch, election::end_asked)
        }
        Api::Fetch => read!(FetchRequest, FetchResponse, Fetch, fetch::quorum_asked),
        Api::FetchSnapshot => {
            read!(FetchSnapshotRequest, FetchSnapshotResponse, FetchSnapshot, fetch::snapshot_asked)
        }
        other => untranslatable(format!(
            "{} is none of the APIs of a quorum: Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch and FetchSnapshot",
            other.name()
        )),
    }
}

fn body_of<R: Asks>(header: &RequestHeader, body: Bytes) -> Result<R, Untranslatable> {
    <R as Message>::decode(header.version, body)
        .map_err(|error| Untranslatable(format!("{} v{} {error}", R::NAME, header.version)))
}

/// The frame that answers the request with this header.
///
/// # Errors
/// If it answers something else, or cannot be said in the version of the request.
pub fn answer(header: &RequestHeader, response: &Response, bytes: Bytes) -> Result<Frame, Untranslatable> {
    match (header.api, response) {
        (Api::Vote, Response::Vote(said)) => {
            respond::<wire::VoteRequest>(&election::vote_answer(said), header)
        }
        (Api::BeginQuorumEpoch, Response::BeginQuorumEpoch(said)) => {
            respond::<wire::BeginQuorumEpochRequest>(&election::begin_answer(said), header)
        }
        (Api::EndQuorumEpoch, Response::EndQuorumEpoch(said)) => {
            respond::<wire::EndQuorumEpochRequest>(&election::end_answer(said), header)
        }
        (Api::Fetch, Response::Fetch(said)) => {
            respond::<wire::FetchRequest>(&fetch::quorum_answer(said, bytes), header)
        }
        (Api::FetchSnapshot, Response::FetchSnapshot(said)) => {
            respond::<wire::FetchSnapshotRequest>(&fetch::snapshot_answer(said, bytes), header)
        }
        (api, _) => untranslatable(format!("an answer to something else than {}", api.name())),
    }
}

fn respond<R: Asks>(response: &R::Response, header: &RequestHeader) -> Result<Frame, Untranslatable> {
    Frame::response::<R>(response, header.version, header.correlation)
        .map_err(|error| Untranslatable(format!("the answer to {} v{} has {error}", R::NAME, header.version)))
}
