//! A request that only the active controller can answer, put to it at its listener.
//!
//! For questions that the node does not put itself: rare ones of administrators. Each has a connection of its own, and little time.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use highwater_core::NodeId;
use highwater_wire::Request;
use highwater_wire::frame::Frame;
use highwater_wire::header::decode_response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Context;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// No answer is longer.
const ANSWER_MAX: u32 = 16 << 20;

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Unreachable(String);

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Asks a controller.
pub(super) async fn ask<R: Request>(
    context: &Context,
    to: NodeId,
    request: &R,
    version: i16,
) -> Result<R::Response, Unreachable> {
    let Some(voter) = context.config.voters.iter().find(|voter| voter.id == to) else {
        return Err(Unreachable(format!("controller {} is none of controller.quorum.voters", to.0)));
    };
    let place = format!("controller {} at {}:{}", to.0, voter.host, voter.port);
    let frame = Frame::request(request, version, 0, Some("highwater-broker".into()))
        .map_err(|error| Unreachable(format!("{} has {error}", R::NAME)))?;
    let exchange = exchange((voter.host.as_str(), voter.port), &frame);
    let answer = match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(Unreachable(format!("{place}: {error}"))),
        Err(_) => return Err(Unreachable(format!("{place} did not answer within {PATIENCE:?}"))),
    };
    decode_response::<R>(version, answer)
        .map_err(|error| Unreachable(format!("{place}: its answer to {} {error}", R::NAME)))
}

async fn exchange(address: (&str, u16), frame: &Frame) -> io::Result<Bytes> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&frame.to_bytes()).await?;
    let length = stream.read_u32().await?;
    if length > ANSWER_MAX {
        return Err(io::Error::other(format!("an answer of {length} bytes, expected {ANSWER_MAX} at most")));
    }
    let mut answer = vec![0; length as usize];
    stream.read_exact(&mut answer).await?;
    Ok(answer.into())
}
