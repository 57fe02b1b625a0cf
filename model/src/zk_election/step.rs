//! The steps of candidates, service and resource.

use crate::coordination::{Ephemeral, Link, Tie};

use super::rules::{
    CreateRetry, Expiry, Fence, NodeOwnership, OnEvent, OnExpiry, Predecessor, Rearm, Resignation, Sequence,
    Watch, WatchRead,
};
use super::state::{Client, HERD, PARENT, Phase, REUSED, STALE_WRITE, State};
use super::{CANDIDATES_MAX, ZkElection};

/// One atomic step. Candidates are counted from 0, offers from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A candidate looks for its own offer and creates one if it finds none. If the answer to the create is
    /// lost, so is the connection, and the candidate does not know that it has an offer.
    Offer {
        /// Who.
        client: u8,
        /// Whether the answer arrives.
        answered: bool,
    },
    /// A candidate reads the children.
    List {
        /// Who.
        client: u8,
    },
    /// A candidate asks whether its predecessor exists, and watches it.
    Watch {
        /// Who.
        client: u8,
    },
    /// The event of a watch arrives.
    Wake {
        /// At whom.
        client: u8,
    },
    /// A candidate that believes that it leads writes to the resource, which accepts.
    Write {
        /// Who.
        client: u8,
    },
    /// A leader begins to resign.
    Resign {
        /// Who.
        client: u8,
    },
    /// A leader finishes resigning.
    Leave {
        /// Who.
        client: u8,
    },
    /// A candidate connects: within its session if that lives, else with a new one.
    Connect {
        /// Who.
        client: u8,
    },
    /// A connection is lost, and with it what was in flight.
    Disconnect {
        /// Whose.
        client: u8,
    },
    /// A candidate stops.
    Pause {
        /// Who.
        client: u8,
    },
    /// A candidate goes on where it stopped.
    Resume {
        /// Who.
        client: u8,
    },
    /// A candidate's process ends and forgets; its session is unattended from now on.
    Crash {
        /// Who.
        client: u8,
    },
    /// The service ends a session that nobody attends.
    Expire {
        /// Whose.
        client: u8,
    },
    /// The service ends the session of a former life of a candidate, and with it this offer.
    ExpireFormer {
        /// The offer.
        offer: u8,
    },
    /// The service stops: every connection is lost.
    Outage,
    /// The service is back.
    Return {
        /// Every session is over.
        storm: bool,
    },
    /// From now on no fault happens.
    Stabilise,
}

/// The kinds of action.
pub(super) const KINDS: &[&str] = &[
    "offer",
    "list",
    "watch",
    "wake",
    "write",
    "resign",
    "leave",
    "connect",
    "disconnect",
    "pause",
    "resume",
    "crash",
    "expire",
    "expire-former",
    "outage",
    "return",
    "stabilise",
];

impl Action {
    pub(super) fn kind(&self) -> usize {
        match self {
            Self::Offer { .. } => 0,
            Self::List { .. } => 1,
            Self::Watch { .. } => 2,
            Self::Wake { .. } => 3,
            Self::Write { .. } => 4,
            Self::Resign { .. } => 5,
            Self::Leave { .. } => 6,
            Self::Connect { .. } => 7,
            Self::Disconnect { .. } => 8,
            Self::Pause { .. } => 9,
            Self::Resume { .. } => 10,
            Self::Crash { .. } => 11,
            Self::Expire { .. } => 12,
            Self::ExpireFormer { .. } => 13,
            Self::Outage => 14,
            Self::Return { .. } => 15,
            Self::Stabilise => 16,
        }
    }

    /// What is owed: a candidate's own steps, deliveries, reconnection, the end of a pause, the return of the
    /// service, and the end of unattended sessions. Faults, writes and resignations are owed by nobody.
    pub(super) fn fairness(&self) -> Option<u8> {
        let class = |kind: u8, client: u8| Some(kind * CANDIDATES_MAX as u8 + client);
        match *self {
            Self::Offer { client, answered: true } => class(0, client),
            Self::List { client } => class(1, client),
            Self::Watch { client } => class(2, client),
            Self::Wake { client } => class(3, client),
            Self::Leave { client } => class(4, client),
            Self::Connect { client } => class(5, client),
            Self::Resume { client } => class(6, client),
            Self::ExpireFormer { offer } => class(7, offer - 1),
            Self::Return { .. } => class(9, 0),
            _ => None,
        }
    }
}

