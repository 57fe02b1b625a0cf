//! One connection to a broker or controller: requests go out one after the other, answers come back in their order.
//!
//! [`Connection::open`] asks with ApiVersions what the other speaks (KIP-35, KIP-511); each request goes out in the newest version that
//! both know. Requests are pipelined: nobody waits for an answer but who asked.
//!
//! # Invariants
//! - A request whose error is [`ClientError::Unsent`] did not leave, not a byte of it. One that may have is [`ClientError::InDoubt`].
//! - A request that got no answer in time takes the connection with it, as in Kafka's clients: answers come in order, and none is
//!   known to come any more.
//! - An answer that is longer than [`ConnectionConfig::frame_bytes_max`] is not read; memory grows by what arrives, not by what is said.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use highwater_wire::frame::Frame;
use highwater_wire::header::{correlation_of, decode_response};
use highwater_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use highwater_wire::{ErrorCode, Message, Request, Str};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use crate::error::ClientError;

/// So many requests wait to be written at most; who asks beyond waits.
const QUEUE_MAX: usize = 64;

/// How a connection behaves.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    /// `client.id`: what brokers call this client in their logs.
    pub client_id: Str,
    /// How long it may take to connect and to agree on versions.
    pub connect_timeout: Duration,
    /// `request.timeout.ms`: how long an answer may take.
    pub request_timeout: Duration,
    /// The longest answer that is read, in bytes.
    pub frame_bytes_max: usize,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            client_id: Str::from_static("highwater"),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            frame_bytes_max: 256 << 20,
        }
    }
}

/// A connection. Clones are the same one; it ends with the last.
#[derive(Debug, Clone)]
pub struct Connection {
    line: Arc<Line>,
    versions: Arc<BTreeMap<i16, (i16, i16)>>,
}

/// What is known of a request on its way.
mod state {
    pub(super) const QUEUED: u8 = 0;
    pub(super) const LEFT: u8 = 1;
    pub(super) const WITHDRAWN: u8 = 2;
}

struct Outgoing {
    frame: Frame,
    correlation: i32,
    state: Arc<AtomicU8>,
    /// None if no answer comes.
    reply: Option<oneshot::Sender<Bytes>>,
    written: Option<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct Line {
    place: String,
    config: ConnectionConfig,
    queue: mpsc::Sender<Outgoing>,
    next: AtomicI32,
    shared: Arc<Shared>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.end("the connection was given up");
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("correlation", &self.correlation).finish_non_exhaustive()
    }
}

/// What the writer, the reader and those who ask share.
#[derive(Debug, Default)]
struct Shared {
    /// Who waits for answers, in the order of requests. Once `ended` is set, nobody.
    waiting: Mutex<VecDeque<(i32, oneshot::Sender<Bytes>)>>,
    why: Mutex<Option<String>>,
    ended: AtomicBool,
    end: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn end(&self, why: impl Into<String>) {
        lock(&self.why).get_or_insert_with(|| why.into());
        self.ended.store(true, Ordering::SeqCst);
        lock(&self.waiting).clear();
        self.end.notify_waiters();
        self.end.notify_one();
    }

    fn why(&self) -> String {
        lock(&self.why).clone().unwrap_or_else(|| "the connection ended".to_owned())
    }

    fn expect(&self, correlation: i32, reply: oneshot::Sender<Bytes>) {
        let mut waiting = lock(&self.waiting);
        if !self.ended.load(Ordering::SeqCst) {
            waiting.push_back((correlation, reply));
        }
    }
}

/// The answer to a request that is under way.
#[derive(Debug)]
pub struct Answer<R> {
    api: &'static str,
    version: i16,
    receiver: oneshot::Receiver<Bytes>,
    state: Arc<AtomicU8>,
    line: Arc<Line>,
    request: PhantomData<fn() -> R>,
}

