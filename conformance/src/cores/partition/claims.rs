//! What is claimed of the cores: what the model claims of itself, asked of the model's picture of them; that each step of theirs is one of
//! the model's; and what the model cannot say.

use highwater_core::partition::{PartitionError, Role};
use highwater_model::check::Claim;
use highwater_model::isr::state::{STAIN_RECOVERED, STAIN_TRUNCATED, epoch_of};
use highwater_model::isr::{self, Isr};

use super::message::Body;
use super::replica::small;
use super::state::State;
use super::{Bounds, PartitionCores};
use crate::cores::claims::{self, Held, Marked, holds};

/// What went wrong in a step that the model has no mark for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wrongs {
    /// The step is none of the model's.
    pub(super) strays: bool,
    /// A leader's high watermark fell.
    pub(super) high_watermark_back: bool,
    /// A producer was told that a value is safe that nobody with enough of an ISR has committed.
    pub(super) promised_too_soon: bool,
}

const STRAYS: usize = 15;
const HIGH_WATERMARK_BACK: usize = 14;
const PROMISED_TOO_SOON: usize = 13;

impl Marked for State {
    fn broken(&self) -> u16 {
        self.broken
    }
}

/// The safety claims of the model.
pub(super) fn of_model(isr: &Isr) -> Vec<Held<Isr>> {
    claims::of_model(isr, PROMISED_TOO_SOON)
}

/// Which of the model's claims do not hold of a picture, and what else went wrong.
pub(super) fn broken(isr: &Isr, claims: &[Held<Isr>], picture: &isr::State, wrongs: Wrongs) -> u16 {
    claims::broken(isr, claims, picture)
        | u16::from(wrongs.strays) << STRAYS
        | u16::from(wrongs.high_watermark_back) << HIGH_WATERMARK_BACK
        | u16::from(wrongs.promised_too_soon) << PROMISED_TOO_SOON
}

/// Everything that is claimed.
pub(super) fn claims(model: &[Held<Isr>], bounds: &Bounds) -> Vec<Claim<PartitionCores>> {
    let mut claims = claims::of_cores(model);
    claims.push(Claim::always(
        "refines-isr",
        "isr/refinement/1",
        "each step of cores and controller is a step of the model, a short fixed row of them, or none",
        holds::<_, STRAYS>,
    ));
    claims.push(Claim::always(
        "leader-high-watermark-monotone",
        "isr/commit/1",
        "the high watermark of who leads on does not fall",
        holds::<_, HIGH_WATERMARK_BACK>,
    ));
    claims.push(Claim::always(
        "promised-is-committed",
        "isr/produce/1",
        "a producer with acks=all is told that a record is safe only once it is committed by enough",
        holds::<_, PROMISED_TOO_SOON>,
    ));
    claims.extend(witnesses(bounds));
    claims
}

