//! One connection: requests in, answers out.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Poller, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

use super::frames::{Incoming, Outgoing};
use super::{PIPELINE_MAX, Stage, UNWRITTEN_MAX, WRITE_TIMEOUT};
use crate::api::{self, Answer, Begun, Client, Context, Later};
use crate::runtime::Stopped;

/// How many pieces go to the socket at once.
const SLICES_MAX: usize = 64;

/// What a connection may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// `socket.request.max.bytes`.
    pub(super) request_bytes_max: usize,
    /// `connections.max.idle.ms`.
    pub(super) idle_max: Option<Duration>,
}

/// Why a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its client closed it between two requests, or the server stops.
    Closed,
    /// It was silent for too long.
    Idle,
    /// It broke, or was closed for what came.
    Because(String),
}

impl End {
    /// Because of this, while doing that. That a client is gone is no news.
    fn broken(doing: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Self::Closed
            }
            _ => Self::Because(format!("{doing}: {error}")),
        }
    }

    /// For this reason. That the server stops is no matter of the connection.
    fn because(reason: String) -> Self {
        if reason == Stopped.to_string() { Self::Closed } else { Self::Because(reason) }
    }
}

/// An answer in its place.
enum Slot {
    Ready(Vec<Bytes>),
    Later(Later, Asked),
}

/// What was asked, for the metrics.
#[derive(Clone, Copy)]
struct Asked {
    /// The key of the API.
    key: i16,
    at: Instant,
}

impl Asked {
    /// By this frame, whatever it may be.
    fn by(frame: &Bytes) -> Self {
        let key = frame.first_chunk().map_or(-1, |key| i16::from_be_bytes(*key));
        Self { key, at: Instant::now() }
    }

    fn answered(self, context: &Context) {
        context.metrics.answered(self.key, self.at.elapsed());
    }
}

/// Answers on their way, between the half that reads and the half that writes. Both are of one task, so that nobody ever waits for the lock.
#[derive(Default)]
struct Answers {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    slots: VecDeque<Slot>,
    /// How many bytes wait to be written.
    unwritten: usize,
    /// The half that reads waits for room.
    wanted: bool,
}

impl State {
    fn has_room(&self) -> bool {
        self.slots.len() < PIPELINE_MAX && self.unwritten < UNWRITTEN_MAX
    }
}

impl Answers {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, slot: Slot) {
        self.state().slots.push_back(slot);
    }

    /// Waits until there is room for one more.
    fn room(&self) -> impl Future<Output = ()> {
        poll_fn(|_| {
            let mut state = self.state();
            state.wanted = !state.has_room();
            if state.wanted { Poll::Pending } else { Poll::Ready(()) }
        })
    }

    /// Whether the half that reads waits, and may go on now.
    fn is_wanted(&self) -> bool {
        let state = self.state();
        state.wanted && state.has_room()
    }
}

/// Serves a connection to its end.
pub(super) async fn run(
    context: Arc<Context>,
    mut client: Client,
    mut stream: TcpStream,
    terms: Terms,
    stage: watch::Receiver<Stage>,
) -> End {
    let (reader, writer) = stream.split();
    let answers = Answers::default();
    let clock = Clock::new(terms.idle_max);
    let mut sleep = pin!(sleep_until(clock.deadline()));
    let clock = Mutex::new(clock);
    let mut cut = stage.clone();
    let mut cut = pin!(cut.wait_for(|stage| *stage == Stage::Cut));
    let mut reading = pin!(read(&context, &mut client, reader, &answers, terms, &clock, stage));
    let mut writing =
        Writing { context: &context, writer, out: Outgoing::default(), answers: &answers, clock: &clock };
    // Set once nothing more is read: why.
    let mut end: Option<End> = None;
    let exchange = poll_fn(|poller| {
        if cut.as_mut().poll(poller).is_ready() {
            return Poll::Ready(End::Closed);
        }
        loop {
            if end.is_none()
                && let Poll::Ready(ended) = reading.as_mut().poll(poller)
            {
                end = Some(ended);
            }
            match writing.poll(poller) {
                Poll::Ready(Err(broken)) => return Poll::Ready(broken),
                Poll::Ready(Ok(())) => {
                    // All that was asked is answered.
                    if let Some(end) = end.take() {
                        return Poll::Ready(end);
                    }
                }
                Poll::Pending => {}
            }
            if !answers.is_wanted() {
                break;
            }
        }
        overdue(poller, &clock, sleep.as_mut(), writing.is_waiting())
    });
    exchange.await
}

/// Reads requests and begins to answer them, until there is a reason to stop.
async fn read(
    context: &Arc<Context>,
    client: &mut Client,
    mut reader: ReadHalf<'_>,
    answers: &Answers,
    terms: Terms,
    clock: &Mutex<Clock>,
    mut stage: watch::Receiver<Stage>,
) -> End {
    let mut draining = pin!(stage.wait_for(|stage| *stage != Stage::Serving));
    let mut incoming = Incoming::new(terms.request_bytes_max);
    loop {
        loop {
            let frame = match incoming.next() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(bad) => return End::Because(bad.to_string()),
            };
            answers.room().await;
            let asked = Asked::by(&frame);
            match api::answer(context, client, frame).await {
                Begun::Ready(frame) => {
                    asked.answered(context);
                    answers.push(Slot::Ready(frame.pieces));
                }
                Begun::Later(later) => answers.push(Slot::Later(later, asked)),
                Begun::Silent => asked.answered(context),
                Begun::Close(reason) => return End::because(reason),
            }
        }
        let filled = poll_fn(|poller| {
            if draining.as_mut().poll(poller).is_ready() {
                return Poll::Ready(None);
            }
            fill(poller, &mut reader, &mut incoming).map(Some)
        });
        let Some(filled) = filled.await else { return End::Closed };
        match filled {
            Ok(0) if incoming.has_begun() => return End::Because("it ended within a request".to_owned()),
            Ok(0) => return End::Closed,
            Ok(_) => clock.lock().unwrap_or_else(PoisonError::into_inner).heard(),
            Err(error) => return End::broken("reading", &error),
        }
    }
}

