//! A member that runs: a replica on a thread of its own, reached from anywhere.
//!
//! - One thread owns the replica and does nothing but its steps; flushes are done by another, so that a slow disk costs no leader its office.
//! - What a program waits for is bounded by `Config::waiting_max`, what members ask of each other by their protocol: one fetch and a
//!   few votes at a time each.
//! - The transport never blocks the thread, and the thread never blocks the transport.

mod driver;
mod tcp;

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Instant as Clock, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use highwater_core::quorum::{Request, Response};
use highwater_core::{Instant, NodeId};
use highwater_log::Flushed;
use highwater_log::disk::Disk;
use tokio::sync::{oneshot, watch};

use crate::config::{Config, OpenError};
use crate::machine::StateMachine;
use crate::message::{Committed, ProposeError, Status};
use crate::replica::Replica;
use driver::Driver;

pub use tcp::{Addresses, Tcp};

/// Carries requests to other members, and theirs to this one.
///
/// Nothing is expected of it that a network does not give: it may lose, delay, repeat and reorder.
pub trait Transport: Send + 'static {
    /// Is called once, before all else: requests of others and answers belong into `inbox`.
    fn start(&mut self, inbox: Inbox);

    /// Sends a request, without waiting. [`Inbox::answered`] or [`Inbox::failed`] comes back under the number, or neither.
    fn send(&mut self, to: NodeId, correlation: u64, request: Request);
}

/// Where a transport puts what comes for a member.
#[derive(Clone)]
pub struct Inbox {
    put: Arc<dyn Fn(Mail) -> Result<(), Stopped> + Send + Sync>,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// The member has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the member has stopped: see why it did, and ask another")
    }
}

impl std::error::Error for Stopped {}

/// What members send each other.
enum Mail {
    Request { request: Request, reply: oneshot::Sender<(Response, Bytes)> },
    Response { correlation: u64, response: Response, bytes: Bytes },
    Failed { correlation: u64 },
}

impl Inbox {
    /// Has a request of another member answered: the answer, and the bytes that go along.
    ///
    /// # Errors
    /// If the member has stopped.
    pub async fn serve(&self, request: Request) -> Result<(Response, Bytes), Stopped> {
        let (reply, answer) = oneshot::channel();
        (self.put)(Mail::Request { request, reply })?;
        answer.await.map_err(|_| Stopped)
    }

    /// The answer to [`Transport::send`], with the bytes that came along.
    ///
    /// # Errors
    /// If the member has stopped.
    pub fn answered(&self, correlation: u64, response: Response, bytes: Bytes) -> Result<(), Stopped> {
        (self.put)(Mail::Response { correlation, response, bytes })
    }

    /// There will be none.
    ///
    /// # Errors
    /// If the member has stopped.
    pub fn failed(&self, correlation: u64) -> Result<(), Stopped> {
        (self.put)(Mail::Failed { correlation })
    }
}

type Look<S> = Box<dyn FnOnce(&S, Status) + Send>;
type Read<S> = Box<dyn FnOnce(Result<&S, ProposeError>) + Send>;

/// What the thread is told.
enum Event<S: StateMachine> {
    Mail(Mail),
    Propose { record: Bytes, reply: oneshot::Sender<Result<Committed<S::Answer>, ProposeError>> },
    Read(Read<S>),
    Look(Look<S>),
    Flushed(Flushed),
    Resign,
    Stop,
}

/// A member that runs. It stops when all its clones are dropped, or by [`Member::stop`].
pub struct Member<S: StateMachine> {
    events: mpsc::Sender<Event<S>>,
    ended: watch::Receiver<Option<Result<(), String>>>,
    _alive: Arc<Alive<S>>,
}

impl<S: StateMachine> Clone for Member<S> {
    fn clone(&self) -> Self {
        Self { events: self.events.clone(), ended: self.ended.clone(), _alive: self._alive.clone() }
    }
}

impl<S: StateMachine> fmt::Debug for Member<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("ended", &*self.ended.borrow()).finish_non_exhaustive()
    }
}

/// Stops the thread when the last member is dropped: transports hold its inbox, too.
struct Alive<S: StateMachine>(mpsc::Sender<Event<S>>);

impl<S: StateMachine> Drop for Alive<S> {
    fn drop(&mut self) {
        // Whoever has stopped already need not be told.
        let _ = self.0.send(Event::Stop);
    }
}