/// What must happen somewhere lest the claims hold of nothing, as far as the bounds leave room for it.
fn witnesses(bounds: &Bounds) -> Vec<Claim<PartitionCores>> {
    let mut witnesses = Vec::new();
    if bounds.changes > 0 {
        witnesses.push(Claim::sometimes(
            "shrunk",
            "isr/isr/5",
            "the controller has taken a smaller ISR, and its leader knows",
            |model: &PartitionCores, state: &State| {
                let all = usize::from(model.bounds.replicas);
                model.all(state).any(|replica| {
                    replica.leads() && replica.core.as_ref().is_some_and(|core| core.isr().len() < all)
                })
            },
        ));
        witnesses.push(Claim::sometimes(
            "proposed",
            "isr/commit/1",
            "a leader's maximal ISR exceeds its committed one",
            |model: &PartitionCores, state: &State| {
                let mut cores = model.all(state).filter_map(|replica| replica.core.as_ref());
                cores.any(|core| core.maximal_isr().len() > core.isr().len())
            },
        ));
    }
    if bounds.changes > 1 {
        witnesses.push(Claim::sometimes(
            "expanded",
            "isr/isr/1",
            "after two changes all are in the ISR",
            |model: &PartitionCores, state: &State| {
                let partition = &model.register(state).partition;
                partition.partition_epoch > 1 && partition.isr.len() == usize::from(model.bounds.replicas)
            },
        ));
    }
    if bounds.records > 0 {
        witnesses.push(Claim::sometimes(
            "acknowledged",
            "isr/produce/1",
            "a record is acknowledged",
            |_, state: &State| state.acknowledged != 0,
        ));
    }
    if bounds.epochs > 1 && bounds.changes > 0 {
        witnesses.extend(witnesses_of_elections(bounds));
    }
    if bounds.crashes > 0 && bounds.changes > 1 {
        witnesses.push(Claim::sometimes(
            "refused",
            "isr/isr/3",
            "the controller refuses a member that is not eligible",
            |model: &PartitionCores, state: &State| {
                state.in_flight().any(|name| {
                    let ineligible = Err(PartitionError::IneligibleReplica);
                    matches!(&model.messages.value(name).body, Body::Altered { result, .. } if *result == ineligible)
                })
            },
        ));
    }
    if bounds.crashes > 0 && bounds.min_isr > 1 && bounds.changes > 1 {
        witnesses.push(Claim::sometimes(
            "recovered",
            "isr/elr/2",
            "a replica that crashed uncleanly is in the ISR again",
            |_, state: &State| state.stain & STAIN_RECOVERED != 0,
        ));
    }
    witnesses
}

fn witnesses_of_elections(bounds: &Bounds) -> Vec<Claim<PartitionCores>> {
    let mut witnesses = vec![
        Claim::sometimes(
            "leader-of-the-last-epoch",
            "isr/elect/1",
            "a replica leads in the last epoch",
            |model: &PartitionCores, state: &State| {
                let last = model.bounds.epochs;
                model.all(state).any(|replica| replica.leads() && state.epoch(replica.epoch()) == last)
            },
        ),
        Claim::sometimes(
            "zombie",
            "isr/fetch/1",
            "two replicas presume to lead",
            |model: &PartitionCores, state: &State| {
                model.all(state).filter(|replica| replica.leads()).count() > 1
            },
        ),
    ];
    if bounds.min_isr == 1 && bounds.crashes > 0 && bounds.changes >= bounds.replicas {
        witnesses.push(Claim::sometimes(
            "nobody-leads",
            "isr/elr/1",
            "a replica has learned that nobody leads",
            |model: &PartitionCores, state: &State| {
                model.all(state).any(|replica| replica.role() == Some(Role::Leaderless))
            },
        ));
    }
    if bounds.epochs > 2 && bounds.changes > 2 {
        witnesses.push(Claim::sometimes(
            "preferred-again",
            "isr/elect/2",
            "the first replica leads again, while who led before it still believes that it does",
            |model: &PartitionCores, state: &State| {
                let first = model.replica(state, 0);
                let others = model.all(state).filter(|replica| replica.index != 0 && replica.leads());
                first.leads() && others.into_iter().any(|other| other.epoch() < first.epoch())
            },
        ));
    }
    if bounds.records > 0 {
        witnesses.push(Claim::sometimes(
            "truncated",
            "isr/truncate/1",
            "a follower has cut records",
            |_, state: &State| state.stain & STAIN_TRUNCATED != 0,
        ));
    }
    if bounds.records > 0 && bounds.changes > 1 {
        witnesses.push(Claim::sometimes(
            "failover",
            "isr/elect/1",
            "a second leader commits its own record",
            |model: &PartitionCores, state: &State| {
                model.all(state).filter(|replica| replica.leads()).any(|leader| {
                    let committed = &leader.log[..usize::from(leader.high_watermark())];
                    let epoch = small(leader.epoch().into());
                    epoch > 0 && committed.iter().any(|record| epoch_of(*record) == epoch)
                })
            },
        ));
    }
    witnesses
}
