//! The thread that owns the replica.

use std::collections::HashMap;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant as Clock};

use bytes::Bytes;
use highwater_core::quorum::Response;
use highwater_core::{Instant, Token};
use highwater_log::Flusher;
use highwater_log::disk::Disk;
use tokio::sync::oneshot;

use super::{Event, Mail, Read, Transport};
use crate::machine::StateMachine;
use crate::message::{Committed, Input, Output, ProposeError};
use crate::replica::Replica;

/// How many events are taken before what came of them goes out.
const EVENTS_MAX: usize = 256;

/// How long a member without any deadline sleeps.
const SLEEP: Duration = Duration::from_secs(60);

type Proposed<S> = Result<Committed<<S as StateMachine>::Answer>, ProposeError>;

pub(super) struct Driver<D: Disk, S: StateMachine, T: Transport> {
    replica: Replica<D, S>,
    transport: T,
    origin: Clock,
    flushes: mpsc::Sender<Flusher<D>>,
    last_token: Token,
    replies: HashMap<Token, oneshot::Sender<(Response, Bytes)>>,
    proposals: HashMap<Token, oneshot::Sender<Proposed<S>>>,
    reads: HashMap<Token, Read<S>>,
}

impl<D: Disk, S: StateMachine, T: Transport> Driver<D, S, T> {
    /// Starts the thread that flushes, which ends with this.
    pub(super) fn new(
        replica: Replica<D, S>,
        transport: T,
        origin: Clock,
        events: mpsc::Sender<Event<S>>,
    ) -> Result<Self, String> {
        let (flushes, flushers) = mpsc::channel::<Flusher<D>>();
        let flush = move || {
            while let Ok(flusher) = flushers.recv() {
                if events.send(Event::Flushed(flusher.flush())).is_err() {
                    return;
                }
            }
        };
        let spawned = thread::Builder::new().name("quorum-flush".to_owned()).spawn(flush);
        spawned.map_err(|error| format!("starting the thread that flushes: {error}"))?;
        Ok(Self {
            replica,
            transport,
            origin,
            flushes,
            last_token: 0,
            replies: HashMap::new(),
            proposals: HashMap::new(),
            reads: HashMap::new(),
        })
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Until it is told to stop, or has to.
    pub(super) fn run(mut self, events: &mpsc::Receiver<Event<S>>) -> Result<(), String> {
        loop {
            self.hand_out()?;
            let first = match events.recv_timeout(self.patience()) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.stop(),
            };
            for event in first.into_iter().chain(events.try_iter().take(EVENTS_MAX)) {
                if let Event::Stop = event {
                    return self.stop();
                }
                self.take(event);
            }
            let now = self.now();
            if self.replica.deadline().is_some_and(|deadline| deadline <= now) {
                self.replica.elapse(now);
            }
        }
    }

    fn patience(&self) -> Duration {
        self.replica.deadline().map_or(SLEEP, |deadline| deadline.since(self.now()).min(SLEEP))
    }

    /// Its last words are that it resigns.
    fn stop(mut self) -> Result<(), String> {
        let now = self.now();
        self.replica.handle(now, Input::Resign);
        self.hand_out()?;
        self.replica.close().map_err(|error| error.to_string())
    }

    fn token(&mut self) -> Token {
        self.last_token += 1;
        self.last_token
    }

    fn take(&mut self, event: Event<S>) {
        let now = self.now();
        match event {
            Event::Mail(Mail::Request { request, reply }) => {
                let token = self.token();
                self.replies.insert(token, reply);
                self.replica.handle(now, Input::Request { token, request });
            }
            Event::Mail(Mail::Response { correlation, response, bytes }) => {
                self.replica.handle(now, Input::Response { correlation, response, bytes });
            }
            Event::Mail(Mail::Failed { correlation }) => {
                self.replica.handle(now, Input::Failed { correlation })
            }
            Event::Propose { record, reply } => {
                let token = self.token();
                self.proposals.insert(token, reply);
                self.replica.handle(now, Input::Propose { token, record });
            }
            Event::Read(read) => {
                let token = self.token();
                self.reads.insert(token, read);
                self.replica.handle(now, Input::Read { token });
            }
            Event::Look(look) => look(self.replica.machine(), self.replica.status()),
            Event::Flushed(flushed) => self.replica.flushed(now, flushed),
            Event::Resign => self.replica.handle(now, Input::Resign),
            Event::Stop => {}
        }
    }

    /// Hands out what the replica wants. Who has stopped to wait is no concern.
    fn hand_out(&mut self) -> Result<(), String> {
        while let Some(output) = self.replica.poll() {
            match output {
                Output::Send { to, correlation, request } => self.transport.send(to, correlation, request),
                Output::Reply { token, response, bytes } => {
                    if let Some(reply) = self.replies.remove(&token) {
                        let _ = reply.send((response, bytes));
                    }
                }
                Output::Flush => {
                    if let Some(flusher) = self.replica.flusher() {
                        let sent = self.flushes.send(flusher);
                        sent.map_err(|_| "the thread that flushes has ended".to_owned())?;
                    }
                }
                Output::Proposed { token, result } => {
                    if let Some(reply) = self.proposals.remove(&token) {
                        let _ = reply.send(result);
                    }
                }
                Output::Readable { token, result } => {
                    if let Some(read) = self.reads.remove(&token) {
                        read(result.map(|()| self.replica.machine()));
                    }
                }
                Output::Report(report) => tracing::warn!("{report}"),
                Output::Stopped(why) => return Err(why),
            }
        }
        Ok(())
    }
}