impl<S: StateMachine> Member<S> {
    /// Opens the disk, which [`Replica::format`] made that of this member, and starts. The state machine is `blank`, unless there is a snapshot.
    ///
    /// # Errors
    /// As [`Replica::open`]; or if there is no thread to be had.
    pub fn start<D: Disk>(
        config: Config,
        disk: D,
        blank: S,
        mut transport: impl Transport,
    ) -> Result<Self, OpenError> {
        let origin = Clock::now();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let clock_origin_ms = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
        let config = Config { clock_origin_ms, ..config };
        let seed = uuid::Uuid::new_v4().as_u64_pair().0;
        let name = format!("quorum-{}", config.id.0);
        let replica = Replica::open(config, disk, blank, seed, Instant(0))?;

        let (events, received) = mpsc::channel();
        let (ending, ended) = watch::channel(None);
        let put = {
            let events = events.clone();
            move |mail| events.send(Event::Mail(mail)).map_err(|_| Stopped)
        };
        transport.start(Inbox { put: Arc::new(put) });
        let flushes = events.clone();
        let run = move || {
            let end =
                Driver::new(replica, transport, origin, flushes).and_then(|driver| driver.run(&received));
            if let Err(why) = &end {
                tracing::error!("a member of a quorum has stopped: {why}");
            }
            ending.send_replace(Some(end));
        };
        thread::Builder::new().name(name).spawn(run).map_err(|error| OpenError {
            place: "the member's thread".to_owned(),
            message: format!("could not start it: {error}"),
        })?;
        Ok(Self { _alive: Arc::new(Alive(events.clone())), events, ended })
    }

    /// Has a record committed and applied, and says what the state machine answered.
    ///
    /// To drop the future takes nothing back.
    ///
    /// # Errors
    /// Only [`ProposeError::Unknown`] and [`ProposeError::Stopped`] leave it open whether it was committed.
    pub async fn propose(&self, record: impl Into<Bytes>) -> Result<Committed<S::Answer>, ProposeError> {
        let (reply, answer) = oneshot::channel();
        let record = record.into();
        self.events.send(Event::Propose { record, reply }).map_err(|_| ProposeError::Stopped)?;
        answer.await.map_err(|_| ProposeError::Stopped)?
    }

    /// Looks at a state that holds all that anybody was told to be committed before this was called: a linearizable read. It costs what a
    /// proposal costs, as it goes by the log; all that are asked for at a time share one record.
    ///
    /// `look` runs on the member's thread and should be short.
    ///
    /// # Errors
    /// If this member does not lead, or not for long enough.
    pub async fn read<R: Send + 'static>(
        &self,
        look: impl FnOnce(&S) -> R + Send + 'static,
    ) -> Result<R, ProposeError> {
        let (reply, answer) = oneshot::channel();
        let read: Read<S> = Box::new(move |machine| {
            // Whoever does not wait any more is not missed.
            let _ = reply.send(machine.map(look));
        });
        self.events.send(Event::Read(read)).map_err(|_| ProposeError::Stopped)?;
        answer.await.map_err(|_| ProposeError::Stopped)?
    }

    /// Looks at the state as far as it is applied here, which may be long ago, and at how the member stands. On any member; at no cost.
    ///
    /// # Errors
    /// If the member has stopped.
    pub async fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&S, Status) -> R + Send + 'static,
    ) -> Result<R, Stopped> {
        let (reply, answer) = oneshot::channel();
        let look: Look<S> = Box::new(move |machine, status| {
            let _ = reply.send(look(machine, status));
        });
        self.events.send(Event::Look(look)).map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// How the member stands.
    ///
    /// # Errors
    /// If the member has stopped.
    pub async fn status(&self) -> Result<Status, Stopped> {
        self.look(|_, status| status).await
    }

    /// Gives the lead up, if it has it, and names those who are furthest as successors.
    ///
    /// # Errors
    /// If the member has stopped.
    pub fn resign(&self) -> Result<(), Stopped> {
        self.events.send(Event::Resign).map_err(|_| Stopped)
    }

    /// Stops in good order, and waits for it.
    ///
    /// # Errors
    /// Why it had stopped before, or did not stop in good order.
    pub async fn stop(&self) -> Result<(), String> {
        // Whoever has stopped already need not be told.
        let _ = self.events.send(Event::Stop);
        self.ended().await
    }

    /// Waits until it has stopped: well, or why not.
    ///
    /// # Errors
    /// Why it had to stop.
    pub async fn ended(&self) -> Result<(), String> {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(Ok(())),
            Err(_) => Err("the member's thread panicked: its last words are on standard error".to_owned()),
        }
    }
}