impl ZkElection {
    /// Some candidate leads, with a session that lives, and can be reached.
    pub(super) fn led(&self, state: &State) -> bool {
        state.clients.iter().any(|client| client.phase == Phase::LEADING && client.link == Link::UP)
    }

    /// Some candidate's process is alive.
    pub(super) fn alive(&self, state: &State) -> bool {
        state.clients.iter().any(|client| client.link != Link::DOWN)
    }

    /// Pushes what can happen and changes the state.
    pub(super) fn enabled(&self, state: &State, actions: &mut Vec<Action>) {
        let up = state.outage == 0;
        let stable = state.stabilised != 0;
        for client in 0..self.bounds.candidates {
            let Client { link, phase, .. } = state.clients[usize::from(client)];
            if link == Link::UP {
                self.own_steps(state, client, actions);
            }
            if self.would_write(state, client) {
                actions.push(Action::Write { client });
            }
            if up && !(link.open() || stable && link == Link::DOWN) {
                actions.push(Action::Connect { client });
            }
            if link == Link::PAUSED {
                actions.push(Action::Resume { client });
            }
            if stable {
                continue;
            }
            if link == Link::UP {
                actions.push(Action::Pause { client });
                if phase == Phase::LEADING {
                    actions.push(Action::Resign { client });
                }
            }
            if link.open() {
                actions.push(Action::Disconnect { client });
            }
            if link != Link::DOWN {
                actions.push(Action::Crash { client });
            }
            if up && matches!(link, Link::PAUSED | Link::LOST) {
                actions.push(Action::Expire { client });
            }
        }
        if up {
            let former = |offer: &u8| state.offers[usize::from(*offer) - 1].tie() == Tie::Former;
            actions.extend(state.children().filter(former).map(|offer| Action::ExpireFormer { offer }));
            if !stable {
                actions.push(Action::Outage);
            }
        } else {
            actions.push(Action::Return { storm: false });
            if state.storms < self.bounds.storms && !stable {
                actions.push(Action::Return { storm: true });
            }
        }
        if self.bounds.stabilises() && !stable {
            actions.push(Action::Stabilise);
        }
    }

    /// What a connected, running candidate can do of its own accord.
    fn own_steps(&self, state: &State, client: u8, actions: &mut Vec<Action>) {
        match state.clients[usize::from(client)].phase {
            Phase::IDLE => {
                let found = self.own_offer(state, client).is_some();
                if found || self.may_create(state) {
                    actions.push(Action::Offer { client, answered: true });
                }
                if !found && self.may_create(state) && state.stabilised == 0 {
                    actions.push(Action::Offer { client, answered: false });
                }
            }
            Phase::OFFERED => actions.push(Action::List { client }),
            Phase::LISTED | Phase::CHECKED => actions.push(Action::Watch { client }),
            Phase::WOKEN => actions.push(Action::Wake { client }),
            Phase::LEAVING | Phase::STEPPING => actions.push(Action::Leave { client }),
            _ => {}
        }
    }

    /// Offers are bounded; while faults go on, one for each candidate is held in reserve.
    fn may_create(&self, state: &State) -> bool {
        let reserve =
            if self.bounds.stabilises() && state.stabilised == 0 { self.bounds.candidates } else { 0 };
        state.created + reserve < self.bounds.offers
    }

    /// What the candidate finds when it looks for an offer of its own.
    fn own_offer(&self, state: &State, client: u8) -> Option<u8> {
        if self.rules.create_retry == CreateRetry::Blind {
            return None;
        }
        state.children().find(|offer| {
            let node = state.offers[usize::from(*offer) - 1];
            match self.rules.ownership {
                NodeOwnership::Session => node.is_of(client),
                NodeOwnership::Name => node.made_by(client),
            }
        })
    }

    /// Whether a write of this candidate would be accepted and leave a trace.
    fn would_write(&self, state: &State, client: u8) -> bool {
        let Client { link, phase, own, .. } = state.clients[usize::from(client)];
        let token = state.number(own);
        let accepted = self.rules.fence == Fence::Absent || token >= state.token;
        phase.believes() && link.runs() && accepted && (token != state.token || own != state.latest)
    }

