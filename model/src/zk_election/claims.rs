//! What the election claims.

use crate::check::Claim;
use crate::coordination::{Link, Tie};

use super::state::{HERD, Phase, REUSED, STALE_WRITE, State};
use super::{Bounds, ZkElection};

/// Every claim; those about the time after faults have stopped only where they do stop.
pub(super) fn all(bounds: &Bounds) -> Vec<Claim<ZkElection>> {
    let mut claims = vec![
        Claim::always(
            "mutual-exclusion",
            "zk-election/safety/1",
            "once the resource has accepted a newer leader, it accepts nothing of an older one",
            |_, state: &State| state.stain & STALE_WRITE == 0,
        ),
        Claim::always(
            "belief",
            "zk-election/safety/2",
            "two candidates believe that they lead only if at most one of them has a live session",
            |_, state: &State| believers(state, true) <= 1,
        ),
        Claim::always(
            "ephemeral-session",
            "zk-election/safety/3",
            "an ephemeral node implies a live session that owns it",
            |_, state: &State| owners_live(state),
        ),
        Claim::always(
            "no-herd",
            "zk-election/safety/4",
            "a deletion wakes at most one candidate",
            |_, state: &State| state.stain & HERD == 0,
        ),
        Claim::always(
            "sequence-unique",
            "zk-election/safety/5",
            "no sequence number is given twice",
            |_, state: &State| state.stain & REUSED == 0,
        ),
        Claim::always(
            "single-offer",
            "zk-election/safety/6",
            "a session owns at most one offer",
            |_, state: &State| single(state),
        ),
    ];
    claims.extend(witnesses(bounds));
    if bounds.stabilises() {
        claims.push(Claim::leads_to(
            "leader-eventually",
            "zk-election/liveness/1",
            "once faults have stopped, with a candidate alive, some candidate leads",
            |model: &ZkElection, state: &State| state.stabilised != 0 && model.alive(state),
            |model: &ZkElection, state: &State| model.led(state),
        ));
    }
    claims
}

/// The witnesses that nothing above holds only because nothing happens. Each is claimed where the bounds allow it.
fn witnesses(bounds: &Bounds) -> Vec<Claim<ZkElection>> {
    let reserve = if bounds.stabilises() { bounds.candidates } else { 0 };
    let offers = bounds.offers.saturating_sub(reserve);
    let mut witnesses = vec![Claim::sometimes(
        "leads",
        "zk-election/lead/1",
        "a candidate leads with a live session and the resource has accepted it",
        |_, state: &State| {
            state.clients.iter().any(|client| {
                client.phase == Phase::LEADING && client.link == Link::UP && client.own == state.latest
            })
        },
    )];
    if offers >= 2 {
        witnesses.push(Claim::sometimes(
            "hands-over",
            "zk-election/session/2",
            "the resource accepts a second leader after the first one's offer has gone",
            |_, state: &State| state.latest > 1 && !state.exists(1) && state.exists(state.latest),
        ));
    }
    if offers >= 2 && bounds.candidates >= 2 {
        witnesses.push(Claim::sometimes(
            "two-believe",
            "zk-election/session/4",
            "two candidates believe that they lead, one of them without a session",
            |_, state: &State| believers(state, false) >= 2,
        ));
        witnesses.push(Claim::sometimes(
            "zombie-is-fenced",
            "zk-election/resource/1",
            "a running candidate believes that it leads, and the resource would turn it away",
            |_, state: &State| {
                state.clients.iter().any(|client| {
                    client.phase.believes()
                        && client.link == Link::EXPIRED
                        && state.number(client.own) < state.token
                })
            },
        ));
        witnesses.push(Claim::sometimes(
            "event-in-flight",
            "zk-election/watch/3",
            "an event is on its way to a candidate",
            |_, state: &State| state.clients.iter().any(|client| client.phase == Phase::WOKEN),
        ));
    }
    if offers >= 3 && bounds.candidates >= 2 {
        witnesses.push(Claim::sometimes(
            "watches-across-a-gap",
            "zk-election/lead/2",
            "a candidate watches a predecessor whose number is not its own minus one",
            |_, state: &State| {
                state.clients.iter().any(|client| {
                    client.phase == Phase::WAITING
                        && state.exists(client.target)
                        && state.number(client.target) + 1 < state.number(client.own)
                })
            },
        ));
    }
    if bounds.storms > 0 && offers >= 2 {
        witnesses.push(Claim::sometimes(
            "storm-survived",
            "zk-election/session/5",
            "after every session had ended at once, a candidate leads again",
            |model: &ZkElection, state: &State| state.storms > 0 && model.led(state),
        ));
    }
    witnesses
}

/// How many candidates believe that they lead; with `live`, only those whose session lives.
fn believers(state: &State, live: bool) -> usize {
    state.clients.iter().filter(|client| client.phase.believes() && (!live || client.link.live())).count()
}

fn owners_live(state: &State) -> bool {
    state.offers.iter().all(|offer| match (offer.client(), offer.tie()) {
        (None, _) | (Some(_), Tie::Former) => true,
        (Some(client), Tie::Present) => state.clients[usize::from(client)].link.live(),
        (Some(_), Tie::Orphan) => false,
    })
}

fn single(state: &State) -> bool {
    let present = |client: u8| state.offers.iter().filter(|offer| offer.is_of(client)).count();
    (0..state.clients.len() as u8).all(|client| present(client) <= 1)
}
