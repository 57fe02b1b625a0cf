//! What is claimed of the cores: what the model claims of itself, asked of the model's picture of them, and that each step of
//! theirs is one of the model's.

use highwater_core::quorum::{Request, RoleName};
use highwater_model::check::Claim;
use highwater_model::kraft::{self, Kraft};

use super::message::Body;
use super::state::State;
use super::{Bounds, QuorumCores};
use crate::cores::claims::{self, Held, Marked, holds};

/// The bit of [`State::broken`] that says that a step is none of the model's.
const REFINES: usize = 15;

impl Marked for State {
    fn broken(&self) -> u16 {
        self.broken
    }
}

/// The safety claims of the model.
pub(super) fn of_model(kraft: &Kraft) -> Vec<Held<Kraft>> {
    claims::of_model(kraft, REFINES)
}

/// Which of the model's claims do not hold of a picture, and whether the step to it was one of the model's.
pub(super) fn broken(kraft: &Kraft, claims: &[Held<Kraft>], picture: &kraft::State, refines: bool) -> u16 {
    claims::broken(kraft, claims, picture) | u16::from(!refines) << REFINES
}

/// Everything that is claimed.
pub(super) fn claims(model: &[Held<Kraft>], bounds: &Bounds) -> Vec<Claim<QuorumCores>> {
    let mut claims = claims::of_cores(model);
    claims.push(Claim::always(
        "refines-kraft",
        "kraft/refinement/1",
        "each step of the cores is a step of the model, a short fixed row of them, or none",
        holds::<_, REFINES>,
    ));
    claims.extend(witnesses(bounds));
    claims
}

/// What must happen somewhere lest the claims hold of nothing, as far as the bounds leave room for it.
fn witnesses(bounds: &Bounds) -> Vec<Claim<QuorumCores>> {
    let mut witnesses = vec![
        Claim::sometimes(
            "leader-of-the-last-epoch",
            "kraft/safety/1",
            "a leader is elected in the last epoch",
            |model: &QuorumCores, state: &State| {
                let last = i32::from(model.bounds.epochs);
                model.leaders(state).any(|leader| leader.core.epoch() == last)
            },
        ),
        Claim::sometimes(
            "follower-learns-high-watermark",
            "kraft/commit/5",
            "a follower's high watermark moves",
            |model: &QuorumCores, state: &State| {
                model.all(state).any(|voter| {
                    voter.core.role() == RoleName::Follower
                        && voter.core.high_watermark().is_some_and(|offset| offset > 0)
                })
            },
        ),
    ];
    if bounds.records > 0 {
        witnesses.push(Claim::sometimes(
            "record-committed",
            "kraft/commit/3",
            "a leader's high watermark passes a client's record",
            |_, state: &State| state.committed.records().any(|record| kraft::state::record_value(record) > 0),
        ));
    }
    if bounds.epochs > 1 && bounds.voters > 2 {
        witnesses.push(Claim::sometimes(
            "leader-of-each-epoch",
            "kraft/safety/1",
            "one behaviour has a leader in every epoch",
            |model: &QuorumCores, state: &State| {
                (1..=model.bounds.epochs).all(|epoch| state.leaders.get(epoch) != 0)
            },
        ));
        witnesses.push(Claim::sometimes(
            "two-leaders-of-different-epochs",
            "kraft/epoch/1",
            "an old leader does not know yet that there is a new one",
            |model: &QuorumCores, state: &State| {
                let mut epochs = model.leaders(state).map(|leader| leader.core.epoch());
                epochs.next().is_some_and(|first| epochs.any(|other| other != first))
            },
        ));
        witnesses.push(Claim::sometimes(
            "truncation-ahead",
            "kraft/fetch/3",
            "a message in flight makes its receiver truncate its log",
            truncation_ahead,
        ));
    }
    if bounds.faults > 0 && bounds.restarts > 0 {
        witnesses.push(Claim::sometimes(
            "loss-ahead",
            "kraft/flush/1",
            "a voter that may crash holds records that the crash takes",
            |model: &QuorumCores, state: &State| {
                state.restarts < model.bounds.restarts
                    && state.faults() < model.bounds.faults
                    && model.all(state).any(|voter| voter.flushed < voter.log.len())
            },
        ));
        witnesses.push(Claim::sometimes(
            "commit-after-restart",
            "kraft/epoch/2",
            "something is committed by a leader that has restarted, or after a voter has",
            |_, state: &State| state.restarts > 0 && !state.committed.is_empty(),
        ));
    }
    if bounds.faults > 0 && bounds.restarts + bounds.resignations > 0 {
        witnesses.push(Claim::sometimes(
            "leader-resigned",
            "kraft/epoch/5",
            "a leader has resigned",
            |model: &QuorumCores, state: &State| {
                model.all(state).any(|voter| voter.core.role() == RoleName::Resigned)
            },
        ));
    }
    if bounds.pre_vote > 0 {
        witnesses.push(Claim::sometimes(
            "pre-vote-asked",
            "kraft/prevote/1",
            "a voter asks for the promise of votes",
            |model: &QuorumCores, state: &State| {
                model.sets.value(state.lasting).iter().any(|name| {
                    let message = model.messages.value(*name);
                    matches!(&message.body, Body::Request(Request::Vote(vote)) if vote.pre_vote)
                })
            },
        ));
    }
    witnesses
}

fn truncation_ahead(model: &QuorumCores, state: &State) -> bool {
    state.in_flight().any(|message| {
        let to = model.messages.value(message).to;
        let after = model.voters.value(model.arrive(state, message).voter);
        after.voter.log.len() < model.voter(state, to).log.len()
    })
}
