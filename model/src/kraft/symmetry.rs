//! Voters differ only by name: the representative of all states that are alike but for the names.

use super::Kraft;
use super::state::{Leaders, Message, NODES_MAX, Node, Progress, STABLE, State};
use crate::orders::{Order, orders};
use crate::voting::NOBODY;

impl Kraft {
    /// The representative of the orbit of `state`: voters in falling order of what is theirs without any name,
    /// and among ties the arrangement whose words are least.
    pub(super) fn representative(&self, state: &State) -> State {
        let nodes = usize::from(self.bounds.nodes);
        let mut signatures = [0; NODES_MAX];
        for (node, signature) in signatures[..nodes].iter_mut().enumerate() {
            *signature = local(state, node);
        }
        let mut least: Option<State> = None;
        for order in orders(nodes) {
            let falling = order[..nodes]
                .windows(2)
                .all(|at| signatures[usize::from(at[0])] >= signatures[usize::from(at[1])]);
            if !falling {
                continue;
            }
            let arranged = arrange(state, order, nodes);
            if least.is_none_or(|least| arranged.words() < least.words()) {
                least = Some(arranged);
            }
        }
        least.unwrap_or(*state)
    }
}

/// Everything about a voter that names nobody: the same for it in every arrangement.
fn local(state: &State, node: usize) -> u64 {
    let id = node as u8 + 1;
    let at = &state.nodes[node];
    let relative = |voter| match voter {
        NOBODY => 0,
        voter if voter == id => 1,
        _ => 2,
    };
    let mut signature = u64::from(at.log.0);
    for (bits, value) in [
        (3, at.ballot.epoch),
        (3, at.role),
        (3, at.high_watermark),
        (3, at.flushed),
        (2, relative(at.ballot.voted)),
        (2, relative(at.leader)),
        (3, at.asked),
        (3, at.asked_last),
        (3, at.asked_end),
    ] {
        signature = signature << bits | u64::from(value);
    }
    // Eight bits are left: how many messages come and go.
    let (mut to, mut from) = (0, 0);
    for message in state.in_flight() {
        let fields = message.fields();
        to += u64::from(fields.to == node);
        from += u64::from(fields.from == node);
    }
    signature << 6 | to << 3 | from
}

/// The same state with `order[i]` named `i`.
fn arrange(state: &State, order: &Order, nodes: usize) -> State {
    let mut name = [0; NODES_MAX];
    for (new, old) in order.iter().enumerate() {
        name[usize::from(*old)] = new;
    }
    if name == [0, 1, 2, 3] {
        return *state;
    }
    let rename = |voter: u8| if voter == NOBODY { NOBODY } else { name[usize::from(voter - 1)] as u8 + 1 };
    let rename_bits = |bits: u8| (0..nodes).fold(0, |all, old| all | (bits >> old & 1) << name[old]);

    let mut arranged = *state;
    for (at, new) in state.nodes.iter().zip(name).take(nodes) {
        let mut progress = Progress::default();
        if at.progress != progress {
            for (other, renamed) in name.iter().enumerate().take(nodes) {
                progress.set(*renamed, at.progress.get(other));
            }
        }
        let mut ballot = at.ballot;
        ballot.voted = rename(ballot.voted);
        arranged.nodes[new] = Node { progress, ballot, leader: rename(at.leader), ..*at };
    }
    if state.leaders != Leaders::default() {
        for epoch in 1..=7 {
            arranged.leaders.set(epoch, rename(state.leaders.get(epoch)));
        }
    }
    arranged.wiped = rename_bits(state.wiped);
    arranged.calm = state.calm & STABLE | rename_bits(state.calm);
    arranged.messages = Default::default();
    for message in state.in_flight() {
        let mut fields = message.fields();
        (fields.from, fields.to) = (name[fields.from], name[fields.to]);
        arranged.send(Message::new(fields));
    }
    arranged
}

/// Every renaming of a state.
#[cfg(test)]
pub(super) fn renamings(state: &State, nodes: usize) -> impl Iterator<Item = State> {
    orders(nodes).iter().map(move |order| arrange(state, order, nodes))
}
