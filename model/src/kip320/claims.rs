//! What the specification claims, each claim with a witness that it is not vacuous.

use super::state::{NONE, State, name};
use super::{Kip320, Replica};
use crate::check::Claim;

pub(super) fn all() -> Vec<Claim<Kip320>> {
    vec![
        Claim::always(
            "strong-isr",
            "kip320/safety/1",
            "what a presumed leader holds committed is in the log of every member of the true ISR",
            strong_isr,
        ),
        Claim::always(
            "weak-isr",
            "kip320/safety/2",
            "what a presumed leader holds committed is in the log of every member of the ISR that it knows",
            weak_isr,
        ),
        Claim::always(
            "leader-in-isr",
            "kip320/safety/3",
            "the leader that the quorum names is in the ISR",
            leader_in_isr,
        ),
        Claim::sometimes(
            "commits",
            "kip320/safety/1",
            "a leader of the last epoch holds every record committed, with the whole ISR in sync",
            commits,
        ),
        Claim::sometimes(
            "zombie-commits",
            "kip320/safety/2",
            "a leader that the quorum has replaced holds a record committed, in an ISR that is no longer true",
            zombie_commits,
        ),
        Claim::sometimes(
            "isr-empties",
            "kip320/controller/2",
            "without a leader the controller shrinks the ISR to nothing",
            isr_empties,
        ),
        Claim::sometimes(
            "diverges",
            "kip320/follower/1",
            "two logs hold different records at the same offset",
            diverges,
        ),
    ]
}

fn presumed_leaders<'a>(model: &Kip320, state: &'a State) -> impl Iterator<Item = &'a Replica> + use<'a> {
    let replicas = state.replicas[..usize::from(model.bounds().replicas)].iter();
    (1..).zip(replicas).filter_map(|(name, replica)| (replica.leader == name).then_some(replica))
}

fn committed_in_all(state: &State, leader: &Replica, isr: u8) -> bool {
    let holds = |(index, replica): (usize, &Replica)| {
        isr & 1 << index == 0 || leader.agrees_up_to(replica, leader.high_watermark)
    };
    leader.high_watermark == 0 || state.replicas.iter().enumerate().all(holds)
}

fn strong_isr(model: &Kip320, state: &State) -> bool {
    presumed_leaders(model, state).all(|leader| committed_in_all(state, leader, state.quorum.isr))
}

fn weak_isr(model: &Kip320, state: &State) -> bool {
    presumed_leaders(model, state).all(|leader| committed_in_all(state, leader, leader.isr))
}

fn leader_in_isr(_: &Kip320, state: &State) -> bool {
    let leader = state.quorum.leader;
    leader == NONE || state.quorum.isr & 1 << (leader - 1) != 0
}

fn commits(model: &Kip320, state: &State) -> bool {
    let bounds = model.bounds();
    let everybody = State::initial(bounds.replicas).quorum.isr;
    presumed_leaders(model, state).any(|leader| {
        leader.epoch == bounds.leader_epoch_max + 1
            && leader.high_watermark == bounds.records_max.min(bounds.log_size)
            && leader.isr == everybody
    })
}

fn zombie_commits(_: &Kip320, state: &State) -> bool {
    (0u8..).zip(&state.replicas).any(|(index, replica)| {
        replica.leader == name(index)
            && replica.epoch < state.quorum.epoch
            && replica.isr != state.quorum.isr
            && replica.high_watermark > 0
    })
}

fn isr_empties(_: &Kip320, state: &State) -> bool {
    state.quorum.isr == 0
}

fn diverges(_: &Kip320, state: &State) -> bool {
    let [first, second, third] = state.replicas.map(|replica| replica.log);
    let differ = |left: [u8; 4], right: [u8; 4]| {
        left.iter().zip(right).any(|(&left, right)| left != right && left != 0 && right != 0)
    };
    differ(first, second) || differ(second, third) || differ(first, third)
}
