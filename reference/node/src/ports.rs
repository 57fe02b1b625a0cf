//! What the parts of a node share: the time, what goes out, and who still has to answer.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use highwater_core::controller::ControllerResponse;
use highwater_core::{Dice, Instant, NodeId, Token, quorum};

use crate::message::{ClientResponse, LogId, Output, PeerRequest, PeerResponse};
use crate::timers::{Timer, Timers};

/// Why a node has to stop: its disk failed, or what is on it cannot be. Nothing may be sent after that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fatal(pub(crate) String);

impl Fatal {
    /// What was done, and how it failed.
    pub(crate) fn new(doing: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self(format!("{doing}: {error}"))
    }
}

/// A request that was sent and is not answered yet.
#[derive(Debug)]
pub(crate) struct Sent {
    /// To whom.
    pub(crate) to: NodeId,
    /// What was asked.
    pub(crate) asked: Asked,
    deadline: Option<Instant>,
}

/// What was asked, as far as it is needed to understand the answer.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Of the quorum.
    Quorum(quorum::Request),
    /// A fetch of partitions: the session has what the leader was told.
    Fetch,
    /// Of the active controller, for whom.
    Controller(Caller),
}

/// For whom the active controller was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Caller {
    /// Another node.
    Peer(Token),
    /// A client.
    Client(Token),
    /// This node's own broker: the attempt to register of this number.
    Register(u64),
    /// This node's own broker: the heartbeat of this number.
    Heartbeat(u64),
    /// This node's own broker: the batch of AlterPartition of this number.
    AlterPartitions(u64),
}

/// Time, outputs, timers, and the table of what is outstanding.
#[derive(Debug)]
pub(crate) struct Ports {
    /// The present.
    pub(crate) now: Instant,
    /// Randomness, from the seed.
    pub(crate) dice: Dice,
    /// All timers but those inside of quorum and controller.
    pub(crate) timers: Timers,
    outputs: VecDeque<Output>,
    outstanding: BTreeMap<u64, Sent>,
    correlation: u64,
}

impl Ports {
    pub(crate) fn new(now: Instant, mut dice: Dice) -> Self {
        // A start has numbers of its own, so that what comes late for the one before matches nothing.
        let correlation = dice.roll() >> 16;
        Self {
            now,
            dice,
            timers: Timers::default(),
            outputs: VecDeque::new(),
            outstanding: BTreeMap::new(),
            correlation,
        }
    }

    /// Sends a request; after `patience` it counts as unanswered.
    pub(crate) fn send(&mut self, to: NodeId, request: PeerRequest, asked: Asked, patience: Duration) -> u64 {
        self.correlation += 1;
        let correlation = self.correlation;
        let mut deadline = None;
        self.timers.arm(Timer::Request(correlation), &mut deadline, Some(self.now + patience));
        self.outstanding.insert(correlation, Sent { to, asked, deadline });
        self.outputs.push_back(Output::Send { to, correlation, request });
        correlation
    }

    /// What was asked under this number, which thereby is answered or given up.
    pub(crate) fn settle(&mut self, correlation: u64) -> Option<Sent> {
        let mut sent = self.outstanding.remove(&correlation)?;
        self.timers.arm(Timer::Request(correlation), &mut sent.deadline, None);
        Some(sent)
    }

    /// What was asked under this number, now that its timer ran out.
    pub(crate) fn give_up(&mut self, correlation: u64) -> Option<Sent> {
        self.outstanding.remove(&correlation)
    }

    /// How many requests are outstanding.
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Answers another node.
    pub(crate) fn reply(&mut self, token: Token, response: PeerResponse) {
        self.outputs.push_back(Output::Reply { token, response });
    }

    /// Answers a client.
    pub(crate) fn answer(&mut self, token: Token, response: ClientResponse) {
        self.outputs.push_back(Output::Answer { token, response });
    }

    /// Answers whoever asked the controller from outside of this node.
    pub(crate) fn answer_from_controller(&mut self, caller: Caller, response: Option<ControllerResponse>) {
        match (caller, response) {
            (Caller::Client(token), response) => self.answer(token, ClientResponse::Controller(response)),
            (Caller::Peer(token), Some(response)) => self.reply(token, PeerResponse::Controller(response)),
            // Who is not answered asks again. Own calls never come here.
            _ => {}
        }
    }

    /// Asks for a flush.
    pub(crate) fn flush(&mut self, log: LogId) {
        self.outputs.push_back(Output::Flush(log));
    }

    /// Tells the operator.
    pub(crate) fn report(&mut self, what: String) {
        self.outputs.push_back(Output::Report(what));
    }

    /// Nothing more goes out but this.
    pub(crate) fn stop(&mut self, why: Option<String>) {
        if why.is_some() {
            self.outputs.clear();
        }
        self.outputs.push_back(Output::Stopped(why));
    }

    /// The oldest output.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}
