//! Replicas are interchangeable: one state stands for all that differ by their names.

use super::state::{ALTER, EMPTY, FETCH, NOBODY, NODES_MAX, REFUSED, State};

/// Where each replica goes, [`NOBODY`] staying where it is.
type Renaming = [u8; NODES_MAX + 1];

/// All renamings that fix the replicas beyond the bound.
const RENAMINGS: [Renaming; 6] =
    [[0, 1, 2, 3], [1, 0, 2, 3], [0, 2, 1, 3], [2, 1, 0, 3], [1, 2, 0, 3], [2, 0, 1, 3]];

/// The least of the states that differ from `state` only by names.
///
/// Replicas are first put in the order of what they look like without names; only those that look alike
/// are tried in every order.
pub(super) fn canonical(state: &State, nodes: u8) -> State {
    let nodes = nodes as usize;
    let mut looks = [0u128; NODES_MAX];
    for (index, look) in looks.iter_mut().enumerate().take(nodes) {
        *look = look_of(state, index);
    }
    let mut best: Option<State> = None;
    for renaming in &RENAMINGS {
        let keeps_bound = (nodes..NODES_MAX).all(|index| renaming[index] as usize == index);
        if !keeps_bound || !sorts(&looks[..nodes], renaming) {
            continue;
        }
        let renamed = rename(state, renaming);
        if best.is_none_or(|best| bytemuck::bytes_of(&renamed) < bytemuck::bytes_of(&best)) {
            best = Some(renamed);
        }
    }
    best.unwrap_or(*state)
}

/// Every state that differs from `state` only by names.
#[cfg(test)]
pub(super) fn orbit(state: &State, nodes: usize) -> Vec<State> {
    let keeps_bound = |renaming: &&Renaming| (nodes..NODES_MAX).all(|i| renaming[i] as usize == i);
    RENAMINGS.iter().filter(keeps_bound).map(|renaming| rename(state, renaming)).collect()
}

/// What a replica looks like to somebody who cannot read names.
fn look_of(state: &State, index: usize) -> u128 {
    let node = &state.nodes[index];
    let controller = &state.controller;
    let bit = 1u8 << index;
    let has = |mask: u8| u8::from(mask & bit != 0);
    let led = (1..=controller.epoch)
        .filter(|&epoch| controller.leader_of(epoch) as usize == index)
        .fold(0u8, |led, epoch| led | 1 << (epoch - 1));
    let relations = has(controller.isr)
        | has(controller.elr) << 1
        | has(controller.fenced) << 2
        | u8::from(controller.leader as usize == index) << 3
        | led << 4;
    let sent = state
        .messages
        .iter()
        .filter(|message| message.kind() == FETCH && message.from() as usize == index)
        .fold(0u8, |sum, message| {
            sum.wrapping_mul(31).wrapping_add(message.terms ^ message.body.rotate_left(3))
        });
    u128::from_le_bytes([
        node.log[0],
        node.log[1],
        node.log[2],
        node.log[3],
        node.high_watermark,
        node.epoch,
        node.status,
        node.partition_epoch,
        node.start,
        node.isr().count_ones() as u8,
        node.pending().count_ones() as u8,
        relations,
        controller.broker_epochs[index],
        sent,
        state.nodes.iter().fold(0u8, |sum, other| sum.wrapping_add(other.followers[index])),
        0,
    ])
}

/// Whether a renaming puts the looks in order.
fn sorts(looks: &[u128], renaming: &Renaming) -> bool {
    let mut sorted = [0u128; NODES_MAX];
    for (index, &look) in looks.iter().enumerate() {
        sorted[renaming[index] as usize] = look;
    }
    sorted[..looks.len()].is_sorted()
}

/// The state with every name replaced.
fn rename(state: &State, to: &Renaming) -> State {
    let mask = |mask: u8| (0..NODES_MAX).fold(0, |renamed, index| renamed | (mask >> index & 1) << to[index]);
    let mut renamed = *state;
    for (index, node) in state.nodes.iter().enumerate() {
        let mut moved = *node;
        moved.isr_pending = mask(node.isr()) | mask(node.pending()) << 4;
        for (other, &known) in node.followers.iter().enumerate() {
            moved.followers[to[other] as usize] = known;
        }
        renamed.nodes[to[index] as usize] = moved;
        renamed.controller.broker_epochs[to[index] as usize] = state.controller.broker_epochs[index];
    }
    let controller = &mut renamed.controller;
    controller.leader = to[state.controller.leader as usize];
    controller.isr = mask(state.controller.isr);
    controller.elr = mask(state.controller.elr);
    controller.fenced = mask(state.controller.fenced);
    controller.leaders = (1..=controller.epoch).fold(0, |leaders, epoch| {
        leaders | to[state.controller.leader_of(epoch) as usize] << (2 * (epoch - 1))
    });
    for message in renamed.messages.iter_mut().filter(|message| message.kind() != EMPTY) {
        let (kind, from, receiver) = (message.kind(), message.from(), message.to());
        message.head = kind | to[from as usize] << 4 | to[receiver as usize] << 6;
        if matches!(kind, ALTER | REFUSED) {
            message.body = message.high() << 4 | mask(message.low());
            let tail = message.tail;
            message.tail =
                (0..NODES_MAX).fold(0, |epochs, index| epochs | (tail >> (2 * index) & 3) << (2 * to[index]));
        }
    }
    debug_assert_eq!(to[NOBODY as usize], NOBODY);
    renamed.sort_messages();
    renamed
}