impl Connection {
    /// Connects to `place` (`host:port`), and asks what it speaks.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if that did not work in time.
    pub async fn open(place: &str, config: &ConnectionConfig) -> Result<Self, ClientError> {
        let unreachable = |because: String| ClientError::Unreachable { place: place.to_owned(), because };
        let opened = timeout(config.connect_timeout, Self::negotiate(place, config)).await;
        match opened {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(because)) => Err(unreachable(because)),
            Err(_) => Err(unreachable(format!("no answer within {} ms", config.connect_timeout.as_millis()))),
        }
    }

    async fn negotiate(place: &str, config: &ConnectionConfig) -> Result<Self, String> {
        let stream = TcpStream::connect(place).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let line = start(place, config, stream);
        let request = ApiVersionsRequest {
            client_software_name: Str::from_static("highwater"),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
        };
        let ask = async |version: i16| {
            let answer: Answer<ApiVersionsRequest> =
                line.submit(&request, version).await.map_err(|error| error.to_string())?;
            answer.frame().await.map_err(|error| error.to_string())
        };
        let newest = *ApiVersionsRequest::VERSIONS.end();
        let frame = ask(newest).await?;
        let unsupported = ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes();
        let understood = if frame.get(4..6) == Some(&unsupported) {
            // Said in version 0, whatever was asked for, and with the versions that the other has (KIP-511).
            let offered = response(0, frame)?;
            let known = offered.api_keys.iter().find(|api| api.api_key == ApiVersionsRequest::KEY);
            let version = known.map_or(0, |api| api.max_version).clamp(0, newest - 1);
            response(version, ask(version).await?)?
        } else {
            response(newest, frame)?
        };
        if understood.error_code != 0 {
            return Err(format!("ApiVersions was answered with {}", ErrorCode(understood.error_code)));
        }
        let versions =
            understood.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version)));
        Ok(Self { line, versions: Arc::new(versions.collect()) })
    }

    /// Where it goes to, as `host:port`.
    pub fn place(&self) -> &str {
        &self.line.place
    }

    /// Whether it ended: what is asked now is not sent.
    pub fn is_closed(&self) -> bool {
        self.line.shared.ended.load(Ordering::SeqCst)
    }

    /// Ends it, for all clones. Requests without an answer are in doubt.
    pub fn close(&self) {
        self.line.shared.end("the connection was closed here");
    }

    /// The APIs that the other side speaks: number, lowest and highest version.
    pub fn versions(&self) -> impl Iterator<Item = (i16, i16, i16)> {
        self.versions.iter().map(|(key, (lowest, highest))| (*key, *lowest, *highest))
    }

    /// The newest version of `R` that both sides know, not above `highest`.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] if there is none.
    pub fn version<R: Request>(&self, highest: i16) -> Result<i16, ClientError> {
        let unsupported = || ClientError::Unsupported { place: self.place().to_owned(), api: R::API.name() };
        let (lowest, offered) = self.versions.get(&R::KEY).copied().ok_or_else(unsupported)?;
        let version = offered.min(*R::VERSIONS.end()).min(highest);
        let common = version >= lowest && R::VERSIONS.contains(&version);
        common.then_some(version).ok_or_else(unsupported)
    }

    /// Asks, in the newest version that both sides know, and waits for the answer.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn ask<R: Request>(&self, request: &R) -> Result<R::Response, ClientError> {
        self.ask_for(request, i16::MAX, self.line.config.request_timeout).await
    }

    /// As [`Connection::ask`], in a version not above `highest`, and waits as long as said.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn ask_for<R: Request>(
        &self,
        request: &R,
        highest: i16,
        wait: Duration,
    ) -> Result<R::Response, ClientError> {
        self.submit(request, self.version::<R>(highest)?).await?.within(wait).await
    }

    /// Puts a request in line, in this version. Requests are written in the order in which this returns.
    ///
    /// # Errors
    /// [`ClientError::Unsent`].
    pub async fn submit<R: Request>(&self, request: &R, version: i16) -> Result<Answer<R>, ClientError> {
        self.line.submit(request, version).await
    }

    /// Sends a request that has no answer (a Produce with acks=0), and returns once it was handed to the operating system.
    ///
    /// # Errors
    /// [`ClientError::Unsent`] or [`ClientError::InDoubt`].
    pub async fn post<R: Request>(&self, request: &R, version: i16) -> Result<(), ClientError> {
        let (written, done) = oneshot::channel();
        let state = Arc::new(AtomicU8::new(state::QUEUED));
        self.line.enqueue(request, version, &state, None, Some(written)).await?;
        match timeout(self.line.config.request_timeout, done).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(self.line.failure(R::API.name(), &state, "it could not be written")),
        }
    }
}

