//! What the model claims, and the witnesses that the claims are not vacuous.

use crate::check::Claim;

use super::Isr;
use super::state::{
    DIVERGING, NOBODY, Node, REFUSED, STAIN_LEADER_TRUNCATED, STAIN_RECOVERED, STAIN_TRUNCATED,
    STAIN_TRUNCATED_BELOW_HIGH_WATERMARK, State, members,
};

/// Every claim, safety first.
pub(super) fn claims() -> Vec<Claim<Isr>> {
    vec![
        Claim::always(
            "strong-isr",
            "isr/safety/1",
            "every running member of the controller's ISR holds all records below any presumed leader's high watermark",
            strong_isr,
        ),
        Claim::always(
            "candidate-completeness",
            "isr/safety/2",
            "every member of ISR and ELR, but one that lies crashed, holds all acknowledged records",
            candidate_completeness,
        ),
        Claim::always(
            "leader-completeness",
            "isr/safety/3",
            "the leader of the newest epoch holds all acknowledged records",
            leader_completeness,
        ),
        Claim::always(
            "durability",
            "isr/safety/4",
            "every acknowledged record is on the disk of a replica that may be elected",
            durability,
        ),
        Claim::always(
            "read-stability",
            "isr/safety/5",
            "the leader of the newest epoch holds every record that a consumer may have read",
            read_stability,
        ),
        Claim::always(
            "log-matching",
            "isr/safety/6",
            "records of the same offset and epoch are the same, and so is all before them",
            log_matching,
        ),
        Claim::always(
            "replication-quorum-superset",
            "isr/safety/7",
            "the set that moves the high watermark contains whom the controller may elect",
            replication_quorum_superset,
        ),
        Claim::always(
            "no-truncation-below-high-watermark",
            "isr/safety/8",
            "no follower truncates below its own high watermark",
            |_, state: &State| state.ghost.stain & STAIN_TRUNCATED_BELOW_HIGH_WATERMARK == 0,
        ),
        Claim::always(
            "leader-append-only",
            "isr/safety/9",
            "no presumed leader cuts its log",
            |_, state: &State| state.ghost.stain & STAIN_LEADER_TRUNCATED == 0,
        ),
        Claim::always(
            "isr-unfenced",
            "isr/safety/10",
            "no fenced broker is in the ISR",
            |_, state: &State| state.controller.isr & state.controller.fenced == 0,
        ),
        Claim::sometimes("acknowledged", "isr/produce/1", "a record is acknowledged", |_, state: &State| {
            state.ghost.acknowledged != 0
        }),
        Claim::sometimes("failover", "isr/elect/1", "a second leader commits its own record", failover),
        Claim::sometimes("zombie", "isr/fetch/1", "two replicas presume to lead", |_, state: &State| {
            state.nodes.iter().filter(|node| node.leads()).count() > 1
        }),
        Claim::sometimes(
            "stale-high-watermark",
            "isr/isr/1",
            "a new leader knows of less than what was committed",
            stale_high_watermark,
        ),
        Claim::sometimes(
            "pending",
            "isr/commit/1",
            "a leader's maximal ISR exceeds its committed one",
            |_, s: &State| s.nodes.iter().any(|node| node.maximal_isr() != node.isr()),
        ),
        Claim::sometimes("truncated", "isr/truncate/1", "a follower has cut records", |_, state: &State| {
            state.ghost.stain & STAIN_TRUNCATED != 0
        }),
        Claim::sometimes(
            "diverged",
            "isr/truncate/2",
            "a leader answers with a diverging epoch",
            |_, state: &State| state.messages.iter().any(|message| message.kind() == DIVERGING),
        ),
        Claim::sometimes(
            "refused",
            "isr/isr/3",
            "the controller refuses a member that is not eligible",
            |_, s: &State| s.messages.iter().any(|message| message.kind() == REFUSED),
        ),
        Claim::sometimes("elr", "isr/elr/1", "the ISR is empty and the ELR is not", |_, state: &State| {
            state.controller.isr == 0 && state.controller.elr != 0
        }),
        Claim::sometimes(
            "recovered",
            "isr/elr/2",
            "a replica that crashed uncleanly is in the ISR again",
            |_, state: &State| state.ghost.stain & STAIN_RECOVERED != 0,
        ),
    ]
}

/// The leader of the newest epoch, once it knows.
fn true_leader(state: &State) -> Option<&Node> {
    let controller = &state.controller;
    let leader = state.nodes.get(controller.leader as usize)?;
    (leader.leads() && leader.epoch == controller.epoch).then_some(leader)
}

fn values(node: &Node) -> u8 {
    node.values_below(node.leo())
}

fn strong_isr(_: &Isr, state: &State) -> bool {
    state.nodes.iter().filter(|leader| leader.leads()).all(|leader| {
        let end = leader.high_watermark as usize;
        members(state.controller.isr)
            .map(|member| &state.nodes[member as usize])
            .filter(|member| member.is_up())
            .all(|member| member.log[..end] == leader.log[..end])
    })
}

fn candidate_completeness(_: &Isr, state: &State) -> bool {
    members(state.controller.isr | state.controller.elr)
        .map(|member| &state.nodes[member as usize])
        .filter(|member| member.is_up() || !member.is_unclean())
        .all(|member| state.ghost.acknowledged & !values(member) == 0)
}

fn leader_completeness(_: &Isr, state: &State) -> bool {
    true_leader(state).is_none_or(|leader| state.ghost.acknowledged & !values(leader) == 0)
}

fn durability(_: &Isr, state: &State) -> bool {
    let held = members(state.controller.isr | state.controller.elr)
        .fold(0, |held, member| held | values(&state.nodes[member as usize]));
    state.ghost.acknowledged & !held == 0
}

fn read_stability(_: &Isr, state: &State) -> bool {
    true_leader(state).is_none_or(|leader| state.ghost.exposed & !values(leader) == 0)
}

fn log_matching(_: &Isr, state: &State) -> bool {
    let matching = |a: &Node, b: &Node| {
        let last_same = (0..a.log.len()).rev().find(|&at| {
            a.log[at] != 0
                && b.log[at] != 0
                && super::state::epoch_of(a.log[at]) == super::state::epoch_of(b.log[at])
        });
        last_same.is_none_or(|at| a.log[..=at] == b.log[..=at])
    };
    let [a, b, c] = &state.nodes;
    matching(a, b) && matching(a, c) && matching(b, c)
}

fn replication_quorum_superset(model: &Isr, state: &State) -> bool {
    true_leader(state).is_none_or(|leader| {
        let mut quorum = state.controller.isr;
        if leader.isr().count_ones() >= u32::from(model.min_isr()) {
            quorum |= state.controller.elr;
        }
        quorum & !leader.maximal_isr() == 0
    })
}

fn failover(_: &Isr, state: &State) -> bool {
    true_leader(state).is_some_and(|leader| {
        let end = leader.high_watermark as usize;
        leader.epoch > 1
            && leader.log[..end].iter().any(|&record| super::state::epoch_of(record) == leader.epoch)
    })
}

fn stale_high_watermark(_: &Isr, state: &State) -> bool {
    true_leader(state).is_some_and(|leader| {
        state.ghost.acknowledged & !leader.values_below(leader.high_watermark) != 0
            && state.controller.leader != NOBODY
    })
}
