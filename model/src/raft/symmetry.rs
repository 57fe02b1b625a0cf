//! Servers are alike: states that differ by their names only have one representative.
//!
//! Each server gets a signature that says all about it but names. Servers are sorted by signature; among
//! those that tie every order is tried, and the least state wins. Equal orbits therefore meet in one state.

use super::Raft;
use super::state::{Entry, Log, Parts, Role, SERVERS_MAX, State};
use crate::voting::NOBODY;

impl Raft {
    /// The representative of a state's orbit.
    pub(crate) fn representative(&self, state: &State) -> State {
        let nodes = usize::from(self.bounds.nodes);
        let state = &named_in_order(state, nodes);
        let mut order: [usize; SERVERS_MAX] = [0, 1, 2, 3, 4];
        let mut signatures = [0u64; SERVERS_MAX];
        for (server, signature) in signatures.iter_mut().enumerate().take(nodes) {
            *signature = self.signature(state, server);
        }
        order[..nodes].sort_unstable_by_key(|&server| signatures[server]);
        let mut best = None;
        least(state, &signatures, &mut order, 0, nodes, &mut best);
        best.unwrap_or(*state)
    }

    /// All about a server that does not depend on names.
    fn signature(&self, state: &State, server: usize) -> u64 {
        let nodes = usize::from(self.bounds.nodes);
        let voted = match state.ballots[server].voted {
            NOBODY => 0,
            itself if usize::from(itself) == server + 1 => 1,
            _ => 2,
        };
        let own = u64::from(state.logs[server].0)
            | u64::from(state.life[server]) << 30
            | u64::from(state.ballots[server].epoch) << 38
            | voted << 41
            | u64::from(state.calm >> server & 1) << 43;
        let mut signature = mix(own);
        // What others know of it, and say to it, in any order: sums.
        for message in state.in_flight() {
            let anonymous = u64::from(message.0 & !(63 << 23));
            if message.from() == server {
                signature = signature.wrapping_add(mix(anonymous | 1 << 40));
            }
            if message.to() == server {
                signature = signature.wrapping_add(mix(anonymous | 1 << 41));
            }
        }
        for other in 0..nodes {
            let known = match state.role(other) {
                Role::Follower => 0,
                Role::Candidate => {
                    let progress = state.progress[other];
                    u64::from(progress.votes() >> server & 1) | u64::from(progress.asked(server)) << 1
                }
                Role::Leader => u64::from(state.progress[other].0 >> (6 * server) & 63),
            };
            if other != server && known != 0 {
                signature = signature.wrapping_add(mix(known
                    | u64::from(state.term(other)) << 8
                    | (state.role(other) as u64) << 12));
            }
            if state.ballots[other].voted == server as u8 + 1 && other != server {
                signature = signature.wrapping_add(mix(1 << 50 | u64::from(state.term(other))));
            }
        }
        signature
    }
}

/// Tries every order of the servers that tie from place `at` on, and keeps the least state.
fn least(
    state: &State,
    signatures: &[u64; SERVERS_MAX],
    order: &mut [usize; SERVERS_MAX],
    at: usize,
    nodes: usize,
    best: &mut Option<State>,
) {
    if at == nodes {
        let candidate = permuted(state, order, nodes);
        if best.is_none_or(|best| key(&candidate) < key(&best)) {
            *best = Some(candidate);
        }
        return;
    }
    let tied = signatures[order[at]];
    for other in at..nodes {
        if signatures[order[other]] != tied {
            break;
        }
        order.swap(at, other);
        least(state, signatures, order, at + 1, nodes, best);
        order.swap(at, other);
    }
}

/// The state with its client records named in the order of the terms and indices at which they stand.
/// Nothing tells records apart but their names, and a new one gets a name that none has.
fn named_in_order(state: &State, nodes: usize) -> State {
    if state.produced < 2 {
        return *state;
    }
    // Where each record stands first; a record that is lost comes last.
    let mut places = [u8::MAX; 4];
    let mut stands = |entry: Entry, index: u8| {
        let place = &mut places[usize::from(entry.value())];
        *place = (*place).min(entry.term() << 3 | index);
    };
    for log in state.logs[..nodes].iter().chain([&state.committed]) {
        (1..=log.len()).for_each(|index| stands(log.get(index), index));
    }
    for parts in state.in_flight().map(|message| message.parts()).filter(|parts| parts.entry.is_some()) {
        stands(parts.entry, parts.index + 1);
    }
    let mut order: [usize; 4] = [0, 1, 2, 3];
    order[1..].sort_by_key(|&value| places[value]);
    let tied = order[1..].windows(2).any(|two| places[two[0]] == places[two[1]] && places[two[0]] != u8::MAX);
    if tied || order == [0, 1, 2, 3] {
        return *state;
    }
    let mut names = [0u8; 4];
    for (new, &old) in order.iter().enumerate() {
        names[old] = new as u8;
    }
    let renamed = |entry: Entry| Entry(entry.0 & !3 | names[usize::from(entry.value())]);
    let renamed_log =
        |log: Log| (1..=log.len()).fold(Log(0), |done, index| done.with(renamed(log.get(index))));
    let mut result = *state;
    for log in &mut result.logs[..nodes] {
        *log = renamed_log(*log);
    }
    result.committed = renamed_log(state.committed);
    for message in &mut result.messages {
        let parts = message.parts();
        if message.0 != 0 && parts.entry.is_some() {
            *message = Parts { entry: renamed(parts.entry), ..parts }.pack();
        }
    }
    result
}

/// What states are compared by: all of them, since any total order will do.
fn key(state: &State) -> [u64; std::mem::size_of::<State>() / 8] {
    bytemuck::cast(*state)
}

/// The state in which server `order[i]` is called `i`.
fn permuted(state: &State, order: &[usize; SERVERS_MAX], nodes: usize) -> State {
    let mut renamed = [0, 1, 2, 3, 4];
    for (new, &old) in order.iter().enumerate().take(nodes) {
        renamed[old] = new;
    }
    let mut result = *state;
    result.calm = state.calm & !0x1f;
    for new in 0..nodes {
        let old = order[new];
        result.logs[new] = state.logs[old];
        result.life[new] = state.life[old];
        result.ballots[new] = state.ballots[old];
        if state.ballots[old].voted != NOBODY {
            result.ballots[new].voted = renamed[usize::from(state.ballots[old].voted) - 1] as u8 + 1;
        }
        result.calm |= (state.calm >> old & 1) << new;
        let (known, progress) = (state.progress[old].0, &mut result.progress[new].0);
        *progress = match state.role(old) {
            Role::Follower => 0,
            Role::Candidate => (0..nodes).fold(0, |bits, peer| bits | (known >> order[peer] & 0x101) << peer),
            Role::Leader => {
                (0..nodes).fold(0, |bits, peer| bits | (known >> (6 * order[peer]) & 63) << (6 * peer))
            }
        };
    }
    for message in &mut result.messages {
        if message.0 != 0 {
            *message = message.renamed(&renamed);
        }
    }
    result.messages.sort_unstable_by(|one, other| other.cmp(one));
    result
}

/// A cheap permutation of the words, so that sums of it rarely tie by chance.
fn mix(word: u64) -> u64 {
    let word = (word ^ word >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (word ^ word >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ word >> 31
}