fn response(version: i16, frame: Bytes) -> Result<ApiVersionsResponse, String> {
    decode_response::<ApiVersionsRequest>(version, frame)
        .map_err(|error| format!("the answer to ApiVersions cannot be read: it {error}"))
}

impl Line {
    async fn submit<R: Request>(
        self: &Arc<Self>,
        request: &R,
        version: i16,
    ) -> Result<Answer<R>, ClientError> {
        let (reply, receiver) = oneshot::channel();
        let state = Arc::new(AtomicU8::new(state::QUEUED));
        self.enqueue(request, version, &state, Some(reply), None).await?;
        Ok(Answer {
            api: R::API.name(),
            version,
            receiver,
            state,
            line: Arc::clone(self),
            request: PhantomData,
        })
    }

    async fn enqueue<R: Request>(
        &self,
        request: &R,
        version: i16,
        state: &Arc<AtomicU8>,
        reply: Option<oneshot::Sender<Bytes>>,
        written: Option<oneshot::Sender<()>>,
    ) -> Result<(), ClientError> {
        let unsent =
            |because: String| ClientError::Unsent { place: self.place.clone(), api: R::API.name(), because };
        let correlation = self.next.fetch_add(1, Ordering::Relaxed);
        let frame = Frame::request(request, version, correlation, Some(self.config.client_id.clone()))
            .map_err(|error| unsent(format!("it cannot be said in version {version}: {error}")))?;
        let outgoing = Outgoing { frame, correlation, state: Arc::clone(state), reply, written };
        if self.shared.ended.load(Ordering::SeqCst) || self.queue.send(outgoing).await.is_err() {
            return Err(unsent(self.shared.why()));
        }
        Ok(())
    }

    /// What it means that no answer came.
    fn failure(&self, api: &'static str, state: &AtomicU8, because: &str) -> ClientError {
        let withdrawn =
            state.compare_exchange(state::QUEUED, state::WITHDRAWN, Ordering::SeqCst, Ordering::SeqCst);
        let because = because.to_owned();
        match withdrawn {
            Ok(_) | Err(state::WITHDRAWN) => ClientError::Unsent { place: self.place.clone(), api, because },
            Err(_) => ClientError::InDoubt { place: self.place.clone(), api, because },
        }
    }
}

impl<R: Request> Answer<R> {
    /// Waits for it, as long as the connection's configuration says.
    ///
    /// # Errors
    /// If it does not come, or cannot be read.
    pub async fn wait(self) -> Result<R::Response, ClientError> {
        let wait = self.line.config.request_timeout;
        self.within(wait).await
    }

    /// Waits for it, so long.
    ///
    /// # Errors
    /// If it does not come, or cannot be read.
    pub async fn within(mut self, wait: Duration) -> Result<R::Response, ClientError> {
        match timeout(wait, &mut self.receiver).await {
            Ok(Ok(frame)) => decode_response::<R>(self.version, frame).map_err(|error| {
                let because = format!("the answer cannot be read: it {error}");
                self.line.shared.end(because.clone());
                self.line.failure(self.api, &self.state, &because)
            }),
            Ok(Err(_)) => Err(self.line.failure(self.api, &self.state, &self.line.shared.why())),
            Err(_) => {
                let because = format!("no answer within {} ms", wait.as_millis());
                self.line.shared.end(because.clone());
                Err(self.line.failure(self.api, &self.state, &because))
            }
        }
    }

