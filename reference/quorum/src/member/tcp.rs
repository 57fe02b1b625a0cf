//! Kafka's protocol over TCP, both sides.
//!
//! - To each member go two connections, made when there is something to send: one for votes and announcements, one for fetches, which are
//!   long. On each, one request is under way at a time.
//! - A frame's length is not believed until its bytes have come: memory grows with them.
//! - A connection on which something came that makes no sense is closed, with the reason in the trace; others go on.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_core::NodeId;
use highwater_core::quorum::Request;
use highwater_wire::Str;
use highwater_wire::frame::Frame;
use highwater_wire::header::{RequestHeader, correlation_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::{Inbox, Transport};
use crate::config::Config;
use crate::kafka::{self, Asked, Speaker};

/// No request of a quorum is longer.
const REQUEST_MAX: usize = 1 << 20;

/// An answer has at most so many bytes beside those of records.
const RESPONSE_BESIDE: usize = 1 << 20;

/// How many connections of others are served at a time.
const CONNECTIONS_MAX: usize = 256;

/// How long the listener rests when the system has no more sockets to give.
const REST: Duration = Duration::from_millis(100);

/// Where members are, asked at each connecting: `host:port`.
pub type Addresses = Arc<dyn Fn(NodeId) -> io::Result<String> + Send + Sync>;

/// Members over TCP. All of them are to be trusted: nothing is encrypted, and nobody has to say who it is.
pub struct Tcp {
    shared: Arc<Shared>,
    runtime: Handle,
    listener: Option<TcpListener>,
    accepting: Option<AbortHandle>,
    inbox: Option<Inbox>,
    lanes: HashMap<(NodeId, Lane), mpsc::UnboundedSender<(u64, Request)>>,
}

struct Shared {
    addresses: Addresses,
    speaker: Speaker,
    patience: Duration,
    response_max: usize,
}

/// What must not wait behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Lane {
    Votes,
    Fetches,
}

impl fmt::Debug for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tcp").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl Tcp {
    /// Serves other members at `listener`, and reaches them where `addresses` says. Has to be called on a tokio runtime, which it goes on to use.
    pub fn new(config: &Config, listener: TcpListener, addresses: Addresses) -> Self {
        let speaker = Speaker {
            cluster: Str::from(config.cluster_id.clone()),
            name: Str::from(format!("highwater-quorum-{}", config.id.0)),
            snapshot_bytes_max: i32::try_from(config.fetch_bytes_max).unwrap_or(i32::MAX),
        };
        // One batch may be longer than what was asked for.
        let longest = (config.fetch_bytes_max as usize).max(config.record_bytes_max.saturating_mul(2));
        let shared = Shared {
            addresses,
            speaker,
            patience: config.request_timeout,
            response_max: longest.saturating_add(RESPONSE_BESIDE),
        };
        Self {
            shared: Arc::new(shared),
            runtime: Handle::current(),
            listener: Some(listener),
            accepting: None,
            inbox: None,
            lanes: HashMap::new(),
        }
    }

    /// Addresses that never change, as `host:port`.
    pub fn fixed(addresses: impl IntoIterator<Item = (i32, String)>) -> Addresses {
        let known: HashMap<i32, String> = addresses.into_iter().collect();
        Arc::new(move |NodeId(id)| {
            let found = known.get(&id).cloned();
            let unknown = || format!("member {id} has no address: give one for each voter");
            found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, unknown()))
        })
    }
}

impl Transport for Tcp {
    fn start(&mut self, inbox: Inbox) {
        self.inbox = Some(inbox.clone());
        if let Some(listener) = self.listener.take() {
            let cluster = self.shared.speaker.cluster.clone();
            self.accepting = Some(self.runtime.spawn(accept(listener, inbox, cluster)).abort_handle());
        }
    }

