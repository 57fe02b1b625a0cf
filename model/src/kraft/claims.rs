//! What is claimed of every state, of some state, and of every fair behaviour.

use super::Kraft;
use super::rules::{Bounds, grain};
use super::state::{Node, State, kind, record_epoch, role, stain};
use crate::check::Claim;
use crate::voting::majority;

/// Everything that the model claims.
pub(super) fn claims(bounds: &Bounds) -> Vec<Claim<Kraft>> {
    let mut claims = vec![
        Claim::always(
            "election-safety",
            "kraft/safety/1",
            "at most one leader is ever elected in an epoch",
            election_safety,
        ),
        Claim::always(
            "leader-append-only",
            "kraft/safety/2",
            "a leader never loses or replaces records of its own log while it leads",
            |_, state: &State| state.stain & stain::LEADER_LOG_CUT == 0,
        ),
        Claim::always(
            "unique-record",
            "kraft/safety/3",
            "offset and epoch identify one record",
            unique_record,
        ),
        Claim::always(
            "log-matching",
            "kraft/safety/4",
            "logs with a record of the same offset and epoch are the same up to there",
            log_matching,
        ),
        Claim::always(
            "leader-completeness",
            "kraft/safety/5",
            "the leader of a later epoch holds every record that was committed before",
            leader_completeness,
        ),
        Claim::always(
            "state-machine-safety",
            "kraft/safety/6",
            "what is below any voter's high watermark is what was committed, and stays in its log",
            state_machine_safety,
        ),
        Claim::always(
            "high-watermark-monotone",
            "kraft/safety/7",
            "a voter's high watermark never goes back while it is up",
            |_, state: &State| state.stain & stain::HIGH_WATERMARK_BACK == 0,
        ),
        Claim::always(
            "committed-durable",
            "kraft/safety/8",
            "what any leader's high watermark ever passed is on disk at a majority of the voters",
            committed_durable,
        ),
    ];
    claims.extend(witnesses(bounds));
    if bounds.stable_after > 0 {
        claims.push(Claim::leads_to(
            "leader-elected",
            "kraft/liveness/1",
            "once the network is stable, some leader is followed by every voter that is up",
            |_, state: &State| state.is_stable(),
            followed_by_all,
        ));
        claims.push(Claim::leads_to(
            "record-committed-eventually",
            "kraft/liveness/2",
            "what the log of a stable leader holds is committed in the end",
            |model, state| state.is_stable() && followed_by_all(model, state),
            all_committed,
        ));
    }
    claims
}

/// What must happen somewhere lest the claims hold of nothing, as far as the bounds leave room for it.
fn witnesses(bounds: &Bounds) -> Vec<Claim<Kraft>> {
    let mut witnesses = vec![
        Claim::sometimes(
            "record-committed",
            "kraft/commit/3",
            "a leader's high watermark passes its LeaderChange record",
            |_, state: &State| !state.committed.is_empty(),
        ),
        Claim::sometimes(
            "follower-learns-high-watermark",
            "kraft/commit/5",
            "a follower's high watermark moves",
            |model, state| {
                live(model, state).any(|node| node.role == role::FOLLOWER && node.high_watermark > 0)
            },
        ),
    ];
    if bounds.epochs > 1 {
        witnesses.push(Claim::sometimes(
            "leader-of-a-later-epoch",
            "kraft/safety/1",
            "a leader is elected in epoch 2 or later",
            |model, state| live(model, state).any(|node| node.leads() && node.ballot.epoch >= 2),
        ));
    }
    // Of two voters, a second leader needs the vote of the first, which then knows.
    if bounds.epochs > 1 && bounds.nodes > 2 {
        witnesses.push(Claim::sometimes(
            "two-leaders-of-different-epochs",
            "kraft/epoch/1",
            "an old leader does not know yet that there is a new one",
            |model, state| {
                let mut epochs = live(model, state).filter(|node| node.leads()).map(|node| node.ballot.epoch);
                epochs.next().is_some_and(|first| epochs.any(|other| other != first))
            },
        ));
        witnesses.push(Claim::sometimes(
            "older-record-committed-by-a-later-epoch",
            "kraft/commit/1",
            "a record that its own leader never saw committed is committed by the leader of a later epoch",
            committed_indirectly,
        ));
        if bounds.grain & grain::ATOMIC_FETCH == 0 {
            witnesses.push(Claim::sometimes(
                "truncation-ahead",
                "kraft/fetch/3",
                "a follower is about to learn that its log has diverged, and to truncate it",
                truncation_ahead,
            ));
        }
    }
    if bounds.faults > 0 && bounds.resignations + bounds.restarts > 0 {
        witnesses.push(Claim::sometimes(
            "leader-resigned",
            "kraft/epoch/5",
            "a leader has resigned",
            |model, state| live(model, state).any(|node| node.role == role::RESIGNED),
        ));
    }
    if bounds.faults > 0 && bounds.restarts > 0 {
        witnesses.push(Claim::sometimes(
            "unflushed-tail",
            "kraft/flush/1",
            "a follower holds records that a crash would take",
            |model, state| {
                live(model, state).any(|node| node.role == role::FOLLOWER && node.flushed < node.log.len())
            },
        ));
    }
    witnesses
}