    async fn frame(self) -> Result<Bytes, ClientError> {
        let why = |_| self.line.failure(self.api, &self.state, &self.line.shared.why());
        self.receiver.await.map_err(why)
    }
}

/// Starts the two tasks that write and read.
fn start(place: &str, config: &ConnectionConfig, stream: TcpStream) -> Arc<Line> {
    let (queue, outgoing) = mpsc::channel(QUEUE_MAX);
    let shared = Arc::new(Shared::default());
    let (read, write) = stream.into_split();
    let (writer, reader) = (Arc::clone(&shared), Arc::clone(&shared));
    let frame_bytes_max = config.frame_bytes_max;
    tokio::spawn(async move {
        tokio::select! {
            () = writer.end.notified() => {}
            why = send(outgoing, write, &writer) => writer.end(why),
        }
    });
    tokio::spawn(async move {
        tokio::select! {
            () = ended(&reader) => {}
            why = receive(read, &reader, frame_bytes_max) => reader.end(why),
        }
    });
    Arc::new(Line { place: place.to_owned(), config: config.clone(), queue, next: AtomicI32::new(0), shared })
}

/// Waits for the end, which may have come already.
async fn ended(shared: &Shared) {
    loop {
        let notified = shared.end.notified();
        if shared.ended.load(Ordering::SeqCst) {
            // The other task waits for the same.
            shared.end.notify_one();
            return;
        }
        notified.await;
    }
}

async fn send(mut outgoing: mpsc::Receiver<Outgoing>, mut write: OwnedWriteHalf, shared: &Shared) -> String {
    while let Some(request) = outgoing.recv().await {
        let queued =
            request.state.compare_exchange(state::QUEUED, state::LEFT, Ordering::SeqCst, Ordering::SeqCst);
        if queued.is_err() {
            continue;
        }
        if let Some(reply) = request.reply {
            shared.expect(request.correlation, reply);
        }
        for piece in &request.frame.pieces {
            if let Err(error) = write.write_all(piece).await {
                return format!("writing: {error}");
            }
        }
        if let Some(written) = request.written {
            // Who asked may have gone.
            let _ = written.send(());
        }
    }
    "nobody uses the connection any more".to_owned()
}

async fn receive(mut read: OwnedReadHalf, shared: &Shared, frame_bytes_max: usize) -> String {
    let mut buffer = BytesMut::with_capacity(16 << 10);
    loop {
        while let Some(length) = buffer.first_chunk::<4>() {
            let length = i32::from_be_bytes(*length);
            let Some(length) = usize::try_from(length).ok().filter(|length| *length <= frame_bytes_max)
            else {
                return format!("an answer of {length} bytes, expected at most {frame_bytes_max}");
            };
            if buffer.len() - 4 < length {
                // What is to come is reserved for in steps, as it comes.
                buffer.reserve((length + 4 - buffer.len()).min(1 << 20));
                break;
            }
            let frame = buffer.split_to(4 + length).freeze().slice(4..);
            let Ok(correlation) = correlation_of(&frame) else {
                return "an answer without a header".to_owned();
            };
            let next = lock(&shared.waiting).pop_front();
            match next {
                Some((expected, reply)) if expected == correlation => {
                    // Who asked may not wait any more.
                    let _ = reply.send(frame);
                }
                Some((expected, _)) => {
                    return format!("an answer to request {correlation}, expected one to {expected}");
                }
                None => return format!("an answer to request {correlation}, which nobody asked"),
            }
        }
        if buffer.capacity() - buffer.len() < 4 << 10 {
            buffer.reserve(64 << 10);
        }
        match read.read_buf(&mut buffer).await {
            Ok(0) => return "the other side closed the connection".to_owned(),
            Ok(_) => {}
            Err(error) => return format!("reading: {error}"),
        }
    }
}
