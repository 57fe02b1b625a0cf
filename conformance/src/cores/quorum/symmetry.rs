//! Voters differ only by name: the representative of all states that are alike but for the names.
//!
//! A core cannot be renamed from outside. But each voter came from another one by something that happened to it, in the end from
//! one that had just started: renamed, it is what the renamed voter becomes when the same, renamed, happens to that. So every
//! voter is remembered together with where it first came from, and what names change is found by going there. This takes
//! for granted that a core treats all names alike; the tests compare with the search that knows nothing of symmetry.

use highwater_core::NodeId;
use highwater_core::quorum::{ReplicaKey, Request, Response};
use highwater_model::kraft::state::{Leaders, Node, role};
use highwater_model::orders::{ORDERS, orders};
use highwater_model::voting::NOBODY;

use super::QuorumCores;
use super::message::{Body, Message};
use super::state::{State, VOTERS_MAX};
use super::voter::{Event, id_of, index_of, key_of};

/// Where a voter came from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// It started for the first time.
    Started,
    /// Something happened to this voter.
    Happened {
        /// Its name.
        voter: u64,
        /// What.
        event: Event,
        /// Whether flushes are done at once.
        at_once: bool,
    },
    /// A message arrived at this voter.
    Arrived {
        /// Its name.
        voter: u64,
        /// The message's name.
        message: u64,
        /// Whether flushes are done at once.
        at_once: bool,
    },
}

/// Everything about a voter's picture that names nobody.
pub(super) fn signature(node: &Node, index: u8) -> u64 {
    let relative = |voter: u8| match voter {
        NOBODY => 0,
        voter if voter == index + 1 => 1,
        _ => 2,
    };
    let mut signature = u64::from(node.log.0);
    for (bits, value) in [
        (3, node.ballot.epoch),
        (3, node.role),
        (3, node.high_watermark),
        (3, node.flushed),
        (2, relative(node.ballot.voted)),
        (2, relative(node.leader)),
    ] {
        signature = signature << bits | u64::from(value);
    }
    debug_assert!(node.role <= role::GONE, "three bits hold a role");
    signature
}

impl QuorumCores {
    /// The representative of the orbit of `state`: voters in falling order of their signatures, and among ties the arrangement whose
    /// words are least.
    pub(super) fn representative(&self, state: &State) -> State {
        // A leader that resigns, and a voter that looks for one, prefer the smaller id where all else is equal.
        if self.bounds.resignations > 0 || self.bounds.search > 0 {
            return *state;
        }
        let voters = usize::from(self.bounds.voters);
        let mut signatures = [0; VOTERS_MAX];
        for (voter, signature) in signatures[..voters].iter_mut().enumerate() {
            *signature = self.voters.value(state.voters[voter]).signature;
        }
        let mut least: Option<State> = None;
        for (order, names) in orders(voters).iter().enumerate() {
            let mut sorted = [0; VOTERS_MAX];
            for (voter, name) in names[..voters].iter().enumerate() {
                sorted[usize::from(*name)] = signatures[voter];
            }
            if sorted[..voters].windows(2).any(|pair| pair[0] < pair[1]) {
                continue;
            }
            let arranged = self.arrange(state, order);
            if least.is_none_or(|least| arranged.words() < least.words()) {
                least = Some(arranged);
            }
        }
        least.unwrap_or(*state)
    }

    /// Every renaming of a state.
    #[cfg(test)]
    pub(super) fn renamings(&self, state: &State) -> impl Iterator<Item = State> {
        let orders = orders(self.bounds.voters.into());
        (0..orders.len()).map(move |order| self.arrange(state, order))
    }

