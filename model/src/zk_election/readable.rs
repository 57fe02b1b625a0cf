//! A state of the election as JSON.

use serde::{Deserialize, Serialize};

use crate::coordination::{Ephemeral, Link, Tie};
use crate::family::stains::{self, Stain};

use super::state::{Client, HERD, PARENT, Phase, REUSED, STALE_WRITE, State};
use super::{OFFERS_MAX, ZkElection};

/// A state, for reading and for `--from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableState {
    /// The candidates, in order.
    pub candidates: Vec<ReadableCandidate>,
    /// Every offer ever created, in order.
    pub offers: Vec<ReadableOffer>,
    /// Whether the service is stopped.
    pub outage: bool,
    /// Session storms so far.
    pub storms: u8,
    /// The largest creation id that the resource was shown; 0 before the first.
    pub token: u8,
    /// The newest offer (from 1) whose leader the resource accepted; 0 before the first.
    pub accepted: u8,
    /// Rules broken on the way: `stale-write`, `herd`, `number-reused`.
    pub stains: Vec<String>,
    /// Whether faults have stopped.
    pub stabilised: bool,
}

/// A candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableCandidate {
    /// `up`, `paused`, `lost`, `expired` or `down`.
    pub link: String,
    /// `idle`, `offered`, `listed`, `waiting`, `woken`, `leading`, …
    pub phase: String,
    /// The offer (from 1) that it takes for its own; 0 of none.
    pub own: u8,
    /// The offer (from 1) that it watches or is about to; 0 of none, 15 of the parent.
    pub target: u8,
}

/// An offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadableOffer {
    /// Its sequence number.
    pub number: u8,
    /// The candidate (from 1) that made it; absent once deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u8>,
    /// Which of the owner's sessions: `present`, `former` or `orphan`; absent once deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

const STAINS: [Stain; 3] = [(STALE_WRITE, "stale-write"), (HERD, "herd"), (REUSED, "number-reused")];

pub(super) fn read(model: &ZkElection, state: &State) -> ReadableState {
    let candidate = |client: &Client| ReadableCandidate {
        link: client.link.name().to_owned(),
        phase: client.phase.name().to_owned(),
        own: client.own,
        target: client.target,
    };
    let offer = |index: usize| {
        let node = state.offers[index];
        ReadableOffer {
            number: state.numbers[index],
            owner: node.client().map(|client| client + 1),
            session: node.exists().then(|| node.tie().name().to_owned()),
        }
    };
    ReadableState {
        candidates: state.clients[..usize::from(model.bounds.candidates)].iter().map(candidate).collect(),
        offers: (0..usize::from(state.created)).map(offer).collect(),
        outage: state.outage != 0,
        storms: state.storms,
        token: state.token,
        accepted: state.latest,
        stains: stains::names(&STAINS, state.stain),
        stabilised: state.stabilised != 0,
    }
}

pub(super) fn write(model: &ZkElection, readable: &ReadableState) -> Result<State, String> {
    let candidates = usize::from(model.bounds.candidates);
    let created = readable.offers.len();
    if readable.candidates.len() != candidates {
        return Err(format!(
            "the state has {} candidates, the model {candidates}: say --candidates {}",
            readable.candidates.len(),
            readable.candidates.len()
        ));
    }
    if created > OFFERS_MAX {
        return Err(format!("the state has {created} offers; there is room for {OFFERS_MAX}"));
    }
    let mut state = State::initial(model.bounds.candidates);
    for (index, candidate) in readable.candidates.iter().enumerate() {
        let link = Link::named(&candidate.link).ok_or_else(|| {
            format!("`{}` is no link; there are {}", candidate.link, Link::NAMES.join(", "))
        })?;
        let phase = Phase::named(&candidate.phase).ok_or_else(|| {
            format!("`{}` is no phase; there are {}", candidate.phase, Phase::NAMES.join(", "))
        })?;
        let known = |offer: u8| usize::from(offer) <= created;
        if !known(candidate.own) || !(known(candidate.target) || candidate.target == PARENT) {
            return Err(format!("candidate {} knows an offer that was never created", index + 1));
        }
        state.clients[index] = Client { link, phase, own: candidate.own, target: candidate.target };
    }
    for (index, offer) in readable.offers.iter().enumerate() {
        if offer.number == 0 {
            return Err(format!("offer {} has no number; numbers begin with 1", index + 1));
        }
        state.numbers[index] = offer.number;
        state.offers[index] = match (offer.owner, &offer.session) {
            (None, None) => Ephemeral::ABSENT,
            (Some(owner), Some(session)) if owner >= 1 && usize::from(owner) <= candidates => {
                let tie = Tie::named(session).ok_or_else(|| {
                    format!("`{session}` is no session; there are {}", Tie::NAMES.join(", "))
                })?;
                Ephemeral::of(owner - 1, tie)
            }
            _ => {
                return Err(format!(
                    "offer {} needs an owner from 1 to {candidates}, and a session",
                    index + 1
                ));
            }
        };
    }
    if usize::from(readable.accepted) > created {
        return Err("the resource has accepted an offer that was never created".to_owned());
    }
    state.created = created as u8;
    state.outage = u8::from(readable.outage);
    state.storms = readable.storms;
    state.token = readable.token;
    state.latest = readable.accepted;
    state.stabilised = u8::from(readable.stabilised);
    for stain in &readable.stains {
        let names = STAINS.map(|(_, name)| name).join(", ");
        let bit = stains::bit(&STAINS, stain);
        state.stain |= bit.ok_or_else(|| format!("`{stain}` is no stain; there are {names}"))?;
    }
    Ok(state)
}