    /// The state after `action`.
    pub(super) fn step(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Offer { client, answered } => self.offer(&mut state, client, answered),
            Action::List { client } => self.list(&mut state, client),
            Action::Watch { client } => self.watch(&mut state, client),
            Action::Wake { client } => self.wake(&mut state, client),
            Action::Write { client } => self.write(&mut state, client),
            Action::Resign { client } => self.resign(&mut state, client),
            Action::Leave { client } => self.leave(&mut state, client),
            Action::Connect { client } => self.connect(&mut state, client),
            Action::Disconnect { client } => disconnect(&mut state, client),
            Action::Pause { client } => state.clients[usize::from(client)].link = Link::PAUSED,
            Action::Resume { client } => state.clients[usize::from(client)].link = Link::UP,
            Action::Crash { client } => {
                // The service has not noticed: what the process left behind belongs to a former session now.
                state.age(client, Tie::Former);
                state.clients[usize::from(client)] = Client { link: Link::DOWN, ..Client::default() };
            }
            Action::Expire { client } => self.expire(&mut state, client),
            Action::ExpireFormer { offer } => self.delete_expired(&mut state, offer),
            Action::Outage => {
                state.outage = 1;
                for client in 0..self.bounds.candidates {
                    if state.clients[usize::from(client)].link.open() {
                        disconnect(&mut state, client);
                    }
                }
            }
            Action::Return { storm } => self.come_back(&mut state, storm),
            Action::Stabilise => state.stabilised = 1,
        }
        (state != *last).then_some(state)
    }

    fn offer(&self, state: &mut State, client: u8, answered: bool) {
        let at = usize::from(client);
        if let Some(own) = self.own_offer(state, client) {
            state.clients[at] = Client { link: Link::UP, phase: Phase::OFFERED, own, target: 0 };
            return;
        }
        let number = match self.rules.sequence {
            Sequence::Counter => state.created + 1,
            Sequence::LargestPlusOne => {
                state.children().map(|offer| state.number(offer)).max().unwrap_or(0) + 1
            }
        };
        if state.numbers[..usize::from(state.created)].contains(&number) {
            state.stain |= REUSED;
        }
        state.offers[usize::from(state.created)] = Ephemeral::of(client, Tie::Present);
        state.numbers[usize::from(state.created)] = number;
        state.created += 1;
        // A new child is a change of the parent as well.
        fire(state, PARENT);
        state.clients[at] = if answered {
            Client { link: Link::UP, phase: Phase::OFFERED, own: state.created, target: 0 }
        } else {
            Client { link: Link::LOST, ..Client::default() }
        };
    }

    fn list(&self, state: &mut State, client: u8) {
        let at = usize::from(client);
        let own = state.clients[at].own;
        let mine = state.number(own);
        let below = state
            .children()
            .filter(|offer| match self.rules.predecessor {
                Predecessor::ByOrder => state.number(*offer) < mine,
                Predecessor::ByArithmetic => state.number(*offer) + 1 == mine,
            })
            .max_by_key(|offer| state.number(*offer));
        let (phase, own, target) = match (state.exists(own), below) {
            // Its own offer is not among the children: it has to make a new one.
            (false, _) => (Phase::IDLE, 0, 0),
            (true, None) => (Phase::LEADING, own, 0),
            (true, Some(_)) if self.rules.watch == Watch::Parent => (Phase::WAITING, own, PARENT),
            (true, Some(predecessor)) => (Phase::LISTED, own, predecessor),
        };
        state.clients[at] = Client { link: Link::UP, phase, own, target };
    }

    fn watch(&self, state: &mut State, client: u8) {
        let at = usize::from(client);
        let Client { phase, target, .. } = state.clients[at];
        let exists = state.exists(target);
        let client = &mut state.clients[at];
        match self.rules.watch_read {
            // The second request of two: whatever it finds, nobody looks.
            _ if phase == Phase::CHECKED => client.phase = Phase::WAITING,
            _ if !exists => {
                client.phase = Phase::OFFERED;
                client.target = 0;
            }
            WatchRead::Atomic => client.phase = Phase::WAITING,
            WatchRead::ReadThenWatch => client.phase = Phase::CHECKED,
        }
    }

    fn wake(&self, state: &mut State, client: u8) {
        let client = &mut state.clients[usize::from(client)];
        client.target = 0;
        client.phase = match self.rules.on_event {
            OnEvent::ListAgain => Phase::OFFERED,
            OnEvent::Lead => Phase::LEADING,
        };
    }

    fn write(&self, state: &mut State, client: u8) {
        let own = state.clients[usize::from(client)].own;
        state.token = state.number(own);
        if own < state.latest {
            state.stain |= STALE_WRITE;
        }
        state.latest = state.latest.max(own);
    }

    fn resign(&self, state: &mut State, client: u8) {
        let at = usize::from(client);
        match self.rules.resignation {
            Resignation::StopsThenDeletes => state.clients[at].phase = Phase::LEAVING,
            Resignation::DeletesThenStops => {
                state.clients[at].phase = Phase::STEPPING;
                delete(state, state.clients[at].own);
            }
        }
    }

    fn leave(&self, state: &mut State, client: u8) {
        let at = usize::from(client);
        let own = state.clients[at].own;
        state.clients[at] = Client { link: Link::UP, ..Client::default() };
        delete(state, own);
    }

    fn connect(&self, state: &mut State, client: u8) {
        let at = usize::from(client);
        let Client { link, phase, target, .. } = state.clients[at];
        state.clients[at].link = Link::UP;
        if link == Link::LOST {
            if phase == Phase::WAITING {
                state.clients[at].phase = match self.rules.rearm {
                    Rearm::Forgotten => Phase::DEAF,
                    // Whether the parent changed meanwhile is not remembered; being told once too often is legal.
                    Rearm::SetWatches if target == PARENT => Phase::WOKEN,
                    Rearm::SetWatches if !state.exists(target) => Phase::WOKEN,
                    Rearm::SetWatches => Phase::WAITING,
                };
            }
            return;
        }
        // A new session. Nodes of the old one, had the service left any, are nobody's now.
        state.age(client, Tie::Orphan);
        let keeps = self.rules.on_expiry == OnExpiry::KeepsLeading && phase.believes();
        if !keeps {
            state.clients[at] = Client { link: Link::UP, ..Client::default() };
        }
    }

    fn expire(&self, state: &mut State, client: u8) {
        disconnect(state, client);
        state.clients[usize::from(client)].link = Link::EXPIRED;
        for offer in 1..=state.created {
            if state.offers[usize::from(offer) - 1].is_of(client) {
                self.delete_expired(state, offer);
            }
        }
    }

    /// Deletes an offer whose session ends, as far as the service does that.
    fn delete_expired(&self, state: &mut State, offer: u8) {
        if self.rules.expiry == Expiry::DeletesNodes {
            delete(state, offer);
            return;
        }
        let node = &mut state.offers[usize::from(offer) - 1];
        if let (Some(client), Tie::Former) = (node.client(), node.tie()) {
            *node = Ephemeral::of(client, Tie::Orphan);
        }
    }

    /// The service is back. A storm takes every session, those of former lives included.
    fn come_back(&self, state: &mut State, storm: bool) {
        state.outage = 0;
        if !storm {
            return;
        }
        state.storms += 1;
        for client in 0..self.bounds.candidates {
            if state.clients[usize::from(client)].link.live() {
                self.expire(state, client);
            }
        }
        for offer in 1..=state.created {
            if state.offers[usize::from(offer) - 1].exists() {
                self.delete_expired(state, offer);
            }
        }
    }
}

/// The connection is lost. An event in flight is lost with it; the client still knows what it watched.
fn disconnect(state: &mut State, client: u8) {
    let client = &mut state.clients[usize::from(client)];
    client.link = Link::LOST;
    if client.phase == Phase::WOKEN {
        client.phase = Phase::WAITING;
    }
}

/// Deletes an offer and sends the events that are due.
fn delete(state: &mut State, offer: u8) {
    if !state.exists(offer) {
        return;
    }
    state.offers[usize::from(offer) - 1] = Ephemeral::ABSENT;
    if fire(state, offer) + fire(state, PARENT) > 1 {
        state.stain |= HERD;
    }
}

/// Fires the watches on `target`: how many candidates will wake.
fn fire(state: &mut State, target: u8) -> u8 {
    let mut woken = 0;
    for client in &mut state.clients {
        if client.phase == Phase::WAITING && client.target == target && client.link.open() {
            client.phase = Phase::WOKEN;
            woken += 1;
        }
    }
    woken
}