    /// The same state under other names: the order with this index in [`ORDERS`] gives each voter its index.
    fn arrange(&self, state: &State, order: usize) -> State {
        if order == 0 {
            return *state;
        }
        let names = &ORDERS[order];
        let mut arranged =
            State { voters: [0; VOTERS_MAX], messages: Default::default(), wiped: 0, ..*state };
        for (voter, name) in names.iter().enumerate().take(self.bounds.voters.into()) {
            arranged.voters[usize::from(*name)] = self.rename(state.voters[voter], order);
            arranged.wiped |= (state.wiped >> voter & 1) << name;
        }
        for message in state.in_flight() {
            arranged.send(self.rename_message(message, order));
        }
        arranged.lasting = *self.renamed_sets.get_or((state.lasting, order as u64), || {
            let mut set: Vec<u64> = self
                .sets
                .value(state.lasting)
                .iter()
                .map(|message| self.rename_message(*message, order))
                .collect();
            set.sort_unstable();
            self.sets.name(set)
        });
        if state.leaders != Leaders::default() {
            for epoch in 1..=7 {
                let leader = state.leaders.get(epoch);
                arranged
                    .leaders
                    .set(epoch, if leader == NOBODY { NOBODY } else { names[usize::from(leader - 1)] + 1 });
            }
        }
        arranged
    }

    /// A voter under another name.
    fn rename(&self, voter: u64, order: usize) -> u64 {
        if let Some(renamed) = self.renamed_voters.get((voter, order as u64)) {
            return *renamed;
        }
        // The way back to a voter that is renamed already, or that had just started.
        let mut way = vec![voter];
        let mut renamed = loop {
            let last = *way.last().expect("never empty");
            let kept = self.voters.value(last);
            let from = match kept.origin {
                Origin::Started => {
                    let (started, _) = self.group.first(ORDERS[order][usize::from(kept.voter.index)]);
                    break self.keep(started, Origin::Started);
                }
                Origin::Happened { voter, .. } | Origin::Arrived { voter, .. } => voter,
            };
            if let Some(renamed) = self.renamed_voters.get((from, order as u64)) {
                break *renamed;
            }
            way.push(from);
        };
        while let Some(next) = way.pop() {
            renamed = match self.voters.value(next).origin {
                Origin::Started => renamed,
                Origin::Happened { event, at_once, .. } => self.happened(renamed, event, at_once).voter,
                Origin::Arrived { message, at_once, .. } => {
                    self.arrived(renamed, self.rename_message(message, order), at_once).voter
                }
            };
            self.renamed_voters.get_or((next, order as u64), || renamed);
        }
        renamed
    }

    fn rename_message(&self, message: u64, order: usize) -> u64 {
        *self.renamed_messages.get_or((message, order as u64), || {
            let names = &ORDERS[order];
            let message = self.messages.value(message);
            let id = |id: NodeId| id_of(names[usize::from(index_of(id))]);
            let mut renamed = Message {
                from: names[usize::from(message.from)],
                to: names[usize::from(message.to)],
                body: message.body.clone(),
            };
            let (Body::Request(request) | Body::Answer { request, .. }) = &mut renamed.body;
            rename_request(request, id);
            if let Body::Answer { response, .. } = &mut renamed.body {
                rename_response(response, id);
            }
            self.messages.name(renamed)
        })
    }
}

fn rename_key(key: &mut ReplicaKey, id: impl Fn(NodeId) -> NodeId) {
    let own = key_of(index_of(key.id), 0);
    let other = key_of(index_of(id(key.id)), 0);
    key.directory.0 = key.directory.0 - own.directory.0 + other.directory.0;
    key.id = other.id;
}

fn rename_request(request: &mut Request, id: impl Fn(NodeId) -> NodeId) {
    match request {
        Request::Vote(vote) => {
            rename_key(&mut vote.candidate, &id);
            rename_key(&mut vote.voter, &id);
        }
        Request::BeginQuorumEpoch(begin) => {
            begin.leader = id(begin.leader);
            rename_key(&mut begin.voter, &id);
        }
        Request::EndQuorumEpoch(end) => {
            end.leader = id(end.leader);
            end.successors.iter_mut().for_each(|successor| *successor = id(*successor));
            end.successors.sort_unstable();
        }
        Request::Fetch(fetch) => rename_key(&mut fetch.replica, &id),
        Request::FetchSnapshot(fetch) => rename_key(&mut fetch.replica, &id),
    }
}

fn rename_response(response: &mut Response, id: impl Fn(NodeId) -> NodeId) {
    let leader = match response {
        Response::Vote(vote) => &mut vote.leader,
        Response::BeginQuorumEpoch(heard) | Response::EndQuorumEpoch(heard) => &mut heard.leader,
        Response::Fetch(fetched) => &mut fetched.leader,
        Response::FetchSnapshot(fetched) => &mut fetched.leader,
    };
    *leader = leader.map(id);
}