/// The voters that take part.
fn live<'a>(model: &Kraft, state: &'a State) -> impl Iterator<Item = &'a Node> {
    state.nodes[..usize::from(model.bounds.nodes)].iter().filter(|node| node.role != role::GONE)
}

fn election_safety(model: &Kraft, state: &State) -> bool {
    let mut led = 0u8;
    state.stain & stain::SECOND_LEADER == 0
        && live(model, state).filter(|node| node.leads()).all(|node| {
            let epoch = 1 << node.ballot.epoch;
            let first = led & epoch == 0;
            led |= epoch;
            first
        })
}

/// Whether `holds` of each pair of voters and the offsets below the ends of both where their logs differ.
fn differing(model: &Kraft, state: &State, holds: fn(u8, u8) -> bool) -> bool {
    let nodes = &state.nodes[..usize::from(model.bounds.nodes)];
    nodes.iter().enumerate().all(|(at, left)| {
        nodes[at + 1..].iter().all(|right| {
            let end = left.log.len().min(right.log.len());
            (left.log.first_difference(right.log)..end)
                .all(|offset| holds(left.log.get(offset), right.log.get(offset)))
        })
    })
}

fn unique_record(model: &Kraft, state: &State) -> bool {
    differing(model, state, |left, right| left == right || record_epoch(left) != record_epoch(right))
}

fn log_matching(model: &Kraft, state: &State) -> bool {
    // From the first difference on, equal epochs at an offset would follow different prefixes.
    differing(model, state, |left, right| record_epoch(left) != record_epoch(right))
}

fn leader_completeness(model: &Kraft, state: &State) -> bool {
    live(model, state)
        .filter(|node| node.leads() && node.ballot.epoch > state.committed_in)
        .all(|node| node.log.starts_with(state.committed))
}

fn state_machine_safety(model: &Kraft, state: &State) -> bool {
    live(model, state).all(|node| {
        let applied = node.log.prefix(node.high_watermark);
        applied.len() == node.high_watermark && state.committed.starts_with(applied)
    })
}

fn committed_durable(model: &Kraft, state: &State) -> bool {
    // A disk that was lost is out of every protocol's hands: it counts as one that holds.
    let nodes = &state.nodes[..usize::from(model.bounds.nodes)];
    let holding = (0..).zip(nodes).filter(|(index, node)| {
        state.wiped >> index & 1 == 1 || node.log.prefix(node.flushed).starts_with(state.committed)
    });
    holding.count() >= usize::from(majority(model.bounds.nodes))
}

fn committed_indirectly(model: &Kraft, state: &State) -> bool {
    // The leader of the first record's epoch still leads it and knows of nothing committed.
    let epoch = record_epoch(state.committed.get(0));
    live(model, state).any(|node| {
        node.leads() && node.ballot.epoch == epoch && node.high_watermark == 0 && state.committed_in > epoch
    })
}

fn truncation_ahead(_: &Kraft, state: &State) -> bool {
    state.in_flight().any(|message| {
        let fields = message.fields();
        let follower = &state.nodes[fields.to];
        fields.kind == kind::DIVERGING
            && follower.role == role::FOLLOWER
            && follower.ballot.epoch == fields.epoch
            && follower.log.len() == fields.offset
            && follower.log.len() > fields.record
    })
}

/// The leader that every live voter follows, if there is one.
fn common_leader<'a>(model: &Kraft, state: &'a State) -> Option<&'a Node> {
    let leader = live(model, state).find(|leader| {
        leader.leads()
            && live(model, state).all(|node| {
                node.ballot.epoch == leader.ballot.epoch
                    && node.leader == leader.leader
                    && (node.role == role::FOLLOWER || node.leads())
            })
    });
    leader.filter(|leader| leader.leader != crate::voting::NOBODY)
}

fn followed_by_all(model: &Kraft, state: &State) -> bool {
    common_leader(model, state).is_some()
}

fn all_committed(model: &Kraft, state: &State) -> bool {
    common_leader(model, state).is_some_and(|leader| leader.high_watermark == leader.log.len())
}