/// Reads what there is. Room is made once there is something.
fn fill(
    poller: &mut Poller<'_>,
    reader: &mut ReadHalf<'_>,
    incoming: &mut Incoming,
) -> Poll<io::Result<usize>> {
    let stream: &TcpStream = reader.as_ref();
    ready!(stream.poll_read_ready(poller))?;
    let polled = pin!(reader.read_buf(incoming.room())).poll(poller);
    incoming.let_go();
    polled
}

/// The half that writes.
struct Writing<'a> {
    context: &'a Context,
    writer: WriteHalf<'a>,
    out: Outgoing,
    answers: &'a Answers,
    clock: &'a Mutex<Clock>,
}

impl Writing<'_> {
    /// Writes what is ready, in order. Ready itself if nothing is left, or the connection is of no more use.
    fn poll(&mut self, poller: &mut Poller<'_>) -> Poll<Result<(), End>> {
        loop {
            let all = match self.collect(poller) {
                Ok(all) => all,
                Err(end) => return Poll::Ready(Err(end)),
            };
            if !self.out.has_remaining() {
                return if all { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            let mut slices = [io::IoSlice::new(&[]); SLICES_MAX];
            let count = self.out.chunks_vectored(&mut slices);
            let written = Pin::new(&mut self.writer).poll_write_vectored(poller, &slices[..count]);
            let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
            match written {
                Poll::Pending => {
                    clock.stalled();
                    return Poll::Pending;
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(End::Because("writing: nothing".to_owned()))),
                Poll::Ready(Ok(written)) => {
                    clock.written();
                    self.out.advance(written);
                    self.answers.state().unwritten = self.out.remaining();
                }
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(End::broken("writing", &error)));
                }
            }
        }
    }

    /// Takes the answers that are ready from the front. Whether that was all.
    fn collect(&mut self, poller: &mut Poller<'_>) -> Result<bool, End> {
        let mut state = self.answers.state();
        while self.out.remaining() < UNWRITTEN_MAX {
            let pieces = match state.slots.front_mut() {
                None => break,
                Some(Slot::Ready(pieces)) => std::mem::take(pieces),
                Some(Slot::Later(later, asked)) => {
                    let Poll::Ready(answer) = later.as_mut().poll(poller) else { break };
                    asked.answered(self.context);
                    match answer {
                        Answer::Frame(frame) => frame.pieces,
                        Answer::Silent => Vec::new(),
                        Answer::Close(reason) => return Err(End::because(reason)),
                        // The server stops, which is no matter of this connection.
                        Answer::Stopped => return Err(End::Closed),
                    }
                }
            };
            state.slots.pop_front();
            self.out.push(pieces);
        }
        state.unwritten = self.out.remaining();
        if state.slots.is_empty() {
            // A connection that waits holds on to nothing.
            state.slots = VecDeque::new();
        }
        Ok(state.slots.is_empty())
    }

    fn is_waiting(&self) -> bool {
        self.out.has_remaining() || !self.answers.state().slots.is_empty()
    }
}

/// When a connection has been silent, or taken nothing, for too long.
///
/// One timer serves both. It is set anew only when it runs out, so that requests cost no timers.
struct Clock {
    idle_max: Option<Duration>,
    heard: Instant,
    stalled: Option<Instant>,
}

impl Clock {
    fn new(idle_max: Option<Duration>) -> Self {
        Self { idle_max, heard: Instant::now(), stalled: None }
    }

    fn heard(&mut self) {
        self.heard = Instant::now();
    }

    fn stalled(&mut self) {
        self.stalled.get_or_insert_with(Instant::now);
    }

    fn written(&mut self) {
        self.stalled = None;
    }

    /// When to look again.
    fn deadline(&self) -> Instant {
        /// Long enough to be never.
        const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
        let idle = self.heard + self.idle_max.unwrap_or(NEVER);
        self.stalled.map_or(idle, |stalled| idle.min(stalled + WRITE_TIMEOUT))
    }
}

/// Ready with the end of a connection that has taken too long.
fn overdue(
    poller: &mut Poller<'_>,
    clock: &Mutex<Clock>,
    mut sleep: Pin<&mut Sleep>,
    waiting: bool,
) -> Poll<End> {
    loop {
        let mut clock = clock.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = clock.deadline();
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        ready!(sleep.as_mut().poll(poller));
        let now = Instant::now();
        if clock.stalled.is_some_and(|stalled| stalled + WRITE_TIMEOUT <= now) {
            return Poll::Ready(End::Because(format!("it took nothing for {WRITE_TIMEOUT:?}")));
        }
        if waiting {
            // Whoever waits for an answer may be silent.
            clock.heard = now;
        }
        if clock.deadline() <= now {
            return Poll::Ready(End::Idle);
        }
        sleep.as_mut().reset(clock.deadline());
    }
}