    fn send(&mut self, to: NodeId, correlation: u64, request: Request) {
        let Some(inbox) = &self.inbox else { return };
        let lane = match request {
            Request::Fetch(_) | Request::FetchSnapshot(_) => Lane::Fetches,
            _ => Lane::Votes,
        };
        let sender = self.lanes.entry((to, lane)).or_insert_with(|| {
            let (sender, requests) = mpsc::unbounded_channel();
            self.runtime.spawn(run_lane(self.shared.clone(), to, requests, inbox.clone()));
            sender
        });
        // A lane ends with the member only.
        let _ = sender.send((correlation, request));
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

// ---- frames ----

/// The next frame without its length; none at the end of the stream.
async fn read_frame(stream: &mut TcpStream, max: usize) -> io::Result<Option<Bytes>> {
    let length = match stream.read_i32().await {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let invalid = || format!("found a frame of {length} bytes, expected 0 to {max}");
    let length = usize::try_from(length).ok().filter(|length| *length <= max);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, invalid()))?;
    let mut frame = Vec::new();
    stream.take(length as u64).read_to_end(&mut frame).await?;
    if frame.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(frame.into()))
}

async fn write_frame(stream: &mut TcpStream, frame: &Frame) -> io::Result<()> {
    for piece in &frame.pieces {
        stream.write_all(piece).await?;
    }
    Ok(())
}

// ---- to others ----

/// Serves a lane until the member has stopped.
async fn run_lane(
    shared: Arc<Shared>,
    to: NodeId,
    mut requests: mpsc::UnboundedReceiver<(u64, Request)>,
    inbox: Inbox,
) {
    let mut stream: Option<TcpStream> = None;
    let mut number = 0_i32;
    // Each reason once, until it works again.
    let mut told: Option<String> = None;
    while let Some((correlation, request)) = requests.recv().await {
        number = number.wrapping_add(1);
        let wait = match &request {
            Request::Fetch(fetch) => Duration::from_millis(fetch.max_wait_ms.into()),
            _ => Duration::ZERO,
        };
        let exchange = exchange(&shared, to, &mut stream, &request, number);
        let answered = match timeout(shared.patience + wait, exchange).await {
            Ok(answered) => answered,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")),
        };
        let heard = match answered {
            Ok((response, bytes)) => {
                told = None;
                inbox.answered(correlation, response, bytes)
            }
            Err(error) => {
                stream = None;
                let why = error.to_string();
                if told.as_ref() != Some(&why) {
                    tracing::info!(member = to.0, "a request was not answered: {why}");
                    told = Some(why);
                }
                inbox.failed(correlation)
            }
        };
        if heard.is_err() {
            return;
        }
    }
}

async fn exchange(
    shared: &Shared,
    to: NodeId,
    connection: &mut Option<TcpStream>,
    request: &Request,
    number: i32,
) -> io::Result<(highwater_core::quorum::Response, Bytes)> {
    let frame = kafka::encode(request, &shared.speaker, number).map_err(invalid)?;
    let stream = match connection {
        Some(stream) => stream,
        None => connection.insert(connect(shared, to).await?),
    };
    write_frame(stream, &frame).await?;
    let closed = || io::Error::new(io::ErrorKind::UnexpectedEof, "the other end closed the connection");
    let frame = read_frame(stream, shared.response_max).await?.ok_or_else(closed)?;
    if correlation_of(&frame) != Ok(number) {
        return Err(invalid("an answer to something else"));
    }
    kafka::decode(request, frame).map_err(invalid)
}

async fn connect(shared: &Shared, to: NodeId) -> io::Result<TcpStream> {
    let address = (shared.addresses)(to)?;
    let stream = TcpStream::connect(&address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("connecting to {address}: {error}")))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn invalid(why: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

// ---- from others ----

async fn accept(listener: TcpListener, inbox: Inbox, cluster: Str) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((mut stream, from)) => {
                let (inbox, cluster) = (inbox.clone(), cluster.clone());
                tokio::spawn(async move {
                    if let Err(why) = serve(&mut stream, &inbox, &cluster).await {
                        tracing::info!(%from, "closed a connection: {why}");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("could not accept a connection: {error}");
                sleep(REST).await;
            }
        }
    }
}

async fn serve(stream: &mut TcpStream, inbox: &Inbox, cluster: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    while let Some(frame) = read_frame(stream, REQUEST_MAX).await? {
        let (header, body) = RequestHeader::decode(frame).map_err(invalid)?;
        let answer = match kafka::asked(&header, body, cluster).map_err(invalid)? {
            Asked::Refused(frame) => frame,
            Asked::Request(request) => {
                let Ok((response, bytes)) = inbox.serve(request).await else { return Ok(()) };
                kafka::answer(&header, &response, bytes).map_err(invalid)?
            }
        };
        write_frame(stream, &answer).await?;
    }
    Ok(())
}
